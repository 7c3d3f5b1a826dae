//! Rule sets with one mistake each, and what a reader is told: a case for every code of the checker.
//!
//! To add a case, drop a file in `golden/check` that is named for its code, with more behind it where there are several
//! (`E0101.txt`, `E0101_links.txt`). It holds files after `=== path`, and after `=== says` all that is told.
//! `UPDATE_GOLDEN=1 cargo test -p dsl --test golden` writes what is told now; read it before you keep it.
//!
//! Locks are the shipped ones, and those that the case brings (`=== schemas/shop.lock`); `systems.rules` is there unless
//! the case brings its own. After `=== today` stands the day by which the age of locks is judged.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use dsl::check::{Compiled, compile};
use dsl::diagnostic::{Code, human};

/// Codes that only the engine tells, of what it ran or asked.
const OF_THE_ENGINE: [Code; 4] = [Code::E0903, Code::T0001, Code::T0002, Code::T0003];

/// Limits that take a text of thousands of characters to reach; `pages.rs` reaches them.
const TOO_LONG_TO_WRITE_OUT: [Code; 6] = [Code::E0090, Code::E0091, Code::E0093, Code::E0095, Code::E0096, Code::E0098];

fn compiled(case: &str) -> Compiled {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| std::fs::read_to_string(root.join(path)).expect("a text");
    let mut files: Vec<(String, String)> = Vec::new();
    let mut locks: BTreeMap<String, String> = ["app", "crm", "mail"]
        .map(|name| (format!("schemas/{name}.lock"), read(&format!("../rules/schemas/{name}.lock"))))
        .into();
    let mut today = None;
    for part in case.split("=== ").skip(1) {
        let (path, text) = part.split_once('\n').expect("a path and a text");
        match path {
            "today" => today = Some(text.trim().parse().expect("a day")),
            path if path.ends_with(".lock") => _ = locks.insert(path.to_owned(), text.to_owned()),
            path => files.push((path.to_owned(), text.to_owned())),
        }
    }
    if !files.iter().any(|(path, _)| path == "systems.rules") {
        files.push(("systems.rules".to_owned(), read("tests/golden/systems.rules")));
    }
    files.sort();
    compile(&files, &locks, today)
}

fn told(compiled: &Compiled) -> String {
    let blocks: Vec<String> = compiled
        .problems
        .iter()
        .map(|problem| {
            let text = human(problem, &compiled.files, false);
            text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
        })
        .collect();
    blocks.join("\n").trim_end().to_owned() + "\n"
}

/// Every case with the code for which it is named.
fn cases() -> Vec<(PathBuf, Code)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/check");
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(&folder).expect("the cases").map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    let named = |path: PathBuf| {
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let code = name.split('_').next().and_then(|code| code.parse().ok());
        (path, code.unwrap_or_else(|| panic!("`{name}` does not begin with a code")))
    };
    paths.into_iter().map(named).collect()
}

#[test]
fn every_mistake_is_told_as_written() {
    let mut wrong = Vec::new();
    for (path, code) in cases() {
        let text = std::fs::read_to_string(&path).expect("a case");
        let (case, says) = text.split_once("=== says\n").expect("what is told stands after `=== says`");
        let compiled = compiled(case);
        let codes: BTreeSet<Code> = compiled.problems.iter().map(|problem| problem.code).collect();
        if codes != BTreeSet::from([code]) {
            wrong.push(format!("{}\nis no mistake of this one code: {codes:?}", path.display()));
        }
        let now = told(&compiled);
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, format!("{case}=== says\n{now}")).expect("the case is written");
        } else if now != says {
            wrong.push(format!("{}\n--- written\n{says}--- told\n{now}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_code_is_without_a_case() {
    let shown: BTreeSet<Code> = cases().into_iter().map(|(_, code)| code).collect();
    let elsewhere = |code: &Code| OF_THE_ENGINE.contains(code) || TOO_LONG_TO_WRITE_OUT.contains(code);
    let without: Vec<&Code> =
        Code::ALL.iter().filter(|code| !elsewhere(code)).filter(|code| !shown.contains(code)).collect();
    assert!(without.is_empty(), "write a case for {without:?} in tests/golden/check");
    let both: Vec<&Code> = shown.iter().filter(|code| elsewhere(code)).collect();
    assert!(both.is_empty(), "{both:?} have a case after all: take them out of the exceptions");
}

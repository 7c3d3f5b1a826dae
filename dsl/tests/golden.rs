//! Rule sets with one mistake each, and what a reader is told: the typical mistakes of LANGUAGE.md section 5 and
//! more. To add a case, drop a file in `golden/check`: files after `=== path`, and after `=== says` all
//! that is told. `UPDATE_GOLDEN=1 cargo test -p dsl --test golden` writes what is told now.

use std::collections::BTreeMap;
use std::path::Path;

use dsl::check::compile;
use dsl::diagnostic::human;

/// Locks are the shipped ones; `systems.rules` is there unless the case brings its own.
fn told(case: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| std::fs::read_to_string(root.join(path)).expect("a text");
    let mut files: Vec<(String, String)> = Vec::new();
    for part in case.split("=== ").skip(1) {
        let (path, text) = part.split_once('\n').expect("a path and a text");
        files.push((path.to_owned(), text.to_owned()));
    }
    if !files.iter().any(|(path, _)| path == "systems.rules") {
        files.push(("systems.rules".to_owned(), read("tests/golden/systems.rules")));
    }
    files.sort();
    let locks: BTreeMap<String, String> = ["app", "crm", "mail"]
        .map(|name| (format!("schemas/{name}.lock"), read(&format!("../rules/schemas/{name}.lock"))))
        .into();
    let compiled = compile(&files, &locks, None);
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

#[test]
fn every_mistake_is_told_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/check");
    let mut paths: Vec<_> =
        std::fs::read_dir(&folder).expect("the cases").map(|e| e.expect("an entry").path()).collect();
    paths.sort();
    assert!(paths.len() >= 17);
    let mut wrong = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(&path).expect("a case");
        let (case, says) = text.split_once("=== says\n").expect("what is told stands after `=== says`");
        let now = told(case);
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, format!("{case}=== says\n{now}")).expect("the case is written");
        } else if now != says {
            wrong.push(format!("{}\n--- written\n{says}--- told\n{now}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

//! The shipped rules with one change, and everything that is told of it: a right change is told nothing, a wrong one
//! once. The cases stand in `golden/changes`; `UPDATE_GOLDEN=1 cargo test -p dsl --test changes` writes what is told
//! now.
//!
//! A case is a line `## what is changed`, then for each change the file, the lines to take away (`-`) and to put in
//! (`+`; a `+` without a `-` is put at the end of the file), and after `>` what is told: code, place and message, what
//! the other labels say, and the help.

use std::collections::BTreeMap;
use std::path::Path;

use dsl::check::{Compiled, check};
use dsl::parse::{Parse, parse};
use dsl::source::{FileId, SourceFile};

fn texts() -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rules");
    let mut found = BTreeMap::new();
    for folder in ["", "schemas/"] {
        for entry in std::fs::read_dir(root.join(folder)).expect("the shipped rules are there") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            if name.ends_with(".rules") || name.ends_with(".lock") {
                found.insert(format!("{folder}{name}"), std::fs::read_to_string(&path).expect("a text"));
            }
        }
    }
    found
}

/// The texts with the changes of a case.
fn changed(case: &str, texts: &mut BTreeMap<String, String>) {
    let mut file = String::new();
    let (mut away, mut into) = (String::new(), String::new());
    let mut apply = |file: &str, away: &mut String, into: &mut String| {
        let (from, to) = (std::mem::take(away), std::mem::take(into));
        if file.is_empty() {
            return;
        }
        let text = texts.entry(file.to_owned()).or_default();
        if from.is_empty() {
            text.push_str(&to);
        } else {
            let from = from.strip_suffix('\n').unwrap_or(&from);
            assert!(text.contains(from), "{file} has no `{from}`");
            *text = text.replacen(from, to.strip_suffix('\n').unwrap_or(&to), 1);
        }
    };
    for line in case.lines() {
        match line.split_at_checked(2) {
            Some(("- ", text)) => {
                if !into.is_empty() {
                    apply(&file, &mut away, &mut into);
                }
                away.push_str(&format!("{text}\n"));
            }
            Some(("+ ", text)) => into.push_str(&format!("{text}\n")),
            _ => match line {
                "-" => away.push('\n'),
                "+" => into.push('\n'),
                name => {
                    apply(&file, &mut away, &mut into);
                    name.clone_into(&mut file);
                }
            },
        }
    }
    apply(&file, &mut away, &mut into);
}

fn told(compiled: &Compiled) -> String {
    let place = |file: &SourceFile, at| format!("{}:{}", file.path, file.position(at).0);
    let mut told = String::new();
    for problem in &compiled.problems {
        let span = problem.span();
        let file = &compiled.files[span.file.0 as usize];
        told.push_str(&format!("> {} {} {}\n", problem.code, place(file, span.start), problem.message));
        for label in &problem.labels {
            let file = &compiled.files[label.span.file.0 as usize];
            let marked = file.slice(label.span).lines().next().unwrap_or_default();
            told.push_str(&format!(">   {} `{marked}`: {}\n", place(file, label.span.start), label.text));
        }
        for line in problem.help.iter().flat_map(|help| help.lines()) {
            told.push_str(&format!(">   help: {}\n", line.trim_end()));
        }
    }
    if told.is_empty() { "> nothing\n".to_owned() } else { told }
}

#[test]
fn one_change_of_the_shipped_rules_is_told_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/changes");
    let mut paths: Vec<_> =
        std::fs::read_dir(&folder).expect("the cases").map(|e| e.expect("an entry").path()).collect();
    paths.sort();
    let shipped = texts();
    let mut parsed: BTreeMap<(FileId, String), (String, Parse)> = BTreeMap::new();
    let mut wrong = Vec::new();
    let mut count = 0;
    for path in paths {
        let written = std::fs::read_to_string(&path).expect("the cases");
        let mut now = String::new();
        for case in written.split("## ").skip(1) {
            let (title, rest) = case.split_once('\n').expect("a title");
            let body: String =
                rest.lines().filter(|line| !line.starts_with('>')).map(|line| format!("{line}\n")).collect();
            let mut texts = shipped.clone();
            // Tests are read where a case is about them, so that new ones do not change the others.
            texts.retain(|name, _| !name.ends_with(".test.rules") || body.lines().any(|line| line == name));
            changed(body.trim_end_matches('\n'), &mut texts);
            let (locks, files): (BTreeMap<_, _>, BTreeMap<_, _>) =
                texts.into_iter().partition(|(name, _)| name.ends_with(".lock"));
            // What is as it was need not be parsed again.
            let files = files.into_iter().enumerate().map(|(index, (name, text))| {
                let file = SourceFile::new(FileId(u32::try_from(index).expect("few files")), name, &text);
                let known = parsed.get(&(file.id, file.path.clone())).filter(|(text, _)| *text == *file.text);
                let tree = known.map_or_else(|| parse(&file), |(_, tree)| tree.clone());
                (file, tree)
            });
            let files: Vec<(SourceFile, Parse)> = files.collect();
            for (file, tree) in &files {
                let known = || (file.text.to_string(), tree.clone());
                parsed.entry((file.id, file.path.clone())).or_insert_with(known);
            }
            let compiled = check(files, &locks, None);
            let told = told(&compiled);
            let before: String =
                rest.lines().filter(|line| line.starts_with('>')).map(|line| format!("{line}\n")).collect();
            if before != told {
                wrong.push(format!("{title}\n--- written\n{before}--- told\n{told}"));
            }
            now.push_str(&format!("## {title}\n{}\n{told}\n", body.trim_end_matches('\n')));
            count += 1;
        }
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, now.trim_end().to_owned() + "\n").expect("the cases are written");
        }
    }
    assert!(count > 200, "{count}");
    assert!(std::env::var_os("UPDATE_GOLDEN").is_some() || wrong.is_empty(), "{}", wrong.join("\n"));
}

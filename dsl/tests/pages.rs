//! The pages of `engine explain`: every code has one, and its examples are what they say they are.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use dsl::check::compile;
use dsl::diagnostic::{CODES, explain};

/// The texts of fenced blocks of a language.
fn blocks<'p>(page: &'p str, language: &str) -> Vec<&'p str> {
    let open = format!("```{language}\n");
    page.split(&open).skip(1).map(|rest| rest.split("```").next().expect("a block ends")).collect()
}

/// Codes told of an example, with the shipped locks, and the page's own lock as `schemas/shop.lock`.
fn told(example: &str, lock: Option<&&str>) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| std::fs::read_to_string(root.join(path)).expect("a text");
    let mut files = vec![("example.rules".to_owned(), example.to_owned())];
    if !example.starts_with("edition") {
        files.push(("systems.rules".to_owned(), read("tests/golden/systems.rules")));
    }
    let mut locks: BTreeMap<String, String> = ["app", "crm", "mail"]
        .map(|name| (format!("schemas/{name}.lock"), read(&format!("../rules/schemas/{name}.lock"))))
        .into();
    if let Some(lock) = lock {
        locks.insert("schemas/shop.lock".to_owned(), (*lock).to_owned());
    }
    let compiled = compile(&files, &locks, Some(jiff::civil::date(2026, 12, 1)));
    compiled.problems.iter().map(|problem| format!("{} {}", problem.code, problem.message)).collect()
}

#[test]
fn a_wrong_example_yields_its_code_and_a_right_one_nothing() {
    let mut checked = 0;
    let mut wrong = Vec::new();
    for code in CODES {
        let examples = blocks(code.page, "rules");
        let locks = blocks(code.page, "yaml");
        let [bad, good] = examples.as_slice() else {
            assert_eq!(examples.len(), 0, "{} needs a wrong and a right example", code.code);
            continue;
        };
        checked += 1;
        let bad = told(bad, locks.first());
        if bad.is_empty() || !bad.iter().all(|one| one.starts_with(code.code)) {
            wrong.push(format!("{}: the wrong example yields {bad:?}", code.code));
        }
        let good = told(good, locks.first());
        if !good.is_empty() {
            wrong.push(format!("{}: the right example yields {good:?}", code.code));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(checked >= 55, "only {checked} pages have examples");
}

#[test]
fn every_code_that_is_told_has_a_page() {
    let mut told = BTreeSet::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("the sources") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") && !path.ends_with("codes.rs") {
                let text = std::fs::read_to_string(path).expect("a source");
                for quoted in text.split('"').filter(|part| part.len() == 5) {
                    let (letter, digits) = quoted.split_at(1);
                    if "EWTP".contains(letter) && digits.bytes().all(|b| b.is_ascii_digit()) {
                        told.insert(quoted.to_owned());
                    }
                }
            }
        }
    }
    assert!(told.len() > 60, "{told:?}");
    let without: Vec<&String> = told.iter().filter(|code| explain(code).is_none()).collect();
    assert!(without.is_empty(), "{without:?}");
}

#[test]
fn a_code_stands_once_in_the_registry_and_its_page_bears_its_name() {
    let mut seen = BTreeSet::new();
    for code in CODES {
        assert!(seen.insert(code.code), "{} stands twice", code.code);
        assert!(code.page.starts_with(&format!("# {}: {}\n", code.code, code.title)), "{}", code.code);
    }
}

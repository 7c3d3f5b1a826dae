//! What `--format sarif` prints is valid against the schema that OASIS published.
//!
//! The schema comes with the package `serde-sarif`, from wherever Cargo keeps it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use dsl::check::compile;
use dsl::diagnostic::{Code, sarif};
use serde_json::Value;

fn schema() -> Value {
    // Of this platform alone: packages for others are not on this machine.
    let version = Command::new("rustc").arg("-vV").output().expect("rustc runs, it built this test");
    let version = String::from_utf8_lossy(&version.stdout).into_owned();
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).expect("rustc names its host");
    let answer = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--offline", "--filter-platform", host])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs, it runs this test");
    assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
    let metadata: Value = serde_json::from_slice(&answer.stdout).expect("cargo prints JSON");
    let package = metadata["packages"]
        .as_array()
        .expect("packages")
        .iter()
        .find(|package| package["name"] == "serde-sarif")
        .expect("it is a dependency of these tests");
    let folder = Path::new(package["manifest_path"].as_str().expect("a path")).parent().expect("a folder");
    let text = std::fs::read_to_string(folder.join("src/schema.json")).expect("the schema is in the package");
    // A bracket that closes nothing: the regular expressions of JavaScript take it for itself.
    let text = text.replace("{2}]?$", r"{2}\\]?$");
    serde_json::from_str(&text).expect("the schema is JSON")
}

/// The wrong example of every page, in one log.
fn everything() -> Value {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| std::fs::read_to_string(root.join(path)).expect("a text");
    let locks: BTreeMap<String, String> = ["app", "crm", "mail"]
        .map(|name| (format!("schemas/{name}.lock"), read(&format!("../rules/schemas/{name}.lock"))))
        .into();
    let mut files = vec![("systems.rules".to_owned(), read("tests/golden/systems.rules"))];
    for code in Code::ALL {
        let example = code.page().split("```rules\n").nth(1).and_then(|rest| rest.split("```").next());
        if let Some(example) = example {
            // A name that a link has to escape.
            files.push((format!("odd [1] é/{code}.rules"), example.to_owned()));
        }
    }
    let checked = compile(&files, &locks, Some(jiff::civil::date(2027, 1, 1)));
    let codes: BTreeSet<Code> = checked.problems.iter().map(|problem| problem.code).collect();
    // Of the items of one name only the first is looked at.
    assert!(codes.len() > 25, "{codes:?}");
    sarif(&checked.problems, &checked.files)
}

#[test]
fn the_log_is_valid_against_the_published_schema() {
    let schema = schema();
    assert_eq!(schema["title"], "Static Analysis Results Format (SARIF) Version 2.1.0 JSON Schema");
    let validator = jsonschema::validator_for(&schema).expect("the schema is one");
    for log in [everything(), sarif(&[], &[])] {
        let wrong: Vec<String> =
            validator.iter_errors(&log).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}

#[test]
fn a_log_that_is_not_valid_is_told() {
    let validator = jsonschema::validator_for(&schema()).expect("the schema is one");
    let mut log = everything();
    log["runs"][0]["results"][0]["level"] = "fatal".into();
    assert!(!validator.is_valid(&log));
}

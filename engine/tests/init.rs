//! `engine init`: what it writes is whole, and says why a line is none.

use std::path::Path;
use std::process::{Command, Output};

fn engine(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_engine")).args(arguments).current_dir(folder).output().expect("it runs")
}

#[track_caller]
fn fine(folder: &Path, arguments: &[&str]) -> String {
    let output = engine(folder, arguments);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{arguments:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

#[test]
fn a_first_folder_validates_passes_its_test_and_is_in_canonical_form() {
    let folder = tempfile::tempdir().expect("a folder");
    let said = fine(folder.path(), &["init", "own"]);
    assert!(said.contains("8 lines of Contacts proposed, 3 left as comments"), "{said}");
    let own = folder.path().join("own");
    assert!(fine(&own, &["validate", "rules"]).contains("no findings"));
    assert!(fine(&own, &["test", "rules"]).contains("1 passed, 0 failed"));
    assert!(fine(&own, &["config", "check", "engine.yaml"]).contains("no findings"));
    fine(&own, &["fmt", "--check", "rules"]);
    let rules = std::fs::read_to_string(own.join("rules/contacts.rules")).expect("the mapping");
    assert!(rules.lines().any(|line| line.split_whitespace().eq(["jobTitle", "<->", "jobtitle"])), "{rules}");
    assert!(rules.contains("# region: crm.Contact has no field of this name"), "{rules}");
    // Nothing is written over.
    let again = engine(folder.path(), &["init", "own"]);
    assert_eq!(again.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&again.stderr).contains("is not empty"));
}

#[test]
fn other_entities_and_locks_are_proposed_as_far_as_they_fit() {
    let folder = tempfile::tempdir().expect("a folder");
    fine(folder.path(), &["init", "companies", "--pair", "Company=Company"]);
    let own = folder.path().join("companies");
    fine(&own, &["validate", "rules"]);
    fine(&own, &["test", "rules"]);

    let rules = concat!(env!("CARGO_MANIFEST_DIR"), "/../rules/schemas/");
    let crm = std::fs::read_to_string(format!("{rules}crm.lock")).expect("a lock");
    // A field of another type is no line, and says so.
    let odd = crm.replacen("jobtitle:            { type: text", "jobtitle:            { type: integer", 1);
    assert_ne!(odd, crm);
    std::fs::write(folder.path().join("crm.lock"), odd).expect("written");
    fine(folder.path(), &["init", "odd", "--crm", "crm.lock"]);
    let mapping = std::fs::read_to_string(folder.path().join("odd/rules/contacts.rules")).expect("the mapping");
    assert!(mapping.lines().any(|line| line.trim_start().starts_with("# jobTitle")), "{mapping}");
    fine(&folder.path().join("odd"), &["validate", "rules"]);
    fine(&folder.path().join("odd"), &["test", "rules"]);

    for (arguments, wrong) in [
        (vec!["init", "x", "--pair", "Usr=Contact"], "has no entity `Usr`; it has Account"),
        (vec!["init", "x", "--pair", "Usr"], "does not name two entities"),
        (vec!["init", "x", "--pair", "Note=Note"], "share no field that identifies a record"),
        (vec!["init", "x", "--app", "crm.lok"], "cannot read crm.lok"),
    ] {
        let output = engine(folder.path(), &arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(wrong), "{said}");
        assert!(!folder.path().join("x").exists(), "nothing is begun");
    }
}

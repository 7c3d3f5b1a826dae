//! `engine graph` as people call it.

use std::process::{Command, Output};

const RULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../rules");

fn engine(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_engine")).args(arguments).output().expect("the engine starts")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8")
}

#[test]
fn the_picture_is_the_one_that_the_language_draws() {
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/../dsl/tests/golden/graph");
    for (format, ending) in [("mermaid", "mmd"), ("dot", "dot"), ("json", "json")] {
        let output = engine(&["graph", RULES, "--format", format]);
        let written = std::fs::read_to_string(format!("{golden}/shipped.{ending}")).expect("a picture");
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
        assert_eq!(text(&output.stdout), written);
    }
    assert_eq!(engine(&["graph", RULES, "--json"]).stdout, engine(&["graph", RULES, "--format", "json"]).stdout);
}

#[test]
fn a_file_stands_for_its_rule_set_and_around_keeps_what_is_near() {
    let output = engine(&["graph", &format!("{RULES}/deals.rules"), "--around", "Companies"]);
    let picture = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0));
    assert!(picture.contains("sync Companies") && !picture.contains("sync Contacts"), "{picture}");
}

#[test]
fn an_unknown_name_is_refused_with_the_nearest() {
    let output = engine(&["graph", RULES, "--around", "crm.Dael"]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), ""));
    assert_eq!(
        text(&output.stderr),
        "engine: nothing in these rules is called `crm.Dael`\n  help: did you mean `crm.Deal`?\n"
    );
}

#[test]
fn rules_that_do_not_hold_are_not_drawn() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("a.rules"), "edition 2026\nsync A between x.B and y.C {\n}\n").expect("rules");
    let output = engine(&["graph", folder.path().to_str().expect("a path")]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), ""));
    let told = text(&output.stderr);
    assert!(told.contains("E0102") && told.ends_with("so there is nothing to draw\n"), "{told}");
    let output = engine(&["graph", "--json", folder.path().to_str().expect("a path")]);
    let told: serde_json::Value = serde_json::from_str(text(&output.stdout)).expect("JSON");
    assert_eq!((output.status.code(), &told["findings"][0]["code"]), (Some(1), &"E0102".into()));
    assert_eq!(engine(&["graph", "/no/such/folder"]).status.code(), Some(2));
}

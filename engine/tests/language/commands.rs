//! `validate`, `fmt`, `fix` and `explain`, as they are typed.

use std::io::Write;
use std::process::Stdio;

use serde_json::Value;

use crate::folder::{Folder, told};

#[test]
fn a_misspelt_field_is_found_named_and_mended() {
    let folder = Folder::new();
    let before = folder.text("contacts.rules");
    folder.spoil("contacts.rules", "firstName ", "fristName ");
    let text = folder.run(&["validate", "rules"], 1);
    assert!(text.contains("app.User has no field `fristName`") && text.contains("did you mean `firstName`?"), "{text}");
    assert!(text.contains("contacts.rules:12:5") && text.ends_with("1 finding\n"), "{text}");
    let text = folder.run(&["fix", "--code", "e0101"], 0);
    assert!(text.starts_with("rules/contacts.rules:12:5: E0101 write `firstName`\n"), "{text}");
    assert_eq!(folder.text("contacts.rules"), before);
    folder.run(&["validate", "rules"], 0);
}

#[test]
fn what_needs_a_choice_is_left_and_said() {
    let folder = Folder::new();
    folder.spoil("contacts.rules", "else clear", "");
    let before = folder.text("contacts.rules");
    let text = folder.run(&["fix"], 1);
    assert_eq!(
        text,
        "nothing to mend without a choice of yours\nleft: rules/contacts.rules:18:5: E0203 this value can be missing, and nothing says what to do then\n1 finding is left, which engine validate shows\n"
    );
    assert_eq!(folder.text("contacts.rules"), before);
}

#[test]
fn validate_mends_first_where_it_is_asked_to() {
    let folder = Folder::new();
    folder.spoil("events.rules", "\"contact.creation\"", "\"contact.create\"");
    folder.spoil("contacts.rules", "else clear", "");
    let found: Value = serde_json::from_str(&folder.run(&["validate", "--fix", "--json"], 1)).expect("JSON");
    let codes: Vec<&str> =
        found["findings"].as_array().expect("a list").iter().filter_map(|one| one["code"].as_str()).collect();
    assert_eq!(codes, ["E0203"]);
}

#[test]
fn a_file_stands_for_its_rule_set_with_its_own_findings() {
    let folder = Folder::new();
    folder.spoil("contacts.rules", "firstName ", "fristName ");
    folder.run(&["validate", "rules/deals.rules"], 0);
    folder.run(&["validate", "rules/contacts.rules"], 1);
    let text = folder.run(&["validate", "--format", "concise", "rules/contacts.rules", "rules/deals.rules"], 1);
    assert_eq!(text, "rules/contacts.rules:12:5: E0101 app.User has no field `fristName`\n");
}

#[test]
fn paths_for_a_code_host_lead_there_from_the_working_folder() {
    let folder = Folder::new();
    folder.spoil("contacts.rules", "firstName ", "fristName ");
    let there = |format: &str, from: &str| {
        let text = folder.run(&["validate", "--format", format], 1);
        assert!(text.contains(from), "{format}: {text}");
    };
    there("github", "::error file=rules/contacts.rules,line=12,col=5");
    there("gitlab", "\"path\":\"rules/contacts.rules\"");
    there("sarif", "\"uri\":\"rules/contacts.rules\"");
    there("junit", "name=\"rules/contacts.rules:12:5 E0101\"");
    // What the language calls it stays so in its own JSON.
    there("json", "\"file\":\"contacts.rules\"");
    there("jsonl", "\"file\":\"contacts.rules\"");
}

#[test]
fn in_github_actions_findings_are_commands_by_themselves() {
    let folder = Folder::new();
    folder.spoil("contacts.rules", "firstName ", "fristName ");
    let output = folder.command(&["validate"]).env("GITHUB_ACTIONS", "true").output().expect("the engine runs");
    assert!(told(&output, &["validate"], 1).starts_with("::error file="));
    let arguments = ["validate", "--format", "concise"];
    let output = folder.command(&arguments).env("GITHUB_ACTIONS", "true").output().expect("the engine runs");
    assert!(told(&output, &arguments, 1).starts_with("rules/contacts.rules:"));
}

#[test]
fn what_is_no_format_is_told_with_those_there_are() {
    let text = Folder::new().run(&["validate", "--format", "xml"], 2);
    assert!(text.contains("human, concise, json, jsonl, sarif, github, gitlab, junit"), "{text}");
}

#[test]
fn formatting_changes_what_has_another_form_and_nothing_else() {
    let folder = Folder::new();
    let before = folder.text("contacts.rules");
    folder.run(&["fmt", "--check"], 0);
    folder.spoil("contacts.rules", "    firstName           <-> firstname", "  firstName<->firstname");
    let text = folder.run(&["fmt", "--check"], 1);
    assert!(text.starts_with("would change rules/contacts.rules\n1 would change, "), "{text}");
    assert_ne!(folder.text("contacts.rules"), before);
    assert!(folder.run(&["fmt", "rules/contacts.rules"], 0).starts_with("changed rules/contacts.rules\n"));
    assert_eq!(folder.text("contacts.rules"), before);
    assert!(folder.run(&["fmt", "--check"], 0).ends_with(" files are in canonical form\n"));
}

#[test]
fn stdin_is_formatted_to_stdout() {
    let folder = Folder::new();
    let expected = folder.text("companies.rules");
    let pass = |arguments: &[&str], text: &str, exit| {
        let mut child = folder
            .command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the engine starts");
        child.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("it reads");
        told(&child.wait_with_output().expect("it ends"), arguments, exit)
    };
    assert_eq!(pass(&["fmt", "-"], &expected.replace("  ", " "), 0), expected);
    pass(&["fmt", "--check", "-"], &expected.replace("  ", " "), 1);
    pass(&["fmt", "--check", "-"], &expected, 0);
}

#[cfg(unix)]
#[test]
fn a_file_that_cannot_be_written_is_named_and_keeps_its_text() {
    use std::os::unix::fs::PermissionsExt;

    let folder = Folder::new();
    folder.spoil("contacts.rules", "    firstName ", "  firstName ");
    let before = folder.text("contacts.rules");
    let path = folder.rules.join("contacts.rules");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o444)).expect("a mode");
    let text = folder.run(&["fmt"], 2);
    assert!(text.contains("cannot write rules/contacts.rules"), "{text}");
    assert_eq!(folder.text("contacts.rules"), before);
}

#[test]
fn a_page_is_shown_for_every_code_and_a_near_one_named_for_others() {
    let folder = Folder::new();
    assert!(folder.run(&["explain", "e0203"], 0).starts_with("# E0203: this value can be missing"));
    let list = folder.run(&["explain", "--list"], 0);
    assert_eq!(list.lines().count(), dsl::diagnostic::Code::ALL.len());
    for line in list.lines() {
        let code = line.split(' ').next().expect("a code");
        let page: Value = serde_json::from_str(&folder.run(&["explain", "--json", code], 0)).expect("JSON");
        assert_eq!(page["code"], code);
    }
    assert!(folder.run(&["explain", "E0305"], 2).contains("did you mean E0"));
    assert!(folder.run(&["explain", "why"], 2).contains("engine explain --list"));
}

#[test]
fn words_of_the_language_are_explained_quoted_or_not() {
    let folder = Folder::new();
    let quoted = folder.run(&["explain", "wait until"], 0);
    assert_eq!(quoted, folder.run(&["explain", "wait", "until"], 0));
    assert!(quoted.contains("It waits until a time has come.\n  It stands in a workflow."), "{quoted}");
    let sync = folder.run(&["explain", "sync"], 0);
    assert!(sync.contains("between system.Entity and system.Entity") && sync.contains("from system.Entity"), "{sync}");
    let list = folder.run(&["explain", "--forms"], 0);
    assert_eq!(list.lines().count(), dsl::forms::forms().count());
    for form in dsl::forms::forms() {
        let said: Value = serde_json::from_str(&folder.run(&["explain", "--json", form.name], 0)).expect("JSON");
        let forms = said["forms"].as_array().expect("forms");
        assert!(forms.iter().any(|found| found["name"] == form.name), "{} is not in {said}", form.name);
    }
    assert!(folder.run(&["explain", "left -> right", "--json"], 0).starts_with("{\"forms\""));
    assert!(folder.run(&["explain", "wokflow"], 2).contains("did you mean `workflow`?"));
}

#[test]
fn a_reader_that_has_enough_is_no_panic() {
    let folder = Folder::new();
    for arguments in [&["explain", "--list"][..], &["graph"], &["validate"], &["test"], &["fmt", "--check"]] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let output = folder.command(arguments).stdout(writer).stderr(Stdio::piped()).output().expect("it ends");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{arguments:?}");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn inside_of_the_folder_of_the_rules_the_folder_itself_is_looked_at() {
    let folder = Folder::new();
    let output = folder.command(&["validate"]).current_dir(&folder.rules).output().expect("the engine runs");
    let text = told(&output, &["validate"], 0);
    assert!(text.contains("no findings"), "{text}");
}

#[test]
fn rules_that_would_never_be_read_for_their_name_are_told_of() {
    for (name, meant) in [("urgent.rules.txt", "`urgent.rules`"), ("urgent.rule", "`urgent.rules`")] {
        let folder = Folder::new();
        std::fs::write(folder.rules.join(name), "when app.User is created { nothing }\n").expect("written");
        let text = folder.run(&["validate"], 2);
        assert!(text.contains(name) && text.contains(meant), "{text}");
    }
}

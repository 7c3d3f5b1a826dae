//! Findings in every form in which they are printed, as in `golden/render`.
//! `UPDATE_GOLDEN=1 cargo test -p dsl --test render` writes what is printed now.

use std::path::Path;

use dsl::diagnostic::{Code, Format, Problem, Related, render};
use dsl::source::{FileId, SourceFile, Span};

/// A finding with two labels, a change that needs a choice and another place; a warning at the end of a file whose
/// path and text ask for escapes; a file without findings.
fn findings() -> (Vec<Problem>, Vec<SourceFile>) {
    let files = vec![
        SourceFile::new(FileId(0), "contacts.rules", "  fields {\n    subscription.plan -> subscription_plan\n  }\n"),
        SourceFile::new(FileId(1), "bills & more/50%.rules", "table Größe by app.User.size {\n}"),
        SourceFile::new(FileId(2), "words.rules", "edition 2026\n"),
    ];
    let at = |file, start, end| Span { file: FileId(file), start, end };
    let mut missing = Problem::new(
        Code::E0203,
        "this value can be missing, and nothing says what to do then",
        at(0, 15, 32),
        "a user may have no subscription",
    )
    .label(at(0, 36, 53), "so crm.Contact.subscription_plan would get no value")
    .help("finish the line with one of\n  else clear      blank the CRM field\n  else keep       leave the CRM field as it is")
    .fix("blank the CRM field", false, vec![(at(0, 53, 53), " else clear".to_owned())]);
    missing.related.push(Related {
        file: "schemas/app.lock".to_owned(),
        line: 27,
        text: "subscription is optional".to_owned(),
    });
    let unused = Problem::new(Code::W0110, "nothing uses table `Größe`", at(1, 0, 13), "100% unused, \"really\"")
        .help("remove it")
        .fix("remove the table", true, vec![(at(1, 0, 33), String::new())]);
    (vec![missing, unused], files)
}

#[test]
fn every_form_prints_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/render");
    let (problems, files) = findings();
    for format in Format::ALL {
        let path = folder.join(format.name());
        let mut now = render(format, &problems, &files, false);
        // One line of JSON is no pleasure to review; the reports are shown with a line a member.
        if matches!(format, Format::Sarif | Format::Gitlab) {
            let value: serde_json::Value = serde_json::from_str(&now).expect("JSON");
            now = format!("{value:#}\n").replace(env!("CARGO_PKG_VERSION"), "VERSION");
        }
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, &now).expect("the case is written");
        }
        let expected = std::fs::read_to_string(&path).expect("a golden file");
        assert_eq!(now, expected, "{format}");
    }
}

#[test]
fn a_finding_has_the_published_members_and_no_others() {
    let (problems, files) = findings();
    let lines = render(Format::Jsonl, &problems, &files, false);
    let now: serde_json::Value = serde_json::from_str(lines.lines().next().expect("a line a finding")).expect("JSON");
    let published = serde_json::json!({
        "schema": 1, "code": "E0203", "severity": "error",
        "message": "this value can be missing, and nothing says what to do then",
        "file": "contacts.rules",
        "span": {"start": {"line": 2, "column": 5, "offset": 15}, "end": {"line": 2, "column": 22, "offset": 32}},
        "labels": [
            {"span": {"start": {"line": 2, "column": 5, "offset": 15}, "end": {"line": 2, "column": 22, "offset": 32}},
             "text": "a user may have no subscription", "primary": true},
            {"span": {"start": {"line": 2, "column": 26, "offset": 36}, "end": {"line": 2, "column": 43, "offset": 53}},
             "text": "so crm.Contact.subscription_plan would get no value", "primary": false}],
        "help": ["finish the line with one of\n  else clear      blank the CRM field\n  else keep       leave the CRM field as it is"],
        "fixes": [{"title": "blank the CRM field", "safety": "needs-choice",
                   "edits": [{"at": 53, "delete": 0, "insert": " else clear"}]}],
        "related": [{"file": "schemas/app.lock", "line": 27, "text": "subscription is optional"}],
        "url": "explain/E0203",
    });
    assert_eq!(now, published);
}

#[test]
fn no_findings_are_still_a_valid_report() {
    let (_, files) = findings();
    let json = |format| serde_json::from_str::<serde_json::Value>(&render(format, &[], &files, false)).expect("JSON");
    assert_eq!(json(Format::Json), serde_json::json!({"schema": 1, "findings": [], "files": 3}));
    assert_eq!(json(Format::Gitlab), serde_json::json!([]));
    assert_eq!(json(Format::Sarif)["runs"][0]["results"], serde_json::json!([]));
    assert_eq!(render(Format::Concise, &[], &files, false), "");
    assert!(render(Format::Junit, &[], &files, false).contains("tests=\"3\" skipped=\"0\" failures=\"0\""));
}

#[test]
fn names_of_forms_are_read_back() {
    for format in Format::ALL {
        assert_eq!(format.name().parse(), Ok(format));
    }
    assert!("xml".parse::<Format>().is_err());
}

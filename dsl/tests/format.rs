//! The canonical form: texts as in `golden/format`, and its laws over mutations of the shipped rules.
//!
//! To add a case, drop a file with a text and a line `=== becomes` in `golden/format`;
//! `UPDATE_GOLDEN=1 cargo test -p dsl --test format` writes what it becomes now.

#[path = "support/mutation.rs"]
mod mutation;
#[path = "support/shipped.rs"]
mod shipped;

use std::path::Path;

use dsl::parse::{Parse, parse};
use dsl::source::{FileId, SourceFile};
use mutation::{cases, mutations};
use proptest::prelude::*;
use shipped::shipped;

fn format(text: &str) -> String {
    dsl::format::format(text).text
}

fn read(text: &str) -> Parse {
    parse(&SourceFile::new(FileId(0), "a.rules", text))
}

#[test]
fn every_text_becomes_what_is_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/format");
    let mut paths: Vec<_> =
        std::fs::read_dir(&folder).expect("the cases").map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    assert!(paths.len() >= 6);
    let mut wrong = Vec::new();
    for path in paths {
        let case = std::fs::read_to_string(&path).expect("a case");
        let (text, expected) = case.split_once("=== becomes\n").expect("the form stands after `=== becomes`");
        let now = format(text);
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, format!("{text}=== becomes\n{now}")).expect("the case is written");
        } else if now != expected {
            wrong.push(format!("{}\n--- written\n{expected}--- now\n{now}", path.display()));
        }
        assert_eq!(format(&now), now, "{}", path.display());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_shipped_rules_have_the_canonical_form() {
    for (path, text) in shipped().0 {
        let formatted = dsl::format::format(&text);
        assert_eq!(formatted.text, text, "{path}: run `engine fmt`");
        assert_eq!(formatted.left, [], "{path}");
    }
}

/// However the shipped rules are spaced, they come back as they are.
#[test]
fn spaces_do_not_matter() {
    for (path, text) in shipped().0 {
        let mut squeezed = String::new();
        let mut block = false;
        for line in text.lines() {
            let (code, comment) = line.split_once("# ").map_or((line, None), |(code, comment)| (code, Some(comment)));
            let quotes = line.matches("\"\"\"").count();
            if block || quotes > 0 || code.contains("  \"") {
                squeezed.push_str(line);
            } else {
                let words: Vec<&str> = code.split(' ').filter(|word| !word.is_empty()).collect();
                squeezed.push_str(if code.starts_with(' ') { "\t " } else { "" });
                squeezed.push_str(&words.join(" "));
                squeezed.extend(comment.map(|comment| format!(" # {comment}")));
            }
            squeezed.push_str(if block || quotes > 0 { "\n" } else { "   \n" });
            block ^= quotes == 1;
        }
        assert_eq!(format(&squeezed), text, "{path}");
    }
}

#[test]
fn line_ends_stay_and_a_byte_order_mark_goes() {
    assert_eq!(format("\u{feff}edition   2026\r\n\r\n\r\n# x\r\n"), "edition 2026\r\n\r\n# x\r\n");
    assert_eq!(format("edition 2026"), "edition 2026\n");
    assert_eq!(format(""), "");
    assert_eq!(format("\n\n"), "");
}

/// Is `text` without blanks the same, apart from commas at line ends?
fn ink(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace() && *c != ',' && *c != '\u{feff}').collect()
}

#[test]
fn a_brace_that_is_mended_while_reading_is_not_written() {
    let text = "test \"t\" {\n  given crm.Contact { email = \"ada@example.com\" }\n  given crm.Owner {} id = \"101\", email = \"emea-sales@example.com\" }\n  when  message app \"subscription.created\" arrives twice with { id = \"s1\", user = user, pl";
    assert_eq!(ink(&format(text)), ink(text));
}

proptest! {
    #![proptest_config(cases(40))]

    #[test]
    fn formatting_twice_is_formatting_once(text in mutations(shipped().0)) {
        let once = format(&text);
        prop_assert_eq!(format(&once), once);
    }

    #[test]
    fn only_blanks_change_and_what_was_meant_stays(text in mutations(shipped().0)) {
        let new = format(&text);
        prop_assert_eq!(ink(&new), ink(&text));
        let (before, after) = (read(&text), read(&new));
        prop_assert_eq!(before.items.len(), after.items.len());
        for (old, new) in before.items.iter().zip(&after.items) {
            prop_assert_eq!(old, new);
        }
        prop_assert_eq!(before.problems.len(), after.problems.len());
    }

    #[test]
    fn any_text_is_formatted_without_a_panic(text in "\\PC{0,200}") {
        prop_assert_eq!(ink(&format(&text)), ink(&text));
    }
}

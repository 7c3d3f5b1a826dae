//! The pages of `engine explain`: every code has one, and its examples are what they say they are.

use std::collections::BTreeMap;
use std::path::Path;

use dsl::check::{Compiled, compile};
use dsl::diagnostic::{Code, concise};

/// The texts of fenced blocks of a language.
fn blocks<'p>(page: &'p str, language: &str) -> Vec<&'p str> {
    let open = format!("```{language}\n");
    page.split(&open).skip(1).map(|rest| rest.split("```").next().expect("a block ends")).collect()
}

/// Codes told of an example.
fn told(example: &str, lock: Option<&&str>) -> Vec<String> {
    let compiled = compiled(example, lock);
    compiled.problems.iter().map(|problem| format!("{} {}", problem.code, problem.message)).collect()
}

/// An example with the shipped locks, and the page's own lock as `schemas/shop.lock`.
fn compiled(example: &str, lock: Option<&&str>) -> Compiled {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| std::fs::read_to_string(root.join(path)).expect("a text");
    // The examples of one page are about what a file is called.
    let name = if blocks(Code::E0702.page(), "rules").contains(&example) { "example.test" } else { "example" };
    let mut files = vec![(format!("{name}.rules"), example.to_owned())];
    if !example.starts_with("edition") {
        files.push(("systems.rules".to_owned(), read("tests/golden/systems.rules")));
    }
    let mut locks: BTreeMap<String, String> = ["app", "crm", "mail"]
        .map(|name| (format!("schemas/{name}.lock"), read(&format!("../rules/schemas/{name}.lock"))))
        .into();
    if let Some(lock) = lock {
        locks.insert("schemas/shop.lock".to_owned(), (*lock).to_owned());
    }
    compile(&files, &locks, Some(jiff::civil::date(2026, 12, 1)))
}

#[test]
fn a_wrong_example_yields_its_code_and_a_right_one_nothing() {
    let mut checked = 0;
    let mut wrong = Vec::new();
    for code in Code::ALL {
        let examples = blocks(code.page(), "rules");
        let locks = blocks(code.page(), "yaml");
        let [bad, good] = examples.as_slice() else {
            assert_eq!(examples.len(), 0, "{code} needs a wrong and a right example");
            continue;
        };
        checked += 1;
        // One lock is for both examples; of two, the second is for the right one.
        let bad = told(bad, locks.first());
        if bad.is_empty() || !bad.iter().all(|one| one.starts_with(code.name())) {
            wrong.push(format!("{code}: the wrong example yields {bad:?}"));
        }
        let good = told(good, locks.last());
        if !good.is_empty() {
            wrong.push(format!("{code}: the right example yields {good:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(checked >= 56, "only {checked} pages have examples");
}

/// A text that goes one beyond a limit of the parser, or just reaches it. Written out they would fill pages.
fn at_limit(code: Code, beyond: bool) -> Option<String> {
    let more = usize::from(beyond);
    let many = |count: usize, line: &dyn Fn(usize) -> String| (0..count).map(line).collect::<String>();
    let when = |condition: &str| {
        format!("when app.Subscription is created as sub {{\n  only where {condition}\n  nothing\n}}\n")
    };
    Some(match code {
        Code::E0090 => "# 16 characters\n".repeat((1 << 20) / 16) + &"#".repeat(more),
        // The end of the line is its last character.
        Code::E0091 => format!("when app.User is deleted {{  # {}\n  nothing\n}}\n", "-".repeat(4_095 - 30 + more)),
        Code::E0092 => when(&format!("{}sub.price > 0{}", "(".repeat(63 + more), ")".repeat(63 + more))),
        Code::E0093 => {
            let text = many((64 << 10) / 16 - 1, &|_| "only 15 letters\n".to_owned());
            // Six quotes, a line break behind the first three, and nine letters make another line.
            let text = format!("\"\"\"\n{text}nine more{}\"\"\"", "!".repeat(more));
            format!(
                "when app.User is created as user {{\n  create crm.Note key source_id = user.id {{\n    hs_note_body = {text}\n    hs_timestamp = user.createdAt\n  }}\n}}\n"
            )
        }
        Code::E0094 => format!(
            "sync {} from app.User to crm.Contact {{\n  match by email\n  fields {{ email -> email }}\n}}\n",
            "A".repeat(128 + more)
        ),
        Code::E0095 => {
            // The system is the first of them.
            let entities = many(9_999 + more, &|n| format!("entity paper.E{n} {{ name: text }}\n"));
            format!("system paper {{}}\n{entities}")
        }
        Code::E0096 => {
            let rows = many(10_000 + more, &|n| format!("  \"{n}@example.com\" | {n}\n"));
            let table = format!("table Seats by app.User.email {{\n  email | seats\n{rows}}}\n");
            let used = "{Seats[user.email].seats else 0}";
            format!(
                "{table}when app.User is created as user {{\n  notify role \"sales-manager\" \"{used}\" accept duplicates\n}}\n"
            )
        }
        Code::E0097 => when(&format!(
            "sub{} is empty",
            many(15 + more, &|n| { if n % 2 == 0 { ".user".to_owned() } else { ".subscription".to_owned() } })
        )),
        Code::E0098 => {
            let steps = many(500 + more, &|n| format!("  step s{n} {{ nothing }}\n"));
            let start = "when app.Subscription is created as sub { start Long with sub }\n";
            format!("workflow Long with sub: app.Subscription {{\n{steps}}}\n{start}")
        }
        Code::E0099 => format!(
            "when app.Deal is created as deal {{\n  set deal.amount = 1{}\n}}\n",
            " + 1".repeat(if beyond { 200 } else { 50 })
        ),
        _ => return None,
    })
}

#[test]
fn beyond_a_limit_its_code_is_told_as_the_page_shows_and_at_the_limit_nothing() {
    let mut checked = 0;
    let mut wrong = Vec::new();
    for code in Code::ALL {
        let Some(bad) = at_limit(*code, true) else { continue };
        checked += 1;
        let [shown] = blocks(code.page(), "text")[..] else { panic!("{code} shows what is told") };
        let found = compiled(&bad, None);
        let lines: Vec<String> = found.problems.iter().map(|problem| concise(problem, &found.files)).collect();
        let shown = shown.strip_prefix("$ engine validate --format concise\n").unwrap_or(shown);
        if lines.join("\n") != shown.trim_end() || !found.problems.iter().all(|problem| problem.code == *code) {
            wrong.push(format!("{code} beyond the limit: {lines:#?}"));
        }
        let good = at_limit(*code, false).expect("there are both");
        let good = told(&good, None);
        if !good.is_empty() {
            wrong.push(format!("{code} at the limit: {good:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(checked, 10);
}

#[test]
fn a_page_without_examples_shows_what_is_told() {
    let bare: Vec<&Code> = Code::ALL
        .iter()
        .filter(|code| blocks(code.page(), "rules").is_empty() && blocks(code.page(), "text").is_empty())
        .collect();
    assert!(bare.is_empty(), "{bare:?} show neither examples nor what is told");
}

#[test]
fn every_code_is_told_somewhere() {
    let mut sources = String::new();
    let mut folders =
        ["src", "../engine/src"].map(|folder| Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).to_vec();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("the sources") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") && !path.ends_with("codes.rs") {
                sources.push_str(&std::fs::read_to_string(path).expect("a source"));
            }
        }
    }
    let never: Vec<&Code> = Code::ALL.iter().filter(|code| !sources.contains(&format!("Code::{code}"))).collect();
    assert!(never.is_empty(), "nothing tells {never:?}");
}

#[test]
fn the_page_of_a_code_bears_its_name_and_title() {
    for code in Code::ALL {
        assert!(code.page().starts_with(&format!("# {code}: {}\n", code.title())), "{code}");
    }
}

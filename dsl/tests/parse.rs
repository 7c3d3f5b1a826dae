//! What the parser makes of texts: trees and problems as in `golden/parse`, laws over mutations of the shipped
//! rules, and hostile texts.
//!
//! To add a case, drop a file with a text and a line `=== reads` in `golden/parse`;
//! `UPDATE_GOLDEN=1 cargo test -p dsl --test parse` writes what is read now.

#[path = "support/mutation.rs"]
mod mutation;
#[path = "support/printed.rs"]
mod printed;
#[path = "support/shipped.rs"]
mod shipped;

use std::path::Path;

use dsl::diagnostic::human;
use dsl::parse::{Parse, parse};
use dsl::source::{FileId, SourceFile};
use mutation::{cases, mutations};
use printed::printed;
use proptest::prelude::*;
use shipped::shipped;

fn read(text: &str) -> (Parse, SourceFile) {
    let file = SourceFile::new(FileId(0), "a.rules", text);
    (parse(&file), file)
}

/// Code, line and message of every problem.
fn told(text: &str) -> Vec<String> {
    let (parse, file) = read(text);
    parse.problems.iter().map(|p| format!("{}:{} {}", p.code, file.position(p.span().start).0, p.message)).collect()
}

/// Code and line of every problem.
fn lines(text: &str) -> Vec<String> {
    let (parse, file) = read(text);
    parse.problems.iter().map(|p| format!("{}:{}", p.code, file.position(p.span().start).0)).collect()
}

#[test]
fn every_text_is_read_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/parse");
    let mut paths: Vec<_> =
        std::fs::read_dir(&folder).expect("the cases").map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    assert!(paths.len() >= 12);
    let mut wrong = Vec::new();
    for path in paths {
        let case = std::fs::read_to_string(&path).expect("a case");
        let (text, expected) = case.split_once("=== reads\n").expect("what is read stands after `=== reads`");
        let (parse, file) = read(text);
        let mut now: String = parse.items.iter().map(|item| printed(item) + "\n").collect();
        for problem in &parse.problems {
            let shown = human(problem, std::slice::from_ref(&file), false);
            now.push('\n');
            now.extend(shown.lines().map(|line| format!("{}\n", line.trim_end())));
        }
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, format!("{text}=== reads\n{now}")).expect("the case is written");
        } else if now != expected {
            wrong.push(format!("{}\n--- written\n{expected}--- read\n{now}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_shipped_rules_are_read_without_a_problem() {
    for (path, text) in shipped().0 {
        let (parse, _) = read(&text);
        assert_eq!(parse.problems, [], "{path}");
        // Items alone begin in the first column with a letter.
        let items = text.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase())).count();
        assert!(items > 0, "{path}");
        assert_eq!(parse.items.len(), items, "{path}");
    }
}

#[test]
fn ten_unrelated_mistakes_are_told_each_on_its_line() {
    let text = "\
edition 2026
sync Contacts between app.User and crm.Contact {
  rn       on change
  match    email
  fields {
    email     <-> email app wins
    firstName  => firstname
    createdAt  -> createdate esle keep
  }
}
snyc Companies from app.Company to crm.Company {
  run every 1 hour in batches of 100
  priority urgent
}
when crm.Deal change dealstage as deal {
  to closedwon { strat Onboarding with won }
  to closedlost {
    call app.cancelSubscription { subscriptionId : sub.id }
    send email \"lost to deal.contact.email
  }
}
";
    assert_eq!(
        lines(text),
        [
            "E0001:3", "E0001:4", "E0001:7", "E0001:8", "E0004:11", "E0001:13", "E0001:15", "E0001:16", "E0001:18",
            "E0002:19"
        ]
    );
    assert_eq!(read(text).0.items.len(), 4, "all items are in the tree");
}

#[test]
fn a_block_that_is_never_closed_costs_no_neighbour() {
    let text = "\
sync A from app.X to crm.X {
  match by id
  fields {
    a -> b
sync B from app.X to crm.X {
  match by id
}
";
    assert_eq!(told(text), ["E0003:3 this block is never closed"]);
    let (parse, _) = read(text);
    assert_eq!(parse.items.len(), 2);
    assert!(printed(&parse.items[0]).contains("mappings: [Mapping"), "its lines are in the tree");
}

#[test]
fn indentation_tells_which_block_is_not_closed() {
    let text = "\
workflow W with x: app.X {
  step a {
    send email \"a\" to x.email
  step b {
    send email \"b\" to x.email
  }
}
";
    assert_eq!(told(text), ["E0003:2 this block is never closed"]);
    let text = text.replace("  step b", "  }\n  step b").replace("  }\n}", "}");
    assert_eq!(told(&text), ["E0003:5 this block is never closed"]);
}

#[test]
fn a_brace_too_many_costs_no_line() {
    let text = "\
sync A from app.X to crm.X {
  fields {
    a -> b
  }
  }
  priority hgih
}
sync B from app.X to crm.X {
}
}
";
    assert_eq!(
        told(text),
        [
            "E0005:5 there is one `}` too many",
            "E0001:6 this line is not understood here",
            "E0005:10 this `}` closes nothing"
        ]
    );
    assert_eq!(read(text).0.items.len(), 2);
}

#[test]
fn a_text_that_is_never_closed_is_told_once_and_costs_its_line() {
    let text = "\
choice C {
  a \"Label
  b \"Label\"
}
sync A from app.X to crm.X {
  fields {
    \"\"\"
    never closed
    -> b
  }
}
sync B from app.X to crm.X {
  match by id
}
";
    assert_eq!(lines(text), ["E0002:2", "E0002:7"]);
    let (parse, _) = read(text);
    assert_eq!(parse.items.len(), 2, "the choice and sync B");
}

/// The printed item; a number says the same with zeros behind it and without.
fn said(item: &dsl::ast::Item) -> String {
    let printed = printed(item);
    let number = |piece: &str| piece.starts_with(|sign: char| sign.is_ascii_digit()) && piece.contains('.');
    let pieces = printed.split_inclusive([' ', ',', ')', '(', ']', '[']);
    let plain = pieces.map(|piece| {
        let end = piece.trim_end_matches([' ', ',', ')', '(', ']', '[']).len();
        let (said, behind) = piece.split_at(end);
        let short = if number(said) { said.trim_end_matches('0').trim_end_matches('.') } else { said };
        format!("{short}{behind}")
    });
    plain.collect()
}

#[test]
fn byte_order_mark_and_windows_line_ends_mean_nothing() {
    for (path, text) in shipped().0 {
        let (plain, _) = read(&text);
        let (windows, file) = read(&format!("\u{feff}{}", text.replace('\n', "\r\n")));
        assert_eq!(windows.problems, [], "{path}");
        assert_eq!(windows.items, plain.items, "{path}");
        for comment in &windows.comments {
            assert!(file.slice(*comment).starts_with('#') && !file.slice(*comment).ends_with('\r'));
        }
    }
    assert_eq!(lines("\u{feff}edtion 2026\r\n"), ["E0004:1"]);
    let (parse, file) = read("\u{feff}  edition 2026");
    assert_eq!(file.position(parse.problems[0].span().start), (1, 3), "the mark is not counted");
}

#[test]
fn places_and_comments_say_nothing_and_everything_else_does() {
    let text = "test \"a Span \\{ file\" {\n  when app.Login happens { link user = x, at = \"{a.b}\" }\n}\n";
    let moved = "# first\n\ntest   \"a Span \\{ file\"   {  # then\n when app.Login happens {\n link user = x\nat = \"{a.b}\"\n}\n}";
    let item = |text: &str| {
        let (parse, _) = read(text);
        assert_eq!(parse.problems, []);
        parse.items[0].clone()
    };
    assert_eq!(item(text), item(moved));
    assert_eq!(printed(&item(text)), printed(&item(moved)));
    for (from, to) in [("Login", "Logout"), ("link user", "user"), ("a.b", "a.c"), ("a Span", "a  Span")] {
        assert_ne!(item(text), item(&text.replace(from, to)), "{from}");
    }
}

/// One word of so many is taken out; all of them take a minute.
const EVERY: usize = 7;

/// As where they are printed: without a word or sign of the shipped rules, an item is equal to what it was or not.
#[test]
fn items_are_equal_exactly_where_they_say_the_same() {
    let (mut same, mut other, mut number) = (0, 0, 0);
    for (path, text) in shipped().0 {
        let (whole, file) = read(&text);
        for item in &whole.items {
            let text = file.slice(item.span);
            let mut at = 0;
            for word in text.split_inclusive([' ', '\n']) {
                let without = format!("{}{}\n", &text[..at], &text[at + word.len()..]);
                at += word.len();
                number += 1;
                if number % EVERY != 0 {
                    continue;
                }
                for new in read(&without).0.items {
                    assert_eq!(**item == *new, said(item) == said(&new), "{path} without `{word}`: {}", said(&new));
                    *(if **item == *new { &mut same } else { &mut other }) += 1;
                }
            }
        }
    }
    // Blanks and comments are words here too.
    assert!(same > 30 && other > 100, "{same} and {other}");
}

#[test]
fn block_texts_lose_their_frame_and_nothing_else() {
    let text = |block: &str| {
        let (parse, _) = read(&format!("test \"t\" {{\n  when x.y becomes {block}\n}}\n"));
        assert_eq!(parse.problems, []);
        let shown = printed(&parse.items[0]);
        shown[shown.find("Text([").expect("a text") + 6..].split("])").next().expect("parts").to_owned()
    };
    assert_eq!(text("\"\"\"\n    a\n      b\n\n    c\n    \"\"\""), r#"Chars("a\n  b\n\nc")"#);
    assert_eq!(text("\"\"\"\n  a\n    \"\"\""), r#"Chars("a")"#, "less indented than the quotes");
    assert_eq!(text("\"\"\"  a\n    \"\"\""), r#"Chars("  a")"#, "the line of the opening quotes is not indented");
    assert_eq!(text("\"\"\"\n    \"\"\""), "");
    assert_eq!(text("\"\"\"\"\"\""), "");
    assert_eq!(text("\"\"\"\n    \"a\" \\n \\{\n    \"\"\""), r#"Chars("\"a\" \n {")"#);
}

#[test]
fn limits_are_told_and_hostile_texts_are_survived() {
    let nest = |n: usize| format!("test \"t\" {{\n  when x.y becomes {}1{}\n}}\n", "(".repeat(n), ")".repeat(n));
    assert_eq!(lines(&nest(60)), Vec::<String>::new());
    assert_eq!(lines(&nest(70)), ["E0092:1"]);
    let inside =
        |n: usize| format!("test \"t\" {{\n  when x.y becomes \"{{{}1{}}}\"\n}}\n", "(".repeat(n), ")".repeat(n));
    assert_eq!(lines(&inside(70)), ["E0092:1"]);
    assert_eq!(lines(&"a".repeat((1 << 20) + 1)), ["E0090:1"]);
    assert_eq!(lines(&format!("edition 2026\nedition {}\n", "1".repeat(5_000))), ["E0091:2"]);
    let texts = format!("test \"t\" {{\n  when x.y becomes \"\"\"\n{}\"\"\"\n}}\n", "line of a text\n".repeat(5_000));
    assert_eq!(lines(&texts), ["E0093:2"]);
    assert_eq!(lines(&format!("system {} {{\n}}\n", "a".repeat(129))), ["E0094:1"]);
    assert_eq!(lines(&format!("system a {{\n  schema \"{}\"\n}}\n", "a".repeat(129))), Vec::<String>::new());
    assert_eq!(lines(&"edition 2026\n".repeat(10_001)), ["E0095:10001"]);
    let table = format!("table T by a.b.c {{\n  k | v\n{}}}\n", "  a | 1\n".repeat(10_001));
    assert_eq!(lines(&table), ["E0096:10003"]);
    let path = vec!["a"; 17].join(".");
    assert_eq!(lines(&format!("test \"t\" {{\n  when {path} becomes 1\n}}\n")), ["E0097:2"]);
    let steps: String = (0..501).map(|n| format!("  step s{n} {{ nothing }}\n")).collect();
    assert_eq!(lines(&format!("workflow W with x: a.b {{\n{steps}}}\n")), ["E0098:502"]);
    let sum = format!("test \"t\" {{\n  when x.y becomes 1{}\n}}\n", " + 1".repeat(900));
    assert_eq!(lines(&sum), ["E0099:2"]);
    let nots = format!("test \"t\" {{\n  when x.y becomes {}a\n}}\n", "not ".repeat(900));
    assert_eq!(lines(&nots), ["E0099:2"]);
    // In a block text brackets are not counted; the grammar and the builder guard their stacks themselves.
    let deep =
        format!("test \"t\" {{\n  when x.y becomes \"\"\"{{{}1{}}}\"\"\"\n}}\n", "(".repeat(1_900), ")".repeat(1_900));
    let found = lines(&deep);
    assert!(
        !found.is_empty() && found.iter().all(|code| code.starts_with("E0099") || code.starts_with("E0001")),
        "{found:?}"
    );
    for hostile in
        ["{".repeat(100_000), "}\n".repeat(10_000), "\"".repeat(4_000), "\"{".repeat(2_000), "sync a ".repeat(9)]
    {
        assert!(!told(&hostile).is_empty());
    }
}

#[test]
fn a_line_told_of_in_a_later_round_may_stand_before_one_of_an_earlier_round() {
    let text = include_str!("../fuzz/seeds/misplaced_out_of_order");
    assert!(lines(text).len() > 2);
}

#[test]
fn a_caller_with_a_small_stack_gets_the_same_answer() {
    let text = format!("test \"t\" {{\n  when x.y becomes {}1{}\n}}\n", "(".repeat(60), ")".repeat(60));
    let file = SourceFile::new(FileId(0), "a.rules", &text);
    let small = std::thread::Builder::new().stack_size(64 << 10);
    let thread = small.spawn(move || parse(&file).items.len()).expect("a thread");
    assert_eq!(thread.join().expect("it does not overflow"), 1);
}

#[test]
fn a_character_that_nobody_sees_is_named_where_it_stands() {
    let told = |text: &str| {
        let (parse, file) = read(text);
        let place = |problem: &dsl::diagnostic::Problem| {
            let (line, column) = file.position(problem.span().start);
            format!("{line}:{column} {}", problem.message)
        };
        (parse.problems.iter().map(place).collect::<Vec<_>>(), parse.items.len())
    };
    let zero_width = "choice C {\n  fi\u{200b}rst \"A\"\n  second \"B\"\n}\n";
    assert_eq!(told(zero_width).0, ["2:5 a character that nobody sees: U+200B, zero-width space"]);
    let bidi = "# a\u{202e} b\nedition 2026\n";
    assert_eq!(told(bidi), (vec!["1:4 a character that nobody sees: U+202E, right-to-left override".to_owned()], 1));
    let nul = "choice C {\n  a \"A\0\"\n}\n";
    assert_eq!(told(nul), (vec!["2:7 a character that nobody sees: U+0000, NUL".to_owned()], 1));
    let first = "\u{200b}edition 2026\n";
    assert_eq!(told(first), (vec!["1:1 a character that nobody sees: U+200B, zero-width space".to_owned()], 1));
    let family = "choice C {\n  a \"\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}\"\n}\n";
    assert_eq!(told(family), (Vec::new(), 1), "a picture of a family is a text");
    let tabs = "choice\tC {\r\n\ta \"A\"\r\n}\r\n";
    assert_eq!(told(tabs), (Vec::new(), 1), "tabs and line ends of Windows are blanks");
}

#[test]
fn more_than_a_hundred_problems_are_counted() {
    let text = format!("sync A from app.X to crm.X {{\n{}}}\n", "  no such line\n".repeat(150));
    let (parse, _) = read(&text);
    assert_eq!(parse.problems.len(), 100);
    assert_eq!(parse.problems[99].help.last().map(String::as_str), Some("and 50 more problems in this file"));
}

#[test]
fn a_statement_that_may_stand_once_is_told_the_second_time() {
    let text = "\
sync A from app.X to crm.X {
  priority high
  priority low
  on delete in app keep
  on delete in crm keep
  on delete in app review
}
workflow W with x: a.b {
  step s {
    nothing
    undo nothing because \"a\"
    undo nothing because \"b\"
  }
}
";
    assert_eq!(
        told(text),
        [
            "E0001:3 `priority` stands here twice",
            "E0001:6 `on delete in app` stands here twice",
            "E0001:12 `undo` stands here twice"
        ]
    );
}

#[test]
fn a_safe_change_mends_the_line_it_is_offered_for() {
    let text = "\
sync A from app.X to crm.X {
  rn on change
  feilds {
    a => b
    c -> d esle keep
  }
}
 edition 2026
tset \"t\" {
  when 3 days pas
}
";
    let (parse, file) = read(text);
    assert_eq!(parse.problems.len(), 7);
    let fixed = dsl::diagnostic::apply_fixes(&parse.problems, &[file], None);
    let mended = &fixed.texts[&FileId(0)];
    let left = told(mended);
    assert_eq!(left, Vec::<String>::new(), "{mended}");
}

proptest! {
    #![proptest_config(cases(120))]

    #[test]
    fn any_text_is_read_without_a_panic(text in "\\PC{0,200}") {
        read(&text);
    }

    #[test]
    fn mutations_of_the_shipped_rules_are_read_without_a_panic(text in mutations(shipped().0)) {
        let (parse, file) = read(&text);
        for problem in &parse.problems {
            for label in &problem.labels {
                let span = label.span;
                prop_assert!(span.start <= span.end && span.end as usize <= file.text.len());
            }
            let shown = human(problem, std::slice::from_ref(&file), false);
            prop_assert!(shown.contains(&problem.labels[0].text), "{}", shown);
        }
        for fix in parse.problems.iter().flat_map(|problem| &problem.fixes) {
            for (span, _) in &fix.edits {
                prop_assert!(file.text.get(span.start as usize..span.end as usize).is_some(), "{fix:?}");
            }
        }
    }

    /// A mistake in one item changes no other item.
    #[test]
    fn a_broken_item_changes_no_neighbour(text in mutations(vec![("b".to_owned(), BROKEN.to_owned())])) {
        // What opens a block text takes what follows it; what begins an item is an item.
        prop_assume!(!text.contains("\"\"\""));
        let whole = format!("{NEIGHBOUR}\n{text}\n{NEIGHBOUR}");
        let (parse, _) = read(&whole);
        let (alone, _) = read(NEIGHBOUR);
        prop_assert_eq!(parse.items.iter().filter(|item| **item == alone.items[0]).count(), 2, "{}", whole);
    }
}

const NEIGHBOUR: &str = "table Neighbour by app.Subscription.plan {\n  plan | probability\n  free | 10%\n}\n";
const BROKEN: &str = "\
sync Deals between app.Deal and crm.Deal {
  run      on change
  match    by crmId = id

  fields {
    name        <-> dealname
    ownerEmail  <-  hubspot_owner_id    as owner_email        else clear   # a comment
    \"{name}\"   -> text
  }
}
";

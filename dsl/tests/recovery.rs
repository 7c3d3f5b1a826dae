//! What a slip of the hand costs: a brace or a quote that is missing, or a whole line. Something is told where it
//! belongs, in a few messages, and the neighbours are read as before.

use dsl::ast::{Item, ItemKind};
use dsl::check::{Compiled, check};
use dsl::diagnostic::{Code, Severity};
use dsl::parse::parse;
use dsl::source::SourceFile;

#[path = "support/parsed.rs"]
mod parsed;
use parsed::{Shipped, shipped};

impl Shipped {
    fn with(&self, index: usize, text: &str) -> Compiled {
        let mut files = self.files.clone();
        let file = SourceFile::new(files[index].0.id, files[index].0.path.clone(), text);
        let tree = parse(&file);
        files[index] = (file, tree);
        check(files, &self.locks, None)
    }
}

/// The errors, as lines.
fn errors(compiled: &Compiled) -> Vec<String> {
    let errors = compiled.problems.iter().filter(|problem| problem.severity() == Severity::Error);
    errors
        .map(|problem| {
            let file = &compiled.files[problem.span().file.0 as usize];
            let line = file.position(problem.span().start).0;
            format!("{} {}:{line} {}", problem.code, file.path, problem.message)
        })
        .collect()
}

/// A slip: the file, the line, what is missing, and what is told.
struct Slip {
    file: String,
    line: usize,
    what: String,
    told: Vec<String>,
    /// It is in the middle of a text.
    text: bool,
    /// Items of the file that are read otherwise than before, or not at all, the one with the slip left out.
    lost: usize,
}

fn slip(shipped: &Shipped, index: usize, start: usize, end: usize) -> Slip {
    let (file, tree) = &shipped.files[index];
    let mut text = file.text.to_string();
    text.replace_range(start..end, "");
    let compiled = shipped.with(index, &text);
    let now: Vec<&Item> = compiled.items.iter().filter(|(id, _)| *id == file.id).map(|(_, item)| &**item).collect();
    let hit = |item: &Item| item.span.start as usize <= end && start <= item.span.end as usize;
    let lost = tree.items.iter().filter(|item| !hit(item) && !now.contains(&&***item));
    Slip {
        file: file.path.clone(),
        line: file.position(start as u32).0,
        what: file.text[start..end].trim_end().to_owned(),
        told: errors(&compiled),
        text: {
            let line = file.text[..start].rfind('\n').map_or(0, |n| n + 1);
            let before = &file.text[line..start];
            (before.matches('"').count() - before.matches("\\\"").count()) % 2 == 1
                || file.text[..start].matches("\"\"\"").count() % 2 == 1
        },
        lost: lost.filter(|item| !matches!(item.kind, ItemKind::Edition(_))).count(),
    }
}

fn show(slips: &[&Slip]) -> String {
    let show = |slip: &&Slip| {
        format!("{}:{} without `{}`, {} lost: {:#?}\n", slip.file, slip.line, slip.what, slip.lost, slip.told)
    };
    slips.iter().map(show).collect()
}

/// Every fifth of the places, another fifth each day; all of them with `SLIPS=all`.
fn chosen(places: Vec<(usize, usize, usize)>) -> Vec<(usize, usize, usize)> {
    if std::env::var("SLIPS").is_ok_and(|value| value == "all") {
        return places;
    }
    let days =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |time| time.as_secs() / 86_400);
    places.into_iter().skip(usize::try_from(days % 5).unwrap_or(0)).step_by(5).collect()
}

fn judged(what: &str, slips: &[Slip]) {
    let loud: Vec<&Slip> = slips.iter().filter(|slip| slip.told.len() > 3).collect();
    let lost: Vec<&Slip> = slips.iter().filter(|slip| slip.lost > 0).collect();
    let total: usize = slips.iter().map(|slip| slip.told.len()).sum();
    eprintln!("{what}: {} slips, {total} messages, {} with more than three", slips.len(), loud.len());
    assert!(lost.is_empty(), "neighbours are lost\n{}", show(&lost));
    // The head of an item, or of a block in a block, is missing: what stood in it belongs nowhere.
    assert!(loud.len() * 25 <= slips.len(), "too much is told\n{}", show(&loud));
    assert!(total * 2 <= slips.len() * 3, "{total} messages for {} slips\n{}", slips.len(), show(&loud));
}

#[test]
fn a_missing_brace_or_quote_is_told_in_a_few_messages_and_costs_no_neighbour() {
    let shipped = shipped();
    let mut places = Vec::new();
    for (index, (file, tree)) in shipped.files.iter().enumerate() {
        for (at, letter) in file.text.char_indices() {
            let comment = tree.comments.iter().any(|span| (span.start..span.end).contains(&(at as u32)));
            if !comment && matches!(letter, '{' | '}' | '"') {
                places.push((index, at, at + 1));
            }
        }
    }
    let slips: Vec<Slip> = chosen(places).into_iter().map(|(index, at, end)| slip(&shipped, index, at, end)).collect();
    // A text may hold a brace: where one is missing in it, nobody can know.
    let silent: Vec<&Slip> = slips.iter().filter(|slip| slip.told.is_empty() && !slip.text).collect();
    assert!(silent.is_empty(), "nothing is told\n{}", show(&silent));
    judged("braces and quotes", &slips);
}

#[test]
fn a_missing_line_is_told_in_a_few_messages_and_costs_no_neighbour() {
    let shipped = shipped();
    let mut places = Vec::new();
    for (index, (file, _)) in shipped.files.iter().enumerate() {
        let mut at = 0;
        for line in file.text.split_inclusive('\n') {
            if !line.trim().is_empty() && !line.trim_start().starts_with('#') {
                places.push((index, at, at + line.len()));
            }
            at += line.len();
        }
    }
    let slips: Vec<Slip> = chosen(places).into_iter().map(|(index, at, end)| slip(&shipped, index, at, end)).collect();
    judged("lines", &slips);
}

#[test]
fn a_block_without_its_brace_is_opened_where_the_layout_says_so() {
    let shipped = shipped();
    let told = |path: &str, from: &str, to: &str| {
        let index = shipped.files.iter().position(|(file, _)| file.path == path).expect("it is shipped");
        let text = shipped.files[index].0.text.replacen(from, to, 1);
        assert_ne!(text, *shipped.files[index].0.text);
        let compiled = shipped.with(index, &text);
        let fixed = dsl::diagnostic::apply_fixes(&compiled.problems, &compiled.files, None);
        (errors(&compiled), fixed.texts.values().next().cloned(), shipped.files[index].0.text.to_string())
    };
    for (path, from, to, line) in [
        ("contacts.rules", "crm.Contact {", "crm.Contact", 1),
        ("contacts.rules", "  fields {", "  fields", 10),
        ("deals.rules", "key source_subscription_id = sub.id {", "key source_subscription_id = sub.id", 21),
        ("deals.rules", "  to closedwon {", "  to closedwon", 38),
        ("onboarding.rules", "  step account {", "  step account", 11),
        ("words.rules", "by app.Subscription.plan {", "by app.Subscription.plan", 34),
    ] {
        let (told, fixed, whole) = told(path, from, to);
        assert_eq!(told, [format!("E0001 {path}:{line} a `{{` is missing at the end of this line")]);
        assert_eq!(fixed.as_deref(), Some(whole.as_str()), "the fix puts it back");
    }
}

#[test]
fn lines_whose_head_is_missing_are_one_mistake() {
    let shipped = shipped();
    let index = shipped.files.iter().position(|(file, _)| file.path == "companies.rules").expect("it is shipped");
    let text = shipped.files[index].0.text.replacen("  fields {\n", "", 1);
    let told = errors(&shipped.with(index, &text));
    assert_eq!(
        told,
        [
            "E0001 companies.rules:7 this line is not understood here",
            "E0005 companies.rules:12 this `}` closes nothing"
        ]
    );
}

#[test]
fn a_brace_among_braces_is_named_by_the_number_of_its_line() {
    let text = "sync A between app.User and crm.Contact {\n  fields {\n    email <-> email\n  }\n";
    let file = SourceFile::new(dsl::source::FileId(0), "a.rules", text);
    let problems = parse(&file).problems;
    let told = problems.iter().find(|problem| problem.code == Code::E0003).expect("it is never closed");
    assert_eq!(told.help, ["add `}` after line 4."]);
}

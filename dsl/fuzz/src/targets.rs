//! One function for each fuzz target: bytes in; a panic where a promise does not hold.
//!
//! The fuzz targets and the test that replays the corpus use the same functions.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use dsl::check::{Compiled, check as check_files};
use dsl::diagnostic::{Problem, Severity, finding, human};
use dsl::format::format;
use dsl::ide::{self, Project};
use dsl::parse::{Parse, parse as parse_file};
use dsl::source::{FileId, SourceFile};

use crate::outline::outline as outline_of;

/// Bytes that are no text count as one: no rule set has them, and the engine says so before.
fn text(data: &[u8]) -> String {
    String::from_utf8_lossy(data).into_owned()
}

/// Every byte that is neither blank nor a comment lies in exactly one stretch, and they stand in order.
pub fn outline(data: &[u8]) {
    let text = text(data);
    let found = outline_of(&text);
    let mut at = 0;
    for chunk in &found.chunks {
        assert!(at <= chunk.start && chunk.start <= chunk.end && chunk.end <= text.len());
        assert!(text.is_char_boundary(chunk.start) && text.is_char_boundary(chunk.end));
        outside(&text, at..chunk.start, &found.comments);
        at = chunk.end;
    }
    outside(&text, at..text.len(), &found.comments);
}

fn outside(text: &str, range: std::ops::Range<usize>, comments: &[(usize, usize)]) {
    for (at, letter) in text[range.clone()].char_indices() {
        let at = range.start + at;
        let comment = comments.iter().any(|(start, end)| (*start..*end).contains(&at));
        assert!(comment || letter.is_whitespace() || letter == '\u{feff}', "{letter:?} at {at} is in no stretch");
    }
}

/// A text is read, every problem lies in it and can be shown.
pub fn parse(data: &[u8]) {
    let file = SourceFile::new(FileId(0), "a.rules", &text(data));
    let parse = parse_file(&file);
    shown(&parse.problems, std::slice::from_ref(&file));
    for comment in &parse.comments {
        assert!(file.slice(*comment).starts_with('#'));
    }
}

fn shown(problems: &[Problem], files: &[SourceFile]) {
    for problem in problems {
        for label in &problem.labels {
            let file = &files[label.span.file.0 as usize];
            let (start, end) = (label.span.start as usize, label.span.end as usize);
            assert!(start <= end && end <= file.text.len(), "{problem:?}");
            assert!(file.text.is_char_boundary(start) && file.text.is_char_boundary(end), "{problem:?}");
        }
        for (span, _) in problem.fixes.iter().flat_map(|fix| &fix.edits) {
            let file = &files[span.file.0 as usize];
            assert!(file.text.get(span.start as usize..span.end as usize).is_some(), "{problem:?}");
        }
    }
    // To show them all costs more than to find them.
    for problem in problems.iter().take(3) {
        assert!(human(problem, files, false).contains(&problem.labels[0].text));
        assert_eq!(finding(problem, files)["code"], problem.code.name());
    }
}

/// The rules that are shipped, parsed, and the places at which a text may stand instead.
struct Shipped {
    rules: Vec<(String, String)>,
    parsed: Vec<(SourceFile, Parse)>,
    locks: BTreeMap<String, String>,
}

static SHIPPED: LazyLock<Shipped> = LazyLock::new(|| {
    let rules: Vec<(String, String)> = [
        ("activities.rules", include_str!("../../../rules/activities.rules")),
        ("companies.rules", include_str!("../../../rules/companies.rules")),
        ("contacts.rules", include_str!("../../../rules/contacts.rules")),
        ("deals.rules", include_str!("../../../rules/deals.rules")),
        ("deals.test.rules", include_str!("../../../rules/deals.test.rules")),
        ("events.rules", include_str!("../../../rules/events.rules")),
        ("notes.rules", include_str!("../../../rules/notes.rules")),
        ("onboarding.rules", include_str!("../../../rules/onboarding.rules")),
        ("systems.rules", include_str!("../../../rules/systems.rules")),
        ("tickets.rules", include_str!("../../../rules/tickets.rules")),
        ("words.rules", include_str!("../../../rules/words.rules")),
    ]
    .map(|(path, text)| (path.to_owned(), text.to_owned()))
    .into();
    let locks = [
        ("schemas/app.lock", include_str!("../../../rules/schemas/app.lock")),
        ("schemas/crm.lock", include_str!("../../../rules/schemas/crm.lock")),
        ("schemas/mail.lock", include_str!("../../../rules/schemas/mail.lock")),
    ]
    .map(|(path, text)| (path.to_owned(), text.to_owned()))
    .into();
    let parsed = (0u32..).zip(&rules).map(|(id, (path, text))| read(id, path, text)).collect();
    Shipped { rules, parsed, locks }
});

fn read(id: u32, path: &str, text: &str) -> (SourceFile, Parse) {
    let file = SourceFile::new(FileId(id), path, text);
    let parse = parse_file(&file);
    (file, parse)
}

/// Which file a text stands for: the one that its first line names, as the seeds do, otherwise by its length.
fn place(text: &str) -> usize {
    let named = SHIPPED.rules.iter().position(|(_, known)| known.get(..12) == text.get(..12));
    named.unwrap_or(text.len() % SHIPPED.rules.len())
}

/// The shipped rules with one file replaced are checked; there is a program exactly where nothing is wrong.
pub fn check(data: &[u8]) {
    let text = text(data);
    let place = place(&text);
    let mut files = SHIPPED.parsed.clone();
    let (file, tree) = read(files[place].0.id.0, &SHIPPED.rules[place].0, &text);
    files[place] = (file, tree);
    let compiled: Compiled = check_files(files, &SHIPPED.locks, None);
    let failed = compiled.problems.iter().any(|problem| problem.severity() == Severity::Error);
    assert_eq!(compiled.program.is_none(), failed);
    shown(&compiled.problems, &compiled.files);
}

/// What is formatted stays as it is and means what it meant.
pub fn fmt(data: &[u8]) {
    let text = text(data);
    let once = format(&text).text;
    assert_eq!(format(&once).text, once);
    let (before, after) = (read(0, "a.rules", &text).1, read(0, "a.rules", &once).1);
    assert_eq!(before.items.len(), after.items.len());
    for (old, new) in before.items.iter().zip(&after.items) {
        assert_eq!(old, new);
    }
    assert_eq!(before.problems.len(), after.problems.len());
}

/// A project is edited, and every question about it answered: of four bytes, one says what is done and the others
/// where.
pub fn lsp(data: &[u8]) {
    const PIECES: [&str; 16] = [
        "{", "}", "\"", "\n", ".", " ", "sub.", "crm.Deal", " else ", "->", "when ", "\"\"\"", "é", "link ", "#",
        "\u{feff}",
    ];
    let mut rules = SHIPPED.rules.clone();
    let first = Project::new(&rules, &SHIPPED.locks, None, None);
    let mut project = first;
    for edit in data.chunks_exact(4).take(8) {
        let index = usize::from(edit[1]) % rules.len();
        let text = &mut rules[index].1;
        let mut at = usize::from(u16::from_be_bytes([edit[2], edit[3]])) % (text.len() + 1);
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        match edit[0] >> 6 {
            0 => text.insert_str(at, PIECES[usize::from(edit[0]) % PIECES.len()]),
            1 => {
                let mut end = (at + usize::from(edit[0] & 63)).min(text.len());
                while !text.is_char_boundary(end) {
                    end -= 1;
                }
                text.replace_range(at..end.max(at), "");
            }
            2 => {
                let line = text[at..].lines().next().unwrap_or_default().to_owned();
                text.insert_str(at, &format!("{line}\n"));
            }
            _ => text.truncate(at),
        }
        let at = at.min(text.len()) as u32;
        project = Project::new(&rules, &SHIPPED.locks, None, Some(&project));
        let file = FileId(index as u32);
        let path = rules[index].0.clone();
        let file = project.file(&path).map_or(file, |file| file.id);
        drop(ide::complete(&project, file, at));
        drop(ide::hover(&project, file, at));
        drop(ide::definition(&project, file, at));
        drop(ide::references(&project, file, at));
        drop(ide::rename(&project, file, at, "other"));
        drop(ide::symbols(&project, file));
        drop(ide::highlight(&project, file));
        shown(project.problems(), project.files());
    }
    let fresh = Project::new(&rules, &SHIPPED.locks, None, None);
    assert_eq!(project.problems(), fresh.problems());
}

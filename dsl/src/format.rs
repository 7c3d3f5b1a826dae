//! The canonical form of a text of rules, for `engine fmt`.
//!
//! In: any text. Out: the same items, lines and comments, indented and aligned in one way; see [`layout`] for the
//! form. Always true: the new text means what the old one meant, problems included, and formatting it again changes
//! nothing; where that does not hold, the text comes back as it was. A line that is not understood stays as it is,
//! byte for byte, and so does an item whose braces or quotes do not fit. What stayed is told, with its place and the
//! reason: only a text of which nothing was left is in canonical form. Line breaks inside of statements are the
//! author's.

mod align;
mod layout;
mod line;
mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::ast::Item;
use crate::diagnostic::{Area, Code};
use crate::outline::{Begins, Chunk, outline};
use crate::parse::{Parse, parse};
use crate::source::{FileId, SourceFile};
use layout::Line;

/// What became of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Formatted {
    /// The new text; the old one, where it is not formatted at all.
    pub text: String,
    /// What stayed as it was, in the order of the text; nothing where all of `text` is in canonical form.
    pub left: Vec<Left>,
}

/// Something that was not formatted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// The text as a whole, and not one line or item of it.
    pub whole: bool,
    /// Line in the old text, counted from 1.
    pub line: usize,
    /// Column in characters, counted from 1.
    pub column: usize,
    /// The code of the finding that is the reason, where one is.
    pub code: Option<Code>,
    /// Why, as findings are worded.
    pub why: String,
}

/// The canonical form of `text`.
#[must_use]
pub fn format(text: &str) -> Formatted {
    attempt(text).unwrap_or_else(|refused| Formatted { text: text.to_owned(), left: vec![refused.left()] })
}

/// Why a text comes back as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Refused {
    /// It is not read at all.
    Unread(Left),
    /// It has a line end that is none, on this line.
    Return(usize),
    /// The new text would mean something else.
    Meaning,
    /// The new text would be changed again.
    Unstable,
}

impl Refused {
    fn left(self) -> Left {
        let left = |line, why: &str| Left { whole: true, line, column: 1, code: None, why: why.to_owned() };
        match self {
            Self::Unread(left) => left,
            Self::Return(line) => left(line, "this line ends with a carriage return alone, which ends no line"),
            Self::Meaning => {
                left(1, "its canonical form would mean something else, which is a defect of the formatter")
            }
            Self::Unstable => left(1, "its canonical form would be changed again, which is a defect of the formatter"),
        }
    }
}

fn attempt(text: &str) -> Result<Formatted, Refused> {
    // A text keeps its kind of line ends; in between, lines end with a line feed.
    let plain = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n");
    if let Some(at) = plain.find('\r') {
        return Err(Refused::Return(plain[..at].matches('\n').count() + 1));
    }
    let once = faithful(&plain)?;
    if faithful(&once.text)?.text != once.text {
        return Err(Refused::Unstable);
    }
    let windows = text.find('\n').is_some_and(|at| text[..at].ends_with('\r'));
    Ok(if windows { Formatted { text: once.text.replace('\n', "\r\n"), ..once } } else { once })
}

/// Lays out `text`; items whose meaning would change are left as they are.
fn faithful(text: &str) -> Result<Formatted, Refused> {
    let before = read(text);
    if let Some(problem) = before.problems.iter().find(|problem| matches!(problem.code, Code::E0090 | Code::E0095)) {
        let (line, column) = file(text).position(problem.span().start);
        let why = problem.message.clone();
        return Err(Refused::Unread(Left { whole: true, line, column, code: Some(problem.code), why }));
    }
    let mut left = BTreeSet::new();
    // Twice at most: once with all items, once without those that went wrong.
    for _ in 0..2 {
        let (laid_out, stayed) = lay_out(text, &before, &left);
        let after = read(&laid_out);
        let wrong: BTreeSet<u32> = before
            .items
            .iter()
            .zip(&after.items)
            .filter(|(old, new)| {
                let written = |text: &str, item: &Item| {
                    ink(text.get(item.span.start as usize..item.span.end as usize).unwrap_or_default())
                };
                old != new || written(text, old) != written(&laid_out, new)
            })
            .map(|(old, _)| old.span.start)
            .collect();
        let same = before.items.len() == after.items.len() && told(&before) == told(&after);
        if wrong.is_empty() && same && ink(text) == ink(&laid_out) {
            let comments = |text: &str, parse: &Parse| -> Vec<String> {
                let slice =
                    |span: &crate::source::Span| text[span.start as usize..span.end as usize].trim_end().to_owned();
                parse.comments.iter().map(slice).collect()
            };
            if comments(text, &before) == comments(&laid_out, &after) {
                return Ok(Formatted { text: laid_out, left: reasons(text, &before, &stayed) });
            }
        }
        if wrong.is_empty() || !left.is_empty() {
            break;
        }
        left = wrong;
    }
    Err(Refused::Meaning)
}

/// What people wrote: all but blanks, and commas, which stand or fall with line ends. A brace that is mended while
/// reading is not there, and is not for the formatter to write.
fn ink(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_whitespace() && *letter != ',').collect()
}

/// A reason for each line with a finding, and for each stretch of `stayed` that no finding explains.
fn reasons(text: &str, parse: &Parse, stayed: &[Range<usize>]) -> Vec<Left> {
    let file = file(text);
    let mut left = BTreeMap::new();
    for problem in &parse.problems {
        let (line, column) = file.position(problem.span().start);
        let why = problem.message.clone();
        left.entry(line).or_insert(Left { whole: false, line, column, code: Some(problem.code), why });
    }
    for stretch in stayed {
        let line = |at: usize| file.position(u32::try_from(at).unwrap_or(u32::MAX)).0;
        let (first, last) = (line(stretch.start), line(stretch.end));
        if left.range(first..=last).next().is_none() {
            let why = "its canonical form would mean something else, which is a defect of the formatter".to_owned();
            left.insert(first, Left { whole: false, line: first, column: 1, code: None, why });
        }
    }
    left.into_values().collect()
}

fn read(text: &str) -> Parse {
    parse(&file(text))
}

fn file(text: &str) -> SourceFile {
    SourceFile::new(FileId(0), "", text)
}

fn told(parse: &Parse) -> Vec<(Code, &str)> {
    parse.problems.iter().map(|problem| (problem.code, problem.message.as_str())).collect()
}

/// The new text, and the stretches of the old one that stand in it as they were. Items that begin at `left` do.
fn lay_out(text: &str, parse: &Parse, left: &BTreeSet<u32>) -> (String, Vec<Range<usize>>) {
    let mut out: Vec<Line> = Vec::new();
    let mut stayed = Vec::new();
    let broken = broken_lines(text, parse);
    let mut at = 0;
    for chunk in outline(text).chunks {
        let start = text[..chunk.start].rfind('\n').map_or(0, |n| n + 1);
        let line = chunk.end + text[chunk.end..].find('\n').unwrap_or(text.len() - chunk.end);
        if start < at {
            // It goes on in a line that was written already.
            out.push(Line::Left(text[at..line].to_owned()));
            stayed.push(at..line);
            at = line;
            continue;
        }
        layout::between(&text[at..start], &mut out);
        let understood = !left.contains(&(chunk.start as u32)) && understood(&chunk, parse);
        let rest = text[chunk.end..line].trim();
        if understood && (rest.is_empty() || rest.starts_with('#')) {
            layout::item(&text[chunk.start..line], chunk.start, &broken, &mut out);
        } else {
            out.push(Line::Left(text[start..line].to_owned()));
            stayed.push(start..line);
        }
        at = line;
    }
    layout::between(&text[at..], &mut out);
    (layout::write(&out), stayed)
}

/// An item whose braces and quotes fit and that is in the tree.
fn understood(chunk: &Chunk, parse: &Parse) -> bool {
    let range = chunk.start as u32..chunk.end as u32;
    let structure = |code: Code| {
        code.area() == Area::Limits || matches!(code, Code::E0002 | Code::E0003 | Code::E0004 | Code::E0005)
    };
    let fits = !parse.problems.iter().any(|problem| structure(problem.code) && range.contains(&problem.span().start));
    let head = chunk.body().unwrap_or(chunk.end) as u32;
    let head_fits =
        !parse.problems.iter().any(|problem| (range.start..head.max(range.start + 1)).contains(&problem.span().start));
    matches!(chunk.begins, Begins::Item(_))
        && fits
        && head_fits
        && parse.items.iter().any(|item| item.span.start == range.start)
}

/// Where lines begin that stay as they are.
fn broken_lines(text: &str, parse: &Parse) -> BTreeSet<usize> {
    let start = |at: u32| text[..at as usize].rfind('\n').map_or(0, |n| n + 1);
    parse.problems.iter().map(|problem| start(problem.span().start)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_not_read_comes_back_as_it_was_with_the_reason() {
        let returned = "edition 2026\n\nedition 2026\redition 2026";
        let formatted = format(returned);
        assert_eq!(formatted.text, returned);
        assert_eq!((formatted.left[0].whole, formatted.left[0].line), (true, 3));
        let large = "#".repeat(crate::parse::MAX_FILE + 1);
        let formatted = format(&large);
        assert_eq!(formatted.text, large);
        assert_eq!((formatted.left[0].whole, formatted.left[0].code), (true, Some(Code::E0090)));
    }

    #[test]
    fn every_line_that_stays_is_told_once() {
        let text = "edition 2026\n\nchoice   C {\n  a   \"A\"\n  ???   \n}\n\nchoice D {\n  a\n\n  ] stray\n";
        let formatted = format(text);
        let told: Vec<_> = formatted.left.iter().map(|left| (left.line, left.code)).collect();
        assert!(formatted.text.contains("choice C {\n"), "{}", formatted.text);
        assert_eq!(
            told,
            [(5, Some(Code::E0001)), (8, Some(Code::E0003)), (11, Some(Code::E0001))],
            "{:#?}",
            formatted.left
        );
        assert!(formatted.left.iter().all(|left| !left.whole));
    }

    #[test]
    fn an_item_whose_meaning_would_change_is_left_alone() {
        let text = "edition   2026\n\nsystem   a {\n}\n";
        let read = read(text);
        let left = BTreeSet::from([read.items[1].span.start]);
        let (new, stayed) = lay_out(text, &read, &left);
        assert_eq!(new, "edition 2026\n\nsystem   a {\n}\n");
        let told = reasons(text, &read, &stayed);
        assert_eq!(told.iter().map(|left| (left.line, left.code)).collect::<Vec<_>>(), [(3, None)]);
    }

    /// A text may come back as it was, but not because the form is wrong.
    #[test]
    fn texts_with_a_line_too_many_or_too_few_are_not_refused() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../rules");
        let mut number = 0;
        for entry in std::fs::read_dir(folder).expect("the shipped rules are there") {
            let path = entry.expect("an entry").path();
            if path.extension().is_none_or(|extension| extension != "rules") {
                continue;
            }
            let text = std::fs::read_to_string(path).expect("a text");
            let lines: Vec<&str> = text.split_inclusive('\n').collect();
            for index in 0..lines.len() {
                number += 1;
                if number % STEP != 0 {
                    continue;
                }
                let (before, after) = (lines[..index].concat(), lines[index + 1..].concat());
                for changed in [format!("{before}{after}"), format!("{before}{0}{0}{after}", lines[index])] {
                    let new = attempt(&changed);
                    assert!(new.is_ok(), "{new:?} for\n{changed}");
                }
            }
        }
    }

    /// Every so many lines are changed; all of them take a minute.
    const STEP: usize = 13;
}

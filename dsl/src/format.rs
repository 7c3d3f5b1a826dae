//! The canonical form of a text of rules, for `engine fmt`.
//!
//! In: any text. Out: the same items, lines and comments, indented and aligned in one way; see [`layout`] for the
//! form. Always true: the new text means what the old one meant, problems included, and formatting it again changes
//! nothing; where that does not hold, the text comes back as it was. A line that is not understood stays as it is,
//! byte for byte, and so does an item whose braces or quotes do not fit. Line breaks inside of statements are the
//! author's.

mod align;
mod layout;
mod tree;

use std::collections::BTreeSet;

use crate::ast::meaning;
use crate::outline::{Begins, Chunk, outline};
use crate::parse::{Parse, parse};
use crate::source::{FileId, SourceFile};
use layout::Line;

/// The canonical form of `text`.
#[must_use]
pub fn format(text: &str) -> String {
    attempt(text).unwrap_or_else(|_| text.to_owned())
}

/// Why a text comes back as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refused {
    /// It is not read at all, or has line ends that are none.
    Unread,
    /// The new text would mean something else.
    Meaning,
    /// The new text would be changed again.
    Unstable,
}

fn attempt(text: &str) -> Result<String, Refused> {
    // A text keeps its kind of line ends; in between, lines end with a line feed.
    let plain = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n");
    if plain.contains('\r') {
        return Err(Refused::Unread);
    }
    let once = faithful(&plain)?;
    if faithful(&once)? != once {
        return Err(Refused::Unstable);
    }
    let windows = text.find('\n').is_some_and(|at| text[..at].ends_with('\r'));
    Ok(if windows { once.replace('\n', "\r\n") } else { once })
}

/// Lays out `text`; items whose meaning would change are left as they are.
fn faithful(text: &str) -> Result<String, Refused> {
    let before = read(text);
    if before.problems.iter().any(|problem| matches!(problem.code, "E0090" | "E0095")) {
        return Err(Refused::Unread);
    }
    let mut left = BTreeSet::new();
    // Twice at most: once with all items, once without those that went wrong.
    for _ in 0..2 {
        let new = lay_out(text, &before, &left);
        let after = read(&new);
        let wrong: BTreeSet<u32> = before
            .items
            .iter()
            .zip(&after.items)
            .filter(|(old, new)| meaning(old) != meaning(new))
            .map(|(old, _)| old.span.start)
            .collect();
        if wrong.is_empty() && before.items.len() == after.items.len() && told(&before) == told(&after) {
            let comments = |text: &str, parse: &Parse| -> Vec<String> {
                let slice =
                    |span: &crate::source::Span| text[span.start as usize..span.end as usize].trim_end().to_owned();
                parse.comments.iter().map(slice).collect()
            };
            if comments(text, &before) == comments(&new, &after) {
                return Ok(new);
            }
        }
        if wrong.is_empty() || !left.is_empty() {
            break;
        }
        left = wrong;
    }
    Err(Refused::Meaning)
}

fn read(text: &str) -> Parse {
    parse(&SourceFile::new(FileId(0), "", text))
}

fn told(parse: &Parse) -> Vec<(&str, &str)> {
    parse.problems.iter().map(|problem| (problem.code, problem.message.as_str())).collect()
}

/// The new text. Items that begin at `left` stay as they are.
fn lay_out(text: &str, parse: &Parse, left: &BTreeSet<u32>) -> String {
    let mut out: Vec<Line> = Vec::new();
    let broken = broken_lines(text, parse);
    let mut at = 0;
    for chunk in outline(text).chunks {
        let start = text[..chunk.start].rfind('\n').map_or(0, |n| n + 1);
        let line = chunk.end + text[chunk.end..].find('\n').unwrap_or(text.len() - chunk.end);
        if start < at {
            // It goes on in a line that was written already.
            out.push(Line::Left(text[at..line].to_owned()));
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
        }
        at = line;
    }
    layout::between(&text[at..], &mut out);
    layout::write(&out)
}

/// An item whose braces and quotes fit and that is in the tree.
fn understood(chunk: &Chunk, parse: &Parse) -> bool {
    let range = chunk.start as u32..chunk.end as u32;
    let structure = |code: &str| code.starts_with("E009") || ["E0002", "E0003", "E0004", "E0005"].contains(&code);
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
    fn a_text_that_is_not_read_comes_back_as_it_was() {
        assert_eq!(attempt("edition 2026\redition 2026"), Err(Refused::Unread));
        let large = "#".repeat(crate::parse::MAX_FILE + 1);
        assert_eq!(attempt(&large), Err(Refused::Unread));
        assert_eq!(format(&large), large);
    }

    #[test]
    fn an_item_whose_meaning_would_change_is_left_alone() {
        let text = "edition   2026\n\nsystem   a {\n}\n";
        let read = read(text);
        let left = BTreeSet::from([read.items[1].span.start]);
        assert_eq!(lay_out(text, &read, &left), "edition 2026\n\nsystem   a {\n}\n");
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

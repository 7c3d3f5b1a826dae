//! Limits on untrusted texts, those that can be seen without understanding them.

use super::recovery::at;
use crate::diagnostic::{Code, Problem};
use crate::outline::{Chunk, Outline};
use crate::source::SourceFile;
use crate::tokens::{Kind, tokens};

/// The largest file that is read, in bytes.
pub const MAX_FILE: usize = 1 << 20;
/// The longest line, in characters.
const MAX_LINE: usize = 4_096;
/// The deepest nesting of brackets.
const MAX_DEPTH: usize = 64;
/// The longest text literal, in bytes.
const MAX_TEXT: usize = 64 << 10;
/// The longest name, in characters.
const MAX_NAME: usize = 128;
/// The most names in a path.
const MAX_PATH: usize = 16;
/// The most items in a file.
const MAX_ITEMS: usize = 10_000;
/// The most rows in a table.
pub(super) const MAX_ROWS: usize = 10_000;
/// The most steps in a workflow.
pub(super) const MAX_STEPS: usize = 500;
/// The most operators, brackets and transforms on one way through an expression. With it, whoever walks an
/// expression by recursion needs a small stack.
pub(super) const MAX_EXPRESSION: usize = 200;
/// The most problems that are told of one file.
pub(super) const MAX_PROBLEMS: usize = 100;
/// The most calls that the grammar may make for one item: 64 for every byte of the largest file. What is not
/// hostile needs fewer than 7 a byte.
pub(super) const MAX_CALLS: usize = 64 * MAX_FILE;

/// A file that is not read at all.
pub(super) fn file(file: &SourceFile) -> Option<Problem> {
    (file.text.len() > MAX_FILE).then(|| {
        Problem::new(Code::E0090, "this file is larger than 1 MiB", at(file, 0, 1), "begins here")
            .help("split it: all files of a folder are one rule set")
    })
}

/// A file whose items are not read.
pub(super) fn items(file: &SourceFile, outline: &Outline) -> Option<Problem> {
    let first = outline.chunks.get(MAX_ITEMS)?;
    let span = at(file, first.start, first.start + 1);
    Some(
        Problem::new(Code::E0095, "this file has more than 10000 items", span, "the first one too many")
            .help("split it: all files of a folder are one rule set"),
    )
}

/// An item that is not read: too deep, or with a line that is too long.
pub(super) fn unread(file: &SourceFile, chunk: &Chunk) -> Option<Problem> {
    if chunk.depth > MAX_DEPTH {
        let span = at(file, chunk.start, chunk.start + 1);
        let problem = Problem::new(Code::E0092, "this is nested more than 64 deep", span, "in this item");
        return Some(problem.help("take it apart"));
    }
    let mut start = chunk.start;
    for line in file.text[chunk.start..chunk.end].split_inclusive('\n') {
        if line.len() > MAX_LINE && line.chars().count() > MAX_LINE {
            let span = at(file, start, start + 1);
            let problem = Problem::new(Code::E0091, "this line is longer than 4096 characters", span, "begins here");
            return Some(problem.help("go on in the next line after a comma, or use a block text"));
        }
        start += line.len();
    }
    None
}

/// Names and texts of an item that are too long; the first of each kind.
pub(super) fn words(file: &SourceFile, chunk: &Chunk) -> Vec<Problem> {
    let text = &file.text[chunk.start..chunk.end];
    let mut problems: Vec<Problem> = Vec::new();
    let mut push = |code, message: &str, start: usize, end: usize, help: &str| {
        if !problems.iter().any(|problem| problem.code == code) {
            let span = at(file, chunk.start + start, chunk.start + end);
            problems.push(Problem::new(code, message, span, "here").help(help));
        }
    };
    for token in tokens(text) {
        let piece = &text[token.start..token.end];
        match token.kind {
            Kind::Text | Kind::Block | Kind::Unclosed if piece.len() > MAX_TEXT => {
                push(Code::E0093, "this text is longer than 64 KiB", token.start, token.start + 1, "shorten it");
            }
            Kind::Name if piece.len() > MAX_PATH => {
                if piece.split('.').any(|name| name.chars().count() > MAX_NAME) {
                    push(Code::E0094, "this name is longer than 128 characters", token.start, token.end, "shorten it");
                }
                if piece.split('.').count() > MAX_PATH {
                    let help = "a path has at most 16 names: go through fewer links";
                    push(Code::E0097, "this path is too deep", token.start, token.end, help);
                }
            }
            _ => {}
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use crate::diagnostic::Code;
    use crate::parse::parse;
    use crate::source::{FileId, SourceFile};

    #[test]
    fn what_is_not_read_is_told_of_at_a_whole_character() {
        let deep = format!("é{}", "{".repeat(65));
        let long = format!("é{}", "a".repeat(4_097));
        let large = format!("é{}", " ".repeat(1 << 20));
        for (text, code) in [(deep, Code::E0092), (long, Code::E0091), (large, Code::E0090)] {
            let file = SourceFile::new(FileId(0), "a.rules", &text);
            let problems = parse(&file).problems;
            let told = problems.iter().find(|problem| problem.code == code).expect("it is told");
            assert_eq!(file.slice(told.span()), "é", "{code}");
        }
    }
}

//! Text to tree: never fails, never panics; what is not understood is a problem and left out of the tree.
//!
//! In: one file. Out: its items, problems in the order of the text, and its comments.
//! Always true: a broken item or line costs no neighbour. The messages are ours: of pest's error only the
//! position is used.

mod action;
mod cursor;
mod expr;
mod item;
mod recovery;
mod sync;
mod test;
mod when;
mod workflow;

use pest::Parser;

use crate::ast;
use crate::diagnostic::Problem;
use crate::outline::{self, Chunk};
use crate::source::{SourceFile, Span};
use cursor::Builder;
use grammar::{Grammar, Rule};

mod grammar {
    #[derive(pest_derive::Parser)]
    #[grammar = "grammar/rules.pest"]
    pub(super) struct Grammar;
}

/// What a file holds.
#[derive(Debug, Clone, Default)]
pub struct Parse {
    /// Its items, in order.
    pub items: Vec<ast::Item>,
    /// What is wrong with its text.
    pub problems: Vec<Problem>,
    /// Its comments, `#` included.
    pub comments: Vec<Span>,
}

/// The largest file that is read.
pub const MAX_FILE: usize = 1 << 20;
/// The longest line.
const MAX_LINE: usize = 4_096;
/// The deepest nesting of brackets.
const MAX_DEPTH: usize = 64;
/// The longest text literal.
const MAX_TEXT: usize = 64 << 10;
/// The longest name.
const MAX_NAME: usize = 128;
/// The most items in a file.
const MAX_ITEMS: usize = 10_000;
/// The most problems that are told of one file.
const MAX_PROBLEMS: usize = 100;

/// Parses one file.
#[must_use]
pub fn parse(file: &SourceFile) -> Parse {
    let mut parse = Parse::default();
    let text: &str = &file.text;
    let at = |start: usize, end: usize| Span { file: file.id, start: start as u32, end: end as u32 };
    if text.len() > MAX_FILE {
        let problem = Problem::new("E0090", "this file is larger than 1 MiB", at(0, 0), "begins here")
            .help("split it: all files of a folder are one rule set");
        parse.problems.push(problem);
        return parse;
    }
    for line in 1..=file.lines() {
        let body = file.line(line);
        if body.chars().count() > MAX_LINE {
            let start = body.as_ptr() as usize - text.as_ptr() as usize;
            let problem =
                Problem::new("E0091", "this line is longer than 4096 characters", at(start, start + 1), "begins here")
                    .help("go on in the next line after a comma, or use a block text");
            parse.problems.push(problem);
            return parse;
        }
    }
    let outline = outline::outline(text);
    parse.comments = outline.comments.iter().map(|(start, end)| at(*start, *end)).collect();
    if outline.chunks.len() > MAX_ITEMS {
        let problem = Problem::new("E0095", "this file has more than 10000 items", at(0, 0), "begins here");
        parse.problems.push(problem.help("split it: all files of a folder are one rule set"));
        return parse;
    }
    for (index, chunk) in outline.chunks.iter().enumerate() {
        let next = outline.chunks.get(index + 1).filter(|chunk| chunk.item);
        item(file, chunk, next, outline.chunks.iter().filter(|c| c.item).count(), &mut parse);
    }
    if parse.problems.len() > MAX_PROBLEMS {
        parse.problems.truncate(MAX_PROBLEMS);
    }
    parse
}

fn item(file: &SourceFile, chunk: &Chunk, next: Option<&Chunk>, items: usize, parse: &mut Parse) {
    let text = &file.text[chunk.start..chunk.end];
    let at = |start: usize, end: usize| Span { file: file.id, start: start as u32, end: end as u32 };
    if chunk.depth > MAX_DEPTH {
        let problem =
            Problem::new("E0092", "this is nested more than 64 deep", at(chunk.start, chunk.start + 1), "in this item");
        parse.problems.push(problem.help("take it apart"));
        return;
    }
    if !chunk.item {
        parse.problems.push(recovery::outside(file, chunk));
        return;
    }
    if let Some(start) = chunk.unclosed_text {
        let block = file.text[start..].starts_with("\"\"\"");
        let end = file.text[start..].find('\n').map_or(file.text.len(), |n| start + n);
        let help = if block { "close it with `\"\"\"` on a line of its own" } else { "add the closing `\"`" };
        let problem = Problem::new("E0002", "this text is never closed", at(start, end.max(start + 1)), "begins here");
        parse.problems.push(problem.help(help));
        if block {
            return;
        }
    }
    if let Some(stray) = chunk.stray {
        let problem = Problem::new("E0005", "this `}` closes nothing", at(stray, stray + 1), "there is no `{` for it");
        parse.problems.push(problem.help("remove it"));
    }
    let mut repaired = text.to_owned();
    if !chunk.open.is_empty() {
        parse.problems.push(recovery::unclosed(file, chunk, next, items));
        if !repaired.ends_with('\n') {
            repaired.push('\n');
        }
        repaired.push_str(&"}\n".repeat(chunk.open.len()));
    }
    let before = parse.problems.len();
    let already = parse.problems.iter().any(|p| {
        let start = p.span().start as usize;
        start >= chunk.start && start < chunk.end.max(chunk.start + 1)
    });
    match Grammar::parse(Rule::only_item, &repaired) {
        Ok(pairs) => {
            let mut builder =
                Builder { file, base: chunk.start, problems: &mut parse.problems, quiet_texts: chunk.unclosed_text };
            if let Some(item) = pairs.into_iter().next().and_then(|pair| item::item(&mut builder, pair)) {
                parse.items.push(item);
            }
        }
        Err(error) => {
            let offset = match error.location {
                pest::error::InputLocation::Pos(at) | pest::error::InputLocation::Span((at, _)) => at,
            };
            if !already {
                parse.problems.push(recovery::item(file, chunk, chunk.start + offset.min(text.len())));
            }
        }
    }
    limits(file, chunk, before, parse);
}

/// Limits on what one item holds.
fn limits(file: &SourceFile, chunk: &Chunk, before: usize, parse: &mut Parse) {
    let text = &file.text[chunk.start..chunk.end];
    let at = |start: usize, end: usize| Span { file: file.id, start: start as u32, end: end as u32 };
    let _ = before;
    let mut start = None;
    for (i, c) in text.char_indices().chain([(text.len(), ' ')]) {
        if c.is_ascii_alphanumeric() || c == '_' {
            start.get_or_insert(i);
        } else if let Some(begin) = start.take()
            && i - begin > MAX_NAME
            && text[begin..].starts_with(|c: char| c.is_ascii_alphabetic())
        {
            let span = at(chunk.start + begin, chunk.start + i);
            parse.problems.push(
                Problem::new("E0094", "this name is longer than 128 characters", span, "here").help("shorten it"),
            );
            return;
        }
    }
    if let Some(begin) = text.find("\"\"\"")
        && text[begin + 3..].find("\"\"\"").is_some_and(|len| len > MAX_TEXT)
    {
        let span = at(chunk.start + begin, chunk.start + begin + 3);
        parse
            .problems
            .push(Problem::new("E0093", "this text is longer than 64 KiB", span, "begins here").help("shorten it"));
    }
    if let Some(ast::Item { kind: ast::ItemKind::Workflow(workflow), head, .. }) = parse.items.last()
        && head.start as usize == chunk.start
        && workflow.body.len() > 500
    {
        let problem = Problem::new("E0098", "this workflow has more than 500 steps", *head, "here");
        parse.problems.push(problem.help("start a second workflow from it"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::FileId;

    #[test]
    fn the_shipped_rules_parse_without_a_problem() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../rules");
        let mut items = 0;
        for entry in std::fs::read_dir(folder).expect("the shipped rules are there") {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|e| e == "rules") {
                let text = std::fs::read_to_string(&path).expect("a file");
                let file = SourceFile::new(FileId(0), path.display().to_string(), &text);
                let parse = parse(&file);
                assert_eq!(parse.problems, Vec::new(), "{}", path.display());
                items += parse.items.len();
            }
        }
        assert_eq!(items, 35);
    }
}

//! The canonical form.
//!
//! * Two blanks a level; a statement that goes on in the next line is indented by four more.
//! * One blank between tokens, none before `,` `:` `?`, none inside of `( )` and `[ ]`.
//! * A block that the author wrote in one line stays in one line; of another one, `{` ends a line and `}` begins one.
//! * Columns where lines are of one kind (see [`align`](super::align)); a blank line ends a group of columns,
//!   a comment does not. In a test, `when` takes as much room as `given`.
//! * At most one blank line in a row, none at the ends of blocks, one between two items.
//! * Comments behind statements stand two blanks behind them, under each other in lines that follow each other.
//! * A block text is indented as its statement is.

use std::collections::BTreeSet;

use super::align;
use super::line::{inline, space};
use super::tree::{self, Block, Entry, Piece, Statement};
use crate::forms::Place;
use crate::tokens::{Kind, Token, tokens};

/// A line of the new text, or several that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Line {
    /// A blank line.
    Blank,
    /// A comment in the first column.
    Comment(String),
    /// The first line of an item.
    Item(String, Option<String>),
    /// Another line of an item: its text and its comment.
    Inside(String, Option<String>),
    /// What stays as it is.
    Left(String),
}

/// What stands between items: comments and blank lines.
pub(super) fn between(text: &str, out: &mut Vec<Line>) {
    let mut breaks = 0;
    for token in tokens(text) {
        match token.kind {
            Kind::Line => breaks += 1,
            _ => {
                if breaks > 1 {
                    out.push(Line::Blank);
                }
                let rest = text[token.start..].find('\n').map_or(text.len(), |n| token.start + n);
                out.push(Line::Comment(text[token.start..rest].trim_end().to_owned()));
                breaks = 0;
            }
        }
    }
    // The line of what precedes is over as well.
    if breaks > 1 {
        out.push(Line::Blank);
    }
}

/// Lays out one item. `base` is where its text begins in the file, `broken` holds the beginnings of lines that stay.
pub(super) fn item(text: &str, base: usize, broken: &BTreeSet<usize>, out: &mut Vec<Line>) {
    let statement = tree::item(text);
    let mut layout = Layout { text, base, broken, lines: Vec::new() };
    layout.statement(&statement, None, 0);
    let mut lines = layout.lines.into_iter();
    if let Some(Line::Inside(first, comment)) = lines.next() {
        out.push(Line::Item(first, comment));
    }
    out.extend(lines);
}

struct Layout<'a> {
    text: &'a str,
    base: usize,
    broken: &'a BTreeSet<usize>,
    lines: Vec<Line>,
}

impl Layout<'_> {
    fn push(&mut self, text: String, comment: Option<Token>) {
        let comment = comment.map(|token| self.text[token.start..token.end].trim_end().to_owned());
        self.lines.push(Line::Inside(text, comment));
    }

    fn statement(&mut self, statement: &Statement, within: Option<Place>, level: usize) {
        let indent = "  ".repeat(level);
        let kind = within.unwrap_or(Place::Actions);
        let mut line = indent.clone();
        let mut from = 0;
        let mut before: Vec<Token> = Vec::new();
        while let Some(piece) = statement.pieces.get(from) {
            from += 1;
            match piece {
                // A comment ends its line, so what is behind it in the same statement goes into the next.
                Piece::Token(token) if token.kind == Kind::Comment => {
                    self.push(std::mem::take(&mut line), Some(*token))
                }
                Piece::Token(token) => {
                    let first = line.trim().is_empty();
                    if !first && space(self.text, &before, *token) {
                        line.push(' ');
                        if kind == Place::Test && within.is_some() && line.trim_start() == "when " {
                            line.push(' ');
                        }
                    }
                    let piece = &self.text[token.start..token.end];
                    line.push_str(&if token.kind == Kind::Block { indented(piece, &indent) } else { piece.to_owned() });
                    before.push(*token);
                }
                Piece::Break => {
                    if !line.is_empty() {
                        self.push(std::mem::take(&mut line), None);
                    }
                    line = format!("{indent}    ");
                }
                Piece::Block(block) if block.inline => {
                    line.push_str(if line.trim().is_empty() { "" } else { " " });
                    line.push_str(&inline(self.text, block));
                    before.push(block.close);
                }
                Piece::Block(block) => {
                    line.push_str(if line.trim().is_empty() { "{" } else { " {" });
                    self.push(std::mem::take(&mut line), block.comment);
                    self.block(block, level + 1);
                    line = format!("{indent}}}");
                    before.push(block.close);
                }
            }
        }
        self.push(line, statement.comment);
    }

    fn block(&mut self, block: &Block, level: usize) {
        let indent = "  ".repeat(level);
        let mut group: Vec<&Statement> = Vec::new();
        // Columns first: what a group looks like is known at its end.
        let mut aligned: Vec<Vec<String>> = Vec::new();
        let mut done: Vec<Vec<String>> = Vec::new();
        for entry in &block.lines {
            match entry {
                Entry::Statement(statement) if self.has_columns(statement) => {
                    aligned.push(align::cells(self.text, block.within, statement));
                    group.push(statement);
                }
                Entry::Blank if block.within != Place::Table => {
                    done.push(align::rows(block.within, &aligned));
                    aligned.clear();
                }
                _ => {}
            }
        }
        done.push(align::rows(block.within, &aligned));
        let mut rows = done.into_iter().flatten();
        for entry in &block.lines {
            match entry {
                Entry::Blank => self.lines.push(Line::Blank),
                Entry::Comment(token) => {
                    let comment = self.text[token.start..token.end].trim_end();
                    self.lines.push(Line::Inside(format!("{indent}{comment}"), None));
                }
                Entry::Statement(statement) if self.is_broken(statement) => {
                    let start = self.text[..statement.start()].rfind('\n').map_or(0, |n| n + 1);
                    let end = statement.comment.map_or(statement.end(), |comment| comment.end);
                    let end = self.text[end..].find('\n').map_or(self.text.len(), |n| end + n);
                    self.lines.push(Line::Left(self.text[start..end].to_owned()));
                }
                Entry::Statement(statement) if self.has_columns(statement) => {
                    let row = rows.next().unwrap_or_default();
                    self.push(format!("{indent}{row}"), statement.comment);
                }
                Entry::Statement(statement) => self.statement(statement, Some(block.within), level),
            }
        }
    }

    fn has_columns(&self, statement: &Statement) -> bool {
        statement.is_simple(self.text) && !self.is_broken(statement)
    }

    /// A line of its own, not of a block in it, is not understood.
    fn is_broken(&self, statement: &Statement) -> bool {
        if self.broken.is_empty() {
            return false;
        }
        let mut from = self.text[..statement.start()].rfind('\n').map_or(0, |n| n + 1);
        let inside = |start: usize, end: usize| self.broken.range(self.base + start..=self.base + end).next().is_some();
        for piece in &statement.pieces {
            if let Piece::Block(block) = piece
                && !block.inline
            {
                if inside(from, block.open.start) {
                    return true;
                }
                from = self.text[..block.close.start].rfind('\n').map_or(0, |n| n + 1);
            }
        }
        inside(from, statement.end())
    }
}

/// A block text with its closing quotes at `indent`.
fn indented(piece: &str, indent: &str) -> String {
    let Some((body, closing)) = piece.rsplit_once('\n') else { return piece.to_owned() };
    let Some(old) = closing.strip_suffix("\"\"\"").filter(|old| old.trim().is_empty()) else { return piece.to_owned() };
    let mut lines = body.split('\n');
    let first = lines.next().unwrap_or("\"\"\"");
    let mut out = if first.trim() == "\"\"\"" { "\"\"\"".to_owned() } else { first.to_owned() };
    for line in lines {
        let line = line.strip_prefix(old).unwrap_or_else(|| line.trim_start_matches([' ', '\t']));
        out.push('\n');
        if !line.is_empty() {
            out.push_str(indent);
            out.push_str(line);
        }
    }
    format!("{out}\n{indent}\"\"\"")
}

/// The lines as a text.
pub(super) fn write(lines: &[Line]) -> String {
    let mut out = String::new();
    let mut index = 0;
    // What the last line was, blank lines included.
    let mut last: Option<&Line> = None;
    while let Some(line) = lines.get(index) {
        match line {
            Line::Blank => {
                // At most one, and none at the beginning.
                if !matches!(last, None | Some(Line::Blank)) {
                    out.push('\n');
                    last = Some(line);
                }
                index += 1;
                continue;
            }
            Line::Comment(_) | Line::Item(..) if matches!(last, Some(Line::Inside(..) | Line::Item(..))) => {
                out.push('\n');
            }
            _ => {}
        }
        match line {
            Line::Comment(text) | Line::Left(text) => {
                out.push_str(text);
                out.push('\n');
                index += 1;
            }
            Line::Item(..) | Line::Inside(..) | Line::Blank => {
                // Comments of lines that follow each other stand under each other.
                let goes_on = |line: &&Line| matches!(line, Line::Inside(_, Some(_)));
                let more = if commented(line) { lines[index + 1..].iter().take_while(goes_on).count() } else { 0 };
                let run = 1 + more;
                let text = |line: &Line| match line {
                    Line::Item(text, comment) | Line::Inside(text, comment) => (text.clone(), comment.clone()),
                    _ => (String::new(), None),
                };
                let width = |text: &str| text.rsplit('\n').next().unwrap_or(text).chars().count();
                let widest = lines[index..index + run].iter().map(|line| width(&text(line).0)).max().unwrap_or(0);
                for line in &lines[index..index + run] {
                    let (text, comment) = text(line);
                    out.push_str(text.trim_end_matches(' '));
                    if let Some(comment) = comment {
                        out.push_str(&" ".repeat(widest - width(&text) + 2));
                        out.push_str(&comment);
                    }
                    out.push('\n');
                }
                index += run;
            }
        }
        last = lines.get(index - 1);
    }
    while out.ends_with("\n\n") {
        out.pop();
    }
    out
}

fn commented(line: &Line) -> bool {
    matches!(line, Line::Item(_, Some(_)) | Line::Inside(_, Some(_)))
}

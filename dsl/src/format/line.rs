//! One line: its tokens, with blanks between them where they belong.
//!
//! In: pieces of a statement that stand in one line. Out: the line, without its indentation. Not here: columns (see
//! `align`), and which lines there are (see `layout`).

use super::tree::{Block, Entry, Piece};
use crate::forms::{self, Place};
use crate::tokens::{Kind, Token};

/// Tokens of one line, with blanks between them where they belong.
pub(super) fn joined(text: &str, within: Place, pieces: &[Piece]) -> String {
    let mut line = String::new();
    let mut before: Vec<Token> = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Token(token) => {
                if space(text, &before, *token) {
                    line.push(' ');
                }
                line.push_str(&text[token.start..token.end]);
                before.push(*token);
            }
            Piece::Block(block) => {
                if !line.is_empty() {
                    line.push(' ');
                }
                line.push_str(&inline(text, block));
                before.push(block.close);
            }
            Piece::Break => {}
        }
    }
    if within == Place::Test && line.starts_with("when ") {
        line.insert(4, ' ');
    }
    line
}

pub(super) fn inline(text: &str, block: &Block) -> String {
    let statements: Vec<String> = block
        .lines
        .iter()
        .filter_map(|entry| match entry {
            Entry::Statement(statement) => Some(joined(text, block.within, &statement.pieces)),
            Entry::Blank | Entry::Comment(_) => None,
        })
        .collect();
    if statements.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", statements.join(", ")) }
}

/// Does a blank stand before `next`?
pub(super) fn space(text: &str, before: &[Token], next: Token) -> bool {
    let Some(last) = before.last() else { return false };
    let piece = |token: &Token| &text[token.start..token.end];
    let touching = last.end == next.start;
    let word = last.kind == Kind::Name && forms::is_word(piece(last));
    match (piece(last), piece(&next)) {
        (_, "," | ":" | "?" | ")" | "]" | ".") | ("(" | "[" | ".", _) => false,
        // `PlanFacts[key]`, but `in [a, b]`.
        (bracket, "[") => word && !touching || bracket == "in" || !matches!(last.kind, Kind::Name) && bracket != "]",
        // `as round(2)`, but `not (a = b)`.
        (_, "(") => !(last.kind == Kind::Name && before.len() > 1 && piece(&before[before.len() - 2]) == "as"),
        // The sign of a number, where no value stands before it.
        ("-", _) if next.kind == Kind::Number && touching => match before.len().checked_sub(2).map(|at| before[at]) {
            Some(value) => {
                let value_word = value.kind == Kind::Name && forms::is_word(piece(&value));
                matches!(value.kind, Kind::Name | Kind::Number | Kind::Text) && !value_word
                    || matches!(piece(&value), ")" | "]")
            }
            None => false,
        },
        _ => true,
    }
}

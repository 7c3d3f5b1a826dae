//! An item as statements and the blocks in them, comments included: what the layout works on.
//!
//! In: the text of an item whose braces fit. Out: its one statement. Not here: what statements mean; only how words
//! begin them, which tells what kind of block follows.

use crate::forms::{self, Place};
use crate::tokens::{Kind, Token, tokens};

/// A statement with its comment.
#[derive(Debug)]
pub(super) struct Statement {
    pub(super) pieces: Vec<Piece>,
    pub(super) comment: Option<Token>,
}

/// A part of a statement.
#[derive(Debug)]
pub(super) enum Piece {
    /// A token. Comments are in the middle of a statement that goes on in the next line.
    Token(Token),
    /// The author went on in the next line.
    Break,
    /// A block.
    Block(Block),
}

/// `{ … }`
#[derive(Debug)]
pub(super) struct Block {
    pub(super) within: Place,
    pub(super) open: Token,
    pub(super) close: Token,
    /// It stands in one line.
    pub(super) inline: bool,
    /// A comment behind its `{`.
    pub(super) comment: Option<Token>,
    pub(super) lines: Vec<Entry>,
}

/// What stands in a block.
#[derive(Debug)]
pub(super) enum Entry {
    /// One or more blank lines.
    Blank,
    /// A comment in a line of its own.
    Comment(Token),
    /// A statement.
    Statement(Statement),
}

impl Statement {
    /// Its first word.
    pub(super) fn word<'a>(&self, text: &'a str) -> &'a str {
        match self.pieces.first() {
            Some(Piece::Token(token)) => &text[token.start..token.end],
            _ => "",
        }
    }

    pub(super) fn start(&self) -> usize {
        self.pieces.first().map_or(0, Piece::start)
    }

    /// Behind its last token, its comment left out.
    pub(super) fn end(&self) -> usize {
        self.pieces.iter().rev().find_map(Piece::end).unwrap_or(0)
    }

    /// It stands in one line.
    pub(super) fn is_simple(&self, text: &str) -> bool {
        self.pieces.iter().all(|piece| match piece {
            Piece::Token(token) => !text[token.start..token.end].contains('\n') && token.kind != Kind::Comment,
            Piece::Break => false,
            Piece::Block(block) => block.inline,
        })
    }
}

impl Piece {
    fn start(&self) -> usize {
        match self {
            Self::Token(token) => token.start,
            Self::Break => 0,
            Self::Block(block) => block.open.start,
        }
    }

    fn end(&self) -> Option<usize> {
        match self {
            Self::Token(token) => Some(token.end),
            Self::Break => None,
            Self::Block(block) => Some(block.close.end),
        }
    }
}

/// The item as a statement.
pub(super) fn item(text: &str) -> Statement {
    let tokens = tokens(text);
    Reader { text, tokens: &tokens, at: 0 }.statement(None)
}

struct Reader<'a> {
    text: &'a str,
    tokens: &'a [Token],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<Token> {
        self.tokens.get(self.at).copied()
    }

    fn piece(&self, token: Token) -> &str {
        &self.text[token.start..token.end]
    }

    /// One statement; `within` is the block in which it stands, none for an item.
    fn statement(&mut self, within: Option<Place>) -> Statement {
        let mut statement = Statement { pieces: Vec::new(), comment: None };
        let mut brackets = 0usize;
        // The last token is a comma after which the statement goes on.
        let mut goes_on = false;
        while let Some(token) = self.peek() {
            match (token.kind, self.piece(token)) {
                (Kind::Line, _) if !goes_on => break,
                (Kind::Line, _) => {
                    if !matches!(statement.pieces.last(), Some(Piece::Break)) {
                        statement.pieces.push(Piece::Break);
                    }
                }
                (Kind::Comment, _) if goes_on => statement.pieces.push(Piece::Token(token)),
                (Kind::Comment, _) => {
                    statement.comment = Some(token);
                    self.at += 1;
                    break;
                }
                (_, "}") => break,
                (_, "{") => {
                    let kind = self.kind(within, &statement);
                    let block = self.block(kind);
                    statement.pieces.push(Piece::Block(block));
                    goes_on = false;
                    continue;
                }
                // In brackets a comma stands between items of a list, and ends no statement.
                (_, ",") if brackets == 0 && within.is_some_and(separates) => {
                    self.at += 1;
                    if let Some(comment) = self.peek().filter(|next| next.kind == Kind::Comment) {
                        statement.comment = Some(comment);
                        self.at += 1;
                    }
                    break;
                }
                (kind, piece) => {
                    match piece {
                        "(" | "[" => brackets += 1,
                        ")" | "]" => brackets = brackets.saturating_sub(1),
                        _ => {}
                    }
                    goes_on = kind == Kind::Symbol && piece == ",";
                    statement.pieces.push(Piece::Token(token));
                }
            }
            self.at += 1;
        }
        while matches!(statement.pieces.last(), Some(Piece::Break)) {
            statement.pieces.pop();
        }
        statement
    }

    /// The block that begins here.
    fn block(&mut self, within: Place) -> Block {
        let open = self.tokens[self.at];
        self.at += 1;
        let comment = self.peek().filter(|token| token.kind == Kind::Comment);
        if comment.is_some() {
            self.at += 1;
        }
        let mut block = Block { within, open, close: open, inline: true, comment, lines: Vec::new() };
        let mut breaks = 0;
        while let Some(token) = self.peek() {
            match (token.kind, self.piece(token)) {
                (Kind::Line, _) => {
                    breaks += 1;
                    self.at += 1;
                }
                (_, "}") => {
                    block.close = token;
                    self.at += 1;
                    break;
                }
                (kind, piece) => {
                    if breaks > 1 && !block.lines.is_empty() {
                        block.lines.push(Entry::Blank);
                    }
                    let before = self.at;
                    if kind == Kind::Comment {
                        block.lines.push(Entry::Comment(token));
                        self.at += 1;
                    } else if piece == "," && separates(within) {
                        // A comma that separates nothing; that nothing is lost is checked in the end.
                        self.at += 1;
                    } else {
                        let statement = self.statement(Some(within));
                        block.lines.push(Entry::Statement(statement));
                    }
                    // A statement of nothing would be met here without end.
                    if self.at == before {
                        self.at += 1;
                    }
                    breaks = 0;
                }
            }
        }
        block.inline = !self.text[block.open.start..block.close.end].contains('\n');
        block
    }

    /// What kind of block follows the words so far.
    fn kind(&self, within: Option<Place>, statement: &Statement) -> Place {
        let otherwise = if within.is_none() { Place::Test } else { Place::Record };
        forms::opened(within.unwrap_or(Place::File), statement.word(self.text)).unwrap_or(otherwise)
    }
}

/// A comma between two statements of this block is no part of either.
fn separates(within: Place) -> bool {
    matches!(within, Place::Record | Place::Actions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forms::Token as Word;
    use crate::outline::outline;

    /// Statements that no form of the table reads whole.
    fn unread(text: &str, within: Place, statement: &Statement, found: &mut Vec<String>) {
        let mut words = Vec::new();
        for piece in &statement.pieces {
            match piece {
                Piece::Token(token) if token.kind == Kind::Comment => {}
                Piece::Token(token) => words.push(Word { text: &text[token.start..token.end], kind: token.kind }),
                Piece::Break => {}
                Piece::Block(block) => {
                    words.push(Word { text: "}", kind: Kind::Symbol });
                    let mut place = if block.within == Place::Table { Place::TableHead } else { block.within };
                    for entry in &block.lines {
                        if let Entry::Statement(inner) = entry {
                            unread(text, place, inner, found);
                            place = block.within;
                        }
                    }
                }
            }
        }
        if forms::read(within, &words, false).whole.is_none() {
            found.push(format!("{within:?}: {}", words.iter().map(|word| word.text).collect::<Vec<_>>().join(" ")));
        }
    }

    /// What the grammar takes, the table of forms takes: every statement of the shipped rules and of the manual.
    #[test]
    fn every_statement_is_a_form_of_the_table() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let read = |path: &str| std::fs::read_to_string(root.join(path)).expect(path);
        let shipped = std::fs::read_dir(root.join("../rules")).expect("the shipped rules");
        let mut texts: Vec<String> = shipped
            .map(|entry| entry.expect("an entry").path())
            .filter(|path| path.extension().is_some_and(|ending| ending == "rules"))
            .map(|path| std::fs::read_to_string(path).expect("a text"))
            .collect();
        let manual = read("docs/LANGUAGE.md");
        texts.extend(manual.split("```rules\n").skip(1).filter_map(|rest| rest.split("```").next()).map(str::to_owned));
        let vocabulary = read("tests/golden/format/vocabulary.txt");
        texts.extend(vocabulary.split("=== becomes\n").map(str::to_owned));
        assert!(texts.len() > 50, "{}", texts.len());
        let mut found = Vec::new();
        let mut items = 0;
        for text in &texts {
            for chunk in outline(text).chunks {
                let text = &text[chunk.start..chunk.end];
                unread(text, Place::File, &item(text), &mut found);
                items += 1;
            }
        }
        assert!(items > 100, "{items}");
        assert_eq!(found, Vec::<String>::new());
    }
}

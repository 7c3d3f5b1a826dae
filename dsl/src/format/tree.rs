//! An item as statements and the blocks in them, comments included: what the layout works on.
//!
//! In: the text of an item whose braces fit. Out: its one statement. Not here: what statements mean; only how words
//! begin them, which tells what kind of block follows.

use crate::parse::Block as Within;
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
    pub(super) within: Within,
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
    fn statement(&mut self, within: Option<Within>) -> Statement {
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
    fn block(&mut self, within: Within) -> Block {
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
    fn kind(&self, within: Option<Within>, statement: &Statement) -> Within {
        match (within, statement.word(self.text)) {
            (None, "choice") => Within::Choice,
            (None, "entity") => Within::Entity,
            (None, "system") => Within::System,
            (None, "table") => Within::Table,
            (None, "sync") => Within::Sync,
            (None, "events") => Within::Events,
            (None, "when") => Within::When,
            (None, "workflow") => Within::Workflow,
            (None, _) => Within::Test,
            (Some(Within::Sync), "fields") => Within::Fields,
            (Some(Within::When), "always" | "to" | "from") => Within::Actions,
            (Some(Within::Workflow), "step") => Within::Step,
            (Some(Within::Workflow), "wait") => Within::Wait,
            (Some(Within::Workflow), "on") | (Some(Within::Step), "undo") => Within::Actions,
            (Some(Within::Wait), "happened" | "timed") => Within::Actions,
            (Some(Within::Test), _) => Within::Record,
            (Some(_), "if") => Within::Actions,
            _ => Within::Record,
        }
    }
}

/// A comma between two statements of this block is no part of either.
fn separates(within: Within) -> bool {
    matches!(within, Within::Record | Within::Actions)
}

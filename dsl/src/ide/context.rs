//! Where a place stands: its item, the blocks around it, the words of its statement and the names that are known.
//!
//! In: a text and a place. Out: a [`Context`]. Only the tokens before the place are looked at, so that it does not
//! matter whether the line parses; what stands behind the place cannot change what may stand at it.

use super::blocks::{Block, Blocks, Var};
use super::project::Project;
use super::words::{Said, Word, innermost, names, tokens_of, words};
use crate::forms::{self, Expected, Place};
use crate::outline::{Begins, Chunk};
use crate::schema::EntityName;
use crate::source::FileId;
use crate::tokens::Kind;

/// What kind of text a place stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inside {
    /// Code.
    Code,
    /// Between the quotes of a text that begins here, its quote left out.
    Text(usize),
    /// In `{…}` of a text.
    Filled,
    Comment,
}

/// What stands before a dot before the place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Before {
    Nothing,
    /// `sub.user.`
    Names(Vec<String>),
    /// `PlanFacts[…].`
    Cell(String),
}

/// Where a place stands.
#[derive(Debug)]
pub(super) struct Context<'a> {
    /// The keyword of the item, written or meant.
    pub(super) item: Option<&'static str>,
    /// What the head of the item says.
    pub(super) head: Said<'a>,
    /// The innermost block; none in a head and outside of items.
    pub(super) block: Option<Block>,
    /// The words of the statement before the place.
    pub(super) statement: Vec<Word<'a>>,
    pub(super) vars: Vec<Var>,
    pub(super) inside: Inside,
    pub(super) before: Before,
    /// The place is the first column of its line.
    pub(super) first_column: bool,
}

impl<'a> Context<'a> {
    /// The context of a word that begins at `place`.
    pub(super) fn at(project: &'a Project, file: FileId, place: usize) -> Self {
        let text = project.text(file);
        let place = place.min(text.len());
        let chunks = project.chunks(file);
        let before = chunks.partition_point(|chunk| chunk.start <= place);
        let chunk = before.checked_sub(1).map(|last| &chunks[last]).filter(|chunk| holds(text, chunk, place));
        let line = text[..place].rfind('\n').map_or(0, |n| n + 1);
        let item = chunk.and_then(|chunk| chunk.begins.keyword());
        let found = match chunk.map(|chunk| (chunk.start, beginning(text, chunk, line))) {
            Some((start, Some(end))) => [words(text, start, end), words(text, line, place)].concat(),
            Some((start, None)) => words(text, start, place),
            None => Vec::new(),
        };
        let blocks = Blocks::read(project, file, item, &found);
        let mut context = Self {
            item,
            block: blocks.innermost().cloned(),
            head: blocks.head,
            statement: blocks.statement,
            vars: blocks.vars,
            inside: Inside::Code,
            before: Before::Nothing,
            first_column: line == place || text[line..place] == *"\u{feff}",
        };
        match found.last() {
            _ if chunk.is_none() && text[line..place].contains('#') => context.inside = Inside::Comment,
            Some(last) if last.kind == Kind::Comment => context.inside = Inside::Comment,
            // Words are read up to the place only, so a text that is not closed is the one around it.
            Some(last) if last.kind == Kind::Unclosed => {
                context.statement.pop();
                context.enter(*last);
            }
            _ => {}
        }
        context.qualify();
        context
    }

    /// Looks into a text that is open at the place.
    fn enter(&mut self, open: Word<'a>) {
        let (filled, text_start) = innermost(open.text);
        match filled {
            Some(at) => {
                self.inside = Inside::Filled;
                let mut inner = words(open.text, at, open.text.len());
                inner.retain(|word| word.kind != Kind::Line);
                let moved =
                    |word: Word<'a>| Word { start: open.start + word.start, end: open.start + word.end, ..word };
                self.statement = inner.into_iter().map(moved).collect();
            }
            None => self.inside = Inside::Text(open.start + text_start),
        }
    }

    /// Takes what stands before a dot at the end of the statement out of it.
    fn qualify(&mut self) {
        if self.statement.last().is_none_or(|last| last.text != ".") {
            return;
        }
        let Some(before) = self.statement.len().checked_sub(2).and_then(|index| self.statement.get(index)).copied()
        else {
            return;
        };
        if before.kind == Kind::Name {
            self.statement.truncate(self.statement.len() - 2);
            self.before = Before::Names(names(before.text));
        } else if before.text == "]" {
            let mut depth = 0usize;
            let opening = self.statement.iter().rposition(|word| {
                match word.text {
                    "]" => depth += 1,
                    "[" => depth = depth.saturating_sub(1),
                    _ => {}
                }
                word.text == "[" && depth == 0
            });
            if let Some(index) = opening.and_then(|index| index.checked_sub(1)) {
                self.before = Before::Cell(self.statement[index].text.to_owned());
                self.statement.truncate(index);
            }
        }
    }

    /// The two entities of a sync's head.
    pub(super) fn sides(&self) -> (Option<EntityName>, Option<EntityName>) {
        match self.item {
            Some("sync") => (self.head.entity(0), self.head.entity(1)),
            _ => (None, None),
        }
    }

    /// What may follow the words of the statement, by the forms of its place.
    pub(super) fn expected(&self) -> Vec<Expected> {
        let place = match &self.block {
            None => Some(Place::File),
            Some(block) if block.place == Some(Place::Table) && block.lines == 0 => Some(Place::TableHead),
            Some(block) => block.place,
        };
        place.map(|place| forms::read(place, &tokens_of(&self.statement), false).expected).unwrap_or_default()
    }

    /// The words of the statement.
    pub(super) fn texts(&self) -> Vec<&'a str> {
        self.statement.iter().map(|word| word.text).collect()
    }
}

/// In a table or a choice, which may be long, a row does not depend on those between it and the first: where the
/// first row ends, if that is before the line.
fn beginning(text: &str, chunk: &Chunk, line: usize) -> Option<usize> {
    if !matches!(chunk.begins.keyword(), Some("table" | "choice")) {
        return None;
    }
    let next = |at: usize| text[at..].find('\n').map(|n| at + n + 1);
    let mut at = next(chunk.body()?)?;
    loop {
        let end = next(at).filter(|end| *end <= line)?;
        let row = text[at..end].trim_start();
        if !row.is_empty() && !row.starts_with('#') {
            return Some(end);
        }
        at = end;
    }
}

/// Does the place belong to the stretch?
fn holds(text: &str, chunk: &Chunk, place: usize) -> bool {
    if place <= chunk.start && chunk.begins != Begins::Outside {
        return false;
    }
    if !chunk.open.is_empty() || chunk.unclosed_block.is_some() {
        return true;
    }
    if chunk.begins == Begins::Outside || matches!(chunk.begins, Begins::Misspelt(_)) && chunk.braces.is_empty() {
        return false;
    }
    let closed = chunk.body().is_some();
    // A head without its block goes on to the end of its line.
    place < chunk.end || !closed && !text[chunk.end.min(place)..place].contains('\n')
}

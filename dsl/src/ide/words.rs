//! Words of a statement, and what they say by the slots of a form.
//!
//! In: a text. Out: tokens with their places in the file, names of paths, and where an open text is left. Not here:
//! what a name stands for.

use crate::forms::{New, Slot, Token};
use crate::schema::EntityName;
use crate::tokens::{Kind, tokens};

/// A token of a statement; places are bytes of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Word<'a> {
    pub(super) text: &'a str,
    pub(super) kind: Kind,
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Word<'_> {
    /// `crm.Deal`
    pub(super) fn qualified(&self) -> Option<EntityName> {
        entity_name(self.text).filter(|_| self.kind == Kind::Name)
    }
}

/// The tokens of a stretch.
pub(super) fn words(text: &str, start: usize, end: usize) -> Vec<Word<'_>> {
    let found = tokens(&text[start..end]).into_iter();
    found
        .map(|token| {
            let (start, end) = (start + token.start, start + token.end);
            Word { text: &text[start..end], kind: token.kind, start, end }
        })
        .collect()
}

/// The same, as the table of forms reads them.
pub(super) fn tokens_of<'a>(words: &[Word<'a>]) -> Vec<Token<'a>> {
    words.iter().map(|word| Token { text: word.text, kind: word.kind }).collect()
}

/// What the words of a statement say, in order: the slots of its form and the words that fill them.
#[derive(Debug, Clone, Default)]
pub(super) struct Said<'a>(Vec<(Slot, Word<'a>)>);

impl<'a> Said<'a> {
    pub(super) fn new(words: &[Word<'a>], filled: &[(Slot, usize)]) -> Self {
        Self(filled.iter().filter_map(|(slot, index)| words.get(*index).map(|word| (*slot, *word))).collect())
    }

    /// The first slot that fits, with its word.
    pub(super) fn first(&self, fits: impl Fn(Slot) -> bool) -> Option<(Slot, Word<'a>)> {
        self.0.iter().find(|(slot, _)| fits(*slot)).copied()
    }

    /// The last slot that fits, with its word.
    pub(super) fn last(&self, fits: impl Fn(Slot) -> bool) -> Option<(Slot, Word<'a>)> {
        self.0.iter().rev().find(|(slot, _)| fits(*slot)).copied()
    }

    /// What stands at this slot, the first time, without the backquotes of a quoted name.
    pub(super) fn name(&self, slot: Slot) -> Option<String> {
        self.first(|other| other == slot).map(|(_, word)| bare(word.text))
    }

    /// An entity, by its place among those that are named.
    pub(super) fn entity(&self, index: usize) -> Option<EntityName> {
        self.0.iter().filter(|(slot, _)| *slot == Slot::Entity).nth(index)?.1.qualified()
    }

    /// The name that the statement gives.
    pub(super) fn variable(&self) -> Option<Word<'a>> {
        self.first(|slot| matches!(slot, Slot::New(New::Variable | New::Assigned))).map(|(_, word)| word)
    }
}

/// `crm.Deal`
pub(super) fn entity_name(text: &str) -> Option<EntityName> {
    match parts(text).as_slice() {
        [(_, system), (_, name)] => Some(EntityName::new(system, name)),
        _ => None,
    }
}

/// A name without the backquotes of a quoted one.
pub(super) fn bare(name: &str) -> String {
    name.trim_matches('`').to_owned()
}

/// The names of a path.
pub(super) fn names(path: &str) -> Vec<String> {
    parts(path).into_iter().map(|(_, name)| name).collect()
}

/// The names of a path, each with its place in it.
pub(super) fn parts(path: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let (mut start, mut quoted) = (0, false);
    for (at, letter) in path.char_indices() {
        match letter {
            '`' => quoted = !quoted,
            '.' if !quoted => {
                found.push((start, bare(&path[start..at])));
                start = at + 1;
            }
            _ => {}
        }
    }
    found.push((start, bare(&path[start..])));
    found
}

/// In a text that is open at its end: behind which `{` the end stands, if in one, and where the innermost text
/// begins, its quote left out.
pub(super) fn innermost(open: &str) -> (Option<usize>, usize) {
    let quotes = if open.starts_with("\"\"\"") { 3 } else { 1 };
    let bytes = open.as_bytes();
    // Each with the place behind it: `"` a text, otherwise a bracket of an expression.
    let mut stack = vec![(b'"', quotes)];
    let mut at = quotes;
    while at < bytes.len() {
        let in_text = stack.last().is_some_and(|(kind, _)| *kind == b'"');
        match bytes[at] {
            b'\\' if in_text => at += 1,
            // The closing quotes of a block text are not in here.
            b'"' if in_text && stack.len() > 1 => {
                stack.pop();
            }
            b'"' if in_text => {}
            byte @ (b'{' | b'"') => stack.push((byte, at + 1)),
            byte @ (b'(' | b'[') if !in_text => stack.push((byte, at + 1)),
            b')' | b']' if !in_text && stack.last().is_some_and(|(kind, _)| matches!(kind, b'(' | b'[')) => {
                stack.pop();
            }
            b'}' if !in_text => {
                while stack.last().is_some_and(|(kind, _)| matches!(kind, b'(' | b'[')) {
                    stack.pop();
                }
                stack.pop();
            }
            _ => {}
        }
        at += 1;
    }
    match stack.last() {
        Some((b'"', start)) => (None, *start),
        _ => (stack.iter().rev().find(|(kind, _)| *kind == b'{').map(|(_, at)| *at), quotes),
    }
}

//! One thing that may stand at a place: the type alone; [`candidates`](super::candidates) finds them.

use super::symbol::Symbol;

/// What a candidate is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CandidateKind {
    /// A word of the language.
    Keyword,
    /// A system.
    System,
    /// An entity.
    Entity,
    /// An event.
    Event,
    /// A field, a member or a parameter.
    Field,
    /// A link.
    Link,
    /// An operation.
    Operation,
    /// A word of a choice, or an option.
    Word,
    /// A table.
    Table,
    /// A column of a table.
    Column,
    /// A sync.
    Sync,
    /// A workflow.
    Workflow,
    /// A step.
    Step,
    /// A variable.
    Variable,
    /// A transform or lookup.
    Transform,
    /// The text of a message, a template, a role or a path.
    Text,
}

/// One thing that may stand at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) label: String,
    pub(super) kind: CandidateKind,
    /// What it is, in a few words.
    pub(super) detail: String,
    /// What it stands for; none for words of the language.
    pub(super) symbol: Option<Symbol>,
    /// What is written, where it is not the label.
    pub(super) insert: Option<String>,
    /// The whole line or item that begins with it.
    pub(super) form: Option<&'static str>,
}

impl Candidate {
    pub(super) fn new(name: &str, kind: CandidateKind, detail: impl Into<String>, symbol: Symbol) -> Self {
        Self { symbol: Some(symbol), ..Self::word(name, kind, detail) }
    }

    pub(super) fn word(name: &str, kind: CandidateKind, detail: impl Into<String>) -> Self {
        Self { label: name.to_owned(), kind, detail: detail.into(), symbol: None, insert: None, form: None }
    }
}

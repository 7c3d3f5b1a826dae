//! What follows from what was decided so far, in the same round.

use dsl::schema::EntityName;
use dsl::value::{Timestamp, Value};

use crate::decide::model::record::Planned;
use crate::ids::{LinkId, RunId};

/// Something that follows from what was decided so far, in the same round.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Task {
    Link(LinkId),
    Run(RunId),
}

/// A change that `when` may react to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Transition {
    pub(crate) entity: EntityName,
    pub(crate) id: String,
    pub(crate) kind: TransitionKind,
    pub(crate) at: Timestamp,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum TransitionKind {
    Created,
    Deleted,
    Changes { field: String, old: Value, new: Value },
}

/// A value that somebody gave a field, and that a write of ours covered before it was seen.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Overwritten {
    pub(crate) entity: EntityName,
    pub(crate) id: String,
    pub(crate) field: String,
    pub(crate) value: Value,
    pub(crate) at: Timestamp,
    /// What was known when the write was planned.
    pub(crate) known: Planned,
}

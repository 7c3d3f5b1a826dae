//! Queues of work: one kind of request to one system.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A queue of work of one kind for one system; one request of a lane takes many of its items.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Lane {
    /// The system.
    pub system: String,
    /// The `bulk` limit applies: work of scheduled syncs and backfills.
    pub bulk: bool,
    /// What is asked.
    pub kind: LaneKind,
}

/// What a lane asks of its system.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(
    feature = "testing",
    expect(missing_docs, reason = "the fields are the entity's name in the lock, the key read by, the operation")
)]
pub enum LaneKind {
    /// Read records by `id` or a unique field.
    Read { entity: String, by: String },
    /// Make records.
    Create { entity: String },
    /// Change records.
    Update { entity: String },
    /// Delete records.
    Delete { entity: String },
    /// List records, a page at a time.
    List { entity: String },
    /// Call an operation.
    Operation { name: String },
    /// List what was deleted, a page at a time.
    Archived { entity: String },
    /// Ask who asks.
    Identify,
}

impl LaneKind {
    /// A page of it needs the cursor that the page before it brings.
    pub(crate) fn is_paged(&self) -> bool {
        matches!(self, Self::List { .. } | Self::Archived { .. })
    }
}

impl fmt::Display for LaneKind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { entity, by } => write!(out, "read {entity} by {by}"),
            Self::Create { entity } => write!(out, "create {entity}"),
            Self::Update { entity } => write!(out, "update {entity}"),
            Self::Delete { entity } => write!(out, "delete {entity}"),
            Self::List { entity } => write!(out, "list {entity}"),
            Self::Operation { name } => write!(out, "call {name}"),
            Self::Identify => write!(out, "say who asks"),
            Self::Archived { entity } => write!(out, "list archived {entity}"),
        }
    }
}

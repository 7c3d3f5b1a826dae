//! Two records that a sync holds for the same thing: the link's row and its life.

use std::collections::{BTreeMap, BTreeSet};

use dsl::program::Side;
use dsl::value::{Timestamp, Value};
use serde::{Deserialize, Serialize};

use crate::decide::model::kind::Kind;
use crate::decide::model::row::{Entity, RowKey};
use crate::decide::model::work::WorkRow;
use crate::ids::{CallId, LinkId};

/// Two records that are the same thing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct LinkRow {
    /// Name of the sync.
    pub(crate) sync: String,
    pub(crate) left: Option<String>,
    pub(crate) right: Option<String>,
    pub(crate) state: LinkState,
    /// Last value both sides had, by the mapping's text, in the mapping's canonical domain.
    pub(crate) base: BTreeMap<String, Value>,
    /// Fields that wait for a person, by the mapping's text, with the reason.
    pub(crate) parked: BTreeMap<String, String>,
    /// How often a write of a field came back as something else.
    pub(crate) unstable: BTreeMap<String, u8>,
    /// Calls in flight that write the left and the right record.
    pub(crate) in_flight: [Option<CallId>; 2],
    /// Keys of work rows for the left and the right record.
    pub(crate) queued: [Option<RowKey<WorkRow>>; 2],
    /// Claims this link holds.
    pub(crate) claims: BTreeSet<RowKey<LinkId>>,
    /// The scheduled run or backfill that touched it last; its writes count as bulk.
    pub(crate) bulk: bool,
    /// Since when it is in this state.
    pub(crate) since: Timestamp,
    /// Tries of the write that is refused for the moment.
    pub(crate) attempts: u32,
    /// No write before this time.
    pub(crate) not_before: Option<Timestamp>,
    /// The last request it was part of was refused as a whole: it goes alone.
    pub(crate) send_alone: bool,
    /// Values to be put back, by the mapping's text.
    pub(crate) restores: BTreeMap<String, Restore>,
    /// Record ids this link made, so that a create is never repeated blindly.
    pub(crate) creates: u32,
}

/// Where a link stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum LinkState {
    /// One side is known; the other is looked for.
    Matching,
    /// No value of its match key is there yet.
    WaitingForKey,
    /// The other side is being made.
    Creating(Side),
    /// The other side's record is not there, and this sync does not make it.
    Alone,
    /// `only where` does not hold, or a line says `else skip`.
    Excluded,
    /// Both sides are known.
    Linked,
    /// A person must look.
    Parked(String),
    /// One side was deleted; nothing is moved any more.
    Gone,
}

impl LinkRow {
    pub(crate) fn id(&self, side: Side) -> Option<&String> {
        match side {
            Side::Left => self.left.as_ref(),
            Side::Right => self.right.as_ref(),
        }
    }

    pub(crate) fn set_id(&mut self, side: Side, id: Option<String>) {
        match side {
            Side::Left => self.left = id,
            Side::Right => self.right = id,
        }
    }
}

/// A value that a write of ours covered and that has to be put back: it cannot be found in any row any more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Restore {
    /// Where.
    pub(crate) side: Side,
    /// The value, in the mapping's canonical domain.
    pub(crate) value: Value,
    /// When somebody gave it.
    pub(crate) at: Timestamp,
    /// For a line under `review`: the base that was, so that a person is asked once both values stand again.
    pub(crate) base: Option<Option<Value>>,
}

pub(crate) fn slot(side: Side) -> usize {
    match side {
        Side::Left => 0,
        Side::Right => 1,
    }
}

impl Entity for LinkRow {
    const KIND: Kind = Kind::Link;
}

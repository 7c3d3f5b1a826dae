//! What is queued, what is on its way, what falls due, and who waits for it.

use std::collections::BTreeSet;

use dsl::ast::Priority;
use dsl::program::Side;
use dsl::schema::EntityName;
use dsl::value::Timestamp;
use serde::{Deserialize, Serialize};

use crate::decide::model::kind::Kind;
use crate::decide::model::lane::Lane;
use crate::decide::model::row::{Entity, RowKey};
use crate::decide::model::written::Written;
use crate::ids::{CallId, LinkId, RunId};

/// Whose work it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Owner {
    /// A write to one side of a link.
    Link(LinkId, Side),
    /// The effect a run waits for.
    Run(RunId),
    /// A point read: entity, key read by, value as text.
    Read(EntityName, String, String),
    /// The next page of a listing.
    Listing(String),
}

/// One item of a lane.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct WorkRow {
    pub(crate) owner: Owner,
    pub(crate) lane: Lane,
    pub(crate) deadline: Timestamp,
    pub(crate) priority: Priority,
}

/// A call that was sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct CallRow {
    pub(crate) lane: Lane,
    pub(crate) sent: Timestamp,
    /// [`connectors::port::Request`] as JSON.
    pub(crate) request: Vec<u8>,
    pub(crate) items: Vec<CallItem>,
}

/// One input of a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct CallItem {
    pub(crate) owner: Owner,
    /// What a link's write holds.
    pub(crate) written: Vec<Written>,
    pub(crate) priority: Priority,
}

/// Something that falls due.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum TimerRow {
    /// A run's wait, retry or limit; counts only if the run's token is still this one.
    Run(RunId, u64),
    /// A run is given up.
    GiveUp(RunId),
    /// A schedule.
    Schedule(String),
    /// Stored deliveries of a system may have room.
    Pace(String),
    /// A link may be tried again.
    Link(LinkId),
    /// A link still waits for its partner or key: list it for people.
    Overdue(LinkId),
    /// What is kept for a time only is looked through.
    Sweep,
    /// The `timeout` of a step is over for the effect with this number.
    Timeout(RunId, u64),
    /// A run still waits for a partner, if the row with this key is there: list it for people.
    Unpaired(RunId, RowKey<Waiter>),
}

/// A point read that is queued or in flight.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ReadRow {
    pub(crate) waiters: BTreeSet<Waiter>,
    pub(crate) work: Option<RowKey<WorkRow>>,
    pub(crate) in_flight: Option<CallId>,
    /// Asked again while in flight: the answer may be too old for these.
    pub(crate) refetch: bool,
    pub(crate) cacheable: bool,
    pub(crate) attempts: u32,
    /// The last request it was part of was refused as a whole: it goes alone.
    pub(crate) send_alone: bool,
}

/// Who waits for a read, a listing or a partner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Waiter {
    Link(LinkId),
    Run(RunId),
}

/// All records of an entity, or those a scheduled run wants, page by page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ListingRow {
    pub(crate) entity: EntityName,
    pub(crate) since: Option<Timestamp>,
    pub(crate) cursor: Option<String>,
    pub(crate) waiters: BTreeSet<Waiter>,
    /// The sync whose run it is; `None` for a key index or a lookup.
    pub(crate) sync: Option<String>,
    pub(crate) started: Timestamp,
    /// When the last page came; `None` while it goes on.
    pub(crate) done: Option<Timestamp>,
    pub(crate) bulk: bool,
    pub(crate) count: u64,
    pub(crate) attempts: u32,
}

/// When a scheduled sync runs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ScheduleRow {
    pub(crate) next: Timestamp,
    pub(crate) last_good: Option<Timestamp>,
    pub(crate) running: bool,
    /// The run that goes on is over all records; those of the other side come next.
    pub(crate) other_side: bool,
}

impl Entity for WorkRow {
    const KIND: Kind = Kind::Work;
}

impl Entity for CallRow {
    const KIND: Kind = Kind::Call;
}

impl Entity for TimerRow {
    const KIND: Kind = Kind::Timer;
}

impl Entity for ReadRow {
    const KIND: Kind = Kind::Read;
}

impl Entity for ListingRow {
    const KIND: Kind = Kind::Listing;
}

impl Entity for ScheduleRow {
    const KIND: Kind = Kind::Schedule;
}

impl Entity for Waiter {
    const KIND: Kind = Kind::PartnerWait;
}

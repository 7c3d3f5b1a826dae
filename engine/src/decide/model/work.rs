//! What is queued, what is on its way, what falls due, and who waits for it.

use std::collections::BTreeSet;
use std::fmt;

use dsl::ast::Priority;
use dsl::program::Side;
use dsl::schema::EntityName;
use dsl::value::Timestamp;
use serde::{Deserialize, Serialize};

use crate::decide::model::kind::Kind;
use crate::decide::model::lane::Lane;
use crate::decide::model::lifecycle::{Lifecycle, Transition};
use crate::decide::model::row::{Entity, RowKey};
use crate::decide::model::sides::Sides;
use crate::decide::model::written::Written;
use crate::ids::{CallId, LinkId, RunId};

/// Whose work it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Owner {
    /// A write to one side of a link.
    Link(LinkId, Side),
    /// The effect a run waits for.
    Run(RunId),
    /// A point read.
    Read(PointRead),
    /// The next page of a listing.
    Listing(String),
    /// The question who asks, to this system.
    Identify(String),
}

/// Which record is read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PointRead {
    /// Its entity.
    pub entity: EntityName,
    /// The field that it is found by: `id` or a unique one.
    pub by: String,
    /// The value of that field, as text.
    pub value: String,
}

impl PointRead {
    pub(crate) fn by_id(entity: &EntityName, id: &str) -> Self {
        Self { entity: entity.clone(), by: "id".to_owned(), value: id.to_owned() }
    }

    /// It is found by its id, and not by another field.
    pub(crate) fn is_by_id(&self) -> bool {
        self.by == "id"
    }
}

impl fmt::Display for PointRead {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {} {}", self.entity, self.by, self.value)
    }
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

/// What became of the tries to write a record.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tries {
    /// How many did not succeed, since the last one that did.
    pub(crate) attempts: u32,
    /// No other one before this time.
    pub(crate) not_before: Option<Timestamp>,
    /// With whom it may share a request.
    pub(crate) group: Group,
}

/// With whom an item may share a request: with items of the same group only. Most are in the first one. What was refused
/// together, with no word of which item is meant, is in groups of its own until the next answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Group(pub(crate) u64);

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
    /// A sync on change sweeps.
    CatchUp(String),
}

/// A point read that is queued or in flight.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ReadRow {
    pub(crate) state: ReadState,
    pub(crate) waiters: BTreeSet<Waiter>,
    /// A cache may answer, for all who wait.
    pub(crate) cacheable: bool,
    /// How many tries did not succeed.
    pub(crate) attempts: u32,
    /// With whom it may share a request.
    pub(crate) group: Group,
}

/// Where a point read stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum ReadState {
    /// It waits in its lane.
    Queued(RowKey<WorkRow>),
    /// It is on its way.
    InFlight(CallId),
    /// It is on its way, and was asked for since: the answer may be too old for those who asked last.
    Outdated(CallId),
}

/// [`ReadState`] without its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadPhase {
    Queued,
    InFlight,
    Outdated,
}

/// What happens to a point read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadEvent {
    /// Its lane has opened.
    Send,
    /// Somebody asks for it who cannot take the answer that is on its way.
    AskAgain,
    /// It did not succeed.
    Retry,
    /// It is answered, and nobody needs it any more.
    Answer,
    /// It is answered, and must be read once more.
    Refetch,
}

impl ReadState {
    pub(crate) fn phase(&self) -> ReadPhase {
        match self {
            Self::Queued(_) => ReadPhase::Queued,
            Self::InFlight(_) => ReadPhase::InFlight,
            Self::Outdated(_) => ReadPhase::Outdated,
        }
    }
}

impl Lifecycle for ReadRow {
    type Phase = ReadPhase;
    type Event = ReadEvent;
    const NAME: &'static str = "read";
    const BEGINS: &'static [ReadPhase] = &[ReadPhase::Queued];
    const TABLE: &'static [Transition<ReadPhase, ReadEvent>] = {
        use ReadEvent as E;
        use ReadPhase::{InFlight, Outdated, Queued};
        &[
            Transition { from: &[Queued], event: E::Send, to: Some(InFlight) },
            Transition { from: &[InFlight], event: E::AskAgain, to: Some(Outdated) },
            Transition { from: &[InFlight, Outdated], event: E::Retry, to: Some(Queued) },
            Transition { from: &[Outdated], event: E::Refetch, to: Some(Queued) },
            Transition { from: &[InFlight], event: E::Answer, to: None },
        ]
    };
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
    /// Only what changed since then.
    pub(crate) since: Option<Timestamp>,
    pub(crate) state: ListingState,
    pub(crate) waiters: BTreeSet<Waiter>,
    /// The sync whose run it is; `None` for a key index or a lookup.
    pub(crate) sync: Option<String>,
    pub(crate) started: Timestamp,
}

/// Where a listing stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum ListingState {
    /// Pages come.
    Listing {
        /// Where the next one begins; `None` for the first.
        cursor: Option<String>,
        /// How many records have come.
        count: u64,
        /// How often the page was asked for without success.
        attempts: u32,
    },
    /// The last page came.
    Listed { at: Timestamp },
}

/// [`ListingState`] without its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ListingPhase {
    Listing,
    Listed,
}

/// What happens to a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ListingEvent {
    /// A page came, and there are more.
    Page,
    /// The last page came.
    LastPage,
    /// A page did not come; it is asked for again.
    Retry,
    /// A page was refused; the listing begins anew, because its cursor may be what is refused.
    Restart,
    /// It is asked for again after it was whole.
    Begin,
}

impl ListingState {
    /// A listing whose first page is to be asked for.
    pub(crate) const FIRST_PAGE: Self = Self::Listing { cursor: None, count: 0, attempts: 0 };

    pub(crate) fn phase(&self) -> ListingPhase {
        match self {
            Self::Listing { .. } => ListingPhase::Listing,
            Self::Listed { .. } => ListingPhase::Listed,
        }
    }
}

impl Lifecycle for ListingRow {
    type Phase = ListingPhase;
    type Event = ListingEvent;
    const NAME: &'static str = "listing";
    const BEGINS: &'static [ListingPhase] = &[ListingPhase::Listing];
    const TABLE: &'static [Transition<ListingPhase, ListingEvent>] = {
        use ListingEvent as E;
        use ListingPhase::{Listed, Listing};
        &[
            Transition { from: &[Listing], event: E::Page, to: Some(Listing) },
            Transition { from: &[Listing], event: E::Retry, to: Some(Listing) },
            Transition { from: &[Listing], event: E::Restart, to: Some(Listing) },
            Transition { from: &[Listing], event: E::LastPage, to: Some(Listed) },
            Transition { from: &[Listed], event: E::Begin, to: Some(Listing) },
        ]
    };
}

/// When a scheduled sync runs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ScheduleRow {
    pub(crate) next: Timestamp,
    pub(crate) last_good: Option<Timestamp>,
    pub(crate) state: ScheduleState,
}

/// Where a scheduled sync stands; it has no data of its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ScheduleState {
    /// It waits for its time.
    #[default]
    Waiting,
    /// It runs.
    Running,
    /// It runs over all records; those of the other side come next.
    RunningBothSides,
}

/// What happens to a scheduled sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ScheduleEvent {
    /// A run begins: its time has come, or a rule asks for it.
    Begin,
    /// A run over the records of both sides begins, or the one that goes on becomes one.
    BeginBothSides,
    /// The records of the one side are through; those of the other come next.
    OtherSide,
    /// The last page came.
    Finish,
}

impl Lifecycle for ScheduleRow {
    type Phase = ScheduleState;
    type Event = ScheduleEvent;
    const NAME: &'static str = "schedule";
    const BEGINS: &'static [ScheduleState] = &[ScheduleState::Waiting];
    const TABLE: &'static [Transition<ScheduleState, ScheduleEvent>] = {
        use ScheduleEvent as E;
        use ScheduleState::{Running, RunningBothSides, Waiting};
        &[
            Transition { from: &[Waiting], event: E::Begin, to: Some(Running) },
            Transition { from: &[Waiting, Running], event: E::BeginBothSides, to: Some(RunningBothSides) },
            Transition { from: &[RunningBothSides], event: E::OtherSide, to: Some(Running) },
            Transition { from: &[Running], event: E::Finish, to: Some(Waiting) },
        ]
    };
}

/// The sweeps of a sync on change.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct CatchUpRow {
    /// When the next one begins; a timer of another time does not count.
    pub(crate) next: Timestamp,
    /// What is asked for now; nothing between two sweeps.
    pub(crate) part: Option<CatchUpPart>,
    /// Changes up to this time are known, by the clock of the side's system.
    pub(crate) known_to: Sides<Timestamp>,
    /// The latest change that the listing under way has brought.
    pub(crate) seen_to: Option<Timestamp>,
    /// When the list of archived records is read next.
    pub(crate) archived_due: Sides<Timestamp>,
}

/// A part of a sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum CatchUpPart {
    /// What changed on a side.
    Changes(Side),
    /// What was deleted on a side.
    Archived(Side),
}

impl CatchUpPart {
    pub(crate) fn side(self) -> Side {
        match self {
            Self::Changes(side) | Self::Archived(side) => side,
        }
    }
}

impl Entity for CatchUpRow {
    const KIND: Kind = Kind::CatchUp;
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

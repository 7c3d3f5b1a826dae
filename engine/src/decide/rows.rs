//! The rows that decisions read and write, and their keys.
//!
//! Always true: the first byte of a key is its [`Kind`]; what follows sorts in the order in which it is scanned.
//! Rows are postcard; a call's request travels inside its row as JSON, because wire values are JSON.

use std::collections::{BTreeMap, BTreeSet};

use dsl::ast::Priority;
use dsl::program::{Place, Side};
use dsl::schema::EntityName;
use dsl::value::{Timestamp, Value};
use serde::{Deserialize, Serialize};

use super::Lane;
use crate::ids::{CallId, LinkId, RunId};

/// Row kinds. The number is the first byte of the key and is never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// [`Meta`], one row.
    Meta = 1,
    /// [`RecordRow`] by system, entity, id.
    Record = 2,
    /// Empty row by system, entity, field, value, id: which records hold a value of a key.
    Index = 3,
    /// [`Timestamp`] by system, entity, field, value: a point read found no such record then.
    Absent = 4,
    /// Empty row by target system, entity, id, source system, entity, id: who links to a record.
    Backlink = 5,
    /// [`LinkRow`] by id.
    Link = 6,
    /// [`LinkId`] by sync, side, record id.
    LinkOf = 7,
    /// [`LinkId`] by sync, key number, value: who may pair or make the record with this key.
    Claim = 8,
    /// [`WorkRow`] by lane, deadline, owner.
    Work = 9,
    /// [`CallRow`] by id.
    Call = 10,
    /// [`TimerRow`] by due time, number.
    Timer = 11,
    /// [`RunRow`] by id.
    Run = 12,
    /// [`ReadRow`] by system, entity, by, value.
    Read = 13,
    /// [`ListingRow`] by name.
    Listing = 14,
    /// Empty row by sync, side, record id, waiter: who waits for a link of that record.
    PartnerWait = 15,
    /// Awaited op position by system, entity or event, field, value, run.
    Await = 16,
    /// [`RunId`] list by workflow, key: unfinished runs that exclude each other.
    OnlyOne = 17,
    /// Empty row by system, entity, id, run: whose `cancel when` looks at a record.
    Watch = 18,
    /// Empty row by run, waiting run.
    Behind = 19,
    /// [`IncidentRow`] by subject.
    Incident = 20,
    /// Hashes of seen messages by hour, system, first byte or bytes.
    Seen = 21,
    /// Stored delivery by system, priority, number.
    Inbox = 22,
    /// Start times of paced deliveries, by system.
    Pace = 23,
    /// Next offset by topic, partition.
    Offset = 24,
    /// [`ScheduleRow`] by sync.
    Schedule = 25,
    /// Unfinished `when` runs that made or wrote a record: system, entity, id, run.
    Busy = 26,
    /// What could not be read, by number.
    Unreadable = 27,
    /// What was spent of a system's limits (the gate), by system.
    Spent = 28,
    /// Texts of a rule set, by hash.
    Rules = 29,
    /// Hash of the active rule set, one row.
    Active = 30,
    /// Time of the last round, one row: the engine's time never runs back.
    Time = 31,
    /// When old rows are next looked through, one row; and where the look at runs stopped, one row.
    Sweep = 32,
    /// [`Timestamp`] by system: the timer for stored deliveries that counts.
    Armed = 33,
    /// Id of the Kafka cluster that the offsets are of, one row.
    Cluster = 34,
}

/// Builds a key part by part: [`ledger::key::Key`](crate::ledger::key::Key) with the parts that decisions use.
#[derive(Debug, Clone)]
pub(crate) struct Key(crate::ledger::key::Key);

/// The longest text that stands in a key as it is. Ids and keys of systems are shorter; a value that is not must
/// not make a key that the ledger refuses.
const LONGEST: usize = 256;

impl Key {
    pub(crate) fn new(kind: Kind) -> Self {
        Self(crate::ledger::key::Key::new(kind as u8))
    }

    /// A text; a very long one is replaced by its beginning and its hash, which is as unique.
    pub(crate) fn text(self, text: &str) -> Self {
        if text.len() <= LONGEST {
            return Self(self.0.text(text));
        }
        let beginning = text.char_indices().map_while(|(at, c)| (at < LONGEST / 2).then_some(c)).collect::<String>();
        Self(self.0.text(&format!("{beginning}\u{0}#{}", super::context::hash(text))))
    }

    pub(crate) fn entity(self, entity: &EntityName) -> Self {
        self.text(&entity.system).text(&entity.entity)
    }

    /// A number, in numeric order.
    pub(crate) fn number(self, number: u64) -> Self {
        Self(self.0.number(number))
    }

    /// A moment, in time order.
    pub(crate) fn moment(self, moment: Timestamp) -> Self {
        Self(self.0.moment(moment))
    }

    /// Whole postcard bytes of a value; no particular order.
    pub(crate) fn encoded<T: Serialize>(self, value: &T) -> Self {
        let bytes = postcard::to_stdvec(value).expect("keys hold plain data");
        if bytes.len() <= 2 * LONGEST {
            return Self(self.0.bytes(&bytes));
        }
        // Only owners of work are this long, where a very long value is read by; their row holds them whole.
        Self(self.0.bytes(super::context::hash_of(&bytes).as_bytes()))
    }

    pub(crate) fn bytes(self) -> Vec<u8> {
        self.0.into_bytes()
    }
}

/// A value as a key part: printed, with its type's first letter, so that `"1"` and `1` differ.
pub(crate) fn value_key(value: &Value) -> String {
    let letter = match value {
        Value::Empty => '0',
        Value::Text(_) => 't',
        Value::Integer(_) | Value::Decimal(_) => 'n',
        Value::Flag(_) => 'f',
        Value::Date(_) => 'd',
        Value::Time(_) => 'm',
        Value::List(_) | Value::Record(_) => 'j',
    };
    let mut text = format!("{letter}{value}");
    if text.len() > 200 {
        // Long keys would make long rows; a hash is as unique.
        text = format!("{letter}#{}", super::context::hash(&text));
    }
    text
}

/// Facts about the ledger itself.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Meta {
    /// Distinguishes this ledger's keys from those of any other: part of every idempotency key.
    pub(crate) ledger: String,
    /// Last number given.
    pub(crate) last: u64,
    /// Stored deliveries that wait.
    pub(crate) inbox: u64,
}

/// What is known of a record of one system.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct RecordRow {
    pub(crate) fields: BTreeMap<String, Seen>,
    pub(crate) links: BTreeMap<String, SeenLink>,
    pub(crate) life: Life,
    /// Every used field and link was observed, as of this time.
    pub(crate) complete_at: Option<Timestamp>,
    /// Time of the newest observation.
    pub(crate) latest: Timestamp,
    /// `is created` has fired, or never will.
    pub(crate) created: bool,
    /// Values that `when … changes` already knows, by field.
    pub(crate) told: BTreeMap<String, Value>,
    /// Writes of ours of which nobody knows whether they happened, by field: should the value be seen, it is ours.
    pub(crate) doubtful: BTreeMap<String, (Value, Planned)>,
}

/// The life of a record.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Life {
    #[default]
    Live,
    Deleted(Timestamp),
    Merged(String),
    Erased,
}

/// One observed field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Seen {
    pub(crate) value: SeenValue,
    /// Version: time as of which this value held.
    pub(crate) at: Timestamp,
    /// Time carried by the first observation that showed this value.
    pub(crate) changed: Timestamp,
    /// Time of the observation before that; the change lies between the two.
    pub(crate) before: Option<Timestamp>,
    /// The value is a write of ours, and what was known when it was planned.
    pub(crate) wrote: Option<Planned>,
}

/// What was known of a field when a write of it was planned: an outside change between that and the write has been
/// written over unseen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Planned {
    /// The version of the value that was known; none where there was none.
    pub(crate) at: Option<Timestamp>,
    /// That value.
    pub(crate) value: Value,
    /// The base of the line then, in its canonical domain.
    pub(crate) base: Option<Value>,
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

/// A value, or why there is none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum SeenValue {
    Is(Value),
    /// What arrived and why it cannot be understood.
    Bad(String, String),
}

/// One observed link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SeenLink {
    pub(crate) id: Option<String>,
    pub(crate) at: Timestamp,
    pub(crate) changed: Timestamp,
    pub(crate) before: Option<Timestamp>,
}

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
    pub(crate) flight: [Option<CallId>; 2],
    /// Keys of work rows for the left and the right record.
    pub(crate) queued: [Option<Vec<u8>>; 2],
    /// Claims this link holds.
    pub(crate) claims: BTreeSet<Vec<u8>>,
    /// The scheduled run or backfill that touched it last; its writes count as bulk.
    pub(crate) bulk: bool,
    /// Since when it is in this state.
    pub(crate) since: Timestamp,
    /// Tries of the write that is refused for the moment.
    pub(crate) attempts: u32,
    /// No write before this time.
    pub(crate) not_before: Option<Timestamp>,
    /// The last request it was part of was refused as a whole: it goes alone.
    pub(crate) alone: bool,
    /// Values to be put back, by the mapping's text.
    pub(crate) restores: BTreeMap<String, Restore>,
    /// Record ids this link made, so that a create is never repeated blindly.
    pub(crate) creates: u32,
}

/// Where a link stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum LinkState {
    /// One side is known; the other is looked for.
    Looking,
    /// No value of its match key is there yet.
    WaitingForKey,
    /// The other side is being made.
    Creating(Side),
    /// The other side's record is not there, and this sync does not make it.
    Alone,
    /// `only where` does not hold, or a line says `else skip`.
    LeftOut,
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

pub(crate) fn slot(side: Side) -> usize {
    match side {
        Side::Left => 0,
        Side::Right => 1,
    }
}

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

/// One field or link that a call writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Written {
    /// The mapping's text.
    pub(crate) mapping: String,
    /// The value in the mapping's canonical domain.
    pub(crate) canonical: Value,
    /// The field that is written, and its value there.
    pub(crate) field: String,
    pub(crate) value: Value,
    /// `field` is a link.
    pub(crate) link: bool,
    /// What was known of the field.
    pub(crate) known: Planned,
    /// It puts a covered value back, so it moves no base.
    pub(crate) restore: bool,
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
    Unpaired(RunId, Vec<u8>),
}

/// A point read that is queued or in flight.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ReadRow {
    pub(crate) waiters: BTreeSet<Waiter>,
    pub(crate) work: Option<Vec<u8>>,
    pub(crate) flight: Option<CallId>,
    /// Asked again while in flight: the answer may be too old for these.
    pub(crate) again: bool,
    pub(crate) cacheable: bool,
    pub(crate) attempts: u32,
    /// The last request it was part of was refused as a whole: it goes alone.
    pub(crate) alone: bool,
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

/// One run of a `when` or a workflow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct RunRow {
    /// Hash of the program it began with.
    pub(crate) program: String,
    pub(crate) what: RunOf,
    pub(crate) pc: usize,
    pub(crate) vars: BTreeMap<String, Var>,
    pub(crate) state: RunState,
    /// Time of what woke it last: it reads nothing older.
    pub(crate) fresh: Timestamp,
    pub(crate) started: Timestamp,
    /// The step it is in.
    pub(crate) step: Option<usize>,
    pub(crate) completed: Vec<usize>,
    pub(crate) undone: BTreeSet<usize>,
    /// Where to go on after an `undo` block, innermost last; with the step that is being undone.
    pub(crate) stack: Vec<Frame>,
    pub(crate) failing: bool,
    /// Tries of the action at `pc`.
    pub(crate) attempts: u64,
    pub(crate) first_try: Option<Timestamp>,
    /// Numbers the effects: part of their keys.
    pub(crate) effects: u64,
    pub(crate) pending: Option<Effect>,
    /// Grows whenever a timer of an earlier wait must not count any more.
    pub(crate) token: u64,
    /// Events that came before their wait was reached, by position of the wait.
    pub(crate) early: BTreeMap<usize, Var>,
    pub(crate) touched: BTreeSet<(EntityName, String)>,
    pub(crate) only_one: Option<String>,
    pub(crate) awaits: BTreeSet<Vec<u8>>,
    pub(crate) watches: BTreeSet<Vec<u8>>,
    pub(crate) wait_until: Option<Timestamp>,
    pub(crate) failure: Option<(String, String)>,
    /// Needs that were read for the decision at hand, so that a missing record ends in a fact, not a loop.
    pub(crate) asked: BTreeMap<String, Timestamp>,
}

impl RunRow {
    /// A run that has not begun yet, woken by something of the time `at`.
    pub(crate) fn new(program: &str, what: RunOf, vars: BTreeMap<String, Var>, at: Timestamp) -> Self {
        Self {
            program: program.to_owned(),
            what,
            pc: 0,
            vars,
            state: RunState::Ready,
            fresh: at,
            started: at,
            step: None,
            completed: Vec::new(),
            undone: BTreeSet::new(),
            stack: Vec::new(),
            failing: false,
            attempts: 0,
            first_try: None,
            effects: 0,
            pending: None,
            token: 0,
            early: BTreeMap::new(),
            touched: BTreeSet::new(),
            only_one: None,
            awaits: BTreeSet::new(),
            watches: BTreeSet::new(),
            wait_until: None,
            failure: None,
            asked: BTreeMap::new(),
        }
    }
}

/// Where an undo goes on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Frame {
    pub(crate) resume: usize,
    pub(crate) left: Vec<usize>,
    pub(crate) step: Option<usize>,
}

/// What a run runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum RunOf {
    /// Index into the program's `whens`.
    When(usize),
    /// Index into the program's `workflows`.
    Workflow(usize),
}

/// Where a run stands. Every unfinished state names what will wake it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum RunState {
    /// It goes on in this round.
    Ready,
    /// A call is queued or in flight.
    Calling,
    /// A read, a listing or a partner.
    Reading,
    /// A timer.
    Sleeping,
    /// An event or a timer.
    Awaiting,
    /// Another run.
    Behind(RunId),
    /// A person.
    Stopped(String),
    /// It is over.
    Finished,
    /// It failed, and `on failure` has run.
    Failed,
    /// It was cancelled.
    Cancelled,
}

/// What a variable holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Var {
    Record(EntityName, String),
    Members(BTreeMap<String, Value>),
    Plain(Value),
    Nothing,
}

/// What a run is doing to the world.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Effect {
    pub(crate) lane: Lane,
    /// Idempotency key: the same after any restart.
    pub(crate) key: String,
    pub(crate) id: Option<String>,
    pub(crate) values: BTreeMap<String, Value>,
    pub(crate) links: BTreeMap<String, (Option<String>, Option<String>)>,
    pub(crate) work: Option<Vec<u8>>,
    pub(crate) place: Place,
    /// Sent at least once without an answer.
    pub(crate) in_doubt: bool,
    /// The last request it was part of was refused as a whole: it goes alone.
    pub(crate) alone: bool,
}

/// Something that needs a person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct IncidentRow {
    /// `run` or `link` and its number.
    pub(crate) subject: String,
    /// Groups incidents of one cause: rule, kind, shape.
    pub(crate) fingerprint: String,
    pub(crate) cause: String,
    pub(crate) entity: String,
    pub(crate) id: String,
    pub(crate) place: String,
    pub(crate) since: Timestamp,
    /// `parked` (a record waits, or a run for one) or `stopped` (a run waits for a person).
    pub(crate) parked: bool,
    pub(crate) advice: String,
}

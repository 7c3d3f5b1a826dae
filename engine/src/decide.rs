//! Turns one input into what should happen; does none of it.
//!
//! In: the rows (read through a trait), the programs, one [`Input`] and the time that came with it.
//! Out: an [`Outcome`]: row changes and records, made durable together, and [`Command`]s, carried out after.
//! Always true: the same rows, programs, input and time give the same outcome; no clock, no randomness, no I/O.
//! Work is queued in lanes ([`Lane`]); the gate opens a lane when budget and deadline say so, and only then
//! are the values read that go out. Not here: pacing (the gate), making durable (the ledger), calling (connectors).

use std::collections::BTreeMap;
use std::sync::Arc;

use connectors::port::{Answer, Message, Request};
use dsl::ast::Priority;
use dsl::program::Program;
use dsl::value::{Moment, Span};
use serde::{Deserialize, Serialize};

use crate::ids::CallId;
use crate::ledger::{Error, Round, Rows};

/// The rule sets in use.
#[derive(Debug, Clone)]
pub struct Programs {
    /// The one that decides what begins now.
    pub active: Arc<Program>,
    /// Every version that a run in progress still needs, the active one included, by hash.
    pub by_hash: BTreeMap<String, Arc<Program>>,
}

impl Programs {
    /// Only `program`.
    #[must_use]
    pub fn new(program: Arc<Program>) -> Self {
        Self { by_hash: BTreeMap::from([(program.hash.clone(), Arc::clone(&program))]), active: program }
    }
}

/// Knobs of the decisions, from `runtime:` in engine.yaml.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Knobs {
    /// Two outside changes closer than this count as simultaneous.
    pub clock_skew: Span,
    /// How long a real-time change may wait for company in its batch.
    pub hold: Span,
}

impl Default for Knobs {
    fn default() -> Self {
        Self { clock_skew: Span::seconds(2), hold: Span(300) }
    }
}

/// Where a delivery came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Source {
    /// A webhook request.
    Webhook,
    /// A Kafka record.
    Kafka {
        /// Its topic.
        topic: String,
        /// Its partition.
        partition: i32,
        /// Its offset.
        offset: i64,
    },
}

/// Everything that can cause a decision.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// The state folder is new, the daemon has started or rules were activated: schedules are set, work is found.
    Started,
    /// A system told us something; its connector has read it.
    Delivery {
        /// The system.
        system: String,
        /// Its messages, in the order of the delivery.
        messages: Vec<Message>,
        /// The door.
        source: Source,
    },
    /// A delivery that its connector could not read; it is parked, and its source goes on.
    Unreadable {
        /// The system.
        system: String,
        /// The door.
        source: Source,
        /// Why.
        reason: String,
        /// What came, cut to 4 KiB.
        payload: Vec<u8>,
    },
    /// A source's position without a message (an offset that is gone was passed over by policy).
    Offset {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// The next offset to read.
        next: i64,
        /// Why, for people.
        reason: String,
    },
    /// A lane may send one request of up to `max` inputs now.
    Open {
        /// The lane.
        lane: Lane,
        /// How many inputs its connector takes in one request.
        max: usize,
    },
    /// The answers to a call, one per input. After a restart: `Unknown` for every call without an answer.
    Answers {
        /// The call.
        call: CallId,
        /// One per input of its request.
        answers: Vec<Answer>,
    },
    /// The earliest timer is due ([`next_timer`]).
    Due,
    /// An operator's command.
    Operator {
        /// Who.
        who: String,
        /// What.
        command: OperatorCommand,
    },
}

/// What an operator can ask for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum OperatorCommand {
    /// Try a stopped run again where it stopped.
    RetryRun {
        /// The run.
        run: u64,
    },
    /// Go on behind the action a run stopped at.
    SkipAction {
        /// The run.
        run: u64,
        /// Why, for the record.
        reason: String,
    },
    /// End a run without undoing anything.
    CancelRun {
        /// The run.
        run: u64,
        /// Why, for the record.
        reason: String,
    },
    /// Merge a parked link again.
    RetryLink {
        /// The link.
        link: u64,
    },
    /// Settle a field that two people edited: take the value of a system.
    Take {
        /// The link.
        link: u64,
        /// The system whose value is taken.
        system: String,
    },
    /// Run a sync over all records of its source now (`engine backfill`).
    Backfill {
        /// The sync.
        sync: String,
    },
}

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
#[expect(missing_docs, reason = "the fields are the entity's name in the lock, the key read by, the operation")]
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
}

/// What the shell is asked to do once the round is durable.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// A lane has (more) work, to be sent by `deadline`. The gate remembers the earliest and the count.
    Work {
        /// The lane.
        lane: Lane,
        /// The latest time at which it should be sent.
        deadline: Moment,
        /// How urgent.
        priority: Priority,
    },
    /// Send a request; it passed the gate when its lane was opened. Its answers come back as [`Input::Answers`].
    Call {
        /// The call; its row exists until the answers are decided.
        call: CallId,
        /// The lane it left.
        lane: Lane,
        /// What to send.
        request: Request,
        /// A read that serves lookups and texts only: the cache may answer it for as long as the rules say.
        cacheable: bool,
    },
    /// A record changed: what a cache holds of it is stale.
    Invalidate {
        /// The system.
        system: String,
        /// The entity's name in the lock.
        entity: String,
        /// The record.
        id: String,
    },
    /// Something happened that people should see in the log: entity, action, ids, rule line.
    Log(Event),
}

/// One line of the log and the history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When, by the input's time.
    pub at: Moment,
    /// What kind: `create`, `update`, `unchanged`, `parked`, `drift`, `conflict`, `first link`, `fill`, `link`,
    /// `unlink`, `duplicate`, `run`, `step`, `effect`, `incident`, `operator`, `rules`, `foreign` …
    pub action: String,
    /// The sync, `when` or workflow.
    pub rule: String,
    /// Line of the rules that decided it, `contacts.rules:12`.
    pub place: String,
    /// The entity that was written or looked at, `crm.Contact`.
    pub entity: String,
    /// Id on the left side of a sync, or of the record.
    pub left: Option<String>,
    /// Id on the right side of a sync.
    pub right: Option<String>,
    /// The field, where it is about one.
    pub field: Option<String>,
    /// The link or run, `l12`, `r7`.
    pub subject: String,
    /// The value that stands now, printed.
    pub value: Option<String>,
    /// The value that was displaced, printed.
    pub displaced: Option<String>,
    /// In plain words.
    pub detail: String,
}

/// What one input leads to.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Rows and records, made durable together.
    pub round: Round,
    /// Carried out once the round is durable, in order.
    pub commands: Vec<Command>,
}

/// A queue that has work, as found in the rows at start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queued {
    /// The lane.
    pub lane: Lane,
    /// The earliest deadline in it.
    pub deadline: Moment,
    /// The most urgent item in it.
    pub priority: Priority,
}

/// A call that was sent and has no answer yet, as found in the rows at start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unanswered {
    /// The call.
    pub call: CallId,
    /// The lane it left.
    pub lane: Lane,
    /// When.
    pub sent: Moment,
    /// How many inputs it has.
    pub inputs: usize,
}

/// Decides.
///
/// # Errors
/// Where rows cannot be read or understood; nothing has happened then.
pub fn decide(rows: &dyn Rows, programs: &Programs, knobs: &Knobs, input: &Input, now: Moment) -> Result<Outcome, Error> {
    let _ = (rows, programs, knobs, input, now);
    todo!()
}

/// When the earliest timer is due.
///
/// # Errors
/// Where rows cannot be read.
pub fn next_timer(rows: &dyn Rows) -> Result<Option<Moment>, Error> {
    let _ = rows;
    todo!()
}

/// Lanes that have work.
///
/// # Errors
/// Where rows cannot be read.
pub fn queued(rows: &dyn Rows) -> Result<Vec<Queued>, Error> {
    let _ = rows;
    todo!()
}

/// Calls without an answer.
///
/// # Errors
/// Where rows cannot be read.
pub fn unanswered(rows: &dyn Rows) -> Result<Vec<Unanswered>, Error> {
    let _ = rows;
    todo!()
}

/// The next offset to read of each Kafka partition that has been read.
///
/// # Errors
/// Where rows cannot be read.
pub fn offsets(rows: &dyn Rows) -> Result<BTreeMap<(String, i32), i64>, Error> {
    let _ = rows;
    todo!()
}

/// How many stored deliveries wait for the `webhooks` pace of their system.
///
/// # Errors
/// Where rows cannot be read.
pub fn waiting_deliveries(rows: &dyn Rows) -> Result<u64, Error> {
    let _ = rows;
    todo!()
}

/// Hashes of the rule sets that runs in progress need.
///
/// # Errors
/// Where rows cannot be read.
pub fn hashes_in_use(rows: &dyn Rows) -> Result<Vec<String>, Error> {
    let _ = rows;
    todo!()
}

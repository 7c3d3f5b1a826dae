//! Turns one input into what should happen; does none of it.
//!
//! In: the rows (read through a trait), the programs, one [`Input`] and the time that came with it.
//! Out: an [`Outcome`]: row changes and records, made durable together, and [`Command`]s, carried out after.
//! Always true: the same rows, programs, input and time give the same outcome; no clock, no randomness, no I/O.
//! Work is queued in lanes ([`Lane`]); the gate opens a lane when budget and deadline say so, and only then
//! are the values read that go out. Not here: pacing (the gate), making durable (the ledger), calling (connectors).

mod action;
mod answers;
mod aside;
mod context;
mod existence;
mod guard;
mod identity;
mod inbox;
mod incident;
mod observe;
mod open;
mod operator;
pub mod parked;
mod position;
mod reads;
mod route;
pub(crate) mod rows;
mod runs;
mod schedule;
mod scope;
mod seed;
mod seen;
mod sweep;
mod sync;
pub mod views;
mod wakers;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use connectors::port::{Answer, Message, Request, Spoilt};
use dsl::ast::Priority;
use dsl::program::{Place, Program};
use dsl::schema::EntityName;
use dsl::source::Span;
use dsl::value::{Duration, Timestamp, Value};
use serde::{Deserialize, Serialize};

pub use self::aside::Aside;
use self::context::{Context, Task};
pub use self::guard::{Guard, Instance};
pub use self::position::known_cluster;
use self::rows::{Kind, TimerRow};
pub use self::seed::{Known, Pair, seed};
pub use self::wakers::asleep;
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

/// Settings of the decisions, from `runtime:` in engine.yaml.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Two outside changes closer than this count as simultaneous.
    pub clock_skew: Duration,
    /// How long a real-time change may wait for company in its batch.
    pub hold: Duration,
    /// How long a change of a scheduled run or a backfill may wait for company.
    pub hold_bulk: Duration,
    /// A sync that runs at intervals runs first when it is set up, not an interval later.
    pub run_at_start: bool,
    /// How long runs of workflows that are over are kept for people.
    pub retention: Duration,
    /// Tell which parts of the rules were reached, for coverage.
    pub trace: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            clock_skew: Duration::seconds(2),
            hold: Duration(300),
            hold_bulk: Duration::seconds(2),
            run_at_start: true,
            retention: Duration::days(30),
            trace: false,
        }
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
        /// What of it cannot be read; it is parked, and the rest is decided.
        spoilt: Vec<Spoilt>,
        /// The door.
        source: Source,
    },
    /// A delivery of which its connector can read nothing; it is parked, and its source goes on.
    Unreadable {
        /// The system.
        system: String,
        /// The door.
        source: Source,
        /// Why.
        reason: String,
        /// What came, whole.
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
    /// A Kafka cluster answers: the first one, or another one than before.
    Cluster {
        /// Its id.
        id: String,
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
    /// Something could not be decided, for a defect of the engine: it is left undone and shown to people.
    Aside {
        /// What.
        what: Aside,
        /// Why.
        reason: String,
    },
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
    /// Close an incident that nothing else closes: a message that was kept, records that were lost.
    Dismiss {
        /// What it is about, `message m3` or `topic users/0`; `m3` and `users/0` will do.
        subject: String,
        /// Why, for the record.
        reason: String,
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
        deadline: Timestamp,
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
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When, by the input's time.
    pub at: Timestamp,
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
    /// Why an operator's command was not carried out; that it was asked for is a record all the same.
    pub refused: Option<String>,
    /// Parts of the rules that were reached; empty unless [`Settings::trace`].
    pub reached: BTreeSet<Reached>,
    /// What systems took, in order; empty unless [`Settings::trace`].
    pub wrote: Vec<Wrote>,
}

/// A part of the rules that a decision reached.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reached {
    /// A `when` fired; the values of the field that it is about, before and now.
    When {
        /// Where it stands.
        place: Place,
        /// The value before.
        old: Option<Value>,
        /// The value now.
        new: Option<Value>,
    },
    /// An action was decided: its text.
    Action(Span),
    /// A row of a table was read, by the table's index and the row's key.
    Row(usize, Value),
}

/// Something that a system has taken, as its answer says, and the line of the rules that it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrote {
    /// The entity of the record.
    pub entity: EntityName,
    /// Its id.
    pub id: String,
    /// The field or link; `None` for the record as a whole, which was made.
    pub field: Option<String>,
    /// The line.
    pub place: Place,
    /// Its text, where it is a line of a sync.
    pub text: String,
}

/// A queue that has work, as found in the rows at start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queued {
    /// The lane.
    pub lane: Lane,
    /// The earliest deadline in it.
    pub deadline: Timestamp,
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
    pub sent: Timestamp,
    /// How many inputs it has.
    pub inputs: usize,
}

/// Decides.
///
/// # Errors
/// Where rows cannot be read or understood; nothing has happened then.
pub fn decide(
    rows: &dyn Rows,
    programs: &Programs,
    knobs: &Settings,
    input: &Input,
    now: Timestamp,
) -> Result<Outcome, Error> {
    decide_around(rows, programs, knobs, &Guard::default(), input, now)
}

/// Decides, and stops those instances on which an earlier try with the same input broke off.
///
/// Where this panics, [`Guard::at`] tells which instance it was about, if it was about one. [`Guard::broke`] adds
/// it, and the next try stops it and goes on with everything else.
///
/// # Errors
/// As [`decide()`].
pub fn decide_around(
    rows: &dyn Rows,
    programs: &Programs,
    knobs: &Settings,
    guard: &Guard,
    input: &Input,
    now: Timestamp,
) -> Result<Outcome, Error> {
    guard.clear();
    #[cfg(test)]
    guard::break_off_unguarded(input);
    let mut cx = Context::new(rows, programs, knobs, guard, now);
    match input {
        Input::Started => {
            sweep::started(&mut cx)?;
            schedule::started(&mut cx)?;
            inbox::started(&mut cx)?;
        }
        Input::Delivery { system, messages, spoilt, source } => {
            route::delivery(&mut cx, system, messages, spoilt, source)?;
        }
        Input::Unreadable { system, source, reason, payload } => {
            route::unreadable(&mut cx, system, source, reason, payload)?;
        }
        Input::Offset { topic, partition, next, reason } => {
            position::passed_over(&mut cx, topic, *partition, *next, reason)?;
        }
        Input::Cluster { id } => position::cluster(&mut cx, id)?,
        Input::Open { lane, max } => open::open(&mut cx, lane, *max)?,
        Input::Answers { call, answers } => answers::take(&mut cx, *call, answers)?,
        Input::Due => due(&mut cx)?,
        Input::Aside { what, reason } => aside::leave(&mut cx, what, reason)?,
        Input::Operator { who, command } => operator::command(&mut cx, who, command)?,
    }
    // What follows from it, until nothing does. Reactions come after merges, so that a value that the merge is
    // about to write over fires nothing.
    loop {
        if let Some(covered) = cx.covered.pop_front() {
            let record = Instance::Record(covered.entity.clone(), covered.id.clone());
            if guard::enter(&mut cx, &record)? {
                sync::covered(&mut cx, &covered)?;
                cx.guard.leave();
            }
        } else if let Some(task) = cx.next_task() {
            let instance = match task {
                Task::Link(link) => Instance::Link(link),
                Task::Run(run) => Instance::Run(run),
            };
            if !guard::enter(&mut cx, &instance)? {
                continue;
            }
            match task {
                Task::Link(link) => identity::advance(&mut cx, link)?,
                Task::Run(run) => runs::advance(&mut cx, run)?,
            }
            cx.guard.leave();
        } else if let Some(transition) = cx.transitions.pop_front() {
            let record = Instance::Record(transition.entity.clone(), transition.id.clone());
            if guard::enter(&mut cx, &record)? {
                runs::react(&mut cx, &transition)?;
                cx.guard.leave();
            }
        } else {
            break;
        }
    }
    Ok(cx.finish())
}

/// Carries out every timer that is due, or where one of them broke off the first of them.
fn due(cx: &mut Context<'_>) -> Result<(), Error> {
    let most = if cx.guard.is_alone() { 1 } else { 256 };
    for (key, bytes) in cx.scan(&[Kind::Timer as u8], most)? {
        let Some(at) = timer_moment(&key) else { continue };
        if at > cx.now {
            break;
        }
        let timer: TimerRow = context::decode(&key, &bytes)?;
        cx.delete(key.clone());
        match &timer {
            TimerRow::Run(run, _) | TimerRow::GiveUp(run) | TimerRow::Timeout(run, _) | TimerRow::Unpaired(run, _) => {
                if !guard::enter(cx, &Instance::Run(*run))? {
                    continue;
                }
            }
            TimerRow::Link(link) | TimerRow::Overdue(link) => {
                if !guard::enter(cx, &Instance::Link(*link))? {
                    continue;
                }
            }
            TimerRow::Schedule(_) | TimerRow::Pace(_) | TimerRow::Sweep => {
                if let Some(why) = guard::begin(cx, &Instance::Timer(key)) {
                    aside::again(cx, &timer)?;
                    aside::tell(cx, format!("timer {timer:?}"), &why)?;
                    continue;
                }
            }
        }
        match timer {
            TimerRow::Run(run, token) => runs::due(cx, run, token)?,
            TimerRow::GiveUp(run) => runs::give_up(cx, run)?,
            TimerRow::Timeout(run, effect) => runs::timed_out(cx, run, effect)?,
            TimerRow::Unpaired(run, wait) => runs::unpaired(cx, run, &wait)?,
            TimerRow::Schedule(sync) => schedule::due(cx, &sync)?,
            TimerRow::Pace(system) => inbox::due(cx, &system)?,
            TimerRow::Link(link) => retry_link(cx, link)?,
            TimerRow::Overdue(link) => identity::overdue(cx, link)?,
            TimerRow::Sweep => sweep::due(cx)?,
        }
        cx.guard.leave();
    }
    Ok(())
}

fn retry_link(cx: &mut Context<'_>, id: crate::ids::LinkId) -> Result<(), Error> {
    let key = identity::link_key(id);
    if let Some(mut link) = cx.get::<rows::LinkRow>(&key)?
        && link.not_before.is_some_and(|at| at <= cx.now)
    {
        link.not_before = None;
        identity::store(cx, id, &link);
        cx.task(Task::Link(id));
    }
    Ok(())
}

fn timer_moment(key: &[u8]) -> Option<Timestamp> {
    let bytes: [u8; 8] = key.get(1..9)?.try_into().ok()?;
    Some(Timestamp((u64::from_be_bytes(bytes) ^ (1 << 63)) as i64))
}

/// Wait before retry `n` (the first retry is 1), never above `at_most`; `roll` picks the jitter.
///
/// Exponential with full jitter (AWS Architecture Blog, "Exponential Backoff And Jitter"), but at least half of
/// the span, so that a retry is never immediate. The roll is a hash of what is retried: the same after a restart.
pub(crate) fn backoff(n: u64, first: Duration, at_most: Duration, roll: &str) -> Duration {
    let doubled = first
        .0
        .max(1)
        .saturating_mul(1i64.checked_shl(u32::try_from(n.saturating_sub(1).min(40)).unwrap_or(40)).unwrap_or(i64::MAX));
    let cap = doubled.min(at_most.0.max(1));
    let roll = u64::from_str_radix(&context::hash(&format!("{roll} {n}")), 16).unwrap_or_default();
    let half = cap / 2;
    Duration(half + i64::try_from(roll % u64::try_from(cap - half + 1).unwrap_or(1)).unwrap_or_default())
}

/// When the earliest timer is due.
///
/// # Errors
/// Where rows cannot be read.
pub fn next_timer(rows: &dyn Rows) -> Result<Option<Timestamp>, Error> {
    let prefix = [Kind::Timer as u8];
    let first = rows.scan(&prefix, &context::after(&prefix), 1)?;
    Ok(first.first().and_then(|(key, _)| timer_moment(key)))
}

fn all<T: serde::de::DeserializeOwned>(rows: &dyn Rows, kind: Kind) -> Result<Vec<(Vec<u8>, T)>, Error> {
    let prefix = [kind as u8];
    rows.scan(&prefix, &context::after(&prefix), usize::MAX)?
        .into_iter()
        .map(|(key, bytes)| {
            let row = context::decode(&key, &bytes)?;
            Ok((key, row))
        })
        .collect()
}

/// Lanes that have work.
///
/// # Errors
/// Where rows cannot be read.
pub fn queued(rows: &dyn Rows) -> Result<Vec<Queued>, Error> {
    let mut lanes: BTreeMap<Lane, (Timestamp, Priority)> = BTreeMap::new();
    for (_, work) in all::<rows::WorkRow>(rows, Kind::Work)? {
        let entry = lanes.entry(work.lane).or_insert((work.deadline, work.priority));
        entry.0 = entry.0.min(work.deadline);
        entry.1 = entry.1.min(work.priority);
    }
    Ok(lanes.into_iter().map(|(lane, (deadline, priority))| Queued { lane, deadline, priority }).collect())
}

/// Calls without an answer.
///
/// # Errors
/// Where rows cannot be read.
pub fn unanswered(rows: &dyn Rows) -> Result<Vec<Unanswered>, Error> {
    let calls = all::<rows::CallRow>(rows, Kind::Call)?;
    Ok(calls
        .into_iter()
        .map(|(key, row)| {
            let number = key.get(1..9).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes);
            Unanswered { call: CallId(number), lane: row.lane, sent: row.sent, inputs: row.items.len() }
        })
        .collect())
}

/// The next offset to read of each Kafka partition that has been read.
///
/// # Errors
/// Where rows cannot be read.
pub fn offsets(rows: &dyn Rows) -> Result<BTreeMap<(String, i32), i64>, Error> {
    let found = all::<(String, i32, i64)>(rows, Kind::Offset)?;
    Ok(found.into_iter().map(|(_, (topic, partition, next))| ((topic, partition), next)).collect())
}

/// How many stored deliveries wait for the `webhooks` pace of their system.
///
/// # Errors
/// Where rows cannot be read.
pub fn waiting_deliveries(rows: &dyn Rows) -> Result<u64, Error> {
    let key = rows::Key::new(Kind::Meta).bytes();
    match rows.get(&key)? {
        Some(bytes) => Ok(context::decode::<rows::Meta>(&key, &bytes)?.inbox),
        None => Ok(0),
    }
}

/// Hashes of the rule sets that runs in progress need.
///
/// # Errors
/// Where rows cannot be read.
pub fn hashes_in_use(rows: &dyn Rows) -> Result<Vec<String>, Error> {
    let mut hashes: Vec<String> = all::<rows::RunRow>(rows, Kind::Run)?
        .into_iter()
        .filter(|(_, run)| {
            !matches!(run.state, rows::RunState::Finished | rows::RunState::Failed | rows::RunState::Cancelled)
        })
        .map(|(_, run)| run.program)
        .collect();
    hashes.sort();
    hashes.dedup();
    Ok(hashes)
}

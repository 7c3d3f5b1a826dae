//! One execution of a `when` or a workflow: the run's row and its life.

use std::collections::{BTreeMap, BTreeSet};

use dsl::program::Place;
use dsl::schema::EntityName;
use dsl::value::{Timestamp, Value};
use serde::{Deserialize, Serialize};

use crate::decide::model::freshness::Freshness;
use crate::decide::model::kind::Kind;
use crate::decide::model::lane::Lane;
use crate::decide::model::lifecycle::{Lifecycle, Transition};
use crate::decide::model::row::{Entity, RowKey};
use crate::decide::model::work::{Group, WorkRow};
use crate::ids::RunId;

/// One run of a `when` or a workflow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct RunRow {
    /// Hash of the program it began with.
    pub(crate) program: String,
    pub(crate) what: RunOf,
    pub(crate) state: RunState,
    /// The operation of its code that comes next.
    pub(crate) pc: usize,
    pub(crate) vars: BTreeMap<String, Var>,
    /// How new what it reads must be: not older than what woke it last.
    pub(crate) fresh: Freshness,
    pub(crate) started: Timestamp,
    /// The step it is in.
    pub(crate) step: Option<usize>,
    pub(crate) completed: Vec<usize>,
    pub(crate) undone: BTreeSet<usize>,
    /// Where to go on after an `undo` block, innermost last; with the step that is being undone.
    pub(crate) stack: Vec<Frame>,
    /// Why its `on failure` runs.
    pub(crate) failure: Option<StepFailure>,
    /// Tries of the action that comes next.
    pub(crate) attempts: u64,
    pub(crate) first_try: Option<Timestamp>,
    /// Numbers the effects: part of their keys.
    pub(crate) effects: u64,
    /// Grows whenever a timer of an earlier wait must not count any more.
    pub(crate) token: u64,
    /// Events that came before their wait was reached, by position of the wait.
    pub(crate) early: BTreeMap<usize, Var>,
    /// Records that it made or wrote: reactions to them wait until it is over.
    pub(crate) touched: BTreeSet<(EntityName, String)>,
    /// The list of those that exclude each other by `only one per`.
    pub(crate) only_one: Option<RowKey<Vec<RunId>>>,
    pub(crate) awaits: BTreeSet<RowKey<(RunId, usize)>>,
    pub(crate) watches: BTreeSet<RowKey<RunId>>,
}

impl Entity for RunRow {
    const KIND: Kind = Kind::Run;
}

impl RunRow {
    /// A run that begins, woken by something as new as that.
    pub(crate) fn new(
        program: &str,
        what: RunOf,
        vars: BTreeMap<String, Var>,
        fresh: Freshness,
        state: RunState,
    ) -> Self {
        Self {
            program: program.to_owned(),
            what,
            state,
            pc: 0,
            vars,
            fresh,
            started: fresh.oldest(),
            step: None,
            completed: Vec::new(),
            undone: BTreeSet::new(),
            stack: Vec::new(),
            failure: None,
            attempts: 0,
            first_try: None,
            effects: 0,
            token: 0,
            early: BTreeMap::new(),
            touched: BTreeSet::new(),
            only_one: None,
            awaits: BTreeSet::new(),
            watches: BTreeSet::new(),
        }
    }

    /// The first record that it is about.
    pub(crate) fn record(&self) -> Option<(&EntityName, &str)> {
        self.vars.values().find_map(|var| match var {
            Var::Record(entity, id) => Some((entity, id.as_str())),
            Var::Members(_) | Var::Plain(_) | Var::Nothing => None,
        })
    }

    /// Its next operation, with no tries behind it.
    pub(crate) fn go_on(&mut self) {
        self.pc += 1;
        self.reset_tries();
    }

    pub(crate) fn reset_tries(&mut self) {
        self.attempts = 0;
        self.first_try = None;
    }

    /// Gives a variable its value, where the author named one.
    pub(crate) fn bind(&mut self, name: Option<&String>, var: Var) {
        if let Some(name) = name {
            self.vars.insert(name.clone(), var);
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

/// Which step failed, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StepFailure {
    pub(crate) step: String,
    pub(crate) message: String,
}

impl std::fmt::Display for StepFailure {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}: {}", self.step, self.message)
    }
}

/// What a run runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum RunOf {
    /// Index into the program's `whens`.
    When(usize),
    /// Index into the program's `workflows`.
    Workflow(usize),
}

/// Where a run stands. Every unfinished state names what will wake it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum RunState {
    /// It begins once its `only one per` key can be read: a read or a partner.
    Starting,
    /// It goes on in this round.
    Ready,
    /// A call is queued or in flight.
    Calling(Effect),
    /// A timer: the same effect goes out again.
    Retrying { effect: Effect, until: Timestamp },
    /// A timer: the action is decided again.
    Rechecking { until: Timestamp },
    /// A read, a listing or a partner.
    Reading,
    /// A timer.
    Sleeping { until: Timestamp },
    /// An event or a timer; the event counts up to that time.
    Awaiting { until: Timestamp },
    /// Another run.
    Behind(RunId),
    /// A person.
    Stopped(String),
    /// It is over.
    Finished { at: Timestamp },
    /// It failed, and `on failure` has run.
    Failed { at: Timestamp, failure: Option<StepFailure> },
    /// It was cancelled.
    Cancelled { at: Timestamp },
}

/// [`RunState`] without its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RunPhase {
    Starting,
    Ready,
    Calling,
    Retrying,
    Rechecking,
    Reading,
    Sleeping,
    Awaiting,
    Behind,
    Stopped,
    Finished,
    Failed,
    Cancelled,
}

/// What happens to a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RunEvent {
    /// Its `only one per` key is known, and it may begin.
    Enter,
    /// Another run keeps it from beginning at all.
    LeaveOut,
    /// Another run must be over first.
    Queue,
    /// The run before it is over.
    Unblock,
    /// An effect is queued.
    Call,
    /// Something must be known first.
    Need,
    /// What it needed may be known.
    Known,
    /// The record that it would make exists already, and is read.
    Exists,
    /// The record that it would make exists already, nobody knows where.
    Recheck,
    /// It waits for a time.
    Sleep,
    /// The time has come.
    Wake,
    /// It waits for an event.
    Await,
    /// The event came.
    Happen,
    /// The event did not come in time.
    TimeOut,
    /// The effect is answered.
    Answer,
    /// The effect is queued again at once.
    Requeue,
    /// The effect did not succeed, and is sent again after a pause.
    Retry,
    /// The pause is over.
    Resend,
    /// An action failed for good: `on failure`, or the next step to undo.
    Fail,
    /// A person must look.
    Stop,
    /// A person lets it go on.
    Resume,
    /// It came to its end.
    Finish,
    /// `on failure` came to its end.
    FailForGood,
    /// A rule or a person ends it.
    Cancel,
}

impl RunState {
    pub(crate) fn phase(&self) -> RunPhase {
        match self {
            Self::Starting => RunPhase::Starting,
            Self::Ready => RunPhase::Ready,
            Self::Calling(_) => RunPhase::Calling,
            Self::Retrying { .. } => RunPhase::Retrying,
            Self::Rechecking { .. } => RunPhase::Rechecking,
            Self::Reading => RunPhase::Reading,
            Self::Sleeping { .. } => RunPhase::Sleeping,
            Self::Awaiting { .. } => RunPhase::Awaiting,
            Self::Behind(_) => RunPhase::Behind,
            Self::Stopped(_) => RunPhase::Stopped,
            Self::Finished { .. } => RunPhase::Finished,
            Self::Failed { .. } => RunPhase::Failed,
            Self::Cancelled { .. } => RunPhase::Cancelled,
        }
    }

    /// When it came to its end, if it did.
    pub(crate) fn over(&self) -> Option<Timestamp> {
        match self {
            Self::Finished { at } | Self::Failed { at, .. } | Self::Cancelled { at } => Some(*at),
            _ => None,
        }
    }

    /// The effect that is queued, in flight, or to be sent again.
    pub(crate) fn effect(&self) -> Option<&Effect> {
        match self {
            Self::Calling(effect) | Self::Retrying { effect, .. } => Some(effect),
            _ => None,
        }
    }
}

impl Lifecycle for RunRow {
    type Phase = RunPhase;
    type Event = RunEvent;
    const NAME: &'static str = "run";
    const BEGINS: &'static [RunPhase] = &[RunPhase::Starting, RunPhase::Ready];
    const TABLE: &'static [Transition<RunPhase, RunEvent>] = {
        use RunEvent as E;
        use RunPhase::{
            Awaiting, Behind, Calling, Cancelled, Failed, Finished, Reading, Ready, Rechecking, Retrying, Sleeping,
            Starting, Stopped,
        };
        /// What is not over, but for what goes on in this round.
        const WAITING: &[RunPhase] =
            &[Starting, Calling, Retrying, Rechecking, Reading, Sleeping, Awaiting, Behind, Stopped];
        const UNFINISHED: &[RunPhase] =
            &[Starting, Ready, Calling, Retrying, Rechecking, Reading, Sleeping, Awaiting, Behind, Stopped];
        &[
            Transition { from: &[Starting], event: E::Enter, to: Some(Ready) },
            Transition { from: &[Starting], event: E::LeaveOut, to: None },
            Transition { from: &[Ready], event: E::Queue, to: Some(Behind) },
            Transition { from: &[Behind], event: E::Unblock, to: Some(Ready) },
            Transition { from: &[Ready], event: E::Call, to: Some(Calling) },
            Transition { from: &[Ready], event: E::Need, to: Some(Reading) },
            Transition { from: &[Ready], event: E::Sleep, to: Some(Sleeping) },
            Transition { from: &[Ready], event: E::Await, to: Some(Awaiting) },
            Transition { from: &[Ready], event: E::Fail, to: Some(Ready) },
            Transition { from: &[Ready], event: E::Finish, to: Some(Finished) },
            Transition { from: &[Ready], event: E::FailForGood, to: Some(Failed) },
            Transition { from: &[Reading], event: E::Known, to: Some(Ready) },
            Transition { from: &[Sleeping, Rechecking], event: E::Wake, to: Some(Ready) },
            Transition { from: &[Awaiting], event: E::Happen, to: Some(Ready) },
            Transition { from: &[Awaiting], event: E::TimeOut, to: Some(Ready) },
            Transition { from: &[Calling], event: E::Answer, to: Some(Ready) },
            Transition { from: &[Calling], event: E::Requeue, to: Some(Calling) },
            Transition { from: &[Calling], event: E::Retry, to: Some(Retrying) },
            Transition { from: &[Calling], event: E::Exists, to: Some(Reading) },
            Transition { from: &[Calling], event: E::Recheck, to: Some(Rechecking) },
            Transition { from: &[Retrying], event: E::Resend, to: Some(Calling) },
            Transition { from: WAITING, event: E::Fail, to: Some(Ready) },
            Transition { from: UNFINISHED, event: E::Stop, to: Some(Stopped) },
            Transition { from: &[Stopped], event: E::Resume, to: Some(Ready) },
            Transition { from: UNFINISHED, event: E::Cancel, to: Some(Cancelled) },
        ]
    };
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
    /// The record that it is about; none where it makes one, or calls an operation.
    pub(crate) id: Option<String>,
    pub(crate) values: BTreeMap<String, Value>,
    pub(crate) links: BTreeMap<String, ChangedLink>,
    /// Where it waits in its lane; none while it is in flight.
    pub(crate) work: Option<RowKey<WorkRow>>,
    pub(crate) place: Place,
    /// Sent at least once without an answer.
    pub(crate) in_doubt: bool,
    /// With whom it may share a request.
    pub(crate) group: Group,
}

/// A link that an effect changes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ChangedLink {
    /// The record that is linked now.
    pub(crate) remove: Option<String>,
    /// The record that shall be linked.
    pub(crate) add: Option<String>,
}

//! One execution of a `when` or a workflow: the run's row and its life.

use std::collections::{BTreeMap, BTreeSet};

use dsl::program::Place;
use dsl::schema::EntityName;
use dsl::value::{Timestamp, Value};
use serde::{Deserialize, Serialize};

use crate::decide::model::kind::Kind;
use crate::decide::model::lane::Lane;
use crate::decide::model::row::{Entity, RowKey};
use crate::decide::model::work::WorkRow;
use crate::ids::RunId;

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
    pub(crate) awaits: BTreeSet<RowKey<(RunId, usize)>>,
    pub(crate) watches: BTreeSet<RowKey<RunId>>,
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

impl RunState {
    /// Nothing will happen to it any more.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self, Self::Finished | Self::Failed | Self::Cancelled)
    }
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
    pub(crate) work: Option<RowKey<WorkRow>>,
    pub(crate) place: Place,
    /// Sent at least once without an answer.
    pub(crate) in_doubt: bool,
    /// The last request it was part of was refused as a whole: it goes alone.
    pub(crate) send_alone: bool,
}

impl Entity for RunRow {
    const KIND: Kind = Kind::Run;
}

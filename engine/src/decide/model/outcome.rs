//! What a decision leads to, and what is found in the rows at start.

use std::collections::BTreeSet;

use connectors::port::Request;
use dsl::ast::Priority;
use dsl::value::Timestamp;

use crate::decide::model::event::Event;
use crate::decide::model::lane::Lane;
use crate::decide::model::trace::{Reached, Wrote};
use crate::ids::CallId;
use crate::ledger::Round;

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

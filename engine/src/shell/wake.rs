//! Everything that can wake the loop.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use connectors::port::{Answer, Delivery};
use connectors::webhook::door::Verdict;
use dsl::value::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::core::{Connectors, Core};
use super::source::SourceState;
use crate::clock::Now;
use crate::decide::OperatorCommand;
use crate::ids::CallId;
use crate::rules::stored::Set;

/// Looks at the loop's state, between two inputs.
pub type Inspect = Box<dyn FnOnce(&Snapshot<'_>) + Send>;

/// What can be looked at.
pub struct Snapshot<'a> {
    /// Rows, gate, programs, counts.
    pub core: &'a Core,
    /// The time.
    pub now: Now,
    /// What other machines take it to be.
    pub wall: Timestamp,
    /// What the sources say of themselves, by name.
    pub sources: &'a BTreeMap<String, SourceState>,
    /// The ledger takes nothing for now.
    pub full: bool,
}

/// What a source says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceNews {
    /// `kafka`, `topic biometrics.users` …
    pub name: String,
    /// How it is.
    pub state: SourceState,
}

/// Another rule set.
pub struct Activation {
    /// The set.
    pub set: Set,
    /// Connectors made for its locks.
    pub connectors: Connectors,
    /// Answered when it is durable.
    pub reply: oneshot::Sender<Result<(), NotDone>>,
}

/// The loop has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the engine is stopping")]
pub struct Gone;

/// Why an operator's command, or a rule set, has no effect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotDone {
    /// The engine understood and refuses: what is meant is not there, or not in a state for it. History says so too.
    #[error("{0}")]
    Refused(String),
    /// Nothing can be stored for now; the same may be asked again later.
    #[error("{0}")]
    Unstored(String),
    /// The engine is stopping.
    #[error(transparent)]
    Gone(#[from] Gone),
}

/// What can wake the loop.
pub enum Wake {
    /// A webhook delivery, verified and read.
    Delivery {
        /// The system.
        system: String,
        /// What its connector read in it.
        delivery: Delivery,
        /// The body as it came.
        payload: Bytes,
        /// Answered when it is durable.
        receipt: oneshot::Sender<Verdict>,
    },
    /// A Kafka cluster answers: the first one, or another one than before.
    Cluster {
        /// Its id.
        id: String,
    },
    /// A Kafka record.
    Record {
        /// The system.
        system: String,
        /// What its connector read in it, or why it can read nothing.
        read: Result<Delivery, String>,
        /// The value as it came.
        payload: Bytes,
        /// Its key, where it has one.
        key: Option<Bytes>,
        /// Its topic.
        topic: String,
        /// Its partition.
        partition: i32,
        /// Its offset.
        offset: i64,
        /// Held until it is durable: bounds what is read ahead.
        room: OwnedSemaphorePermit,
    },
    /// A Kafka record without a value.
    Tombstone {
        /// The system.
        system: String,
        /// Its key, where it has one.
        key: Option<Bytes>,
        /// The time that it carries.
        at: Option<Timestamp>,
        /// Its topic.
        topic: String,
        /// Its partition.
        partition: i32,
        /// Its offset.
        offset: i64,
        /// Held until it is durable: bounds what is read ahead.
        room: OwnedSemaphorePermit,
    },
    /// Records were lost before they were read; the source goes on at `next`.
    OffsetGone {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// Where it goes on.
        next: i64,
        /// Why, for people.
        reason: String,
    },
    /// The answers to a call.
    Answers {
        /// The call.
        call: CallId,
        /// One per input.
        answers: Vec<Answer>,
        /// Its system was asked; otherwise the cache knew everything, or nothing says how the system is reached.
        asked: bool,
    },
    /// Rounds became durable.
    Durable,
    /// The state can no longer be written.
    StorageFailed,
    /// Somebody waits until nothing is under way.
    Idle(oneshot::Sender<()>),
    /// An operator's command.
    Operator {
        /// Who.
        who: String,
        /// What.
        command: OperatorCommand,
        /// Answered when it, or its refusal, is durable.
        reply: oneshot::Sender<Result<(), NotDone>>,
    },
    /// Somebody wants to look.
    Inspect(Inspect),
    /// A source says how it is.
    Source(SourceNews),
    /// What sources said so far is of rules that are no longer active.
    SourcesGone,
    /// A system has another token now.
    Token {
        /// The system.
        system: String,
    },
    /// Another rule set.
    Activate(Activation),
    /// Open nothing more; end when nothing is under way, at the latest after `grace`.
    Stop {
        /// How long to wait for answers.
        grace: Duration,
    },
}

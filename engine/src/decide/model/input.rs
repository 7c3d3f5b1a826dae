//! What can cause a decision.

use connectors::port::{Answer, Malformed, Message};
use dsl::value::Timestamp;
use serde::{Deserialize, Serialize};

use crate::decide::model::lane::Lane;
use crate::ids::CallId;

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
        /// Its key as text, where it has one.
        key: Option<String>,
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
        malformed: Vec<Malformed>,
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
    /// A Kafka record without a value.
    Tombstone {
        /// The system.
        system: String,
        /// The door.
        source: Source,
        /// Its key; empty where it has none.
        key: Vec<u8>,
        /// The time that it carries.
        at: Option<Timestamp>,
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
    Skip {
        /// What.
        what: Skip,
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

/// What is left undone.
#[derive(Debug, Clone, PartialEq)]
pub enum Skip {
    /// The earliest timer.
    Timer,
    /// A lane that was to be opened.
    Lane(Lane),
    /// The answers to a call.
    Answers(CallId),
}

impl Skip {
    /// What of `input` can be left undone; `None` where its source is to be told instead.
    #[must_use]
    pub fn of(input: &Input) -> Option<Self> {
        match input {
            Input::Due => Some(Self::Timer),
            Input::Open { lane, .. } => Some(Self::Lane(lane.clone())),
            Input::Answers { call, .. } => Some(Self::Answers(*call)),
            _ => None,
        }
    }
}

//! What an incident is about.

use std::fmt;

use dsl::schema::EntityName;
use serde::{Deserialize, Serialize};

use crate::decide::model::work::PointRead;
use crate::ids::{CallId, LinkId, RunId};

/// What an incident is about. Printed it is its name, for people and as the key of its row: `link l12`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Subject {
    /// A link that waits, or the fields of it that do.
    Link(LinkId),
    /// A run that stopped, or waits for long.
    Run(RunId),
    /// A step of a run that could not be undone.
    Undo { run: RunId, step: String },
    /// A message that is kept, by its number.
    Message(u64),
    /// Records of a partition that were lost.
    Topic { topic: String, partition: i32 },
    /// The Kafka cluster gave way to another one.
    Cluster,
    /// A read that does not succeed.
    Read(PointRead),
    /// A listing that does not come to its end.
    Listing(String),
    /// A record on which a decision broke off.
    Record { entity: EntityName, id: String },
    /// A timer that was skipped, as it was printed.
    Timer(String),
    /// A lane that was skipped, as it was printed.
    Lane(String),
    /// Answers that were skipped.
    Call(CallId),
    /// A system that refuses whoever asks: the token, or what it may do.
    System(String),
    /// A system that says times which are still to come.
    Clock(String),
}

impl Subject {
    /// The first word of its name.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Link(_) => "link",
            Self::Run(_) | Self::Undo { .. } => "run",
            Self::Message(_) => "message",
            Self::Topic { .. } => "topic",
            Self::Cluster => "kafka",
            Self::Read(_) => "read",
            Self::Listing(_) => "list",
            Self::Record { .. } => "record",
            Self::Timer(_) => "timer",
            Self::Lane(_) => "lane",
            Self::Call(_) => "call",
            Self::System(_) => "system",
            Self::Clock(_) => "clock",
        }
    }

    /// Is it settled by what a person does about a link or a run, and not by dismissing it?
    pub(crate) fn is_waited_for(&self) -> bool {
        matches!(self, Self::Link(_) | Self::Run(_))
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} ", self.kind())?;
        match self {
            Self::Link(link) => write!(out, "{link}"),
            Self::Run(run) => write!(out, "{run}"),
            Self::Undo { run, step } => write!(out, "{run} undo {step}"),
            Self::Message(number) => write!(out, "m{number}"),
            Self::Topic { topic, partition } => write!(out, "{topic}/{partition}"),
            Self::Cluster => write!(out, "cluster"),
            Self::Read(read) => write!(out, "{read}"),
            Self::Listing(name) | Self::System(name) => write!(out, "{name}"),
            Self::Record { entity, id } => write!(out, "{entity} {id}"),
            Self::Timer(what) | Self::Lane(what) => write!(out, "{what}"),
            Self::Call(call) => write!(out, "{call}"),
            Self::Clock(system) => write!(out, "{system}"),
        }
    }
}

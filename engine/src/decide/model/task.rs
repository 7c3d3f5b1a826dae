//! What is left to do in a round, one task after the other.
//!
//! Always true: a task is about one instance, and stops no more than that where it breaks off.

use std::borrow::Cow;
use std::collections::BTreeSet;

use connectors::port::{Answer, Message};
use dsl::schema::EntityName;
use dsl::value::{Timestamp, Value};

use crate::decide::model::canonical::Canonical;
use crate::decide::model::expectation::Planned;
use crate::decide::model::input::Source;
use crate::decide::model::instance::Instance;
use crate::decide::model::lane::Lane;
use crate::decide::model::row::RowKey;
use crate::decide::model::work::{CallItem, Group, TimerRow};
use crate::ids::{LinkId, RunId};

/// Something that an input consists of, or that follows from what was decided so far, in the same round.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Task<'a> {
    /// A message of a delivery.
    Message(Incoming<'a>),
    /// A timer that is due, and the key that its row had.
    Timer { key: RowKey<TimerRow>, timer: TimerRow },
    /// The answer to one input of a call.
    Answer(Answered<'a>),
    /// A write of ours turns out to have taken effect, before its answer or without one.
    Landed(Landed),
    /// Somebody's edit that a write of ours turns out to have overwritten.
    Overwritten(Overwritten),
    /// A record is gone; erased, nothing of it may be kept.
    Deleted { entity: EntityName, id: String, erased: bool },
    /// A record lives under another id now.
    Merged { entity: EntityName, into: String, gone: String },
    /// A record came back.
    Restored { entity: EntityName, id: String },
    /// What is known of a record changed.
    Changed { entity: EntityName, id: String },
    /// A record has changed at this time, whether or not anything that is kept of it has; `own` where the engine did it.
    Moved { entity: EntityName, id: String, at: Timestamp, own: bool },
    /// A delivery speaks of a record: these syncs, by their index, look at it whether anything changed or not.
    Touched { entity: EntityName, id: String, syncs: BTreeSet<usize> },
    /// A message starts a workflow for a record.
    Start { workflow: usize, entity: EntityName, id: String, at: Timestamp },
    /// A link goes one step further.
    Link(LinkId),
    /// A run goes on.
    Run(RunId),
    /// Reactions (`when`) to a change are fired.
    React(Transition),
}

impl Task<'_> {
    /// What it is about.
    pub(crate) fn instance(&self) -> Instance {
        match self {
            Self::Message(incoming) => Instance::Message(incoming.delivery, incoming.index),
            Self::Timer { key, timer } => match timer {
                TimerRow::Run(run, _) | TimerRow::GiveUp(run) | TimerRow::Timeout(run, _) => Instance::Run(*run),
                TimerRow::Unpaired(run, _) => Instance::Run(*run),
                TimerRow::Link(link) | TimerRow::Overdue(link) => Instance::Link(*link),
                TimerRow::Schedule(_) | TimerRow::CatchUp(_) | TimerRow::Pace(_) | TimerRow::Sweep => {
                    Instance::Timer(key.as_bytes().to_vec())
                }
            },
            Self::Answer(answered) => Instance::of(&answered.item.owner),
            Self::Landed(landed) => Instance::Link(landed.link),
            Self::Overwritten(edit) => Instance::Record(edit.entity.clone(), edit.id.clone()),
            Self::Merged { entity, gone, .. } => Instance::Record(entity.clone(), gone.clone()),
            Self::Deleted { entity, id, .. }
            | Self::Restored { entity, id }
            | Self::Changed { entity, id }
            | Self::Moved { entity, id, .. }
            | Self::Touched { entity, id, .. }
            | Self::Start { entity, id, .. } => Instance::Record(entity.clone(), id.clone()),
            Self::Link(link) => Instance::Link(*link),
            Self::Run(run) => Instance::Run(*run),
            Self::React(transition) => Instance::Record(transition.entity.clone(), transition.id.clone()),
        }
    }
}

/// A message, and how it came.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Incoming<'a> {
    pub(crate) system: String,
    pub(crate) source: Source,
    /// Number of the stored delivery that it waited in; 0 where it has just come.
    pub(crate) delivery: u64,
    /// Its place in the delivery.
    pub(crate) index: usize,
    pub(crate) message: Cow<'a, Message>,
}

/// The answer to one input of a call.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answered<'a> {
    /// The lane that the call left.
    pub(crate) lane: Lane,
    pub(crate) item: CallItem,
    /// Idempotency key of the input.
    pub(crate) key: String,
    /// The record that the input was about, by the id that it had then.
    pub(crate) asked: Option<String>,
    /// When it was sent.
    pub(crate) sent: Timestamp,
    /// With whom it may share the next request.
    pub(crate) group: Group,
    pub(crate) answer: Cow<'a, Answer>,
}

/// A change that `when` may react to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Transition {
    pub(crate) entity: EntityName,
    pub(crate) id: String,
    pub(crate) kind: TransitionKind,
    pub(crate) at: Timestamp,
}

/// What changed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum TransitionKind {
    Created,
    Deleted,
    Changes { field: String, old: Value, new: Value },
}

/// A value that somebody gave a field, and that a write of ours overwrote before it was seen (a lost update).
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Overwritten {
    pub(crate) entity: EntityName,
    pub(crate) id: String,
    pub(crate) field: String,
    pub(crate) value: Value,
    /// When, as far as it is known.
    pub(crate) at: Timestamp,
    /// Where that is not exact, the time after which it was.
    pub(crate) after: Option<Timestamp>,
    /// What was known when the write was planned.
    pub(crate) known: Planned,
}

/// A value that a link sent, and that is seen in its field.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Landed {
    pub(crate) link: LinkId,
    /// The line, by its text.
    pub(crate) mapping: String,
    pub(crate) field: String,
    pub(crate) canonical: Canonical,
    /// It puts an overwritten value back.
    pub(crate) restore: bool,
    /// Nobody knew what had become of it.
    pub(crate) doubted: bool,
}

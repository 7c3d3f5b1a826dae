//! Writes of ours that may still be seen, or still cover what somebody does: from the moment one leaves until its
//! request cannot take effect any more and no message about that time can come any more.

use std::collections::BTreeMap;

use dsl::value::{Timestamp, Value};
use serde::{Deserialize, Serialize};

use crate::decide::model::canonical::Canonical;
use crate::decide::model::kind::Kind;
use crate::decide::model::packed::Packed;
use crate::decide::model::row::Entity;
use crate::ids::LinkId;

/// The expectations of one record, by field, in the order in which they were sent. No field is without one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ExpectationsRow(pub(crate) BTreeMap<String, Vec<Expectation>>);

impl Entity for ExpectationsRow {
    const KIND: Kind = Kind::Expectations;
}

/// One value that was sent to a field of a record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Expectation {
    /// The link that sent it; none where an older form of the rows did not say.
    pub(crate) link: Option<LinkId>,
    pub(crate) sent: Timestamp,
    pub(crate) outcome: WriteOutcome,
    /// Time of the newest outside change that it is known to have overwritten.
    pub(crate) covered: Option<Timestamp>,
    /// A field that is written often has many, and one or two of them are looked at.
    pub(crate) content: Packed<Content>,
}

/// What was sent, and what was known then.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Content {
    /// The line, by its text.
    pub(crate) mapping: String,
    /// What was sent: as the field holds it, and in the line's canonical domain.
    pub(crate) value: Value,
    pub(crate) canonical: Canonical,
    /// It puts an overwritten value back.
    pub(crate) restore: bool,
    /// What was known of the field when it was planned.
    pub(crate) known: Planned,
}

/// What is known of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum WriteOutcome {
    /// Its answer has not come.
    InFlight,
    /// No answer will come, so it may take effect as long as its request lives.
    InDoubt,
    /// It took effect at this time of its system: it was acknowledged, or seen.
    Landed(Timestamp),
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
    pub(crate) base: Option<Canonical>,
}

impl Expectation {
    /// When it took effect, where that is known.
    pub(crate) fn landed(&self) -> Option<Timestamp> {
        match self.outcome {
            WriteOutcome::Landed(at) => Some(at),
            WriteOutcome::InFlight | WriteOutcome::InDoubt => None,
        }
    }
}

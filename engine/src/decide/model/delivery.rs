//! What of a delivery is kept: messages that wait for the pace of their system, those that nobody could read, marks by
//! which repetitions are known, and how far each Kafka partition was read.

use dsl::value::Timestamp;
use serde::{Deserialize, Serialize};

use crate::decide::model::kind::Kind;
use crate::decide::model::row::{Entity, Row};

/// A delivery that waits for the pace of its system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredDelivery {
    /// Its [`Message`](connectors::port::Message)s as JSON.
    pub(crate) messages: Vec<u8>,
}

impl Entity for StoredDelivery {
    const KIND: Kind = Kind::Inbox;
}

/// A message that nobody could read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ParkedRow {
    /// Where it came from.
    pub(crate) place: String,
    /// Why it is here.
    pub(crate) reason: String,
    /// What came, whole.
    pub(crate) payload: Vec<u8>,
}

impl Entity for ParkedRow {
    const KIND: Kind = Kind::Unreadable;
}

/// Messages of one cause and door that nobody could read: the first has a row of its own and stands for all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AlikeRow {
    /// The number of the first.
    pub(crate) first: u64,
    /// How many came, with the first.
    pub(crate) count: u64,
    /// When the last one came.
    pub(crate) last: Timestamp,
    /// The next few, whole where they are small.
    pub(crate) samples: Vec<ParkedRow>,
}

impl Entity for AlikeRow {
    const KIND: Kind = Kind::Alike;
}

/// Where a partition is read on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OffsetRow {
    pub(crate) topic: String,
    pub(crate) partition: i32,
    /// The next offset to read.
    pub(crate) next: i64,
}

impl Entity for OffsetRow {
    const KIND: Kind = Kind::Offset;
}

/// Marks of messages that came, one behind the other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Marks(pub(crate) Vec<u8>);

// Not postcard: the bytes of the marks and nothing else, so that a full row has a known size.
impl Row for Marks {
    fn encode(&self) -> Vec<u8> {
        self.0.clone()
    }

    fn decode(bytes: &[u8]) -> Result<Self, String> {
        Ok(Self(bytes.to_vec()))
    }
}

impl Entity for Marks {
    const KIND: Kind = Kind::Dedupe;
}

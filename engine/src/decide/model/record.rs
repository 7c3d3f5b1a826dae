//! What is known of the records of the systems: values with their versions.

use std::collections::BTreeMap;

use dsl::fault::Fault;
use dsl::value::{Timestamp, Value};
use serde::{Deserialize, Serialize};

use crate::decide::model::kind::Kind;
use crate::decide::model::row::Entity;

/// What is known of a record of one system.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct RecordRow {
    pub(crate) fields: BTreeMap<String, FieldState>,
    pub(crate) links: BTreeMap<String, LinkFieldState>,
    pub(crate) life: Life,
    /// Every used field and link was observed, as of this time.
    pub(crate) complete_at: Option<Timestamp>,
    /// Time of the newest observation.
    pub(crate) latest: Timestamp,
    /// When, by our clock, it was last heard of as a record that is there: an answer to an older question that there is
    /// none says nothing.
    pub(crate) heard: Timestamp,
    /// `is created` has fired, or never will.
    pub(crate) created: bool,
    /// Values that `when … changes` already knows, by field.
    pub(crate) notified: BTreeMap<String, Value>,
}

/// The life of a record.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Life {
    #[default]
    Live,
    Deleted(Timestamp),
    Merged(String),
    Erased,
}

/// One observed field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct FieldState {
    pub(crate) value: FieldValue,
    /// Version: time as of which this value held.
    pub(crate) at: Timestamp,
    /// Time carried by the first observation that showed this value.
    pub(crate) changed: Timestamp,
    /// Where that observation did not tell when the value was set: the time of what was known of the field then. It was
    /// set between the two.
    pub(crate) before: Option<Timestamp>,
}

/// A value, or why there is none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum FieldValue {
    Is(Value),
    /// Why what arrived cannot be understood.
    Malformed(Fault),
}

/// One observed link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LinkFieldState {
    pub(crate) id: Option<String>,
    pub(crate) at: Timestamp,
    pub(crate) changed: Timestamp,
    /// As of a field.
    pub(crate) before: Option<Timestamp>,
}

impl Entity for RecordRow {
    const KIND: Kind = Kind::Record;
}

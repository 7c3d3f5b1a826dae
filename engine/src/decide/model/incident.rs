//! Something that needs a person.

use dsl::value::Timestamp;
use serde::{Deserialize, Serialize};

use crate::decide::model::kind::Kind;
use crate::decide::model::row::Entity;
use crate::decide::model::subject::Subject;

/// Something that needs a person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct IncidentRow {
    pub(crate) subject: Subject,
    /// Groups incidents of one cause: rule, kind, shape.
    pub(crate) fingerprint: String,
    pub(crate) cause: String,
    pub(crate) entity: String,
    pub(crate) id: String,
    pub(crate) place: String,
    pub(crate) since: Timestamp,
    /// `parked` (a record waits, or a run for one) or `stopped` (a run waits for a person).
    pub(crate) parked: bool,
    pub(crate) advice: String,
}

impl Entity for IncidentRow {
    const KIND: Kind = Kind::Incident;
}

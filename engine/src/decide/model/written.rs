//! What a call to a link's record holds, kept until its answer is accounted for.

use dsl::value::Value;
use serde::{Deserialize, Serialize};

use crate::decide::model::canonical::Canonical;
use crate::decide::model::expectation::Planned;

/// One field or link that a call writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Written {
    /// The mapping's text.
    pub(crate) mapping: String,
    /// The value in the mapping's canonical domain.
    pub(crate) canonical: Canonical,
    /// The field that is written, and its value there.
    pub(crate) field: String,
    pub(crate) value: Value,
    /// `field` is a link.
    pub(crate) link: bool,
    /// What was known of the field.
    pub(crate) known: Planned,
    /// It puts an overwritten value back, so it moves no base.
    pub(crate) restore: bool,
}

//! What the demo notes while it is played, so that its end can ask what became of it: values that people wrote, and
//! effects that the rules owe for them.

use serde_json::Value as Json;

use crate::rehearse::view::Record;

/// A value that a person wrote on one side.
#[derive(Debug, Clone)]
pub(super) struct Written {
    pub(super) record: Record,
    /// A field or a link.
    pub(super) field: String,
    /// As its system held it right afterwards; of a link, the id that it leads to.
    pub(super) value: Json,
    /// What the person saw there before.
    pub(super) before: Json,
    /// The person made the record with it.
    pub(super) made: bool,
}

/// An effect: what was done, by which template or for which role, to whom or on what.
pub(super) type Effect = (String, String, String);

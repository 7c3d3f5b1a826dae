//! The domain in which the two sides of a line compare.

use std::fmt;

use dsl::value::Value;
use serde::{Deserialize, Serialize};

use crate::ids::LinkId;

/// What one side of a line holds, in the domain in which the two sides compare.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Canonical {
    /// A value of a field, as the line's transforms make it.
    Value(Value),
    /// A link to a record: the pair that the record belongs to, which is the same on both sides.
    Pair(LinkId),
    /// A link to a record that has no partner: not ours to judge.
    Unpaired,
}

impl Canonical {
    /// No value, or no link.
    pub(crate) const EMPTY: Self = Self::Value(Value::Empty);

    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::EMPTY
    }
}

impl Default for Canonical {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl fmt::Display for Canonical {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(value) => value.fmt(out),
            Self::Pair(pair) => pair.fmt(out),
            Self::Unpaired => out.write_str("?"),
        }
    }
}

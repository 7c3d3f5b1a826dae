//! What a record says at one path, before it is read as a value: scalars as they stand, text borrowed.

use std::borrow::Cow;

use serde_json::Value as Json;

/// One slot of a record.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) enum Slot<'a> {
    /// The key is not there.
    #[default]
    Absent,
    Null,
    Flag(bool),
    Signed(i64),
    /// Larger than any [`Slot::Signed`].
    Unsigned(u64),
    Float(f64),
    Text(Cow<'a, str>),
    /// A link's record, whose members stand in slots of their own.
    Record,
    /// An array or object in the place of a field.
    Tree(Box<Json>),
}

impl Slot<'_> {
    /// Is there nothing?
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Absent | Self::Null => true,
            Self::Text(text) => text.is_empty(),
            _ => false,
        }
    }

    /// The slot as JSON, for the slow way. A link's record is an object, of whatever members.
    pub(super) fn to_json(&self) -> Json {
        match self {
            Self::Absent | Self::Null => Json::Null,
            Self::Flag(yes) => (*yes).into(),
            Self::Signed(number) => (*number).into(),
            Self::Unsigned(number) => (*number).into(),
            Self::Float(number) => (*number).into(),
            Self::Text(text) => (&**text).into(),
            Self::Record => Json::Object(serde_json::Map::new()),
            Self::Tree(tree) => Json::clone(tree),
        }
    }
}

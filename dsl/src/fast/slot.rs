//! What a record says at one path, before it is read as a value: scalars as they stand, text borrowed.
//!
//! Always true: what is borrowed was read once already, so it can be read again.

use std::borrow::Cow;

use serde_json::Value as Json;

/// One slot of a record.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
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
    /// A text that means what it shows.
    Text(&'a str),
    /// A text with escapes, as it stands between its quotes; never empty.
    Escaped(&'a str),
    /// A link's record, whose members stand in slots of their own.
    Record,
    /// An array or object in the place of a field, as it stands.
    Tree(&'a str),
}

impl<'a> Slot<'a> {
    /// Is there nothing?
    pub(super) fn is_empty(self) -> bool {
        match self {
            Self::Absent | Self::Null => true,
            Self::Text(text) => text.is_empty(),
            _ => false,
        }
    }

    /// What its text means; `None` where it is none.
    pub(super) fn text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Text(text) => Some(Cow::Borrowed(text)),
            Self::Escaped(text) => Some(Cow::Owned(unescaped(text).expect("it was read before"))),
            _ => None,
        }
    }

    /// The slot as JSON, for the slow way. A link's record is an object, of whatever members.
    pub(super) fn to_json(self) -> Json {
        match self {
            Self::Absent | Self::Null => Json::Null,
            Self::Flag(yes) => yes.into(),
            Self::Signed(number) => number.into(),
            Self::Unsigned(number) => number.into(),
            Self::Float(number) => number.into(),
            Self::Text(_) | Self::Escaped(_) => self.text().into(),
            Self::Record => Json::Object(serde_json::Map::new()),
            Self::Tree(tree) => serde_json::from_str(tree).expect("it was read before"),
        }
    }
}

/// What the inside of a text with escapes means.
#[cold]
pub(super) fn unescaped(inside: &str) -> Result<String, serde_json::Error> {
    serde_json::from_str(&format!("\"{inside}\""))
}

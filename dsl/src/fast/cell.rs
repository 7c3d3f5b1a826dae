//! A value on its way: as [`Value`], but text is borrowed from the record or the plan as long as nothing changes it.
//!
//! Always true: no empty text, no decimal with trailing zeros; both are settled where a cell is made.

use std::borrow::Cow;

use rust_decimal::Decimal;

use crate::value::{Timestamp, Value};

/// A value, borrowed where it can be.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) enum Cell<'a> {
    #[default]
    Empty,
    /// Text that stands in the record without any escape, so it can be written as it is.
    Plain(&'a str),
    /// Text of the record or the plan.
    Text(&'a str),
    /// Text that a transform or a template made.
    Owned(String),
    Integer(i64),
    Decimal(Decimal),
    Flag(bool),
    Date(i32),
    Time(Timestamp),
    /// A list or a structured value.
    Other(Value),
}

impl<'a> Cell<'a> {
    /// Text of the plan or, if there were escapes in it, of the record.
    pub(super) fn text(text: &'a str) -> Self {
        if text.is_empty() { Self::Empty } else { Self::Text(text) }
    }

    /// Text as it stands in the record.
    pub(super) fn plain(text: &'a str) -> Self {
        if text.is_empty() { Self::Empty } else { Self::Plain(text) }
    }

    pub(super) fn owned(text: String) -> Self {
        if text.is_empty() { Self::Empty } else { Self::Owned(text) }
    }

    /// A constant of the plan.
    pub(super) fn borrowed(value: &'a Value) -> Self {
        match value {
            Value::Empty => Self::Empty,
            Value::Text(text) => Self::text(text),
            Value::Integer(number) => Self::Integer(*number),
            Value::Decimal(number) => Self::Decimal(*number),
            Value::Flag(yes) => Self::Flag(*yes),
            Value::Date(days) => Self::Date(*days),
            Value::Time(time) => Self::Time(*time),
            Value::List(_) | Value::Record(_) => Self::Other(value.clone()),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }

    pub(super) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Plain(text) | Self::Text(text) => Some(text),
            Self::Owned(text) => Some(text),
            _ => None,
        }
    }

    /// As the simple way holds it.
    pub(super) fn into_value(self) -> Value {
        match self {
            Self::Empty => Value::Empty,
            Self::Plain(text) | Self::Text(text) => Value::Text(text.to_owned()),
            Self::Owned(text) => Value::Text(text),
            Self::Integer(number) => Value::Integer(number),
            Self::Decimal(number) => Value::Decimal(number),
            Self::Flag(yes) => Value::Flag(yes),
            Self::Date(days) => Value::Date(days),
            Self::Time(time) => Value::Time(time),
            Self::Other(value) => value,
        }
    }
}

impl<'a> From<Cow<'a, str>> for Cell<'a> {
    fn from(text: Cow<'a, str>) -> Self {
        match text {
            Cow::Borrowed(text) => Self::text(text),
            Cow::Owned(text) => Self::owned(text),
        }
    }
}

impl From<Value> for Cell<'_> {
    fn from(value: Value) -> Self {
        match value {
            Value::Empty => Self::Empty,
            Value::Text(text) => Self::owned(text),
            Value::Integer(number) => Self::Integer(number),
            Value::Decimal(number) => Self::Decimal(number),
            Value::Flag(yes) => Self::Flag(yes),
            Value::Date(days) => Self::Date(days),
            Value::Time(time) => Self::Time(time),
            other @ (Value::List(_) | Value::Record(_)) => Self::Other(other),
        }
    }
}

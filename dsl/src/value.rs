//! The values that rules move between systems.
//!
//! In: JSON of a record, decoded by the type that its schema lock names (see `decode`).
//! Out: the same values, compared, merged, stored and encoded again.
//! Always true: *empty* is a value ([`Value::Empty`]); *unobserved* is not a value and never stands here.
//! Money, percentages and numbers are decimals, never floats. A word of a `choice` is held as the
//! business's own word, whatever the spelling of the system it came from.

use std::collections::BTreeMap;
use std::fmt;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// An instant in UTC, in whole milliseconds since 1970-01-01T00:00:00Z.
///
/// Milliseconds because that is what HubSpot's webhooks and property history carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The time `duration` later; saturates at the ends of the range.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration.0))
    }

    /// The time `duration` earlier; saturates at the ends of the range.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(duration.0))
    }

    /// Milliseconds from `earlier` to `self`; negative if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration(self.0.saturating_sub(earlier.0))
    }

    /// The same instant as jiff's timestamp, or `None` outside the years -9999 to 9999.
    #[must_use]
    pub fn timestamp(self) -> Option<jiff::Timestamp> {
        jiff::Timestamp::from_millisecond(self.0).ok()
    }

    /// Reads RFC 3339 text such as `2026-03-02T09:00:00.120Z`; finer than a millisecond is cut off.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        text.parse::<jiff::Timestamp>().ok().map(|t| Self(t.as_millisecond()))
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC with milliseconds: `2026-03-02T09:00:00.120Z`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.timestamp() {
            Some(time) => write!(out, "{time:.3}"),
            None => write!(out, "{} ms", self.0),
        }
    }
}

/// A length of time in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Duration(pub i64);

impl Duration {
    /// `n` seconds.
    #[must_use]
    pub const fn seconds(n: i64) -> Self {
        Self(n * 1_000)
    }
    /// `n` minutes.
    #[must_use]
    pub const fn minutes(n: i64) -> Self {
        Self(n * 60_000)
    }
    /// `n` hours.
    #[must_use]
    pub const fn hours(n: i64) -> Self {
        Self(n * 3_600_000)
    }
    /// `n` days of 24 hours.
    #[must_use]
    pub const fn days(n: i64) -> Self {
        Self(n * 86_400_000)
    }
}

impl From<std::time::Duration> for Duration {
    /// Whole milliseconds; the longest there is where that is too long.
    fn from(length: std::time::Duration) -> Self {
        Self(i64::try_from(length.as_millis()).unwrap_or(i64::MAX))
    }
}

impl From<Duration> for std::time::Duration {
    /// Nothing for a negative one.
    fn from(length: Duration) -> Self {
        Self::from_millis(u64::try_from(length.0).unwrap_or(0))
    }
}

impl fmt::Display for Duration {
    /// The largest unit that divides it, in words: `1 hour`, `90 minutes`, `250 ms`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units =
            [(604_800_000, "week"), (86_400_000, "day"), (3_600_000, "hour"), (60_000, "minute"), (1_000, "second")];
        for (size, name) in units {
            if self.0 != 0 && self.0 % size == 0 {
                let n = self.0 / size;
                return write!(out, "{n} {name}{}", if n == 1 { "" } else { "s" });
            }
        }
        write!(out, "{} ms", self.0)
    }
}

/// A value of a field, a parameter or an expression.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
pub enum Value {
    /// Null, an empty text, a cleared property. Equal to itself only.
    #[default]
    Empty,
    /// Text, an id, or a word of a choice.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A number, an amount of money, or a percentage as a fraction (60 % is 0.6). Normalised: no trailing zeros.
    Decimal(Decimal),
    /// Yes or no.
    Flag(bool),
    /// A calendar day, as days since 1970-01-01.
    Date(i32),
    /// An instant.
    Time(Timestamp),
    /// A list of values of one type.
    List(Vec<Value>),
    /// A structured value that rules hand on but do not look inside; members in key order.
    Record(BTreeMap<String, Value>),
}

impl Value {
    /// Text, or [`Value::Empty`] where it is `""`.
    pub fn text(text: impl Into<String>) -> Self {
        let text = text.into();
        if text.is_empty() { Self::Empty } else { Self::Text(text) }
    }

    /// A decimal without trailing zeros, so that `49.00` and `49` are one value.
    #[must_use]
    pub fn decimal(number: Decimal) -> Self {
        Self::Decimal(number.normalize())
    }

    /// True for [`Value::Empty`].
    #[must_use]
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }

    /// The text of a [`Value::Text`].
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl fmt::Display for Value {
    /// As a person reads it: text bare, money and numbers in plain decimals, a time in RFC 3339,
    /// a record as compact JSON with sorted keys, empty as nothing at all.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => Ok(()),
            Self::Text(text) => out.write_str(text),
            Self::Integer(n) => write!(out, "{n}"),
            Self::Decimal(n) => write!(out, "{n}"),
            Self::Flag(yes) => out.write_str(if *yes { "yes" } else { "no" }),
            Self::Date(days) => match day(*days) {
                Some(date) => write!(out, "{date}"),
                None => write!(out, "day {days}"),
            },
            Self::Time(time) => write!(out, "{time}"),
            Self::List(_) | Self::Record(_) => write!(out, "{}", self.to_json()),
        }
    }
}

impl Value {
    /// The value as plain JSON, for people, texts and bodies of operations: decimals and times as text.
    /// How a *system* wants a field spelled is another matter; see `decode::encode`.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match self {
            Self::Empty => Json::Null,
            Self::Integer(n) => Json::from(*n),
            Self::Flag(yes) => Json::from(*yes),
            Self::List(values) => values.iter().map(Self::to_json).collect(),
            Self::Record(members) => Json::Object(members.iter().map(|(k, v)| (k.clone(), v.to_json())).collect()),
            other => Json::from(other.to_string()),
        }
    }
}

/// The calendar day that is `days` after 1970-01-01.
#[must_use]
pub fn day(days: i32) -> Option<jiff::civil::Date> {
    jiff::civil::date(1970, 1, 1).checked_add(jiff::Span::new().try_days(i64::from(days)).ok()?).ok()
}

/// Days from 1970-01-01 to `date`.
#[must_use]
pub fn days_of(date: jiff::civil::Date) -> i32 {
    date.since(jiff::civil::date(1970, 1, 1)).map_or(0, |span| span.get_days())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_time_is_turned_into_the_machines_and_back() {
        let machine = std::time::Duration::from_micros(1_500_900);
        assert_eq!(Duration::from(machine), Duration(1_500));
        assert_eq!(std::time::Duration::from(Duration(1_500)), std::time::Duration::from_millis(1_500));
        assert_eq!(Duration::from(std::time::Duration::MAX), Duration(i64::MAX));
        assert_eq!(std::time::Duration::from(Duration(-1)), std::time::Duration::ZERO);
    }
}

//! `as unix_seconds`: a time as whole seconds since 1970.

use super::{Builtin, Class, no_arguments};
use crate::schema::Type;
use crate::value::{Timestamp, Value};

pub(super) const BUILTIN: Builtin = Builtin {
    name: "unix_seconds",
    written: "unix_seconds",
    class: Class::Invertible,
    refuses: true,
    lacks: None,
    takes: Type::Time,
    gives: Type::Integer,
    doc: "A time as whole seconds since 1970-01-01T00:00:00Z; a finer time is refused.",
    example: ("2026-03-02T09:00:00Z", "1772442000"),
    check: no_arguments,
    apply: |value, _| match value {
        Value::Time(time) if time.0 % 1_000 == 0 => Ok(Value::Integer(time.0 / 1_000)),
        Value::Time(_) => Err("it has a fraction of a second".to_owned()),
        _ => Err("it is no time".to_owned()),
    },
    invert: Some(|value| match value {
        Value::Integer(seconds) => Ok(Value::Time(Timestamp(seconds.saturating_mul(1_000)))),
        _ => Err("it is no whole number".to_owned()),
    }),
};

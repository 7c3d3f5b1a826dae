//! `as lowercase`, `as uppercase`, `as trimmed`: texts in one form.

use super::{Builtin, Class, no_arguments};
use crate::schema::Type;
use crate::value::Value;

pub(super) const LOWERCASE: Builtin = Builtin {
    name: "lowercase",
    written: "lowercase",
    class: Class::Normaliser,
    refuses: false,
    lacks: None,
    takes: Type::Text,
    gives: Type::Text,
    doc: "Letters in lower case.",
    example: ("Ada@Example.COM", "ada@example.com"),
    check: no_arguments,
    apply: |value, _| text(value, str::to_lowercase),
    invert: None,
};

pub(super) const UPPERCASE: Builtin = Builtin {
    name: "uppercase",
    written: "uppercase",
    class: Class::Normaliser,
    refuses: false,
    lacks: None,
    takes: Type::Text,
    gives: Type::Text,
    doc: "Letters in upper case.",
    example: ("gb", "GB"),
    check: no_arguments,
    apply: |value, _| text(value, str::to_uppercase),
    invert: None,
};

pub(super) const TRIMMED: Builtin = Builtin {
    name: "trimmed",
    written: "trimmed",
    class: Class::Normaliser,
    refuses: false,
    lacks: None,
    takes: Type::Text,
    gives: Type::Text,
    doc: "Without white space at both ends.",
    example: (" Ada ", "Ada"),
    check: no_arguments,
    apply: |value, _| text(value, |text| text.trim().to_owned()),
    invert: None,
};

fn text(value: &Value, change: impl Fn(&str) -> String) -> Result<Value, String> {
    match value {
        Value::Text(text) => Ok(Value::text(change(text))),
        _ => Err("it is no text".to_owned()),
    }
}

//! `as e164`: telephone numbers in the form of ITU-T E.164, `+` and at most 15 digits.

use super::{Builtin, Class, no_arguments};
use crate::schema::Type;
use crate::value::Value;

pub(super) const BUILTIN: Builtin = Builtin {
    name: "e164",
    class: Class::Normaliser,
    takes: Type::Text,
    gives: Type::Text,
    doc: "A telephone number as `+` and digits; a number without a country code is refused.",
    example: ("+44 (20) 7946-0958", "+442079460958"),
    check: no_arguments,
    apply: |value, _| {
        let Value::Text(text) = value else { return Err("it is no text".to_owned()) };
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        let begins = text.trim_start().starts_with('+') || text.trim_start().starts_with("00");
        let other = text.chars().any(|c| !(c.is_ascii_digit() || " +()-./".contains(c)));
        let digits =
            if text.trim_start().starts_with("00") { digits.trim_start_matches("00") } else { digits.as_str() };
        if !begins || other || !(7..=15).contains(&digits.len()) {
            return Err("it is no international telephone number such as +442079460958".to_owned());
        }
        Ok(Value::text(format!("+{digits}")))
    },
    invert: None,
};

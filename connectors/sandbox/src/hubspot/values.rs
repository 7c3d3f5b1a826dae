//! What HubSpot makes of one value (CONTRACT 3.4, 3.8).
//!
//! In: a value as text, and the definition of its property. Out: the value as it is kept, or what is wrong with it.
//! Always true: what is kept is accepted again and stays as it is.

use dsl::value::Timestamp;

use super::definitions::{Definition, FURTHER_EMAILS, Kind};

/// Characters of one text (CONTRACT 3.8).
const TEXT_AT_MOST: usize = 65_536;
/// Milliseconds of a day.
const DAY: i64 = 86_400_000;

/// A code and a message.
pub(super) type Problem = (&'static str, String);

/// The value as it is kept.
pub(super) fn checked(name: &str, definition: &Definition, value: &str) -> Result<String, Problem> {
    match definition.kind {
        Kind::Text if name == "email" => email(value),
        Kind::Text if name == FURTHER_EMAILS => {
            let addresses: Result<Vec<String>, Problem> = value.split(';').map(email).collect();
            Ok(addresses?.join(";"))
        }
        Kind::Text if value.chars().count() > TEXT_AT_MOST => {
            Err(("PROPERTY_VALUE_TOO_LONG", format!("{name} has more than {TEXT_AT_MOST} characters")))
        }
        Kind::Text => Ok(value.to_owned()),
        Kind::Number => number(value),
        Kind::Flag => match value.to_lowercase().as_str() {
            flag @ ("true" | "false") => Ok(flag.to_owned()),
            _ => Err(("INVALID_OPTION", format!("{value} was not one of the allowed options: [true, false]"))),
        },
        Kind::Enumeration => {
            // A leading `;` adds to what is there.
            let options =
                if definition.several() { value.trim_start_matches(';').split(';').collect() } else { vec![value] };
            let unknown = |option: &&&str| !definition.options.iter().any(|(known, _)| known == **option);
            match options.iter().find(unknown) {
                Some(option) if !definition.options.is_empty() => {
                    let known: Vec<&str> = definition.options.iter().map(|(known, _)| known.as_str()).collect();
                    let message = format!("{option} was not one of the allowed options: [{}]", known.join(", "));
                    Err(("INVALID_OPTION", message))
                }
                _ => Ok(value.to_owned()),
            }
        }
        Kind::Date => date(value),
        Kind::Time => match instant(value) {
            Some(at) => Ok(at.to_string()),
            None => Err(("INVALID_DATE", format!("{value} was not a valid date."))),
        },
    }
}

fn email(value: &str) -> Result<String, Problem> {
    let lower = value.trim().to_lowercase();
    let sound = lower.split_once('@').is_some_and(|(name, host)| {
        !name.is_empty() && host.contains('.') && !host.starts_with('.') && !host.ends_with('.') && !host.contains('@')
    }) && !lower.contains([' ', ';', ',']);
    if sound { Ok(lower) } else { Err(("INVALID_EMAIL", format!("Email address {value} is invalid"))) }
}

/// Digits and one point; no marks between thousands.
fn number(value: &str) -> Result<String, Problem> {
    let digits = value.strip_prefix('-').unwrap_or(value);
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if all_digits(whole) && all_digits(part) && !(whole.is_empty() && part.is_empty()) {
        Ok(value.to_owned())
    } else {
        Err(("INVALID_LONG", format!("{value} was not a valid number.")))
    }
}

/// ISO 8601 or epoch milliseconds; a day alone is its midnight.
pub(super) fn instant(value: &str) -> Option<Timestamp> {
    let day = || Timestamp::parse(&format!("{value}T00:00:00Z"));
    value.parse::<i64>().map(Timestamp).ok().or_else(|| Timestamp::parse(value)).or_else(day)
}

/// A day, or the milliseconds of exactly its midnight in UTC.
fn date(value: &str) -> Result<String, Problem> {
    let invalid = || ("INVALID_DATE", format!("{value} was not a valid date."));
    let at = instant(value).ok_or_else(invalid)?;
    let text = at.to_string();
    let (day, time) = text.split_once('T').ok_or_else(invalid)?;
    if at.0.rem_euclid(DAY) == 0 {
        return Ok(day.to_owned());
    }
    let time = time.trim_end_matches('Z').trim_start_matches('0');
    Err(("INVALID_DATE", format!("{value} is at {time} UTC, not midnight!")))
}

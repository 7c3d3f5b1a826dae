//! What HubSpot accepts as values (CONTRACT 3.4, 3.8), and which values are taken (3.3).
//!
//! In: values to write and the definitions. Out: the values as they are kept, or every problem at once.
//! Always true: e-mail addresses are kept in lower case and are unique over all contacts, additional ones included.

use std::collections::BTreeMap;

use dsl::value::Timestamp;
use serde_json::{Value as Json, json};

use super::properties::{Definition, Kind, Known};
use super::reply::Refusal;
use super::table::Key;
use super::{HubSpot, Record};

/// Characters of one text (CONTRACT 3.8).
const TEXT_AT_MOST: usize = 65_536;
/// Milliseconds of a day.
const DAY: i64 = 86_400_000;

/// A contact's further addresses, `;`-separated.
pub(super) const FURTHER_EMAILS: &str = "hs_additional_emails";

/// A code and a message.
pub(super) type Problem = (&'static str, String);

impl HubSpot {
    /// Checks and normalises values; all bad ones are listed.
    pub(super) fn valid(
        &self,
        kind: &str,
        values: &BTreeMap<String, String>,
    ) -> Result<BTreeMap<String, String>, Refusal> {
        let mut bad: Vec<(&String, Problem)> = Vec::new();
        let mut normal = BTreeMap::new();
        for (name, value) in values {
            let checked = match self.definition(kind, name) {
                None => Err(("PROPERTY_DOESNT_EXIST", format!("Property \"{name}\" does not exist"))),
                Some(definition) if definition.read_only => {
                    Err(("READ_ONLY_VALUE", format!("\"{name}\" is a read only property; its value cannot be set.")))
                }
                Some(_) if value.is_empty() => Ok(String::new()),
                Some(definition) => checked(name, definition, value),
            };
            match checked {
                Ok(value) => {
                    normal.insert(name.clone(), value);
                }
                Err(problem) => bad.push((name, problem)),
            }
        }
        if bad.is_empty() { Ok(normal) } else { Err(self.not_valid(&bad)) }
    }

    pub(super) fn not_valid(&self, bad: &[(&String, Problem)]) -> Refusal {
        let portal = self.settings.portal_id;
        let listed = |(name, (code, message)): &(&String, Problem)| json!({"isValid": false, "message": message, "error": code, "name": name, "localizedErrorMessage": message, "portalId": portal});
        let list: Vec<Json> = bad.iter().map(listed).collect();
        let detail = |(name, (code, message)): &(&String, Problem)| json!({"message": message, "code": code, "context": {"propertyName": [name]}});
        let message = format!("Property values were not valid: {}", Json::Array(list));
        Refusal { errors: bad.iter().map(detail).collect(), ..Refusal::new(400, "VALIDATION_ERROR", message) }
    }

    /// The record that holds a unique value already. `id`: the record to be written, the next one where it is new.
    pub(super) fn taken(&mut self, kind: &str, values: &BTreeMap<String, String>, id: Option<u64>) -> Option<Refusal> {
        for (name, value) in values {
            let further = kind == "0-1" && name == FURTHER_EMAILS;
            if value.is_empty() || !(further || self.definition(kind, name).is_some_and(|d| d.unique)) {
                continue;
            }
            let addresses: Vec<&str> = if further { value.split(';').collect() } else { vec![value] };
            let is_email = further || (kind == "0-1" && name == "email");
            for value in addresses {
                let table = self.table(kind)?;
                let property = if is_email { "email" } else { name };
                let Some(owner) = table.holder(property, value).filter(|owner| Some(*owner) != id) else { continue };
                let email = table.get(owner).and_then(|holder| holder.properties.get("email"));
                let primary = email.is_some_and(|email| email == value);
                if is_email && primary && !self.take_race() {
                    let message = format!("Contact already exists. Existing ID: {owner}");
                    return Some(Refusal { existing: Some(owner), ..Refusal::new(409, "CONFLICT", message) });
                }
                let written = id.unwrap_or(self.next_id + 1);
                let message = format!(
                    "Cannot set PropertyValueCoordinates{{portalId={}, objectTypeId={kind}, objectId={written}, propertyName={name}, value={value}}} on {written}. {owner} already has that value.",
                    self.settings.portal_id
                );
                return Some(Refusal::new(400, "VALIDATION_ERROR", message));
            }
        }
        None
    }

    /// The next `n` creates and updates with another contact's e-mail address are answered 400 in the race form, as
    /// HubSpot does where both come at nearly the same moment, instead of 409.
    pub fn race_next(&mut self, n: usize) {
        self.races = n;
    }

    fn take_race(&mut self) -> bool {
        let now = self.races > 0;
        self.races = self.races.saturating_sub(1);
        now
    }
}

/// What a record holds that no other may have; an address counts wherever a contact holds it.
pub(super) fn keys(definitions: Option<&Known>, kind: &str, record: &Record) -> Vec<Key> {
    let unique = |name: &str| definitions.and_then(|all| all.get(name)).is_some_and(|definition| definition.unique);
    let held = record.properties.iter().filter(|(name, _)| unique(name));
    let further = record.properties.get(FURTHER_EMAILS).filter(|_| kind == "0-1");
    let further = further.into_iter().flat_map(|addresses| addresses.split(';'));
    held.map(|(name, value)| (name.clone(), value.clone()))
        .chain(further.map(|address| ("email".to_owned(), address.to_owned())))
        .collect()
}

fn checked(name: &str, definition: &Definition, value: &str) -> Result<String, Problem> {
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

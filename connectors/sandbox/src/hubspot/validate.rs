//! What HubSpot accepts as values (CONTRACT 3.4, 3.8), and which values are taken (3.3).
//!
//! In: values to write and the definitions. Out: the values as they are kept, or every problem at once.
//! Always true: e-mail addresses are kept in lower case and are unique over all contacts, additional ones included.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::HubSpot;
use super::definitions::FURTHER_EMAILS;
use super::reply::Refusal;
use super::values::{Problem, checked};

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

//! Making, changing, archiving, restoring and erasing one record, whoever does it (CONTRACT 3.1, 3.7, 9.5).
//!
//! Always true: a write that is refused changes nothing and tells nobody; a value that is equal is no change; an
//! archived record keeps its id and its values, an erased one leaves nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use dsl::value::Timestamp;
use serde_json::{Value as Json, json};

use super::definitions::{Definition, LIFECYCLE};
use super::keys::keys;
use super::link_types::LinkType;
use super::record::Record;
use super::reply::{Refusal, text, values};
use super::standard::Needs;
use super::{By, HubSpot};

/// Who writes, when, and by which door.
#[derive(Debug, Clone, Copy)]
pub(super) struct Write {
    pub(super) by: By,
    pub(super) now: Timestamp,
    /// The account's own rules hold (CONTRACT 3.6).
    pub(super) strict: bool,
}

impl Write {
    /// A person in the browser.
    pub(super) fn person(now: Timestamp) -> Self {
        Self { by: By::Person, now, strict: false }
    }
}

/// A record that may be made: everything about it was checked.
pub(super) struct New {
    pub(super) values: BTreeMap<String, String>,
    /// Type, id and association type.
    links: Vec<(String, u64, LinkType)>,
}

impl HubSpot {
    /// Checks a record that is to be made, `associations` included.
    pub(super) fn prepare(&mut self, kind: &str, input: &Json, write: Write) -> Result<New, Refusal> {
        let mut links = Vec::new();
        for association in input["associations"].as_array().into_iter().flatten() {
            let target = text(&association["to"]["id"]);
            let types: Vec<LinkType> =
                association["types"].as_array().into_iter().flatten().map(LinkType::read).collect();
            if types.is_empty() {
                return Err(Refusal::new(
                    400,
                    "VALIDATION_ERROR",
                    "Some required fields were not set: [types]".to_owned(),
                ));
            }
            for ty in types {
                let found = self
                    .link_types
                    .targets(kind, ty)
                    .find_map(|to| Some((to.to_owned(), self.locate(to, None, &target)?)));
                let Some((to, target)) = found else {
                    let message = format!("Association type {} to {target} is not valid", ty.id);
                    return Err(Refusal::new(400, "VALIDATION_ERROR", message));
                };
                links.push((to, target, ty));
            }
        }
        let values = self.prepare_values(kind, &values(&input["properties"]), write)?;
        Ok(New { values, links })
    }

    fn prepare_values(
        &mut self,
        kind: &str,
        values: &BTreeMap<String, String>,
        write: Write,
    ) -> Result<BTreeMap<String, String>, Refusal> {
        let mut values = self.valid(kind, values)?;
        self.not_blocked(kind, &values)?;
        if let Some(refusal) = self.taken(kind, &values, None) {
            return Err(refusal);
        }
        // A deal without a pipeline goes into the default one (CONTRACT 3.7).
        if kind == "0-3" {
            values.entry("pipeline".to_owned()).or_insert_with(|| "default".to_owned());
        }
        self.needed(kind, &values)?;
        let lacks = |name: &String| values.get(name).is_none_or(String::is_empty);
        let required = self.required.iter().filter(|(of, _)| of == kind).map(|(_, name)| name);
        let missing: Vec<(&String, _)> = required
            .filter(|name| write.strict && lacks(name))
            .map(|name| (name, ("MISSING_REQUIRED_PROPERTY", format!("{name} is required"))))
            .collect();
        if !missing.is_empty() {
            return Err(self.not_valid(&missing));
        }
        values.retain(|_, value| !value.is_empty());
        Ok(values)
    }

    /// Makes a record that was prepared, and its links.
    pub(super) fn put(&mut self, kind: &str, new: New, write: Write) -> u64 {
        let New { mut values, links } = new;
        if self.definition(kind, "createdate").is_some() {
            values.entry("createdate".to_owned()).or_insert_with(|| write.now.to_string());
        }
        self.next_id += 1;
        let id = self.next_id;
        self.keep(kind, Record::new(id, values.clone(), write.by, write.now), write.now);
        self.report_made(kind, id, &values, write.by, write.now);
        for (to, target, ty) in links {
            self.associate((kind, id), (&to, target), ty, write);
        }
        id
    }

    pub(super) fn make(&mut self, kind: &str, values: &BTreeMap<String, String>, write: Write) -> Result<u64, Refusal> {
        let values = self.prepare_values(kind, values, write)?;
        Ok(self.put(kind, New { values, links: Vec::new() }, write))
    }

    /// Checks a change; what it gives can be written.
    pub(super) fn prepare_change(
        &mut self,
        kind: &str,
        id: u64,
        values: &BTreeMap<String, String>,
    ) -> Result<BTreeMap<String, String>, Refusal> {
        let mut values = self.valid(kind, values)?;
        let Some(record) = self.table(kind).and_then(|table| table.get(id)) else {
            return Err(Refusal::no_record(&id.to_string()));
        };
        let held = |name: &str| record.properties.get(name).map_or("", String::as_str);
        for (name, value) in &mut values {
            let several = self.definition(kind, name).is_some_and(Definition::several);
            // A `;` at the beginning adds to what is held, where it would replace it otherwise (CONTRACT 3.8).
            if let Some(more) = value.strip_prefix(';').filter(|_| several) {
                let mut options: Vec<&str> = held(name).split(';').filter(|option| !option.is_empty()).collect();
                options.extend(
                    more.split(';').filter(|option| !option.is_empty() && !held(name).split(';').any(|h| h == *option)),
                );
                *value = options.join(";");
            }
        }
        // Forward only, until the stage is cleared. Whether HubSpot refuses the way back or keeps what is held is not
        // established (CONTRACT 11): here it is kept.
        if kind == "0-1"
            && let Some(stage) = values.get("lifecyclestage")
            && place(stage).zip(place(held("lifecyclestage"))).is_some_and(|(to, from)| to < from)
        {
            values.remove("lifecyclestage");
        }
        self.not_blocked(kind, &values)?;
        match self.taken(kind, &values, Some(id)) {
            Some(refusal) => Err(refusal),
            None => Ok(values),
        }
    }

    pub(super) fn change(
        &mut self,
        kind: &str,
        id: u64,
        values: &BTreeMap<String, String>,
        write: Write,
    ) -> Result<(), Refusal> {
        let values = self.prepare_change(kind, id, values)?;
        let Some(record) = self.table(kind).and_then(|table| table.get(id)) else {
            return Err(Refusal::no_record(&id.to_string()));
        };
        let held = |name: &String| record.properties.get(name).map_or("", String::as_str);
        let changed: BTreeMap<String, String> =
            values.into_iter().filter(|(name, value)| held(name) != value).collect();
        if changed.is_empty() {
            return Ok(());
        }
        let at = self.alter(kind, id, write.now, |record| {
            let at = record.touch(write.now);
            for (name, value) in &changed {
                record.set(name, value, write.by, at);
            }
            at
        });
        if let Some(at) = at {
            self.report_changed(kind, id, &changed, write.by, at, write.now);
        }
        Ok(())
    }

    /// Archives a record: it can be restored under its id.
    pub(super) fn remove(&mut self, kind: &str, id: u64, write: Write) {
        let Some(mut record) = self.take(kind, id) else { return };
        record.archived = true;
        let at = record.touch(write.now);
        self.table_mut(kind).discard(record);
        self.report_gone(kind, id, "deletion", write.by, at, write.now);
    }

    /// Brings an archived record back.
    pub(super) fn bring_back(&mut self, kind: &str, id: u64, write: Write) -> Result<(), Refusal> {
        let none = || Refusal::no_record(&id.to_string());
        let values = self.table(kind).and_then(|table| table.archived(id)).ok_or_else(none)?.properties.clone();
        if let Some(refusal) = self.taken(kind, &values, Some(id)) {
            return Err(refusal);
        }
        let mut record = self.table_mut(kind).recover(id).ok_or_else(none)?;
        record.archived = false;
        let at = record.touch(write.now);
        self.keep(kind, record, write.now);
        self.report_restored(kind, id, at, write.now);
        Ok(())
    }

    /// Erases a contact: no value, no history, no link and no old id of it stays.
    pub(super) fn erase(&mut self, id: u64, write: Write) {
        let kind = "0-1";
        let Some(record) = self.take(kind, id).or_else(|| self.table_mut(kind).recover(id)) else { return };
        self.table_mut(kind).forget_aliases(&record);
        self.cut_links(kind, id);
        // Both are told, and which comes first is not fixed (CONTRACT 6.4).
        self.report_gone(kind, id, "privacyDeletion", write.by, write.now, write.now);
        self.report_gone(kind, id, "deletion", write.by, write.now, write.now);
    }

    fn not_blocked(&self, kind: &str, values: &BTreeMap<String, String>) -> Result<(), Refusal> {
        match values.get("email").filter(|email| kind == "0-1" && self.blocked.contains(*email)) {
            Some(_) => {
                let message = "This email address was deleted for privacy reasons and cannot be used again.";
                Err(Refusal::new(400, "VALIDATION_ERROR", message.to_owned()))
            }
            None => Ok(()),
        }
    }

    /// What a new record of a type needs.
    fn needed(&self, kind: &str, values: &BTreeMap<String, String>) -> Result<(), Refusal> {
        let Some(ty) = self.types.get(kind) else { return Ok(()) };
        let lacks = |name: &str| values.get(name).is_none_or(String::is_empty);
        let missing: Vec<&str> = match &ty.needs {
            Needs::All(names) => names.iter().map(String::as_str).filter(|name| lacks(name)).collect(),
            Needs::Each(names) => names.iter().copied().filter(|name| lacks(name)).collect(),
            Needs::OneOf(names) if names.iter().all(|name| lacks(name)) => names.to_vec(),
            Needs::OneOf(_) => Vec::new(),
        };
        if missing.is_empty() {
            return Ok(());
        }
        let message = format!("Error creating {}. Some required properties were not set.", ty.singular.to_uppercase());
        Err(Refusal { context: json!({"properties": missing}), ..Refusal::new(400, "VALIDATION_ERROR", message) })
    }

    /// Puts a record among the live ones.
    pub(super) fn keep(&mut self, kind: &str, record: Record, now: Timestamp) {
        let keys = keys(self.definitions.get(kind), kind, &record);
        self.table_mut(kind).put(record, keys, now);
    }

    /// Takes a live record from the others.
    pub(super) fn take(&mut self, kind: &str, id: u64) -> Option<Record> {
        let definitions = Arc::clone(&self.definitions);
        self.tables.get_mut(kind)?.take(id, |record| keys(definitions.get(kind), kind, record))
    }

    /// Changes a live record.
    pub(super) fn alter<T>(
        &mut self,
        kind: &str,
        id: u64,
        now: Timestamp,
        change: impl FnOnce(&mut Record) -> T,
    ) -> Option<T> {
        let definitions = Arc::clone(&self.definitions);
        self.tables.get_mut(kind)?.change(id, now, |record| keys(definitions.get(kind), kind, record), change)
    }
}

/// Where a stage stands on the way; `other` stands on none.
fn place(stage: &str) -> Option<usize> {
    LIFECYCLE.iter().position(|known| *known == stage && stage != "other")
}

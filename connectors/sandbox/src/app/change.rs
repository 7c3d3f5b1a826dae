//! Making, changing and deleting records, and what follows from it inside the app.
//!
//! In: an entity, values as a request gives them, a time. Out: the record's id, or why not.
//! Always true: nothing of a refused change is kept; a change that changes nothing has no effect at all.

use std::sync::Arc;

use dsl::schema::{Change, ChangedAt, Entity, Type};
use dsl::value::{Duration, Timestamp};
use serde_json::{Map, Value as Json, json};

use super::table::Record;
use super::{App, names, value};

/// Why the app refuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// A value, a name or the shape of the request is wrong (400).
    #[error("{}{reason}", field.as_ref().map(|name| format!("`{name}` ")).unwrap_or_default())]
    Invalid {
        /// The field, where one is to blame.
        field: Option<String>,
        /// What is wrong.
        reason: String,
    },
    /// Another record holds a unique value (409).
    #[error("`{field}` is taken by {existing}")]
    Exists {
        /// The unique field.
        field: String,
        /// Id of the record that holds the value.
        existing: String,
    },
    /// There is no such record (404).
    #[error("there is no such record")]
    Missing,
    /// The idempotency key stood on a call of another kind (422).
    #[error("this key was used to {0}")]
    KeyReused(String),
}

impl Refused {
    pub(super) fn invalid(field: &str, reason: impl Into<String>) -> Self {
        Self::Invalid { field: Some(field.to_owned()), reason: reason.into() }
    }

    pub(super) fn request(reason: impl Into<String>) -> Self {
        Self::Invalid { field: None, reason: reason.into() }
    }

    /// Status of the response.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::Invalid { .. } => 400,
            Self::Exists { .. } => 409,
            Self::Missing => 404,
            Self::KeyReused(_) => 422,
        }
    }

    /// Members of the response: `error`, and `field` and `existingId` where known.
    pub(crate) fn members(&self) -> Record {
        let mut out = Map::new();
        out.insert("error".to_owned(), Json::from(self.to_string()));
        match self {
            Self::Invalid { field: Some(field), .. } => {
                out.insert("field".to_owned(), Json::from(field.as_str()));
            }
            Self::Exists { field, existing } => {
                out.insert("field".to_owned(), Json::from(field.as_str()));
                out.insert("existingId".to_owned(), Json::from(existing.as_str()));
            }
            _ => (),
        }
        out
    }
}

impl App {
    /// Makes a record, as a person in the app does, and gives its id.
    ///
    /// # Errors
    /// Where a request with these values would be refused.
    pub fn create(&mut self, entity: &str, values: Json, now: Timestamp) -> Result<String, Refused> {
        let shape = self.shape(entity)?;
        let values = object(values)?;
        for needed in &shape.create_needs {
            if values.get(needed).is_none_or(value::is_empty) {
                return Err(Refused::invalid(needed, "is needed"));
            }
        }
        // In a new record an empty value is a value left out: it takes what the app starts with.
        let left_out = |(name, value): &(String, Json)| {
            value::is_empty(value) && shape.fields.get(name).is_some_and(|field| !field.read_only)
        };
        let given = values.into_iter().filter(|given| !left_out(given));
        let given = self.accepted(entity, &shape, given)?;
        self.free(entity, &shape, &given, None)?;

        let id = self.next_id(entity);
        let mut record = Record::new();
        for (name, field) in &shape.fields {
            record.insert(name.clone(), value::initial(field, now));
        }
        for name in shape.links.keys() {
            record.insert(name.clone(), Json::Null);
        }
        record.extend(given);
        record.insert("id".to_owned(), Json::from(id.as_str()));
        stamp(&shape, &mut record, now);
        self.table(entity).put(&shape, &id, now, record.clone());
        self.calls.created += 1;
        self.tell_record(entity, Change::Created, &id, &record, now);
        self.link_back(entity, &shape, &id, &record, now);
        Ok(id)
    }

    /// Puts a record there as if it had stood there since `at`: nobody is told, and what the app sets itself may be
    /// given. Without an id it gets the next one.
    ///
    /// # Errors
    /// Where the entity has no such field or link, a value is of another type, a link leads nowhere, or a unique
    /// value or the id is taken.
    pub fn place(&mut self, entity: &str, id: Option<&str>, values: Json, at: Timestamp) -> Result<String, Refused> {
        let mut shape = Entity::clone(&*self.shape(entity)?);
        shape.fields.values_mut().for_each(|field| field.read_only = false);
        let given = object(values)?.into_iter().filter(|(_, value)| !value::is_empty(value));
        let given = self.accepted(entity, &shape, given)?;
        self.free(entity, &shape, &given, None)?;
        let id = match id {
            Some(id) if self.record(entity, id).is_some() => {
                return Err(Refused::Exists { field: "id".to_owned(), existing: id.to_owned() });
            }
            Some(id) => id.to_owned(),
            None => self.next_id(entity),
        };
        let mut record = Record::new();
        for (name, field) in &shape.fields {
            // What is not given is empty; a time that the app stamps is the time of the record.
            let value = if field.ty == Type::Time && !field.optional { Json::from(at.to_string()) } else { Json::Null };
            record.insert(name.clone(), value);
        }
        for name in shape.links.keys() {
            record.insert(name.clone(), Json::Null);
        }
        record.extend(given);
        record.insert("id".to_owned(), Json::from(id.as_str()));
        bump(&shape, &mut record, at);
        self.table(entity).put(&shape, &id, at, record.clone());
        for (to, target, back) in self.links_back(entity, &shape, &record) {
            self.place_values(&to, &target, json!({ back: { "id": id } }))?;
        }
        Ok(id)
    }

    /// Changes a record that was [placed](Self::place), with the same freedom, and leaves the time of its change.
    ///
    /// # Errors
    /// As [`App::place`].
    pub fn place_values(&mut self, entity: &str, id: &str, values: Json) -> Result<(), Refused> {
        let mut shape = Entity::clone(&*self.shape(entity)?);
        shape.fields.values_mut().for_each(|field| field.read_only = false);
        let given = self.accepted(entity, &shape, object(values)?.into_iter())?;
        self.free(entity, &shape, &given, Some(id))?;
        let row = self.table(entity).get(id).ok_or(Refused::Missing)?;
        let (mut record, changed) = (row.record.clone(), row.changed);
        record.extend(given);
        self.table(entity).put(&shape, id, changed, record);
        Ok(())
    }

    fn next_id(&mut self, entity: &str) -> String {
        let count = self.given.entry(entity.to_owned()).or_default();
        *count += 1;
        format!("{}-{count}", names::singular(entity))
    }

    /// Changes fields and links of a record, as a person in the app does.
    ///
    /// # Errors
    /// Where a request with these values would be refused.
    pub fn edit(&mut self, entity: &str, id: &str, values: Json, now: Timestamp) -> Result<(), Refused> {
        let shape = self.shape(entity)?;
        let row = self.table(entity).get(id).ok_or(Refused::Missing)?;
        let (before, changed) = (row.record.clone(), row.changed);
        let mut given = self.accepted(entity, &shape, object(values)?.into_iter())?;
        given.retain(|name, value| {
            let held = before.get(name).unwrap_or(&Json::Null);
            shape.fields.get(name).map_or(held != value, |field| !value::same(field, held, value))
        });
        if given.is_empty() {
            self.calls.unchanged += 1;
            return Ok(());
        }
        self.free(entity, &shape, &given, Some(id))?;
        let at = now.max(changed.plus(Duration(1)));
        let mut record = before;
        record.extend(given);
        bump(&shape, &mut record, at);
        self.table(entity).put(&shape, id, at, record.clone());
        self.calls.updated += 1;
        self.tell_record(entity, Change::Updated, id, &record, at);
        Ok(())
    }

    /// Deletes a record, as a person in the app does. Optional links that led to it become empty; a link that a
    /// record must have keeps the id of the record that is gone.
    ///
    /// # Errors
    /// Where there is no such record.
    pub fn delete(&mut self, entity: &str, id: &str, now: Timestamp) -> Result<(), Refused> {
        let shape = self.shape(entity)?;
        let row = self.table(entity).remove(&shape, id).ok_or(Refused::Missing)?;
        self.calls.deleted += 1;
        self.tell_record(entity, Change::Deleted, id, &row.record, now.max(row.changed.plus(Duration(1))));
        for (from, link, holder) in self.links_to(entity, id) {
            let mut values = Map::new();
            values.insert(link, Json::Null);
            self.edit(&from, &holder, Json::Object(values), now)?;
        }
        Ok(())
    }

    /// The optional links that lead to a record: entity, link and id of the record that has it.
    fn links_to(&self, entity: &str, id: &str) -> Vec<(String, String, String)> {
        let mut found = Vec::new();
        for (from, shape) in &self.lock.entities {
            for (link, _) in shape.links.iter().filter(|(_, link)| link.to == entity && link.optional) {
                let holders = self.tables[from].records().filter(|(_, record)| linked(record, link) == Some(id));
                found.extend(holders.map(|(holder, _)| (from.clone(), link.clone(), holder.clone())));
            }
        }
        found
    }

    /// A new subscription becomes its user's: the record that a new one links to links back where it has one
    /// link to this kind of record.
    fn link_back(&mut self, entity: &str, shape: &Entity, id: &str, record: &Record, now: Timestamp) {
        for (to, target, back) in self.links_back(entity, shape, record) {
            self.edit(&to, &target, json!({ back: { "id": id } }), now)
                .expect("the target was looked up when the link was accepted");
        }
    }

    /// Links that lead back to a record, as entity, id and link of the record that has them.
    fn links_back(&self, entity: &str, shape: &Entity, record: &Record) -> Vec<(String, String, String)> {
        let mut found = Vec::new();
        for (link, to) in shape.links.iter().map(|(name, link)| (name, &link.to)) {
            let Some(target) = linked(record, link) else { continue };
            let back = self.lock.entities.get(to).into_iter().flat_map(|shape| &shape.links);
            let back = back.filter(|(_, back)| back.to == entity);
            found.extend(back.map(|(name, _)| (to.clone(), target.to_owned(), name.clone())));
        }
        found
    }

    /// The lock's word on an entity.
    pub(super) fn shape(&self, entity: &str) -> Result<Arc<Entity>, Refused> {
        let shape = self.shapes.get(entity);
        shape.cloned().ok_or_else(|| Refused::request(format!("there is no entity `{entity}`")))
    }

    pub(super) fn table(&mut self, entity: &str) -> &mut super::table::Table {
        self.tables.get_mut(entity).expect("every entity of the lock has a table")
    }

    /// The kept forms of `values`: known, writable, of the right type, linked to records that exist.
    fn accepted(
        &self,
        entity: &str,
        shape: &Entity,
        values: impl Iterator<Item = (String, Json)>,
    ) -> Result<Record, Refused> {
        let mut out = Record::new();
        for (name, given) in values {
            let kept = if let Some(field) = shape.fields.get(&name) {
                if field.read_only {
                    return Err(Refused::invalid(&name, "may not be written"));
                }
                value::accept(field, &given).map_err(|reason| Refused::invalid(&name, reason))?
            } else if let Some(link) = shape.links.get(&name) {
                match &given {
                    Json::Null if link.optional => Json::Null,
                    Json::Null => return Err(Refused::invalid(&name, "may not be empty")),
                    other => {
                        // Further members of a link are hints and are not kept.
                        let id = other.get("id").and_then(Json::as_str);
                        let id = id.ok_or_else(|| Refused::invalid(&name, "must be {\"id\": …} or null"))?;
                        if self.record(&link.to, id).is_none() {
                            return Err(Refused::invalid(&name, format!("leads to no {}: `{id}`", link.to)));
                        }
                        json!({ "id": id })
                    }
                }
            } else {
                return Err(Refused::invalid(&name, format!("is no field of {entity}")));
            };
            out.insert(name, kept);
        }
        Ok(out)
    }

    /// No other record than `own` holds one of the unique values.
    fn free(&self, entity: &str, shape: &Entity, values: &Record, own: Option<&str>) -> Result<(), Refused> {
        for (name, given) in values.iter().filter(|(name, _)| shape.fields.get(*name).is_some_and(|field| field.unique))
        {
            if let Some(holder) = self.tables[entity].holder(name, given).filter(|holder| Some(*holder) != own) {
                return Err(Refused::Exists { field: name.clone(), existing: holder.to_owned() });
            }
        }
        Ok(())
    }
}

/// Id of the record that `link` leads to.
pub(super) fn linked<'a>(record: &'a Record, link: &str) -> Option<&'a str> {
    record.get(link)?.get("id")?.as_str()
}

fn object(values: Json) -> Result<Record, Refused> {
    match values {
        Json::Object(members) => Ok(members),
        other => Err(Refused::request(format!("values must be an object, not {other}"))),
    }
}

/// Sets what the app itself writes into a new record.
fn stamp(shape: &Entity, record: &mut Record, now: Timestamp) {
    if shape.fields.contains_key("createdAt") {
        record.insert("createdAt".to_owned(), Json::from(now.to_string()));
    }
    bump(shape, record, now);
}

fn bump(shape: &Entity, record: &mut Record, at: Timestamp) {
    if let ChangedAt::Field(name) = &shape.changed_at {
        record.insert(name.clone(), Json::from(at.to_string()));
    }
}

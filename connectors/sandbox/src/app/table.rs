//! The records of one entity, with what finds them: id, unique values, order of change.
//!
//! Always true: the three indexes name the same records; an empty value is in no unique index; unique text is
//! compared without regard to case, as an app's account names are.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use dsl::schema::Entity;
use dsl::value::Timestamp;
use serde_json::{Map, Value as Json};

use super::value::is_empty;

/// A record as the app shows it.
pub type Record = Map<String, Json>;

#[derive(Debug, Default)]
pub(super) struct Table {
    rows: BTreeMap<String, Row>,
    unique: BTreeMap<(String, String), String>,
    order: BTreeSet<(Timestamp, String)>,
}

#[derive(Debug)]
pub(super) struct Row {
    /// Time of the last change: strictly later at every change.
    pub(super) changed: Timestamp,
    pub(super) record: Record,
}

impl Table {
    pub(super) fn get(&self, id: &str) -> Option<&Row> {
        self.rows.get(id)
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// All records, in the order of their ids.
    pub(super) fn records(&self) -> impl Iterator<Item = (&String, &Record)> {
        self.rows.iter().map(|(id, row)| (id, &row.record))
    }

    /// The record that holds `value` in the unique field `field`.
    pub(super) fn holder(&self, field: &str, value: &Json) -> Option<&str> {
        self.unique.get(&(field.to_owned(), folded(value)?)).map(String::as_str)
    }

    /// Puts a record in place of the one that stood there.
    pub(super) fn put(&mut self, entity: &Entity, id: &str, changed: Timestamp, record: Record) {
        self.remove(entity, id);
        for key in unique_keys(entity, &record) {
            self.unique.insert(key, id.to_owned());
        }
        self.order.insert((changed, id.to_owned()));
        self.rows.insert(id.to_owned(), Row { changed, record });
    }

    pub(super) fn remove(&mut self, entity: &Entity, id: &str) -> Option<Row> {
        let row = self.rows.remove(id)?;
        for key in unique_keys(entity, &row.record) {
            self.unique.remove(&key);
        }
        self.order.remove(&(row.changed, id.to_owned()));
        Some(row)
    }

    /// Records changed at or after `since` and placed after `after`, oldest change first.
    pub(super) fn page(
        &self,
        since: Timestamp,
        after: Option<(Timestamp, String)>,
    ) -> impl Iterator<Item = (Timestamp, &Record)> {
        let start = match after {
            Some(last) if last.0 >= since => Bound::Excluded(last),
            _ => Bound::Included((since, String::new())),
        };
        self.order
            .range((start, Bound::Unbounded))
            .filter_map(|(changed, id)| self.rows.get(id).map(|row| (*changed, &row.record)))
    }
}

fn unique_keys(entity: &Entity, record: &Record) -> Vec<(String, String)> {
    let unique = entity.fields.iter().filter(|(_, field)| field.unique);
    unique.filter_map(|(name, _)| Some((name.clone(), folded(record.get(name)?)?))).collect()
}

/// The form in which unique values are compared; `None` for an empty one.
fn folded(value: &Json) -> Option<String> {
    match value {
        empty if is_empty(empty) => None,
        Json::String(text) => Some(text.to_lowercase()),
        other => Some(other.to_string()),
    }
}

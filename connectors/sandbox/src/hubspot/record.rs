//! One record with the history of its values, and how answers show it (CONTRACT 3.2).
//!
//! Always true: what is shown are texts or null; what HubSpot sets itself is worked out, never kept as a value.

use std::collections::BTreeMap;

use dsl::value::{Duration, Timestamp};
use serde_json::{Map, Value as Json, json};

use super::definitions::{created_property, modified_property};
use super::standard::STANDARD;
use super::values::instant;
use super::{By, HubSpot};

/// One record.
#[derive(Debug, Clone)]
pub struct Record {
    /// Its id, unique within its type.
    pub id: u64,
    /// Values as text; empty ones are not held.
    pub properties: BTreeMap<String, String>,
    /// When it was made.
    pub created: Timestamp,
    /// When it was changed last; later than every change before.
    pub updated: Timestamp,
    /// It is in the recycle bin.
    pub archived: bool,
    /// Ids of the records that it was merged from.
    pub(super) merged: Vec<u64>,
    pub(super) made_by: By,
    /// Values of each property, oldest first.
    pub(super) history: BTreeMap<String, Vec<Version>>,
}

/// One value that a property had.
#[derive(Debug, Clone)]
pub(super) struct Version {
    pub(super) value: String,
    pub(super) at: Timestamp,
    pub(super) by: By,
}

/// Which properties an answer shows.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wanted<'a> {
    /// All that are kept.
    All,
    /// The few that a read shows where nobody asks.
    Usual,
    /// These, as far as they are defined.
    Named(&'a [String]),
}

impl Record {
    pub(super) fn new(id: u64, properties: BTreeMap<String, String>, by: By, at: Timestamp) -> Self {
        let version = |value: &String| vec![Version { value: value.clone(), at, by }];
        let history = properties.iter().map(|(name, value)| (name.clone(), version(value))).collect();
        Self { id, properties, created: at, updated: at, archived: false, merged: Vec::new(), made_by: by, history }
    }

    /// Sets a value; an empty one is removed.
    pub(super) fn set(&mut self, name: &str, value: &str, by: By, at: Timestamp) {
        if value.is_empty() {
            self.properties.remove(name);
        } else {
            self.properties.insert(name.to_owned(), value.to_owned());
        }
        self.history.entry(name.to_owned()).or_default().push(Version { value: value.to_owned(), at, by });
    }

    /// When it was made as it shows it: the property can be written where HubSpot lets it be.
    pub(super) fn made_at(&self) -> Timestamp {
        let said = ["createdate", "hs_createdate"].iter().find_map(|name| self.properties.get(*name));
        said.and_then(|said| instant(said)).unwrap_or(self.created)
    }

    /// The time of a change that happens now: later than every change before.
    pub(super) fn touch(&mut self, now: Timestamp) -> Timestamp {
        self.updated = now.max(self.updated.plus(Duration(1)));
        self.updated
    }
}

/// What a read shows where nobody asks for properties.
fn usual(kind: &str) -> &'static [&'static str] {
    STANDARD.iter().find(|standard| standard.id == kind).map_or(&[], |standard| standard.usual)
}

impl HubSpot {
    /// A record by id, live or archived, or null where there is none.
    pub(super) fn shown(&self, kind: &str, id: u64, wanted: Wanted<'_>) -> Json {
        self.table(kind).and_then(|table| table.any(id)).map_or(Json::Null, |record| self.view(kind, record, wanted))
    }

    /// A record in the state that is given.
    pub(super) fn view(&self, kind: &str, record: &Record, wanted: Wanted<'_>) -> Json {
        let value = |name: &str| self.value_of(kind, record, name);
        let mut shown = Map::new();
        let mut show = |name: &str| {
            shown.insert(name.to_owned(), value(name).map_or(Json::Null, Json::from));
        };
        match wanted {
            Wanted::All => {
                record.properties.keys().for_each(|name| show(name));
                show("hs_object_source");
                show("hs_object_source_id");
            }
            Wanted::Usual => usual(kind).iter().filter(|n| self.definition(kind, n).is_some()).for_each(|n| show(n)),
            Wanted::Named(names) => {
                names.iter().filter(|n| self.definition(kind, n).is_some()).for_each(|name| show(name));
            }
        }
        for name in [created_property(kind), modified_property(kind), "hs_object_id"] {
            show(name);
        }
        let mut json = json!({"id": record.id.to_string(), "properties": shown, "archived": record.archived,
                              "createdAt": record.created.to_string(), "updatedAt": record.updated.to_string()});
        if record.archived {
            json["archivedAt"] = record.updated.to_string().into();
        }
        json
    }

    /// The value of a property, what HubSpot sets itself included.
    pub(super) fn value_of(&self, kind: &str, record: &Record, name: &str) -> Option<String> {
        match name {
            "hs_object_id" => Some(record.id.to_string()),
            "hs_object_source" => Some(record.made_by.source().to_owned()),
            "hs_object_source_id" => Some(self.source_id(record.made_by)),
            "hs_merged_object_ids" => {
                let ids: Vec<String> = record.merged.iter().map(u64::to_string).collect();
                Some(ids.join(";")).filter(|ids| !ids.is_empty())
            }
            name if name == modified_property(kind) => Some(record.updated.to_string()),
            name if name == created_property(kind) => {
                record.properties.get(name).cloned().or_else(|| Some(record.created.to_string()))
            }
            name => record.properties.get(name).cloned(),
        }
    }

    /// Adds the history of properties to a record that is shown, newest first.
    pub(super) fn add_history(&self, kind: &str, id: u64, names: &[String], shown: &mut Json) {
        let Some(record) = self.table(kind).and_then(|table| table.any(id)) else { return };
        let mut all = Map::new();
        for name in names.iter().filter(|name| self.definition(kind, name).is_some()) {
            let versions = record.history.get(name).into_iter().flatten().rev();
            let version = |version: &Version| {
                json!({"value": version.value, "timestamp": version.at.to_string(),
                       "sourceType": version.by.source(), "sourceId": self.source_id(version.by)})
            };
            all.insert(name.clone(), versions.map(version).collect());
        }
        if !all.is_empty() {
            shown["propertiesWithHistory"] = Json::Object(all);
        }
    }
}

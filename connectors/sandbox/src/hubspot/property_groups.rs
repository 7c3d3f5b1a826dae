//! Property groups, and `/crm/v3/properties/{type}/groups` and its dated form (CONTRACT 3.8).
//!
//! Always true: every property stands in a group that there is; a group that holds properties cannot be archived.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::Method;
use serde_json::{Value as Json, json};

use super::HubSpot;
use super::reply::{Answer, Refusal, error, text};

#[derive(Debug, Clone)]
struct Group {
    label: String,
    order: i64,
}

/// By type id, then name.
#[derive(Debug, Clone, Default)]
pub(super) struct Groups(BTreeMap<String, BTreeMap<String, Group>>);

impl Groups {
    pub(super) fn has(&self, kind: &str, name: &str) -> bool {
        self.0.get(kind).is_some_and(|groups| groups.contains_key(name))
    }

    /// Adds a group that HubSpot has, where it is not there.
    pub(super) fn add_missing(&mut self, kind: &str, name: &str) {
        let group = || Group { label: name.to_owned(), order: 0 };
        self.0.entry(kind.to_owned()).or_default().entry(name.to_owned()).or_insert_with(group);
    }
}

fn shown(name: &str, group: &Group) -> Json {
    json!({"name": name, "label": group.label, "displayOrder": group.order, "archived": false})
}

impl HubSpot {
    pub(super) fn group_routes(&mut self, method: &Method, kind: &str, rest: &[&str], body: &Json) -> Answer {
        let not_found = || error(404, "OBJECT_NOT_FOUND", "Property group does not exist");
        let known = self.definitions.groups.0.get(kind);
        match (method.as_str(), rest) {
            ("GET", []) => {
                let results: Vec<Json> = known.into_iter().flatten().map(|(name, group)| shown(name, group)).collect();
                (200, json!({"results": results}))
            }
            ("GET", [name]) => {
                known.and_then(|known| known.get(*name)).map_or_else(not_found, |group| (200, shown(name, group)))
            }
            ("POST", []) => {
                let (name, label) = (text(&body["name"]), text(&body["label"]));
                if name.is_empty() || label.is_empty() {
                    return error(400, "VALIDATION_ERROR", "Some required fields were not set: [name, label]");
                }
                if self.definitions.groups.has(kind, &name) {
                    let message = format!("A property group named '{name}' already exists.");
                    return Refusal::new(409, "OBJECT_ALREADY_EXISTS", message).answer();
                }
                // HubSpot shows what has the order -1 behind all that has a place.
                let group = Group { label, order: body["displayOrder"].as_i64().unwrap_or(-1) };
                let answer = (201, shown(&name, &group));
                let groups = &mut Arc::make_mut(&mut self.definitions).groups.0;
                groups.entry(kind.to_owned()).or_default().insert(name, group);
                answer
            }
            ("PATCH", [name]) => {
                let groups = &mut Arc::make_mut(&mut self.definitions).groups.0;
                let Some(group) = groups.get_mut(kind).and_then(|known| known.get_mut(*name)) else {
                    return not_found();
                };
                if let Some(label) = body["label"].as_str() {
                    label.clone_into(&mut group.label);
                }
                group.order = body["displayOrder"].as_i64().unwrap_or(group.order);
                (200, shown(name, group))
            }
            ("DELETE", [name]) => {
                let mut held = self.definitions.get(kind).into_iter().flat_map(BTreeMap::values);
                if held.any(|definition| definition.group == *name) {
                    let message = format!("Property group {name} holds properties and cannot be archived");
                    return error(400, "VALIDATION_ERROR", &message);
                }
                if let Some(known) = Arc::make_mut(&mut self.definitions).groups.0.get_mut(kind) {
                    known.remove(*name);
                }
                (204, Json::Null)
            }
            _ => error(404, "OBJECT_NOT_FOUND", "resource not found"),
        }
    }
}

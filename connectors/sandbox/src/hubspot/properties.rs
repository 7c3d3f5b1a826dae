//! `/crm/v3/properties` and its dated form: definitions are read, made, changed and archived (CONTRACT 3.8).
//!
//! In: requests. Out: definitions as HubSpot shows them, alone and in batches.
//! Always true: a custom property with `hasUniqueValue` is enforced by every later write; what HubSpot defines cannot
//! be archived.

use std::collections::BTreeMap;
use std::sync::Arc;

use dsl::value::Timestamp;
use http::Method;
use serde_json::{Value as Json, json};

use super::HubSpot;
use super::definitions::{Definition, Kind};
use super::keys::keys;
use super::reply::{Answer, Refusal, error, text};
use super::target::Query;

/// Unique properties of one object (CONTRACT 3.3).
const UNIQUE_AT_MOST: usize = 10;

fn not_found() -> Answer {
    error(404, "OBJECT_NOT_FOUND", "Property does not exist")
}

impl HubSpot {
    pub(super) fn definition(&self, kind: &str, name: &str) -> Option<&Definition> {
        self.definitions.get(kind)?.get(name)
    }

    /// An administrator adds an option to a property of an entity, or takes one away. Values that records hold stay.
    pub fn set_option(&mut self, entity: &str, property: &str, option: &str, there: bool) {
        let kind = self.type_id(entity);
        let mut options = self.definitions.options(&kind, property).to_vec();
        options.retain(|(value, _)| value != option);
        if there {
            options.push((option.to_owned(), option.to_owned()));
        }
        Arc::make_mut(&mut self.definitions).set_options(&kind, property, options);
    }

    pub(super) fn property_routes(
        &mut self,
        method: &Method,
        kind: &str,
        rest: &[&str],
        (body, query): (&Json, &Query),
        now: Timestamp,
    ) -> Answer {
        if method == Method::GET {
            self.calls.reads += 1;
        }
        let archived = query.flag("archived");
        match (method.as_str(), rest) {
            // `groups` and `batch` stand where the name of a property would, so they come first.
            (_, ["groups", rest @ ..]) => self.group_routes(method, kind, rest, body),
            ("POST", ["batch", what]) => self.property_batch(kind, what, body, now),
            ("GET", []) => {
                let known = if archived { self.definitions.archived(kind) } else { self.definitions.get(kind) };
                let results: Vec<Json> =
                    known.into_iter().flatten().map(|(name, definition)| definition.shown(name)).collect();
                (200, json!({"results": results}))
            }
            ("GET", [name]) => match self.shown_property(kind, name, archived) {
                Some(shown) => (200, shown),
                None => not_found(),
            },
            ("POST", []) => match self.define(kind, body, now) {
                Ok(definition) => (201, definition),
                Err(refusal) => refusal.answer(),
            },
            ("PATCH", [name]) => match self.redefine(kind, name, body, now) {
                Ok(definition) => (200, definition),
                Err(answer) => answer,
            },
            ("DELETE", [name]) => match self.undefine(kind, name, now) {
                Ok(()) => (204, Json::Null),
                Err(refusal) => refusal.answer(),
            },
            _ => error(404, "OBJECT_NOT_FOUND", "resource not found"),
        }
    }

    fn shown_property(&self, kind: &str, name: &str, archived: bool) -> Option<Json> {
        let known = if archived { self.definitions.archived(kind) } else { self.definitions.get(kind) };
        known?.get(name).map(|definition| definition.shown(name))
    }

    fn property_batch(&mut self, kind: &str, what: &str, body: &Json, now: Timestamp) -> Answer {
        let inputs = body["inputs"].as_array().cloned().unwrap_or_default();
        let (mut results, mut errors) = (Vec::new(), Vec::new());
        for input in &inputs {
            let name = text(&input["name"]);
            match what {
                "read" => match self.shown_property(kind, &name, body["archived"] == true) {
                    Some(shown) => results.push(shown),
                    None => {
                        let message = format!("Property {name} does not exist");
                        let context = json!({"name": [name]});
                        errors.push(Refusal { context, ..Refusal::new(404, "OBJECT_NOT_FOUND", message) }.body());
                    }
                },
                "create" => match self.define(kind, input, now) {
                    Ok(shown) => results.push(shown),
                    Err(refusal) => errors.push(refusal.body()),
                },
                "archive" => {
                    // Whatever the state of the names.
                    let _kept = self.undefine(kind, &name, now);
                }
                _ => return error(404, "OBJECT_NOT_FOUND", "resource not found"),
            }
        }
        match what {
            "archive" => (204, Json::Null),
            what => self.batch_answer(if what == "create" { 201 } else { 200 }, results, errors, now),
        }
    }

    fn define(&mut self, kind: &str, body: &Json, now: Timestamp) -> Result<Json, Refusal> {
        let invalid = |message: String| Refusal::new(400, "VALIDATION_ERROR", message);
        let needed = ["name", "label", "type", "fieldType", "groupName"];
        let missing: Vec<&str> = needed.into_iter().filter(|name| text(&body[*name]).is_empty()).collect();
        if !missing.is_empty() {
            return Err(invalid(format!("Some required fields were not set: [{}]", missing.join(", "))));
        }
        let (name, ty) = (text(&body["name"]), text(&body["type"]));
        // HubSpot states no rule for names; all that are known are like this (CONTRACT 3.8).
        let sound = name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        if !sound {
            return Err(invalid(format!("Property name {name} is not valid")));
        }
        let Some(property) = Kind::named(&ty) else {
            return Err(invalid(format!("{ty} is not a property type")));
        };
        let group = text(&body["groupName"]);
        if !self.definitions.groups.has(kind, &group) {
            return Err(invalid(format!("Property group {group} does not exist")));
        }
        if self.definition(kind, &name).is_some() {
            let message = format!("A property named '{name}' already exists.");
            return Err(Refusal {
                sub_category: "Properties.PROPERTY_WITH_NAME_EXISTS",
                ..Refusal::new(409, "OBJECT_ALREADY_EXISTS", message)
            });
        }
        let unique = body["hasUniqueValue"].as_bool().unwrap_or(false);
        if unique && property != Kind::Text {
            return Err(invalid("hasUniqueValue is only for properties of type string".to_owned()));
        }
        let known = self.definitions.get(kind).into_iter().flat_map(BTreeMap::values);
        let own = known.filter(|definition| definition.unique && !definition.hubspot).count();
        if unique && own >= UNIQUE_AT_MOST {
            return Err(invalid(format!("An object has at most {UNIQUE_AT_MOST} unique properties")));
        }
        let definition = Definition::made(property, &name, unique, body, now);
        let shown = definition.shown(&name);
        Arc::make_mut(&mut self.definitions).add(kind, &name, definition);
        if unique {
            let definitions = Arc::clone(&self.definitions);
            self.table_mut(kind).reindex(&name, |record| keys(definitions.get(kind), kind, record));
        }
        Ok(shown)
    }

    fn redefine(&mut self, kind: &str, name: &str, body: &Json, now: Timestamp) -> Result<Json, Answer> {
        if let Some(group) = body["groupName"].as_str()
            && !self.definitions.groups.has(kind, group)
        {
            return Err(error(400, "VALIDATION_ERROR", &format!("Property group {group} does not exist")));
        }
        let Some(definition) = Arc::make_mut(&mut self.definitions).get_mut(kind, name) else {
            return Err(not_found());
        };
        definition.take_in(body, now);
        Ok(definition.shown(name))
    }

    fn undefine(&mut self, kind: &str, name: &str, now: Timestamp) -> Result<(), Refusal> {
        if self.definition(kind, name).is_some_and(|definition| definition.hubspot) {
            let message = format!("Property {name} is defined by HubSpot");
            return Err(Refusal::new(400, "VALIDATION_ERROR", message));
        }
        Arc::make_mut(&mut self.definitions).archive(kind, name, now);
        Ok(())
    }
}

//! Property definitions: what an object may hold, and `/crm/v3/properties` and its dated form (CONTRACT 3.8).
//!
//! In: the lock's entities and what clients define later. Out: definitions as HubSpot shows them.
//! Always true: the first definitions are those of the lock and the few that every object has; a custom property with
//! `hasUniqueValue` is enforced by every later write; what HubSpot defines cannot be archived.
//! Not here: property groups, batches of definitions, calculated properties.

use std::collections::BTreeMap;

use dsl::schema::{Field, Lock, Type};
use http::Method;
use serde_json::{Value as Json, json};

use super::HubSpot;
use super::reply::{Answer, Refusal, error, text};

/// A type of HubSpot's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    Flag,
    Enumeration,
    Date,
    Time,
}

impl Kind {
    const ALL: [(Self, &'static str, &'static str); 6] = [
        (Self::Text, "string", "text"),
        (Self::Number, "number", "number"),
        (Self::Flag, "bool", "booleancheckbox"),
        (Self::Enumeration, "enumeration", "select"),
        (Self::Date, "date", "date"),
        (Self::Time, "datetime", "date"),
    ];

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(kind, ..)| *kind == self).map_or("string", |(_, name, _)| name)
    }

    fn usual_field(self) -> &'static str {
        Self::ALL.iter().find(|(kind, ..)| *kind == self).map_or("text", |(.., field)| field)
    }

    fn of(ty: &Type) -> Self {
        match ty {
            Type::Text | Type::Record => Self::Text,
            Type::Integer | Type::Number | Type::Money | Type::Percent => Self::Number,
            Type::Flag => Self::Flag,
            Type::Date => Self::Date,
            Type::Time => Self::Time,
            Type::Enum | Type::List(_) => Self::Enumeration,
        }
    }
}

/// One property of one object type.
#[derive(Debug, Clone)]
pub(super) struct Definition {
    pub(super) kind: Kind,
    label: String,
    field: String,
    group: String,
    /// Value and label; empty where any text goes.
    pub(super) options: Vec<(String, String)>,
    pub(super) unique: bool,
    pub(super) read_only: bool,
    /// Part of the product, not of the account.
    hubspot: bool,
}

impl Definition {
    fn new(kind: Kind, name: &str) -> Self {
        Self {
            kind,
            label: name.to_owned(),
            field: kind.usual_field().to_owned(),
            group: String::new(),
            options: Vec::new(),
            unique: false,
            read_only: false,
            hubspot: true,
        }
    }

    fn of(name: &str, field: &Field) -> Self {
        let several = matches!(field.ty, Type::List(_));
        let kind = Kind::of(&field.ty);
        Self {
            field: if several { "checkbox".to_owned() } else { kind.usual_field().to_owned() },
            options: field.options.iter().map(|option| (option.clone(), option.clone())).collect(),
            unique: field.unique,
            read_only: field.read_only,
            hubspot: !field.custom,
            ..Self::new(kind, name)
        }
    }

    /// Holds several options, joined by semicolons.
    pub(super) fn several(&self) -> bool {
        self.field == "checkbox"
    }

    fn shown(&self, name: &str) -> Json {
        let option = |(order, (value, label)): (usize, &(String, String))| json!({"value": value, "label": label, "displayOrder": order, "hidden": false});
        let options: Vec<Json> = self.options.iter().enumerate().map(option).collect();
        json!({
            "name": name, "label": self.label, "type": self.kind.name(), "fieldType": self.field,
            "groupName": self.group, "description": "", "options": options, "displayOrder": -1,
            "hasUniqueValue": self.unique, "hidden": false, "hubspotDefined": self.hubspot, "calculated": false,
            "externalOptions": false, "formField": !self.read_only, "archived": false,
            "modificationMetadata": {
                "archivable": !self.hubspot, "readOnlyDefinition": self.hubspot, "readOnlyValue": self.read_only,
            },
        })
    }
}

/// By type id, then name.
pub(super) type Definitions = BTreeMap<String, BTreeMap<String, Definition>>;

/// Stages of a contact's life, first to last; `other` stands outside.
pub(super) const LIFECYCLE: [&str; 8] = [
    "subscriber",
    "lead",
    "marketingqualifiedlead",
    "salesqualifiedlead",
    "opportunity",
    "customer",
    "evangelist",
    "other",
];

/// Unique properties of one object (CONTRACT 3.3).
const UNIQUE_AT_MOST: usize = 10;

/// The lock's fields, and what every object of HubSpot has besides.
pub(super) fn of_lock(lock: &Lock) -> Definitions {
    let mut all = Definitions::new();
    for (name, entity) in &lock.entities {
        let Some(kind) = &entity.remote else { continue };
        let fields = entity.fields.iter().filter(|(name, _)| *name != "id");
        let mut known: BTreeMap<String, Definition> =
            fields.map(|(name, field)| (name.clone(), Definition::of(name, field))).collect();
        let group = format!("{}information", name.to_lowercase());
        let set_by_hubspot = |kind| Definition { read_only: true, ..Definition::new(kind, "") };
        let mut usual = vec![
            ("hs_object_id", set_by_hubspot(Kind::Number)),
            ("hs_object_source", set_by_hubspot(Kind::Text)),
            ("hs_object_source_id", set_by_hubspot(Kind::Text)),
            ("hs_merged_object_ids", set_by_hubspot(Kind::Text)),
            (modified_property(kind), set_by_hubspot(Kind::Time)),
        ];
        match kind.as_str() {
            "0-1" => usual.push(("createdate", set_by_hubspot(Kind::Time))),
            "0-2" | "0-3" | "0-5" => usual.push(("createdate", Definition::new(Kind::Time, ""))),
            _ => usual.push(("hs_createdate", set_by_hubspot(Kind::Time))),
        }
        if kind == "0-1" {
            usual.push(("hs_additional_emails", Definition::new(Kind::Text, "")));
            let options = LIFECYCLE.iter().map(|stage| ((*stage).to_owned(), (*stage).to_owned())).collect();
            usual.push(("lifecyclestage", Definition { options, ..Definition::new(Kind::Enumeration, "") }));
        }
        for (name, definition) in usual {
            // What HubSpot sets itself nobody else does, whatever the lock says.
            let read_only = definition.read_only;
            let known = known.entry(name.to_owned()).or_insert(Definition { label: name.to_owned(), ..definition });
            known.read_only |= read_only;
        }
        for definition in known.values_mut() {
            definition.group.clone_from(&group);
        }
        all.insert(kind.clone(), known);
    }
    all
}

/// The property with the time of the last change.
pub(super) fn modified_property(kind: &str) -> &'static str {
    if kind == "0-1" { "lastmodifieddate" } else { "hs_lastmodifieddate" }
}

/// The property with the time at which a record was made.
pub(super) fn created_property(kind: &str) -> &'static str {
    if matches!(kind, "0-1" | "0-2" | "0-3" | "0-5") { "createdate" } else { "hs_createdate" }
}

impl HubSpot {
    pub(super) fn definition(&self, kind: &str, name: &str) -> Option<&Definition> {
        self.definitions.get(kind)?.get(name)
    }

    pub(super) fn property_routes(&mut self, method: &Method, kind: &str, rest: &[&str], body: &Json) -> Answer {
        let not_found = || error(404, "OBJECT_NOT_FOUND", "Property does not exist");
        match (method.as_str(), rest) {
            ("GET", []) => {
                self.calls.reads += 1;
                let known = self.definitions.get(kind).into_iter().flatten();
                let results: Vec<Json> = known.map(|(name, definition)| definition.shown(name)).collect();
                (200, json!({"results": results}))
            }
            ("GET", [name]) => {
                self.calls.reads += 1;
                self.definition(kind, name).map_or_else(not_found, |definition| (200, definition.shown(name)))
            }
            ("POST", []) => match self.define(kind, body) {
                Ok(definition) => (201, definition),
                Err(refusal) => refusal.answer(),
            },
            ("PATCH", [name]) => {
                let Some(definition) = self.definitions.get_mut(kind).and_then(|known| known.get_mut(*name)) else {
                    return not_found();
                };
                if let Some(label) = body["label"].as_str() {
                    label.clone_into(&mut definition.label);
                }
                // The whole list at once; without it, options stay.
                if body["options"].is_array() {
                    definition.options = options(&body["options"]);
                }
                (200, definition.shown(name))
            }
            ("DELETE", [name]) => {
                let Some(known) = self.definitions.get_mut(kind) else { return not_found() };
                if known.get(*name).is_some_and(|definition| definition.hubspot) {
                    return error(400, "VALIDATION_ERROR", &format!("Property {name} is defined by HubSpot"));
                }
                known.remove(*name);
                (204, Json::Null)
            }
            _ => error(404, "OBJECT_NOT_FOUND", "resource not found"),
        }
    }

    fn define(&mut self, kind: &str, body: &Json) -> Result<Json, Refusal> {
        let invalid = |message: String| Refusal::new(400, "VALIDATION_ERROR", message);
        let needed = ["name", "label", "type", "fieldType", "groupName"];
        let missing: Vec<&str> = needed.into_iter().filter(|name| text(&body[*name]).is_empty()).collect();
        if !missing.is_empty() {
            return Err(invalid(format!("Some required fields were not set: [{}]", missing.join(", "))));
        }
        let (name, ty) = (text(&body["name"]), text(&body["type"]));
        let sound = name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        if !sound {
            return Err(invalid(format!("Property name {name} is not valid")));
        }
        let Some((property, ..)) = Kind::ALL.into_iter().find(|(_, name, _)| *name == ty) else {
            return Err(invalid(format!("{ty} is not a property type")));
        };
        let known = self.definitions.entry(kind.to_owned()).or_default();
        if known.contains_key(&name) {
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
        let own = known.values().filter(|definition| definition.unique && !definition.hubspot).count();
        if unique && own >= UNIQUE_AT_MOST {
            return Err(invalid(format!("An object has at most {UNIQUE_AT_MOST} unique properties")));
        }
        let definition = Definition {
            label: text(&body["label"]),
            field: text(&body["fieldType"]),
            group: text(&body["groupName"]),
            options: options(&body["options"]),
            unique,
            hubspot: false,
            ..Definition::new(property, &name)
        };
        let shown = definition.shown(&name);
        known.insert(name, definition);
        Ok(shown)
    }
}

fn options(json: &Json) -> Vec<(String, String)> {
    let option = |option: &Json| (text(&option["value"]), text(&option["label"]));
    json.as_array().into_iter().flatten().map(option).collect()
}

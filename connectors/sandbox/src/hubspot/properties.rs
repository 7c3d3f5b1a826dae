//! Property definitions: what an object may hold, and `/crm/v3/properties` and its dated form (CONTRACT 3.8).
//!
//! In: the lock's entities and what clients define later. Out: definitions as HubSpot shows them, alone and in batches.
//! Always true: the first definitions are those of the lock and the few that every object has; a property stands in a
//! group that there is; a custom property with `hasUniqueValue` is enforced by every later write; what HubSpot defines
//! cannot be archived.
//! Not here: groups (see `property_groups`), calculated properties.

use std::collections::BTreeMap;
use std::sync::Arc;

use dsl::schema::{Field, Lock, Type};
use dsl::value::Timestamp;
use http::Method;
use serde_json::{Value as Json, json};

use super::HubSpot;
use super::property_groups::Groups;
use super::reply::{Answer, Refusal, error, text};
use super::standard::STANDARD;
use super::target::Query;
use super::validate::keys;

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
    pub(super) group: String,
    description: String,
    order: i64,
    hidden: bool,
    form: bool,
    /// When it was made, changed and archived; HubSpot's own say nothing of it.
    made: Option<[Timestamp; 2]>,
    archived: Option<Timestamp>,
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
            description: String::new(),
            order: -1,
            hidden: false,
            form: false,
            made: None,
            archived: None,
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
        let mut shown = json!({
            "name": name, "label": self.label, "type": self.kind.name(), "fieldType": self.field,
            "groupName": self.group, "description": self.description, "options": options, "displayOrder": self.order,
            "hasUniqueValue": self.unique, "hidden": self.hidden, "hubspotDefined": self.hubspot, "calculated": false,
            "externalOptions": false, "formField": self.form, "archived": self.archived.is_some(),
            "dataSensitivity": "non_sensitive",
            "modificationMetadata": {
                "archivable": !self.hubspot, "readOnlyDefinition": self.hubspot, "readOnlyOptions": false,
                "readOnlyValue": self.read_only,
            },
        });
        if let Some([created, updated]) = self.made {
            shown["createdAt"] = created.to_string().into();
            shown["updatedAt"] = updated.to_string().into();
        }
        if let Some(archived) = self.archived {
            shown["archivedAt"] = archived.to_string().into();
        }
        shown
    }

    /// Takes in what a request says of it.
    fn take_in(&mut self, body: &Json, now: Timestamp) {
        for (member, kept) in [
            ("label", &mut self.label),
            ("description", &mut self.description),
            ("groupName", &mut self.group),
            ("fieldType", &mut self.field),
        ] {
            if let Some(given) = body[member].as_str() {
                given.clone_into(kept);
            }
        }
        self.order = body["displayOrder"].as_i64().unwrap_or(self.order);
        self.hidden = body["hidden"].as_bool().unwrap_or(self.hidden);
        self.form = body["formField"].as_bool().unwrap_or(self.form);
        // The whole list at once; without it, options stay.
        if body["options"].is_array() {
            self.options = options(&body["options"]);
        }
        self.made = Some([self.made.map_or(now, |[created, _]| created), now]);
    }
}

/// The definitions of one type, by name.
pub(super) type Known = BTreeMap<String, Definition>;

/// The definitions of all types.
#[derive(Debug, Clone, Default)]
pub(super) struct Definitions {
    live: BTreeMap<String, Known>,
    archived: BTreeMap<String, Known>,
    pub(super) groups: Groups,
}

impl Definitions {
    pub(super) fn get(&self, kind: &str) -> Option<&Known> {
        self.live.get(kind)
    }

    /// The options of a property; none where there is no such property.
    pub(super) fn options(&self, kind: &str, name: &str) -> &[(String, String)] {
        self.live.get(kind).and_then(|known| known.get(name)).map_or(&[], |definition| &definition.options)
    }

    /// Other options for a property, where there is one.
    pub(super) fn set_options(&mut self, kind: &str, name: &str, options: Vec<(String, String)>) {
        if let Some(definition) = self.live.get_mut(kind).and_then(|known| known.get_mut(name)) {
            definition.options = options;
        }
    }

    /// A type with these definitions, and what every type has besides.
    pub(super) fn add_type(&mut self, kind: &str, single: &str, mut known: Known) {
        complete(kind, &mut known);
        let group = format!("{}information", single.replace('_', ""));
        for definition in known.values_mut().filter(|definition| definition.group.is_empty()) {
            definition.group.clone_from(&group);
        }
        for definition in known.values() {
            self.groups.add_missing(kind, &definition.group);
        }
        self.live.insert(kind.to_owned(), known);
    }
}

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

/// The lock's fields, HubSpot's own types that the lock does not have, and what every type has besides.
pub(super) fn of_lock(lock: &Lock) -> Definitions {
    let mut all = Definitions::default();
    for (name, entity) in &lock.entities {
        let Some(kind) = &entity.remote else { continue };
        let fields = entity.fields.iter().filter(|(name, _)| *name != "id");
        let known = fields.map(|(name, field)| (name.clone(), Definition::of(name, field))).collect();
        all.add_type(kind, &name.to_lowercase(), known);
    }
    for standard in STANDARD.iter().filter(|standard| !all.live.contains_key(standard.id)).collect::<Vec<_>>() {
        all.add_type(standard.id, standard.singular, listed(standard.properties));
    }
    all
}

/// Definitions in the short form of [`STANDARD`](super::standard).
fn listed(properties: &str) -> Known {
    let definition = |word: &str| {
        let (name, ty) = word.split_once(':').unwrap_or((word, "string"));
        let (ty, options) = match ty.split_once('(') {
            Some((ty, options)) => (ty, options.trim_end_matches(')')),
            None => (ty, ""),
        };
        let kind = Kind::ALL.iter().find(|(_, known, _)| *known == ty).map_or(Kind::Text, |(kind, ..)| *kind);
        let options = options.split('|').filter(|option| !option.is_empty());
        let options = options.map(|option| (option.to_owned(), option.to_owned())).collect();
        let definition =
            Definition { options, unique: name == "email" && kind == Kind::Text, ..Definition::new(kind, name) };
        (name.to_owned(), definition)
    };
    properties.split_whitespace().map(definition).collect()
}

/// Adds what every type has, and makes read only what HubSpot sets itself, whatever a lock says.
fn complete(kind: &str, known: &mut Known) {
    let set_by_hubspot = |kind| Definition { read_only: true, ..Definition::new(kind, "") };
    let mut usual = vec![
        ("hs_object_id", set_by_hubspot(Kind::Number)),
        ("hs_object_source", set_by_hubspot(Kind::Text)),
        ("hs_object_source_id", set_by_hubspot(Kind::Text)),
        ("hs_merged_object_ids", set_by_hubspot(Kind::Text)),
        (modified_property(kind), set_by_hubspot(Kind::Time)),
    ];
    match kind {
        "0-2" | "0-3" | "0-5" => usual.push(("createdate", Definition::new(Kind::Time, ""))),
        kind => usual.push((created_property(kind), set_by_hubspot(Kind::Time))),
    }
    if kind == "0-1" {
        usual.push(("hs_additional_emails", Definition::new(Kind::Text, "")));
        let options = LIFECYCLE.iter().map(|stage| ((*stage).to_owned(), (*stage).to_owned())).collect();
        usual.push(("lifecyclestage", Definition { options, ..Definition::new(Kind::Enumeration, "") }));
    }
    for (name, definition) in usual {
        let read_only = definition.read_only;
        let known = known.entry(name.to_owned()).or_insert(Definition { label: name.to_owned(), ..definition });
        known.read_only |= read_only;
    }
}

/// The property with the time of the last change.
pub(super) fn modified_property(kind: &str) -> &'static str {
    if kind == "0-1" { "lastmodifieddate" } else { "hs_lastmodifieddate" }
}

/// The property with the time at which a record was made.
pub(super) fn created_property(kind: &str) -> &'static str {
    if matches!(kind, "0-1" | "0-2" | "0-3" | "0-5" | "0-7" | "0-8") { "createdate" } else { "hs_createdate" }
}

fn not_found() -> Answer {
    error(404, "OBJECT_NOT_FOUND", "Property does not exist")
}

impl HubSpot {
    pub(super) fn definition(&self, kind: &str, name: &str) -> Option<&Definition> {
        self.definitions.get(kind)?.get(name)
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
            (_, ["groups", rest @ ..]) => self.group_routes(method, kind, rest, body),
            ("POST", ["batch", what]) => self.property_batch(kind, what, body, now),
            ("GET", []) => {
                let known = if archived { self.definitions.archived.get(kind) } else { self.definitions.get(kind) };
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
        let known = if archived { self.definitions.archived.get(kind) } else { self.definitions.get(kind) };
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
        let sound = name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        if !sound {
            return Err(invalid(format!("Property name {name} is not valid")));
        }
        let Some((property, ..)) = Kind::ALL.into_iter().find(|(_, name, _)| *name == ty) else {
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
        let mut definition = Definition { unique, hubspot: false, ..Definition::new(property, &name) };
        definition.take_in(body, now);
        let shown = definition.shown(&name);
        let definitions = Arc::make_mut(&mut self.definitions);
        definitions.live.entry(kind.to_owned()).or_default().insert(name.clone(), definition);
        if let Some(archived) = definitions.archived.get_mut(kind) {
            archived.remove(&name);
        }
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
        let known = Arc::make_mut(&mut self.definitions).live.get_mut(kind);
        let Some(definition) = known.and_then(|known| known.get_mut(name)) else { return Err(not_found()) };
        definition.take_in(body, now);
        Ok(definition.shown(name))
    }

    fn undefine(&mut self, kind: &str, name: &str, now: Timestamp) -> Result<(), Refusal> {
        if self.definition(kind, name).is_some_and(|definition| definition.hubspot) {
            let message = format!("Property {name} is defined by HubSpot");
            return Err(Refusal::new(400, "VALIDATION_ERROR", message));
        }
        let definitions = Arc::make_mut(&mut self.definitions);
        if let Some(mut definition) = definitions.live.get_mut(kind).and_then(|known| known.remove(name)) {
            definition.archived = Some(now);
            definitions.archived.entry(kind.to_owned()).or_default().insert(name.to_owned(), definition);
        }
        Ok(())
    }
}

fn options(json: &Json) -> Vec<(String, String)> {
    let option = |option: &Json| (text(&option["value"]), text(&option["label"]));
    json.as_array().into_iter().flatten().map(option).collect()
}

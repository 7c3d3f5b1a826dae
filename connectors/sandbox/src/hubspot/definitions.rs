//! Property definitions: what an object may hold (CONTRACT 3.8).
//!
//! In: the lock's entities, HubSpot's own types, what clients say of a property. Out: definitions, and as HubSpot shows
//! them.
//! Always true: the first definitions are those of the lock and the few that every object has; a property stands in a
//! group that there is.
//! Not here: the routes (see `properties`), groups (see `property_groups`), calculated properties.

use std::collections::BTreeMap;

use dsl::schema::{Field, Lock, Type};
use dsl::value::Timestamp;
use serde_json::{Value as Json, json};

use super::property_groups::Groups;
use super::reply::text;
use super::standard::STANDARD;

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

    /// The type with this name.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known, _)| *known == name).map(|(kind, ..)| *kind)
    }

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
    pub(super) hubspot: bool,
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

    /// A property that a client makes.
    pub(super) fn made(kind: Kind, name: &str, unique: bool, body: &Json, now: Timestamp) -> Self {
        let mut definition = Self { unique, hubspot: false, ..Self::new(kind, name) };
        definition.take_in(body, now);
        definition
    }

    /// Holds several options, joined by semicolons.
    pub(super) fn several(&self) -> bool {
        self.field == "checkbox"
    }

    pub(super) fn shown(&self, name: &str) -> Json {
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
    pub(super) fn take_in(&mut self, body: &Json, now: Timestamp) {
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

    pub(super) fn archived(&self, kind: &str) -> Option<&Known> {
        self.archived.get(kind)
    }

    pub(super) fn get_mut(&mut self, kind: &str, name: &str) -> Option<&mut Definition> {
        self.live.get_mut(kind)?.get_mut(name)
    }

    /// Adds a property; an archived one of its name is forgotten.
    pub(super) fn add(&mut self, kind: &str, name: &str, definition: Definition) {
        self.live.entry(kind.to_owned()).or_default().insert(name.to_owned(), definition);
        if let Some(archived) = self.archived.get_mut(kind) {
            archived.remove(name);
        }
    }

    /// Forgets a type.
    pub(super) fn remove_type(&mut self, kind: &str) {
        self.live.remove(kind);
        self.archived.remove(kind);
    }

    /// Archives a property, where there is one.
    pub(super) fn archive(&mut self, kind: &str, name: &str, now: Timestamp) {
        if let Some(mut definition) = self.live.get_mut(kind).and_then(|known| known.remove(name)) {
            definition.archived = Some(now);
            self.archived.entry(kind.to_owned()).or_default().insert(name.to_owned(), definition);
        }
    }

    /// The options of a property; none where there is no such property.
    pub(super) fn options(&self, kind: &str, name: &str) -> &[(String, String)] {
        self.live.get(kind).and_then(|known| known.get(name)).map_or(&[], |definition| &definition.options)
    }

    /// Other options for a property, where there is one.
    pub(super) fn set_options(&mut self, kind: &str, name: &str, options: Vec<(String, String)>) {
        if let Some(definition) = self.get_mut(kind, name) {
            definition.options = options;
        }
    }

    /// A type with these definitions, in this group where they name none, and what every type has besides.
    pub(super) fn add_type(&mut self, kind: &str, group: &str, mut known: Known) {
        complete(kind, &mut known);
        for definition in known.values_mut().filter(|definition| definition.group.is_empty()) {
            group.clone_into(&mut definition.group);
        }
        for definition in known.values() {
            self.groups.add_missing(kind, &definition.group);
        }
        self.live.insert(kind.to_owned(), known);
    }
}

/// A contact's further addresses, `;`-separated.
pub(super) const FURTHER_EMAILS: &str = "hs_additional_emails";

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

/// The lock's fields, HubSpot's own types that the lock does not have, and what every type has besides.
pub(super) fn of_lock(lock: &Lock) -> Definitions {
    let mut all = Definitions::default();
    for (name, entity) in &lock.entities {
        let Some(kind) = &entity.remote else { continue };
        let fields = entity.fields.iter().filter(|(name, _)| *name != "id");
        let known = fields.map(|(name, field)| (name.clone(), Definition::of(name, field))).collect();
        all.add_type(kind, &information(name), known);
    }
    for standard in STANDARD.iter().filter(|standard| !all.live.contains_key(standard.id)).collect::<Vec<_>>() {
        all.add_type(standard.id, &information(standard.singular), listed(standard.properties));
    }
    all
}

/// The group that HubSpot puts the properties of a type into.
fn information(single: &str) -> String {
    format!("{}information", single.to_lowercase().replace('_', ""))
}

/// Definitions in the short form of [`STANDARD`](super::standard).
fn listed(properties: &str) -> Known {
    let definition = |word: &str| {
        let (name, ty) = word.split_once(':').unwrap_or((word, "string"));
        let (ty, options) = match ty.split_once('(') {
            Some((ty, options)) => (ty, options.trim_end_matches(')')),
            None => (ty, ""),
        };
        let kind = Kind::named(ty).unwrap_or(Kind::Text);
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
        usual.push((FURTHER_EMAILS, Definition::new(Kind::Text, "")));
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

fn options(json: &Json) -> Vec<(String, String)> {
    let option = |option: &Json| (text(&option["value"]), text(&option["label"]));
    json.as_array().into_iter().flatten().map(option).collect()
}

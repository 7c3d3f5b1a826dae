//! Custom objects: `/crm-object-schemas/v3/schemas`, its dated form and `/crm/v3/schemas`.
//!
//! In: the entities of a lock that an account defined itself (`2-…`), requests. Out: object types with their properties
//! and associations, as HubSpot shows them.
//! Always true: a custom object is addressed by its type id, its fully qualified name (`p<account>_<name>`) or
//! `p_<name>`; it is associated with every activity; what a new record needs is among its properties; one that has
//! records cannot be deleted, and its name is free only when it was deleted for good (`archived=true`).
//! Not here: schemas of HubSpot's own objects, which answer 404; how many custom objects an account may have.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dsl::schema::Lock;
use dsl::value::Timestamp;
use http::Method;
use serde_json::{Value as Json, json};

use super::HubSpot;
use super::definitions::{Definition, Kind, Known};
use super::link_types::LinkType;
use super::reply::{Answer, Refusal, error, names, no_route, text};
use super::standard::Needs;
use super::target::Query;
use super::types::{ObjectType, Types};

/// Activities, with each of which every custom object is associated.
const ACTIVITIES: [&str; 6] = ["0-49", "0-47", "0-46", "0-27", "0-48", "0-18"];

/// A kind of association of a custom object.
#[derive(Debug, Clone)]
struct Association {
    ty: LinkType,
    from: String,
    to: String,
    name: String,
    made: Timestamp,
}

impl Association {
    fn shown(&self) -> Json {
        let made = self.made.to_string();
        json!({"id": self.ty.id.to_string(), "fromObjectTypeId": self.from, "toObjectTypeId": self.to,
               "name": self.name, "createdAt": made, "updatedAt": made})
    }
}

/// One custom object.
#[derive(Debug, Clone)]
struct Schema {
    name: String,
    /// Of one, and of several.
    labels: [String; 2],
    description: Option<String>,
    /// Properties that a new record needs, that search looks at, and that stand for a record.
    required: Vec<String>,
    searchable: Vec<String>,
    primary: Option<String>,
    secondary: Vec<String>,
    associations: Vec<Association>,
    made: Timestamp,
    changed: Timestamp,
    archived: bool,
}

impl Schema {
    fn new(name: &str, now: Timestamp) -> Self {
        Self {
            name: name.to_owned(),
            labels: [name.to_owned(), format!("{name}s")],
            description: None,
            required: Vec::new(),
            searchable: Vec::new(),
            primary: None,
            secondary: Vec::new(),
            associations: Vec::new(),
            made: now,
            changed: now,
            archived: false,
        }
    }

    /// Takes in what a request says of it.
    fn take_in(&mut self, body: &Json, now: Timestamp) {
        for (place, form) in ["singular", "plural"].into_iter().enumerate() {
            if let Some(label) = body["labels"][form].as_str() {
                label.clone_into(&mut self.labels[place]);
            }
        }
        for (member, kept) in [
            ("requiredProperties", &mut self.required),
            ("searchableProperties", &mut self.searchable),
            ("secondaryDisplayProperties", &mut self.secondary),
        ] {
            if body[member].is_array() {
                *kept = names(&body[member]);
            }
        }
        for (member, kept) in [("description", &mut self.description), ("primaryDisplayProperty", &mut self.primary)] {
            if let Some(given) = body[member].as_str() {
                *kept = Some(given.to_owned());
            }
        }
        if body["clearDescription"] == true {
            self.description = None;
        }
        self.changed = now;
    }

    /// What it names and its properties do not have.
    fn unknown(&self, known: &Known) -> Option<&String> {
        let named = self.required.iter().chain(&self.searchable).chain(&self.primary).chain(&self.secondary);
        named.into_iter().find(|name| !known.contains_key(*name))
    }

    fn object_type(&self) -> ObjectType {
        let name = self.name.to_lowercase();
        ObjectType { plural: format!("{name}s"), singular: name, needs: Needs::All(self.required.clone()) }
    }

    /// Without its properties and associations.
    fn shown(&self, kind: &str, portal: u64) -> Json {
        json!({"id": kind.trim_start_matches("2-"), "objectTypeId": kind, "metaType": "PORTAL_SPECIFIC",
               "fullyQualifiedName": qualified(portal, &self.name), "name": self.name,
               "labels": {"singular": self.labels[0], "plural": self.labels[1]}, "description": self.description,
               "requiredProperties": self.required, "searchableProperties": self.searchable,
               "primaryDisplayProperty": self.primary, "secondaryDisplayProperties": self.secondary,
               "archived": self.archived, "createdAt": self.made.to_string(), "updatedAt": self.changed.to_string()})
    }
}

fn qualified(portal: u64, name: &str) -> String {
    format!("p{portal}_{name}")
}

/// The custom objects of an account, by type id.
#[derive(Debug, Clone, Default)]
pub(super) struct Schemas(BTreeMap<String, Schema>);

impl Schemas {
    /// Those of a lock.
    pub(super) fn of(lock: &Lock) -> Self {
        let own = lock.entities.iter().filter_map(|(name, entity)| {
            let kind = entity.remote.as_ref().filter(|kind| kind.starts_with("2-"))?;
            let required = entity.create_needs.clone();
            Some((kind.clone(), Schema { required, ..Schema::new(&name.to_lowercase(), Timestamp(0)) }))
        });
        Self(own.collect())
    }

    /// Lets the types of a lock be found by the names of custom objects too.
    pub(super) fn add_names(&self, portal: u64, types: &mut Types) {
        for (kind, schema) in &self.0 {
            if let Some(ty) = types.get(kind).cloned() {
                types.add_custom(kind, ty, &[qualified(portal, &schema.name), format!("p_{}", schema.name)]);
            }
        }
    }

    /// A type id that no object has.
    fn free(&self) -> String {
        let mut number = 41_000_000 + self.0.len();
        while self.0.contains_key(&format!("2-{number}")) {
            number += 1;
        }
        format!("2-{number}")
    }

    /// The object that a type id or a name means, deleted ones included.
    fn find(&self, portal: u64, name: &str) -> Option<String> {
        let named = |schema: &Schema| {
            [qualified(portal, &schema.name), format!("p_{}", schema.name)]
                .iter()
                .any(|known| known.eq_ignore_ascii_case(name))
        };
        self.0.iter().find(|(kind, schema)| *kind == name || named(schema)).map(|(kind, _)| kind.clone())
    }
}

fn not_found() -> Answer {
    error(404, "OBJECT_NOT_FOUND", "Object schema does not exist")
}

impl HubSpot {
    pub(super) fn schema_routes(
        &mut self,
        method: &Method,
        rest: &[&str],
        (body, query): (&Json, &Query),
        now: Timestamp,
    ) -> Answer {
        let archived = query.flag("archived");
        // An object that is deleted but not for good is still found by its name, to be shown or deleted for good.
        let kind = match rest {
            [] => None,
            [name, ..] => match self.schemas.find(self.settings.portal_id, name) {
                Some(kind) => Some(kind),
                None => return not_found(),
            },
        };
        match (method.as_str(), kind, rest) {
            ("GET", None, _) => {
                let kinds: Vec<String> = self
                    .schemas
                    .0
                    .iter()
                    .filter(|(_, s)| s.archived == archived)
                    .map(|(kind, _)| kind.clone())
                    .collect();
                let results: Vec<Json> = kinds.iter().filter_map(|kind| self.whole_schema(kind)).collect();
                (200, json!({ "results": results }))
            }
            ("POST", None, _) => match self.define_object(body, now) {
                Ok(kind) => (201, self.whole_schema(&kind).unwrap_or_default()),
                Err(refusal) => refusal.answer(),
            },
            ("GET", Some(kind), [_]) => self.whole_schema(&kind).map_or_else(not_found, |schema| (200, schema)),
            ("PATCH", Some(kind), [_]) => match self.redefine_object(&kind, body, now) {
                Ok(shown) => (200, shown),
                Err(refusal) => refusal.answer(),
            },
            ("DELETE", Some(kind), [_]) => self.delete_object(&kind, archived, now),
            ("POST", Some(kind), [_, "associations"]) => self.define_association(&kind, body, now),
            ("DELETE", Some(kind), [_, "associations", id]) => {
                self.delete_association(&kind, id);
                (204, Json::Null)
            }
            _ => no_route(),
        }
    }

    fn whole_schema(&self, kind: &str) -> Option<Json> {
        let schema = self.schemas.0.get(kind)?;
        let mut shown = schema.shown(kind, self.settings.portal_id);
        let known = self.definitions.get(kind).into_iter().flatten();
        shown["properties"] = known.map(|(name, definition)| definition.shown(name)).collect();
        shown["associations"] = schema.associations.iter().map(Association::shown).collect();
        Some(shown)
    }

    fn define_object(&mut self, body: &Json, now: Timestamp) -> Result<String, Refusal> {
        let invalid = |message: String| Refusal::new(400, "VALIDATION_ERROR", message);
        let missing: Vec<&str> = ["name", "labels", "properties", "requiredProperties", "associatedObjects"]
            .into_iter()
            .filter(|member| body[*member].is_null())
            .collect();
        if !missing.is_empty() {
            return Err(invalid(format!("Some required fields were not set: [{}]", missing.join(", "))));
        }
        let name = text(&body["name"]);
        let sound = name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !sound {
            return Err(invalid(format!("Object name {name} is not valid")));
        }
        let portal = self.settings.portal_id;
        if self.schemas.find(portal, &qualified(portal, &name)).is_some() {
            let message = format!("An object named {} already exists", qualified(portal, &name));
            return Err(Refusal::new(409, "OBJECT_ALREADY_EXISTS", message));
        }
        let mut known = Known::new();
        for property in body["properties"].as_array().into_iter().flatten() {
            let (of, ty) = (text(&property["name"]), text(&property["type"]));
            let kind = Kind::named(&ty).ok_or_else(|| invalid(format!("{ty} is not a property type")))?;
            let unique = property["hasUniqueValue"].as_bool().unwrap_or(false);
            let definition = Definition::made(kind, &of, unique, property, now);
            known.insert(of, definition);
        }
        let mut schema = Schema::new(&name, now);
        schema.take_in(body, now);
        if let Some(unknown) = schema.unknown(&known) {
            return Err(invalid(format!("Property \"{unknown}\" does not exist")));
        }
        let mut targets = BTreeSet::from(ACTIVITIES.map(str::to_owned));
        for target in names(&body["associatedObjects"]) {
            match self.types.id(&target) {
                Some(kind) => targets.insert(kind.to_owned()),
                None => return Err(invalid(format!("Unable to infer object type from: {target}"))),
            };
        }
        // Nothing is kept before all of the request is known to be sound: a refusal has no effect.
        let kind = self.schemas.free();
        let aliases = [qualified(portal, &name), format!("p_{name}")];
        Arc::make_mut(&mut self.types).add_custom(&kind, schema.object_type(), &aliases);
        Arc::make_mut(&mut self.definitions).add_type(&kind, &format!("{name}_information"), known);
        self.schemas.0.insert(kind.clone(), schema);
        for target in targets {
            self.associate_types(&kind, (&kind, &target), None, now);
        }
        Ok(kind)
    }

    /// Adds a kind of association between a custom object and another type: the plain one, or one with a name where
    /// that is there.
    fn associate_types(
        &mut self,
        kind: &str,
        (from, to): (&str, &str),
        name: Option<&str>,
        now: Timestamp,
    ) -> Option<Json> {
        let name = name.map_or_else(|| self.link_type_name(from, to), str::to_owned);
        let types = Arc::make_mut(&mut self.link_types);
        let plain = types.plain(from, to).is_some();
        let [ty, _] = if plain { types.label(from, to, &name, &name, None) } else { types.account_plain(from, to) };
        let made = Association { ty, from: from.to_owned(), to: to.to_owned(), name, made: now };
        let shown = made.shown();
        self.schemas.0.get_mut(kind)?.associations.push(made);
        Some(shown)
    }

    fn link_type_name(&self, from: &str, to: &str) -> String {
        let single = |kind: &str| self.types.get(kind).map(|ty| ty.singular.clone()).unwrap_or_default();
        format!("{}_to_{}", single(from), single(to))
    }

    fn redefine_object(&mut self, kind: &str, body: &Json, now: Timestamp) -> Result<Json, Refusal> {
        let Some(mut schema) = self.schemas.0.get(kind).filter(|schema| !schema.archived).cloned() else {
            return Err(Refusal::new(404, "OBJECT_NOT_FOUND", "Object schema does not exist".to_owned()));
        };
        schema.take_in(body, now);
        let known = self.definitions.get(kind).cloned().unwrap_or_default();
        if let Some(unknown) = schema.unknown(&known) {
            let message = format!("Property \"{unknown}\" does not exist");
            return Err(Refusal::new(400, "VALIDATION_ERROR", message));
        }
        let shown = schema.shown(kind, self.settings.portal_id);
        Arc::make_mut(&mut self.types).set_needs(kind, Needs::All(schema.required.clone()));
        self.schemas.0.insert(kind.to_owned(), schema);
        Ok(shown)
    }

    fn delete_object(&mut self, kind: &str, for_good: bool, now: Timestamp) -> Answer {
        if self.table(kind).is_some_and(|table| table.records().next().is_some()) {
            let message = format!("Object type {kind} has records and cannot be deleted");
            return error(400, "VALIDATION_ERROR", &message);
        }
        Arc::make_mut(&mut self.types).remove(kind);
        let associations = match self.schemas.0.get_mut(kind) {
            Some(schema) => {
                (schema.archived, schema.changed) = (true, now);
                std::mem::take(&mut schema.associations)
            }
            None => return not_found(),
        };
        for association in &associations {
            Arc::make_mut(&mut self.link_types).drop_kind(&association.from, &association.to, association.ty);
        }
        if for_good {
            self.schemas.0.remove(kind);
            Arc::make_mut(&mut self.definitions).remove_type(kind);
            self.tables.remove(kind);
        }
        (204, Json::Null)
    }

    fn define_association(&mut self, kind: &str, body: &Json, now: Timestamp) -> Answer {
        let end = |member: &str| self.types.id(&text(&body[member])).map(str::to_owned);
        let (Some(from), Some(to)) = (end("fromObjectTypeId"), end("toObjectTypeId")) else {
            return error(400, "VALIDATION_ERROR", "Unable to infer object types of the association");
        };
        if from != kind && to != kind {
            return error(400, "VALIDATION_ERROR", &format!("The association is not one of {kind}"));
        }
        self.associate_types(kind, (&from, &to), body["name"].as_str(), now)
            .map_or_else(not_found, |shown| (201, shown))
    }

    fn delete_association(&mut self, kind: &str, id: &str) {
        let Some(schema) = self.schemas.0.get_mut(kind) else { return };
        let Some(place) = schema.associations.iter().position(|one| one.ty.id.to_string() == id) else { return };
        let Association { ty, from, to, .. } = schema.associations.remove(place);
        if let Some(back) = Arc::make_mut(&mut self.link_types).drop_kind(&from, &to, ty) {
            self.drop_type(&from, &to, ty);
            self.drop_type(&to, &from, back);
        }
    }
}

//! Object types: what the account knows, by their ids and by all the names that HubSpot takes for them.
//!
//! In: what HubSpot starts with, the lock's entities, schemas that are defined later. Out: the type that a name means.
//! Always true: a type id names one type; the singular, the plural, the lock's name and the fully qualified name of a
//! type lead to it, in any case.

use std::collections::BTreeMap;
use std::sync::Arc;

use dsl::schema::{Entity, Lock};

use super::standard::{Needs, STANDARD, Standard};

/// One object type.
#[derive(Debug, Clone)]
pub(super) struct ObjectType {
    /// `line_item`: the first part of the names of events, the ends of the names of associations.
    pub(super) singular: String,
    /// `line_items`: what its properties are grouped under, and its path.
    pub(super) plural: String,
    /// What a new record needs.
    pub(super) needs: Needs,
}

/// All types.
#[derive(Debug, Clone, Default)]
pub(super) struct Types {
    by_id: BTreeMap<String, Arc<ObjectType>>,
    names: BTreeMap<String, String>,
}

impl Types {
    /// HubSpot's own, and the entities of a lock.
    pub(super) fn of(lock: &Lock) -> Self {
        let mut types = Self::default();
        for standard in &STANDARD {
            let Standard { id, singular, plural, needs, .. } = standard;
            let ty =
                ObjectType { singular: (*singular).to_owned(), plural: (*plural).to_owned(), needs: needs.clone() };
            types.add(id, ty, &[]);
        }
        for (name, entity) in &lock.entities {
            types.add_entity(name, entity);
        }
        types
    }

    fn add_entity(&mut self, name: &str, entity: &Entity) {
        let Some(id) = &entity.remote else { return };
        let lower = name.to_lowercase();
        let plural = match lower.strip_suffix('y') {
            Some(stem) => format!("{stem}ies"),
            None => format!("{lower}s"),
        };
        let ty = match self.by_id.get(id) {
            Some(known) => ObjectType::clone(known),
            None => ObjectType {
                singular: lower.clone(),
                plural: plural.clone(),
                needs: Needs::All(entity.create_needs.clone()),
            },
        };
        self.add(id, ty, &[&lower, &plural]);
    }

    /// Adds a type, or puts another in place of it, under its own names and these.
    pub(super) fn add(&mut self, id: &str, ty: ObjectType, also: &[&str]) {
        for name in [id, &ty.singular, &ty.plural].into_iter().chain(also.iter().copied()) {
            self.names.insert(name.to_lowercase(), id.to_owned());
        }
        self.by_id.insert(id.to_owned(), Arc::new(ty));
    }

    /// Adds a type that is known by its id and these names alone.
    pub(super) fn add_custom(&mut self, id: &str, ty: ObjectType, names: &[String]) {
        for name in names.iter().map(String::as_str).chain([id]) {
            self.names.insert(name.to_lowercase(), id.to_owned());
        }
        self.by_id.insert(id.to_owned(), Arc::new(ty));
    }

    /// A new record of a type needs something else from now on.
    pub(super) fn set_needs(&mut self, id: &str, needs: Needs) {
        if let Some(ty) = self.by_id.get_mut(id) {
            Arc::make_mut(ty).needs = needs;
        }
    }

    /// Forgets a type with all its names.
    pub(super) fn remove(&mut self, id: &str) {
        self.by_id.remove(id);
        self.names.retain(|_, known| known != id);
    }

    pub(super) fn get(&self, id: &str) -> Option<&ObjectType> {
        self.by_id.get(id).map(|ty| &**ty)
    }

    /// The id of the type that a name means.
    pub(super) fn id(&self, name: &str) -> Option<&str> {
        match self.names.get(name) {
            Some(id) => Some(id),
            None => self.names.get(&name.to_lowercase()).map(String::as_str),
        }
    }
}

//! What people do on either side, and what they wrote.
//!
//! In: somebody's new record, edit or link. Out: the twin that has it, and a line for each value, so that the end can
//! ask what became of it.
//! Always true: every change that the demo makes goes through here; what the engine writes does not.

use std::collections::BTreeMap;

use dsl::schema::EntityName;
use serde_json::Value as Json;

use super::Failed;
use super::stage::Stage;
use super::written::Written;
use crate::rehearse::view::{Record, View};

fn refused(error: &dyn std::fmt::Display) -> Failed {
    Failed(format!("a stand-in refused what a person did: {error}"))
}

impl Stage {
    /// The systems as they are, for expressions of the rules.
    pub(super) fn view<'a>(&'a self, vars: &'a BTreeMap<String, Record>) -> View<'a> {
        View { program: &self.program, twins: &self.twins, vars }
    }

    /// A field as its system writes it, or the id that a link leads to.
    fn held(&self, record: &Record, name: &str) -> Json {
        let none = BTreeMap::new();
        let view = self.view(&none);
        if self.program.entity(&record.0).is_some_and(|entity| entity.links.contains_key(name)) {
            return view.follow(record, name).map_or(Json::Null, |(_, id)| Json::from(id));
        }
        view.wire(record, name)
    }

    /// Notes what differs from `before` now.
    fn note(&mut self, record: &Record, before: Vec<(String, Json)>, made: bool) {
        for (field, before) in before {
            let value = self.held(record, &field);
            if value != before {
                self.written.push(Written { record: record.clone(), field, value, before, made });
            }
        }
    }

    /// Somebody makes a record in the app; its id.
    pub(super) fn make_in_app(&mut self, entity: &str, values: Json) -> Result<String, Failed> {
        let names: Vec<String> = values.as_object().into_iter().flat_map(|v| v.keys().cloned()).collect();
        let now = self.now();
        let id = self.app().create(entity, values, now).map_err(|error| refused(&error))?;
        let record = (EntityName::new("app", entity), id.clone());
        self.note(&record, names.into_iter().map(|name| (name, Json::Null)).collect(), true);
        Ok(id)
    }

    /// Somebody changes a record in the app.
    pub(super) fn edit_in_app(&mut self, entity: &str, id: &str, values: Json) -> Result<(), Failed> {
        let record = (EntityName::new("app", entity), id.to_owned());
        let names = values.as_object().into_iter().flat_map(|v| v.keys().cloned());
        let before = names.map(|name| (name.clone(), self.held(&record, &name))).collect();
        let now = self.now();
        self.app().edit(entity, id, values, now).map_err(|error| refused(&error))?;
        self.note(&record, before, false);
        Ok(())
    }

    /// Somebody makes a record in HubSpot; its id.
    pub(super) fn make_in_crm(&mut self, entity: &str, values: &[(&str, &str)]) -> Result<u64, Failed> {
        let now = self.now();
        let id = self.crm().create(entity, values, now).map_err(|error| refused(&error))?;
        let record = (EntityName::new("crm", entity), id.to_string());
        self.note(&record, values.iter().map(|(name, _)| ((*name).to_owned(), Json::Null)).collect(), true);
        Ok(id)
    }

    /// Somebody changes a record in HubSpot.
    pub(super) fn edit_in_crm(&mut self, entity: &str, id: u64, values: &[(&str, &str)]) -> Result<(), Failed> {
        let record = (EntityName::new("crm", entity), id.to_string());
        let before = values.iter().map(|(name, _)| ((*name).to_owned(), self.held(&record, name))).collect();
        let now = self.now();
        self.crm().edit(entity, id, values, now).map_err(|error| refused(&error))?;
        self.note(&record, before, false);
        Ok(())
    }

    /// Somebody puts a contact on a record in HubSpot.
    pub(super) fn put_contact(&mut self, entity: &str, id: u64, contact: u64) {
        let record = (EntityName::new("crm", entity), id.to_string());
        let before = vec![("contact".to_owned(), self.held(&record, "contact"))];
        let now = self.now();
        self.crm().link(entity, id, "Contact", contact, now);
        self.note(&record, before, false);
    }
}

//! What the systems hold, as seen last; what is different now is what happened since.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use dsl::decode::decode;
use dsl::program::Program;
use dsl::schema::{ChangedAt, EntityName};
use dsl::value::{Timestamp, Value};
use sandbox::app::App;
use sandbox::hubspot::HubSpot;
use serde_json::Value as Json;

use crate::evidence::{Change, Held, Record, What, Who};

/// The twins.
#[derive(Clone)]
pub(crate) struct Twins {
    /// The app.
    pub(crate) app: Arc<Mutex<App>>,
    /// HubSpot.
    pub(crate) crm: Arc<Mutex<HubSpot>>,
}

/// An entity that the rules speak of.
struct Shape {
    entity: EntityName,
    fields: Vec<String>,
    /// Links by name, and the entity that they lead to.
    links: Vec<(String, String)>,
}

/// A record as it is written in its system.
#[derive(Debug, Clone, PartialEq, Default)]
struct Written {
    fields: BTreeMap<String, Json>,
    links: BTreeMap<String, Vec<String>>,
}

/// The mirror.
pub(crate) struct Mirror {
    program: Arc<Program>,
    shapes: Vec<Shape>,
    records: BTreeMap<Record, Written>,
    /// Records that are gone, for when they come back.
    gone: BTreeMap<Record, Written>,
}

impl Mirror {
    /// A mirror of empty systems.
    pub(crate) fn new(program: &Arc<Program>) -> Self {
        let shape = |(name, used): (&EntityName, &dsl::program::Used)| {
            let entity = program.entity(name)?;
            let stamp = match &entity.changed_at {
                ChangedAt::Field(name) => name.as_str(),
                _ => "lastmodifieddate",
            };
            let told = |field: &&String| *field != "id" && *field != stamp && *field != "hs_lastmodifieddate";
            let links = used.links.iter().filter_map(|link| Some((link.clone(), entity.links.get(link)?.to.clone())));
            Some(Shape {
                entity: name.clone(),
                fields: used.fields.iter().filter(told).cloned().collect(),
                links: links.collect(),
            })
        };
        Self {
            program: Arc::clone(program),
            shapes: program.used.iter().filter_map(shape).collect(),
            records: BTreeMap::new(),
            gone: BTreeMap::new(),
        }
    }

    /// A value as the rules read it; what they cannot read stands for itself.
    pub(crate) fn value(&self, entity: &EntityName, field: &str, wire: &Json) -> Value {
        decode(&self.program, entity, field, wire)
            .unwrap_or_else(|_| wire.as_str().map_or(Value::Empty, |text| Value::Text(text.to_owned())))
    }

    /// Looks again; what is different now was done by `who`.
    pub(crate) fn look(&mut self, twins: &Twins, who: Who, at: Timestamp) -> Vec<Change> {
        let now = self.read(twins);
        let mut changes = Vec::new();
        let change = |record: &Record, what: What| Change { at, who, record: record.clone(), what };
        let before = std::mem::take(&mut self.records);
        for (record, written) in &before {
            if !now.contains_key(record) {
                changes.push(change(record, What::Gone));
                self.gone.insert(record.clone(), written.clone());
            }
        }
        for (record, written) in &now {
            // What comes back is compared with what it was when it went, so that a restore changes no values by itself.
            let known = match (before.get(record), self.gone.remove(record)) {
                (Some(known), _) if known == written => continue,
                (Some(known), _) => known.clone(),
                (None, Some(known)) => {
                    changes.push(change(record, What::Back));
                    known
                }
                (None, None) => {
                    changes.push(change(record, What::Made));
                    Written::default()
                }
            };
            for (field, wire) in &written.fields {
                let old = known.fields.get(field).unwrap_or(&Json::Null);
                let (old, new) = (self.value(&record.0, field, old), self.value(&record.0, field, wire));
                if old != new {
                    changes.push(change(record, What::Field(field.clone(), old, new)));
                }
            }
            for (link, ids) in &written.links {
                let old = known.links.get(link).cloned().unwrap_or_default();
                if old != *ids {
                    changes.push(change(record, What::Link(link.clone(), old, ids.clone())));
                }
            }
        }
        self.records = now;
        changes
    }

    /// A record lives on under another id, with its values as they were.
    pub(crate) fn moved(&mut self, from: &Record, to: &Record) {
        if let Some(written) = self.records.remove(from) {
            self.records.insert(to.clone(), written);
        }
    }

    /// A record is gone for good, or gave way to another one.
    pub(crate) fn forget(&mut self, record: &Record) {
        self.records.remove(record);
        self.gone.remove(record);
    }

    /// All records as they were seen last.
    pub(crate) fn held(&self) -> BTreeMap<Record, Held> {
        let held = |(record, written): (&Record, &Written)| {
            let fields = written.fields.iter().map(|(name, wire)| (name.clone(), self.value(&record.0, name, wire)));
            let fields = fields.filter(|(_, value)| !value.is_empty()).collect();
            (record.clone(), Held { fields, links: written.links.clone() })
        };
        self.records.iter().map(held).collect()
    }

    fn read(&self, twins: &Twins) -> BTreeMap<Record, Written> {
        let crm = twins.crm.lock().expect("a sound twin");
        let app = twins.app.lock().expect("a sound twin");
        let mut records = BTreeMap::new();
        for shape in &self.shapes {
            let name = &shape.entity.entity;
            match shape.entity.system.as_str() {
                "crm" => {
                    for record in crm.records(name) {
                        // A field without a value stands as null: one that was cleared is different from before.
                        let field = |field: &String| {
                            let wire = record.properties.get(field).map_or(Json::Null, |text| text.as_str().into());
                            (field.clone(), wire)
                        };
                        let link = |(link, to): &(String, String)| {
                            let ids = crm.linked(name, record.id, to);
                            (link.clone(), ids.iter().map(u64::to_string).collect())
                        };
                        let written = Written {
                            fields: shape.fields.iter().map(field).collect(),
                            links: shape.links.iter().map(link).collect(),
                        };
                        records.insert((shape.entity.clone(), record.id.to_string()), written);
                    }
                }
                "app" => {
                    for record in app.records(name) {
                        let text = |json: &Json| json.as_str().map(str::to_owned);
                        let Some(id) = record.get("id").and_then(text) else { continue };
                        let field = |field: &String| (field.clone(), record.get(field).cloned().unwrap_or_default());
                        let link = |(link, _): &(String, String)| {
                            let id = record.get(link).and_then(|held| text(&held["id"]));
                            (link.clone(), id.into_iter().collect())
                        };
                        let written = Written {
                            fields: shape.fields.iter().map(field).collect(),
                            links: shape.links.iter().map(link).collect(),
                        };
                        records.insert((shape.entity.clone(), id), written);
                    }
                }
                _ => {}
            }
        }
        records
    }
}

//! Answers the questions of expressions from the rows.
//!
//! Always true: what is not known, or not as of the time that is asked for, is a [`Need`], never an empty value.

use std::collections::BTreeMap;
use std::sync::Arc;

use dsl::eval::{Interrupt, Scope};
use dsl::program::Program;
use dsl::schema::{EntityName, Lookup};
use dsl::value::Value;

use crate::decide::model::freshness::Freshness;
use crate::decide::model::key;
use crate::decide::model::need::{Blocked, Need};
use crate::decide::model::record::{FieldValue, Life, RecordRow};
use crate::decide::model::run::Var;
use crate::decide::model::trace::Reached;
use crate::decide::model::work::{ListingState, PointRead};
use crate::decide::store::records;
use crate::decide::store::transaction::Context;

/// Variables and how fresh their records must be.
pub(crate) struct Variables<'c, 'a> {
    pub(crate) cx: &'c Context<'a>,
    pub(crate) program: &'c Program,
    pub(crate) vars: &'c BTreeMap<String, Var>,
    /// How new what is read must be.
    pub(crate) fresh: Freshness,
    /// Texts and lookups only: the cache may answer.
    pub(crate) cacheable: bool,
}

enum Place {
    Record(EntityName, String),
    Members(BTreeMap<String, Value>),
    Plain(Value),
    Nothing,
}

impl Variables<'_, '_> {
    fn need(&self, entity: &EntityName, id: &str) -> Blocked {
        Blocked::Need(Need::Record { read: PointRead::by_id(entity, id), cacheable: self.cacheable })
    }

    /// The row of a record, or `None` where it is known not to exist (any more).
    fn row(&self, entity: &EntityName, id: &str) -> Result<Option<(String, Arc<RecordRow>)>, Blocked> {
        let mut id = id.to_owned();
        for _ in 0..8 {
            match self.cx.record(entity, &id)? {
                Some(row) => match &row.life {
                    Life::Merged(into) => id.clone_from(into),
                    Life::Live => return Ok(Some((id, row))),
                    Life::Deleted(_) | Life::Erased => return Ok(None),
                },
                None => {
                    return match self.cx.absent(entity, "id", &id)? {
                        Some(at) if self.fresh.allows(at) => Ok(None),
                        _ => Err(self.need(entity, &id)),
                    };
                }
            }
        }
        Ok(None)
    }

    fn reach(&self, variable: &str, links: &[String]) -> Result<Place, Blocked> {
        let mut place = match self.vars.get(variable) {
            Some(Var::Record(entity, id)) => Place::Record(entity.clone(), id.clone()),
            Some(Var::Members(members)) => Place::Members(members.clone()),
            Some(Var::Plain(value)) => Place::Plain(value.clone()),
            Some(Var::Nothing) | None => Place::Nothing,
        };
        for link in links {
            place = match place {
                Place::Record(entity, id) => match self.follow(&entity, &id, link)? {
                    Some((to, target)) => Place::Record(to, target),
                    None => Place::Nothing,
                },
                Place::Members(members) => match members.get(link) {
                    Some(value) => Place::Plain(value.clone()),
                    None => Place::Nothing,
                },
                _ => Place::Nothing,
            };
        }
        Ok(place)
    }

    fn follow(&self, entity: &EntityName, id: &str, link: &str) -> Result<Option<(EntityName, String)>, Blocked> {
        let Some((id, row)) = self.row(entity, id)? else { return Ok(None) };
        let complete = row.complete_at.is_some_and(|at| self.fresh.allows(at));
        let to = self
            .program
            .entity(entity)
            .and_then(|e| e.links.get(link))
            .map(|l| EntityName::new(&entity.system, &l.to))
            .unwrap_or_else(|| entity.clone());
        match row.links.get(link) {
            Some(seen) if complete || self.fresh.allows(seen.at) => Ok(seen.id.clone().map(|target| (to, target))),
            None if complete => Ok(None),
            _ => Err(self.need(entity, &id)),
        }
    }

    fn value(&self, place: Place, field: &str) -> Result<Value, Blocked> {
        let (entity, id) = match place {
            Place::Record(entity, id) => (entity, id),
            Place::Members(members) => return Ok(members.get(field).cloned().unwrap_or_default()),
            Place::Plain(Value::Record(members)) if !field.is_empty() => {
                return Ok(members.get(field).cloned().unwrap_or_default());
            }
            Place::Plain(value) => return Ok(value),
            Place::Nothing => return Ok(Value::Empty),
        };
        let Some((id, row)) = self.row(&entity, &id)? else { return Ok(Value::Empty) };
        if field == "id" {
            return Ok(Value::Text(id));
        }
        let complete = row.complete_at.is_some_and(|at| self.fresh.allows(at));
        match row.fields.get(field) {
            Some(seen) if complete || self.fresh.allows(seen.at) => match &seen.value {
                FieldValue::Is(value) => Ok(value.clone()),
                FieldValue::Malformed(fault) => Err(Blocked::Fault(fault.clone())),
            },
            None if complete => Ok(Value::Empty),
            _ => Err(self.need(&entity, &id)),
        }
    }
}

impl Variables<'_, '_> {
    /// Lookups read the whole (small) entity once and again when what is held is older than the cache time.
    fn look_up(&self, system: &str, lookup: &Lookup, value: &Value) -> Result<Value, Blocked> {
        if value.is_empty() {
            return Ok(Value::Empty);
        }
        let entity = EntityName::new(system, &lookup.entity);
        let age = self.program.systems.get(system).and_then(|s| s.cache).unwrap_or(dsl::value::Duration::hours(1));
        let oldest = self.cx.now.minus(age);
        let listing = self.cx.get(&key::listing(&key::index_name(&entity)))?;
        if !listing.is_some_and(|row| matches!(row.state, ListingState::Listed { at } if at >= oldest)) {
            return Err(Blocked::Need(Need::Listing(entity)));
        }
        let value = records::normal(self.program, &entity, &lookup.from, value);
        let found = self.cx.indexed(&entity, &lookup.from, &value)?;
        let Some(id) = found.first() else { return Ok(Value::Empty) };
        if lookup.to == "id" {
            return Ok(Value::Text(id.clone()));
        }
        let row = self.cx.record(&entity, id)?.unwrap_or_default();
        Ok(match row.fields.get(&lookup.to).map(|seen| &seen.value) {
            Some(FieldValue::Is(value)) => value.clone(),
            _ => Value::Empty,
        })
    }
}

impl Scope for Variables<'_, '_> {
    type Need = Blocked;

    fn field(&self, variable: &str, links: &[String], field: &str) -> Result<Value, Interrupt<Blocked>> {
        let place = self.reach(variable, links).map_err(Interrupt::Need)?;
        self.value(place, field).map_err(Interrupt::Need)
    }

    fn reference(&self, variable: &str, links: &[String]) -> Result<Value, Interrupt<Blocked>> {
        Ok(match self.reach(variable, links).map_err(Interrupt::Need)? {
            Place::Record(_, id) => Value::Text(id),
            Place::Plain(value) => value,
            _ => Value::Empty,
        })
    }

    fn record(&self, variable: &str, links: &[String]) -> Result<Value, Interrupt<Blocked>> {
        let members = match self.reach(variable, links).map_err(Interrupt::Need)? {
            Place::Record(entity, id) => {
                let lenient = Variables { fresh: Freshness::Any, ..Variables { ..*self } };
                let Some((id, row)) = lenient.row(&entity, &id).map_err(Interrupt::Need)? else {
                    return Ok(Value::Empty);
                };
                let mut members: BTreeMap<String, Value> = row
                    .fields
                    .iter()
                    .filter_map(|(name, seen)| match &seen.value {
                        FieldValue::Is(value) if !value.is_empty() => Some((name.clone(), value.clone())),
                        _ => None,
                    })
                    .collect();
                members.insert("id".to_owned(), Value::Text(id));
                members
            }
            Place::Members(members) => members,
            Place::Plain(value) => return Ok(value),
            Place::Nothing => return Ok(Value::Empty),
        };
        Ok(Value::Record(members))
    }

    fn lookup(&self, system: &str, lookup: &Lookup, value: &Value) -> Result<Value, Interrupt<Blocked>> {
        self.look_up(system, lookup, value).map_err(Interrupt::Need)
    }

    fn row_read(&self, table: usize, key: &Value) {
        self.cx.reached(|| Reached::Row(table, key.clone()));
    }
}

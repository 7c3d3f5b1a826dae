//! What the systems hold, as expressions of a test see it: the truth of the twins, not what the engine knows.

use std::collections::BTreeMap;

use dsl::decode::decode;
use dsl::eval::{Interrupt, Scope};
use dsl::fault::Fault;
use dsl::program::Program;
use dsl::schema::{EntityName, Lookup};
use dsl::value::Value;
use serde_json::Value as Json;

use super::twins::Twin;

/// A record by entity and id.
pub(crate) type Record = (EntityName, String);

/// The systems, and variables that lead to records in them.
pub(crate) struct View<'a> {
    pub(crate) program: &'a Program,
    pub(crate) twins: &'a BTreeMap<String, Twin>,
    pub(crate) vars: &'a BTreeMap<String, Record>,
}

impl View<'_> {
    /// A field as its system writes it.
    pub(crate) fn wire(&self, (entity, id): &Record, field: &str) -> Json {
        self.twins.get(&entity.system).map_or(Json::Null, |twin| twin.value(&entity.entity, id, field))
    }

    /// A field as the rules read it.
    pub(crate) fn value(&self, record: &Record, field: &str) -> Result<Value, Fault> {
        decode(self.program, &record.0, field, &self.wire(record, field))
    }

    /// The record that a link leads to.
    pub(crate) fn follow(&self, (entity, id): &Record, link: &str) -> Option<Record> {
        let to = &self.program.entity(entity)?.links.get(link)?.to;
        let target = self.twins.get(&entity.system)?.linked(&entity.entity, id, link, to)?;
        Some((EntityName::new(&entity.system, to), target))
    }

    pub(crate) fn follow_all(&self, record: &Record, links: &[String]) -> Option<Record> {
        links.iter().try_fold(record.clone(), |at, link| self.follow(&at, link))
    }

    /// Ids of all records of an entity.
    pub(crate) fn ids(&self, entity: &EntityName) -> Vec<String> {
        self.twins.get(&entity.system).map(|twin| twin.ids(&entity.entity)).unwrap_or_default()
    }

    /// The first record of an entity with this value.
    pub(crate) fn find(&self, entity: &EntityName, field: &str, value: &Value) -> Option<Record> {
        let records = self.ids(entity).into_iter().map(|id| (entity.clone(), id));
        records.into_iter().find(|record| self.value(record, field).is_ok_and(|held| same(&held, value)))
    }

    fn reach(&self, variable: &str, links: &[String]) -> Option<Record> {
        self.follow_all(self.vars.get(variable)?, links)
    }
}

impl Scope for View<'_> {
    type Need = std::convert::Infallible;

    fn field(&self, variable: &str, links: &[String], field: &str) -> Result<Value, Interrupt<Self::Need>> {
        match self.reach(variable, links) {
            Some(record) => self.value(&record, field).map_err(Interrupt::Fault),
            None => Ok(Value::Empty),
        }
    }

    fn reference(&self, variable: &str, links: &[String]) -> Result<Value, Interrupt<Self::Need>> {
        Ok(self.reach(variable, links).map_or(Value::Empty, |(_, id)| Value::Text(id)))
    }

    fn record(&self, variable: &str, links: &[String]) -> Result<Value, Interrupt<Self::Need>> {
        let Some(record) = self.reach(variable, links) else { return Ok(Value::Empty) };
        let fields = self.program.entity(&record.0).into_iter().flat_map(|entity| entity.fields.keys());
        let held = fields.filter_map(|field| Some((field.clone(), self.value(&record, field).ok()?)));
        Ok(Value::Record(held.filter(|(_, value)| !value.is_empty()).collect()))
    }

    fn lookup(&self, system: &str, lookup: &Lookup, value: &Value) -> Result<Value, Interrupt<Self::Need>> {
        let found = self.find(&EntityName::new(system, &lookup.entity), &lookup.from, value);
        found.map_or(Ok(Value::Empty), |record| self.value(&record, &lookup.to).map_err(Interrupt::Fault))
    }
}

/// Equal, whatever kind of number.
pub(crate) fn same(left: &Value, right: &Value) -> bool {
    let number = |value: &Value| match value {
        Value::Integer(n) => Some(rust_decimal::Decimal::from(*n)),
        Value::Decimal(n) => Some(*n),
        _ => None,
    };
    match (number(left), number(right)) {
        (Some(left), Some(right)) => left == right,
        _ => left == right,
    }
}

/// What a variable-free or checked expression of a test gives.
pub(crate) fn evaluate(view: &View<'_>, expr: &dsl::program::Expr) -> Result<Value, Fault> {
    dsl::eval::eval(view.program, expr, view).map_err(|interrupt| match interrupt {
        Interrupt::Fault(fault) => fault,
        Interrupt::Need(never) => match never {},
    })
}

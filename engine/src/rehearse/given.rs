//! What a test takes as given: records in the twins, known to the engine as if they had been there for long.
//!
//! In: the `given` lines. Out: a simulation in which they hold and nothing else has happened.
//! Always true: records that match are linked, with what they agree on as the base; a field that must not be empty
//! and is not given takes its partner's value or a made-up one; messages about all this are never delivered.

use std::collections::{BTreeMap, BTreeSet};

use connectors::port::{Answer, Request, Verb};
use dsl::decode::{encode, encode_field};
use dsl::eval::{canonical, written};
use dsl::program::test::Held;
use dsl::program::{Direction, Mapping, MappingKind, Program, Side, Sync};
use dsl::schema::{EntityName, Field, Type};
use dsl::value::{Duration, Timestamp, Value};
use futures_util::FutureExt;
use serde_json::{Map, Value as Json};

use super::simulation::Simulation;
use super::twins::Content;
use super::view::{Record, View, evaluate, same};
use crate::decide::{Known, Pair};

/// How long ago given records were made.
const LONG_AGO: Duration = Duration::days(1);

/// A record that was placed.
struct Placed {
    record: Record,
    /// Fields and links with a value of the test's own; what an engine of long ago would have seen.
    given: BTreeSet<String>,
    at: Timestamp,
    /// What a person changed since, and when.
    change: Option<(Content, Timestamp)>,
    known: bool,
}

/// The records of a test.
pub(super) struct Stage {
    pub(super) vars: BTreeMap<String, Record>,
    start: Timestamp,
    placed: Vec<Placed>,
    pairs: BTreeSet<(usize, String, String)>,
    made_up: u32,
}

impl Stage {
    pub(super) fn new(start: Timestamp) -> Self {
        Self { vars: BTreeMap::new(), start, placed: Vec::new(), pairs: BTreeSet::new(), made_up: 0 }
    }

    /// Takes one `given` record.
    pub(super) fn given(
        &mut self,
        simulation: &Simulation,
        variable: Option<&String>,
        entity: &EntityName,
        changed: Option<Timestamp>,
        values: &[Held],
    ) -> Result<(), String> {
        let (id, content) = self.content(simulation, entity, values)?;
        let program = std::sync::Arc::clone(&simulation.programs().active);
        let (before, change) = match changed {
            None => (content, None),
            Some(at) => {
                let keys = key_fields(&program, entity);
                let mut before = content.clone();
                before.values.retain(|name, _| keys.contains(name));
                let mut after = content;
                after.values.retain(|name, _| !keys.contains(name));
                after.links.clear();
                (before, Some((after, at)))
            }
        };
        // What is known of a record that changed is no older than it must be.
        let at = changed.map_or(self.start.minus(LONG_AGO), |at| at.minus(Duration::seconds(1)));
        let record = self.place(simulation, entity, id.as_deref(), &before, at)?;
        if let Some(placed) = self.placed.last_mut() {
            placed.change = change;
        }
        if let Some(name) = variable {
            self.vars.insert(name.clone(), record);
        }
        Ok(())
    }

    fn place(
        &mut self,
        simulation: &Simulation,
        entity: &EntityName,
        id: Option<&str>,
        content: &Content,
        at: Timestamp,
    ) -> Result<Record, String> {
        let program = &simulation.programs().active;
        let (Some(twin), Some(system)) = (simulation.twins.get(&entity.system), program.systems.get(&entity.system))
        else {
            return Err(format!("there is no system `{}`", entity.system));
        };
        let id = twin.place(&system.lock, &entity.entity, id, content, at)?;
        let record = (entity.clone(), id);
        let given = content.values.keys().chain(content.links.keys()).cloned().collect();
        self.placed.push(Placed { record: record.clone(), given, at, change: None, known: false });
        Ok(record)
    }

    /// What the lines of a record say, as its system writes it; records that it links to are placed where there
    /// are none.
    pub(super) fn content(
        &mut self,
        simulation: &Simulation,
        entity: &EntityName,
        values: &[Held],
    ) -> Result<(Option<String>, Content), String> {
        let program = std::sync::Arc::clone(&simulation.programs().active);
        let mut content = Content::default();
        let mut id = None;
        let mut over: BTreeMap<String, Vec<Held>> = BTreeMap::new();
        for held in values {
            match held.links.split_first() {
                Some((link, rest)) if held.field.is_some() || !rest.is_empty() => {
                    let held = Held { links: rest.to_vec(), ..held.clone() };
                    over.entry(link.clone()).or_default().push(held);
                }
                Some((link, _)) => {
                    let target = self.reference(simulation, &program, held)?;
                    content.links.insert(link.clone(), target);
                }
                None => {
                    let view = View { program: &program, twins: &simulation.twins, vars: &self.vars };
                    let value = evaluate(&view, &held.value).map_err(|fault| fault.to_string())?;
                    let field = held.field.clone().unwrap_or_default();
                    if field == "id" {
                        id = Some(value.to_string());
                        continue;
                    }
                    let wire = match program.field(entity, &field) {
                        Some(declared) => wire(&program, entity, &field, declared, &value, held.spelled)?,
                        None => encode_field(&value),
                    };
                    put(&mut content.values, &field, &held.inside, wire);
                }
            }
        }
        // After the record's own lines, because a record that is placed on the way may be found by what they say.
        for (link, values) in over {
            let to = program.entity(entity).and_then(|shape| shape.links.get(&link)).map(|link| link.to.clone());
            let to = EntityName::new(&entity.system, to.unwrap_or_default());
            let target = self.linked(simulation, &program, &to, &values)?;
            content.links.insert(link, Some(target));
        }
        Ok((id, content))
    }

    /// The record that a link's value means, in the link's own system.
    fn reference(&self, simulation: &Simulation, program: &Program, held: &Held) -> Result<Option<String>, String> {
        let view = View { program, twins: &simulation.twins, vars: &self.vars };
        let id = match evaluate(&view, &held.value).map_err(|fault| fault.to_string())? {
            Value::Text(id) => id,
            _ => return Ok(None),
        };
        let Some(given) = held.leads_to.as_ref().filter(|given| **given != held.entity) else { return Ok(Some(id)) };
        let given = (given.clone(), id);
        for sync in &program.syncs {
            let side = if sync.left == given.0 && sync.right == held.entity {
                Side::Left
            } else if sync.right == given.0 && sync.left == held.entity {
                Side::Right
            } else {
                continue;
            };
            let others = view.ids(&held.entity).into_iter().map(|id| (held.entity.clone(), id));
            let partner = others.into_iter().find(|other| match side {
                Side::Left => matches(&view, sync, &given, other),
                Side::Right => matches(&view, sync, other, &given),
            });
            if let Some((_, id)) = partner {
                return Ok(Some(id));
            }
        }
        Err(format!("no {} is given that is the same as this {}", held.entity, given.0))
    }

    /// The record with these values: one that is there, or a new one.
    fn linked(
        &mut self,
        simulation: &Simulation,
        program: &Program,
        entity: &EntityName,
        values: &[Held],
    ) -> Result<String, String> {
        let view = View { program, twins: &simulation.twins, vars: &self.vars };
        let holds = |record: &Record| {
            values.iter().all(|held| {
                let field = held.field.as_deref().unwrap_or_default();
                let reached = view.follow_all(record, &held.links);
                let is = reached.and_then(|record| view.value(&record, field).ok());
                evaluate(&view, &held.value).is_ok_and(|value| is.is_some_and(|is| same(&is, &value)))
            })
        };
        let there = view.ids(entity).into_iter().map(|id| (entity.clone(), id)).find(holds);
        if let Some((_, id)) = there {
            return Ok(id);
        }
        let (id, content) = self.content(simulation, entity, values)?;
        let at = self.start.minus(LONG_AGO);
        Ok(self.place(simulation, entity, id.as_deref(), &content, at)?.1)
    }

    /// Fills what is not given, makes the engine know it all, and lets people make their changes.
    pub(super) fn begin(&mut self, simulation: &mut Simulation) -> Result<(), String> {
        let program = std::sync::Arc::clone(&simulation.programs().active);
        let pairs = self.matching(simulation, &program);
        for (sync, left, right) in &pairs {
            self.agree(simulation, &program, &program.syncs[*sync], left, right, false)?;
        }
        let mut index = 0;
        while index < self.placed.len() {
            if !self.placed[index].known {
                self.make_up(simulation, &program, index)?;
            }
            index += 1;
        }
        let pairs = self.matching(simulation, &program);
        for (sync, left, right) in &pairs {
            self.agree(simulation, &program, &program.syncs[*sync], left, right, true)?;
        }
        let new: Vec<(Record, Timestamp)> =
            self.placed.iter().filter(|p| !p.known).map(|p| (p.record.clone(), p.at)).collect();
        // What is given is known, whatever is wrong with its system from now on.
        let held: Vec<_> =
            simulation.twins.values().map(|twin| twin.exchange_faults(sandbox::Faults::default())).collect();
        let told = tell_engine(simulation, &program, &new, &pairs);
        for (twin, faults) in simulation.twins.values().zip(held) {
            twin.exchange_faults(faults);
        }
        told?;
        let mut changed = Vec::new();
        for placed in self.placed.iter_mut().filter(|placed| !placed.known) {
            placed.known = true;
            if let Some((content, at)) = placed.change.take() {
                let (entity, id) = &placed.record;
                let system = &program.systems[&entity.system];
                simulation.twins[&entity.system].edit(&system.lock, &entity.entity, id, &content, at)?;
                simulation.set_clock(at);
                changed.push((placed.record.clone(), at));
            }
        }
        // The engine has heard of these changes and has done nothing about them yet.
        tell_engine(simulation, &program, &changed, &[])?;
        self.pairs.extend(pairs.into_iter().map(|(sync, left, right)| (sync, left.1, right.1)));
        simulation.twins.values().for_each(super::twins::Twin::silence);
        Ok(())
    }

    /// Records that are the same thing under a sync and are no pair yet.
    fn matching(&self, simulation: &Simulation, program: &Program) -> Vec<(usize, Record, Record)> {
        let view = View { program, twins: &simulation.twins, vars: &self.vars };
        let mut pairs = Vec::new();
        for (index, sync) in program.syncs.iter().enumerate() {
            let of = |entity: &EntityName| {
                let placed = self.placed.iter().filter(|placed| placed.record.0 == *entity);
                placed.map(|placed| placed.record.clone()).collect::<Vec<_>>()
            };
            let mut right = of(&sync.right);
            let paired =
                |record: &Record| self.pairs.iter().any(|(s, l, r)| *s == index && (*l == record.1 || *r == record.1));
            right.retain(|record| !paired(record));
            for left in of(&sync.left).into_iter().filter(|record| !paired(record)) {
                if let Some(at) = right.iter().position(|right| matches(&view, sync, &left, right)) {
                    pairs.push((index, left, right.remove(at)));
                }
            }
        }
        pairs
    }

    /// Gives each side what the other one holds, where it was given nothing of its own.
    fn agree(
        &self,
        simulation: &Simulation,
        program: &Program,
        sync: &Sync,
        left: &Record,
        right: &Record,
        links: bool,
    ) -> Result<(), String> {
        let given = |record: &Record, name: &str| {
            let placed = self.placed.iter().find(|placed| placed.record == *record);
            placed.is_some_and(|placed| placed.known || placed.given.contains(name))
        };
        let vars = BTreeMap::from([("left".to_owned(), left.clone()), ("right".to_owned(), right.clone())]);
        let view = View { program, twins: &simulation.twins, vars: &vars };
        for mapping in sync.fields.iter().filter(|mapping| !mapping.on_create) {
            // The right side follows the left one, unless a test gave only the right one something: its author wrote what
            // matters, and the other side is to agree with it.
            let (target, name) = match (&mapping.kind, mapping.direction) {
                (MappingKind::Field { left: l, right: r, .. }, _) if given(right, r) && !given(left, l) => {
                    (Side::Left, l.clone())
                }
                (MappingKind::Field { right: r, .. }, _) => (Side::Right, r.clone()),
                (MappingKind::Computed { target, .. }, Direction::ToLeft) => (Side::Left, target.clone()),
                (MappingKind::Computed { target, .. }, _) => (Side::Right, target.clone()),
                (MappingKind::Link { .. }, _) => {
                    if links {
                        self.agree_on_link(simulation, program, &view, mapping, left, right)?;
                    }
                    continue;
                }
            };
            let (record, other) = if target == Side::Left { (left, right) } else { (right, left) };
            if name == "id" || given(record, &name) {
                continue;
            }
            let source = match &mapping.kind {
                MappingKind::Computed { source, .. } => evaluate(&view, source),
                MappingKind::Field { left: l, right: r, .. } => {
                    view.value(other, if target == Side::Left { r } else { l })
                }
                MappingKind::Link { .. } => continue,
            };
            // A value that cannot be moved is the engine's to complain about, not the stage's.
            let moved = source
                .and_then(|value| canonical(program, sync, mapping, target.other(), &value))
                .and_then(|value| written(program, sync, mapping, target, &value));
            if let Ok(value) = moved
                && !value.is_empty()
            {
                let wire = encode(program, &record.0, &name, &value);
                let content = Content { values: BTreeMap::from([(name, wire)]), ..Content::default() };
                place_content(simulation, program, record, &content)?;
            }
        }
        Ok(())
    }

    fn agree_on_link(
        &self,
        simulation: &Simulation,
        program: &Program,
        view: &View<'_>,
        mapping: &Mapping,
        left: &Record,
        right: &Record,
    ) -> Result<(), String> {
        let MappingKind::Link { left: l, right: r, via, straight } = &mapping.kind else { return Ok(()) };
        let ends = (view.follow_all(left, l), view.follow_all(right, r));
        let sync = &program.syncs[*via];
        let (to, path, end, other) = match ends {
            (Some(end), None) => (right, r, end, if *straight { Side::Right } else { Side::Left }),
            (None, Some(end)) => (left, l, end, if *straight { Side::Left } else { Side::Right }),
            _ => return Ok(()),
        };
        let [name] = path.as_slice() else { return Ok(()) };
        let others = view.ids(sync.entity(other)).into_iter().map(|id| (sync.entity(other).clone(), id));
        let partner = others.into_iter().find(|record| match other {
            Side::Right => matches(view, sync, &end, record),
            Side::Left => matches(view, sync, record, &end),
        });
        match partner {
            Some((_, id)) => {
                let content = Content { links: BTreeMap::from([(name.clone(), Some(id))]), ..Content::default() };
                place_content(simulation, program, to, &content)
            }
            None => Ok(()),
        }
    }

    /// Gives a record what it must have and was not given.
    fn make_up(&mut self, simulation: &Simulation, program: &Program, index: usize) -> Result<(), String> {
        let record = self.placed[index].record.clone();
        let Some(shape) = program.entity(&record.0).cloned() else { return Ok(()) };
        let mut content = Content::default();
        for (name, field) in &shape.fields {
            let held = View { program, twins: &simulation.twins, vars: &self.vars }.wire(&record, name);
            let empty = held.is_null() || held.as_str().is_some_and(str::is_empty);
            if empty && !field.optional && name != "id" {
                let value = self.invented(program, &record.0, name, field);
                content.values.insert(name.clone(), value);
            }
        }
        for (name, link) in shape.links.iter().filter(|(_, link)| !link.optional) {
            let view = View { program, twins: &simulation.twins, vars: &self.vars };
            if view.follow(&record, name).is_none() {
                let to = EntityName::new(&record.0.system, &link.to);
                let at = self.start.minus(LONG_AGO);
                let target = self.place(simulation, &to, None, &Content::default(), at)?;
                content.links.insert(name.clone(), Some(target.1));
            }
        }
        if content == Content::default() {
            return Ok(());
        }
        place_content(simulation, program, &record, &content)
    }

    fn invented(&mut self, program: &Program, entity: &EntityName, name: &str, field: &Field) -> Json {
        self.made_up += 1;
        let n = self.made_up;
        if let Some(choice) = program.choice(entity, name)
            && let Some(word) = choice.words.first()
        {
            return Json::from(word.spelling(&entity.system));
        }
        match &field.ty {
            Type::Text if name.to_lowercase().contains("email") => Json::from(format!("made-up-{n}@example.com")),
            Type::Text if name.to_lowercase().contains("domain") => Json::from(format!("made-up-{n}.example.com")),
            Type::Text => Json::from(format!("made up {n}")),
            Type::Enum => field.options.first().map_or(Json::Null, |option| Json::from(option.as_str())),
            Type::Integer => Json::from(n),
            Type::Number | Type::Money => Json::from(format!("{n}")),
            Type::Percent => Json::from("0.5"),
            Type::Flag => Json::from(false),
            Type::Date => Json::from("2026-01-01"),
            Type::Time => Json::from(self.start.minus(LONG_AGO).to_string()),
            Type::Record => Json::Object(Map::new()),
            Type::List(_) => Json::Array(Vec::new()),
        }
    }
}

/// Makes the engine know records and pairs.
fn tell_engine(
    simulation: &mut Simulation,
    program: &Program,
    records: &[(Record, Timestamp)],
    pairs: &[(usize, Record, Record)],
) -> Result<(), String> {
    let mut known = Vec::new();
    for ((entity, id), at) in records {
        let Some(shape) = program.entity(entity) else { continue };
        // What is only looked up is listed when it is asked for.
        if program.systems[&entity.system].lock.lookups.values().any(|lookup| lookup.entity == entity.entity) {
            continue;
        }
        let verb = Verb::Read {
            entity: entity.entity.clone(),
            by: "id".to_owned(),
            fields: shape.fields.keys().filter(|name| *name != "id").cloned().collect(),
            links: shape.links.keys().cloned().collect(),
        };
        let input = connectors::port::Input { key: id.clone(), id: Some(id.clone()), ..Default::default() };
        let request = Request { verb, inputs: vec![input] };
        let connector = simulation.connector(&entity.system).ok_or("every system has a connector")?;
        match connector.perform(&request).now_or_never().and_then(|mut answers| answers.pop()) {
            Some(Answer::Record(observed)) => {
                known.push(Known { entity: entity.clone(), observed, at: *at });
            }
            other => return Err(format!("{entity} {id} cannot be read back: {other:?}")),
        }
    }
    let pairs: Vec<Pair> = pairs
        .iter()
        .map(|(sync, left, right)| Pair { sync: *sync, left: left.1.clone(), right: right.1.clone() })
        .collect();
    let now = simulation.now();
    simulation.core().seed(&known, &pairs, now).map_err(|error| error.to_string())?;
    simulation.core().flush().map_err(|error| error.to_string())?;
    Ok(())
}

fn place_content(
    simulation: &Simulation,
    program: &Program,
    (entity, id): &Record,
    content: &Content,
) -> Result<(), String> {
    let system = &program.systems[&entity.system];
    simulation.twins[&entity.system].place_content(&system.lock, &entity.entity, id, content)
}

/// The fields by which syncs know records of an entity.
fn key_fields(program: &Program, entity: &EntityName) -> BTreeSet<String> {
    let of = |(index, side): (usize, Side)| {
        let keys = &program.syncs[index].keys;
        keys.iter().map(move |(left, right)| if side == Side::Left { left } else { right })
    };
    program.syncs_of(entity).flat_map(of).cloned().collect()
}

/// Do the two have the same value of a match key?
fn matches(view: &View<'_>, sync: &Sync, left: &Record, right: &Record) -> bool {
    sync.keys.iter().any(|(l, r)| {
        let mapping = sync
            .fields
            .iter()
            .find(|mapping| matches!(&mapping.kind, MappingKind::Field { left, right, .. } if left == l && right == r));
        let key = |side: Side, record: &Record, field: &str| {
            let value = view.value(record, field).ok()?;
            match mapping {
                Some(mapping) => canonical(view.program, sync, mapping, side, &value).ok(),
                None => Some(value),
            }
        };
        match (key(Side::Left, left, l), key(Side::Right, right, r)) {
            (Some(left), Some(right)) => !left.is_empty() && same(&left, &right),
            _ => false,
        }
    })
}

fn wire(
    program: &Program,
    entity: &EntityName,
    name: &str,
    field: &Field,
    value: &Value,
    spelled: bool,
) -> Result<Json, String> {
    if spelled {
        return Ok(encode_field(value));
    }
    let value = dsl::eval::coerce(value.clone(), field).map_err(|fault| fault.to_string())?;
    Ok(encode(program, entity, name, &value))
}

/// Puts a value into a record, or inside of a structured value of it.
pub(super) fn put(values: &mut BTreeMap<String, Json>, field: &str, inside: &[String], value: Json) {
    let mut at = values.entry(field.to_owned()).or_insert(Json::Null);
    for name in inside {
        if !at.is_object() {
            *at = Json::Object(Map::new());
        }
        at = &mut at[name.as_str()];
    }
    *at = value;
}

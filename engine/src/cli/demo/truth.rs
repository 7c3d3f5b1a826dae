//! Both sides compared, line by line of the rules.
//!
//! In: the program, and what the stand-ins hold. Out: for each sync its pairs, and every value that is not the same.
//! Always true: nothing of the engine's own memory is asked. Records are paired by the sync's match keys, values are
//! read by each system's lock, moved by the rule's line and compared in the domain in which that line compares.

use std::collections::{BTreeMap, BTreeSet};

use dsl::eval::canonical;
use dsl::fault::Fault;
use dsl::program::{Direction, Mapping, MappingKind, Outcome, Side, Sync};
use dsl::schema::EntityName;
use dsl::value::Value;

use super::stage::Stage;
use crate::rehearse::view::{Record, View, evaluate, same};

/// The records of one sync.
#[derive(Debug, Default)]
pub(super) struct Pairs {
    pub(super) pairs: Vec<(String, String)>,
    to_right: BTreeMap<String, String>,
    to_left: BTreeMap<String, String>,
    /// Records that take part and have no partner, left and right.
    pub(super) alone: [Vec<String>; 2],
}

/// A value that is not the same on both sides.
#[derive(Debug)]
pub(super) struct Difference {
    /// Both records, and what each has of the value: fields or links.
    pub(super) places: [(Record, String); 2],
    /// In plain words.
    pub(super) text: String,
}

/// One sync, compared.
#[derive(Debug)]
pub(super) struct Compared {
    pub(super) sync: usize,
    pub(super) pairs: Pairs,
    pub(super) differences: Vec<Difference>,
    /// Records that should have a partner and have none, in plain words.
    pub(super) lonely: Vec<(Record, String)>,
    /// Values that were looked at.
    pub(super) values: usize,
}

impl Compared {
    pub(super) fn equal(&self) -> bool {
        self.differences.is_empty() && self.alone(Side::Left) == 0 && self.alone(Side::Right) == 0
    }

    fn alone(&self, side: Side) -> usize {
        self.pairs.alone[slot(side)].len()
    }

    /// Records of a side that take part.
    pub(super) fn count(&self, side: Side) -> usize {
        self.pairs.pairs.len() + self.alone(side)
    }
}

fn slot(side: Side) -> usize {
    match side {
        Side::Left => 0,
        Side::Right => 1,
    }
}

impl Pairs {
    /// The record that belongs to `id` on `side`.
    pub(super) fn partner(&self, side: Side, id: &str) -> Option<&String> {
        match side {
            Side::Left => self.to_right.get(id),
            Side::Right => self.to_left.get(id),
        }
    }
}

/// Compares every sync of the program. `made` are the records that people made.
pub(super) fn compare(stage: &Stage, made: &BTreeSet<Record>) -> Vec<Compared> {
    let program = &stage.program;
    let mut paired: Vec<Pairs> = program.syncs.iter().map(|sync| pair(stage, sync)).collect();
    let mut all = Vec::with_capacity(paired.len());
    for (index, sync) in program.syncs.iter().enumerate() {
        let mut differences = Vec::new();
        let mut values = 0;
        for (left, right) in &paired[index].pairs {
            let records = [(sync.left.clone(), left.clone()), (sync.right.clone(), right.clone())];
            let vars = variables(&records);
            let view = stage.view(&vars);
            for mapping in &sync.fields {
                let target = if mapping.direction.writes(Side::Right) { 1 } else { 0 };
                if mapping.on_create && made.contains(&records[target]) {
                    // It is written only into a record that the engine makes.
                    continue;
                }
                let held = [Side::Left, Side::Right].map(|side| value(&view, &paired, sync, mapping, side, &records));
                let shown = match &held {
                    [Ok(None), _] | [_, Ok(None)] => continue,
                    [Ok(Some(left)), Ok(Some(right))] if same(left, right) => {
                        values += 1;
                        continue;
                    }
                    held => held.each_ref().map(|side| match side {
                        Ok(value) => shown(value.as_ref()),
                        Err(fault) => format!("unreadable ({fault})"),
                    }),
                };
                values += 1;
                let product = |side| product(sync.entity(side));
                let text = format!(
                    "{}, `{}`: {} has {}, {} has {}",
                    named(&view, &records[0]),
                    mapping.text,
                    product(Side::Left),
                    shown[0],
                    product(Side::Right),
                    shown[1]
                );
                let [left, right] = places(mapping);
                let places = [(records[0].clone(), left), (records[1].clone(), right)];
                differences.push(Difference { places, text });
            }
        }
        all.push((differences, values));
    }
    let compared = all.into_iter().enumerate().map(|(index, (differences, values))| {
        let sync = &program.syncs[index];
        let pairs = std::mem::take(&mut paired[index]);
        let none = BTreeMap::new();
        let view = stage.view(&none);
        let mut lonely = Vec::new();
        for side in [Side::Left, Side::Right].into_iter().filter(|side| sync.create.contains(&side.other())) {
            for id in &pairs.alone[slot(side)] {
                let record = (sync.entity(side).clone(), id.clone());
                let other = sync.entity(side.other());
                let text = format!("{} has no {} in {}", named(&view, &record), other.entity, product(other));
                lonely.push((record, text));
            }
        }
        Compared { sync: index, pairs, differences, lonely, values }
    });
    compared.collect()
}

fn variables(records: &[Record; 2]) -> BTreeMap<String, Record> {
    ["left", "right"].into_iter().map(str::to_owned).zip(records.iter().cloned()).collect()
}

/// Which records are the same thing, by the match keys.
fn pair(stage: &Stage, sync: &Sync) -> Pairs {
    let none = BTreeMap::new();
    let view = stage.view(&none);
    let mut free = [&sync.left, &sync.right].map(|entity| view.ids(entity));
    let mut pairs = Pairs::default();
    // Key by key, in the order of the rules: what an earlier key has paired is not free for a later one.
    for (left, right) in &sync.keys {
        let mut by_key: BTreeMap<Value, Vec<String>> = BTreeMap::new();
        for id in free[1].iter().rev() {
            if let Some(key) = key(&view, sync, Side::Right, id, right, (left, right)) {
                by_key.entry(key).or_default().push(id.clone());
            }
        }
        for id in &free[0] {
            let partner =
                key(&view, sync, Side::Left, id, left, (left, right)).and_then(|key| by_key.get_mut(&key)?.pop());
            if let Some(partner) = partner {
                pairs.to_right.insert(id.clone(), partner.clone());
                pairs.to_left.insert(partner, id.clone());
            }
        }
        free[0].retain(|id| !pairs.to_right.contains_key(id));
        free[1].retain(|id| !pairs.to_left.contains_key(id));
    }
    let takes_part = |left: Option<&String>, right: Option<&String>| {
        let Some(only) = &sync.only else { return true };
        let left = left.map(|id| ("left".to_owned(), (sync.left.clone(), id.clone())));
        let right = right.map(|id| ("right".to_owned(), (sync.right.clone(), id.clone())));
        let vars: BTreeMap<String, Record> = left.into_iter().chain(right).collect();
        evaluate(&stage.view(&vars), only).is_ok_and(|holds| holds == Value::Flag(true))
    };
    pairs.to_right.retain(|left, right| takes_part(Some(left), Some(right)));
    pairs.to_left.retain(|right, left| pairs.to_right.get(left) == Some(right));
    pairs.pairs = pairs.to_right.iter().map(|(left, right)| (left.clone(), right.clone())).collect();
    let [left, right] = free;
    pairs.alone = [
        left.into_iter().filter(|id| takes_part(Some(id), None)).collect(),
        right.into_iter().filter(|id| takes_part(None, Some(id))).collect(),
    ];
    pairs
}

/// A match key in the domain in which keys compare; nothing where it is empty.
fn key(view: &View<'_>, sync: &Sync, side: Side, id: &str, field: &str, key: (&String, &String)) -> Option<Value> {
    let value = view.value(&(sync.entity(side).clone(), id.to_owned()), field).ok()?;
    let line = sync
        .fields
        .iter()
        .find(|mapping| matches!(&mapping.kind, MappingKind::Field { left, right, .. } if (left, right) == key));
    let value = match line {
        Some(line) => canonical(view.program, sync, line, side, &value).ok()?,
        None => value,
    };
    (!value.is_empty()).then_some(value)
}

/// One side's value of a line; nothing where the line leaves the other side alone.
fn value(
    view: &View<'_>,
    paired: &[Pairs],
    sync: &Sync,
    mapping: &Mapping,
    side: Side,
    records: &[Record; 2],
) -> Result<Option<Value>, Fault> {
    let source = match mapping.direction {
        Direction::Both => None,
        Direction::ToRight => Some(Side::Left),
        Direction::ToLeft => Some(Side::Right),
    };
    let record = &records[slot(side)];
    let plain = |field: &str| canonical(view.program, sync, mapping, side, &view.value(record, field)?);
    let value = match &mapping.kind {
        MappingKind::Field { left, right, .. } => plain(if side == Side::Left { left } else { right })?,
        MappingKind::Computed { source: expression, .. } if source == Some(side) => {
            canonical(view.program, sync, mapping, side, &evaluate(view, expression)?)?
        }
        MappingKind::Computed { target, .. } => plain(target)?,
        MappingKind::Link { left, right, via, straight } => {
            let path = if side == Side::Left { left } else { right };
            let via_side = if *straight { side } else { side.other() };
            match view.follow_all(record, path) {
                None => Value::Empty,
                // Two links are the same where the records that they lead to are a pair.
                Some((_, id)) => match (via_side, paired[*via].partner(via_side, &id)) {
                    (Side::Left, Some(_)) => Value::Text(id),
                    (Side::Right, Some(left)) => Value::Text(left.clone()),
                    (_, None) if source == Some(side) && mapping.on_empty == Outcome::Clear => Value::Empty,
                    (_, None) => Value::Text(format!("{id}, which has no partner")),
                },
            }
        }
    };
    let left_alone = matches!(mapping.on_empty, Outcome::Keep | Outcome::Skip | Outcome::Never | Outcome::Fail);
    let is_link = matches!(mapping.kind, MappingKind::Link { .. });
    if source == Some(side) && value.is_empty() && left_alone && !(is_link && mapping.on_empty == Outcome::Never) {
        return Ok(None);
    }
    Ok(Some(value))
}

/// What each side has of a line: a field or the first link.
pub(super) fn places(mapping: &Mapping) -> [String; 2] {
    [Side::Left, Side::Right].map(|side| place(mapping, side))
}

fn place(mapping: &Mapping, side: Side) -> String {
    match &mapping.kind {
        MappingKind::Field { left, right, .. } => if side == Side::Left { left } else { right }.clone(),
        MappingKind::Computed { target, .. } if mapping.direction.writes(side) => target.clone(),
        // Of what a value was worked out, the line says it all.
        MappingKind::Computed { source: dsl::program::Expr::Field { field, links, .. }, .. } => {
            links.first().unwrap_or(field).clone()
        }
        MappingKind::Computed { .. } => String::new(),
        MappingKind::Link { left, right, .. } => {
            if side == Side::Left { left } else { right }.first().cloned().unwrap_or_default()
        }
    }
}

fn shown(value: Option<&Value>) -> String {
    match value {
        Some(Value::Empty) | None => "nothing".to_owned(),
        Some(value) => format!("`{value}`"),
    }
}

/// What the story calls a system.
pub(super) fn product(entity: &EntityName) -> &str {
    match entity.system.as_str() {
        "app" => "the app",
        "crm" => "HubSpot",
        other => other,
    }
}

/// A record in words: its kind, and what people know it by.
pub(super) fn named(view: &View<'_>, record: &Record) -> String {
    let known_by = ["email", "dealname", "name", "subject", "title", "hs_note_body", "body", "kind"];
    let fields = view.program.entity(&record.0).map(|entity| &entity.fields);
    let name = known_by.into_iter().filter(|field| fields.is_some_and(|fields| fields.contains_key(*field)));
    let name = name.filter_map(|field| view.wire(record, field).as_str().map(str::to_owned)).find(|n| !n.is_empty());
    let first = name.unwrap_or_default().lines().next().unwrap_or_default().to_owned();
    match first.as_str() {
        "" => format!("{} {}", record.0.entity, record.1),
        name => format!("{} {} ({name})", record.0.entity, record.1),
    }
}

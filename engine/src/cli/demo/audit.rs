//! What became of everything that people did: lost values, and records and effects that are one too many.
//!
//! In: the values that people wrote, both sides compared, and the history of the stopped engine's ledger. Out: what
//! was lost and what was doubled, in plain words.
//! Always true: a value is lost unless both sides end with it, its own author replaced it, somebody on the other side
//! replaced it after it had arrived there, or history names it as written over.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use dsl::decode::decode;
use dsl::program::{ActionKind, Op, Side};
use dsl::schema::EntityName;
use dsl::value::{Timestamp, Value};
use serde_json::Value as Json;

use super::Failed;
use super::stage::Stage;
use super::truth::{Compared, named, product};
use super::written::{Effect, Written};
use crate::decide::Event;
use crate::ledger::{Seq, records};
use crate::rehearse::view::Record;

/// What became of what people wrote.
#[derive(Debug, Default)]
pub(super) struct Fate {
    /// Values that people wrote.
    pub(super) written: usize,
    /// Those that history names as written over.
    pub(super) superseded: usize,
    /// Those that are nowhere, in plain words.
    pub(super) lost: Vec<String>,
}

/// The lines of history that name a value which was written over, from the ledger of an engine that has ended.
pub(super) fn written_over(state: &Path) -> Result<Vec<Event>, Failed> {
    let unreadable = |error: &dyn std::fmt::Display| Failed(format!("the engine's history cannot be read: {error}"));
    let mut found = Vec::new();
    for record in records(state, Seq(1)).map_err(|error| unreadable(&error))? {
        let (_, bytes) = record.map_err(|error| unreadable(&error))?;
        let event: Event = serde_json::from_slice(&bytes).map_err(|error| unreadable(&error))?;
        if event.displaced.is_some() {
            found.push(event);
        }
    }
    Ok(found)
}

/// Looks up every value that people wrote.
pub(super) fn fate(stage: &Stage, compared: &[Compared], history: &[Event]) -> Fate {
    let mut fate = Fate { written: stage.written.len(), ..Fate::default() };
    let unequal: BTreeSet<(&Record, &str)> = compared
        .iter()
        .flat_map(|sync| &sync.differences)
        .flat_map(|difference| &difference.places)
        .map(|(record, field)| (record, field.as_str()))
        .collect();
    let lonely: BTreeSet<&Record> = compared.iter().flat_map(|sync| &sync.lonely).map(|(record, _)| record).collect();
    // The last value of each field of each record; its own author replaced the others.
    let mut last: BTreeMap<(&Record, &str), usize> = BTreeMap::new();
    for (index, written) in stage.written.iter().enumerate() {
        last.insert((&written.record, written.field.as_str()), index);
    }
    for ((record, field), index) in last {
        let written = &stage.written[index];
        let now = held(stage, record, field);
        let stands = now == value(stage, record, field, &written.value);
        if stands && !unequal.contains(&(record, field)) && !lonely.contains(record) {
            continue;
        }
        if replaced_there(stage, compared, written, &stage.written[index + 1..]) {
            continue;
        }
        if history.iter().any(|event| names(event, written, &value(stage, record, field, &written.value))) {
            fate.superseded += 1;
            continue;
        }
        let none = BTreeMap::new();
        fate.lost.push(format!(
            "{}, `{field}`: somebody wrote `{}` in {}; now it is `{now}`, and no line of history says why",
            named(&stage.view(&none), record),
            printed(&written.value),
            product(&record.0),
        ));
    }
    fate
}

fn printed(wire: &Json) -> String {
    wire.as_str().map_or_else(|| wire.to_string(), str::to_owned)
}

/// A written value as the rules read it. A link's is the id that it leads to.
fn value(stage: &Stage, record: &Record, field: &str, wire: &Json) -> Value {
    if stage.program.field(&record.0, field).is_none() {
        return wire.as_str().map_or(Value::Empty, Value::text);
    }
    decode(&stage.program, &record.0, field, wire).unwrap_or_else(|_| Value::text(printed(wire)))
}

/// What a record holds now.
fn held(stage: &Stage, record: &Record, field: &str) -> Value {
    let none = BTreeMap::new();
    let view = stage.view(&none);
    if stage.program.field(&record.0, field).is_none() {
        return view.follow(record, field).map_or(Value::Empty, |(_, id)| Value::Text(id));
    }
    view.value(record, field).unwrap_or_else(|_| Value::text(printed(&view.wire(record, field))))
}

/// Somebody on the other side replaced this very value after it had arrived there.
fn replaced_there(stage: &Stage, compared: &[Compared], written: &Written, later: &[Written]) -> bool {
    let (entity, id) = &written.record;
    stage.program.syncs_of(entity).any(|(index, side)| {
        let sync = &stage.program.syncs[index];
        let Some(partner) = compared[index].pairs.partner(side, id) else { return false };
        let other = (sync.entity(side.other()).clone(), partner.clone());
        sync.fields.iter().any(|mapping| {
            let fields = super::truth::places(mapping);
            let (own, theirs) = match side {
                Side::Left => (&fields[0], &fields[1]),
                Side::Right => (&fields[1], &fields[0]),
            };
            let moved = |wire: &Json, of: &Record, field: &str, side: Side| {
                dsl::eval::canonical(&stage.program, sync, mapping, side, &value(stage, of, field, wire)).ok()
            };
            *own == written.field
                && later.iter().any(|edit| {
                    edit.record == other
                        && edit.field == *theirs
                        && moved(&edit.before, &other, theirs, side.other())
                            == moved(&written.value, &written.record, own, side)
                })
        })
    })
}

/// Does this line of history name the value as written over?
fn names(event: &Event, written: &Written, value: &Value) -> bool {
    let (entity, id) = &written.record;
    event.entity == entity.to_string()
        && [&event.left, &event.right].into_iter().any(|known| known.as_ref() == Some(id))
        && event.field.as_ref() == Some(&written.field)
        && event
            .displaced
            .as_ref()
            .is_some_and(|displaced| displaced.to_lowercase() == value.to_string().to_lowercase())
}

/// Records that nobody made and that no rule makes: beyond one for each key, in plain words.
pub(super) fn doubled_records(stage: &Stage, compared: &[Compared], made: &BTreeSet<Record>) -> Vec<String> {
    let program = &stage.program;
    let none = BTreeMap::new();
    let view = stage.view(&none);
    let mut entities: BTreeSet<&EntityName> = program.syncs.iter().flat_map(|sync| [&sync.left, &sync.right]).collect();
    let mut wanted = made.clone();
    let codes = program.whens.iter().map(|when| &when.code).chain(program.workflows.iter().map(|flow| &flow.code));
    for action in codes.flat_map(|code| &code.ops).filter_map(|op| match op {
        Op::Act(action) => Some(&action.kind),
        _ => None,
    }) {
        let ActionKind::Create { entity, key, .. } = action else { continue };
        entities.insert(entity);
        // One record for each value of the key is what the rule says.
        let mut keys = BTreeSet::new();
        for id in view.ids(entity) {
            let record = (entity.clone(), id);
            if view.value(&record, &key.0).is_ok_and(|value| !value.is_empty() && keys.insert(value)) {
                wanted.insert(record);
            }
        }
    }
    // And one partner for each of these.
    let mut grown = true;
    while grown {
        let before = wanted.len();
        for found in compared {
            let sync = &program.syncs[found.sync];
            for (left, right) in &found.pairs.pairs {
                let both = [(sync.left.clone(), left.clone()), (sync.right.clone(), right.clone())];
                if both.iter().any(|record| wanted.contains(record)) {
                    wanted.extend(both);
                }
            }
        }
        grown = wanted.len() > before;
    }
    let all = entities.into_iter().flat_map(|entity| view.ids(entity).into_iter().map(|id| (entity.clone(), id)));
    let extra = all.filter(|record| !wanted.contains(record));
    extra.map(|record| format!("{} in {} is one too many", named(&view, &record), product(&record.0))).collect()
}

impl Stage {
    /// The story asks for an effect: a path of the mail service and a template or role, or an operation of the app.
    pub(super) fn expect(&mut self, by: &str, what: &str, to: &str) {
        *self.effects.entry((by.to_owned(), what.to_owned(), to.to_owned())).or_default() += 1;
    }
}

/// What was sent and called beyond what the story asked for, in plain words. A notice to a colleague carries no key:
/// it may come again where the engine was killed between the two.
pub(super) fn doubled_effects(stage: &Stage) -> Vec<String> {
    let mut happened: BTreeMap<Effect, Vec<Timestamp>> = BTreeMap::new();
    for sent in stage.mail().sent() {
        let word = |name: &str| sent.body[name].as_str().unwrap_or_default().to_owned();
        let what = if sent.path == "/notify" { word("role") } else { word("template") };
        happened.entry((sent.path.clone(), what, word("to"))).or_default().push(sent.at);
    }
    for called in stage.app().operations() {
        happened.entry((called.name.clone(), String::new(), called.id.clone())).or_default().push(called.at);
    }
    let mut doubled = Vec::new();
    for (effect, times) in happened {
        let asked = stage.effects.get(&effect).copied().unwrap_or(0);
        let killed_between = |pair: &&[Timestamp]| stage.kills.iter().any(|kill| pair[0] <= *kill && *kill <= pair[1]);
        let allowed = if effect.0 == "/notify" { times.windows(2).filter(killed_between).count() } else { 0 };
        for _ in asked + allowed..times.len() {
            let (path, what, to) = &effect;
            doubled.push(format!(
                "{} {what} to {to} happened {} times instead of {asked}",
                path.trim_start_matches('/'),
                times.len()
            ));
        }
    }
    doubled
}

#[cfg(test)]
mod tests;

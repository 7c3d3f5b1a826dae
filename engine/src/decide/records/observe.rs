//! What is known of records: observations join by version, whatever their order (SYNC-MODEL.md section 2).
//!
//! In: what a message, a read or an answer says of a record. Out: the record's row, the indexes that hang on
//! it, the links and runs that must look again, and the transitions that `when` may react to.
//! Always true: an older version never replaces a newer one; what was not observed is not touched.

use std::collections::BTreeMap;
use std::sync::Arc;

use connectors::planted::{Mutant, planted};
use connectors::port::Observed;
use dsl::decode::{decode, instant};
use dsl::program::Program;
use dsl::schema::{Change, ChangedAt, EntityName};
use dsl::value::{Timestamp, Value};

use crate::decide::model::expectation::{Content, WriteOutcome};
use crate::decide::model::key;
use crate::decide::model::outcome::Command;
use crate::decide::model::record::{FieldState, FieldValue, Life, LinkFieldState};
use crate::decide::model::task::{Landed, Overwritten, Task, Transition, TransitionKind};
use crate::decide::records::expectations::Expected;
use crate::decide::records::{ahead, expectations};
use crate::decide::store::transaction::Context;
use crate::decide::store::{reads, records};
use crate::ledger::Error;

/// How something was learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// A message of the system.
    Message(Change),
    /// We asked, and the answer is the truth of that moment.
    Read,
    /// The answer to our own change.
    Changed,
    /// The answer to our own create.
    Made,
}

/// Takes what is said of a record. `at` is the time of the message or, for an answer, the input's time.
/// Gives true if anything that is known changed.
pub(crate) fn observe(
    cx: &mut Context<'_>,
    entity: &EntityName,
    seen: &Observed,
    how: How,
    at: Timestamp,
) -> Result<bool, Error> {
    let program = cx.program();
    let Some(lock) = program.entity(entity) else { return Ok(false) };
    let used = program.used.get(entity).cloned().unwrap_or_default();
    let before = cx.record(entity, &seen.id)?;
    if before.as_deref().is_some_and(|row| row.life == Life::Erased) {
        // Nothing of it may be kept, whatever comes late.
        return Ok(false);
    }
    let known = before.is_some();
    let mut row = before.as_deref().cloned().unwrap_or_default();
    ahead::forget(cx, &mut row);
    let said = version(&program, entity, seen).unwrap_or(at);
    let version = ahead::bounded(cx, &entity.system, said)?;
    let mut expected = None;
    let mut changed = !known;
    let mut tie = false;

    // A read is the truth of its moment, so it also settles ties; a message must be newer.
    let trusted = !matches!(how, How::Message(_));
    let replaceable = if how == How::Read { ahead::replaceable(cx, entity, &seen.id)? } else { None };
    let mut ours = Vec::new();
    let mut moved: BTreeMap<String, (Option<Value>, Value)> = BTreeMap::new();
    for (name, wire) in &seen.fields {
        if name == "id" || !(used.fields.contains(name) || records::is_indexed(&program, entity, name)) {
            continue;
        }
        let value = match decode(&program, entity, name, wire) {
            Ok(value) => FieldValue::Is(value),
            Err(fault) => FieldValue::Malformed(fault),
        };
        let old = row.fields.get(name);
        if let FieldValue::Is(value) = &value
            && !old.is_some_and(|old| version >= old.at && matches!(&old.value, FieldValue::Is(old) if old == value))
        {
            let expected = match &mut expected {
                Some(expected) => expected,
                None => expected.insert(Expected::load(cx, entity, &seen.id)?),
            };
            let sighting = Sighting { entity, id: &seen.id, field: name, value, at: version, now: cx.now };
            sighting.account(&program, expected, old, how, &mut ours)?;
        }
        match old {
            Some(old) if replaceable == Some(old.at) => {}
            Some(old) if version < old.at && !planted(Mutant::VersionsIgnored) => continue,
            Some(old) if version == old.at && !trusted && !planted(Mutant::TieByMessage) => {
                tie |= old.value != value;
                continue;
            }
            _ => {}
        }
        let same = old.is_some_and(|old| old.value == value);
        if !same {
            changed = true;
            records::reindex(cx, &program, entity, &seen.id, name, old.map(|o| &o.value), &value);
            if let FieldValue::Is(new) = &value {
                let old = old.and_then(|o| match &o.value {
                    FieldValue::Is(value) => Some(value.clone()),
                    FieldValue::Malformed(_) => None,
                });
                moved.insert(name.clone(), (old, new.clone()));
            }
        }
        let (since, earlier) = match old {
            Some(old) if same => (old.changed, old.before),
            old => (version, after(how, old.map(|old| old.at))),
        };
        row.fields.insert(name.clone(), FieldState { value, at: version, changed: since, before: earlier });
    }
    if planted(Mutant::DoubtForgotten) && how == How::Read {
        let mut doubted = expected.take().map_or_else(|| Expected::load(cx, entity, &seen.id), Ok)?;
        doubted.retain(|write| write.outcome != WriteOutcome::InDoubt);
        expected = Some(doubted);
    }
    if let Some(expected) = expected {
        expected.save(cx);
    }
    for (name, target) in &seen.links {
        if !used.links.contains(name) {
            continue;
        }
        let old = row.links.get(name);
        match old {
            Some(old) if replaceable == Some(old.at) => {}
            Some(old) if version < old.at && !planted(Mutant::LinkVersionsIgnored) => continue,
            Some(old) if version == old.at && !trusted => {
                tie |= old.id != *target;
                continue;
            }
            _ => {}
        }
        let same = old.is_some_and(|old| old.id == *target);
        if !same {
            changed = true;
            let to = EntityName::new(&entity.system, lock.links.get(name).map_or_else(String::new, |l| l.to.clone()));
            // The one before stays: what a record that was deleted was linked to is linked again when it is restored.
            if let Some(new) = target {
                cx.put(key::backlink(&to, new, entity, &seen.id), &(entity.clone(), seen.id.clone()));
            }
        }
        let (since, earlier) = match old {
            Some(old) if same => (old.changed, old.before),
            old => (version, after(how, old.map(|old| old.at))),
        };
        row.links
            .insert(name.clone(), LinkFieldState { id: target.clone(), at: version, changed: since, before: earlier });
    }
    if seen.complete {
        // A read is complete as of the time it was asked; a message as of its own.
        let as_of = if trusted { version.max(at) } else { version };
        // Whoever waits for the whole of it goes on, even where nothing of it is new.
        changed |= row.complete_at.is_none();
        row.complete_at = Some(row.complete_at.map_or(as_of, |old| old.max(as_of)));
    }
    row.latest = row.latest.max(version);
    row.heard = cx.now;
    if !matches!(how, How::Message(_)) && matches!(row.life, Life::Deleted(_)) && how == How::Read {
        row.life = Life::Live;
        records::index(cx, entity, &seen.id, &row);
        changed = true;
        // No message told that it came back, or it bore an older time than what told that it was gone.
        cx.task(Task::Restored { entity: entity.clone(), id: seen.id.clone() });
    }

    if replaceable.is_some() {
        ahead::settle(cx, entity, &seen.id);
    } else if !trusted && version != said {
        ahead::read_anew(cx, entity, &seen.id)?;
    }

    for task in ours {
        cx.task(task);
    }

    // Transitions.
    let created = matches!(how, How::Message(Change::Created)) || how == How::Made;
    if created && !row.created {
        row.created = true;
        if matches!(row.life, Life::Live) {
            cx.task(Task::React(Transition {
                entity: entity.clone(),
                id: seen.id.clone(),
                kind: TransitionKind::Created,
                at: if trusted { at } else { version },
            }));
        }
    }
    let fields = program.whens.iter().filter(|when| when.entity == *entity).flat_map(|when| when.fields());
    for field in fields {
        let Some(FieldState { value: FieldValue::Is(now), .. }) = row.fields.get(field) else { continue };
        let now = now.clone();
        let mentioned = seen.fields.contains_key(field);
        let old = match row.notified.get(field) {
            Some(told) if *told == now => continue,
            Some(told) => told.clone(),
            None => match moved.get(field) {
                // Planned by a read before, and now another value.
                Some((Some(old), _)) => old.clone(),
                // First seen: only a message that is about this field, or about the making, says that it changed.
                _ if created || (matches!(how, How::Message(_)) && mentioned && !seen.complete) => Value::Empty,
                // A whole record, or an answer to our write, shows where changes begin; a message about another field
                // does not, since the one about this field may be behind it. What is about to react is no beginning.
                _ if how == How::Changed || (matches!(how, How::Message(_)) && seen.complete) => {
                    if !cx.reacts(entity, &seen.id, field) {
                        row.notified.insert(field.clone(), now);
                    }
                    continue;
                }
                _ => continue,
            },
        };
        let kind = TransitionKind::Changes { field: field.clone(), old, new: now };
        let transition =
            Transition { entity: entity.clone(), id: seen.id.clone(), kind, at: if trusted { at } else { version } };
        cx.task(Task::React(transition));
    }

    let row = Arc::new(row);
    if before.as_deref() != Some(&*row) {
        cx.learn(entity, &seen.id, row);
    }
    if !known {
        records::forget_absence(cx, entity, "id", &seen.id);
    }
    if changed {
        cx.command(Command::Invalidate {
            system: entity.system.clone(),
            entity: entity.entity.clone(),
            id: seen.id.clone(),
        });
        // Of what an answer shows for the first time nobody knows when it came to be.
        let moved = how == How::Made || moved.values().any(|(old, _)| old.is_some());
        if trusted && moved {
            let own = how != How::Read;
            cx.task(Task::Moved { entity: entity.clone(), id: seen.id.clone(), at: version, own });
        }
        cx.task(Task::Changed { entity: entity.clone(), id: seen.id.clone() });
    }
    if tie {
        reads::refresh(cx, entity, &seen.id)?;
    }
    Ok(changed)
}

/// The time after which a value that is new to us was set, where that is not told: an answer has the time of its record,
/// and the value may be as old as the last thing that is known of its field. A message is about the change itself.
fn after(how: How, known: Option<Timestamp>) -> Option<Timestamp> {
    match how {
        How::Message(_) => None,
        How::Read | How::Changed | How::Made => Some(known.unwrap_or_default()),
    }
}

/// The version that a system gives what it says of a record; none where it gives none.
pub(crate) fn version(program: &Program, entity: &EntityName, seen: &Observed) -> Option<Timestamp> {
    let lock = program.entity(entity)?;
    let told = match &lock.changed_at {
        ChangedAt::Field(name) => {
            seen.fields.get(name).and_then(|wire| instant(lock.fields.get(name), wire).ok().flatten())
        }
        _ => None,
    };
    told.or(seen.changed_at)
}

/// A value of a field to which writes of ours are not over, as it is seen.
struct Sighting<'a> {
    entity: &'a EntityName,
    id: &'a str,
    field: &'a str,
    value: &'a Value,
    at: Timestamp,
    now: Timestamp,
}

impl Sighting<'_> {
    /// Is it a write of ours that takes effect, and what does that replace? Or an outside change that one of them
    /// overwrote? `old` is what was known of the field.
    fn account(
        &self,
        program: &Program,
        expected: &mut Expected,
        old: Option<&FieldState>,
        how: How,
        tasks: &mut Vec<Task<'_>>,
    ) -> Result<(), Error> {
        let (field, writes) = (self.field, expected.of(self.field));
        let unreadable = |reason| expected.unreadable(reason);
        let alike = |one: &Value, other: &Value| expectations::alike(program, self.entity, field, one, other);
        let stands = old.and_then(|old| match &old.value {
            FieldValue::Is(value) => Some((value, old.at)),
            FieldValue::Malformed(_) => None,
        });
        let newest = old.is_none_or(|old| self.at >= old.at);
        if let Some(index) = expectations::landing(writes, self.value, self.at, self.now, &alike).map_err(unreadable)? {
            let write = &writes[index];
            let content = write.content.unpack().map_err(unreadable)?;
            let is_last = writes.iter().all(|other| other.landed().is_none_or(|landed| landed <= self.at));
            if let Some(link) = write.link.filter(|_| is_last) {
                tasks.push(Task::Landed(Landed {
                    link,
                    mapping: content.mapping.clone(),
                    field: field.to_owned(),
                    canonical: content.canonical.clone(),
                    restore: content.restore,
                    doubted: write.outcome == WriteOutcome::InDoubt,
                }));
            }
            let is_looked_for =
                newest && !(planted(Mutant::NoWriteOverInFlight) && write.outcome == WriteOutcome::InFlight);
            let mut replaced = None;
            if let Some((value, at)) = stands.filter(|_| is_looked_for)
                && expectations::replaces(writes, &content, value, at, &alike).map_err(unreadable)?
            {
                // The edit is as old as the first message that showed it.
                let since = old.map_or(at, |old| old.changed);
                let after = old.and_then(|old| old.before);
                tasks.push(Task::Overwritten(self.overwritten(content, value, since, after)));
                replaced = Some(since);
            }
            if let Some(write) = expected.change(field, index) {
                write.covered = replaced.or(write.covered);
                write.outcome = WriteOutcome::Landed(self.at);
            }
            return Ok(());
        }
        // What an answer shows of an older moment was looked at when its record was read.
        let late = matches!(how, How::Message(_)) && !planted(Mutant::NoWriteOverDetection);
        let Some(stands) = stands.filter(|(_, at)| late && self.at <= *at) else { return Ok(()) };
        let covering = expectations::covering(writes, self.value, self.at, stands, &alike).map_err(unreadable)?;
        if let Some(index) = covering {
            let content = writes[index].content.unpack().map_err(unreadable)?;
            tasks.push(Task::Overwritten(self.overwritten(content, self.value, self.at, None)));
            if let Some(write) = expected.change(field, index) {
                write.covered = Some(self.at);
            }
        }
        Ok(())
    }

    fn overwritten(&self, write: Content, value: &Value, at: Timestamp, after: Option<Timestamp>) -> Overwritten {
        Overwritten {
            entity: self.entity.clone(),
            id: self.id.to_owned(),
            field: self.field.to_owned(),
            value: value.clone(),
            at,
            after,
            known: write.known,
        }
    }
}

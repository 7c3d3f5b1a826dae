//! What a write led to: the base moves only with what the system says that it holds.
//!
//! Always true: an answer that does not come leaves the write in doubt, and a record that may have been made is looked
//! for before it is made again; every try that does not succeed makes the next one wait longer, and in time people are
//! shown that none does.

use std::collections::BTreeMap;
use std::sync::Arc;

use connectors::planted::{Mutant, planted};
use connectors::port::{Observed, Refusal};
use dsl::decode::{decode, encode};
use dsl::program::{Place, Side};
use dsl::schema::EntityName;
use dsl::value::Timestamp;

use crate::decide::links::sides::{Resolution, comparable, side_value};
use crate::decide::links::{matching, own_key};
use crate::decide::model::answer::{CreateAnswer, Failure, NotDone, UpdateAnswer};
use crate::decide::model::canonical::Canonical;
use crate::decide::model::event::{Action, Event};
use crate::decide::model::expectation::WriteOutcome;
use crate::decide::model::key;
use crate::decide::model::link::{Attempted, HeldLine, LinkEvent, LinkState, RestoredBase};
use crate::decide::model::need::Need;
use crate::decide::model::record::{FieldValue, Life};
use crate::decide::model::task::Task;
use crate::decide::model::trace::Wrote;
use crate::decide::model::written::Written;
use crate::decide::records::ahead;
use crate::decide::records::expectations::{self, LONGEST_LIFE};
use crate::decide::records::observe::{How, observe, version};
use crate::decide::records::removal;
use crate::decide::store::links::{OpenLink, UNSTABLE_AFTER};
use crate::decide::store::records;
use crate::decide::store::transaction::Context;
use crate::ledger::Error;

/// Takes the answer to the making of a record.
pub(crate) fn created(
    cx: &mut Context<'_>,
    link: &mut OpenLink,
    side: Side,
    writes: &[Written],
    answer: CreateAnswer<'_>,
) -> Result<(), Error> {
    match answer {
        Ok(observed) => {
            cx.wrote(|| lines(link, side, &observed.id, true, writes));
            link.went_through();
            link.creates += 1;
            log(cx, link, (side, &observed.id), Action::Create, writes);
            let entity = link.entity(side).clone();
            let record = expectations::living(cx, &entity, &observed.id)?;
            if !give(cx, link, side, &record)? {
                return Ok(());
            }
            if link.attempted.as_ref().is_some_and(|attempted| !attempted.values.is_empty()) {
                // An earlier create may be the one that made it: what it holds tells.
                attempt(cx, link, side, writes);
                took(cx, link, side, &[], observed, How::Made)?;
            } else {
                move_bases(link, writes);
                if record == observed.id {
                    took(cx, link, side, writes, observed, How::Made)?;
                }
            }
            if cx.record(&entity, &record)?.is_some_and(|row| matches!(row.life, Life::Deleted(_) | Life::Erased)) {
                // It was gone before we knew that it is ours.
                let erased = cx.record(&entity, &record)?.is_some_and(|row| row.life == Life::Erased);
                cx.task(Task::Deleted { entity, id: record, erased });
            } else if record != observed.id {
                link.wait_for(cx, &Need::record(&entity, &record))?;
            }
            cx.task(Task::Link(link.id));
            Ok(())
        }
        Err(Failure::NotDone(NotDone::Refused { reason, refusal: Refusal::Exists(existing) })) => {
            adopt(cx, link, side, existing.as_deref(), reason)
        }
        Err(Failure::Unknown { cause }) if planted(Mutant::CreateInDoubtResent) => {
            failed(cx, link, side, writes, NotDone::Retry { after: None, cause })
        }
        Err(Failure::Unknown { cause }) => {
            log_doubt(cx, link, side, cause);
            attempt(cx, link, side, writes);
            creation_in_doubt(cx, link, side, cause)
        }
        Err(Failure::NotDone(why)) => failed(cx, link, side, writes, why),
    }
}

/// Keeps what was sent to make a record of which nobody knows whether it was made.
fn attempt(cx: &Context<'_>, link: &mut OpenLink, side: Side, writes: &[Written]) {
    let until = cx.now.plus(LONGEST_LIFE);
    let attempted = link.attempted.get_or_insert_with(|| Attempted { side, values: BTreeMap::new(), until });
    attempted.until = until;
    for write in writes {
        let values = attempted.values.entry(write.mapping.clone()).or_default();
        values.retain(|value| *value != write.canonical);
        values.push(write.canonical.clone());
        if values.len() > MOST_ATTEMPTS {
            values.remove(0);
        }
    }
}

/// How many values are kept of one line that creates in doubt have sent.
const MOST_ATTEMPTS: usize = 16;

/// Gives the link the record that was made for it. False where it belongs to another link by now, which has a partner.
fn give(cx: &mut Context<'_>, link: &mut OpenLink, side: Side, record: &str) -> Result<bool, Error> {
    if link.ids[side].is_some() {
        return Ok(true);
    }
    let holder = cx.get(&key::link_of(&link.sync.name, side, record))?.filter(|holder| *holder != link.id);
    if let Some(holder) = holder
        && let Some(held) = OpenLink::existing(cx, holder)?
    {
        if held.state != LinkState::Gone && (held.ids[side.other()].is_some() || held.is_in_flight()) {
            let system = &link.entity(side).system;
            let why = format!("{record}, which was made for it in {system}, belongs to another pair already");
            link.park(cx, why)?;
            return Ok(false);
        }
        // It began from a message about the very record, or with a record that ours was merged into.
        held.settle_incident(cx)?;
        held.yield_record(cx, side);
    }
    matching::pair(cx, link, side, record.to_owned())?;
    Ok(true)
}

/// Takes the answer to the change of a record.
pub(crate) fn updated(
    cx: &mut Context<'_>,
    link: &mut OpenLink,
    side: Side,
    (asked, sent): (&str, Timestamp),
    writes: &[Written],
    answer: UpdateAnswer<'_>,
) -> Result<(), Error> {
    // What the answer says is about the record that was asked for, whatever the pair holds by now.
    let entity = link.entity(side).clone();
    let record = expectations::living(cx, &entity, asked)?;
    match answer {
        Ok(Some(observed)) => {
            cx.wrote(|| lines(link, side, &observed.id, false, writes));
            link.went_through();
            move_bases(link, writes);
            if record == asked && asked != observed.id {
                removal::merged(cx, &entity, &observed.id, asked, cx.now)?;
            }
            took(cx, link, side, writes, observed, How::Changed)?;
            log(cx, link, (side, &observed.id), Action::Update, writes);
            cx.task(Task::Link(link.id));
            Ok(())
        }
        Ok(None) if planted(Mutant::MissingIgnored) => Ok(()),
        Ok(None) => {
            expectations::settle(cx, &entity, &record, link.id, None)?;
            removal::missing(cx, &entity, &record, sent)?;
            cx.task(Task::Link(link.id));
            Ok(())
        }
        Err(Failure::Unknown { cause }) if planted(Mutant::UpdateInDoubtResent) => {
            failed(cx, link, side, writes, NotDone::Retry { after: None, cause })
        }
        Err(Failure::Unknown { cause }) => {
            log_doubt(cx, link, side, cause);
            expectations::settle(cx, &entity, &record, link.id, Some(WriteOutcome::InDoubt))?;
            change_in_doubt(cx, link, side, cause)
        }
        Err(Failure::NotDone(why)) => {
            expectations::settle(cx, &entity, &record, link.id, None)?;
            failed(cx, link, side, writes, why)
        }
    }
}

/// The base of each line is what was written, unless the write put an overwritten value back.
fn move_bases(link: &mut OpenLink, writes: &[Written]) {
    if planted(Mutant::AcknowledgementKeepsBase) {
        return;
    }
    for write in writes {
        move_base(link, &write.mapping, &write.canonical, write.restore);
    }
}

/// What was written is the base of its line, unless it put an overwritten value back.
pub(crate) fn move_base(link: &mut OpenLink, mapping: &str, written: &Canonical, restore: bool) {
    let base = if restore {
        // What is seen first and acknowledged then is put back once.
        if link.restores.get(mapping).is_none_or(|owed| owed.value != *written) {
            return;
        }
        match link.restores.remove(mapping).map(|owed| owed.base) {
            Some(RestoredBase::Becomes(base)) => base,
            Some(RestoredBase::Stays) if planted(Mutant::BaseMovesOnRestore) => Some(written.clone()),
            Some(RestoredBase::Stays) | None => return,
        }
    } else {
        Some(written.clone())
    };
    match base {
        Some(base) => drop(link.base.insert(mapping.to_owned(), base)),
        None => drop(link.base.remove(mapping)),
    }
}

/// The system has taken a write: what it says of the record is observed, and that the write took effect.
fn took(
    cx: &mut Context<'_>,
    link: &mut OpenLink,
    side: Side,
    writes: &[Written],
    observed: &Observed,
    how: How,
) -> Result<(), Error> {
    let entity = link.entity(side).clone();
    let mut acknowledged = acknowledged(link, &entity, writes, observed);
    let told = version(&link.sync.program, &entity, &acknowledged);
    let undated: Vec<&Written> = writes.iter().filter(|write| write.link && told.is_none()).collect();
    if !undated.is_empty() {
        // Our clock is no version of theirs: what is linked now is read.
        undated.iter().for_each(|write| drop(acknowledged.links.remove(&write.field)));
        let fields: Vec<&str> = undated.iter().map(|write| write.field.as_str()).collect();
        records::forget_links(cx, &entity, &observed.id, &fields)?;
        link.wait_for(cx, &Need::record(&entity, &observed.id))?;
    }
    let held = writes.iter().filter(|write| !write.link).filter_map(|write| {
        let held = decode(&link.sync.program, &entity, &write.field, acknowledged.fields.get(&write.field)?).ok()?;
        (held != write.value).then_some((write.field.as_str(), held))
    });
    expectations::shown(cx, &entity, &observed.id, link.id, held.collect())?;
    observe(cx, &entity, &acknowledged, how, cx.now)?;
    let landed = ahead::bounded(cx, &entity.system, told.unwrap_or(cx.now))?;
    expectations::settle(cx, &entity, &observed.id, link.id, Some(WriteOutcome::Landed(landed)))?;
    check_stable(cx, link, side, &observed.id, writes)
}

fn log(cx: &mut Context<'_>, link: &OpenLink, (side, record): (Side, &str), action: Action, writes: &[Written]) {
    let fields = writes.iter().map(|w| w.field.as_str()).collect::<Vec<_>>().join(", ");
    let mut line = link.event(cx, action);
    match side {
        Side::Left => line.left = Some(record.to_owned()),
        Side::Right => line.right = Some(record.to_owned()),
    }
    let entity = link.entity(side).to_string();
    cx.log(Event { entity, field: Some(fields), value: Some(printed(writes)), ..line });
}

fn log_doubt(cx: &mut Context<'_>, link: &OpenLink, side: Side, cause: &str) {
    let system = &link.entity(side).system;
    link.log(cx, Action::InDoubt, format!("{system}: {cause}; read back before anything is sent again"));
}

/// The lines that what a write wrote came from.
fn lines(link: &OpenLink, side: Side, id: &str, made: bool, writes: &[Written]) -> Vec<Wrote> {
    let sync = &link.sync;
    let wrote = |field: Option<&String>, place: &Place, text: &str| Wrote {
        entity: link.entity(side).clone(),
        id: id.to_owned(),
        field: field.cloned(),
        place: place.clone(),
        text: text.to_owned(),
    };
    let line = |write: &Written| {
        let mapping = sync.fields.iter().find(|mapping| mapping.text == write.mapping);
        wrote(Some(&write.field), mapping.map_or(&sync.place, |mapping| &mapping.place), &write.mapping)
    };
    let record = made.then(|| wrote(None, &sync.place, &format!("sync {}", sync.name)));
    record.into_iter().chain(writes.iter().map(line)).collect()
}

/// The values of a write, for people: the beginning of them, where they are many.
fn printed(writes: &[Written]) -> String {
    let mut text: String = writes.iter().map(|w| format!("{} = {}", w.field, w.value)).collect::<Vec<_>>().join(", ");
    if text.len() > 400 {
        let cut = (0..=400).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
        text.truncate(cut);
        text.push('…');
    }
    text
}

/// What an answer says of the record, with what was sent where the answer is silent about it.
fn acknowledged(link: &OpenLink, entity: &EntityName, writes: &[Written], observed: &Observed) -> Observed {
    let mut acknowledged = observed.clone();
    for write in writes {
        if write.link {
            let target = || write.value.as_text().map(str::to_owned);
            acknowledged.links.entry(write.field.clone()).or_insert_with(target);
        } else {
            let wire = || encode(&link.sync.program, entity, &write.field, &write.value);
            acknowledged.fields.entry(write.field.clone()).or_insert_with(wire);
        }
    }
    acknowledged
}

/// Law L1: what was written reads back as the same. A field that breaks it twice waits for a person.
fn check_stable(
    cx: &mut Context<'_>,
    link: &mut OpenLink,
    side: Side,
    record: &str,
    writes: &[Written],
) -> Result<(), Error> {
    let sync = link.sync.clone();
    let entity = sync.entity(side);
    let Some(row) = cx.record(entity, record)? else { return Ok(()) };
    for write in writes {
        let Some(mapping) = sync.fields.iter().find(|mapping| mapping.text == write.mapping) else { continue };
        let (held, shown, at) = if write.link {
            let Ok(Resolution::Value(held)) = side_value(cx, link, mapping, side) else { continue };
            let (shown, at) = (held.value.to_string(), held.changed);
            (Some(held.value), shown, at)
        } else {
            let Some(seen) = row.fields.get(&write.field) else { continue };
            let FieldValue::Is(value) = &seen.value else { continue };
            // Where what it keeps is no value of the line, the line is held by what was written alone.
            let held = comparable(&sync, mapping, side, value).ok().map(Canonical::Value);
            (held, value.to_string(), Some(seen.at))
        };
        if held.as_ref() == Some(&write.canonical) {
            link.let_go(cx, &write.mapping)?;
            continue;
        }
        if at.is_some_and(|at| at > cx.now) {
            continue;
        }
        let count = link.unstable.entry(write.mapping.clone()).or_insert(0);
        *count = count.saturating_add(u8::from(!planted(Mutant::UnstableForEver)));
        if *count >= UNSTABLE_AFTER {
            let why = format!("{} keeps `{shown}` instead of `{}`", entity.system, write.value);
            link.hold(cx, &write.mapping, HeldLine { side, value: write.canonical.clone(), kept: held, why })?;
        }
    }
    Ok(())
}

/// The record exists already: it is the one we meant, and its values are looked at before anything is written.
fn adopt(
    cx: &mut Context<'_>,
    link: &mut OpenLink,
    side: Side,
    existing: Option<&str>,
    reason: &str,
) -> Result<(), Error> {
    let entity = link.entity(side).clone();
    let system = &entity.system;
    if link.state != LinkState::Creating(side) {
        // It was paired or ended while the call was on its way; whatever exists is looked at by that.
        cx.task(Task::Link(link.id));
        return Ok(());
    }
    if planted(Mutant::ExistingIsParked) {
        return link.park(cx, format!("{system} refuses: {reason}"));
    }
    let Some(existing) = existing else {
        // It exists, but the system does not say where: the key finds it.
        link.tries.attempts += 1;
        if link.tries.attempts > MOST_SEARCHES {
            return link.park(cx, format!("{system} refuses: {reason}"));
        }
        link.turn(cx, LinkEvent::Doubt, LinkState::ReadingBack);
        cx.task(Task::Link(link.id));
        return Ok(());
    };
    if let Some(holder) = cx.get(&key::link_of(&link.sync.name, side, existing))?
        && holder != link.id
    {
        let held = OpenLink::existing(cx, holder)?;
        match held {
            // What a pair that is over held is free. One that looks for a partner has found it: the key is ours.
            Some(held) if held.state == LinkState::Gone => held.yield_record(cx, side),
            Some(held) if held.ids[side.other()].is_none() && !held.is_in_flight() => {
                held.settle_incident(cx)?;
                held.yield_record(cx, side);
            }
            Some(held) if held.ids[side.other()].is_some() => {
                let why = format!("{system} has this record as {existing} already, and it is paired with another one");
                return link.park(cx, why);
            }
            _ => {
                link.tries.attempts += 1;
                if link.tries.attempts > MOST_SEARCHES {
                    return link.park(cx, format!("{system} has this record as {existing} already: {reason}"));
                }
                // It makes its partner, which the key brings together with what we have.
                link.turn(cx, LinkEvent::Search, LinkState::Matching);
                cx.task(Task::Link(link.id));
                return Ok(());
            }
        }
    }
    link.log(cx, Action::Adopt, format!("{system} had the record already: {existing}"));
    matching::pair(cx, link, side, existing.to_owned())?;
    link.wait_for(cx, &Need::record(&entity, existing))
}

/// How often a record that exists is looked for by its key before people are shown that it is not found.
const MOST_SEARCHES: u32 = 5;

/// The record may or may not have been made: it is looked for first.
fn creation_in_doubt(cx: &mut Context<'_>, link: &mut OpenLink, side: Side, cause: &str) -> Result<(), Error> {
    let system = link.entity(side).system.clone();
    link.tried(cx, &system, None, cause)?;
    if link.state != LinkState::Creating(side) {
        return Ok(());
    }
    match own_key::read_back(cx, link, side)? {
        Some(read) => {
            link.turn(cx, LinkEvent::Search, LinkState::Matching);
            link.wait_for(cx, &Need::Record { read, cacheable: false })
        }
        // A unique key finds it; what was read before the doubt does not count.
        None => {
            link.turn(cx, LinkEvent::Doubt, LinkState::ReadingBack);
            Ok(())
        }
    }
}

/// The record may or may not have been changed: everything about it is doubtful until it is read.
fn change_in_doubt(cx: &mut Context<'_>, link: &mut OpenLink, side: Side, cause: &str) -> Result<(), Error> {
    let (entity, record) = (link.entity(side).clone(), link.record(side));
    if let Some(mut known) = cx.record(&entity, &record)? {
        Arc::make_mut(&mut known).complete_at = None;
        cx.learn(&entity, &record, known);
    }
    link.tried(cx, &entity.system, None, cause)?;
    link.wait_for(cx, &Need::record(&entity, &record))
}

/// May the record do without this write? Not where it is made, and what is refused is the key by which it is found.
fn may_wait(link: &OpenLink, side: Side, write: &Written, field: &str) -> bool {
    let is_key = |(left, right): &(String, String)| if side == Side::Left { left == field } else { right == field };
    write.field == field && (link.is_whole() || !link.sync.keys.iter().any(is_key))
}

/// Nothing happened.
fn failed(
    cx: &mut Context<'_>,
    link: &mut OpenLink,
    side: Side,
    writes: &[Written],
    why: NotDone<'_>,
) -> Result<(), Error> {
    let system = link.entity(side).system.clone();
    match why {
        NotDone::Refused { reason, refusal: Refusal::Invalid(Some(field)) }
            if writes.iter().any(|write| may_wait(link, side, write, field)) =>
        {
            // The line waits for a person; the record's other lines go on without it.
            for write in writes.iter().filter(|write| write.field == *field) {
                let why = format!("{system} refuses `{}` as `{field}`: {reason}", write.value);
                let line = HeldLine { side, value: write.canonical.clone(), kept: None, why };
                link.hold(cx, &write.mapping, line)?;
            }
        }
        NotDone::Refused { reason, refusal } => {
            let why = match refusal {
                Refusal::Invalid(Some(field)) => format!("{system} refuses `{field}`: {reason}"),
                // An update that would take another record's key is one of these.
                _ => format!("{system} refuses: {reason}"),
            };
            // Nothing is sent again until something changes.
            return link.park(cx, why);
        }
        NotDone::Retry { after, cause } => drop(link.tried(cx, &system, after, cause)?),
        NotDone::RateLimited { after: Some(after) } => link.pause(cx, after)?,
        NotDone::RateLimited { after: None } | NotDone::Denied | NotDone::Split => {}
    }
    cx.task(Task::Link(link.id));
    Ok(())
}

//! What a write led to: the base moves only with what the system says that it holds.
//!
//! Always true: an answer that does not come leaves the write in doubt, and a record that may have been made is looked
//! for before it is made again; every try that does not succeed makes the next one wait longer, and in time people are
//! shown that none does.

use std::sync::Arc;

use connectors::planted::{Mutant, planted};
use connectors::port::{Observed, Refusal};
use dsl::decode::{decode, encode};
use dsl::program::{Place, Side};
use dsl::schema::EntityName;

use crate::decide::links::sides::comparable;
use crate::decide::links::{matching, own_key};
use crate::decide::model::answer::{CreateAnswer, Failure, NotDone, UpdateAnswer};
use crate::decide::model::canonical::Canonical;
use crate::decide::model::event::{Action, Event};
use crate::decide::model::expectation::WriteOutcome;
use crate::decide::model::key;
use crate::decide::model::link::{HeldLine, LinkEvent, LinkState, RestoredBase};
use crate::decide::model::need::Need;
use crate::decide::model::record::FieldValue;
use crate::decide::model::task::Task;
use crate::decide::model::trace::Wrote;
use crate::decide::model::written::Written;
use crate::decide::records::ahead;
use crate::decide::records::expectations;
use crate::decide::records::observe::{How, observe, version};
use crate::decide::records::removal;
use crate::decide::store::links::{OpenLink, UNSTABLE_AFTER};
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
            if link.ids[side].is_none() {
                matching::pair(cx, link, side, observed.id.clone())?;
            }
            move_bases(link, writes);
            took(cx, link, side, writes, observed, How::Made)?;
            log(cx, link, side, Action::Create, writes);
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
            creation_in_doubt(cx, link, side, cause)
        }
        Err(Failure::NotDone(why)) => failed(cx, link, side, writes, why),
    }
}

/// Takes the answer to the change of a record.
pub(crate) fn updated(
    cx: &mut Context<'_>,
    link: &mut OpenLink,
    side: Side,
    asked: &str,
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
            log(cx, link, side, Action::Update, writes);
            cx.task(Task::Link(link.id));
            Ok(())
        }
        Ok(None) if planted(Mutant::MissingIgnored) => Ok(()),
        Ok(None) => {
            expectations::settle(cx, &entity, &record, link.id, None)?;
            removal::deleted(cx, &entity, &record, cx.now, false)
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
    let acknowledged = acknowledged(link, &entity, writes, observed);
    if let Some(mut known) = cx.record(&entity, &observed.id)? {
        let row = Arc::make_mut(&mut known);
        for write in writes.iter().filter(|write| !write.link) {
            let held = acknowledged.fields.get(&write.field);
            let held = held.and_then(|wire| decode(&link.sync.program, &entity, &write.field, wire).ok());
            if let Some(held) = held {
                expectations::shown(row, link.id, &write.field, &held);
            }
        }
        cx.learn(&entity, &observed.id, known);
    }
    observe(cx, &entity, &acknowledged, how, cx.now)?;
    let landed = version(&link.sync.program, &entity, &acknowledged).unwrap_or(cx.now);
    let landed = ahead::bounded(cx, &entity.system, landed)?;
    expectations::settle(cx, &entity, &observed.id, link.id, Some(WriteOutcome::Landed(landed)))?;
    check_stable(cx, link, side, &observed.id, writes)
}

fn log(cx: &mut Context<'_>, link: &OpenLink, side: Side, action: Action, writes: &[Written]) {
    let fields = writes.iter().map(|w| w.field.as_str()).collect::<Vec<_>>().join(", ");
    let line = link.event(cx, action);
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
    for write in writes.iter().filter(|write| !write.link) {
        let Some(mapping) = sync.fields.iter().find(|mapping| mapping.text == write.mapping) else { continue };
        let Some(seen) = row.fields.get(&write.field) else { continue };
        let FieldValue::Is(value) = &seen.value else { continue };
        let held = comparable(&sync, mapping, side, value).map(Canonical::Value);
        if held.as_ref().is_ok_and(|held| *held == write.canonical) {
            link.let_go(cx, &write.mapping)?;
        } else if seen.at <= cx.now {
            let count = link.unstable.entry(write.mapping.clone()).or_insert(0);
            *count = count.saturating_add(u8::from(!planted(Mutant::UnstableForEver)));
            if *count >= UNSTABLE_AFTER {
                let why = format!("{} keeps `{value}` instead of `{}`", entity.system, write.value);
                // Where what it keeps is no value of the line, the line is held by what was written alone.
                let (value, kept) = (write.canonical.clone(), held.ok());
                link.hold(cx, &write.mapping, HeldLine { side, value, kept, why })?;
            }
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
        if held.is_some_and(|held| held.ids[side.other()].is_some()) {
            let why = format!("{system} has this record as {existing} already, and it is paired with another one");
            return link.park(cx, why);
        }
        // It looks for its partner too: the key brings the two together.
        link.turn(cx, LinkEvent::Search, LinkState::Matching);
        cx.task(Task::Link(link.id));
        return Ok(());
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

//! What a write led to: the base moves only with what the system says that it holds.
//!
//! Always true: an answer that does not come leaves the write in doubt, and a record that may have been made is looked
//! for before it is made again; every try that does not succeed makes the next one wait longer, and in time people are
//! shown that none does.

use std::sync::Arc;

use connectors::port::{Answer, Observed, Refusal};
use dsl::eval::canonical;
use dsl::program::{Place, Side};
use dsl::schema::EntityName;
use dsl::value::Duration;

use crate::decide::links::own_key::{OWN_KEY, own_key};
use crate::decide::links::{archive, matching};
use crate::decide::model::event::Event;
use crate::decide::model::key;
use crate::decide::model::lane::{Lane, LaneKind};
use crate::decide::model::link::{LinkRow, LinkState, slot};
use crate::decide::model::need::Need;
use crate::decide::model::record::FieldValue;
use crate::decide::model::task::Task;
use crate::decide::model::trace::Wrote;
use crate::decide::model::work::Waiter;
use crate::decide::model::written::Written;
use crate::decide::records::observe;
use crate::decide::records::observe::{How, observe, overwritten};
use crate::decide::store::links::{ActiveSync, UNSTABLE_AFTER, park};
use crate::decide::store::transaction::Context;
use crate::decide::store::{links, reads};
use crate::ids::LinkId;
use crate::ledger::Error;

/// Takes the answer to a link's write.
pub(crate) fn answered(
    cx: &mut Context<'_>,
    id: LinkId,
    side: Side,
    lane: &Lane,
    writes: &[Written],
    answer: &Answer,
) -> Result<(), Error> {
    let Some(mut link) = cx.get(&key::link(id))? else { return Ok(()) };
    let Some(rule) = links::rule(cx, &link) else { return Ok(()) };
    link.in_flight[slot(side)] = None;
    link.send_alone = matches!(answer, Answer::Split);
    if matches!(lane.kind, LaneKind::Delete { .. }) {
        return archive::answered(cx, id, link, &rule, side, lane, answer);
    }
    let entity = rule.entity(side).clone();
    match answer {
        Answer::Record(observed) => {
            link.attempts = 0;
            link.not_before = None;
            let creating = matches!(lane.kind, LaneKind::Create { .. });
            let record = observed.id.clone();
            let asked = link.id(side).cloned();
            let told = acknowledged(&rule, &entity, writes, observed);
            cx.wrote(|| lines(&rule, &entity, &record, creating, writes));
            if creating {
                link.creates += 1;
                if link.id(side).is_none() {
                    links::store(cx, id, &link);
                    matching::pair(cx, id, &mut link, &rule, side, record.clone())?;
                }
            }
            for write in writes {
                let restored = if write.restore { link.restores.remove(&write.mapping) } else { None };
                match restored.map(|restored| restored.base) {
                    // The other side does not have this value yet: the base stays, and the next merge takes it there.
                    Some(None) => {}
                    Some(Some(Some(base))) => {
                        link.base.insert(write.mapping.clone(), base);
                    }
                    Some(Some(None)) => {
                        link.base.remove(&write.mapping);
                    }
                    None => {
                        link.base.insert(write.mapping.clone(), write.canonical.clone());
                    }
                }
            }
            links::store(cx, id, &link);
            if !creating {
                seen_meanwhile(cx, &entity, &record, writes)?;
            }
            observe(cx, &entity, &told, if creating { How::Made } else { How::Changed }, cx.now)?;
            if !creating && asked.as_deref() != Some(record.as_str()) {
                observe_merge(cx, &entity, &record, asked.as_deref())?;
            }
            wrote(cx, &entity, &record, writes)?;
            let mut link = links::load(cx, id)?;
            check_stable(cx, &mut link, &rule, &entity, &record, side, writes)?;
            links::store(cx, id, &link);
            let fields = writes.iter().map(|w| w.field.as_str()).collect::<Vec<_>>().join(", ");
            let action = if creating { "create" } else { "update" };
            cx.log(Event {
                at: cx.now,
                action: action.to_owned(),
                rule: rule.name.clone(),
                place: rule.place.to_string(),
                entity: entity.to_string(),
                left: link.left.clone(),
                right: link.right.clone(),
                field: Some(fields),
                subject: id.to_string(),
                value: Some(printed(writes)),
                ..Event::default()
            });
        }
        Answer::Missing => {
            if let Some(record) = link.id(side).cloned() {
                links::store(cx, id, &link);
                return observe::deleted(cx, &entity, &record, cx.now, false);
            }
            links::store(cx, id, &link);
        }
        Answer::Refused { reason, refusal: Refusal::Exists(existing) } => {
            adopt(cx, id, &mut link, &rule, side, existing.as_deref(), reason)?;
            links::store(cx, id, &link);
            if matches!(link.state, LinkState::Parked(_)) {
                // As with every refusal: nothing is sent again until something changes.
                return Ok(());
            }
        }
        Answer::Refused { reason, refusal } => {
            let why = match refusal {
                Refusal::Invalid(Some(field)) => format!("{} refuses `{field}`: {reason}", entity.system),
                _ => format!("{} refuses: {reason}", entity.system),
            };
            park(cx, id, &mut link, &rule, why)?;
            links::store(cx, id, &link);
            return Ok(());
        }
        Answer::Unknown { cause } => {
            links::log(
                cx,
                id,
                &link,
                "in doubt",
                format!("{}: {cause}; read back before anything is sent again", entity.system),
            );
            links::store(cx, id, &link);
            return in_doubt(cx, id, link, &rule, side, writes, cause);
        }
        Answer::Retry { after, cause } => {
            links::tried(cx, id, &mut link, &rule, &entity, after.map(links::span), cause)?;
            links::store(cx, id, &link);
        }
        Answer::RateLimited { after, .. } => {
            if let Some(after) = after {
                links::wait(cx, id, &mut link, links::span(*after))?;
            }
            links::store(cx, id, &link);
        }
        // Those that fit no write have been made unknown before.
        Answer::Split | Answer::Done | Answer::Page { .. } | Answer::Result(_) => links::store(cx, id, &link),
    }
    cx.task(Task::Link(id));
    Ok(())
}

/// The lines that what a write wrote came from.
fn lines(rule: &ActiveSync, entity: &EntityName, id: &str, made: bool, writes: &[Written]) -> Vec<Wrote> {
    let wrote = |field: Option<&String>, place: &Place, text: &str| Wrote {
        entity: entity.clone(),
        id: id.to_owned(),
        field: field.cloned(),
        place: place.clone(),
        text: text.to_owned(),
    };
    let line = |write: &Written| {
        let mapping = rule.fields.iter().find(|mapping| mapping.text == write.mapping);
        wrote(Some(&write.field), mapping.map_or(&rule.place, |mapping| &mapping.place), &write.mapping)
    };
    let record = made.then(|| wrote(None, &rule.place, &format!("sync {}", rule.name)));
    record.into_iter().chain(writes.iter().map(line)).collect()
}

/// What was seen of the written fields while the write was on its way has been covered by it.
fn seen_meanwhile(cx: &mut Context<'_>, entity: &EntityName, record: &str, writes: &[Written]) -> Result<(), Error> {
    let Some(row) = cx.record(entity, record)? else { return Ok(()) };
    for write in writes.iter().filter(|write| !write.link) {
        if let Some(seen) = row.fields.get(&write.field)
            && let FieldValue::Is(value) = &seen.value
        {
            let ours = FieldValue::Is(write.value.clone());
            let found = overwritten(entity, record, &write.field, value.clone(), seen.at, &write.known, &ours);
            if let Some(edit) = found {
                cx.task(Task::Overwritten(edit));
            }
        }
    }
    Ok(())
}

/// Remembers what was known when these values were planned, for changes that are told late.
fn wrote(cx: &mut Context<'_>, entity: &EntityName, record: &str, writes: &[Written]) -> Result<(), Error> {
    let Some(mut known) = cx.record(entity, record)? else { return Ok(()) };
    let row = Arc::make_mut(&mut known);
    for write in writes.iter().filter(|write| !write.link) {
        if let Some(seen) = row.fields.get_mut(&write.field) {
            seen.wrote = Some(write.known.clone());
        }
        row.doubtful.remove(&write.field);
    }
    cx.learn(entity, record, known);
    Ok(())
}

pub(crate) fn printed(writes: &[Written]) -> String {
    let mut text: String = writes.iter().map(|w| format!("{} = {}", w.field, w.value)).collect::<Vec<_>>().join(", ");
    if text.len() > 400 {
        let cut = (0..=400).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
        text.truncate(cut);
        text.push('…');
    }
    text
}

/// What an answer says of the record, with what was sent where the answer is silent about it.
pub(crate) fn acknowledged(
    rule: &ActiveSync,
    entity: &EntityName,
    writes: &[Written],
    observed: &Observed,
) -> Observed {
    let mut told = observed.clone();
    for write in writes {
        if write.link {
            told.links.entry(write.field.clone()).or_insert_with(|| write.value.as_text().map(str::to_owned));
        } else if !told.fields.contains_key(&write.field) {
            told.fields
                .insert(write.field.clone(), dsl::decode::encode(&rule.program, entity, &write.field, &write.value));
        }
    }
    told
}

pub(crate) fn observe_merge(
    cx: &mut Context<'_>,
    entity: &EntityName,
    into: &str,
    gone: Option<&str>,
) -> Result<(), Error> {
    match gone {
        Some(gone) => observe::merged(cx, entity, into, gone, cx.now),
        None => Ok(()),
    }
}

/// Law L1: what was written reads back as the same. A field that breaks it twice waits for a person.
pub(crate) fn check_stable(
    cx: &mut Context<'_>,
    link: &mut LinkRow,
    rule: &ActiveSync,
    entity: &EntityName,
    record: &str,
    side: Side,
    writes: &[Written],
) -> Result<(), Error> {
    let Some(row) = cx.record(entity, record)? else { return Ok(()) };
    for write in writes.iter().filter(|w| !w.link) {
        let Some(mapping) = rule.fields.iter().find(|m| m.text == write.mapping) else { continue };
        let Some(seen) = row.fields.get(&write.field) else { continue };
        let FieldValue::Is(value) = &seen.value else { continue };
        let same = canonical(&rule.program, rule, mapping, side, value).is_ok_and(|held| held == write.canonical);
        if same {
            link.unstable.remove(&write.mapping);
        } else if seen.at <= cx.now {
            let count = link.unstable.entry(write.mapping.clone()).or_insert(0);
            *count += 1;
            if *count >= UNSTABLE_AFTER {
                let why = format!("{} keeps `{value}` instead of `{}`", entity.system, write.value);
                link.parked.insert(write.mapping.clone(), why);
            }
        }
    }
    Ok(())
}

/// The record exists already: it is the one we meant, and its values are looked at before anything is written.
pub(crate) fn adopt(
    cx: &mut Context<'_>,
    id: LinkId,
    link: &mut LinkRow,
    rule: &ActiveSync,
    side: Side,
    existing: Option<&str>,
    reason: &str,
) -> Result<(), Error> {
    let entity = rule.entity(side).clone();
    if link.id(side).is_some() {
        // An update that would take another record's key.
        return park(cx, id, link, rule, format!("{} refuses: {reason}", entity.system));
    }
    match existing {
        Some(existing) => {
            if let Some(holder) = cx.get(&key::link_of(&rule.name, side, existing))?
                && holder != id
            {
                if links::load(cx, holder)?.id(side.other()).is_none() {
                    // It looks for its partner too: the key brings the two together.
                    link.state = LinkState::Matching;
                    link.since = cx.now;
                    return Ok(());
                }
                let why = format!(
                    "{} has this record as {existing} already, and it is paired with another one",
                    entity.system
                );
                return park(cx, id, link, rule, why);
            }
            links::log(cx, id, link, "adopt", format!("{} had the record already: {existing}", entity.system));
            matching::pair(cx, id, link, rule, side, existing.to_owned())?;
            links::store(cx, id, link);
            reads::need(
                cx,
                &Need::Record {
                    entity,
                    by: "id".to_owned(),
                    value: existing.to_owned(),
                    not_before: cx.now,
                    cacheable: false,
                },
                Waiter::Link(id),
                rule.priority,
            )
        }
        None => {
            // It exists, but the system does not say where: the key finds it.
            link.state = LinkState::Matching;
            link.since = cx.now.plus(Duration(1));
            link.attempts += 1;
            if link.attempts > 5 {
                return park(cx, id, link, rule, format!("{} refuses: {reason}", entity.system));
            }
            Ok(())
        }
    }
}

/// It may or may not have happened: read first.
pub(crate) fn in_doubt(
    cx: &mut Context<'_>,
    id: LinkId,
    mut link: LinkRow,
    rule: &ActiveSync,
    side: Side,
    writes: &[Written],
    cause: &str,
) -> Result<(), Error> {
    let entity = rule.entity(side).clone();
    let need = |by: &str, value: String, not_before| {
        Some(Need::Record { entity: entity.clone(), by: by.to_owned(), value, not_before, cacheable: false })
    };
    let need = match link.id(side).cloned() {
        Some(record) => {
            // Everything about it is doubtful until it is read.
            if let Some(mut known) = cx.record(&entity, &record)? {
                let row = Arc::make_mut(&mut known);
                row.complete_at = None;
                for write in writes.iter().filter(|write| !write.link) {
                    row.doubtful.insert(write.field.clone(), (write.value.clone(), write.known.clone()));
                }
                cx.learn(&entity, &record, known);
            }
            need("id", record, cx.now)
        }
        None => {
            link.state = LinkState::Matching;
            link.since = cx.now;
            if own_key(rule, &entity) {
                need(OWN_KEY, format!("{}-{id}", cx.ledger()?), cx.now)
            } else {
                // A unique key finds it; what was read before the doubt does not count.
                link.since = cx.now.plus(Duration(1));
                None
            }
        }
    };
    links::tried(cx, id, &mut link, rule, &entity, None, cause)?;
    links::store(cx, id, &link);
    match need {
        Some(need) => reads::need(cx, &need, Waiter::Link(id), rule.priority),
        None => Ok(()),
    }
}

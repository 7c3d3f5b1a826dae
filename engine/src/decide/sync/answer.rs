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

use super::write::{OWN_KEY, own_key};
use super::{PATIENCE, UNSTABLE, archive, open_incident, park};
use crate::decide::context::{Context, Task};
use crate::decide::identity::{self, Rule};
use crate::decide::observe::{How, covered, observe};
use crate::decide::reads::{self, Need};
use crate::decide::rows::{LinkRow, LinkState, ReadRow, SeenValue, TimerRow, Waiter, Written, slot};
use crate::decide::{Event, Lane, LaneKind, Wrote};
use crate::ids::LinkId;
use crate::ledger::Error;

/// Takes the answer to a link's write.
pub(in crate::decide) fn answered(
    cx: &mut Context<'_>,
    id: LinkId,
    side: Side,
    lane: &Lane,
    writes: &[Written],
    answer: &Answer,
) -> Result<(), Error> {
    let Some(mut link) = cx.get::<LinkRow>(&identity::link_key(id))? else { return Ok(()) };
    let Some(rule) = identity::rule(cx, &link) else { return Ok(()) };
    link.flight[slot(side)] = None;
    link.alone = matches!(answer, Answer::Split);
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
                    identity::store(cx, id, &link);
                    identity::pair(cx, id, &mut link, &rule, side, record.clone())?;
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
            identity::store(cx, id, &link);
            if !creating {
                seen_meanwhile(cx, &entity, &record, writes)?;
            }
            observe(cx, &entity, &told, if creating { How::Made } else { How::Changed }, cx.now)?;
            if !creating && asked.as_deref() != Some(record.as_str()) {
                observe_merge(cx, &entity, &record, asked.as_deref())?;
            }
            wrote(cx, &entity, &record, writes)?;
            let mut link = identity::load(cx, id)?;
            check_stable(cx, &mut link, &rule, &entity, &record, side, writes)?;
            identity::store(cx, id, &link);
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
                identity::store(cx, id, &link);
                return crate::decide::observe::deleted(cx, &entity, &record, cx.now, false);
            }
            identity::store(cx, id, &link);
        }
        Answer::Refused { reason, refusal: Refusal::Exists(existing) } => {
            adopt(cx, id, &mut link, &rule, side, existing.as_deref(), reason)?;
            identity::store(cx, id, &link);
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
            identity::store(cx, id, &link);
            return Ok(());
        }
        Answer::Unknown { cause } => {
            identity::log(
                cx,
                id,
                &link,
                "in doubt",
                format!("{}: {cause}; read back before anything is sent again", entity.system),
            );
            identity::store(cx, id, &link);
            return in_doubt(cx, id, link, &rule, side, writes, cause);
        }
        Answer::Retry { after, cause } => {
            tried(cx, id, &mut link, &rule, &entity, after.map(span), cause)?;
            identity::store(cx, id, &link);
        }
        Answer::RateLimited { after, .. } => {
            if let Some(after) = after {
                wait(cx, id, &mut link, span(*after))?;
            }
            identity::store(cx, id, &link);
        }
        // Those that fit no write have been made unknown before.
        Answer::Split | Answer::Done | Answer::Page { .. } | Answer::Result(_) => identity::store(cx, id, &link),
    }
    cx.task(Task::Link(id));
    Ok(())
}

/// The lines that what a write wrote came from.
fn lines(rule: &Rule, entity: &EntityName, id: &str, made: bool, writes: &[Written]) -> Vec<Wrote> {
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

pub(super) fn span(wait: std::time::Duration) -> Duration {
    Duration(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX))
}

/// A try did not succeed: the next one waits, as long as its system asks or longer than the one before, and in time
/// people are shown it.
pub(super) fn tried(
    cx: &mut Context<'_>,
    id: LinkId,
    link: &mut LinkRow,
    rule: &Rule,
    entity: &EntityName,
    after: Option<Duration>,
    cause: &str,
) -> Result<Duration, Error> {
    link.attempts = link.attempts.saturating_add(1);
    let pause = after.unwrap_or_else(|| {
        crate::decide::backoff(link.attempts.into(), Duration::seconds(1), Duration::minutes(15), &id.to_string())
    });
    wait(cx, id, link, pause)?;
    if link.attempts >= PATIENCE {
        let why = format!("{} cannot be reached: {cause}", entity.system);
        open_incident(cx, id, link, rule, why, "it is tried again by itself")?;
    }
    Ok(pause)
}

/// Nothing is sent for the link for so long.
fn wait(cx: &mut Context<'_>, id: LinkId, link: &mut LinkRow, pause: Duration) -> Result<(), Error> {
    let at = cx.now.plus(pause);
    link.not_before = Some(at);
    cx.arm(at, &TimerRow::Link(id))
}

/// What was seen of the written fields while the write was on its way has been covered by it.
fn seen_meanwhile(cx: &mut Context<'_>, entity: &EntityName, record: &str, writes: &[Written]) -> Result<(), Error> {
    let Some(row) = cx.record(entity, record)? else { return Ok(()) };
    for write in writes.iter().filter(|write| !write.link) {
        if let Some(seen) = row.fields.get(&write.field)
            && let SeenValue::Is(value) = &seen.value
        {
            let ours = SeenValue::Is(write.value.clone());
            let found = covered(entity, record, &write.field, value.clone(), seen.at, &write.known, &ours);
            cx.covered.extend(found);
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

pub(super) fn printed(writes: &[Written]) -> String {
    let mut text: String = writes.iter().map(|w| format!("{} = {}", w.field, w.value)).collect::<Vec<_>>().join(", ");
    if text.len() > 400 {
        let cut = (0..=400).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
        text.truncate(cut);
        text.push('…');
    }
    text
}

/// What an answer says of the record, with what was sent where the answer is silent about it.
pub(super) fn acknowledged(rule: &Rule, entity: &EntityName, writes: &[Written], observed: &Observed) -> Observed {
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

pub(super) fn observe_merge(
    cx: &mut Context<'_>,
    entity: &EntityName,
    into: &str,
    gone: Option<&str>,
) -> Result<(), Error> {
    match gone {
        Some(gone) => crate::decide::observe::merged(cx, entity, into, gone, cx.now),
        None => Ok(()),
    }
}

/// Law L1: what was written reads back as the same. A field that breaks it twice waits for a person.
pub(super) fn check_stable(
    cx: &mut Context<'_>,
    link: &mut LinkRow,
    rule: &Rule,
    entity: &EntityName,
    record: &str,
    side: Side,
    writes: &[Written],
) -> Result<(), Error> {
    let Some(row) = cx.record(entity, record)? else { return Ok(()) };
    for write in writes.iter().filter(|w| !w.link) {
        let Some(mapping) = rule.fields.iter().find(|m| m.text == write.mapping) else { continue };
        let Some(seen) = row.fields.get(&write.field) else { continue };
        let SeenValue::Is(value) = &seen.value else { continue };
        let same = canonical(&rule.program, rule, mapping, side, value).is_ok_and(|held| held == write.canonical);
        if same {
            link.unstable.remove(&write.mapping);
        } else if seen.at <= cx.now {
            let count = link.unstable.entry(write.mapping.clone()).or_insert(0);
            *count += 1;
            if *count >= UNSTABLE {
                let why = format!("{} keeps `{value}` instead of `{}`", entity.system, write.value);
                link.parked.insert(write.mapping.clone(), why);
            }
        }
    }
    Ok(())
}

/// The record exists already: it is the one we meant, and its values are looked at before anything is written.
pub(super) fn adopt(
    cx: &mut Context<'_>,
    id: LinkId,
    link: &mut LinkRow,
    rule: &Rule,
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
            if let Some(holder) = cx.get::<LinkId>(&identity::link_of(&rule.name, side, existing))?
                && holder != id
            {
                if identity::load(cx, holder)?.id(side.other()).is_none() {
                    // It looks for its partner too: the key brings the two together.
                    link.state = LinkState::Looking;
                    link.since = cx.now;
                    return Ok(());
                }
                let why = format!(
                    "{} has this record as {existing} already, and it is paired with another one",
                    entity.system
                );
                return park(cx, id, link, rule, why);
            }
            identity::log(cx, id, link, "adopt", format!("{} had the record already: {existing}", entity.system));
            identity::pair(cx, id, link, rule, side, existing.to_owned())?;
            identity::store(cx, id, link);
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
            link.state = LinkState::Looking;
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
pub(super) fn in_doubt(
    cx: &mut Context<'_>,
    id: LinkId,
    mut link: LinkRow,
    rule: &Rule,
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
            link.state = LinkState::Looking;
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
    tried(cx, id, &mut link, rule, &entity, None, cause)?;
    identity::store(cx, id, &link);
    match need {
        Some(need) => reads::need(cx, &need, Waiter::Link(id), rule.priority),
        None => Ok(()),
    }
}

/// Is what a write in doubt may have left behind still being read? Until that is known nothing is planned; the link is
/// woken by the read.
pub(in crate::decide) fn is_read_back(
    cx: &mut Context<'_>,
    id: LinkId,
    link: &LinkRow,
    rule: &Rule,
) -> Result<bool, Error> {
    if link.attempts == 0 {
        return Ok(false);
    }
    for side in [Side::Left, Side::Right] {
        let entity = rule.entity(side);
        let (by, value) = match link.id(side) {
            Some(record) => ("id", record.clone()),
            None if own_key(rule, entity) => (OWN_KEY, format!("{}-{id}", cx.ledger()?)),
            None => continue,
        };
        let key = reads::read_key(entity, by, &value);
        if let Some(mut row) = cx.get::<ReadRow>(&key)? {
            if row.waiters.insert(Waiter::Link(id)) {
                cx.put(key, &row);
            }
            return Ok(true);
        }
    }
    Ok(false)
}

/// The pair for which a record was made whose making is not known to have succeeded yet: the record carries our own
/// key, and a message about it may come before its answer.
pub(in crate::decide) fn made_for(
    cx: &mut Context<'_>,
    rule: &Rule,
    side: Side,
    record: &str,
) -> Result<Option<LinkId>, Error> {
    let entity = rule.entity(side);
    if !own_key(rule, entity) {
        return Ok(None);
    }
    let row = cx.record(entity, record)?;
    let Some(SeenValue::Is(value)) = row.and_then(|row| row.fields.get(OWN_KEY).map(|seen| seen.value.clone())) else {
        return Ok(None);
    };
    let prefix = format!("{}-l", cx.ledger()?);
    let number = value.as_text().and_then(|text| text.strip_prefix(&prefix)).and_then(|number| number.parse().ok());
    let Some(id) = number.map(LinkId) else { return Ok(None) };
    let link = cx.get::<LinkRow>(&identity::link_key(id))?;
    Ok(link.filter(|link| link.sync == rule.name).map(|_| id))
}

/// A point read by our own key has found the record that a lost create made.
pub(in crate::decide) fn found_own(
    cx: &mut Context<'_>,
    entity: &EntityName,
    value: &str,
    record: &str,
) -> Result<(), Error> {
    let ledger = cx.ledger()?;
    let Some(number) = value.strip_prefix(&format!("{ledger}-l")).and_then(|n| n.parse().ok()) else { return Ok(()) };
    let id = LinkId(number);
    let Some(mut link) = cx.get::<LinkRow>(&identity::link_key(id))? else { return Ok(()) };
    let Some(rule) = identity::rule(cx, &link) else { return Ok(()) };
    let Some(side) = crate::decide::observe::side_of(&rule, entity) else { return Ok(()) };
    if link.id(side).is_none() {
        identity::pair(cx, id, &mut link, &rule, side, record.to_owned())?;
        identity::store(cx, id, &link);
    }
    Ok(())
}

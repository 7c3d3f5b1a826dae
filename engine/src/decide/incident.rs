//! What needs a person: parked records and stopped runs, grouped by cause.

use dsl::value::Timestamp;

use super::context::{Context, hash};
use super::rows::{IncidentRow, Key, Kind, LinkRow};
use super::{Event, parked};
use crate::ledger::Error;

pub(super) fn key(subject: &str) -> Vec<u8> {
    Key::new(Kind::Incident).text(subject).bytes()
}

/// Opens an incident, or renews the cause of the one that is open for this subject.
pub(super) fn open(cx: &mut Context<'_>, row: IncidentRow, rule: &str) -> Result<(), Error> {
    let id = Some(row.id.clone());
    open_about(cx, row, rule, id, None)
}

/// The same about a pair: both of its ids are told.
pub(super) fn open_pair(cx: &mut Context<'_>, row: IncidentRow, rule: &str, pair: &LinkRow) -> Result<(), Error> {
    open_about(cx, row, rule, pair.left.clone(), pair.right.clone())
}

fn open_about(
    cx: &mut Context<'_>,
    mut row: IncidentRow,
    rule: &str,
    left: Option<String>,
    right: Option<String>,
) -> Result<(), Error> {
    let key = key(&row.subject);
    if let Some(old) = cx.get::<IncidentRow>(&key)? {
        if old.cause == row.cause {
            return Ok(());
        }
        row.since = old.since;
    }
    let action = if row.parked { "parked" } else { "incident" };
    cx.log(Event {
        at: cx.now,
        action: action.to_owned(),
        rule: rule.to_owned(),
        place: row.place.clone(),
        entity: row.entity.clone(),
        left,
        right,
        subject: row.subject.clone(),
        detail: row.cause.clone(),
        ..Event::default()
    });
    cx.put(key, &row);
    Ok(())
}

/// Closes the incident of a subject, if there is one.
pub(super) fn settle(cx: &mut Context<'_>, subject: &str) -> Result<(), Error> {
    let key = key(subject);
    if cx.raw(&key)?.is_some() {
        cx.delete(key);
    }
    Ok(())
}

/// Closes the incident about a wait that is over; one about what came of it stays.
pub(super) fn settle_wait(cx: &mut Context<'_>, subject: &str) -> Result<(), Error> {
    let key = key(subject);
    if cx.get::<IncidentRow>(&key)?.is_some_and(|row| row.parked) {
        cx.delete(key);
    }
    Ok(())
}

/// A person closes an incident that nothing else closes, and what was kept for it goes. `subject` is the incident's, or
/// its last word (`m3`).
pub(super) fn dismiss(cx: &mut Context<'_>, subject: &str, reason: &str) -> Result<Result<String, String>, Error> {
    let names = ["", "message ", "topic ", "run ", "link "].map(|kind| format!("{kind}{subject}"));
    for name in names {
        if cx.raw(&key(&name))?.is_none() {
            continue;
        }
        if name.starts_with("link ") || name.starts_with("run ") {
            return Ok(Err(format!("`{name}` waits for it: retry, settle or cancel it instead")));
        }
        parked::dismissed(cx, &name);
        settle(cx, &name)?;
        return Ok(Ok(format!("dismissed: {reason}")));
    }
    Ok(Err(format!("there is no incident about `{subject}`")))
}

/// Groups incidents of one cause: numbers, quoted values and ids are left out of it.
pub(super) fn fingerprint(rule: &str, place: &str, cause: &str) -> String {
    let shape: String = cause.chars().map(|c| if c.is_ascii_digit() { '#' } else { c }).collect();
    let mut plain = String::new();
    let mut quoted = false;
    for c in shape.chars() {
        if c == '`' || c == '"' {
            quoted = !quoted;
            continue;
        }
        if !quoted {
            plain.push(c);
        }
    }
    hash(&format!("{rule} {place} {plain}"))
}

pub(super) fn row(
    subject: String,
    rule: &str,
    place: String,
    entity: String,
    id: String,
    cause: String,
    advice: &str,
    parked: bool,
    since: Timestamp,
) -> IncidentRow {
    let fingerprint = fingerprint(rule, &place, &cause);
    IncidentRow { subject, fingerprint, cause, entity, id, place, since, parked, advice: advice.to_owned() }
}

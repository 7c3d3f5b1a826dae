//! What needs a person: parked records and stopped runs, grouped by cause.

use dsl::value::Timestamp;

use crate::decide::model::event::Event;
use crate::decide::model::hash::hash;
use crate::decide::model::incident::IncidentRow;
use crate::decide::model::key;
use crate::decide::model::link::LinkRow;
use crate::decide::store::transaction::Context;
use crate::ledger::Error;

/// Opens an incident, or renews the cause of the one that is open for this subject.
pub(crate) fn open(cx: &mut Context<'_>, row: IncidentRow, rule: &str) -> Result<(), Error> {
    let id = Some(row.id.clone());
    open_about(cx, row, rule, id, None)
}

/// The same about a pair: both of its ids are told.
pub(crate) fn open_pair(cx: &mut Context<'_>, row: IncidentRow, rule: &str, pair: &LinkRow) -> Result<(), Error> {
    open_about(cx, row, rule, pair.left.clone(), pair.right.clone())
}

fn open_about(
    cx: &mut Context<'_>,
    mut row: IncidentRow,
    rule: &str,
    left: Option<String>,
    right: Option<String>,
) -> Result<(), Error> {
    let key = key::incident(&row.subject);
    if let Some(old) = cx.get(&key)? {
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
pub(crate) fn settle(cx: &mut Context<'_>, subject: &str) -> Result<(), Error> {
    let key = key::incident(subject);
    if cx.has(&key)? {
        cx.delete(key);
    }
    Ok(())
}

/// Closes the incident about a wait that is over; one about what came of it stays.
pub(crate) fn settle_wait(cx: &mut Context<'_>, subject: &str) -> Result<(), Error> {
    let key = key::incident(subject);
    if cx.get(&key)?.is_some_and(|row| row.parked) {
        cx.delete(key);
    }
    Ok(())
}

/// Groups incidents of one cause: numbers, quoted values and ids are left out of it.
pub(crate) fn fingerprint(rule: &str, place: &str, cause: &str) -> String {
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

pub(crate) fn row(
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

/// An incident about a defect that is about no pair, run or read.
pub(crate) fn report(cx: &mut Context<'_>, subject: String, reason: &str) -> Result<(), Error> {
    let name = subject.split(' ').next().unwrap_or_default().to_owned();
    let advice = format!(
        "report it with the log; it is left out, and everything else goes on; `engine resolve dismiss '{subject}'` \
         closes this"
    );
    let row = row(
        subject,
        &name,
        String::new(),
        String::new(),
        String::new(),
        format!("a decision about it broke off, which is a defect of the engine: {reason}"),
        &advice,
        false,
        cx.now,
    );
    open(cx, row, &name)
}

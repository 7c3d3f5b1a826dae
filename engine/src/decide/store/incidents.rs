//! What needs a person: parked records and stopped runs, grouped by cause.

use crate::decide::model::event::{Action, Event};
use crate::decide::model::hash::hash;
use crate::decide::model::incident::IncidentRow;
use crate::decide::model::key;
use crate::decide::model::sides::Sides;
use crate::decide::model::subject::Subject;
use crate::decide::store::transaction::Context;
use crate::ledger::Error;

use dsl::program::Side;

/// An incident that is to be opened.
#[derive(Debug, Clone)]
pub(crate) struct NewIncident {
    pub(crate) subject: Subject,
    /// The sync, `when`, workflow or system.
    pub(crate) rule: String,
    /// The rule line, or the door.
    pub(crate) place: String,
    /// Incidents of one cause are grouped by this instead of the place, where it is given.
    pub(crate) group: Option<String>,
    pub(crate) entity: String,
    pub(crate) id: String,
    pub(crate) cause: String,
    pub(crate) advice: String,
    /// A record waits, or a run for one; otherwise a run has stopped.
    pub(crate) parked: bool,
}

impl Default for NewIncident {
    fn default() -> Self {
        Self {
            subject: Subject::Cluster,
            rule: String::new(),
            place: String::new(),
            group: None,
            entity: String::new(),
            id: String::new(),
            cause: String::new(),
            advice: String::new(),
            parked: false,
        }
    }
}

/// Opens an incident, or renews the cause of the one that is open for this subject.
pub(crate) fn open(cx: &mut Context<'_>, incident: NewIncident) -> Result<(), Error> {
    let ids = Sides::new(Some(incident.id.clone()), None);
    open_pair(cx, incident, &ids)
}

/// The same about a pair: both of its ids are said.
pub(crate) fn open_pair(cx: &mut Context<'_>, incident: NewIncident, ids: &Sides<Option<String>>) -> Result<(), Error> {
    let key = key::incident(&incident.subject);
    let old = cx.get(&key)?;
    if old.as_ref().is_some_and(|old| old.cause == incident.cause) {
        return Ok(());
    }
    let group = incident.group.as_ref().unwrap_or(&incident.place);
    let row = IncidentRow {
        fingerprint: fingerprint(&incident.rule, group, &incident.cause),
        since: old.map_or(cx.now, |old| old.since),
        subject: incident.subject,
        cause: incident.cause,
        entity: incident.entity,
        id: incident.id,
        place: incident.place,
        parked: incident.parked,
        advice: incident.advice,
    };
    cx.log(Event {
        rule: incident.rule,
        place: row.place.clone(),
        entity: row.entity.clone(),
        left: ids[Side::Left].clone(),
        right: ids[Side::Right].clone(),
        subject: row.subject.to_string(),
        detail: row.cause.clone(),
        ..Event::new(cx.now, if row.parked { Action::Parked } else { Action::Incident })
    });
    cx.put(key, &row);
    Ok(())
}

/// Closes the incident of a subject, if there is one.
pub(crate) fn settle(cx: &mut Context<'_>, subject: &Subject) -> Result<(), Error> {
    let key = key::incident(subject);
    if cx.has(&key)? {
        cx.delete(key);
    }
    Ok(())
}

/// Closes the incident about a wait that is over; one about what came of it stays.
pub(crate) fn settle_wait(cx: &mut Context<'_>, subject: &Subject) -> Result<(), Error> {
    let key = key::incident(subject);
    if cx.get(&key)?.is_some_and(|row| row.parked) {
        cx.delete(key);
    }
    Ok(())
}

/// An incident about a defect that is about no pair, run or read.
pub(crate) fn report(cx: &mut Context<'_>, subject: Subject, reason: &str) -> Result<(), Error> {
    let advice = format!(
        "report it with the log; it is left out, and everything else goes on; `engine resolve dismiss '{subject}'` \
         closes this"
    );
    let incident = NewIncident {
        rule: subject.kind().to_owned(),
        cause: format!("a decision about it broke off, which is a defect of the engine: {reason}"),
        advice,
        subject,
        ..NewIncident::default()
    };
    open(cx, incident)
}

/// Groups incidents of one cause: numbers, quoted values and ids are left out of it.
pub(crate) fn fingerprint(rule: &str, place: &str, cause: &str) -> String {
    let mut shape = String::new();
    for c in cause.chars() {
        match c {
            // A number, however long.
            c if c.is_ascii_digit() && shape.ends_with('#') => {}
            c if c.is_ascii_digit() => shape.push('#'),
            c => shape.push(c),
        }
    }
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

//! Times from outside that are ahead of ours.
//!
//! In: a time that a system says of a change, and the time of the decision. Out: the version that the change is known
//! by. Always true: no version lies further ahead than the setting `clock_ahead`, so a wrong clock elsewhere keeps no
//! later change out; what counts as now is read anew, and that read is believed, whatever the record says of its age.
//! It is told once for each system, until a person dismisses it.

use dsl::schema::EntityName;
use dsl::value::Timestamp;

use crate::decide::model::key;
use crate::decide::model::record::RecordRow;
use crate::decide::model::subject::Subject;
use crate::decide::store::incidents::{self, NewIncident};
use crate::decide::store::reads;
use crate::decide::store::transaction::Context;
use crate::ledger::Error;

/// The time by which something is known that `system` says happened at `at`: `at` itself, or now.
pub(crate) fn bounded(cx: &mut Context<'_>, system: &str, at: Timestamp) -> Result<Timestamp, Error> {
    if at <= horizon(cx) {
        return Ok(at);
    }
    let subject = Subject::Clock(system.to_owned());
    if !cx.has(&key::incident(&subject))? {
        let incident = NewIncident {
            subject,
            rule: system.to_owned(),
            place: "clock".to_owned(),
            entity: system.to_owned(),
            cause: format!(
                "{system} tells of a change at {at}, which is still to come: it counts as now, and so does every other \
                 such time"
            ),
            advice: format!(
                "set the clock of {system}, or of whoever sends for it; a gap that is meant can be allowed by \
                 `runtime.clock_ahead`; then `engine resolve dismiss \"clock {system}\"`"
            ),
            parked: true,
            ..NewIncident::default()
        };
        incidents::open(cx, incident)?;
    }
    Ok(cx.now)
}

/// A message about a record said a time ahead: the record is read, and that read settles what holds.
pub(crate) fn read_anew(cx: &mut Context<'_>, entity: &EntityName, id: &str) -> Result<(), Error> {
    cx.put(key::ahead(entity, id), &cx.now.clone());
    reads::refresh(cx, entity, id)
}

/// The version of what is known, where it counts as now because its own time was ahead: a read replaces it, however
/// old the record says it is.
pub(crate) fn replaceable(cx: &Context<'_>, entity: &EntityName, id: &str) -> Result<Option<Timestamp>, Error> {
    cx.get(&key::ahead(entity, id))
}

/// It was read.
pub(crate) fn settle(cx: &mut Context<'_>, entity: &EntityName, id: &str) {
    cx.delete(key::ahead(entity, id));
}

/// Versions that were stored before there was a bound: they are of no time that can be, so whatever comes is newer.
pub(crate) fn forget(cx: &Context<'_>, row: &mut RecordRow) {
    let horizon = horizon(cx);
    let bound = |at: &mut Timestamp| {
        if *at > horizon {
            *at = Timestamp::default();
        }
    };
    for field in row.fields.values_mut() {
        bound(&mut field.at);
        bound(&mut field.changed);
    }
    for link in row.links.values_mut() {
        bound(&mut link.at);
        bound(&mut link.changed);
    }
    bound(&mut row.latest);
}

fn horizon(cx: &Context<'_>) -> Timestamp {
    cx.now.plus(cx.settings.clock_ahead)
}

#[cfg(test)]
mod tests {
    use connectors::port::{Body, Message, Observed};
    use dsl::schema::{Change, EntityName};
    use dsl::value::{Duration, Timestamp};

    use crate::decide::model::key;
    use crate::decide::model::record::Life;
    use crate::decide::{Input, Source, views};
    use crate::rehearse::Simulation;

    fn say(simulation: &mut Simulation, at: Timestamp, body: Body) {
        let messages =
            vec![Message { name: "contact.deletion".to_owned(), at, dedupe: format!("{at}"), own: false, body }];
        let input =
            Input::Delivery { system: "crm".to_owned(), messages, malformed: Vec::new(), source: Source::Webhook };
        simulation.input(&input).expect("taken");
    }

    #[test]
    fn deletions_and_merges_are_bounded_like_changes() {
        let start = Timestamp(1_772_442_000_000);
        let contact = EntityName::new("crm", "Contact");
        let row = |simulation: &Simulation, id: &str| {
            key::record(&contact, id).read(simulation.rows()).expect("readable").expect("known")
        };
        for ahead in [Duration::minutes(6), Duration::days(400)] {
            let mut simulation = Simulation::new(crate::rules::shipped(), start).expect("the engine starts");
            let at = simulation.now().plus(ahead);
            let observed = Observed { id: "1".to_owned(), ..Observed::default() };
            say(&mut simulation, at, Body::Record { entity: "Contact".to_owned(), change: Change::Deleted, observed });
            assert_eq!(row(&simulation, "1").life, Life::Deleted(start));
            let merged =
                Body::Merged { entity: "Contact".to_owned(), into: "3".to_owned(), gone: vec!["2".to_owned()] };
            say(&mut simulation, at.plus(Duration(1)), merged);
            assert_eq!(row(&simulation, "2").latest, start);
            let incidents = views::incidents(simulation.rows()).expect("readable");
            assert_eq!(incidents.iter().map(|one| one.subject.as_str()).collect::<Vec<_>>(), ["clock crm"]);
        }
    }

    #[test]
    fn a_clock_that_is_ahead_by_less_than_the_bound_is_believed() {
        let start = Timestamp(1_772_442_000_000);
        let mut simulation = Simulation::new(crate::rules::shipped(), start).expect("the engine starts");
        let observed = Observed { id: "1".to_owned(), ..Observed::default() };
        let at = start.plus(Duration::minutes(5));
        say(&mut simulation, at, Body::Record { entity: "Contact".to_owned(), change: Change::Deleted, observed });
        let contact = EntityName::new("crm", "Contact");
        let row = key::record(&contact, "1").read(simulation.rows()).expect("readable").expect("known");
        assert_eq!(row.life, Life::Deleted(at));
        assert_eq!(views::incidents(simulation.rows()).expect("readable"), []);
    }
}

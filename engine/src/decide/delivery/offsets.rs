//! Where each Kafka partition is read on: a row in the same round as what a record caused.
//!
//! In: the source of a delivery; the news that an offset is gone, or that another cluster answers. Out: the row
//! that a restart seeks to.
//! Always true: a record below its partition's row was decided before, and is told when it is passed over; the row
//! goes back only where its source said that what stood there is gone.

use connectors::planted::{Mutant, planted};

use crate::decide::model::delivery::OffsetRow;
use crate::decide::model::event::{Action, Event};
use crate::decide::model::input::Source;
use crate::decide::model::key;
use crate::decide::model::outcome::Command;
use crate::decide::model::subject::Subject;
use crate::decide::store::incidents::{self, NewIncident};
use crate::decide::store::transaction::Context;
use crate::ledger::Error;

/// Moves behind the record that `source` names. False where it was decided already: the source went back further
/// than the ledger. What came by no partition is always new.
pub(crate) fn take(cx: &mut Context<'_>, system: &str, source: &Source) -> Result<bool, Error> {
    let Source::Kafka { topic, partition, offset, .. } = source else { return Ok(true) };
    let key = key::offset(topic, *partition);
    if let Some(row) = cx.get(&key)?
        && *offset < row.next
    {
        cx.command(Command::Log(Event {
            rule: system.to_owned(),
            entity: topic.clone(),
            subject: format!("{topic}/{partition}"),
            detail: format!("offset {offset} was decided before"),
            ..Event::new(cx.now, Action::PassedOver)
        }));
        return Ok(false);
    }
    let next = offset.saturating_add(1);
    if !planted(Mutant::OffsetOutsideOfRound) {
        cx.put(key, &OffsetRow { topic: topic.clone(), partition: *partition, next });
    }
    Ok(true)
}

/// A cluster answers. Offsets are kept beside its id; those of another one mean nothing in it, so its topics are read
/// from their start.
pub(crate) fn cluster(cx: &mut Context<'_>, id: &str) -> Result<(), Error> {
    let before: Option<String> = cx.get(&key::cluster())?;
    if before.as_deref() == Some(id) {
        return Ok(());
    }
    cx.put(key::cluster(), &id.to_owned());
    let Some(before) = before else { return Ok(()) };
    for (key, _) in cx.rows::<OffsetRow>()? {
        cx.delete(key);
    }
    let incident = NewIncident {
        subject: Subject::Cluster,
        rule: "kafka".to_owned(),
        entity: "kafka".to_owned(),
        cause: format!("the Kafka cluster {before} gave way to {id}: its topics are read from their start"),
        advice: "what was not read of the old one is lost: compare both sides with `engine backfill`, then \
                 `engine resolve dismiss \"kafka cluster\"`"
            .to_owned(),
        parked: true,
        ..NewIncident::default()
    };
    incidents::open(cx, incident)
}

/// The offset that was to be read is gone: its partition goes on at `next`, be it further on or further back.
pub(crate) fn passed_over(
    cx: &mut Context<'_>,
    topic: &str,
    partition: i32,
    next: i64,
    reason: &str,
) -> Result<(), Error> {
    cx.put(key::offset(topic, partition), &OffsetRow { topic: topic.to_owned(), partition, next });
    let incident = NewIncident {
        subject: Subject::Topic { topic: topic.to_owned(), partition },
        rule: topic.to_owned(),
        place: format!("{topic}/{partition}"),
        entity: topic.to_owned(),
        cause: reason.to_owned(),
        advice: "records were lost before they were read: compare both sides with `engine backfill`, then \
                 `engine resolve dismiss`"
            .to_owned(),
        parked: true,
        ..NewIncident::default()
    };
    incidents::open(cx, incident)
}

#[cfg(test)]
mod tests {
    use connectors::port::{Body, Message};
    use dsl::value::Timestamp;

    use crate::decide::known_cluster;
    use crate::decide::{Input, Source, offsets, views};
    use crate::rehearse::Simulation;

    fn world() -> Simulation {
        Simulation::new(crate::rules::shipped(), Timestamp(1_772_442_000_000)).expect("the engine starts")
    }

    /// A record that leaves a line in the history, by which it is seen that it was decided.
    fn record(world: &mut Simulation, offset: i64, mark: &str) {
        let now = world.now();
        let message =
            Message { name: "no.such".to_owned(), at: now, dedupe: mark.to_owned(), own: false, body: Body::Foreign };
        let source = Source::Kafka { topic: "biometrics.users".to_owned(), partition: 0, offset, key: None };
        let (system, messages) = ("app".to_owned(), vec![message]);
        let input = Input::Delivery { system, messages, malformed: Vec::new(), source };
        world.input(&input).expect("taken");
    }

    fn decided(world: &mut Simulation) -> usize {
        world.pass(dsl::value::Duration(1)).expect("the engine goes on");
        world.log.iter().filter(|event| event.action == "foreign").count()
    }

    fn next(world: &Simulation) -> i64 {
        offsets(world.rows()).expect("readable")[&("biometrics.users".to_owned(), 0)]
    }

    fn gone(world: &mut Simulation, next: i64) {
        let (topic, reason) = ("biometrics.users".to_owned(), "it was made anew".to_owned());
        world.input(&Input::Offset { topic, partition: 0, next, reason }).expect("taken");
    }

    #[test]
    fn records_of_a_topic_that_was_made_anew_are_decided_from_its_first_one() {
        let mut world = world();
        record(&mut world, 4, "old");
        assert_eq!((decided(&mut world), next(&world)), (1, 5));
        gone(&mut world, 0);
        assert_eq!(next(&world), 0);
        record(&mut world, 0, "new");
        assert_eq!((decided(&mut world), next(&world)), (2, 1));
        let incidents = views::incidents(world.rows()).expect("readable");
        assert_eq!(incidents.iter().filter(|i| i.subject == "topic biometrics.users/0").count(), 1, "{incidents:?}");
    }

    #[test]
    fn a_gone_offset_moves_its_partition_on_too() {
        let mut world = world();
        record(&mut world, 4, "old");
        gone(&mut world, 90);
        assert_eq!(next(&world), 90);
    }

    #[test]
    fn a_record_that_was_decided_before_is_told_and_changes_nothing() {
        let mut world = world();
        record(&mut world, 4, "old");
        record(&mut world, 4, "another mark");
        assert_eq!((decided(&mut world), next(&world)), (1, 5));
        let told = world.log.iter().find(|event| event.action == "passed over").expect("a line of the log");
        assert_eq!((told.rule.as_str(), told.subject.as_str()), ("app", "biometrics.users/0"));
        assert!(told.detail.contains("offset 4"), "{told:?}");
    }

    #[test]
    fn offsets_of_another_cluster_are_forgotten_and_people_are_told() {
        let mut world = world();
        let meet = |world: &mut Simulation, id: &str| {
            world.input(&Input::Cluster { id: id.to_owned() }).expect("taken");
        };
        meet(&mut world, "one");
        record(&mut world, 4, "old");
        meet(&mut world, "one");
        assert_eq!(next(&world), 5);
        assert_eq!(views::incidents(world.rows()).expect("readable"), []);
        meet(&mut world, "two");
        assert!(offsets(world.rows()).expect("readable").is_empty());
        assert_eq!(known_cluster(world.rows()).expect("readable").as_deref(), Some("two"));
        let [incident] = views::incidents(world.rows()).expect("readable").try_into().expect("one incident");
        assert!(incident.cause.contains("one") && incident.cause.contains("two"), "{incident:?}");
        record(&mut world, 0, "new");
        assert_eq!((decided(&mut world), next(&world)), (2, 1));
    }
}

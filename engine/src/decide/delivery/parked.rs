//! Messages that nobody could read or decide (a dead letter queue): kept whole until a person dismisses them, or their
//! time is over.
//!
//! In: what came, where, and why nothing can be made of it. Out: a row with all of it, and an incident that names it.
//! Always true: row and incident of a message come and go together; what goes because of its age is told.

use connectors::port::Malformed;
use dsl::schema::EntityName;

use crate::decide::model::delivery::ParkedRow;
use crate::decide::model::event::{Action, Event};
use crate::decide::model::incident::IncidentRow;
use crate::decide::model::input::Source;
use crate::decide::model::key;
use crate::decide::model::row::Prefix;
use crate::decide::model::subject::Subject;
use crate::decide::store::incidents::{self, NewIncident};
use crate::decide::store::transaction::Context;
use crate::ledger::Error;

/// Most rows that one sweep looks at.
const MOST: usize = 1_000;

/// A delivery that could not be read as a whole.
pub(crate) fn delivery(
    cx: &mut Context<'_>,
    system: &str,
    source: &Source,
    reason: &str,
    payload: &[u8],
) -> Result<(), Error> {
    let cause = format!("a message could not be read: {reason}");
    park(cx, system, source, &cause, "mend the sender", payload)
}

/// One message of a delivery that could not be read; the others are decided.
pub(crate) fn malformed(
    cx: &mut Context<'_>,
    system: &str,
    source: &Source,
    malformed: &Malformed,
) -> Result<(), Error> {
    delivery(cx, system, source, &malformed.reason, malformed.text.as_bytes())
}

/// A member of an event that is not what the lock says: what waits for it cannot see it. The others count.
pub(crate) fn member(
    cx: &mut Context<'_>,
    system: &str,
    source: &Source,
    event: &EntityName,
    field: &str,
    why: &str,
    payload: &[u8],
) -> Result<(), Error> {
    let cause = format!("`{field}` of a message cannot be understood: {why}");
    let advice = "mend the sender, or the type in the system's lock; the other members of the message count";
    keep(cx, system, &event.to_string(), source, &cause, advice, payload)
}

/// Characters of a key that are shown.
const KEY_SHOWN: usize = 100;

/// Where something came from, for people.
pub(crate) fn place(source: &Source) -> String {
    match source {
        Source::Webhook => "webhook".to_owned(),
        Source::Kafka { topic, partition, offset, key } => {
            let key = key.iter().map(|key| key.chars().take(KEY_SHOWN).collect::<String>());
            let key: String = key.map(|key| format!(", key {key}")).collect();
            format!("{topic}/{partition} at {offset}{key}")
        }
    }
}

/// Keeps what came, and shows it to people.
pub(crate) fn park(
    cx: &mut Context<'_>,
    system: &str,
    source: &Source,
    cause: &str,
    advice: &str,
    payload: &[u8],
) -> Result<(), Error> {
    keep(cx, system, system, source, cause, advice, payload)
}

/// The same of something about `entity`.
fn keep(
    cx: &mut Context<'_>,
    system: &str,
    entity: &str,
    source: &Source,
    cause: &str,
    advice: &str,
    payload: &[u8],
) -> Result<(), Error> {
    let number = cx.next()?;
    let place = place(source);
    let door = match source {
        Source::Webhook => place.clone(),
        Source::Kafka { topic, .. } => topic.clone(),
    };
    let parked = ParkedRow { place: place.clone(), reason: cause.to_owned(), payload: payload.to_vec() };
    cx.put(key::parked(number), &parked);
    let incident = NewIncident {
        subject: Subject::Message(number),
        rule: system.to_owned(),
        // Grouped by door: the offset would make every record a cause of its own.
        group: Some(door),
        place,
        entity: entity.to_owned(),
        cause: cause.to_owned(),
        advice: format!(
            "{advice}; `engine why m{number}` shows what came, `engine resolve dismiss m{number}` settles it"
        ),
        parked: true,
        ..NewIncident::default()
    };
    incidents::open(cx, incident)
}

/// Takes away, and tells, what nobody dismissed in its time. True where more may be left.
pub(crate) fn expire(cx: &mut Context<'_>) -> Result<bool, Error> {
    let oldest = cx.now.minus(cx.settings.retention);
    let found = cx.scan(&Prefix::<ParkedRow>::all(), MOST)?;
    let all = found.len();
    for (row_key, ParkedRow { place, reason, .. }) in found {
        let number = row_key.number()?;
        let subject = Subject::Message(number);
        // They stand in the order in which they came; what has no incident is of an older engine.
        let open: Option<IncidentRow> = cx.get(&key::incident(&subject))?;
        if open.as_ref().is_some_and(|open| open.since > oldest) {
            return Ok(false);
        }
        cx.delete(row_key);
        incidents::settle(cx, &subject)?;
        cx.log(Event {
            rule: open.map_or_else(String::new, |open| open.entity),
            place,
            subject: subject.to_string(),
            detail: format!("nobody dismissed it while it was kept: {reason}"),
            ..Event::new(cx.now, Action::Expired)
        });
    }
    Ok(all == MOST)
}

#[cfg(test)]
mod tests {
    use connectors::port::{Body, Message};
    use dsl::value::{Duration, Timestamp};

    use super::*;
    use crate::decide::model::incident::IncidentRow;
    use crate::decide::model::row::Row;
    use crate::decide::{Input, OperatorCommand, Settings, offsets, views};
    use crate::rehearse::Simulation;

    fn world() -> Simulation {
        let program = crate::rules::shipped();
        let settings = Settings { retention: Duration::days(1), ..Settings::default() };
        Simulation::with(program, Timestamp(1_772_442_000_000), settings).expect("the engine starts")
    }

    fn record(offset: i64) -> Source {
        Source::Kafka { topic: "biometrics.users".to_owned(), partition: 2, offset, key: None }
    }

    fn foreign(world: &Simulation, mark: &str) -> Message {
        let (name, dedupe) = ("no.such".to_owned(), mark.to_owned());
        Message { name, at: world.now(), dedupe, own: false, body: Body::Foreign }
    }

    fn bad(reason: &str, text: &str) -> Malformed {
        Malformed { reason: reason.to_owned(), text: text.to_owned() }
    }

    fn incidents(world: &Simulation) -> Vec<views::Incident> {
        views::incidents(world.rows()).expect("readable")
    }

    fn operate(world: &mut Simulation, command: OperatorCommand) -> String {
        world.input(&Input::Operator { who: "ada".to_owned(), command }).expect("taken");
        world.pass(Duration(1)).expect("the engine goes on");
        world.log.iter().rfind(|event| event.action == "operator").expect("it is told").detail.clone()
    }

    fn dismiss(world: &mut Simulation, subject: &str) -> String {
        let (subject, reason) = (subject.to_owned(), "it was a test of theirs".to_owned());
        operate(world, OperatorCommand::Dismiss { subject, reason })
    }

    /// The name of the message that an incident is about.
    fn name(incident: &views::Incident) -> String {
        incident.subject.strip_prefix("message ").expect("it is about a message").to_owned()
    }

    #[test]
    fn one_message_that_cannot_be_read_is_kept_whole_and_the_others_are_decided() {
        let mut world = world();
        let text = format!("{{\"text\":\"{}\"}}", "x".repeat(20_000));
        let messages = vec![foreign(&world, "1"), foreign(&world, "2")];
        let malformed = vec![bad("event 1: it has no `subscriptionType`", &text)];
        world
            .input(&Input::Delivery { system: "crm".to_owned(), messages, malformed, source: Source::Webhook })
            .expect("taken");
        world.pass(Duration(1)).expect("the engine goes on");
        assert_eq!(world.log.iter().filter(|event| event.action == "foreign").count(), 2);
        let [incident] = incidents(&world).try_into().expect("one incident");
        assert!(incident.parked && incident.cause.contains("event 1"), "{incident:?}");
        let kept = views::parked(world.rows(), &name(&incident)).expect("readable").expect("it is kept");
        assert_eq!((kept.payload, kept.source.as_str()), (text, "webhook"));
    }

    #[test]
    fn a_record_that_cannot_be_read_is_parked_with_its_place_and_the_stream_goes_on() {
        let mut world = world();
        let unreadable = |offset| Input::Unreadable {
            system: "app".to_owned(),
            source: record(offset),
            reason: "the body is no JSON: expected value at line 1".to_owned(),
            payload: b"\xff\xfe".to_vec(),
        };
        world.input(&unreadable(7)).expect("taken");
        let messages = vec![foreign(&world, "1")];
        let next = Input::Delivery { system: "app".to_owned(), messages, malformed: Vec::new(), source: record(8) };
        world.input(&next).expect("taken");
        world.input(&unreadable(9)).expect("taken");
        world.pass(Duration(1)).expect("the engine goes on");
        assert_eq!(world.log.iter().filter(|event| event.action == "foreign").count(), 1);
        let found = incidents(&world);
        let places: Vec<&str> = found.iter().map(|incident| incident.place.as_str()).collect();
        assert_eq!(places, ["biometrics.users/2 at 7", "biometrics.users/2 at 9"]);
        assert_eq!(found[0].fingerprint, found[1].fingerprint, "one cause is one line");
        assert_eq!(offsets(world.rows()).expect("readable")[&("biometrics.users".to_owned(), 2)], 10);
    }

    #[test]
    fn dismissing_takes_incident_and_message_away_and_is_told() {
        let mut world = world();
        let malformed = vec![bad("a", "1"), bad("b", "2")];
        let (system, messages) = ("crm".to_owned(), Vec::new());
        world.input(&Input::Delivery { system, messages, malformed, source: Source::Webhook }).expect("taken");
        let names: Vec<String> = incidents(&world).iter().map(name).collect();
        assert_eq!(dismiss(&mut world, &names[0]), "dismissed: it was a test of theirs");
        assert!(views::parked(world.rows(), &names[0]).expect("readable").is_none());
        assert_eq!(incidents(&world).iter().map(name).collect::<Vec<_>>(), names[1..]);
        assert!(dismiss(&mut world, &names[0]).starts_with("refused: there is no incident"));
    }

    #[test]
    fn lost_records_are_dismissed_by_their_topic() {
        let mut world = world();
        let (topic, reason) = ("biometrics.users".to_owned(), "made anew".to_owned());
        world.input(&Input::Offset { topic, partition: 0, next: 0, reason }).expect("taken");
        assert_eq!(incidents(&world).len(), 1);
        assert!(dismiss(&mut world, "biometrics.users/0").starts_with("dismissed"));
        assert_eq!(incidents(&world), []);
    }

    #[test]
    fn what_nobody_dismisses_goes_after_its_time_and_is_told() {
        let mut world = world();
        let (system, malformed) = ("crm".to_owned(), vec![bad("a", "1")]);
        world
            .input(&Input::Delivery { system, messages: Vec::new(), malformed, source: Source::Webhook })
            .expect("taken");
        let name = name(&incidents(&world)[0]);
        world.pass(Duration::hours(20)).expect("the engine goes on");
        assert!(views::parked(world.rows(), &name).expect("readable").is_some());
        world.pass(Duration::hours(12)).expect("the engine goes on");
        assert!(views::parked(world.rows(), &name).expect("readable").is_none());
        assert_eq!(incidents(&world), []);
        let told = world.log.iter().find(|event| event.action == "expired").expect("a line");
        assert_eq!(told.subject, format!("message {name}"));
    }

    #[test]
    fn what_waits_for_a_run_or_a_pair_is_not_dismissed() {
        let mut world = world();
        let subject = Subject::Link(crate::ids::LinkId(7));
        let row = IncidentRow {
            subject: subject.clone(),
            fingerprint: String::new(),
            cause: "why".to_owned(),
            entity: String::new(),
            id: String::new(),
            place: String::new(),
            since: world.now(),
            parked: true,
            advice: String::new(),
        };
        let changes = vec![(key::incident(&subject).into_bytes(), Some(row.encode()))];
        let round = crate::ledger::Round { changes, records: Vec::new() };
        crate::ledger::Ledger::append(&mut world.ledger(), round).expect("taken");
        assert!(dismiss(&mut world, "l7").contains("retry, settle or cancel"));
        assert_eq!(incidents(&world).len(), 1);
    }

    #[test]
    fn messages_whose_rules_are_gone_are_kept() {
        let mut world = world();
        let messages = vec![foreign(&world, "1")];
        let (system, source) = ("mail".to_owned(), Source::Webhook);
        world.input(&Input::Delivery { system, messages, malformed: Vec::new(), source }).expect("taken");
        let [incident] = incidents(&world).try_into().expect("one incident");
        assert!(incident.cause.contains("no `events from mail`"), "{incident:?}");
    }
}

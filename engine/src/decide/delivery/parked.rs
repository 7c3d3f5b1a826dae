//! Messages that nobody could read or decide (a dead letter queue): kept whole until a person dismisses them, or their
//! time is over.
//!
//! In: what came, where, and why nothing can be made of it. Out: a row with all of it, and an incident that names it; what
//! comes again by the same door for the same cause is counted there, the next few whole.
//! Always true: row and incident of a message come and go together; what goes because of its age is told; however much
//! comes that nobody can read, what is kept of it has a bound.

use connectors::port::Malformed;
use dsl::schema::EntityName;

use crate::decide::model::delivery::{AlikeRow, ParkedRow};
use crate::decide::model::event::{Action, Event};
use crate::decide::model::incident::IncidentRow;
use crate::decide::model::input::Source;
use crate::decide::model::key;
use crate::decide::model::row::Prefix;
use crate::decide::model::subject::Subject;
use crate::decide::store::incidents::{self, NewIncident};
use crate::decide::store::transaction::Context;
use crate::ledger::Error;

/// Messages of one cause and door that are kept whole, beside the first.
const SAMPLES: usize = 4;

/// The largest of them, in bytes.
const SAMPLE: usize = 64 << 10;

/// Causes that are told apart at once; what comes beyond is counted as one, by its door.
const CAUSES: usize = 500;

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
    let place = place(source);
    let door = match source {
        Source::Webhook => place.clone(),
        Source::Kafka { topic, .. } => topic.clone(),
    };
    let parked = ParkedRow { place: place.clone(), reason: cause.to_owned(), payload: payload.to_vec() };
    if again(cx, &incidents::fingerprint(system, &door, cause), &parked)? {
        return Ok(());
    }
    let many = cx.scan_bytes(&Prefix::<AlikeRow>::all(), CAUSES)?.len() >= CAUSES;
    let cause = if many { "messages could not be read, for more causes than are told apart" } else { cause };
    let fingerprint = incidents::fingerprint(system, &door, cause);
    if many && again(cx, &fingerprint, &parked)? {
        return Ok(());
    }
    let number = cx.next()?;
    cx.put(key::parked(number), &parked);
    cx.put(key::alike(&fingerprint), &AlikeRow { first: number, count: 1, last: cx.now, samples: Vec::new() });
    let incident = NewIncident {
        subject: Subject::Message(number),
        rule: system.to_owned(),
        // Grouped by door: the offset would make every record a cause of its own.
        group: Some(door),
        place,
        entity: entity.to_owned(),
        cause: cause.to_owned(),
        advice: format!(
            "{advice}; `engine why m{number}` shows what came, `engine resolve dismiss m{number}` settles it and all that \
             came like it"
        ),
        parked: true,
        ..NewIncident::default()
    };
    incidents::open(cx, incident)
}

/// Counts what came for the same cause by the same door as one that is open. False where there is none.
fn again(cx: &mut Context<'_>, fingerprint: &str, parked: &ParkedRow) -> Result<bool, Error> {
    let Some(mut alike) = cx.get(&key::alike(fingerprint))? else { return Ok(false) };
    alike.count += 1;
    alike.last = cx.now;
    if alike.samples.len() < SAMPLES && parked.payload.len() <= SAMPLE {
        alike.samples.push(parked.clone());
    }
    // Told less and less often: the count says how many they are.
    if alike.count.is_power_of_two() {
        cx.log(Event {
            place: parked.place.clone(),
            subject: Subject::Message(alike.first).to_string(),
            detail: format!("it came {} times: {}", alike.count, parked.reason),
            ..Event::new(cx.now, Action::Parked)
        });
    }
    cx.put(key::alike(fingerprint), &alike);
    Ok(true)
}

/// Takes away, and tells, what nobody dismissed in its time. True where more may be left.
pub(crate) fn expire(cx: &mut Context<'_>) -> Result<bool, Error> {
    let oldest = cx.now.minus(cx.settings.retention);
    let found = cx.scan(&Prefix::<ParkedRow>::all(), MOST)?;
    let (all, mut gone) = (found.len(), 0);
    for (row_key, ParkedRow { place, reason, .. }) in found {
        let number = row_key.number()?;
        let subject = Subject::Message(number);
        // What has no incident is of an older engine.
        let open: Option<IncidentRow> = cx.get(&key::incident(&subject))?;
        let alike = match &open {
            Some(open) => cx.get(&key::alike(&open.fingerprint))?.filter(|alike| alike.first == number),
            None => None,
        };
        let last = alike.as_ref().map_or(open.as_ref().map(|open| open.since), |alike| Some(alike.last));
        if last.is_some_and(|last| last > oldest) {
            continue;
        }
        gone += 1;
        cx.delete(row_key);
        if let (Some(open), Some(_)) = (&open, &alike) {
            cx.delete(key::alike(&open.fingerprint));
        }
        incidents::settle(cx, &subject)?;
        let times = alike
            .filter(|alike| alike.count > 1)
            .map_or_else(String::new, |alike| format!(", the last of {} that came like it", alike.count));
        cx.log(Event {
            rule: open.map_or_else(String::new, |open| open.entity),
            place,
            subject: subject.to_string(),
            detail: format!("nobody dismissed it while it was kept{times}: {reason}"),
            ..Event::new(cx.now, Action::Expired)
        });
    }
    Ok(all == MOST && gone > 0)
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
        let [found] = incidents(&world).try_into().expect("one cause is one entry");
        assert_eq!((found.place.as_str(), found.count), ("biometrics.users/2 at 7", 2));
        let kept = views::parked(world.rows(), &name(&found)).expect("readable").expect("it is kept");
        let places: Vec<&str> = kept.like_it.iter().map(|like| like.source.as_str()).collect();
        assert_eq!(places, ["biometrics.users/2 at 9"]);
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
    fn what_comes_again_for_one_cause_is_counted_and_takes_no_more_room() {
        let mut world = world();
        let mut deliver = |reasons: Vec<String>| {
            let malformed = reasons.iter().map(|reason| bad(reason, "{}")).collect();
            let (system, messages) = ("crm".to_owned(), Vec::new());
            world.input(&Input::Delivery { system, messages, malformed, source: Source::Webhook }).expect("taken");
            world.rows().scan(&[], &[0xff], usize::MAX).expect("readable").len()
        };
        let alike =
            |from: usize, count: usize| (from..from + count).map(|n| format!("event {n}: it is no object")).collect();
        let rows = deliver(alike(0, 2_000));
        assert_eq!(deliver(alike(2_000, 2_000)), rows, "twice as many take no more rows");
        // Causes beyond those that are told apart are one more.
        let letters = |n: usize| n.to_string().chars().map(|c| char::from(c as u8 + 49)).collect::<String>();
        let causes = |from: usize| (from..from + 1_000).map(|n| format!("it is {}", letters(n))).collect();
        let rows = deliver(causes(0));
        assert_eq!(deliver(causes(5_000)), rows);
        let found = incidents(&world);
        assert!(found.len() <= CAUSES + 1, "{}", found.len());
        let total: u64 = found.iter().map(|incident| incident.count).sum();
        assert_eq!(total, 6_000, "each is counted");
        let first = found.iter().find(|incident| incident.cause.contains("no object")).expect("the first cause");
        assert_eq!(first.count, 4_000);
        let kept = views::parked(world.rows(), &name(first)).expect("readable").expect("it is kept");
        assert_eq!(kept.like_it.len(), SAMPLES);
        let first = name(first);
        dismiss(&mut world, &first);
        assert!(incidents(&world).iter().all(|incident| !incident.cause.contains("no object")));
        assert!(views::parked(world.rows(), &first).expect("readable").is_none());
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

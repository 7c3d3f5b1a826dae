//! Kafka records without a value: in a compacted topic they say that the record of their key is gone.
//!
//! In: the key, and the time that the record carries. Out: the deletion of the record that has this id, where the rules
//! say which entity's, and else a line of the log.
//! Always true: a tombstone of which the rules say nothing leads to nothing and alarms nobody.

use dsl::value::Timestamp;

use crate::decide::delivery::{offsets, parked};
use crate::decide::model::event::{Action, Event};
use crate::decide::model::input::Source;
use crate::decide::model::outcome::Command;
use crate::decide::records::removal;
use crate::decide::store::transaction::Context;
use crate::ledger::Error;

/// Takes a tombstone in.
pub(crate) fn take(
    cx: &mut Context<'_>,
    system: &str,
    source: &Source,
    key: &[u8],
    at: Option<Timestamp>,
) -> Result<(), Error> {
    if !offsets::take(cx, system, source)? {
        return Ok(());
    }
    let Source::Kafka { topic, .. } = source else { return Ok(()) };
    let program = cx.program();
    let Some(entity) = program.doors.get(system).and_then(|door| door.tombstones.get(topic)) else {
        cx.command(Command::Log(Event {
            rule: system.to_owned(),
            entity: topic.clone(),
            subject: parked::place(source),
            detail: "a record without a value: `tombstones ignore`, as is done where the rules say nothing".to_owned(),
            ..Event::new(cx.now, Action::PassedOver)
        }));
        return Ok(());
    };
    match id(key) {
        // A producer that gives no time says it now.
        Some(id) => removal::deleted(cx, entity, &id, at.unwrap_or(cx.now), false),
        None => parked::delivery(cx, system, source, "it has no value, and its key is no id", key),
    }
}

/// The id that a key is: a text or a number, bare or as JSON.
fn id(key: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(key).ok()?;
    let id = match serde_json::from_str(text) {
        Ok(serde_json::Value::String(id)) => id,
        // A number as it stands: read, it could lose digits.
        Ok(serde_json::Value::Number(_)) | Err(_) if !text.starts_with(['{', '[']) => text.to_owned(),
        _ => return None,
    };
    Some(id).filter(|id| !id.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use dsl::schema::EntityName;
    use dsl::value::Duration;

    use super::*;
    use crate::decide::model::key as rows;
    use crate::decide::model::record::Life;
    use crate::decide::{Input, offsets, views};
    use crate::rehearse::Simulation;

    const START: Timestamp = Timestamp(1_772_442_000_000);
    const TOPIC: &str = "biometrics.users";

    fn simulation(says: &str) -> Simulation {
        let line = "dedupe by id for 24 hours";
        let program = crate::rules::shipped_with(line, &format!("{line}\n{says}"));
        Simulation::new(program, START).expect("the engine starts")
    }

    fn bury(simulation: &mut Simulation, topic: &str, offset: i64, key: &[u8], at: Option<Timestamp>) {
        let shown = Some(String::from_utf8_lossy(key).into_owned());
        let source = Source::Kafka { topic: topic.to_owned(), partition: 0, offset, key: shown };
        let input = Input::Tombstone { system: "app".to_owned(), source, key: key.to_vec(), at };
        simulation.input(&input).expect("taken");
    }

    fn life(simulation: &Simulation, id: &str) -> Option<Life> {
        rows::record(&EntityName::new("app", "User"), id).read(simulation.rows()).expect("readable").map(|row| row.life)
    }

    #[test]
    fn a_tombstone_deletes_the_record_of_its_key_where_the_rules_say_so() {
        let says = format!("tombstones delete app.User in topic \"{TOPIC}\"");
        let mut simulation = simulation(&says);
        let keys: [(&[u8], &str); 4] =
            [(b"u1", "u1"), (b"\"u2\"", "u2"), (b"17", "17"), (b"18446744073709551617", "18446744073709551617")];
        for (offset, (key, id)) in (0..).zip(keys) {
            let at = START.minus(Duration(offset));
            bury(&mut simulation, TOPIC, offset, key, Some(at));
            assert_eq!(life(&simulation, id), Some(Life::Deleted(at)));
        }
        bury(&mut simulation, TOPIC, 4, b"u5", None);
        assert_eq!(life(&simulation, "u5"), Some(Life::Deleted(START)));
        assert_eq!(views::incidents(simulation.rows()).expect("readable"), []);
        assert_eq!(offsets(simulation.rows()).expect("readable")[&(TOPIC.to_owned(), 0)], 5);
        // Of another topic the rules say nothing.
        bury(&mut simulation, "biometrics.billing", 0, b"u6", None);
        assert_eq!(life(&simulation, "u6"), None);
    }

    #[test]
    fn a_tombstone_of_which_the_rules_say_nothing_is_passed_over_and_alarms_nobody() {
        for says in ["", "tombstones ignore"] {
            let mut simulation = simulation(says);
            bury(&mut simulation, TOPIC, 7, b"u1", None);
            assert_eq!(life(&simulation, "u1"), None);
            assert_eq!(views::incidents(simulation.rows()).expect("readable"), []);
            assert_eq!(offsets(simulation.rows()).expect("readable")[&(TOPIC.to_owned(), 0)], 8);
            let told = simulation.log.iter().find(|event| event.action == "passed over").expect("a line of the log");
            assert!(told.subject.contains("at 7, key u1"), "{told:?}");
        }
    }

    #[test]
    fn a_key_that_is_no_id_is_shown_to_people() {
        let says = format!("tombstones delete app.User in topic \"{TOPIC}\"");
        let mut simulation = simulation(&says);
        let keys: [&[u8]; 5] = [b"", b" ", b"{\"id\": \"u1\"}", b"null", &[0xff, 0xfe]];
        for (offset, key) in (0..).zip(keys) {
            bury(&mut simulation, TOPIC, offset, key, None);
            let incidents = views::incidents(simulation.rows()).expect("readable");
            let shown: u64 = incidents.iter().map(|incident| incident.count).sum();
            assert_eq!(shown, u64::try_from(offset).expect("small") + 1, "{key:?}");
        }
    }
}

//! What a point read found.
//!
//! Always true: whatever the answer is, whoever waits is woken or the read is tried again; a read that does not succeed
//! is shown to people in time.

use connectors::port::{Answer, Observed};
use dsl::ast::Priority;
use dsl::schema::EntityName;
use dsl::value::Duration;

use crate::decide::links::matching;
use crate::decide::model::key;
use crate::decide::model::work::{ReadRow, Waiter};
use crate::decide::records::observe;
use crate::decide::records::observe::{How, observe};
use crate::decide::store::retry::backoff;
use crate::decide::store::transaction::Context;
use crate::decide::store::{incidents, reads};
use crate::ledger::Error;

pub(crate) fn read(
    cx: &mut Context<'_>,
    entity: &EntityName,
    by: &str,
    value: &str,
    answer: &Answer,
) -> Result<(), Error> {
    let key = key::read(entity, by, value);
    let Some(mut row) = cx.get(&key)? else { return Ok(()) };
    row.in_flight = None;
    match answer {
        Answer::Record(observed) => {
            let mut observed = observed.clone();
            observed.complete = true;
            if by == "id" && observed.id != value {
                observe::merged(cx, entity, &observed.id, value, cx.now)?;
            }
            observe(cx, entity, &observed, How::Read, cx.now)?;
            if by == "engine_link_id" {
                matching::found_own(cx, entity, value, &observed.id)?;
            } else if by != "id" {
                found(cx, entity, by, value, &observed)?;
            }
        }
        Answer::Missing => {
            cx.put(key::absent(entity, by, value), &cx.now.clone());
            if by == "id" && cx.record(entity, value)?.is_some() {
                observe::deleted(cx, entity, value, cx.now, false)?;
            }
        }
        Answer::Refused { reason, .. } => {
            // Asking again cannot help, but nothing may be guessed: people are shown the reason, and whoever waits
            // goes on once it is mended.
            unread(cx, entity, by, value, reason)?;
            row.attempts += 1;
            return later(cx, entity, by, value, row, Duration::minutes(5));
        }
        Answer::Retry { after, cause } => {
            row.attempts += 1;
            let pause = after
                .map(|d| Duration(i64::try_from(d.as_millis()).unwrap_or(i64::MAX)))
                .unwrap_or_else(|| backoff(row.attempts.into(), Duration(200), Duration::minutes(1), value));
            if row.attempts >= ALERT_AFTER_ATTEMPTS {
                unread(cx, entity, by, value, cause)?;
            }
            return later(cx, entity, by, value, row, pause);
        }
        Answer::RateLimited { .. } => return later(cx, entity, by, value, row, Duration(0)),
        Answer::Split if !row.send_alone => {
            row.send_alone = true;
            return later(cx, entity, by, value, row, Duration(0));
        }
        Answer::Split => {
            // Refused though it went alone: it is the one that is not accepted.
            unread(cx, entity, by, value, "the system refuses the request and does not say why")?;
            row.attempts += 1;
            return later(cx, entity, by, value, row, Duration::minutes(5));
        }
        Answer::Unknown { cause } => {
            row.attempts += 1;
            if row.attempts >= ALERT_AFTER_ATTEMPTS {
                unread(cx, entity, by, value, cause)?;
            }
            let pause = backoff(row.attempts.into(), Duration(200), Duration::minutes(1), value);
            return later(cx, entity, by, value, row, pause);
        }
        // Made unknown before.
        Answer::Done | Answer::Page { .. } | Answer::Result(_) => {}
    }
    incidents::settle(cx, &subject(entity, by, value))?;
    let again = row.refetch;
    let waiters = std::mem::take(&mut row.waiters);
    if again {
        row.refetch = false;
        row.send_alone = false;
        row.attempts = 0;
        reads::queue_read(cx, entity, by, value, &mut row, Duration(40), Priority::High);
        cx.put(key, &row);
    } else {
        cx.delete(key);
    }
    for waiter in waiters {
        if let Waiter::Link(link) = waiter {
            cx.visited.insert(link, entity.clone());
        }
        reads::wake(cx, waiter)?;
    }
    Ok(())
}

/// How often a read is tried before people are shown that it does not succeed.
pub(crate) const ALERT_AFTER_ATTEMPTS: u32 = 20;

fn subject(entity: &EntityName, by: &str, value: &str) -> String {
    format!("read {entity} {by} {value}")
}

/// A read does not succeed: people are shown it, and it goes on being tried.
fn unread(cx: &mut Context<'_>, entity: &EntityName, by: &str, value: &str, why: &str) -> Result<(), Error> {
    let rule = format!("read {entity}");
    let row = incidents::row(
        subject(entity, by, value),
        &rule,
        String::new(),
        entity.to_string(),
        if by == "id" { value.to_owned() } else { format!("{by} {value}") },
        format!("it cannot be read: {why}"),
        "what needs it waits and goes on by itself once it can be read",
        true,
        cx.now,
    );
    incidents::open(cx, row, &rule)
}

/// A record was found by a value that it does not show under that field (a second address, another spelling):
/// it is known under the value that found it, too.
fn found(cx: &mut Context<'_>, entity: &EntityName, by: &str, value: &str, observed: &Observed) -> Result<(), Error> {
    let value = dsl::value::Value::text(value);
    let known = cx.indexed(entity, by, &value)?;
    if !known.contains(&observed.id) {
        cx.put(key::index(entity, by, &value, &observed.id), &observed.id);
    }
    Ok(())
}

fn later(
    cx: &mut Context<'_>,
    entity: &EntityName,
    by: &str,
    value: &str,
    mut row: ReadRow,
    pause: Duration,
) -> Result<(), Error> {
    reads::queue_read(cx, entity, by, value, &mut row, Duration(pause.0.max(40)), Priority::High);
    cx.put(key::read(entity, by, value), &row);
    Ok(())
}

#[cfg(test)]
mod tests {
    use connectors::port::{Answer, Body, Message, Observed, Refusal};
    use dsl::schema::Change;
    use dsl::value::Timestamp;

    use crate::decide::{Command, Input, Lane, Programs, Settings, Source, decide, views};
    use crate::ids::CallId;
    use crate::ledger::{Ledger, Memory};

    /// Two contacts of which one field is known, so that both are read.
    struct Reading {
        ledger: Memory,
        programs: Programs,
        now: Timestamp,
    }

    impl Reading {
        fn new() -> Self {
            let now = Timestamp(1_772_442_000_000);
            Self { ledger: Memory::default(), programs: Programs::new(crate::rules::shipped()), now }
        }

        fn take(&mut self, input: &Input) -> Vec<Command> {
            self.now = self.now.plus(dsl::value::Duration::minutes(10));
            let outcome =
                decide(&self.ledger, &self.programs, &Settings::default(), input, self.now).expect("it is decided");
            self.ledger.append(outcome.round).expect("there is room");
            outcome.commands
        }

        fn begin(&mut self) -> Lane {
            let message = |id: &str| Message {
                name: "contact.propertyChange".to_owned(),
                at: self.now,
                dedupe: id.to_owned(),
                own: false,
                body: Body::Record {
                    entity: "Contact".to_owned(),
                    change: Change::Updated,
                    observed: Observed {
                        id: id.to_owned(),
                        fields: [("phone".to_owned(), "1".into())].into(),
                        ..Observed::default()
                    },
                },
            };
            let messages = vec![message("1"), message("2")];
            let input =
                Input::Delivery { system: "crm".to_owned(), messages, malformed: Vec::new(), source: Source::Webhook };
            lane(&self.take(&input)).expect("the two are read")
        }

        /// Opens a lane: the call, and the ids that it asks for.
        fn open(&mut self, lane: &Lane) -> (CallId, Vec<String>, bool) {
            let commands = self.take(&Input::Open { lane: lane.clone(), max: 100 });
            let more = super::tests::lane(&commands).is_some();
            let call = commands.iter().find_map(|command| match command {
                Command::Call { call, request, .. } => {
                    Some((*call, request.inputs.iter().filter_map(|input| input.id.clone()).collect()))
                }
                _ => None,
            });
            let (call, ids) = call.expect("a call");
            (call, ids, more)
        }

        fn answer(&mut self, call: CallId, answers: Vec<Answer>) -> Option<Lane> {
            lane(&self.take(&Input::Answers { call, answers }))
        }

        fn incidents(&self) -> Vec<String> {
            let incidents = views::incidents(&self.ledger).expect("readable");
            incidents.into_iter().map(|incident| format!("{}: {}", incident.subject, incident.cause)).collect()
        }
    }

    fn lane(commands: &[Command]) -> Option<Lane> {
        commands.iter().find_map(|command| match command {
            Command::Work { lane, .. } => Some(lane.clone()),
            _ => None,
        })
    }

    #[test]
    fn reads_that_are_refused_together_are_asked_one_by_one() {
        let mut reading = Reading::new();
        let lane = reading.begin();
        let (call, ids, _) = reading.open(&lane);
        assert_eq!(ids, ["1", "2"]);
        assert_eq!(reading.answer(call, vec![Answer::Split, Answer::Split]).as_ref(), Some(&lane));
        let (call, first, more) = reading.open(&lane);
        assert_eq!((first.len(), more), (1, true));
        assert_eq!(reading.answer(call, vec![Answer::Missing]), None);
        let (call, second, more) = reading.open(&lane);
        assert_eq!((second.len(), more), (1, false));
        assert_ne!(first, second);
        // The one that is refused even alone is shown to people; the other one is not.
        reading.answer(call, vec![Answer::Split]);
        let shown = reading.incidents();
        assert_eq!(shown.len(), 1, "{shown:?}");
        assert!(shown[0].starts_with(&format!("read crm.Contact id {}: it cannot be read", second[0])), "{shown:?}");
        // And is shown no more once it can be read.
        let (call, ids, _) = reading.open(&lane);
        assert_eq!(ids, second);
        reading.answer(call, vec![Answer::Missing]);
        assert_eq!(reading.incidents(), Vec::<String>::new());
    }

    #[test]
    fn a_read_that_is_refused_is_shown_to_people_with_the_reason() {
        let mut reading = Reading::new();
        let lane = reading.begin();
        let (call, ids, _) = reading.open(&lane);
        let refused = Answer::Refused { reason: "no scope for contacts".to_owned(), refusal: Refusal::Forbidden };
        reading.answer(call, vec![refused, Answer::Missing]);
        assert_eq!(
            reading.incidents(),
            [format!("read crm.Contact id {}: it cannot be read: no scope for contacts", ids[0])]
        );
    }

    #[test]
    fn a_read_that_never_succeeds_ends_before_people_and_not_in_silence() {
        let mut reading = Reading::new();
        let lane = reading.begin();
        for _ in 0..super::ALERT_AFTER_ATTEMPTS {
            assert_eq!(reading.incidents(), Vec::<String>::new());
            let (call, ids, _) = reading.open(&lane);
            let down = Answer::Retry { after: None, cause: "connection refused".to_owned() };
            reading.answer(call, vec![down; ids.len()]);
        }
        assert_eq!(reading.incidents().len(), 2);
    }
}

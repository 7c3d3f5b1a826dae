//! Point reads as owners of work, and what they find.
//!
//! Always true: whatever the answer is, whoever waits is woken or the read is tried again; a read that does not succeed
//! is shown to people in time.

use connectors::port::{Input, Observed};
use dsl::value::{Duration, Value};

use crate::decide::links::matching;
use crate::decide::links::own_key::OWN_KEY;
use crate::decide::model::answer::{self, Failure, NotDone};
use crate::decide::model::key;
use crate::decide::model::lane::Lane;
use crate::decide::model::link::LinkState;
use crate::decide::model::subject::Subject;
use crate::decide::model::task::Answered;
use crate::decide::model::work::{Group, PointRead, ReadState, Waiter};
use crate::decide::records::observe::{How, observe};
use crate::decide::records::removal;
use crate::decide::store::incidents::{self, NewIncident};
use crate::decide::store::reads::{self, OpenRead};
use crate::decide::store::retry::{ALERT_AFTER_ATTEMPTS, REFUSED_AGAIN, backoff};
use crate::decide::store::transaction::Context;
use crate::decide::store::work::{Composed, Outlook, WorkOwner};
use crate::ids::CallId;
use crate::ledger::Error;

impl WorkOwner for PointRead {
    fn outlook(&self, cx: &Context<'_>, _: &Lane) -> Result<Outlook, Error> {
        let row = cx.get(&key::read(self))?;
        Ok(Outlook {
            record: Some(self.value.clone()),
            group: row.as_ref().map(|row| row.group).unwrap_or_default(),
            failed_before: row.is_some_and(|row| row.attempts > 0),
        })
    }

    fn compose(&self, cx: &mut Context<'_>, _: &Lane, call: CallId) -> Result<Option<Composed>, Error> {
        let Some(mut open) = OpenRead::open(cx, self)? else { return Ok(None) };
        open.sent(cx, call);
        let cacheable = open.row.cacheable && self.is_by_id();
        open.save(cx);
        let input = Input { key: self.value.clone(), id: Some(self.value.clone()), ..Input::default() };
        Ok(Some(Composed { input, cacheable, ..Composed::default() }))
    }

    fn answered(&self, cx: &mut Context<'_>, answered: &Answered<'_>) -> Result<(), Error> {
        let Some(mut open) = OpenRead::open(cx, self)? else { return Ok(()) };
        if let ReadState::Queued(_) = open.row.state {
            // It was asked anew since; that answer counts.
            return Ok(());
        }
        open.row.group = answered.group;
        let mut missing = false;
        match answer::read(&answered.answer) {
            Ok(Some(observed)) => found(cx, self, observed)?,
            Ok(None) => {
                if is_wanted(cx, &open)? {
                    cx.put(key::absent(&self.entity, &self.by, &self.value), &answered.sent);
                }
                missing = self.is_by_id();
            }
            Err(failure) => return failed(cx, open, failure),
        }
        incidents::settle(cx, &Subject::Read(self.clone()))?;
        for waiter in open.answered(cx) {
            if let Waiter::Link(link) = waiter {
                cx.visited.insert(link, self.entity.clone());
            }
            reads::wake(cx, waiter);
        }
        if missing {
            removal::missing(cx, &self.entity, &self.value, answered.sent)?;
        }
        Ok(())
    }
}

/// Somebody still wants to know: a key of a pair that is over, and maybe erased, is not kept.
fn is_wanted(cx: &Context<'_>, open: &OpenRead) -> Result<bool, Error> {
    let waiters = &open.row.waiters;
    for waiter in waiters {
        match waiter {
            Waiter::Link(link) if cx.get(&key::link(*link))?.is_none_or(|row| row.state == LinkState::Gone) => {}
            Waiter::Link(_) | Waiter::Run(_) => return Ok(true),
        }
    }
    Ok(waiters.is_empty())
}

fn found(cx: &mut Context<'_>, read: &PointRead, observed: &Observed) -> Result<(), Error> {
    let PointRead { entity, by, value } = read;
    let observed = Observed { complete: true, ..observed.clone() };
    if read.is_by_id() && observed.id != *value {
        removal::merged(cx, entity, &observed.id, value, cx.now)?;
    }
    observe(cx, entity, &observed, How::Read, cx.now)?;
    if by == OWN_KEY {
        return matching::found_own(cx, entity, value, &observed.id);
    }
    if !read.is_by_id() {
        // A record may be found by a value that it does not show under that field (a second address, another
        // spelling): it is known under the value that found it, too.
        let value = Value::text(value);
        if !cx.indexed(entity, by, &value)?.contains(&observed.id) {
            cx.put(key::index(entity, by, &value, &observed.id), &observed.id);
        }
    }
    Ok(())
}

/// It did not succeed: it is tried again, and in time people are shown it.
fn failed(cx: &mut Context<'_>, mut open: OpenRead, failure: Failure<'_>) -> Result<(), Error> {
    let (cause, pause) = match failure {
        Failure::NotDone(NotDone::RateLimited { .. } | NotDone::Denied) => {
            open.retry(cx, Duration(0));
            return Ok(());
        }
        Failure::NotDone(NotDone::Split) if open.row.group != Group::default() => {
            open.retry(cx, Duration(0));
            return Ok(());
        }
        // Asking again cannot help, but nothing may be guessed: people are shown the reason, and whoever waits goes on
        // once it is mended.
        Failure::NotDone(NotDone::Refused { reason, .. }) => {
            show(cx, &open.read, reason)?;
            (None, Some(REFUSED_AGAIN))
        }
        // Refused though it went alone: it is the one that is not accepted.
        Failure::NotDone(NotDone::Split) => {
            show(cx, &open.read, "the system refuses the request and does not say why")?;
            (None, Some(REFUSED_AGAIN))
        }
        Failure::NotDone(NotDone::Retry { after, cause }) => (Some(cause), after),
        Failure::Unknown { cause } => (Some(cause), None),
    };
    open.row.attempts += 1;
    if let Some(cause) = cause
        && open.row.attempts >= ALERT_AFTER_ATTEMPTS
    {
        show(cx, &open.read, cause)?;
    }
    let attempts = open.row.attempts.into();
    let usual = || backoff(attempts, Duration(200), Duration::minutes(1), &open.read.value);
    let pause = pause.unwrap_or_default().max(usual());
    open.retry(cx, pause);
    Ok(())
}

/// A read does not succeed: people are shown it, and it goes on being tried.
fn show(cx: &mut Context<'_>, read: &PointRead, why: &str) -> Result<(), Error> {
    let PointRead { entity, by, value } = read;
    let incident = NewIncident {
        subject: Subject::Read(read.clone()),
        rule: format!("read {entity}"),
        entity: entity.to_string(),
        id: if read.is_by_id() { value.clone() } else { format!("{by} {value}") },
        cause: format!("it cannot be read: {why}"),
        advice: "what needs it waits and goes on by itself once it can be read".to_owned(),
        parked: true,
        ..NewIncident::default()
    };
    incidents::open(cx, incident)
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
        let refused = Answer::Refused { reason: "no such view".to_owned(), refusal: Refusal::Other };
        reading.answer(call, vec![refused, Answer::Missing]);
        assert_eq!(reading.incidents(), [format!("read crm.Contact id {}: it cannot be read: no such view", ids[0])]);
    }

    #[test]
    fn a_read_that_never_succeeds_ends_before_people_and_not_in_silence() {
        let mut reading = Reading::new();
        let lane = reading.begin();
        for _ in 0..crate::decide::store::retry::ALERT_AFTER_ATTEMPTS {
            assert_eq!(reading.incidents(), Vec::<String>::new());
            let (call, ids, _) = reading.open(&lane);
            let down = Answer::Retry { after: None, cause: "connection refused".to_owned() };
            reading.answer(call, vec![down; ids.len()]);
        }
        assert_eq!(reading.incidents().len(), 2);
    }
}

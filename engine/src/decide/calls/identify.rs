//! One try at the start of each system: is the token good, and whose is it?
//!
//! In: the start, and what the system says of who asks. Out: a line in the log. Where the system refuses the token, or
//! the token is of another account than the settings say, that is told as any refusal of the system: at once, and not
//! with the first change. Always true: nothing waits for it.

use connectors::port::Input;
use connectors::registry::ConnectorKind;
use dsl::ast::Priority;
use dsl::value::Duration;

use crate::decide::model::answer::{Failure, NotDone, operation};
use crate::decide::model::event::{Action, Event};
use crate::decide::model::lane::{Lane, LaneKind};
use crate::decide::model::task::Answered;
use crate::decide::model::work::Owner;
use crate::decide::store::transaction::Context;
use crate::decide::store::work::{Composed, Outlook, WorkOwner};
use crate::ids::CallId;
use crate::ledger::Error;

/// Until a system that did not answer is asked once more.
const AGAIN: Duration = Duration::minutes(1);

/// Asks every system of the active program that can tell.
pub(crate) fn started(cx: &mut Context<'_>) {
    if cx.settings.identify {
        for (name, system) in &cx.program().systems {
            if system.lock.connector.parse().is_ok_and(ConnectorKind::identifies) {
                ask(cx, name, Duration(0));
            }
        }
    }
}

fn ask(cx: &mut Context<'_>, system: &str, pause: Duration) {
    let lane = Lane { system: system.to_owned(), bulk: false, kind: LaneKind::Identify };
    cx.queue(Owner::Identify(system.to_owned()), lane, cx.now.plus(pause), Priority::High);
}

/// The question to a system.
pub(crate) struct Identify {
    pub(crate) system: String,
}

impl WorkOwner for Identify {
    fn outlook(&self, _: &Context<'_>, _: &Lane) -> Result<Outlook, Error> {
        Ok(Outlook::default())
    }

    fn compose(&self, cx: &mut Context<'_>, _: &Lane, _: CallId) -> Result<Option<Composed>, Error> {
        // A system that the rules do not have any more is not asked.
        let known = cx.program().systems.contains_key(&self.system);
        let input = Input { key: format!("identify {}", self.system), ..Input::default() };
        Ok(known.then(|| Composed { input, ..Composed::default() }))
    }

    fn answered(&self, cx: &mut Context<'_>, answered: &Answered<'_>) -> Result<(), Error> {
        let system = &self.system;
        let detail = match operation(&answered.answer) {
            Ok(said) => {
                let said = said.into_iter().flatten().map(|(name, value)| format!(", {name} {value}"));
                format!("{system} lets the engine in{}", said.collect::<String>())
            }
            // It is asked again as soon as anything may be.
            Err(Failure::NotDone(NotDone::Denied | NotDone::RateLimited { .. })) => {
                ask(cx, system, Duration(0));
                return Ok(());
            }
            // It does not tell who asks.
            Err(Failure::NotDone(NotDone::Refused { .. } | NotDone::Split)) => return Ok(()),
            Err(Failure::NotDone(NotDone::Retry { cause, .. }) | Failure::Unknown { cause }) => {
                ask(cx, system, AGAIN);
                format!("{system} cannot be asked: {cause}")
            }
        };
        let event =
            Event { rule: system.clone(), entity: system.clone(), detail, ..Event::new(cx.now, Action::Admitted) };
        cx.log(event);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use connectors::port::{Answer, Refusal, Request, Verb};
    use dsl::value::Timestamp;

    use super::*;
    use crate::decide::{Settings, views};
    use crate::rehearse::Simulation;

    fn world() -> Simulation {
        let settings = Settings { identify: true, ..Settings::default() };
        Simulation::with(crate::rules::shipped(), Timestamp(1_772_442_000_000), settings).expect("the engine starts")
    }

    fn trouble(world: &Simulation) -> Vec<String> {
        let incidents = views::incidents(world.rows()).expect("readable");
        incidents.into_iter().map(|incident| format!("{}: {}", incident.subject, incident.cause)).collect()
    }

    #[test]
    fn a_token_that_is_refused_is_told_at_the_start_and_settled_when_it_is_taken() {
        let mut world = world();
        let refuses = Arc::new(AtomicBool::new(true));
        let still = Arc::clone(&refuses);
        world.answer_instead(Some(Box::new(move |system: &str, request: &Request| {
            let refusal = Refusal::Unauthenticated;
            let refused = Answer::Refused { reason: "the token has expired".to_owned(), refusal };
            (system == "crm" && still.load(Ordering::Relaxed)).then(|| vec![refused; request.inputs.len()])
        })));
        world.pass(Duration::seconds(2)).expect("the engine goes on");
        assert_eq!(trouble(&world), ["system crm: crm refuses the engine's token: the token has expired"]);
        refuses.store(false, Ordering::Relaxed);
        world.pass(Duration::minutes(6)).expect("the engine goes on");
        assert_eq!(trouble(&world), Vec::<String>::new());
    }

    #[test]
    fn a_system_that_can_tell_is_asked_until_it_answers_and_others_are_not() {
        let mut world = world();
        let asked = Arc::new(std::sync::Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        world.answer_instead(Some(Box::new(move |system: &str, request: &Request| {
            if request.verb != Verb::Identify {
                return None;
            }
            let mut asked = log.lock().expect("sound");
            asked.push(system.to_owned());
            let late = asked.len() < 3;
            late.then(|| vec![Answer::Retry { after: None, cause: "no way".to_owned() }])
        })));
        world.pass(Duration::hours(1)).expect("the engine goes on");
        assert_eq!(*asked.lock().expect("sound"), ["crm", "crm", "crm"]);
        assert_eq!(trouble(&world), Vec::<String>::new());
    }
}

//! Carries out requests: each in a task of its own, its answers a new input. Nothing is retried here.
//!
//! Always true: every released request gets exactly one [`Wake::Answers`], whatever its connector does; a request
//! that takes too long, and one whose connector broke off, may have happened and is `Unknown`. So is one that has more
//! or fewer answers than inputs: nobody can tell whose they are.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use connectors::port::{Answer, Connector, Request};
use dsl::program::Program;
use futures_util::FutureExt;

use super::core::{Connectors, OutgoingRequest};
use super::handle::Handle;
use super::reads::Reads;
use super::wake::Wake;
use crate::decide::Lane;
use crate::tasks::Tasks;
use crate::telemetry;

/// The longest that a request may take, all its HTTP calls together, where nothing is said.
const CALL_TIMEOUT: Duration = Duration::from_secs(120);

/// Sends requests.
pub struct Caller {
    tasks: Tasks,
    handle: Handle,
    connectors: Connectors,
    reads: Reads,
    timeout: Duration,
}

impl Caller {
    /// Sends through `connectors`, in tasks of `tasks`; answers go to `handle`. Reads are kept in `reads` for as long
    /// as the rules of `program` say.
    #[must_use]
    pub fn new(tasks: Tasks, handle: Handle, connectors: Connectors, reads: Reads, program: &Program) -> Self {
        let mut caller = Self { tasks, handle, connectors: Connectors::new(), reads, timeout: CALL_TIMEOUT };
        caller.connect(connectors, program);
        caller
    }

    /// Lets a request take so long and no longer.
    pub fn give_up_after(&mut self, timeout: Duration) {
        self.timeout = timeout;
    }

    /// Takes other connectors, as a reload brings them.
    pub fn connect(&mut self, connectors: Connectors, program: &Program) {
        self.connectors = connectors;
        self.reads.set_times(program);
    }

    /// Sends a request.
    pub fn send(&mut self, outgoing: OutgoingRequest) {
        let OutgoingRequest { call, lane, request, cacheable } = outgoing;
        let handle = self.handle.clone();
        let Some(connector) = self.connectors.get(&lane.system).map(Arc::clone) else {
            let reason = format!("nothing says how `{}` is reached", lane.system);
            let refused = Answer::Refused { reason, refusal: connectors::port::Refusal::Other };
            let answers = vec![refused; request.inputs.len()];
            // The loop itself calls this: it is there.
            let _gone = handle.wake(Wake::Answers { call, answers, asked: false });
            return;
        };
        let reads = self.reads.clone();
        let began = reads.begin();
        let timeout = self.timeout;
        let work = async move {
            let (known, rest) = if cacheable {
                reads.known(&lane.system, &request).await
            } else {
                (vec![None; request.inputs.len()], Some(request.clone()))
            };
            let asked = match &rest {
                Some(rest) => {
                    let answers = ask(&*connector, &lane, rest, timeout).await;
                    reads.keep(&lane.system, rest, &answers, &began).await;
                    Some(answers)
                }
                None => None,
            };
            let wake = Wake::Answers { call, asked: asked.is_some(), answers: whole(known, asked.unwrap_or_default()) };
            drop(began);
            // Without the loop the call is taken up as unanswered at the next start.
            let _gone = handle.wake(wake);
        };
        // Stopped, so the loop has ended and nobody waits for the answer any more.
        self.tasks.spawn("call", |stop| stop.run_until_cancelled_owned(work).map(|_ended| ()));
    }

    /// What a cache holds of a record is stale.
    pub fn invalidate(&self, system: &str, entity: &str, id: &str) {
        if let Some(removal) = self.reads.forget(system, entity, id) {
            self.tasks.spawn("invalidate", |_| removal);
        }
    }
}

async fn ask(connector: &dyn Connector, lane: &Lane, request: &Request, timeout: Duration) -> Vec<Answer> {
    let began = std::time::Instant::now();
    // Inside of a future, so that a connector which breaks off before it gives one is caught too.
    let work = AssertUnwindSafe(async { connector.perform(request).await }).catch_unwind();
    let asked = request.inputs.len();
    let unknown = |cause: &str| vec![Answer::Unknown { cause: cause.to_owned() }; asked];
    let answers = match tokio::time::timeout(timeout, work).await {
        Ok(Ok(answers)) if answers.len() == asked => answers,
        Ok(Ok(answers)) => unknown(&format!("the connector gave {} answers to {asked} inputs", answers.len())),
        Ok(Err(_)) => unknown("the connector broke off"),
        Err(_) => unknown("no answer came in time"),
    };
    telemetry::call(lane, request, &answers, began.elapsed());
    answers
}

/// Puts what was known and what was asked into the order of the inputs.
fn whole(known: Vec<Option<Answer>>, asked: Vec<Answer>) -> Vec<Answer> {
    let mut asked = asked.into_iter();
    let silent = || Answer::Unknown { cause: "the answer does not mention it".to_owned() };
    known.into_iter().map(|known| known.or_else(|| asked.next()).unwrap_or_else(silent)).collect()
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use connectors::port::{Delivery, Input, Unreadable, Verb};

    use super::*;
    use crate::decide::LaneKind;

    /// Gives so many answers, or breaks off.
    struct Gives(Option<usize>);

    #[async_trait]
    impl Connector for Gives {
        fn max_batch(&self, _: &Verb) -> usize {
            9
        }
        fn calls(&self, _: &Request) -> u32 {
            1
        }
        async fn perform(&self, _: &Request) -> Vec<Answer> {
            vec![Answer::Done; self.0.expect("it breaks off")]
        }
        fn read(&self, _: &[u8]) -> Result<Delivery, Unreadable> {
            Ok(Delivery::default())
        }
    }

    #[tokio::test]
    async fn answers_that_cannot_be_told_apart_are_unknown_and_as_many_as_were_asked_for() {
        let entity = || "Order".to_owned();
        let request = Request { verb: Verb::Delete { entity: entity() }, inputs: vec![Input::default(); 2] };
        let lane = Lane { system: "shop".to_owned(), kind: LaneKind::Delete { entity: entity() }, bulk: false };
        for (gives, known) in [(Some(0), 0), (Some(1), 0), (Some(2), 2), (Some(3), 0), (None, 0)] {
            let answers = ask(&Gives(gives), &lane, &request, CALL_TIMEOUT).await;
            let done = answers.iter().filter(|answer| **answer == Answer::Done).count();
            let unknown = answers.iter().filter(|answer| matches!(answer, Answer::Unknown { .. })).count();
            assert_eq!((done, unknown), (known, 2 - known), "{gives:?}: {answers:?}");
        }
    }
}

//! Carries out requests: each in a task of its own, its answers a new input. Nothing is retried here.
//!
//! Always true: every released request gets exactly one [`Wake::Answers`], whatever its connector does; a request
//! that takes too long, and one whose connector broke off, may have happened and is `Unknown`.

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

/// The longest a request may take, all its HTTP calls together.
const CALL_TIMEOUT: Duration = Duration::from_secs(120);

/// Sends requests.
pub struct Caller {
    tasks: Tasks,
    handle: Handle,
    connectors: Connectors,
    reads: Reads,
}

impl Caller {
    /// Sends through `connectors`, in tasks of `tasks`; answers go to `handle`. Reads are kept in `reads` for as long
    /// as the rules of `program` say.
    #[must_use]
    pub fn new(tasks: Tasks, handle: Handle, connectors: Connectors, reads: Reads, program: &Program) -> Self {
        let mut caller = Self { tasks, handle, connectors: Connectors::new(), reads };
        caller.connect(connectors, program);
        caller
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
            let reason = format!("engine.yaml does not say how `{}` is reached", lane.system);
            let refused = Answer::Refused { reason, refusal: connectors::port::Refusal::Other };
            let answers = vec![refused; request.inputs.len()];
            // The loop itself calls this: it is there.
            let _gone = handle.wake(Wake::Answers { call, answers, asked: false });
            return;
        };
        let reads = self.reads.clone();
        let began = reads.begin();
        self.tasks.spawn("call", |_| async move {
            let (known, rest) = if cacheable {
                reads.known(&lane.system, &request).await
            } else {
                (vec![None; request.inputs.len()], Some(request.clone()))
            };
            let asked = match &rest {
                Some(rest) => {
                    let answers = ask(&*connector, &lane, rest).await;
                    reads.keep(&lane.system, rest, &answers, &began).await;
                    Some(answers)
                }
                None => None,
            };
            let wake = Wake::Answers { call, asked: asked.is_some(), answers: whole(known, asked.unwrap_or_default()) };
            drop(began);
            // Without the loop the call is taken up as unanswered at the next start.
            let _gone = handle.wake(wake);
        });
    }

    /// What a cache holds of a record is stale.
    pub fn invalidate(&self, system: &str, entity: &str, id: &str) {
        if let Some(removal) = self.reads.forget(system, entity, id) {
            self.tasks.spawn("invalidate", |_| removal);
        }
    }
}

async fn ask(connector: &dyn Connector, lane: &Lane, request: &Request) -> Vec<Answer> {
    let began = std::time::Instant::now();
    let work = AssertUnwindSafe(connector.perform(request)).catch_unwind();
    let unknown = |cause: &str| vec![Answer::Unknown { cause: cause.to_owned() }; request.inputs.len()];
    let answers = match tokio::time::timeout(CALL_TIMEOUT, work).await {
        Ok(Ok(answers)) => answers,
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

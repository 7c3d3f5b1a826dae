//! Carries out requests: each in a task of its own, its answers a new input. Nothing is retried here.
//!
//! Always true: every released request gets exactly one [`Wake::Answers`], whatever its connector does; a request
//! that takes too long, and one whose connector broke off, may have happened and is `Unknown`.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use connectors::port::{Answer, Request};
use dsl::program::Program;
use futures_util::FutureExt;

use super::core::{Connectors, Departure};
use super::handle::Handle;
use super::wake::Wake;
use crate::runtime::tasks::Tasks;
use crate::telemetry;

/// The longest a request may take, all its HTTP calls together.
const PATIENCE: Duration = Duration::from_secs(120);

/// Sends requests.
pub struct Caller {
    tasks: Tasks,
    handle: Handle,
    connectors: Connectors,
}

impl Caller {
    /// Sends through `connectors`, in tasks of `tasks`; answers go to `handle`.
    #[must_use]
    pub fn new(tasks: Tasks, handle: Handle, connectors: Connectors, program: &Program) -> Self {
        let mut caller = Self { tasks, handle, connectors: Connectors::new() };
        caller.connect(connectors, program);
        caller
    }

    /// Takes other connectors, as a reload brings them.
    pub fn connect(&mut self, connectors: Connectors, program: &Program) {
        let _ = program;
        self.connectors = connectors;
    }

    /// Sends a request.
    pub fn send(&mut self, departure: Departure) {
        let Departure { call, lane, request, .. } = departure;
        let handle = self.handle.clone();
        let Some(connector) = self.connectors.get(&lane.system).map(Arc::clone) else {
            let reason = format!("engine.yaml does not say how `{}` is reached", lane.system);
            let refused = Answer::Refused { reason, refusal: connectors::port::Refusal::Other };
            let answers = vec![refused; request.inputs.len()];
            // The loop itself calls this: it is there.
            let _gone = handle.wake(Wake::Answers { call, answers, asked: false });
            return;
        };
        self.tasks.spawn("call", |_| async move {
            let began = std::time::Instant::now();
            let work = AssertUnwindSafe(connector.perform(&request)).catch_unwind();
            let answers = match tokio::time::timeout(PATIENCE, work).await {
                Ok(Ok(answers)) => answers,
                Ok(Err(_)) => unknown(&request, "the connector broke off"),
                Err(_) => unknown(&request, "no answer came in time"),
            };
            telemetry::call(&lane, &request, &answers, began.elapsed());
            // Without the loop the call is taken up as unanswered at the next start.
            let _gone = handle.wake(Wake::Answers { call, answers, asked: true });
        });
    }

    /// What a cache holds of a record is stale.
    pub fn invalidate(&mut self, system: &str, entity: &str, id: &str) {
        let _ = (system, entity, id);
    }
}

fn unknown(request: &Request, cause: &str) -> Vec<Answer> {
    vec![Answer::Unknown { cause: cause.to_owned() }; request.inputs.len()]
}

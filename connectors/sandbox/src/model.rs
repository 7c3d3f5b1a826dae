//! What every twin is: a model that answers requests, and says of a response how it reaches its client.
//!
//! In: a request and the time at which it arrives. Out: a response; where something goes wrong on the way to the
//! client, the response carries a [`Sending`](crate::Sending) among its extensions.
//! Always true: a model looks at no clock and no chance of its own; a copy of it goes its own way from then on.

use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use dsl::value::Timestamp;

use crate::faults::{Admitted, Arrival, Faults};

/// A twin: a model that answers requests.
pub trait Model: Send + 'static {
    /// A request arrives at `now`: it counts against limits, and may be turned away.
    fn arrive(&mut self, request: &http::Request<Bytes>, now: Timestamp) -> Arrival;

    /// A request takes effect at `now`, whatever it met on its way.
    fn perform(&mut self, request: &http::Request<Bytes>, now: Timestamp) -> http::Response<Bytes>;

    /// Answers a request of the operator, whose path starts with `/_twin/`.
    fn control(&mut self, request: &http::Request<Bytes>, now: Timestamp) -> http::Response<Bytes>;

    /// Faults to come.
    fn faults(&mut self) -> &mut Faults;

    /// A request that was let in takes effect at `now`.
    fn carry_out(
        &mut self,
        request: &http::Request<Bytes>,
        admitted: Admitted,
        now: Timestamp,
    ) -> http::Response<Bytes> {
        let response = self.perform(request, now);
        match admitted.0 {
            Some(fault) => fault.dress(response),
            None => response,
        }
    }

    /// Answers a request that arrives and takes effect at `now`.
    fn handle(&mut self, request: &http::Request<Bytes>, now: Timestamp) -> http::Response<Bytes> {
        match self.arrive(request, now) {
            Arrival::Admitted(admitted) => self.carry_out(request, admitted, now),
            Arrival::TurnedAway(response) => response,
        }
    }

    /// Carries out what was put off until `now`. Whoever is given the time does so first.
    fn advance(&mut self, now: Timestamp) {
        for (at, request) in self.faults().overdue(now) {
            self.perform(&request, at);
        }
    }
}

/// The model behind a mutex that several faces share.
///
/// # Panics
/// Where the model panicked before: its state cannot be trusted.
pub(crate) fn locked<M>(model: &Mutex<M>) -> MutexGuard<'_, M> {
    model.lock().expect("a twin that panicked is not used any further")
}

/// The time, from wherever the caller takes it.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

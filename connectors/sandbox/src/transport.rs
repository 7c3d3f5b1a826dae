//! A twin without a network: what an adapter is given in tests.
//!
//! Always true: an answer that would not reach a client in time, whole, is no answer; one that is only slow comes at
//! once, because nobody waits here, and its [`Sending`] says how late it would have been.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use connectors::http::{Transport, TransportError};
use dsl::value::{Duration, Timestamp};

use crate::app::App;
use crate::model::{Model, Now, locked};
use crate::sending::{Ending, Sending};

/// How long a client waits for a whole answer (`connectors::http::Client`).
const PATIENCE: Duration = Duration::seconds(30);

/// Hands every request to a model, at the time its clock says.
pub struct InProcess<M = App> {
    model: Arc<Mutex<M>>,
    clock: Now,
}

impl<M> InProcess<M> {
    /// Requests go to `model`; `clock` says when.
    pub fn new(model: Arc<Mutex<M>>, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self { model, clock: Arc::new(clock) }
    }
}

impl<M> Clone for InProcess<M> {
    fn clone(&self) -> Self {
        Self { model: Arc::clone(&self.model), clock: Arc::clone(&self.clock) }
    }
}

/// A response as it reaches a client that waits for half a minute.
///
/// # Errors
/// Where it does not reach it whole and in time.
pub fn received(response: http::Response<Bytes>) -> Result<http::Response<Bytes>, TransportError> {
    let sending = Sending::of(&response);
    let why = match sending.ending {
        Ending::Lost => "the twin broke the connection",
        Ending::Cut => "the twin broke the connection in the middle of the answer",
        Ending::Endless => "the answer of the twin does not end",
        Ending::Drip => "the answer of the twin does not come to its end in time",
        Ending::Whole if sending.after >= PATIENCE => "the twin did not answer in time",
        Ending::Whole => return Ok(response),
    };
    Err(TransportError::NoAnswer(why.to_owned()))
}

#[async_trait]
impl<M: Model> Transport for InProcess<M> {
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, TransportError> {
        let now = (self.clock)();
        let response = locked(&self.model).handle(&request, now);
        received(response)
    }
}

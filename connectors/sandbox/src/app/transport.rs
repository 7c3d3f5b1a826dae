//! The app twin without a network: what an adapter is given in tests.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use connectors::http::{Transport, TransportError};
use dsl::value::Timestamp;

use super::face::{Model, Now, locked};
use super::{App, DROP_HEADER};

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

#[async_trait]
impl<M: Model> Transport for InProcess<M> {
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, TransportError> {
        let now = (self.clock)();
        let response = locked(&self.model).handle(&request, now);
        match response.headers().get(DROP_HEADER).and_then(|value| value.to_str().ok()) {
            Some(when) => Err(TransportError::NoAnswer(format!("the twin dropped the connection {when} the effect"))),
            None => Ok(response),
        }
    }
}

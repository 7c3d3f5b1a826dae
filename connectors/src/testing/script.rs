//! A network that follows a script.
//!
//! In: what is to be answered, in order. Out: a [`Transport`] that answers so and keeps every request.
//! Always true: a request that the script does not foresee is a panic that shows it, so that no test passes by a
//! call that nobody thought of.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::Value as Json;

use crate::http::{Transport, TransportError};

/// What meets one request.
#[derive(Debug, Clone)]
pub enum Step {
    /// A response.
    Respond(http::Response<Bytes>),
    /// No response.
    Fail(TransportError),
}

impl Step {
    /// A response with a JSON body; null is no body at all.
    ///
    /// # Panics
    /// Where `status` is none of HTTP's.
    #[must_use]
    pub fn json(status: u16, body: &Json) -> Self {
        let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        Self::raw(status, &[("content-type", "application/json")], body)
    }

    /// A response with a body of any kind.
    ///
    /// # Panics
    /// Where `status` is none of HTTP's, or a header cannot be one.
    #[must_use]
    pub fn raw(status: u16, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Self {
        let response = http::Response::builder().status(status);
        let response = headers.iter().fold(response, |response, (name, value)| response.header(*name, *value));
        Self::Respond(response.body(body.into()).expect("a script holds responses that can be"))
    }

    /// The connection was refused.
    #[must_use]
    pub fn not_sent() -> Self {
        Self::Fail(TransportError::NotSent("connection refused".to_owned()))
    }

    /// The connection broke after the request was sent.
    #[must_use]
    pub fn no_answer() -> Self {
        Self::Fail(TransportError::NoAnswer("connection reset".to_owned()))
    }
}

/// One request as it was sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Sent {
    /// Such as `POST`.
    pub method: http::Method,
    /// Path and query.
    pub path: String,
    /// Header values that are text, by name in lower case.
    pub headers: std::collections::BTreeMap<String, String>,
    /// The body; null where there is none or it is no JSON.
    pub body: Json,
}

#[derive(Debug, Default)]
struct Played {
    steps: VecDeque<Step>,
    sent: Vec<Sent>,
}

/// A [`Transport`] that follows a script.
#[derive(Debug, Clone, Default)]
pub struct Script(Arc<Mutex<Played>>);

impl Script {
    /// Answers the first request with the first step, and so on.
    #[must_use]
    pub fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self(Arc::new(Mutex::new(Played { steps: steps.into_iter().collect(), sent: Vec::new() })))
    }

    /// What was sent so far, in order.
    #[must_use]
    pub fn sent(&self) -> Vec<Sent> {
        self.played().sent.clone()
    }

    /// How many steps no request has met yet.
    #[must_use]
    pub fn left(&self) -> usize {
        self.played().steps.len()
    }

    fn played(&self) -> MutexGuard<'_, Played> {
        // A panic elsewhere leaves the list of requests as sound as before.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Transport for Script {
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, TransportError> {
        let headers = request.headers().iter();
        let sent = Sent {
            method: request.method().clone(),
            path: request.uri().path_and_query().map(ToString::to_string).unwrap_or_default(),
            headers: headers.filter_map(|(n, v)| Some((n.to_string(), v.to_str().ok()?.to_owned()))).collect(),
            body: serde_json::from_slice(request.body()).unwrap_or(Json::Null),
        };
        let mut played = self.played();
        let step = played.steps.pop_front();
        played.sent.push(sent.clone());
        match step {
            Some(Step::Respond(response)) => Ok(response),
            Some(Step::Fail(error)) => Err(error),
            None => panic!("the script has no answer to {sent:#?}"),
        }
    }
}

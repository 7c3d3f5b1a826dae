//! The operations twin: a service that sends e-mails, surveys and notices, as the `http` connector sees it.
//!
//! In: `POST` of a JSON object to any path, with or without `Idempotency-Key`. Out: `{"id"}`, and a log of what
//! was sent ([`Mail::sent`]).
//! Always true: one key on one path sends once, and every repetition is noted beside the first; without a key
//! every request sends.

use std::collections::BTreeMap;

use bytes::Bytes;
use dsl::value::Timestamp;
use http::{Method, Request, Response};
use serde_json::{Value as Json, json};

use crate::app::{answer, authorized, change_faults, failure, idempotency_key, json_body, reply};
use crate::faults::Arrival;
use crate::faults::{Faults, When};
use crate::model::Model;

/// One thing that was sent.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Sent {
    /// The path it was asked for at, such as `/send`.
    pub path: String,
    /// What was asked.
    pub body: Json,
    /// The idempotency key it came with.
    pub key: Option<String>,
    /// When it was sent.
    pub at: Timestamp,
    /// When the same key came again; none of these sent anything.
    pub repeats: Vec<Timestamp>,
}

/// The model.
#[derive(Debug, Default)]
pub struct Mail {
    token: Option<String>,
    sent: Vec<Sent>,
    /// Place in `sent` by path and key.
    keys: BTreeMap<(String, String), usize>,
    faults: Faults,
    requests: u64,
}

impl Mail {
    /// A service that sent nothing; where a token is given, every request must carry it as its bearer token.
    #[must_use]
    pub fn new(token: Option<String>) -> Self {
        Self { token, ..Self::default() }
    }

    fn send(&mut self, request: &Request<Bytes>, now: Timestamp) -> Response<Bytes> {
        if self.token.as_ref().is_some_and(|token| !authorized(request, token)) {
            return answer(401, &json!({ "error": "the bearer token is missing or wrong" }));
        }
        if request.method() != Method::POST {
            return answer(405, &json!({ "error": "operations are called by POST" }));
        }
        let asked = idempotency_key(request).and_then(|key| Ok((key, json_body(request)?)));
        let (key, body) = match asked {
            Ok((key, body)) if body.is_object() => (key, body),
            Ok(_) => return answer(400, &json!({ "error": "the body must be an object" })),
            Err(refused) => return answer(refused.status(), &refused.members()),
        };
        let path = request.uri().path().to_owned();
        let known = key.as_ref().map(|key| (path.clone(), key.clone()));
        let place = match known.as_ref().and_then(|known| self.keys.get(known)) {
            Some(place) => {
                self.sent[*place].repeats.push(now);
                *place
            }
            None => {
                let place = self.sent.len();
                self.keys.extend(known.map(|known| (known, place)));
                self.sent.push(Sent { path, body, key, at: now, repeats: Vec::new() });
                place
            }
        };
        answer(200, &json!({ "id": format!("sent-{}", place + 1) }))
    }

    /// What was sent, oldest first.
    #[must_use]
    pub fn sent(&self) -> &[Sent] {
        &self.sent
    }

    /// What was sent at `path`, oldest first.
    pub fn sent_to<'a>(&'a self, path: &'a str) -> impl Iterator<Item = &'a Sent> {
        self.sent.iter().filter(move |sent| sent.path == path)
    }

    /// Requests of every kind, faults and refusals included.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.requests
    }

    /// Forgets what was sent and every fault.
    pub fn reset(&mut self) {
        *self = Self::new(self.token.take());
    }

    /// Faults to come.
    pub fn faults(&mut self) -> &mut Faults {
        &mut self.faults
    }

    /// The next `n` requests are answered with `status` and send nothing.
    pub fn fail_next(&mut self, n: usize, status: u16) {
        self.faults.fail_next(n, status);
    }

    /// The next `n` requests get no answer, before or after they send.
    pub fn drop_next(&mut self, n: usize, when: When) {
        self.faults.drop_next(n, when);
    }

    /// Every request before `until` is answered with `status` and sends nothing.
    pub fn answers(&mut self, status: u16, until: Timestamp) {
        self.faults.answers(status, until);
    }
}

impl Model for Mail {
    fn arrive(&mut self, request: &Request<Bytes>, now: Timestamp) -> Arrival {
        self.advance(now);
        self.requests += 1;
        self.faults.meet(request, now).arrival(failure)
    }

    fn perform(&mut self, request: &Request<Bytes>, now: Timestamp) -> Response<Bytes> {
        self.send(request, now)
    }

    fn faults(&mut self) -> &mut Faults {
        Self::faults(self)
    }

    /// `GET /_twin/sent`, `POST` and `DELETE /_twin/faults`, `POST /_twin/reset`.
    fn control(&mut self, request: &Request<Bytes>, now: Timestamp) -> Response<Bytes> {
        self.advance(now);
        let path = request.uri().path().trim_start_matches("/_twin/");
        match (path, request.method()) {
            ("sent", &Method::GET) => answer(200, &json!({ "sent": self.sent })),
            ("faults", _) => reply(change_faults(&mut self.faults, request, now)),
            ("reset", &Method::POST) => {
                self.reset();
                answer(200, &json!({}))
            }
            _ => reply(None),
        }
    }
}

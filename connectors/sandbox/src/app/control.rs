//! The operator's routes of the app twin, under `/_twin/`: what a person or a test does to it over HTTP.
//!
//! | route | does |
//! |---|---|
//! | `POST /_twin/create/{entity}` | makes a record of the body's values; gives `{"id"}` |
//! | `POST /_twin/edit/{entity}/{id}` | changes it |
//! | `POST /_twin/delete/{entity}/{id}` | deletes it |
//! | `POST /_twin/login/{user id}` | the user logs in |
//! | `GET /_twin/records/{entity}` | all records |
//! | `GET /_twin/calls`, `GET /_twin/operations` | what was counted; operations carried out |
//! | `POST /_twin/faults` | adds faults, see `faults::Asked`; `DELETE` forgets them |
//! | `POST /_twin/reset` | forgets everything |
//!
//! `{entity}` is the lock's name or the path: `SupportTicket` or `support-tickets`.

use bytes::Bytes;
use dsl::value::{Duration, Timestamp};
use http::{Method, Request, Response};
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::face::{Admitted, Arrival, Model};
use super::route::{Reply, json_body};
use super::{App, DropWhen, Faults, Refused, answer, names};

impl Model for App {
    fn arrive(&mut self, _request: &Request<Bytes>, now: Timestamp) -> Arrival {
        self.admit(now)
    }

    fn carry_out(&mut self, request: &Request<Bytes>, admitted: Admitted, now: Timestamp) -> Response<Bytes> {
        self.respond(request, admitted, now)
    }

    fn control(&mut self, request: &Request<Bytes>, now: Timestamp) -> Response<Bytes> {
        let path: Vec<&str> = request.uri().path().split('/').filter(|part| !part.is_empty()).skip(1).collect();
        reply(self.operator(request, &path, now))
    }
}

impl App {
    fn operator(&mut self, request: &Request<Bytes>, path: &[&str], now: Timestamp) -> Option<Result<Reply, Refused>> {
        let post = request.method() == Method::POST;
        let get = request.method() == Method::GET;
        Some(match path {
            ["create", entity] if post => self.named(entity).and_then(|entity| {
                let id = self.create(&entity, json_body(request)?, now)?;
                Ok((201, json!({ "id": id })))
            }),
            ["edit", entity, id] if post => self.named(entity).and_then(|entity| {
                self.edit(&entity, id, json_body(request)?, now)?;
                Ok((200, json!({})))
            }),
            ["delete", entity, id] if post => self.named(entity).and_then(|entity| {
                self.delete(&entity, id, now)?;
                Ok((200, json!({})))
            }),
            ["login", user] if post => self.login(user, now).map(|()| (200, json!({}))),
            ["records", entity] if get => {
                self.named(entity).map(|entity| (200, json!({ "records": self.records(&entity).collect::<Vec<_>>() })))
            }
            ["calls"] if get => Ok((200, json!(self.calls()))),
            ["operations"] if get => Ok((200, json!({ "operations": self.operations() }))),
            ["faults"] => return change_faults(self.faults(), request, now),
            ["reset"] if post => {
                self.reset();
                Ok((200, json!({})))
            }
            _ => return None,
        })
    }

    /// The entity by its name in the lock or its path.
    fn named(&self, name: &str) -> Result<String, Refused> {
        let mut names = self.lock().entities.keys();
        let found = names.find(|entity| *entity == name || names::plural(entity) == name);
        found.cloned().ok_or_else(|| Refused::request(format!("there is no entity `{name}`")))
    }
}

/// Faults as the operator asks for them; any of the members may be left out.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// `{"n": 2, "status": 503}`: the next two requests.
    fail_next: Option<FailNext>,
    /// `{"n": 1, "when": "before"}` or `"after"`: the next request gets no answer.
    drop_next: Option<DropNext>,
    /// `{"status": 503, "seconds": 10}`: every request for ten seconds of the twin's clock.
    answers: Option<Answers>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FailNext {
    n: usize,
    status: u16,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DropNext {
    n: usize,
    when: DropWhen,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Answers {
    status: u16,
    seconds: u32,
}

/// `POST` adds to `faults`, `DELETE` clears them; `None` for another method.
pub(crate) fn change_faults(
    faults: &mut Faults,
    request: &Request<Bytes>,
    now: Timestamp,
) -> Option<Result<Reply, Refused>> {
    match *request.method() {
        Method::POST => Some(json_body(request).and_then(|body| {
            let asked: Asked = serde_json::from_value(body).map_err(|error| Refused::request(error.to_string()))?;
            set_faults(faults, asked.fail_next, asked.drop_next, asked.answers, now);
            Ok((200, json!({})))
        })),
        Method::DELETE => {
            faults.clear();
            Some(Ok((200, json!({}))))
        }
        _ => None,
    }
}

/// Sets the faults that every twin knows.
pub(crate) fn set_faults(
    faults: &mut Faults,
    fail_next: Option<FailNext>,
    drop_next: Option<DropNext>,
    answers: Option<Answers>,
    now: Timestamp,
) {
    if let Some(FailNext { n, status }) = fail_next {
        faults.fail_next(n, status);
    }
    if let Some(DropNext { n, when }) = drop_next {
        faults.drop_next(n, when);
    }
    if let Some(Answers { status, seconds }) = answers {
        faults.answers(status, now.plus(Duration::seconds(i64::from(seconds))));
    }
}

/// The response of an operator's route.
pub(crate) fn reply(reply: Option<Result<Reply, Refused>>) -> Response<Bytes> {
    match reply {
        Some(Ok((status, body))) => answer(status, &body),
        Some(Err(refused)) => answer(refused.status(), &Json::Object(refused.members())),
        None => answer(404, &json!({ "error": "there is no such route of the twin" })),
    }
}

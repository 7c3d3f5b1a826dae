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
//! | `POST /_twin/faults` | adds faults, see the README; `DELETE` forgets them |
//! | `POST /_twin/reset` | forgets everything |
//!
//! `{entity}` is the lock's name or the path: `SupportTicket` or `support-tickets`.

use bytes::Bytes;
use dsl::value::Timestamp;
use http::{Method, Request, Response};
use serde_json::{Value as Json, json};

use super::route::{Reply, json_body};
use super::{App, Refused, answer, names};
use crate::faults::Arrival;
use crate::faults::{Asked, Faults};
use crate::model::Model;

impl Model for App {
    fn arrive(&mut self, request: &Request<Bytes>, now: Timestamp) -> Arrival {
        self.admit(request, now)
    }

    fn perform(&mut self, request: &Request<Bytes>, now: Timestamp) -> Response<Bytes> {
        self.respond(request, now)
    }

    fn faults(&mut self) -> &mut Faults {
        Self::faults(self)
    }

    fn control(&mut self, request: &Request<Bytes>, now: Timestamp) -> Response<Bytes> {
        self.advance(now);
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

/// `POST` adds to `faults`, `DELETE` clears them; `None` for another method.
pub(crate) fn change_faults(
    faults: &mut Faults,
    request: &Request<Bytes>,
    now: Timestamp,
) -> Option<Result<Reply, Refused>> {
    match *request.method() {
        Method::POST => Some(json_body(request).and_then(|body| {
            let asked: Asked = serde_json::from_value(body).map_err(|error| Refused::request(error.to_string()))?;
            faults.add(asked, now);
            Ok((200, json!({})))
        })),
        Method::DELETE => {
            faults.clear();
            Some(Ok((200, json!({}))))
        }
        _ => None,
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

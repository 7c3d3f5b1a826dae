//! What people and tests do over HTTP without a token: `/_twin/…`.
//!
//! Records are shown and changed as a person would; faults and delays are set. Nothing here is of HubSpot's.

use bytes::Bytes;
use dsl::value::{Duration, Timestamp};
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::HubSpot;
use super::reply::{text, values};
use crate::faults::Asked;
use crate::model::Model as _;

/// Faults to come.
#[derive(Deserialize)]
struct Wanted {
    #[serde(flatten)]
    of_every_twin: Json,
    race_next: Option<usize>,
    repeat_deliveries: Option<u32>,
    collide_event_ids: Option<u64>,
    index_delay_ms: Option<i64>,
    daily_limit: Option<u64>,
}

impl HubSpot {
    pub(super) fn operate(&mut self, request: &http::Request<Bytes>, now: Timestamp) -> http::Response<Bytes> {
        self.advance(now);
        let path = request.uri().path().trim_start_matches("/_twin/").to_owned();
        let body = match serde_json::from_slice(request.body()) {
            Ok(body) => body,
            Err(_) if request.body().is_empty() => Json::Null,
            Err(error) => {
                return self.reply(&(400, json!({"message": format!("the body is no JSON: {error}")})), false);
            }
        };
        let entity = body["entity"].as_str().unwrap_or_default().to_owned();
        let id = |name: &str| text(&body[name]).parse::<u64>().map_err(|_| format!("`{name}` is no id"));
        let done: Result<Json, String> = match (request.method().as_str(), path.as_str()) {
            ("GET", "calls") => {
                let calls = self.calls();
                Ok(json!({"total": calls.total, "limited": calls.limited, "writes": calls.writes,
                          "reads": calls.reads, "records": calls.records}))
            }
            ("DELETE", "faults") => {
                self.faults.clear();
                // Races are this twin's own, and not among the faults that every twin knows.
                self.race_next(0);
                Ok(json!({}))
            }
            (_, "faults") => self.misbehave(&body, now).map(|()| json!({})),
            (_, "edit") => {
                let values = values(&body["properties"]);
                let values: Vec<(&str, &str)> = values.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
                match id("id") {
                    Ok(id) => self.edit(&entity, id, &values, now).map(|()| id),
                    Err(_) => self.create(&entity, &values, now),
                }
                .map(|id| json!({"id": id.to_string()}))
            }
            (_, "archive") => id("id").map(|id| {
                self.archive(&entity, id, now);
                json!({})
            }),
            (_, "restore") => id("id").and_then(|id| self.restore(&entity, id, now)).map(|()| json!({})),
            (_, "merge") => id("primary")
                .and_then(|primary| self.merge(&entity, primary, id("other")?, now))
                .map(|id| json!({"id": id.to_string()})),
            (_, "owner") => match (text(&body["id"]), text(&body["email"])) {
                (_, email) if email.is_empty() => Err("an owner needs an `email`".to_owned()),
                (id, email) => {
                    let id = if id.is_empty() { format!("{}", 41_000_077 + self.owners().len()) } else { id };
                    self.owner(&id, &email);
                    Ok(json!({ "id": id }))
                }
            },
            (_, "deactivate-owner") => {
                let id = text(&body["id"]);
                let done = self.deactivate_owner(&id, now);
                done.then(|| json!({})).ok_or_else(|| format!("there is no owner {id}"))
            }
            (_, "scopes") => {
                let scopes = body["scopes"].as_array().map(|scopes| scopes.iter().map(text).collect::<Vec<_>>());
                let scopes = scopes.as_ref().map(|scopes| scopes.iter().map(String::as_str).collect::<Vec<_>>());
                self.allow(scopes.as_deref());
                Ok(json!({}))
            }
            (_, "token") => match text(&body["token"]) {
                token if token.is_empty() => Err("a `token` is needed".to_owned()),
                token => {
                    self.rotate_token(&token);
                    Ok(json!({}))
                }
            },
            // HubSpot shows a page for it and sends the code by way of a browser; nobody is there to click.
            (_, "consent") => Ok(json!({"code": self.consent(None), "client_id": super::CLIENT_ID})),
            (_, "uninstall") => {
                self.uninstall();
                Ok(json!({}))
            }
            (_, "expire-tokens") => {
                self.expire_tokens(now);
                Ok(json!({}))
            }
            (_, "app") => {
                let file = |name: &str| Some(&body[name]).filter(|file| !file.is_null());
                self.upload(file("app"), file("webhooks"), now).map(|()| json!({}))
            }
            (_, "privacy-delete") => id("id").map(|id| {
                self.privacy_delete(id, now);
                json!({})
            }),
            _ => match path.strip_prefix("records/") {
                Some(entity) => {
                    let shown = |r: &super::Record| json!({"id": r.id.to_string(), "properties": r.properties});
                    let records: Vec<Json> = self.records(entity).map(shown).collect();
                    Ok(json!({ "records": records }))
                }
                None => return self.reply(&(404, json!({"message": "there is no such control"})), false),
            },
        };
        match done {
            Ok(body) => self.reply(&(200, body), false),
            Err(message) => self.reply(&(400, json!({ "message": message })), false),
        }
    }

    fn misbehave(&mut self, body: &Json, now: Timestamp) -> Result<(), String> {
        let wanted = Wanted::deserialize(body).map_err(|error| error.to_string())?;
        // Unknown members end up here and are told.
        self.faults.add(Asked::deserialize(&wanted.of_every_twin).map_err(|error| error.to_string())?, now);
        if let Some(n) = wanted.race_next {
            self.race_next(n);
        }
        if let Some(copies) = wanted.repeat_deliveries {
            self.repeat_deliveries(copies);
        }
        if let Some(different) = wanted.collide_event_ids {
            self.collide_event_ids(different);
        }
        if let Some(delay) = wanted.index_delay_ms {
            self.delay_index(Duration(delay));
        }
        if let Some(calls) = wanted.daily_limit {
            self.daily_limit(calls);
        }
        Ok(())
    }
}

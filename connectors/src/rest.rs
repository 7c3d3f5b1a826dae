//! The app over REST, as `docs/APP.md` describes it: batches of records, operations, and its messages.
//!
//! In: requests of the gate, and the bodies of webhooks and Kafka records. Out: one answer per input, attributed by
//! key; messages as the lock names them.
//! Always true: an input whose key the answer does not repeat is unknown; a record counts as missing only where the
//! app says so of that record; in messages a key that is absent is unobserved, and only a record with every field and
//! link of the lock is complete. Every call that changes something carries the input's key, so repeating it is safe.

mod message;
mod names;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use dsl::schema::Lock;
use dsl::value::Timestamp;
use http::Method;
use serde_json::{Map, Value as Json, json};

pub use self::names::entity_path;
use crate::http::{Transport, escape, lost, request, segment, text, trouble};
use crate::port::{Answer, Connector, Delivery, Input, LimitWindow, Observed, Refusal, Request, Unreadable, Verb};
use crate::token::Token;

/// Inputs of one batch, records of one page.
const BATCH: usize = 100;

/// The connector.
pub struct Rest {
    base_url: String,
    token: Token,
    lock: Lock,
    transport: Arc<dyn Transport>,
}

impl std::fmt::Debug for Rest {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Rest").field("base_url", &self.base_url).finish_non_exhaustive()
    }
}

/// A response to look at: its status and its body, null where that is no JSON.
struct Reply {
    response: http::Response<Bytes>,
    json: Json,
}

impl Reply {
    fn is_success(&self) -> bool {
        self.response.status().is_success()
    }

    /// 404 in the app's own words. A gateway's page says that the path is wrong, not that a record is gone.
    fn is_missing(&self) -> bool {
        self.response.status() == http::StatusCode::NOT_FOUND && self.json["error"].is_string()
    }
}

impl Rest {
    /// Takes what it needs; touches no network.
    #[must_use]
    pub fn new(base_url: &str, token: impl Into<Token>, lock: Lock, transport: Arc<dyn Transport>) -> Self {
        let token = token.into();
        Self { base_url: base_url.trim_end_matches('/').to_owned(), token, lock, transport }
    }

    /// Sends one call. Gives what the app says, or the answer where no words of its own are needed.
    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Json>,
        key: Option<&str>,
        write: bool,
    ) -> Result<Reply, Answer> {
        let url = format!("{}{path}", self.base_url);
        let token = self.token.bearer().await?;
        let request = request(method, &url, Some(&token), key, body)
            .map_err(|error| refuse(format!("the request cannot be made: {error}")))?;
        let response = self.transport.send(request).await.map_err(|error| lost(&error, write))?;
        if response.status() == http::StatusCode::UNAUTHORIZED {
            self.token.refused(&token).await;
        }
        let parsed = crate::json::read(response.body());
        // A read that is answered with a page of somebody on the way is asked again.
        let page = response.status().is_client_error() && response.body().first() == Some(&b'<');
        let foreign = response.status().is_success() || (page && !write && trouble(&response, write, "").is_none());
        if foreign && !response.body().is_empty() && parsed.is_err() {
            let cause = format!("HTTP {} with a body that is no JSON", response.status());
            return Err(if write { Answer::Unknown { cause } } else { Answer::Retry { after: None, cause } });
        }
        let json = parsed.unwrap_or(Json::Null);
        match trouble(&response, write, &said(&json)) {
            Some(answer) => Err(answer),
            None => Ok(Reply { response, json }),
        }
    }

    /// Asks the app for its schema, which it publishes as a lock at `GET /schema`.
    ///
    /// # Errors
    /// Why it cannot be had, for people.
    pub async fn pull(&self) -> Result<Lock, String> {
        let url = format!("{}/schema", self.base_url);
        let token = self.token.bearer().await.map_err(|_| "there is no token to ask the app with".to_owned())?;
        let request = request(Method::GET, &url, Some(&token), None, None)
            .map_err(|error| format!("the request cannot be made: {error}"))?;
        let response = self.transport.send(request).await.map_err(|error| error.to_string())?;
        if !response.status().is_success() {
            return Err(format!("the app answers GET /schema with {}", response.status()));
        }
        let text = std::str::from_utf8(response.body()).map_err(|_| "the app's schema is no UTF-8 text".to_owned())?;
        let mut lock =
            dsl::schema::read_lock(text).map_err(|wrong| format!("the app's schema is no lock: {}", wrong.reason))?;
        // What the rules call it is their business.
        lock.system.clone_from(&self.lock.system);
        Ok(lock)
    }

    async fn batch(&self, entity: &str, operation: &str, by: Option<&str>, inputs: &[Input]) -> Vec<Answer> {
        let write = operation != "read";
        let mut body = json!({"operation": operation, "inputs": inputs.iter().map(batch_input).collect::<Vec<_>>()});
        if let Some(by) = by {
            body["by"] = by.into();
        }
        let path = format!("{}/batch", entity_path(entity));
        let reply = match self.call(Method::POST, &path, Some(&body), None, write).await {
            Ok(reply) if reply.is_success() => reply,
            Ok(reply) => return vec![refused_whole(&reply, inputs.len()); inputs.len()],
            Err(answer) => return vec![answer; inputs.len()],
        };
        let results = reply.json["results"].as_array().into_iter().flatten();
        let by_key: BTreeMap<String, &Json> = results.map(|result| (text(&result["key"]), result)).collect();
        let answer = |input: &Input| match by_key.get(&input.key) {
            Some(result) => self.result(entity, result, operation),
            None => Answer::Unknown { cause: "the app's answer does not mention it".to_owned() },
        };
        inputs.iter().map(answer).collect()
    }

    /// The result of one input of a batch.
    fn result(&self, entity: &str, result: &Json, operation: &str) -> Answer {
        let reason = said(result);
        match result["status"].as_u64() {
            Some(200 | 201) => {
                let record = self.record(entity, &result["record"]);
                if record.id.is_empty() {
                    return Answer::Unknown { cause: "the app's answer holds no record".to_owned() };
                }
                Answer::Record(record)
            }
            Some(404) if operation != "create" => Answer::Missing,
            Some(409) => Answer::Refused { reason, refusal: Refusal::Exists(existing(result)) },
            Some(400 | 422) => Answer::Refused { reason, refusal: Refusal::Invalid(field(result)) },
            Some(429) => Answer::RateLimited { after: None, window: LimitWindow::Unknown, policy: None },
            Some(400..=499) => Answer::Refused { reason, refusal: Refusal::Other },
            other => Answer::Unknown { cause: format!("the app's result has the status {other:?}") },
        }
    }

    /// A record as the app answers it: whole, whatever it leaves out, because it was asked for.
    fn record(&self, entity: &str, record: &Json) -> Observed {
        Observed { complete: true, ..message::observed(&self.lock, entity, record) }
    }

    async fn delete(&self, entity: &str, input: &Input) -> Answer {
        let Some(id) = input.id.as_deref().and_then(segment) else { return refuse("it has no id") };
        let path = format!("{}/{id}", entity_path(entity));
        match self.call(Method::DELETE, &path, None, Some(&input.key), true).await {
            Ok(reply) if reply.is_success() || reply.is_missing() => Answer::Done,
            Ok(reply) => refused(&reply),
            Err(answer) => answer,
        }
    }

    async fn list(&self, entity: &str, since: Option<Timestamp>, cursor: Option<&str>) -> Answer {
        let mut path = format!("{}?limit={BATCH}", entity_path(entity));
        if let Some(since) = since {
            path.push_str(&format!("&updatedSince={}", escape(&since.to_string())));
        }
        if let Some(cursor) = cursor {
            path.push_str(&format!("&after={}", escape(cursor)));
        }
        let reply = match self.call(Method::GET, &path, None, None, false).await {
            Ok(reply) if reply.is_success() => reply,
            Ok(reply) => return refused(&reply),
            Err(answer) => return answer,
        };
        // A page without its list is no page: taken for an empty one, it would end a listing.
        let Some(records) = reply.json["records"].as_array() else {
            return Answer::Retry { after: None, cause: "the app's answer holds no records".to_owned() };
        };
        Answer::Page {
            records: records.iter().map(|record| self.record(entity, record)).collect(),
            next: Some(text(&reply.json["next"])).filter(|next| !next.is_empty()),
        }
    }

    /// `activateSubscription` with `subscriptionId` is `POST /subscriptions/{id}/activate`.
    async fn operation(&self, name: &str, input: &Input) -> Answer {
        let Some(route) = names::operation(&self.lock, name) else {
            return refuse(format!("`{name}` is no verb with an entity of the app at its end"));
        };
        let Some(id) = input.values.get(&route.id_parameter).and_then(|id| segment(&text(id))) else {
            return refuse(format!("`{name}` needs `{}`", route.id_parameter));
        };
        let rest = input.values.iter().filter(|(name, _)| **name != route.id_parameter);
        let body: Map<String, Json> = rest.map(|(name, value)| (name.clone(), value.clone())).collect();
        let path = format!("{}/{id}/{}", entity_path(route.entity), escape(&route.verb));
        match self.call(Method::POST, &path, Some(&Json::Object(body)), Some(&input.key), true).await {
            Ok(reply) if reply.is_success() => {
                Answer::Result(reply.json.as_object().cloned().unwrap_or_default().into_iter().collect())
            }
            Ok(reply) => refused(&reply),
            Err(answer) => answer,
        }
    }
}

#[async_trait]
impl Connector for Rest {
    fn max_batch(&self, verb: &Verb) -> usize {
        match verb {
            Verb::Read { .. } | Verb::Create { .. } | Verb::Update { .. } => BATCH,
            Verb::Delete { .. }
            | Verb::List { .. }
            | Verb::Archived { .. }
            | Verb::Identify
            | Verb::Operation { .. } => 1,
        }
    }

    fn calls(&self, request: &Request) -> u32 {
        match &request.verb {
            Verb::Read { .. } | Verb::Create { .. } | Verb::Update { .. } => 1,
            Verb::Delete { .. } | Verb::List { .. } | Verb::Operation { .. } => {
                u32::try_from(request.inputs.len()).unwrap_or(u32::MAX)
            }
            Verb::Archived { .. } | Verb::Identify => 0,
        }
    }

    async fn perform(&self, request: &Request) -> Vec<Answer> {
        let inputs = &request.inputs;
        match &request.verb {
            Verb::Read { entity, by, .. } => self.batch(entity, "read", Some(by), inputs).await,
            Verb::Create { entity } => self.batch(entity, "create", None, inputs).await,
            Verb::Update { entity } => self.batch(entity, "update", None, inputs).await,
            Verb::Identify => vec![refuse("the app does not say who asks"); inputs.len()],
            // The app keeps no list of what it deleted.
            Verb::Archived { .. } => vec![Answer::Page { records: Vec::new(), next: None }; inputs.len()],
            Verb::Delete { .. } | Verb::List { .. } | Verb::Operation { .. } => {
                let mut answers = Vec::with_capacity(inputs.len());
                for input in inputs {
                    answers.push(match &request.verb {
                        Verb::Delete { entity } => self.delete(entity, input).await,
                        Verb::List { entity, since, .. } => self.list(entity, *since, input.id.as_deref()).await,
                        Verb::Operation { name } => self.operation(name, input).await,
                        _ => refuse("it is for batches"),
                    });
                }
                answers
            }
        }
    }

    fn read(&self, body: &[u8]) -> Result<Delivery, Unreadable> {
        message::read(&self.lock, body)
    }
}

/// An input as the app's batches take it; a link is `{"id": …}`, or null where there shall be none.
fn batch_input(input: &Input) -> Json {
    let mut values: Map<String, Json> = input.values.clone().into_iter().collect();
    for (name, change) in &input.links {
        values.insert(name.clone(), change.add.as_ref().map_or(Json::Null, |id| json!({"id": id})));
    }
    let mut body = json!({"key": input.key, "values": values});
    if let Some(id) = &input.id {
        body["id"] = id.as_str().into();
    }
    body
}

/// What the app says of a refusal.
fn said(json: &Json) -> String {
    ["error", "detail", "message"].iter().find_map(|name| json[*name].as_str()).unwrap_or_default().to_owned()
}

fn existing(json: &Json) -> Option<String> {
    Some(text(&json["existingId"])).filter(|id| !id.is_empty())
}

fn field(json: &Json) -> Option<String> {
    json["field"].as_str().map(str::to_owned)
}

/// A refusal of our own: it never left.
fn refuse(reason: impl Into<String>) -> Answer {
    Answer::Refused { reason: reason.into(), refusal: Refusal::Other }
}

/// A 4xx about one thing.
fn refused(reply: &Reply) -> Answer {
    let status = reply.response.status();
    let said = said(&reply.json);
    let reason = if said.is_empty() { format!("HTTP {status}") } else { said };
    let refusal = match status.as_u16() {
        409 => Refusal::Exists(existing(&reply.json)),
        400 | 422 => Refusal::Invalid(field(&reply.json)),
        _ => Refusal::Other,
    };
    Answer::Refused { reason, refusal }
}

/// A 4xx about a batch as a whole, which had no effect: one by one it is told which input is at fault.
fn refused_whole(reply: &Reply, inputs: usize) -> Answer {
    let about_inputs = matches!(reply.response.status().as_u16(), 400 | 409 | 413 | 422);
    if inputs > 1 && about_inputs { Answer::Split } else { refused(reply) }
}

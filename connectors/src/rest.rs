//! The app over REST, as `docs/APP.md` describes it: batches of records, operations, and its messages.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use dsl::schema::{About, Lock};
use dsl::value::Moment;
use http::Method;
use serde_json::{Value as Json, json};

use crate::http::{Transport, TransportError, escape, retry_after};
use crate::port::{Answer, Body, Connector, Input, Message, Observed, Refusal, Request, Unreadable, Verb};
use crate::secret::Secret;

/// Inputs of one batch.
const BATCH: usize = 100;

/// The connector.
pub struct Rest {
    base_url: String,
    token: Secret,
    lock: Lock,
    transport: Arc<dyn Transport>,
}

impl Rest {
    /// Takes what it needs; touches no network.
    #[must_use]
    pub fn new(base_url: &str, token: Secret, lock: Lock, transport: Arc<dyn Transport>) -> Self {
        Self { base_url: base_url.trim_end_matches('/').to_owned(), token, lock, transport }
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Json>,
        key: Option<&str>,
    ) -> Result<(http::Response<Bytes>, Json), TransportError> {
        let mut request = http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base_url))
            .header(http::header::AUTHORIZATION, format!("Bearer {}", self.token.expose()));
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        let bytes = match body {
            Some(body) => {
                request = request.header(http::header::CONTENT_TYPE, "application/json");
                Bytes::from(body.to_string())
            }
            None => Bytes::new(),
        };
        let request = request.body(bytes).map_err(|error| TransportError::NotSent(error.to_string()))?;
        let response = self.transport.send(request).await?;
        let json = serde_json::from_slice(response.body()).unwrap_or(Json::Null);
        Ok((response, json))
    }

    /// The record's links are `{"id": …}` or null; everything else is a field.
    fn observed(&self, entity: &str, record: &Json) -> Observed {
        let links = self.lock.entities.get(entity).map(|e| &e.links);
        let mut observed = Observed { id: text(&record["id"]), complete: true, ..Observed::default() };
        for (name, value) in record.as_object().into_iter().flatten() {
            if links.is_some_and(|links| links.contains_key(name)) {
                let id = value.get("id").map(text).or_else(|| value.as_str().map(str::to_owned));
                observed.links.insert(name.clone(), id.filter(|id| !id.is_empty()));
            } else {
                observed.fields.insert(name.clone(), value.clone());
            }
        }
        observed.changed_at = record["updatedAt"].as_str().and_then(Moment::parse);
        observed
    }

    async fn batch(&self, entity: &str, operation: &str, by: Option<&str>, inputs: &[Input]) -> Vec<Answer> {
        let bodies: Vec<Json> = inputs
            .iter()
            .map(|input| {
                let mut values: serde_json::Map<String, Json> = input.values.clone().into_iter().collect();
                for (name, change) in &input.links {
                    values.insert(name.clone(), change.add.as_ref().map_or(Json::Null, |id| json!({"id": id})));
                }
                let mut body = json!({"key": input.key, "values": values});
                if let Some(id) = &input.id {
                    body["id"] = id.as_str().into();
                }
                body
            })
            .collect();
        let mut body = json!({"operation": operation, "inputs": bodies});
        if let Some(by) = by {
            body["by"] = by.into();
        }
        let write = operation != "read";
        let path = format!("{}/batch", entity_path(entity));
        let (response, json) = match self.call(Method::POST, &path, Some(&body), None).await {
            Ok(answer) => answer,
            Err(error) => return vec![failed(&error, write); inputs.len()],
        };
        if !response.status().is_success() {
            return vec![refused(&response, &json, inputs.len(), write); inputs.len()];
        }
        let mut results: BTreeMap<String, &Json> = BTreeMap::new();
        for result in json["results"].as_array().into_iter().flatten() {
            results.insert(text(&result["key"]), result);
        }
        inputs
            .iter()
            .map(|input| {
                let Some(result) = results.get(&input.key) else {
                    return Answer::Unknown { cause: "the app's answer does not mention it".to_owned() };
                };
                let reason = text(&result["error"]);
                match result["status"].as_u64() {
                    Some(200 | 201) => Answer::Record(self.observed(entity, &result["record"])),
                    Some(404) => Answer::Missing,
                    Some(409) => {
                        let existing = Some(text(&result["existingId"])).filter(|id| !id.is_empty());
                        Answer::Refused { reason, refusal: Refusal::Exists(existing) }
                    }
                    _ => Answer::Refused { reason, refusal: Refusal::Invalid(None) },
                }
            })
            .collect()
    }

    async fn delete(&self, entity: &str, input: &Input) -> Answer {
        let path = format!("{}/{}", entity_path(entity), escape(input.id.as_deref().unwrap_or_default()));
        match self.call(Method::DELETE, &path, None, Some(&input.key)).await {
            Ok((response, _)) if response.status().is_success() || response.status() == 404 => Answer::Done,
            Ok((response, json)) => refused(&response, &json, 1, true),
            Err(error) => failed(&error, true),
        }
    }

    async fn list(&self, entity: &str, since: Option<Moment>, input: &Input) -> Answer {
        let mut path = format!("{}?limit={BATCH}", entity_path(entity));
        if let Some(since) = since {
            path.push_str(&format!("&updatedSince={}", escape(&since.to_string())));
        }
        if let Some(cursor) = &input.id {
            path.push_str(&format!("&after={}", escape(cursor)));
        }
        match self.call(Method::GET, &path, None, None).await {
            Ok((response, json)) if response.status().is_success() => {
                let records =
                    json["records"].as_array().into_iter().flatten().map(|r| self.observed(entity, r)).collect();
                Answer::Page { records, next: json["next"].as_str().map(str::to_owned) }
            }
            Ok((response, json)) => refused(&response, &json, 1, false),
            Err(error) => failed(&error, false),
        }
    }

    /// `activateSubscription` with `subscriptionId` is `POST /subscriptions/{id}/activate`.
    async fn operation(&self, name: &str, input: &Input) -> Answer {
        let found = self.lock.entities.keys().find_map(|entity| {
            let verb = name.strip_suffix(entity.as_str()).filter(|verb| !verb.is_empty())?;
            let mut param = entity.clone();
            if let Some(first) = param.get_mut(..1) {
                first.make_ascii_lowercase();
            }
            Some((entity.clone(), verb.to_lowercase(), format!("{param}Id")))
        });
        let Some((entity, verb, param)) = found else {
            return Answer::Refused { reason: format!("`{name}` names no entity of the app"), refusal: Refusal::Other };
        };
        let id = input.values.get(&param).map(text).unwrap_or_default();
        let rest: serde_json::Map<String, Json> =
            input.values.iter().filter(|(n, _)| **n != param).map(|(n, v)| (n.clone(), v.clone())).collect();
        let path = format!("{}/{}/{verb}", entity_path(&entity), escape(&id));
        match self.call(Method::POST, &path, Some(&Json::Object(rest)), Some(&input.key)).await {
            Ok((response, json)) if response.status().is_success() => Answer::Result(
                json.as_object().map(|o| o.iter().map(|(k, v)| (k.clone(), v.clone())).collect()).unwrap_or_default(),
            ),
            Ok((response, json)) => refused(&response, &json, 1, true),
            Err(error) => failed(&error, true),
        }
    }
}

#[async_trait]
impl Connector for Rest {
    fn max_batch(&self, verb: &Verb) -> usize {
        match verb {
            Verb::Read { .. } | Verb::Create { .. } | Verb::Update { .. } => BATCH,
            _ => 1,
        }
    }

    fn calls(&self, _request: &Request) -> u32 {
        1
    }

    async fn perform(&self, request: &Request) -> Vec<Answer> {
        let inputs = &request.inputs;
        match &request.verb {
            Verb::Read { entity, by, .. } => self.batch(entity, "read", Some(by), inputs).await,
            Verb::Create { entity } => self.batch(entity, "create", None, inputs).await,
            Verb::Update { entity } => self.batch(entity, "update", None, inputs).await,
            Verb::Delete { entity } => {
                let mut answers = Vec::with_capacity(inputs.len());
                for input in inputs {
                    answers.push(self.delete(entity, input).await);
                }
                answers
            }
            Verb::List { entity, since, .. } => {
                let nothing = Input::default();
                vec![self.list(entity, *since, inputs.first().unwrap_or(&nothing)).await]
            }
            Verb::Operation { name } => {
                let mut answers = Vec::with_capacity(inputs.len());
                for input in inputs {
                    answers.push(self.operation(name, input).await);
                }
                answers
            }
        }
    }

    fn read(&self, body: &[u8]) -> Result<Vec<Message>, Unreadable> {
        let json: Json = serde_json::from_slice(body).map_err(|error| Unreadable::Delivery(error.to_string()))?;
        match &json {
            Json::Array(envelopes) => envelopes.iter().map(|envelope| self.message(envelope)).collect(),
            envelope => Ok(vec![self.message(envelope)?]),
        }
    }
}

impl Rest {
    fn message(&self, envelope: &Json) -> Result<Message, Unreadable> {
        let wrong = |what: &str| Unreadable::Delivery(format!("a message has no {what}"));
        let deliveries = self.lock.deliveries.as_ref().ok_or_else(|| wrong("form: the lock names no messages"))?;
        let name = envelope[&deliveries.name].as_str().ok_or_else(|| wrong(&deliveries.name))?.to_owned();
        let at = envelope[&deliveries.time].as_str().and_then(Moment::parse).ok_or_else(|| wrong(&deliveries.time))?;
        let dedupe =
            deliveries.dedupe.iter().map(|field| text(&envelope[field.as_str()])).collect::<Vec<_>>().join("|");
        let data = &envelope["data"];
        let body = match deliveries.messages.get(&name).map(|m| &m.about) {
            Some(About::Record { entity, change }) => {
                let observed = self.observed(entity, data);
                if observed.id.is_empty() {
                    return Err(wrong("data.id"));
                }
                Body::Record { entity: entity.clone(), change: *change, observed }
            }
            Some(About::Event(event)) => {
                let fields = data.as_object().into_iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect();
                Body::Event { event: event.clone(), fields }
            }
            None => Body::Foreign,
        };
        Ok(Message { name, at, dedupe, own: false, body })
    }
}

/// `SupportTicket` lives under `/support-tickets`, `Company` under `/companies`.
#[must_use]
pub fn entity_path(entity: &str) -> String {
    let mut kebab = String::from("/");
    for (index, c) in entity.chars().enumerate() {
        if c.is_ascii_uppercase() && index > 0 {
            kebab.push('-');
        }
        kebab.push(c.to_ascii_lowercase());
    }
    match kebab.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None => format!("{kebab}s"),
    }
}

fn text(value: &Json) -> String {
    value.as_str().map_or_else(|| if value.is_null() { String::new() } else { value.to_string() }, str::to_owned)
}

fn failed(error: &TransportError, write: bool) -> Answer {
    match error {
        TransportError::NoAnswer(_) if write => Answer::Unknown { cause: error.to_string() },
        _ => Answer::Retry { after: None, cause: error.to_string() },
    }
}

fn refused(response: &http::Response<Bytes>, json: &Json, inputs: usize, write: bool) -> Answer {
    let status = response.status();
    let reason = ["detail", "error", "message"]
        .iter()
        .find_map(|name| json[*name].as_str())
        .map_or_else(|| format!("HTTP {status}"), str::to_owned);
    let after = retry_after(response);
    match status.as_u16() {
        429 => Answer::RateLimited { after, policy: None },
        503 => Answer::Retry { after, cause: reason },
        500..=599 if write => Answer::Unknown { cause: reason },
        500..=599 => Answer::Retry { after, cause: reason },
        401 | 403 => Answer::Refused { reason, refusal: Refusal::Forbidden },
        404 => Answer::Missing,
        409 => {
            let existing = json["existingId"].as_str().map(str::to_owned);
            Answer::Refused { reason, refusal: Refusal::Exists(existing) }
        }
        _ if inputs > 1 => Answer::Split,
        _ => Answer::Refused { reason, refusal: Refusal::Invalid(None) },
    }
}

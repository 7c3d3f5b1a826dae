//! Named HTTP operations (mail, surveys, notices): method, path and body template stand in engine.yaml.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::Value as Json;

use crate::http::{Transport, TransportError, retry_after};
use crate::port::{Answer, Connector, Message, Refusal, Request, Unreadable, Verb, Wire};
use crate::secret::Secret;

/// How one operation is called.
#[derive(Debug, Clone)]
pub struct Template {
    /// `POST`
    pub method: http::Method,
    /// Path behind the base URL.
    pub path: String,
    /// The body; `"{to}"` stands for the parameter `to`, whole or inside of a text.
    pub body: Json,
}

/// The connector.
pub struct Operations {
    base_url: String,
    token: Option<Secret>,
    roles: BTreeMap<String, String>,
    operations: BTreeMap<String, Template>,
    transport: Arc<dyn Transport>,
}

impl Operations {
    /// Takes what it needs; touches no network.
    #[must_use]
    pub fn new(
        base_url: &str,
        token: Option<Secret>,
        roles: BTreeMap<String, String>,
        operations: BTreeMap<String, Template>,
        transport: Arc<dyn Transport>,
    ) -> Self {
        Self { base_url: base_url.trim_end_matches('/').to_owned(), token, roles, operations, transport }
    }
}

#[async_trait]
impl Connector for Operations {
    fn max_batch(&self, _verb: &Verb) -> usize {
        1
    }

    fn calls(&self, _request: &Request) -> u32 {
        1
    }

    async fn perform(&self, request: &Request) -> Vec<Answer> {
        let mut answers = Vec::with_capacity(request.inputs.len());
        for input in &request.inputs {
            let Verb::Operation { name } = &request.verb else {
                answers.push(Answer::Refused {
                    reason: "this system holds no records".to_owned(),
                    refusal: Refusal::Other,
                });
                continue;
            };
            let Some(template) = self.operations.get(name) else {
                let reason = format!("engine.yaml does not say how `{name}` is called");
                answers.push(Answer::Refused { reason, refusal: Refusal::Other });
                continue;
            };
            let mut values = input.values.clone();
            if let Some(address) = values.get("role").and_then(Wire::as_str).and_then(|role| self.roles.get(role)) {
                values.insert("address".to_owned(), address.as_str().into());
            }
            answers.push(self.send(template, &values, &input.key).await);
        }
        answers
    }

    fn read(&self, _body: &[u8]) -> Result<Vec<Message>, Unreadable> {
        Err(Unreadable::Delivery("this system sends nothing".to_owned()))
    }
}

impl Operations {
    async fn send(&self, template: &Template, values: &BTreeMap<String, Wire>, key: &str) -> Answer {
        let body = fill(&template.body, values).to_string();
        let mut request = http::Request::builder()
            .method(template.method.clone())
            .uri(format!("{}{}", self.base_url, template.path))
            .header(http::header::CONTENT_TYPE, "application/json")
            .header("Idempotency-Key", key);
        if let Some(token) = &self.token {
            request = request.header(http::header::AUTHORIZATION, format!("Bearer {}", token.expose()));
        }
        let request = match request.body(Bytes::from(body)) {
            Ok(request) => request,
            Err(error) => return Answer::Refused { reason: error.to_string(), refusal: Refusal::Other },
        };
        let response = match self.transport.send(request).await {
            Ok(response) => response,
            Err(error @ TransportError::NotSent(_)) => return Answer::Retry { after: None, cause: error.to_string() },
            Err(error) => return Answer::Unknown { cause: error.to_string() },
        };
        let status = response.status();
        let cause = format!("HTTP {status}");
        match status.as_u16() {
            200..=299 => {
                let json: Json = serde_json::from_slice(response.body()).unwrap_or(Json::Null);
                Answer::Result(
                    json.as_object()
                        .map(|o| o.iter().map(|(k, v)| (k.clone(), v.clone())).collect())
                        .unwrap_or_default(),
                )
            }
            429 => Answer::RateLimited { after: retry_after(&response), policy: None },
            503 => Answer::Retry { after: retry_after(&response), cause },
            500..=599 => Answer::Unknown { cause },
            401 | 403 => Answer::Refused { reason: cause, refusal: Refusal::Forbidden },
            _ => Answer::Refused { reason: cause, refusal: Refusal::Invalid(None) },
        }
    }
}

/// A whole-text placeholder keeps its JSON; inside of a text it is printed. A parameter that is not given is null.
fn fill(template: &Json, values: &BTreeMap<String, Wire>) -> Json {
    match template {
        Json::String(text) => {
            if let Some(name) = text.strip_prefix('{').and_then(|t| t.strip_suffix('}'))
                && !name.contains(['{', '}'])
            {
                return values.get(name).cloned().unwrap_or(Json::Null);
            }
            let mut filled = text.clone();
            for (name, value) in values {
                let printed = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                filled = filled.replace(&format!("{{{name}}}"), &printed);
            }
            filled.into()
        }
        Json::Object(members) => Json::Object(members.iter().map(|(k, v)| (k.clone(), fill(v, values))).collect()),
        Json::Array(items) => items.iter().map(|item| fill(item, values)).collect(),
        other => other.clone(),
    }
}

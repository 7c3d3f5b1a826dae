//! Named HTTP operations (mail, surveys, notices): method, path and body template stand in `engine.yaml`.
//!
//! In: an operation's name and parameters. Out: its result.
//! Always true: a placeholder is filled once, so a value that looks like a placeholder stays what it is; a role whose
//! address is needed and not known is refused, never sent to nobody. Not here: whether a call may be repeated (the
//! lock's delivery class says that to the engine); the key that makes it safe is sent with every call.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::Method;
use serde::{Deserialize, Deserializer};
use serde_json::Value as Json;

use crate::http::{Transport, escape, lost, request, segment, text, trouble};
use crate::port::{Answer, Connector, Delivery, Input, Refusal, Request, Unreadable, Verb, Wire};
use crate::token::Token;

/// The parameter that names a role, such as `sales-manager`.
const ROLE: &str = "role";
/// What a template calls the address of that role.
const ADDRESS: &str = "address";

/// How one operation is called.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Template {
    /// `POST`
    #[serde(default = "post", deserialize_with = "method")]
    pub method: Method,
    /// Path behind the base URL; `{name}` stands for the parameter `name`, escaped.
    pub path: String,
    /// The body; `"{name}"` stands for the parameter `name`: as a whole text it keeps its JSON, inside of a text it is
    /// printed. `{address}` is the address of the role in the parameter `role`. Null sends no body.
    #[serde(default)]
    pub body: Json,
    /// Members that the answer has where it was done, such as `ok: true`: some services answer 200 to what they refuse. A
    /// success of HTTP is enough where nothing is said.
    #[serde(default)]
    pub done: BTreeMap<String, Json>,
}

fn post() -> Method {
    Method::POST
}

fn method<'de, D: Deserializer<'de>>(input: D) -> Result<Method, D::Error> {
    let text = String::deserialize(input)?;
    let known = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
    let found = known.into_iter().find(|method| method.as_str() == text);
    found.ok_or_else(|| serde::de::Error::custom(format!("`{text}` is none of GET, POST, PUT, PATCH, DELETE")))
}

/// The connector.
pub struct Operations {
    base_url: String,
    token: Option<Token>,
    roles: BTreeMap<String, String>,
    operations: BTreeMap<String, Template>,
    transport: Arc<dyn Transport>,
}

impl std::fmt::Debug for Operations {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&String> = self.operations.keys().collect();
        out.debug_struct("Operations")
            .field("base_url", &self.base_url)
            .field("operations", &names)
            .finish_non_exhaustive()
    }
}

impl Operations {
    /// Takes what it needs; touches no network.
    #[must_use]
    pub fn new(
        base_url: &str,
        token: Option<Token>,
        roles: BTreeMap<String, String>,
        operations: BTreeMap<String, Template>,
        transport: Arc<dyn Transport>,
    ) -> Self {
        Self { base_url: base_url.trim_end_matches('/').to_owned(), token, roles, operations, transport }
    }

    async fn operation(&self, name: &str, input: &Input) -> Answer {
        let Some(template) = self.operations.get(name) else {
            return refuse(format!("engine.yaml does not say how `{name}` is called"));
        };
        let mut values = input.values.clone();
        let role = values.get(ROLE).map(text).filter(|role| !role.is_empty());
        if let Some(role) = role {
            match self.roles.get(&role) {
                Some(address) => {
                    values.insert(ADDRESS.to_owned(), address.as_str().into());
                }
                None if uses(template, ADDRESS) => {
                    return refuse(format!("engine.yaml has no address for the role `{role}`"));
                }
                None => {}
            }
        }
        let given = |name: &str| values.get(name).map(text).unwrap_or_default();
        // In the path a value such as `..` would name something else, which no escaping hides; in the query it cannot.
        let (segments, _query) = template.path.split_once('?').unwrap_or((&template.path, ""));
        let unfit = parts(segments).into_iter().find_map(|part| match part {
            Part::Name(name) if segment(&given(name)).is_none() => Some(name.to_owned()),
            _ => None,
        });
        if let Some(unfit) = unfit {
            return refuse(format!("`{unfit}` stands in the path of `{name}` and cannot be `{}`", given(&unfit)));
        }
        self.send(template, &values, &input.key).await
    }

    async fn send(&self, template: &Template, values: &BTreeMap<String, Wire>, key: &str) -> Answer {
        let write = template.method != Method::GET;
        let path = print(&template.path, values, escape);
        let url = format!("{}{path}", self.base_url);
        let body = Some(fill(&template.body, values)).filter(|body| !body.is_null());
        let token = match &self.token {
            Some(token) => match token.bearer().await {
                Ok(bearer) => Some(bearer),
                Err(answer) => return answer,
            },
            None => None,
        };
        let request = match request(template.method.clone(), &url, token.as_ref(), Some(key), body.as_ref()) {
            Ok(request) => request,
            Err(error) => return refuse(format!("the request cannot be made: {error}")),
        };
        let response = match self.transport.send(request).await {
            Ok(response) => response,
            Err(error) => return lost(&error, write),
        };
        if let (Some(token), Some(bearer), http::StatusCode::UNAUTHORIZED) = (&self.token, &token, response.status()) {
            token.refused(bearer).await;
        }
        // A success in any form is one: many services answer with plain text, or with nothing.
        let json = crate::json::read(response.body()).unwrap_or(Json::Null);
        let said = ["error", "detail", "message"].iter().find_map(|name| json[*name].as_str());
        let said = said.or_else(|| plain(&response)).unwrap_or_default();
        if let Some(answer) = trouble(&response, write, said) {
            return answer;
        }
        if response.status().is_success() {
            if let Some(refused) = not_done(template, &json, said) {
                return refused;
            }
            return Answer::Result(json.as_object().cloned().unwrap_or_default().into_iter().collect());
        }
        let status = response.status();
        let reason = if said.is_empty() { format!("HTTP {status}") } else { format!("HTTP {status}: {said}") };
        let refusal = match status.as_u16() {
            400 | 422 => Refusal::Invalid(json["field"].as_str().map(str::to_owned)),
            _ => Refusal::Other,
        };
        Answer::Refused { reason, refusal }
    }
}

/// What a success of HTTP means that says otherwise; `None` where it was done.
fn not_done(template: &Template, json: &Json, said: &str) -> Option<Answer> {
    if template.done.is_empty() {
        return None;
    }
    let Some(members) = json.as_object() else {
        // Whether it was done is in what did not arrive.
        let cause = "the answer is no JSON object, so it does not say whether it was done".to_owned();
        let read = template.method == Method::GET;
        return Some(if read { Answer::Retry { after: None, cause } } else { Answer::Unknown { cause } });
    };
    let (name, wanted) = template.done.iter().find(|(name, wanted)| members.get(*name) != Some(*wanted))?;
    let found = members.get(name).map_or_else(|| "missing".to_owned(), ToString::to_string);
    let words = if said.is_empty() { String::new() } else { format!(": {said}") };
    Some(refuse(format!("`{name}` of the answer is {found} and not {wanted}{words}")))
}

/// The words of an answer in plain text, where they are few: services without JSON give a reason in this way.
fn plain(response: &http::Response<Bytes>) -> Option<&str> {
    const FEW: usize = 200;
    let kind = response.headers().get(http::header::CONTENT_TYPE)?.to_str().ok()?;
    let words = std::str::from_utf8(response.body()).ok()?.trim();
    let shown = kind.starts_with("text/plain") && words.len() <= FEW && !words.contains(char::is_control);
    shown.then_some(words).filter(|words| !words.is_empty())
}

#[async_trait]
impl Connector for Operations {
    fn max_batch(&self, _verb: &Verb) -> usize {
        1
    }

    fn calls(&self, request: &Request) -> u32 {
        u32::try_from(request.inputs.len()).unwrap_or(u32::MAX)
    }

    async fn perform(&self, request: &Request) -> Vec<Answer> {
        let mut answers = Vec::with_capacity(request.inputs.len());
        for input in &request.inputs {
            answers.push(match &request.verb {
                Verb::Operation { name } => self.operation(name, input).await,
                _ => refuse("this system holds no records".to_owned()),
            });
        }
        answers
    }

    fn read(&self, _body: &[u8]) -> Result<Delivery, Unreadable> {
        Err(Unreadable::Delivery("this system sends nothing".to_owned()))
    }
}

/// A refusal of our own: it never left.
fn refuse(reason: String) -> Answer {
    Answer::Refused { reason, refusal: Refusal::Other }
}

/// A text cut at its placeholders.
enum Part<'t> {
    Plain(&'t str),
    Name(&'t str),
}

/// Cuts a text at `{name}`; braces around anything but a name stay what they are.
fn parts(text: &str) -> Vec<Part<'_>> {
    let is_name = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
    };
    let mut parts = Vec::new();
    let mut plain = 0;
    let mut at = 0;
    while let Some(open) = text[at..].find('{').map(|found| at + found) {
        let name = text[open + 1..].split_once('}').map(|(name, _)| name).filter(|name| is_name(name));
        match name {
            Some(name) => {
                parts.push(Part::Plain(&text[plain..open]));
                parts.push(Part::Name(name));
                at = open + name.len() + 2;
                plain = at;
            }
            None => at = open + 1,
        }
    }
    parts.push(Part::Plain(&text[plain..]));
    parts
}

/// A text with its placeholders printed; a parameter that is not given is printed as nothing.
fn print(template: &str, values: &BTreeMap<String, Wire>, spell: impl Fn(&str) -> String) -> String {
    let part = |part: Part<'_>| match part {
        Part::Plain(plain) => plain.to_owned(),
        Part::Name(name) => values.get(name).map(|value| spell(&text(value))).unwrap_or_default(),
    };
    parts(template).into_iter().map(part).collect()
}

/// A body with its placeholders filled: a whole text keeps the JSON of its parameter, null where it is not given.
fn fill(template: &Json, values: &BTreeMap<String, Wire>) -> Json {
    match template {
        Json::String(text) => match parts(text).as_slice() {
            [Part::Plain(""), Part::Name(name), Part::Plain("")] => values.get(*name).cloned().unwrap_or(Json::Null),
            _ => print(text, values, str::to_owned).into(),
        },
        Json::Object(members) => Json::Object(members.iter().map(|(k, v)| (k.clone(), fill(v, values))).collect()),
        Json::Array(items) => items.iter().map(|item| fill(item, values)).collect(),
        other => other.clone(),
    }
}

fn uses(template: &Template, name: &str) -> bool {
    fn within(json: &Json, name: &str) -> bool {
        match json {
            Json::String(text) => parts(text).iter().any(|part| matches!(part, Part::Name(found) if *found == name)),
            Json::Object(members) => members.values().any(|member| within(member, name)),
            Json::Array(items) => items.iter().any(|item| within(item, name)),
            _ => false,
        }
    }
    within(&template.body, name) || within(&Json::from(template.path.as_str()), name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn values(json: &Json) -> BTreeMap<String, Wire> {
        json.as_object().cloned().unwrap_or_default().into_iter().collect()
    }

    #[test]
    fn a_whole_placeholder_keeps_its_json_and_one_inside_is_printed() {
        let given = values(&json!({"to": "ada@example.com", "n": 3, "about": {"id": "7"}, "empty": null}));
        let template = json!({"to": "{to}", "n": "{n}", "about": "{about}", "none": "{none}",
                              "list": ["{n}", "x"], "line": "to {to}: {n}{empty}{none}!", "fixed": 1});
        let filled = json!({"to": "ada@example.com", "n": 3, "about": {"id": "7"}, "none": null,
                            "list": [3, "x"], "line": "to ada@example.com: 3!", "fixed": 1});
        assert_eq!(fill(&template, &given), filled);
    }

    #[test]
    fn a_value_that_looks_like_a_placeholder_is_not_filled_again() {
        let given = values(&json!({"a": "{b}", "b": "secret"}));
        assert_eq!(fill(&json!("say {a}"), &given), json!("say {b}"));
    }

    #[test]
    fn braces_that_hold_no_name_stay() {
        let given = values(&json!({"a": "x"}));
        for text in ["{", "}", "{}", "{a b}", "{{", "ä{ö}"] {
            assert_eq!(fill(&json!(text), &given), json!(text));
        }
        assert_eq!(fill(&json!("{{a}}"), &given), json!("{x}"));
        assert_eq!(fill(&json!("{ {a} }"), &given), json!("{ x }"));
    }

    #[test]
    fn a_placeholder_in_a_path_cannot_leave_its_segment() {
        let given = values(&json!({"id": "../admin?x"}));
        assert_eq!(print("/things/{id}/send", &given, escape), "/things/..%2Fadmin%3Fx/send");
    }
}

//! From a path to what it names: numbered and dated paths lead to the same store (CONTRACT 1).

use std::collections::BTreeMap;

use bytes::Bytes;
use dsl::value::Timestamp;
use serde_json::{Value as Json, json};

use super::reply::{Answer, error, no_route};
use super::write::Write;
use super::{By, HubSpot};

/// From this version on the account's own rules hold for writes (CONTRACT 3.6).
const STRICT_FROM: &str = "2026-09";

impl HubSpot {
    pub(super) fn route(&mut self, request: &http::Request<Bytes>, now: Timestamp) -> Answer {
        let path = request.uri().path().to_owned();
        let segments: Vec<&str> = path.split('/').filter(|s| !s.is_empty()).collect();
        let body: Json = if request.body().is_empty() {
            Json::Null
        } else {
            match serde_json::from_slice(request.body()) {
                Ok(body) => body,
                Err(_) => return error(400, "VALIDATION_ERROR", "Invalid input JSON on line 1, column 2"),
            }
        };
        let query = query(request.uri().query().unwrap_or_default());
        let method = request.method();
        let ["crm", rest @ ..] = segments.as_slice() else { return no_route() };
        // `/crm/v3/objects/…` and `/crm/objects/2026-09/…`.
        let (version, door, rest) = match rest {
            [version @ ("v3" | "v4"), door, rest @ ..] => (*version, *door, rest),
            [door, version, rest @ ..] if version.starts_with("20") => (*version, *door, rest),
            _ => return no_route(),
        };
        let write = Write { by: By::App, now, strict: version.starts_with("20") && version >= STRICT_FROM };
        match (door, rest) {
            ("objects", [from, id, "associations", to, rest @ ..]) => {
                let (from, to, id) = (self.type_id(from), self.type_id(to), (*id).to_owned());
                self.association_routes(method, (&from, &id), &to, rest, &body, write)
            }
            ("objects", [kind, rest @ ..]) => match self.known_type(kind) {
                Ok(kind) => self.object_routes(method, &kind, rest, &body, &query, write),
                Err(answer) => answer,
            },
            ("properties", [kind, rest @ ..]) => match self.known_type(kind) {
                Ok(kind) => self.property_routes(method, &kind, rest, &body),
                Err(answer) => answer,
            },
            ("pipelines", [kind, rest @ ..]) => {
                let kind = self.type_id(kind);
                self.pipeline_routes(method, &kind, rest)
            }
            ("associations", [from, to, "batch", what @ ..]) => {
                let (from, to) = (self.type_id(from), self.type_id(to));
                self.association_batch(&from, &to, what, &body, write)
            }
            ("associations", [from, to, "labels"]) => {
                let (from, to) = (self.type_id(from), self.type_id(to));
                self.association_labels(&from, &to)
            }
            ("owners", []) => self.owner_page(&query),
            _ => no_route(),
        }
    }

    fn known_type(&self, name: &str) -> Result<String, Answer> {
        let kind = self.type_id(name);
        if self.entity_name(&kind).is_some() {
            return Ok(kind);
        }
        Err(error(400, "VALIDATION_ERROR", &format!("Unable to infer object type from: {name}")))
    }

    fn owner_page(&mut self, query: &BTreeMap<String, String>) -> Answer {
        self.calls.reads += 1;
        let limit = query.get("limit").and_then(|limit| limit.parse().ok()).unwrap_or(100usize).clamp(1, 500);
        let after: usize = query.get("after").and_then(|after| after.parse().ok()).unwrap_or(0);
        let owner = |(id, email): &(String, String)| json!({"id": id, "email": email, "archived": false});
        let results: Vec<Json> = self.owners.iter().skip(after).take(limit).map(owner).collect();
        let mut answer = json!({ "results": results });
        if after + limit < self.owners.len() {
            answer["paging"] = json!({"next": {"after": (after + limit).to_string()}});
        }
        (200, answer)
    }
}

fn query(text: &str) -> BTreeMap<String, String> {
    text.split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), unescape(value)))
        .collect()
}

fn unescape(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let code = text.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (bytes[at], code) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 3;
            }
            (byte, _) => {
                out.push(if byte == b'+' { b' ' } else { byte });
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

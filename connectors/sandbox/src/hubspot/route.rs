//! From a path to what it names: numbered and dated paths lead to the same store (CONTRACT 1).

use bytes::Bytes;
use dsl::value::Timestamp;
use serde_json::{Value as Json, json};

use super::reply::{Answer, error, no_route};
use super::target::{Query, segments};
use super::write::Write;
use super::{By, HubSpot};

/// From this version on the account's own rules hold for writes (CONTRACT 3.6).
const STRICT_FROM: &str = "2026-09";

impl HubSpot {
    pub(super) fn route(&mut self, request: &http::Request<Bytes>, now: Timestamp) -> Answer {
        let segments = segments(request.uri().path());
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let body: Json = if request.body().is_empty() {
            Json::Null
        } else {
            match serde_json::from_slice(request.body()) {
                Ok(body) => body,
                Err(_) => return error(400, "VALIDATION_ERROR", "Invalid input JSON on line 1, column 2"),
            }
        };
        let query = Query::parse(request.uri().query().unwrap_or_default());
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

    fn owner_page(&mut self, query: &Query) -> Answer {
        self.calls.reads += 1;
        let limit = query.number("limit", 100).clamp(1, 500);
        let after = query.number("after", 0);
        let owner = |(id, email): &(String, String)| json!({"id": id, "email": email, "archived": false});
        let results: Vec<Json> = self.owners.iter().skip(after).take(limit).map(owner).collect();
        let mut answer = json!({ "results": results });
        if after + limit < self.owners.len() {
            answer["paging"] = json!({"next": {"after": (after + limit).to_string()}});
        }
        (200, answer)
    }
}

//! From a path to what it names: numbered and dated paths lead to the same store (CONTRACT 1).

use bytes::Bytes;
use dsl::value::Timestamp;
use serde_json::Value as Json;

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
        // Before the body is read as JSON: that of OAuth is a form (CONTRACT 2).
        if let ["oauth", rest @ ..] = segments.as_slice() {
            return self.oauth_routes(request, rest, now);
        }
        let body: Json = if request.body().is_empty() {
            Json::Null
        } else {
            match serde_json::from_slice(request.body()) {
                Ok(body) => body,
                Err(_) => return error(400, "VALIDATION_ERROR", "Invalid input JSON on line 1, column 2"),
            }
        };
        let query = Query::of(request);
        let method = request.method();
        let rest = match segments.as_slice() {
            ["crm", rest @ ..] => rest,
            ["crm-object-schemas", _, "schemas", rest @ ..] => {
                return self.schema_routes(method, rest, (&body, &query), now);
            }
            ["account-info", rest @ ..] => return self.account_routes(rest, now),
            ["webhooks", "v3" | "2026-03", rest @ ..] | ["app-webhooks", "2025-09" | "2026-09", rest @ ..] => {
                return self.subscription_routes(method, rest, (&body, &query), now);
            }
            _ => return no_route(),
        };
        // `/crm/v3/objects/…`, `/crm/associations/v4/…` and `/crm/objects/2026-09/…`.
        let (version, door, rest) = match rest {
            [version @ ("v3" | "v4"), door, rest @ ..] => (*version, *door, rest),
            [door, version, rest @ ..] if version.starts_with("20") || *version == "v4" => (*version, *door, rest),
            _ => return no_route(),
        };
        let write = Write { by: By::App, now, strict: version.starts_with("20") && version >= STRICT_FROM };
        match (door, rest) {
            ("objects", [from, id, "associations", to, rest @ ..]) => {
                let (from, to, id) = (self.type_id(from), self.type_id(to), (*id).to_owned());
                if version == "v3" {
                    self.named_association_routes(method, (&from, &id), &to, rest, &query, write)
                } else {
                    self.association_routes(method, (&from, &id), &to, rest, (&body, &query), write)
                }
            }
            ("objects", [kind, rest @ ..]) => match self.known_type(kind) {
                Ok(kind) => self.object_routes(method, &kind, rest, (&body, &query), write),
                Err(answer) => answer,
            },
            ("properties", [kind, rest @ ..]) => match self.known_type(kind) {
                Ok(kind) => self.property_routes(method, &kind, rest, (&body, &query), now),
                Err(answer) => answer,
            },
            ("pipelines", [kind, rest @ ..]) => {
                let kind = self.type_id(kind);
                self.pipeline_routes(method, &kind, rest, &body, now)
            }
            ("associations", [from, to, rest @ ..]) => match (self.known_type(from), self.known_type(to)) {
                (Ok(from), Ok(to)) => match (version, rest) {
                    ("v3", ["batch", what]) => self.named_association_batch(&from, &to, what, &body, write),
                    ("v3", ["types"]) => self.association_names(&from, &to),
                    (_, ["batch", what @ ..]) => self.association_batch(&from, &to, what, &body, write),
                    (_, ["labels", rest @ ..]) => self.label_routes(method, (&from, &to), rest, &body),
                    _ => no_route(),
                },
                (Err(answer), _) | (_, Err(answer)) => answer,
            },
            ("schemas", rest) => self.schema_routes(method, rest, (&body, &query), now),
            ("owners", rest) => self.owner_routes(method, rest, &query),
            _ => no_route(),
        }
    }

    fn known_type(&self, name: &str) -> Result<String, Answer> {
        if let Some(kind) = self.types.id(name) {
            return Ok(kind.to_owned());
        }
        Err(error(400, "VALIDATION_ERROR", &format!("Unable to infer object type from: {name}")))
    }
}

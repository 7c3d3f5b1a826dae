//! One record at a time, lists, and what leads to batches, search and merges (CONTRACT 3.1).

use http::Method;
use serde_json::{Value as Json, json};

use super::HubSpot;
use super::record::Wanted;
use super::reply::{Answer, Refusal, error, no_route, text, values};
use super::target::Query;
use super::write::Write;

/// Records of one page.
const PAGE: usize = 100;

impl HubSpot {
    pub(super) fn object_routes(
        &mut self,
        method: &Method,
        kind: &str,
        rest: &[&str],
        (body, query): (&Json, &Query),
        write: Write,
    ) -> Answer {
        let by = query.one("idProperty");
        match (method.as_str(), rest) {
            ("POST", []) => match self.prepare(kind, body, write) {
                Ok(new) => {
                    let id = self.put(kind, new, write);
                    (201, self.shown(kind, id, Wanted::All))
                }
                Err(refusal) => refusal.answer(),
            },
            ("GET", []) => self.list(kind, query),
            ("GET", [id]) => self.read_one(kind, id, by, query),
            ("PATCH", [id]) => self.update_one(kind, id, by, body, write),
            ("DELETE", [id]) => {
                if let Ok(id) = id.parse() {
                    self.remove(kind, id, write);
                }
                (204, Json::Null)
            }
            ("POST", ["search"]) => self.search(kind, body, write.now),
            ("POST", ["merge"]) => self.merge_route(kind, body, write),
            ("POST", ["gdpr-delete"]) if kind == "0-1" => self.erase_route(body, write),
            ("POST", ["batch", what]) => self.batch(kind, what, (body, query), write),
            _ => no_route(),
        }
    }

    fn list(&mut self, kind: &str, query: &Query) -> Answer {
        self.calls.reads += 1;
        let limit = query.number("limit", 10).clamp(1, PAGE);
        let after = query.one("after").unwrap_or("0");
        let Ok(after) = after.parse::<u64>() else {
            return error(
                400,
                "VALIDATION_ERROR",
                &format!("Cannot deserialize value of type `long` from String \"{after}\""),
            );
        };
        let archived = query.flag("archived");
        let table = self.table(kind);
        let ids: Vec<u64> = table.into_iter().flat_map(|table| table.ids(archived, after)).take(limit + 1).collect();
        let results: Vec<Json> = ids.iter().take(limit).map(|id| self.asked(kind, *id, query)).collect();
        (200, self.paged(results, ids.get(limit).copied(), query))
    }

    /// A page of results, with the cursor and the address of the next.
    pub(super) fn paged(&self, results: Vec<Json>, after: Option<u64>, query: &Query) -> Json {
        let mut answer = json!({ "results": results });
        if let Some(after) = after.map(|after| after.to_string()) {
            answer["paging"] = json!({"next": {"after": after, "link": query.with("after", &after)}});
        }
        answer
    }

    /// A record as the query of a read asks for it.
    fn asked(&self, kind: &str, id: u64, query: &Query) -> Json {
        let wanted = query.list("properties");
        let mut shown = self.shown(kind, id, wanted.as_deref().map_or(Wanted::Usual, Wanted::Named));
        if let Some(names) = query.list("propertiesWithHistory") {
            self.add_history(kind, id, &names, &mut shown);
        }
        for to in query.list("associations").into_iter().flatten() {
            self.add_associations(kind, id, &to, &mut shown);
        }
        shown
    }

    fn read_one(&mut self, kind: &str, id: &str, by: Option<&str>, query: &Query) -> Answer {
        self.calls.reads += 1;
        if let Err(refusal) = self.unique_key(kind, by, "get") {
            return refusal.answer();
        }
        let found = if query.flag("archived") { self.locate_archived(kind, id) } else { self.locate(kind, by, id) };
        match found {
            Some(id) => (200, self.asked(kind, id, query)),
            None => not_found(id, by).answer(),
        }
    }

    fn update_one(&mut self, kind: &str, id: &str, by: Option<&str>, body: &Json, write: Write) -> Answer {
        if let Err(refusal) = self.unique_key(kind, by, "update/upsert") {
            return refusal.answer();
        }
        let Some(id) = self.locate(kind, by, id) else { return not_found(id, by).answer() };
        let values = values(&body["properties"]);
        if values.is_empty() {
            let message = "No properties found to update, please provide at least one.";
            return error(400, "VALIDATION_ERROR", message);
        }
        match self.change(kind, id, &values, write) {
            Ok(()) => (200, self.shown(kind, id, Wanted::Named(&values.into_keys().collect::<Vec<_>>()))),
            Err(refusal) => refusal.answer(),
        }
    }

    /// A property to find records by must be unique.
    pub(super) fn unique_key(&self, kind: &str, by: Option<&str>, what: &str) -> Result<(), Refusal> {
        match by {
            None | Some("id" | "hs_object_id") => Ok(()),
            Some(name) if self.definition(kind, name).is_some_and(|definition| definition.unique) => Ok(()),
            Some(name) => {
                let message = format!("Unable to perform {what} by non-unique {kind} property {name}");
                Err(Refusal::new(400, "VALIDATION_ERROR", message))
            }
        }
    }

    /// A live record by id, old ids of merged ones included, or by a unique value.
    pub(super) fn locate(&self, kind: &str, by: Option<&str>, value: &str) -> Option<u64> {
        let table = self.table(kind)?;
        match by {
            None | Some("id" | "hs_object_id") => {
                let id = table.living(value.parse().ok()?);
                table.get(id).map(|record| record.id)
            }
            Some(property) => {
                let lower = value.to_lowercase();
                let value = if property == "email" { &lower } else { value };
                let id = table.holder(property, value)?;
                // An additional address is held, and leads to nobody.
                table.get(id)?.properties.get(property).filter(|held| *held == value).map(|_| id)
            }
        }
    }

    pub(super) fn locate_archived(&self, kind: &str, id: &str) -> Option<u64> {
        self.table(kind)?.archived(id.parse().ok()?).map(|record| record.id)
    }

    fn erase_route(&mut self, body: &Json, write: Write) -> Answer {
        let value = text(&body["objectId"]);
        let by = body["idProperty"].as_str();
        let found = self.locate("0-1", by, &value).or_else(|| self.locate_archived("0-1", &value));
        match found {
            Some(id) => self.erase(id, write),
            // An address that nobody has is kept from ever being used.
            None if by == Some("email") => {
                self.blocked.insert(value.to_lowercase());
            }
            None => return Refusal::no_record(&value).answer(),
        }
        (204, Json::Null)
    }
}

fn not_found(id: &str, by: Option<&str>) -> Refusal {
    if by.is_some() { Refusal::new(404, "", "resource not found".to_owned()) } else { Refusal::no_record(id) }
}

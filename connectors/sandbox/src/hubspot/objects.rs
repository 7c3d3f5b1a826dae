//! Objects, batches, search, associations and owners over HTTP.

use std::collections::BTreeMap;

use bytes::Bytes;
use dsl::value::Moment;
use http::Method;
use serde_json::{Value as Json, json};

use super::properties::{created_property, modified_property};
use super::reply::{Answer, Refusal, error, names, no_route, text, values};
use super::{By, HubSpot, Record};

impl HubSpot {
    pub(super) fn route(&mut self, request: &http::Request<Bytes>, now: Moment) -> Answer {
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
        match segments.as_slice() {
            ["crm", _, "objects", kind, rest @ ..] | ["crm", "objects", _, kind, rest @ ..] => {
                let kind = self.type_id(kind);
                if self.entity_name(&kind).is_none() {
                    return error(400, "VALIDATION_ERROR", &format!("Unable to infer object type from: {kind}"));
                }
                self.objects(method, &kind, rest, &body, &query, now)
            }
            ["crm", _, "associations", from, to, "batch", what]
            | ["crm", "associations", _, from, to, "batch", what] => {
                let (from, to) = (self.type_id(from), self.type_id(to));
                self.association_batch(&from, &to, what, &body, now)
            }
            ["crm", _, "properties", kind, rest @ ..] | ["crm", "properties", _, kind, rest @ ..] => {
                let kind = self.type_id(kind);
                if self.entity_name(&kind).is_none() {
                    return error(400, "VALIDATION_ERROR", &format!("Unable to infer object type from: {kind}"));
                }
                self.property_routes(method, &kind, rest, &body)
            }
            ["crm", _, "pipelines", kind, rest @ ..] | ["crm", "pipelines", _, kind, rest @ ..] => {
                let kind = self.type_id(kind);
                self.pipeline_routes(method, &kind, rest)
            }
            ["crm", _, "owners"] | ["crm", "owners", _] => {
                self.calls.reads += 1;
                let owners: Vec<Json> = self
                    .owners
                    .iter()
                    .map(|(id, email)| json!({"id": id, "email": email, "archived": false}))
                    .collect();
                (200, json!({"results": owners}))
            }
            _ => no_route(),
        }
    }

    fn objects(
        &mut self,
        method: &Method,
        kind: &str,
        rest: &[&str],
        body: &Json,
        query: &BTreeMap<String, String>,
        now: Moment,
    ) -> Answer {
        match (method.as_str(), rest) {
            ("POST", []) => match self.make_linked(kind, body, now) {
                Ok(id) => (201, self.shown(kind, id, None)),
                Err(refusal) => (refusal.status, refusal.body()),
            },
            ("GET", []) => {
                self.calls.reads += 1;
                let limit = query.get("limit").and_then(|l| l.parse().ok()).unwrap_or(10usize).min(100);
                let after: u64 = query.get("after").and_then(|a| a.parse().ok()).unwrap_or(0);
                let wanted = query.get("properties").map(|p| p.split(',').map(str::to_owned).collect::<Vec<_>>());
                let ids: Vec<u64> = self
                    .records
                    .get(kind)
                    .into_iter()
                    .flat_map(BTreeMap::values)
                    .filter(|r| !r.archived && r.id >= after)
                    .map(|r| r.id)
                    .take(limit + 1)
                    .collect();
                let results: Vec<Json> =
                    ids.iter().take(limit).map(|id| self.shown(kind, *id, wanted.as_deref())).collect();
                let mut answer = json!({"results": results});
                if let Some(next) = ids.get(limit) {
                    answer["paging"] = json!({"next": {"after": next.to_string()}});
                }
                (200, answer)
            }
            ("GET", [id]) => {
                self.calls.reads += 1;
                let wanted = query.get("properties").map(|p| p.split(',').map(str::to_owned).collect::<Vec<_>>());
                match self.locate(kind, query.get("idProperty").map(String::as_str), id) {
                    Some(id) => (200, self.shown(kind, id, wanted.as_deref())),
                    None => error(404, "OBJECT_NOT_FOUND", "resource not found"),
                }
            }
            ("PATCH", [id]) => match self.locate(kind, query.get("idProperty").map(String::as_str), id) {
                Some(id) => match self.change(kind, id, &values(&body["properties"]), By::App, now) {
                    Ok(()) => (200, self.shown(kind, id, None)),
                    Err(refusal) => (refusal.status, refusal.body()),
                },
                None => error(404, "OBJECT_NOT_FOUND", "resource not found"),
            },
            ("DELETE", [id]) => {
                if let Ok(id) = id.parse() {
                    self.remove(kind, id, By::App, now);
                }
                (204, Json::Null)
            }
            ("POST", ["search"]) => self.search(kind, body),
            ("POST", ["batch", what]) => self.batch(kind, what, body, now),
            _ => error(404, "OBJECT_NOT_FOUND", "resource not found"),
        }
    }

    fn locate(&self, kind: &str, by: Option<&str>, value: &str) -> Option<u64> {
        let records = self.records.get(kind)?;
        let live = |id: &u64| records.get(id).is_some_and(|record| !record.archived);
        match by {
            None | Some("id" | "hs_object_id") => {
                let id: u64 = value.parse().ok()?;
                let id = self.aliases.get(&(kind.to_owned(), id)).copied().unwrap_or(id);
                Some(id).filter(live)
            }
            Some(property) => {
                let value = if property == "email" { value.to_lowercase() } else { value.to_owned() };
                records.values().find(|r| !r.archived && r.properties.get(property) == Some(&value)).map(|r| r.id)
            }
        }
    }

    /// A record as an answer shows it: text or null.
    fn shown(&self, kind: &str, id: u64, wanted: Option<&[String]>) -> Json {
        let Some(record) = self.records.get(kind).and_then(|records| records.get(&id)) else { return Json::Null };
        let mut properties = serde_json::Map::new();
        let show = |name: &str| -> Json { record.properties.get(name).map_or(Json::Null, |v| v.as_str().into()) };
        let (created, modified) = (created_property(kind), modified_property(kind));
        match wanted {
            Some(wanted) => {
                for name in wanted.iter().filter(|name| self.definition(kind, name).is_some()) {
                    properties.insert(name.clone(), show(name));
                }
            }
            None => {
                for name in record.properties.keys() {
                    properties.insert(name.clone(), show(name));
                }
            }
        }
        if wanted.is_none_or(|wanted| wanted.iter().any(|name| name == created)) {
            let made = record.properties.get(created).cloned().unwrap_or_else(|| record.created.to_string());
            properties.insert(created.to_owned(), made.into());
        }
        properties.insert(modified.to_owned(), record.updated.to_string().into());
        properties.insert("hs_object_id".to_owned(), id.to_string().into());
        json!({"id": id.to_string(), "properties": properties, "createdAt": record.created.to_string(),
               "updatedAt": record.updated.to_string(), "archived": record.archived})
    }

    fn search(&mut self, kind: &str, body: &Json) -> Answer {
        self.calls.reads += 1;
        let limit = body["limit"].as_u64().unwrap_or(10).min(200) as usize;
        let after: usize = text(&body["after"]).parse().unwrap_or(0);
        let wanted = body["properties"].as_array().map(|_| names(&body["properties"]));
        let filters: Vec<Json> = body["filterGroups"][0]["filters"].as_array().cloned().unwrap_or_default();
        let mut found: Vec<(Moment, u64)> = self
            .records
            .get(kind)
            .into_iter()
            .flat_map(BTreeMap::values)
            .filter(|record| !record.archived)
            .filter(|record| {
                filters.iter().all(|filter| {
                    let name = text(&filter["propertyName"]);
                    let value = text(&filter["value"]);
                    if name.ends_with("lastmodifieddate") {
                        return value.parse().is_ok_and(|since: i64| record.updated.0 >= since);
                    }
                    let held = record.properties.get(&name).cloned().unwrap_or_default();
                    held.eq_ignore_ascii_case(&value)
                })
            })
            .map(|record| (record.updated, record.id))
            .collect();
        found.sort();
        let page: Vec<Json> =
            found.iter().skip(after).take(limit).map(|(_, id)| self.shown(kind, *id, wanted.as_deref())).collect();
        let mut answer = json!({"total": found.len(), "results": page});
        if after + limit < found.len() {
            answer["paging"] = json!({"next": {"after": (after + limit).to_string()}});
        }
        (200, answer)
    }

    fn batch(&mut self, kind: &str, what: &str, body: &Json, now: Moment) -> Answer {
        let inputs: Vec<Json> = body["inputs"].as_array().cloned().unwrap_or_default();
        if inputs.len() > 100 {
            return error(400, "VALIDATION_ERROR", "The maximum number of inputs in a batch request is 100");
        }
        if what != "create" {
            let mut ids: Vec<String> = inputs.iter().map(|i| text(&i["id"])).collect();
            ids.sort();
            if let Some(pair) = ids.windows(2).find(|pair| pair[0] == pair[1]) {
                let mut answer = error(
                    400,
                    "VALIDATION_ERROR",
                    &format!("Duplicate IDs found in batch input: [{}]. IDs must be unique", pair[0]),
                );
                answer.1["context"] = json!({"ids": [pair[0]]});
                return answer;
            }
        }
        match what {
            "read" => self.batch_read(kind, body, &inputs),
            "archive" => {
                self.calls.writes += 1;
                for input in &inputs {
                    if let Ok(id) = text(&input["id"]).parse() {
                        self.remove(kind, id, By::App, now);
                    }
                }
                (204, Json::Null)
            }
            "create" | "update" => self.batch_write(kind, what, &inputs, now),
            _ => error(404, "OBJECT_NOT_FOUND", "resource not found"),
        }
    }

    fn batch_read(&mut self, kind: &str, body: &Json, inputs: &[Json]) -> Answer {
        self.calls.reads += 1;
        let by = body["idProperty"].as_str().map(str::to_owned);
        if let Some(by) = &by {
            if !self.definition(kind, by).is_some_and(|definition| definition.unique) {
                return error(
                    400,
                    "VALIDATION_ERROR",
                    &format!("Unable to perform read by non-unique {kind} property {by}"),
                );
            }
        }
        let wanted = names(&body["properties"]);
        let mut results = Vec::new();
        let mut missing = Vec::new();
        for input in inputs {
            let id = text(&input["id"]);
            match self.locate(kind, by.as_deref(), &id) {
                Some(found) => results.push(self.shown(kind, found, Some(&wanted))),
                None => missing.push(id),
            }
        }
        self.shuffle(&mut results);
        let mut answer = json!({"status": "COMPLETE", "results": results});
        if missing.is_empty() {
            return (200, answer);
        }
        let message = "Could not get some objects, they may be deleted or not exist. Check that ids are valid.";
        answer["numErrors"] = 1.into();
        answer["errors"] = json!([{"status": "error", "category": "OBJECT_NOT_FOUND", "message": message, "context": {"ids": missing}}]);
        (207, answer)
    }

    fn batch_write(&mut self, kind: &str, what: &str, inputs: &[Json], now: Moment) -> Answer {
        self.calls.writes += 1;
        let traced = inputs.iter().all(|input| input["objectWriteTraceId"].is_string());
        if !traced {
            // Without trace ids one bad input fails all, and nothing is written.
            for input in inputs {
                let properties = values(&input["properties"]);
                let checked = self.valid(kind, &properties).and_then(|v| {
                    match self.taken(kind, &v, text(&input["id"]).parse().ok()) {
                        Some(refusal) => Err(refusal),
                        None => Ok(()),
                    }
                });
                if let Err(refusal) = checked {
                    return (refusal.status, refusal.body());
                }
            }
        }
        let mut results = Vec::new();
        let mut errors = Vec::new();
        for input in inputs {
            let trace = text(&input["objectWriteTraceId"]);
            let done = if what == "create" {
                self.make_linked(kind, input, now)
            } else {
                let id: u64 = text(&input["id"]).parse().unwrap_or(0);
                if self.aliases.contains_key(&(kind.to_owned(), id)) {
                    // An id that was merged away is passed over without a word.
                    continue;
                }
                if self.locate(kind, None, &id.to_string()).is_none() {
                    let message =
                        "Could not get some objects, they may be deleted or not exist. Check that ids are valid.";
                    let context = json!({"ids": [id.to_string()]});
                    Err(Refusal { context, ..Refusal::new(404, "OBJECT_NOT_FOUND", message.to_owned()) })
                } else {
                    self.change(kind, id, &values(&input["properties"]), By::App, now).map(|()| id)
                }
            };
            match done {
                Ok(id) => {
                    self.calls.records += 1;
                    let mut shown = self.shown(kind, id, None);
                    if !trace.is_empty() {
                        shown["objectWriteTraceId"] = trace.into();
                    }
                    results.push(shown);
                }
                Err(refusal) => {
                    let mut context = refusal.context.clone();
                    context["objectWriteTraceId"] = json!([trace]);
                    errors.push(json!({"status": "error", "category": refusal.category, "message": refusal.message, "context": context}));
                }
            }
        }
        self.shuffle(&mut results);
        let mut answer = json!({"status": "COMPLETE", "results": results});
        if errors.is_empty() {
            return (if what == "create" { 201 } else { 200 }, answer);
        }
        answer["numErrors"] = errors.len().into();
        answer["errors"] = errors.into();
        (207, answer)
    }

    fn make_linked(&mut self, kind: &str, input: &Json, now: Moment) -> Result<u64, Refusal> {
        let mut targets = Vec::new();
        for association in input["associations"].as_array().into_iter().flatten() {
            let target: u64 = text(&association["to"]["id"]).parse().unwrap_or(0);
            let ty = association["types"][0]["associationTypeId"].as_i64().unwrap_or(0);
            let to = self
                .lock
                .entities
                .get(self.entity_name(kind).unwrap_or_default())
                .and_then(|e| e.links.values().find(|l| l.remote == Some(ty)))
                .map(|l| l.to.clone());
            let to = to.map(|name| self.type_id(&name));
            match to.filter(|to| self.locate(to, None, &target.to_string()).is_some()) {
                Some(to) => targets.push((to, target, ty)),
                None => {
                    let message = format!("Association type {ty} to {target} is not valid");
                    return Err(Refusal::new(400, "VALIDATION_ERROR", message));
                }
            }
        }
        let id = self.make(kind, values(&input["properties"]), By::App, now)?;
        for (to, target, ty) in targets {
            self.associate(kind, id, &to, target, ty, By::App, now);
        }
        Ok(id)
    }

    pub(super) fn make(
        &mut self,
        kind: &str,
        values: BTreeMap<String, String>,
        by: By,
        now: Moment,
    ) -> Result<u64, Refusal> {
        let mut values = self.valid(kind, &values)?;
        if let Some(refusal) = self.taken(kind, &values, None) {
            return Err(refusal);
        }
        let needs: Vec<String> = self
            .entity_name(kind)
            .and_then(|n| self.lock.entities.get(n))
            .map(|e| e.create_needs.clone())
            .unwrap_or_default();
        if kind == "0-3" {
            values.entry("pipeline".to_owned()).or_insert_with(|| "default".to_owned());
        }
        let missing: Vec<&String> =
            needs.iter().filter(|need| values.get(*need).is_none_or(String::is_empty)).collect();
        if !missing.is_empty() {
            let message = format!(
                "Error creating {}. Some required properties were not set.",
                self.entity_name(kind).unwrap_or_default().to_uppercase()
            );
            let context = json!({"properties": missing});
            return Err(Refusal { context, ..Refusal::new(400, "VALIDATION_ERROR", message) });
        }
        values.retain(|_, value| !value.is_empty());
        if self
            .entity_name(kind)
            .and_then(|n| self.lock.entities.get(n))
            .is_some_and(|e| e.fields.contains_key("createdate"))
        {
            values.entry("createdate".to_owned()).or_insert_with(|| now.to_string());
        }
        self.next_id += 1;
        let id = self.next_id;
        let record = Record { id, properties: values.clone(), created: now, updated: now, archived: false };
        self.records.entry(kind.to_owned()).or_default().insert(id, record);
        self.report_made(kind, id, &values, by, now);
        Ok(id)
    }

    pub(super) fn change(
        &mut self,
        kind: &str,
        id: u64,
        values: &BTreeMap<String, String>,
        by: By,
        now: Moment,
    ) -> Result<(), Refusal> {
        let values = self.valid(kind, values)?;
        if let Some(refusal) = self.taken(kind, &values, Some(id)) {
            return Err(refusal);
        }
        let Some(record) = self.records.get_mut(kind).and_then(|records| records.get_mut(&id)) else {
            return Err(Refusal::no_record(&id.to_string()));
        };
        let mut changed = BTreeMap::new();
        for (name, value) in values {
            if record.properties.get(&name).map_or("", String::as_str) == value {
                continue;
            }
            if value.is_empty() {
                record.properties.remove(&name);
            } else {
                record.properties.insert(name.clone(), value.clone());
            }
            changed.insert(name, value);
        }
        if !changed.is_empty() {
            record.updated = now.max(record.updated.plus(dsl::value::Span(1)));
            let at = record.updated;
            self.report_changed(kind, id, &changed, by, at, now);
        }
        Ok(())
    }

    pub(super) fn remove(&mut self, kind: &str, id: u64, by: By, now: Moment) {
        if let Some(record) = self.records.get_mut(kind).and_then(|records| records.get_mut(&id))
            && !record.archived
        {
            record.archived = true;
            record.updated = now.max(record.updated.plus(dsl::value::Span(1)));
            self.report_removed(kind, id, by, now);
        }
    }

    pub(super) fn associate(&mut self, from: &str, id: u64, to: &str, target: u64, ty: i64, by: By, now: Moment) {
        let back = self.link_type(to, from).unwrap_or_default();
        for (a, a_id, b, b_id, ty) in [(from, id, to, target, ty), (to, target, from, id, back)] {
            let links = self.links.entry((a.to_owned(), a_id, b.to_owned())).or_default();
            if !links.iter().any(|(other, _)| *other == b_id) {
                links.push((b_id, ty));
                self.report_linked(a, a_id, b, b_id, by, now);
            }
        }
    }

    fn association_batch(&mut self, from: &str, to: &str, what: &str, body: &Json, now: Moment) -> Answer {
        let inputs: Vec<Json> = body["inputs"].as_array().cloned().unwrap_or_default();
        match what {
            "read" => {
                self.calls.reads += 1;
                let mut results = Vec::new();
                for input in &inputs {
                    let id: u64 = text(&input["id"]).parse().unwrap_or(0);
                    let links = self.links.get(&(from.to_owned(), id, to.to_owned())).cloned().unwrap_or_default();
                    if !links.is_empty() {
                        let to: Vec<Json> = links.iter().map(|(id, ty)| json!({"toObjectId": id, "associationTypes": [{"category": "HUBSPOT_DEFINED", "typeId": ty, "label": null}]})).collect();
                        results.push(json!({"from": {"id": id.to_string()}, "to": to}));
                    }
                }
                self.shuffle(&mut results);
                (200, json!({"status": "COMPLETE", "results": results}))
            }
            "create" => {
                self.calls.writes += 1;
                for input in &inputs {
                    let (a, b): (u64, u64) = (
                        text(&input["from"]["id"]).parse().unwrap_or(0),
                        text(&input["to"]["id"]).parse().unwrap_or(0),
                    );
                    let ty = input["types"][0]["associationTypeId"].as_i64().unwrap_or(0);
                    if self.link_type(from, to) != Some(ty)
                        || self.locate(from, None, &a.to_string()).is_none()
                        || self.locate(to, None, &b.to_string()).is_none()
                    {
                        return error(
                            400,
                            "VALIDATION_ERROR",
                            &format!("{a} or {b} is not a valid ID for association type {ty}"),
                        );
                    }
                    self.associate(from, a, to, b, ty, By::App, now);
                }
                (201, json!({"status": "COMPLETE", "results": []}))
            }
            "archive" => {
                self.calls.writes += 1;
                for input in &inputs {
                    let a: u64 = text(&input["from"]["id"]).parse().unwrap_or(0);
                    for target in input["to"].as_array().into_iter().flatten() {
                        let b: u64 = text(&target["id"]).parse().unwrap_or(0);
                        for (x, x_id, y, y_id) in [(from, a, to, b), (to, b, from, a)] {
                            if let Some(links) = self.links.get_mut(&(x.to_owned(), x_id, y.to_owned())) {
                                links.retain(|(id, _)| *id != y_id);
                            }
                        }
                    }
                }
                (204, Json::Null)
            }
            _ => error(404, "OBJECT_NOT_FOUND", "resource not found"),
        }
    }

    fn shuffle(&mut self, results: &mut [Json]) {
        for index in (1..results.len()).rev() {
            let other = (self.roll() % (index as u64 + 1)) as usize;
            results.swap(index, other);
        }
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

//! The app's HTTP interface: which request does what.
//!
//! In: a request and its time. Out: the response.
//! Always true: a request without the right token learns nothing; a member, parameter or path that the
//! interface does not have is refused (400, 404), never ignored; a repeated idempotency key gets the first
//! response again and has no further effect. Only what had an effect is remembered under its key.

use bytes::Bytes;
use dsl::value::Timestamp;
use http::{Method, Request, Response};
use serde_json::{Map, Value as Json, json};

use super::table::Record;
use super::{App, Kept, Operation, Refused, answer, names};
use crate::faults::Arrival;
use crate::faults::Met;
use crate::model::Model as _;

/// How many records a page of a list, and how many inputs a batch, may have.
pub(super) const LARGEST: usize = 100;

/// What a request is answered with, where it is carried out: a status and a body (none with 204).
pub(super) type Reply = (u16, Json);

impl App {
    /// A request arrives.
    pub(super) fn admit(&mut self, request: &Request<Bytes>, now: Timestamp) -> Arrival {
        self.advance(now);
        self.calls.requests += 1;
        let met = self.faults.meet(request, now);
        if !matches!(met, Met::CarryOut(None)) {
            self.calls.faults += 1;
        }
        met.arrival(failure)
    }

    /// A request that was let in takes effect.
    pub(super) fn respond(&mut self, request: &Request<Bytes>, now: Timestamp) -> Response<Bytes> {
        if authorized(request, &self.settings.token) {
            return self.answer(request, now);
        }
        self.calls.unauthorized += 1;
        answer(401, &json!({ "error": "the bearer token is missing or wrong" }))
    }

    fn answer(&mut self, request: &Request<Bytes>, now: Timestamp) -> Response<Bytes> {
        let path: Vec<&str> = request.uri().path().split('/').filter(|part| !part.is_empty()).collect();
        if path == ["schema"] && request.method() == Method::GET {
            self.count_route("GET /schema");
            let mut response = Response::new(Bytes::from(dsl::schema::write_lock(&self.lock)));
            let yaml = http::HeaderValue::from_static("application/yaml");
            response.headers_mut().insert(http::header::CONTENT_TYPE, yaml);
            return response;
        }
        match self.route(request, &path, now) {
            Ok((204, _)) => {
                let mut response = Response::new(Bytes::new());
                *response.status_mut() = http::StatusCode::NO_CONTENT;
                response
            }
            Ok((status, body)) => answer(status, &body),
            Err(Failure::Refused(refused)) => answer(refused.status(), &refused.members()),
            Err(Failure::NoPath) => answer(404, &json!({ "error": "there is no such path" })),
            Err(Failure::NoMethod) => answer(405, &json!({ "error": "this path does not know the method" })),
        }
    }

    fn route(&mut self, request: &Request<Bytes>, path: &[&str], now: Timestamp) -> Result<Reply, Failure> {
        let (plural, rest) = path.split_first().ok_or(Failure::NoPath)?;
        let entity = self.lock.entities.keys().find(|entity| names::plural(entity) == *plural);
        let entity = entity.cloned().ok_or(Failure::NoPath)?;
        let key = idempotency_key(request)?;
        let method = request.method();
        match rest {
            [] if method == Method::GET => {
                self.count_route(&format!("GET /{plural}"));
                Ok(self.list(&entity, &query(request)?)?)
            }
            [] if method == Method::POST => {
                self.count_route(&format!("POST /{plural}"));
                let values = json_body(request)?;
                Ok(self.once(key, &format!("create {entity}"), |app| app.make(&entity, values, now))?)
            }
            // Every input of a batch has an idempotency key of its own, so that of the request is not looked at.
            ["batch"] if method == Method::POST => {
                let body = json_body(request)?;
                Ok(self.batch(&entity, plural, body, now)?)
            }
            [id] if method == Method::GET => {
                self.count_route(&format!("GET /{plural}/{{id}}"));
                let record = self.record(&entity, id).ok_or(Refused::Missing)?;
                Ok((200, Json::Object(record.clone())))
            }
            [id] if method == Method::PATCH => {
                self.count_route(&format!("PATCH /{plural}/{{id}}"));
                let values = json_body(request)?;
                Ok(self.once(key, &format!("update {entity}"), |app| app.alter(&entity, id, values, now))?)
            }
            [id] if method == Method::DELETE => {
                self.count_route(&format!("DELETE /{plural}/{{id}}"));
                Ok(self.once(key, &format!("delete {entity}"), |app| {
                    app.delete(&entity, id, now).map(|()| (204, Json::Null))
                })?)
            }
            [id, verb] if method == Method::POST => self.operate(request, (&entity, plural), id, verb, key, now),
            [] | [_] | [_, _] => Err(Failure::NoMethod),
            _ => Err(Failure::NoPath),
        }
    }

    pub(super) fn make(&mut self, entity: &str, values: Json, now: Timestamp) -> Result<Reply, Refused> {
        let id = self.create(entity, values, now)?;
        let record = self.record(entity, &id).expect("it was just made").clone();
        Ok((201, Json::Object(record)))
    }

    pub(super) fn alter(&mut self, entity: &str, id: &str, values: Json, now: Timestamp) -> Result<Reply, Refused> {
        self.edit(entity, id, values, now)?;
        let record = self.record(entity, id).expect("it was just changed").clone();
        Ok((200, Json::Object(record)))
    }

    /// Does `act`, unless `key` did it before: then gives the first reply again.
    pub(super) fn once(
        &mut self,
        key: Option<String>,
        what: &str,
        act: impl FnOnce(&mut Self) -> Result<Reply, Refused>,
    ) -> Result<Reply, Refused> {
        let Some(key) = key else { return act(self) };
        if let Some(kept) = self.kept.get(&key) {
            if kept.what != what {
                return Err(Refused::KeyReused(kept.what.clone()));
            }
            self.calls.repeated += 1;
            return Ok((kept.status, kept.body.clone()));
        }
        let (status, body) = act(self)?;
        self.kept.insert(key, Kept { what: what.to_owned(), status, body: body.clone() });
        Ok((status, body))
    }

    fn list(&self, entity: &str, query: &[(String, String)]) -> Result<Reply, Refused> {
        let shape = self.shape(entity)?;
        if let [(name, value)] = query
            && let Some(field) = shape.fields.get(name)
        {
            if !field.unique {
                return Err(Refused::invalid(name, "is not unique, so records cannot be found by it"));
            }
            let found = self.by(entity, name, &Json::from(value.as_str()));
            let records: Vec<&Record> = found.and_then(|id| self.record(entity, &id)).into_iter().collect();
            return Ok((200, json!({ "records": records })));
        }
        let (mut since, mut limit, mut after) = (Timestamp(i64::MIN), LARGEST, None);
        for (name, value) in query {
            match name.as_str() {
                "updatedSince" => {
                    since = Timestamp::parse(value).ok_or_else(|| {
                        Refused::request("`updatedSince` must be a time such as 2026-03-02T09:00:00Z")
                    })?;
                }
                "limit" => {
                    limit = value.parse().ok().filter(|limit| (1..=LARGEST).contains(limit)).ok_or_else(|| {
                        Refused::request(format!("`limit` must be a whole number from 1 to {LARGEST}"))
                    })?;
                }
                "after" => after = Some(cursor(value).ok_or_else(|| Refused::request("`after` is no cursor of ours"))?),
                other => return Err(Refused::request(format!("`{other}` is no parameter of a list"))),
            }
        }
        // A cursor is the change time and id of the last record shown: what changes meanwhile is met again.
        let mut page = self.tables[entity].page(since, after).peekable();
        let mut records = Vec::new();
        let mut last = None;
        while records.len() < limit
            && let Some((changed, record)) = page.next()
        {
            let id = record.get("id").and_then(Json::as_str).unwrap_or_default();
            last = Some(format!("{}_{id}", changed.0));
            records.push(record);
        }
        let next = last.filter(|_| page.peek().is_some());
        Ok((200, json!({ "records": records, "next": next })))
    }

    /// Id of the record whose `field`, `id` or a unique one, is `value`.
    pub(super) fn by(&self, entity: &str, field: &str, value: &Json) -> Option<String> {
        if field == "id" {
            let id = value.as_str()?;
            return self.record(entity, id).map(|_| id.to_owned());
        }
        self.tables[entity].holder(field, value).map(str::to_owned)
    }

    /// Calls the operation that the lock names `<verb><Entity>`.
    fn operate(
        &mut self,
        request: &Request<Bytes>,
        (entity, plural): (&str, &str),
        id: &str,
        verb: &str,
        key: Option<String>,
        now: Timestamp,
    ) -> Result<Reply, Failure> {
        let named = |name: &&String| names::verb(name, entity).as_deref() == Some(verb);
        let name = self.lock.operations.keys().find(named).cloned().ok_or(Failure::NoPath)?;
        self.count_route(&format!("POST /{plural}/{{id}}/{verb}"));
        let params = &self.lock.operations[&name].params;
        let mut values = if request.body().is_empty() { Map::new() } else { members(json_body(request)?)? };
        // The record is named by the path; saying it again in the body is allowed if it is the same.
        let own = names::id_parameter(entity);
        if values.remove(&own).is_some_and(|again| again != id) {
            return Err(Refused::invalid(&own, "is not the record of the path").into());
        }
        for (given, value) in &values {
            let field =
                params.get(given).ok_or_else(|| Refused::invalid(given, format!("is no parameter of {name}")))?;
            super::value::accept(field, value).map_err(|reason| Refused::invalid(given, reason))?;
        }
        for (needed, _) in params.iter().filter(|(name, field)| !field.optional && **name != own) {
            if values.get(needed).is_none_or(super::value::is_empty) {
                return Err(Refused::invalid(needed, "is needed").into());
            }
        }
        let status = match verb {
            "activate" => "active",
            "cancel" => "cancelled",
            _ => return Err(Failure::NoPath),
        };
        let repeats =
            key.as_ref().and_then(|key| self.operations.iter().position(|call| call.key.as_ref() == Some(key)));
        let reply = self.once(key.clone(), &format!("{verb} {entity} {id}"), |app| {
            app.edit(entity, id, json!({ "status": status }), now)?;
            let record = app.record(entity, id).expect("it was just changed");
            let result = app.lock.operations[&name].result.keys();
            let body = result.filter_map(|member| Some((member.clone(), record.get(member)?.clone()))).collect();
            app.operations.push(Operation { name: name.clone(), id: id.to_owned(), values, key, at: now, repeats: 0 });
            Ok((200, Json::Object(body)))
        })?;
        if let Some(repeated) = repeats {
            self.operations[repeated].repeats += 1;
        }
        Ok(reply)
    }

    pub(super) fn count_route(&mut self, route: &str) {
        *self.calls.routes.entry(route.to_owned()).or_default() += 1;
    }
}

/// What a fault answers; where nobody says when to come again, 429 and 503 ask for a second.
pub(crate) fn failure(status: u16, retry_after: Option<u32>) -> Response<Bytes> {
    let mut response = answer(status, &json!({ "error": "a fault of the twin" }));
    if let Some(seconds) = retry_after.or_else(|| matches!(status, 429 | 503).then_some(1)) {
        response.headers_mut().insert(http::header::RETRY_AFTER, seconds.into());
    }
    response
}

/// Why a request is not carried out.
enum Failure {
    Refused(Refused),
    NoPath,
    NoMethod,
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

/// True where the request carries `token` as its bearer token.
pub(crate) fn authorized(request: &Request<Bytes>, token: &str) -> bool {
    let header = request.headers().get(http::header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    header.and_then(|value| value.strip_prefix("Bearer ")) == Some(token)
}

/// The header `Idempotency-Key`.
pub(crate) fn idempotency_key(request: &Request<Bytes>) -> Result<Option<String>, Refused> {
    let Some(value) = request.headers().get("idempotency-key") else { return Ok(None) };
    let key = value.to_str().ok().filter(|key| !key.is_empty());
    key.map(|key| Some(key.to_owned())).ok_or_else(|| Refused::request("`Idempotency-Key` must be visible ASCII"))
}

/// The body as JSON.
pub(crate) fn json_body(request: &Request<Bytes>) -> Result<Json, Refused> {
    serde_json::from_slice(request.body()).map_err(|error| Refused::request(format!("the body is not JSON: {error}")))
}

pub(super) fn members(body: Json) -> Result<Record, Refused> {
    match body {
        Json::Object(members) => Ok(members),
        _ => Err(Refused::request("the body must be an object")),
    }
}

fn query(request: &Request<Bytes>) -> Result<Vec<(String, String)>, Refused> {
    let query = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(request.uri());
    query.map(|query| query.0).map_err(|error| Refused::request(error.body_text()))
}

/// Reads a cursor: the last record's change time in milliseconds, `_`, its id.
fn cursor(text: &str) -> Option<(Timestamp, String)> {
    let (changed, id) = text.split_once('_')?;
    Some((Timestamp(changed.parse().ok()?), id.to_owned()))
}

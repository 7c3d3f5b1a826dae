//! `POST /<entity>/batch`: up to 100 reads, creates or updates in one call, one result each.
//!
//! In: `{"operation", "by"?, "inputs": [{"key", "id"?, "values"?}]}`. Out: `{"results": [{"key", "status",
//! "record"?, "error"?, "field"?, "existingId"?}]}` in the order of the inputs.
//! Always true: one input's refusal does not touch the others; the key of an input of a create or an update is
//! also its idempotency key; a batch whose shape is wrong is refused as a whole and has no effect.

use dsl::value::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::route::{LARGEST, Reply};
use super::{App, Refused};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Batch {
    operation: Verb,
    #[serde(default = "id")]
    by: String,
    inputs: Vec<Input>,
}

fn id() -> String {
    "id".to_owned()
}

#[derive(Deserialize, Clone, Copy, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Verb {
    Create,
    Update,
    Read,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    key: String,
    id: Option<Json>,
    #[serde(default)]
    values: Map<String, Json>,
}

impl App {
    pub(super) fn batch(&mut self, entity: &str, plural: &str, body: Json, now: Timestamp) -> Result<Reply, Refused> {
        let batch: Batch = serde_json::from_value(body)
            .map_err(|error| Refused::request(format!("the batch cannot be read: {error}")))?;
        let verb = match batch.operation {
            Verb::Create => "create",
            Verb::Update => "update",
            Verb::Read => "read",
        };
        self.count_route(&format!("POST /{plural}/batch {verb}"));
        if batch.inputs.len() > LARGEST {
            let count = batch.inputs.len();
            return Err(Refused::request(format!("a batch has at most {LARGEST} inputs, not {count}")));
        }
        // What is wrong with the batch itself is found before any of its inputs takes effect.
        let shape = self.shape(entity)?;
        if !shape.fields.get(&batch.by).is_some_and(|field| field.unique) {
            return Err(Refused::invalid(&batch.by, "is not unique, so records cannot be found by it"));
        }
        if batch.operation == Verb::Create && batch.inputs.iter().any(|input| input.id.is_some()) {
            return Err(Refused::request("a create has no `id`: the app gives it"));
        }
        if batch.operation != Verb::Create && batch.inputs.iter().any(|input| input.id.is_none()) {
            return Err(Refused::request(format!("a {verb} needs an `id` in every input")));
        }
        let results: Vec<Json> = batch
            .inputs
            .into_iter()
            .map(|input| {
                let key = input.key.clone();
                let reply = self.input(entity, batch.operation, &batch.by, input, now);
                let (status, mut members) = match reply {
                    Ok((status, record)) => (status, Map::from_iter([("record".to_owned(), record)])),
                    Err(refused) => (refused.status(), refused.members()),
                };
                members.insert("key".to_owned(), Json::from(key));
                members.insert("status".to_owned(), Json::from(status));
                Json::Object(members)
            })
            .collect();
        Ok((200, json!({ "results": results })))
    }

    fn input(&mut self, entity: &str, verb: Verb, by: &str, input: Input, now: Timestamp) -> Result<Reply, Refused> {
        let id = input.id.unwrap_or(Json::Null);
        let values = Json::Object(input.values);
        match verb {
            Verb::Read => {
                let id = self.by(entity, by, &id).ok_or(Refused::Missing)?;
                let record = self.record(entity, &id).ok_or(Refused::Missing)?;
                Ok((200, Json::Object(record.clone())))
            }
            Verb::Create => {
                self.once(Some(input.key), &format!("create {entity}"), |app| app.make(entity, values, now))
            }
            Verb::Update => self.once(Some(input.key), &format!("update {entity}"), |app| {
                let id = app.by(entity, by, &id).ok_or(Refused::Missing)?;
                app.alter(entity, &id, values, now)
            }),
        }
    }
}

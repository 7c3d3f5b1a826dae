//! The app twin: BIOMETRICS as a model in memory, for the demo, for tests and for `engine sandbox app`.
//!
//! In: HTTP requests with the time they arrive ([`App::handle`]), and a person's edits ([`App::create`],
//! [`App::edit`], [`App::delete`], [`App::login`]). Out: responses, and messages about what changed
//! ([`App::outgoing`] for Kafka, [`App::due`] for webhooks).
//! Always true: entities, fields, links, operations and messages are those of the lock; time and randomness
//! come from the caller; a record's `updatedAt` rises by at least a millisecond at every change; a change that
//! changes nothing leaves no trace; one idempotency key has one effect.
//! Not here: sockets and brokers (`face`, `app::publisher`, `app::sender`).

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use dsl::schema::{Entity, Lock};
use dsl::value::Timestamp;
use serde_json::Value as Json;
use tokio::sync::watch;

use crate::faults::{Faults, When};

mod batch;
mod change;
mod control;
mod message;
pub mod names;
pub mod publisher;
mod route;
pub mod sender;
mod table;
mod value;
mod webhook;

pub use change::Refused;
pub(crate) use control::{change_faults, reply};
pub use message::Outgoing;
pub(crate) use route::{authorized, failure, idempotency_key, json_body};
pub use table::Record;
pub use webhook::{Delivery, SIGNATURE_HEADER, sign};

/// What an app twin is made with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The bearer token that every request must carry.
    pub token: String,
    /// Where messages are posted; `None` for no webhook.
    pub webhook: Option<WebhookTarget>,
    /// Messages are kept for [`App::outgoing`].
    pub kafka: bool,
    /// Part of every event id, so that two twins never share one.
    pub seed: u64,
    /// First part of every topic's name.
    pub topic_prefix: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            token: "app-token".to_owned(),
            webhook: None,
            kafka: false,
            seed: 0,
            topic_prefix: "biometrics".to_owned(),
        }
    }
}

/// Where and how messages are posted.
#[derive(Clone)]
pub struct WebhookTarget {
    /// Absolute URL of the receiver.
    pub url: String,
    /// Key of the signature.
    pub secret: String,
}

impl std::fmt::Debug for WebhookTarget {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("WebhookTarget").field("url", &self.url).finish_non_exhaustive()
    }
}

/// What the twin counted since it was made or reset.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Calls {
    /// Requests of every kind, faults and refusals included.
    pub requests: u64,
    /// Requests without the right token.
    pub unauthorized: u64,
    /// Requests that met a fault.
    pub faults: u64,
    /// Requests carried out, by route, such as `PATCH /users/{id}` or `POST /users/batch update`.
    pub routes: BTreeMap<String, u64>,
    /// Records made.
    pub created: u64,
    /// Records changed by a request or a person.
    pub updated: u64,
    /// Updates that changed nothing.
    pub unchanged: u64,
    /// Records deleted.
    pub deleted: u64,
    /// Inputs answered from an idempotency key that had its effect before.
    pub repeated: u64,
}

/// One carried-out call of an operation.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Operation {
    /// Its name in the lock, such as `activateSubscription`.
    pub name: String,
    /// The record it was called on.
    pub id: String,
    /// Its other parameters.
    pub values: Record,
    /// The idempotency key it came with.
    pub key: Option<String>,
    /// When it was carried out.
    pub at: Timestamp,
    /// How often the same key came again.
    pub repeats: u64,
}

/// The model.
#[derive(Debug)]
pub struct App {
    settings: Settings,
    lock: Lock,
    /// The lock's entities, shared so that a change can read its entity while it writes the tables.
    shapes: BTreeMap<String, Arc<Entity>>,
    /// By the entity's name in the lock.
    tables: BTreeMap<String, table::Table>,
    /// How many ids each entity has given out.
    given: BTreeMap<String, u64>,
    events: u64,
    /// What each idempotency key led to.
    kept: BTreeMap<String, Kept>,
    operations: Vec<Operation>,
    outgoing: VecDeque<Outgoing>,
    /// How often each message comes out.
    copies: u32,
    webhook: webhook::Queue,
    faults: Faults,
    calls: Calls,
    changes: watch::Sender<u64>,
}

/// The first effect of an idempotency key.
#[derive(Debug, Clone)]
struct Kept {
    /// What was asked, such as `create User`.
    what: String,
    status: u16,
    body: Json,
}

impl App {
    /// An app without records, whose shape is `lock`'s.
    #[must_use]
    pub fn new(settings: Settings, lock: Lock) -> Self {
        let tables = lock.entities.keys().map(|entity| (entity.clone(), table::Table::default())).collect();
        let shapes = lock.entities.iter().map(|(name, entity)| (name.clone(), Arc::new(entity.clone()))).collect();
        Self {
            settings,
            lock,
            shapes,
            tables,
            given: BTreeMap::new(),
            events: 0,
            kept: BTreeMap::new(),
            operations: Vec::new(),
            outgoing: VecDeque::new(),
            copies: 1,
            webhook: webhook::Queue::default(),
            faults: Faults::default(),
            calls: Calls::default(),
            changes: watch::Sender::new(0),
        }
    }

    /// Forgets every record, message, key, fault and count. Ids and event ids go on from where they were.
    pub fn reset(&mut self) {
        let changes = self.changes.clone();
        let fresh = Self::new(self.settings.clone(), self.lock.clone());
        let webhook = std::mem::take(&mut self.webhook).emptied();
        let old = std::mem::replace(self, Self { changes, webhook, ..fresh });
        self.events = old.events;
        self.given = old.given;
    }

    /// The shape of the app.
    #[must_use]
    pub fn lock(&self) -> &Lock {
        &self.lock
    }

    /// Rises whenever a message is queued, so that whoever carries messages can wait for the next one.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// The record, as a request would show it.
    #[must_use]
    pub fn record(&self, entity: &str, id: &str) -> Option<&Record> {
        self.tables.get(entity)?.get(id).map(|row| &row.record)
    }

    /// All records of an entity, in the order of their ids; none where the lock has no such entity.
    pub fn records(&self, entity: &str) -> impl Iterator<Item = &Record> {
        self.tables.get(entity).into_iter().flat_map(table::Table::records).map(|(_, record)| record)
    }

    /// How many records an entity has.
    #[must_use]
    pub fn count(&self, entity: &str) -> usize {
        self.tables.get(entity).map_or(0, table::Table::len)
    }

    /// The first record, in the order of ids, whose `field` holds `value`; of a link, `value` is the id.
    #[must_use]
    pub fn find(&self, entity: &str, field: &str, value: &str) -> Option<&Record> {
        let table = self.tables.get(entity)?;
        if self.lock.entities.get(entity)?.fields.get(field).is_some_and(|field| field.unique) {
            return table.get(table.holder(field, &Json::from(value))?).map(|row| &row.record);
        }
        let holds = |record: &&Record| match record.get(field) {
            Some(Json::String(text)) => text == value,
            Some(Json::Object(link)) => link.get("id").and_then(Json::as_str) == Some(value),
            Some(other) => serde_json::from_str::<Json>(value).is_ok_and(|value| value == *other),
            None => false,
        };
        self.records(entity).find(holds)
    }

    /// What was counted.
    #[must_use]
    pub fn calls(&self) -> &Calls {
        &self.calls
    }

    /// Every operation that was carried out, oldest first.
    #[must_use]
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// Faults to come.
    pub fn faults(&mut self) -> &mut Faults {
        &mut self.faults
    }

    /// The next `n` requests are answered with `status` and have no effect.
    pub fn fail_next(&mut self, n: usize, status: u16) {
        self.faults.fail_next(n, status);
    }

    /// The next `n` requests get no answer, before or after their effect.
    pub fn drop_next(&mut self, n: usize, when: When) {
        self.faults.drop_next(n, when);
    }

    /// Every request before `until` is answered with `status` and has no effect.
    pub fn answers(&mut self, status: u16, until: Timestamp) {
        self.faults.answers(status, until);
    }
}

/// A JSON response.
pub(crate) fn answer(status: u16, body: &impl serde::Serialize) -> http::Response<Bytes> {
    let body = serde_json::to_vec(body).expect("JSON values and plain structs can be written as JSON");
    let mut response = http::Response::new(Bytes::from(body));
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    response
}

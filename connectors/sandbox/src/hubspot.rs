//! The HubSpot twin: behaves like the account's API where the engine touches it, and sends its webhooks.
//!
//! In: HTTP requests, a person's edits, the time. Out: responses, and signed deliveries to send.
//! Always true: one store behind the numbered and the dated paths; the same requests at the same times give the
//! same answers; nothing happens without a request, an edit or a call of [`HubSpot::due`].
//! The facts it follows stand in the contract; what the engine never touches is answered 404.

mod objects;
mod pipelines;
mod properties;
mod reply;
mod sender;
mod validate;
mod webhooks;

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use dsl::schema::Lock;
use dsl::value::Moment;
use serde_json::{Value as Json, json};
use tokio::sync::watch;

use crate::app::{Faults, Model};

pub use sender::deliver;
pub use webhooks::Delivery;

/// Who the account is and where its webhooks go.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The account.
    pub portal_id: u64,
    /// The app that the engine is.
    pub app_id: u64,
    /// Signs deliveries.
    pub client_secret: String,
    /// The one token that is known.
    pub token: String,
    /// Where deliveries go; none are made without it.
    pub webhook_url: Option<String>,
    /// Calls in ten seconds.
    pub limit: usize,
    /// Shuffles results and deliveries.
    pub seed: u64,
}

/// Calls that were answered, by what they were.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Calls {
    /// All of them, refused ones included.
    pub total: u64,
    /// Refused because they came too fast.
    pub limited: u64,
    /// Batch creates and updates, associations included.
    pub writes: u64,
    /// Everything that only reads.
    pub reads: u64,
    /// Records that were made or changed by batches.
    pub records: u64,
}

/// One record.
#[derive(Debug, Clone)]
pub struct Record {
    /// Its id, unique within its type.
    pub id: u64,
    /// Values as text; empty ones are not held.
    pub properties: BTreeMap<String, String>,
    /// When it was made.
    pub created: Moment,
    /// When it was changed last; later than every change before.
    pub updated: Moment,
    /// It is in the recycle bin.
    pub archived: bool,
}

/// Who makes a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// A person in the browser.
    Person,
    /// Our own app.
    App,
}

/// The model.
pub struct HubSpot {
    settings: Settings,
    lock: Lock,
    definitions: properties::Definitions,
    /// By type id, then id.
    records: BTreeMap<String, BTreeMap<u64, Record>>,
    /// By from-type, from-id, to-type: ids in the order in which they were linked.
    links: BTreeMap<(String, u64, String), Vec<(u64, i64)>>,
    owners: Vec<(String, String)>,
    /// Old ids of merged records, by type.
    aliases: BTreeMap<(String, u64), u64>,
    next_id: u64,
    window: VecDeque<Moment>,
    calls: Calls,
    faults: Faults,
    /// Conflicts to be answered in the race form.
    races: usize,
    outbox: webhooks::Outbox,
    random: u64,
    changes: watch::Sender<u64>,
}

impl HubSpot {
    /// An empty account whose objects are those of `lock`.
    #[must_use]
    pub fn new(settings: Settings, lock: Lock) -> Self {
        let random = settings.seed | 1;
        Self {
            settings,
            definitions: properties::of_lock(&lock),
            lock,
            records: BTreeMap::new(),
            links: BTreeMap::new(),
            owners: Vec::new(),
            aliases: BTreeMap::new(),
            next_id: 201_000_000_100,
            window: VecDeque::new(),
            calls: Calls::default(),
            faults: Faults::default(),
            races: 0,
            outbox: webhooks::Outbox::default(),
            random,
            changes: watch::channel(0).0,
        }
    }

    /// Deliveries go here from now on.
    pub fn send_to(&mut self, url: &str) {
        self.settings.webhook_url = Some(url.to_owned());
    }

    /// Ticks with everything that may lead to a delivery.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Calls so far.
    #[must_use]
    pub fn calls(&self) -> &Calls {
        &self.calls
    }

    /// Faults to come.
    pub fn faults(&mut self) -> &mut Faults {
        &mut self.faults
    }

    /// Adds an owner.
    pub fn owner(&mut self, id: &str, email: &str) {
        self.owners.push((id.to_owned(), email.to_owned()));
    }

    /// Live records of an entity of the lock, such as `Contact`.
    pub fn records(&self, entity: &str) -> impl Iterator<Item = &Record> {
        self.records.get(&self.type_id(entity)).into_iter().flat_map(BTreeMap::values).filter(|record| !record.archived)
    }

    /// The live record whose property has this value.
    #[must_use]
    pub fn find(&self, entity: &str, property: &str, value: &str) -> Option<&Record> {
        self.records(entity).find(|record| record.properties.get(property).is_some_and(|v| v == value))
    }

    /// Ids linked from a record to records of another entity, in the order in which they were linked.
    #[must_use]
    pub fn linked(&self, entity: &str, id: u64, to: &str) -> Vec<u64> {
        let key = (self.type_id(entity), id, self.type_id(to));
        self.links.get(&key).map(|links| links.iter().map(|(id, _)| *id).collect()).unwrap_or_default()
    }

    /// A person makes a record.
    ///
    /// # Errors
    /// Why HubSpot refuses.
    pub fn create(&mut self, entity: &str, properties: &[(&str, &str)], now: Moment) -> Result<u64, String> {
        let kind = self.type_id(entity);
        let values = properties.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        self.make(&kind, values, By::Person, now).map_err(|refusal| refusal.message)
    }

    /// Puts a record there as if it had stood there since `at`: nobody is told, and what HubSpot sets itself may be
    /// given. Without an id it gets the next one.
    ///
    /// # Errors
    /// Where the id is taken or a unique value is.
    pub fn place(
        &mut self,
        entity: &str,
        id: Option<u64>,
        properties: BTreeMap<String, String>,
        at: Moment,
    ) -> Result<u64, String> {
        let kind = self.type_id(entity);
        if let Some(refusal) = self.taken(&kind, &properties, None) {
            return Err(refusal.message);
        }
        let id = match id {
            Some(id) if self.records.get(&kind).is_some_and(|records| records.contains_key(&id)) => {
                return Err(format!("there is a {entity} {id} already"));
            }
            Some(id) => id,
            None => {
                self.next_id += 1;
                self.next_id
            }
        };
        let properties = properties.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        let record = Record { id, properties, created: at, updated: at, archived: false };
        self.records.entry(kind).or_default().insert(id, record);
        Ok(id)
    }

    /// Changes a record that was [placed](Self::place), with the same freedom, and leaves the time of its change.
    ///
    /// # Errors
    /// Where there is no such record or a unique value is taken.
    pub fn place_values(&mut self, entity: &str, id: u64, properties: BTreeMap<String, String>) -> Result<(), String> {
        let kind = self.type_id(entity);
        if let Some(refusal) = self.taken(&kind, &properties, Some(id)) {
            return Err(refusal.message);
        }
        let record = self.records.get_mut(&kind).and_then(|records| records.get_mut(&id));
        let record = record.ok_or_else(|| format!("there is no {entity} {id}"))?;
        record.properties.extend(properties);
        record.properties.retain(|_, value| !value.is_empty());
        Ok(())
    }

    /// Tells that a record which was [placed](Self::place) has been made by a person.
    pub fn tell_placed(&mut self, entity: &str, id: u64, now: Moment) {
        let kind = self.type_id(entity);
        let values = self.records.get(&kind).and_then(|records| records.get(&id)).map(|r| r.properties.clone());
        self.report_made(&kind, id, &values.unwrap_or_default(), By::Person, now);
    }

    /// Links two records without telling anybody.
    pub fn place_link(&mut self, entity: &str, id: u64, to: &str, target: u64) {
        let (from, to) = (self.type_id(entity), self.type_id(to));
        let kind = self.link_type(&from, &to).unwrap_or_default();
        self.links.entry((from.clone(), id, to.clone())).or_default().push((target, kind));
        let back = self.link_type(&to, &from).unwrap_or_default();
        self.links.entry((to, target, from)).or_default().push((id, back));
    }

    /// Owners, as id and e-mail address.
    #[must_use]
    pub fn owners(&self) -> &[(String, String)] {
        &self.owners
    }

    /// A person changes a record.
    ///
    /// # Errors
    /// Why HubSpot refuses.
    pub fn edit(&mut self, entity: &str, id: u64, properties: &[(&str, &str)], now: Moment) -> Result<(), String> {
        let kind = self.type_id(entity);
        let values = properties.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        self.change(&kind, id, &values, By::Person, now).map_err(|refusal| refusal.message)
    }

    /// A person links two records.
    pub fn link(&mut self, entity: &str, id: u64, to: &str, target: u64, now: Moment) {
        let (from, to) = (self.type_id(entity), self.type_id(to));
        let kind = self.link_type(&from, &to).unwrap_or_default();
        self.associate(&from, id, &to, target, kind, By::Person, now);
    }

    /// A person archives a record.
    pub fn archive(&mut self, entity: &str, id: u64, now: Moment) {
        let kind = self.type_id(entity);
        self.remove(&kind, id, By::Person, now);
    }

    /// The type id of an entity's name, a path segment or a type id.
    fn type_id(&self, name: &str) -> String {
        let wanted = name.to_lowercase();
        for (entity, lock) in &self.lock.entities {
            let single = entity.to_lowercase();
            let plural = match single.strip_suffix('y') {
                Some(stem) => format!("{stem}ies"),
                None => format!("{single}s"),
            };
            if let Some(remote) = &lock.remote
                && (*remote == wanted || single == wanted || plural == wanted)
            {
                return remote.clone();
            }
        }
        wanted
    }

    fn entity_name(&self, kind: &str) -> Option<&str> {
        self.lock.entities.iter().find(|(_, e)| e.remote.as_deref() == Some(kind)).map(|(name, _)| name.as_str())
    }

    fn link_type(&self, from: &str, to: &str) -> Option<i64> {
        let name = self.entity_name(from)?;
        let target = self.entity_name(to)?;
        self.lock.entities.get(name)?.links.values().find(|link| link.to == target)?.remote
    }

    fn tick(&self) {
        self.changes.send_modify(|n| *n = n.wrapping_add(1));
    }

    /// A small generator (xorshift, Marsaglia 2003): the twin only needs variety, the same for the same seed.
    fn roll(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }

    /// Bearer and pace, then the route.
    fn answer(&mut self, request: &http::Request<Bytes>, now: Moment) -> http::Response<Bytes> {
        self.calls.total += 1;
        let bearer =
            request.headers().get(http::header::AUTHORIZATION).and_then(|v| v.to_str().ok()).unwrap_or_default();
        if bearer != format!("Bearer {}", self.settings.token) {
            let message = "Authentication credentials not found. This API supports OAuth 2.0 authentication and you can find more details at https://developers.hubspot.com/docs/methods/auth/oauth-overview";
            return self
                .reply(401, &json!({"status": "error", "message": message, "category": "INVALID_AUTHENTICATION"}));
        }
        while self.window.front().is_some_and(|at| now.0 - at.0 >= 10_000) {
            self.window.pop_front();
        }
        if self.window.len() >= self.settings.limit {
            self.calls.limited += 1;
            let body = json!({"status": "error", "message": "You have reached your ten_secondly_rolling limit.", "errorType": "RATE_LIMIT", "policyName": "TEN_SECONDLY_ROLLING"});
            return self.reply(429, &body);
        }
        self.window.push_back(now);
        let fault = self.faults.take(now);
        if let Some(response) = crate::app::instead(fault) {
            return response;
        }
        let (status, body) = self.route(request, now);
        let response = self.reply(status, &body);
        crate::app::afterwards(fault, response)
    }

    fn reply(&mut self, status: u16, body: &Json) -> http::Response<Bytes> {
        let correlation = format!("{:016x}{:016x}", self.roll(), self.roll());
        let mut body = body.clone();
        if status >= 400
            && let Some(members) = body.as_object_mut()
        {
            members.insert("correlationId".to_owned(), correlation.as_str().into());
        }
        // A body of text is a page for people.
        let (content, text) = match &body {
            Json::Null => ("application/json;charset=utf-8", Bytes::new()),
            Json::String(page) => ("text/html;charset=utf-8", Bytes::from(page.clone())),
            body => ("application/json;charset=utf-8", Bytes::from(body.to_string())),
        };
        let left = self.settings.limit.saturating_sub(self.window.len());
        http::Response::builder()
            .status(status)
            .header(http::header::CONTENT_TYPE, content)
            .header("X-HubSpot-Correlation-Id", correlation)
            .header("X-HubSpot-RateLimit-Max", self.settings.limit)
            .header("X-HubSpot-RateLimit-Remaining", left)
            .header("X-HubSpot-RateLimit-Interval-Milliseconds", 10_000)
            .body(text)
            .expect("the parts of a response are fixed")
    }
}

impl Model for HubSpot {
    fn handle(&mut self, request: &http::Request<Bytes>, now: Moment) -> http::Response<Bytes> {
        self.answer(request, now)
    }

    /// `GET /_twin/records/<entity>`, `POST /_twin/edit` with `{"entity","id"?,"properties"}`.
    fn control(&mut self, request: &http::Request<Bytes>, now: Moment) -> http::Response<Bytes> {
        let path = request.uri().path().trim_start_matches("/_twin/").to_owned();
        let body: Json = serde_json::from_slice(request.body()).unwrap_or(Json::Null);
        if let Some(entity) = path.strip_prefix("records/") {
            let records: Vec<Json> =
                self.records(entity).map(|r| json!({"id": r.id.to_string(), "properties": r.properties})).collect();
            return self.reply(200, &json!({"records": records}));
        }
        if path == "edit" {
            let entity = body["entity"].as_str().unwrap_or_default().to_owned();
            let values: Vec<(String, String)> = body["properties"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(n, v)| (n.clone(), v.as_str().map_or_else(|| v.to_string(), str::to_owned)))
                .collect();
            let values: Vec<(&str, &str)> = values.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            let id = body["id"].as_str().and_then(|id| id.parse().ok());
            let done = match id {
                Some(id) => self.edit(&entity, id, &values, now).map(|()| id),
                None => self.create(&entity, &values, now),
            };
            return match done {
                Ok(id) => self.reply(200, &json!({"id": id.to_string()})),
                Err(message) => self.reply(400, &json!({"message": message})),
            };
        }
        self.reply(404, &json!({"message": "there is no such control"}))
    }
}

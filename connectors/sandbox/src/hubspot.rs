//! The HubSpot twin: behaves like the account's API where the engine touches it, and sends its webhooks.
//!
//! In: HTTP requests, a person's edits, the time. Out: responses, and signed deliveries to send.
//! Always true: one store behind the numbered and the dated paths; the same requests at the same times give the
//! same answers; nothing happens without a request, an edit or a call of [`HubSpot::due`].
//! The facts it follows stand in the contract; what the engine never touches is answered 404.

mod access;
mod account;
mod associations;
mod batch;
mod control;
mod definitions;
mod index;
mod keys;
mod limits;
mod link_types;
mod links;
mod merge;
mod objects;
mod owners;
mod pipelines;
mod properties;
mod property_groups;
mod record;
mod reply;
mod route;
mod schemas;
mod scopes;
mod search;
mod sender;
mod standard;
mod subscriptions;
mod table;
mod target;
mod types;
mod validate;
mod values;
mod webhooks;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use dsl::schema::Lock;
use dsl::value::{Duration, Timestamp};
use tokio::sync::watch;

use crate::faults::Arrival;
use crate::faults::Faults;
use crate::model::Model;

use write::Write;

pub use access::{CLIENT_ID, DEVELOPER_KEY};
pub use owners::Owner;
pub use record::Record;
pub use sender::deliver;
pub use webhooks::{Delivery, Post};

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

/// Who makes a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// A person in the browser.
    Person,
    /// Our own app.
    App,
    /// A merge that a person asked for.
    Merge,
    /// A restore that a person asked for.
    Restore,
}

impl By {
    /// HubSpot's word for it.
    fn source(self) -> &'static str {
        match self {
            Self::Person => "CRM_UI",
            Self::App => "INTEGRATION",
            Self::Merge => "MERGE_OBJECTS",
            Self::Restore => "RESTORE_OBJECTS",
        }
    }
}

/// The model. A copy goes its own way, shares what neither has changed since, and tells nobody who listens to the
/// first; what says when an event sets out ([`HubSpot::post`]) is not copied.
#[derive(Clone)]
pub struct HubSpot {
    settings: Settings,
    types: Arc<types::Types>,
    definitions: Arc<definitions::Definitions>,
    link_types: Arc<link_types::LinkTypes>,
    /// By type id.
    tables: BTreeMap<String, table::Table>,
    pipelines: Arc<pipelines::Pipelines>,
    schemas: schemas::Schemas,
    access: access::Access,
    subscriptions: Arc<subscriptions::Subscriptions>,
    owners: Vec<Owner>,
    /// Addresses that no contact may have again.
    blocked: BTreeSet<String>,
    /// Properties, by type id, that a new record needs on paths where the account's rules hold.
    required: BTreeSet<(String, String)>,
    next_id: u64,
    pace: limits::Pace,
    /// Calls in a day.
    daily: u64,
    index_delay: Duration,
    calls: Calls,
    faults: Faults,
    /// Conflicts to be answered in the race form.
    races: usize,
    outbox: webhooks::Outbox,
    random: u64,
    changes: Changes,
}

/// Ticks with every change; a copy has listeners of its own.
struct Changes(watch::Sender<u64>);

impl Clone for Changes {
    fn clone(&self) -> Self {
        Self(watch::Sender::new(*self.0.borrow()))
    }
}

impl HubSpot {
    /// An empty account whose objects are those of `lock`.
    #[must_use]
    pub fn new(settings: Settings, lock: Lock) -> Self {
        let random = settings.seed | 1;
        let mut types = types::Types::of(&lock);
        let schemas = schemas::Schemas::of(&lock);
        schemas.add_names(settings.portal_id, &mut types);
        let mut definitions = definitions::of_lock(&lock);
        let pipelines = pipelines::Pipelines::of(&mut definitions);
        Self {
            settings,
            access: access::Access::default(),
            subscriptions: Arc::new(subscriptions::Subscriptions::of(&lock, &types)),
            types: Arc::new(types),
            definitions: Arc::new(definitions),
            pipelines: Arc::new(pipelines),
            schemas,
            link_types: Arc::new(link_types::LinkTypes::of(&lock)),
            tables: BTreeMap::new(),
            owners: vec![owners::first()],
            blocked: BTreeSet::new(),
            required: BTreeSet::new(),
            next_id: 201_000_000_100,
            pace: limits::Pace::default(),
            daily: 1_000_000,
            index_delay: Duration(0),
            calls: Calls::default(),
            faults: Faults::default(),
            races: 0,
            outbox: webhooks::Outbox::default(),
            random,
            changes: Changes(watch::Sender::new(0)),
        }
    }

    /// An account as HubSpot hands it over: its own objects and properties, and an app that is told of nothing.
    #[must_use]
    pub fn empty(settings: Settings) -> Self {
        Self::new(settings, Lock::empty("crm", "hubspot"))
    }

    /// Deliveries go here from now on.
    pub fn send_to(&mut self, url: &str) {
        self.settings.webhook_url = Some(url.to_owned());
    }

    /// Ticks with everything that may lead to a delivery.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.0.subscribe()
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

    /// Live records of an entity of the lock, such as `Contact`.
    pub fn records(&self, entity: &str) -> impl Iterator<Item = &Record> {
        self.table(&self.type_id(entity)).into_iter().flat_map(table::Table::records)
    }

    /// The live record with this id.
    #[must_use]
    pub fn record(&self, entity: &str, id: u64) -> Option<&Record> {
        self.table(&self.type_id(entity))?.get(id)
    }

    /// The live record whose property has this value.
    #[must_use]
    pub fn find(&self, entity: &str, property: &str, value: &str) -> Option<&Record> {
        let kind = self.type_id(entity);
        if self.definition(&kind, property).is_some_and(|definition| definition.unique) {
            let id = self.locate(&kind, Some(property), value)?;
            return self.table(&kind)?.get(id);
        }
        self.records(entity).find(|record| record.properties.get(property).is_some_and(|v| v == value))
    }

    /// Ids linked from a record to records of another entity, in the order in which they were linked.
    #[must_use]
    pub fn linked(&self, entity: &str, id: u64, to: &str) -> Vec<u64> {
        let (from, to) = (self.type_id(entity), self.type_id(to));
        self.links_of(&from, id, &to).map(|link| link.id).collect()
    }

    /// A person makes a record.
    ///
    /// # Errors
    /// Why HubSpot refuses.
    pub fn create(&mut self, entity: &str, properties: &[(&str, &str)], now: Timestamp) -> Result<u64, String> {
        let kind = self.type_id(entity);
        let values = properties.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        self.make(&kind, &values, Write::person(now)).map_err(|refusal| refusal.message.into_string())
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
        at: Timestamp,
    ) -> Result<u64, String> {
        let kind = self.type_id(entity);
        if let Some(refusal) = self.taken(&kind, &properties, None) {
            return Err(refusal.message.into_string());
        }
        let id = match id {
            Some(id) if self.table(&kind).is_some_and(|table| table.any(id).is_some()) => {
                return Err(format!("there is a {entity} {id} already"));
            }
            Some(id) => id,
            None => {
                self.next_id += 1;
                self.next_id
            }
        };
        let properties = properties.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        self.keep(&kind, Record::new(id, properties, By::Person, at), at);
        Ok(id)
    }

    /// Changes a record that was [placed](Self::place), with the same freedom, and leaves the time of its change.
    ///
    /// # Errors
    /// Where there is no such record or a unique value is taken.
    pub fn place_values(&mut self, entity: &str, id: u64, properties: BTreeMap<String, String>) -> Result<(), String> {
        let kind = self.type_id(entity);
        if let Some(refusal) = self.taken(&kind, &properties, Some(id)) {
            return Err(refusal.message.into_string());
        }
        let at = self.table(&kind).and_then(|table| table.get(id)).map(|record| record.updated);
        let at = at.ok_or_else(|| format!("there is no {entity} {id}"))?;
        self.alter(&kind, id, at, |record| {
            for (name, value) in &properties {
                record.set(name, value, By::Person, at);
            }
        });
        Ok(())
    }

    /// Tells that a record which was [placed](Self::place) has been made by a person.
    pub fn tell_placed(&mut self, entity: &str, id: u64, now: Timestamp) {
        let kind = self.type_id(entity);
        let values = self.table(&kind).and_then(|table| table.get(id)).map(|record| record.properties.clone());
        self.report_made(&kind, id, &values.unwrap_or_default(), By::Person, now);
    }

    /// Links two records without telling anybody.
    pub fn place_link(&mut self, entity: &str, id: u64, to: &str, target: u64) {
        let (from, to) = (self.type_id(entity), self.type_id(to));
        self.place_ends((&from, id), (&to, target));
    }

    /// A person changes a record.
    ///
    /// # Errors
    /// Why HubSpot refuses.
    pub fn edit(&mut self, entity: &str, id: u64, properties: &[(&str, &str)], now: Timestamp) -> Result<(), String> {
        let kind = self.type_id(entity);
        let values = properties.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        self.change(&kind, id, &values, Write::person(now)).map_err(|refusal| refusal.message.into_string())
    }

    /// A person links two records.
    pub fn link(&mut self, entity: &str, id: u64, to: &str, target: u64, now: Timestamp) {
        let (from, to) = (self.type_id(entity), self.type_id(to));
        if let Some(ty) = self.link_types.plain(&from, &to).map(|plain| plain.ty) {
            self.associate((&from, id), (&to, target), ty, Write::person(now));
        }
    }

    /// A person takes the link between two records away.
    pub fn unlink(&mut self, entity: &str, id: u64, to: &str, target: u64, now: Timestamp) {
        let (from, to) = (self.type_id(entity), self.type_id(to));
        self.dissociate((&from, id), (&to, target), None, Write::person(now));
    }

    /// A person archives a record.
    pub fn archive(&mut self, entity: &str, id: u64, now: Timestamp) {
        let kind = self.type_id(entity);
        self.remove(&kind, id, Write::person(now));
    }

    /// A person takes a record back out of the recycle bin, under the id that it had.
    ///
    /// # Errors
    /// Where it is not archived, or another record has one of its unique values by now.
    pub fn restore(&mut self, entity: &str, id: u64, now: Timestamp) -> Result<(), String> {
        let kind = self.type_id(entity);
        self.bring_back(&kind, id, Write::person(now)).map_err(|refusal| refusal.message.into_string())
    }

    /// A person merges `other` into `primary`; the id of the record that lives from now on. Both old ids lead to it.
    ///
    /// # Errors
    /// Where one of them is not there, or records of this kind cannot be merged.
    pub fn merge(&mut self, entity: &str, primary: u64, other: u64, now: Timestamp) -> Result<u64, String> {
        let kind = self.type_id(entity);
        self.merge_records(&kind, primary, other, Write::person(now)).map_err(|refusal| refusal.message.into_string())
    }

    /// A person erases a contact for privacy: nothing of it stays.
    pub fn privacy_delete(&mut self, contact: u64, now: Timestamp) {
        self.erase(contact, Write::person(now));
    }

    /// The account's rules need `property` in every new record of `entity`. They hold from the version 2026-09 on.
    pub fn require(&mut self, entity: &str, property: &str) {
        let kind = self.type_id(entity);
        self.required.insert((kind, property.to_owned()));
    }

    /// The type id of an entity's name, a path segment or a type id.
    fn type_id(&self, name: &str) -> String {
        self.types.id(name).map_or_else(|| name.to_lowercase(), str::to_owned)
    }

    fn table(&self, kind: &str) -> Option<&table::Table> {
        self.tables.get(kind)
    }

    /// The table of a type, made where there is none.
    fn table_mut(&mut self, kind: &str) -> &mut table::Table {
        if !self.tables.contains_key(kind) {
            let mut table = table::Table::default();
            table.delay_index(self.index_delay);
            self.tables.insert(kind.to_owned(), table);
        }
        self.tables.get_mut(kind).expect("it was just put there")
    }

    /// What HubSpot says beside the source of a change.
    fn source_id(&self, by: By) -> String {
        match by {
            By::App => self.settings.app_id.to_string(),
            By::Person | By::Merge | By::Restore => format!("userId:{}", owners::FIRST_USER),
        }
    }

    fn tick(&self) {
        self.changes.0.send_modify(|n| *n = n.wrapping_add(1));
    }

    /// A small generator (xorshift, Marsaglia 2003): the twin only needs variety, the same for the same seed.
    fn roll(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }
}

impl Model for HubSpot {
    fn arrive(&mut self, request: &http::Request<Bytes>, now: Timestamp) -> Arrival {
        self.admit(request, now)
    }

    fn perform(&mut self, request: &http::Request<Bytes>, now: Timestamp) -> http::Response<Bytes> {
        self.respond(request, now)
    }

    fn control(&mut self, request: &http::Request<Bytes>, now: Timestamp) -> http::Response<Bytes> {
        self.operate(request, now)
    }

    fn faults(&mut self) -> &mut Faults {
        Self::faults(self)
    }
}

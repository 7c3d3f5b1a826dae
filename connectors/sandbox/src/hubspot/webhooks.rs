//! Events and their deliveries: arrays of up to 100, shuffled, signed with v1 and v3, retried.

use std::collections::BTreeMap;

use bytes::Bytes;
use connectors::hubspot::signature::{sign_v1, sign_v3};
use connectors::secret::Secret;
use dsl::value::{Duration, Timestamp};
use serde_json::{Value as Json, json};

use super::definitions::Kind;
use super::link_types::LinkType;
use super::links::End;
use super::subscriptions::Topic;
use super::write::Write;
use super::{By, HubSpot};

/// How long events gather before they are sent.
const GATHER: Duration = Duration(30);
/// Retries of a delivery that was not taken.
const RETRIES: u32 = 10;

/// One delivery to send now.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// To report what became of it.
    pub id: u64,
    /// The signed request.
    pub request: http::Request<Bytes>,
}

#[derive(Debug, Clone)]
struct Parcel {
    events: Vec<Json>,
    attempt: u32,
    at: Timestamp,
    flying: bool,
}

/// Says of an event that comes to be how much later each copy of it sets out; none where it is lost.
pub type Post = Box<dyn FnMut(&Json, Timestamp) -> Vec<Duration> + Send>;

/// Events that were not delivered yet.
#[derive(Default)]
pub(super) struct Outbox {
    /// By the time from which on they may be sent, which rises.
    waiting: Vec<(Timestamp, Json)>,
    post: Option<Post>,
    parcels: BTreeMap<u64, Parcel>,
    last: u64,
    events: u64,
    /// Every parcel is sent this many more times.
    pub(super) copies: u32,
    /// Events gather and are not sent.
    held: bool,
    /// Deliveries wait for each other until the outbox is empty.
    in_turn: bool,
    /// How many different event ids there are; 0: no end of them.
    different_ids: u64,
}

impl Clone for Outbox {
    fn clone(&self) -> Self {
        Self { waiting: self.waiting.clone(), post: None, parcels: self.parcels.clone(), ..*self }
    }
}

impl Outbox {
    fn take_in(&mut self, event: Json, now: Timestamp) {
        let delays = self.post.as_mut().map_or_else(|| vec![Duration(0)], |post| post(&event, now));
        for delay in delays {
            let at = now.plus(delay);
            let index = self.waiting.partition_point(|(other, _)| *other <= at);
            self.waiting.insert(index, (at, event.clone()));
        }
    }

    /// Requests that may be in flight at once.
    fn at_once(&self, most: usize) -> usize {
        if self.in_turn { 1 } else { most }
    }
}

impl HubSpot {
    pub(super) fn report_made(
        &mut self,
        kind: &str,
        id: u64,
        values: &BTreeMap<String, String>,
        by: By,
        now: Timestamp,
    ) {
        self.event(kind, "creation", by, now, now, json!({"objectId": id, "changeFlag": "CREATED"}));
        for (name, value) in values {
            self.property(kind, id, name, value, by, now, now);
        }
        self.tick();
    }

    pub(super) fn report_changed(
        &mut self,
        kind: &str,
        id: u64,
        values: &BTreeMap<String, String>,
        by: By,
        at: Timestamp,
        now: Timestamp,
    ) {
        for (name, value) in values {
            self.property(kind, id, name, value, by, at, now);
        }
        self.tick();
    }

    /// A deletion or a privacy deletion.
    pub(super) fn report_gone(&mut self, kind: &str, id: u64, what: &str, by: By, at: Timestamp, now: Timestamp) {
        self.event(kind, what, by, at, now, json!({"objectId": id, "changeFlag": "DELETED"}));
        self.tick();
    }

    pub(super) fn report_restored(&mut self, kind: &str, id: u64, at: Timestamp, now: Timestamp) {
        self.event(kind, "restore", By::Restore, at, now, json!({"objectId": id, "changeFlag": "CREATED"}));
        self.tick();
    }

    /// A merge, and the values that moved with it.
    pub(super) fn report_merged(
        &mut self,
        kind: &str,
        id: u64,
        members: Json,
        moved: &BTreeMap<String, String>,
        at: Timestamp,
        write: Write,
    ) {
        self.event(kind, "merge", write.by, at, write.now, members);
        for (name, value) in moved {
            self.property(kind, id, name, value, By::Merge, at, write.now);
        }
        self.tick();
    }

    /// One direction of a link.
    pub(super) fn report_linked(&mut self, from: End<'_>, to: End<'_>, ty: LinkType, removed: bool, write: Write) {
        let name = |kind: &str| self.types.get(kind).map(|ty| ty.singular.to_uppercase()).unwrap_or_default();
        let primary = self.link_types.find(from.0, to.0, ty).is_some_and(|kind| kind.primary);
        let members = json!({
            "associationType": format!("{}_TO_{}", name(from.0), name(to.0)), "fromObjectId": from.1,
            "toObjectId": to.1, "associationRemoved": removed, "isPrimaryAssociation": primary,
            "fromObjectTypeId": from.0, "toObjectTypeId": to.0, "associationCategory": ty.category.name(),
            "associationTypeId": ty.id,
        });
        self.event(from.0, "associationChange", write.by, write.now, write.now, members);
        self.tick();
    }

    #[expect(clippy::too_many_arguments, reason = "the members of the message")]
    fn property(&mut self, kind: &str, id: u64, name: &str, value: &str, by: By, at: Timestamp, now: Timestamp) {
        // Times come as epoch milliseconds in webhooks, as ISO text over REST.
        let is_time = self.definition(kind, name).is_some_and(|definition| definition.kind == Kind::Time);
        let value = match Timestamp::parse(value) {
            Some(time) if is_time => time.0.to_string(),
            _ => value.to_owned(),
        };
        self.event(
            kind,
            "propertyChange",
            by,
            at,
            now,
            json!({"objectId": id, "propertyName": name, "propertyValue": value}),
        );
    }

    /// Tells every subscription to an event of it.
    fn event(&mut self, kind: &str, what: &str, by: By, at: Timestamp, now: Timestamp, members: Json) {
        let Some(ty) = self.types.get(kind).filter(|_| self.settings.webhook_url.is_some()) else { return };
        let property = members["propertyName"].as_str().map(str::to_owned);
        let classic = Topic { event: format!("{}.{what}", ty.singular), kind: None, property };
        let generic =
            Topic { event: format!("object.{what}"), kind: Some(kind.to_owned()), property: classic.property.clone() };
        for topic in [classic, generic] {
            let Some(subscription) = self.subscriptions.to(&topic) else { continue };
            self.outbox.events += 1;
            // Event ids are not promised to be unique.
            let event_id = match self.outbox.different_ids {
                0 => self.outbox.events,
                different => self.outbox.events % different,
            };
            let mut event = json!({
                "eventId": event_id, "subscriptionId": subscription, "portalId": self.settings.portal_id,
                "appId": self.settings.app_id, "occurredAt": at.0, "attemptNumber": 0,
                "subscriptionType": topic.event, "changeSource": by.source(), "sourceId": self.source_id(by),
            });
            // Classic association events have a name for both ends, generic ones the types.
            let other_form: &[&str] = match topic.kind {
                Some(kind) => {
                    event["objectTypeId"] = kind.into();
                    &["associationType"]
                }
                None => &["fromObjectTypeId", "toObjectTypeId", "associationCategory", "associationTypeId"],
            };
            if let (Some(event), Some(members)) = (event.as_object_mut(), members.as_object()) {
                let members = members.iter().filter(|(name, _)| !other_form.contains(&name.as_str()));
                event.extend(members.map(|(name, value)| (name.clone(), value.clone())));
            }
            self.outbox.take_in(event, now);
        }
    }

    /// From now on `post` says of each event when it sets out, and how often.
    pub fn post(&mut self, post: Post) {
        self.outbox.post = Some(post);
    }

    /// Every delivery is made `copies` more times, as HubSpot may.
    pub fn repeat_deliveries(&mut self, copies: u32) {
        self.outbox.copies = copies;
    }

    /// Events are held back from now on, until [`HubSpot::deliver_backwards`].
    pub fn hold_deliveries(&mut self) {
        self.outbox.held = true;
    }

    /// Sends what was held back in the worst order: each event in a delivery of its own, the latest first, one
    /// after the other, and all of it so many times.
    pub fn deliver_backwards(&mut self, times: u32, now: Timestamp) {
        self.outbox.held = false;
        self.outbox.in_turn = true;
        let events: Vec<Json> =
            std::mem::take(&mut self.outbox.waiting).into_iter().rev().map(|(_, event)| event).collect();
        for _ in 0..times {
            for event in &events {
                self.outbox.last += 1;
                let parcel = Parcel { events: vec![event.clone()], attempt: 0, at: now, flying: false };
                self.outbox.parcels.insert(self.outbox.last, parcel);
            }
        }
        self.tick();
    }

    /// Event ids repeat after so many events, whatever the events are; 0 makes them all different.
    pub fn collide_event_ids(&mut self, different: u64) {
        self.outbox.different_ids = different;
    }

    /// Forgets every event that was not delivered yet.
    pub fn silence(&mut self) {
        self.outbox.waiting.clear();
        self.outbox.parcels.clear();
    }

    /// Deliveries to send now.
    pub fn due(&mut self, now: Timestamp) -> Vec<Delivery> {
        let Some(url) = self.settings.webhook_url.clone() else { return Vec::new() };
        if !self.outbox.held && self.outbox.waiting.first().is_some_and(|(at, _)| now >= at.plus(GATHER)) {
            let ready = self.outbox.waiting.partition_point(|(at, _)| *at <= now);
            let mut events: Vec<Json> = self.outbox.waiting.drain(..ready).map(|(_, event)| event).collect();
            // No order is promised, not even that a record is made before its values are told (CONTRACT 6.4).
            for index in (1..events.len()).rev() {
                let other = (self.roll() % (index as u64 + 1)) as usize;
                events.swap(index, other);
            }
            // People's changes and our own echoes travel apart more often than not.
            events.sort_by_key(|event| event["changeSource"] == "INTEGRATION");
            for chunk in events.chunks(100) {
                for _ in 0..=self.outbox.copies {
                    self.outbox.last += 1;
                    let parcel = Parcel { events: chunk.to_vec(), attempt: 0, at: now, flying: false };
                    self.outbox.parcels.insert(self.outbox.last, parcel);
                }
            }
        }
        let flying = self.outbox.parcels.values().filter(|p| p.flying).count();
        let at_once = self.outbox.at_once(self.subscriptions.at_once);
        let secret = Secret::new(&self.settings.client_secret);
        let mut deliveries = Vec::new();
        for (id, parcel) in &mut self.outbox.parcels {
            if parcel.flying || parcel.at > now || flying + deliveries.len() >= at_once {
                continue;
            }
            parcel.flying = true;
            for event in &mut parcel.events {
                event["attemptNumber"] = parcel.attempt.into();
            }
            let body = Json::Array(parcel.events.clone()).to_string();
            // Signed anew at every attempt: with its first time a late one would be refused as too old (CONTRACT 6.4).
            let time = now.0.to_string();
            let request = http::Request::post(&url)
                .header(http::header::CONTENT_TYPE, "application/json")
                .header(
                    http::header::USER_AGENT,
                    "HubSpot Connect 2.0 (http://dev.hubspot.com/) (namespace: webhooks-nio-http-client)",
                )
                .header("X-HubSpot-Signature-Version", "v1")
                .header("X-HubSpot-Signature", sign_v1(&secret, body.as_bytes()))
                .header("X-HubSpot-Signature-v3", sign_v3(&secret, "POST", &url, body.as_bytes(), &time))
                .header("X-HubSpot-Request-Timestamp", &time)
                .header("X-HubSpot-Timeout-Millis", "10000")
                .body(Bytes::from(body));
            if let Ok(request) = request {
                deliveries.push(Delivery { id: *id, request });
            }
        }
        deliveries
    }

    /// What became of a delivery; `None` where no answer came.
    pub fn delivered(&mut self, id: u64, status: Option<u16>, now: Timestamp) {
        let Some(parcel) = self.outbox.parcels.get_mut(&id) else { return };
        parcel.flying = false;
        if status.is_some_and(|s| (200..300).contains(&s)) || parcel.attempt >= RETRIES {
            self.outbox.parcels.remove(&id);
            self.outbox.in_turn &= !self.outbox.parcels.is_empty();
        } else {
            parcel.attempt += 1;
            // A shortened clock: HubSpot spreads ten retries over a day.
            parcel.at = now.plus(Duration(250 << parcel.attempt.min(5)));
        }
        self.tick();
    }

    /// When something is to be sent next.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        let gathered = self.outbox.waiting.first().filter(|_| !self.outbox.held).map(|(at, _)| at.plus(GATHER));
        let flying = self.outbox.parcels.values().filter(|p| p.flying).count();
        let at_once = self.outbox.at_once(self.subscriptions.at_once);
        let parcels = self.outbox.parcels.values().filter(|p| !p.flying && flying < at_once).map(|p| p.at);
        gathered.into_iter().chain(parcels).min()
    }

    /// Events that were not taken yet.
    #[must_use]
    pub fn undelivered(&self) -> usize {
        self.outbox.waiting.len() + self.outbox.parcels.values().map(|p| p.events.len()).sum::<usize>()
    }
}

//! What the app is told of: subscriptions, the settings of its webhooks, and the files of a project that name both
//! (CONTRACT 6.1, 6.2).
//!
//! In: the messages of a lock, requests to `/webhooks/v3/{appId}/…`, the files of an app. Out: the subscriptions that an
//! event goes to.
//! Always true: a subscription to changes names one property; two subscriptions to the same are one; what is paused is
//! told of nothing; a file that is not understood changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dsl::schema::{About, Change, Lock};
use dsl::value::Timestamp;
use http::Method;
use serde_json::{Value as Json, json};

use super::HubSpot;
use super::access::DEVELOPER_KEY;
use super::reply::{Answer, Refusal, error, no_route, text};
use super::target::Query;
use super::types::Types;

/// Requests in flight at once, where nobody sets another number.
const IN_FLIGHT: usize = 10;

/// What a subscription is to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Topic {
    /// `contact.creation`, or of the generic form `object.creation`.
    pub(super) event: String,
    /// The type that a generic one is about.
    pub(super) kind: Option<String>,
    /// The property of a change.
    pub(super) property: Option<String>,
}

#[derive(Debug, Clone)]
pub(super) struct Subscription {
    pub(super) id: u64,
    topic: Topic,
    active: bool,
    created: Timestamp,
    updated: Timestamp,
}

impl Subscription {
    fn shown(&self) -> Json {
        let mut shown = json!({"id": self.id.to_string(), "eventType": self.topic.event, "active": self.active,
                               "createdAt": self.created.to_string(), "updatedAt": self.updated.to_string()});
        if let Some(kind) = &self.topic.kind {
            shown["objectTypeId"] = kind.as_str().into();
        }
        if let Some(property) = &self.topic.property {
            shown["propertyName"] = property.as_str().into();
        }
        shown
    }
}

/// All subscriptions of the app.
#[derive(Debug, Clone)]
pub(super) struct Subscriptions {
    all: BTreeMap<u64, Subscription>,
    by_topic: BTreeMap<Topic, u64>,
    last: u64,
    /// Requests in flight at once.
    pub(super) at_once: usize,
    settings: Option<[Timestamp; 2]>,
}

impl Default for Subscriptions {
    fn default() -> Self {
        Self { all: BTreeMap::new(), by_topic: BTreeMap::new(), last: 4_410_029, at_once: IN_FLIGHT, settings: None }
    }
}

impl Subscriptions {
    /// What a lock is told of: its messages, and each of its fields by itself.
    pub(super) fn of(lock: &Lock, types: &Types) -> Self {
        let mut subscriptions = Self::default();
        let messages = lock.deliveries.iter().flat_map(|deliveries| &deliveries.messages);
        for (name, message) in messages {
            let About::Record { entity, change } = &message.about else { continue };
            let Some(shape) = lock.entities.get(entity) else { continue };
            let Some(kind) = shape.remote.as_deref().filter(|kind| types.get(kind).is_some()) else { continue };
            let event = match name.split_once('.') {
                Some((_, what)) if message.generic => format!("object.{what}"),
                _ => name.clone(),
            };
            let kind = message.generic.then(|| kind.to_owned());
            let topic = |property| Topic { event: event.clone(), kind: kind.clone(), property };
            if *change == Change::Updated {
                for field in shape.fields.keys().filter(|field| *field != "id") {
                    subscriptions.add(topic(Some(field.clone())), true, Timestamp(0));
                }
            } else {
                subscriptions.add(topic(None), true, Timestamp(0));
            }
        }
        subscriptions
    }

    fn add(&mut self, topic: Topic, active: bool, now: Timestamp) -> &Subscription {
        let id = match self.by_topic.get(&topic) {
            Some(id) => *id,
            None => {
                self.last += 1;
                self.by_topic.insert(topic.clone(), self.last);
                self.last
            }
        };
        let subscription = Subscription { id, topic, active, created: now, updated: now };
        let known = self.all.entry(id).or_insert(subscription);
        known.active |= active;
        known
    }

    fn remove(&mut self, id: u64) {
        if let Some(gone) = self.all.remove(&id) {
            self.by_topic.remove(&gone.topic);
        }
    }

    /// The active subscription to a topic.
    pub(super) fn to(&self, topic: &Topic) -> Option<u64> {
        let id = self.by_topic.get(topic)?;
        self.all.get(id).filter(|subscription| subscription.active).map(|subscription| subscription.id)
    }
}

/// The topic that a request or a file names, or why there is none.
fn topic(types: &Types, event: &str, kind: Option<&str>, property: Option<&str>) -> Result<Topic, String> {
    let (about, what) = event.split_once('.').ok_or_else(|| format!("{event} is no type of event"))?;
    let known = match what {
        "creation" | "deletion" | "merge" | "restore" | "propertyChange" | "associationChange" => true,
        "privacyDeletion" => about == "contact",
        _ => false,
    };
    let classic = ["contact", "company", "deal", "ticket", "product", "line_item"].contains(&about);
    if !known || !(classic || about == "object") {
        return Err(format!("{event} is no type of event"));
    }
    let kind = match (about, kind) {
        ("object", Some(kind)) => {
            Some(types.id(kind).ok_or_else(|| format!("{kind} is no type of object"))?.to_owned())
        }
        ("object", None) => return Err(format!("{event} needs the type of object")),
        _ => None,
    };
    let property = match (what, property) {
        ("propertyChange", Some(property)) if !property.is_empty() => Some(property.to_owned()),
        ("propertyChange", _) => return Err(format!("{event} needs the name of a property")),
        _ => None,
    };
    if matches!(property.as_deref(), Some("hs_lastmodifieddate" | "num_unique_conversion_events")) {
        return Err(format!("{} cannot be subscribed to", property.unwrap_or_default()));
    }
    Ok(Topic { event: event.to_owned(), kind, property })
}

impl HubSpot {
    /// `hs project upload` of an app: the scopes of `app-hsmeta.json`, and the target and the subscriptions of
    /// `webhooks-hsmeta.json`; either may be left out. It replaces what was there.
    ///
    /// # Errors
    /// What is not understood in a file; nothing has changed then.
    pub fn upload(&mut self, app: Option<&Json>, webhooks: Option<&Json>, now: Timestamp) -> Result<(), String> {
        let scopes = app.map(required_scopes).transpose()?;
        let told = webhooks.map(|file| self.told(file, now)).transpose()?;
        if let Some(scopes) = scopes {
            self.access_scopes(scopes);
        }
        if let Some((url, subscriptions)) = told {
            self.settings.webhook_url = Some(url);
            self.subscriptions = Arc::new(subscriptions);
        }
        Ok(())
    }

    fn told(&self, file: &Json, now: Timestamp) -> Result<(String, Subscriptions), String> {
        if file["type"] != "webhooks" {
            return Err("the file is not of the type `webhooks`".to_owned());
        }
        let settings = &file["config"]["settings"];
        let url = settings["targetUrl"].as_str().filter(|url| url.starts_with("http"));
        let url = url.ok_or("settings.targetUrl is no address")?.to_owned();
        let mut subscriptions = Subscriptions {
            at_once: at_once(&settings["maxConcurrentRequests"])?,
            settings: Some([now, now]),
            ..Subscriptions::default()
        };
        let lists = file["config"]["subscriptions"].as_object().ok_or("there is no `subscriptions`")?;
        for (list, entries) in lists {
            for entry in entries.as_array().into_iter().flatten() {
                let event = text(&entry["subscriptionType"]);
                let generic = event.starts_with("object.");
                let fits = match list.as_str() {
                    "crmObjects" => generic,
                    "legacyCrmObjects" => !generic,
                    "hubEvents" => event == "contact.privacyDeletion",
                    other => return Err(format!("`{other}` is no list of subscriptions")),
                };
                if !fits {
                    return Err(format!("{event} does not stand under `{list}`"));
                }
                let topic = topic(&self.types, &event, entry["objectType"].as_str(), entry["propertyName"].as_str())?;
                subscriptions.add(topic, entry["active"].as_bool().unwrap_or(true), now);
            }
        }
        Ok((url, subscriptions))
    }

    /// `/webhooks/v3/{appId}/…`, and the dated `/app-webhooks/2026-09/{appId}/…` and `/webhooks/2026-03/{appId}/…`.
    pub(super) fn subscription_routes(
        &mut self,
        method: &Method,
        rest: &[&str],
        (body, query): (&Json, &Query),
        now: Timestamp,
    ) -> Answer {
        // These are of the app and not of an account, so they take the developer's key and no token (CONTRACT 2).
        if query.one("hapikey") != Some(DEVELOPER_KEY) {
            return super::access::unknown_token();
        }
        let [app, rest @ ..] = rest else { return no_route() };
        if *app != self.settings.app_id.to_string() {
            return error(404, "OBJECT_NOT_FOUND", &format!("App {app} does not exist"));
        }
        // Changed aside, and kept only in the end: a batch with an id that there is not changes nothing.
        let mut subscriptions = Arc::clone(&self.subscriptions);
        let known = Arc::make_mut(&mut subscriptions);
        let not_found = || error(404, "OBJECT_NOT_FOUND", "Subscription does not exist");
        let refused = |message: String| Refusal::new(400, "VALIDATION_ERROR", message).answer();
        let answer = match (method.as_str(), rest) {
            ("GET", ["settings"]) => return self.webhook_settings(known),
            ("PUT", ["settings"]) => {
                let at_once = match at_once(&body["throttling"]["maxConcurrentRequests"]) {
                    Ok(number) => number,
                    Err(message) => return refused(message),
                };
                let Some(url) = body["targetUrl"].as_str() else { return refused("targetUrl is needed".to_owned()) };
                self.settings.webhook_url = Some(url.to_owned());
                known.at_once = at_once;
                known.settings = Some([known.settings.map_or(now, |[made, _]| made), now]);
                self.webhook_settings(known)
            }
            ("DELETE", ["settings"]) => {
                self.settings.webhook_url = None;
                known.settings = None;
                (204, Json::Null)
            }
            ("GET", ["subscriptions"]) => {
                return (200, json!({"results": known.all.values().map(Subscription::shown).collect::<Vec<_>>()}));
            }
            ("POST", ["subscriptions"]) => {
                let event = text(&body["eventType"]);
                match topic(&self.types, &event, body["objectTypeId"].as_str(), body["propertyName"].as_str()) {
                    // New ones are paused.
                    Ok(topic) => (201, known.add(topic, body["active"] == true, now).shown()),
                    Err(message) => return refused(message),
                }
            }
            ("POST", ["subscriptions", "batch", "update"]) => {
                let inputs = body["inputs"].as_array().cloned().unwrap_or_default();
                let mut results = Vec::new();
                for input in &inputs {
                    let id = text(&input["id"]).parse().unwrap_or(0);
                    let Some(subscription) = known.all.get_mut(&id) else { return not_found() };
                    (subscription.active, subscription.updated) = (input["active"] == true, now);
                    results.push(subscription.shown());
                }
                self.batch_answer(200, results, Vec::new(), now)
            }
            (_, ["subscriptions", id]) => {
                let id = id.parse().unwrap_or(0);
                let Some(subscription) = known.all.get_mut(&id) else { return not_found() };
                match method.as_str() {
                    "GET" => (200, subscription.shown()),
                    "PATCH" => {
                        (subscription.active, subscription.updated) = (body["active"] == true, now);
                        (200, subscription.shown())
                    }
                    "DELETE" => {
                        known.remove(id);
                        (204, Json::Null)
                    }
                    _ => return no_route(),
                }
            }
            _ => return no_route(),
        };
        self.subscriptions = subscriptions;
        answer
    }

    fn webhook_settings(&self, known: &Subscriptions) -> Answer {
        let Some(url) = &self.settings.webhook_url else {
            return error(404, "OBJECT_NOT_FOUND", "The app has no settings for webhooks");
        };
        let [created, updated] = known.settings.unwrap_or([Timestamp(0); 2]).map(|at| at.to_string());
        (
            200,
            json!({"targetUrl": url, "throttling": {"maxConcurrentRequests": known.at_once},
                     "createdAt": created, "updatedAt": updated}),
        )
    }
}

/// `requiredScopes` of an app's file.
fn required_scopes(app: &Json) -> Result<BTreeSet<String>, String> {
    if app["type"] != "app" {
        return Err("the file is not of the type `app`".to_owned());
    }
    let scopes = app["config"]["auth"]["requiredScopes"].as_array().ok_or("there is no `auth.requiredScopes`")?;
    Ok(scopes.iter().map(text).collect())
}

/// Requests in flight at once: more than five.
fn at_once(json: &Json) -> Result<usize, String> {
    match json.as_u64() {
        None if json.is_null() => Ok(IN_FLIGHT),
        Some(number @ 6..=100) => Ok(usize::try_from(number).unwrap_or(IN_FLIGHT)),
        _ => Err(format!("maxConcurrentRequests is {json}, it must be above 5")),
    }
}

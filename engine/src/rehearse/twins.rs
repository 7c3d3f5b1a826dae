//! The systems around the engine, each played by the twin that fits its lock.
//!
//! In: locks. Out: connectors that ask the twins, and one face for what a test does with any of them.
//! Always true: HubSpot's lock is played by the HubSpot twin, a lock with entities by the app twin, one with
//! operations alone by the mail twin.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use connectors::http::Transport;
use connectors::hubspot::{self, HubSpot as HubSpotConnector};
use connectors::operations::{Operations, Template};
use connectors::port::Connector;
use connectors::registry::ConnectorKind;
use connectors::rest::Rest;
use connectors::secret::Secret;
use dsl::schema::{About, Change, Lock};
use dsl::value::Timestamp;
use sandbox::app::App;
use sandbox::hubspot::HubSpot;
use sandbox::mail::Mail;
use sandbox::{Faults, Model};
use serde_json::{Map, Value as Json, json};

const TOKEN: &str = "rehearsal";
const APP_ID: u64 = 7_700_123;

/// One system.
#[derive(Clone)]
pub(crate) enum Twin {
    HubSpot(Arc<Mutex<HubSpot>>),
    App(Arc<Mutex<App>>),
    Mail(Arc<Mutex<Mail>>),
}

/// Values and links of a record, as its system writes them.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Content {
    pub(super) values: BTreeMap<String, Json>,
    /// Ids by the link's name; nothing removes the link.
    pub(super) links: BTreeMap<String, Option<String>>,
}

pub(super) fn hold<T>(twin: &Mutex<T>) -> MutexGuard<'_, T> {
    twin.lock().expect("a twin that panicked is not used")
}

impl Twin {
    /// The twin for a lock, and the connector that asks it over `transport`.
    pub(super) fn of(lock: &Lock, transport: Arc<dyn Transport>) -> (Self, Arc<dyn Connector>) {
        // The addresses are names only: whatever is sent to them, `transport` leads to the twin.
        if lock.connector.parse() == Ok(ConnectorKind::HubSpot) {
            let settings = sandbox::hubspot::Settings {
                portal_id: 99_000_111,
                app_id: APP_ID,
                client_secret: TOKEN.to_owned(),
                token: TOKEN.to_owned(),
                webhook_url: Some("https://engine.example.com/webhooks/crm".to_owned()),
                limit: 100,
                seed: 7,
            };
            let twin = Arc::new(Mutex::new(HubSpot::new(settings, lock.clone())));
            let settings = hubspot::Settings {
                base_url: "https://api.hubapi.com".to_owned(),
                api_version: "2026-09".to_owned(),
                app_id: Some(APP_ID),
                portal_id: None,
            };
            let connector = HubSpotConnector::new(settings, Secret::new(TOKEN), lock.clone(), transport);
            (Self::HubSpot(twin), Arc::new(connector))
        } else if lock.entities.is_empty() {
            let twin = Arc::new(Mutex::new(Mail::new(None)));
            let operations = lock.operations.iter().map(|(operation, declared)| {
                let body = declared.params.keys().map(|p| (p.clone(), format!("{{{p}}}").into())).collect();
                let template = Template {
                    method: http::Method::POST,
                    path: format!("/{operation}"),
                    body: serde_json::Value::Object(body),
                    done: BTreeMap::new(),
                };
                (operation.clone(), template)
            });
            let operations = operations.collect();
            let connector = Operations::new("http://mail.example.com", None, BTreeMap::new(), operations, transport);
            (Self::Mail(twin), Arc::new(connector))
        } else {
            let settings = sandbox::app::Settings { token: TOKEN.to_owned(), kafka: true, ..Default::default() };
            let twin = Arc::new(Mutex::new(App::new(settings, lock.clone())));
            let connector = Rest::new("http://app.example.com", Secret::new(TOKEN), lock.clone(), transport);
            (Self::App(twin), Arc::new(connector))
        }
    }

    /// What answers its requests.
    pub(super) fn model(&self) -> Arc<Mutex<dyn Model>> {
        match self {
            Self::HubSpot(twin) => Arc::clone(twin) as Arc<Mutex<dyn Model>>,
            Self::App(twin) => Arc::clone(twin) as Arc<Mutex<dyn Model>>,
            Self::Mail(twin) => Arc::clone(twin) as Arc<Mutex<dyn Model>>,
        }
    }

    /// Ids of all records of an entity, in order.
    pub(super) fn ids(&self, entity: &str) -> Vec<String> {
        match self {
            Self::HubSpot(twin) if entity == "Owner" => {
                hold(twin).owners().iter().map(|owner| owner.id.clone()).collect()
            }
            Self::HubSpot(twin) => hold(twin).records(entity).map(|record| record.id.to_string()).collect(),
            Self::App(twin) => {
                let id = |record: &sandbox::app::Record| record.get("id").and_then(Json::as_str).map(str::to_owned);
                hold(twin).records(entity).filter_map(id).collect()
            }
            Self::Mail(_) => Vec::new(),
        }
    }

    /// A field as the system writes it; null where it is empty or there is no such record.
    pub(super) fn value(&self, entity: &str, id: &str, field: &str) -> Json {
        match self {
            _ if field == "id" => Json::from(id),
            Self::HubSpot(twin) if entity == "Owner" => {
                let twin = hold(twin);
                let owner = twin.owners().iter().find(|owner| owner.id == id);
                owner.filter(|_| field == "email").map_or(Json::Null, |owner| Json::from(owner.email.as_str()))
            }
            Self::HubSpot(twin) => {
                let twin = hold(twin);
                let record = id.parse().ok().and_then(|id| twin.record(entity, id));
                record.and_then(|record| record.properties.get(field)).map_or(Json::Null, |v| Json::from(v.as_str()))
            }
            Self::App(twin) => {
                hold(twin).record(entity, id).and_then(|record| record.get(field)).cloned().unwrap_or_default()
            }
            Self::Mail(_) => Json::Null,
        }
    }

    /// The record that a link leads to; `to` is the entity it leads to.
    pub(super) fn linked(&self, entity: &str, id: &str, link: &str, to: &str) -> Option<String> {
        match self {
            Self::HubSpot(twin) => hold(twin).linked(entity, id.parse().ok()?, to).first().map(|id| id.to_string()),
            Self::App(twin) => {
                let twin = hold(twin);
                Some(twin.record(entity, id)?.get(link)?.get("id")?.as_str()?.to_owned())
            }
            Self::Mail(_) => None,
        }
    }

    /// Puts a record there, as if it had stood there since `at`.
    pub(super) fn place(
        &self,
        lock: &Lock,
        entity: &str,
        id: Option<&str>,
        content: &Content,
        at: Timestamp,
    ) -> Result<String, String> {
        match self {
            Self::HubSpot(twin) if entity == "Owner" => {
                let email = content.values.get("email").and_then(Json::as_str).unwrap_or_default();
                let id = id.map_or_else(|| format!("{}", 100 + hold(twin).owners().len()), str::to_owned);
                hold(twin).owner(&id, email);
                Ok(id)
            }
            Self::HubSpot(twin) => {
                let number = id.map(number).transpose()?;
                let made = hold(twin).place(entity, number, texts(&content.values), at)?;
                self.place_links(lock, entity, &made.to_string(), content)?;
                Ok(made.to_string())
            }
            Self::App(twin) => {
                let values = members(content);
                hold(twin).place(entity, id, Json::Object(values), at).map_err(|refused| refused.to_string())
            }
            Self::Mail(_) => Err("it holds no records".to_owned()),
        }
    }

    /// Changes a record that was placed, and leaves the time of its change.
    pub(super) fn place_content(&self, lock: &Lock, entity: &str, id: &str, content: &Content) -> Result<(), String> {
        match self {
            Self::HubSpot(_) if entity == "Owner" => Ok(()),
            Self::HubSpot(twin) => {
                hold(twin).place_values(entity, number(id)?, texts(&content.values))?;
                self.place_links(lock, entity, id, content)
            }
            Self::App(twin) => hold(twin)
                .place_values(entity, id, Json::Object(members(content)))
                .map_err(|refused| refused.to_string()),
            Self::Mail(_) => Err("it holds no records".to_owned()),
        }
    }

    fn place_links(&self, lock: &Lock, entity: &str, id: &str, content: &Content) -> Result<(), String> {
        let Self::HubSpot(twin) = self else { return Ok(()) };
        for (link, target) in &content.links {
            let to = lock.entities.get(entity).and_then(|shape| shape.links.get(link)).map(|link| link.to.as_str());
            if let (Some(to), Some(target)) = (to, target) {
                hold(twin).place_link(entity, number(id)?, to, number(target)?);
            }
        }
        Ok(())
    }

    /// A person makes a record.
    pub(super) fn create(
        &self,
        lock: &Lock,
        entity: &str,
        content: &Content,
        now: Timestamp,
    ) -> Result<String, String> {
        match self {
            Self::HubSpot(twin) => {
                let values = texts(&content.values);
                let values: Vec<(&str, &str)> = values.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
                let id = hold(twin).create(entity, &values, now)?;
                self.link(lock, entity, &id.to_string(), content, now)?;
                Ok(id.to_string())
            }
            Self::App(twin) => {
                let mut values = members(content);
                values.remove("id");
                hold(twin).create(entity, Json::Object(values), now).map_err(|refused| refused.to_string())
            }
            Self::Mail(_) => Err("it holds no records".to_owned()),
        }
    }

    /// A person changes a record.
    pub(super) fn edit(
        &self,
        lock: &Lock,
        entity: &str,
        id: &str,
        content: &Content,
        now: Timestamp,
    ) -> Result<(), String> {
        match self {
            Self::HubSpot(twin) => {
                let values = texts(&content.values);
                let values: Vec<(&str, &str)> = values.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
                if !values.is_empty() {
                    hold(twin).edit(entity, number(id)?, &values, now)?;
                }
                self.link(lock, entity, id, content, now)
            }
            Self::App(twin) => {
                let mut values = members(content);
                values.remove("id");
                hold(twin).edit(entity, id, Json::Object(values), now).map_err(|refused| refused.to_string())
            }
            Self::Mail(_) => Err("it holds no records".to_owned()),
        }
    }

    fn link(&self, lock: &Lock, entity: &str, id: &str, content: &Content, now: Timestamp) -> Result<(), String> {
        let Self::HubSpot(twin) = self else { return Ok(()) };
        for (link, target) in &content.links {
            let to = lock.entities.get(entity).and_then(|shape| shape.links.get(link)).map(|link| link.to.as_str());
            if let (Some(to), Some(target)) = (to, target) {
                hold(twin).link(entity, number(id)?, to, number(target)?, now);
            }
        }
        Ok(())
    }

    /// A person deletes a record.
    pub(super) fn delete(&self, entity: &str, id: &str, now: Timestamp) -> Result<(), String> {
        match self {
            Self::HubSpot(twin) => {
                hold(twin).archive(entity, number(id)?, now);
                Ok(())
            }
            Self::App(twin) => hold(twin).delete(entity, id, now).map_err(|refused| refused.to_string()),
            Self::Mail(_) => Err("it holds no records".to_owned()),
        }
    }

    /// Forgets messages that were not delivered yet.
    pub(super) fn silence(&self) {
        match self {
            Self::HubSpot(twin) => hold(twin).silence(),
            Self::App(twin) => {
                hold(twin).outgoing();
            }
            Self::Mail(_) => {}
        }
    }

    /// Sends the message that `lock` has for this event, with these data.
    pub(super) fn tell(
        &self,
        lock: &Lock,
        event: &str,
        data: &BTreeMap<String, Json>,
        now: Timestamp,
    ) -> Result<(), String> {
        let named = message_of(lock, &About::Event(event.to_owned()));
        match (self, named) {
            (Self::App(twin), Some(message)) => {
                let data = Json::Object(data.clone().into_iter().collect());
                hold(twin).send(&message, data["id"].as_str().unwrap_or_default(), &data, now);
                Ok(())
            }
            (_, None) => Err(format!("{} sends no message about {event}", lock.product)),
            _ => Err(format!("{} has no events that are no records", lock.product)),
        }
    }

    /// Sends the message about a record as it is, though nothing of it changed.
    pub(super) fn tell_again(
        &self,
        lock: &Lock,
        entity: &str,
        id: &str,
        change: Change,
        now: Timestamp,
    ) -> Result<(), String> {
        let Self::App(twin) = self else { return Ok(()) };
        let about = About::Record { entity: entity.to_owned(), change };
        let message = message_of(lock, &about).ok_or_else(|| format!("{} sends no such message", lock.product))?;
        let mut twin = hold(twin);
        let data = twin.record(entity, id).cloned().map_or(json!({ "id": id }), Json::Object);
        twin.send(&message, id, &data, now);
        Ok(())
    }

    /// Sends the message that a record which was placed has been made.
    pub(super) fn tell_made(&self, lock: &Lock, entity: &str, id: &str, now: Timestamp) -> Result<(), String> {
        match self {
            Self::HubSpot(twin) => {
                hold(twin).tell_placed(entity, number(id)?, now);
                Ok(())
            }
            _ => self.tell_again(lock, entity, id, Change::Created, now),
        }
    }

    /// Messages wait to be delivered.
    pub(super) fn has_news(&self) -> bool {
        match self {
            Self::HubSpot(twin) => hold(twin).undelivered() > 0,
            Self::App(twin) => hold(twin).has_outgoing(),
            Self::Mail(_) => false,
        }
    }

    /// Every message that is delivered from now on arrives so many times.
    pub(super) fn repeat(&self, times: u32) {
        match self {
            Self::HubSpot(twin) => hold(twin).repeat_deliveries(times.saturating_sub(1)),
            Self::App(twin) => hold(twin).repeat_outgoing(times),
            Self::Mail(_) => {}
        }
    }

    /// The next `n` calls are answered with `status`.
    pub(super) fn fail_next(&self, n: usize, status: u16) {
        match self {
            Self::HubSpot(twin) => hold(twin).faults().fail_next(n, status),
            Self::App(twin) => hold(twin).faults().fail_next(n, status),
            Self::Mail(twin) => hold(twin).faults().fail_next(n, status),
        }
    }

    /// Puts other faults in place of those to come, and gives these.
    pub(super) fn exchange_faults(&self, faults: Faults) -> Faults {
        match self {
            Self::HubSpot(twin) => std::mem::replace(hold(twin).faults(), faults),
            Self::App(twin) => std::mem::replace(hold(twin).faults(), faults),
            Self::Mail(twin) => std::mem::replace(hold(twin).faults(), faults),
        }
    }

    /// Every call before `until` is answered with `status`.
    pub(super) fn answers(&self, status: u16, until: Timestamp) {
        match self {
            Self::HubSpot(twin) => hold(twin).faults().answers(status, until),
            Self::App(twin) => hold(twin).faults().answers(status, until),
            Self::Mail(twin) => hold(twin).faults().answers(status, until),
        }
    }
}

fn message_of(lock: &Lock, about: &About) -> Option<String> {
    let messages = lock.deliveries.iter().flat_map(|deliveries| &deliveries.messages);
    messages.into_iter().find(|(_, message)| message.about == *about).map(|(name, _)| name.clone())
}

fn number(id: &str) -> Result<u64, String> {
    id.parse().map_err(|_| format!("ids of HubSpot are numbers, `{id}` is none"))
}

/// HubSpot's properties are text.
fn texts(values: &BTreeMap<String, Json>) -> BTreeMap<String, String> {
    let text = |value: &Json| match value {
        Json::Null => String::new(),
        Json::String(text) => text.clone(),
        Json::Array(options) => {
            options.iter().map(|option| option.as_str().unwrap_or_default()).collect::<Vec<_>>().join(";")
        }
        other => other.to_string(),
    };
    values.iter().filter(|(name, _)| *name != "id").map(|(name, value)| (name.clone(), text(value))).collect()
}

/// The app's links are members of the record.
fn members(content: &Content) -> Map<String, Json> {
    let link = |id: &Option<String>| id.as_ref().map_or(Json::Null, |id| json!({ "id": id }));
    let values = content.values.iter().filter(|(name, _)| *name != "id").map(|(n, v)| (n.clone(), v.clone()));
    values.chain(content.links.iter().map(|(name, id)| (name.clone(), link(id)))).collect()
}

//! Messages about what changed, as the lock names them.
//!
//! In: a change of a record, or a login. Out: one envelope
//! `{"id", "type", "occurredAt", "data"}` on the topic of its record, for Kafka, for the webhook, or both.
//! Always true: a change that the lock has no message for is told to nobody; event ids never repeat.

use bytes::Bytes;
use dsl::schema::{About, Change};
use dsl::value::Timestamp;
use serde_json::{Value as Json, json};

use super::table::Record;
use super::{App, Refused, names};

/// A record to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Such as `biometrics.users`.
    pub topic: String,
    /// Id of the record it is about, so that messages about one record share a partition.
    pub key: String,
    /// The envelope as JSON.
    pub body: Bytes,
}

impl App {
    /// Takes what is to be published, oldest first.
    pub fn outgoing(&mut self) -> Vec<Outgoing> {
        let copies = self.copies as usize;
        self.outgoing.drain(..).flat_map(|message| std::iter::repeat_n(message, copies)).collect()
    }

    /// Something waits for [`App::outgoing`].
    #[must_use]
    pub fn has_outgoing(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// Each message comes so many times out of [`App::outgoing`], at least once, as at-least-once delivery allows.
    pub fn repeat_outgoing(&mut self, times: u32) {
        self.copies = times.max(1);
    }

    /// The topics that this app publishes to, in order of name.
    #[must_use]
    pub fn topics(&self) -> Vec<String> {
        let messages = self.lock.deliveries.iter().flat_map(|deliveries| deliveries.messages.keys());
        let topics: std::collections::BTreeSet<String> = messages.map(|name| self.topic(name)).collect();
        topics.into_iter().collect()
    }

    /// The user logs in.
    ///
    /// # Errors
    /// Where there is no such user, or the lock has no message about a login.
    pub fn login(&mut self, user: &str, now: Timestamp) -> Result<(), Refused> {
        const EVENT: &str = "Login";
        let record = self.record("User", user).ok_or(Refused::Missing)?;
        let messages = self.lock.deliveries.iter().flat_map(|deliveries| &deliveries.messages);
        let named = |message: &dsl::schema::Message| message.about == About::Event(EVENT.to_owned());
        let name = messages.into_iter().find(|(_, message)| named(message)).map(|(name, _)| name.clone());
        let (Some(name), Some(fields)) = (name, self.lock.events.get(EVENT)) else {
            return Err(Refused::request("the lock has no message about a login"));
        };
        let member = |field: &String| match field.as_str() {
            "at" => Json::from(now.to_string()),
            other => record.get(other).cloned().unwrap_or(Json::Null),
        };
        let data: Record = fields.keys().map(|field| (field.clone(), member(field))).collect();
        self.tell(&name, user, &Json::Object(data), now);
        Ok(())
    }

    /// Sends a message that the lock names, with these data, as if something in the app had caused it.
    pub fn send(&mut self, message: &str, key: &str, data: &Json, now: Timestamp) {
        self.tell(message, key, data, now);
    }

    /// Tells of a change, where the lock has a message for it.
    pub(super) fn tell_record(&mut self, entity: &str, change: Change, id: &str, record: &Record, at: Timestamp) {
        let about = About::Record { entity: entity.to_owned(), change };
        let messages = self.lock.deliveries.iter().flat_map(|deliveries| &deliveries.messages);
        let Some(name) = messages.into_iter().find(|(_, message)| message.about == about).map(|(name, _)| name.clone())
        else {
            return;
        };
        let data = if change == Change::Deleted { json!({ "id": id }) } else { Json::Object(record.clone()) };
        self.tell(&name, id, &data, at);
    }

    fn tell(&mut self, name: &str, key: &str, data: &Json, at: Timestamp) {
        self.events += 1;
        let id = format!("evt-{:x}-{}", self.settings.seed, self.events);
        let envelope = json!({ "id": id, "type": name, "occurredAt": at.to_string(), "data": data });
        if self.settings.kafka {
            let body = Bytes::from(envelope.to_string());
            self.outgoing.push_back(Outgoing { topic: self.topic(name), key: key.to_owned(), body });
        }
        if self.settings.webhook.is_some() {
            self.webhook.push(envelope);
        }
        self.changes.send_modify(|count| *count += 1);
    }

    /// The topic of a message: `user.logged_in` is on `biometrics.users`.
    fn topic(&self, message: &str) -> String {
        let about = message.split_once('.').map_or(message, |(about, _)| about);
        let known = self.lock.entities.keys().find(|entity| names::singular(entity) == about.replace('_', "-"));
        let plural = known.map_or_else(|| about.to_owned(), |entity| names::plural(entity));
        format!("{}.{plural}", self.settings.topic_prefix)
    }
}

//! The app's messages, from its webhook or from Kafka: `{"id", "type", "occurredAt", "data"}`, one or an array.
//!
//! In: a body. Out: messages as the lock names them; one that cannot be read is [`Malformed`] and leaves the others alone.
//! Always true: a key that is absent in `data` is unobserved, null
//! and `""` are values; a record is complete only where every field and link of the lock is there.

use dsl::decode::instant;
use dsl::schema::{About, Change, Deliveries, Lock};
use serde_json::Value as Json;

use crate::http::text;
use crate::port::{Body, Delivery, Malformed, Message, Observed, Unreadable};

/// Reads the body of one webhook call (one envelope or an array of them) or of one Kafka record.
pub(super) fn read(lock: &Lock, body: &[u8]) -> Result<Delivery, Unreadable> {
    let wrong = |what: String| Unreadable::Delivery(what);
    let json = crate::json::read(body).map_err(|error| wrong(format!("the body is no JSON: {error}")))?;
    let deliveries = lock.deliveries.as_ref();
    let deliveries = deliveries.ok_or_else(|| wrong("the lock says nothing of messages".to_owned()))?;
    let (envelopes, many) = match &json {
        Json::Array(envelopes) => (envelopes.as_slice(), true),
        Json::Object(_) => (std::slice::from_ref(&json), false),
        _ => return Err(wrong("the body is no message and no array of messages".to_owned())),
    };
    let mut delivery = Delivery::default();
    for (index, envelope) in envelopes.iter().enumerate() {
        match message(lock, deliveries, envelope) {
            Ok(message) => delivery.messages.push(message),
            Err(what) => {
                let reason = if many { format!("message {index}: {what}") } else { what };
                delivery.malformed.push(Malformed { reason, text: envelope.to_string() });
            }
        }
    }
    Ok(delivery)
}

fn message(lock: &Lock, deliveries: &Deliveries, envelope: &Json) -> Result<Message, String> {
    let missing = |member: &str| format!("it has no `{member}`");
    let name = inside(envelope, &deliveries.name).as_str().ok_or_else(|| missing(&deliveries.name))?.to_owned();
    let at = instant(deliveries.envelope.get(&deliveries.time), inside(envelope, &deliveries.time));
    let at = at.map_err(|fault| format!("the `{}` of `{name}` is no time: {fault}", deliveries.time))?;
    let at = at.ok_or_else(|| missing(&deliveries.time))?;
    let marks: Vec<String> = deliveries.dedupe.iter().map(|member| text(inside(envelope, member))).collect();
    if marks.iter().all(String::is_empty) && !marks.is_empty() {
        // Without a mark every message of a kind would count as a repetition of the first.
        return Err(missing(&deliveries.dedupe.join("`, `")));
    }
    let data = &envelope["data"];
    let body = match deliveries.messages.get(&name).map(|message| &message.about) {
        Some(About::Record { entity, change }) => {
            let mut observed = observed(lock, entity, data);
            if observed.id.is_empty() {
                return Err(missing("data.id"));
            }
            match change {
                Change::Linked => Body::Linked { entity: entity.clone(), id: observed.id },
                change => {
                    if matches!(change, Change::Deleted | Change::Erased) {
                        observed.complete = false;
                    }
                    Body::Record { entity: entity.clone(), change: *change, observed }
                }
            }
        }
        Some(About::Event(event)) => {
            let members = data.as_object().ok_or_else(|| missing("data"))?;
            Body::Event { event: event.clone(), fields: members.clone().into_iter().collect() }
        }
        None => Body::Foreign,
    };
    Ok(Message { name, at, dedupe: marks.join("|"), own: false, body })
}

/// A member of an envelope; a dotted name looks inside.
fn inside<'j>(envelope: &'j Json, name: &str) -> &'j Json {
    name.split('.').fold(envelope, |json, part| &json[part])
}

/// A record: links are `{"id": …}` or null, everything else is a field.
pub(super) fn observed(lock: &Lock, entity: &str, record: &Json) -> Observed {
    let known = lock.entities.get(entity);
    let mut observed = Observed { id: text(&record["id"]), ..Observed::default() };
    for (name, value) in record.as_object().into_iter().flatten() {
        if known.is_some_and(|known| known.links.contains_key(name)) {
            let id = if value.is_object() { text(&value["id"]) } else { text(value) };
            observed.links.insert(name.clone(), Some(id).filter(|id| !id.is_empty()));
        } else {
            observed.fields.insert(name.clone(), value.clone());
        }
    }
    let changed = known.map(|known| match &known.changed_at {
        dsl::schema::ChangedAt::Field(name) => (known.fields.get(name), &record[name.as_str()]),
        dsl::schema::ChangedAt::Unknown | dsl::schema::ChangedAt::PerField => (None, &record["updatedAt"]),
    });
    // Where it cannot be read, the time of the message or of the answer stands in for it.
    observed.changed_at = changed.and_then(|(declared, time)| instant(declared, time).ok().flatten());
    observed.complete = known.is_some_and(|known| {
        known.fields.keys().all(|field| observed.fields.contains_key(field))
            && known.links.keys().all(|link| observed.links.contains_key(link))
    });
    observed
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use dsl::value::Timestamp;

    use super::*;

    fn shipped() -> Lock {
        dsl::schema::read_lock(include_str!("../../../rules/schemas/app.lock")).unwrap()
    }

    fn envelope(ty: &str, data: &Json) -> Json {
        json!({"id": "evt-1", "type": ty, "occurredAt": "2026-03-02T09:00:00.120Z", "data": data})
    }

    fn one(ty: &str, data: &Json) -> Message {
        let read = read(&shipped(), envelope(ty, data).to_string().as_bytes()).unwrap();
        let [message] = read.messages.try_into().unwrap();
        message
    }

    fn record(message: Message) -> (Change, Observed) {
        let Body::Record { change, observed, .. } = message.body else { panic!("{message:?}") };
        (change, observed)
    }

    fn whole_note() -> Json {
        json!({"id": "n1", "crmNoteId": null, "body": "text", "createdAt": "2026-03-02T08:00:00Z",
               "updatedAt": "2026-03-02T09:00:00Z", "user": {"id": "u1", "email": "a hint only"}})
    }

    #[test]
    fn a_whole_record_is_complete_and_its_links_are_ids() {
        let message = one("note.updated", &whole_note());
        assert_eq!((message.dedupe.as_str(), message.at), ("evt-1", Timestamp(1_772_442_000_120)));
        let (change, note) = record(message);
        assert_eq!((change, note.id.as_str(), note.complete), (Change::Updated, "n1", true));
        assert_eq!(note.links["user"].as_deref(), Some("u1"));
        assert_eq!(note.fields["crmNoteId"], Json::Null);
        assert_eq!(note.changed_at, Timestamp::parse("2026-03-02T09:00:00Z"));
    }

    #[test]
    fn an_absent_key_is_unobserved_and_the_record_not_complete() {
        for absent in ["crmNoteId", "user"] {
            let mut data = whole_note();
            data.as_object_mut().unwrap().remove(absent);
            let (_, note) = record(one("note.updated", &data));
            assert!(!note.complete, "{absent}");
            assert!(!note.fields.contains_key(absent) && !note.links.contains_key(absent), "{absent}");
        }
    }

    #[test]
    fn a_link_to_nothing_is_observed() {
        for nothing in [Json::Null, json!(""), json!({"id": null}), json!({})] {
            let mut data = whole_note();
            data["user"] = nothing.clone();
            let (_, note) = record(one("note.updated", &data));
            assert_eq!(note.links.get("user"), Some(&None), "{nothing}");
            assert!(note.complete);
        }
    }

    #[test]
    fn a_deletion_says_nothing_of_fields() {
        let (change, user) = record(one("user.deleted", &json!({"id": "u1"})));
        assert_eq!((change, user.id.as_str(), user.complete), (Change::Deleted, "u1", false));
    }

    #[test]
    fn a_structured_field_stays_json() {
        let details = json!({"report": "sleep", "pages": 3});
        let (_, activity) = record(one("activity.created", &json!({"id": "a1", "details": details})));
        assert_eq!(activity.fields["details"], details);
    }

    #[test]
    fn an_event_has_members_and_no_record() {
        let message =
            one("user.logged_in", &json!({"id": "u1", "email": "ada@example.com", "at": "2026-03-02T09:00:00Z"}));
        let Body::Event { event, fields } = message.body else { panic!("no event") };
        assert_eq!((event.as_str(), &fields["email"]), ("Login", &json!("ada@example.com")));
    }

    #[test]
    fn one_envelope_and_an_array_are_read_alike() {
        let both = json!([envelope("user.deleted", &json!({"id": "u1"})), envelope("no.such", &json!({"id": 1}))]);
        let messages = read(&shipped(), both.to_string().as_bytes()).unwrap().messages;
        assert_eq!(messages.len(), 2);
        assert_eq!(messages[0], one("user.deleted", &json!({"id": "u1"})));
        assert_eq!(messages[1].body, Body::Foreign);
        assert_eq!(read(&shipped(), b"[]"), Ok(Delivery::default()));
    }

    #[test]
    fn a_message_that_cannot_be_read_leaves_the_others_alone() {
        let good = envelope("user.deleted", &json!({"id": "u1"}));
        let without = |member: &str| {
            let mut envelope = envelope("user.updated", &json!({"id": "u1"}));
            envelope.as_object_mut().unwrap().remove(member);
            envelope
        };
        let no_time = json!({"id": "e", "type": "user.updated", "occurredAt": "yesterday", "data": {"id": "u1"}});
        let bad = ["id", "type", "occurredAt", "data"].map(without);
        for bad in bad.into_iter().chain([no_time, json!({}), json!([]), json!(7)]) {
            let read = read(&shipped(), json!([bad, good]).to_string().as_bytes()).unwrap();
            assert_eq!(read.messages, [one("user.deleted", &json!({"id": "u1"}))], "{bad}");
            let [malformed] = read.malformed.try_into().unwrap();
            assert_eq!(malformed.text, bad.to_string());
            assert!(malformed.reason.starts_with("message 0: "), "{malformed:?}");
        }
        let alone = read(&shipped(), b"{}").unwrap();
        assert_eq!((alone.messages.len(), alone.malformed.len()), (0, 1));
    }

    #[test]
    fn what_holds_no_messages_is_unreadable_as_a_whole() {
        for body in ["", "1", "null", "\"x\"", "[{}", "{"] {
            assert!(read(&shipped(), body.as_bytes()).is_err(), "{body}");
        }
    }
}

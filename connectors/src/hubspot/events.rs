//! HubSpot's webhook events (CONTRACT section 6), classic and generic, as messages of the lock.

use std::collections::BTreeMap;

use dsl::schema::{About, Change, Lock};
use dsl::value::Moment;
use serde_json::Value as Json;

use super::text;
use crate::port::{Body, Message, Observed, Unreadable};

/// Reads one delivery: an array of events.
///
/// # Errors
/// Where the body is no array of objects with a type and a time.
pub fn read(lock: &Lock, app_id: Option<u64>, body: &[u8]) -> Result<Vec<Message>, Unreadable> {
    let wrong = |reason: &str| Unreadable::Delivery(reason.to_owned());
    let json: Json = serde_json::from_slice(body).map_err(|error| Unreadable::Delivery(error.to_string()))?;
    let events = json.as_array().ok_or_else(|| wrong("the body is no array of events"))?;
    events.iter().map(|event| message(lock, app_id, event)).collect()
}

fn message(lock: &Lock, app_id: Option<u64>, event: &Json) -> Result<Message, Unreadable> {
    let wrong = |reason: &str| Unreadable::Delivery(reason.to_owned());
    let kind = event["subscriptionType"]
        .as_str()
        .or_else(|| event["eventType"].as_str())
        .ok_or_else(|| wrong("an event has no subscriptionType"))?;
    let at = event["occurredAt"].as_i64().map(Moment).ok_or_else(|| wrong("an event has no occurredAt"))?;
    let name = classic(lock, kind, event);
    let dedupe = lock
        .deliveries
        .iter()
        .flat_map(|d| &d.dedupe)
        .map(|field| if field == "subscriptionType" { name.clone() } else { text(&event[field.as_str()]) })
        .collect::<Vec<_>>()
        .join("|");
    let own = matches!(event["changeSource"].as_str(), Some("INTEGRATION" | "API"))
        && app_id.is_some_and(|app| {
            text(&event["sourceId"]) == app.to_string()
                || (event["sourceId"].is_null() && event["appId"].as_u64() == Some(app))
        });
    let body = body(lock, &name, event);
    Ok(Message { name, at, dedupe, own, body })
}

/// `object.creation` with `objectTypeId` 0-46 is `note.creation`.
fn classic(lock: &Lock, kind: &str, event: &Json) -> String {
    let Some(change) = kind.strip_prefix("object.") else { return kind.to_owned() };
    let ty = event["objectTypeId"].as_str().or_else(|| event["fromObjectTypeId"].as_str());
    let entity = ty.and_then(|ty| lock.entities.iter().find(|(_, e)| e.remote.as_deref() == Some(ty)));
    match entity {
        Some((name, _)) => format!("{}.{change}", name.to_lowercase()),
        None => kind.to_owned(),
    }
}

fn body(lock: &Lock, name: &str, event: &Json) -> Body {
    let Some(About::Record { entity, change }) =
        lock.deliveries.as_ref().and_then(|d| d.messages.get(name)).map(|m| &m.about)
    else {
        return Body::Foreign;
    };
    let id = text(&event["objectId"]);
    match change {
        Change::Merged => {
            let primary = text(&event["primaryObjectId"]);
            let into = match text(&event["newObjectId"]) {
                new if new.is_empty() => primary.clone(),
                new => new,
            };
            let into = if into.is_empty() { id } else { into };
            let mut gone: Vec<String> = event["mergedObjectIds"].as_array().into_iter().flatten().map(text).collect();
            if !primary.is_empty() && primary != into {
                gone.push(primary);
            }
            Body::Merged { entity: entity.clone(), into, gone }
        }
        Change::Linked => {
            let from = text(&event["fromObjectId"]);
            Body::Linked { entity: entity.clone(), id: if from.is_empty() { id } else { from } }
        }
        change => {
            let mut fields = BTreeMap::new();
            // A sensitive value is withheld; it was not observed.
            if let (Some(property), Some(value)) = (event["propertyName"].as_str(), event.get("propertyValue"))
                && value.as_str() != Some("REDACTED")
            {
                fields.insert(property.to_owned(), value.clone());
            }
            let observed = Observed { id, fields, ..Observed::default() };
            Body::Record { entity: entity.clone(), change: *change, observed }
        }
    }
}

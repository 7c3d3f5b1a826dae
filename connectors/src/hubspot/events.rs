//! HubSpot's webhook events (CONTRACT section 6), classic and generic, as messages of the lock.
//!
//! In: the body of one delivery, an array of events. Out: one [`Message`] per event, in the order of the array; an
//! event without a type or a time is [`Malformed`] and leaves the others alone.
//! Always true: a generic event (`object.*` with an `objectTypeId`) gets the name that the lock has for that type, so
//! both forms mean the same; an event that the lock has no name for, or that names no record, is [`Body::Foreign`],
//! never an error, because one refused event would bring its whole delivery again for a day; a value that HubSpot
//! withholds is unobserved. Not here: signatures, repetitions (the engine keeps [`Message::dedupe`]), order.

use std::collections::BTreeMap;

use dsl::schema::{About, Change, Deliveries, Lock};
use dsl::value::Timestamp;
use serde_json::Value as Json;

use crate::http::text;
use crate::planted::{Mutant, planted};
use crate::port::{Body, Delivery, Malformed, Message, Observed, Strangers, Unreadable};

/// Stands in the place of a sensitive value, which is not sent.
const WITHHELD: &str = "REDACTED";

/// Reads one delivery: an array of events. `app_id` is our own app, to know our own echoes; with `portal_id` events of
/// another account are left out.
///
/// # Errors
/// Where the body is no array, and where all of its events are of another account.
pub fn read(lock: &Lock, app_id: Option<u64>, portal_id: Option<u64>, body: &[u8]) -> Result<Delivery, Unreadable> {
    let wrong = |reason: String| Unreadable::Delivery(reason);
    let json = crate::json::read(body).map_err(|error| wrong(format!("the body is no JSON: {error}")))?;
    let events = json.as_array().ok_or_else(|| wrong("the body is no array of events".to_owned()))?;
    let mut delivery = Delivery::default();
    for (index, event) in events.iter().enumerate() {
        // One without an account is judged by the rest of it: its signature fits.
        if let (Some(ours), Some(account)) = (portal_id, event["portalId"].as_u64())
            && ours != account
        {
            let messages = delivery.strangers.map_or(0, |strangers| strangers.messages) + 1;
            delivery.strangers = Some(Strangers { messages, account, ours });
            continue;
        }
        match message(lock, app_id, event) {
            Ok(message) => delivery.messages.push(message),
            Err(what) => {
                delivery
                    .malformed
                    .push(Malformed { reason: format!("event {index}: {what}"), text: event.to_string() });
            }
        }
    }
    match delivery.strangers {
        Some(strangers) if delivery.messages.is_empty() && delivery.malformed.is_empty() => {
            Err(Unreadable::OtherAccount(strangers))
        }
        _ => Ok(delivery),
    }
}

fn message(lock: &Lock, app_id: Option<u64>, event: &Json) -> Result<Message, String> {
    if !event.is_object() {
        return Err("it is no object".to_owned());
    }
    // The documentation's table calls it `eventType`, deliveries `subscriptionType`.
    let kind = event["subscriptionType"].as_str().or_else(|| event["eventType"].as_str());
    let kind = kind.ok_or("it has no `subscriptionType`")?;
    let at = occurred(&event["occurredAt"]).ok_or("its `occurredAt` is no number of milliseconds")?;
    let name = lock.deliveries.as_ref().and_then(|known| own_name(lock, known, kind, event));
    let name = name.unwrap_or_else(|| kind.to_owned());
    let dedupe = lock
        .deliveries
        .iter()
        .flat_map(|deliveries| &deliveries.dedupe)
        .filter(|field| *field == "eventId" || !planted(Mutant::DedupeByEventId))
        // Under its own name, so that a classic and a generic subscription to one change make one message.
        .map(|field| if field == "subscriptionType" { name.clone() } else { text(&event[field.as_str()]) })
        // An association is told apart by its two ends: of one moment there may be many, and some name no `objectId`.
        .chain(["fromObjectId", "toObjectId"].iter().map(|end| text(&event[*end])).filter(|end| !end.is_empty()))
        .collect::<Vec<_>>()
        .join("|");
    let body = body(lock, &name, event);
    Ok(Message { own: is_own(app_id, event), name, at, dedupe, body })
}

/// The first time that an event can have: HubSpot is younger. A count of seconds lies before it.
const FIRST: Timestamp = Timestamp(946_684_800_000);

/// When an event happened. A time that no event can have is the last there is: the engine takes what is still to come
/// as now, and says so.
fn occurred(value: &Json) -> Option<Timestamp> {
    let number = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let number: i128 = number.parse().ok()?;
    let at = i64::try_from(number).map_or(Timestamp(i64::MAX), Timestamp);
    Some(if at < FIRST { Timestamp(i64::MAX) } else { at })
}

/// The name in the lock of a generic event: `object.creation` with `objectTypeId` 0-46 is `note.creation`.
/// `None` where it is a classic one, or where the lock has no such object or message.
fn own_name(lock: &Lock, deliveries: &Deliveries, kind: &str, event: &Json) -> Option<String> {
    let change = kind.strip_prefix("object.")?;
    let ty = event["objectTypeId"].as_str().or_else(|| event["fromObjectTypeId"].as_str())?;
    let of_type = |entity: &str| lock.entities.get(entity).is_some_and(|known| known.remote.as_deref() == Some(ty));
    let named = |name: &str, about: &About| {
        let About::Record { entity, .. } = about else { return false };
        of_type(entity) && name.split_once('.').is_some_and(|(_, end)| end == change)
    };
    deliveries.messages.iter().find(|(name, message)| named(name, &message.about)).map(|(name, _)| name.clone())
}

/// A write of ours, by its source. Where HubSpot names no source, the app that the delivery is for stands in: that
/// can be wrong, so nothing but the pace of intake may depend on it (CONTRACT 9.1).
fn is_own(app_id: Option<u64>, event: &Json) -> bool {
    let Some(app) = app_id else { return false };
    let by_app = matches!(event["changeSource"].as_str(), Some("INTEGRATION" | "API"));
    let source = text(&event["sourceId"]);
    let ours = if source.is_empty() { text(&event["appId"]) } else { source };
    by_app && ours == app.to_string()
}

fn body(lock: &Lock, name: &str, event: &Json) -> Body {
    let about = lock.deliveries.as_ref().and_then(|known| known.messages.get(name)).map(|message| &message.about);
    let (entity, change) = match about {
        Some(About::Record { entity, change }) => (entity.clone(), *change),
        Some(About::Event(event_name)) => {
            let members = event.as_object().into_iter().flatten();
            let fields = members.map(|(name, value)| (name.clone(), value.clone())).collect();
            return Body::Event { event: event_name.clone(), fields };
        }
        None => return Body::Foreign,
    };
    let id = text(&event["objectId"]);
    let read = match change {
        Change::Merged => merged(&entity, &id, event),
        Change::Linked => {
            // Some association events come without `objectId`.
            let from = text(&event["fromObjectId"]);
            let id = if from.is_empty() { id } else { from };
            (!id.is_empty()).then_some(Body::Linked { entity, id })
        }
        change => (!id.is_empty()).then(|| {
            let observed = Observed { id, fields: fields(change, event), ..Observed::default() };
            Body::Record { entity, change, observed }
        }),
    };
    read.unwrap_or_else(|| {
        tracing::warn!(name, event_id = %event["eventId"], "event names no record and is passed over");
        Body::Foreign
    })
}

/// `newObjectId` lives on where it is said; every other id that is mentioned is gone. What `objectId` holds on a merge
/// is not documented, so it counts as gone only beside an id that lives.
fn merged(entity: &str, object: &str, event: &Json) -> Option<Body> {
    let primary = text(&event["primaryObjectId"]);
    let living = [text(&event["newObjectId"]), primary.clone(), object.to_owned()];
    let into = living.into_iter().find(|id| !id.is_empty())?;
    let mentioned = event["mergedObjectIds"].as_array().into_iter().flatten().map(text);
    let mut gone: Vec<String> = Vec::new();
    // The primary first: its values live on, so what hangs on it is the first to follow.
    for id in std::iter::once(primary).chain(mentioned).chain([object.to_owned()]) {
        if !id.is_empty() && id != into && !gone.contains(&id) {
            gone.push(id);
        }
    }
    Some(Body::Merged { entity: entity.to_owned(), into, gone })
}

/// The one property that an event speaks of. An empty value, `""` or null, is a value.
fn fields(change: Change, event: &Json) -> BTreeMap<String, Json> {
    let (Some(name), Some(value)) = (event["propertyName"].as_str(), event.get("propertyValue")) else {
        return BTreeMap::new();
    };
    // `isSensitive` stands on generic events only; where it says no, a person did write that word.
    let withheld = value.as_str() == Some(WITHHELD) && event["isSensitive"].as_bool() != Some(false);
    if withheld || matches!(change, Change::Deleted | Change::Erased) {
        return BTreeMap::new();
    }
    BTreeMap::from([(name.to_owned(), value.clone())])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shipped() -> Lock {
        dsl::schema::read_lock(include_str!("../../../rules/schemas/crm.lock")).unwrap()
    }

    /// Reads one event with what every event has.
    fn one(members: &Json) -> Message {
        let mut event = json!({"eventId": 1, "portalId": 9, "appId": 77, "occurredAt": 1_795_511_400_120_i64,
                               "attemptNumber": 0, "changeSource": "CRM_UI", "sourceId": "userId:5"});
        event.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        let body = json!([event]).to_string();
        let [message] = read(&shipped(), Some(77), None, body.as_bytes()).unwrap().messages.try_into().unwrap();
        message
    }

    fn observed(message: Message) -> Observed {
        let Body::Record { observed, .. } = message.body else { panic!("{message:?}") };
        observed
    }

    #[test]
    fn a_changed_property_is_one_observed_field() {
        let message = one(&json!({"subscriptionType": "contact.propertyChange", "objectId": 201_000_000_101_i64,
                                  "propertyName": "firstname", "propertyValue": "Ada"}));
        assert_eq!(message.at, Timestamp(1_795_511_400_120));
        assert_eq!(message.dedupe, "9|contact.propertyChange|201000000101|firstname|1795511400120|1");
        let Body::Record { entity, change, observed } = &message.body else { panic!("{message:?}") };
        assert_eq!((entity.as_str(), *change, observed.id.as_str()), ("Contact", Change::Updated, "201000000101"));
        assert_eq!(observed.fields, BTreeMap::from([("firstname".to_owned(), json!("Ada"))]));
        assert!(!observed.complete);
    }

    #[test]
    fn generic_and_classic_events_of_one_change_are_one_message() {
        let members = |kind| {
            json!({"subscriptionType": kind, "objectTypeId": "0-3", "objectId": 3,
                   "propertyName": "dealstage", "propertyValue": "closedwon"})
        };
        assert_eq!(one(&members("object.propertyChange")), one(&members("deal.propertyChange")));
        let note = one(&json!({"eventType": "object.creation", "objectTypeId": "0-46", "objectId": 4}));
        assert_eq!(note.name, "note.creation");
        assert!(matches!(note.body, Body::Record { entity, change: Change::Created, .. } if entity == "Note"));
    }

    #[test]
    fn names_that_the_lock_does_not_have_are_foreign() {
        for members in [
            json!({"subscriptionType": "conversation.creation", "objectId": 1}),
            json!({"subscriptionType": "object.creation", "objectTypeId": "2-777", "objectId": 1}),
            json!({"subscriptionType": "object.restore", "objectTypeId": "0-46", "objectId": 1}),
            json!({"subscriptionType": "object.creation", "objectId": 1}),
            json!({"subscriptionType": "company.deletion", "objectId": 1}),
        ] {
            assert_eq!(one(&members).body, Body::Foreign, "{members}");
        }
    }

    #[test]
    fn an_empty_value_is_observed_and_a_withheld_one_is_not() {
        let value = |members: Json| {
            let mut event =
                json!({"subscriptionType": "contact.propertyChange", "objectId": 1, "propertyName": "phone"});
            event.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
            observed(one(&event)).fields.get("phone").cloned()
        };
        assert_eq!(value(json!({"propertyValue": ""})), Some(json!("")));
        assert_eq!(value(json!({"propertyValue": null})), Some(Json::Null));
        assert_eq!(value(json!({})), None);
        assert_eq!(value(json!({"propertyValue": "REDACTED", "isSensitive": true})), None);
        assert_eq!(value(json!({"propertyValue": "REDACTED"})), None);
        assert_eq!(value(json!({"propertyValue": "REDACTED", "isSensitive": false})), Some(json!("REDACTED")));
    }

    #[test]
    fn the_id_that_a_merge_leaves_alive_is_never_among_the_gone() {
        let merge = |members: Json| {
            let mut event = json!({"subscriptionType": "contact.merge"});
            event.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
            let Body::Merged { into, gone, .. } = one(&event).body else { panic!("{members}") };
            (into, gone)
        };
        let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
        let third = json!({"objectId": 1, "primaryObjectId": 1, "mergedObjectIds": [2], "newObjectId": 3});
        assert_eq!(merge(third), ("3".to_owned(), ids(&["1", "2"])));
        let old = json!({"objectId": 1, "primaryObjectId": 1, "mergedObjectIds": [2]});
        assert_eq!(merge(old), ("1".to_owned(), ids(&["2"])));
        let loser = json!({"objectId": 2, "primaryObjectId": 1, "mergedObjectIds": [2]});
        assert_eq!(merge(loser), ("1".to_owned(), ids(&["2"])));
        let living = json!({"objectId": 3, "primaryObjectId": 1, "mergedObjectIds": [2, 3], "newObjectId": 3});
        assert_eq!(merge(living), ("3".to_owned(), ids(&["1", "2"])));
    }

    #[test]
    fn an_association_change_names_the_record_it_starts_from() {
        let members = json!({"subscriptionType": "contact.associationChange", "fromObjectId": 5, "toObjectId": 6});
        assert_eq!(one(&members).body, Body::Linked { entity: "Contact".to_owned(), id: "5".to_owned() });
        let generic = json!({"subscriptionType": "object.associationChange", "fromObjectTypeId": "0-46",
                             "toObjectTypeId": "0-1", "fromObjectId": 7, "toObjectId": 6});
        assert_eq!(one(&generic).body, Body::Linked { entity: "Note".to_owned(), id: "7".to_owned() });
    }

    #[test]
    fn two_associations_of_one_moment_are_two_messages_whatever_their_event_ids() {
        let of = |from: u64, to: u64| {
            one(&json!({"subscriptionType": "deal.associationChange", "fromObjectId": from, "toObjectId": to})).dedupe
        };
        assert_eq!(of(5, 6), of(5, 6));
        assert_ne!(of(5, 6), of(7, 6));
        assert_ne!(of(5, 6), of(5, 7));
    }

    #[test]
    fn erasures_and_restores_are_told_apart_from_deletions() {
        let change = |kind| match one(&json!({"subscriptionType": kind, "objectId": 1})).body {
            Body::Record { change, .. } => change,
            other => panic!("{other:?}"),
        };
        assert_eq!(change("contact.deletion"), Change::Deleted);
        assert_eq!(change("contact.privacyDeletion"), Change::Erased);
        assert_eq!(change("contact.restore"), Change::Restored);
    }

    #[test]
    fn only_a_write_of_our_own_app_is_our_own() {
        let own = |source: &str, id: Json| {
            one(&json!({"subscriptionType": "contact.creation", "objectId": 1, "changeSource": source, "sourceId": id}))
                .own
        };
        assert!(own("INTEGRATION", json!("77")));
        assert!(own("API", json!(77)));
        assert!(own("INTEGRATION", Json::Null));
        assert!(!own("INTEGRATION", json!("78")));
        assert!(!own("CRM_UI", json!("77")));
        assert!(!own("CRM_UI", json!("userId:77")));
    }

    #[test]
    fn an_event_without_a_record_does_not_spoil_its_delivery() {
        let body = json!([
            {"subscriptionType": "contact.creation", "occurredAt": 1_795_511_400_120_i64},
            {"subscriptionType": "contact.creation", "occurredAt": "1795511400121", "objectId": "3"},
        ]);
        let read = read(&shipped(), None, None, body.to_string().as_bytes()).unwrap();
        let [without, with] = read.messages.try_into().unwrap();
        assert_eq!(without.body, Body::Foreign);
        assert_eq!((with.at, observed(with).id.as_str()), (Timestamp(1_795_511_400_121), "3"));
    }

    #[test]
    fn an_event_that_cannot_be_read_does_not_spoil_its_delivery() {
        let bad = [
            json!(1),
            json!({}),
            json!({"subscriptionType": "contact.creation"}),
            json!({"occurredAt": 1_795_511_400_120_i64}),
        ];
        let good = |id: u64| json!({"subscriptionType": "contact.creation", "occurredAt": 1_795_511_400_120_i64, "objectId": id});
        for bad in bad {
            let body = json!([good(3), bad, good(4)]);
            let Delivery { messages, malformed, .. } =
                read(&shipped(), None, None, body.to_string().as_bytes()).unwrap();
            let ids: Vec<String> = messages.into_iter().map(|message| observed(message).id).collect();
            assert_eq!(ids, ["3", "4"], "{bad}");
            let [malformed] = malformed.try_into().unwrap();
            assert_eq!(malformed.text, bad.to_string());
            assert!(malformed.reason.starts_with("event 1: "), "{malformed:?}");
        }
    }

    #[test]
    fn what_is_no_array_is_unreadable_as_a_whole() {
        for body in ["", "{}", "1", "null", "[1"] {
            assert!(read(&shipped(), None, None, body.as_bytes()).is_err(), "{body}");
        }
        assert_eq!(read(&shipped(), None, None, b"[]"), Ok(Delivery::default()));
    }

    #[test]
    fn a_time_that_no_event_can_have_is_one_that_is_still_to_come() {
        let at = |occurred: Json| {
            let mut event = json!({"subscriptionType": "contact.creation", "objectId": 1});
            event["occurredAt"] = occurred;
            let body = json!([event]).to_string();
            read(&shipped(), None, None, body.as_bytes()).unwrap().messages.first().map(|message| message.at)
        };
        let good = Timestamp(1_795_511_400_120);
        assert_eq!(at(json!(good.0)), Some(good));
        assert_eq!(at(json!(good.0.to_string())), Some(good));
        for never in [json!(0), json!(-1), json!(1_795_511_400), json!(u64::MAX), json!("99999999999999999999")] {
            assert_eq!(at(never), Some(Timestamp(i64::MAX)));
        }
        for none in [json!("soon"), json!(null), json!(1.5), json!([1])] {
            assert_eq!(at(none), None);
        }
    }

    #[test]
    fn events_of_another_account_are_left_out_and_a_delivery_of_nothing_else_is_refused() {
        let event = |portal: Option<u64>| {
            let mut event = serde_json::json!({"subscriptionType": "contact.propertyChange", "occurredAt": 1_772_442_000_000_i64,
                "objectId": 1, "propertyName": "phone", "propertyValue": "1", "eventId": portal.unwrap_or_default()});
            if let Some(portal) = portal {
                event["portalId"] = portal.into();
            }
            event
        };
        let read = |ours: Option<u64>, portals: &[Option<u64>]| {
            let events: Vec<Json> = portals.iter().copied().map(event).collect();
            super::read(&shipped(), None, ours, Json::from(events).to_string().as_bytes())
        };
        let mixed = read(Some(99), &[Some(99), Some(555), None]).expect("ours are taken");
        assert_eq!(
            (mixed.messages.len(), mixed.strangers),
            (2, Some(Strangers { messages: 1, account: 555, ours: 99 }))
        );
        let refused = read(Some(99), &[Some(555), Some(555)]).expect_err("none is ours");
        assert_eq!(refused.to_string(), "this is of the account 555, and the settings say 99 (`portal_id`)");
        assert_eq!(read(None, &[Some(99), Some(555)]).map(|all| all.messages.len()), Ok(2));
        assert_eq!(read(Some(99), &[]).map(|none| none.messages.len()), Ok(0));
    }
}

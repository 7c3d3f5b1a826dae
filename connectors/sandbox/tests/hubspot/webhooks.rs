//! Deliveries: what is in them, their signatures, and what becomes of one that is not taken.

use connectors::hubspot::signature::{sign_v1, sign_v3};
use connectors::secret::Secret;
use dsl::value::Duration;
use sandbox::hubspot::Delivery;
use serde_json::{Value as Json, json};

use super::{COMPANIES, CONTACTS, WEBHOOK, World};

fn events_of(delivery: &Delivery) -> Vec<Json> {
    serde_json::from_slice(delivery.request.body()).unwrap()
}

/// All events that wait, taken by the receiver.
fn taken(world: &mut World) -> Vec<Json> {
    let mut events = Vec::new();
    loop {
        let now = world.later(Duration::seconds(1));
        let due = world.twin.due(now);
        if due.is_empty() {
            return events;
        }
        for delivery in due {
            events.extend(events_of(&delivery));
            world.twin.delivered(delivery.id, Some(200), now);
        }
    }
}

fn named<'a>(events: &'a [Json], name: &str) -> Vec<&'a Json> {
    events.iter().filter(|event| event["subscriptionType"] == name).collect()
}

#[test]
fn a_creation_comes_with_an_event_for_each_property_at_the_same_time() {
    let mut world = World::new();
    let (at, ada) = (world.now, world.contact(&json!({"email": "ada@example.com", "firstname": "Ada"})));
    let events = taken(&mut world);
    let names: Vec<&str> =
        named(&events, "contact.propertyChange").iter().map(|e| e["propertyName"].as_str().unwrap()).collect();
    assert_eq!((named(&events, "contact.creation").len(), names.len()), (1, 3), "{names:?}");
    for event in &events {
        assert_eq!((event["occurredAt"].as_i64(), event["objectId"].to_string()), (Some(at.0), ada.clone()));
        assert_eq!(
            (&event["portalId"], &event["appId"], &event["attemptNumber"]),
            (&json!(99_000_111), &json!(7_700_123), &json!(0))
        );
        assert_eq!(
            (&event["changeSource"], &event["sourceId"]),
            (&json!("INTEGRATION"), &json!("7700123")),
            "our own echo"
        );
    }
    let created = events.iter().find(|event| event["propertyName"] == "createdate").unwrap();
    assert_eq!(created["propertyValue"], json!(at.0.to_string()), "times are milliseconds here");
}

#[test]
fn a_persons_change_has_another_source_and_an_equal_value_is_no_event() {
    let mut world = World::new();
    let ada = world.contact(&json!({"firstname": "Ada"})).parse().unwrap();
    taken(&mut world);
    world.twin.edit("Contact", ada, &[("firstname", "Ada"), ("phone", "1")], world.now).unwrap();
    let events = taken(&mut world);
    assert_eq!(events.len(), 1);
    assert_eq!((&events[0]["propertyName"], &events[0]["changeSource"]), (&json!("phone"), &json!("CRM_UI")));
    assert_eq!(events[0]["sourceId"], "userId:55500011");
}

#[test]
fn deliveries_hold_at_most_a_hundred_events_in_no_order() {
    let mut world = World::new();
    for n in 0..60 {
        world.contact(&json!({"firstname": format!("{n}"), "email": format!("{n}@example.com")}));
    }
    let now = world.later(Duration::seconds(1));
    let due = world.twin.due(now);
    let sizes: Vec<usize> = due.iter().map(|delivery| events_of(delivery).len()).collect();
    assert_eq!(sizes, [100, 100, 40]);
    let ids: Vec<u64> = due.iter().flat_map(events_of).map(|event| event["eventId"].as_u64().unwrap()).collect();
    assert!(!ids.is_sorted());
}

#[test]
fn a_delivery_is_signed_both_ways() {
    let mut world = World::new();
    world.contact(&json!({"firstname": "Ada"}));
    let now = world.later(Duration::seconds(1));
    let delivery = world.twin.due(now).remove(0);
    let header = |name: &str| delivery.request.headers()[name].to_str().unwrap().to_owned();
    let (secret, body) = (Secret::new("client-secret"), delivery.request.body());
    assert_eq!(header("x-hubspot-signature-version"), "v1");
    assert_eq!(header("x-hubspot-signature"), sign_v1(&secret, body));
    assert_eq!(header("x-hubspot-request-timestamp"), now.0.to_string());
    assert_eq!(header("x-hubspot-signature-v3"), sign_v3(&secret, "POST", WEBHOOK, body, &now.0.to_string()));
    assert!(header("user-agent").starts_with("HubSpot Connect 2.0"));
}

#[test]
fn a_delivery_that_is_not_taken_comes_again_ten_times_with_a_new_signature() {
    let mut world = World::new();
    world.contact(&json!({"firstname": "Ada"}));
    let mut attempts = Vec::new();
    let mut signatures = Vec::new();
    for outcome in [Some(500), None, Some(400)].into_iter().cycle().take(20) {
        let now = world.later(Duration::seconds(60));
        let Some(delivery) = world.twin.due(now).pop() else { break };
        attempts.push(events_of(&delivery)[0]["attemptNumber"].as_u64().unwrap());
        signatures.push(delivery.request.headers()["x-hubspot-signature-v3"].clone());
        world.twin.delivered(delivery.id, outcome, now);
    }
    assert_eq!(attempts, (0..=10).collect::<Vec<u64>>());
    signatures.dedup();
    assert_eq!(signatures.len(), 11);
    assert_eq!(world.twin.undelivered(), 0, "then HubSpot gives up");
}

#[test]
fn ten_deliveries_at_most_are_under_way() {
    let mut world = World::new();
    world.twin.repeat_deliveries(14);
    world.contact(&json!({"firstname": "Ada"}));
    let now = world.later(Duration::seconds(1));
    let first = world.twin.due(now);
    assert_eq!((first.len(), world.twin.due(now).len()), (10, 0));
    for delivery in first {
        world.twin.delivered(delivery.id, Some(200), now);
    }
    assert_eq!(world.twin.due(now).len(), 5, "and each of the fifteen comes");
}

#[test]
fn what_was_held_back_comes_one_by_one_the_latest_first_and_again() {
    let mut world = World::new();
    let id: u64 = world.contact(&json!({"firstname": "Ada"})).parse().unwrap();
    taken(&mut world);
    world.twin.hold_deliveries();
    for phone in ["1", "2"] {
        let now = world.later(Duration::seconds(1));
        world.twin.edit("Contact", id, &[("phone", phone)], now).unwrap();
    }
    let now = world.later(Duration::seconds(60));
    assert!(world.twin.due(now).is_empty() && world.twin.next_due().is_none(), "they are held");
    world.twin.deliver_backwards(2, now);
    let mut told = Vec::new();
    while world.twin.undelivered() > 0 {
        let due = world.twin.due(now);
        assert_eq!((due.len(), world.twin.due(now).len()), (1, 0), "one at a time");
        told.push(events_of(&due[0])[0]["propertyValue"].clone());
        world.twin.delivered(due[0].id, Some(200), now);
    }
    assert_eq!(told, ["2", "1", "2", "1"]);
}

#[test]
fn event_ids_collide_on_demand() {
    let mut world = World::new();
    world.twin.collide_event_ids(2);
    world.contact(&json!({"firstname": "Ada", "lastname": "Lovelace", "phone": "1"}));
    let mut ids: Vec<u64> = taken(&mut world).iter().map(|event| event["eventId"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), 5);
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids, [0, 1]);
}

#[test]
fn archive_restore_merge_and_privacy_deletion_are_told() {
    let mut world = World::new();
    let [ada, grace] = ["Ada", "Grace"].map(|name| {
        world.contact(&json!({"firstname": name, "email": format!("{name}@example.com")})).parse::<u64>().unwrap()
    });
    taken(&mut world);
    world.twin.archive("Contact", ada, world.now);
    let events = taken(&mut world);
    assert_eq!(named(&events, "contact.deletion")[0]["changeFlag"], "DELETED");
    world.twin.restore("Contact", ada, world.now).unwrap();
    let events = taken(&mut world);
    assert_eq!((events.len(), named(&events, "contact.restore")[0]["objectId"].as_u64()), (1, Some(ada)));
    let id = world.twin.merge("Contact", ada, grace, world.now).unwrap();
    let events = taken(&mut world);
    let merge = named(&events, "contact.merge")[0];
    assert_eq!(
        (&merge["primaryObjectId"], &merge["mergedObjectIds"], &merge["newObjectId"]),
        (&json!(ada), &json!([grace]), &json!(id))
    );
    world.twin.privacy_delete(id, world.now);
    let events = taken(&mut world);
    let mut names: Vec<&str> = events.iter().map(|event| event["subscriptionType"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["contact.deletion", "contact.privacyDeletion"]);
}

#[test]
fn a_link_is_told_from_both_ends_and_notes_only_in_the_generic_form() {
    let mut world = World::new();
    let ada = world.contact(&json!({"firstname": "Ada"}));
    let engines = world.post(COMPANIES, &json!({"properties": {"name": "Engines"}})).1["id"].clone();
    taken(&mut world);
    let note = json!({"properties": {"hs_timestamp": 0}, "associations": [{"to": {"id": ada}, "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 202}]}]});
    world.post("/crm/v3/objects/notes", &note);
    let events = taken(&mut world);
    let creation = named(&events, "object.creation")[0];
    assert_eq!((&creation["objectTypeId"], creation.get("fromObjectTypeId")), (&json!("0-46"), None));
    let generic = named(&events, "object.associationChange")[0];
    assert_eq!((&generic["fromObjectTypeId"], &generic["toObjectTypeId"]), (&json!("0-46"), &json!("0-1")));
    assert_eq!((&generic["associationTypeId"], generic.get("associationType")), (&json!(202), None));
    let classic = named(&events, "contact.associationChange")[0];
    assert_eq!(
        (&classic["associationType"], &classic["associationRemoved"]),
        (&json!("CONTACT_TO_NOTE"), &json!(false))
    );
    // Making a company primary makes the plain link too.
    let path = format!("/crm/v4/objects/contacts/{ada}/associations/companies/{}", engines.as_str().unwrap());
    world.call("PUT", &path, &json!([{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 1}]));
    let events = taken(&mut world);
    let mut primary: Vec<bool> = named(&events, "contact.associationChange")
        .iter()
        .map(|e| e["isPrimaryAssociation"].as_bool().unwrap())
        .collect();
    primary.sort_unstable();
    assert_eq!(primary, [false, true]);
    world.call("DELETE", &path, &Json::Null);
    assert_eq!(named(&taken(&mut world), "contact.associationChange")[0]["associationRemoved"], true);
}

#[test]
fn a_property_that_nobody_subscribed_to_is_silent() {
    let mut world = World::new();
    let property = json!({"name": "motto", "label": "Motto", "type": "string", "fieldType": "text", "groupName": "g"});
    world.post("/crm/v3/properties/contacts", &property);
    let ada = world.contact(&json!({"firstname": "Ada"}));
    taken(&mut world);
    world.call("PATCH", &format!("{CONTACTS}/{ada}"), &json!({"properties": {"motto": "Onward"}}));
    assert!(taken(&mut world).is_empty());
}

//! What the app is told of: subscriptions over HTTP and by the files of a project.

use sandbox::Model as _;
use sandbox::hubspot::{DEVELOPER_KEY, HubSpot};
use serde_json::{Value as Json, json};

use super::{World, opened, request};

const APP: &str = "/webhooks/v3/7700123";

fn call(world: &mut World, method: &str, path: &str, body: &Json) -> (u16, Json) {
    world.call(method, &format!("{APP}/{path}?hapikey={DEVELOPER_KEY}"), body)
}

/// Types and properties of what is told when a person makes a contact and a product.
fn told(world: &mut World) -> Vec<String> {
    world.twin.create("Contact", &[("firstname", "Ada"), ("phone", "1")], world.now).unwrap();
    world.twin.create("products", &[("name", "Loom")], world.now).unwrap();
    let later = world.later(dsl::value::Duration::seconds(1));
    let mut names = Vec::new();
    for delivery in world.twin.due(later) {
        let events: Json = serde_json::from_slice(delivery.request.body()).unwrap();
        for event in events.as_array().unwrap() {
            let property = event["propertyName"].as_str().map(|name| format!(" {name}")).unwrap_or_default();
            let kind = event["objectTypeId"].as_str().map(|kind| format!(" {kind}")).unwrap_or_default();
            names.push(format!("{}{kind}{property}", event["subscriptionType"].as_str().unwrap()));
        }
        world.twin.delivered(delivery.id, Some(200), later);
    }
    names.sort();
    names
}

fn empty() -> World {
    let World { twin: _, now } = World::new();
    let settings = super::settings();
    World { twin: HubSpot::empty(settings), now }
}

#[test]
fn a_lock_is_subscribed_to_by_its_messages_and_fields() {
    let mut world = World::new();
    let (status, listed) = call(&mut world, "GET", "subscriptions", &Json::Null);
    assert_eq!(status, 200);
    let named = |event: &str, property: Option<&str>| {
        let property = property.map_or(Json::Null, Json::from);
        let subscriptions = listed["results"].as_array().unwrap().iter();
        subscriptions.filter(|known| known["eventType"] == event && known["propertyName"] == property).count()
    };
    assert_eq!((named("contact.creation", None), named("contact.propertyChange", Some("phone"))), (1, 1));
    assert_eq!((named("contact.propertyChange", None), named("contact.propertyChange", Some("city"))), (0, 0));
    let notes = listed["results"].as_array().unwrap().iter().find(|known| known["eventType"] == "object.creation");
    assert_eq!(notes.unwrap()["objectTypeId"], "0-46");
    let expected = [
        "contact.creation",
        "contact.propertyChange createdate",
        "contact.propertyChange firstname",
        "contact.propertyChange phone",
    ];
    assert_eq!(told(&mut world), expected);
}

#[test]
fn an_empty_account_tells_nothing_until_somebody_subscribes() {
    let mut world = empty();
    assert_eq!(told(&mut world), [""; 0]);
    let phone = json!({"eventType": "contact.propertyChange", "propertyName": "phone"});
    let (status, made) = call(&mut world, "POST", "subscriptions", &phone);
    assert_eq!((status, &made["active"]), (201, &json!(false)));
    assert_eq!(told(&mut world), [""; 0], "new ones are paused");
    let path = format!("subscriptions/{}", made["id"].as_str().unwrap());
    assert_eq!(call(&mut world, "PATCH", &path, &json!({"active": true})).1["active"], true);
    let generic = json!({"eventType": "object.creation", "objectTypeId": "0-7", "active": true});
    let (_, products) = call(&mut world, "POST", "subscriptions", &generic);
    assert_eq!(told(&mut world), ["contact.propertyChange phone", "object.creation 0-7"]);
    let pause = json!({"inputs": [{"id": products["id"].as_str().unwrap().parse::<u64>().unwrap(), "active": false}]});
    let (status, paused) = call(&mut world, "POST", "subscriptions/batch/update", &pause);
    assert_eq!((status, &paused["results"][0]["active"]), (200, &json!(false)));
    assert_eq!(call(&mut world, "DELETE", &path, &Json::Null).0, 204);
    assert_eq!(call(&mut world, "GET", &path, &Json::Null).0, 404);
    assert_eq!(told(&mut world), [""; 0]);
}

#[test]
fn what_is_no_subscription_is_refused() {
    let mut world = World::new();
    for wrong in [
        json!({"eventType": "contact.create"}),
        json!({"eventType": "contact.propertyChange"}),
        json!({"eventType": "contact.propertyChange", "propertyName": "hs_lastmodifieddate"}),
        json!({"eventType": "object.creation"}),
        json!({"eventType": "object.creation", "objectTypeId": "rockets"}),
        json!({"eventType": "note.creation"}),
        json!({"eventType": "company.privacyDeletion"}),
    ] {
        assert_eq!(call(&mut world, "POST", "subscriptions", &wrong).0, 400, "{wrong}");
    }
    assert_eq!(world.get(&format!("{APP}/subscriptions?hapikey=wrong")).0, 401);
    assert_eq!(world.get(&format!("/webhooks/v3/1/subscriptions?hapikey={DEVELOPER_KEY}")).0, 404);
    assert_eq!(world.get(&format!("/app-webhooks/2026-09/7700123/settings?hapikey={DEVELOPER_KEY}")).0, 200);
}

#[test]
fn the_target_is_set_and_taken_away() {
    let mut world = empty();
    let settings = |number: u64| json!({"targetUrl": "https://other.example.com/", "throttling": {"maxConcurrentRequests": number}});
    assert_eq!(call(&mut world, "PUT", "settings", &settings(5)).0, 400, "it must be above five");
    let (status, set) = call(&mut world, "PUT", "settings", &settings(20));
    assert_eq!((status, &set["targetUrl"]), (200, &json!("https://other.example.com/")));
    assert_eq!(call(&mut world, "GET", "settings", &Json::Null).1["throttling"]["maxConcurrentRequests"], 20);
    assert_eq!(call(&mut world, "DELETE", "settings", &Json::Null).0, 204);
    assert_eq!(call(&mut world, "GET", "settings", &Json::Null).0, 404);
}

#[test]
fn the_files_of_a_project_say_what_the_app_may_do_and_is_told_of() {
    let mut world = empty();
    let upload = |world: &mut World, files: &Json| {
        let response = world.twin.control(&request("POST", "/_twin/app", files), world.now);
        (response.status().as_u16(), opened(&response))
    };
    let webhooks = |subscriptions: Json| {
        json!({"uid": "w", "type": "webhooks", "config": {
            "settings": {"targetUrl": "https://engine.example.com/hooks", "maxConcurrentRequests": 10},
            "subscriptions": subscriptions}})
    };
    let app = json!({"uid": "a", "type": "app", "config": {
        "auth": {"type": "static", "requiredScopes": ["crm.objects.contacts.read", "crm.objects.contacts.write"]}}});
    let sound = json!({
        "crmObjects": [{"subscriptionType": "object.creation", "objectType": "contact", "active": true},
                       {"subscriptionType": "object.propertyChange", "objectType": "contact", "propertyName": "phone"}],
        "legacyCrmObjects": [{"subscriptionType": "contact.deletion", "active": true},
                             {"subscriptionType": "contact.creation", "active": false}],
        "hubEvents": [{"subscriptionType": "contact.privacyDeletion", "active": true}],
    });
    assert_eq!(upload(&mut world, &json!({"app": app, "webhooks": webhooks(sound)})).0, 200);
    assert_eq!(told(&mut world), ["object.creation 0-1", "object.propertyChange 0-1 phone"]);
    assert_eq!(world.get("/crm/v3/objects/contacts").0, 200);
    assert_eq!(world.get("/crm/v3/objects/deals").0, 403);
    for wrong in [
        json!({"crmObjects": [{"subscriptionType": "contact.creation"}]}),
        json!({"legacyCrmObjects": [{"subscriptionType": "object.creation", "objectType": "contact"}]}),
        json!({"crmObjects": [{"subscriptionType": "object.propertyChange", "objectType": "contact"}]}),
        json!({"crmObjects": [{"subscriptionType": "object.creation", "objectType": "rocket"}]}),
        json!({"objects": [{"subscriptionType": "object.creation", "objectType": "contact"}]}),
    ] {
        let (status, body) = upload(&mut world, &json!({ "webhooks": webhooks(wrong.clone()) }));
        assert!(status == 400 && body["message"].is_string(), "{wrong}");
    }
    assert_eq!(told(&mut world).len(), 2, "what is not understood changes nothing");
}

//! Batches: a hundred inputs, all or nothing without trace ids, part by part with them, in no order.

use serde_json::{Value as Json, json};

use super::{CONTACTS, World};

fn batch(world: &mut World, what: &str, inputs: &[Json]) -> (u16, Json) {
    world.post(&format!("{CONTACTS}/batch/{what}"), &json!({ "inputs": inputs }))
}

fn create(email: &str) -> Json {
    json!({"properties": {"email": email}})
}

fn traced(input: &Json, trace: &str) -> Json {
    let mut input = input.clone();
    input["objectWriteTraceId"] = trace.into();
    input
}

#[test]
fn a_hundred_inputs_are_taken_and_come_back_in_another_order() {
    let mut world = World::new();
    let inputs: Vec<Json> = (0..101).map(|n| create(&format!("{n:03}@example.com"))).collect();
    assert_eq!(batch(&mut world, "create", &inputs).0, 400);
    assert_eq!(world.twin.records("Contact").count(), 0);
    let (status, body) = batch(&mut world, "create", &inputs[..100]);
    let emails: Vec<&str> =
        body["results"].as_array().unwrap().iter().map(|r| r["properties"]["email"].as_str().unwrap()).collect();
    assert_eq!((status, emails.len(), body["status"].as_str()), (201, 100, Some("COMPLETE")));
    assert!(!emails.is_sorted(), "HubSpot keeps no order");
}

#[test]
fn an_id_that_stands_twice_spoils_the_batch() {
    let mut world = World::new();
    let ada = world.contact(&json!({"firstname": "Ada"}));
    let input = json!({"id": ada, "properties": {"firstname": "A"}});
    for what in ["update", "read"] {
        let (status, body) = batch(&mut world, what, &[input.clone(), input.clone()]);
        assert_eq!((status, &body["context"]["ids"]), (400, &json!([ada])));
        assert!(
            body["message"].as_str().unwrap().starts_with(&format!("Duplicate IDs found in batch input: [{ada}]."))
        );
    }
    assert_eq!(world.get(&format!("{CONTACTS}/{ada}")).1["properties"]["firstname"], "Ada");
}

#[test]
fn without_trace_ids_one_bad_input_fails_all_and_only_the_first_conflict_is_told() {
    let mut world = World::new();
    let ada = world.contact(&json!({"email": "ada@example.com"}));
    let inputs = [create("new@example.com"), create("ada@example.com"), create("no address")];
    let (status, body) = batch(&mut world, "create", &inputs);
    assert_eq!((status, body["category"].as_str()), (409, Some("CONFLICT")));
    assert_eq!(body["message"], json!(format!("Contact already exists. Existing ID: {ada}")));
    assert_eq!(world.twin.records("Contact").count(), 1);
    let same = [create("twin@example.com"), create("twin@example.com")];
    assert_eq!(batch(&mut world, "create", &same).0, 400);
    // One trace id for two inputs tells none of them.
    let shared = [traced(&inputs[0], "t"), traced(&inputs[1], "t")];
    assert_eq!(batch(&mut world, "create", &shared).0, 409);
    assert_eq!(world.twin.records("Contact").count(), 1);
}

#[test]
fn with_trace_ids_every_input_has_its_own_fate() {
    let mut world = World::new();
    let ada = world.contact(&json!({"email": "ada@example.com"}));
    let inputs = [
        traced(&create("new@example.com"), "a"),
        traced(&create("ada@example.com"), "b"),
        traced(&create("no address"), "c"),
        traced(&create("new@example.com"), "d"),
    ];
    let (status, body) = batch(&mut world, "create", &inputs);
    assert_eq!((status, body["numErrors"].as_u64()), (207, Some(3)));
    assert_eq!(body["results"][0]["objectWriteTraceId"], "a");
    let error = |trace: &str| {
        let errors = body["errors"].as_array().unwrap();
        errors.iter().find(|error| error["context"]["objectWriteTraceId"] == json!([trace])).unwrap().clone()
    };
    assert_eq!(
        (error("b")["category"].clone(), error("b")["context"]["existingId"].clone()),
        (json!("CONFLICT"), json!([ada]))
    );
    assert_eq!(error("c")["category"], "VALIDATION_ERROR");
    assert_eq!(error("d")["category"], "CONFLICT");
    assert_eq!(world.twin.records("Contact").count(), 2);
}

#[test]
fn records_that_are_not_there_are_named_in_a_207() {
    let mut world = World::new();
    let ada = world.contact(&json!({"firstname": "Ada"}));
    let (status, body) = batch(&mut world, "read", &[json!({"id": ada}), json!({"id": "1"}), json!({"id": "2"})]);
    let error = &body["errors"][0];
    assert_eq!((status, &body["results"][0]["id"]), (207, &json!(ada)));
    assert_eq!((&error["category"], &error["context"]["ids"]), (&json!("OBJECT_NOT_FOUND"), &json!(["1", "2"])));
    let message = "Could not get some CONTACT objects, they may be deleted or not exist. Check that ids are valid.";
    assert_eq!(error["message"], message);
    let update = json!({"id": "1", "objectWriteTraceId": "t", "properties": {"firstname": "A"}});
    let (status, body) = batch(&mut world, "update", &[update]);
    assert_eq!((status, &body["errors"][0]["context"]), (207, &json!({"ids": ["1"], "objectWriteTraceId": ["t"]})));
}

#[test]
fn an_update_answers_with_what_it_changed_and_a_create_with_everything() {
    let mut world = World::new();
    let made = world.post(CONTACTS, &json!({"properties": {"email": "ada@example.com", "phone": "1"}})).1;
    assert_eq!(
        (&made["properties"]["phone"], &made["properties"]["hs_object_source"]),
        (&json!("1"), &json!("INTEGRATION"))
    );
    assert_eq!(made["properties"]["hs_object_source_id"], "7700123");
    assert!(made.get("associations").is_none());
    let update = json!({"id": made["id"], "properties": {"phone": 2}});
    let (status, body) = batch(&mut world, "update", &[update]);
    let properties = body["results"][0]["properties"].as_object().unwrap();
    assert_eq!((status, &properties["phone"], properties.get("email")), (200, &json!("2"), None));
    let nothing =
        world.call("PATCH", &format!("{CONTACTS}/{}", made["id"].as_str().unwrap()), &json!({"properties": {}}));
    assert_eq!(
        (nothing.0, nothing.1["message"].as_str()),
        (400, Some("No properties found to update, please provide at least one."))
    );
}

#[test]
fn an_upsert_says_which_records_are_new_and_needs_a_unique_property() {
    let mut world = World::new();
    let ada = world.contact(&json!({"email": "ada@example.com"}));
    let upsert = |email: &str, trace: &str| json!({"id": email, "idProperty": "email", "objectWriteTraceId": trace, "properties": {"firstname": "A"}});
    let (status, body) =
        batch(&mut world, "upsert", &[upsert("ada@example.com", "a"), upsert("grace@example.com", "b")]);
    assert_eq!(status, 200);
    let result = |trace: &str| {
        body["results"].as_array().unwrap().iter().find(|r| r["objectWriteTraceId"] == trace).unwrap().clone()
    };
    assert_eq!((result("a")["new"].clone(), result("a")["id"].clone()), (json!(false), json!(ada)));
    assert_eq!(result("b")["new"], json!(true));
    assert!(world.twin.find("Contact", "email", "grace@example.com").is_some());
    let deals = json!({"inputs": [{"id": "x", "idProperty": "dealname", "properties": {}}]});
    let (status, body) = world.post("/crm/objects/2026-09/0-3/batch/upsert", &deals);
    let message = "Unable to perform update/upsert by non-unique 0-3 property dealname";
    assert_eq!((status, body["message"].as_str()), (400, Some(message)));
}

#[test]
fn a_batch_archives_whatever_the_state_of_its_ids() {
    let mut world = World::new();
    let ada = world.contact(&json!({"firstname": "Ada"}));
    for _ in 0..2 {
        assert_eq!(batch(&mut world, "archive", &[json!({"id": ada}), json!({"id": "1"})]).0, 204);
    }
    assert_eq!(world.twin.records("Contact").count(), 0);
}

#[test]
fn archived_records_are_read_in_batches_where_they_are_asked_for() {
    let mut world = World::new();
    let (ada, grace) = (world.contact(&json!({"firstname": "Ada"})), world.contact(&json!({"firstname": "Grace"})));
    world.call("DELETE", &format!("{CONTACTS}/{ada}"), &Json::Null);
    let inputs = json!({"inputs": [{"id": ada}, {"id": grace}]});
    for (query, there, not) in [("", &grace, &ada), ("?archived=false", &grace, &ada), ("?archived=true", &ada, &grace)]
    {
        let (status, body) = world.post(&format!("{CONTACTS}/batch/read{query}"), &inputs);
        assert_eq!((status, &body["results"][0]["id"]), (207, &json!(there)), "{query}");
        assert_eq!(body["errors"][0]["context"]["ids"], json!([not]), "{query}");
    }
}

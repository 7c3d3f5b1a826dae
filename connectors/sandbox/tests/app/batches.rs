//! Up to a hundred inputs in one call.

use serde_json::{Value as Json, json};

use super::World;

fn results(body: &Json) -> Vec<(String, u64)> {
    let results = body["results"].as_array().unwrap();
    results.iter().map(|one| (one["key"].as_str().unwrap().to_owned(), one["status"].as_u64().unwrap())).collect()
}

#[test]
fn each_input_of_a_create_has_its_own_result_in_order() {
    let mut world = World::new();
    let taken = world.user("taken@example.com");
    let (status, body) = world.call(
        "POST",
        "/users/batch",
        json!({ "operation": "create", "inputs": [
            { "key": "k1", "values": { "email": "one@example.com" } },
            { "key": "k2", "values": { "email": "taken@example.com" } },
            { "key": "k3", "values": { "email": "three@example.com", "region": "mars" } },
            { "key": "k4", "values": { "email": "four@example.com" } },
        ]}),
    );
    assert_eq!(status, 200);
    assert_eq!(results(&body), [("k1".into(), 201), ("k2".into(), 409), ("k3".into(), 400), ("k4".into(), 201)]);
    assert_eq!(body["results"][0]["record"]["email"], "one@example.com");
    assert_eq!(body["results"][1]["existingId"], json!(taken));
    assert_eq!(body["results"][2]["field"], "region");
    assert!(body["results"][2]["error"].as_str().unwrap().contains("emea"));
    assert_eq!(world.app.count("User"), 3);
}

#[test]
fn an_update_names_records_by_id_or_by_a_unique_field() {
    let mut world = World::new();
    let ada = world.user("ada@example.com");
    let (_, body) = world.call(
        "POST",
        "/users/batch",
        json!({ "operation": "update", "inputs": [
            { "key": "k1", "id": ada, "values": { "phone": "1" } },
            { "key": "k2", "id": "user-99", "values": { "phone": "1" } },
        ]}),
    );
    assert_eq!(results(&body), [("k1".into(), 200), ("k2".into(), 404)]);
    let (_, body) = world.call(
        "POST",
        "/users/batch",
        json!({ "operation": "update", "by": "email", "inputs": [
            { "key": "k3", "id": "ada@example.com", "values": { "phone": "2" } },
        ]}),
    );
    assert_eq!(results(&body), [("k3".into(), 200)]);
    assert_eq!(world.app.record("User", &ada).unwrap()["phone"], "2");
}

#[test]
fn a_read_by_key_tells_found_from_missing() {
    let mut world = World::new();
    let ada = world.user("ada@example.com");
    let (_, body) = world.call(
        "POST",
        "/users/batch",
        json!({ "operation": "read", "by": "email", "inputs": [
            { "key": "k1", "id": "nobody@example.com" }, { "key": "k2", "id": "ada@example.com" },
        ]}),
    );
    assert_eq!(results(&body), [("k1".into(), 404), ("k2".into(), 200)]);
    assert_eq!(body["results"][1]["record"]["id"], json!(ada));
    // Nothing is remembered of a read: with the same key it is read again.
    world.user("nobody@example.com");
    let again = json!({ "operation": "read", "by": "email", "inputs": [{ "key": "k1", "id": "nobody@example.com" }] });
    assert_eq!(results(&world.call("POST", "/users/batch", again).1), [("k1".into(), 200)]);
}

#[test]
fn a_batch_of_the_wrong_shape_has_no_effect() {
    let mut world = World::new();
    let many: Vec<Json> =
        (0..101).map(|n| json!({ "key": n.to_string(), "values": { "email": format!("u{n}@example.com") } })).collect();
    let wrong = [
        json!({ "operation": "create", "inputs": many }),
        json!({ "operation": "upsert", "inputs": [] }),
        json!({ "operation": "create", "inputs": [{ "values": { "email": "a@example.com" } }] }),
        json!({ "operation": "create", "inputs": [{ "key": "k", "id": "mine", "values": { "email": "a@example.com" } }] }),
        json!({ "operation": "update", "inputs": [{ "key": "k", "values": {} }] }),
        json!({ "operation": "read", "by": "firstName", "inputs": [] }),
        json!({ "operation": "create", "inputs": [], "mode": "fast" }),
        json!({ "inputs": [] }),
    ];
    for body in wrong {
        assert_eq!(world.call("POST", "/users/batch", body.clone()).0, 400, "{body}");
    }
    assert_eq!(world.app.count("User"), 0);
}

#[test]
fn a_hundred_inputs_are_one_request() {
    let mut world = World::new();
    let many: Vec<Json> =
        (0..100).map(|n| json!({ "key": n.to_string(), "values": { "email": format!("u{n}@example.com") } })).collect();
    assert_eq!(world.call("POST", "/users/batch", json!({ "operation": "create", "inputs": many })).0, 200);
    assert_eq!(world.app.count("User"), 100);
    assert_eq!(world.app.calls().requests, 1);
    assert_eq!(world.app.calls().routes["POST /users/batch create"], 1);
}

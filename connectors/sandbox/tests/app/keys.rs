//! Idempotency keys: repeated, a call has the effect of once.

use serde_json::{Value as Json, json};

use super::{World, opened};

#[test]
fn a_repeated_create_gives_the_first_response_and_makes_no_second_record() {
    let mut world = World::new();
    let values = json!({ "email": "ada@example.com" });
    let first = opened(&world.send("POST", "/users", Some("k1"), &values));
    world.later();
    world.app.edit("User", "user-1", json!({ "phone": "1" }), world.now).unwrap();
    assert_eq!(opened(&world.send("POST", "/users", Some("k1"), &values)), first);
    assert_eq!(world.app.count("User"), 1);
    assert_eq!(world.app.calls().repeated, 1);
}

#[test]
fn a_repeated_patch_does_not_undo_what_came_after_it() {
    let mut world = World::new();
    let id = world.user("ada@example.com");
    let path = format!("/users/{id}");
    world.send("PATCH", &path, Some("k1"), &json!({ "phone": "1" }));
    world.app.edit("User", &id, json!({ "phone": "2" }), world.now).unwrap();
    let (status, record) = opened(&world.send("PATCH", &path, Some("k1"), &json!({ "phone": "1" })));
    assert_eq!((status, &record["phone"]), (200, &json!("1")));
    assert_eq!(world.app.record("User", &id).unwrap()["phone"], "2");
}

#[test]
fn a_repeated_delete_is_answered_like_the_first() {
    let mut world = World::new();
    let id = world.user("ada@example.com");
    for _ in 0..2 {
        assert_eq!(world.send("DELETE", &format!("/users/{id}"), Some("k1"), &Json::Null).status(), 204);
    }
}

#[test]
fn the_key_of_a_batch_input_is_its_idempotency_key_wherever_it_comes_again() {
    let mut world = World::new();
    let batch = |keys: [&str; 2]| {
        json!({ "operation": "create", "inputs": [
            { "key": keys[0], "values": { "email": "one@example.com" } },
            { "key": keys[1], "values": { "email": format!("{}@example.com", keys[1]) } },
        ]})
    };
    let (_, first) = world.call("POST", "/users/batch", batch(["k1", "k2"]));
    let (_, again) = world.call("POST", "/users/batch", batch(["k1", "k3"]));
    assert_eq!(again["results"][0], first["results"][0]);
    assert_eq!(world.app.count("User"), 3);
    let (status, record) = opened(&world.send("POST", "/users", Some("k1"), &json!({ "email": "one@example.com" })));
    assert_eq!((status, &record), (201, &first["results"][0]["record"]));
}

#[test]
fn a_refused_call_is_not_remembered() {
    let mut world = World::new();
    let values = json!({ "email": "ada@example.com" });
    let id = world.user("ada@example.com");
    assert_eq!(world.send("POST", "/users", Some("k1"), &values).status(), 409);
    world.app.delete("User", &id, world.now).unwrap();
    assert_eq!(world.send("POST", "/users", Some("k1"), &values).status(), 201);
}

#[test]
fn a_key_on_a_call_of_another_kind_is_refused() {
    let mut world = World::new();
    world.send("POST", "/users", Some("k1"), &json!({ "email": "ada@example.com" }));
    let other = json!({ "name": "Acme", "domain": "acme.example" });
    assert_eq!(world.send("POST", "/companies", Some("k1"), &other).status(), 422);
    assert_eq!(world.app.count("Company"), 0);
}

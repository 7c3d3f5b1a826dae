//! Faults that a test asks for, and what an adapter sees of them.

use std::sync::{Arc, Mutex};

use connectors::http::{Transport, TransportError};
use dsl::value::Duration;
use sandbox::app::{DropWhen, InProcess};
use serde_json::json;

use super::{World, opened, request};

#[test]
fn failures_are_used_up_in_order_and_have_no_effect() {
    let mut world = World::new();
    world.app.fail_next(2, 503);
    world.app.fail_next(1, 429);
    let statuses: Vec<u16> =
        (0..4).map(|_| world.call("POST", "/users", json!({ "email": "ada@example.com" })).0).collect();
    assert_eq!(statuses, [503, 503, 429, 201]);
    assert_eq!((world.app.count("User"), world.app.calls().faults), (1, 3));
}

#[test]
fn an_answer_holds_until_its_time() {
    let mut world = World::new();
    world.app.answers(503, world.now.plus(Duration::seconds(10)));
    for _ in 0..3 {
        let response = world.send("GET", "/users", None, &json!(null));
        assert_eq!((response.status().as_u16(), response.headers()["retry-after"].to_str().unwrap()), (503, "1"));
    }
    world.now = world.now.plus(Duration::seconds(10));
    assert_eq!(world.get("/users").0, 200);
}

#[tokio::test]
async fn a_lost_answer_is_no_answer_and_its_repetition_has_one_effect() {
    let World { app, now } = World::new();
    let app = Arc::new(Mutex::new(app));
    let transport = InProcess::new(Arc::clone(&app), move || now);
    let create = || request("POST", "/users", Some("k1"), &json!({ "email": "ada@example.com" }));
    app.lock().unwrap().drop_next(1, DropWhen::Before);
    app.lock().unwrap().drop_next(1, DropWhen::After);
    for made in [0, 1] {
        let answer = transport.send(create()).await;
        assert!(matches!(answer, Err(TransportError::NoAnswer(_))), "{answer:?}");
        assert_eq!(app.lock().unwrap().count("User"), made);
    }
    let (status, record) = opened(&transport.send(create()).await.unwrap());
    assert_eq!((status, &record["id"]), (201, &json!("user-1")));
    assert_eq!(app.lock().unwrap().count("User"), 1);
}

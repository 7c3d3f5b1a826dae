//! Faults that a test asks for, and what an adapter sees of them.

use std::sync::{Arc, Mutex};

use connectors::http::{Transport, TransportError};
use dsl::value::Duration;
use http::StatusCode;
use sandbox::app::App;
use sandbox::{Ending, Garbling, InProcess, Model, Sending, When};
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
    app.lock().unwrap().drop_next(1, When::Before);
    app.lock().unwrap().drop_next(1, When::After);
    for made in [0, 1] {
        let answer = transport.send(create()).await;
        assert!(matches!(answer, Err(TransportError::NoAnswer(_))), "{answer:?}");
        assert_eq!(app.lock().unwrap().count("User"), made);
    }
    let (status, record) = opened(&transport.send(create()).await.unwrap());
    assert_eq!((status, &record["id"]), (201, &json!("user-1")));
    assert_eq!(app.lock().unwrap().count("User"), 1);
}

/// The answer to the creation of a user that meets a fault.
fn garbled(world: &mut World, how: &Garbling, when: When) -> http::Response<bytes::Bytes> {
    world.app.faults().garble_next(1, how, when);
    let email = format!("ada-{}@example.com", world.app.calls().requests);
    world.send("POST", "/users", None, &json!({ "email": email }))
}

#[test]
fn a_garbled_answer_says_that_all_is_well_and_makes_no_sense() {
    let mut world = World::new();
    let to = "http://elsewhere.example.net/".to_owned();
    let moved = Garbling::Redirect { to: to.clone() };
    for how in [
        Garbling::Truncated,
        Garbling::Html,
        Garbling::Binary,
        Garbling::OtherShape,
        Garbling::Deep,
        Garbling::Empty,
        moved.clone(),
    ] {
        let before = world.app.count("User");
        let response = garbled(&mut world, &how, When::After);
        assert_eq!(world.app.count("User"), before + 1, "{how:?} has its effect");
        let expected = if how == moved { StatusCode::TEMPORARY_REDIRECT } else { StatusCode::CREATED };
        assert_eq!((response.status(), Sending::of(&response)), (expected, Sending::default()), "{how:?}");
        let read = serde_json::from_slice::<serde_json::Value>(response.body());
        assert!(read.is_err() || read.is_ok_and(|json| !json.is_object()), "{how:?}");
        let response = garbled(&mut world, &how, When::Before);
        assert_eq!(world.app.count("User"), before + 1, "{how:?} before the effect");
        assert!(response.status() == if how == moved { expected } else { StatusCode::OK }, "{how:?}");
    }
    assert_eq!(garbled(&mut world, &moved, When::After).headers()["location"], to.as_str());
    let types = [(Garbling::Html, "text/html;charset=utf-8"), (Garbling::Binary, "application/octet-stream")];
    for (how, named) in types {
        assert_eq!(garbled(&mut world, &how, When::After).headers()["content-type"], named);
    }
    let bomb = garbled(&mut world, &Garbling::HeaderBomb, When::After);
    assert!(bomb.headers().values().map(http::HeaderValue::len).sum::<usize>() > 1_000_000);
}

#[tokio::test]
async fn an_answer_that_does_not_come_to_its_end_is_none() {
    for how in [Garbling::Cut, Garbling::Endless, Garbling::Drip] {
        let World { mut app, now } = World::new();
        app.faults().garble_next(1, &how, When::After);
        let app = Arc::new(Mutex::new(app));
        let transport = InProcess::new(Arc::clone(&app), move || now);
        let answer = transport.send(request("POST", "/users", None, &json!({ "email": "ada@example.com" }))).await;
        assert!(matches!(answer, Err(TransportError::NoAnswer(_))), "{how:?}: {answer:?}");
        assert_eq!(app.lock().unwrap().count("User"), 1);
    }
}

#[tokio::test]
async fn a_late_effect_comes_after_its_answer_was_given_up() {
    let World { mut app, now } = World::new();
    app.faults().late_next(1, Duration::seconds(5));
    let app = Arc::new(Mutex::new(app));
    let transport = InProcess::new(Arc::clone(&app), move || now);
    let answer = transport.send(request("POST", "/users", None, &json!({ "email": "ada@example.com" }))).await;
    assert!(matches!(answer, Err(TransportError::NoAnswer(_))), "{answer:?}");
    let count = |at| {
        let mut app = app.lock().unwrap();
        Model::advance(&mut *app, at);
        app.count("User")
    };
    assert_eq!(count(now.plus(Duration(4_999))), 0);
    assert_eq!(app.lock().unwrap().next_due(), Some(now.plus(Duration::seconds(5))));
    assert_eq!(count(now.plus(Duration::seconds(9))), 1);
    let made = app.lock().unwrap().record("User", "user-1").unwrap()["createdAt"].clone();
    assert_eq!(made, json!(now.plus(Duration::seconds(5)).to_string()), "at its own time, not when somebody looked");
    assert_eq!(count(now.plus(Duration::seconds(99))), 1);
}

#[test]
fn a_slow_answer_is_right_and_has_its_effect_at_once() {
    let mut world = World::new();
    world.app.faults().slow_next(1, Duration::seconds(3));
    let response = world.send("POST", "/users", None, &json!({ "email": "ada@example.com" }));
    let late = Sending { after: Duration::seconds(3), ending: Ending::Whole };
    assert_eq!((response.status().as_u16(), Sending::of(&response)), (201, late));
    assert_eq!(world.app.count("User"), 1);
}

#[test]
fn an_operator_asks_for_every_fault_and_for_one_path() {
    let mut world = World::new();
    let ask = |app: &mut App, faults: serde_json::Value| {
        let asked = request("POST", "/_twin/faults", None, &faults);
        Model::control(app, &asked, World::new().now).status().as_u16()
    };
    let faults = json!({
        "fail_next": { "n": 1, "status": 429, "retry_after": 7, "path": "/batch" },
        "drop_next": { "n": 1, "when": "before", "path": "/companies" },
        "garble_next": { "n": 1, "how": "html", "path": "/companies" },
        "slow_next": { "n": 1, "ms": 40, "path": "/companies" },
        "late_next": { "n": 1, "ms": 50, "path": "/companies" },
    });
    assert_eq!(ask(&mut world.app, faults), 200);
    assert_eq!(world.get("/users").0, 200, "another path meets none of them");
    let list = |world: &mut World| world.send("GET", "/companies", None, &json!(null));
    assert_eq!(Sending::of(&list(&mut world)).ending, Ending::Lost);
    assert!(list(&mut world).body().starts_with(b"<!DOCTYPE html>"));
    assert_eq!(Sending::of(&list(&mut world)).after, Duration(40));
    assert_eq!(Sending::of(&list(&mut world)).ending, Ending::Lost);
    assert_eq!(list(&mut world).status(), 200);
    let batch = world.send("POST", "/users/batch", None, &json!({ "operation": "read", "by": "id", "inputs": [] }));
    assert_eq!((batch.status().as_u16(), batch.headers()["retry-after"].to_str().unwrap()), (429, "7"));
    let moved = json!({ "garble_next": { "n": 1, "how": { "redirect": { "to": "http://127.0.0.1:1/" } } } });
    assert_eq!(ask(&mut world.app, moved), 200);
    assert_eq!(list(&mut world).status(), 307);
    for unknown in [json!({ "fail": 1 }), json!({ "garble_next": { "n": 1, "how": "badly" } })] {
        assert_eq!(ask(&mut world.app, unknown), 400);
    }
}

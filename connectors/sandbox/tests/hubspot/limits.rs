//! The token, the pace, and what every answer carries.

use dsl::value::Duration;
use http::Response;
use sandbox::Model;
use serde_json::{Value as Json, json};

use super::{CONTACTS, World, opened, request};

fn header<'a, B>(response: &'a Response<B>, name: &str) -> Option<&'a str> {
    response.headers().get(name).map(|value| value.to_str().unwrap())
}

#[test]
fn an_unknown_token_is_refused_and_every_error_repeats_its_correlation_id() {
    let mut world = World::new();
    let mut stranger = request("GET", CONTACTS, &Json::Null);
    stranger.headers_mut().insert("authorization", "Bearer another".parse().unwrap());
    let response = world.twin.handle(&stranger, world.now);
    assert_eq!(
        (response.status().as_u16(), opened(&response)["category"].as_str()),
        (401, Some("INVALID_AUTHENTICATION"))
    );
    let missing = world.send("GET", &format!("{CONTACTS}/1"), &Json::Null);
    for response in [response, missing] {
        let said = header(&response, "x-hubspot-correlation-id").unwrap().to_owned();
        assert_eq!(opened(&response)["correlationId"], json!(said));
    }
}

#[test]
fn the_hundred_and_first_call_in_ten_seconds_is_told_the_policy_and_no_time() {
    let mut world = World::new();
    for n in 0..100 {
        let response = world.send("GET", CONTACTS, &Json::Null);
        assert_eq!(response.status(), 200);
        assert_eq!(header(&response, "x-hubspot-ratelimit-remaining"), Some((99 - n).to_string().as_str()));
        assert_eq!(header(&response, "x-hubspot-ratelimit-max"), Some("100"));
        assert_eq!(header(&response, "x-hubspot-ratelimit-interval-milliseconds"), Some("10000"));
        assert_eq!(header(&response, "x-hubspot-ratelimit-daily"), Some("1000000"));
    }
    let response = world.send("GET", CONTACTS, &Json::Null);
    let body = opened(&response);
    assert_eq!(response.status(), 429);
    assert_eq!(body["message"], "You have reached your ten_secondly_rolling limit.");
    assert_eq!((&body["errorType"], &body["policyName"]), (&json!("RATE_LIMIT"), &json!("TEN_SECONDLY_ROLLING")));
    assert_eq!(header(&response, "retry-after"), None);
    assert_eq!(world.twin.calls().limited, 1);
    world.later(Duration::seconds(10));
    assert_eq!(world.get(CONTACTS).0, 200);
}

#[test]
fn the_daily_limit_has_its_own_policy_and_ends_at_midnight() {
    let mut world = World::new();
    world.twin.daily_limit(2);
    assert_eq!(header(&world.send("GET", CONTACTS, &Json::Null), "x-hubspot-ratelimit-daily-remaining"), Some("1"));
    world.get(CONTACTS);
    world.later(Duration::hours(1));
    let (status, body) = world.get(CONTACTS);
    assert_eq!((status, body["policyName"].as_str()), (429, Some("DAILY")));
    assert_eq!(body["message"], "You have reached your daily limit.");
    world.later(Duration::hours(14));
    assert_eq!(world.get(CONTACTS).0, 200);
}

#[test]
fn search_has_a_budget_of_its_own_and_another_body() {
    let mut world = World::new();
    let path = format!("{CONTACTS}/search");
    for _ in 0..5 {
        let response = world.send("POST", &path, &json!({}));
        assert_eq!((response.status().as_u16(), header(&response, "x-hubspot-ratelimit-max")), (200, None));
        assert!(header(&response, "x-hubspot-ratelimit-daily").is_some());
    }
    let (status, body) = world.post(&path, &json!({}));
    assert_eq!((status, body["category"].as_str()), (429, Some("RATE_LIMITS")));
    assert_eq!((&body["message"], &body["policyName"]), (&json!("You have reached your secondly limit."), &Json::Null));
    let reading = world.send("GET", CONTACTS, &Json::Null);
    assert_eq!(header(&reading, "x-hubspot-ratelimit-remaining"), Some("99"), "searches do not count here");
    world.later(Duration::seconds(1));
    assert_eq!(world.post(&path, &json!({})).0, 200);
}

#[test]
fn faults_look_like_hubspots_and_have_no_effect() {
    let mut world = World::new();
    let create = json!({"properties": {"firstname": "Ada"}});
    for status in [401, 423, 477, 502, 429] {
        world.twin.faults().fail_next(1, status);
        let response = world.send("POST", CONTACTS, &create);
        assert_eq!(response.status().as_u16(), status);
        assert_eq!(header(&response, "retry-after"), (status == 477).then_some("3600"));
        assert!(header(&response, "x-hubspot-correlation-id").is_some());
        let html = header(&response, "content-type").unwrap().starts_with("text/html");
        assert_eq!(html, status == 502);
        if status == 401 {
            assert_eq!(opened(&response)["category"], "INVALID_AUTHENTICATION");
        }
    }
    assert_eq!(world.twin.records("Contact").count(), 0);
    assert_eq!(world.post(CONTACTS, &create).0, 201);
}

#[test]
fn an_operator_asks_for_faults_and_changes_records_over_http() {
    let mut world = World::new();
    let control = |world: &mut World, method: &str, path: &str, body: Json| {
        let response = world.twin.control(&request(method, &format!("/_twin/{path}"), &body), world.now);
        (response.status().as_u16(), opened(&response))
    };
    let made =
        control(&mut world, "POST", "edit", json!({"entity": "Contact", "properties": {"email": "ada@example.com"}}));
    let id = made.1["id"].as_str().unwrap().to_owned();
    assert_eq!(
        control(&mut world, "POST", "faults", json!({"fail_next": {"n": 1, "status": 502}, "race_next": 1})).0,
        200
    );
    assert_eq!(world.send("GET", CONTACTS, &Json::Null).status(), 502);
    assert_eq!(world.post(CONTACTS, &json!({"properties": {"email": "ada@example.com"}})).0, 400);
    assert_eq!(control(&mut world, "POST", "faults", json!({"fail": 1})).0, 400, "an unknown fault is told");
    control(&mut world, "POST", "archive", json!({"entity": "Contact", "id": id}));
    assert_eq!(world.twin.records("Contact").count(), 0);
    control(&mut world, "POST", "restore", json!({"entity": "Contact", "id": id}));
    assert_eq!(control(&mut world, "GET", "records/Contact", Json::Null).1["records"][0]["id"], json!(id));
    control(&mut world, "POST", "privacy-delete", json!({"id": id}));
    assert_eq!(control(&mut world, "GET", "records/Contact", Json::Null).1["records"], json!([]));
    assert_eq!(control(&mut world, "GET", "calls", Json::Null).1["total"], 2);
    assert_eq!(control(&mut world, "GET", "nothing", Json::Null).0, 404);
}

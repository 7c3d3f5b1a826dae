//! Single records: made, read, changed, deleted, listed.

use sandbox::Model as _;
use serde_json::{Value as Json, json};

use super::{World, opened, request};

#[test]
fn a_request_without_the_token_learns_nothing() {
    let mut world = World::new();
    for header in [None, Some("Bearer wrong"), Some("app-token")] {
        let mut request = request("GET", "/users", None, &Json::Null);
        request.headers_mut().remove("authorization");
        if let Some(header) = header {
            request.headers_mut().insert("authorization", header.parse().unwrap());
        }
        assert_eq!(world.app.handle(&request, world.now).status(), 401, "{header:?}");
    }
    assert_eq!(world.app.calls().unauthorized, 3);
}

#[test]
fn a_new_record_holds_every_field_and_link_of_the_lock() {
    let mut world = World::new();
    let (status, record) =
        world.call("POST", "/users", json!({ "email": "ada@example.com", "region": "emea", "lifetimeValue": "12.50" }));
    assert_eq!(status, 201);
    assert_eq!(
        record,
        json!({
            "id": "user-1", "email": "ada@example.com", "firstName": "", "lastName": "", "phone": null,
            "company": null, "jobTitle": null, "region": "emea", "lifetimeValue": "12.50", "healthScore": null,
            "subscription": null,
            "createdAt": "2026-03-02T09:00:00.000Z", "updatedAt": "2026-03-02T09:00:00.000Z",
        })
    );
    assert_eq!(world.get("/users/user-1"), (200, record));
}

#[test]
fn every_entity_of_the_lock_has_its_path() {
    let mut world = World::new();
    for path in ["users", "companies", "deals", "support-tickets", "notes", "subscriptions", "activities", "accounts"] {
        assert_eq!(world.get(&format!("/{path}")), (200, json!({ "records": [], "next": null })), "{path}");
    }
    assert_eq!(world.get("/contacts").0, 404);
}

#[test]
fn wrong_values_are_refused_by_name_and_leave_no_trace() {
    let mut world = World::new();
    let cases = [
        ("/users", json!({ "email": "a@example.com", "nickname": "A" }), "nickname"),
        ("/users", json!({ "email": "a@example.com", "healthScore": "82" }), "healthScore"),
        ("/users", json!({ "email": "a@example.com", "region": "mars" }), "region"),
        ("/users", json!({ "email": "a@example.com", "createdAt": "2026-01-01T00:00:00Z" }), "createdAt"),
        ("/users", json!({ "email": "a@example.com", "id": "mine" }), "id"),
        ("/users", json!({ "email": "a@example.com", "updatedAt": null }), "updatedAt"),
        ("/users", json!({ "firstName": "Ada" }), "email"),
        ("/users", json!({ "email": "" }), "email"),
        ("/deals", json!({ "name": "d", "stage": "proposal", "user": { "id": "user-9" } }), "user"),
        ("/deals", json!({ "name": "d", "stage": "proposal", "user": "user-1" }), "user"),
        ("/subscriptions", json!({ "plan": "pro", "price": "49" }), "user"),
    ];
    for (path, values, field) in cases {
        let (status, body) = world.call("POST", path, values.clone());
        assert_eq!((status, &body["field"]), (400, &json!(field)), "{values}: {body}");
    }
    for body in [json!([]), json!("text")] {
        assert_eq!(world.call("POST", "/users", body).0, 400);
    }
    assert_eq!(world.app.count("User"), 0);
    assert_eq!(world.published(), Vec::<Json>::new());
}

#[test]
fn a_patch_changes_what_it_names_and_the_change_time() {
    let mut world = World::new();
    let id = world.user("ada@example.com");
    world.later();
    let (status, record) = world.call("PATCH", &format!("/users/{id}"), json!({ "phone": "111", "lifetimeValue": 49 }));
    assert_eq!(status, 200);
    assert_eq!((&record["phone"], &record["lifetimeValue"]), (&json!("111"), &json!("49")));
    assert_eq!(record["firstName"], "Ada");
    assert_eq!(record["updatedAt"], "2026-03-02T09:00:01.000Z");
    assert_eq!(record["createdAt"], "2026-03-02T09:00:00.000Z");
}

#[test]
fn an_optional_field_can_be_cleared_by_null_or_an_empty_text_and_a_needed_one_cannot() {
    let mut world = World::new();
    let id = world.user("ada@example.com");
    for empty in [json!(null), json!("")] {
        world.app.edit("User", &id, json!({ "phone": "111" }), world.now).unwrap();
        let (status, record) = world.call("PATCH", &format!("/users/{id}"), json!({ "phone": empty }));
        assert_eq!((status, &record["phone"]), (200, &Json::Null));
    }
    assert_eq!(world.call("PATCH", &format!("/users/{id}"), json!({ "firstName": null })).0, 400);
}

#[test]
fn a_patch_that_changes_nothing_neither_bumps_nor_publishes() {
    let mut world = World::new();
    let id = world.user("ada@example.com");
    world.app.edit("User", &id, json!({ "lifetimeValue": "49.00" }), world.now).unwrap();
    let before = world.app.record("User", &id).unwrap().clone();
    world.published();
    world.later();
    let (status, record) = world.call(
        "PATCH",
        &format!("/users/{id}"),
        json!({ "firstName": "Ada", "lifetimeValue": "49", "phone": "", "subscription": null }),
    );
    assert_eq!((status, record), (200, Json::Object(before)));
    assert_eq!(world.published(), Vec::<Json>::new());
    assert_eq!(world.app.calls().unchanged, 1);
}

#[test]
fn the_change_time_rises_by_a_millisecond_even_when_the_clock_stands_still_or_goes_back() {
    let mut world = World::new();
    let id = world.user("ada@example.com");
    let mut times = Vec::new();
    for (step, phone) in ["1", "2", "3"].into_iter().enumerate() {
        if step == 2 {
            world.now = world.now.minus(dsl::value::Duration::hours(1));
        }
        let (_, record) = world.call("PATCH", &format!("/users/{id}"), json!({ "phone": phone }));
        times.push(record["updatedAt"].as_str().unwrap().to_owned());
    }
    assert_eq!(times, ["2026-03-02T09:00:00.001Z", "2026-03-02T09:00:00.002Z", "2026-03-02T09:00:00.003Z"]);
}

#[test]
fn a_unique_value_belongs_to_one_record_whatever_its_case() {
    let mut world = World::new();
    let ada = world.user("Ada@example.com");
    let bob = world.user("bob@example.com");
    let (status, body) = world.call("POST", "/users", json!({ "email": "ada@EXAMPLE.com" }));
    assert_eq!((status, &body["existingId"], &body["field"]), (409, &json!(ada), &json!("email")));
    let (status, body) = world.call("PATCH", &format!("/users/{bob}"), json!({ "email": "ada@example.com" }));
    assert_eq!((status, &body["existingId"]), (409, &json!(ada)));
    assert_eq!(world.call("PATCH", &format!("/users/{ada}"), json!({ "email": "ada@example.com" })).0, 200);
    // What it held before is free again, and an empty unique value clashes with nobody's.
    assert_eq!(world.call("PATCH", &format!("/users/{ada}"), json!({ "email": "countess@example.com" })).0, 200);
    assert_eq!(world.call("PATCH", &format!("/users/{bob}"), json!({ "email": "ada@example.com" })).0, 200);
    for name in ["one", "two"] {
        assert_eq!(world.call("POST", "/deals", json!({ "name": name, "stage": "proposal" })).0, 201);
    }
}

#[test]
fn records_are_found_by_any_unique_field_and_by_no_other() {
    let mut world = World::new();
    let ada = world.user("ada+crm@example.com");
    let (status, body) = world.get("/users?email=ada%2Bcrm%40example.com");
    assert_eq!((status, &body["records"][0]["id"]), (200, &json!(ada)));
    assert_eq!(world.get("/users?email=nobody%40example.com"), (200, json!({ "records": [] })));
    assert_eq!(world.get(&format!("/users?id={ada}")).1["records"][0]["id"], json!(ada));
    assert_eq!(world.get("/users?firstName=Ada").0, 400);
    assert_eq!(world.get("/users?colour=red").0, 400);
    world.app.create("Company", json!({ "name": "Acme", "domain": "acme.example" }), world.now).unwrap();
    assert_eq!(world.get("/companies?domain=acme.example").1["records"][0]["name"], "Acme");
}

#[test]
fn a_list_is_in_order_of_change_and_pages_meet_each_record_once() {
    let mut world = World::new();
    let ids: Vec<String> = (0..5).map(|n| world.user(&format!("u{n}@example.com"))).collect();
    world.later();
    world.app.edit("User", &ids[1], json!({ "phone": "1" }), world.now).unwrap();
    let mut seen = Vec::new();
    let mut path = "/users?limit=2".to_owned();
    let mut pages = 0;
    loop {
        let (status, body) = world.get(&path);
        assert_eq!(status, 200);
        pages += 1;
        seen.extend(body["records"].as_array().unwrap().iter().map(|record| record["id"].as_str().unwrap().to_owned()));
        match body["next"].as_str() {
            Some(next) => path = format!("/users?limit=2&after={next}"),
            None => break,
        }
    }
    assert_eq!(pages, 3);
    assert_eq!(seen, [&ids[0], &ids[2], &ids[3], &ids[4], &ids[1]].map(String::as_str));
}

#[test]
fn a_list_since_a_time_begins_with_what_changed_at_it() {
    let mut world = World::new();
    world.user("old@example.com");
    world.later();
    let new = world.user("new@example.com");
    let (_, body) = world.get("/users?updatedSince=2026-03-02T09:00:01.000Z&limit=100");
    assert_eq!(body["records"].as_array().unwrap().len(), 1);
    assert_eq!(body["records"][0]["id"], json!(new));
    assert_eq!(world.get("/users?updatedSince=2026-03-02T09:00:01.001Z").1["records"], json!([]));
    for wrong in ["updatedSince=yesterday", "limit=0", "limit=101", "limit=many", "after=nothing"] {
        assert_eq!(world.get(&format!("/users?{wrong}")).0, 400, "{wrong}");
    }
}

#[test]
fn a_full_page_that_ends_the_list_has_no_next() {
    let mut world = World::new();
    world.user("a@example.com");
    world.user("b@example.com");
    let (_, body) = world.get("/users?limit=2");
    assert_eq!((body["records"].as_array().unwrap().len(), &body["next"]), (2, &Json::Null));
}

#[test]
fn a_deleted_record_is_gone_and_optional_links_to_it_are_empty() {
    let mut world = World::new();
    let ada = world.user("ada@example.com");
    let deal = world
        .app
        .create(
            "Deal",
            json!({ "name": "d", "stage": "proposal", "user": { "id": ada, "email": "a hint" } }),
            world.now,
        )
        .unwrap();
    assert_eq!(world.app.record("Deal", &deal).unwrap()["user"], json!({ "id": ada }));
    let path = format!("/users/{ada}");
    assert_eq!(world.call("DELETE", &path, Json::Null), (204, Json::Null));
    assert_eq!(world.get(&path).0, 404);
    assert_eq!(world.call("PATCH", &path, json!({ "phone": "1" })).0, 404);
    assert_eq!(world.call("DELETE", &path, Json::Null).0, 404);
    assert_eq!(world.app.record("Deal", &deal).unwrap()["user"], Json::Null);
    assert_eq!(world.get("/users?email=ada%40example.com"), (200, json!({ "records": [] })));
    world.user("ada@example.com");
}

#[test]
fn a_new_subscription_becomes_its_users() {
    let mut world = World::new();
    let ada = world.user("ada@example.com");
    let (status, first) =
        world.call("POST", "/subscriptions", json!({ "user": { "id": ada }, "plan": "pro", "price": "49.00" }));
    assert_eq!((status, &first["status"]), (201, &json!("pending")));
    assert_eq!(world.app.record("User", &ada).unwrap()["subscription"], json!({ "id": first["id"] }));
    let (_, second) =
        world.call("POST", "/subscriptions", json!({ "user": { "id": ada }, "plan": "free", "price": "0" }));
    assert_eq!(world.app.record("User", &ada).unwrap()["subscription"], json!({ "id": second["id"] }));
}

#[test]
fn paths_and_methods_that_the_app_does_not_have_are_refused() {
    let mut world = World::new();
    assert_eq!(world.get("/").0, 404);
    assert_eq!(world.get("/users/u/activate/now").0, 404);
    assert_eq!(world.call("PUT", "/users/user-1", json!({})).0, 405);
    assert_eq!(world.call("DELETE", "/users", Json::Null).0, 405);
    let broken = request("POST", "/users", None, &Json::Null);
    assert_eq!(opened(&world.app.handle(&broken, world.now)).0, 400);
}

#[test]
fn a_test_finds_records_by_value_and_by_link() {
    let mut world = World::new();
    let ada = world.user("ada@example.com");
    world.app.edit("User", &ada, json!({ "healthScore": 82 }), world.now).unwrap();
    let deal = world
        .app
        .create("Deal", json!({ "name": "d", "stage": "proposal", "user": { "id": ada } }), world.now)
        .unwrap();
    assert_eq!(world.app.find("User", "email", "ADA@example.com").unwrap()["id"], json!(ada));
    assert_eq!(world.app.find("User", "healthScore", "82").unwrap()["id"], json!(ada));
    assert_eq!(world.app.find("Deal", "user", &ada).unwrap()["id"], json!(deal));
    assert_eq!(world.app.find("Deal", "name", "e"), None);
    assert_eq!(world.app.records("Deal").count(), 1);
}

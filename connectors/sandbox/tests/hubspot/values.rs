//! Values: what is taken and how it comes back, the forward-only stage, and the account's own rules.

use serde_json::{Value as Json, json};

use super::{CONTACTS, World};

fn property(world: &mut World, name: &str, ty: &str, field: &str, options: &Json) {
    let body = json!({"name": name, "label": name, "type": ty, "fieldType": field, "groupName": "contactinformation", "options": options});
    assert_eq!(world.post("/crm/v3/properties/contacts", &body).0, 201);
}

/// What a value becomes, or the code of its refusal.
fn kept(world: &mut World, name: &str, value: &Json) -> Result<Json, String> {
    let (status, body) = world.post(CONTACTS, &json!({"properties": {"firstname": "Ada", name: value}}));
    if status != 201 {
        return Err(body["errors"][0]["code"].as_str().unwrap().to_owned());
    }
    let id = body["id"].as_str().unwrap();
    Ok(world.get(&format!("{CONTACTS}/{id}?properties={name}")).1["properties"][name].clone())
}

#[test]
fn numbers_are_digits_with_one_point_and_come_back_as_text() {
    let mut world = World::new();
    for (value, expected) in
        [(json!("1500.00"), "1500.00"), (json!(1500), "1500"), (json!("-3.5"), "-3.5"), (json!(".5"), ".5")]
    {
        assert_eq!(kept(&mut world, "lifetime_value", &value), Ok(json!(expected)));
    }
    for value in ["1,500", "1_500", "1.5.0", "1e3", "-", ".", "many"] {
        assert_eq!(kept(&mut world, "lifetime_value", &json!(value)), Err("INVALID_LONG".into()), "{value}");
    }
}

#[test]
fn times_are_iso_text_or_milliseconds_and_come_back_as_iso() {
    let mut world = World::new();
    for value in ["2026-03-02T10:00:00+01:00", "2026-03-02T09:00:00Z", "1772442000000"] {
        assert_eq!(kept(&mut world, "signed_up_at", &json!(value)), Ok(json!("2026-03-02T09:00:00.000Z")));
    }
    // Seconds are read as January 1970.
    assert_eq!(kept(&mut world, "signed_up_at", &json!(1_772_442_000)), Ok(json!("1970-01-21T12:20:42.000Z")));
    assert_eq!(kept(&mut world, "signed_up_at", &json!("tomorrow")), Err("INVALID_DATE".into()));
}

#[test]
fn a_date_is_a_day_or_the_milliseconds_of_its_midnight() {
    let mut world = World::new();
    property(&mut world, "birthday", "date", "date", &json!([]));
    for value in [json!("1815-12-10"), json!("-4861728000000"), json!(-4_861_728_000_000_i64)] {
        assert_eq!(kept(&mut world, "birthday", &value), Ok(json!("1815-12-10")));
    }
    let value = json!({"properties": {"firstname": "Ada", "birthday": "1427997766000"}});
    let (status, body) = world.post(CONTACTS, &value);
    assert_eq!((status, body["errors"][0]["code"].as_str()), (400, Some("INVALID_DATE")));
    assert!(
        body["errors"][0]["message"].as_str().unwrap().ends_with("is at 18:02:46.000 UTC, not midnight!"),
        "{body}"
    );
}

#[test]
fn options_are_exact_and_a_leading_semicolon_adds_to_several() {
    let mut world = World::new();
    let options = json!([{"value": "a", "label": "A"}, {"value": "b", "label": "B"}, {"value": "c", "label": "C"}]);
    property(&mut world, "letters", "enumeration", "checkbox", &options);
    let id = world.contact(&json!({"firstname": "Ada", "letters": "a;b"}));
    let path = format!("{CONTACTS}/{id}");
    let change = |world: &mut World, value: &str| {
        let (status, body) = world.call("PATCH", &path, &json!({"properties": {"letters": value}}));
        (status, body["properties"]["letters"].clone())
    };
    assert_eq!(change(&mut world, ";b;c"), (200, json!("a;b;c")));
    assert_eq!(change(&mut world, "c"), (200, json!("c")));
    assert_eq!(change(&mut world, "a;B").0, 400);
    assert_eq!(change(&mut world, ""), (200, Json::Null));
    assert_eq!(kept(&mut world, "subscription_plan", &json!("pro;free")), Err("INVALID_OPTION".into()));
}

#[test]
fn flags_are_true_or_false() {
    let mut world = World::new();
    property(&mut world, "agreed", "bool", "booleancheckbox", &json!([]));
    assert_eq!(kept(&mut world, "agreed", &json!(true)), Ok(json!("true")));
    assert_eq!(kept(&mut world, "agreed", &json!("yes")), Err("INVALID_OPTION".into()));
}

#[test]
fn a_lifecycle_goes_forward_only_until_it_is_cleared() {
    let mut world = World::new();
    let id = world.contact(&json!({"firstname": "Ada", "lifecyclestage": "lead"}));
    let path = format!("{CONTACTS}/{id}");
    let stage = |world: &mut World, to: &str| {
        assert_eq!(world.call("PATCH", &path, &json!({"properties": {"lifecyclestage": to}})).0, 200);
        world.get(&format!("{path}?properties=lifecyclestage")).1["properties"]["lifecyclestage"].clone()
    };
    assert_eq!(stage(&mut world, "customer"), "customer");
    assert_eq!(stage(&mut world, "lead"), "customer");
    assert_eq!(stage(&mut world, ""), Json::Null);
    assert_eq!(stage(&mut world, "lead"), "lead");
}

#[test]
fn a_new_record_needs_what_its_kind_needs() {
    let mut world = World::new();
    for (kind, properties) in [
        ("contacts", json!({"phone": "1"})),
        ("companies", json!({"industry": "RETAIL"})),
        ("deals", json!({"dealname": "x"})),
        ("tickets", json!({"subject": "x"})),
        ("notes", json!({"hs_note_body": "x"})),
    ] {
        let (status, body) = world.post(&format!("/crm/v3/objects/{kind}"), &json!({ "properties": properties }));
        assert_eq!(status, 400);
        assert!(body["message"].as_str().unwrap().ends_with("Some required properties were not set."), "{body}");
        assert!(!body["context"]["properties"].as_array().unwrap().is_empty());
    }
    let deal = json!({"properties": {"dealname": "x", "dealstage": "closedwon"}});
    assert_eq!(world.post("/crm/v3/objects/0-3", &deal).1["properties"]["pipeline"], "default");
}

#[test]
fn rules_of_the_account_hold_on_paths_from_2026_09_only() {
    let mut world = World::new();
    world.twin.require("Contact", "phone");
    let create = |name: &str| json!({"properties": {"email": format!("{name}@example.com")}});
    for (path, status) in [
        ("/crm/v3/objects/contacts", 201),
        ("/crm/objects/2026-03/contacts", 201),
        ("/crm/objects/2026-09/contacts", 400),
    ] {
        let name = path.rsplit('/').nth(1).unwrap();
        let (answered, body) = world.post(path, &create(name));
        assert_eq!(answered, status, "{body}");
        if status == 400 {
            assert_eq!(body["errors"][0]["code"], "MISSING_REQUIRED_PROPERTY");
        }
    }
}

#[test]
fn a_read_shows_the_usual_or_what_is_asked_for_empty_ones_as_null() {
    let mut world = World::new();
    let id = world.contact(&json!({"firstname": "Ada"}));
    let usual = world.get(&format!("{CONTACTS}/{id}")).1;
    let names: Vec<&String> = usual["properties"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["createdate", "email", "firstname", "hs_object_id", "lastmodifieddate", "lastname"]);
    assert_eq!((&usual["properties"]["email"], &usual["properties"]["hs_object_id"]), (&Json::Null, &json!(id)));
    let asked = world.get(&format!("{CONTACTS}/{id}?properties=phone,nothing")).1;
    assert_eq!(asked["properties"].get("phone"), Some(&Json::Null));
    assert_eq!(asked["properties"].get("nothing"), None);
}

#[test]
fn lists_come_in_pages_by_the_next_id() {
    let mut world = World::new();
    let ids: Vec<String> = (0..12).map(|n| world.contact(&json!({"firstname": n}))).collect();
    let (_, first) = world.get(CONTACTS);
    assert_eq!(first["results"].as_array().unwrap().len(), 10);
    assert_eq!(first["paging"]["next"]["after"], json!(ids[10]));
    let link = format!("https://api.hubapi.com{CONTACTS}?after={}", ids[10]);
    assert_eq!(first["paging"]["next"]["link"], json!(link));
    let narrow = world.get(&format!("{CONTACTS}?limit=2&after={}&properties=email", ids[3])).1;
    let link = format!("https://api.hubapi.com{CONTACTS}?limit=2&properties=email&after={}", ids[5]);
    assert_eq!(narrow["paging"]["next"]["link"], json!(link));
    let (_, rest) = world.get(&format!("{CONTACTS}?after={}", ids[10]));
    assert_eq!((rest["results"].as_array().unwrap().len(), rest.get("paging")), (2, None));
    let (status, body) = world.get(&format!("{CONTACTS}?after=x"));
    assert!(status == 400 && body["message"].as_str().unwrap().starts_with("Cannot deserialize value of type"));
}

#[test]
fn broken_json_and_unknown_routes_are_told_apart_from_missing_records() {
    let mut world = World::new();
    let mut broken = super::request("POST", CONTACTS, &Json::Null);
    *broken.body_mut() = "{".into();
    let response = sandbox::Model::handle(&mut world.twin, &broken, world.now);
    assert!(
        response.status() == 400
            && super::opened(&response)["message"].as_str().unwrap().starts_with("Invalid input JSON")
    );
    let response = world.send("GET", "/crm/v3/rockets", &Json::Null);
    assert_eq!(response.status(), 404);
    assert!(response.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
}

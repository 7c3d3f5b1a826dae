//! Custom objects: what an account defines is an object like others, under its own names and types.

use dsl::value::Duration;
use serde_json::{Value as Json, json};

use super::World;

const SCHEMAS: &str = "/crm-object-schemas/v3/schemas";

fn car() -> Json {
    json!({
        "name": "car", "labels": {"singular": "Car", "plural": "Cars"}, "requiredProperties": ["model"],
        "searchableProperties": [], "primaryDisplayProperty": "model", "associatedObjects": ["CONTACT"],
        "properties": [{"name": "model", "label": "Model", "type": "string", "fieldType": "text"}],
    })
}

fn defined(world: &mut World, egg: &Json) -> String {
    let (status, body) = world.post(SCHEMAS, egg);
    assert_eq!(status, 201, "{body}");
    body["objectTypeId"].as_str().unwrap().to_owned()
}

#[test]
fn all_paths_lead_to_the_same_schemas() {
    let mut world = World::new();
    let kind = defined(&mut world, &car());
    for path in
        [SCHEMAS, "/crm/v3/schemas", "/crm-object-schemas/2026-09/schemas", "/crm-object-schemas/2026-03/schemas"]
    {
        assert_eq!(world.get(path).1["results"][0]["objectTypeId"], json!(kind), "{path}");
        for name in [kind.as_str(), "p99000111_car", "P99000111_CAR", "p_car"] {
            assert_eq!(world.get(&format!("{path}/{name}")).1["objectTypeId"], json!(kind), "{path}/{name}");
        }
    }
    assert_eq!(world.get(&format!("{SCHEMAS}/car")).0, 404, "the bare name means nothing");
    assert_eq!(world.get("/crm/v3/objects/car").0, 400);
    assert_eq!(world.get("/crm/v3/objects/p_car").0, 200);
}

#[test]
fn a_schema_that_does_not_hold_together_is_refused_and_nothing_is_made() {
    let mut world = World::new();
    let spoilt = |member: &str, value: Json| {
        let mut egg = car();
        egg[member] = value;
        egg
    };
    for egg in [
        spoilt("name", json!("1car")),
        spoilt("name", json!("my car")),
        spoilt("labels", Json::Null),
        spoilt("requiredProperties", json!(["make"])),
        spoilt("primaryDisplayProperty", json!("make")),
        spoilt("associatedObjects", json!(["GADGET"])),
        spoilt("properties", json!([{"name": "model", "label": "Model", "type": "colour", "fieldType": "text"}])),
    ] {
        let (status, body) = world.post(SCHEMAS, &egg);
        assert_eq!((status, &body["category"]), (400, &json!("VALIDATION_ERROR")), "{egg}");
    }
    assert_eq!(world.get(SCHEMAS).1["results"], json!([]));
}

#[test]
fn a_name_is_free_again_only_when_its_object_was_deleted_for_good() {
    let mut world = World::new();
    let kind = defined(&mut world, &car());
    assert_eq!(world.call("DELETE", &format!("{SCHEMAS}/{kind}"), &Json::Null).0, 204);
    assert_eq!(world.get(&format!("{SCHEMAS}?archived=true")).1["results"][0]["archived"], json!(true));
    assert_eq!(world.post(SCHEMAS, &car()).0, 409);
    assert_eq!(world.call("DELETE", &format!("{SCHEMAS}/{kind}?archived=true"), &Json::Null).0, 204);
    let again = defined(&mut world, &car());
    assert_eq!(world.post(&format!("/crm/v3/objects/{again}"), &json!({"properties": {"model": "Landau"}})).0, 201);
}

#[test]
fn links_of_an_association_go_with_it_at_both_ends() {
    let mut world = World::new();
    let kind = defined(&mut world, &car());
    let ada = world.contact(&json!({"firstname": "Ada"}));
    let made = world.post(&format!("/crm/v3/objects/{kind}"), &json!({"properties": {"model": "Landau"}})).1;
    let id = made["id"].as_str().unwrap();
    let path = format!("/crm/v4/objects/{kind}/{id}/associations");
    assert_eq!(world.call("PUT", &format!("{path}/default/contacts/{ada}"), &Json::Null).0, 200);
    let back = format!("/crm/v4/objects/contacts/{ada}/associations/{kind}");
    assert_eq!(world.get(&back).1["results"][0]["associationTypes"][0]["category"], json!("USER_DEFINED"));
    let schema = world.get(&format!("{SCHEMAS}/{kind}")).1;
    let associations = schema["associations"].as_array().unwrap();
    let association = associations.iter().find(|one| one["toObjectTypeId"] == "0-1").unwrap();
    let association = association["id"].as_str().unwrap();
    assert_eq!(world.call("DELETE", &format!("{SCHEMAS}/{kind}/associations/{association}"), &Json::Null).0, 204);
    assert_eq!(world.get(&back).1["results"], json!([]));
    assert_eq!(world.get(&format!("{path}/contacts")).1["results"], json!([]));
    assert_eq!(world.call("PUT", &format!("{path}/default/contacts/{ada}"), &Json::Null).0, 400);
}

#[test]
fn the_app_is_told_of_a_custom_object_by_its_type() {
    let mut world = World::new();
    let kind = defined(&mut world, &car());
    let subscription = json!({"eventType": "object.creation", "objectTypeId": kind, "active": true});
    let path = "/webhooks/v3/7700123/subscriptions?hapikey=developer-key";
    assert_eq!(world.post(path, &subscription).0, 201);
    world.post(&format!("/crm/v3/objects/{kind}"), &json!({"properties": {"model": "Landau"}}));
    let now = world.later(Duration::minutes(1));
    let events: Vec<Json> = world
        .twin
        .due(now)
        .iter()
        .flat_map(|delivery| serde_json::from_slice::<Vec<Json>>(delivery.request.body()).unwrap())
        .collect();
    let seen: Vec<(&Json, &Json)> = events.iter().map(|e| (&e["subscriptionType"], &e["objectTypeId"])).collect();
    assert_eq!(seen, [(&json!("object.creation"), &json!(kind))]);
}

#[test]
fn a_custom_object_of_a_lock_has_a_schema_and_the_names_of_one() {
    let lock = include_str!("../../../../rules/schemas/crm.lock").replace(
        "\nlookups:",
        "  Car:\n    remote: \"2-3344\"\n    create_needs: [model]\n    fields:\n      id: { type: text, unique: true, read_only: true }\n      model: { type: text, custom: true }\n\nlookups:",
    );
    let mut world = World::with(dsl::schema::read_lock(&lock).unwrap());
    let (status, body) = world.get(&format!("{SCHEMAS}/p99000111_car"));
    assert_eq!(
        (status, &body["objectTypeId"], &body["requiredProperties"]),
        (200, &json!("2-3344"), &json!(["model"]))
    );
    assert_eq!(world.post("/crm/v3/objects/p_car", &json!({"properties": {"model": "Landau"}})).0, 201);
    assert_ne!(
        defined(
            &mut world,
            &json!({"name": "boat", "labels": {}, "requiredProperties": [], "associatedObjects": [], "properties": []})
        ),
        "2-3344"
    );
}

#[test]
fn schemas_need_a_scope_of_their_own() {
    let mut world = World::new();
    world.twin.allow(Some(&["crm.schemas.custom.read"]));
    assert_eq!(world.get(SCHEMAS).0, 200);
    let (status, body) = world.post(SCHEMAS, &car());
    assert_eq!(status, 403);
    assert_eq!(body["errors"][0]["context"]["requiredGranularScopes"], json!(["crm.schemas.custom.write"]));
}

//! Property definitions and pipelines.

use serde_json::{Value as Json, json};

use super::{CONTACTS, World};

/// A unique text property.
fn reference() -> Json {
    json!({"name": "reference", "label": "Reference", "type": "string", "fieldType": "text",
           "groupName": "contactinformation", "hasUniqueValue": true})
}

#[test]
fn the_lock_is_what_an_account_starts_with_under_both_kinds_of_path() {
    let mut world = World::new();
    for path in ["/crm/v3/properties/contacts", "/crm/properties/2026-09/0-1"] {
        let (status, body) = world.get(path);
        assert_eq!(status, 200);
        let results = body["results"].as_array().unwrap();
        let named = |name: &str| results.iter().find(|property| property["name"] == name).unwrap();
        let plan = named("subscription_plan");
        assert_eq!((&plan["type"], &plan["hubspotDefined"]), (&json!("enumeration"), &json!(false)));
        assert_eq!(plan["options"][1]["value"], "starter");
        assert_eq!(named("email")["hasUniqueValue"], json!(true));
        assert_eq!(named("lastmodifieddate")["modificationMetadata"]["readOnlyValue"], json!(true));
        assert_eq!(named("lifetime_value")["type"], "number");
        assert!(results.iter().all(|property| property["name"] != "id"), "an id is no property");
    }
    assert_eq!(world.get("/crm/v3/properties/deals/closedate").1["type"], "datetime");
    assert_eq!(world.get("/crm/v3/properties/deals/nothing").0, 404);
    let (status, body) = world.get("/crm/v3/properties/rockets");
    assert_eq!((status, body["message"].as_str()), (400, Some("Unable to infer object type from: rockets")));
}

#[test]
fn a_unique_property_that_was_made_is_enforced_and_finds_its_record() {
    let mut world = World::new();
    let (status, made) = world.post("/crm/v3/properties/contacts", &reference());
    assert_eq!((status, &made["hasUniqueValue"]), (201, &json!(true)));
    assert_eq!(world.get("/crm/properties/2026-09/contacts/reference").1["label"], "Reference");
    let ada = world.contact(&json!({"firstname": "Ada", "reference": "A-1"}));
    let twice = world.post(CONTACTS, &json!({"properties": {"firstname": "Grace", "reference": "A-1"}}));
    assert_eq!(twice.0, 400);
    assert!(twice.1["message"].as_str().unwrap().ends_with(&format!("{ada} already has that value.")), "{}", twice.1);
    assert_eq!(world.get(&format!("{CONTACTS}/A-1?idProperty=reference")).1["id"], json!(ada));
}

#[test]
fn a_name_that_is_taken_or_unsound_makes_no_property() {
    let mut world = World::new();
    assert_eq!(world.post("/crm/v3/properties/contacts", &reference()).0, 201);
    let (status, body) = world.post("/crm/v3/properties/contacts", &reference());
    assert_eq!((status, body["category"].as_str()), (409, Some("OBJECT_ALREADY_EXISTS")));
    assert_eq!(body["subCategory"], "Properties.PROPERTY_WITH_NAME_EXISTS");
    for (name, value) in [
        ("name", json!("Reference")),
        ("name", json!("1st")),
        ("type", json!("text")),
        ("label", Json::Null),
        ("type", json!("number")),
    ] {
        let mut wrong = reference();
        wrong["name"] = "another".into();
        wrong[name] = value;
        assert_eq!(world.post("/crm/v3/properties/contacts", &wrong).0, 400, "{wrong}");
    }
}

#[test]
fn an_object_has_at_most_ten_unique_properties() {
    let mut world = World::new();
    for n in 0..11 {
        let mut property = reference();
        property["name"] = format!("reference_{n}").into();
        assert_eq!(world.post("/crm/v3/properties/contacts", &property).0, if n < 10 { 201 } else { 400 });
    }
}

#[test]
fn options_are_replaced_as_a_list_and_stay_where_none_are_sent() {
    let mut world = World::new();
    let path = "/crm/v3/properties/contacts/subscription_plan";
    let (status, body) = world.call("PATCH", path, &json!({"label": "Plan"}));
    assert_eq!((status, body["options"].as_array().unwrap().len()), (200, 4));
    world.call("PATCH", path, &json!({"options": [{"value": "gold", "label": "Gold"}]}));
    let gold = world.post(CONTACTS, &json!({"properties": {"firstname": "Ada", "subscription_plan": "gold"}}));
    assert_eq!(gold.0, 201);
    let pro = world.post(CONTACTS, &json!({"properties": {"firstname": "Ada", "subscription_plan": "pro"}}));
    assert_eq!((pro.0, pro.1["errors"][0]["code"].as_str()), (400, Some("INVALID_OPTION")));
}

#[test]
fn only_the_accounts_own_properties_can_be_removed() {
    let mut world = World::new();
    assert_eq!(world.call("DELETE", "/crm/v3/properties/contacts/email", &Json::Null).0, 400);
    assert_eq!(world.call("DELETE", "/crm/v3/properties/contacts/health_score", &Json::Null).0, 204);
    let gone = world.post(CONTACTS, &json!({"properties": {"firstname": "Ada", "health_score": 3}}));
    assert_eq!((gone.0, gone.1["errors"][0]["code"].as_str()), (400, Some("PROPERTY_DOESNT_EXIST")));
}

#[test]
fn every_bad_property_is_named_and_nothing_is_written() {
    let mut world = World::new();
    let bad = json!({"nickname": "A", "subscription_plan": "PRO", "email": "ada", "lifetime_value": "1,000",
                     "lastmodifieddate": "2026-01-01", "createdate": "2026-01-01", "signed_up_at": "soon",
                     "firstname": "Ada"});
    let (status, body) = world.post(CONTACTS, &json!({ "properties": bad }));
    assert_eq!((status, body["category"].as_str()), (400, Some("VALIDATION_ERROR")));
    let list = body["message"].as_str().unwrap().strip_prefix("Property values were not valid: ").unwrap();
    let list: Vec<Json> = serde_json::from_str(list).unwrap();
    let mut said: Vec<(&str, &str)> =
        list.iter().map(|problem| (problem["name"].as_str().unwrap(), problem["error"].as_str().unwrap())).collect();
    said.sort_unstable();
    let expected = [
        ("createdate", "READ_ONLY_VALUE"),
        ("email", "INVALID_EMAIL"),
        ("lastmodifieddate", "READ_ONLY_VALUE"),
        ("lifetime_value", "INVALID_LONG"),
        ("nickname", "PROPERTY_DOESNT_EXIST"),
        ("signed_up_at", "INVALID_DATE"),
        ("subscription_plan", "INVALID_OPTION"),
    ];
    assert_eq!(said, expected);
    assert!(list.iter().all(|problem| problem["isValid"] == json!(false) && problem["portalId"] == 99_000_111));
    assert_eq!(body["errors"].as_array().unwrap().len(), 7);
    assert_eq!(body["errors"][0]["context"]["propertyName"], json!(["createdate"]));
    assert_eq!(world.twin.records("Contact").count(), 0);
}

#[test]
fn the_time_at_which_a_contact_was_made_is_hubspots_alone() {
    // A lock of before, in which it could still be written.
    let mut lock = super::shipped();
    lock.entities.get_mut("Contact").unwrap().fields.get_mut("createdate").unwrap().read_only = false;
    let mut world = World::with(lock);
    let definition = world.get("/crm/v3/properties/contacts/createdate").1;
    assert_eq!(definition["modificationMetadata"]["readOnlyValue"], true);
    let create = json!({"properties": {"firstname": "Ada", "createdate": "2026-01-01T00:00:00Z"}});
    let (status, body) = world.post(CONTACTS, &create);
    assert_eq!((status, &body["errors"][0]["code"]), (400, &json!("READ_ONLY_VALUE")));
    let ada = world.contact(&json!({"firstname": "Ada"}));
    let change = json!({"properties": {"createdate": "2026-01-01T00:00:00Z"}});
    assert_eq!(world.call("PATCH", &format!("{CONTACTS}/{ada}"), &change).0, 400);
    let read = world.get(&format!("{CONTACTS}/{ada}?properties=createdate")).1;
    assert_eq!(read["properties"]["createdate"], json!(world.now.to_string()));
}

#[test]
fn pipelines_have_the_stages_that_the_stage_property_takes() {
    let mut world = World::new();
    for path in ["/crm/v3/pipelines/deals", "/crm/pipelines/2026-09/0-3"] {
        let (status, body) = world.get(path);
        let pipeline = &body["results"][0];
        assert_eq!((status, &pipeline["id"]), (200, &json!("default")));
        let stages: Vec<&str> =
            pipeline["stages"].as_array().unwrap().iter().map(|stage| stage["id"].as_str().unwrap()).collect();
        assert_eq!(stages.len(), 7);
        assert_eq!((stages[0], stages[5]), ("appointmentscheduled", "closedwon"));
        assert_eq!(pipeline["stages"][5]["metadata"], json!({"probability": "1.0", "isClosed": "true"}));
    }
    let tickets = world.get("/crm/v3/pipelines/tickets/0/stages").1;
    let last = &tickets["results"][3];
    assert_eq!((&last["id"], &last["metadata"]["ticketState"]), (&json!("4"), &json!("CLOSED")));
    assert_eq!(world.get("/crm/v3/pipelines/tickets/1").0, 404);
    assert_eq!(world.get("/crm/v3/pipelines/contacts").0, 400);
}

#[test]
fn properties_are_made_read_and_archived_in_batches() {
    let mut world = World::new();
    let mut second = reference();
    second["name"] = "second".into();
    let batch = |names: &[&str]| json!({"inputs": names.iter().map(|name| json!({"name": name})).collect::<Vec<_>>()});
    let path = "/crm/v3/properties/contacts/batch";
    let (status, made) = world.post(&format!("{path}/create"), &json!({"inputs": [reference(), second]}));
    assert_eq!((status, made["results"].as_array().unwrap().len()), (201, 2));
    assert!(made["startedAt"].is_string() && made["results"][0]["createdAt"].is_string());
    let (status, read) = world.post(&format!("{path}/read"), &batch(&["reference", "nothing"]));
    assert_eq!((status, &read["results"][0]["name"], &read["numErrors"]), (207, &json!("reference"), &json!(1)));
    let (status, again) = world.post(&format!("{path}/create"), &json!({"inputs": [reference()]}));
    assert_eq!((status, &again["errors"][0]["category"]), (207, &json!("OBJECT_ALREADY_EXISTS")));
    assert_eq!(world.post(&format!("{path}/archive"), &batch(&["reference", "second", "nothing"])).0, 204);
    assert_eq!(world.get("/crm/v3/properties/contacts/reference").0, 404);
    let archived = world.get("/crm/v3/properties/contacts/reference?archived=true").1;
    assert_eq!((&archived["archived"], archived["archivedAt"].is_string()), (&json!(true), true));
    assert_eq!(world.post("/crm/v3/properties/contacts", &reference()).0, 201, "the name is free again");
}

#[test]
fn a_property_stands_in_a_group_that_there_is() {
    let mut world = World::new();
    let groups = "/crm/v3/properties/contacts/groups";
    assert_eq!(world.get(groups).1["results"][0]["name"], "contactinformation");
    let mut property = reference();
    property["groupName"] = "biometrics".into();
    assert_eq!(world.post("/crm/v3/properties/contacts", &property).0, 400);
    let group = json!({"name": "biometrics", "label": "BIOMETRICS", "displayOrder": 3});
    let (status, made) = world.post(groups, &group);
    assert_eq!((status, &made["label"], &made["archived"]), (201, &json!("BIOMETRICS"), &json!(false)));
    assert_eq!(world.post(groups, &group).0, 409);
    assert_eq!(world.post("/crm/v3/properties/contacts", &property).0, 201);
    let path = "/crm/properties/2026-09/0-1/groups/biometrics";
    assert_eq!(world.call("PATCH", path, &json!({"label": "Biometrics"})).1["label"], "Biometrics");
    assert_eq!(world.get(path).1["label"], "Biometrics");
    assert_eq!(world.call("DELETE", path, &Json::Null).0, 400, "it holds a property");
    assert_eq!(world.call("DELETE", "/crm/v3/properties/contacts/reference", &Json::Null).0, 204);
    assert_eq!(world.call("DELETE", path, &Json::Null).0, 204);
    assert_eq!(world.get(path).0, 404);
    let moved = json!({"groupName": "nowhere"});
    assert_eq!(world.call("PATCH", "/crm/v3/properties/contacts/health_score", &moved).0, 400);
}

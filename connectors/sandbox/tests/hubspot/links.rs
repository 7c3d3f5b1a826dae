//! Associations: both directions, types that fit, one primary company.

use serde_json::{Value as Json, json};

use super::{COMPANIES, CONTACTS, World};

fn company(world: &mut World, name: &str) -> String {
    let made = world.post(COMPANIES, &json!({"properties": {"name": name}}));
    made.1["id"].as_str().unwrap().to_owned()
}

/// Ids and types of the links from one record.
fn links(world: &mut World, from: &str, id: &str, to: &str) -> Vec<(String, Vec<i64>)> {
    let (status, body) = world.get(&format!("/crm/objects/2026-09/{from}/{id}/associations/{to}"));
    assert_eq!(status, 200, "{body}");
    let types = |link: &Json| {
        link["associationTypes"].as_array().unwrap().iter().map(|ty| ty["typeId"].as_i64().unwrap()).collect()
    };
    body["results"].as_array().unwrap().iter().map(|link| (link["toObjectId"].to_string(), types(link))).collect()
}

fn typed(ty: i64) -> Json {
    json!([{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": ty}])
}

#[test]
fn a_link_stands_at_both_ends_with_the_type_of_its_direction() {
    let mut world = World::new();
    let ada = world.contact(&json!({"firstname": "Ada"}));
    let engines = company(&mut world, "Engines");
    let path = format!("/crm/v4/objects/contacts/{ada}/associations/default/companies/{engines}");
    for _ in 0..2 {
        let (status, body) = world.call("PUT", &path, &Json::Null);
        assert_eq!((status, body["results"].as_array().unwrap().len()), (200, 2));
        assert_eq!(body["results"][1]["associationSpec"]["associationTypeId"], 280);
    }
    assert_eq!(links(&mut world, "contacts", &ada, "companies"), [(engines.clone(), vec![279])]);
    assert_eq!(links(&mut world, "companies", &engines, "contacts"), [(ada.clone(), vec![280])]);
    let read = world.get(&format!("{CONTACTS}/{ada}?associations=companies")).1;
    let expected = json!({"results": [{"id": engines, "type": "contact_to_company_unlabeled"}]});
    assert_eq!(read["associations"]["companies"], expected);
    assert_eq!(
        world
            .call("DELETE", &format!("/crm/v4/objects/contacts/{ada}/associations/companies/{engines}"), &Json::Null)
            .0,
        204
    );
    assert!(links(&mut world, "companies", &engines, "contacts").is_empty());
}

#[test]
fn a_record_has_one_primary_company_and_the_plain_link_with_it() {
    let mut world = World::new();
    let ada = world.contact(&json!({"firstname": "Ada"}));
    let [x, y] = ["X", "Y"].map(|name| company(&mut world, name));
    for company in [&x, &y] {
        let path = format!("/crm/v4/objects/contacts/{ada}/associations/companies/{company}");
        assert_eq!(world.call("PUT", &path, &typed(1)).0, 201);
    }
    assert_eq!(links(&mut world, "contacts", &ada, "companies"), [(x.clone(), vec![279]), (y.clone(), vec![1, 279])]);
    assert_eq!(links(&mut world, "companies", &x, "contacts"), [(ada.clone(), vec![280])]);
    assert_eq!(links(&mut world, "companies", &y, "contacts"), [(ada.clone(), vec![2, 280])]);
    let archive = |ty: i64| json!({"inputs": [{"from": {"id": ada}, "to": {"id": y}, "types": typed(ty)}]});
    let path = "/crm/v4/associations/contacts/companies/batch/labels/archive";
    assert_eq!(world.post(path, &archive(1)).0, 204);
    assert_eq!(links(&mut world, "companies", &y, "contacts"), [(ada.clone(), vec![280])]);
    world.post(path, &archive(279));
    assert!(links(&mut world, "companies", &y, "contacts").is_empty(), "without the plain type nothing is left");
}

#[test]
fn a_type_of_the_wrong_direction_is_refused_and_nothing_is_written() {
    let mut world = World::new();
    let ada = world.contact(&json!({"firstname": "Ada"}));
    let engines = company(&mut world, "Engines");
    let pair = |ty: i64| json!({"from": {"id": ada}, "to": {"id": engines}, "types": typed(ty)});
    let path = "/crm/associations/2026-09/contacts/companies/batch/create";
    let (status, _) = world.post(path, &json!({"inputs": [pair(279), pair(280)]}));
    assert_eq!(status, 400);
    assert!(links(&mut world, "contacts", &ada, "companies").is_empty());
    let new = |ty: i64, to: &str| json!({"properties": {"hs_timestamp": 0}, "associations": [{"to": {"id": to}, "types": typed(ty)}]});
    for (ty, to) in [(201, ada.as_str()), (202, "1"), (202, "ada")] {
        assert_eq!(world.post("/crm/v3/objects/notes", &new(ty, to)).0, 400);
    }
    assert_eq!(world.twin.records("Note").count(), 0);
    assert_eq!(world.post("/crm/v3/objects/notes", &new(202, &ada)).0, 201);
    assert_eq!(links(&mut world, "contacts", &ada, "notes").len(), 1);
}

#[test]
fn a_batch_links_what_it_can_and_names_what_it_cannot() {
    let mut world = World::new();
    let ada = world.contact(&json!({"firstname": "Ada"}));
    let engines = company(&mut world, "Engines");
    let pair = |to: &str| json!({"from": {"id": ada}, "to": {"id": to}, "types": typed(279)});
    let path = "/crm/v4/associations/contacts/companies/batch/create";
    let (status, body) = world.post(path, &json!({"inputs": [pair(&engines), pair("1")]}));
    assert_eq!((status, body["results"][0]["toObjectId"].to_string()), (207, engines.clone()));
    let error = &body["errors"][0];
    assert_eq!(
        (error["message"].as_str(), error["subCategory"].as_str()),
        (Some("1 is not a valid ID"), Some("crm.associations.INVALID_IDENTIFIER"))
    );
    let read = world.post("/crm/v4/associations/contacts/companies/batch/read", &json!({"inputs": [{"id": ada}]}));
    assert_eq!(read.1["results"][0]["to"][0]["associationTypes"][0]["typeId"], 279);
    let archive = json!({"inputs": [{"from": {"id": ada}, "to": [{"id": engines}]}]});
    assert_eq!(world.post("/crm/v4/associations/contacts/companies/batch/archive", &archive).0, 204);
    assert!(links(&mut world, "contacts", &ada, "companies").is_empty());
}

#[test]
fn a_record_is_not_linked_to_itself_and_not_shown_with_archived_ones() {
    let mut world = World::new();
    let ada = world.contact(&json!({"firstname": "Ada"}));
    let path = format!("/crm/v4/objects/contacts/{ada}/associations/default/contacts/{ada}");
    let (status, body) = world.call("PUT", &path, &Json::Null);
    assert_eq!(
        (status, body["message"].clone()),
        (400, json!(format!("Object {ada} cannot be associated to itself ({ada})")))
    );
    let engines = company(&mut world, "Engines");
    world.call("PUT", &format!("/crm/v4/objects/contacts/{ada}/associations/default/companies/{engines}"), &Json::Null);
    world.call("DELETE", &format!("{COMPANIES}/{engines}"), &Json::Null);
    assert!(links(&mut world, "contacts", &ada, "companies").is_empty());
    world.twin.restore("Company", engines.parse().unwrap(), world.now).unwrap();
    assert_eq!(links(&mut world, "contacts", &ada, "companies").len(), 1);
}

#[test]
fn labels_of_a_pair_are_listed() {
    let mut world = World::new();
    let (status, body) = world.get("/crm/v4/associations/contacts/companies/labels");
    let types: Vec<&Json> = body["results"].as_array().unwrap().iter().map(|label| &label["typeId"]).collect();
    assert_eq!((status, types), (200, vec![&json!(1), &json!(279)]));
}

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

#[test]
fn only_a_pair_with_a_primary_calls_its_plain_type_unlabeled() {
    let mut world = World::new();
    let ada = world.contact(&json!({"firstname": "Ada"}));
    let engines = company(&mut world, "Engines");
    let deal = world.post("/crm/v3/objects/deals", &json!({"properties": {"dealname": "x", "dealstage": "closedwon"}}));
    let deal = deal.1["id"].as_str().unwrap().to_owned();
    let path = |to: &str, id: &str| format!("/crm/v4/objects/deals/{deal}/associations/{to}/{id}");
    assert_eq!(world.call("PUT", &path("contacts", &ada), &typed(3)).0, 201);
    assert_eq!(world.call("PUT", &path("companies", &engines), &typed(5)).0, 201);
    let read = world.get(&format!("/crm/v3/objects/deals/{deal}?associations=contacts,companies")).1;
    assert_eq!(read["associations"]["contacts"]["results"], json!([{"id": ada, "type": "deal_to_contact"}]));
    let expected =
        json!([{"id": engines, "type": "deal_to_company"}, {"id": engines, "type": "deal_to_company_unlabeled"}]);
    assert_eq!(read["associations"]["companies"]["results"], expected);
}

#[test]
fn links_of_a_record_come_in_pages_in_the_order_of_their_making() {
    let mut world = World::new();
    let engines = company(&mut world, "Engines");
    let ids: Vec<String> = (0..5).map(|n| world.contact(&json!({"firstname": n}))).collect();
    for id in ids.iter().rev() {
        let path = format!("/crm/v4/objects/contacts/{id}/associations/default/companies/{engines}");
        world.call("PUT", &path, &Json::Null);
    }
    let path = format!("/crm/v4/objects/companies/{engines}/associations/contacts");
    let (mut read, mut after) = (Vec::new(), String::new());
    let mut pages = 0;
    loop {
        let page = world.get(&format!("{path}?limit=2{after}")).1;
        read.extend(page["results"].as_array().unwrap().iter().map(|link| link["toObjectId"].to_string()));
        pages += 1;
        let Some(next) = page["paging"]["next"]["after"].as_str() else { break };
        assert!(page["paging"]["next"]["link"].as_str().unwrap().ends_with(&format!("limit=2&after={next}")));
        after = format!("&after={next}");
    }
    assert_eq!((pages, read), (3, ids.into_iter().rev().collect()));
    assert_eq!(world.get(&format!("{path}?after=x")).0, 400);
}

#[test]
fn plain_links_made_in_batches_are_answered_in_both_directions() {
    let mut world = World::new();
    let ada = world.contact(&json!({"firstname": "Ada"}));
    let engines = company(&mut world, "Engines");
    let pair = |to: &str| json!({"from": {"id": ada}, "to": {"id": to}});
    let path = "/crm/v4/associations/contacts/companies/batch/associate/default";
    let (status, body) = world.post(path, &json!({"inputs": [pair(&engines), pair("1")]}));
    assert_eq!((status, &body["numErrors"]), (207, &json!(1)));
    let mut found: Vec<(String, String, Json)> = body["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| (r["from"]["id"].to_string(), r["to"]["id"].to_string(), r["associationSpec"].clone()))
        .collect();
    found.sort_by_key(|(.., spec)| spec["associationTypeId"].as_i64());
    let spec = |ty: i64| json!({"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": ty});
    let (a, b) = (json!(ada).to_string(), json!(engines).to_string());
    assert_eq!(found, [(a.clone(), b.clone(), spec(279)), (b, a, spec(280))]);
}

#[test]
fn a_record_without_links_is_told_among_the_errors_and_an_id_that_is_none_too() {
    let mut world = World::new();
    let [ada, grace] = ["Ada", "Grace"].map(|name| world.contact(&json!({"firstname": name})));
    let engines = company(&mut world, "Engines");
    let path = format!("/crm/v4/objects/contacts/{ada}/associations/default/companies/{engines}");
    world.call("PUT", &path, &Json::Null);
    let inputs = json!({"inputs": [{"id": ada}, {"id": grace}, {"id": "zzz"}]});
    for path in ["/crm/v4/associations/contacts/companies/batch/read", "/crm/associations/2026-09/0-1/0-2/batch/read"] {
        let (status, body) = world.post(path, &inputs);
        assert_eq!((status, body["results"].as_array().unwrap().len(), &body["numErrors"]), (207, 1, &json!(2)));
        let none = &body["errors"][0];
        assert_eq!(none["category"], "OBJECT_NOT_FOUND");
        assert_eq!(none["subCategory"], "crm.associations.NO_ASSOCIATIONS_FOUND");
        assert_eq!(none["message"], json!(format!("No company is associated with contact {grace}.")));
        assert_eq!(none["context"]["fromObjectId"], json!([grace]));
        assert_eq!(body["errors"][1]["subCategory"], "crm.associations.INVALID_IDENTIFIER");
    }
}

#[test]
fn every_answer_to_a_batch_says_when_it_was_worked_off() {
    let mut world = World::new();
    let ada = world.contact(&json!({"firstname": "Ada"}));
    let engines = company(&mut world, "Engines");
    let pair = json!({"inputs": [{"from": {"id": ada}, "to": {"id": engines}, "types": typed(279)}]});
    let id = json!({"inputs": [{"id": ada}]});
    for (path, body) in [
        ("/crm/v3/objects/contacts/batch/read", &id),
        ("/crm/v4/associations/contacts/companies/batch/create", &pair),
        ("/crm/v4/associations/contacts/companies/batch/associate/default", &pair),
        ("/crm/v4/associations/contacts/companies/batch/read", &id),
        ("/crm/v3/associations/contacts/companies/batch/read", &id),
    ] {
        let answer = world.post(path, body).1;
        let now = json!(world.now.to_string());
        assert_eq!((&answer["startedAt"], &answer["completedAt"]), (&now, &now), "{path}: {answer}");
    }
}

#[test]
fn an_account_makes_labels_of_its_own() {
    let mut world = World::new();
    let ada = world.contact(&json!({"firstname": "Ada"}));
    let engines = company(&mut world, "Engines");
    let labels = "/crm/v4/associations/contacts/companies/labels";
    let label = json!({"name": "billing_contact", "label": "Billing contact", "inverseLabel": "Pays for"});
    let (status, made) = world.post(labels, &label);
    assert_eq!((status, &made["results"][0]["category"]), (200, &json!("USER_DEFINED")));
    assert_eq!(
        (&made["results"][0]["label"], &made["results"][1]["label"]),
        (&json!("Billing contact"), &json!("Pays for"))
    );
    let [there, back] = [0, 1].map(|n| made["results"][n]["typeId"].as_i64().unwrap());
    assert_eq!(world.post(labels, &label).0, 409, "the name is taken");
    let path = format!("/crm/v4/objects/contacts/{ada}/associations/companies/{engines}");
    let own = |ty: i64| json!([{"associationCategory": "USER_DEFINED", "associationTypeId": ty}]);
    assert_eq!(world.call("PUT", &path, &typed(there)).0, 400, "the number is not one of HubSpot's");
    assert_eq!(world.call("PUT", &path, &own(back)).0, 400, "it leads the other way");
    let (status, body) = world.call("PUT", &path, &own(there));
    assert_eq!((status, &body["labels"]), (201, &json!(["Billing contact"])));
    assert_eq!(links(&mut world, "contacts", &ada, "companies"), [(engines.clone(), vec![279, there])]);
    assert_eq!(links(&mut world, "companies", &engines, "contacts"), [(ada.clone(), vec![280, back])]);
    let read = world.get(&format!("{CONTACTS}/{ada}?associations=companies")).1;
    assert_eq!(read["associations"]["companies"]["results"][1]["type"], "billing_contact");
    // Other labels in its place: the plain type stays.
    world.call("PUT", &path, &typed(1));
    assert_eq!(links(&mut world, "contacts", &ada, "companies"), [(engines.clone(), vec![1, 279])]);
    world.call("PUT", &path, &own(there));
    let renamed = json!({"associationTypeId": there, "label": "Payer", "inverseLabel": "Paid by"});
    assert_eq!(world.call("PUT", labels, &renamed).0, 204);
    let listed = world.get(labels).1;
    let own = listed["results"].as_array().unwrap().iter().find(|label| label["category"] == "USER_DEFINED").unwrap();
    assert_eq!((&own["typeId"], &own["label"]), (&json!(there), &json!("Payer")));
    assert_eq!(world.call("DELETE", &format!("{labels}/{there}"), &Json::Null).0, 204);
    assert_eq!(links(&mut world, "contacts", &ada, "companies"), [(engines, vec![279])]);
    assert_eq!(world.get(labels).1["results"].as_array().unwrap().len(), 2);
    assert_eq!(world.call("DELETE", &format!("{labels}/279"), &Json::Null).0, 204);
    assert_eq!(world.get(labels).1["results"].as_array().unwrap().len(), 2, "HubSpot's stay");
}

#[test]
fn the_old_paths_speak_of_links_by_name() {
    let mut world = World::new();
    let ada = world.contact(&json!({"firstname": "Ada"}));
    let engines = company(&mut world, "Engines");
    let types = world.get("/crm/v3/associations/contacts/companies/types").1;
    let names: Vec<&Json> = types["results"].as_array().unwrap().iter().map(|ty| &ty["name"]).collect();
    assert_eq!(names, ["contact_to_company_unlabeled", "contact_to_company"]);
    let pair = |ty: &str| json!({"inputs": [{"from": {"id": ada}, "to": {"id": engines}, "type": ty}]});
    let (status, made) =
        world.post("/crm/v3/associations/contacts/companies/batch/create", &pair("contact_to_company"));
    assert_eq!((status, &made["results"][0]["type"]), (201, &json!("contact_to_company")));
    let read = world.post("/crm/v3/associations/contacts/companies/batch/read", &json!({"inputs": [{"id": ada}]})).1;
    let expected =
        json!([{"id": engines, "type": "contact_to_company"}, {"id": engines, "type": "contact_to_company_unlabeled"}]);
    assert_eq!(read["results"][0]["to"], expected);
    assert_eq!(world.get(&format!("{CONTACTS}/{ada}/associations/companies")).1["results"], expected);
    let (status, _) = world.post("/crm/v3/associations/contacts/companies/batch/create", &pair("company_to_contact"));
    assert_eq!(status, 207, "it leads the other way");
    let archive = pair("contact_to_company_unlabeled");
    assert_eq!(world.post("/crm/v3/associations/contacts/companies/batch/archive", &archive).0, 204);
    assert!(links(&mut world, "contacts", &ada, "companies").is_empty());
    let note = world.post("/crm/v3/objects/notes", &json!({"properties": {"hs_timestamp": 0}})).1["id"].clone();
    let note = note.as_str().unwrap();
    let path = format!("/crm/v3/objects/notes/{note}/associations/contact/{ada}/202");
    assert_eq!(world.call("PUT", &path, &Json::Null).0, 200);
    assert_eq!(links(&mut world, "notes", note, "contacts"), [(ada, vec![202])]);
    assert_eq!(world.call("DELETE", &path, &Json::Null).0, 204);
    assert!(links(&mut world, "notes", note, "contacts").is_empty());
}

#[test]
fn records_that_become_one_are_not_linked_to_themselves() {
    let mut world = World::new();
    let [ada, grace, mary] = ["Ada", "Grace", "Mary"].map(|name| world.contact(&json!({"firstname": name})));
    for other in [&grace, &mary] {
        let path = format!("/crm/v4/objects/contacts/{ada}/associations/default/contacts/{other}");
        assert_eq!(world.call("PUT", &path, &Json::Null).0, 200);
    }
    let id = world.twin.merge("Contact", ada.parse().unwrap(), grace.parse().unwrap(), world.now).unwrap().to_string();
    assert_eq!(links(&mut world, "contacts", &id, "contacts"), [(mary.clone(), vec![449])]);
    assert_eq!(links(&mut world, "contacts", &mary, "contacts"), [(id, vec![449])]);
}

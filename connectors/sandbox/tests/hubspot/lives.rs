//! Archive and restore, merges, privacy deletion, and the history of values.

use dsl::value::Duration;
use serde_json::{Value as Json, json};

use super::{COMPANIES, CONTACTS, World};

#[test]
fn an_archived_record_is_gone_unless_it_is_asked_for_and_comes_back_under_its_id() {
    let mut world = World::new();
    let ada = world.contact(&json!({"email": "ada@example.com", "firstname": "Ada"}));
    let path = format!("{CONTACTS}/{ada}");
    assert_eq!(world.call("DELETE", &path, &Json::Null).0, 204);
    let (status, body) = world.get(&path);
    assert_eq!((status, body["message"].as_str(), body.get("category")), (404, Some("resource not found"), None));
    let archived = world.get(&format!("{path}?archived=true")).1;
    assert_eq!((&archived["archived"], archived["archivedAt"].is_string()), (&json!(true), true));
    assert_eq!(world.get(CONTACTS).1["results"], json!([]));
    assert_eq!(world.get(&format!("{CONTACTS}?archived=true")).1["results"][0]["id"], json!(ada));
    assert_eq!(world.call("PATCH", &path, &json!({"properties": {"firstname": "A"}})).0, 404);
    let id = ada.parse().unwrap();
    world.twin.restore("Contact", id, world.now).unwrap();
    assert_eq!(world.get(&path).1["properties"]["firstname"], "Ada");
    assert!(world.twin.restore("Contact", id, world.now).is_err(), "it is not archived any more");
}

#[test]
fn a_contact_whose_address_was_taken_meanwhile_is_not_restored() {
    let mut world = World::new();
    let ada = world.contact(&json!({"email": "ada@example.com"}));
    world.call("DELETE", &format!("{CONTACTS}/{ada}"), &Json::Null);
    world.contact(&json!({"email": "ada@example.com"}));
    assert!(world.twin.restore("Contact", ada.parse().unwrap(), world.now).is_err());
}

#[test]
fn deleting_what_never_was_is_fine_and_ids_that_are_no_numbers_are_told() {
    let mut world = World::new();
    assert_eq!(world.call("DELETE", &format!("{CONTACTS}/77"), &Json::Null).0, 204);
    let (status, body) = world.get(&format!("{CONTACTS}/ada"));
    assert_eq!((status, body["category"].as_str()), (404, Some("OBJECT_NOT_FOUND")));
    assert_eq!(body["message"], "Object not found.  objectId are usually numeric.");
}

/// Ada and the countess, merged into one; the three ids.
fn merged(world: &mut World) -> [String; 3] {
    let ada = world.contact(&json!({"email": "ada@example.com", "firstname": "Ada"}));
    let countess = world.contact(&json!({"email": "countess@example.com", "firstname": "Augusta", "phone": "111"}));
    let merge = json!({"primaryObjectId": ada, "objectIdToMerge": countess});
    let (status, body) = world.post(&format!("{CONTACTS}/merge"), &merge);
    assert_eq!(status, 200, "{body}");
    let id = body["id"].as_str().unwrap().to_owned();
    [ada, countess, id]
}

#[test]
fn a_merge_makes_a_third_id_and_both_old_ones_lead_to_it() {
    let mut world = World::new();
    let [ada, countess, id] = merged(&mut world);
    assert!(id != ada && id != countess);
    let properties = "?properties=email,firstname,phone,hs_additional_emails,hs_merged_object_ids";
    for old in [&ada, &countess, &id] {
        let body = world.get(&format!("{CONTACTS}/{old}{properties}")).1;
        assert_eq!(body["id"], json!(id));
        let values = &body["properties"];
        assert_eq!(
            (&values["firstname"], &values["phone"]),
            (&json!("Ada"), &json!("111")),
            "the primary's, filled up"
        );
        assert_eq!(values["email"], "ada@example.com");
        assert_eq!(values["hs_additional_emails"], "countess@example.com");
        assert_eq!(values["hs_merged_object_ids"], json!(format!("{ada};{countess}")));
    }
    assert_eq!(world.twin.records("Contact").count(), 1);
    let change = world.call("PATCH", &format!("{CONTACTS}/{countess}"), &json!({"properties": {"phone": "222"}}));
    assert_eq!((change.0, &change.1["id"]), (200, &json!(id)));
    assert_eq!(world.post(CONTACTS, &json!({"properties": {"email": "countess@example.com"}})).0, 400);
}

#[test]
fn a_batch_update_passes_over_an_id_that_was_merged_away() {
    let mut world = World::new();
    let [ada, _, id] = merged(&mut world);
    for input in [
        json!({"id": ada, "properties": {"phone": "3"}}),
        json!({"id": ada, "objectWriteTraceId": "t", "properties": {"phone": "3"}}),
    ] {
        let (status, body) = world.post(&format!("{CONTACTS}/batch/update"), &json!({ "inputs": [input] }));
        assert_eq!((status, &body["results"], body.get("errors")), (200, &json!([]), None));
    }
    assert_eq!(world.get(&format!("{CONTACTS}/{id}?properties=phone")).1["properties"]["phone"], "111");
}

#[test]
fn a_merged_record_can_be_merged_again_and_every_old_id_still_leads_to_it() {
    let mut world = World::new();
    let [ada, countess, first] = merged(&mut world);
    let third = world.contact(&json!({"email": "lovelace@example.com"}));
    let merge = json!({"primaryObjectId": third, "objectIdToMerge": first});
    let id = world.post(&format!("{CONTACTS}/merge"), &merge).1["id"].clone();
    for old in [&ada, &countess, &first, &third] {
        assert_eq!(world.get(&format!("{CONTACTS}/{old}")).1["id"], id);
    }
    let twice = world.post(&format!("{CONTACTS}/merge"), &json!({"primaryObjectId": ada, "objectIdToMerge": countess}));
    assert_eq!(twice.0, 400, "they are one already");
}

#[test]
fn a_merge_takes_the_links_along_and_keeps_one_primary_company() {
    let mut world = World::new();
    let [ada, grace] = ["ada@example.com", "grace@example.com"].map(|email| world.contact(&json!({ "email": email })));
    let [x, y] = ["X", "Y"]
        .map(|name| world.post(COMPANIES, &json!({"properties": {"name": name}})).1["id"].as_str().unwrap().to_owned());
    for (contact, company) in [(&ada, &x), (&grace, &y)] {
        let path = format!("/crm/v4/objects/contacts/{contact}/associations/companies/{company}");
        world.call("PUT", &path, &json!([{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 1}]));
    }
    let merge = json!({"primaryObjectId": ada, "objectIdToMerge": grace});
    let id = world.post(&format!("{CONTACTS}/merge"), &merge).1["id"].as_str().unwrap().to_owned();
    let links = world.get(&format!("/crm/v4/objects/contacts/{id}/associations/companies")).1;
    let types: Vec<(String, usize)> = links["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|link| (link["toObjectId"].to_string(), link["associationTypes"].as_array().unwrap().len()))
        .collect();
    assert_eq!(types, [(x.clone(), 2), (y.clone(), 1)], "the loser's primary label is dropped");
    for company in [x, y] {
        let back = world.get(&format!("/crm/v4/objects/companies/{company}/associations/contacts")).1;
        assert_eq!(back["results"][0]["toObjectId"].to_string(), id);
        assert_eq!(back["results"].as_array().unwrap().len(), 1);
    }
}

#[test]
fn notes_and_records_that_are_not_there_are_not_merged() {
    let mut world = World::new();
    let note = json!({"properties": {"hs_timestamp": "2026-03-02T09:00:00Z"}});
    let [a, b] = [0, 1].map(|_| world.post("/crm/v3/objects/notes", &note).1["id"].clone());
    let merge = json!({"primaryObjectId": a, "objectIdToMerge": b});
    assert_eq!(world.post("/crm/v3/objects/notes/merge", &merge).0, 400);
    let ada = world.contact(&json!({"firstname": "Ada"}));
    let merge = json!({"primaryObjectId": ada, "objectIdToMerge": "1"});
    assert_eq!(world.post(&format!("{CONTACTS}/merge"), &merge).0, 404);
}

#[test]
fn a_privacy_deletion_leaves_nothing_and_an_unknown_address_is_blocked() {
    let mut world = World::new();
    let [ada, _, id] = merged(&mut world);
    let erase = |by: Json, value: &str| json!({"objectId": value, "idProperty": by});
    let path = "/crm/objects/2026-09/contacts/gdpr-delete";
    assert_eq!(world.post(path, &erase(json!("email"), "ada@example.com")).0, 204);
    for gone in [&ada, &id] {
        assert_eq!(world.get(&format!("{CONTACTS}/{gone}")).0, 404);
        assert_eq!(world.get(&format!("{CONTACTS}/{gone}?archived=true")).0, 404);
    }
    assert!(world.twin.restore("Contact", id.parse().unwrap(), world.now).is_err());
    world.contact(&json!({"email": "ada@example.com"}));
    assert_eq!(world.post(path, &erase(json!("email"), "Nobody@example.com")).0, 204);
    assert_eq!(world.post(CONTACTS, &json!({"properties": {"email": "nobody@example.com"}})).0, 400);
    assert_eq!(world.post(path, &erase(Json::Null, "12345")).0, 404);
}

#[test]
fn the_history_of_a_property_says_when_and_by_whom_newest_first() {
    let mut world = World::new();
    let ada = world.contact(&json!({"firstname": "Ada"}));
    world.later(Duration::seconds(60));
    world.twin.edit("Contact", ada.parse().unwrap(), &[("firstname", "Augusta")], world.now).unwrap();
    let by_one = world.get(&format!("{CONTACTS}/{ada}?propertiesWithHistory=firstname,nothing")).1;
    let batch = json!({"properties": [], "propertiesWithHistory": ["firstname"], "inputs": [{"id": ada}]});
    let by_batch = world.post(&format!("{CONTACTS}/batch/read"), &batch).1["results"][0].clone();
    for body in [by_one, by_batch] {
        let history = body["propertiesWithHistory"]["firstname"].as_array().unwrap();
        let said: Vec<[&str; 4]> = history
            .iter()
            .map(|version| ["value", "timestamp", "sourceType", "sourceId"].map(|name| version[name].as_str().unwrap()))
            .collect();
        let expected = [
            ["Augusta", "2026-03-02T09:01:00.000Z", "CRM_UI", "userId:55500011"],
            ["Ada", "2026-03-02T09:00:00.000Z", "INTEGRATION", "7700123"],
        ];
        assert_eq!(said, expected);
        assert_eq!(body["propertiesWithHistory"].as_object().unwrap().len(), 1);
    }
}

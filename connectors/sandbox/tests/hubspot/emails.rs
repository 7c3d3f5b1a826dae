//! E-mail addresses: lower case, unique over all contacts, and the two ways in which HubSpot says so.

use serde_json::json;

use super::{CONTACTS, World};

#[test]
fn addresses_are_kept_in_lower_case_and_found_in_any() {
    let mut world = World::new();
    let ada = world.contact(&json!({"email": "Ada@Example.COM"}));
    let read = world.get(&format!("{CONTACTS}/ADA@example.com?idProperty=email&properties=email"));
    assert_eq!((read.1["id"].clone(), read.1["properties"]["email"].clone()), (json!(ada), json!("ada@example.com")));
}

#[test]
fn a_second_contact_with_an_address_is_a_conflict_that_names_the_first_in_its_text() {
    let mut world = World::new();
    let ada = world.contact(&json!({"email": "ada@example.com"}));
    let (status, body) = world.post(CONTACTS, &json!({"properties": {"email": "ADA@example.com"}}));
    assert_eq!((status, body["category"].as_str()), (409, Some("CONFLICT")));
    assert_eq!(body["message"].as_str().unwrap(), format!("Contact already exists. Existing ID: {ada}"));
    let grace = world.contact(&json!({"email": "grace@example.com"}));
    let change =
        world.call("PATCH", &format!("{CONTACTS}/{grace}"), &json!({"properties": {"email": "ada@example.com"}}));
    assert_eq!(change.0, 409);
}

#[test]
fn the_race_form_is_a_400_whose_second_id_owns_the_value() {
    let mut world = World::new();
    let ada = world.contact(&json!({"email": "ada@example.com"}));
    world.twin.race_next(1);
    let create = json!({"properties": {"email": "ada@example.com"}});
    let (status, body) = world.post(CONTACTS, &create);
    assert_eq!(status, 400);
    let message = body["message"].as_str().unwrap();
    assert!(message.starts_with("Cannot set PropertyValueCoordinates{"), "{message}");
    let (before, after) = message.split_once("} on ").unwrap();
    assert!(before.ends_with("propertyName=email, value=ada@example.com"), "{message}");
    let (new, owner) = after.split_once(". ").unwrap();
    assert_eq!(owner, format!("{ada} already has that value."));
    assert_ne!(new, ada);
    assert_eq!(world.post(CONTACTS, &create).0, 409, "the switch is for one");
}

#[test]
fn an_additional_address_blocks_creates_and_is_not_found_as_email() {
    let mut world = World::new();
    let ada = world
        .contact(&json!({"email": "ada@example.com", "hs_additional_emails": "Countess@example.com;al@example.com"}));
    let (status, body) = world.post(CONTACTS, &json!({"properties": {"email": "countess@example.com"}}));
    assert_eq!(status, 400);
    assert!(body["message"].as_str().unwrap().ends_with(&format!(". {ada} already has that value.")), "{body}");
    let additional = json!({"properties": {"firstname": "Grace", "hs_additional_emails": "ada@example.com"}});
    assert_eq!(world.post(CONTACTS, &additional).0, 409);
    assert_eq!(world.get(&format!("{CONTACTS}/countess@example.com?idProperty=email")).0, 404);
    let search = |property: &str, operator: &str| json!({"filterGroups": [{"filters": [{"propertyName": property, "operator": operator, "value": "countess@example.com"}]}]});
    assert_eq!(world.post(&format!("{CONTACTS}/search"), &search("email", "EQ")).1["total"], 0);
}

#[test]
fn the_address_of_an_archived_contact_is_free() {
    let mut world = World::new();
    let ada = world.contact(&json!({"email": "ada@example.com"}));
    world.call("DELETE", &format!("{CONTACTS}/{ada}"), &json!(null));
    assert_ne!(world.contact(&json!({"email": "ada@example.com"})), ada);
}

#[test]
fn companies_may_share_a_domain() {
    let mut world = World::new();
    for _ in 0..2 {
        let company = json!({"properties": {"name": "Engines", "domain": "engines.example.com"}});
        assert_eq!(world.post(super::COMPANIES, &company).0, 201);
    }
    assert_eq!(world.twin.records("Company").count(), 2);
}

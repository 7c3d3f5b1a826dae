//! Owners: who they are, how they are found, and those who are gone.

use sandbox::Model as _;
use serde_json::{Value as Json, json};

use super::{World, opened, request};

const OWNERS: &str = "/crm/v3/owners";

#[test]
fn an_account_has_the_person_who_installed_the_app() {
    let mut world = World::new();
    for path in [OWNERS, "/crm/v3/owners/", "/crm/owners/2026-09"] {
        let (status, body) = world.get(path);
        assert_eq!((status, body["results"].as_array().unwrap().len()), (200, 1), "{path}");
        let owner = &body["results"][0];
        let (id, user) = (owner["id"].as_str().unwrap(), owner["userId"].as_u64().unwrap());
        assert_ne!(id.parse(), Ok(user), "the owner is not the user");
        for member in ["email", "firstName", "lastName", "createdAt", "updatedAt"] {
            assert!(owner[member].as_str().is_some_and(|text| !text.is_empty()), "{member} of {owner}");
        }
        assert_eq!((&owner["type"], &owner["archived"]), (&json!("PERSON"), &json!(false)));
    }
}

#[test]
fn an_owner_is_read_by_id_by_user_and_by_address() {
    let mut world = World::new();
    world.twin.owner("1001", "ada.byron@example.com");
    let (status, ada) = world.get(&format!("{OWNERS}/1001"));
    assert_eq!((status, &ada["firstName"], &ada["lastName"]), (200, &json!("Ada"), &json!("Byron")));
    let by_user = world.get(&format!("{OWNERS}/{}?idProperty=userId", ada["userId"])).1;
    assert_eq!(by_user, ada);
    for address in ["ada.byron%40example.com", "ADA.BYRON@example.com"] {
        assert_eq!(world.get(&format!("{OWNERS}?email={address}")).1["results"], json!([ada]));
    }
    assert_eq!(world.get(&format!("{OWNERS}?email=nobody%40example.com")).1["results"], json!([]));
    let missing = world.send("GET", &format!("{OWNERS}/9"), &Json::Null);
    assert_eq!((missing.status().as_u16(), &opened(&missing)["status"]), (404, &json!("error")), "in words, no page");
    let made = world.send("POST", OWNERS, &json!({"email": "x@example.com"}));
    assert_eq!(made.status(), 404, "owners are not made over the API");
}

#[test]
fn owners_come_in_pages() {
    let mut world = World::new();
    for n in 0..4 {
        world.twin.owner(&format!("100{n}"), &format!("o{n}@example.com"));
    }
    let (mut found, mut path) = (Vec::new(), format!("{OWNERS}?limit=2"));
    loop {
        let page = world.get(&path).1;
        found.extend(page["results"].as_array().unwrap().iter().map(|owner| owner["id"].as_str().unwrap().to_owned()));
        let Some(link) = page["paging"]["next"]["link"].as_str() else { break };
        path = link.strip_prefix("https://api.hubapi.com").unwrap().to_owned();
    }
    assert_eq!(found[1..], ["1000", "1001", "1002", "1003"]);
}

#[test]
fn a_deactivated_owner_is_no_user_and_listed_among_the_archived() {
    let mut world = World::new();
    let control = |world: &mut World, path: &str, body: &Json| {
        opened(&world.twin.control(&request("POST", &format!("/_twin/{path}"), body), world.now))
    };
    let id = control(&mut world, "owner", &json!({"email": "ada@example.com"}))["id"].as_str().unwrap().to_owned();
    control(&mut world, "deactivate-owner", &json!({"id": id}));
    assert_eq!(world.get(&format!("{OWNERS}/{id}")).0, 404);
    let (status, gone) = world.get(&format!("{OWNERS}/{id}?archived=true"));
    assert_eq!((status, &gone["userId"], &gone["archived"]), (200, &Json::Null, &json!(true)));
    assert!(gone["userIdIncludingInactive"].is_u64());
    assert_eq!(world.get(&format!("{OWNERS}?archived=true")).1["results"], json!([gone]));
    assert_eq!(world.get(OWNERS).1["results"].as_array().unwrap().len(), 1);
    assert!(control(&mut world, "owner", &json!({}))["message"].as_str().unwrap().contains("email"));
    assert!(control(&mut world, "deactivate-owner", &json!({"id": "9"}))["message"].is_string());
}

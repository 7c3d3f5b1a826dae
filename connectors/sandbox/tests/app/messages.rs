//! What the app tells of its changes.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use super::World;

fn types(messages: &[Json]) -> Vec<&str> {
    messages.iter().map(|message| message["type"].as_str().unwrap()).collect()
}

#[test]
fn every_change_is_one_message_with_the_whole_record() {
    let mut world = World::new();
    let id = world.user("ada@example.com");
    world.later();
    world.app.edit("User", &id, json!({ "phone": "1" }), world.now).unwrap();
    let record = world.app.record("User", &id).unwrap().clone();
    world.later();
    world.app.delete("User", &id, world.now).unwrap();
    let messages = world.published();
    assert_eq!(types(&messages), ["user.created", "user.updated", "user.deleted"]);
    assert_eq!(messages[1]["data"], Json::Object(record));
    assert_eq!(messages[1]["occurredAt"], messages[1]["data"]["updatedAt"]);
    assert_eq!(messages[2]["data"], json!({ "id": id }));
    assert_eq!(messages[2]["occurredAt"], "2026-03-02T09:00:02.000Z");
    let ids: BTreeSet<&str> = messages.iter().map(|message| message["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 3);
    assert_eq!(world.published(), Vec::<Json>::new());
}

#[test]
fn messages_carry_their_topic_and_the_record_as_key() {
    let mut world = World::new();
    let ada = world.user("ada@example.com");
    world.app.create("Company", json!({ "name": "Acme", "domain": "acme.example" }), world.now).unwrap();
    world.app.create("Activity", json!({ "user": { "id": ada }, "kind": "Login" }), world.now).unwrap();
    world.app.login(&ada, world.now).unwrap();
    let sent: Vec<_> = world.app.outgoing().into_iter().map(|message| (message.topic, message.key)).collect();
    let expected = [
        ("biometrics.users", "user-1"),
        ("biometrics.companies", "company-1"),
        ("biometrics.activities", "activity-1"),
        ("biometrics.users", "user-1"),
    ];
    assert_eq!(sent, expected.map(|(topic, key)| (topic.to_owned(), key.to_owned())));
    assert_eq!(
        world.app.topics(),
        ["activities", "companies", "deals", "notes", "subscriptions", "users"].map(|end| format!("biometrics.{end}"))
    );
}

#[test]
fn a_login_is_told_and_changes_no_record() {
    let mut world = World::new();
    let ada = world.user("ada@example.com");
    let before = world.app.record("User", &ada).unwrap().clone();
    world.published();
    world.later();
    world.app.login(&ada, world.now).unwrap();
    let messages = world.published();
    assert_eq!(types(&messages), ["user.logged_in"]);
    assert_eq!(messages[0]["data"], json!({ "id": ada, "email": "ada@example.com", "at": "2026-03-02T09:00:01.000Z" }));
    assert_eq!(world.app.record("User", &ada), Some(&before));
    assert_eq!(world.app.login("user-9", world.now), Err(sandbox::app::Refused::Missing));
}

#[test]
fn a_new_subscription_is_told_before_the_user_it_belongs_to() {
    let mut world = World::new();
    let ada = world.user("ada@example.com");
    world.published();
    world.call("POST", "/subscriptions", json!({ "user": { "id": ada }, "plan": "pro", "price": "49.00" }));
    let messages = world.published();
    assert_eq!(types(&messages), ["subscription.created", "user.updated"]);
    assert_eq!(messages[1]["data"]["subscription"], json!({ "id": "subscription-1" }));
}

#[test]
fn what_the_lock_has_no_message_for_is_told_to_nobody() {
    let mut world = World::new();
    world.app.create("SupportTicket", json!({ "title": "t", "status": "new", "crmTicketId": "7" }), world.now).unwrap();
    let company = world.app.create("Company", json!({ "name": "A", "domain": "a.example" }), world.now).unwrap();
    world.app.delete("Company", &company, world.now).unwrap();
    assert_eq!(types(&world.published()), ["company.created"]);
}

#[test]
fn event_ids_never_come_again_not_even_after_a_reset_or_from_another_twin() {
    let mut world = World::new();
    let other = sandbox::app::Settings { kafka: true, seed: 1, ..Default::default() };
    let mut other = World::with(other);
    world.user("ada@example.com");
    let mut ids: Vec<Json> = world.published();
    world.app.reset();
    assert_eq!(world.app.count("User"), 0);
    assert_eq!(world.user("ada@example.com"), "user-2");
    ids.extend(world.published());
    other.user("ada@example.com");
    ids.extend(other.published());
    let ids: BTreeSet<&str> = ids.iter().map(|message| message["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 3);
}

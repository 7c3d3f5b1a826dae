//! Values that are larger or odder than anybody expects.

use dsl::value::Duration;
use engine::testing::decide::views;
use scenarios::{app, contact, pass, sign_up, simulation, user};
use serde_json::json;

#[test]
fn a_key_of_any_length_finds_its_record_and_never_makes_a_second_one() {
    let mut simulation = simulation();
    // Longer than a key of the ledger may be.
    let email = format!("{}@example.com", "a".repeat(5_000));
    let id = sign_up(&simulation, json!({"email": email, "firstName": "Ada", "lastName": "L", "lifetimeValue": "0"}));
    pass(&mut simulation, Duration::seconds(20));
    assert_eq!(contact(&simulation, &email, "firstname").as_deref(), Some("Ada"));
    let now = simulation.now();
    app(&simulation).edit("User", &id, json!({"lastName": "King"}), now).expect("taken");
    pass(&mut simulation, Duration::seconds(20));
    assert_eq!(contact(&simulation, &email, "lastname").as_deref(), Some("King"));
    assert_eq!(scenarios::crm(&simulation).records("Contact").count(), 1);
    assert_eq!(views::incidents(simulation.rows()).expect("readable"), []);
}

#[test]
fn a_value_of_any_size_and_script_arrives_as_it_was() {
    let mut simulation = simulation();
    let odd = ["né \u{202e}right to left", "line\nbreak\ttab", "\u{1f600} emoji", "quote \" and \\ and {brace}"];
    for (index, name) in odd.iter().enumerate() {
        let email = format!("u{index}@example.com");
        sign_up(&simulation, json!({"email": email, "firstName": name, "lastName": "L", "lifetimeValue": "0"}));
    }
    let large = "x".repeat(60_000);
    sign_up(
        &simulation,
        json!({"email": "large@example.com", "firstName": large, "lastName": "L", "lifetimeValue": "0"}),
    );
    pass(&mut simulation, Duration::seconds(20));
    for (index, name) in odd.iter().enumerate() {
        assert_eq!(contact(&simulation, &format!("u{index}@example.com"), "firstname").as_deref(), Some(*name));
    }
    assert_eq!(contact(&simulation, "large@example.com", "firstname"), Some(large.clone()));
    assert_eq!(user(&simulation, "large@example.com", "firstName"), json!(large));
    assert_eq!(views::incidents(simulation.rows()).expect("readable"), []);
}

#[test]
fn a_member_of_an_event_that_is_not_what_its_lock_says_is_shown_to_people() {
    let mut simulation = simulation();
    let now = simulation.now();
    app(&simulation).send(
        "user.logged_in",
        "1",
        &json!({"id": "1", "email": {"not": "text"}, "at": now.to_string()}),
        now,
    );
    pass(&mut simulation, Duration::seconds(5));
    let incidents = views::incidents(simulation.rows()).expect("readable");
    let [incident] = incidents.as_slice() else { panic!("one incident, not {incidents:?}") };
    assert_eq!(incident.entity, "app.Login");
    assert!(incident.cause.starts_with("`email` of a message cannot be understood"), "{incident:?}");
}

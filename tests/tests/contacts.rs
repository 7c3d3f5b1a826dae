//! Users and contacts: made once, merged field by field, never lost.

use dsl::value::Duration;
use scenarios::{app, contact, crm, pass, sign_up, simulation, user};
use serde_json::json;

fn ada() -> serde_json::Value {
    json!({"email": "ada@example.com", "firstName": "Ada", "lastName": "Byron", "phone": "1", "lifetimeValue": "0"})
}

#[test]
fn a_new_user_becomes_one_contact_within_a_second() {
    let mut simulation = simulation();
    let values =
        json!({"email": "Ada@Example.COM", "firstName": "Ada", "lastName": "Byron", "lifetimeValue": "120.50"});
    sign_up(&simulation, values);
    pass(&mut simulation, Duration::seconds(1));
    assert_eq!(contact(&simulation, "ada@example.com", "firstname").as_deref(), Some("Ada"));
    assert_eq!(contact(&simulation, "ada@example.com", "lifetime_value").as_deref(), Some("120.5"));
    pass(&mut simulation, Duration::hours(1));
    assert_eq!(crm(&simulation).records("Contact").count(), 1);
}

#[test]
fn a_phone_changed_in_the_crm_arrives_in_the_app() {
    let mut simulation = simulation();
    sign_up(&simulation, ada());
    pass(&mut simulation, Duration::seconds(2));
    let (id, now) =
        (crm(&simulation).find("Contact", "email", "ada@example.com").expect("it is there").id, simulation.now());
    crm(&simulation).edit("Contact", id, &[("phone", "+442079460958")], now).expect("HubSpot takes it");
    pass(&mut simulation, Duration::seconds(1));
    assert_eq!(user(&simulation, "ada@example.com", "phone"), json!("+442079460958"));
}

#[test]
fn both_sides_change_different_fields_and_both_changes_stay() {
    let mut simulation = simulation();
    let user_id = sign_up(&simulation, ada());
    pass(&mut simulation, Duration::seconds(5));
    let now = simulation.now();
    let id = crm(&simulation).find("Contact", "email", "ada@example.com").expect("it is there").id;
    crm(&simulation).edit("Contact", id, &[("firstname", "Augusta")], now).expect("HubSpot takes it");
    app(&simulation).edit("User", &user_id, json!({"lastName": "Lovelace"}), now).expect("the app takes it");
    pass(&mut simulation, Duration::seconds(5));
    assert_eq!(user(&simulation, "ada@example.com", "firstName"), json!("Augusta"));
    assert_eq!(user(&simulation, "ada@example.com", "lastName"), json!("Lovelace"));
    assert_eq!(contact(&simulation, "ada@example.com", "firstname").as_deref(), Some("Augusta"));
    assert_eq!(contact(&simulation, "ada@example.com", "lastname").as_deref(), Some("Lovelace"));
}

#[test]
fn the_same_field_on_both_sides_goes_by_its_policy_and_the_loser_is_recorded() {
    let mut simulation = simulation();
    let user_id = sign_up(&simulation, ada());
    pass(&mut simulation, Duration::seconds(5));
    let now = simulation.now();
    let id = crm(&simulation).find("Contact", "email", "ada@example.com").expect("it is there").id;
    app(&simulation).edit("User", &user_id, json!({"phone": "111"}), now).expect("the app takes it");
    crm(&simulation).edit("Contact", id, &[("phone", "222")], now).expect("HubSpot takes it");
    pass(&mut simulation, Duration::seconds(5));
    assert_eq!(user(&simulation, "ada@example.com", "phone"), json!("222"));
    assert_eq!(contact(&simulation, "ada@example.com", "phone").as_deref(), Some("222"));
    let loser = simulation.log.iter().find(|event| event.action == "conflict").expect("the conflict is recorded");
    assert_eq!(loser.displaced.as_deref(), Some("111"));
}

#[test]
fn a_contact_made_in_the_crm_becomes_a_user() {
    let mut simulation = simulation();
    let now = simulation.now();
    let values = [("email", "grace@example.com"), ("firstname", "Grace"), ("lastname", "Hopper")];
    crm(&simulation).create("Contact", &values, now).expect("taken");
    pass(&mut simulation, Duration::seconds(2));
    assert_eq!(user(&simulation, "grace@example.com", "firstName"), json!("Grace"));
    assert_eq!(app(&simulation).count("User"), 1);
}

#[test]
fn a_contact_that_is_there_already_is_adopted_not_doubled() {
    let mut simulation = simulation();
    let now = simulation.now();
    crm(&simulation).create("Contact", &[("email", "ada@example.com"), ("phone", "222")], now).expect("taken");
    sign_up(&simulation, ada());
    pass(&mut simulation, Duration::seconds(5));
    assert_eq!(crm(&simulation).records("Contact").count(), 1);
    assert_eq!(app(&simulation).count("User"), 1);
    assert_eq!(user(&simulation, "ada@example.com", "phone"), json!("222"));
    assert_eq!(contact(&simulation, "ada@example.com", "firstname").as_deref(), Some("Ada"));
}

#[test]
fn after_everything_is_in_step_nothing_is_written_or_read() {
    let mut simulation = simulation();
    for n in 0..20 {
        let email = format!("user{n}@example.com");
        sign_up(&simulation, json!({"email": email, "firstName": "A", "lastName": "B", "lifetimeValue": "1"}));
    }
    pass(&mut simulation, Duration::minutes(5));
    let calls = crm(&simulation).calls().clone();
    pass(&mut simulation, Duration::minutes(30));
    assert_eq!(*crm(&simulation).calls(), calls);
}

#[test]
fn a_first_load_looks_for_each_key_once_and_reads_nothing_that_it_has_just_made() {
    let mut simulation = simulation();
    for n in 0..200 {
        let email = format!("user{n}@example.com");
        sign_up(&simulation, json!({"email": email, "firstName": "A", "lastName": "B", "lifetimeValue": "1"}));
    }
    pass(&mut simulation, Duration::minutes(5));
    let calls = crm(&simulation).calls().clone();
    // A hundred to a call: two of each kind.
    assert_eq!((calls.reads, calls.writes, calls.records), (2, 2, 200), "{calls:?}");
}

#[test]
fn a_delivery_that_comes_five_times_changes_nothing_more() {
    let mut simulation = simulation();
    crm(&simulation).repeat_deliveries(4);
    let now = simulation.now();
    crm(&simulation).create("Contact", &[("email", "grace@example.com"), ("firstname", "Grace")], now).expect("taken");
    pass(&mut simulation, Duration::seconds(10));
    assert_eq!(app(&simulation).count("User"), 1);
    assert_eq!(crm(&simulation).records("Contact").count(), 1);
}

#[test]
fn a_storm_goes_out_in_batches() {
    let mut simulation = simulation();
    let ids: Vec<String> = (0..500)
        .map(|n| {
            let email = format!("user{n}@example.com");
            sign_up(&simulation, json!({"email": email, "firstName": "A", "lastName": "B", "lifetimeValue": "1"}))
        })
        .collect();
    pass(&mut simulation, Duration::minutes(2));
    let before = crm(&simulation).calls().clone();
    let now = simulation.now();
    for id in &ids {
        for round in 0..4 {
            app(&simulation).edit("User", id, json!({"firstName": format!("Name {round}")}), now).expect("taken");
        }
    }
    pass(&mut simulation, Duration::seconds(30));
    let after = crm(&simulation).calls().clone();
    assert!(after.total - before.total < 200, "{} calls for 2,000 changes", after.total - before.total);
    assert_eq!(contact(&simulation, "user7@example.com", "firstname").as_deref(), Some("Name 3"));
    assert_eq!(after.limited, 0);
}

//! Two people edit the same field within the moment that lies between what the engine knows and what it writes. The
//! write covers the second edit before anybody has seen it, and the edit is not lost.

use dsl::value::Duration;
use engine::testing::decide::views;
use engine::testing::rehearse::Simulation;
use scenarios::{app, contact, crm, pass, sign_up, simulation, user, with};
use serde_json::json;

const EMAIL: &str = "ada@example.com";

fn pair(simulation: &mut Simulation) -> (String, u64) {
    let user = sign_up(
        simulation,
        json!({"email": EMAIL, "firstName": "Ada", "lastName": "L", "phone": "0", "lifetimeValue": "0"}),
    );
    pass(simulation, Duration::seconds(20));
    let contact = crm(simulation).find("Contact", "email", EMAIL).expect("a contact").id;
    (user, contact)
}

/// In the app somebody sets a field; while the engine's write is held for company, somebody sets it in the CRM too,
/// and the message about that arrives only after the write.
fn both_edit(
    simulation: &mut Simulation,
    (user, contact): &(String, u64),
    field: (&str, &str),
    property: (&str, &str),
) {
    simulation.hold_back("crm", true);
    let now = simulation.now();
    app(simulation).edit("User", user, json!({field.0: field.1}), now).expect("taken");
    pass(simulation, Duration(50));
    let now = simulation.now();
    crm(simulation).edit("Contact", *contact, &[property], now).expect("taken");
    pass(simulation, Duration::seconds(5));
    assert_eq!(scenarios::contact(simulation, EMAIL, property.0).as_deref(), Some(field.1), "the write has covered it");
    simulation.hold_back("crm", false);
    pass(simulation, Duration::seconds(30));
}

fn sides(simulation: &Simulation, field: &str, property: &str) -> (String, String) {
    let left = user(simulation, EMAIL, field).as_str().unwrap_or_default().to_owned();
    (left, contact(simulation, EMAIL, property).unwrap_or_default())
}

fn told(simulation: &Simulation) -> Vec<(String, Option<String>, Option<String>)> {
    let about = |event: &&engine::testing::decide::Event| event.detail.contains("before it was seen");
    let told = simulation.log.iter().filter(about);
    told.map(|event| (event.action.name().to_owned(), event.value.clone(), event.displaced.clone())).collect()
}

fn trouble(simulation: &Simulation) -> Vec<String> {
    let incidents = views::incidents(simulation.rows()).expect("readable");
    incidents.into_iter().map(|incident| incident.cause).collect()
}

#[test]
fn where_the_crm_wins_the_covered_edit_is_put_back_and_reaches_the_app() {
    let mut simulation = simulation();
    let pair = pair(&mut simulation);
    both_edit(&mut simulation, &pair, ("phone", "111"), ("phone", "222"));
    assert_eq!(sides(&simulation, "phone", "phone"), ("222".to_owned(), "222".to_owned()));
    assert_eq!(told(&simulation), [("conflict".to_owned(), Some("222".to_owned()), Some("111".to_owned()))]);
    assert_eq!(trouble(&simulation), Vec::<String>::new());
}

#[test]
fn an_edit_that_loses_while_the_winner_is_on_its_way_is_kept_in_the_history() {
    let mut simulation = simulation();
    let (user, contact) = pair(&mut simulation);
    let now = simulation.now();
    crm(&simulation).edit("Contact", contact, &[("phone", "222")], now).expect("taken");
    // The write to the app is queued, and held for company.
    pass(&mut simulation, Duration(50));
    let now = simulation.now();
    app(&simulation).edit("User", &user, json!({"phone": "111"}), now).expect("taken");
    pass(&mut simulation, Duration::seconds(30));
    assert_eq!(sides(&simulation, "phone", "phone"), ("222".to_owned(), "222".to_owned()));
    let conflicts: Vec<_> = simulation.log.iter().filter(|event| event.action == "conflict").collect();
    assert_eq!(conflicts.len(), 1, "{conflicts:?}");
    let (lost, won) = (conflicts[0].displaced.as_deref(), conflicts[0].value.as_deref());
    assert_eq!((lost, won, conflicts[0].field.as_deref()), (Some("111"), Some("222"), Some("phone")));
}

#[test]
fn where_the_app_wins_the_covered_edit_is_kept_in_the_history() {
    let mut simulation = with(
        "contacts.rules",
        "phone                             crm wins",
        "phone                             app wins",
    );
    let pair = pair(&mut simulation);
    both_edit(&mut simulation, &pair, ("phone", "111"), ("phone", "222"));
    assert_eq!(sides(&simulation, "phone", "phone"), ("111".to_owned(), "111".to_owned()));
    assert_eq!(told(&simulation), [("conflict".to_owned(), Some("111".to_owned()), Some("222".to_owned()))]);
}

#[test]
fn under_newest_wins_the_later_of_the_two_edits_stands() {
    // Within the skew guard the tie side wins, which is the CRM.
    let mut near = simulation();
    let known = pair(&mut near);
    both_edit(&mut near, &known, ("firstName", "Augusta"), ("firstname", "Countess"));
    assert_eq!(sides(&near, "firstName", "firstname"), ("Countess".to_owned(), "Countess".to_owned()));

    // The CRM's edit came first and its message last: the app's later one stands.
    let mut simulation = simulation();
    let (user, contact) = pair(&mut simulation);
    simulation.hold_back("crm", true);
    let now = simulation.now();
    crm(&simulation).edit("Contact", contact, &[("firstname", "Countess")], now).expect("taken");
    pass(&mut simulation, Duration::seconds(10));
    let now = simulation.now();
    app(&simulation).edit("User", &user, json!({"firstName": "Augusta"}), now).expect("taken");
    pass(&mut simulation, Duration::seconds(5));
    simulation.hold_back("crm", false);
    pass(&mut simulation, Duration::seconds(30));
    assert_eq!(sides(&simulation, "firstName", "firstname"), ("Augusta".to_owned(), "Augusta".to_owned()));
    assert_eq!(told(&simulation), [("conflict".to_owned(), Some("Augusta".to_owned()), Some("Countess".to_owned()))]);
}

#[test]
fn under_review_both_values_stand_again_and_a_person_chooses() {
    let mut simulation = with(
        "contacts.rules",
        "phone                             crm wins",
        "phone                             review",
    );
    let pair = pair(&mut simulation);
    both_edit(&mut simulation, &pair, ("phone", "111"), ("phone", "222"));
    assert_eq!(sides(&simulation, "phone", "phone"), ("111".to_owned(), "222".to_owned()));
    let trouble = trouble(&simulation);
    assert_eq!(trouble.len(), 1, "{trouble:?}");
    assert!(trouble[0].contains("both changed: `111` in app, `222` in crm"), "{trouble:?}");
}

#[test]
fn an_edit_of_a_field_that_the_app_owns_is_told_as_drift() {
    let mut simulation = simulation();
    let pair = pair(&mut simulation);
    both_edit(&mut simulation, &pair, ("jobTitle", "Countess"), ("jobtitle", "Duchess"));
    assert_eq!(sides(&simulation, "jobTitle", "jobtitle"), ("Countess".to_owned(), "Countess".to_owned()));
    assert_eq!(told(&simulation), [("drift".to_owned(), Some("Countess".to_owned()), Some("Duchess".to_owned()))]);
}

#[test]
fn an_edit_to_the_very_same_value_is_no_conflict() {
    let mut simulation = simulation();
    let pair = pair(&mut simulation);
    both_edit(&mut simulation, &pair, ("phone", "111"), ("phone", "111"));
    assert_eq!(sides(&simulation, "phone", "phone"), ("111".to_owned(), "111".to_owned()));
    assert_eq!(told(&simulation), []);
}

#[test]
fn a_message_about_what_was_known_already_puts_nothing_back() {
    let mut simulation = simulation();
    let (user, contact) = pair(&mut simulation);
    // Every delivery comes again, some after later writes.
    crm(&simulation).repeat_deliveries(2);
    for round in 0..4 {
        let now = simulation.now();
        crm(&simulation).edit("Contact", contact, &[("phone", &format!("22{round}"))], now).expect("taken");
        pass(&mut simulation, Duration::seconds(10));
        simulation.hold_back("crm", true);
        let now = simulation.now();
        app(&simulation).edit("User", &user, json!({"phone": format!("11{round}")}), now).expect("taken");
        pass(&mut simulation, Duration::seconds(10));
        simulation.hold_back("crm", false);
        pass(&mut simulation, Duration::seconds(10));
        assert_eq!(sides(&simulation, "phone", "phone"), (format!("11{round}"), format!("11{round}")));
    }
    assert_eq!(told(&simulation), []);
}

#[test]
fn a_covered_edit_that_somebody_has_edited_again_since_is_not_put_back() {
    let mut simulation = simulation();
    let (user, contact) = pair(&mut simulation);
    simulation.hold_back("crm", true);
    let now = simulation.now();
    app(&simulation).edit("User", &user, json!({"phone": "111"}), now).expect("taken");
    pass(&mut simulation, Duration(50));
    let now = simulation.now();
    crm(&simulation).edit("Contact", contact, &[("phone", "222")], now).expect("taken");
    pass(&mut simulation, Duration::seconds(5));
    let now = simulation.now();
    crm(&simulation).edit("Contact", contact, &[("phone", "333")], now).expect("taken");
    pass(&mut simulation, Duration::seconds(5));
    simulation.hold_back("crm", false);
    pass(&mut simulation, Duration::seconds(30));
    assert_eq!(sides(&simulation, "phone", "phone"), ("333".to_owned(), "333".to_owned()));
    assert_eq!(trouble(&simulation), Vec::<String>::new());
}

#[test]
fn the_app_s_edit_is_as_safe_as_the_crm_s() {
    let mut simulation = with(
        "contacts.rules",
        "phone                             crm wins",
        "phone                             app wins",
    );
    let (user, contact) = pair(&mut simulation);
    simulation.hold_back("app", true);
    let now = simulation.now();
    crm(&simulation).edit("Contact", contact, &[("phone", "222")], now).expect("taken");
    pass(&mut simulation, Duration(50));
    let now = simulation.now();
    app(&simulation).edit("User", &user, json!({"phone": "111"}), now).expect("taken");
    pass(&mut simulation, Duration::seconds(5));
    assert_eq!(sides(&simulation, "phone", "phone"), ("222".to_owned(), "222".to_owned()));
    simulation.hold_back("app", false);
    pass(&mut simulation, Duration::seconds(30));
    assert_eq!(sides(&simulation, "phone", "phone"), ("111".to_owned(), "111".to_owned()));
}

#[test]
fn a_crash_before_any_round_of_it_changes_nothing() {
    for at in 1..40 {
        let mut simulation = simulation();
        let pair = pair(&mut simulation);
        simulation.crash_before_round(at);
        simulation.hold_back("crm", true);
        let now = simulation.now();
        app(&simulation).edit("User", &pair.0, json!({"phone": "111"}), now).expect("taken");
        pass(&mut simulation, Duration(50));
        let now = simulation.now();
        crm(&simulation).edit("Contact", pair.1, &[("phone", "222")], now).expect("taken");
        pass(&mut simulation, Duration::seconds(90));
        simulation.hold_back("crm", false);
        pass(&mut simulation, Duration::minutes(20));
        assert_eq!(
            sides(&simulation, "phone", "phone"),
            ("222".to_owned(), "222".to_owned()),
            "crash before round {at}"
        );
    }
}

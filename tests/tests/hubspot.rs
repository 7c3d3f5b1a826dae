//! What HubSpot does to contacts by itself: merges, the recycle bin, privacy deletions, races of creates.

use dsl::value::Duration;
use engine::testing::decide::views;
use engine::testing::rehearse::Simulation;
use scenarios::{app, contact, crm, pass, sign_up, simulation, user};
use serde_json::json;

/// The id of the contact with an address.
fn contact_id(simulation: &Simulation, email: &str) -> u64 {
    crm(simulation).find("Contact", "email", email).expect("it is there").id
}

/// A contact that a person makes.
fn make_contact(simulation: &Simulation, properties: &[(&str, &str)]) -> u64 {
    let now = simulation.now();
    crm(simulation).create("Contact", properties, now).expect("HubSpot takes it")
}

/// Users, and live contacts.
fn counts(simulation: &Simulation) -> (usize, usize) {
    (app(simulation).count("User"), crm(simulation).records("Contact").count())
}

/// The contacts that users are paired with, by the user's id.
fn pairs(simulation: &Simulation) -> Vec<(String, u64)> {
    let links = views::links(simulation.rows()).expect("rows");
    let linked = links.into_iter().filter(|link| link.sync == "Contacts" && link.state.as_str() == "linked");
    linked.filter_map(|link| Some((link.left?, link.right?.parse().ok()?))).collect()
}

fn sign_up_ada(simulation: &mut Simulation) -> String {
    let values = json!({"email": "ada@example.com", "firstName": "Ada", "lastName": "Byron", "lifetimeValue": "10"});
    let id = sign_up(simulation, values);
    pass(simulation, Duration::seconds(5));
    id
}

#[test]
fn a_merge_with_a_stray_contact_keeps_the_user_paired_and_loses_no_value() {
    for user_first in [true, false] {
        let mut simulation = simulation();
        let ada = sign_up_ada(&mut simulation);
        let paired = contact_id(&simulation, "ada@example.com");
        // Without a key of its own it has no user yet.
        let stray = make_contact(&simulation, &[("firstname", "A."), ("phone", "+44 1"), ("jobtitle", "Countess")]);
        pass(&mut simulation, Duration::seconds(5));
        assert_eq!(counts(&simulation), (1, 2));
        let now = simulation.now();
        let (primary, other) = if user_first { (paired, stray) } else { (stray, paired) };
        let id = crm(&simulation).merge("Contact", primary, other, now).expect("HubSpot merges");
        pass(&mut simulation, Duration::minutes(5));
        assert_eq!(counts(&simulation), (1, 1), "no second record, user first: {user_first}");
        assert_eq!(pairs(&simulation), [(ada.clone(), id)]);
        assert_eq!(
            user(&simulation, "ada@example.com", "phone"),
            json!("+44 1"),
            "what the stray one knew has arrived"
        );
        assert_eq!(contact(&simulation, "ada@example.com", "lastname").as_deref(), Some("Byron"));
        let first = if user_first { "Ada" } else { "A." };
        assert_eq!(user(&simulation, "ada@example.com", "firstName"), json!(first), "as the primary contact has it");
        // The pair goes on living under the new id.
        let now = simulation.now();
        app(&simulation).edit("User", &ada, json!({"lastName": "Lovelace"}), now).expect("the app takes it");
        pass(&mut simulation, Duration::seconds(5));
        assert_eq!(contact(&simulation, "ada@example.com", "lastname").as_deref(), Some("Lovelace"));
    }
}

#[test]
fn of_two_users_whose_contacts_are_merged_the_primarys_stays_paired_and_the_other_waits_for_a_person() {
    let mut simulation = simulation();
    let ada = sign_up_ada(&mut simulation);
    let grace = sign_up(&simulation, json!({"email": "grace@example.com", "firstName": "Grace", "lastName": "Hopper"}));
    pass(&mut simulation, Duration::seconds(5));
    let (primary, other) = (contact_id(&simulation, "ada@example.com"), contact_id(&simulation, "grace@example.com"));
    let now = simulation.now();
    let id = crm(&simulation).merge("Contact", primary, other, now).expect("HubSpot merges");
    pass(&mut simulation, Duration::minutes(30));
    assert_eq!(counts(&simulation), (2, 1), "nothing is made or deleted");
    assert_eq!(pairs(&simulation), [(ada, id)]);
    assert_eq!(user(&simulation, "ada@example.com", "firstName"), json!("Ada"));
    assert_eq!(user(&simulation, "grace@example.com", "firstName"), json!("Grace"));
    assert_eq!(contact(&simulation, "ada@example.com", "firstname").as_deref(), Some("Ada"));
    let waiting = views::incidents(simulation.rows()).expect("rows");
    assert!(
        waiting.iter().any(|incident| incident.parked && incident.cause.contains("was merged into")),
        "{waiting:?}"
    );
    assert_ne!(grace, "");
}

#[test]
fn an_archived_contact_leaves_the_user_and_is_told_and_a_restored_one_is_paired_again() {
    let mut simulation = simulation();
    let ada = sign_up_ada(&mut simulation);
    let id = contact_id(&simulation, "ada@example.com");
    let now = simulation.now();
    crm(&simulation).archive("Contact", id, now);
    pass(&mut simulation, Duration::minutes(5));
    assert_eq!(counts(&simulation), (1, 0), "the rules say keep, and nothing is made again");
    let told = simulation.log.iter().find(|event| event.action == "unlink").expect("it is told");
    assert!(told.detail.contains("deleted in crm"), "{}", told.detail);
    assert!(pairs(&simulation).is_empty());
    // What the user does meanwhile arrives once the contact is back.
    let now = simulation.now();
    app(&simulation).edit("User", &ada, json!({"lastName": "Lovelace"}), now).expect("the app takes it");
    pass(&mut simulation, Duration::minutes(5));
    assert_eq!(counts(&simulation), (1, 0));
    let now = simulation.now();
    crm(&simulation).restore("Contact", id, now).expect("it is in the recycle bin");
    pass(&mut simulation, Duration::minutes(5));
    assert_eq!((counts(&simulation), pairs(&simulation)), ((1, 1), vec![(ada, id)]));
    assert_eq!(contact(&simulation, "ada@example.com", "lastname").as_deref(), Some("Lovelace"));
}

#[test]
fn a_new_contact_takes_the_place_of_an_archived_one() {
    let mut simulation = simulation();
    let ada = sign_up_ada(&mut simulation);
    let now = simulation.now();
    let old = contact_id(&simulation, "ada@example.com");
    crm(&simulation).archive("Contact", old, now);
    pass(&mut simulation, Duration::minutes(5));
    let new = make_contact(&simulation, &[("email", "ada@example.com"), ("phone", "+44 2")]);
    pass(&mut simulation, Duration::minutes(5));
    assert_eq!((counts(&simulation), pairs(&simulation)), ((1, 1), vec![(ada, new)]));
    assert_eq!(user(&simulation, "ada@example.com", "phone"), json!("+44 2"));
}

/// Rows whose key or value holds a text, by their kind.
fn rows_with(simulation: &Simulation, text: &str) -> Vec<(u8, String)> {
    let holds = |bytes: &[u8]| bytes.windows(text.len()).any(|part| part == text.as_bytes());
    let rows = simulation.rows().scan(&[0], &[255], usize::MAX).expect("rows");
    let found = rows.into_iter().filter(|(key, value)| holds(key) || holds(value));
    found.map(|(key, _)| (key[0], String::from_utf8_lossy(&key).into_owned())).collect()
}

#[test]
fn a_privacy_deletion_leaves_no_value_of_the_contact_in_the_ledger() {
    let mut simulation = simulation();
    // No user: it has no key.
    let keyless = make_contact(&simulation, &[("firstname", "Wilhelmina"), ("phone", "0815-4711")]);
    let ada = sign_up_ada(&mut simulation);
    let id = contact_id(&simulation, "ada@example.com");
    let now = simulation.now();
    crm(&simulation).edit("Contact", id, &[("phone", "0815-4712")], now).expect("HubSpot takes it");
    pass(&mut simulation, Duration::minutes(5));
    // What is written to the contact is expected to be seen there.
    let now = simulation.now();
    app(&simulation).edit("User", &ada, json!({"lastName": "King-Noel"}), now).expect("the app takes it");
    pass(&mut simulation, Duration::minutes(5));
    assert!(!rows_with(&simulation, "Wilhelmina").is_empty());
    let now = simulation.now();
    crm(&simulation).privacy_delete(keyless, now);
    crm(&simulation).privacy_delete(id, now);
    pass(&mut simulation, Duration::hours(1));
    for text in ["Wilhelmina", "0815-4711"] {
        assert_eq!(rows_with(&simulation, text), [], "{text}");
    }
    // The user is another system's, and stays: what is left is what the app says of it.
    assert_eq!(counts(&simulation), (1, 0));
    for text in ["ada@example.com", "0815-4712", "King-Noel"] {
        let left = rows_with(&simulation, text);
        assert!(left.iter().all(|(_, key)| key.contains("User") && !key.contains("Contact")), "{text}: {left:?}");
    }
    // And it is not made again.
    let now = simulation.now();
    app(&simulation).edit("User", &ada, json!({"lastName": "Lovelace"}), now).expect("the app takes it");
    pass(&mut simulation, Duration::minutes(5));
    assert_eq!(counts(&simulation), (1, 0));
}

#[test]
fn a_create_that_meets_the_race_form_adopts_the_contact_that_is_there() {
    let mut simulation = simulation();
    // Nobody is told of it: the engine finds out by the refusal.
    let at = simulation.now();
    let values = [("email", "ada@example.com"), ("phone", "+44 3")].map(|(n, v)| (n.to_owned(), v.to_owned())).into();
    crm(&simulation).place("Contact", None, values, at).expect("it is placed");
    crm(&simulation).silence();
    crm(&simulation).race_next(1);
    let id = contact_id(&simulation, "ada@example.com");
    let ada = sign_up_ada(&mut simulation);
    pass(&mut simulation, Duration::minutes(5));
    assert_eq!((counts(&simulation), pairs(&simulation)), ((1, 1), vec![(ada, id)]));
    assert_eq!(contact(&simulation, "ada@example.com", "firstname").as_deref(), Some("Ada"));
    assert_eq!(user(&simulation, "ada@example.com", "phone"), json!("+44 3"));
}

#[test]
fn a_user_with_an_additional_address_of_a_contact_makes_no_second_contact() {
    let mut simulation = simulation();
    let at = simulation.now();
    let values = [("email", "ada@example.com"), ("hs_additional_emails", "countess@example.com"), ("firstname", "Ada")];
    crm(&simulation)
        .place("Contact", None, values.map(|(n, v)| (n.to_owned(), v.to_owned())).into(), at)
        .expect("placed");
    sign_up(&simulation, json!({"email": "countess@example.com", "firstName": "Ada", "lastName": "Byron"}));
    pass(&mut simulation, Duration::minutes(30));
    assert_eq!(counts(&simulation), (1, 1));
}

#[test]
fn a_contact_and_a_user_made_at_the_same_moment_become_one_pair() {
    for pause in [0, 20, 200, 900, 1_500] {
        let mut simulation = simulation();
        let ada = sign_up(&simulation, json!({"email": "ada@example.com", "firstName": "Ada", "lastName": "Byron"}));
        pass(&mut simulation, Duration(pause));
        let now = simulation.now();
        // A person is refused where the engine was faster.
        let made = crm(&simulation).create("Contact", &[("email", "ada@example.com"), ("phone", "+44 4")], now);
        pass(&mut simulation, Duration::minutes(5));
        let id = contact_id(&simulation, "ada@example.com");
        assert_eq!((counts(&simulation), pairs(&simulation)), ((1, 1), vec![(ada, id)]), "after {pause} ms");
        if made.is_ok() {
            assert_eq!(user(&simulation, "ada@example.com", "phone"), json!("+44 4"));
        }
        assert_eq!(contact(&simulation, "ada@example.com", "lastname").as_deref(), Some("Byron"));
    }
}

#[test]
fn an_address_that_both_sides_give_at_once_waits_for_a_person_and_is_not_sent_again() {
    let mut simulation = simulation();
    let ada = sign_up_ada(&mut simulation);
    let id = contact_id(&simulation, "ada@example.com");
    // In the app Ada gets the address that a person gives to a new contact at the same moment.
    let now = simulation.now();
    app(&simulation).edit("User", &ada, json!({"email": "countess@example.com"}), now).expect("the app takes it");
    let new = make_contact(&simulation, &[("email", "countess@example.com"), ("firstname", "Augusta")]);
    pass(&mut simulation, Duration::hours(1));
    // Both contacts stay, the pair is as it was, and a person is asked, not HubSpot again and again.
    assert!(crm(&simulation).calls().writes < 5, "{:?}", crm(&simulation).calls());
    assert_eq!(counts(&simulation), (1, 2));
    assert_eq!(user(&simulation, "countess@example.com", "id"), json!(ada));
    let links = views::links(simulation.rows()).expect("rows");
    let pair = links.iter().find(|link| link.left.as_ref() == Some(&ada)).expect("the pair is there");
    assert_eq!((pair.right.clone(), pair.state.as_str()), (Some(id.to_string()), "parked"));
    let waiting = views::incidents(simulation.rows()).expect("rows");
    let about = |id: u64| {
        waiting.iter().any(|incident| {
            incident.parked && (incident.id == id.to_string() || incident.cause.contains(&id.to_string()))
        })
    };
    assert!(about(id) || about(new), "{waiting:?}");
    assert_eq!(
        crm(&simulation)
            .records("Contact")
            .find(|c| c.id == new)
            .and_then(|c| c.properties.get("firstname").cloned())
            .as_deref(),
        Some("Augusta")
    );
}

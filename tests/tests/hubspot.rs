//! What HubSpot does to contacts by itself: merges, the recycle bin, privacy deletions, races of creates.

use dsl::value::Duration;
use engine::decide::views;
use engine::rehearse::World;
use scenarios::{app, contact, crm, pass, sign_up, user, world};
use serde_json::json;

/// The id of the contact with an address.
fn contact_id(world: &World, email: &str) -> u64 {
    crm(world).find("Contact", "email", email).expect("it is there").id
}

/// A contact that a person makes.
fn make_contact(world: &World, properties: &[(&str, &str)]) -> u64 {
    let now = world.now();
    crm(world).create("Contact", properties, now).expect("HubSpot takes it")
}

/// Users, and live contacts.
fn counts(world: &World) -> (usize, usize) {
    (app(world).count("User"), crm(world).records("Contact").count())
}

/// The contacts that users are paired with, by the user's id.
fn pairs(world: &World) -> Vec<(String, u64)> {
    let links = views::links(world.rows()).expect("rows");
    let linked = links.into_iter().filter(|link| link.sync == "Contacts" && link.state == "linked");
    linked.filter_map(|link| Some((link.left?, link.right?.parse().ok()?))).collect()
}

fn sign_up_ada(world: &mut World) -> String {
    let values = json!({"email": "ada@example.com", "firstName": "Ada", "lastName": "Byron", "lifetimeValue": "10"});
    let id = sign_up(world, values);
    pass(world, Duration::seconds(5));
    id
}

#[test]
fn a_merge_with_a_stray_contact_keeps_the_user_paired_and_loses_no_value() {
    for user_first in [true, false] {
        let mut world = world();
        let ada = sign_up_ada(&mut world);
        let paired = contact_id(&world, "ada@example.com");
        // Without a key of its own it has no user yet.
        let stray = make_contact(&world, &[("firstname", "A."), ("phone", "+44 1"), ("jobtitle", "Countess")]);
        pass(&mut world, Duration::seconds(5));
        assert_eq!(counts(&world), (1, 2));
        let now = world.now();
        let (primary, other) = if user_first { (paired, stray) } else { (stray, paired) };
        let id = crm(&world).merge("Contact", primary, other, now).expect("HubSpot merges");
        pass(&mut world, Duration::minutes(5));
        assert_eq!(counts(&world), (1, 1), "no second record, user first: {user_first}");
        assert_eq!(pairs(&world), [(ada.clone(), id)]);
        assert_eq!(user(&world, "ada@example.com", "phone"), json!("+44 1"), "what the stray one knew has arrived");
        assert_eq!(contact(&world, "ada@example.com", "lastname").as_deref(), Some("Byron"));
        let first = if user_first { "Ada" } else { "A." };
        assert_eq!(user(&world, "ada@example.com", "firstName"), json!(first), "as the primary contact has it");
        // The pair goes on living under the new id.
        let now = world.now();
        app(&world).edit("User", &ada, json!({"lastName": "Lovelace"}), now).expect("the app takes it");
        pass(&mut world, Duration::seconds(5));
        assert_eq!(contact(&world, "ada@example.com", "lastname").as_deref(), Some("Lovelace"));
    }
}

#[test]
fn of_two_users_whose_contacts_are_merged_the_primarys_stays_paired_and_the_other_waits_for_a_person() {
    let mut world = world();
    let ada = sign_up_ada(&mut world);
    let grace = sign_up(&world, json!({"email": "grace@example.com", "firstName": "Grace", "lastName": "Hopper"}));
    pass(&mut world, Duration::seconds(5));
    let (primary, other) = (contact_id(&world, "ada@example.com"), contact_id(&world, "grace@example.com"));
    let now = world.now();
    let id = crm(&world).merge("Contact", primary, other, now).expect("HubSpot merges");
    pass(&mut world, Duration::minutes(30));
    assert_eq!(counts(&world), (2, 1), "nothing is made or deleted");
    assert_eq!(pairs(&world), [(ada, id)]);
    assert_eq!(user(&world, "ada@example.com", "firstName"), json!("Ada"));
    assert_eq!(user(&world, "grace@example.com", "firstName"), json!("Grace"));
    assert_eq!(contact(&world, "ada@example.com", "firstname").as_deref(), Some("Ada"));
    let waiting = views::incidents(world.rows()).expect("rows");
    assert!(
        waiting.iter().any(|incident| incident.parked && incident.cause.contains("was merged into")),
        "{waiting:?}"
    );
    assert_ne!(grace, "");
}

#[test]
fn an_archived_contact_leaves_the_user_and_is_told_and_a_restored_one_is_paired_again() {
    let mut world = world();
    let ada = sign_up_ada(&mut world);
    let id = contact_id(&world, "ada@example.com");
    let now = world.now();
    crm(&world).archive("Contact", id, now);
    pass(&mut world, Duration::minutes(5));
    assert_eq!(counts(&world), (1, 0), "the rules say keep, and nothing is made again");
    let told = world.log.iter().find(|event| event.action == "unlink").expect("it is told");
    assert!(told.detail.contains("deleted in crm"), "{}", told.detail);
    assert!(pairs(&world).is_empty());
    // What the user does meanwhile arrives once the contact is back.
    let now = world.now();
    app(&world).edit("User", &ada, json!({"lastName": "Lovelace"}), now).expect("the app takes it");
    pass(&mut world, Duration::minutes(5));
    assert_eq!(counts(&world), (1, 0));
    let now = world.now();
    crm(&world).restore("Contact", id, now).expect("it is in the recycle bin");
    pass(&mut world, Duration::minutes(5));
    assert_eq!((counts(&world), pairs(&world)), ((1, 1), vec![(ada, id)]));
    assert_eq!(contact(&world, "ada@example.com", "lastname").as_deref(), Some("Lovelace"));
}

#[test]
fn a_new_contact_takes_the_place_of_an_archived_one() {
    let mut world = world();
    let ada = sign_up_ada(&mut world);
    let now = world.now();
    let old = contact_id(&world, "ada@example.com");
    crm(&world).archive("Contact", old, now);
    pass(&mut world, Duration::minutes(5));
    let new = make_contact(&world, &[("email", "ada@example.com"), ("phone", "+44 2")]);
    pass(&mut world, Duration::minutes(5));
    assert_eq!((counts(&world), pairs(&world)), ((1, 1), vec![(ada, new)]));
    assert_eq!(user(&world, "ada@example.com", "phone"), json!("+44 2"));
}

/// Rows whose key or value holds a text, by their kind.
fn rows_with(world: &World, text: &str) -> Vec<(u8, String)> {
    let holds = |bytes: &[u8]| bytes.windows(text.len()).any(|part| part == text.as_bytes());
    let rows = world.rows().scan(&[0], &[255], usize::MAX).expect("rows");
    let found = rows.into_iter().filter(|(key, value)| holds(key) || holds(value));
    found.map(|(key, _)| (key[0], String::from_utf8_lossy(&key).into_owned())).collect()
}

#[test]
fn a_privacy_deletion_leaves_no_value_of_the_contact_in_the_ledger() {
    let mut world = world();
    // No user: it has no key.
    let keyless = make_contact(&world, &[("firstname", "Wilhelmina"), ("phone", "0815-4711")]);
    let ada = sign_up_ada(&mut world);
    let id = contact_id(&world, "ada@example.com");
    let now = world.now();
    crm(&world).edit("Contact", id, &[("phone", "0815-4712")], now).expect("HubSpot takes it");
    pass(&mut world, Duration::minutes(5));
    assert!(!rows_with(&world, "Wilhelmina").is_empty());
    let now = world.now();
    crm(&world).privacy_delete(keyless, now);
    crm(&world).privacy_delete(id, now);
    pass(&mut world, Duration::hours(1));
    for text in ["Wilhelmina", "0815-4711"] {
        assert_eq!(rows_with(&world, text), [], "{text}");
    }
    // The user is another system's, and stays: what is left is what the app says of it.
    assert_eq!(counts(&world), (1, 0));
    for text in ["ada@example.com", "0815-4712"] {
        let left = rows_with(&world, text);
        assert!(left.iter().all(|(_, key)| key.contains("User") && !key.contains("Contact")), "{text}: {left:?}");
    }
    // And it is not made again.
    let now = world.now();
    app(&world).edit("User", &ada, json!({"lastName": "Lovelace"}), now).expect("the app takes it");
    pass(&mut world, Duration::minutes(5));
    assert_eq!(counts(&world), (1, 0));
}

#[test]
fn a_create_that_meets_the_race_form_adopts_the_contact_that_is_there() {
    let mut world = world();
    // Nobody is told of it: the engine finds out by the refusal.
    let at = world.now();
    let values = [("email", "ada@example.com"), ("phone", "+44 3")].map(|(n, v)| (n.to_owned(), v.to_owned())).into();
    crm(&world).place("Contact", None, values, at).expect("it is placed");
    crm(&world).silence();
    crm(&world).race_next(1);
    let id = contact_id(&world, "ada@example.com");
    let ada = sign_up_ada(&mut world);
    pass(&mut world, Duration::minutes(5));
    assert_eq!((counts(&world), pairs(&world)), ((1, 1), vec![(ada, id)]));
    assert_eq!(contact(&world, "ada@example.com", "firstname").as_deref(), Some("Ada"));
    assert_eq!(user(&world, "ada@example.com", "phone"), json!("+44 3"));
}

#[test]
fn a_user_with_an_additional_address_of_a_contact_makes_no_second_contact() {
    let mut world = world();
    let at = world.now();
    let values = [("email", "ada@example.com"), ("hs_additional_emails", "countess@example.com"), ("firstname", "Ada")];
    crm(&world).place("Contact", None, values.map(|(n, v)| (n.to_owned(), v.to_owned())).into(), at).expect("placed");
    sign_up(&world, json!({"email": "countess@example.com", "firstName": "Ada", "lastName": "Byron"}));
    pass(&mut world, Duration::minutes(30));
    assert_eq!(counts(&world), (1, 1));
}

#[test]
fn a_contact_and_a_user_made_at_the_same_moment_become_one_pair() {
    for pause in [0, 20, 200, 900, 1_500] {
        let mut world = world();
        let ada = sign_up(&world, json!({"email": "ada@example.com", "firstName": "Ada", "lastName": "Byron"}));
        pass(&mut world, Duration(pause));
        let now = world.now();
        // A person is refused where the engine was faster.
        let made = crm(&world).create("Contact", &[("email", "ada@example.com"), ("phone", "+44 4")], now);
        pass(&mut world, Duration::minutes(5));
        let id = contact_id(&world, "ada@example.com");
        assert_eq!((counts(&world), pairs(&world)), ((1, 1), vec![(ada, id)]), "after {pause} ms");
        if made.is_ok() {
            assert_eq!(user(&world, "ada@example.com", "phone"), json!("+44 4"));
        }
        assert_eq!(contact(&world, "ada@example.com", "lastname").as_deref(), Some("Byron"));
    }
}

#[test]
fn an_address_that_both_sides_give_at_once_waits_for_a_person_and_is_not_sent_again() {
    let mut world = world();
    let ada = sign_up_ada(&mut world);
    let id = contact_id(&world, "ada@example.com");
    // In the app Ada gets the address that a person gives to a new contact at the same moment.
    let now = world.now();
    app(&world).edit("User", &ada, json!({"email": "countess@example.com"}), now).expect("the app takes it");
    let new = make_contact(&world, &[("email", "countess@example.com"), ("firstname", "Augusta")]);
    pass(&mut world, Duration::hours(1));
    // Both contacts stay, the pair is as it was, and a person is asked, not HubSpot again and again.
    assert!(crm(&world).calls().writes < 5, "{:?}", crm(&world).calls());
    assert_eq!(counts(&world), (1, 2));
    assert_eq!(user(&world, "countess@example.com", "id"), json!(ada));
    let links = views::links(world.rows()).expect("rows");
    let pair = links.iter().find(|link| link.left.as_ref() == Some(&ada)).expect("the pair is there");
    assert_eq!((pair.right.clone(), pair.state.as_str()), (Some(id.to_string()), "parked"));
    let waiting = views::incidents(world.rows()).expect("rows");
    let about = |id: u64| {
        waiting.iter().any(|incident| {
            incident.parked && (incident.id == id.to_string() || incident.cause.contains(&id.to_string()))
        })
    };
    assert!(about(id) || about(new), "{waiting:?}");
    assert_eq!(
        crm(&world)
            .records("Contact")
            .find(|c| c.id == new)
            .and_then(|c| c.properties.get("firstname").cloned())
            .as_deref(),
        Some("Augusta")
    );
}

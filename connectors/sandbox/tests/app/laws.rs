//! What holds after any history of edits.

use std::collections::{BTreeMap, BTreeSet};

use dsl::value::Duration;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::World;

/// One thing that a person or the engine does; numbers pick among a few records and values, so that histories
/// meet themselves.
#[derive(Debug, Clone)]
enum Deed {
    CreateUser { email: u8 },
    CreateDeal { crm: Option<u8>, user: u8 },
    CreateSubscription { user: u8 },
    Email { user: u8, email: u8 },
    Phone { user: u8, phone: u8 },
    Link { deal: u8, user: Option<u8> },
    DeleteUser { user: u8 },
    DeleteDeal { deal: u8 },
    Pass { ms: u16 },
}

fn deed() -> impl Strategy<Value = Deed> {
    let few = 0_u8..6;
    prop_oneof![
        few.clone().prop_map(|email| Deed::CreateUser { email }),
        (proptest::option::of(few.clone()), few.clone()).prop_map(|(crm, user)| Deed::CreateDeal { crm, user }),
        few.clone().prop_map(|user| Deed::CreateSubscription { user }),
        (few.clone(), few.clone()).prop_map(|(user, email)| Deed::Email { user, email }),
        (few.clone(), few.clone()).prop_map(|(user, phone)| Deed::Phone { user, phone }),
        (few.clone(), proptest::option::of(few.clone())).prop_map(|(deal, user)| Deed::Link { deal, user }),
        few.clone().prop_map(|user| Deed::DeleteUser { user }),
        few.prop_map(|deal| Deed::DeleteDeal { deal }),
        (0_u16..3).prop_map(|ms| Deed::Pass { ms }),
    ]
}

fn carry_out(world: &mut World, deed: &Deed) {
    let email = |n: &u8| format!("U{n}@example.com");
    let now = world.now;
    // Refusals are part of the history: what matters is what they leave.
    let _refused = match deed {
        Deed::CreateUser { email: n } => world.app.create("User", json!({ "email": email(n) }), now).map(drop),
        Deed::CreateDeal { crm, user } => {
            let crm = crm.map(|n| n.to_string());
            let user = json!({ "id": format!("user-{user}") });
            let values = json!({ "name": "d", "stage": "proposal", "crmId": crm, "user": user });
            world.app.create("Deal", values, now).map(drop)
        }
        Deed::CreateSubscription { user } => {
            let values = json!({ "user": { "id": format!("user-{user}") }, "plan": "pro", "price": "49.00" });
            world.app.create("Subscription", values, now).map(drop)
        }
        Deed::Email { user, email: n } => {
            world.app.edit("User", &format!("user-{user}"), json!({ "email": email(n).to_lowercase() }), now)
        }
        Deed::Phone { user, phone } => {
            world.app.edit("User", &format!("user-{user}"), json!({ "phone": phone.to_string() }), now)
        }
        Deed::Link { deal, user } => {
            let user = user.map(|user| json!({ "id": format!("user-{user}") }));
            world.app.edit("Deal", &format!("deal-{deal}"), json!({ "user": user }), now)
        }
        Deed::DeleteUser { user } => world.app.delete("User", &format!("user-{user}"), now),
        Deed::DeleteDeal { deal } => world.app.delete("Deal", &format!("deal-{deal}"), now),
        Deed::Pass { ms } => {
            world.now = now.plus(Duration(i64::from(*ms)));
            Ok(())
        }
    };
}

/// Every record that pages of three give, and each page's order checked on the way.
fn listed(world: &mut World, path: &str) -> Result<BTreeMap<String, Json>, TestCaseError> {
    let mut seen = BTreeMap::new();
    let mut last = (String::new(), String::new());
    let mut next = String::new();
    loop {
        let (status, body) = world.get(&format!("{path}?limit=3{next}"));
        prop_assert_eq!(status, 200);
        for record in body["records"].as_array().unwrap() {
            let word = |name: &str| record[name].as_str().unwrap().to_owned();
            let place = (word("updatedAt"), word("id"));
            prop_assert!(place > last, "{place:?} after {last:?}");
            prop_assert!(seen.insert(word("id"), record.clone()).is_none());
            last = place;
        }
        match body["next"].as_str() {
            Some(cursor) => next = format!("&after={cursor}"),
            None => return Ok(seen),
        }
    }
}

proptest! {
    #[test]
    fn messages_retell_the_records_and_lists_and_keys_agree_with_them(history in proptest::collection::vec(deed(), 0..60)) {
        let mut world = World::new();
        for deed in &history {
            carry_out(&mut world, deed);
        }
        let mut retold: BTreeMap<String, BTreeMap<String, Json>> = BTreeMap::new();
        let mut times: BTreeMap<String, String> = BTreeMap::new();
        for message in world.published() {
            let (kind, change) = message["type"].as_str().unwrap().split_once('.').unwrap();
            let id = message["data"]["id"].as_str().unwrap().to_owned();
            let at = message["occurredAt"].as_str().unwrap().to_owned();
            // Later than everything told of this record before.
            if let Some(before) = times.insert(id.clone(), at.clone()) {
                prop_assert!(before < at, "{id}: {before} then {at}");
            }
            let records = retold.entry(kind.to_owned()).or_default();
            match change {
                "deleted" => prop_assert!(records.remove(&id).is_some()),
                "created" => prop_assert!(records.insert(id, message["data"].clone()).is_none()),
                _ => prop_assert!(records.insert(id, message["data"].clone()).is_some()),
            }
        }
        for (kind, entity, path) in
            [("user", "User", "/users"), ("deal", "Deal", "/deals"), ("subscription", "Subscription", "/subscriptions")]
        {
            let told = retold.remove(kind).unwrap_or_default();
            prop_assert_eq!(&listed(&mut world, path)?, &told);
            prop_assert_eq!(world.app.count(entity), told.len());
        }
        let mut emails = BTreeSet::new();
        let users: Vec<Json> = world.app.records("User").map(|user| Json::Object(user.clone())).collect();
        for user in &users {
            let email = user["email"].as_str().unwrap();
            prop_assert!(emails.insert(email.to_lowercase()), "{email} twice");
            let (_, found) = world.get(&format!("/users?email={email}"));
            prop_assert_eq!(&found["records"][0], user);
        }
        for n in 0..6 {
            let email = format!("u{n}@example.com");
            let (_, found) = world.get(&format!("/users?email={email}"));
            prop_assert_eq!(found["records"].as_array().unwrap().len(), usize::from(emails.contains(&email)));
        }
        let known: BTreeSet<&str> = users.iter().map(|user| user["id"].as_str().unwrap()).collect();
        for deal in world.app.records("Deal") {
            prop_assert!(deal["user"]["id"].as_str().is_none_or(|id| known.contains(id)), "a deal of nobody");
        }
    }
}

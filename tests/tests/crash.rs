//! A scripted day, and the same day with a crash before each of its rounds: both end in the same state.

use std::collections::BTreeMap;

use dsl::value::Span;
use engine::decide::views;
use engine::rehearse::World;
use scenarios::{app, crm, mail, pass, sign_up, world};
use serde_json::{Value, json};

/// Users arrive, both sides edit, a deal is won, a ticket comes.
fn day(world: &mut World) {
    crm(world).owner("101", "emea-sales@example.com");
    for name in ["ada", "grace"] {
        let email = format!("{name}@example.com");
        sign_up(
            world,
            json!({"email": email, "firstName": name, "lastName": "L", "region": "emea", "lifetimeValue": "1"}),
        );
    }
    pass(world, Span::seconds(3));
    let now = world.now();
    let user = json!(app(world).find("User", "email", "ada@example.com").expect("it"))["id"].clone();
    let values = json!({"user": {"id": user}, "plan": "pro", "price": "49", "status": "pending", "startDate": "2026-03-02T09:00:00.000Z"});
    app(world).create("Subscription", values, now).expect("taken");
    let grace = crm(world).find("Contact", "email", "grace@example.com").map(|c| c.id);
    if let Some(id) = grace {
        crm(world).edit("Contact", id, &[("phone", "222")], now).expect("taken");
    }
    pass(world, Span::minutes(2));
    let now = world.now();
    let deal = crm(world).records("Deal").next().map(|d| d.id);
    if let Some(deal) = deal {
        crm(world).edit("Deal", deal, &[("dealstage", "closedwon")], now).expect("taken");
    }
    let ticket = [("subject", "Strap broke"), ("hs_pipeline", "0"), ("hs_pipeline_stage", "1")];
    crm(world).create("Ticket", &ticket, now).expect("taken");
    pass(world, Span::minutes(20));
}

/// What people would see, without ids and times that differ from run to run.
fn state(world: &World) -> BTreeMap<String, Value> {
    let mut state = BTreeMap::new();
    let drop = |record: Value, names: &[&str]| {
        let mut record = record;
        for name in names {
            if let Some(members) = record.as_object_mut() {
                members.remove(*name);
            }
        }
        record
    };
    let twin = crm(world);
    for entity in ["Contact", "Deal", "Ticket", "Note", "Company"] {
        let mut all: Vec<String> = twin
            .records(entity)
            .map(|r| {
                drop(json!(r.properties), &["createdate", "engine_link_id", "source_subscription_id", "source_id"])
                    .to_string()
            })
            .collect();
        all.sort();
        state.insert(format!("crm.{entity}"), json!(all));
    }
    let app = app(world);
    for entity in ["User", "Deal", "Subscription", "SupportTicket", "Note", "Account"] {
        let volatile = [
            "id",
            "updatedAt",
            "createdAt",
            "crmId",
            "dealId",
            "crmTicketId",
            "crmNoteId",
            "subscriptionId",
            "user",
            "subscription",
        ];
        let mut all: Vec<String> = app.records(entity).map(|r| drop(json!(r), &volatile).to_string()).collect();
        all.sort();
        state.insert(format!("app.{entity}"), json!(all));
    }
    let sent: Vec<String> = mail(world).sent().iter().map(|s| format!("{} {}", s.path, s.body["template"])).collect();
    state.insert("sent".to_owned(), json!(sent));
    let incidents: Vec<String> =
        views::incidents(world.rows()).expect("readable").into_iter().map(|i| i.cause).collect();
    state.insert("incidents".to_owned(), json!(incidents));
    state
}

#[test]
fn a_crash_before_any_round_changes_nothing_but_the_timing() {
    let mut undisturbed = world();
    day(&mut undisturbed);
    let expected = state(&undisturbed);
    let (rounds, _) = undisturbed.counts();
    assert!(rounds > 30, "a day has {rounds} rounds");
    assert_eq!(expected["sent"], json!(["/email \"welcome\""]));
    for round in 1..=rounds {
        let mut disturbed = world();
        disturbed.crash_before_round(round);
        day(&mut disturbed);
        assert_eq!(disturbed.counts().1, 1, "it crashed before round {round}");
        for (name, value) in state(&disturbed) {
            assert_eq!(value, expected[&name], "{name} after a crash before round {round}");
        }
    }
}

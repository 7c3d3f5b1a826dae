//! Subscriptions, deals and what follows from their stages; workflows over days.

use dsl::value::Duration;
use engine::decide::views;
use engine::rehearse::World;
use scenarios::{app, crm, customer, mail, move_deal, pass, trouble, world};
use serde_json::json;

#[test]
fn a_new_subscription_becomes_one_deal() {
    let mut world = world();
    let (_, subscription) = customer(&mut world);
    assert_eq!(trouble(&world), Vec::<String>::new());
    let twin = crm(&world);
    let deals: Vec<_> = twin.records("Deal").collect();
    assert_eq!(deals.len(), 1);
    let deal = &deals[0].properties;
    assert_eq!(deal["dealname"], "Ada Lovelace - pro");
    assert_eq!(deal["dealstage"], "qualifiedtobuy");
    assert_eq!(deal["amount"], "49");
    assert_eq!(deal["probability"], "0.6");
    assert_eq!(deal["hubspot_owner_id"], "101");
    assert_eq!(deal["source_subscription_id"], subscription);
    let contact = twin.find("Contact", "email", "ada@example.com").expect("a contact").id;
    assert_eq!(twin.linked("Deal", deals[0].id, "Contact"), [contact]);
    let id = deals[0].id.to_string();
    drop(twin);
    let app = app(&world);
    assert_eq!(json!(app.find("Deal", "crmId", &id).expect("the app's deal"))["ownerEmail"], "emea-sales@example.com");
    assert_eq!(json!(app.record("Subscription", &subscription).expect("it"))["dealId"], id);
}

#[test]
fn a_deal_in_negotiation_is_told_to_the_sales_manager_and_the_app_follows() {
    let mut world = world();
    let (_, subscription) = customer(&mut world);
    move_deal(&mut world, "decisionmakerboughtin");
    assert_eq!(trouble(&world), Vec::<String>::new());
    assert_eq!(mail(&world).sent_to("/notify").count(), 1);
    assert_eq!(json!(app(&world).record("Subscription", &subscription).expect("it"))["stage"], "negotiation");
}

#[test]
fn a_won_deal_activates_its_subscription_and_begins_the_onboarding_once() {
    let mut world = world();
    let (_, subscription) = customer(&mut world);
    move_deal(&mut world, "closedwon");
    assert_eq!(trouble(&world), Vec::<String>::new());
    assert_eq!(app(&world).count("Subscription"), 1);
    assert_eq!(json!(app(&world).record("Subscription", &subscription).expect("it"))["status"], "active");
    assert_eq!(crm(&world).records("Deal").count(), 1);
    let welcome = mail(&world).sent_to("/email").filter(|sent| sent.body["template"] == "welcome").count();
    assert_eq!(welcome, 1);
    assert_eq!(app(&world).count("Account"), 1);
}

#[test]
fn a_lost_deal_cancels_its_subscription_and_asks_why() {
    let mut world = world();
    let (_, subscription) = customer(&mut world);
    move_deal(&mut world, "closedlost");
    assert_eq!(trouble(&world), Vec::<String>::new());
    assert_eq!(json!(app(&world).record("Subscription", &subscription).expect("it"))["status"], "cancelled");
    let surveys: Vec<_> = mail(&world).sent_to("/survey").map(|sent| sent.body["to"].clone()).collect();
    assert_eq!(surveys, [json!("ada@example.com")]);
}

#[test]
fn a_stage_that_no_row_spells_waits_for_a_person() {
    let mut world = world();
    customer(&mut world);
    move_deal(&mut world, "contractsent");
    let trouble = trouble(&world);
    assert_eq!(trouble.len(), 1, "{trouble:?}");
    assert!(trouble[0].contains("contractsent"), "{trouble:?}");
}

#[test]
fn someone_who_never_logs_in_gets_one_nudge_after_a_week() {
    let mut world = world();
    customer(&mut world);
    move_deal(&mut world, "closedwon");
    let nudges =
        |world: &World| mail(world).sent_to("/email").filter(|s| s.body["template"] == "first-login-nudge").count();
    pass(&mut world, Duration::days(6));
    assert_eq!(nudges(&world), 0);
    pass(&mut world, Duration::days(1));
    assert_eq!(nudges(&world), 1);
    pass(&mut world, Duration::days(3));
    assert_eq!(trouble(&world), Vec::<String>::new());
    assert_eq!(mail(&world).sent_to("/notify").count(), 1);
    let runs = views::runs(world.rows(), world.programs()).expect("readable");
    assert_eq!(
        runs.iter().map(|run| (run.rule.as_str(), run.state.as_str())).collect::<Vec<_>>(),
        [("Onboarding", "finished")]
    );
}

#[test]
fn a_login_leaves_a_note_instead_of_a_nudge() {
    let mut world = world();
    let (user, _) = customer(&mut world);
    move_deal(&mut world, "closedwon");
    pass(&mut world, Duration::days(2));
    let now = world.now();
    app(&world).login(&user, now).expect("taken");
    pass(&mut world, Duration::days(6));
    assert_eq!(trouble(&world), Vec::<String>::new());
    assert_eq!(crm(&world).records("Note").filter(|n| n.properties["hs_note_body"] == "First login").count(), 1);
    assert_eq!(app(&world).count("Note"), 0);
    assert_eq!(mail(&world).sent_to("/email").filter(|s| s.body["template"] == "first-login-nudge").count(), 0);
}

#[test]
fn companies_and_activities_go_out_on_their_schedules() {
    let mut world = world();
    let (user, _) = customer(&mut world);
    let now = world.now();
    for n in 0..150 {
        let values =
            json!({"name": format!("Company {n}"), "domain": format!("c{n}.example.com"), "industry": "fitness"});
        app(&world).create("Company", values, now).expect("taken");
    }
    for kind in ["Feature usage", "Login"] {
        let values = json!({"user": {"id": user}, "kind": kind, "at": "2026-03-01T10:00:00.000Z", "details": {"report": "sleep"}});
        app(&world).create("Activity", values, now).expect("taken");
    }
    pass(&mut world, Duration::hours(2));
    assert_eq!(crm(&world).records("Company").count(), 150);
    assert_eq!(
        crm(&world).find("Company", "domain", "c7.example.com").expect("it").properties["industry"],
        "HEALTH_WELLNESS_AND_FITNESS"
    );
    pass(&mut world, Duration::days(1));
    assert_eq!(trouble(&world), Vec::<String>::new());
    let twin = crm(&world);
    let notes: Vec<_> = twin.records("Note").collect();
    assert_eq!(notes.len(), 1);
    assert_eq!(
        notes[0].properties["hs_note_body"],
        "Activity: Feature usage\nDate: 1 Mar 2026 10:00\nDetails: {\"report\":\"sleep\"}"
    );
    assert_eq!(notes[0].properties["importance"], "medium");
}

#[test]
fn a_ticket_and_a_note_arrive_in_the_app() {
    let mut world = world();
    customer(&mut world);
    let now = world.now();
    let contact = crm(&world).find("Contact", "email", "ada@example.com").expect("a contact").id;
    let ticket =
        [("subject", "Strap broke"), ("hs_pipeline", "0"), ("hs_pipeline_stage", "1"), ("hs_ticket_priority", "HIGH")];
    let ticket = crm(&world).create("Ticket", &ticket, now).expect("taken");
    crm(&world).link("Ticket", ticket, "Contact", contact, now);
    crm(&world)
        .create("Note", &[("hs_note_body", "Called, no answer"), ("hs_timestamp", "2026-03-02T09:00:00.000Z")], now)
        .expect("taken");
    pass(&mut world, Duration::minutes(1));
    assert_eq!(trouble(&world), Vec::<String>::new());
    let app = app(&world);
    let ticket = json!(app.find("SupportTicket", "crmTicketId", &ticket.to_string()).expect("the ticket"));
    assert_eq!(
        (&ticket["title"], &ticket["status"], &ticket["priority"]),
        (&json!("Strap broke"), &json!("new"), &json!("high"))
    );
    assert!(ticket["user"]["id"].is_string(), "{ticket}");
    assert_eq!(app.count("Note"), 1);
}

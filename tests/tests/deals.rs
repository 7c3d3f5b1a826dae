//! Subscriptions, deals and what follows from their stages; workflows over days.

use dsl::value::Duration;
use engine::testing::decide::views;
use engine::testing::rehearse::Simulation;
use scenarios::{app, crm, customer, mail, move_deal, pass, simulation, trouble};
use serde_json::json;

#[test]
fn a_new_subscription_becomes_one_deal() {
    let mut simulation = simulation();
    let (_, subscription) = customer(&mut simulation);
    assert_eq!(trouble(&simulation), Vec::<String>::new());
    let twin = crm(&simulation);
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
    let app = app(&simulation);
    assert_eq!(json!(app.find("Deal", "crmId", &id).expect("the app's deal"))["ownerEmail"], "emea-sales@example.com");
    assert_eq!(json!(app.record("Subscription", &subscription).expect("it"))["dealId"], id);
}

#[test]
fn a_deal_in_negotiation_is_told_to_the_sales_manager_and_the_app_follows() {
    let mut simulation = simulation();
    let (_, subscription) = customer(&mut simulation);
    move_deal(&mut simulation, "decisionmakerboughtin");
    assert_eq!(trouble(&simulation), Vec::<String>::new());
    assert_eq!(mail(&simulation).sent_to("/notify").count(), 1);
    assert_eq!(json!(app(&simulation).record("Subscription", &subscription).expect("it"))["stage"], "negotiation");
}

#[test]
fn several_fields_that_change_together_are_one_change_and_each_alone_is_one_too() {
    let when = "when app.User changes company, jobTitle as user {\n  notify role \"customer-success\" about user \"{user.email} has moved\" accept duplicates\n}\n\nwhen app.Subscription is created";
    let mut simulation = scenarios::with("deals.rules", "when app.Subscription is created", when);
    let user =
        scenarios::sign_up(&simulation, json!({"email": "ada@example.com", "firstName": "Ada", "lastName": "L"}));
    pass(&mut simulation, Duration::minutes(1));
    let told = |simulation: &Simulation| mail(simulation).sent_to("/notify").count();
    let before = told(&simulation);
    let change = |simulation: &mut Simulation, values: serde_json::Value| {
        let now = simulation.now();
        app(simulation).edit("User", &user, values, now).expect("taken");
        pass(simulation, Duration::minutes(1));
    };
    change(&mut simulation, json!({"company": "Analytical Engines", "jobTitle": "founder"}));
    assert_eq!(told(&simulation) - before, 1, "both at once");
    change(&mut simulation, json!({"jobTitle": "director"}));
    assert_eq!(told(&simulation) - before, 2, "the second alone");
    change(&mut simulation, json!({"firstName": "Augusta"}));
    assert_eq!(told(&simulation) - before, 2, "neither");
    assert_eq!(trouble(&simulation), Vec::<String>::new());
}

/// HubSpot tells of a record that is made by a message for the making and one for each property, in any order.
#[test]
fn a_deal_that_is_made_in_a_stage_fires_what_reacts_to_it_whatever_the_order_of_its_messages() {
    for together in [true, false] {
        let mut simulation = simulation();
        for n in 0..12 {
            let now = simulation.now();
            let values = [("dealname", format!("Deal {n}")), ("dealstage", "decisionmakerboughtin".to_owned())];
            let values = values.each_ref().map(|(name, value)| (*name, value.as_str()));
            crm(&simulation).create("Deal", &values, now).expect("taken");
            if !together {
                pass(&mut simulation, Duration::minutes(1));
            }
        }
        pass(&mut simulation, Duration::minutes(1));
        assert_eq!(trouble(&simulation), Vec::<String>::new());
        assert_eq!(mail(&simulation).sent_to("/notify").count(), 12, "made together: {together}");
    }
}

#[test]
fn a_won_deal_activates_its_subscription_and_begins_the_onboarding_once() {
    let mut simulation = simulation();
    let (_, subscription) = customer(&mut simulation);
    move_deal(&mut simulation, "closedwon");
    assert_eq!(trouble(&simulation), Vec::<String>::new());
    assert_eq!(app(&simulation).count("Subscription"), 1);
    assert_eq!(json!(app(&simulation).record("Subscription", &subscription).expect("it"))["status"], "active");
    assert_eq!(crm(&simulation).records("Deal").count(), 1);
    let welcome = mail(&simulation).sent_to("/email").filter(|sent| sent.body["template"] == "welcome").count();
    assert_eq!(welcome, 1);
    assert_eq!(app(&simulation).count("Account"), 1);
}

#[test]
fn a_lost_deal_cancels_its_subscription_and_asks_why() {
    let mut simulation = simulation();
    let (_, subscription) = customer(&mut simulation);
    move_deal(&mut simulation, "closedlost");
    assert_eq!(trouble(&simulation), Vec::<String>::new());
    assert_eq!(json!(app(&simulation).record("Subscription", &subscription).expect("it"))["status"], "cancelled");
    let surveys: Vec<_> = mail(&simulation).sent_to("/survey").map(|sent| sent.body["to"].clone()).collect();
    assert_eq!(surveys, [json!("ada@example.com")]);
}

#[test]
fn a_stage_that_no_row_spells_waits_for_a_person() {
    let mut simulation = simulation();
    customer(&mut simulation);
    move_deal(&mut simulation, "contractsent");
    let trouble = trouble(&simulation);
    assert_eq!(trouble.len(), 1, "{trouble:?}");
    assert!(trouble[0].contains("contractsent"), "{trouble:?}");
}

#[test]
fn someone_who_never_logs_in_gets_one_nudge_after_a_week() {
    let mut simulation = simulation();
    customer(&mut simulation);
    move_deal(&mut simulation, "closedwon");
    let nudges = |simulation: &Simulation| {
        mail(simulation).sent_to("/email").filter(|s| s.body["template"] == "first-login-nudge").count()
    };
    pass(&mut simulation, Duration::days(6));
    assert_eq!(nudges(&simulation), 0);
    pass(&mut simulation, Duration::days(1));
    assert_eq!(nudges(&simulation), 1);
    pass(&mut simulation, Duration::days(3));
    assert_eq!(trouble(&simulation), Vec::<String>::new());
    assert_eq!(mail(&simulation).sent_to("/notify").count(), 1);
    let runs = views::runs(simulation.rows(), simulation.programs()).expect("readable");
    assert_eq!(
        runs.iter().map(|run| (run.rule.as_str(), run.state.as_str())).collect::<Vec<_>>(),
        [("Onboarding", "finished")]
    );
}

#[test]
fn a_login_leaves_a_note_instead_of_a_nudge() {
    let mut simulation = simulation();
    let (user, _) = customer(&mut simulation);
    move_deal(&mut simulation, "closedwon");
    pass(&mut simulation, Duration::days(2));
    let now = simulation.now();
    app(&simulation).login(&user, now).expect("taken");
    pass(&mut simulation, Duration::days(6));
    assert_eq!(trouble(&simulation), Vec::<String>::new());
    assert_eq!(crm(&simulation).records("Note").filter(|n| n.properties["hs_note_body"] == "First login").count(), 1);
    assert_eq!(app(&simulation).count("Note"), 0);
    assert_eq!(mail(&simulation).sent_to("/email").filter(|s| s.body["template"] == "first-login-nudge").count(), 0);
}

#[test]
fn companies_and_activities_go_out_on_their_schedules() {
    let mut simulation = simulation();
    let (user, _) = customer(&mut simulation);
    let now = simulation.now();
    for n in 0..150 {
        let values =
            json!({"name": format!("Company {n}"), "domain": format!("c{n}.example.com"), "industry": "fitness"});
        app(&simulation).create("Company", values, now).expect("taken");
    }
    for kind in ["Feature usage", "Login"] {
        let values = json!({"user": {"id": user}, "kind": kind, "at": "2026-03-01T10:00:00.000Z", "details": {"report": "sleep"}});
        app(&simulation).create("Activity", values, now).expect("taken");
    }
    pass(&mut simulation, Duration::hours(2));
    assert_eq!(crm(&simulation).records("Company").count(), 150);
    assert_eq!(
        crm(&simulation).find("Company", "domain", "c7.example.com").expect("it").properties["industry"],
        "HEALTH_WELLNESS_AND_FITNESS"
    );
    pass(&mut simulation, Duration::days(1));
    assert_eq!(trouble(&simulation), Vec::<String>::new());
    let twin = crm(&simulation);
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
    let mut simulation = simulation();
    customer(&mut simulation);
    let now = simulation.now();
    let contact = crm(&simulation).find("Contact", "email", "ada@example.com").expect("a contact").id;
    let ticket =
        [("subject", "Strap broke"), ("hs_pipeline", "0"), ("hs_pipeline_stage", "1"), ("hs_ticket_priority", "HIGH")];
    let ticket = crm(&simulation).create("Ticket", &ticket, now).expect("taken");
    crm(&simulation).link("Ticket", ticket, "Contact", contact, now);
    crm(&simulation)
        .create("Note", &[("hs_note_body", "Called, no answer"), ("hs_timestamp", "2026-03-02T09:00:00.000Z")], now)
        .expect("taken");
    pass(&mut simulation, Duration::minutes(1));
    assert_eq!(trouble(&simulation), Vec::<String>::new());
    let app = app(&simulation);
    let ticket = json!(app.find("SupportTicket", "crmTicketId", &ticket.to_string()).expect("the ticket"));
    assert_eq!(
        (&ticket["title"], &ticket["status"], &ticket["priority"]),
        (&json!("Strap broke"), &json!("new"), &json!("high"))
    );
    assert!(ticket["user"]["id"].is_string(), "{ticket}");
    assert_eq!(app.count("Note"), 1);
}

//! Scripted stories, and each of them with a crash before each of its rounds: all end in the same state.
//!
//! What is compared says who is paired with whom and who links to whom, by names that people know, since ids differ
//! from run to run.

use std::collections::BTreeMap;

use connectors::port::{Answer, Input, Refusal, Request, Verb};
use dsl::value::Duration;
use engine::testing::decide::views;
use engine::testing::rehearse::Simulation;
use scenarios::{app, crm, customer, mail, move_deal, pass, sign_up, simulation, with};
use serde_json::{Map, Value, json};

/// Records by system, entity and id; the names that people know them by.
type Names = BTreeMap<(String, String, String), String>;

const CRM: [&str; 5] = ["Contact", "Deal", "Ticket", "Note", "Company"];
const APP: [&str; 8] = ["User", "Deal", "Subscription", "SupportTicket", "Note", "Account", "Company", "Activity"];

fn text(record: &Value, name: &str) -> String {
    record[name].as_str().map_or_else(|| record[name].to_string(), str::to_owned)
}

fn names(simulation: &Simulation) -> Names {
    let mut names = Names::new();
    let mut add = |system: &str, entity: &str, id: String, name: String| {
        names.insert((system.to_owned(), entity.to_owned(), id), name);
    };
    let app = app(simulation);
    let email = |user: &Value| {
        let id = user["id"].as_str().unwrap_or_default();
        app.record("User", id).map_or_else(|| "nobody".to_owned(), |user| text(&json!(user), "email"))
    };
    for entity in APP {
        for record in app.records(entity) {
            let record = json!(record);
            let name = match entity {
                "User" | "Account" => text(&record, "email"),
                "Deal" | "Company" => text(&record, "name"),
                "SupportTicket" => text(&record, "title"),
                "Note" => text(&record, "body"),
                "Subscription" => format!("{} of {}", text(&record, "plan"), email(&record["user"])),
                _ => format!("{} of {}", text(&record, "kind"), email(&record["user"])),
            };
            add("app", entity, text(&record, "id"), name);
        }
    }
    let crm = crm(simulation);
    for entity in CRM {
        for record in crm.records(entity) {
            let name = ["email", "dealname", "subject", "hs_note_body", "name"];
            let name = name.iter().find_map(|name| record.properties.get(*name)).cloned().unwrap_or_default();
            add("crm", entity, record.id.to_string(), name);
        }
    }
    names
}

fn named(names: &Names, system: &str, entity: &str, id: &str) -> String {
    let key = (system.to_owned(), entity.to_owned(), id.to_owned());
    names.get(&key).cloned().unwrap_or_else(|| format!("no {system}.{entity}"))
}

/// What people would see: every record, with names in place of ids and without times that differ from run to run.
fn state(simulation: &Simulation) -> BTreeMap<String, Value> {
    let names = names(simulation);
    let mut state = BTreeMap::new();
    let mut put = |name: String, mut all: Vec<String>| {
        all.sort();
        state.insert(name, json!(all));
    };
    for entity in CRM {
        let twin = crm(simulation);
        let shown = twin.records(entity).map(|record| {
            let mut held: Map<String, Value> =
                record.properties.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
            for volatile in ["createdate", "signed_up_at", "engine_link_id"] {
                held.remove(volatile);
            }
            if let Some(source) = record.properties.get("source_subscription_id") {
                held.insert("source_subscription_id".to_owned(), named(&names, "app", "Subscription", source).into());
            }
            if let Some(source) = record.properties.get("source_id") {
                let source = match source.strip_prefix("first-login ") {
                    Some(subscription) => {
                        format!("first login, {}", named(&names, "app", "Subscription", subscription))
                    }
                    None => named(&names, "app", "Activity", source),
                };
                held.insert("source_id".to_owned(), source.into());
            }
            for to in CRM {
                let mut linked: Vec<String> = twin
                    .linked(entity, record.id, to)
                    .iter()
                    .map(|id| named(&names, "crm", to, &id.to_string()))
                    .collect();
                linked.sort();
                held.insert(format!("linked {to}"), json!(linked));
            }
            json!(held).to_string()
        });
        put(format!("crm.{entity}"), shown.collect());
    }
    for entity in APP {
        let twin = app(simulation);
        let shown = twin.records(entity).map(|record| {
            let mut held = json!(record).as_object().cloned().unwrap_or_default();
            for volatile in ["id", "updatedAt", "createdAt"] {
                held.remove(volatile);
            }
            let references = [
                ("crmId", "crm", "Deal"),
                ("dealId", "crm", "Deal"),
                ("crmTicketId", "crm", "Ticket"),
                ("crmNoteId", "crm", "Note"),
                ("subscriptionId", "app", "Subscription"),
                ("subscription", "app", "Subscription"),
                ("user", "app", "User"),
            ];
            for (field, system, to) in references {
                if let Some(reference) = held.get_mut(field)
                    && let Some(id) = reference["id"].as_str().or(reference.as_str())
                {
                    *reference = named(&names, system, to, id).into();
                }
            }
            json!(held).to_string()
        });
        put(format!("app.{entity}"), shown.collect());
    }
    let pairs = views::links(simulation.rows()).expect("readable").into_iter().map(|link| {
        let sides = simulation.programs().active.syncs.iter().find(|sync| sync.name == link.sync).expect("its sync");
        let name = |entity: &dsl::schema::EntityName, id: &Option<String>| {
            id.as_ref().map_or_else(|| "nothing".to_owned(), |id| named(&names, &entity.system, &entity.entity, id))
        };
        let (left, right) = (name(&sides.left, &link.left), name(&sides.right, &link.right));
        format!("{}: {left} ~ {right}, {} {}", link.sync, link.state, link.detail)
    });
    put("pairs".to_owned(), pairs.collect());
    let runs = views::runs(simulation.rows(), simulation.programs()).expect("readable").into_iter();
    put(
        "runs".to_owned(),
        runs.map(|run| format!("{} {} {:?} {:?}", run.rule, run.state, run.completed, run.undone)).collect(),
    );
    let mut sent: Vec<String> =
        mail(simulation).sent().iter().map(|s| format!("{} {} {}", s.path, s.body["template"], s.body["to"])).collect();
    sent.sort();
    // The author of a notice accepts that it may come twice.
    sent.dedup_by(|one, other| one == other && one.starts_with("/notify"));
    put("sent".to_owned(), sent);
    put(
        "incidents".to_owned(),
        views::incidents(simulation.rows()).expect("readable").into_iter().map(|i| i.cause).collect(),
    );
    state
}

/// Tells the story once as it is, and once with a crash before each of its rounds; gives the state it ends in.
fn crash_everywhere(begin: impl Fn() -> Simulation, story: impl Fn(&mut Simulation)) -> BTreeMap<String, Value> {
    let mut undisturbed = begin();
    let first = undisturbed.counts().0;
    story(&mut undisturbed);
    let expected = state(&undisturbed);
    let rounds = undisturbed.counts().0 - first;
    assert!(rounds > 5, "the story has {rounds} rounds");
    for round in 1..=rounds {
        let mut disturbed = begin();
        disturbed.crash_before_round(round);
        story(&mut disturbed);
        assert_eq!(disturbed.counts().1, 1, "it crashed before round {round}");
        for (name, value) in state(&disturbed) {
            assert_eq!(value, expected[&name], "{name} after a crash before round {round} of {rounds}");
        }
    }
    expected
}

fn holds(state: &BTreeMap<String, Value>, name: &str, wanted: &str) -> bool {
    state[name].as_array().is_some_and(|all| all.iter().any(|one| one.as_str().is_some_and(|one| one.contains(wanted))))
}

#[test]
fn users_edits_a_won_deal_and_a_ticket_survive_a_crash_before_any_round() {
    let end = crash_everywhere(simulation, |simulation| {
        crm(simulation).owner("101", "emea-sales@example.com");
        for name in ["ada", "grace"] {
            let email = format!("{name}@example.com");
            let values =
                json!({"email": email, "firstName": name, "lastName": "L", "region": "emea", "lifetimeValue": "1"});
            sign_up(simulation, values);
        }
        pass(simulation, Duration::seconds(3));
        let now = simulation.now();
        let user = json!(app(simulation).find("User", "email", "ada@example.com").expect("it"))["id"].clone();
        let values = json!({"user": {"id": user}, "plan": "pro", "price": "49", "status": "pending", "startDate": "2026-03-02T09:00:00.000Z"});
        app(simulation).create("Subscription", values, now).expect("taken");
        let grace = crm(simulation).find("Contact", "email", "grace@example.com").map(|c| c.id);
        if let Some(id) = grace {
            crm(simulation).edit("Contact", id, &[("phone", "222")], now).expect("taken");
        }
        pass(simulation, Duration::minutes(2));
        let now = simulation.now();
        let deal = crm(simulation).records("Deal").next().map(|d| d.id);
        if let Some(deal) = deal {
            crm(simulation).edit("Deal", deal, &[("dealstage", "closedwon")], now).expect("taken");
        }
        let ticket = [("subject", "Strap broke"), ("hs_pipeline", "0"), ("hs_pipeline_stage", "1")];
        crm(simulation).create("Ticket", &ticket, now).expect("taken");
        pass(simulation, Duration::minutes(20));
    });
    assert_eq!(end["sent"], json!(["/email \"welcome\" \"ada@example.com\""]));
    assert!(holds(&end, "pairs", "Contacts: grace@example.com ~ grace@example.com, linked"), "{}", end["pairs"]);
    assert!(holds(&end, "pairs", "Tickets: "), "{}", end["pairs"]);
}

fn with_customer(mut simulation: Simulation) -> Simulation {
    customer(&mut simulation);
    simulation
}

#[test]
fn a_lost_deal_is_cancelled_and_asked_about_once_whatever_round_a_crash_meets() {
    let begin = || with_customer(simulation());
    let end = crash_everywhere(begin, |simulation| {
        move_deal(simulation, "closedlost");
        pass(simulation, Duration::minutes(20));
    });
    assert_eq!(end["sent"], json!(["/survey \"closed-lost\" \"ada@example.com\""]));
    assert!(holds(&end, "app.Subscription", "cancelled"), "{}", end["app.Subscription"]);
}

#[test]
fn notes_and_schedules_survive_a_crash_before_any_round() {
    // The daily run comes within the hour.
    let begin = || with_customer(with("activities.rules", "every day at 02:00", "every day at 10:00"));
    let end = crash_everywhere(begin, |simulation| {
        let now = simulation.now();
        let user = json!(app(simulation).find("User", "email", "ada@example.com").expect("it"))["id"].clone();
        let contact = crm(simulation).find("Contact", "email", "ada@example.com").expect("it").id;
        let note = [("hs_note_body", "Met at the fair"), ("hs_timestamp", "2026-03-02T09:00:00.000Z")];
        let note = crm(simulation).create("Note", &note, now).expect("taken");
        crm(simulation).link("Note", note, "Contact", contact, now);
        app(simulation).create("Note", json!({"user": {"id": user}, "body": "Called"}), now).expect("taken");
        let company = json!({"name": "Analytical Engines", "domain": "engines.example.com"});
        app(simulation).create("Company", company, now).expect("taken");
        let activity = json!({"user": {"id": user}, "kind": "Feature usage", "at": "2026-03-01T10:00:00.000Z"});
        app(simulation).create("Activity", activity, now).expect("taken");
        pass(simulation, Duration::minutes(70));
    });
    for pair in [
        "Notes: Called ~ Called",
        "Notes: Met at the fair ~ Met at the fair",
        "Companies: Analytical Engines ~ Analytical Engines",
        "Activities: Feature usage of ada@example.com ~ Activity: Feature usage",
    ] {
        assert!(holds(&end, "pairs", pair), "{pair} in {}", end["pairs"]);
    }
    assert_eq!(end["crm.Note"].as_array().map(Vec::len), Some(3));
}

#[test]
fn a_wait_that_is_met_and_an_undo_survive_a_crash_before_any_round() {
    let begin = || {
        let mut simulation = with_customer(with("onboarding.rules", "wait 3 days", "wait 1 minute"));
        move_deal(&mut simulation, "closedwon");
        // The first week is over, and nobody can be told.
        simulation.answer_instead(Some(Box::new(|system: &str, request: &Request| {
            let about = |input: &Input| input.values.get("text").is_some_and(|t| t.to_string().contains("week"));
            let refused = Answer::Refused { reason: "no such channel".to_owned(), refusal: Refusal::Other };
            let notice = matches!(request.verb, Verb::Operation { .. }) && request.inputs.iter().any(about);
            (system == "mail" && notice).then(|| vec![refused])
        })));
        simulation
    };
    let end = crash_everywhere(begin, |simulation| {
        let now = simulation.now();
        let user = text(&json!(app(simulation).find("User", "email", "ada@example.com").expect("it")), "id");
        app(simulation).login(&user, now).expect("taken");
        pass(simulation, Duration::minutes(10));
    });
    assert!(holds(&end, "crm.Note", "first login, pro of ada@example.com"), "{}", end["crm.Note"]);
    let undone = r#"Onboarding failed ["welcome", "account"] ["welcome", "account"]"#;
    assert!(holds(&end, "runs", undone), "{}", end["runs"]);
    assert_eq!(end["app.Account"], json!([]), "the account is taken back");
    assert!(holds(&end, "sent", "onboarding-delayed"), "{}", end["sent"]);
    assert!(holds(&end, "sent", "/notify"), "{}", end["sent"]);
}

//! The stories, in the order in which a day would bring them.

use std::time::{Duration, Instant};

use dsl::value::Span;
use serde_json::{Value, json};

use super::Failed;
use super::report::{Entity, Report, Story};
use super::stage::Stage;

const USERS: usize = 500;

pub(super) async fn tell(stage: &mut Stage, report: &mut Report) -> Result<(), Failed> {
    arrive(stage, report).await?;
    edits(stage, report).await?;
    deals(stage, report).await?;
    support(stage, report).await?;
    schedules(stage, report).await?;
    repeated(stage, report).await?;
    killed(stage, report).await?;
    storm(stage, report).await?;
    compare(stage, report).await;
    Ok(())
}

fn end(stage: &Stage, report: &mut Report, name: &str, ok: bool, detail: String) {
    stage.say(&format!("  {} {detail}", if ok { "✓" } else { "✗" }));
    report.stories.push(Story { name: name.to_owned(), ok, detail });
}

fn email(n: usize) -> String {
    format!("customer{n}@example.com")
}

fn refused(error: &dyn std::fmt::Debug) -> Failed {
    Failed(format!("a twin refused an edit: {error:?}"))
}

fn user(stage: &Stage, n: usize, field: &str) -> Value {
    stage.app().find("User", "email", &email(n)).map_or(Value::Null, |record| json!(record)[field].clone())
}

fn user_id(stage: &Stage, n: usize) -> String {
    user(stage, n, "id").as_str().unwrap_or_default().to_owned()
}

fn contact(stage: &Stage, n: usize, property: &str) -> Option<String> {
    stage.crm().find("Contact", "email", &email(n))?.properties.get(property).cloned()
}

fn contact_id(stage: &Stage, n: usize) -> u64 {
    stage.crm().find("Contact", "email", &email(n)).map_or(0, |record| record.id)
}

fn edit_user(stage: &Stage, n: usize, values: Value) -> Result<(), Failed> {
    let (id, now) = (user_id(stage, n), stage.now());
    stage.app().edit("User", &id, values, now).map_err(|e| refused(&e))
}

fn edit_contact(stage: &Stage, n: usize, values: &[(&str, &str)]) -> Result<(), Failed> {
    let (id, now) = (contact_id(stage, n), stage.now());
    stage.crm().edit("Contact", id, values, now).map_err(|e| refused(&e))
}

async fn arrive(stage: &mut Stage, report: &mut Report) -> Result<(), Failed> {
    stage.say(&format!("\n{USERS} users sign up in the app; each becomes one contact in HubSpot."));
    stage.crm().owner("101", "emea-sales@example.com");
    stage.crm().owner("102", "sales-desk@example.com");
    let began = Instant::now();
    for n in 0..USERS {
        let now = stage.now();
        let values = json!({
            "email": email(n), "firstName": format!("First{n}"), "lastName": format!("Last{n}"), "phone": "+442079460000",
            "region": (if n % 2 == 0 { "emea" } else { "amer" }), "lifetimeValue": "120.50", "healthScore": 80,
        });
        stage.app().create("User", values, now).map_err(|e| refused(&e))?;
    }
    let ok = stage.until(20, |s| s.crm().records("Contact").count() == USERS).await;
    let count = stage.crm().records("Contact").count();
    end(
        stage,
        report,
        "users become contacts",
        ok,
        format!("{count} contacts after {} ms", began.elapsed().as_millis()),
    );
    Ok(())
}

async fn edits(stage: &mut Stage, report: &mut Report) -> Result<(), Failed> {
    stage.say("\nA customer's phone number is corrected in HubSpot; the app has it a moment later.");
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let mut slowest = 0;
    for n in 0..20 {
        let began = Instant::now();
        let phone = format!("+4420794611{n:02}");
        edit_contact(stage, n, &[("phone", &phone)])?;
        if !stage.until(5, |s| user(s, n, "phone") == json!(phone)).await {
            slowest = u64::MAX;
            break;
        }
        let took = began.elapsed().as_millis() as u64;
        report.to_app.push(took);
        slowest = slowest.max(took);
    }
    let ok = slowest < 1_000;
    end(
        stage,
        report,
        "a phone changed in the CRM",
        ok,
        format!("20 numbers corrected, the slowest arrived after {slowest} ms"),
    );

    stage.say("\nNames are changed in the app; HubSpot has them a moment later.");
    let mut slowest = 0;
    for n in 20..40 {
        let began = Instant::now();
        let name = format!("Renamed{n}");
        edit_user(stage, n, json!({"lastName": name}))?;
        if !stage.until(5, |s| contact(s, n, "lastname").as_deref() == Some(&name)).await {
            slowest = u64::MAX;
            break;
        }
        let took = began.elapsed().as_millis() as u64;
        report.to_crm.push(took);
        slowest = slowest.max(took);
    }
    let ok = slowest < 1_000;
    end(
        stage,
        report,
        "a name changed in the app",
        ok,
        format!("20 names changed, the slowest arrived after {slowest} ms"),
    );

    stage.say("\nTwo people edit one customer at the same time: a first name in HubSpot, a last name in the app.");
    edit_contact(stage, 40, &[("firstname", "Augusta")])?;
    edit_user(stage, 40, json!({"lastName": "Lovelace"}))?;
    let both = |s: &Stage| {
        user(s, 40, "firstName") == json!("Augusta")
            && user(s, 40, "lastName") == json!("Lovelace")
            && contact(s, 40, "firstname").as_deref() == Some("Augusta")
            && contact(s, 40, "lastname").as_deref() == Some("Lovelace")
    };
    let ok = stage.until(5, both).await;
    end(
        stage,
        report,
        "different fields on both sides",
        ok,
        "both edits stand on both sides: Augusta Lovelace".to_owned(),
    );

    stage.say("\nThen both change the same phone number. The rule says that the CRM wins.");
    edit_user(stage, 41, json!({"phone": "+442079461111"}))?;
    edit_contact(stage, 41, &[("phone", "+442079462222")])?;
    let wins = |s: &Stage| {
        user(s, 41, "phone") == json!("+442079462222") && contact(s, 41, "phone").as_deref() == Some("+442079462222")
    };
    let ok = stage.until(5, wins).await;
    end(
        stage,
        report,
        "the same field on both sides",
        ok,
        "+442079462222 on both sides; the other number is in the history".to_owned(),
    );
    Ok(())
}

async fn deals(stage: &mut Stage, report: &mut Report) -> Result<(), Failed> {
    stage.say("\nThree customers subscribe; each gets a deal with its probability and its owner.");
    let mut subscriptions = Vec::new();
    for n in [50, 52, 54] {
        let now = stage.now();
        let values = json!({"user": {"id": user_id(stage, n)}, "plan": "pro", "price": "49.00", "status": "pending", "startDate": now.to_string()});
        subscriptions.push(stage.app().create("Subscription", values, now).map_err(|e| refused(&e))?);
    }
    let made = |s: &Stage| s.app().records("Deal").count() == 3 && s.crm().records("Deal").count() == 3;
    let mut ok = stage.until(15, made).await;
    let deal = stage.crm().find("Deal", "dealname", "First50 Last50 - pro").map(|d| (d.id, d.properties.clone()));
    let (probability, owner) = deal.as_ref().map_or_else(Default::default, |(_, p)| {
        (p.get("probability").cloned().unwrap_or_default(), p.get("hubspot_owner_id").cloned().unwrap_or_default())
    });
    ok &= probability == "0.6" && owner == "101";
    end(
        stage,
        report,
        "a subscription becomes a deal",
        ok,
        format!("3 deals; probability {probability}, owner {owner}"),
    );

    let settled = |s: &Stage| {
        let app = s.app();
        ["50", "52", "54"].iter().all(|n| app.find("Deal", "name", &format!("First{n} Last{n} - pro")).is_some())
    };
    stage.until(5, settled).await;
    let id =
        |s: &Stage, n: usize| s.crm().find("Deal", "dealname", &format!("First{n} Last{n} - pro")).map_or(0, |d| d.id);
    stage.say("\nOne deal goes into negotiation: the sales manager is told, and the app follows.");
    let (first, second, third) = (id(stage, 50), id(stage, 52), id(stage, 54));
    let now = stage.now();
    stage.crm().edit("Deal", first, &[("dealstage", "decisionmakerboughtin")], now).map_err(|e| refused(&e))?;
    let subscription = |s: &Stage, id: &str, field: &str| {
        s.app().record("Subscription", id).map_or(Value::Null, |r| json!(r)[field].clone())
    };
    let told = |s: &Stage| {
        s.mail().sent_to("/notify").count() == 1 && subscription(s, &subscriptions[0], "stage") == "negotiation"
    };
    let ok = stage.until(10, told).await;
    end(
        stage,
        report,
        "negotiation",
        ok,
        "one notice to the sales manager; the subscription says negotiation".to_owned(),
    );

    stage.say("\nAnother one is won: its subscription is activated and the onboarding begins.");
    let now = stage.now();
    stage.crm().edit("Deal", second, &[("dealstage", "closedwon")], now).map_err(|e| refused(&e))?;
    let welcome = |s: &Stage| s.mail().sent_to("/send").filter(|m| m.body["template"] == "welcome").count();
    let won = |s: &Stage| {
        subscription(s, &subscriptions[1], "status") == "active" && welcome(s) == 1 && s.app().count("Account") == 1
    };
    let ok = stage.until(10, won).await && stage.crm().records("Deal").count() == 3;
    end(stage, report, "closed won", ok, "activated; one welcome e-mail, one account, and no second deal".to_owned());

    stage.say("\nThe third is lost: its subscription is cancelled, and the customer is asked why.");
    let now = stage.now();
    stage.crm().edit("Deal", third, &[("dealstage", "closedlost")], now).map_err(|e| refused(&e))?;
    let lost = |s: &Stage| {
        subscription(s, &subscriptions[2], "status") == "cancelled" && s.mail().sent_to("/survey").count() == 1
    };
    let ok = stage.until(10, lost).await;
    end(stage, report, "closed lost", ok, "cancelled; one survey".to_owned());
    Ok(())
}

async fn support(stage: &mut Stage, report: &mut Report) -> Result<(), Failed> {
    stage.say("\nA ticket and a note are written in HubSpot; the app shows them, in its own words.");
    let now = stage.now();
    let customer = contact_id(stage, 60);
    let values = [
        ("subject", "The strap broke"),
        ("hs_pipeline", "0"),
        ("hs_pipeline_stage", "1"),
        ("hs_ticket_priority", "HIGH"),
    ];
    let ticket = stage.crm().create("Ticket", &values, now).map_err(|e| refused(&e))?;
    stage.crm().link("Ticket", ticket, "Contact", customer, now);
    let values = [("hs_note_body", "Called: wants a new strap"), ("hs_timestamp", "2026-03-02T09:00:00.000Z")];
    let note = stage.crm().create("Note", &values, now).map_err(|e| refused(&e))?;
    stage.crm().link("Note", note, "Contact", customer, now);
    let arrived = |s: &Stage| {
        let app = s.app();
        let ticket = app.find("SupportTicket", "title", "The strap broke").map(|r| json!(r));
        ticket.is_some_and(|t| t["status"] == "new" && t["priority"] == "high" && t["user"]["id"].is_string())
            && app.count("Note") == 1
    };
    let ok = stage.until(10, arrived).await;
    end(
        stage,
        report,
        "a ticket and a note",
        ok,
        "the ticket is `new` and `high`, on the right user; the note is there".to_owned(),
    );
    Ok(())
}

async fn schedules(stage: &mut Stage, report: &mut Report) -> Result<(), Failed> {
    stage.say("\n120 companies are entered in the app. They go out with the hour: the clock jumps.");
    let now = stage.now();
    for n in 0..120 {
        let values =
            json!({"name": format!("Company {n}"), "domain": format!("company{n}.example.com"), "industry": "fitness"});
        stage.app().create("Company", values, now).map_err(|e| refused(&e))?;
    }
    stage.jump(Span::hours(1));
    let ok = stage.until(20, |s| s.crm().records("Company").count() == 120).await;
    let count = stage.crm().records("Company").count();
    end(stage, report, "companies, hourly", ok, format!("{count} companies in HubSpot"));

    stage.say("\nActivities go out every night at two, as notes; logins and page views do not.");
    let now = stage.now();
    for (n, kind) in
        ["Feature usage", "Login", "Subscription upgrade", "Page view", "Support ticket"].iter().enumerate()
    {
        let values = json!({"user": {"id": user_id(stage, 70 + n)}, "kind": kind, "at": now.to_string(), "details": {"report": "sleep"}});
        stage.app().create("Activity", values, now).map_err(|e| refused(&e))?;
    }
    stage.jump(Span::hours(24));
    let notes = |s: &Stage| {
        s.crm()
            .records("Note")
            .filter(|r| r.properties.get("hs_note_body").is_some_and(|b| b.starts_with("Activity: ")))
            .count()
    };
    let ok = stage.until(20, |s| notes(s) == 3).await && stage.app().count("Note") == 1;
    end(stage, report, "activities, daily", ok, format!("{} of 5 activities became notes", notes(stage)));
    Ok(())
}

async fn repeated(stage: &mut Stage, report: &mut Report) -> Result<(), Failed> {
    stage.say("\nHubSpot sends the same webhook five times, shuffled. Nothing more happens than once.");
    let (users, contacts) = (stage.app().count("User"), stage.crm().records("Contact").count());
    stage.crm().repeat_deliveries(4);
    let now = stage.now();
    let values = [("email", "walkin@example.com"), ("firstname", "Grace"), ("lastname", "Hopper")];
    stage.crm().create("Contact", &values, now).map_err(|e| refused(&e))?;
    let ok = stage.until(10, |s| s.app().count("User") == users + 1 && s.crm().undelivered() == 0).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    stage.crm().repeat_deliveries(0);
    let made = stage.app().count("User") - users;
    let ok = ok && made == 1 && stage.crm().records("Contact").count() == contacts + 1;
    end(stage, report, "the same webhook five times", ok, format!("{made} user was made"));
    Ok(())
}

fn in_step(stage: &Stage, name: &str, range: std::ops::Range<usize>) -> bool {
    range.into_iter().all(|n| contact(stage, n, "firstname").as_deref() == Some(name))
}

async fn killed(stage: &mut Stage, report: &mut Report) -> Result<(), Failed> {
    stage.say("\n300 customers are renamed, and the engine is killed in the middle of it.");
    for n in 100..400 {
        edit_user(stage, n, json!({"firstName": "Survivor"}))?;
    }
    edit_contact(stage, 410, &[("phone", "+442079464444")])?;
    tokio::time::sleep(Duration::from_millis(330)).await;
    stage.kill().await;
    report.killed += 1;
    let before = (100..400).filter(|n| contact(stage, *n, "firstname").as_deref() == Some("Survivor")).count();
    stage.say(&format!(
        "  … killed when {before} of 300 had arrived; a further number changes in HubSpot meanwhile; started again"
    ));
    edit_contact(stage, 411, &[("phone", "+442079465555")])?;
    let began = Instant::now();
    stage.start().await?;
    let whole = |s: &Stage| {
        in_step(s, "Survivor", 100..400)
            && user(s, 410, "phone") == json!("+442079464444")
            && user(s, 411, "phone") == json!("+442079465555")
    };
    let ok = stage.until(25, whole).await;
    let after = (100..400).filter(|n| contact(stage, *n, "firstname").as_deref() == Some("Survivor")).count();
    end(
        stage,
        report,
        "killed in the middle",
        ok,
        format!("{after} of 300 and both numbers, {} ms after the restart", began.elapsed().as_millis()),
    );
    Ok(())
}

async fn storm(stage: &mut Stage, report: &mut Report) -> Result<(), Failed> {
    stage.say("\nA storm: 2,000 changes of 500 users.");
    tokio::time::sleep(Duration::from_millis(1_000)).await;
    let before = stage.crm().calls().total;
    for round in 0..4 {
        for n in 0..USERS {
            edit_user(stage, n, json!({"firstName": format!("Storm{round}")}))?;
        }
    }
    let began = Instant::now();
    let ok = stage.until(30, |s| in_step(s, "Storm3", 0..USERS)).await;
    let took = began.elapsed().as_millis();
    let calls = stage.crm().calls().clone();
    let spent = calls.total - before;
    report.per_change = spent as f64 / 2_000.0;
    report.resident_mb = stage.resident_mb();
    let ok = ok && spent < 200 && calls.limited == 0;
    end(
        stage,
        report,
        "a storm of 2,000 changes",
        ok,
        format!("{spent} calls to HubSpot, all in step {took} ms later; the limit was met {} times", calls.limited),
    );
    Ok(())
}

async fn compare(stage: &mut Stage, report: &mut Report) {
    // What is still on its way arrives.
    tokio::time::sleep(Duration::from_millis(1_000)).await;
    report.calls = stage.crm().calls().total;
    let pairs = [("email", "email"), ("firstName", "firstname"), ("lastName", "lastname"), ("phone", "phone")];
    let app = stage.app();
    let crm = stage.crm();
    let mut equal = true;
    for record in app.records("User") {
        let user = json!(record);
        let email = user["email"].as_str().unwrap_or_default().to_lowercase();
        let contact = crm.find("Contact", "email", &email);
        for (ours, theirs) in pairs {
            let left = user[ours].as_str().unwrap_or_default().to_lowercase();
            let right = contact.and_then(|c| c.properties.get(theirs)).map_or(String::new(), |v| v.to_lowercase());
            if left != right {
                equal = false;
                report.lost += 1;
            }
        }
    }
    let (users, contacts) = (app.count("User"), crm.records("Contact").count());
    report.duplicates += contacts.saturating_sub(users) as u64;
    report.entities.insert("contacts", Entity { app: users, crm: contacts, equal: equal && users == contacts });

    let words = [
        ("qualification", "qualifiedtobuy"),
        ("negotiation", "decisionmakerboughtin"),
        ("closedwon", "closedwon"),
        ("closedlost", "closedlost"),
    ];
    let mut equal = true;
    for record in app.records("Deal") {
        let deal = json!(record);
        let id: u64 = deal["crmId"].as_str().and_then(|id| id.parse().ok()).unwrap_or(0);
        let other = crm.records("Deal").find(|d| d.id == id);
        let stage_word = words.iter().find(|(ours, _)| deal["stage"] == *ours).map_or("", |(_, theirs)| theirs);
        let same = other.is_some_and(|d| {
            d.properties.get("dealname").map(String::as_str) == deal["name"].as_str()
                && d.properties.get("dealstage").map(String::as_str) == Some(stage_word)
        });
        if !same {
            equal = false;
            report.lost += 1;
        }
    }
    let (ours, theirs) = (app.count("Deal"), crm.records("Deal").count());
    report.duplicates += (theirs.saturating_sub(3) + ours.saturating_sub(3)) as u64;
    report.entities.insert("deals", Entity { app: ours, crm: theirs, equal: equal && ours == theirs });

    let domains = |property: &str| -> std::collections::BTreeSet<String> {
        crm.records("Company").filter_map(|c| c.properties.get(property).cloned()).collect()
    };
    let ours: std::collections::BTreeSet<String> =
        app.records("Company").filter_map(|r| json!(r)["domain"].as_str().map(str::to_owned)).collect();
    let theirs = crm.records("Company").count();
    report.duplicates += theirs.saturating_sub(ours.len()) as u64;
    report.entities.insert(
        "companies",
        Entity { app: ours.len(), crm: theirs, equal: domains("domain") == ours && theirs == ours.len() },
    );

    let tickets = (app.count("SupportTicket"), crm.records("Ticket").count());
    report.entities.insert("tickets", Entity { app: tickets.0, crm: tickets.1, equal: tickets.0 == tickets.1 });
    let body = |r: &sandbox::hubspot::Record| r.properties.get("hs_note_body").cloned().unwrap_or_default();
    let notes = crm
        .records("Note")
        .filter(|r| !body(r).starts_with("Activity: ") && !r.properties.contains_key("source_id"))
        .count();
    report.entities.insert("notes", Entity { app: app.count("Note"), crm: notes, equal: app.count("Note") == notes });
    let wanted =
        app.records("Activity").filter(|r| !matches!(json!(r)["kind"].as_str(), Some("Login" | "Page view"))).count();
    let made = crm.records("Note").filter(|r| body(r).starts_with("Activity: ")).count();
    report.duplicates += made.saturating_sub(wanted) as u64;
    report.entities.insert("activities", Entity { app: wanted, crm: made, equal: wanted == made });
    drop((app, crm));
    // Every effect once: a welcome, a survey, a notice.
    let mail = stage.mail();
    for (path, expected) in [("/send", 1usize), ("/survey", 1), ("/notify", 1)] {
        report.duplicates += mail.sent_to(path).count().saturating_sub(expected) as u64;
    }
}

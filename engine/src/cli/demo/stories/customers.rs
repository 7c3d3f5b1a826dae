//! Users and contacts: they arrive, and people edit them on both sides.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{ARRIVAL_TIMEOUT_SECONDS, Cast, USERS, begin, end, took};
use crate::cli::demo::Failed;
use crate::cli::demo::report::Report;
use crate::cli::demo::stage::Stage;
use crate::decide::Event;

const COMPANIES: [&str; 3] = ["Analytical Engines", "Royal Society", "Navy Yard"];

/// The address of a customer; some type theirs in capitals.
fn email(n: usize) -> String {
    if n.is_multiple_of(10) { format!("Customer{n}@Example.com") } else { format!("customer{n}@example.com") }
}

pub(super) async fn sign_up(stage: &mut Stage, report: &mut Report, cast: &mut Cast) -> Result<(), Failed> {
    begin(
        stage,
        report,
        "users become contacts",
        &format!("{USERS} customers sign up in the app. Each becomes one contact in HubSpot."),
    );
    stage.daemon.start().await?;
    for (id, email) in
        [("101", "emea-sales@example.com"), ("102", "sales-desk@example.com"), ("103", "amer-sales@example.com")]
    {
        stage.crm().owner(id, email);
    }
    let began = Instant::now();
    for n in 0..USERS {
        let region = ["emea", "amer", ""][n % 3];
        let job = if n.is_multiple_of(4) { "" } else { "Coach" };
        let id = stage.make_in_app(
            "User",
            json!({
                "email": email(n), "firstName": format!("First{n}"), "lastName": format!("Last{n}"),
                "phone": format!("+44207946{n:04}"), "company": COMPANIES[n % 3], "jobTitle": job, "region": region,
                "lifetimeValue": format!("{n}.50"), "healthScore": n % 101,
            }),
        )?;
        cast.users.push(id);
    }
    let ok = stage.until(ARRIVAL_TIMEOUT_SECONDS, |s| s.crm().records("Contact").count() == USERS).await;
    let took = took(began.elapsed());
    let found: Vec<Option<u64>> = (0..USERS)
        .map(|n| stage.crm().find("Contact", "email", &email(n).to_lowercase()).map(|contact| contact.id))
        .collect();
    cast.contacts = found.into_iter().flatten().collect();
    let count = stage.crm().records("Contact").count();
    end(stage, report, ok && count == USERS, format!("{count} contacts, {took} after the first sign-up"));
    if cast.contacts.len() < USERS {
        // All other stories are about these contacts.
        return Err(Failed(format!("only {} of {USERS} customers can be found in HubSpot", cast.contacts.len())));
    }
    stage.quiet(ARRIVAL_TIMEOUT_SECONDS).await?;
    Ok(())
}

/// How long a single change may take while nothing else goes on.
const SOON: Duration = Duration::from_secs(1);

/// How many of `changes` arrived, and how long the slowest took.
fn arrived(times: &[Option<Duration>]) -> (bool, String) {
    let known: Vec<Duration> = times.iter().flatten().copied().collect();
    let slowest = known.iter().max().copied().unwrap_or_default();
    let ok = known.len() == times.len() && slowest < SOON;
    (ok, format!("{} of {} arrived, the slowest after {}", known.len(), times.len(), took(slowest)))
}

fn milliseconds(times: &[Option<Duration>]) -> impl Iterator<Item = u64> {
    times.iter().flatten().map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

pub(super) async fn phones(stage: &mut Stage, report: &mut Report, cast: &Cast) -> Result<(), Failed> {
    begin(
        stage,
        report,
        "a phone changed in the CRM",
        "Phone numbers are corrected in HubSpot, one after the other. The app follows.",
    );
    let mut times = Vec::new();
    for n in 0..20 {
        let phone = format!("+4420794611{n:02}");
        let began = Instant::now();
        stage.edit_contact(cast, n, &[("phone", &phone)])?;
        let there = stage.until(ARRIVAL_TIMEOUT_SECONDS, |s| s.user(cast, n, "phone") == phone).await;
        times.push(there.then(|| began.elapsed()));
    }
    report.to_app.extend(milliseconds(&times));
    report.idle_to_app.extend(milliseconds(&times));
    let (ok, text) = arrived(&times);
    end(stage, report, ok, text);
    Ok(())
}

pub(super) async fn names(stage: &mut Stage, report: &mut Report, cast: &Cast) -> Result<(), Failed> {
    begin(
        stage,
        report,
        "a name changed in the app",
        "Customers change their last names in the app, one after the other. HubSpot follows.",
    );
    let mut times = Vec::new();
    for n in 20..40 {
        let name = format!("Renamed{n}");
        let began = Instant::now();
        stage.edit_user(cast, n, json!({"lastName": name}))?;
        let there = stage.until(ARRIVAL_TIMEOUT_SECONDS, |s| s.contact(cast, n, "lastname") == name).await;
        times.push(there.then(|| began.elapsed()));
    }
    report.to_crm.extend(milliseconds(&times));
    report.idle_to_crm.extend(milliseconds(&times));
    let (ok, text) = arrived(&times);
    end(stage, report, ok, text);
    Ok(())
}

pub(super) async fn different_fields(stage: &mut Stage, report: &mut Report, cast: &Cast) -> Result<(), Failed> {
    begin(
        stage,
        report,
        "different fields on both sides",
        "Two people edit one customer at the same time: the first name in HubSpot, the last name in the app.",
    );
    stage.edit_contact(cast, 40, &[("firstname", "Augusta")])?;
    stage.edit_user(cast, 40, json!({"lastName": "Lovelace"}))?;
    let in_app = |s: &Stage| [s.user(cast, 40, "firstName"), s.user(cast, 40, "lastName")].join(" ");
    let in_crm = |s: &Stage| [s.contact(cast, 40, "firstname"), s.contact(cast, 40, "lastname")].join(" ");
    let name = "Augusta Lovelace";
    let ok = stage.until(ARRIVAL_TIMEOUT_SECONDS, |s| in_app(s) == name && in_crm(s) == name).await;
    let detail = if ok {
        format!("both edits stand, on both sides: {name}")
    } else {
        format!("the app has {}, HubSpot has {}", in_app(stage), in_crm(stage))
    };
    end(stage, report, ok, detail);
    Ok(())
}

pub(super) async fn same_field(stage: &mut Stage, report: &mut Report, cast: &Cast) -> Result<(), Failed> {
    begin(
        stage,
        report,
        "the same field on both sides",
        "Then both change the same phone number. The rule says that HubSpot wins.",
    );
    let (app, crm) = ("+442079461111", "+442079462222");
    stage.edit_user(cast, 41, json!({"phone": app}))?;
    stage.edit_contact(cast, 41, &[("phone", crm)])?;
    let stands = |s: &Stage| s.user(cast, 41, "phone") == crm && s.contact(cast, 41, "phone") == crm;
    let wins = stage.until(ARRIVAL_TIMEOUT_SECONDS, stands).await;
    // As `engine why` asks.
    let began = Instant::now();
    let mut line = None;
    while wins && line.is_none() && began.elapsed() < Duration::from_secs(ARRIVAL_TIMEOUT_SECONDS) {
        let why = stage.daemon.ask(async |engine| engine.why(&cast.users[41], None).await).await?;
        let overwrote = |line: &Event| line.displaced.as_deref() == Some(app) && line.value.as_deref() == Some(crm);
        line = why.history.into_iter().find(overwrote);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let detail = match (&line, wins) {
        (Some(line), _) => {
            format!("{crm} on both sides; the history (`engine why`) keeps {app}, written over by {}", line.place)
        }
        (None, true) => format!("{crm} on both sides, but the history does not name {app}"),
        (None, false) => {
            format!("the app has {}, HubSpot has {}", stage.user(cast, 41, "phone"), stage.contact(cast, 41, "phone"))
        }
    };
    end(stage, report, wins && line.is_some(), detail);
    Ok(())
}

//! `map`: the shipped contact, app to CRM, bytes in to bytes out, beside a struct written by hand for it.
//!
//! The struct does what the plan does: e-mail in lower case, money through a decimal, empty values left out, properties
//! in the order of their names, the same bytes out. It has one thing easier: its time is handed on as it stands, while
//! the plan reads it and prints it anew.

use std::borrow::Cow;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use dsl::fast::{Mapped, Plan, Purpose};
use dsl::program::{Program, Side};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::{Job, Report, in_turns, rounded};

pub(super) const JOB: Job =
    Job { name: "map", about: "the 11 properties of a contact of 900 bytes, bytes in to bytes out", run };

/// Records in a round: long enough for the clock, short enough that most rounds are not interrupted.
const BATCH: u32 = 100;

/// A user with everything that an app of this kind tells, most of which no rule reads.
const USER: &str = r#"{"id":"usr_01J8ZK4M7Q2R5T9V","email":"Ada.Lovelace@Example.COM","emailVerified":true,"firstName":"Ada","lastName":"Lovelace","phone":"+44 20 7946 0958","company":"Analytical Engines Ltd","jobTitle":"Head of Research","region":"emea","locale":"en-GB","timeZone":"Europe/London","createdAt":"2026-03-02T09:00:00.120Z","updatedAt":"2026-11-20T16:45:12.007Z","lastSeenAt":"2026-11-24T21:03:55.991Z","tags":["beta","annual","webinar-2026"],"address":{"street":"12 St James's Square","city":"London","postcode":"SW1Y 4LB","country":"GB","geo":{"lat":51.5072,"lon":-0.1276}},"preferences":{"newsletter":true,"digest":"weekly","channels":["email","push"]},"subscription":{"id":"sub_01J8ZK","plan":"pro","status":"active","seats":12,"price":"49.00"},"lifetimeValue":"4820.50","healthScore":87,"logins":314,"marketing":{"optIn":true},"devices":[{"kind":"ios","version":"18.1"},{"kind":"web"}],"referrer":null}"#;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct User<'a> {
    #[serde(borrow)]
    email: Option<Text<'a>>,
    #[serde(borrow)]
    first_name: Option<Text<'a>>,
    #[serde(borrow)]
    last_name: Option<Text<'a>>,
    #[serde(borrow)]
    phone: Option<Text<'a>>,
    #[serde(borrow)]
    company: Option<Text<'a>>,
    #[serde(borrow)]
    job_title: Option<Text<'a>>,
    #[serde(borrow)]
    created_at: Option<Text<'a>>,
    #[serde(borrow)]
    subscription: Option<Subscription<'a>>,
    lifetime_value: Option<Decimal>,
    health_score: Option<i64>,
}

#[derive(Deserialize)]
struct Subscription<'a> {
    #[serde(borrow)]
    plan: Option<Text<'a>>,
    #[serde(borrow)]
    status: Option<Text<'a>>,
}

/// Text that is borrowed where it has no escapes; inside of an `Option` it needs a type of its own for that.
#[derive(Deserialize, Serialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Serialize)]
struct Contact<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    company: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    createdate: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    firstname: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    health_score: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jobtitle: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lastname: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lifetime_value: Option<Decimal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    phone: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subscription_plan: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subscription_status: Option<Text<'a>>,
}

fn by_hand(record: &[u8], out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    let user: User<'_> = serde_json::from_slice(record)?;
    let (plan, status) =
        user.subscription.map_or((None, None), |subscription| (subscription.plan, subscription.status));
    let contact = Contact {
        company: given(user.company),
        createdate: given(user.created_at),
        email: given(user.email).map(|email| email.0.to_lowercase()),
        firstname: given(user.first_name),
        health_score: user.health_score,
        jobtitle: given(user.job_title),
        lastname: given(user.last_name),
        lifetime_value: user.lifetime_value.map(|amount| amount.normalize()),
        phone: given(user.phone),
        subscription_plan: given(plan),
        subscription_status: given(status),
    };
    serde_json::to_writer(out, &contact)
}

/// The text, where there is any.
fn given(text: Option<Text<'_>>) -> Option<Text<'_>> {
    text.filter(|text| !text.0.is_empty())
}

/// The shipped rules.
fn shipped() -> Result<Arc<Program>, String> {
    let compiled = crate::rules::Texts::shipped().compile(None);
    compiled.program.map(Arc::new).ok_or_else(|| format!("the shipped rules have errors: {:?}", compiled.problems))
}

fn run(time: Duration) -> Result<Report, String> {
    let program = shipped()?;
    let sync = program.syncs.iter().position(|sync| sync.name == "Contacts").ok_or("no sync is called Contacts")?;
    let plan = Plan::new(&program, sync, Side::Right, Purpose::Create).map_err(|error| error.to_string())?;
    let record = USER.as_bytes();
    let (mut planned, mut written) = (Vec::new(), Vec::new());
    match plan.map(record, &mut planned) {
        Ok(Mapped::Written(_)) => {}
        other => return Err(format!("{other:?}")),
    }
    by_hand(record, &mut written).map_err(|error| error.to_string())?;
    if planned != written {
        let [planned, written] = [planned, written].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        return Err(format!("the plan writes {planned}, the struct {written}"));
    }
    let mut fast = || {
        for _ in 0..BATCH {
            planned.clear();
            // That it is written was seen above, and a plan does the same every time.
            let _ = black_box(plan.map(black_box(record), &mut planned));
        }
    };
    let mut hand = || {
        for _ in 0..BATCH {
            written.clear();
            let _ = black_box(by_hand(black_box(record), &mut written));
        }
    };
    let mut skip = || {
        for _ in 0..BATCH {
            let _ = black_box(serde_json::from_slice::<serde::de::IgnoredAny>(black_box(record)));
        }
    };
    let times = in_turns(time, [&mut fast, &mut hand, &mut skip]);
    let [fast, hand, skip] = times.map(|time| time.as_secs_f64() * 1e9 / f64::from(BATCH));
    let mut report = Report::default();
    report.figure("ns_per_record", fast.round());
    report.figure("serde_struct_ns", hand.round());
    report.figure("ratio", rounded(fast / hand));
    report.figure("record_bytes", record.len());
    report.figure("properties", plan.properties());
    report.floor.insert("skip_ns".to_owned(), skip.round().into());
    let micro = |ns: f64| format!("{:.2} µs", ns / 1e3);
    report.line("plan", micro(fast), format!("a record of {} bytes", record.len()));
    report.line("struct by hand", micro(hand), "serde, the same bytes out");
    report.line("ratio", format!("{:.2}", fast / hand), "below 1 the plan is faster");
    report.line("floor: skip it", micro(skip), "serde_json reads the record and keeps nothing");
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plan_and_the_struct_write_the_same_eleven_properties_of_900_bytes() {
        let report = run(Duration::from_nanos(1)).expect("measured");
        assert_eq!(report.figures["properties"], 11);
        assert!((880..=950).contains(&USER.len()), "{}", USER.len());
        let mut out = Vec::new();
        by_hand(USER.as_bytes(), &mut out).expect("written");
        let written: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&out).expect("JSON");
        assert_eq!(written.len(), 11);
    }
}

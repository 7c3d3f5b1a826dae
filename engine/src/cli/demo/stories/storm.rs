//! Many changes at once, and how long single ones take meanwhile.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{ARRIVAL_TIMEOUT_SECONDS, Cast, USERS, begin, end, took};
use crate::cli::demo::Failed;
use crate::cli::demo::report::{Report, grouped, percentile};
use crate::cli::demo::stage::Stage;

const ROUNDS: usize = 4;
/// Single edits that are timed on each side while a round goes out.
const TIMED: usize = 15;
/// How long everything may take to arrive.
const WITHIN: Duration = Duration::from_secs(40);
/// Changes that one call to HubSpot has to carry at least.
const PER_CALL: u64 = 10;
/// The longest that 99 of 100 changes may take, in milliseconds.
const P99_MS: u64 = 1_000;
/// What the engine should not exceed, in MB, and what is clearly beyond it on any machine.
const MEMORY_MB: u64 = 100;
const CLEARLY_BEYOND_MB: u64 = 150;

/// A single edit on its way to the other side.
struct Timed {
    began: Instant,
    customer: usize,
    to_crm: bool,
    value: String,
}

impl Timed {
    fn arrived(&self, stage: &Stage, cast: &Cast) -> bool {
        match self.to_crm {
            true => stage.contact(cast, self.customer, "lastname") == self.value,
            false => stage.user(cast, self.customer, "phone") == self.value,
        }
    }
}

pub(super) async fn tell(stage: &mut Stage, report: &mut Report, cast: &Cast) -> Result<(), Failed> {
    let changes = ROUNDS * USERS;
    begin(
        stage,
        report,
        "a storm of 2,000 changes",
        &format!(
            "A storm: all {USERS} customers change their first names {ROUNDS} times, {} changes.",
            grouped(changes)
        ),
    );
    // What was begun before would count among the calls of the storm.
    stage.quiet(ARRIVAL_TIMEOUT_SECONDS).await?;
    let before = stage.crm().calls().clone();
    let mut under_way: Vec<Timed> = Vec::new();
    let mut times = [Vec::new(), Vec::new()];
    let mut look = |stage: &Stage, under_way: &mut Vec<Timed>| {
        under_way.retain(|edit| {
            let there = edit.arrived(stage, cast);
            if there {
                let took = u64::try_from(edit.began.elapsed().as_millis()).unwrap_or(u64::MAX);
                times[usize::from(edit.to_crm)].push(took);
            }
            !there
        });
    };
    for round in 0..ROUNDS {
        for n in 0..USERS {
            stage.edit_user(cast, n, json!({"firstName": format!("Storm{round}")}))?;
            if n.is_multiple_of(USERS / TIMED) && n / (USERS / TIMED) < TIMED {
                let customer = 200 + 2 * (round * TIMED + n / (USERS / TIMED));
                let name = format!("Timed{customer}");
                under_way.push(Timed { began: Instant::now(), customer, to_crm: true, value: name.clone() });
                stage.edit_user(cast, customer, json!({"lastName": name}))?;
                let (customer, phone) = (customer + 1, format!("+44207950{customer:04}"));
                under_way.push(Timed { began: Instant::now(), customer, to_crm: false, value: phone.clone() });
                stage.edit_contact(cast, customer, &[("phone", &phone)])?;
                // The engine's calls and messages are answered by this process too.
                tokio::task::yield_now().await;
                look(stage, &mut under_way);
            }
        }
    }
    let began = Instant::now();
    let last = format!("Storm{}", ROUNDS - 1);
    let in_step = |s: &Stage| {
        let crm = s.crm();
        let has = |contact: &&sandbox::hubspot::Record| contact.properties.get("firstname") == Some(&last);
        crm.records("Contact").filter(has).count()
    };
    while began.elapsed() < WITHIN && (in_step(stage) < USERS || !under_way.is_empty()) {
        tokio::time::sleep(Duration::from_millis(5)).await;
        look(stage, &mut under_way);
    }
    let (arrived, took) = (in_step(stage), took(began.elapsed()));
    let calls = stage.crm().calls().clone();
    let (spent, limited) = (calls.total - before.total, calls.limited - before.limited);
    report.per_change = spent as f64 / changes as f64;
    let ok = arrived == USERS && spent * PER_CALL < changes as u64 && limited == 0;
    end(
        stage,
        report,
        ok,
        format!(
            "{arrived} of {USERS} contacts have the newest name, {took} after the last change; {spent} calls to HubSpot, \
             {limited} of them refused by its limit"
        ),
    );
    let [to_app, to_crm] = times;
    report.to_app.extend(to_app);
    report.to_crm.extend(to_crm);
    quick(stage, report, under_way.len());
    memory(stage, report);
    Ok(())
}

fn quick(stage: &Stage, report: &mut Report, missing: usize) {
    let storm = 2 * ROUNDS * TIMED;
    let all = report.to_app.len() + report.to_crm.len() + missing;
    begin(
        stage,
        report,
        "a change arrives within a second",
        &format!("{all} changes were timed one by one, {storm} of them while the storm went out."),
    );
    let (to_crm, to_app) = (percentile(&report.to_crm, 99), percentile(&report.to_app, 99));
    let mut detail = format!("99 of 100 arrived in HubSpot within {to_crm} ms, in the app within {to_app} ms");
    if missing > 0 {
        detail.push_str(&format!("; {missing} did not arrive"));
    }
    let quick = to_crm < P99_MS && to_app < P99_MS;
    if !quick && cfg!(debug_assertions) {
        detail.push_str("; not judged, since this is a debug build");
    }
    end(stage, report, missing == 0 && (quick || cfg!(debug_assertions)), detail);
}

fn memory(stage: &mut Stage, report: &mut Report) {
    begin(stage, report, "the engine stays small", "Through all of this the engine needs little memory.");
    let (ok, detail) = match stage.daemon.peak_mb() {
        Some(mb) => (
            mb <= CLEARLY_BEYOND_MB,
            format!(
                "at most {mb} MB. {MEMORY_MB} are the aim; machines differ, so only above {CLEARLY_BEYOND_MB} it counts as \
                 failed"
            ),
        ),
        None => (true, "this system does not say how much".to_owned()),
    };
    end(stage, report, ok, detail);
}

//! What goes out by the clock.

use dsl::value::Duration;
use serde_json::json;

use super::{ARRIVAL_TIMEOUT_SECONDS, Cast, begin, end};
use crate::cli::demo::Failed;
use crate::cli::demo::report::Report;
use crate::cli::demo::stage::Stage;

const COMPANIES: usize = 120;

pub(super) async fn tell(stage: &mut Stage, report: &mut Report, cast: &Cast) -> Result<(), Failed> {
    begin(
        stage,
        report,
        "companies, hourly",
        &format!("{COMPANIES} companies are entered in the app. They go out every hour: the clock is put forward."),
    );
    for n in 0..COMPANIES {
        let industry = ["software", "fitness", "hospital", "insurance", ""][n % 5];
        let values = json!({
            "name": format!("Company {n}"), "domain": format!("company{n}.example.com"), "industry": industry,
            "employeeCount": n * 10,
        });
        stage.make_in_app("Company", values)?;
    }
    let companies = |s: &Stage| s.crm().records("Company").count();
    let early = companies(stage);
    stage.jump(Duration::hours(1));
    let ok = stage.until(ARRIVAL_TIMEOUT_SECONDS, |s| companies(s) == COMPANIES).await;
    let count = companies(stage);
    end(
        stage,
        report,
        ok && early == 0,
        format!("{early} companies in HubSpot before the hour was over, {count} after it"),
    );

    begin(
        stage,
        report,
        "activities, daily",
        "Activities go out every night at two, as notes on the contact. Logins and page views do not.",
    );
    let kinds = ["Feature usage", "Login", "Subscription upgrade", "Page view", "Support ticket"];
    for (n, kind) in kinds.into_iter().enumerate() {
        let at = stage.now().to_string();
        let user = &cast.users[70 + n];
        let values = json!({"user": {"id": user}, "kind": kind, "at": at, "details": {"report": "sleep"}});
        stage.make_in_app("Activity", values)?;
    }
    stage.jump(Duration::hours(24));
    let notes = |s: &Stage| {
        let crm = s.crm();
        let body = |note: &sandbox::hubspot::Record| note.properties.get("hs_note_body").cloned().unwrap_or_default();
        let all: Vec<String> = crm.records("Note").map(body).filter(|body| body.starts_with("Activity: ")).collect();
        all
    };
    // A note too many would come after the third: they are counted when nothing is under way any more.
    stage.until(ARRIVAL_TIMEOUT_SECONDS, |s| notes(s).len() == 3).await;
    stage.quiet(ARRIVAL_TIMEOUT_SECONDS).await?;
    let kind = |body: &String| body.lines().next().and_then(|line| line.strip_prefix("Activity: ")).map(str::to_owned);
    let mut found: Vec<String> = notes(stage).iter().filter_map(kind).collect();
    found.sort();
    let ok = found == ["Feature usage", "Subscription upgrade", "Support ticket"];
    end(stage, report, ok, format!("{} of {} became notes: {}", found.len(), kinds.len(), found.join(", ")));
    Ok(())
}

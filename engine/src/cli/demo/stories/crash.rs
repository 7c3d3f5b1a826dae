//! The engine is killed in the middle of a burst.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{Cast, begin, end, took};
use crate::cli::demo::Failed;
use crate::cli::demo::report::Report;
use crate::cli::demo::stage::Stage;

const RENAMED: std::ops::Range<usize> = 100..400;
const NAME: &str = "Survivor";
/// Those who go first: once some of them have arrived, the others follow, and the engine is killed.
const FIRST: usize = 100;
/// Enough for the engine to take up what follows, less than it waits to fill a batch.
const TAKEN_UP: Duration = Duration::from_millis(100);
/// How long the burst may take to begin to arrive, and all of it to arrive after the restart.
const BEGINS_WITHIN: Duration = Duration::from_secs(20);
const ENDS_WITHIN: u64 = 30;

pub(super) async fn tell(stage: &mut Stage, report: &mut Report, cast: &Cast) -> Result<(), Failed> {
    let all = RENAMED.len();
    begin(
        stage,
        report,
        "killed in the middle",
        &format!(
            "{all} customers change their first names, a phone number is corrected in HubSpot, and the engine is \
                  killed in the middle of it."
        ),
    );
    let arrived = |s: &Stage| {
        let crm = s.crm();
        let has = |name: &&sandbox::hubspot::Record| name.properties.get("firstname").is_some_and(|v| v == NAME);
        crm.records("Contact").filter(has).count()
    };
    for n in RENAMED.take(FIRST) {
        stage.edit_user(cast, n, json!({"firstName": NAME}))?;
    }
    let began = Instant::now();
    let mut before = arrived(stage);
    while before == 0 && began.elapsed() < BEGINS_WITHIN {
        tokio::time::sleep(Duration::from_millis(1)).await;
        before = arrived(stage);
    }
    for n in RENAMED.skip(FIRST) {
        stage.edit_user(cast, n, json!({"firstName": NAME}))?;
    }
    stage.edit_contact(cast, 410, &[("phone", "+442079464444")])?;
    tokio::time::sleep(TAKEN_UP).await;
    stage.kill().await?;
    // What was on its way at that moment may still have arrived.
    let before = arrived(stage);
    let middle = 0 < before && before < all;
    stage.say(&format!("  … killed when {before} had arrived and {} were still to come", all - before));
    stage.say("  … while it is down, another phone number is corrected in HubSpot; then it is started again");
    stage.edit_contact(cast, 411, &[("phone", "+442079465555")])?;
    let began = Instant::now();
    stage.daemon.start().await?;
    let phones = |s: &Stage| [s.user(cast, 410, "phone"), s.user(cast, 411, "phone")];
    let numbers = ["+442079464444", "+442079465555"];
    let whole = stage.until(ENDS_WITHIN, |s| arrived(s) == all && phones(s) == numbers).await;
    let after = arrived(stage);
    let there = phones(stage).iter().zip(numbers).filter(|(is, wanted)| is == wanted).count();
    let mut detail =
        format!("{after} of {all} names and {there} of 2 numbers, {} after the restart", took(began.elapsed()));
    if !middle {
        detail.push_str("; but it was not killed in the middle");
    }
    end(stage, report, whole && middle, detail);
    Ok(())
}

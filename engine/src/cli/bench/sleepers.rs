//! `sleepers`: many runs asleep, how soon the engine is back after a kill, and how late they wake (J3).
//!
//! The sleepers are made by an engine in this process; then the real one is killed once and started again over them,
//! and gets more, all of which are due within one second. When each was woken stands in the journal.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use dsl::value::Timestamp;

use super::seed::{Kind, Seeded};
use super::stage::{About, Stage};
use super::{Job, Report, Settings, megabytes, rounded};
use crate::clock::wall;
use crate::decide::{Action, Event};
use crate::ledger::{Seq, records};

pub(super) const JOB: Job = Job { name: "sleepers", about: "runs asleep; a start over them after a kill (J3)", run };

/// Runs that are seeded by one delivery.
const BATCH: u64 = 100;
/// Runs that are due within one second.
const DUE: u64 = 10_000;
/// A year.
const FAR: i64 = 365 * 86_400_000;

fn run(settings: &Settings) -> Result<Report, String> {
    super::block_on(measure(settings))
}

async fn measure(settings: &Settings) -> Result<Report, String> {
    let mut stage = Stage::build(settings, None)?;
    let count = settings.sleepers;
    let (rows, bytes) = {
        let mut engine = Seeded::open(&stage.rules(), &stage.state())?;
        let far = wall().0 + FAR;
        let wakes = move |number: u64| Timestamp(far + number as i64);
        for first in (0..count).step_by(BATCH as usize) {
            engine.deliver(&Kind::Contact(&wakes), first..(first + BATCH).min(count))?;
        }
        engine.flush()?;
        engine.rows()?
    };
    // Whatever the first start finds to do is done before the one that counts.
    stage.start().await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    stage.kill().await?;
    let begin = Instant::now();
    stage.start().await?;
    let restart = begin.elapsed();
    let process = stage.process()?;
    let (resident, peak) = (megabytes(process.resident()?), megabytes(process.peak()?));
    let stored = std::fs::metadata(stage.state().join("sled/db")).map_or(0, |file| file.len());

    let due = DUE.min(count);
    let lateness = woken(&mut stage, due).await?;
    let mut report = Report::default();
    let each = |bytes: u64| rounded(bytes as f64 / count as f64);
    let within = |share: f64| lateness[((share * lateness.len() as f64).ceil() as usize).saturating_sub(1)];
    report.figure("count", count);
    report.figure("restart_ms", super::milliseconds(restart));
    report.figure("rows_each", each(rows));
    report.figure("bytes_each", each(bytes));
    report.figure("disk_bytes_each", each(stored));
    report.figure("lateness_p50_ms", within(0.5));
    report.figure("lateness_p99_ms", within(0.99));
    report.figure("due", due);
    report.figure("resident_mb", resident);
    report.figure("peak_mb", peak);
    report.line("asleep", count.to_string(), format!("{:.1} rows each", each(rows)));
    report.line("start after a kill", format!("{:.0} ms", super::milliseconds(restart)), "until it is ready");
    report.line("rows of one", format!("{:.0} bytes", each(bytes)), format!("{:.0} in the store's file", each(stored)));
    report.line(
        "lateness",
        format!("{} ms", within(0.99)),
        format!("p99 of {due} due within one second; p50 {} ms", within(0.5)),
    );
    report.line("memory", format!("{resident:.0} MB"), format!("after the start; {peak:.0} MB at most"));
    Ok(report)
}

/// By how many milliseconds each of `count` runs that were due within one second was woken too late, in order.
async fn woken(stage: &mut Stage, count: u64) -> Result<Vec<i64>, String> {
    // By then all of them are known.
    let from = wall().0 + 5_000 + count as i64 / 2;
    let at = |number: u64| Timestamp(from + (number * 1_000 / count) as i64);
    let names: Vec<String> = (0..count).map(|number| format!("due{number}")).collect();
    let mut client = stage.clients(1).await?.remove(0);
    for (first, names) in (0..).step_by(BATCH as usize).zip(names.chunks(BATCH as usize)) {
        let about = (first..).zip(names).map(|(number, name)| About::Contact(name, at(number)));
        let body = stage.events.many(about);
        stage.events.send(&mut client, body).await?;
    }
    if wall().0 >= from {
        return Err("the machine is too slow: runs were due before they were all known".to_owned());
    }
    let mut wait = from + 1_000 - wall().0;
    let mut times = BTreeMap::new();
    // A look at the journal needs the engine's folder, so the engine must have ended: give it time before that.
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_millis(wait.max(0) as u64 + 3_000)).await;
        stage.stop().await?;
        times = finished(stage)?;
        if times.len() as u64 == count {
            break;
        }
        wait = 0;
        stage.start().await?;
    }
    if (times.len() as u64) < count {
        return Err(format!("{} of {count} runs were not woken", count - times.len() as u64));
    }
    let mut late: Vec<i64> = times.into_iter().map(|(number, woken)| woken.0 - at(number).0).collect();
    late.sort_unstable();
    match late.first() {
        Some(first) if *first < 0 => Err(format!("a run was woken {} ms too early", -first)),
        Some(_) => Ok(late),
        None => Err("no run was woken".to_owned()),
    }
}

/// When the runs that were due ended, by their number.
fn finished(stage: &Stage) -> Result<BTreeMap<u64, Timestamp>, String> {
    let mut found = BTreeMap::new();
    for record in records(&stage.state(), Seq(1)).map_err(|error| error.to_string())? {
        let (_, bytes) = record.map_err(|error| error.to_string())?;
        let Ok(event) = serde_json::from_slice::<Event>(&bytes) else { continue };
        let number = event.left.as_deref().and_then(|left| left.strip_prefix("due")?.parse().ok());
        if let (Some(number), Action::Run, true) = (number, event.action, event.detail.starts_with("finished")) {
            found.insert(number, event.at);
        }
    }
    Ok(found)
}

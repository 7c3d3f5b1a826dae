//! The end: nothing waits for a person, both sides are compared, and what people wrote is looked up.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use dsl::program::Side;

use super::{ARRIVAL_TIMEOUT_SECONDS, begin, end};
use crate::cli::demo::report::{Entity, Report};
use crate::cli::demo::stage::Stage;
use crate::cli::demo::{Failed, audit, truth};
use crate::rehearse::view::Record;

pub(super) async fn tell(stage: &mut Stage, report: &mut Report) -> Result<(), Failed> {
    begin(
        stage,
        report,
        "nothing is left over",
        "At the end of the day nothing is under way and nobody has to step in.",
    );
    let quiet = stage.quiet(ARRIVAL_TIMEOUT_SECONDS).await?;
    let made: BTreeSet<Record> = stage.written.iter().filter(|w| w.made).map(|w| w.record.clone()).collect();
    let began = Instant::now();
    let mut compared = truth::compare(stage, &made);
    // The last message may still be between two hands.
    while compared.iter().any(|sync| !sync.equal()) && began.elapsed() < Duration::from_secs(2) {
        tokio::time::sleep(Duration::from_millis(200)).await;
        compared = truth::compare(stage, &made);
    }
    let status = stage.daemon.ask(async |engine| engine.status().await).await?;
    let waiting = status.incidents + status.parked;
    let detail = match quiet {
        true => format!("everything has arrived; {waiting} records wait for a person"),
        false => format!("something is still under way; {waiting} records wait for a person"),
    };
    end(stage, report, quiet && waiting == 0, detail);

    report.telling = Some("the comparison");
    for sync in &compared {
        let rule = &stage.program.syncs[sync.sync];
        let (left, right) = (sync.count(Side::Left), sync.count(Side::Right));
        let (app, crm) = if rule.left.system == "app" { (left, right) } else { (right, left) };
        let entity = Entity { app, crm, equal: sync.equal(), values: sync.values };
        report.entities.insert(rule.name.to_lowercase(), entity);
        report.unequal.extend(sync.differences.iter().map(|difference| difference.text.clone()));
        report.unequal.extend(sync.lonely.iter().map(|(_, text)| text.clone()));
    }
    report.resident_mb = stage.daemon.peak_mb();
    stage.daemon.stop().await?;
    let history = audit::written_over(&stage.state())?;
    let fate = audit::fate(stage, &compared, &history);
    report.written = fate.written;
    report.superseded = fate.superseded;
    report.lost = fate.lost;
    report.duplicates = audit::doubled_records(stage, &compared, &made);
    report.duplicates.extend(audit::doubled_effects(stage));
    report.telling = None;
    Ok(())
}

//! `growth`: does a decision cost more in a full ledger?
//!
//! Two ledgers on disk, one with a thousand records, one with as many as `--rows` says, take the same events in turns:
//! changes of records that they hold, each as likely as any other, and workflows of three calls from their start to
//! their end. The deciding is measured with the ledger's taking, without a network.

use std::time::{Duration, Instant};

use super::seed::{Kind, Seeded};
use super::stage::write_rules;
use super::{Job, Report, Settings, median, rounded};

pub(super) const JOB: Job =
    Job { name: "growth", about: "a decision in a full ledger beside the same in an almost empty one", run };

/// Records in the almost empty ledger.
const FEW: u64 = 1_000;
/// Events in one turn.
const TURN: u64 = 500;
/// Workflows in one turn.
const RUNS: u64 = 64;
/// Records that are seeded by one delivery.
const BATCH: u64 = 100;

fn run(settings: &Settings) -> Result<Report, String> {
    let folder = settings.folder()?;
    write_rules(&folder.path().join("rules"), false)?;
    let open = |name: &str| Seeded::open(&folder.path().join("rules"), &folder.path().join(name));
    let (mut few, mut many) = (Ledger::new(open("few")?, FEW)?, Ledger::new(open("many")?, settings.rows)?);
    let [mut few_events, mut many_events, mut few_runs, mut many_runs] = std::array::from_fn(|_| Vec::new());
    // The first turn pays for what happens once, and does not count.
    few.turn()?;
    many.turn()?;
    let begin = Instant::now();
    while few_events.len() < 3 || begin.elapsed() < settings.time {
        let (events, runs) = few.turn()?;
        few_events.push(events);
        few_runs.push(runs);
        let (events, runs) = many.turn()?;
        many_events.push(events);
        many_runs.push(runs);
    }
    let each = |times: Vec<Duration>, count: u64| median(times).as_secs_f64() * 1e6 / count as f64;
    let (few_event, many_event) = (each(few_events, TURN), each(many_events, TURN));
    let (few_run, many_run) = (each(few_runs, RUNS), each(many_runs, RUNS));
    let rows = many.engine.rows()?.0;
    let mut report = Report::default();
    report.figure("rows", rows);
    report.figure("event_us", rounded(many_event));
    report.figure("event_ratio", rounded(many_event / few_event));
    report.figure("workflow_us", rounded(many_run));
    report.figure("workflow_ratio", rounded(many_run / few_run));
    report.floor("event_us", rounded(few_event));
    report.floor("workflow_us", rounded(few_run));
    let line = |few: f64, many: f64| format!("ratio {:.2}; {few:.0} µs with {FEW} records", many / few);
    report.line("rows", rows.to_string(), format!("with {} records", settings.rows));
    report.line("an event", format!("{many_event:.0} µs"), line(few_event, many_event));
    report.line("a workflow", format!("{many_run:.0} µs"), line(few_run, many_run));
    Ok(report)
}

struct Ledger {
    engine: Seeded,
    records: u64,
    next: u64,
}

impl Ledger {
    fn new(mut engine: Seeded, records: u64) -> Result<Self, String> {
        for first in (0..records).step_by(BATCH as usize) {
            engine.deliver(&Kind::Ticket, first..(first + BATCH).min(records))?;
        }
        engine.flush()?;
        Ok(Self { engine, records, next: 0 })
    }

    /// What the events of one turn took, and the workflows of one turn.
    fn turn(&mut self) -> Result<(Duration, Duration), String> {
        let start = Instant::now();
        for _ in 0..TURN {
            self.next += 1;
            // Spread over all records, in no order that storage could like.
            let record = self.next.wrapping_mul(0x9e37_79b9_7f4a_7c15) % self.records;
            self.engine.deliver(&Kind::Ticket, [record])?;
        }
        let events = start.elapsed();
        self.engine.flush()?;
        let start = Instant::now();
        for _ in 0..RUNS {
            self.next += 1;
            self.engine.deliver(&Kind::Deal, [self.next])?;
        }
        let calls = self.engine.work_off()?;
        if calls as u64 != 3 * RUNS {
            return Err(format!("{RUNS} workflows made {calls} calls"));
        }
        Ok((events, start.elapsed()))
    }
}

//! P9: killing the engine between any two rounds changes neither what there is in the end nor what people are told, only
//! timing. And a run is the same again and again.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use simulation::generate::{Class, Faults, generate};
use simulation::history::{History, Step};
use simulation::worker::{Report, Worker};

fn worker() -> Worker {
    Worker::new(Path::new(env!("CARGO_BIN_EXE_sim")), Duration::from_secs(30))
}

/// Histories in which people leave the engine time between two things that they do, with and without crashes.
fn pairs() -> impl Iterator<Item = (u64, History, History)> {
    (1..=25).map(|seed| {
        let made = generate(seed, &Faults::Only(vec![Class::Crashes]));
        let mut steps = Vec::new();
        for step in made.steps {
            let pause = matches!(step, Step::Person(..));
            steps.push(step);
            if pause {
                steps.push(Step::Pass(dsl::value::Duration::minutes(2)));
            }
        }
        let with = History { rules: made.rules, clocks: made.clocks, steps };
        let quiet = with.steps.iter().filter(|step| !matches!(step, Step::Crash(_))).cloned().collect();
        let without = History { steps: quiet, ..with.clone() };
        (seed, with, without)
    })
}

/// Ids, of which a repeated create may use one up.
const IDS: [&str; 6] = ["crmId", "crmNoteId", "crmTicketId", "engine_link_id", "dealId", "source_subscription_id"];

/// When something was made, which is timing.
const TIMES: [&str; 3] = ["createdAt", "signed_up_at", "hs_timestamp"];

/// What there is in the end, without ids and times.
fn end(report: Report) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut end = report.end;
    let stays = |field: &str| !IDS.contains(&field) && !TIMES.contains(&field);
    end.values_mut().for_each(|fields| fields.retain(|field, _| stays(field)));
    end
}

#[test]
fn a_crash_between_any_two_rounds_changes_nothing_but_timing() {
    let mut worker = worker();
    let mut crashes = 0;
    for (seed, with, without) in pairs() {
        crashes += with.steps.iter().filter(|step| matches!(step, Step::Crash(_))).count();
        let [with, without] = [with, without].map(|history| worker.report(&history).expect("a process can be started"));
        assert_eq!(end(with), end(without), "seed {seed}");
    }
    assert!(crashes > 20, "{crashes} crashes");
}

#[test]
fn the_same_history_is_the_same_run() {
    let (mut one, mut other) = (worker(), worker());
    for seed in 1..=10 {
        let history = generate(seed, &Faults::Mixed);
        let [first, again] = [&mut one, &mut other].map(|worker| worker.report(&history).expect("it can be started"));
        assert_eq!(first, again, "seed {seed}");
        assert!(!first.log.is_empty(), "seed {seed}");
    }
}

//! What is found in the rows when the engine starts: queues, calls without an answer, timers, offsets.

use std::collections::BTreeMap;

use dsl::ast::Priority;
use dsl::value::Timestamp;

use crate::decide::model::delivery::OffsetRow;
use crate::decide::model::key;
use crate::decide::model::lane::Lane;
use crate::decide::model::outcome::{Queued, Unanswered};
use crate::decide::model::row::{Prefix, RowKey, all};
use crate::decide::model::run::RunRow;
use crate::decide::model::work::TimerRow;
use crate::decide::model::work::{CallRow, WorkRow};
use crate::ids::CallId;
use crate::ledger::{Error, Rows};

/// When the earliest timer is due.
///
/// # Errors
/// Where rows cannot be read.
pub fn next_timer(rows: &dyn Rows) -> Result<Option<Timestamp>, Error> {
    let timers = Prefix::<TimerRow>::all();
    let (from, to) = timers.range();
    rows.scan(&from, &to, 1)?.pop().map(|(key, _)| key::due(&timers.key(key))).transpose()
}

/// Lanes that have work.
///
/// # Errors
/// Where rows cannot be read.
pub fn queued(rows: &dyn Rows) -> Result<Vec<Queued>, Error> {
    let mut lanes: BTreeMap<Lane, (Timestamp, Priority)> = BTreeMap::new();
    for found in all::<WorkRow>(rows) {
        let (_, work) = found?;
        let entry = lanes.entry(work.lane).or_insert((work.deadline, work.priority));
        entry.0 = entry.0.min(work.deadline);
        entry.1 = entry.1.min(work.priority);
    }
    Ok(lanes.into_iter().map(|(lane, (deadline, priority))| Queued { lane, deadline, priority }).collect())
}

/// Calls without an answer.
///
/// # Errors
/// Where rows cannot be read.
pub fn unanswered(rows: &dyn Rows) -> Result<Vec<Unanswered>, Error> {
    let call = |found| {
        let (key, row): (RowKey<CallRow>, CallRow) = found?;
        Ok(Unanswered { call: CallId(key.number()?), lane: row.lane, sent: row.sent, inputs: row.items.len() })
    };
    all(rows).map(call).collect()
}

/// The next offset to read of each Kafka partition that has been read.
///
/// # Errors
/// Where rows cannot be read.
pub fn offsets(rows: &dyn Rows) -> Result<BTreeMap<(String, i32), i64>, Error> {
    let offset = |found: Result<(_, OffsetRow), Error>| found.map(|(_, row)| ((row.topic, row.partition), row.next));
    all(rows).map(offset).collect()
}

/// How many stored deliveries wait for the `webhooks` pace of their system.
///
/// # Errors
/// Where rows cannot be read.
pub fn waiting_deliveries(rows: &dyn Rows) -> Result<u64, Error> {
    Ok(key::meta().read(rows)?.map_or(0, |meta| meta.inbox))
}

/// Hashes of the rule sets that runs in progress need.
///
/// # Errors
/// Where rows cannot be read.
pub fn hashes_in_use(rows: &dyn Rows) -> Result<Vec<String>, Error> {
    let counts = key::all_unfinished();
    let (from, to) = counts.range();
    let found = rows.scan(&from, &to, usize::MAX)?;
    if found.is_empty() {
        // An engine that did not count yet had it.
        return Ok(counted(rows)?.into_keys().collect());
    }
    let hashes = found.into_iter().map(|(key, _)| key::unfinished_of(&counts.key(key)));
    hashes.filter(|hash| hash.as_ref().map_or(true, |hash| !hash.is_empty())).collect()
}

/// How many unfinished runs each rule set has, by looking at all runs.
pub(super) fn counted(rows: &dyn Rows) -> Result<BTreeMap<String, u64>, Error> {
    let mut counts = BTreeMap::new();
    for found in all::<RunRow>(rows) {
        let (_, run) = found?;
        if run.state.over().is_none() {
            *counts.entry(run.program).or_default() += 1;
        }
    }
    Ok(counts)
}

/// Id of the cluster that the offsets are of, where one is known.
///
/// # Errors
/// Where rows cannot be read.
pub fn known_cluster(rows: &dyn Rows) -> Result<Option<String>, Error> {
    key::cluster().read(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::model::freshness::Freshness;
    use crate::decide::model::row::Row;
    use crate::decide::model::run::{RunOf, RunState};
    use crate::decide::{Input, Programs, Settings, decide};
    use crate::ids::RunId;
    use crate::ledger::{Ledger, Memory, Round};

    #[test]
    fn a_start_counts_runs_once_and_asks_no_run_again() {
        let run = |hash: &str, state| {
            RunRow::new(hash, RunOf::When(0), BTreeMap::new(), Freshness::AsOf(Timestamp(1)), state)
        };
        let states = [
            ("a", RunState::Sleeping { until: Timestamp(1) }),
            ("a", RunState::Reading),
            ("b", RunState::Finished { at: Timestamp(1) }),
            ("c", RunState::Ready),
        ];
        let mut ledger = Memory::new();
        let rows = (1..).zip(states).map(|(id, (hash, state))| (key::run(RunId(id)), run(hash, state)));
        let changes = rows.map(|(key, run)| (key.into_bytes(), Some(run.encode()))).collect();
        ledger.append(Round { changes, records: Vec::new() }).expect("memory takes it");
        assert_eq!(hashes_in_use(&ledger).expect("readable"), ["a", "c"]);

        let programs = Programs::new(crate::rules::shipped());
        let started = decide(&ledger, &programs, &Settings::default(), &Input::Started, Timestamp(2)).expect("decided");
        ledger.append(started.round).expect("memory takes it");
        assert_eq!(key::unfinished("a").read(&ledger).expect("readable"), Some(2));
        assert_eq!(hashes_in_use(&ledger).expect("readable"), ["a", "c"]);
        // Runs that nobody counted would only be seen by who looks at all of them.
        let unseen = (key::run(RunId(9)).into_bytes(), Some(run("d", RunState::Ready).encode()));
        ledger.append(Round { changes: vec![unseen], records: Vec::new() }).expect("memory takes it");
        assert_eq!(hashes_in_use(&ledger).expect("readable"), ["a", "c"]);
        let again = decide(&ledger, &programs, &Settings::default(), &Input::Started, Timestamp(3)).expect("decided");
        let counts = key::all_unfinished().range().0;
        assert!(!again.round.changes.iter().any(|(key, _)| key.starts_with(&counts)), "nothing is counted again");
    }
}

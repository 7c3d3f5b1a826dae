//! What is found in the rows when the engine starts: queues, calls without an answer, timers, offsets.

use std::collections::{BTreeMap, BTreeSet};

use dsl::ast::Priority;
use dsl::value::Timestamp;

use crate::decide::model::delivery::OffsetRow;
use crate::decide::model::key;
use crate::decide::model::lane::Lane;
use crate::decide::model::outcome::{Queued, Unanswered};
use crate::decide::model::row::{Prefix, RowKey, all};
use crate::decide::model::run::{RunRow, RunState};
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
    let mut hashes = BTreeSet::new();
    for found in all::<RunRow>(rows) {
        let (_, run) = found?;
        if !matches!(run.state, RunState::Finished | RunState::Failed | RunState::Cancelled) {
            hashes.insert(run.program);
        }
    }
    Ok(hashes.into_iter().collect())
}

/// Id of the cluster that the offsets are of, where one is known.
///
/// # Errors
/// Where rows cannot be read.
pub fn known_cluster(rows: &dyn Rows) -> Result<Option<String>, Error> {
    key::cluster().read(rows)
}

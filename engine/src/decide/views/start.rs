//! What is found in the rows when the engine starts: queues, calls without an answer, timers, offsets.

use std::collections::BTreeMap;

use dsl::ast::Priority;
use dsl::value::Timestamp;

use crate::decide::model::key::cluster_key;
use crate::decide::model::key::{Key, Kind, timer_moment};
use crate::decide::model::lane::Lane;
use crate::decide::model::meta::Meta;
use crate::decide::model::outcome::{Queued, Unanswered};
use crate::decide::model::row::after;
use crate::decide::model::row::decode;
use crate::decide::model::run::{RunRow, RunState};
use crate::decide::model::work::{CallRow, WorkRow};
use crate::ids::CallId;
use crate::ledger::{Error, Rows};

/// When the earliest timer is due.
///
/// # Errors
/// Where rows cannot be read.
pub fn next_timer(rows: &dyn Rows) -> Result<Option<Timestamp>, Error> {
    let prefix = [Kind::Timer as u8];
    let first = rows.scan(&prefix, &after(&prefix), 1)?;
    Ok(first.first().and_then(|(key, _)| timer_moment(key)))
}

fn all<T: serde::de::DeserializeOwned>(rows: &dyn Rows, kind: Kind) -> Result<Vec<(Vec<u8>, T)>, Error> {
    let prefix = [kind as u8];
    rows.scan(&prefix, &after(&prefix), usize::MAX)?
        .into_iter()
        .map(|(key, bytes)| {
            let row = decode(&key, &bytes)?;
            Ok((key, row))
        })
        .collect()
}

/// Lanes that have work.
///
/// # Errors
/// Where rows cannot be read.
pub fn queued(rows: &dyn Rows) -> Result<Vec<Queued>, Error> {
    let mut lanes: BTreeMap<Lane, (Timestamp, Priority)> = BTreeMap::new();
    for (_, work) in all::<WorkRow>(rows, Kind::Work)? {
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
    let calls = all::<CallRow>(rows, Kind::Call)?;
    Ok(calls
        .into_iter()
        .map(|(key, row)| {
            let number = key.get(1..9).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes);
            Unanswered { call: CallId(number), lane: row.lane, sent: row.sent, inputs: row.items.len() }
        })
        .collect())
}

/// The next offset to read of each Kafka partition that has been read.
///
/// # Errors
/// Where rows cannot be read.
pub fn offsets(rows: &dyn Rows) -> Result<BTreeMap<(String, i32), i64>, Error> {
    let found = all::<(String, i32, i64)>(rows, Kind::Offset)?;
    Ok(found.into_iter().map(|(_, (topic, partition, next))| ((topic, partition), next)).collect())
}

/// How many stored deliveries wait for the `webhooks` pace of their system.
///
/// # Errors
/// Where rows cannot be read.
pub fn waiting_deliveries(rows: &dyn Rows) -> Result<u64, Error> {
    let key = Key::new(Kind::Meta).bytes();
    match rows.get(&key)? {
        Some(bytes) => Ok(decode::<Meta>(&key, &bytes)?.inbox),
        None => Ok(0),
    }
}

/// Hashes of the rule sets that runs in progress need.
///
/// # Errors
/// Where rows cannot be read.
pub fn hashes_in_use(rows: &dyn Rows) -> Result<Vec<String>, Error> {
    let mut hashes: Vec<String> = all::<RunRow>(rows, Kind::Run)?
        .into_iter()
        .filter(|(_, run)| !matches!(run.state, RunState::Finished | RunState::Failed | RunState::Cancelled))
        .map(|(_, run)| run.program)
        .collect();
    hashes.sort();
    hashes.dedup();
    Ok(hashes)
}

/// Id of the cluster that the offsets are of, where one is known.
///
/// # Errors
/// Where rows cannot be read.
pub fn known_cluster(rows: &dyn Rows) -> Result<Option<String>, Error> {
    let key = cluster_key();
    rows.get(&key)?.map(|bytes| decode(&key, &bytes)).transpose()
}

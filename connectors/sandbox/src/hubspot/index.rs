//! What search knows of the records of one type: their states of some time ago, and their order by time.
//!
//! Always true: without a delay search sees the live records themselves; with one it sees a state only so long after
//! it was written, and never again what a later state has replaced; what was archived or merged away is not there.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use dsl::value::{Duration, Timestamp};
use indexset::BTreeSet;

use super::record::Record;

/// A time by which records are in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Time {
    Created,
    Changed,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Index {
    delay: Duration,
    /// With a delay, the states that search has; without one, nothing.
    states: BTreeMap<u64, Arc<Record>>,
    /// States that it does not have yet, with the times at which they were written.
    coming: VecDeque<(Timestamp, Arc<Record>)>,
    /// The two times of each record that search has.
    times: BTreeMap<u64, (Timestamp, Timestamp)>,
    created: BTreeSet<(Timestamp, u64)>,
    changed: BTreeSet<(Timestamp, u64)>,
}

impl Index {
    /// A record was written.
    pub(super) fn show(&mut self, record: &Arc<Record>, now: Timestamp) {
        if self.delay.0 == 0 {
            self.place(record);
        } else {
            let place = self.coming.partition_point(|(at, _)| *at <= now);
            self.coming.insert(place, (now, Arc::clone(record)));
        }
    }

    /// A record is gone.
    pub(super) fn hide(&mut self, id: u64) {
        self.coming.retain(|(_, record)| record.id != id);
        self.states.remove(&id);
        self.displace(id);
    }

    /// Takes in what search may know by now.
    pub(super) fn catch_up(&mut self, now: Timestamp) {
        let due = self.coming.partition_point(|(at, _)| at.plus(self.delay) <= now);
        let due: Vec<Arc<Record>> = self.coming.drain(..due).map(|(_, record)| record).collect();
        for record in due {
            self.place(&record);
            self.states.insert(record.id, record);
        }
    }

    /// Another delay: all that there is is known at once.
    pub(super) fn delay<'a>(&mut self, delay: Duration, live: impl Iterator<Item = &'a Arc<Record>>) {
        self.delay = delay;
        self.coming.clear();
        self.states.clear();
        for record in live {
            self.place(record);
            if delay.0 > 0 {
                self.states.insert(record.id, Arc::clone(record));
            }
        }
    }

    /// The state that search has of a record; `None` where it sees the live records.
    pub(super) fn seen(&self, id: u64) -> Option<Option<&Arc<Record>>> {
        (self.delay.0 > 0).then(|| self.states.get(&id))
    }

    /// Ids of all that search has.
    pub(super) fn ids(&self) -> impl Iterator<Item = u64> {
        self.times.keys().copied()
    }

    /// How many records lie from `from` on and before `to`, and their ids by time, `skip` of them left out.
    pub(super) fn between(
        &self,
        by: Time,
        from: Timestamp,
        to: Timestamp,
        descending: bool,
        page: std::ops::Range<usize>,
    ) -> (usize, Vec<u64>) {
        let order = match by {
            Time::Created => &self.created,
            Time::Changed => &self.changed,
        };
        let (first, last) = (order.rank(&(from, 0)), order.rank(&(to, 0)));
        let total = last.saturating_sub(first);
        let (start, end) = (page.start.min(total), page.end.min(total));
        let at = |place: usize| order.get_index(place).map(|(_, id)| *id);
        let ids = if descending {
            (start..end).filter_map(|place| at(last - 1 - place)).collect()
        } else {
            (start..end).filter_map(|place| at(first + place)).collect()
        };
        (total, ids)
    }

    fn place(&mut self, record: &Record) {
        let times = (record.made_at(), record.updated);
        if self.times.get(&record.id) == Some(&times) {
            return;
        }
        self.displace(record.id);
        self.times.insert(record.id, times);
        self.created.insert((times.0, record.id));
        self.changed.insert((times.1, record.id));
    }

    fn displace(&mut self, id: u64) {
        if let Some((created, changed)) = self.times.remove(&id) {
            self.created.remove(&(created, id));
            self.changed.remove(&(changed, id));
        }
    }
}

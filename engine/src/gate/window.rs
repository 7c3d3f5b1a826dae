//! One sliding window: how much was spent within the last `per`.
//!
//! Always true: what is under way counts as spent at every time; what was answered counts until `per` has passed
//! since the answer, because the other side may have counted it as late as that.

use std::collections::{BTreeMap, VecDeque};

use connectors::planted::{Mutant, planted};
use dsl::program::Limit;
use dsl::value::{Duration, Timestamp};

use crate::ids::CallId;

/// The window of one limit.
#[derive(Debug, Clone)]
pub struct Window {
    limit: Limit,
    under_way: BTreeMap<CallId, u64>,
    /// Answer times and amounts, oldest first.
    settled: VecDeque<(Timestamp, u64)>,
}

impl Window {
    /// An empty window.
    #[must_use]
    pub fn new(limit: Limit) -> Self {
        Self { limit, under_way: BTreeMap::new(), settled: VecDeque::new() }
    }

    /// The limit.
    #[must_use]
    pub fn limit(&self) -> Limit {
        self.limit
    }

    /// Another limit for what was spent and will be.
    pub fn set_limit(&mut self, limit: Limit) {
        self.limit = limit;
    }

    /// What counts at `now`.
    #[must_use]
    pub fn used(&self, now: Timestamp) -> u64 {
        let settled: u64 = self.settled.iter().filter(|(at, _)| self.counts(*at, now)).map(|(_, n)| n).sum();
        if planted(Mutant::CallsUnderWayAreFree) { settled } else { settled + self.under_way.values().sum::<u64>() }
    }

    fn counts(&self, at: Timestamp, now: Timestamp) -> bool {
        now.since(at) <= self.limit.per
    }

    /// When `amount` will fit under `ceiling`: `Ok` now, `Err(Some)` at that time, `Err(None)` once something that
    /// is under way is answered. An amount above the ceiling fits into an empty window.
    ///
    /// # Errors
    /// When it does not fit now.
    pub fn fits(&self, amount: u64, ceiling: u64, now: Timestamp) -> Result<(), Option<Timestamp>> {
        let allowed = ceiling.saturating_sub(amount.min(ceiling));
        let mut used = self.used(now);
        if used <= allowed {
            return Ok(());
        }
        for (at, spent) in self.settled.iter().filter(|(at, _)| self.counts(*at, now)) {
            used -= spent;
            if used <= allowed {
                // It still counts in the last instant of its window.
                return Err(Some(at.plus(self.limit.per).plus(Duration(1))));
            }
        }
        Err(None)
    }

    /// Something was sent.
    pub fn sent(&mut self, call: CallId, amount: u64) {
        if amount > 0 {
            self.under_way.insert(call, amount);
        }
    }

    /// It was answered at `now`.
    pub fn answered(&mut self, call: CallId, now: Timestamp) {
        if let Some(amount) = self.under_way.remove(&call) {
            self.settle(now, amount);
        }
        while self.settled.front().is_some_and(|(at, _)| !self.counts(*at, now)) {
            self.settled.pop_front();
        }
    }

    /// It was not sent after all.
    pub fn unspent(&mut self, call: CallId) {
        self.under_way.remove(&call);
    }

    fn settle(&mut self, at: Timestamp, amount: u64) {
        match self.settled.back_mut() {
            // Clocks that step back must not shorten a window.
            Some((last, sum)) if *last >= at => *sum += amount,
            _ => self.settled.push_back((at, amount)),
        }
    }

    /// All that may still count: settled times and amounts, and what is under way. Settled entries closer together
    /// than a hundredth of the window are one entry, at the later time.
    #[must_use]
    pub fn save(&self) -> (Vec<(Timestamp, u64)>, u64) {
        let grain = Duration(self.limit.per.0 / 100);
        let mut settled: Vec<(Timestamp, u64)> = Vec::new();
        let mut first = Timestamp(i64::MIN);
        for (at, amount) in &self.settled {
            match settled.last_mut() {
                Some(last) if at.since(first) < grain => *last = (*at, last.1 + amount),
                _ => {
                    first = *at;
                    settled.push((*at, *amount));
                }
            }
        }
        (settled, self.under_way.values().sum())
    }

    /// Takes back what was saved; what was under way counts as answered at `now`, and so does what would be later.
    pub fn restore(&mut self, settled: &[(Timestamp, u64)], under_way: u64, now: Timestamp) {
        for (at, amount) in settled {
            self.settle((*at).min(now), *amount);
        }
        if under_way > 0 {
            self.settle(now, under_way);
        }
    }
}

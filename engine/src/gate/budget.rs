//! What one system allows: its `api` and `bulk` windows, its requests under way, its pauses.

use std::collections::{BTreeMap, BTreeSet};

use connectors::planted::{Mutant, planted};
use connectors::port::Answer;
use dsl::program::Limit;
use dsl::value::{Duration, Timestamp};
use serde::{Deserialize, Serialize};

use super::window::Window;
use super::{Reach, pause};
use crate::ids::CallId;

/// Share of the `api` limit that only high priority may use: one in this many.
const RESERVE: u64 = 10;

/// How much of a limit is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// The system.
    pub system: String,
    /// `api` or `bulk`.
    pub limit: String,
    /// Calls or records that count now.
    pub used: u64,
    /// Most in one window.
    pub amount: u64,
    /// Length of the window in milliseconds.
    pub per_ms: i64,
}

/// What was spent, as it is kept over a restart.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Saved {
    windows: BTreeMap<String, (Vec<(Timestamp, u64)>, u64)>,
    until: Option<Timestamp>,
}

/// The budget of one system.
#[derive(Debug, Clone, Default)]
pub(super) struct Budget {
    api: Option<Window>,
    bulk: Option<Window>,
    under_way: BTreeSet<CallId>,
    /// It said that it is asked too fast, or not to be asked: not before this.
    until: Option<Timestamp>,
    /// How often in a row it said so.
    refused: u32,
}

impl Budget {
    pub(super) fn limit(&mut self, limits: &BTreeMap<String, Limit>) {
        for (name, slot) in [("api", &mut self.api), ("bulk", &mut self.bulk)] {
            match (limits.get(name), &mut *slot) {
                (Some(limit), Some(window)) => window.set_limit(*limit),
                (Some(limit), None) => *slot = Some(Window::new(*limit)),
                (None, _) => *slot = None,
            }
        }
    }

    pub(super) fn in_flight(&self) -> usize {
        self.under_way.len()
    }

    pub(super) fn paused(&self, now: Timestamp) -> Option<Timestamp> {
        self.until.filter(|until| *until > now)
    }

    /// How many inputs may go out now; otherwise when to ask again, `None` where only an answer makes room.
    pub(super) fn room(
        &self,
        reach: Reach,
        bulk: bool,
        high: bool,
        now: Timestamp,
    ) -> Result<usize, Option<Timestamp>> {
        if let Some(until) = self.paused(now).filter(|_| !planted(Mutant::TooFastIgnored)) {
            return Err(Some(until));
        }
        if let Some(window) = &self.api {
            let amount = window.limit().amount;
            let ceiling = if high { amount } else { amount - amount / RESERVE };
            window.fits(u64::from(reach.calls), ceiling, now)?;
        }
        let mut max = reach.batch.max(1);
        if bulk && let Some(window) = &self.bulk {
            let amount = window.limit().amount;
            window.fits(1, amount, now)?;
            let left = amount.saturating_sub(window.used(now)).max(1);
            max = max.min(usize::try_from(left).unwrap_or(usize::MAX));
        }
        Ok(max)
    }

    pub(super) fn sent(&mut self, call: CallId, calls: u32, records: usize) {
        self.under_way.insert(call);
        if let Some(window) = &mut self.api {
            window.sent(call, u64::from(calls));
        }
        if let Some(window) = &mut self.bulk {
            window.sent(call, records as u64);
        }
    }

    pub(super) fn answered(&mut self, call: CallId, answers: &[Answer], now: Timestamp) {
        self.under_way.remove(&call);
        for window in self.api.iter_mut().chain(&mut self.bulk) {
            window.answered(call, now);
        }
        let sliding = self.api.as_ref().map_or(Duration::seconds(10), |window| window.limit().per);
        let mut until: Option<Timestamp> = None;
        let mut too_fast = false;
        for answer in answers {
            let span = match answer {
                Answer::RateLimited { after: Some(after), .. } => {
                    too_fast = true;
                    Duration::from(*after)
                }
                Answer::RateLimited { after: None, window: met, .. } => {
                    too_fast = true;
                    // Whoever is refused again and again comes back more rarely, but at least every hour.
                    let span = pause(*met, sliding);
                    Duration(span.0.saturating_mul(1 << self.refused.min(6)).min(Duration::hours(1).0))
                }
                Answer::Retry { after: Some(after), .. } => Duration::from(*after),
                _ => continue,
            };
            let end = now.plus(span);
            until = Some(until.map_or(end, |known| known.max(end)));
        }
        if too_fast {
            self.refused = self.refused.saturating_add(1);
        } else if !answers.is_empty() {
            self.refused = 0;
        }
        self.until = self.until.max(until);
    }

    pub(super) fn unspent(&mut self, call: CallId) {
        self.under_way.remove(&call);
        for window in self.api.iter_mut().chain(&mut self.bulk) {
            window.unspent(call);
        }
    }

    pub(super) fn save(&self) -> Option<Saved> {
        let windows: BTreeMap<_, _> = self.named().map(|(name, window)| (name.to_owned(), window.save())).collect();
        (!windows.is_empty()).then_some(Saved { windows, until: self.until })
    }

    fn named(&self) -> impl Iterator<Item = (&'static str, &Window)> {
        let api = self.api.as_ref().map(|window| ("api", window));
        let bulk = self.bulk.as_ref().map(|window| ("bulk", window));
        api.into_iter().chain(bulk)
    }

    pub(super) fn restore(&mut self, saved: &Saved, now: Timestamp) {
        for (name, slot) in [("api", &mut self.api), ("bulk", &mut self.bulk)] {
            if let (Some(window), Some((settled, under_way))) = (slot, saved.windows.get(name)) {
                window.restore(settled, *under_way, now);
            }
        }
        self.until = self.until.max(saved.until);
    }

    pub(super) fn usage(&self, system: &str, now: Timestamp) -> Vec<Usage> {
        self.named()
            .map(|(name, window)| Usage {
                system: system.to_owned(),
                limit: name.to_owned(),
                used: window.used(now),
                amount: window.limit().amount,
                per_ms: window.limit().per.0,
            })
            .collect()
    }
}

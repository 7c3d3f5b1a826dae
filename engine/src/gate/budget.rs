//! What one system allows: its `api` and `bulk` windows, its requests under way, its pauses.

use std::collections::{BTreeMap, BTreeSet};

use connectors::planted::{Mutant, planted};
use connectors::port::Answer;
use dsl::program::Limit;
use dsl::value::{Duration, Timestamp};
use serde::{Deserialize, Serialize};

use super::window::Window;
use super::{Reach, pauses};
use crate::decide::{LaneKind, denial, lets_in};
use crate::ids::CallId;

/// The first pause before a system that refuses whoever asks is asked again; the next ones double.
const DENIED_FIRST: Duration = Duration::seconds(1);

/// The longest of these pauses.
const DENIED_MOST: Duration = Duration::minutes(5);

/// Share of the `api` limit that only high priority may use: one in this many.
const RESERVE: u64 = 10;

/// Calls are scarce where more than one in this many of the `api` limit are used.
const SCARCE: u64 = 4;

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

/// A system refuses whoever asks: it is left alone but for one request at a time, to see whether that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Denied {
    /// Why, in the system's words.
    pub(super) reason: String,
    /// What was refused, where the system would take something else.
    pub(super) only: Option<LaneKind>,
    /// Not before this; `None`: at once.
    until: Option<Timestamp>,
    /// How often in a row.
    tries: u32,
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
    /// It refuses whoever asks.
    denied: Option<Denied>,
}

impl Denied {
    /// The pause is over: one request may find out.
    fn is_due(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| until <= now)
    }
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

    /// Is so much of the `api` limit used that each call should carry more?
    pub(super) fn is_scarce(&self, now: Timestamp) -> bool {
        self.api.as_ref().is_some_and(|window| window.used(now) > window.limit().amount / SCARCE)
    }

    pub(super) fn in_flight(&self) -> usize {
        self.under_way.len()
    }

    pub(super) fn paused(&self, now: Timestamp) -> Option<Timestamp> {
        let denied = self.denied.as_ref().and_then(|denied| denied.until);
        self.until.max(denied).filter(|until| *until > now)
    }

    pub(super) fn denied(&self) -> Option<&Denied> {
        self.denied.as_ref()
    }

    /// Whoever asks may be another one now: that is tried at once.
    pub(super) fn try_again(&mut self) {
        if let Some(denied) = &mut self.denied {
            denied.until = None;
            denied.tries = 0;
        }
    }

    /// What the answers to a call of this kind say of whoever asked.
    fn note_denial(&mut self, kind: &LaneKind, answers: &[Answer], now: Timestamp) {
        let Some(denial) = denial(answers) else {
            let over = |denied: &Denied| denied.only.as_ref().is_none_or(|only| only == kind || denied.is_due(now));
            if lets_in(answers) && self.denied.as_ref().is_some_and(over) {
                self.denied = None;
            }
            return;
        };
        // Requests that were under way together are refused together, and count once.
        if self.denied.as_ref().is_some_and(|denied| !denied.is_due(now)) {
            return;
        }
        let tries = self.denied.as_ref().map_or(0, |denied| denied.tries);
        let pause = Duration((DENIED_FIRST.0 << tries.min(16)).min(DENIED_MOST.0));
        self.denied = Some(Denied {
            reason: denial.reason.to_owned(),
            only: denial.lane_only.then(|| kind.clone()),
            until: Some(now.plus(pause)),
            tries: tries.saturating_add(1),
        });
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

    pub(super) fn answered(&mut self, call: CallId, kind: &LaneKind, answers: &[Answer], now: Timestamp) {
        self.under_way.remove(&call);
        self.note_denial(kind, answers, now);
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
                    // Whoever is refused again and again comes back more rarely, but no more so than the cause asks.
                    let (first, most) = pauses(*met, sliding);
                    Duration(first.0.saturating_mul(1 << self.refused.min(12)).min(most.0))
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
        // The clock may have been set back since: what is left of a pause stays as long as it was.
        let last = saved.windows.values().flat_map(|(settled, _)| settled).map(|(at, _)| *at).max();
        let ahead = last.map_or(0, |last| last.since(now).0.max(0));
        self.until = self.until.max(saved.until.map(|until| until.minus(Duration(ahead))));
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

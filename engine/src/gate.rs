//! The one place through which every call passes: rate, priority, concurrency, holding a lane to its deadline.
//!
//! In: work that was queued, calls that left, answers that came. Out: which lane may open now, or when to ask
//! again. Always true: in every sliding window no limit is exceeded, whatever caused a call; after a restart
//! the windows are rebuilt from the calls that were sent. Pure: the time is an argument, monotone per gate.
//! Not here: retries, rows, what a request holds.

use std::collections::{BTreeMap, VecDeque};

use connectors::port::Answer;
use dsl::ast::Priority;
use dsl::program::Program;
use dsl::value::{Moment, Span};

use crate::decide::{Lane, LaneKind};

/// Requests that one system has in flight at once.
const CONCURRENCY: usize = 4;

/// What the gate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Poll {
    /// This lane may send one request now.
    Open(Lane),
    /// Nothing before this time, unless work or an answer comes.
    Wait(Option<Moment>),
}

/// A sliding window: at most `amount` in each `per`.
#[derive(Debug, Clone)]
struct Window {
    amount: u64,
    per: Span,
    spent: VecDeque<(Moment, u64)>,
    used: u64,
}

impl Window {
    fn new(amount: u64, per: Span) -> Self {
        Self { amount, per, spent: VecDeque::new(), used: 0 }
    }

    fn forget(&mut self, now: Moment) {
        while let Some((at, n)) = self.spent.front().copied() {
            if now.since(at).0 < self.per.0 {
                break;
            }
            self.used -= n;
            self.spent.pop_front();
        }
    }

    fn spend(&mut self, now: Moment, n: u64) {
        self.spent.push_back((now, n));
        self.used += n;
    }

    /// When `n` more fit, `reserve` left aside: now, or the time at which enough has left the window.
    fn room(&self, now: Moment, n: u64, reserve: u64) -> Option<Moment> {
        let limit = self.amount.saturating_sub(reserve).max(1);
        let mut used = self.used;
        if used + n <= limit {
            return Some(now);
        }
        for (at, spent) in &self.spent {
            used -= spent;
            if used + n <= limit || used == 0 {
                return Some(at.plus(self.per));
            }
        }
        None
    }
}

#[derive(Debug, Clone)]
struct System {
    api: Option<Window>,
    bulk: Option<Window>,
    blocked: Option<Moment>,
    flying: usize,
}

/// The gate.
#[derive(Debug, Clone)]
pub struct Gate {
    systems: BTreeMap<String, System>,
    work: BTreeMap<Lane, (Moment, Priority)>,
    listing: BTreeMap<Lane, usize>,
}

impl Gate {
    /// A gate with the limits of a program.
    #[must_use]
    pub fn new(program: &Program) -> Self {
        let mut gate = Self { systems: BTreeMap::new(), work: BTreeMap::new(), listing: BTreeMap::new() };
        gate.limits(program);
        gate
    }

    /// Takes the limits of a program; what was spent stays spent.
    pub fn limits(&mut self, program: &Program) {
        for (name, system) in &program.systems {
            let entry =
                self.systems.entry(name.clone()).or_insert(System { api: None, bulk: None, blocked: None, flying: 0 });
            for (window, limit) in [(&mut entry.api, "api"), (&mut entry.bulk, "bulk")] {
                match (system.limits.get(limit), window) {
                    (Some(limit), Some(window)) => (window.amount, window.per) = (limit.amount, limit.per),
                    (Some(limit), window @ None) => *window = Some(Window::new(limit.amount, limit.per)),
                    (None, window) => *window = None,
                }
            }
        }
    }

    /// A lane has work, to be sent by `deadline`.
    pub fn work(&mut self, lane: Lane, deadline: Moment, priority: Priority) {
        let entry = self.work.entry(lane).or_insert((deadline, priority));
        entry.0 = entry.0.min(deadline);
        entry.1 = entry.1.min(priority);
    }

    /// Which lane may open: high priority first, then the earliest deadline. An opened lane is forgotten; what is
    /// left in it is announced again by the decision that opens it.
    pub fn poll(&mut self, now: Moment) -> Poll {
        let mut candidates: Vec<(Priority, Moment, Lane)> =
            self.work.iter().map(|(lane, (deadline, priority))| (*priority, *deadline, lane.clone())).collect();
        candidates.sort();
        let mut next: Option<Moment> = None;
        let mut wait = |at: Moment| next = Some(next.map_or(at, |n| n.min(at)));
        for (priority, deadline, lane) in candidates {
            if deadline > now {
                wait(deadline);
                continue;
            }
            match self.room(&lane, priority, now) {
                Room::Now => {
                    self.work.remove(&lane);
                    return Poll::Open(lane);
                }
                Room::At(at) => wait(at),
                Room::WithAnAnswer => {}
            }
        }
        Poll::Wait(next)
    }

    fn room(&mut self, lane: &Lane, priority: Priority, now: Moment) -> Room {
        let alone = matches!(lane.kind, LaneKind::List { .. });
        if alone && self.listing.get(lane).is_some_and(|n| *n > 0) {
            return Room::WithAnAnswer;
        }
        let Some(system) = self.systems.get_mut(&lane.system) else { return Room::Now };
        if system.flying >= CONCURRENCY {
            return Room::WithAnAnswer;
        }
        if let Some(until) = system.blocked {
            if until > now {
                return Room::At(until);
            }
            system.blocked = None;
        }
        let mut at = now;
        if let Some(api) = &mut system.api {
            api.forget(now);
            // A tenth of the calls is kept for what is urgent; a request may cost several.
            let reserve = if priority == Priority::High { 0 } else { api.amount / 10 };
            match api.room(now, cost(lane), reserve) {
                Some(room) => at = at.max(room),
                None => return Room::WithAnAnswer,
            }
        }
        if lane.bulk
            && let Some(bulk) = &mut system.bulk
        {
            bulk.forget(now);
            match bulk.room(now, bulk.amount.min(100), 0) {
                Some(room) => at = at.max(room),
                None => return Room::WithAnAnswer,
            }
        }
        if at > now { Room::At(at) } else { Room::Now }
    }

    /// A request left: `calls` of the `api` limit and, in a bulk lane, `records` of the `bulk` limit.
    pub fn sent(&mut self, lane: &Lane, calls: u32, records: usize, now: Moment) {
        if matches!(lane.kind, LaneKind::List { .. }) {
            *self.listing.entry(lane.clone()).or_default() += 1;
        }
        let Some(system) = self.systems.get_mut(&lane.system) else { return };
        system.flying += 1;
        if let Some(api) = &mut system.api {
            api.spend(now, u64::from(calls));
        }
        let writes = matches!(lane.kind, LaneKind::Create { .. } | LaneKind::Update { .. } | LaneKind::Delete { .. });
        if lane.bulk
            && writes
            && let Some(bulk) = &mut system.bulk
        {
            bulk.spend(now, records as u64);
        }
    }

    /// A call that was sent before a restart counts still.
    pub fn restore(&mut self, lane: &Lane, records: usize, sent: Moment) {
        self.sent(lane, 1, records, sent);
        self.landed(lane);
    }

    fn landed(&mut self, lane: &Lane) {
        if let Some(n) = self.listing.get_mut(lane) {
            *n = n.saturating_sub(1);
        }
        if let Some(system) = self.systems.get_mut(&lane.system) {
            system.flying = system.flying.saturating_sub(1);
        }
    }

    /// The answers of a request came.
    pub fn answered(&mut self, lane: &Lane, answers: &[Answer], now: Moment) {
        self.landed(lane);
        let Some(system) = self.systems.get_mut(&lane.system) else { return };
        for answer in answers {
            let until = match answer {
                Answer::RateLimited { after: Some(after), .. } => now.plus(span(*after)),
                Answer::RateLimited { after: None, policy } => match policy.as_deref() {
                    Some("DAILY") => now.plus(Span::minutes(15)),
                    _ => now.plus(system.api.as_ref().map_or(Span::seconds(10), |api| Span(api.per.0 / 4))),
                },
                Answer::Retry { after: Some(after), .. } => now.plus(span(*after)),
                _ => continue,
            };
            system.blocked = Some(system.blocked.map_or(until, |at| at.max(until)));
        }
    }

    /// Calls of each system inside its `api` window, and how many it allows.
    #[must_use]
    pub fn used(&self) -> BTreeMap<String, (u64, u64)> {
        self.systems
            .iter()
            .filter_map(|(name, system)| system.api.as_ref().map(|api| (name.clone(), (api.used, api.amount))))
            .collect()
    }
}

/// The most calls that a request of this lane may cost.
fn cost(lane: &Lane) -> u64 {
    match lane.kind {
        LaneKind::Read { .. } | LaneKind::List { .. } | LaneKind::Update { .. } => 4,
        _ => 1,
    }
}

fn span(duration: std::time::Duration) -> Span {
    Span(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX))
}

enum Room {
    Now,
    At(Moment),
    WithAnAnswer,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_window_ever_exceeds_its_limit(steps in proptest::collection::vec((0i64..400, 1u64..4), 1..300)) {
            let (amount, per) = (10, Span(1_000));
            let mut window = Window::new(amount, per);
            let mut now = Moment(0);
            let mut sent: Vec<(Moment, u64)> = Vec::new();
            for (pause, n) in steps {
                now = now.plus(Span(pause));
                window.forget(now);
                if window.room(now, n, 0) == Some(now) {
                    window.spend(now, n);
                    sent.push((now, n));
                }
                let inside: u64 = sent.iter().filter(|(at, _)| now.since(*at).0 < per.0).map(|(_, n)| n).sum();
                prop_assert!(inside <= amount);
            }
        }
    }
}

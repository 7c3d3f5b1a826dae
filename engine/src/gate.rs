//! The one place through which every call passes: rate (sliding window log), priority, deadline, concurrency.
//!
//! In: lanes that have work, calls that were sent, answers that came. Out: which lane may send its next request
//! now, or when to ask again.
//! Always true: in no sliding window is a limit exceeded, whatever the order of events, as long as a call reaches
//! its system between [`Gate::sent`] and [`Gate::answered`]; first tries, retries and undos are alike in here; a
//! write in real time leaves at its deadline, or, under pressure, a bounded time later and with more company.
//! Pure: time comes as an argument. Not here: what is sent (decide), sending (the shell), retrying (decide).

pub mod budget;
mod gathering;
pub mod window;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use connectors::planted::{Mutant, planted};
use connectors::port::{Answer, LimitWindow};
use dsl::ast::Priority;
use dsl::program::Program;
use dsl::value::{Duration, Timestamp};

use self::budget::Budget;
pub use self::budget::{Saved, Usage};
use self::gathering::Gathering;
use crate::clock::Now;
use crate::decide::{Lane, LaneKind};
use crate::ids::CallId;

/// How far one request of a lane can reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// Most inputs in one request; at least 1.
    pub batch: usize,
    /// Most calls of the `api` limit that one request costs; 0 where it costs none.
    pub calls: u32,
    /// Most requests of the lane's system under way at once; at least 1.
    pub max_in_flight: usize,
}

/// Tells the reach of a lane's requests.
pub type Reaches = Arc<dyn Fn(&Lane) -> Reach + Send + Sync>;

/// What the gate says when it is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Poll {
    /// This lane may send one request of at most `max` inputs; the gate forgets the lane until it is told of more.
    Open {
        /// The lane.
        lane: Lane,
        /// Most inputs, at least 1.
        max: usize,
        /// The priority it had, to give it back where it could not be opened.
        priority: Priority,
    },
    /// Nothing may be sent now. Ask again at either time, or after an answer or more work.
    Wait {
        /// The earliest deadline of a lane that is held, on the engine's clock.
        at: Option<Timestamp>,
        /// When a limit has room or a pause ends, on the clock of [`Now::pace`].
        pace: Option<Timestamp>,
    },
}

/// A lane that has work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Held {
    deadline: Timestamp,
    priority: Priority,
}

/// The gate.
pub struct Gate {
    reaches: Reaches,
    /// What `reaches` said, by lane: it is asked often and always says the same.
    known: BTreeMap<Lane, Reach>,
    lanes: BTreeMap<Lane, Held>,
    budgets: BTreeMap<String, Budget>,
    in_flight: BTreeMap<CallId, Lane>,
    /// How long a write waits for company where little goes on.
    hold: Duration,
    /// Of lanes that write in real time.
    gathering: BTreeMap<Lane, Gathering>,
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Gate").field("lanes", &self.lanes).field("in_flight", &self.in_flight).finish_non_exhaustive()
    }
}

impl Gate {
    /// A gate with the limits of `program` and nothing spent. `hold` is how long a write waits for company where little
    /// goes on, as deadlines say already.
    #[must_use]
    /// A write waits for `hold` where little goes on, which its deadline says already.
    pub fn new(program: &Program, reaches: Reaches, hold: Duration) -> Self {
        let mut gate = Self {
            reaches,
            known: BTreeMap::new(),
            lanes: BTreeMap::new(),
            budgets: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            hold,
            gathering: BTreeMap::new(),
        };
        gate.limit(program);
        gate
    }

    /// Takes the limits of `program`, as a reload brings them; what was spent stays spent.
    pub fn limit(&mut self, program: &Program) {
        for (name, system) in &program.systems {
            self.budgets.entry(name.clone()).or_default().limit(&system.limits);
        }
    }

    /// Takes another account of how far requests reach.
    pub fn reach(&mut self, reaches: Reaches) {
        self.reaches = reaches;
        self.known.clear();
    }

    /// A lane has work to be sent by `deadline`. The earliest deadline and the highest priority count.
    pub fn work(&mut self, lane: Lane, deadline: Timestamp, priority: Priority) {
        let held = self.lanes.entry(lane).or_insert(Held { deadline, priority });
        held.deadline = held.deadline.min(deadline);
        // The highest priority is the first.
        held.priority = held.priority.min(priority);
    }

    /// Which lane may send now: high before medium before low, then the earliest deadline.
    pub fn poll(&mut self, now: Now) -> Poll {
        let mut best: Option<(Priority, Timestamp, Lane, usize)> = None;
        let mut at: Option<Timestamp> = None;
        let mut pace: Option<Timestamp> = None;
        let lists: BTreeSet<&Lane> = self.in_flight.values().filter(|lane| lane.kind.is_paged()).collect();
        let is_held = |lane: &Lane, only: &LaneKind| {
            let refused = |other: &Lane| other.system == lane.system && other.kind == *only;
            !refused(lane) && self.lanes.keys().any(refused)
        };
        for (lane, held) in &self.lanes {
            let longer = self.gathering.get(lane).map(|gathering| gathering.longer(self.hold, now.pace));
            let leaves = held.deadline.plus(longer.unwrap_or_default());
            if leaves > now.at {
                at = Some(at.map_or(leaves, |known| known.min(leaves)));
                continue;
            }
            // The next page of a list needs the cursor that the one under way will bring.
            if lists.contains(lane) {
                continue;
            }
            let reach = match self.known.get(lane) {
                Some(reach) => *reach,
                None => *self.known.entry(lane.clone()).or_insert((self.reaches)(lane)),
            };
            let budget = self.budgets.entry(lane.system.clone()).or_default();
            if budget.in_flight() >= reach.max_in_flight.max(1) {
                continue;
            }
            if let Some(denied) = budget.denied()
                && (budget.in_flight() > 0 || denied.only.as_ref().is_some_and(|only| is_held(lane, only)))
            {
                // One request finds out whether it is over: of the kind that was refused, where there is any.
                continue;
            }
            match budget.room(reach, writes_in_bulk(lane), held.priority == Priority::High, now.pace) {
                Ok(max) => {
                    let better = best.as_ref().is_none_or(|(priority, deadline, other, _)| {
                        (held.priority, held.deadline, lane) < (*priority, *deadline, other)
                    });
                    if better {
                        best = Some((held.priority, held.deadline, lane.clone(), max));
                    }
                }
                Err(Some(free)) => pace = Some(pace.map_or(free, |known| known.min(free))),
                // Only an answer makes room.
                Err(None) => {}
            }
        }
        match best {
            Some((priority, _, lane, max)) => {
                self.lanes.remove(&lane);
                self.opened(&lane, max, now.pace);
                Poll::Open { lane, max, priority }
            }
            None => Poll::Wait { at, pace },
        }
    }

    /// A request of `lane` with at most `max` inputs may leave now.
    fn opened(&mut self, lane: &Lane, max: usize, pace: Timestamp) {
        if lane.bulk || !writes(lane) {
            return;
        }
        let scarce = self.budgets.get(&lane.system).is_some_and(|budget| budget.is_scarce(pace));
        match self.gathering.get_mut(lane) {
            Some(gathering) => gathering.opened(self.hold, pace, max, scarce),
            None => drop(self.gathering.insert(lane.clone(), Gathering::new(pace, max, scarce))),
        }
    }

    /// A request left `lane`: it costs `calls` of the `api` limit, and its `records` inputs count where the `bulk`
    /// limit applies. It counts as under way until [`Gate::answered`] or [`Gate::unspent`].
    pub fn sent(&mut self, call: CallId, lane: &Lane, calls: u32, records: usize) {
        if let Some(gathering) = self.gathering.get_mut(lane) {
            gathering.sent(records);
        }
        let records = if writes_in_bulk(lane) { records } else { 0 };
        self.budgets.entry(lane.system.clone()).or_default().sent(call, calls, records);
        self.in_flight.insert(call, lane.clone());
    }

    /// The answers to a call came. A system that says it is asked too fast is left alone for a while.
    pub fn answered(&mut self, call: CallId, answers: &[Answer], pace: Timestamp) {
        let Some(lane) = self.in_flight.remove(&call) else { return };
        if let Some(budget) = self.budgets.get_mut(&lane.system) {
            budget.answered(call, &lane.kind, answers, pace);
        }
    }

    /// A call did not reach its system (the cache answered it, nothing says how the system is reached, or the round
    /// could not be stored): nothing was spent.
    pub fn unspent(&mut self, call: CallId) {
        let Some(lane) = self.in_flight.remove(&call) else { return };
        if let Some(budget) = self.budgets.get_mut(&lane.system) {
            budget.unspent(call);
        }
    }

    /// What was spent of a system's limits, to be kept over a restart; `None` where it has no limits.
    #[must_use]
    pub fn save(&self, system: &str) -> Option<Saved> {
        self.budgets.get(system).and_then(Budget::save)
    }

    /// Takes back what was kept. Calls that were under way count as answered now, the latest they can have arrived.
    pub fn restore(&mut self, system: &str, saved: &Saved, pace: Timestamp) {
        if planted(Mutant::FreshBudget) {
            return;
        }
        self.budgets.entry(system.to_owned()).or_default().restore(saved, pace);
    }

    /// How much of each limit is used now.
    #[must_use]
    pub fn usage(&self, pace: Timestamp) -> Vec<Usage> {
        self.budgets.iter().flat_map(|(system, budget)| budget.usage(system, pace)).collect()
    }

    /// The systems, each with the reason why it refuses whoever asks, in its words, where it does.
    #[must_use]
    pub fn systems(&self) -> BTreeMap<String, Option<String>> {
        let reason = |budget: &Budget| budget.denied().map(|denied| denied.reason.clone());
        self.budgets.iter().map(|(name, budget)| (name.clone(), reason(budget))).collect()
    }

    /// A system may let in whoever asks now, with another token: it is asked at once.
    pub fn try_again(&mut self, system: &str) {
        if let Some(budget) = self.budgets.get_mut(system) {
            budget.try_again();
        }
    }

    /// Until when a system is left alone, because it said so.
    #[must_use]
    pub fn paused(&self, pace: Timestamp) -> BTreeMap<String, Timestamp> {
        self.budgets.iter().filter_map(|(name, b)| b.paused(pace).map(|until| (name.clone(), until))).collect()
    }

    /// Lanes that have work, with their earliest deadline and highest priority.
    pub fn lanes(&self) -> impl Iterator<Item = (&Lane, Timestamp, Priority)> {
        self.lanes.iter().map(|(lane, held)| (lane, held.deadline, held.priority))
    }

    /// How many calls are under way.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.in_flight.len()
    }
}

/// The `bulk` limit counts what scheduled syncs and backfills write.
fn writes_in_bulk(lane: &Lane) -> bool {
    lane.bulk && writes(lane)
}

fn writes(lane: &Lane) -> bool {
    matches!(lane.kind, LaneKind::Create { .. } | LaneKind::Update { .. } | LaneKind::Delete { .. })
}

/// How long to leave a system alone that says it is asked too fast and names no time: at first, and at most when it
/// says so again and again.
fn pauses(met: LimitWindow, sliding: Duration) -> (Duration, Duration) {
    match met {
        LimitWindow::Day => (Duration::hours(1), Duration::hours(1)),
        // It has room again once it has passed, unless somebody else of the same account fills it.
        LimitWindow::Sliding => (sliding, Duration(sliding.0.saturating_mul(3))),
        LimitWindow::Unknown => (Duration::seconds(1), Duration::hours(1)),
    }
}

#[cfg(test)]
mod tests {

    use connectors::port::Refusal;
    use dsl::program::Limit;
    use proptest::prelude::*;

    use super::*;

    fn program(limits: &[(&str, u64, i64)]) -> Program {
        let lock = dsl::schema::Lock::empty("crm", "hubspot");
        let limits = limits
            .iter()
            .map(|(name, amount, per)| ((*name).to_owned(), Limit { amount: *amount, per: Duration(*per) }))
            .collect();
        Program {
            hash: String::new(),
            systems: BTreeMap::from([(
                "crm".to_owned(),
                dsl::program::System { lock: lock.into(), limits, cache: None },
            )]),
            choices: Arc::default(),
            tables: Arc::default(),
            syncs: Vec::new(),
            doors: BTreeMap::new(),
            whens: Vec::new(),
            workflows: Vec::new(),
            used: BTreeMap::new(),
            choice_of: Arc::default(),
        }
    }

    fn gate(limits: &[(&str, u64, i64)], calls: u32) -> Gate {
        let reaches = Arc::new(move |_: &Lane| Reach { batch: 100, calls, max_in_flight: 4 });
        Gate::new(&program(limits), reaches, HOLD)
    }

    const HOLD: Duration = Duration(100);

    fn lane(entity: &str, bulk: bool) -> Lane {
        Lane { system: "crm".to_owned(), bulk, kind: LaneKind::Update { entity: entity.to_owned() } }
    }

    fn at(ms: i64) -> Now {
        Now::same(Timestamp(ms))
    }

    fn opened(poll: &Poll) -> Option<&Lane> {
        match poll {
            Poll::Open { lane, .. } => Some(lane),
            Poll::Wait { .. } => None,
        }
    }

    #[test]
    fn a_lane_is_held_to_its_earliest_deadline() {
        let mut gate = gate(&[], 1);
        gate.work(lane("Contact", false), Timestamp(500), Priority::High);
        gate.work(lane("Contact", false), Timestamp(300), Priority::Low);
        assert_eq!(gate.poll(at(299)), Poll::Wait { at: Some(Timestamp(300)), pace: None });
        assert_eq!(gate.poll(at(300)), Poll::Open { lane: lane("Contact", false), max: 100, priority: Priority::High });
        assert_eq!(gate.poll(at(300)), Poll::Wait { at: None, pace: None });
    }

    #[test]
    fn high_goes_before_low_then_the_earliest_deadline() {
        let mut gate = gate(&[], 1);
        gate.work(lane("Note", false), Timestamp(1), Priority::Low);
        gate.work(lane("Deal", false), Timestamp(3), Priority::High);
        gate.work(lane("Contact", false), Timestamp(2), Priority::High);
        let order: Vec<Lane> = (0..3).filter_map(|_| opened(&gate.poll(at(10))).cloned()).collect();
        assert_eq!(order, [lane("Contact", false), lane("Deal", false), lane("Note", false)]);
    }

    #[test]
    fn a_spent_window_waits_for_its_oldest_call_to_leave_it() {
        let mut gate = gate(&[("api", 1, 10_000)], 1);
        gate.sent(CallId(1), &lane("Contact", false), 1, 5);
        gate.work(lane("Contact", false), Timestamp(0), Priority::High);
        // Under way, it may arrive at any time: only its answer says when the window begins to move.
        assert_eq!(gate.poll(at(60_000)), Poll::Wait { at: None, pace: None });
        gate.answered(CallId(1), &[Answer::Done], Timestamp(60_000));
        assert_eq!(gate.poll(at(60_001)), Poll::Wait { at: None, pace: Some(Timestamp(70_001)) });
        assert!(opened(&gate.poll(at(70_001))).is_some());
    }

    #[test]
    fn a_tenth_is_kept_for_high_priority() {
        let mut gate = gate(&[("api", 10, 10_000)], 1);
        for call in 0..9 {
            gate.sent(CallId(call), &lane("Note", false), 1, 1);
            gate.answered(CallId(call), &[Answer::Done], Timestamp(0));
        }
        gate.work(lane("Note", false), Timestamp(0), Priority::Low);
        assert!(opened(&gate.poll(at(1))).is_none());
        gate.work(lane("Contact", false), Timestamp(0), Priority::High);
        assert_eq!(opened(&gate.poll(at(1))), Some(&lane("Contact", false)));
    }

    #[test]
    fn a_system_that_says_too_fast_is_left_alone() {
        let cases = [
            (Some(std::time::Duration::from_secs(3)), LimitWindow::Day, 3_000),
            (None, LimitWindow::Sliding, 10_000),
            (None, LimitWindow::Day, 3_600_000),
            (None, LimitWindow::Unknown, 1_000),
        ];
        for (after, window, expected) in cases {
            let mut gate = gate(&[("api", 100, 10_000)], 1);
            gate.sent(CallId(1), &lane("Contact", false), 1, 1);
            gate.answered(CallId(1), &[Answer::RateLimited { after, window, policy: None }], Timestamp(0));
            gate.work(lane("Deal", false), Timestamp(0), Priority::High);
            assert_eq!(gate.poll(at(1)), Poll::Wait { at: None, pace: Some(Timestamp(expected)) });
            assert!(opened(&gate.poll(at(expected))).is_some());
        }
    }

    #[test]
    fn said_again_and_again_it_is_left_alone_longer_but_no_longer_than_the_cause_asks() {
        let cases = [
            (LimitWindow::Sliding, [10_000, 20_000, 30_000, 30_000, 30_000]),
            (LimitWindow::Unknown, [1_000, 2_000, 4_000, 8_000, 16_000]),
            (LimitWindow::Day, [3_600_000; 5]),
        ];
        for (window, expected) in cases {
            let mut gate = gate(&[("api", 100, 10_000)], 1);
            let mut now = Timestamp(0);
            for (call, pause) in expected.into_iter().enumerate() {
                gate.sent(CallId(call as u64), &lane("Contact", false), 1, 1);
                gate.answered(CallId(call as u64), &[Answer::RateLimited { after: None, window, policy: None }], now);
                let until = now.plus(Duration(pause));
                assert_eq!(gate.paused(now).get("crm"), Some(&until), "{window:?}, refusal {call}");
                now = until;
            }
        }
    }

    /// A machine that starts with its clock an hour ahead, and is set right while the engine is down.
    #[test]
    fn what_was_spent_counts_no_longer_than_its_window_where_the_clock_was_set_back() {
        let hour = 3_600_000;
        let mut before = gate(&[("api", 1, 10_000)], 1);
        before.sent(CallId(1), &lane("Contact", false), 1, 1);
        let fast = Answer::RateLimited { after: None, window: LimitWindow::Sliding, policy: None };
        before.answered(CallId(1), &[fast], Timestamp(hour));
        let saved = before.save("crm").expect("something was spent");
        let mut after = gate(&[("api", 1, 10_000)], 1);
        after.restore("crm", &saved, Timestamp(50));
        after.work(lane("Contact", false), Timestamp(0), Priority::High);
        assert!(opened(&after.poll(at(10_049))).is_none());
        assert!(opened(&after.poll(at(10_051))).is_some());
    }

    /// Lets requests of contacts out that carry so many records each; gives how long each waited for company.
    fn waits(gate: &mut Gate, now: &mut i64, requests: &[usize]) -> Vec<i64> {
        let wait = |(call, records): (usize, &usize)| {
            let begun = *now;
            gate.work(lane("Contact", false), Timestamp(begun + HOLD.0), Priority::High);
            while let Poll::Wait { at: due, pace: None } = gate.poll(at(*now)) {
                *now = due.expect("only a deadline holds it").0;
            }
            gate.sent(CallId(call as u64), &lane("Contact", false), 1, *records);
            gate.answered(CallId(call as u64), &[Answer::Done], Timestamp(*now));
            *now - begun
        };
        requests.iter().enumerate().map(wait).collect()
    }

    #[test]
    fn a_write_waits_longer_for_company_while_many_come_and_not_at_all_longer_once_that_is_over() {
        let (mut gate, mut now) = (gate(&[], 1), 0);
        assert_eq!(waits(&mut gate, &mut now, &[1, 1, 4, 1]), [100, 100, 100, 100]);
        assert_eq!(waits(&mut gate, &mut now, &[20, 40, 60, 80, 90]), [100, 200, 300, 300, 300]);
        assert_eq!(waits(&mut gate, &mut now, &[1, 1, 1, 1, 1]), [300, 100, 100, 100, 100]);
        assert_eq!(waits(&mut gate, &mut now, &[20, 40]), [100, 200]);
        now += 10_000;
        assert_eq!(waits(&mut gate, &mut now, &[1]), [100]);
    }

    #[test]
    fn a_write_waits_longer_where_calls_are_scarce() {
        let (mut gate, mut now) = (gate(&[("api", 20, 10_000)], 1), 0);
        // Five of twenty calls are no pressure yet.
        assert_eq!(waits(&mut gate, &mut now, &[1; 8]), [100, 100, 100, 100, 100, 100, 100, 200]);
    }

    #[test]
    fn those_for_which_a_full_request_had_no_room_go_at_once() {
        let mut gate = gate(&[], 1);
        let lane = lane("Contact", false);
        for call in 0..3 {
            gate.work(lane.clone(), Timestamp(100), Priority::High);
            assert_eq!(opened(&gate.poll(at(100))), Some(&lane));
            gate.sent(CallId(call), &lane, 1, 100);
        }
        gate.work(lane.clone(), Timestamp(100), Priority::High);
        assert!(opened(&gate.poll(at(100))).is_some());
        gate.sent(CallId(4), &lane, 1, 60);
        gate.work(lane, Timestamp(200), Priority::High);
        assert_eq!(gate.poll(at(200)), Poll::Wait { at: Some(Timestamp(400)), pace: None });
    }

    #[test]
    fn reads_and_bulk_do_not_wait_longer_than_they_are_asked_to() {
        let mut gate = gate(&[], 1);
        let read = LaneKind::Read { entity: "Contact".to_owned(), by: "id".to_owned() };
        for lane in [lane("Contact", true), Lane { system: "crm".to_owned(), bulk: false, kind: read }] {
            for call in 0..4 {
                gate.work(lane.clone(), Timestamp(0), Priority::High);
                assert_eq!(opened(&gate.poll(at(call))), Some(&lane));
                gate.sent(CallId(call as u64), &lane, 1, 50);
                gate.answered(CallId(call as u64), &[Answer::Done], Timestamp(call));
            }
        }
    }

    fn refused(refusal: Refusal) -> Vec<Answer> {
        vec![Answer::Refused { reason: "HTTP 401".to_owned(), refusal }]
    }

    #[test]
    fn a_system_that_refuses_the_token_is_asked_by_one_request_after_pauses_that_grow() {
        let mut gate = gate(&[("api", 100, 10_000)], 1);
        let mut now = Timestamp(0);
        // Those under way together are refused together, and count once.
        for call in [1, 2, 3] {
            gate.sent(CallId(call), &lane("Contact", false), 1, 1);
        }
        for call in [1, 2, 3] {
            gate.answered(CallId(call), &refused(Refusal::Unauthenticated), now);
        }
        assert_eq!(gate.systems()["crm"].as_deref(), Some("HTTP 401"));
        for (call, pause) in [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 256_000, 300_000, 300_000]
            .into_iter()
            .enumerate()
        {
            gate.work(lane("Contact", false), Timestamp(0), Priority::High);
            gate.work(lane("Deal", false), Timestamp(0), Priority::High);
            let free = now.plus(Duration(pause));
            assert_eq!(gate.poll(Now::same(free.plus(Duration(-1)))), Poll::Wait { at: None, pace: Some(free) });
            now = free;
            assert!(opened(&gate.poll(Now::same(now))).is_some());
            gate.sent(CallId(10 + call as u64), &lane("Contact", false), 1, 1);
            assert_eq!(gate.poll(Now::same(now)), Poll::Wait { at: None, pace: None }, "one request finds out");
            gate.answered(CallId(10 + call as u64), &refused(Refusal::Unauthenticated), now);
        }
        // Another token is tried at once, and an answer shows that it is over.
        gate.try_again("crm");
        assert!(opened(&gate.poll(Now::same(now))).is_some());
        gate.sent(CallId(30), &lane("Contact", false), 1, 1);
        gate.answered(CallId(30), &[Answer::Done], now);
        assert_eq!(gate.systems()["crm"], None);
    }

    #[test]
    fn a_system_that_refuses_one_kind_of_request_is_asked_again_by_that_kind() {
        let mut gate = gate(&[], 1);
        gate.sent(CallId(1), &lane("Deal", false), 1, 1);
        gate.sent(CallId(2), &lane("Contact", false), 1, 1);
        gate.answered(CallId(1), &refused(Refusal::Forbidden), Timestamp(0));
        // That contacts are taken says nothing of deals.
        gate.answered(CallId(2), &[Answer::Done], Timestamp(0));
        assert!(gate.systems()["crm"].is_some());
        gate.work(lane("Deal", true), Timestamp(0), Priority::Low);
        gate.work(lane("Contact", false), Timestamp(0), Priority::High);
        assert_eq!(opened(&gate.poll(at(1_000))), Some(&lane("Deal", true)));
        // Where nobody asks for deals any more, the rest is not held for them.
        assert_eq!(opened(&gate.poll(at(1_000))), Some(&lane("Contact", false)));
    }

    #[test]
    fn one_page_of_a_list_is_under_way_at_a_time() {
        let mut gate = gate(&[], 1);
        let list =
            Lane { system: "crm".to_owned(), bulk: false, kind: LaneKind::List { entity: "Contact".to_owned() } };
        gate.sent(CallId(1), &list, 1, 1);
        gate.work(list.clone(), Timestamp(0), Priority::High);
        assert!(opened(&gate.poll(at(5))).is_none());
        gate.answered(CallId(1), &[Answer::Done], Timestamp(5));
        assert_eq!(opened(&gate.poll(at(5))), Some(&list));
    }

    #[test]
    fn four_requests_of_a_system_are_under_way_at_most() {
        let mut gate = gate(&[], 1);
        for call in 0..4 {
            gate.sent(CallId(call), &lane("Contact", false), 1, 1);
        }
        gate.work(lane("Contact", false), Timestamp(0), Priority::High);
        assert!(opened(&gate.poll(at(5))).is_none());
        gate.answered(CallId(2), &[Answer::Done], Timestamp(5));
        assert!(opened(&gate.poll(at(5))).is_some());
    }

    #[test]
    fn bulk_counts_records_and_cuts_the_batch() {
        let mut gate = gate(&[("bulk", 150, 3_600_000)], 1);
        gate.sent(CallId(1), &lane("Company", true), 1, 100);
        gate.answered(CallId(1), &[Answer::Done], Timestamp(0));
        gate.work(lane("Company", true), Timestamp(0), Priority::Medium);
        assert_eq!(gate.poll(at(1)), Poll::Open { lane: lane("Company", true), max: 50, priority: Priority::Medium });
        // The same records in real time are no bulk.
        gate.sent(CallId(2), &lane("Company", true), 1, 50);
        gate.work(lane("Company", false), Timestamp(0), Priority::Medium);
        assert_eq!(gate.poll(at(1)), Poll::Open { lane: lane("Company", false), max: 100, priority: Priority::Medium });
    }

    #[test]
    fn a_restart_grants_no_fresh_budget() {
        let mut before = gate(&[("api", 2, 10_000)], 1);
        before.sent(CallId(1), &lane("Contact", false), 1, 1);
        before.answered(CallId(1), &[Answer::Done], Timestamp(4_000));
        before.sent(CallId(2), &lane("Contact", false), 1, 1);
        let saved = before.save("crm").expect("crm has a limit");
        let mut after = gate(&[("api", 2, 10_000)], 1);
        after.restore("crm", &saved, Timestamp(9_000));
        after.work(lane("Contact", false), Timestamp(0), Priority::High);
        assert_eq!(after.poll(at(9_000)), Poll::Wait { at: None, pace: Some(Timestamp(14_001)) });
    }

    #[test]
    fn an_answer_from_the_cache_spends_nothing() {
        let mut gate = gate(&[("api", 1, 10_000)], 1);
        gate.sent(CallId(1), &lane("Contact", false), 1, 1);
        gate.unspent(CallId(1));
        gate.work(lane("Contact", false), Timestamp(0), Priority::High);
        assert!(opened(&gate.poll(at(0))).is_some());
    }

    proptest! {
        /// P7: whatever comes and however long answers take, no sliding window holds more than its limit, wherever
        /// between sending and answer a call is counted; and a restart in between changes nothing.
        #[test]
        fn no_window_is_exceeded(
            steps in prop::collection::vec((0i64..400, 0usize..3, 0u32..4, 0u8..12), 1..300),
            amount in 1u64..12,
            per in 100i64..3_000,
        ) {
            let limits = [("api", amount, per)];
            let mut gate = gate(&limits, 3);
            let mut now = 0;
            let mut call = 0;
            let mut flying: Vec<(CallId, i64, u32)> = Vec::new();
            let mut done: Vec<(i64, i64, u32)> = Vec::new();
            for (wait, which, calls, action) in steps {
                now += wait;
                let priority = [Priority::High, Priority::Medium, Priority::Low][which];
                gate.work(lane(["Contact", "Deal", "Note"][which], false), Timestamp(now), priority);
                match action {
                    0..=5 => while let Poll::Open { lane, .. } = gate.poll(at(now)) {
                        call += 1;
                        gate.sent(CallId(call), &lane, calls, 1);
                        flying.push((CallId(call), now, calls));
                    },
                    6..=10 => if !flying.is_empty() {
                        let (call, sent, calls) = flying.remove(which % flying.len());
                        gate.answered(call, &[Answer::Done], Timestamp(now));
                        done.push((sent, now, calls));
                    },
                    _ => {
                        let saved = gate.save("crm").expect("it has a limit");
                        gate = self::gate(&limits, 3);
                        gate.restore("crm", &saved, Timestamp(now));
                        done.extend(flying.drain(..).map(|(_, sent, calls)| (sent, now, calls)));
                    }
                }
                done.extend(flying.iter().map(|(_, sent, calls)| (*sent, now, *calls)));
                // The worst place for each call is its answer; every window that ends at a sending is looked at.
                for (end, ..) in &done {
                    let sum: u64 = done
                        .iter()
                        .filter(|(sent, answered, _)| sent <= end && *answered >= end - per)
                        .map(|(.., calls)| u64::from(*calls))
                        .sum();
                    let single = done.iter().map(|(.., calls)| u64::from(*calls)).max().unwrap_or_default();
                    prop_assert!(sum <= amount.max(single), "{sum} calls in the window that ends at {end}");
                }
                let still = flying.len();
                done.truncate(done.len() - still);
            }
        }
    }
}

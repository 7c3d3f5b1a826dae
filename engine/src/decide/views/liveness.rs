//! Does everything that is not finished have something that will wake it? For `engine ledger check` and for tests.
//!
//! In: the rows of one moment. Out: a sentence for each run or link that nothing would ever wake (one that is stuck).
//! Always true: it only reads. Decisions keep the law themselves; this finds where one did not.

use std::collections::BTreeSet;

use crate::decide::model::incident::IncidentRow;
use crate::decide::model::key;
use crate::decide::model::link::{LinkRow, LinkState, WriteState};
use crate::decide::model::row::{RowKey, all};
use crate::decide::model::run::{RunRow, RunState};
use crate::decide::model::subject::Subject;
use crate::decide::model::work::{CallRow, ListingRow, Owner, ReadRow, TimerRow, Waiter, WorkRow};
use crate::decide::views::start;
use crate::ids::{CallId, LinkId, RunId};
use crate::ledger::{Error, Rows};

/// What nothing will wake, a sentence each; empty where all is well.
///
/// # Errors
/// Where rows cannot be read.
pub fn stuck(rows: &dyn Rows) -> Result<Vec<String>, Error> {
    let wakers = Wakers::of(rows)?;
    let mut unfinished = BTreeSet::new();
    for run in all::<RunRow>(rows) {
        let (key, run) = run?;
        if run.state.over().is_none() {
            unfinished.insert(RunId(key.number()?));
        }
    }
    let mut found = Vec::new();
    for run in all::<RunRow>(rows) {
        let (key, run) = run?;
        let id = RunId(key.number()?);
        if let Some(lacks) = wakers.run_lacks(id, &run, &unfinished) {
            found.push(format!("run {id} {lacks}"));
        }
    }
    for link in all::<LinkRow>(rows) {
        let (key, link) = link?;
        let id = LinkId(key.number()?);
        if let Some(lacks) = wakers.link_lacks(id, &link) {
            found.push(format!("link {id} {lacks}"));
        }
    }
    found.extend(miscounted(rows)?);
    Ok(found)
}

/// Rule sets of which the count of unfinished runs is wrong: one that is needed could be dropped.
fn miscounted(rows: &dyn Rows) -> Result<Vec<String>, Error> {
    let counts = key::all_unfinished();
    let (from, to) = counts.range();
    let mut wanted = start::counted(rows)?;
    let mut found = Vec::new();
    let kept = rows.scan(&from, &to, usize::MAX)?;
    if kept.is_empty() {
        // An engine that did not count yet had it.
        return Ok(found);
    }
    for (key, bytes) in kept {
        let key = counts.key(key);
        let (hash, count) = (key::unfinished_of(&key)?, key.decode(&bytes)?);
        let runs = if hash.is_empty() { count } else { wanted.remove(&hash).unwrap_or_default() };
        if runs != count {
            found.push(format!("rule set {hash} is counted for {count} unfinished runs and has {runs}"));
        }
    }
    found.extend(
        wanted.into_iter().map(|(hash, runs)| format!("rule set {hash} has {runs} unfinished runs and no count")),
    );
    Ok(found)
}

/// Everything that can wake something.
#[derive(Default)]
struct Wakers {
    work: BTreeSet<RowKey<WorkRow>>,
    calls: BTreeSet<CallId>,
    /// Runs for which work is queued or a call is out.
    calling: BTreeSet<RunId>,
    timers: BTreeSet<(RunId, u64)>,
    /// Runs that a read, a listing or a partner will wake.
    reading: BTreeSet<RunId>,
    incidents: BTreeSet<Subject>,
}

impl Wakers {
    fn of(rows: &dyn Rows) -> Result<Self, Error> {
        let mut wakers = Self::default();
        let run_of = |owner: &Owner| match owner {
            Owner::Run(id) => Some(*id),
            _ => None,
        };
        let waiting = |waiter: &Waiter| match waiter {
            Waiter::Run(id) => Some(*id),
            Waiter::Link(_) => None,
        };
        for work in all::<WorkRow>(rows) {
            let (key, work) = work?;
            wakers.calling.extend(run_of(&work.owner));
            wakers.work.insert(key);
        }
        for call in all::<CallRow>(rows) {
            let (key, call) = call?;
            wakers.calls.insert(CallId(key.number()?));
            wakers.calling.extend(call.items.iter().filter_map(|item| run_of(&item.owner)));
        }
        for timer in all::<TimerRow>(rows) {
            if let (_, TimerRow::Run(id, token)) = timer? {
                wakers.timers.insert((id, token));
            }
        }
        for read in all::<ReadRow>(rows) {
            wakers.reading.extend(read?.1.waiters.iter().filter_map(waiting));
        }
        for listing in all::<ListingRow>(rows) {
            wakers.reading.extend(listing?.1.waiters.iter().filter_map(waiting));
        }
        for waiter in all::<Waiter>(rows) {
            wakers.reading.extend(waiting(&waiter?.1));
        }
        for incident in all::<IncidentRow>(rows) {
            wakers.incidents.insert(incident?.1.subject);
        }
        Ok(wakers)
    }

    /// What an unfinished run says that it waits for, and that is not there.
    fn run_lacks(&self, id: RunId, run: &RunRow, unfinished: &BTreeSet<RunId>) -> Option<String> {
        let lacks = |there: bool, what: &str| (!there).then(|| what.to_owned());
        match &run.state {
            RunState::Finished { .. } | RunState::Failed { .. } | RunState::Cancelled { .. } => None,
            RunState::Ready => Some("could go on, and nothing makes it".to_owned()),
            RunState::Calling(_) => {
                lacks(self.calling.contains(&id), "waits for a call that is neither queued nor on its way")
            }
            RunState::Sleeping { .. }
            | RunState::Awaiting { .. }
            | RunState::Retrying { .. }
            | RunState::Rechecking { .. } => {
                lacks(self.timers.contains(&(id, run.token)), "waits for a timer that is not there")
            }
            RunState::Reading | RunState::Starting => {
                lacks(self.reading.contains(&id), "waits for a record that nobody reads")
            }
            RunState::Behind(other) => {
                (!unfinished.contains(other)).then(|| format!("waits behind run {other}, which is over"))
            }
            RunState::Stopped(_) => {
                lacks(self.incidents.contains(&Subject::Run(id)), "waits for a person, and no incident says so")
            }
        }
    }

    /// The same of a link's writes, and of a link that a person must look at.
    fn link_lacks(&self, id: LinkId, link: &LinkRow) -> Option<String> {
        for write in link.writes.iter() {
            match write {
                WriteState::Queued(work) if !self.work.contains(work) => {
                    return Some("waits for work that is not queued".to_owned());
                }
                WriteState::InFlight(call) if !self.calls.contains(call) => {
                    return Some("waits for a call that is not on its way".to_owned());
                }
                WriteState::Idle | WriteState::Queued(_) | WriteState::InFlight(_) => {}
            }
        }
        let parked = matches!(link.state, LinkState::Parked(_));
        (parked && !self.incidents.contains(&Subject::Link(id)))
            .then(|| "waits for a person, and no incident says so".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use dsl::program::{Place, Side};
    use dsl::value::Timestamp;

    use super::*;
    use crate::decide::model::freshness::Freshness;
    use crate::decide::model::key;
    use crate::decide::model::lane::{Lane, LaneKind};
    use crate::decide::model::row::Row;
    use crate::decide::model::run::{Effect, RunOf};
    use crate::decide::model::work::Group;
    use crate::ledger::{Ledger, Memory, Round};

    fn run(state: RunState) -> RunRow {
        let what = RunOf::When(0);
        RunRow { token: 3, ..RunRow::new("", what, Default::default(), Freshness::Any, state) }
    }

    fn effect() -> Effect {
        Effect {
            lane: Lane { system: String::new(), bulk: false, kind: LaneKind::Operation { name: String::new() } },
            key: String::new(),
            id: None,
            values: Default::default(),
            links: Default::default(),
            work: None,
            place: Place { file: String::new(), line: 1 },
            in_doubt: false,
            group: Group::default(),
        }
    }

    fn told(rows: &[(Vec<u8>, Vec<u8>)]) -> Vec<String> {
        let mut ledger = Memory::new();
        let changes = rows.iter().map(|(key, row)| (key.clone(), Some(row.clone()))).collect();
        ledger.append(Round { changes, records: Vec::new() }).expect("a memory ledger takes all");
        stuck(&ledger).expect("a memory ledger can be read")
    }

    fn row<R: Row>(key: RowKey<R>, row: &R) -> (Vec<u8>, Vec<u8>) {
        (key.into_bytes(), row.encode())
    }

    #[test]
    fn a_run_whose_waker_is_not_there_is_found() {
        let one = |state| row(key::run(RunId(7)), &run(state));
        for (state, lacks) in [
            (RunState::Ready, "could go on, and nothing makes it"),
            (RunState::Calling(effect()), "waits for a call that is neither queued nor on its way"),
            (RunState::Sleeping { until: Timestamp(1) }, "waits for a timer that is not there"),
            (RunState::Awaiting { until: Timestamp(1) }, "waits for a timer that is not there"),
            (RunState::Reading, "waits for a record that nobody reads"),
            (RunState::Starting, "waits for a record that nobody reads"),
            (RunState::Retrying { effect: effect(), until: Timestamp(1) }, "waits for a timer that is not there"),
            (RunState::Rechecking { until: Timestamp(1) }, "waits for a timer that is not there"),
            (RunState::Behind(RunId(6)), "waits behind run r6, which is over"),
            (RunState::Stopped(String::new()), "waits for a person, and no incident says so"),
        ] {
            assert_eq!(told(&[one(state)]), [format!("run r7 {lacks}")]);
        }
        assert_eq!(told(&[one(RunState::Finished { at: Timestamp(1) })]), Vec::<String>::new());
    }

    #[test]
    fn a_run_whose_waker_is_there_is_well() {
        let timer = |token| row(key::timer(Timestamp(1), 1), &TimerRow::Run(RunId(7), token));
        let stuck = row(key::run(RunId(7)), &run(RunState::Sleeping { until: Timestamp(1) }));
        assert_eq!(told(&[stuck.clone(), timer(3)]), Vec::<String>::new());
        assert_eq!(told(&[stuck.clone(), timer(2)]).len(), 1, "the timer of an earlier wait wakes nothing");
        let behind = row(key::run(RunId(8)), &run(RunState::Behind(RunId(7))));
        assert_eq!(told(&[stuck, timer(3), behind]), Vec::<String>::new());
        let reading = row(key::run(RunId(7)), &run(RunState::Reading));
        let partner = {
            let waiter = Waiter::Run(RunId(7));
            row(key::partner_wait("Contacts", Side::Left, "1", waiter), &waiter)
        };
        assert_eq!(told(&[reading, partner]), Vec::<String>::new());
    }

    #[test]
    fn a_count_of_unfinished_runs_that_is_wrong_is_found() {
        let of = |id: u64, hash: &str, state| {
            let run = RunRow { program: hash.to_owned(), token: 0, ..run(state) };
            row(key::run(RunId(id)), &run)
        };
        let timers = [1, 2].map(|id| row(key::timer(Timestamp(1), id), &TimerRow::Run(RunId(id), 0)));
        let asleep = || RunState::Sleeping { until: Timestamp(1) };
        let runs = [of(1, "a", asleep()), of(2, "a", asleep()), of(3, "a", RunState::Finished { at: Timestamp(1) })];
        let count = |hash: &str, count: u64| row(key::unfinished(hash), &count);
        let told = |counts: &[(Vec<u8>, Vec<u8>)]| told(&[&runs[..], &timers, counts].concat());
        assert_eq!(told(&[count("", 1), count("a", 2)]), Vec::<String>::new());
        assert_eq!(told(&[]), Vec::<String>::new(), "an engine that did not count yet");
        assert_eq!(told(&[count("", 1), count("a", 3)]), ["rule set a is counted for 3 unfinished runs and has 2"]);
        assert_eq!(told(&[count("", 1)]), ["rule set a has 2 unfinished runs and no count"]);
        let other = told(&[count("", 1), count("a", 2), count("b", 1)]);
        assert_eq!(other, ["rule set b is counted for 1 unfinished runs and has 0"]);
    }
}

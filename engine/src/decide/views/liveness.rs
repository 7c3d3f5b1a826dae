//! Does everything that is not finished have something that will wake it? For `engine ledger check` and for tests.
//!
//! In: the rows of one moment. Out: a sentence for each run or link that nothing would ever wake (one that is stuck).
//! Always true: it only reads. Decisions keep the law themselves; this finds where one did not.

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;

use crate::decide::model::incident::IncidentRow;
use crate::decide::model::key::{Key, Kind};
use crate::decide::model::link::{LinkRow, LinkState};
use crate::decide::model::row::{after, decode};
use crate::decide::model::run::{RunRow, RunState};
use crate::decide::model::work::{CallRow, ListingRow, Owner, ReadRow, TimerRow, Waiter, WorkRow};
use crate::ids::{CallId, LinkId, RunId};
use crate::ledger::{Error, Rows, key};

/// Rows in one go. A reader beside the loop keeps it from appending for no longer than this takes.
const PAGE: usize = 500;

/// What nothing will wake, a sentence each; empty where all is well.
///
/// # Errors
/// Where rows cannot be read.
pub fn stuck(rows: &dyn Rows) -> Result<Vec<String>, Error> {
    let wakers = Wakers::of(rows)?;
    let mut unfinished = BTreeSet::new();
    each::<RunRow>(rows, Kind::Run, |key, run| {
        if !matches!(run.state, RunState::Finished | RunState::Failed | RunState::Cancelled) {
            unfinished.insert(RunId(number(key)));
        }
    })?;
    let mut found = Vec::new();
    each::<RunRow>(rows, Kind::Run, |key, run| {
        let id = RunId(number(key));
        if let Some(lacks) = wakers.run_lacks(id, &run, &unfinished) {
            found.push(format!("run {id} {lacks}"));
        }
    })?;
    each::<LinkRow>(rows, Kind::Link, |key, link| {
        let id = LinkId(number(key));
        if let Some(lacks) = wakers.link_lacks(id, &link) {
            found.push(format!("link {id} {lacks}"));
        }
    })?;
    Ok(found)
}

/// Everything that can wake something.
struct Wakers {
    /// Keys of queued work.
    work: BTreeSet<Vec<u8>>,
    calls: BTreeSet<CallId>,
    /// Runs for which work is queued or a call is out.
    calling: BTreeSet<RunId>,
    timers: BTreeSet<(RunId, u64)>,
    /// Runs that a read or a listing will answer.
    reading: BTreeSet<RunId>,
    /// Keys of what waits for a partner; they end with who waits.
    partners: Vec<Vec<u8>>,
    incidents: BTreeSet<String>,
}

impl Wakers {
    fn of(rows: &dyn Rows) -> Result<Self, Error> {
        let mut wakers = Self {
            work: BTreeSet::new(),
            calls: BTreeSet::new(),
            calling: BTreeSet::new(),
            timers: BTreeSet::new(),
            reading: BTreeSet::new(),
            partners: Vec::new(),
            incidents: BTreeSet::new(),
        };
        let run_of = |owner: &Owner| match owner {
            Owner::Run(id) => Some(*id),
            _ => None,
        };
        let waiting = |waiter: &Waiter| match waiter {
            Waiter::Run(id) => Some(*id),
            Waiter::Link(_) => None,
        };
        each::<WorkRow>(rows, Kind::Work, |key, work| {
            wakers.work.insert(key.to_vec());
            wakers.calling.extend(run_of(&work.owner));
        })?;
        each::<CallRow>(rows, Kind::Call, |key, call| {
            wakers.calls.insert(CallId(number(key)));
            wakers.calling.extend(call.items.iter().filter_map(|item| run_of(&item.owner)));
        })?;
        each::<TimerRow>(rows, Kind::Timer, |_, timer| {
            if let TimerRow::Run(id, token) = timer {
                wakers.timers.insert((id, token));
            }
        })?;
        each::<ReadRow>(rows, Kind::Read, |_, read| {
            wakers.reading.extend(read.waiters.iter().filter_map(waiting));
        })?;
        each::<ListingRow>(rows, Kind::Listing, |_, listing| {
            wakers.reading.extend(listing.waiters.iter().filter_map(waiting));
        })?;
        each::<IncidentRow>(rows, Kind::Incident, |_, incident| {
            wakers.incidents.insert(incident.subject);
        })?;
        pages(rows, Kind::PartnerWait, |key, _| {
            wakers.partners.push(key.to_vec());
            Ok(())
        })?;
        Ok(wakers)
    }

    /// What an unfinished run says that it waits for, and that is not there.
    fn run_lacks(&self, id: RunId, run: &RunRow, unfinished: &BTreeSet<RunId>) -> Option<String> {
        let lacks = |there: bool, what: &str| (!there).then(|| what.to_owned());
        match &run.state {
            RunState::Finished | RunState::Failed | RunState::Cancelled => None,
            RunState::Ready => Some("could go on, and nothing makes it".to_owned()),
            RunState::Calling => {
                lacks(self.calling.contains(&id), "waits for a call that is neither queued nor on its way")
            }
            RunState::Sleeping | RunState::Awaiting => {
                lacks(self.timers.contains(&(id, run.token)), "waits for a timer that is not there")
            }
            RunState::Reading => {
                let own = Key::new(Kind::PartnerWait).encoded(&Waiter::Run(id)).bytes();
                let partner = self.partners.iter().any(|key| key.ends_with(&own[1..]));
                lacks(partner || self.reading.contains(&id), "waits for a record that nobody reads")
            }
            RunState::Behind(other) => {
                (!unfinished.contains(other)).then(|| format!("waits behind run {other}, which is over"))
            }
            RunState::Stopped(_) => {
                lacks(self.incidents.contains(&format!("run {id}")), "waits for a person, and no incident says so")
            }
        }
    }

    /// The same of a link's writes, and of a link that a person must look at.
    fn link_lacks(&self, id: LinkId, link: &LinkRow) -> Option<String> {
        if link.queued.iter().flatten().any(|key| !self.work.contains(key)) {
            return Some("waits for work that is not queued".to_owned());
        }
        if link.in_flight.iter().flatten().any(|call| !self.calls.contains(call)) {
            return Some("waits for a call that is not on its way".to_owned());
        }
        let parked = matches!(link.state, LinkState::Parked(_));
        (parked && !self.incidents.contains(&format!("link {id}")))
            .then(|| "waits for a person, and no incident says so".to_owned())
    }
}

fn number(key: &[u8]) -> u64 {
    key.get(1..9).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes)
}

fn each<T: DeserializeOwned>(rows: &dyn Rows, kind: Kind, mut see: impl FnMut(&[u8], T)) -> Result<(), Error> {
    pages(rows, kind, |key, bytes| {
        see(key, decode(key, bytes)?);
        Ok(())
    })
}

fn pages(rows: &dyn Rows, kind: Kind, mut see: impl FnMut(&[u8], &[u8]) -> Result<(), Error>) -> Result<(), Error> {
    let (mut from, to) = (vec![kind as u8], after(&[kind as u8]));
    loop {
        let page = rows.scan(&from, &to, PAGE)?;
        for (key, bytes) in &page {
            see(key, bytes)?;
        }
        match page.last() {
            Some((last, _)) if page.len() == PAGE => from = key::after(last),
            _ => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{Ledger, Memory, Round};

    fn run(state: RunState) -> RunRow {
        let what = crate::decide::model::run::RunOf::When(0);
        RunRow { state, token: 3, ..RunRow::new("", what, Default::default(), Default::default()) }
    }

    fn told(rows: &[(Vec<u8>, Vec<u8>)]) -> Vec<String> {
        let mut ledger = Memory::new();
        let changes = rows.iter().map(|(key, row)| (key.clone(), Some(row.clone()))).collect();
        ledger.append(Round { changes, records: Vec::new() }).expect("a memory ledger takes all");
        stuck(&ledger).expect("a memory ledger can be read")
    }

    fn row<T: serde::Serialize>(key: Key, row: &T) -> (Vec<u8>, Vec<u8>) {
        (key.bytes(), postcard::to_stdvec(row).expect("plain data"))
    }

    #[test]
    fn a_run_whose_waker_is_not_there_is_found() {
        let one = |state| row(Key::new(Kind::Run).number(7), &run(state));
        for (state, lacks) in [
            (RunState::Ready, "could go on, and nothing makes it"),
            (RunState::Calling, "waits for a call that is neither queued nor on its way"),
            (RunState::Sleeping, "waits for a timer that is not there"),
            (RunState::Awaiting, "waits for a timer that is not there"),
            (RunState::Reading, "waits for a record that nobody reads"),
            (RunState::Behind(RunId(6)), "waits behind run r6, which is over"),
            (RunState::Stopped(String::new()), "waits for a person, and no incident says so"),
        ] {
            assert_eq!(told(&[one(state)]), [format!("run r7 {lacks}")]);
        }
        assert_eq!(told(&[one(RunState::Finished)]), Vec::<String>::new());
    }

    #[test]
    fn a_run_whose_waker_is_there_is_well() {
        let timer = |token| row(Key::new(Kind::Timer).number(1).number(1), &TimerRow::Run(RunId(7), token));
        let stuck = row(Key::new(Kind::Run).number(7), &run(RunState::Sleeping));
        assert_eq!(told(&[stuck.clone(), timer(3)]), Vec::<String>::new());
        assert_eq!(told(&[stuck.clone(), timer(2)]).len(), 1, "the timer of an earlier wait wakes nothing");
        let behind = row(Key::new(Kind::Run).number(8), &run(RunState::Behind(RunId(7))));
        assert_eq!(told(&[stuck, timer(3), behind]), Vec::<String>::new());
        let reading = row(Key::new(Kind::Run).number(7), &run(RunState::Reading));
        let partner =
            row(Key::new(Kind::PartnerWait).text("Contacts").number(0).text("1").encoded(&Waiter::Run(RunId(7))), &());
        assert_eq!(told(&[reading, partner]), Vec::<String>::new());
    }
}

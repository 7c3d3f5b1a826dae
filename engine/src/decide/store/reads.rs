//! Point reads: asked once, answered to all who wait; and what is known without asking.
//!
//! Always true: a waiter is woken by the answer, whatever it is; a record that a read did not find is a row
//! ([`key::absent`]), never a guess.

use std::collections::BTreeSet;

use connectors::planted::{Mutant, planted};
use dsl::ast::Priority;
use dsl::program::Side;
use dsl::schema::EntityName;
use dsl::value::{Duration, Value};

use crate::decide::model::freshness::Freshness;
use crate::decide::model::key;
use crate::decide::model::lane::{Lane, LaneKind};
use crate::decide::model::lifecycle;
use crate::decide::model::link::LinkState;
use crate::decide::model::need::{Need, Unmet};
use crate::decide::model::record::Life;
use crate::decide::model::row::RowKey;
use crate::decide::model::task::Task;
use crate::decide::model::trace::Reached;
use crate::decide::model::work::{
    Group, ListingState, Owner, PointRead, ReadEvent, ReadRow, ReadState, Waiter, WorkRow,
};
use crate::decide::store::transaction::Context;
use crate::decide::store::{listings, records};
use crate::ids::{CallId, LinkId};
use crate::ledger::Error;

/// How long a read waits for company in its request.
const LINGER: Duration = Duration(40);

/// Arranges that `waiter` is woken once the need is met.
pub(crate) fn need(cx: &mut Context<'_>, need: &Need, waiter: Waiter, priority: Priority) -> Result<(), Error> {
    match need {
        Need::Record { read, cacheable } => ask(cx, read, Some(waiter), *cacheable, priority),
        Need::Listing(entity) => listings::need(cx, entity, waiter),
        Need::Partner { sync, side, id } => {
            cx.put(key::partner_wait(sync, *side, id, waiter), &waiter);
            Ok(())
        }
    }
}

/// Reads a record again; nobody in particular waits.
pub(crate) fn refresh(cx: &mut Context<'_>, entity: &EntityName, id: &str) -> Result<(), Error> {
    ask(cx, &PointRead::by_id(entity, id), None, false, Priority::High)
}

fn ask(
    cx: &mut Context<'_>,
    read: &PointRead,
    waiter: Option<Waiter>,
    cacheable: bool,
    priority: Priority,
) -> Result<(), Error> {
    let mut open = match OpenRead::open(cx, read)? {
        Some(mut open) => {
            if let ReadState::InFlight(call) = open.row.state
                && !planted(Mutant::ReadInFlightCounts)
            {
                open.turn(cx, ReadEvent::AskAgain, ReadState::Outdated(call));
            }
            open.row.cacheable &= cacheable;
            open
        }
        None => OpenRead::begin(cx, read, cacheable, priority),
    };
    open.row.waiters.extend(waiter);
    open.save(cx);
    Ok(())
}

/// A point read that is being decided. What is changed of its row counts once it is saved.
#[derive(Debug)]
pub(crate) struct OpenRead {
    pub(crate) read: PointRead,
    pub(crate) row: ReadRow,
}

impl OpenRead {
    /// The read, if it is queued or in flight.
    pub(crate) fn open(cx: &Context<'_>, read: &PointRead) -> Result<Option<Self>, Error> {
        Ok(cx.get(&key::read(read))?.map(|row| Self { read: read.clone(), row }))
    }

    fn begin(cx: &mut Context<'_>, read: &PointRead, cacheable: bool, priority: Priority) -> Self {
        let state = ReadState::Queued(queue(cx, read, LINGER, priority));
        let row = ReadRow { state, waiters: BTreeSet::new(), cacheable, attempts: 0, group: Group::default() };
        Self { read: read.clone(), row }
    }

    /// Makes what was changed of it count.
    pub(crate) fn save(self, cx: &mut Context<'_>) {
        cx.put(key::read(&self.read), &self.row);
    }

    fn turn(&mut self, cx: &Context<'_>, event: ReadEvent, state: ReadState) {
        let line = lifecycle::step::<ReadRow>(self.row.state.phase(), event, Some(state.phase()));
        cx.reached(|| Reached::transition::<ReadRow>(line));
        self.row.state = state;
    }

    /// It leaves with a call.
    pub(crate) fn sent(&mut self, cx: &Context<'_>, call: CallId) {
        self.turn(cx, ReadEvent::Send, ReadState::InFlight(call));
    }

    /// It did not succeed: it is asked again after a pause.
    pub(crate) fn retry(mut self, cx: &mut Context<'_>, pause: Duration) {
        let work = queue(cx, &self.read, pause.max(LINGER), Priority::High);
        self.turn(cx, ReadEvent::Retry, ReadState::Queued(work));
        self.save(cx);
    }

    /// It is answered: gives those who wait. Where somebody asked meanwhile it is read once more.
    pub(crate) fn answered(mut self, cx: &mut Context<'_>) -> BTreeSet<Waiter> {
        let waiters = std::mem::take(&mut self.row.waiters);
        if let ReadState::Outdated(_) = self.row.state {
            let work = queue(cx, &self.read, LINGER, Priority::High);
            self.turn(cx, ReadEvent::Refetch, ReadState::Queued(work));
            self.row.group = Group::default();
            self.row.attempts = 0;
            self.save(cx);
        } else {
            let line = lifecycle::step::<ReadRow>(self.row.state.phase(), ReadEvent::Answer, None);
            cx.reached(|| Reached::transition::<ReadRow>(line));
            cx.delete(key::read(&self.read));
        }
        waiters
    }
}

fn queue(cx: &mut Context<'_>, read: &PointRead, pause: Duration, priority: Priority) -> RowKey<WorkRow> {
    let PointRead { entity, by, .. } = read;
    let kind = LaneKind::Read { entity: entity.entity.clone(), by: by.clone() };
    let lane = Lane { system: entity.system.clone(), bulk: false, kind };
    cx.queue(Owner::Read(read.clone()), lane, cx.now.plus(pause), priority)
}

/// Lets those who wait look again.
pub(crate) fn wake(cx: &mut Context<'_>, waiter: Waiter) {
    cx.task(match waiter {
        Waiter::Link(link) => Task::Link(link),
        Waiter::Run(run) => Task::Run(run),
    });
}

/// Wakes those who wait for a record to be paired under a sync.
pub(crate) fn partner_found(cx: &mut Context<'_>, sync: &str, side: Side, id: &str) -> Result<(), Error> {
    for (key, waiter) in cx.scan(&key::partner_waits(sync, side, id), usize::MAX)? {
        cx.delete(key);
        wake(cx, waiter);
    }
    Ok(())
}

/// The partner of a record under a sync, once the pair is whole.
pub(crate) fn partner(cx: &Context<'_>, sync: &str, side: Side, id: &str) -> Result<Option<(LinkId, String)>, Error> {
    let Some(link) = cx.get(&key::link_of(sync, side, id))? else { return Ok(None) };
    let Some(row) = cx.get(&key::link(link))? else { return Ok(None) };
    if !matches!(row.state, LinkState::Linked | LinkState::Excluded | LinkState::Parked(_)) {
        return Ok(None);
    }
    let Some(partner) = row.ids[side.other()].clone() else { return Ok(None) };
    // A pair that waits for a person may hold a record that is gone or lives under another id.
    let sync = cx.programs.active.syncs.iter().find(|known| known.name == sync);
    let record = sync.map(|sync| cx.record(sync.entity(side.other()), &partner)).transpose()?.flatten();
    let lives = record.is_none_or(|record| matches!(record.life, Life::Live));
    Ok(lives.then_some((link, partner)))
}

/// Ids of the records that a field finds; none where it is known that there is none.
pub(crate) fn find(
    cx: &Context<'_>,
    entity: &EntityName,
    field: &str,
    value: &Value,
    fresh: Freshness,
) -> Result<Vec<String>, Unmet> {
    let program = cx.program();
    let value = records::normal(&program, entity, field, value);
    let found = cx.indexed(entity, field, &value)?;
    if !found.is_empty() {
        return Ok(found);
    }
    let unique = field == "id" || program.field(entity, field).is_some_and(|f| f.unique);
    if unique {
        let value = value.to_string();
        if cx.absent(entity, field, &value)?.is_some_and(|at| fresh.allows(at) || planted(Mutant::AbsenceForEver)) {
            return Ok(Vec::new());
        }
        let read = PointRead { entity: entity.clone(), by: field.to_owned(), value };
        return Err(Unmet::Need(Need::Record { read, cacheable: false }));
    }
    match cx.get(&key::listing(&key::index_name(entity)))?.map(|listing| listing.state) {
        Some(ListingState::Listed { .. }) => Ok(Vec::new()),
        _ => Err(Unmet::Need(Need::Listing(entity.clone()))),
    }
}

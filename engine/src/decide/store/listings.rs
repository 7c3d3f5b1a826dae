//! Listings: asked once, page by page, for all who wait.

use std::collections::BTreeSet;

use dsl::ast::Priority;
use dsl::schema::EntityName;
use dsl::value::{Duration, Timestamp};

use crate::decide::model::key;
use crate::decide::model::lane::{Lane, LaneKind};
use crate::decide::model::lifecycle;
use crate::decide::model::trace::Reached;
use crate::decide::model::work::{ListingEvent, ListingPhase, ListingRow, ListingState, Owner, Waiter};
use crate::decide::store::transaction::Context;
use crate::ledger::Error;

/// A listing that is being decided. What is changed of its row counts once it is saved.
#[derive(Debug, Clone)]
pub(crate) struct OpenListing {
    pub(crate) name: String,
    pub(crate) row: ListingRow,
}

/// What a listing is for, and of which sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose<'l> {
    /// All records of an entity, for whoever waits.
    Index,
    /// A run by the clock, or a backfill.
    Run(&'l str),
    /// A sweep's changes.
    Changes(&'l str),
    /// A sweep's archived records: ids only.
    Archived(&'l str),
}

impl OpenListing {
    /// The listing of this name, if there is one.
    pub(crate) fn open(cx: &Context<'_>, name: &str) -> Result<Option<Self>, Error> {
        Ok(cx.get(&key::listing(name))?.map(|row| Self { name: name.to_owned(), row }))
    }

    /// Begins a listing, or begins one anew that was whole; its first page is asked for.
    pub(crate) fn begin(
        cx: &mut Context<'_>,
        name: &str,
        entity: &EntityName,
        sync: Option<&str>,
        since: Option<Timestamp>,
    ) -> Result<Self, Error> {
        let old = cx.get(&key::listing(name))?.map(|old| old.state.phase());
        if old == Some(ListingPhase::Listed) {
            let line =
                lifecycle::step::<ListingRow>(ListingPhase::Listed, ListingEvent::Begin, Some(ListingPhase::Listing));
            cx.reached(|| Reached::transition::<ListingRow>(line));
        }
        let row = ListingRow {
            entity: entity.clone(),
            since,
            state: ListingState::FIRST_PAGE,
            waiters: BTreeSet::new(),
            sync: sync.map(str::to_owned),
            started: cx.now,
        };
        let open = Self { name: name.to_owned(), row };
        open.ask(cx, Duration(0));
        Ok(open)
    }

    /// Makes what was changed of it count.
    pub(crate) fn save(self, cx: &mut Context<'_>) {
        cx.put(key::listing(&self.name), &self.row);
    }

    /// Changes where it stands.
    pub(crate) fn turn(&mut self, cx: &Context<'_>, event: ListingEvent, state: ListingState) {
        let line = lifecycle::step::<ListingRow>(self.row.state.phase(), event, Some(state.phase()));
        cx.reached(|| Reached::transition::<ListingRow>(line));
        self.row.state = state;
    }

    /// What it is for; its name says so.
    pub(crate) fn purpose(&self) -> Purpose<'_> {
        match self.row.sync.as_deref() {
            None => Purpose::Index,
            Some(sync) if self.name == key::changes_name(sync) => Purpose::Changes(sync),
            Some(sync) if self.name == key::archived_name(sync) => Purpose::Archived(sync),
            Some(sync) => Purpose::Run(sync),
        }
    }

    /// Queues the page that comes next.
    pub(crate) fn ask(&self, cx: &mut Context<'_>, pause: Duration) {
        let entity = self.row.entity.entity.clone();
        let kind = match self.purpose() {
            Purpose::Archived(_) => LaneKind::Archived { entity },
            Purpose::Index | Purpose::Run(_) | Purpose::Changes(_) => LaneKind::List { entity },
        };
        let lane = Lane { system: self.row.entity.system.clone(), bulk: false, kind };
        cx.queue(Owner::Listing(self.name.clone()), lane, cx.now.plus(pause), Priority::Medium);
    }
}

/// Arranges that `waiter` is woken once all records of an entity are listed.
pub(crate) fn need(cx: &mut Context<'_>, entity: &EntityName, waiter: Waiter) -> Result<(), Error> {
    let name = key::index_name(entity);
    let mut open = match OpenListing::open(cx, &name)? {
        Some(open) if matches!(open.row.state, ListingState::Listing { .. }) => open,
        _ => OpenListing::begin(cx, &name, entity, None, None)?,
    };
    open.row.waiters.insert(waiter);
    open.save(cx);
    Ok(())
}

//! Listings as owners of work, and their pages.
//!
//! Always true: the cursor does not move past a page that failed; a listing that does not come to its end is shown to
//! people in time, and is tried again.

use connectors::planted::{Mutant, planted};
use connectors::port::{Input, Observed};
use dsl::value::Duration;

use crate::decide::links::{catch_up, schedule};
use crate::decide::model::answer::{self, Failure, NotDone};
use crate::decide::model::lane::Lane;
use crate::decide::model::subject::Subject;
use crate::decide::model::task::Answered;
use crate::decide::model::work::{ListingEvent, ListingState};
use crate::decide::records::observe::{How, observe};
use crate::decide::store::incidents::{self, NewIncident};
use crate::decide::store::links::ActiveSync;
use crate::decide::store::listings::{OpenListing, Purpose};
use crate::decide::store::reads;
use crate::decide::store::retry::{ALERT_AFTER_ATTEMPTS, REFUSED_AGAIN, backoff};
use crate::decide::store::transaction::Context;
use crate::decide::store::work::{Composed, Outlook, WorkOwner};
use crate::ids::CallId;
use crate::ledger::Error;

/// The next page of a listing.
pub(crate) struct Page {
    /// The listing's name.
    pub(crate) listing: String,
}

impl WorkOwner for Page {
    fn outlook(&self, cx: &Context<'_>, _: &Lane) -> Result<Outlook, Error> {
        let open = OpenListing::open(cx, &self.listing)?;
        let failed_before =
            open.is_some_and(|open| matches!(open.row.state, ListingState::Listing { attempts: 1.., .. }));
        Ok(Outlook { failed_before, ..Outlook::default() })
    }

    fn compose(&self, cx: &mut Context<'_>, _: &Lane, _: CallId) -> Result<Option<Composed>, Error> {
        let Some(open) = OpenListing::open(cx, &self.listing)? else { return Ok(None) };
        let ListingState::Listing { cursor, .. } = open.row.state else { return Ok(None) };
        let input = Input { key: open.name, id: cursor, ..Input::default() };
        Ok(Some(Composed { input, since: open.row.since, ..Composed::default() }))
    }

    fn answered(&self, cx: &mut Context<'_>, answered: &Answered<'_>) -> Result<(), Error> {
        let Some(open) = OpenListing::open(cx, &self.listing)? else { return Ok(()) };
        let ListingState::Listing { cursor, count, attempts } = open.row.state.clone() else { return Ok(()) };
        match answer::list(&answered.answer) {
            Ok((records, next)) => page(cx, open, count, records, next),
            Err(failure) => failed(cx, open, (cursor, count, attempts), failure),
        }
    }
}

/// A page came.
fn page(
    cx: &mut Context<'_>,
    mut open: OpenListing,
    count: u64,
    records: &[Observed],
    next: Option<&String>,
) -> Result<(), Error> {
    let entity = open.row.entity.clone();
    match open.purpose() {
        Purpose::Changes(sync) | Purpose::Archived(sync) => catch_up::page(cx, sync, &entity, records)?,
        purpose @ (Purpose::Index | Purpose::Run(_)) => {
            for observed in records {
                let observed = Observed { complete: true, ..observed.clone() };
                observe(cx, &entity, &observed, How::Read, cx.now)?;
                if let Purpose::Run(sync) = purpose {
                    schedule::listed(cx, sync, &entity, &observed.id)?;
                }
            }
        }
    }
    let count = count + records.len() as u64;
    if let Some(next) = next {
        let state = ListingState::Listing { cursor: Some(next.clone()), count, attempts: 0 };
        open.turn(cx, ListingEvent::Page, state);
        open.ask(cx, Duration(0));
        open.save(cx);
        return Ok(());
    }
    open.turn(cx, ListingEvent::LastPage, ListingState::Listed { at: cx.now });
    incidents::settle(cx, &Subject::Listing(open.name.clone()))?;
    for waiter in std::mem::take(&mut open.row.waiters) {
        reads::wake(cx, waiter);
    }
    open.clone().save(cx);
    match open.purpose() {
        Purpose::Run(sync) => schedule::finished(cx, sync, open.row.started, count),
        Purpose::Changes(sync) | Purpose::Archived(sync) => catch_up::finished(cx, sync, open.row.started, count),
        Purpose::Index => Ok(()),
    }
}

/// A page did not come: it is asked for again.
fn failed(
    cx: &mut Context<'_>,
    mut open: OpenListing,
    (cursor, count, attempts): (Option<String>, u64, u32),
    failure: Failure<'_>,
) -> Result<(), Error> {
    if planted(Mutant::FailedPageEndsList) {
        return page(cx, open, count, &[], None);
    }
    let (why, pause) = match failure {
        Failure::NotDone(NotDone::RateLimited { .. } | NotDone::Denied) => {
            open.turn(cx, ListingEvent::Retry, ListingState::Listing { cursor, count, attempts });
            open.ask(cx, Duration(0));
            open.save(cx);
            return Ok(());
        }
        // Asking the same again cannot help; a cursor may be what is refused, so it begins anew.
        Failure::NotDone(NotDone::Refused { reason, .. }) => return restart(cx, open, attempts, reason),
        Failure::NotDone(NotDone::Split) => {
            return restart(cx, open, attempts, "the system refuses the request and does not say why");
        }
        Failure::NotDone(NotDone::Retry { after, cause }) => (cause, after),
        Failure::Unknown { cause } => (cause, None),
    };
    let attempts = attempts + 1;
    if attempts >= ALERT_AFTER_ATTEMPTS {
        show(cx, &open, why)?;
    }
    let usual = || backoff(attempts.into(), Duration::seconds(1), Duration::minutes(5), &open.name);
    let pause = pause.unwrap_or_default().max(usual());
    open.turn(cx, ListingEvent::Retry, ListingState::Listing { cursor, count, attempts });
    open.ask(cx, pause);
    open.save(cx);
    Ok(())
}

fn restart(cx: &mut Context<'_>, mut open: OpenListing, attempts: u32, why: &str) -> Result<(), Error> {
    show(cx, &open, why)?;
    let state = ListingState::Listing { cursor: None, count: 0, attempts: attempts + 1 };
    open.turn(cx, ListingEvent::Restart, state);
    open.ask(cx, REFUSED_AGAIN);
    open.save(cx);
    Ok(())
}

/// A listing does not come to its end: people are shown it, and it goes on being tried.
fn show(cx: &mut Context<'_>, open: &OpenListing, why: &str) -> Result<(), Error> {
    let entity = &open.row.entity;
    let sync = open.row.sync.as_deref().and_then(|sync| ActiveSync::named(cx, sync));
    let (rule, place) = sync
        .map_or_else(|| (format!("list {entity}"), String::new()), |sync| (sync.name.clone(), sync.place.to_string()));
    let incident = NewIncident {
        subject: Subject::Listing(open.name.clone()),
        rule,
        place,
        entity: entity.to_string(),
        cause: format!("its records cannot be listed: {why}"),
        advice: "what needs the list waits and goes on by itself once it can be read".to_owned(),
        parked: true,
        ..NewIncident::default()
    };
    incidents::open(cx, incident)
}

//! Takes a link one step further, from whatever is known now (SYNC-MODEL.md section 8).

use std::collections::BTreeSet;

use connectors::planted::{Mutant, planted};
use dsl::schema::EntityName;
use dsl::value::Timestamp;

use crate::decide::links::{matching, merge, own_key};
use crate::decide::model::link::LinkState;
use crate::decide::model::need::Blocked;
use crate::decide::model::record::Life;
use crate::decide::model::sides::BOTH;
use crate::decide::model::task::Task;
use crate::decide::records::expectations;
use crate::decide::store::links::{ActiveSync, OpenLink};
use crate::decide::store::transaction::Context;
use crate::decide::store::{links, records};
use crate::ids::LinkId;
use crate::ledger::Error;

/// A record changed: its links look again, and the links of records that link to it.
pub(crate) fn changed(cx: &mut Context<'_>, entity: &EntityName, id: &str) -> Result<(), Error> {
    for link in records::links_of(cx, entity, id)? {
        cx.task(Task::Link(link));
    }
    for link in records::links_to(cx, entity, id)? {
        cx.task(Task::Link(link));
    }
    Ok(())
}

/// A delivery speaks of a record: these syncs look at it, whether anything changed or not.
pub(crate) fn touched(
    cx: &mut Context<'_>,
    entity: &EntityName,
    id: &str,
    syncs: &BTreeSet<usize>,
) -> Result<(), Error> {
    // A late message of an id that was merged away is about the record that lives: the old id gets no pair of its own.
    let id = &expectations::living(cx, entity, id)?;
    for index in syncs {
        let sync = ActiveSync::at(cx, *index);
        if let Some(side) = records::side_of(&sync, entity) {
            let link = links::ensure(cx, &sync, side, id, false)?;
            cx.visited.insert(link, entity.clone());
        }
    }
    Ok(())
}

/// Takes a link one step further; called whenever something about it changed.
pub(crate) fn advance(cx: &mut Context<'_>, id: LinkId) -> Result<(), Error> {
    let Some(mut link) = OpenLink::open(cx, id)? else { return Ok(()) };
    if may_advance(cx, &link)? {
        if link.is_whole() {
            merge::merge(cx, &mut link)?;
        } else {
            match matching::find_partner(cx, &mut link) {
                Ok(()) => {}
                Err(Blocked::Need(need)) => link.wait_for(cx, &need)?,
                Err(Blocked::Fault(fault)) => link.park(cx, fault.to_string())?,
                Err(Blocked::Ledger(error)) => return Err(error),
            }
        }
    }
    link.save(cx);
    Ok(())
}

fn may_advance(cx: &mut Context<'_>, link: &OpenLink) -> Result<bool, Error> {
    if link.is_in_flight() || link.state == LinkState::Gone {
        return Ok(false);
    }
    for side in BOTH {
        if let Some(record) = &link.ids[side]
            && let Some(row) = cx.record(link.entity(side), record)?
            && !matches!(row.life, Life::Live)
            && !planted(Mutant::TombstoneIgnored)
        {
            // Existence has decided already; fields are not moved for what is gone.
            return Ok(false);
        }
    }
    // A pair is planned even while its next try waits; nothing is queued for it then.
    let waits = !link.is_whole() && link.tries.not_before.is_some_and(|at| at > cx.now);
    Ok(!waits && !own_key::is_being_read_back(cx, link)?)
}

/// The time of the next try has come, or a create in doubt cannot take effect any more.
pub(crate) fn retry(cx: &mut Context<'_>, id: LinkId) -> Result<(), Error> {
    let Some(mut link) = OpenLink::open(cx, id)? else { return Ok(()) };
    let is_due = |at: Timestamp| at <= cx.now;
    if link.tries.not_before.is_some_and(is_due) {
        link.tries.not_before = None;
        link.save(cx);
        cx.task(Task::Link(id));
    } else if link.attempted.as_ref().is_some_and(|attempted| is_due(attempted.until)) {
        cx.task(Task::Link(id));
    }
    Ok(())
}

//! Takes a link one step further, from whatever is known now (SYNC-MODEL.md section 8).

use std::collections::BTreeSet;

use dsl::program::Side;
use dsl::schema::EntityName;

use crate::decide::links::{matching, merge, own_key};
use crate::decide::model::key;
use crate::decide::model::link::LinkState;
use crate::decide::model::need::Blocked;
use crate::decide::model::record::Life;
use crate::decide::model::task::Task;
use crate::decide::model::work::Waiter;
use crate::decide::store::links::ActiveSync;
use crate::decide::store::transaction::Context;
use crate::decide::store::{links, reads, records};
use crate::ids::LinkId;
use crate::ledger::Error;

/// A record changed: its links look again, and the links of records that link to it.
pub(crate) fn changed(cx: &mut Context<'_>, entity: &EntityName, id: &str) -> Result<(), Error> {
    for link in records::links_of(cx, entity, id)? {
        cx.task(Task::Link(link));
    }
    for (_, (from, source)) in cx.scan(&key::backlinks(entity, id), usize::MAX)? {
        for link in records::links_of(cx, &from, &source)? {
            cx.task(Task::Link(link));
        }
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
    for index in syncs {
        let rule = ActiveSync { program: cx.program(), index: *index };
        if let Some(side) = records::side_of(&rule, entity) {
            let link = links::ensure(cx, &rule, side, id, false)?;
            cx.visited.insert(link, entity.clone());
        }
    }
    Ok(())
}

/// Takes a link one step further; called whenever something about it changed.
pub(crate) fn advance(cx: &mut Context<'_>, id: LinkId) -> Result<(), Error> {
    let Some(mut link) = cx.get(&key::link(id))? else { return Ok(()) };
    let Some(rule) = links::rule(cx, &link) else { return Ok(()) };
    if link.in_flight.iter().any(Option::is_some) || link.state == LinkState::Gone {
        return Ok(());
    }
    for side in [Side::Left, Side::Right] {
        if let Some(record) = link.id(side)
            && let Some(row) = cx.record(rule.entity(side), record)?
            && !matches!(row.life, Life::Live)
        {
            // Existence has decided already; fields are not moved for what is gone.
            return Ok(());
        }
    }
    if link.left.is_some() && link.right.is_some() {
        return merge::merge(cx, id, link, &rule);
    }
    if link.not_before.is_some_and(|at| at > cx.now) || own_key::is_read_back(cx, id, &link, &rule)? {
        return Ok(());
    }
    match matching::find_partner(cx, id, &mut link, &rule) {
        Ok(()) => {
            // `look` may have joined this link to another one and removed it.
            if cx.has(&key::link(id))? {
                links::store(cx, id, &link);
            }
            Ok(())
        }
        Err(Blocked::Need(need)) => {
            links::store(cx, id, &link);
            reads::need(cx, &need, Waiter::Link(id), rule.priority)
        }
        Err(Blocked::Fault(fault)) => {
            links::park(cx, id, &mut link, &rule, fault.to_string())?;
            links::store(cx, id, &link);
            Ok(())
        }
        Err(Blocked::Ledger(error)) => Err(error),
    }
}

//! What follows when a record is deleted, restored or merged (SYNC-MODEL.md sections 4 and 9).

use dsl::ast::{OnDelete, Priority};
use dsl::program::Side;
use dsl::schema::EntityName;

use crate::decide::model::key;
use crate::decide::model::lane::{Lane, LaneKind};
use crate::decide::model::link::{LinkRow, LinkState, slot};
use crate::decide::model::task::Task;
use crate::decide::model::work::Owner;
use crate::decide::store::links::ActiveSync;
use crate::decide::store::transaction::Context;
use crate::decide::store::{incidents, links, reads, records};
use crate::ids::LinkId;
use crate::ledger::Error;

/// A record was deleted outside: what becomes of its links.
pub(crate) fn deleted(cx: &mut Context<'_>, entity: &EntityName, id: &str, erased: bool) -> Result<(), Error> {
    for link in records::links_of(cx, entity, id)? {
        side_deleted(cx, link, entity, erased)?;
    }
    Ok(())
}

/// `gone` lives on as `into`: what becomes of its links.
pub(crate) fn merged(cx: &mut Context<'_>, entity: &EntityName, into: &str, gone: &str) -> Result<(), Error> {
    for (index, side) in cx.program().syncs_of(entity) {
        side_merged(cx, index, side, into, gone)?;
    }
    Ok(())
}

/// One side of a link was deleted outside.
fn side_deleted(cx: &mut Context<'_>, id: LinkId, entity: &EntityName, erased: bool) -> Result<(), Error> {
    let mut link = links::load(cx, id)?;
    let Some(rule) = links::rule(cx, &link) else { return Ok(()) };
    let Some(side) = records::side_of(&rule, entity) else { return Ok(()) };
    if matches!(link.state, LinkState::Gone) && !erased {
        return Ok(());
    }
    links::withdraw(cx, &mut link);
    let was_linked = link.id(side.other()).is_some();
    let system = &entity.system;
    if erased {
        link.base.clear();
        link.restores.clear();
        link.parked.clear();
        // A claim is a key by its value.
        links::release(cx, &mut link);
        link.state = LinkState::Gone;
        incidents::settle(cx, &format!("link {id}"))?;
        links::log(cx, id, &link, "erased", format!("{system} erased the record for privacy; nothing of it is kept"));
        links::store(cx, id, &link);
        return Ok(());
    }
    match rule.on_delete.get(&side).copied().unwrap_or(OnDelete::Keep) {
        OnDelete::Keep => {
            link.state = LinkState::Gone;
            links::log(cx, id, &link, "unlink", format!("deleted in {system}; the other record is left as it is"));
        }
        OnDelete::Review => {
            let why = format!("deleted in {system}: keep the other record, or archive it too?");
            links::park(cx, id, &mut link, &rule, why)?;
        }
        OnDelete::Archive if was_linked => {
            let other = side.other();
            let target = rule.entity(other);
            link.state = LinkState::Gone;
            let lane = Lane {
                system: target.system.clone(),
                bulk: false,
                kind: LaneKind::Delete { entity: target.entity.clone() },
            };
            let deadline = cx.now.plus(cx.settings.linger);
            let key = cx.queue(Owner::Link(id, other), lane, deadline, Priority::High);
            link.queued[slot(other)] = Some(key);
            links::log(cx, id, &link, "archive", format!("deleted in {system}, so archived in {}", target.system));
        }
        OnDelete::Archive => link.state = LinkState::Gone,
    }
    link.since = cx.now;
    links::store(cx, id, &link);
    Ok(())
}

/// A record came back: its link lives again with its old base.
pub(crate) fn restored(cx: &mut Context<'_>, entity: &EntityName, id: &str) -> Result<(), Error> {
    for link_id in records::links_of(cx, entity, id)? {
        let mut link = links::load(cx, link_id)?;
        if matches!(link.state, LinkState::Gone | LinkState::Parked(_)) {
            link.state =
                if link.left.is_some() && link.right.is_some() { LinkState::Linked } else { LinkState::Matching };
            link.since = cx.now;
            links::withdraw(cx, &mut link);
            incidents::settle(cx, &format!("link {link_id}"))?;
            links::store(cx, link_id, &link);
            cx.task(Task::Link(link_id));
        }
    }
    reads::refresh(cx, entity, id)
}

/// `gone` lives on as `into`: links follow; two links with records of their own wait for a person.
fn side_merged(cx: &mut Context<'_>, index: usize, side: Side, into: &str, gone: &str) -> Result<(), Error> {
    let rule = &ActiveSync { program: cx.program(), index };
    let old_key = key::link_of(&rule.name, side, gone);
    let Some(loser) = cx.get(&old_key)? else { return Ok(()) };
    let new_key = key::link_of(&rule.name, side, into);
    let mut link = links::load(cx, loser)?;
    match cx.get(&new_key)? {
        None => follow(cx, loser, link, side, into, gone),
        Some(winner) if winner == loser => {}
        Some(winner) => {
            let mut held = links::load(cx, winner)?;
            let in_flight = held.in_flight.iter().any(Option::is_some);
            if link.id(side.other()).is_some() && held.id(side.other()).is_none() && !in_flight {
                // Only one of them has a partner: that pair lives on.
                links::withdraw(cx, &mut held);
                links::release(cx, &mut held);
                held.state = LinkState::Gone;
                incidents::settle(cx, &format!("link {winner}"))?;
                links::store(cx, winner, &held);
                follow(cx, loser, link, side, into, gone);
                return Ok(());
            }
            links::withdraw(cx, &mut link);
            let paired = link.id(side.other()).is_some();
            if paired {
                let why = format!(
                    "{gone} was merged into {into} in {}, and both have a partner in {}",
                    rule.entity(side).system,
                    rule.entity(side.other()).system
                );
                links::park(cx, loser, &mut link, rule, why)?;
            } else {
                links::release(cx, &mut link);
                link.state = LinkState::Gone;
            }
            links::store(cx, loser, &link);
            cx.task(Task::Link(winner));
        }
    }
    Ok(())
}

/// A link takes the id that its record has from now on.
fn follow(cx: &mut Context<'_>, id: LinkId, mut link: LinkRow, side: Side, into: &str, gone: &str) {
    cx.delete(key::link_of(&link.sync, side, gone));
    link.set_id(side, Some(into.to_owned()));
    cx.put(key::link_of(&link.sync, side, into), &id);
    links::log(cx, id, &link, "merged", format!("{gone} was merged into {into}"));
    links::store(cx, id, &link);
    cx.task(Task::Link(id));
}

//! What follows when a record is deleted, restored or merged (SYNC-MODEL.md sections 4 and 9).

use connectors::planted::{Mutant, planted};
use dsl::ast::{OnDelete, Priority};
use dsl::program::Side;
use dsl::schema::EntityName;

use crate::decide::links::merge;
use crate::decide::model::event::Action;
use crate::decide::model::key;
use crate::decide::model::lane::{Lane, LaneKind};
use crate::decide::model::link::{LinkEvent, LinkState};
use crate::decide::model::record::Life;
use crate::decide::model::task::Task;
use crate::decide::records::expectations;
use crate::decide::store::links::{ActiveSync, OpenLink};
use crate::decide::store::transaction::Context;
use crate::decide::store::{reads, records};
use crate::ledger::Error;

/// A record was deleted outside: what becomes of its links.
pub(crate) fn deleted(cx: &mut Context<'_>, entity: &EntityName, id: &str, erased: bool) -> Result<(), Error> {
    for link in records::links_of(cx, entity, id)? {
        let Some(mut link) = OpenLink::existing(cx, link)? else { continue };
        let Some(side) = records::side_of(&link.sync, entity) else { continue };
        if erased {
            erase(cx, &mut link, side)?;
        } else if link.state != LinkState::Gone {
            link.withdraw(cx);
            for (mapping, owed) in std::mem::take(&mut link.restores) {
                merge::not_put_back(cx, &link, &mapping, &owed, "a record of the pair is deleted");
            }
            side_deleted(cx, &mut link, side)?;
        }
        link.save(cx);
    }
    Ok(())
}

/// Nothing of the record is kept, and a claim is a key by its value.
fn erase(cx: &mut Context<'_>, link: &mut OpenLink, side: Side) -> Result<(), Error> {
    link.withdraw(cx);
    if !planted(Mutant::ErasureKeepsBase) {
        link.base.clear();
    }
    link.restores.clear();
    link.parked.clear();
    link.let_go_all(cx);
    link.attempted = None;
    link.release(cx);
    let other = side.other();
    if let Some(partner) = link.ids[other].clone() {
        // What was sent to it came from what is erased.
        let (entity, partner) = (link.entity(other).clone(), expectations::living(cx, link.entity(other), &partner)?);
        expectations::disown(cx, &entity, &partner, link.id)?;
    }
    link.turn(cx, LinkEvent::End, LinkState::Gone);
    if planted(Mutant::ErasedIsMadeAgain) {
        link.ids[side] = None;
        link.turn(cx, LinkEvent::SearchAgain, LinkState::Matching);
        cx.task(Task::Link(link.id));
    }
    link.settle_incident(cx)?;
    let system = &link.entity(side).system;
    link.log(cx, Action::Erased, format!("{system} erased the record for privacy; nothing of it is kept"));
    Ok(())
}

/// As the sync's `on delete` says.
fn side_deleted(cx: &mut Context<'_>, link: &mut OpenLink, side: Side) -> Result<(), Error> {
    let system = link.entity(side).system.clone();
    match link.sync.on_delete.get(&side).copied().unwrap_or(OnDelete::Keep) {
        OnDelete::Keep => {
            link.turn(cx, LinkEvent::End, LinkState::Gone);
            link.log(cx, Action::Unlink, format!("deleted in {system}; the other record is left as it is"));
        }
        OnDelete::Review => {
            link.park(cx, format!("deleted in {system}: keep the other record, or archive it too?"))?;
        }
        OnDelete::Archive => {
            link.turn(cx, LinkEvent::End, LinkState::Gone);
            let other = side.other();
            if link.ids[other].is_some() {
                let target = link.entity(other).clone();
                let kind = LaneKind::Delete { entity: target.entity };
                let lane = Lane { system: target.system.clone(), bulk: false, kind };
                link.queue_in(cx, other, lane, cx.settings.linger, Priority::High);
                link.log(cx, Action::Archive, format!("deleted in {system}, so archived in {}", target.system));
            }
        }
    }
    Ok(())
}

/// A record came back: its link lives again with its old base.
pub(crate) fn restored(cx: &mut Context<'_>, entity: &EntityName, id: &str) -> Result<(), Error> {
    // It may be told of an id that was merged into another one since.
    let id = &expectations::living(cx, entity, id)?;
    for link in records::links_of(cx, entity, id)? {
        let Some(mut link) = OpenLink::existing(cx, link)? else { continue };
        let Some(side) = records::side_of(&link.sync, entity) else { continue };
        if matches!(link.state, LinkState::Gone | LinkState::Parked(_)) && !planted(Mutant::RestoreDoesNotRevive) {
            link.withdraw(cx);
            let (here, there) = (link.entity(side).system.clone(), link.entity(side.other()).system.clone());
            if let Some(Life::Deleted(_)) = life(cx, &link, side.other())? {
                let why = format!("restored in {here}, and deleted in {there}: restore it there too, or delete it?");
                link.park(cx, why)?;
            } else {
                revive(cx, &mut link);
                // Its lines are looked at as if for the first time: what waits for a person still is shown again.
                link.parked.clear();
                link.settle_incident(cx)?;
                cx.task(Task::Link(link.id));
                // What links to either record leads to this pair again.
                for side in [Side::Left, Side::Right] {
                    let Some(record) = link.ids[side].clone() else { continue };
                    for leading in records::links_to(cx, &link.entity(side).clone(), &record)? {
                        cx.task(Task::Link(leading));
                    }
                }
            }
        }
        link.save(cx);
    }
    // Its system links it again to what it was linked to, and tells nobody.
    for (from, source) in records::linking(cx, entity, id)? {
        reads::refresh(cx, &from, &source)?;
    }
    reads::refresh(cx, entity, id)
}

/// The life of one of its records, as far as it is known.
pub(crate) fn life(cx: &Context<'_>, link: &OpenLink, side: Side) -> Result<Option<Life>, Error> {
    let Some(record) = &link.ids[side] else { return Ok(None) };
    Ok(cx.record(link.entity(side), record)?.map(|row| row.life.clone()))
}

/// The link is looked at as if nobody had given it up.
pub(crate) fn revive(cx: &Context<'_>, link: &mut OpenLink) {
    if !link.is_whole() {
        link.turn(cx, LinkEvent::SearchAgain, LinkState::Matching);
    } else if link.state == LinkState::Gone {
        link.turn(cx, LinkEvent::Revive, LinkState::Linked);
    } else {
        link.turn(cx, LinkEvent::Merge, LinkState::Linked);
    }
}

/// `gone` lives on as `into`: what becomes of its links.
pub(crate) fn merged(cx: &mut Context<'_>, entity: &EntityName, into: &str, gone: &str) -> Result<(), Error> {
    for (index, side) in cx.program().syncs_of(entity) {
        let sync = ActiveSync::at(cx, index);
        let Some(loser) = cx.get(&key::link_of(&sync.name, side, gone))? else { continue };
        let Some(mut link) = OpenLink::existing(cx, loser)? else { continue };
        let winner = cx.get(&key::link_of(&sync.name, side, into))?;
        match winner.filter(|winner| *winner != loser) {
            Some(winner) => {
                if let Some(mut held) = OpenLink::existing(cx, winner)? {
                    both_linked(cx, &mut link, &mut held, side, (into, gone))?;
                    held.save(cx);
                }
            }
            None if winner.is_none() => follow(cx, &mut link, side, into, gone),
            None => {}
        }
        link.save(cx);
    }
    // The record that lives on may be gone already: that was told before the merge, when nothing hung on it.
    let erased = match cx.record(entity, into)?.as_deref() {
        Some(row) if row.life == Life::Erased => true,
        Some(row) if matches!(row.life, Life::Deleted(_)) => false,
        _ => return Ok(()),
    };
    cx.task(Task::Deleted { entity: entity.clone(), id: into.to_owned(), erased });
    Ok(())
}

/// Both records have a link: links follow; two links with records of their own wait for a person.
fn both_linked(
    cx: &mut Context<'_>,
    link: &mut OpenLink,
    held: &mut OpenLink,
    side: Side,
    (into, gone): (&str, &str),
) -> Result<(), Error> {
    let other = side.other();
    if link.state == LinkState::Gone {
        // What was over stays so.
        return Ok(());
    }
    let is_paired = link.ids[other].is_some();
    if is_paired && (held.ids[other].is_none() || held.state == LinkState::Gone) && !held.is_in_flight() {
        // Only one of them has a partner: that pair lives on.
        held.withdraw(cx);
        held.release(cx);
        held.turn(cx, LinkEvent::End, LinkState::Gone);
        held.settle_incident(cx)?;
        held.ids[side] = None;
        follow(cx, link, side, into, gone);
        return Ok(());
    }
    link.withdraw(cx);
    if is_paired && !planted(Mutant::MergeDropsPair) {
        let (here, there) = (&link.entity(side).system, &link.entity(other).system);
        let why = format!("{gone} was merged into {into} in {here}, and both have a partner in {there}");
        link.park(cx, why)?;
    } else {
        link.release(cx);
        link.turn(cx, LinkEvent::End, LinkState::Gone);
    }
    cx.task(Task::Link(held.id));
    Ok(())
}

/// A link takes the id that its record has from now on.
fn follow(cx: &mut Context<'_>, link: &mut OpenLink, side: Side, into: &str, gone: &str) {
    if planted(Mutant::MergeDoesNotFollow) {
        return;
    }
    cx.delete(key::link_of(&link.sync.name, side, gone));
    link.set_record(cx, side, into.to_owned());
    link.log(cx, Action::Merged, format!("{gone} was merged into {into}"));
    cx.task(Task::Link(link.id));
}

//! The search for the other side of a link: claims, keys, pairs (SYNC-MODEL.md section 8).
//!
//! Always true: one link per record and sync, one link per claimed key. A key that is taken joins or parks,
//! it never makes a second record. Search is never used: keys are found in the engine's index, by a point
//! read of a unique field, or in a whole listing.

use connectors::planted::{Mutant, planted};
use std::collections::BTreeSet;

use dsl::eval::Scope;
use dsl::program::Side;
use dsl::schema::EntityName;
use dsl::value::Value;

use crate::decide::links::own_key;
use crate::decide::model::event::Action;
use crate::decide::model::freshness::Freshness;
use crate::decide::model::key;
use crate::decide::model::lane::LaneKind;
use crate::decide::model::link::{LinkEvent, LinkState};
use crate::decide::model::need::Blocked;
use crate::decide::model::record::{FieldState, FieldValue, Life};
use crate::decide::model::sides::BOTH;
use crate::decide::model::task::Task;
use crate::decide::model::work::{TimerRow, Waiter};
use crate::decide::store::links::{OpenLink, PARTNER_TIMEOUT};
use crate::decide::store::scope::Variables;
use crate::decide::store::transaction::Context;
use crate::decide::store::{reads, records};
use crate::ids::LinkId;
use crate::ledger::Error;

/// What a look through the match keys comes to.
enum Search {
    /// The link is paired, joined or parked.
    Settled,
    /// No match key has a value.
    NoKey,
    /// There is no record with any of the keys.
    NotFound,
}

/// Looks for the record on the other side, or makes it.
pub(crate) fn find_partner(cx: &mut Context<'_>, link: &mut OpenLink) -> Result<(), Blocked> {
    let side = link.known_side();
    let other = side.other();
    if !link.passes_filter(cx)? {
        return Ok(settle(cx, link, LinkEvent::Exclude, LinkState::Excluded)?);
    }
    let record = link.record(side);
    if let Some(holder) = own_key::made_for(cx, &link.sync, side, &record)?
        && holder != link.id
    {
        if let Some(held) = OpenLink::existing(cx, holder)?
            && held.state == LinkState::Gone
            && !held.is_in_flight()
        {
            end_with(cx, link, held);
            return Ok(());
        }
        return join(cx, link, holder, "our own key");
    }
    match search(cx, link)? {
        Search::Settled => {}
        Search::NoKey => {
            if link.state != LinkState::WaitingForKey {
                settle(cx, link, LinkEvent::KeyMissing, LinkState::WaitingForKey)?;
                cx.arm(cx.now.plus(PARTNER_TIMEOUT), &TimerRow::Overdue(link.id))?;
            }
        }
        Search::NotFound if link.sync.create.contains(&other) => {
            settle(cx, link, LinkEvent::Create, LinkState::Creating(other))?;
            let entity = link.entity(other).entity.clone();
            link.queue(cx, other, LaneKind::Create { entity });
        }
        Search::NotFound => settle(cx, link, LinkEvent::NoPartner, LinkState::Alone)?,
    }
    Ok(())
}

/// Goes through the match keys: claims each value that the record has, and looks for the record that has it too.
fn search(cx: &mut Context<'_>, link: &mut OpenLink) -> Result<Search, Blocked> {
    let side = link.known_side();
    let mut search = Search::NoKey;
    for (number, (left, right)) in link.sync.keys.clone().iter().enumerate() {
        let (mine, theirs) = if side == Side::Left { (left, right) } else { (right, left) };
        let value = key_value(cx, link, mine)?;
        if value.is_empty() {
            // A key that is the other system's id is filled by the engine after a create.
            if theirs == "id" {
                search = Search::NotFound;
            }
            continue;
        }
        search = Search::NotFound;
        let claim = key::claim(&link.sync.name, number, &value);
        match cx.get(&claim)?.filter(|_| !planted(Mutant::NoClaim)) {
            Some(holder) if holder != link.id => {
                join(cx, link, holder, &format!("{mine} `{value}`"))?;
                return Ok(Search::Settled);
            }
            Some(_) => {}
            None => {
                cx.put(claim.clone(), &link.id);
                link.claims.insert(claim);
            }
        }
        if take(cx, link, mine, theirs, &value)? {
            return Ok(Search::Settled);
        }
    }
    Ok(search)
}

/// The claims of a pair follow its keys: what one of its records has is claimed as far as it is free, and what none has
/// any more is given back once both sides agree.
pub(crate) fn claim(cx: &mut Context<'_>, link: &mut OpenLink, agreed: bool) -> Result<(), Error> {
    let mut wanted = BTreeSet::new();
    for (number, (left, right)) in link.sync.keys.clone().iter().enumerate() {
        for (side, field) in [(Side::Left, left), (Side::Right, right)] {
            let record = link.record(side);
            let value = match cx.record(link.entity(side), &record)?.as_deref().and_then(|row| row.fields.get(field)) {
                _ if field == "id" => Value::Text(record),
                Some(FieldState { value: FieldValue::Is(value), .. }) => value.clone(),
                // What is not known says nothing of the key.
                _ => return Ok(()),
            };
            let value = records::normal(&link.sync.program, link.entity(side), field, &value);
            if !value.is_empty() {
                wanted.insert(key::claim(&link.sync.name, number, &value));
            }
        }
    }
    if link.claims == wanted {
        return Ok(());
    }
    for claim in wanted.difference(&link.claims.clone()) {
        if !cx.has(claim)? {
            cx.put(claim.clone(), &link.id);
            link.claims.insert(claim.clone());
        }
    }
    // The record of a create that comes late has its key.
    let may_come = link.attempted.as_ref().is_some_and(|attempted| attempted.until > cx.now);
    if agreed && !may_come {
        for claim in link.claims.difference(&wanted).cloned().collect::<Vec<_>>() {
            cx.delete(claim.clone());
            link.claims.remove(&claim);
        }
    }
    Ok(())
}

/// The value of a match key, in the domain in which keys are compared.
fn key_value(cx: &Context<'_>, link: &OpenLink, field: &str) -> Result<Value, Blocked> {
    let side = link.known_side();
    let vars = link.variables();
    let program = &link.sync.program;
    let scope = Variables { cx, program, vars: &vars, fresh: Freshness::Any, cacheable: false };
    let value = scope.field(if side == Side::Left { "left" } else { "right" }, &[], field)?;
    Ok(records::normal(program, link.entity(side), field, &value))
}

/// Pairs with the record that has this key, if there is one; true where that settled the link.
fn take(cx: &mut Context<'_>, link: &mut OpenLink, mine: &str, theirs: &str, value: &Value) -> Result<bool, Blocked> {
    let other = link.known_side().other();
    let found = reads::find(cx, link.entity(other), theirs, value, link.absence())?;
    match found.as_slice() {
        [] => return Ok(false),
        [one] => match cx.get(&key::link_of(&link.sync.name, other, one))? {
            Some(holder) if holder != link.id => join(cx, link, holder, &format!("{mine} `{value}`"))?,
            _ => pair(cx, link, other, one.clone())?,
        },
        [first, second, ..] => {
            let entity = link.entity(other);
            let why = format!("{theirs} `{value}` fits {} records: {first} and {second}", entity);
            link.park(cx, why)?;
        }
    }
    Ok(true)
}

/// The link is where it is without anybody's doing, so nobody needs to look.
fn settle(cx: &mut Context<'_>, link: &mut OpenLink, event: LinkEvent, state: LinkState) -> Result<(), Error> {
    if link.state != state {
        link.turn(cx, event, state);
        // That a system cannot be reached is shown until the record is made.
        if !(link.is_shown_unreachable() && matches!(link.state, LinkState::Creating(_))) {
            link.settle_incident(cx)?;
        }
    }
    Ok(())
}

/// The record was made for a pair that is over, or what was made for it was merged into this one: the pair learns of it
/// and stays over, and nothing else is made for the record.
fn end_with(cx: &mut Context<'_>, link: &mut OpenLink, mut over: OpenLink) {
    let side = link.known_side();
    let record = link.record(side);
    link.withdraw(cx);
    link.release(cx);
    link.remove(cx);
    over.set_record(cx, side, record);
    over.save(cx);
}

/// The key is taken: the holder takes our record if it has none, otherwise a person must look.
fn join(cx: &mut Context<'_>, link: &mut OpenLink, holder: LinkId, key: &str) -> Result<(), Blocked> {
    let side = link.known_side();
    let record = link.record(side);
    let Some(mut held) = OpenLink::existing(cx, holder)? else { return Ok(()) };
    let may_take = held.state != LinkState::Gone || held.is_in_flight();
    if held.ids[side].is_none() && may_take && !planted(Mutant::TakenKeyNeverJoins) {
        if held.is_in_flight() || matches!(held.state, LinkState::Creating(_)) {
            // It may be making the very record we hold; its answer wakes us.
            let (other, waiter) = (side.other(), Waiter::Link(link.id));
            cx.put(key::partner_wait(&link.sync.name, other, &held.record(other), waiter), &waiter);
            return Ok(());
        }
        link.withdraw(cx);
        link.release(cx);
        link.remove(cx);
        // What it may have made is the record that the holder has.
        if held.attempted.is_none() {
            held.attempted = link.attempted.clone();
        }
        pair(cx, &mut held, side, record)?;
        held.save(cx);
        return Ok(());
    }
    if held.ids[side].as_ref() == Some(&record) {
        link.remove(cx);
        cx.task(Task::Link(holder));
        return Ok(());
    }
    if held.state == LinkState::Gone {
        // The partner it had may find another one; what they agreed on means nothing to a new pair.
        held.release(cx);
        if let Some(partner) = held.ids[side.other()].clone() {
            cx.delete(key::link_of(&link.sync.name, side.other(), &partner));
            held.ids[side.other()] = None;
            held.base.clear();
        }
        held.save(cx);
        cx.task(Task::Link(link.id));
        return Ok(());
    }
    let why =
        format!("{key} belongs to {} already: two {} records want one partner", held.record(side), link.entity(side));
    Ok(link.park(cx, why)?)
}

/// The other side is found or made. One whose first side is gone by now only learns of it.
pub(crate) fn pair(cx: &mut Context<'_>, link: &mut OpenLink, side: Side, record: String) -> Result<(), Error> {
    link.set_record(cx, side, record);
    let first = link.record(side.other());
    let is_deleted =
        cx.record(link.entity(side.other()), &first)?.is_some_and(|row| matches!(row.life, Life::Deleted(_)));
    if link.state == LinkState::Gone || is_deleted {
        // A person is asked, or its deletion is looked at yet.
        return Ok(());
    }
    link.turn(cx, LinkEvent::Pair, LinkState::Linked);
    if link.tries.attempts == 1
        && let Some(attempted) = &mut link.attempted
    {
        // The only create in doubt is the one that made it.
        attempted.until = cx.now;
    }
    link.went_through();
    link.settle_incident(cx)?;
    link.log(cx, Action::Link, "the two records are the same thing");
    for side in BOTH {
        if let Some(record) = link.ids[side].clone() {
            reads::partner_found(cx, &link.sync.name, side, &record)?;
            // What links to it leads to this pair from now on, whatever pair it had before.
            let entity = link.entity(side).clone();
            for link in records::links_to(cx, &entity, &record)? {
                cx.task(Task::Link(link));
            }
        }
    }
    cx.task(Task::Link(link.id));
    Ok(())
}

/// A point read by our own key has found the record that a lost create made.
pub(crate) fn found_own(cx: &mut Context<'_>, entity: &EntityName, own_key: &str, record: &str) -> Result<(), Error> {
    let Some(id) = own_key::link_of(cx, own_key)? else { return Ok(()) };
    let Some(mut link) = OpenLink::open(cx, id)? else { return Ok(()) };
    let Some(side) = records::side_of(&link.sync, entity) else { return Ok(()) };
    if link.ids[side].is_none() {
        pair(cx, &mut link, side, record.to_owned())?;
        link.save(cx);
    }
    Ok(())
}

/// A link waited too long: people are shown it.
pub(crate) fn overdue(cx: &mut Context<'_>, id: LinkId) -> Result<(), Error> {
    let Some(link) = OpenLink::open(cx, id)? else { return Ok(()) };
    let is_tried = link.tries.not_before.is_some_and(|at| at > cx.now);
    let idle = !link.is_queued() && !link.is_in_flight() && !is_tried;
    let (cause, advice) = match &link.state {
        LinkState::WaitingForKey => {
            ("it has no value of its match key yet", "fill in the key; it is taken up by itself")
        }
        LinkState::Creating(_) if idle => {
            ("a record it links to has no partner yet", "it is taken up by itself when the partner comes")
        }
        _ => return Ok(()),
    };
    link.open_incident(cx, cause.to_owned(), advice)
}

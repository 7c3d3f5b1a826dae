//! The search for the other side of a link: claims, keys, pairs (SYNC-MODEL.md section 8).
//!
//! Always true: one link per record and sync, one link per claimed key. A key that is taken joins or parks,
//! it never makes a second record. Search is never used: keys are found in the engine's index, by a point
//! read of a unique field, or in a whole listing.

use dsl::program::Side;
use dsl::schema::EntityName;
use dsl::value::Timestamp;

use crate::decide::links::own_key;
use crate::decide::model::key;
use crate::decide::model::link::{LinkRow, LinkState};
use crate::decide::model::need::Blocked;
use crate::decide::model::task::Task;
use crate::decide::model::work::{TimerRow, Waiter};
use crate::decide::store::links::{ALERT_AFTER_ATTEMPTS, ActiveSync, PARTNER_TIMEOUT};
use crate::decide::store::scope::Variables;
use crate::decide::store::transaction::Context;
use crate::decide::store::{incidents, links, reads, records};
use crate::ids::LinkId;
use crate::ledger::Error;

pub(crate) fn find_partner(
    cx: &mut Context<'_>,
    id: LinkId,
    link: &mut LinkRow,
    rule: &ActiveSync,
) -> Result<(), Blocked> {
    let side = if link.left.is_some() { Side::Left } else { Side::Right };
    let other = side.other();
    if !links::passes_filter(cx, rule, link)? {
        settle(cx, id, link, LinkState::Excluded)?;
        return Ok(());
    }
    let record = link.id(side).cloned().unwrap_or_default();
    if let Some(holder) = own_key::made_for(cx, rule, side, &record)?
        && holder != id
    {
        return join(cx, id, link, rule, side, holder, "our own key");
    }
    let mut has_key = false;
    for (number, (left, right)) in rule.keys.iter().enumerate() {
        let (mine, theirs) = match side {
            Side::Left => (left, right),
            Side::Right => (right, left),
        };
        let value = {
            let vars = links::variables(rule, link);
            let scope =
                Variables { cx, program: &rule.program, vars: &vars, fresh: Timestamp(i64::MIN), cacheable: false };
            let name = if side == Side::Left { "left" } else { "right" };
            dsl::eval::Scope::field(&scope, name, &[], mine)?
        };
        let value = records::normal(&rule.program, rule.entity(side), mine, &value);
        if value.is_empty() {
            // A key that is the other system's id is filled by the engine after a create.
            has_key |= theirs == "id";
            continue;
        }
        has_key = true;
        let claim = key::claim(&rule.name, number, &value);
        match cx.get(&claim)? {
            Some(holder) if holder != id => {
                return join(cx, id, link, rule, side, holder, &format!("{mine} `{value}`"));
            }
            Some(_) => {}
            None => {
                cx.put(claim.clone(), &id);
                link.claims.insert(claim);
            }
        }
        let since = link.since;
        let found = match reads::find(cx, rule.entity(other), theirs, &value, since)? {
            Ok(found) => found,
            Err(need) => return Err(Blocked::Need(need)),
        };
        match found.as_slice() {
            [] => {}
            [one] => {
                if let Some(holder) = cx.get(&key::link_of(&rule.name, other, one))?
                    && holder != id
                {
                    return join(cx, id, link, rule, side, holder, &format!("{mine} `{value}`"));
                }
                pair(cx, id, link, rule, other, one.clone())?;
                return Ok(());
            }
            [first, second, ..] => {
                let why = format!("{} `{value}` fits {} records: {first} and {second}", theirs, rule.entity(other));
                links::park(cx, id, link, rule, why)?;
                return Ok(());
            }
        }
    }
    if !has_key {
        if link.state != LinkState::WaitingForKey {
            settle(cx, id, link, LinkState::WaitingForKey)?;
            cx.arm(cx.now.plus(PARTNER_TIMEOUT), &TimerRow::Overdue(id))?;
        }
        return Ok(());
    }
    if !rule.create.contains(&other) {
        settle(cx, id, link, LinkState::Alone)?;
        return Ok(());
    }
    if link.state != LinkState::Creating(other) {
        settle(cx, id, link, LinkState::Creating(other))?;
    }
    links::queue_create(cx, id, link, rule, other)?;
    Ok(())
}

fn settle(cx: &mut Context<'_>, id: LinkId, link: &mut LinkRow, state: LinkState) -> Result<(), Error> {
    if link.state != state {
        link.state = state;
        link.since = cx.now;
        // That a system cannot be reached is shown until the record is made.
        if link.attempts < ALERT_AFTER_ATTEMPTS || !matches!(link.state, LinkState::Creating(_)) {
            incidents::settle(cx, &format!("link {id}"))?;
        }
    }
    Ok(())
}

/// The key is taken: the holder takes our record if it has none, otherwise a person must look.
fn join(
    cx: &mut Context<'_>,
    id: LinkId,
    link: &mut LinkRow,
    rule: &ActiveSync,
    side: Side,
    holder: LinkId,
    key: &str,
) -> Result<(), Blocked> {
    let mut held = links::load(cx, holder)?;
    let record = link.id(side).cloned().unwrap_or_default();
    if held.id(side).is_none() && held.state != LinkState::Gone {
        if held.in_flight.iter().any(Option::is_some) || matches!(held.state, LinkState::Creating(_)) {
            // It may be making the very record we hold; its answer wakes us.
            cx.put(
                key::partner_wait(
                    &rule.name,
                    side.other(),
                    &held.id(side.other()).cloned().unwrap_or_default(),
                    Waiter::Link(id),
                ),
                &Waiter::Link(id),
            );
            return Ok(());
        }
        links::withdraw(cx, link);
        links::release(cx, link);
        cx.delete(key::link(id));
        cx.put(key::link_of(&rule.name, side, &record), &holder);
        pair_row(cx, holder, &mut held, rule, side, record)?;
        links::store(cx, holder, &held);
        return Ok(());
    }
    if held.id(side) == Some(&record) {
        cx.delete(key::link(id));
        cx.task(Task::Link(holder));
        return Ok(());
    }
    if held.state == LinkState::Gone {
        // The partner it had may find another one; what they agreed on means nothing to a new pair.
        links::release(cx, &mut held);
        if let Some(partner) = held.id(side.other()).cloned() {
            cx.delete(key::link_of(&rule.name, side.other(), &partner));
            held.set_id(side.other(), None);
            held.base.clear();
        }
        links::store(cx, holder, &held);
        cx.task(Task::Link(id));
        return Ok(());
    }
    let why = format!(
        "{key} belongs to {} already: two {} records want one partner",
        held.id(side).cloned().unwrap_or_default(),
        rule.entity(side)
    );
    links::park(cx, id, link, rule, why)?;
    Ok(())
}

/// The other side is found or made.
pub(crate) fn pair(
    cx: &mut Context<'_>,
    id: LinkId,
    link: &mut LinkRow,
    rule: &ActiveSync,
    side: Side,
    record: String,
) -> Result<(), Error> {
    pair_row(cx, id, link, rule, side, record)
}

fn pair_row(
    cx: &mut Context<'_>,
    id: LinkId,
    link: &mut LinkRow,
    rule: &ActiveSync,
    side: Side,
    record: String,
) -> Result<(), Error> {
    cx.put(key::link_of(&rule.name, side, &record), &id);
    link.set_id(side, Some(record));
    link.state = LinkState::Linked;
    link.since = cx.now;
    link.attempts = 0;
    link.not_before = None;
    incidents::settle(cx, &format!("link {id}"))?;
    links::log(cx, id, link, "link", "the two records are the same thing");
    for side in [Side::Left, Side::Right] {
        if let Some(record) = link.id(side).cloned() {
            reads::partner_found(cx, &rule.name, side, &record)?;
        }
    }
    cx.task(Task::Link(id));
    Ok(())
}

/// A point read by our own key has found the record that a lost create made.
pub(crate) fn found_own(cx: &mut Context<'_>, entity: &EntityName, value: &str, record: &str) -> Result<(), Error> {
    let ledger = cx.ledger()?;
    let Some(number) = value.strip_prefix(&format!("{ledger}-l")).and_then(|n| n.parse().ok()) else { return Ok(()) };
    let id = LinkId(number);
    let Some(mut link) = cx.get(&key::link(id))? else { return Ok(()) };
    let Some(rule) = links::rule(cx, &link) else { return Ok(()) };
    let Some(side) = records::side_of(&rule, entity) else { return Ok(()) };
    if link.id(side).is_none() {
        pair(cx, id, &mut link, &rule, side, record.to_owned())?;
        links::store(cx, id, &link);
    }
    Ok(())
}

/// A link waited too long: people are shown it.
pub(crate) fn overdue(cx: &mut Context<'_>, id: LinkId) -> Result<(), Error> {
    let Some(link) = cx.get(&key::link(id))? else { return Ok(()) };
    let Some(rule) = links::rule(cx, &link) else { return Ok(()) };
    let (cause, advice) = match &link.state {
        LinkState::WaitingForKey => {
            ("it has no value of its match key yet", "fill in the key; it is taken up by itself")
        }
        LinkState::Creating(_)
            if link.queued == [None, None] && link.in_flight == [None, None] && link.attempts == 0 =>
        {
            ("a record it links to has no partner yet", "it is taken up by itself when the partner comes")
        }
        _ => return Ok(()),
    };
    let side = if link.left.is_some() { Side::Left } else { Side::Right };
    let row = incidents::row(
        format!("link {id}"),
        &rule.name,
        rule.place.to_string(),
        rule.entity(side).to_string(),
        link.id(side).cloned().unwrap_or_default(),
        cause.to_owned(),
        advice,
        true,
        cx.now,
    );
    incidents::open_pair(cx, row, &rule.name, &link)
}

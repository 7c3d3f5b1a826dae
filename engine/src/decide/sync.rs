//! Three-way merge per field with a stored base (SYNC-MODEL.md section 3), and what is written from it.
//!
//! Always true: nothing is planned for a link while a write of it is in flight; a plan is made anew from
//! (base, left, right) when the lane opens, so what goes out is never older than what is known then.

mod answer;
mod archive;
mod covered;
mod held;
mod plan;
mod write;

use std::collections::BTreeMap;

use dsl::ast::Priority;
use dsl::program::Side;
use dsl::schema::EntityName;
use dsl::value::Duration;

use super::context::Context;
use super::identity::{self, Rule};
use super::reads;
use super::rows::{LinkRow, LinkState, Owner, Waiter, slot};
use super::{Event, Lane, LaneKind, incident};
use crate::ids::LinkId;
use crate::ledger::Error;

pub(super) use self::answer::{answered, found_own, is_read_back, made_for};
pub(super) use self::covered::covered;
pub(super) use self::held::{agreed, values};
pub(super) use self::plan::overwrites;
pub(super) use self::write::{input, sent};

/// How often a written value may come back as something else before the field waits for a person.
pub(super) const UNSTABLE: u8 = 2;

/// How often a write is tried before people are shown that it does not go through.
pub(super) const PATIENCE: u32 = 20;

/// Merges a link whose two records are known.
pub(super) fn merge(cx: &mut Context<'_>, id: LinkId, mut link: LinkRow, rule: &Rule) -> Result<(), Error> {
    if is_read_back(cx, id, &link, rule)? {
        return Ok(());
    }
    if let LinkState::Parked(_) = link.state {
        // Whatever parked it may have been mended; if not, it is parked again for the same cause.
        link.state = LinkState::Linked;
    }
    let plan = match plan::plan(cx, &link, rule)? {
        Ok(plan) => plan,
        Err(need) => {
            identity::store(cx, id, &link);
            return reads::need(cx, &need, Waiter::Link(id), rule.priority);
        }
    };
    if let Some(fault) = plan.fault {
        withdraw(cx, &mut link);
        park(cx, id, &mut link, rule, fault)?;
        identity::store(cx, id, &link);
        return Ok(());
    }
    for need in &plan.needs {
        reads::need(cx, need, Waiter::Link(id), rule.priority)?;
    }
    link.state = if plan.leave_out { LinkState::LeftOut } else { LinkState::Linked };
    if plan.leave_out {
        withdraw(cx, &mut link);
        went_through(&mut link);
        incident::settle(cx, &format!("link {id}"))?;
        identity::store(cx, id, &link);
        return Ok(());
    }
    let quiet = plan.writes.iter().all(Vec::is_empty);
    let doubted = link.attempts > 0;
    if quiet {
        // Whatever did not go through before has taken effect, or is not needed any more.
        went_through(&mut link);
    }
    for mapping in &plan.obsolete {
        link.restores.remove(mapping);
    }
    for (mapping, value) in plan.base {
        link.base.insert(mapping, value);
    }
    let mut parked: BTreeMap<String, String> = link
        .unstable
        .iter()
        .filter(|(_, n)| **n >= UNSTABLE)
        .filter_map(|(m, _)| link.parked.get_key_value(m))
        .map(|(m, w)| (m.clone(), w.clone()))
        .collect();
    parked.extend(plan.park.iter().cloned());
    if parked.is_empty() {
        // That a system cannot be reached is shown until a write has gone through.
        if link.attempts < PATIENCE {
            incident::settle(cx, &format!("link {id}"))?;
        }
    } else if link.parked != parked {
        let cause = parked.iter().map(|(m, why)| format!("{m}: {why}")).collect::<Vec<_>>().join("; ");
        open_incident(cx, id, &link, rule, cause, "settle it with `engine resolve`, or change one of the two values")?;
    }
    link.parked = parked;
    let waits = link.not_before.is_some_and(|at| at > cx.now);
    for side in [Side::Left, Side::Right] {
        if plan.writes[slot(side)].is_empty() {
            if let Some(key) = link.queued[slot(side)].take() {
                cx.delete(key);
            }
        } else if link.queued[slot(side)].is_none() && !waits {
            let entity = rule.entity(side);
            let lane = Lane {
                system: entity.system.clone(),
                bulk: link.bulk,
                kind: LaneKind::Update { entity: entity.entity.clone() },
            };
            let deadline = cx.now.plus(hold(cx, rule, link.bulk));
            link.queued[slot(side)] = Some(cx.queue(Owner::Link(id, side), lane, deadline, rule.priority));
        }
    }
    if link.queued == [None, None] && !waits {
        link.bulk = false;
    }
    identity::store(cx, id, &link);
    if quiet
        && link.parked.is_empty()
        && let Some(entity) = cx.looked.remove(&id)
    {
        let detail =
            if doubted { "what was in doubt has taken effect, or is not needed any more" } else { "both sides agree" };
        unchanged(cx, id, &link, rule, &entity, detail);
    }
    Ok(())
}

/// A record was looked at, and nothing had to be written.
fn unchanged(cx: &mut Context<'_>, id: LinkId, link: &LinkRow, rule: &Rule, entity: &EntityName, detail: &str) {
    cx.log(Event {
        at: cx.now,
        action: "unchanged".to_owned(),
        rule: rule.name.clone(),
        place: rule.place.to_string(),
        entity: entity.to_string(),
        left: link.left.clone(),
        right: link.right.clone(),
        subject: id.to_string(),
        detail: detail.to_owned(),
        ..Event::default()
    });
}

/// Nothing is left of the tries that did not succeed.
fn went_through(link: &mut LinkRow) {
    link.attempts = 0;
    link.not_before = None;
}

/// How long a write may wait for company: real-time work a moment, scheduled work longer.
fn hold(cx: &Context<'_>, rule: &Rule, bulk: bool) -> Duration {
    match (bulk, rule.priority) {
        (true, _) => cx.knobs.hold_bulk,
        (false, Priority::High) => cx.knobs.hold,
        (false, _) => Duration(cx.knobs.hold.0 * 3 / 2),
    }
}

/// Queues the making of the record on `side`.
pub(super) fn queue_create(
    cx: &mut Context<'_>,
    id: LinkId,
    link: &mut LinkRow,
    rule: &Rule,
    side: Side,
) -> Result<(), Error> {
    if link.queued[slot(side)].is_some() {
        return Ok(());
    }
    let entity = rule.entity(side);
    let lane = Lane {
        system: entity.system.clone(),
        bulk: link.bulk,
        kind: LaneKind::Create { entity: entity.entity.clone() },
    };
    let deadline = cx.now.plus(hold(cx, rule, link.bulk));
    link.queued[slot(side)] = Some(cx.queue(Owner::Link(id, side), lane, deadline, rule.priority));
    Ok(())
}

/// Takes back what is queued for a link.
pub(super) fn withdraw(cx: &mut Context<'_>, link: &mut LinkRow) {
    for key in link.queued.iter_mut().filter_map(Option::take) {
        cx.delete(key);
    }
}

/// The link waits for a person.
pub(super) fn park(
    cx: &mut Context<'_>,
    id: LinkId,
    link: &mut LinkRow,
    rule: &Rule,
    why: String,
) -> Result<(), Error> {
    open_incident(
        cx,
        id,
        link,
        rule,
        why.clone(),
        "mend the value or the rule; it is taken up by itself, or with `engine resolve`",
    )?;
    if !matches!(&link.state, LinkState::Parked(old) if *old == why) {
        link.since = cx.now;
    }
    link.state = LinkState::Parked(why);
    Ok(())
}

fn open_incident(
    cx: &mut Context<'_>,
    id: LinkId,
    link: &LinkRow,
    rule: &Rule,
    cause: String,
    advice: &str,
) -> Result<(), Error> {
    let side = if link.right.is_some() && link.left.is_none() { Side::Right } else { Side::Left };
    let row = incident::row(
        format!("link {id}"),
        &rule.name,
        rule.place.to_string(),
        rule.entity(side).to_string(),
        link.id(side).cloned().unwrap_or_default(),
        cause,
        advice,
        true,
        cx.now,
    );
    incident::open_pair(cx, row, &rule.name, link)
}

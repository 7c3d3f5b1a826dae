//! Three-way merge per field with a stored base (SYNC-MODEL.md section 3), and what is queued from it.
//!
//! Always true: nothing is planned for a link while a write of it is in flight; a plan is made anew from
//! (base, left, right) when the lane opens, so what goes out is never older than what is known then.

use std::collections::BTreeMap;

use crate::decide::links::matching;
use crate::decide::links::own_key;
use crate::decide::links::plan::{Plan, Verdict, plan};
use crate::decide::links::sides::{Resolution, field, side_value};
use crate::decide::model::event::{Action, Event};
use crate::decide::model::lane::LaneKind;
use crate::decide::model::link::{Attempted, LinkEvent, LinkState, Restore};
use crate::decide::model::need::{Blocked, Unmet};
use crate::decide::model::sides::BOTH;
use crate::decide::model::work::TimerRow;
use crate::decide::store::links::OpenLink;
use crate::decide::store::transaction::Context;
use crate::ledger::Error;

/// Merges a link whose two records are known.
pub(crate) fn merge(cx: &mut Context<'_>, link: &mut OpenLink) -> Result<(), Error> {
    found_again(cx, link)?;
    match plan(cx, link) {
        Ok(Verdict::Park(why)) => {
            link.withdraw(cx);
            link.park(cx, why)
        }
        Ok(Verdict::Exclude) => {
            link.withdraw(cx);
            link.turn(cx, LinkEvent::Exclude, LinkState::Excluded);
            link.went_through();
            link.settle_incident(cx)
        }
        Ok(Verdict::Merge(plan)) => carry_out(cx, link, *plan),
        Err(Unmet::Need(need)) => link.wait_for(cx, &need),
        Err(Unmet::Ledger(error)) => Err(error),
    }
}

/// A record was found of which nobody knew whether it was made: what was sent is its base, so that what people have
/// changed since, on either side, is merged and not written over.
fn found_again(cx: &mut Context<'_>, link: &mut OpenLink) -> Result<(), Error> {
    let Some(attempted) = link.attempted.clone() else { return Ok(()) };
    let side = attempted.side;
    // By our own key it is the one that was made. By another one it may be somebody else's: a line is known by its value.
    let ours = own_key::carries(&link.sync, link.entity(side));
    let mut unknown = BTreeMap::new();
    for (text, values) in attempted.values {
        let Some(mapping) = link.sync.fields.iter().find(|mapping| mapping.text == text && !mapping.on_create).cloned()
        else {
            continue;
        };
        let base = match side_value(cx, link, &mapping, side) {
            Ok(Resolution::Value(held)) if values.contains(&held.value) => Some(held.value),
            Ok(_) | Err(Blocked::Fault(_)) => values.last().filter(|_| ours).cloned(),
            Err(Blocked::Need(_)) => {
                unknown.insert(text, values);
                continue;
            }
            Err(Blocked::Ledger(error)) => return Err(error),
        };
        if let Some(base) = base {
            link.base.entry(text).or_insert(base);
        }
    }
    let kept = Attempted { side, values: unknown, until: attempted.until };
    link.attempted = (!kept.values.is_empty() || kept.until > cx.now).then_some(kept);
    Ok(())
}

fn carry_out(cx: &mut Context<'_>, link: &mut OpenLink, plan: Plan) -> Result<(), Error> {
    for need in &plan.needs {
        link.wait_for(cx, need)?;
    }
    if let Some(at) = plan.again {
        cx.arm(at, &TimerRow::Link(link.id))?;
    }
    link.turn(cx, LinkEvent::Merge, LinkState::Linked);
    let quiet = plan.writes.iter().all(Vec::is_empty);
    let doubted = link.tries.attempts > 0;
    if quiet {
        // Whatever did not go through before has taken effect, or is not needed any more.
        link.went_through();
    }
    for mapping in &plan.obsolete {
        if let Some(owed) = link.restores.remove(mapping) {
            not_put_back(cx, link, mapping, &owed, "somebody has changed the field since");
        }
    }
    for mapping in &plan.settled {
        link.let_go(cx, mapping)?;
    }
    for (mapping, line) in plan.hold {
        link.hold(cx, &mapping, line)?;
    }
    link.base.extend(plan.base);
    park_fields(cx, link, plan.park)?;
    let waits = link.tries.not_before.is_some_and(|at| at > cx.now);
    for side in BOTH {
        if plan.writes[side].is_empty() {
            link.withdraw_one(cx, side);
        } else if !waits {
            let entity = link.entity(side).entity.clone();
            link.queue(cx, side, LaneKind::Update { entity });
        }
    }
    matching::claim(cx, link, quiet)?;
    if !link.is_queued() && !waits {
        link.bulk = false;
    }
    if quiet
        && link.parked.is_empty()
        && let Some(entity) = cx.visited.remove(&link.id)
    {
        let detail =
            if doubted { "what was in doubt has taken effect, or is not needed any more" } else { "both sides agree" };
        let line = link.event(cx, Action::Unchanged);
        cx.log(Event { entity: entity.to_string(), detail: detail.to_owned(), ..line });
    }
    Ok(())
}

/// A value that was to be put back is not: history says why, and keeps it.
pub(crate) fn not_put_back(cx: &mut Context<'_>, link: &OpenLink, mapping: &str, owed: &Restore, why: &str) {
    let line = link.event(cx, Action::Unchanged);
    let Some(known) = link.sync.fields.iter().find(|known| known.text == *mapping) else { return };
    let Some(field) = field(known, owed.side) else { return };
    cx.log(Event {
        place: known.place.to_string(),
        entity: link.entity(owed.side).to_string(),
        field: Some(field),
        value: link.base.get(mapping).map(ToString::to_string),
        displaced: Some(owed.value.to_string()),
        detail: format!("a value that was written over before it was seen is not put back: {why}"),
        ..line
    });
}

/// Fields that wait for a person.
fn park_fields(cx: &mut Context<'_>, link: &mut OpenLink, planned: Vec<(String, String)>) -> Result<(), Error> {
    let parked: BTreeMap<String, String> = planned.into_iter().collect();
    if parked.is_empty() {
        // That a system cannot be reached is shown until a write has gone through.
        if !link.is_shown_unreachable() {
            link.settle_incident(cx)?;
        }
    } else if link.parked != parked {
        let cause = parked.iter().map(|(m, why)| format!("{m}: {why}")).collect::<Vec<_>>().join("; ");
        let advice = "settle it with `engine resolve`, or change one of the two values";
        link.open_incident(cx, cause, advice)?;
    }
    link.parked = parked;
    Ok(())
}

//! Three-way merge per field with a stored base (SYNC-MODEL.md section 3), and what is queued from it.
//!
//! Always true: nothing is planned for a link while a write of it is in flight; a plan is made anew from
//! (base, left, right) when the lane opens, so what goes out is never older than what is known then.

use std::collections::BTreeMap;

use crate::decide::links::plan::{Plan, Verdict, plan};
use crate::decide::model::event::{Action, Event};
use crate::decide::model::lane::LaneKind;
use crate::decide::model::link::{LinkEvent, LinkState};
use crate::decide::model::need::Unmet;
use crate::decide::model::sides::BOTH;
use crate::decide::store::links::OpenLink;
use crate::decide::store::transaction::Context;
use crate::ledger::Error;

/// Merges a link whose two records are known.
pub(crate) fn merge(cx: &mut Context<'_>, link: &mut OpenLink) -> Result<(), Error> {
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
        Ok(Verdict::Merge(plan)) => carry_out(cx, link, plan),
        Err(Unmet::Need(need)) => link.wait_for(cx, &need),
        Err(Unmet::Ledger(error)) => Err(error),
    }
}

fn carry_out(cx: &mut Context<'_>, link: &mut OpenLink, plan: Plan) -> Result<(), Error> {
    for need in &plan.needs {
        link.wait_for(cx, need)?;
    }
    link.turn(cx, LinkEvent::Merge, LinkState::Linked);
    let quiet = plan.writes.iter().all(Vec::is_empty);
    let doubted = link.tries.attempts > 0;
    if quiet {
        // Whatever did not go through before has taken effect, or is not needed any more.
        link.went_through();
    }
    for mapping in &plan.obsolete {
        link.restores.remove(mapping);
    }
    for mapping in &plan.settled {
        link.let_go(cx, mapping)?;
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

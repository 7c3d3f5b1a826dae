//! Three-way merge per field with a stored base (SYNC-MODEL.md section 3), and what is queued from it.
//!
//! Always true: nothing is planned for a link while a write of it is in flight; a plan is made anew from
//! (base, left, right) when the lane opens, so what goes out is never older than what is known then.

use std::collections::BTreeMap;

use dsl::program::Side;
use dsl::schema::EntityName;

use crate::decide::links::own_key::is_read_back;
use crate::decide::links::plan;
use crate::decide::model::event::Event;
use crate::decide::model::lane::{Lane, LaneKind};
use crate::decide::model::link::{LinkRow, LinkState, slot};
use crate::decide::model::work::{Owner, Waiter};
use crate::decide::store::links::{ALERT_AFTER_ATTEMPTS, ActiveSync, UNSTABLE_AFTER};
use crate::decide::store::transaction::Context;
use crate::decide::store::{incidents, links, reads};
use crate::ids::LinkId;
use crate::ledger::Error;

/// Merges a link whose two records are known.
pub(crate) fn merge(cx: &mut Context<'_>, id: LinkId, mut link: LinkRow, rule: &ActiveSync) -> Result<(), Error> {
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
            links::store(cx, id, &link);
            return reads::need(cx, &need, Waiter::Link(id), rule.priority);
        }
    };
    if let Some(fault) = plan.fault {
        links::withdraw(cx, &mut link);
        links::park(cx, id, &mut link, rule, fault)?;
        links::store(cx, id, &link);
        return Ok(());
    }
    for need in &plan.needs {
        reads::need(cx, need, Waiter::Link(id), rule.priority)?;
    }
    link.state = if plan.exclude { LinkState::Excluded } else { LinkState::Linked };
    if plan.exclude {
        links::withdraw(cx, &mut link);
        links::went_through(&mut link);
        incidents::settle(cx, &format!("link {id}"))?;
        links::store(cx, id, &link);
        return Ok(());
    }
    let quiet = plan.writes.iter().all(Vec::is_empty);
    let doubted = link.attempts > 0;
    if quiet {
        // Whatever did not go through before has taken effect, or is not needed any more.
        links::went_through(&mut link);
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
        .filter(|(_, n)| **n >= UNSTABLE_AFTER)
        .filter_map(|(m, _)| link.parked.get_key_value(m))
        .map(|(m, w)| (m.clone(), w.clone()))
        .collect();
    parked.extend(plan.park.iter().cloned());
    if parked.is_empty() {
        // That a system cannot be reached is shown until a write has gone through.
        if link.attempts < ALERT_AFTER_ATTEMPTS {
            incidents::settle(cx, &format!("link {id}"))?;
        }
    } else if link.parked != parked {
        let cause = parked.iter().map(|(m, why)| format!("{m}: {why}")).collect::<Vec<_>>().join("; ");
        links::open_incident(
            cx,
            id,
            &link,
            rule,
            cause,
            "settle it with `engine resolve`, or change one of the two values",
        )?;
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
            let deadline = cx.now.plus(links::linger(cx, rule, link.bulk));
            link.queued[slot(side)] = Some(cx.queue(Owner::Link(id, side), lane, deadline, rule.priority));
        }
    }
    if link.queued == [None, None] && !waits {
        link.bulk = false;
    }
    links::store(cx, id, &link);
    if quiet
        && link.parked.is_empty()
        && let Some(entity) = cx.visited.remove(&id)
    {
        let detail =
            if doubted { "what was in doubt has taken effect, or is not needed any more" } else { "both sides agree" };
        unchanged(cx, id, &link, rule, &entity, detail);
    }
    Ok(())
}

/// A record was looked at, and nothing had to be written.
fn unchanged(cx: &mut Context<'_>, id: LinkId, link: &LinkRow, rule: &ActiveSync, entity: &EntityName, detail: &str) {
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

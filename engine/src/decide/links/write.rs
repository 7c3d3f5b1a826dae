//! What is written, made at the moment at which a lane opens: never older than what is known then.

use connectors::port::{Input, LinkChange};
use dsl::program::Side;

use crate::decide::links::own_key;
use crate::decide::links::own_key::OWN_KEY;
use crate::decide::links::plan::{plan, writing};
use crate::decide::links::sides::{Resolution, side_value};
use crate::decide::model::event::Event;
use crate::decide::model::key;
use crate::decide::model::lane::{Lane, LaneKind};
use crate::decide::model::link::{LinkRow, LinkState, slot};
use crate::decide::model::need::{Blocked, Need, needs_partner};
use crate::decide::model::work::{TimerRow, Waiter};
use crate::decide::model::written::Written;
use crate::decide::store::links::{ActiveSync, PARTNER_TIMEOUT, park};
use crate::decide::store::transaction::Context;
use crate::decide::store::{links, reads};
use crate::ids::LinkId;
use crate::ledger::Error;

/// What a link sends, when its lane opens; `None` where nothing is left to send.
pub(crate) fn input(
    cx: &mut Context<'_>,
    id: LinkId,
    side: Side,
    lane: &Lane,
) -> Result<Option<(Input, Vec<Written>)>, Error> {
    let Some(mut link) = cx.get(&key::link(id))? else { return Ok(None) };
    let Some(rule) = links::rule(cx, &link) else { return Ok(None) };
    link.queued[slot(side)] = None;
    let key = format!("{}-{id}", cx.ledger()?);
    let made = match &lane.kind {
        LaneKind::Delete { .. } => {
            // A record that came back meanwhile is not archived any more.
            let owed = link.id(side).filter(|_| link.state == LinkState::Gone);
            let input = owed.map(|record| Input { key, id: Some(record.clone()), ..Input::default() });
            links::store(cx, id, &link);
            return Ok(input.map(|input| (input, Vec::new())));
        }
        LaneKind::Create { .. } if link.state == LinkState::Creating(side) => {
            compose(cx, &mut link, &rule, id, side, key)?
        }
        LaneKind::Update { .. } if link.id(side).is_some() && link.in_flight == [None, None] => {
            change(cx, id, &link, &rule, side, key)?
        }
        _ => Ok(None),
    };
    match made {
        Ok(made) => {
            links::store(cx, id, &link);
            Ok(made)
        }
        Err(need) => {
            links::store(cx, id, &link);
            if needs_partner(&need) {
                cx.arm(cx.now.plus(PARTNER_TIMEOUT), &TimerRow::Overdue(id))?;
            }
            reads::need(cx, &need, Waiter::Link(id), rule.priority)?;
            Ok(None)
        }
    }
}

type Made = Result<Option<(Input, Vec<Written>)>, Need>;

pub(crate) fn change(
    cx: &mut Context<'_>,
    id: LinkId,
    link: &LinkRow,
    rule: &ActiveSync,
    side: Side,
    key: String,
) -> Result<Made, Error> {
    let mut plan = match plan(cx, link, rule)? {
        Ok(plan) => plan,
        Err(need) => return Ok(Err(need)),
    };
    let writes = std::mem::take(&mut plan.writes[slot(side)]);
    if writes.is_empty() || plan.exclude || plan.fault.is_some() {
        return Ok(Ok(None));
    }
    let entity = rule.entity(side);
    let record = link.id(side).cloned().unwrap_or_default();
    let row = cx.record(entity, &record)?.unwrap_or_default();
    let number = cx.next()?;
    let mut input = Input { key: format!("{key}-u{number}"), id: Some(record), ..Input::default() };
    for write in &writes {
        if write.link {
            let now = row.links.get(&write.field).and_then(|l| l.id.clone());
            // Only links the engine made are ever removed.
            let ours = link.base.get(&write.mapping).is_some_and(|base| !base.is_empty());
            let add = write.value.as_text().map(str::to_owned);
            let to_one = entity.system != "crm" || ours;
            input.links.insert(write.field.clone(), LinkChange { remove: now.filter(|_| to_one && ours), add });
        } else {
            input
                .values
                .insert(write.field.clone(), dsl::decode::encode(&rule.program, entity, &write.field, &write.value));
        }
    }
    // Told with the write and not before: a value may come to be written over while the write is queued already.
    for (_, event) in plan.events.into_iter().filter(|(target, _)| *target == side) {
        cx.log(Event { subject: id.to_string(), ..event });
    }
    Ok(Ok(Some((input, writes))))
}

/// The whole new record for `side`.
pub(crate) fn compose(
    cx: &mut Context<'_>,
    link: &mut LinkRow,
    rule: &ActiveSync,
    id: LinkId,
    side: Side,
    key: String,
) -> Result<Made, Error> {
    let entity = rule.entity(side).clone();
    let source = side.other();
    let mut writes = Vec::new();
    let outcome = (|| -> Result<bool, Blocked> {
        if !links::passes_filter(cx, rule, link)? {
            return Ok(false);
        }
        for mapping in &rule.fields {
            if !mapping.direction.writes(side) {
                continue;
            }
            match side_value(cx, link, rule, mapping, source)? {
                Resolution::Value(held) if held.value.is_empty() => {}
                Resolution::Value(held) => writes.extend(writing(cx, link, rule, mapping, side, &held.value)?),
                Resolution::Keep => {}
                Resolution::Skip => return Ok(false),
            }
        }
        Ok(true)
    })();
    match outcome {
        Ok(true) => {}
        Ok(false) => {
            link.state = LinkState::Excluded;
            return Ok(Ok(None));
        }
        Err(Blocked::Need(need)) => {
            return Ok(Err(need));
        }
        Err(Blocked::Fault(fault)) => {
            park(cx, id, link, rule, fault.to_string())?;
            return Ok(Ok(None));
        }
        Err(Blocked::Ledger(error)) => return Err(error),
    }
    let mut input = Input { key: format!("{key}-n{}", link.creates), ..Input::default() };
    for write in &writes {
        if write.link {
            let add = write.value.as_text().map(str::to_owned);
            input.links.insert(write.field.clone(), LinkChange { remove: None, add });
        } else if !write.value.is_empty() {
            input
                .values
                .insert(write.field.clone(), dsl::decode::encode(&rule.program, &entity, &write.field, &write.value));
        }
    }
    // Records without a natural key carry our own, so that a create whose answer was lost can be found again.
    if own_key::own_key(rule, &entity) {
        input.values.insert(OWN_KEY.to_owned(), format!("{}-{id}", cx.ledger()?).into());
    }
    Ok(Ok(Some((input, writes))))
}

/// Marks a link's side as in flight.
pub(crate) fn sent(cx: &mut Context<'_>, id: LinkId, side: Side, call: crate::ids::CallId) -> Result<(), Error> {
    let mut link = links::load(cx, id)?;
    link.in_flight[slot(side)] = Some(call);
    links::store(cx, id, &link);
    Ok(())
}

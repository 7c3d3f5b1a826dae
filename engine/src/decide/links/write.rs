//! What is written, made at the moment at which a lane opens: never older than what is known then.

use std::collections::BTreeMap;

use connectors::planted::{Mutant, planted};
use connectors::port::{Input, LinkChange, Wire};
use dsl::decode::encode;
use dsl::program::Side;

use crate::decide::links::own_key::{self, OWN_KEY};
use crate::decide::links::plan::{Verdict, plan, writing};
use crate::decide::links::sides::{Resolution, side_value};
use crate::decide::model::canonical::Canonical;
use crate::decide::model::lane::{Lane, LaneKind};
use crate::decide::model::link::{LinkEvent, LinkState, WriteState};
use crate::decide::model::need::{Blocked, Unmet};
use crate::decide::model::task::Task;
use crate::decide::model::written::Written;
use crate::decide::records::expectations;
use crate::decide::store::links::OpenLink;
use crate::decide::store::transaction::Context;
use crate::decide::store::work::Composed;
use crate::ids::{CallId, LinkId};
use crate::ledger::Error;

/// What a link sends with `call`, when its lane opens; nothing where nothing is left to send.
pub(crate) fn compose(
    cx: &mut Context<'_>,
    id: LinkId,
    side: Side,
    lane: &Lane,
    call: CallId,
) -> Result<Option<Composed>, Error> {
    let Some(mut link) = OpenLink::open(cx, id)? else { return Ok(None) };
    link.writes[side] = WriteState::Idle;
    let composed = match &lane.kind {
        LaneKind::Delete { .. } => archive(cx, &link, side)?,
        LaneKind::Create { .. } if link.state == LinkState::Creating(side) => {
            waiting(cx, &mut link, |cx, link| create(cx, link, side))?
        }
        LaneKind::Update { .. } if link.ids[side].is_some() && !link.is_in_flight() => {
            waiting(cx, &mut link, |cx, link| update(cx, link, side))?
        }
        _ => None,
    };
    if composed.is_some() {
        link.writes[side] = WriteState::InFlight(call);
    }
    link.save(cx);
    Ok(composed)
}

/// Composes; where something must be known first the link waits for it, and sends nothing.
fn waiting(
    cx: &mut Context<'_>,
    link: &mut OpenLink,
    compose: impl FnOnce(&mut Context<'_>, &mut OpenLink) -> Result<Option<Composed>, Unmet>,
) -> Result<Option<Composed>, Error> {
    match compose(cx, link) {
        Ok(composed) => Ok(composed),
        Err(Unmet::Need(need)) => {
            link.wait_for_long(cx, &need)?;
            Ok(None)
        }
        Err(Unmet::Ledger(error)) => Err(error),
    }
}

/// A record that came back meanwhile is not archived any more.
fn archive(cx: &mut Context<'_>, link: &OpenLink, side: Side) -> Result<Option<Composed>, Error> {
    let key = own_key::of(cx, link.id)?;
    let owed = link.ids[side].clone().filter(|_| link.state == LinkState::Gone);
    Ok(owed
        .map(|record| Composed { input: Input { key, id: Some(record), ..Input::default() }, ..Composed::default() }))
}

/// What the plan of this moment writes on `side`.
fn update(cx: &mut Context<'_>, link: &mut OpenLink, side: Side) -> Result<Option<Composed>, Unmet> {
    let Verdict::Merge(mut plan) = plan(cx, link)? else { return Ok(None) };
    if !plan.hold.is_empty() {
        // The merge tells people.
        cx.task(Task::Link(link.id));
    }
    let writes = std::mem::take(&mut plan.writes[side]);
    if writes.is_empty() {
        return Ok(None);
    }
    let record = link.record(side);
    let key = format!("{}-u{}", own_key::of(cx, link.id)?, cx.next()?);
    let mut input = Input { key, id: Some(record.clone()), ..Input::default() };
    let row = cx.record(link.entity(side), &record)?.unwrap_or_default();
    for write in &writes {
        if write.link {
            let now = row.links.get(&write.field).and_then(|field| field.id.clone());
            // Only links the engine made are ever removed.
            let ours = link.base.get(&write.mapping).is_some_and(|base| !base.is_empty());
            let ours = (ours && !planted(Mutant::OldAssociationStays)) || planted(Mutant::PeoplesAssociationsRemoved);
            let change = LinkChange { remove: now.filter(|_| ours), add: target(write) };
            input.links.insert(write.field.clone(), change);
        } else {
            encoded(link, side, write, &mut input.values);
        }
    }
    // Told with the write and not before: a value may come to be written over while the write is queued already.
    for (_, event) in plan.events.into_iter().filter(|(target, _)| *target == side) {
        cx.log(event);
    }
    let entity = link.entity(side).clone();
    expectations::intend(cx, &entity, &record, link.id, &writes)?;
    Ok(Some(Composed { input, written: writes, ..Composed::default() }))
}

/// The whole new record for `side`.
fn create(cx: &mut Context<'_>, link: &mut OpenLink, side: Side) -> Result<Option<Composed>, Unmet> {
    let writes = match new_record(cx, link, side) {
        Ok(Some(writes)) => writes,
        Ok(None) => {
            link.turn(cx, LinkEvent::Exclude, LinkState::Excluded);
            return Ok(None);
        }
        Err(Blocked::Need(need)) => return Err(Unmet::Need(need)),
        Err(Blocked::Fault(fault)) => {
            link.park(cx, fault.to_string())?;
            return Ok(None);
        }
        Err(Blocked::Ledger(error)) => return Err(Unmet::Ledger(error)),
    };
    let own = own_key::of(cx, link.id)?;
    let mut input = Input { key: format!("{own}-n{}", link.creates), ..Input::default() };
    for write in &writes {
        if write.link {
            input.links.insert(write.field.clone(), LinkChange { remove: None, add: target(write) });
        } else if !write.value.is_empty() {
            encoded(link, side, write, &mut input.values);
        }
    }
    // Records without a natural key carry our own, so that a create whose answer was lost can be found again.
    if own_key::carries(&link.sync, link.entity(side)) {
        input.values.insert(OWN_KEY.to_owned(), own.into());
    }
    Ok(Some(Composed { input, written: writes, ..Composed::default() }))
}

/// What a new record holds; nothing where the filter or a line leaves it out.
fn new_record(cx: &Context<'_>, link: &OpenLink, side: Side) -> Result<Option<Vec<Written>>, Blocked> {
    if !link.passes_filter(cx)? {
        return Ok(None);
    }
    let mut writes = Vec::new();
    for mapping in link.sync.fields.iter().filter(|mapping| mapping.direction.writes(side)) {
        match side_value(cx, link, mapping, side.other())? {
            Resolution::Value(held) if held.value == Canonical::EMPTY => {}
            Resolution::Value(held) => {
                let refused = link.held(cx, &mapping.text)?;
                if refused.is_some_and(|line| line.side == side && line.value == held.value) {
                    continue;
                }
                // One in doubt may still take effect: of two with the same key the system makes one.
                let value = link.key_in_doubt(mapping, side, cx.now).map_or(&held.value, |(_, sent)| sent);
                writes.extend(writing(cx, link, mapping, side, value)?);
            }
            Resolution::Keep => {}
            Resolution::Skip => return Ok(None),
        }
    }
    Ok(Some(writes))
}

fn target(write: &Written) -> Option<String> {
    write.value.as_text().map(str::to_owned)
}

fn encoded(link: &OpenLink, side: Side, write: &Written, values: &mut BTreeMap<String, Wire>) {
    let wire = encode(&link.sync.program, link.entity(side), &write.field, &write.value);
    values.insert(write.field.clone(), wire);
}

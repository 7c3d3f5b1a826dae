//! What a merge leads to, decided from (base, left, right) of every line (SYNC-MODEL.md section 3).
//!
//! Always true: nothing is changed in here; where both sides changed, the line's policy decides, and the value that is
//! written over is told.

use dsl::eval::written;
use dsl::fault::Fault;
use dsl::program::{Direction, Mapping, MappingKind, Outcome, Policy, Side};
use dsl::schema::EntityName;
use dsl::value::Value;

use crate::decide::links::sides::{Resolution, SideValue, side_value};
use crate::decide::model::event::Event;
use crate::decide::model::link::{LinkRow, LinkState, Restore, slot};
use crate::decide::model::need::{Blocked, Need, needs_partner};
use crate::decide::model::record::{FieldValue, Planned};
use crate::decide::model::written::Written;
use crate::decide::store::links::{ActiveSync, UNSTABLE_AFTER};
use crate::decide::store::transaction::Context;
use crate::decide::store::{links, records};
use crate::ids::LinkId;
use crate::ledger::Error;

/// What a merge leads to.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) writes: [Vec<Written>; 2],
    pub(crate) base: Vec<(String, Value)>,
    pub(crate) park: Vec<(String, String)>,
    pub(crate) needs: Vec<Need>,
    pub(crate) events: Vec<(Side, Event)>,
    pub(crate) exclude: bool,
    pub(crate) fault: Option<String>,
    /// Values that need not be put back any more.
    pub(crate) obsolete: Vec<String>,
}

pub(crate) fn plan(cx: &Context<'_>, link: &LinkRow, rule: &ActiveSync) -> Result<Result<Plan, Need>, Error> {
    let mut plan = Plan::default();
    match links::passes_filter(cx, rule, link) {
        Ok(true) => {}
        Ok(false) => {
            plan.exclude = true;
            return Ok(Ok(plan));
        }
        Err(Blocked::Need(need)) => return Ok(Err(need)),
        Err(Blocked::Fault(fault)) => {
            plan.fault = Some(fault.to_string());
            return Ok(Ok(plan));
        }
        Err(Blocked::Ledger(error)) => return Err(error),
    }
    for mapping in &rule.fields {
        if mapping.on_create {
            continue;
        }
        match merge_field(cx, link, rule, mapping, &mut plan) {
            Ok(()) => {}
            Err(Blocked::Need(need)) if needs_partner(&need) => plan.needs.push(need),
            Err(Blocked::Need(need)) => return Ok(Err(need)),
            Err(Blocked::Fault(fault)) => {
                if mapping.on_empty == Outcome::Fail
                    || matches!(fault, Fault::Unspelled { .. })
                    || fault.to_string().contains("which no row of")
                {
                    plan.fault = Some(format!("{}: {fault}", mapping.text));
                    return Ok(Ok(plan));
                }
                plan.park.push((mapping.text.clone(), fault.to_string()));
            }
            Err(Blocked::Ledger(error)) => return Err(error),
        }
    }
    Ok(Ok(plan))
}

pub(crate) fn merge_field(
    cx: &Context<'_>,
    link: &LinkRow,
    rule: &ActiveSync,
    mapping: &Mapping,
    plan: &mut Plan,
) -> Result<(), Blocked> {
    if link.unstable.get(&mapping.text).is_some_and(|n| *n >= UNSTABLE_AFTER) {
        return Ok(());
    }
    let mut held = Vec::with_capacity(2);
    for side in [Side::Left, Side::Right] {
        match side_value(cx, link, rule, mapping, side)? {
            Resolution::Value(value) => held.push(value),
            Resolution::Keep => return Ok(()),
            Resolution::Skip => {
                plan.exclude = true;
                return Ok(());
            }
        }
    }
    let right = held.pop().expect("two sides were read");
    let left = held.pop().expect("two sides were read");
    let base = link.base.get(&mapping.text);
    if let Some(restore) = link.restores.get(&mapping.text) {
        if put_back(cx, mapping, base, &left, &right, restore)
            && let Some(write) = writing(cx, link, rule, mapping, restore.side, &restore.value)?
        {
            plan.writes[slot(restore.side)].push(Written { restore: true, ..write });
            return Ok(());
        }
        plan.obsolete.push(mapping.text.clone());
    }
    let target = match (mapping.direction, decide_field(cx, mapping, base, &left, &right)) {
        (_, Decision::Same(value)) => {
            if base != Some(&value) {
                plan.base.push((mapping.text.clone(), value));
            }
            return Ok(());
        }
        (_, Decision::Review) => {
            let why = format!(
                "both changed: `{}` in {}, `{}` in {}",
                left.value, rule.left.system, right.value, rule.right.system
            );
            plan.park.push((mapping.text.clone(), why));
            return Ok(());
        }
        (_, Decision::Write(side)) => side,
    };
    let (source, displaced) = match target {
        Side::Right => (&left, &right),
        Side::Left => (&right, &left),
    };
    let write = match writing(cx, link, rule, mapping, target, &source.value)? {
        Some(write) => write,
        None => return Ok(()),
    };
    let overwrites = match base {
        Some(base) => displaced.value != *base,
        None => !displaced.value.is_empty(),
    };
    if overwrites && !mapping.implicit {
        let action = match (mapping.direction, base) {
            (_, None) => "first link",
            (Direction::Both, Some(_)) => "conflict",
            (_, Some(_)) => "drift",
        };
        // History has this line when the lane opens and the value is written over.
        plan.events.push((
            target,
            Event {
                at: cx.now,
                action: action.to_owned(),
                rule: rule.name.clone(),
                place: mapping.place.to_string(),
                entity: rule.entity(target).to_string(),
                left: link.left.clone(),
                right: link.right.clone(),
                field: Some(write.field.clone()),
                subject: String::new(),
                value: Some(source.value.to_string()),
                displaced: Some(displaced.value.to_string()),
                detail: format!("{} is written over in {}", mapping.text, rule.entity(target).system),
            },
        ));
    }
    plan.writes[slot(target)].push(write);
    Ok(())
}

/// Is a covered value still to be put back? Not where somebody has changed that side since, and not where the other
/// side has changed since and wins.
fn put_back(
    cx: &Context<'_>,
    mapping: &Mapping,
    base: Option<&Value>,
    left: &SideValue,
    right: &SideValue,
    restore: &Restore,
) -> bool {
    let empty = Value::Empty;
    let agreed = base.unwrap_or(&empty);
    let (own, other) = if restore.side == Side::Left { (left, right) } else { (right, left) };
    if own.value != *agreed {
        return false;
    }
    if other.value == *agreed {
        return true;
    }
    let back = SideValue { value: restore.value.clone(), changed: Some(restore.at), before: None };
    let (left, right) = if restore.side == Side::Left { (&back, right) } else { (left, &back) };
    match decide_field(cx, mapping, base, left, right) {
        Decision::Write(side) => side != restore.side,
        // Both values must stand for a person to choose.
        Decision::Review => true,
        Decision::Same(_) => false,
    }
}

pub(crate) enum Decision {
    /// Nothing to write; this is the common value.
    Same(Value),
    /// Write the other side's value to this side.
    Write(Side),
    /// A person decides.
    Review,
}

pub(crate) fn decide_field(
    cx: &Context<'_>,
    mapping: &Mapping,
    base: Option<&Value>,
    left: &SideValue,
    right: &SideValue,
) -> Decision {
    if left.value == right.value {
        return Decision::Same(left.value.clone());
    }
    match mapping.direction {
        Direction::ToRight => return Decision::Write(Side::Right),
        Direction::ToLeft => return Decision::Write(Side::Left),
        Direction::Both => {}
    }
    let empty = Value::Empty;
    let base = base.unwrap_or(&empty);
    match (left.value != *base, right.value != *base) {
        (true, false) => Decision::Write(Side::Right),
        (false, true) => Decision::Write(Side::Left),
        // Both differ from the base; that neither does is impossible, since they differ from each other.
        _ => match mapping.policy {
            Policy::Wins(side) => Decision::Write(side.other()),
            Policy::Review => Decision::Review,
            Policy::Newest { tie } => Decision::Write(newest(cx, left, right).unwrap_or(tie).other()),
        },
    }
}

/// The side whose outside change is later; `None` where the order is unknown or inside the skew guard.
pub(crate) fn newest(cx: &Context<'_>, left: &SideValue, right: &SideValue) -> Option<Side> {
    let (l, r) = (left.changed?, right.changed?);
    let (later, side, before) = if l >= r { (l, Side::Left, left.before) } else { (r, Side::Right, right.before) };
    let earlier = l.min(r);
    // A change lies between two observations of its record: if the other side's time lies between too, the
    // order is unknown.
    let between = before.is_some_and(|before| earlier > before) && later.since(earlier).0 < cx.settings.clock_skew.0;
    if later.since(earlier).0 <= cx.settings.clock_skew.0 || between { None } else { Some(side) }
}

/// What is written to `side` so that it holds `value`; `None` where that side cannot hold it.
pub(crate) fn writing(
    cx: &Context<'_>,
    link: &LinkRow,
    rule: &ActiveSync,
    mapping: &Mapping,
    side: Side,
    value: &Value,
) -> Result<Option<Written>, Blocked> {
    let (field, raw, is_link) = match &mapping.kind {
        MappingKind::Field { left, right, .. } => {
            let field = if side == Side::Left { left } else { right };
            (field.clone(), written(&rule.program, rule, mapping, side, value).map_err(Blocked::Fault)?, false)
        }
        MappingKind::Computed { target, .. } => {
            (target.clone(), written(&rule.program, rule, mapping, side, value).map_err(Blocked::Fault)?, false)
        }
        MappingKind::Link { left, right, straight, .. } => {
            let path = if side == Side::Left { left } else { right };
            let Some(name) = path.last() else { return Ok(None) };
            let id = match value {
                Value::Text(pair) => {
                    let number: u64 = pair.trim_start_matches('l').parse().unwrap_or_default();
                    let row = links::load(cx, LinkId(number))?;
                    let via_side = if *straight == (side == Side::Left) { Side::Left } else { Side::Right };
                    row.id(via_side).cloned().map_or(Value::Empty, Value::Text)
                }
                _ => Value::Empty,
            };
            (name.clone(), id, true)
        }
    };
    if raw.is_empty() && !is_link {
        let optional = rule.program.field(rule.entity(side), &field).is_none_or(|f| f.optional);
        if !optional && mapping.direction == Direction::Both {
            return Ok(None);
        }
    }
    let seen = match link.id(side) {
        Some(record) => cx.record(rule.entity(side), record)?.and_then(|row| row.fields.get(&field).cloned()),
        None => None,
    };
    let known = Planned {
        at: seen.as_ref().map(|seen| seen.at),
        value: match seen.map(|seen| seen.value) {
            Some(FieldValue::Is(value)) => value,
            _ => Value::Empty,
        },
        base: link.base.get(&mapping.text).cloned(),
    };
    Ok(Some(Written {
        mapping: mapping.text.clone(),
        canonical: value.clone(),
        field,
        value: raw,
        link: is_link,
        known,
        restore: false,
    }))
}

/// Would the next write put another value into `field` on the side of `entity`? Then a change of it does not stand.
pub(crate) fn overwrites(cx: &Context<'_>, entity: &EntityName, id: &str, field: &str) -> Result<bool, Error> {
    for link_id in records::links_of(cx, entity, id)? {
        let link = links::load(cx, link_id)?;
        let Some(rule) = links::rule(cx, &link) else { continue };
        let Some(side) = records::side_of(&rule, entity) else { continue };
        if link.state != LinkState::Linked || link.left.is_none() || link.right.is_none() {
            continue;
        }
        if let Ok(plan) = plan(cx, &link, &rule)?
            && plan.writes[slot(side)].iter().any(|write| write.field == field)
        {
            return Ok(true);
        }
    }
    Ok(false)
}

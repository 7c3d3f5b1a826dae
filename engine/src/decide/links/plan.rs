//! What a merge leads to, decided from (base, left, right) of every line (SYNC-MODEL.md section 3).
//!
//! Always true: nothing is changed in here; where both sides changed, the line's policy decides, and the value that is
//! written over is told.

use connectors::planted::{Mutant, planted};
use dsl::eval::written;
use dsl::fault::Fault;
use dsl::program::{Direction, Mapping, MappingKind, Outcome, Policy, Side};
use dsl::schema::EntityName;
use dsl::value::{Duration, Timestamp, Value};

use crate::decide::links::oscillation;
use crate::decide::links::sides::{Resolution, SideValue, side_value};
use crate::decide::model::canonical::Canonical;
use crate::decide::model::event::{Action, Event};
use crate::decide::model::expectation::Planned;
use crate::decide::model::link::{HeldLine, LinkState, Restore};
use crate::decide::model::need::{Blocked, Need, Unmet, needs_partner};
use crate::decide::model::record::FieldValue;
use crate::decide::model::sides::Sides;
use crate::decide::model::written::Written;
use crate::decide::store::links::OpenLink;
use crate::decide::store::transaction::Context;
use crate::decide::store::{links, records};
use crate::ledger::Error;

/// What is to become of a link whose two records are known.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// The filter or a line leaves the record out.
    Exclude,
    /// Nothing can be moved before a person has looked: why.
    Park(String),
    Merge(Box<Plan>),
}

/// What a merge leads to.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// What is written on each side.
    pub(crate) writes: Sides<Vec<Written>>,
    /// On what both sides agree, by the mapping's text.
    pub(crate) base: Vec<(String, Canonical)>,
    /// Fields that wait for a person, by the mapping's text, with the reason.
    pub(crate) park: Vec<(String, String)>,
    /// Lines that go back and forth, by the mapping's text: they are parked, and are to be held.
    pub(crate) hold: Vec<(String, HeldLine)>,
    /// When a line can be written that has to wait for a time.
    pub(crate) again: Option<Timestamp>,
    /// Partners that lines wait for.
    pub(crate) needs: Vec<Need>,
    /// Lines of the history that are true once the side is written.
    pub(crate) events: Vec<(Side, Event)>,
    /// Values that need not be put back any more.
    pub(crate) obsolete: Vec<String>,
    /// Lines that were held and need no write any more.
    pub(crate) settled: Vec<String>,
}

/// What one line comes to.
enum Line {
    Planned,
    /// It leaves the whole record out.
    Skip,
}

/// Plans a link from what is known now.
pub(crate) fn plan(cx: &Context<'_>, link: &OpenLink) -> Result<Verdict, Unmet> {
    match link.passes_filter(cx) {
        Ok(true) => {}
        Ok(false) => return Ok(Verdict::Exclude),
        Err(Blocked::Need(need)) => return Err(Unmet::Need(need)),
        Err(Blocked::Fault(fault)) => return Ok(Verdict::Park(fault.to_string())),
        Err(Blocked::Ledger(error)) => return Err(Unmet::Ledger(error)),
    }
    let mut plan = Plan::default();
    let mut excluded = false;
    for mapping in link.sync.fields.iter().filter(|mapping| mapping.on_create) {
        // It is written with the record or never; that it was left out is told until a person has looked.
        if let Some(held) = link.held(cx, &mapping.text)? {
            plan.park.push((mapping.text.clone(), held.why));
        }
    }
    for mapping in link.sync.fields.iter().filter(|mapping| !mapping.on_create) {
        match merge_field(cx, link, mapping, &mut plan) {
            Ok(Line::Planned) => {}
            Ok(Line::Skip) => excluded = true,
            Err(Blocked::Need(need)) if needs_partner(&need) => plan.needs.push(need),
            Err(Blocked::Need(need)) => return Err(Unmet::Need(need)),
            Err(Blocked::Fault(fault)) if stops_record(mapping, &fault) => {
                return Ok(Verdict::Park(format!("{}: {fault}", mapping.text)));
            }
            Err(Blocked::Fault(fault)) => plan.park.push((mapping.text.clone(), fault.to_string())),
            Err(Blocked::Ledger(error)) => return Err(Unmet::Ledger(error)),
        }
    }
    Ok(if excluded { Verdict::Exclude } else { Verdict::Merge(Box::new(plan)) })
}

/// Does a fault of one line stop the whole record? Where the line says `else fail`, and where a choice lacks a
/// spelling, which a person mends in the rules.
fn stops_record(mapping: &Mapping, fault: &Fault) -> bool {
    mapping.on_empty == Outcome::Fail || matches!(fault, Fault::Unspelled { .. })
}

fn merge_field(cx: &Context<'_>, link: &OpenLink, mapping: &Mapping, plan: &mut Plan) -> Result<Line, Blocked> {
    let left = match side_value(cx, link, mapping, Side::Left)? {
        Resolution::Value(held) => held,
        Resolution::Keep => return Ok(Line::Planned),
        Resolution::Skip => return Ok(Line::Skip),
    };
    let right = match side_value(cx, link, mapping, Side::Right)? {
        Resolution::Value(held) => held,
        Resolution::Keep => return Ok(Line::Planned),
        Resolution::Skip => return Ok(Line::Skip),
    };
    let base = link.base.get(&mapping.text).or_else(|| planted(Mutant::BaseIsAppAtLink).then_some(&left.value));
    let held = link.held(cx, &mapping.text)?;
    if let Some(HeldLine { side, value, kept: Some(kept), why }) = &held {
        let (target, source) = if *side == Side::Left { (&left, &right) } else { (&right, &left) };
        if source.value == *value && target.value == *kept {
            plan.park.push((mapping.text.clone(), why.clone()));
            return Ok(Line::Planned);
        }
    }
    let refuses = |side: Side, value: &Canonical| {
        held.as_ref().is_some_and(|held| held.kept.is_none() && held.side == side && held.value == *value)
    };
    if let Some(restore) = link.restores.get(&mapping.text) {
        if !refuses(restore.side, &restore.value)
            && is_put_back(cx, mapping, base, (&left, &right), restore)
            && let Some(write) = writing(cx, link, mapping, restore.side, &restore.value)?
        {
            plan.writes[restore.side].push(Written { restore: true, ..write });
            return Ok(Line::Planned);
        }
        plan.obsolete.push(mapping.text.clone());
    }
    match decide_field(cx, mapping, base, &left, &right) {
        Decision::Same => {
            if base != Some(&left.value) {
                plan.base.push((mapping.text.clone(), left.value));
            }
            if held.is_some() {
                plan.settled.push(mapping.text.clone());
            }
        }
        Decision::Review if planted(Mutant::ReviewForgotten) => {}
        Decision::Review => {
            let (l, r) = (&link.sync.left.system, &link.sync.right.system);
            let why = format!("both changed: `{}` in {l}, `{}` in {r}", left.value, right.value);
            plan.park.push((mapping.text.clone(), why));
        }
        Decision::Write(side) => {
            let (target, source) = if side == Side::Left { (&left, &right) } else { (&right, &left) };
            if let Some((until, _)) =
                link.key_in_doubt(mapping, side, cx.now).filter(|(_, sent)| **sent == target.value)
            {
                // The record keeps the key of a create that may still take effect, so that there is no second one.
                plan.again = Some(until);
            } else if refuses(side, &source.value) {
                let why = held.map(|held| held.why).unwrap_or_default();
                plan.park.push((mapping.text.clone(), why));
            } else if oscillation::goes_on(cx, link, mapping, side, &source.value)? {
                let (system, kept) = (&link.entity(side).system, &target.value);
                let why = format!("`{}` does not stand in {system}: it becomes `{kept}` each time", source.value);
                plan.park.push((mapping.text.clone(), why.clone()));
                let line = HeldLine { side, value: source.value.clone(), kept: Some(kept.clone()), why };
                plan.hold.push((mapping.text.clone(), line));
            } else {
                write_field(cx, link, mapping, side, (source, target), plan)?;
            }
        }
    }
    Ok(Line::Planned)
}

/// Plans a write of what one side holds to the other one, where something else stands.
fn write_field(
    cx: &Context<'_>,
    link: &OpenLink,
    mapping: &Mapping,
    target: Side,
    (source, displaced): (&SideValue, &SideValue),
    plan: &mut Plan,
) -> Result<(), Blocked> {
    let Some(write) = writing(cx, link, mapping, target, &source.value)? else {
        return not_followed(cx, link, mapping, target, (source, displaced), plan);
    };
    let base = link.base.get(&mapping.text);
    let overwrites = match base {
        Some(base) => displaced.value != *base,
        None => !displaced.value.is_empty(),
    };
    if overwrites && !mapping.implicit && !planted(Mutant::LoserNotTold) {
        let action = match (mapping.direction, base) {
            (_, None) => Action::FirstLink,
            (Direction::Both, Some(_)) => Action::Conflict,
            (_, Some(_)) => Action::Drift,
        };
        // History has this line when the lane opens and the value is written over.
        let line = Event {
            place: mapping.place.to_string(),
            entity: link.entity(target).to_string(),
            field: Some(write.field.clone()),
            value: Some(source.value.to_string()),
            displaced: Some(displaced.value.to_string()),
            detail: format!("{} is written over in {}", mapping.text, link.entity(target).system),
            ..link.event(cx, action)
        };
        plan.events.push((target, line));
    }
    plan.writes[target].push(write);
    Ok(())
}

/// A side was cleared, and the other one cannot hold that: where the other one wins, its value is put back; otherwise a
/// person is shown that the two differ.
fn not_followed(
    cx: &Context<'_>,
    link: &OpenLink,
    mapping: &Mapping,
    target: Side,
    (cleared, standing): (&SideValue, &SideValue),
    plan: &mut Plan,
) -> Result<(), Blocked> {
    if !cleared.value.is_empty() || standing.value.is_empty() {
        // The line was another one when this was agreed on.
        return Ok(());
    }
    if mapping.policy == Policy::Wins(target) {
        return write_field(cx, link, mapping, target.other(), (standing, cleared), plan);
    }
    let (target, source) = (link.entity(target), &link.entity(target.other()).system);
    let why = format!("{source} has no value any more, and {target} cannot be without: it keeps `{}`", standing.value);
    plan.park.push((mapping.text.clone(), why));
    Ok(())
}

/// Is an overwritten value still to be put back? Not where somebody has changed that side since, and not where the
/// other side has changed since and wins.
fn is_put_back(
    cx: &Context<'_>,
    mapping: &Mapping,
    base: Option<&Canonical>,
    (left, right): (&SideValue, &SideValue),
    restore: &Restore,
) -> bool {
    if planted(Mutant::RestoreWhateverCame) {
        return true;
    }
    let agreed = base.unwrap_or(&Canonical::EMPTY);
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
        Decision::Same => false,
    }
}

/// What becomes of one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Decision {
    /// Nothing to write: both sides hold the same.
    Same,
    /// Write the other side's value to this side.
    Write(Side),
    /// A person decides.
    Review,
}

fn decide_field(
    cx: &Context<'_>,
    mapping: &Mapping,
    base: Option<&Canonical>,
    left: &SideValue,
    right: &SideValue,
) -> Decision {
    if left.value == right.value {
        return Decision::Same;
    }
    if let Some(target) = mapping.direction.target() {
        let source = if target == Side::Left { right } else { left };
        if planted(Mutant::DriftStays) && base == Some(&source.value) {
            return Decision::Same;
        }
        return Decision::Write(target);
    }
    let base = base.filter(|_| !planted(Mutant::NoBase)).unwrap_or(&Canonical::EMPTY);
    match (left.value != *base, right.value != *base) {
        (true, false) => Decision::Write(Side::Right),
        (false, true) => Decision::Write(Side::Left),
        // Both differ from the base; that neither does is impossible, since they differ from each other.
        _ => match mapping.policy {
            Policy::Wins(side) if planted(Mutant::LoserWins) => Decision::Write(side),
            Policy::Wins(side) => Decision::Write(side.other()),
            Policy::Review => Decision::Review,
            Policy::Newest { tie } => Decision::Write(newest(cx, left, right).unwrap_or(tie).other()),
        },
    }
}

/// The side whose outside change is later; `None` where the order is unknown or inside the skew guard. Of a change that
/// may lie anywhere in a span, all of it must be later.
pub(crate) fn newest(cx: &Context<'_>, left: &SideValue, right: &SideValue) -> Option<Side> {
    let (left, right) = (left.span()?, right.span()?);
    let skew = if planted(Mutant::NoSkewGuard) { Duration(0) } else { cx.settings.clock_skew };
    let is_later = |one: (Timestamp, Timestamp), other: (Timestamp, Timestamp)| one.0.since(other.1) > skew;
    let side = if is_later(left, right) {
        Side::Left
    } else if is_later(right, left) {
        Side::Right
    } else {
        return None;
    };
    Some(if planted(Mutant::OlderWins) { side.other() } else { side })
}

/// What is written to `side` so that it holds `value`; `None` where that side cannot hold it.
pub(crate) fn writing(
    cx: &Context<'_>,
    link: &OpenLink,
    mapping: &Mapping,
    side: Side,
    value: &Canonical,
) -> Result<Option<Written>, Blocked> {
    let sync = &link.sync;
    let (field, raw, is_link) = match (&mapping.kind, value) {
        (MappingKind::Field { left, right, .. }, Canonical::Value(value)) => {
            let field = if side == Side::Left { left } else { right };
            (field.clone(), written(&sync.program, sync, mapping, side, value)?, false)
        }
        (MappingKind::Computed { target, .. }, Canonical::Value(value)) => {
            (target.clone(), written(&sync.program, sync, mapping, side, value)?, false)
        }
        // A field never holds a link: the line was another one when this was agreed on.
        (MappingKind::Field { .. } | MappingKind::Computed { .. }, _) => return Ok(None),
        (MappingKind::Link { left, right, straight, .. }, value) => {
            let path = if side == Side::Left { left } else { right };
            let Some(name) = path.last() else { return Ok(None) };
            let via_side = if *straight == (side == Side::Left) { Side::Left } else { Side::Right };
            let target = match value {
                Canonical::Pair(pair) => links::existing_row(cx, *pair)?.ids[via_side].clone(),
                Canonical::Value(_) | Canonical::Unpaired => None,
            };
            (name.clone(), target.map_or(Value::Empty, Value::Text), true)
        }
    };
    if raw.is_empty() && !is_link {
        let optional = sync.program.field(link.entity(side), &field).is_none_or(|f| f.optional);
        if planted(Mutant::EmptyNotWritten) || (!optional && mapping.direction == Direction::Both) {
            return Ok(None);
        }
    }
    Ok(Some(Written {
        mapping: mapping.text.clone(),
        canonical: value.clone(),
        known: known(cx, link, mapping, side, &field)?,
        field,
        value: raw,
        link: is_link,
        restore: false,
    }))
}

/// What is known of a field when a write of it is planned.
fn known(cx: &Context<'_>, link: &OpenLink, mapping: &Mapping, side: Side, field: &str) -> Result<Planned, Error> {
    let row = match &link.ids[side] {
        Some(record) => cx.record(link.entity(side), record)?,
        None => None,
    };
    let seen = row.as_ref().and_then(|row| row.fields.get(field));
    Ok(Planned {
        at: seen.map(|seen| seen.at),
        value: match seen.map(|seen| &seen.value) {
            Some(FieldValue::Is(value)) => value.clone(),
            Some(FieldValue::Malformed(_)) | None => Value::Empty,
        },
        base: link.base.get(&mapping.text).cloned(),
    })
}

/// Would the next write put another value into `field` on the side of `entity`? Then a change of it does not stand.
pub(crate) fn overwrites(cx: &Context<'_>, entity: &EntityName, id: &str, field: &str) -> Result<bool, Error> {
    for id in records::links_of(cx, entity, id)? {
        let Some(link) = OpenLink::existing(cx, id)? else { continue };
        let Some(side) = records::side_of(&link.sync, entity) else { continue };
        if link.state != LinkState::Linked || !link.is_whole() {
            continue;
        }
        match plan(cx, &link) {
            Ok(Verdict::Merge(plan)) if plan.writes[side].iter().any(|write| write.field == field) => return Ok(true),
            Ok(_) | Err(Unmet::Need(_)) => {}
            Err(Unmet::Ledger(error)) => return Err(error),
        }
    }
    Ok(false)
}

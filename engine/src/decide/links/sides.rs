//! One side's value of a line, in the domain in which the two sides compare.
//!
//! Always true: what is not known is a need, never an empty value; a value that cannot be understood is a fault.

use std::collections::BTreeMap;

use connectors::planted::{Mutant, planted};
use dsl::eval::{Interrupt, canonical, eval};
use dsl::fault::Fault;
use dsl::program::{Direction, Mapping, MappingKind, Outcome, Side};
use dsl::schema::EntityName;
use dsl::value::{Timestamp, Value};

use crate::decide::model::canonical::Canonical;
use crate::decide::model::freshness::Freshness;
use crate::decide::model::key;
use crate::decide::model::need::{Blocked, Need, needs_partner};
use crate::decide::model::record::{FieldValue, Life};
use crate::decide::records::expectations;
use crate::decide::store::links::{ActiveSync, OpenLink};
use crate::decide::store::scope::Variables;
use crate::decide::store::transaction::Context;
use crate::decide::store::{links, reads, records};
use crate::ids::LinkId;
use crate::ledger::Error;

/// One side's value of a mapping.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct SideValue {
    pub(crate) value: Canonical,
    /// When it changed, as far as it is known.
    pub(crate) changed: Option<Timestamp>,
    /// Where that is not exact, the time after which it changed.
    pub(crate) before: Option<Timestamp>,
}

impl SideValue {
    /// A value of which nobody knows when it changed.
    fn undated(value: Canonical) -> Self {
        Self { value, changed: None, before: None }
    }

    /// The first and the last time at which it can have changed; nothing where nobody knows.
    pub(crate) fn span(&self) -> Option<(Timestamp, Timestamp)> {
        let last = self.changed?;
        Some((self.before.map_or(last, |before| before.min(last)), last))
    }
}

/// What a side says of a line.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Resolution {
    Value(SideValue),
    /// The line says: leave the target alone.
    Keep,
    /// The line says: leave the record out.
    Skip,
}

/// The values on which both sides of a pair agree, by the mapping's text.
pub(crate) fn agreed(cx: &Context<'_>, link: &OpenLink) -> Result<BTreeMap<String, Canonical>, Error> {
    let mut base = BTreeMap::new();
    for mapping in link.sync.fields.iter().filter(|mapping| !mapping.on_create) {
        let left = known(side_value(cx, link, mapping, Side::Left))?;
        let right = known(side_value(cx, link, mapping, Side::Right))?;
        // What is not known, not understood or not the same has no base: it is as at a first link.
        if let (Some(left), Some(right)) = (left, right)
            && left == right
        {
            base.insert(mapping.text.clone(), left);
        }
    }
    Ok(base)
}

/// What one side holds of each mapping, as far as it is known.
pub(crate) fn values(cx: &Context<'_>, link: &OpenLink, side: Side) -> Result<Vec<(String, Canonical)>, Error> {
    let mut values = Vec::new();
    for mapping in &link.sync.fields {
        if let Some(value) = known(side_value(cx, link, mapping, side))? {
            values.push((mapping.text.clone(), value));
        }
    }
    Ok(values)
}

fn known(resolution: Result<Resolution, Blocked>) -> Result<Option<Canonical>, Error> {
    match resolution {
        Ok(Resolution::Value(held)) => Ok(Some(held.value)),
        Err(Blocked::Ledger(error)) => Err(error),
        Ok(Resolution::Keep | Resolution::Skip) | Err(Blocked::Need(_) | Blocked::Fault(_)) => Ok(None),
    }
}

/// A side's value in the domain in which the two sides compare, in the form in which both keep it.
///
/// # Errors
/// Where the value cannot be transformed or is of another type.
pub(crate) fn comparable(sync: &ActiveSync, mapping: &Mapping, side: Side, value: &Value) -> Result<Value, Fault> {
    let value = canonical(&sync.program, sync, mapping, side, value)?;
    Ok(records::kept_by_both(&sync.program, sync, mapping, value))
}

fn source_of(mapping: &Mapping) -> Option<Side> {
    match mapping.direction {
        Direction::Both => None,
        Direction::ToRight => Some(Side::Left),
        Direction::ToLeft => Some(Side::Right),
    }
}

/// The field that a line writes or compares on a side; nothing where it compares an association, or computes the side.
pub(crate) fn field(mapping: &Mapping, side: Side) -> Option<String> {
    match &mapping.kind {
        MappingKind::Field { left, .. } if side == Side::Left => Some(left.clone()),
        MappingKind::Field { right, .. } => Some(right.clone()),
        MappingKind::Computed { target, .. } if mapping.direction.writes(side) => Some(target.clone()),
        MappingKind::Computed { .. } | MappingKind::Link { .. } => None,
    }
}

/// What a side holds of a line.
pub(crate) fn side_value(
    cx: &Context<'_>,
    link: &OpenLink,
    mapping: &Mapping,
    side: Side,
) -> Result<Resolution, Blocked> {
    let is_source = source_of(mapping) == Some(side);
    let sync = &link.sync;
    let held = match &mapping.kind {
        MappingKind::Field { left, right, .. } => {
            field_value(cx, link, mapping, side, if side == Side::Left { left } else { right })?
        }
        MappingKind::Computed { source, .. } if is_source => {
            let vars = link.variables();
            let scope = Variables { cx, program: &sync.program, vars: &vars, fresh: Freshness::Any, cacheable: false };
            let value = match eval(&sync.program, source, &scope) {
                // What a transform cannot take is as good as nothing, where the line says what happens then.
                Err(Interrupt::Fault(Fault::Transform { .. })) if mapping.on_empty.takes_refused() => Value::Empty,
                value => value?,
            };
            SideValue::undated(Canonical::Value(comparable(sync, mapping, side, &value)?))
        }
        MappingKind::Computed { target, .. } => field_value(cx, link, mapping, side, target)?,
        MappingKind::Link { .. } => match link_value(cx, link, mapping, side) {
            Ok(held) => held,
            Err(Blocked::Need(need)) if needs_partner(&need) => {
                let is_target = source_of(mapping).is_some() && !is_source;
                match mapping.on_empty {
                    // The target links to something that has no partner: a link that is not ours to judge.
                    _ if is_target => SideValue::undated(Canonical::Unpaired),
                    Outcome::Clear if is_source => SideValue::default(),
                    Outcome::Keep => return Ok(Resolution::Keep),
                    Outcome::Skip => return Ok(Resolution::Skip),
                    Outcome::Clear | Outcome::Fail | Outcome::Never => return Err(Blocked::Need(need)),
                }
            }
            Err(blocked) => return Err(blocked),
        },
    };
    if is_source && held.value.is_empty() {
        match mapping.on_empty {
            Outcome::Clear => {}
            Outcome::Keep => return Ok(Resolution::Keep),
            Outcome::Skip => return Ok(Resolution::Skip),
            Outcome::Fail => return Err(Blocked::Fault(Fault::NoValue)),
            Outcome::Never if matches!(mapping.kind, MappingKind::Link { .. }) => {}
            Outcome::Never => return Ok(Resolution::Keep),
        }
    }
    Ok(Resolution::Value(held))
}

fn field_value(
    cx: &Context<'_>,
    link: &OpenLink,
    mapping: &Mapping,
    side: Side,
    field: &str,
) -> Result<SideValue, Blocked> {
    let (sync, entity) = (&link.sync, link.entity(side));
    let Some(id) = &link.ids[side] else { return Ok(SideValue::default()) };
    if field == "id" {
        return Ok(SideValue::undated(Canonical::Value(Value::Text(id.clone()))));
    }
    let row = cx.record(entity, id)?;
    let complete = row.as_ref().is_some_and(|row| row.complete_at.is_some());
    match row.as_ref().and_then(|row| row.fields.get(field)) {
        Some(seen) => {
            let value = match &seen.value {
                FieldValue::Is(value) => comparable(sync, mapping, side, value)?,
                FieldValue::Malformed(fault) => return Err(Blocked::Fault(fault.clone())),
            };
            Ok(SideValue { value: Canonical::Value(value), changed: Some(seen.changed), before: seen.before })
        }
        None if complete || planted(Mutant::UnobservedIsEmpty) => Ok(SideValue::default()),
        None => Err(Blocked::Need(Need::record(entity, id))),
    }
}

/// The link's value in the domain in which links compare: the pair that its record belongs to.
fn link_value(cx: &Context<'_>, link: &OpenLink, mapping: &Mapping, side: Side) -> Result<SideValue, Blocked> {
    let MappingKind::Link { left, right, via, straight } = &mapping.kind else { return Ok(SideValue::default()) };
    let program = &link.sync.program;
    let mut entity = link.entity(side).clone();
    let Some(mut id) = link.ids[side].clone() else { return Ok(SideValue::default()) };
    let mut held = SideValue::default();
    for name in if side == Side::Left { left } else { right } {
        let need = || Blocked::Need(Need::record(&entity, &id));
        let Some(row) = cx.record(&entity, &id)? else { return Err(need()) };
        match row.links.get(name) {
            Some(seen) => {
                (held.changed, held.before) = (Some(seen.changed), seen.before);
                let Some(target) = &seen.id else { return Ok(held) };
                let to = program.entity(&entity).and_then(|e| e.links.get(name)).map(|l| l.to.clone());
                entity = EntityName::new(&entity.system, to.unwrap_or_default());
                // Nobody need tell that what it points to goes by another id since a merge.
                id = expectations::living(cx, &entity, target)?;
            }
            None if row.complete_at.is_some() => return Ok(SideValue::default()),
            None => return Err(need()),
        }
    }
    let via_side = if *straight == (side == Side::Left) { Side::Left } else { Side::Right };
    let via = &program.syncs[*via].name;
    match reads::partner(cx, via, via_side, &id)? {
        Some((pair, _)) => Ok(SideValue { value: Canonical::Pair(pair), ..held }),
        // What points to a record that is gone points to the pair that it had: nobody has changed that.
        None if cx.record(&entity, &id)?.is_some_and(|row| matches!(row.life, Life::Deleted(_) | Life::Erased))
            && let Some(pair) = cx.get(&key::link_of(via, via_side, &id))?
            && leads_somewhere(cx, link, mapping, pair)? =>
        {
            Ok(SideValue { value: Canonical::Pair(pair), ..held })
        }
        // Nothing can be linked to what is erased, and it never comes back.
        None if cx.record(&entity, &id)?.is_some_and(|row| row.life == Life::Erased) => Ok(held),
        None => Err(Blocked::Need(Need::Partner { sync: via.clone(), side: via_side, id })),
    }
}

/// A pair that is over leads to its other record. Where that has another partner by now, or never was, it only is what
/// both sides agreed on.
fn leads_somewhere(cx: &Context<'_>, link: &OpenLink, mapping: &Mapping, pair: LinkId) -> Result<bool, Error> {
    let agreed = mapping.direction == Direction::Both
        && link.base.get(&mapping.text).is_some_and(|base| *base == Canonical::Pair(pair));
    Ok(agreed || links::existing_row(cx, pair)?.is_whole())
}

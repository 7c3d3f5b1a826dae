//! One side's value of a line, in the domain in which the two sides compare.
//!
//! Always true: what is not known is a need, never an empty value; a value that cannot be understood is a fault.

use std::collections::BTreeMap;

use dsl::eval::{canonical, eval};
use dsl::fault::Fault;
use dsl::program::{Direction, Mapping, MappingKind, Outcome, Side};
use dsl::schema::EntityName;
use dsl::value::{Timestamp, Value};

use crate::decide::model::link::LinkRow;
use crate::decide::model::need::{Blocked, Need, needs_partner};
use crate::decide::model::record::FieldValue;
use crate::decide::store::links::ActiveSync;
use crate::decide::store::scope::{Variables, bad};
use crate::decide::store::transaction::Context;
use crate::decide::store::{links, reads};
use crate::ledger::Error;

/// One side's value of a mapping.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SideValue {
    pub(crate) value: Value,
    pub(crate) changed: Option<Timestamp>,
    pub(crate) before: Option<Timestamp>,
}

pub(crate) enum Resolution {
    Value(SideValue),
    /// The line says: leave the target alone.
    Keep,
    /// The line says: leave the record out.
    Skip,
}

/// The values on which both sides of a pair agree, by the mapping's text.
pub(crate) fn agreed(cx: &Context<'_>, link: &LinkRow, rule: &ActiveSync) -> Result<BTreeMap<String, Value>, Error> {
    let mut base = BTreeMap::new();
    for mapping in rule.fields.iter().filter(|mapping| !mapping.on_create) {
        let mut sides = [Side::Left, Side::Right].map(|side| side_value(cx, link, rule, mapping, side)).into_iter();
        match (sides.next(), sides.next()) {
            (Some(Err(Blocked::Ledger(error))), _) | (_, Some(Err(Blocked::Ledger(error)))) => return Err(error),
            (Some(Ok(Resolution::Value(left))), Some(Ok(Resolution::Value(right)))) if left.value == right.value => {
                base.insert(mapping.text.clone(), left.value);
            }
            // What is not known, not understood or not the same has no base: it is as at a first link.
            _ => {}
        }
    }
    Ok(base)
}

/// What one side holds of each mapping, as far as it is known.
pub(crate) fn values(
    cx: &Context<'_>,
    link: &LinkRow,
    rule: &ActiveSync,
    side: Side,
) -> Result<Vec<(String, Value)>, Error> {
    let mut values = Vec::new();
    for mapping in &rule.fields {
        match side_value(cx, link, rule, mapping, side) {
            Ok(Resolution::Value(held)) => values.push((mapping.text.clone(), held.value)),
            Err(Blocked::Ledger(error)) => return Err(error),
            _ => {}
        }
    }
    Ok(values)
}

pub(crate) fn source_of(mapping: &Mapping) -> Option<Side> {
    match mapping.direction {
        Direction::Both => None,
        Direction::ToRight => Some(Side::Left),
        Direction::ToLeft => Some(Side::Right),
    }
}

pub(crate) fn side_value(
    cx: &Context<'_>,
    link: &LinkRow,
    rule: &ActiveSync,
    mapping: &Mapping,
    side: Side,
) -> Result<Resolution, Blocked> {
    let is_source = source_of(mapping) == Some(side);
    let held = match &mapping.kind {
        MappingKind::Field { left, right, .. } => {
            let field = if side == Side::Left { left } else { right };
            field_value(cx, link, rule, mapping, side, field)?
        }
        MappingKind::Computed { source, .. } if is_source => {
            let vars = links::variables(rule, link);
            let scope =
                Variables { cx, program: &rule.program, vars: &vars, fresh: Timestamp(i64::MIN), cacheable: false };
            let value = eval(&rule.program, source, &scope)?;
            SideValue {
                value: canonical(&rule.program, rule, mapping, side, &value).map_err(Blocked::Fault)?,
                changed: None,
                before: None,
            }
        }
        MappingKind::Computed { target, .. } => field_value(cx, link, rule, mapping, side, target)?,
        MappingKind::Link { left, right, via, straight } => {
            let path = if side == Side::Left { left } else { right };
            match link_value(cx, link, rule, side, path, *via, *straight) {
                Ok(held) => held,
                Err(Blocked::Need(need)) if needs_partner(&need) && source_of(mapping).is_none_or(|s| s == side) => {
                    match mapping.on_empty {
                        Outcome::Clear if source_of(mapping).is_some() => {
                            SideValue { value: Value::Empty, changed: None, before: None }
                        }
                        Outcome::Keep => return Ok(Resolution::Keep),
                        Outcome::Skip => return Ok(Resolution::Skip),
                        _ => return Err(Blocked::Need(need)),
                    }
                }
                // The target links to something that has no partner: a link that is not ours to judge.
                Err(Blocked::Need(need)) if needs_partner(&need) => {
                    SideValue { value: Value::Text("?".to_owned()), changed: None, before: None }
                }
                Err(stop) => return Err(stop),
            }
        }
    };
    if is_source && held.value.is_empty() {
        match mapping.on_empty {
            Outcome::Clear => {}
            Outcome::Keep => return Ok(Resolution::Keep),
            Outcome::Skip => return Ok(Resolution::Skip),
            Outcome::Fail => {
                return Err(Blocked::Fault(Fault::NoValue));
            }
            Outcome::Never if matches!(mapping.kind, MappingKind::Link { .. }) => {}
            Outcome::Never => return Ok(Resolution::Keep),
        }
    }
    Ok(Resolution::Value(held))
}

pub(crate) fn field_value(
    cx: &Context<'_>,
    link: &LinkRow,
    rule: &ActiveSync,
    mapping: &Mapping,
    side: Side,
    field: &str,
) -> Result<SideValue, Blocked> {
    let entity = rule.entity(side);
    let Some(id) = link.id(side) else {
        return Ok(SideValue { value: Value::Empty, changed: None, before: None });
    };
    if field == "id" {
        return Ok(SideValue { value: Value::Text(id.clone()), changed: None, before: None });
    }
    let row = cx.record(entity, id)?;
    let complete = row.as_ref().is_some_and(|row| row.complete_at.is_some());
    match row.as_ref().and_then(|row| row.fields.get(field)) {
        Some(seen) => {
            let value = match &seen.value {
                FieldValue::Is(value) => value,
                FieldValue::Malformed(found, why) => return Err(Blocked::Fault(bad(entity, field, found, why))),
            };
            let value = canonical(&rule.program, rule, mapping, side, value).map_err(Blocked::Fault)?;
            Ok(SideValue { value, changed: Some(seen.changed), before: seen.before })
        }
        None if complete => Ok(SideValue { value: Value::Empty, changed: None, before: None }),
        None => Err(unknown(entity, id)),
    }
}

pub(crate) fn unknown(entity: &EntityName, id: &str) -> Blocked {
    Blocked::Need(Need::Record {
        entity: entity.clone(),
        by: "id".to_owned(),
        value: id.to_owned(),
        not_before: Timestamp(i64::MIN),
        cacheable: false,
    })
}

/// The link's value in the domain in which links compare: the pair that its record belongs to.
pub(crate) fn link_value(
    cx: &Context<'_>,
    link: &LinkRow,
    rule: &ActiveSync,
    side: Side,
    path: &[String],
    via: usize,
    straight: bool,
) -> Result<SideValue, Blocked> {
    let nothing = SideValue { value: Value::Empty, changed: None, before: None };
    let mut entity = rule.entity(side).clone();
    let Some(mut id) = link.id(side).cloned() else { return Ok(nothing) };
    let mut changed = None;
    let mut before = None;
    for name in path {
        let Some(row) = cx.record(&entity, &id)? else { return Err(unknown(&entity, &id)) };
        match row.links.get(name) {
            Some(seen) => {
                changed = Some(seen.changed);
                before = seen.before;
                match &seen.id {
                    Some(target) => {
                        let to = rule.program.entity(&entity).and_then(|e| e.links.get(name)).map(|l| l.to.clone());
                        entity = EntityName::new(&entity.system, to.unwrap_or_default());
                        id = target.clone();
                    }
                    None => return Ok(SideValue { value: Value::Empty, changed, before }),
                }
            }
            None if row.complete_at.is_some() => return Ok(nothing),
            None => return Err(unknown(&entity, &id)),
        }
    }
    let via_side = if straight == (side == Side::Left) { Side::Left } else { Side::Right };
    let via = &rule.program.syncs[via];
    match reads::partner(cx, &via.name, via_side, &id)? {
        Some((pair, _)) => Ok(SideValue { value: Value::Text(pair.to_string()), changed, before }),
        None => Err(Blocked::Need(Need::Partner { sync: via.name.clone(), side: via_side, id })),
    }
}

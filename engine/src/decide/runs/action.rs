//! What an action of a run comes to, from what is known: an effect, or nothing to do.
//!
//! Always true: a create takes the record that has the key already; what holds already is not written.

use std::collections::BTreeMap;
use std::sync::Arc;

use dsl::eval::eval;
use dsl::fault::Fault;
use dsl::program::{Action, ActionKind, Assign, Expr, LinkValue, Outcome, Program};
use dsl::schema::EntityName;
use dsl::value::Value;

use crate::decide::links::schedule;
use crate::decide::model::lane::{Lane, LaneKind};
use crate::decide::model::need::{Blocked, Need};
use crate::decide::model::record::FieldValue;
use crate::decide::model::run::{RunRow, Var};
use crate::decide::model::trace::Reached;
use crate::decide::runs::{effect, start};
use crate::decide::store::runs::RunDefinition;
use crate::decide::store::scope::Variables;
use crate::decide::store::transaction::Context;
use crate::decide::store::{reads, runs};
use crate::ids::RunId;

pub(crate) fn value(
    cx: &Context<'_>,
    run: &RunRow,
    program: &Program,
    expr: &Expr,
    cacheable: bool,
) -> Result<Value, Blocked> {
    let scope = Variables { cx, program, vars: &run.vars, fresh: run.fresh.min(cx.now), cacheable };
    Ok(eval(program, expr, &scope)?)
}

pub(crate) fn holds(cx: &Context<'_>, run: &RunRow, program: &Program, expr: &Expr) -> Result<bool, Blocked> {
    Ok(value(cx, run, program, expr, false)? == Value::Flag(true))
}

/// Values and links of a record block, or that the action is not done.
struct Block {
    values: BTreeMap<String, Value>,
    links: BTreeMap<String, Option<String>>,
}

fn block(
    cx: &Context<'_>,
    run: &RunRow,
    program: &Program,
    entity: Option<&EntityName>,
    assigns: &[Assign],
    new: bool,
) -> Result<Option<Block>, Blocked> {
    let mut block = Block { values: BTreeMap::new(), links: BTreeMap::new() };
    for assign in assigns {
        let text_only = matches!(assign.value, Expr::Join(_) | Expr::Record { .. }) && entity.is_none();
        let mut value = value(cx, run, program, &assign.value, text_only)?;
        if let Some(link) = &assign.link {
            if let (Value::Text(id), LinkValue::Via(via, side)) = (&value, link) {
                let via = &program.syncs[*via];
                value = match reads::partner(cx, &via.name, *side, id)? {
                    Some((_, partner)) => Value::Text(partner),
                    None if assign.on_empty != Outcome::Never => Value::Empty,
                    None => {
                        return Err(Blocked::Need(Need::Partner {
                            sync: via.name.clone(),
                            side: *side,
                            id: id.clone(),
                        }));
                    }
                };
            }
        } else if let Some(entity) = entity
            && let Some(field) = program.field(entity, &assign.name)
        {
            value = dsl::eval::coerce(value, field).map_err(Blocked::Fault)?;
        }
        if value.is_empty() {
            match assign.on_empty {
                Outcome::Skip => return Ok(None),
                Outcome::Fail => {
                    return Err(Blocked::Fault(Fault::NoValueFor {
                        name: assign.name.clone(),
                        place: assign.place.clone(),
                    }));
                }
                Outcome::Keep | Outcome::Never => continue,
                Outcome::Clear if new => continue,
                Outcome::Clear => {}
            }
        }
        if assign.link.is_some() {
            block.links.insert(assign.name.clone(), value.as_text().map(str::to_owned));
        } else {
            block.values.insert(assign.name.clone(), value);
        }
    }
    Ok(Some(block))
}

/// Does an action. True where the run goes on at once; false where it waits and has been stored.
pub(crate) fn perform(
    cx: &mut Context<'_>,
    id: RunId,
    run: &mut RunRow,
    definition: &RunDefinition,
    act: &Action,
) -> Result<bool, Blocked> {
    let program = Arc::clone(&definition.program);
    cx.reached(|| Reached::Action(act.text));
    match &act.kind {
        ActionKind::Create { entity, variable, key: (field, expr), values } => {
            let wanted = value(cx, run, &program, expr, false)?;
            if wanted.is_empty() {
                return Err(Blocked::Fault(Fault::NoKey { entity: entity.clone(), field: field.clone() }));
            }
            let found = find(cx, run, entity, field, &wanted)?;
            if let Some(record) = found.first() {
                runs::bind(run, variable.as_ref(), Var::Record(entity.clone(), record.clone()));
                return Ok(runs::go_on(run));
            }
            let Some(mut block) = block(cx, run, &program, Some(entity), values, true)? else {
                runs::bind(run, variable.as_ref(), Var::Nothing);
                return Ok(runs::go_on(run));
            };
            block.values.insert(field.clone(), wanted);
            let kind = LaneKind::Create { entity: entity.entity.clone() };
            let links = block.links.into_iter().map(|(name, add)| (name, (None, add))).collect();
            effect::effect(
                cx,
                id,
                run,
                act,
                Lane { system: entity.system.clone(), bulk: false, kind },
                None,
                block.values,
                links,
            )
        }
        ActionKind::Update { entity, variable, key: (field, expr), values, or_nothing } => {
            let wanted = value(cx, run, &program, expr, false)?;
            let found = if wanted.is_empty() { Vec::new() } else { find(cx, run, entity, field, &wanted)? };
            match found.as_slice() {
                [] if *or_nothing => {
                    runs::bind(run, variable.as_ref(), Var::Nothing);
                    Ok(runs::go_on(run))
                }
                [] => Err(no_record(entity, field, &wanted)),
                [record] => {
                    runs::bind(run, variable.as_ref(), Var::Record(entity.clone(), record.clone()));
                    let record = record.clone();
                    change(cx, id, run, act, &program, entity, record, values)
                }
                _ => Err(several_records(entity, field, &wanted)),
            }
        }
        ActionKind::Set { variable, links, entity, assign } => {
            let reference = Expr::Reference { variable: variable.clone(), links: links.clone() };
            match value(cx, run, &program, &reference, false)? {
                Value::Text(record) => change(cx, id, run, act, &program, entity, record, std::slice::from_ref(assign)),
                _ => Ok(runs::go_on(run)),
            }
        }
        ActionKind::Delete { entity, key: (field, expr), or_nothing } => {
            let wanted = value(cx, run, &program, expr, false)?;
            let found = if wanted.is_empty() { Vec::new() } else { find(cx, run, entity, field, &wanted)? };
            match found.as_slice() {
                [record] => {
                    let kind = LaneKind::Delete { entity: entity.entity.clone() };
                    let lane = Lane { system: entity.system.clone(), bulk: false, kind };
                    let record = record.clone();
                    effect::effect(cx, id, run, act, lane, Some(record), BTreeMap::new(), BTreeMap::new())
                }
                // Undoing a create that never happened has nothing to delete.
                [] if *or_nothing || !run.stack.is_empty() => Ok(runs::go_on(run)),
                [] => Err(no_record(entity, field, &wanted)),
                _ => Err(several_records(entity, field, &wanted)),
            }
        }
        ActionKind::Start { workflow, variable, links } => {
            let reference = Expr::Reference { variable: variable.clone(), links: links.clone() };
            if let Value::Text(record) = value(cx, run, &program, &reference, false)? {
                let entity = program.workflows[*workflow].entity.clone();
                match start::start(cx, &program, *workflow, &entity, &record, run.fresh)? {
                    Ok(_) => {}
                    Err(stop) => return Err(stop),
                }
            }
            Ok(runs::go_on(run))
        }
        ActionKind::Call { system, operation, params, .. } => {
            let Some(block) = block(cx, run, &program, None, params, true)? else {
                return Ok(runs::go_on(run));
            };
            let lane =
                Lane { system: system.clone(), bulk: false, kind: LaneKind::Operation { name: operation.clone() } };
            effect::effect(cx, id, run, act, lane, None, block.values, BTreeMap::new())
        }
        ActionKind::RunSync(index) => {
            schedule::run_now(cx, &program.syncs[*index].name)?;
            Ok(runs::go_on(run))
        }
    }
}

fn find(
    cx: &Context<'_>,
    run: &RunRow,
    entity: &EntityName,
    field: &str,
    value: &Value,
) -> Result<Vec<String>, Blocked> {
    reads::find(cx, entity, field, value, run.fresh.min(cx.now))?.map_err(Blocked::Need)
}

fn no_record(entity: &EntityName, field: &str, value: &Value) -> Blocked {
    Blocked::Fault(Fault::NoRecord { entity: entity.clone(), field: field.to_owned(), value: value.to_string() })
}

fn several_records(entity: &EntityName, field: &str, value: &Value) -> Blocked {
    Blocked::Fault(Fault::SeveralRecords { entity: entity.clone(), field: field.to_owned(), value: value.to_string() })
}

fn change(
    cx: &mut Context<'_>,
    id: RunId,
    run: &mut RunRow,
    act: &Action,
    program: &Program,
    entity: &EntityName,
    record: String,
    assigns: &[Assign],
) -> Result<bool, Blocked> {
    let Some(mut block) = block(cx, run, program, Some(entity), assigns, false)? else { return Ok(runs::go_on(run)) };
    let known = cx.record(entity, &record)?.unwrap_or_default();
    // What holds already is not written.
    block
        .values
        .retain(|name, value| !known.fields.get(name).is_some_and(|seen| seen.value == FieldValue::Is(value.clone())));
    block.links.retain(|name, add| known.links.get(name).is_none_or(|seen| seen.id != *add));
    if block.values.is_empty() && block.links.is_empty() {
        return Ok(runs::go_on(run));
    }
    let links = block
        .links
        .into_iter()
        .map(|(name, add)| {
            let now = known.links.get(&name).and_then(|seen| seen.id.clone());
            (name, (now, add))
        })
        .collect();
    let lane =
        Lane { system: entity.system.clone(), bulk: false, kind: LaneKind::Update { entity: entity.entity.clone() } };
    effect::effect(cx, id, run, act, lane, Some(record), block.values, links)
}

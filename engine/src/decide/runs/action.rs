//! What an action of a run comes to, from what is known: an effect, or nothing to do.
//!
//! Always true: a create takes the record that has the key already; what holds already is not written.

use std::collections::BTreeMap;
use std::sync::Arc;

use dsl::eval::{coerce, eval};
use dsl::fault::Fault;
use dsl::program::{Action, ActionKind, Assign, Expr, LinkValue, Outcome, Program};
use dsl::schema::EntityName;
use dsl::value::Value;

use crate::decide::links::schedule;
use crate::decide::model::lane::{Lane, LaneKind};
use crate::decide::model::need::{Blocked, Need};
use crate::decide::model::record::FieldValue;
use crate::decide::model::run::{ChangedLink, RunRow, Var};
use crate::decide::model::trace::Reached;
use crate::decide::runs::effect::{self, NewEffect};
use crate::decide::runs::start;
use crate::decide::store::reads;
use crate::decide::store::runs::{OpenRun, RunDefinition};
use crate::decide::store::scope::Variables;
use crate::decide::store::transaction::Context;

/// What comes after an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// The next one.
    GoOn,
    /// Nothing in this round: the run waits, or is over.
    Wait,
}

/// The value of an expression over the run's variables.
pub(crate) fn value(
    cx: &Context<'_>,
    run: &RunRow,
    program: &Program,
    expr: &Expr,
    cacheable: bool,
) -> Result<Value, Blocked> {
    let scope = Variables { cx, program, vars: &run.vars, fresh: run.fresh.by(cx.now), cacheable };
    Ok(eval(program, expr, &scope)?)
}

/// Does a condition hold?
pub(crate) fn holds(cx: &Context<'_>, run: &RunRow, program: &Program, expr: &Expr) -> Result<bool, Blocked> {
    Ok(value(cx, run, program, expr, false)? == Value::Flag(true))
}

/// Values and links of a record block.
#[derive(Default)]
struct Block {
    values: BTreeMap<String, Value>,
    links: BTreeMap<String, Option<String>>,
}

/// What is written, and to which records it belongs.
#[derive(Clone, Copy)]
enum Target<'e> {
    New(&'e EntityName),
    Existing(&'e EntityName),
    /// Parameters of an operation.
    Operation,
}

impl<'e> Target<'e> {
    fn entity(self) -> Option<&'e EntityName> {
        match self {
            Self::New(entity) | Self::Existing(entity) => Some(entity),
            Self::Operation => None,
        }
    }
}

/// The values of a block; nothing where a line says that the action is not done then.
fn block(
    cx: &Context<'_>,
    run: &RunRow,
    program: &Program,
    target: Target<'_>,
    assigns: &[Assign],
) -> Result<Option<Block>, Blocked> {
    let mut block = Block::default();
    for assign in assigns {
        let value = match assigned(cx, run, program, target, assign) {
            // What a transform cannot take is as good as nothing, where the line says what happens then.
            Err(Blocked::Fault(Fault::Transform { .. })) if assign.on_empty.takes_refused() => Value::Empty,
            value => value?,
        };
        if value.is_empty() {
            match assign.on_empty {
                Outcome::Skip => return Ok(None),
                Outcome::Fail => {
                    let (name, place) = (assign.name.clone(), assign.place.clone());
                    return Err(Blocked::Fault(Fault::NoValueFor { name, place }));
                }
                Outcome::Keep | Outcome::Never => continue,
                Outcome::Clear if !matches!(target, Target::Existing(_)) => continue,
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

fn assigned(
    cx: &Context<'_>,
    run: &RunRow,
    program: &Program,
    target: Target<'_>,
    assign: &Assign,
) -> Result<Value, Blocked> {
    let text_only = matches!(assign.value, Expr::Join(_) | Expr::Record { .. }) && matches!(target, Target::Operation);
    let value = value(cx, run, program, &assign.value, text_only)?;
    if let Some(link) = &assign.link {
        let (Value::Text(id), LinkValue::Via(via, side)) = (&value, link) else { return Ok(value) };
        let via = &program.syncs[*via].name;
        return match reads::partner(cx, via, *side, id)? {
            Some((_, partner)) => Ok(Value::Text(partner)),
            None if assign.on_empty != Outcome::Never => Ok(Value::Empty),
            None => Err(Blocked::Need(Need::Partner { sync: via.clone(), side: *side, id: id.clone() })),
        };
    }
    match target.entity().and_then(|entity| program.field(entity, &assign.name)) {
        Some(field) => Ok(coerce(value, field)?),
        None => Ok(value),
    }
}

/// Does an action.
pub(crate) fn perform(
    cx: &mut Context<'_>,
    run: &mut OpenRun,
    definition: &RunDefinition,
    act: &Action,
) -> Result<Next, Blocked> {
    let program = Arc::clone(&definition.program);
    cx.reached(|| Reached::Action(act.text));
    let effect = match &act.kind {
        ActionKind::Create { entity, variable, key, values } => {
            create(cx, run, &program, (entity, variable.as_ref()), key, values)?
        }
        ActionKind::Update { entity, variable, key, values, or_nothing } => {
            match one(cx, run, &program, entity, key, *or_nothing)? {
                Some(record) => {
                    run.bind(variable.as_ref(), Var::Record(entity.clone(), record.clone()));
                    change(cx, run, &program, (entity, record), values)?
                }
                None => {
                    run.bind(variable.as_ref(), Var::Nothing);
                    None
                }
            }
        }
        ActionKind::Set { variable, links, entity, assign } => {
            let reference = Expr::Reference { variable: variable.clone(), links: links.clone() };
            match value(cx, run, &program, &reference, false)? {
                Value::Text(record) => change(cx, run, &program, (entity, record), std::slice::from_ref(assign))?,
                _ => None,
            }
        }
        ActionKind::Delete { entity, key, or_nothing } => {
            // Undoing a create that never happened has nothing to delete.
            let or_nothing = *or_nothing || !run.stack.is_empty();
            one(cx, run, &program, entity, key, or_nothing)?.map(|record| NewEffect {
                lane: lane(entity, LaneKind::Delete { entity: entity.entity.clone() }),
                record: Some(record),
                values: BTreeMap::new(),
                links: BTreeMap::new(),
            })
        }
        ActionKind::Start { workflow, variable, links } => {
            let reference = Expr::Reference { variable: variable.clone(), links: links.clone() };
            if let Value::Text(record) = value(cx, run, &program, &reference, false)? {
                let entity = program.workflows[*workflow].entity.clone();
                start::start(cx, &program, *workflow, (&entity, &record), run.fresh)?;
            }
            None
        }
        ActionKind::Call { system, operation, params, .. } => {
            block(cx, run, &program, Target::Operation, params)?.map(|block| NewEffect {
                lane: Lane {
                    system: system.clone(),
                    bulk: false,
                    kind: LaneKind::Operation { name: operation.clone() },
                },
                record: None,
                values: block.values,
                links: BTreeMap::new(),
            })
        }
        ActionKind::RunSync(index) => {
            schedule::run_now(cx, &program.syncs[*index].name)?;
            None
        }
    };
    match effect {
        Some(effect) => {
            effect::begin(cx, run, definition, act, effect)?;
            Ok(Next::Wait)
        }
        None => {
            run.go_on();
            Ok(Next::GoOn)
        }
    }
}

fn lane(entity: &EntityName, kind: LaneKind) -> Lane {
    Lane { system: entity.system.clone(), bulk: false, kind }
}

/// Makes a record, unless one has its key already: that one is taken as it is.
fn create(
    cx: &Context<'_>,
    run: &mut OpenRun,
    program: &Program,
    (entity, variable): (&EntityName, Option<&String>),
    (field, expr): &(String, Expr),
    values: &[Assign],
) -> Result<Option<NewEffect>, Blocked> {
    let wanted = value(cx, run, program, expr, false)?;
    if wanted.is_empty() {
        return Err(Blocked::Fault(Fault::NoKey { entity: entity.clone(), field: field.clone() }));
    }
    if let Some(record) = reads::find(cx, entity, field, &wanted, run.fresh.by(cx.now))?.into_iter().next() {
        run.bind(variable, Var::Record(entity.clone(), record));
        return Ok(None);
    }
    let Some(mut block) = block(cx, run, program, Target::New(entity), values)? else {
        run.bind(variable, Var::Nothing);
        return Ok(None);
    };
    block.values.insert(field.clone(), wanted);
    let added = |(name, add)| (name, ChangedLink { remove: None, add });
    Ok(Some(NewEffect {
        lane: lane(entity, LaneKind::Create { entity: entity.entity.clone() }),
        record: None,
        values: block.values,
        links: block.links.into_iter().map(added).collect(),
    }))
}

/// The one record that a key finds; nothing where there is none and that is allowed.
fn one(
    cx: &Context<'_>,
    run: &RunRow,
    program: &Program,
    entity: &EntityName,
    (field, expr): &(String, Expr),
    or_nothing: bool,
) -> Result<Option<String>, Blocked> {
    let wanted = value(cx, run, program, expr, false)?;
    let mut found = match wanted.is_empty() {
        true => Vec::new(),
        false => reads::find(cx, entity, field, &wanted, run.fresh.by(cx.now))?,
    };
    let (entity, field, value) = (entity.clone(), field.clone(), wanted.to_string());
    match found.len() {
        0 if or_nothing => Ok(None),
        0 => Err(Blocked::Fault(Fault::NoRecord { entity, field, value })),
        1 => Ok(found.pop()),
        _ => Err(Blocked::Fault(Fault::SeveralRecords { entity, field, value })),
    }
}

/// Changes a record; nothing where it holds all of it already.
fn change(
    cx: &Context<'_>,
    run: &RunRow,
    program: &Program,
    (entity, record): (&EntityName, String),
    assigns: &[Assign],
) -> Result<Option<NewEffect>, Blocked> {
    let Some(mut block) = block(cx, run, program, Target::Existing(entity), assigns)? else { return Ok(None) };
    let known = cx.record(entity, &record)?.unwrap_or_default();
    let linked = |name: &String| known.links.get(name).and_then(|seen| seen.id.clone());
    block
        .values
        .retain(|name, value| !known.fields.get(name).is_some_and(|seen| seen.value == FieldValue::Is(value.clone())));
    block.links.retain(|name, add| known.links.get(name).is_none_or(|seen| seen.id != *add));
    if block.values.is_empty() && block.links.is_empty() {
        return Ok(None);
    }
    let changed = |(name, add)| {
        let remove = linked(&name);
        (name, ChangedLink { remove, add })
    };
    Ok(Some(NewEffect {
        lane: lane(entity, LaneKind::Update { entity: entity.entity.clone() }),
        record: Some(record),
        values: block.values,
        links: block.links.into_iter().map(changed).collect(),
    }))
}

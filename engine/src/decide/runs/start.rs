//! How a run begins: `only one per`, `give up after`, `cancel when`, and waits whose events may come early.

use std::collections::BTreeMap;
use std::sync::Arc;

use dsl::ast::SecondStart;
use dsl::eval::eval;
use dsl::program::{Expr, Op, Program};
use dsl::schema::EntityName;
use dsl::value::{Timestamp, Value};

use crate::decide::model::key;
use crate::decide::model::need::Blocked;
use crate::decide::model::run::{RunOf, RunRow, RunState, Var};
use crate::decide::model::task::Task;
use crate::decide::model::work::TimerRow;
use crate::decide::runs::ending;
use crate::decide::store::runs;
use crate::decide::store::scope::Variables;
use crate::decide::store::transaction::Context;
use crate::ids::RunId;
use crate::ledger::Error;

pub(crate) fn begin(
    cx: &mut Context<'_>,
    program: &Arc<Program>,
    what: RunOf,
    vars: BTreeMap<String, Var>,
    at: Timestamp,
) -> Result<RunId, Error> {
    let id = RunId(cx.next()?);
    let run = RunRow::new(&program.hash, what, vars, at);
    runs::begun(cx, &program.hash)?;
    cx.put(key::run(id), &run);
    cx.task(Task::Run(id));
    Ok(id)
}

/// Starts a workflow for a record. `Ok(None)` where `only one per` keeps the first.
pub(crate) fn start(
    cx: &mut Context<'_>,
    program: &Arc<Program>,
    index: usize,
    entity: &EntityName,
    record: &str,
    at: Timestamp,
) -> Result<Result<Option<RunId>, Blocked>, Error> {
    let workflow = &program.workflows[index];
    let vars = BTreeMap::from([(workflow.variable.clone(), Var::Record(entity.clone(), record.to_owned()))]);
    let mut slot = None;
    if let Some((expr, second)) = &workflow.only_one {
        let scope = Variables { cx, program, vars: &vars, fresh: Timestamp(i64::MIN), cacheable: false };
        let value = match eval(program, expr, &scope) {
            Ok(value) => value,
            Err(halt) => return Ok(Err(Blocked::from(halt))),
        };
        let name = key::only_one(&workflow.name, &value);
        let mut runs: Vec<RunId> = cx.get(&name)?.unwrap_or_default();
        if !runs.is_empty() {
            match second {
                SecondStart::KeepFirst => return Ok(Ok(None)),
                SecondStart::NewestWins => {
                    for earlier in std::mem::take(&mut runs) {
                        let mut run = runs::load(cx, earlier)?;
                        ending::end(cx, earlier, &mut run, RunState::Cancelled, "a newer run took its place")?;
                    }
                }
                SecondStart::Queue => {}
            }
        }
        slot = Some((name, runs, *second));
    }
    let id = begin(cx, program, RunOf::Workflow(index), vars.clone(), at)?;
    let mut run = runs::load(cx, id)?;
    if let Some((name, _, second)) = slot {
        let mut runs: Vec<RunId> = cx.get(&name)?.unwrap_or_default();
        if let (SecondStart::Queue, Some(ahead)) = (second, runs.last()) {
            run.state = RunState::Behind(*ahead);
            cx.put(key::behind(*ahead, id), &id);
        }
        runs.push(id);
        cx.put(name.clone(), &runs);
        run.only_one = Some(name.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect());
    }
    if let Some(span) = workflow.give_up {
        cx.arm(cx.now.plus(span), &TimerRow::GiveUp(id))?;
    }
    if workflow.cancel.is_some() {
        let watch = key::watch(entity, record, id);
        cx.put(watch.clone(), &id);
        run.watches.insert(watch);
    }
    // What a wait looks for is fixed at the start where only the argument is used: an event that comes
    // before the wait is reached counts.
    for (pc, op) in workflow.code.ops.iter().enumerate() {
        let Op::WaitFor { what, field, equals, .. } = op else { continue };
        let scope = Variables { cx, program, vars: &vars, fresh: Timestamp(i64::MIN), cacheable: false };
        if uses_only(equals, &workflow.variable)
            && let Ok(value) = eval(program, equals, &scope)
        {
            listen(cx, id, &mut run, pc, what, field, &value);
        }
    }
    cx.put(key::run(id), &run);
    runs::log(cx, id, &run, "run", format!("started for {entity} {record}"));
    Ok(Ok(Some(id)))
}

/// Starts a workflow because a message came.
pub(crate) fn by_message(
    cx: &mut Context<'_>,
    workflow: usize,
    entity: &EntityName,
    id: &str,
    at: Timestamp,
) -> Result<(), Error> {
    // A workflow whose key cannot be read yet begins without one: its first step will read what it needs.
    match start(cx, &cx.program(), workflow, entity, id, at)? {
        Err(Blocked::Ledger(error)) => Err(error),
        _ => Ok(()),
    }
}

fn uses_only(expr: &Expr, variable: &str) -> bool {
    match expr {
        Expr::Literal(_) => true,
        Expr::Field { variable: v, .. } | Expr::Reference { variable: v, .. } | Expr::Record { variable: v, .. } => {
            v == variable
        }
        Expr::Join(parts) => parts.iter().all(|(part, _)| uses_only(part, variable)),
        Expr::Transform(inner, _) => uses_only(inner, variable),
        Expr::Else(a, b) => uses_only(a, variable) && uses_only(b, variable),
        _ => false,
    }
}

pub(crate) fn listen(
    cx: &mut Context<'_>,
    id: RunId,
    run: &mut RunRow,
    pc: usize,
    what: &EntityName,
    field: &str,
    value: &Value,
) {
    let key = key::awaited(what, field, value, id, pc);
    cx.put(key.clone(), &(id, pc));
    run.awaits.insert(key);
}

//! How a workflow begins: `only one per`, `give up after`, `cancel when`, and waits whose events may come early.
//!
//! Always true: a start is never lost; one whose key cannot be read yet waits for it, one whose key cannot be computed
//! waits for a person.

use std::collections::BTreeMap;
use std::sync::Arc;

use dsl::ast::SecondStart;
use dsl::eval::eval;
use dsl::program::{Expr, Op, Program};
use dsl::schema::EntityName;

use crate::decide::model::event::Action;
use crate::decide::model::freshness::Freshness;
use crate::decide::model::key;
use crate::decide::model::need::Blocked;
use crate::decide::model::row::RowKey;
use crate::decide::model::run::{RunEvent, RunOf, RunState, Var};
use crate::decide::model::task::Task;
use crate::decide::model::work::TimerRow;
use crate::decide::runs::ending;
use crate::decide::store::runs::OpenRun;
use crate::decide::store::scope::Variables;
use crate::decide::store::transaction::Context;
use crate::ids::RunId;
use crate::ledger::Error;

/// The list of those that exclude each other, and what happens to a second start.
type OnlyOne = (RowKey<Vec<RunId>>, SecondStart);

/// Starts a workflow for a record, caused by something as new as that.
pub(crate) fn start(
    cx: &mut Context<'_>,
    program: &Arc<Program>,
    workflow: usize,
    (entity, record): (&EntityName, &str),
    fresh: Freshness,
) -> Result<(), Error> {
    let variable = program.workflows[workflow].variable.clone();
    let vars = BTreeMap::from([(variable, Var::Record(entity.clone(), record.to_owned()))]);
    let key = match only_one(cx, program, workflow, &vars) {
        Err(Blocked::Ledger(error)) => return Err(error),
        key => key,
    };
    if let Ok(Some(only_one)) = &key
        && keeps_first(cx, only_one)?
    {
        return Ok(());
    }
    let mut run = OpenRun::begin(cx, program, RunOf::Workflow(workflow), vars, fresh)?;
    cx.task(Task::Run(run.id));
    run.log(cx, Action::Run, format!("started for {entity} {record}"));
    enter_with(cx, &mut run, program, workflow, key)?;
    run.save(cx);
    Ok(())
}

/// A run that waited for its key looks whether it may begin.
pub(crate) fn enter(cx: &mut Context<'_>, run: &mut OpenRun, program: &Arc<Program>) -> Result<(), Error> {
    let RunOf::Workflow(workflow) = run.what else { return Ok(()) };
    let key = only_one(cx, program, workflow, &run.vars);
    if let Ok(Some(only_one)) = &key
        && keeps_first(cx, only_one)?
    {
        run.log(cx, Action::Run, "left out: one is under way already");
        return run.leave_out(cx);
    }
    enter_with(cx, run, program, workflow, key)
}

fn enter_with(
    cx: &mut Context<'_>,
    run: &mut OpenRun,
    program: &Arc<Program>,
    workflow: usize,
    key: Result<Option<OnlyOne>, Blocked>,
) -> Result<(), Error> {
    match key {
        Ok(only_one) => begin(cx, run, program, workflow, only_one),
        Err(Blocked::Need(need)) => run.wait_for(cx, &need),
        Err(Blocked::Fault(fault)) => ending::stop(cx, run, &format!("`only one per` has no value: {fault}")),
        Err(Blocked::Ledger(error)) => Err(error),
    }
}

/// Nothing where the workflow says nothing of `only one per`.
fn only_one(
    cx: &Context<'_>,
    program: &Program,
    workflow: usize,
    vars: &BTreeMap<String, Var>,
) -> Result<Option<OnlyOne>, Blocked> {
    let workflow = &program.workflows[workflow];
    let Some((expr, second)) = &workflow.only_one else { return Ok(None) };
    let scope = Variables { cx, program, vars, fresh: Freshness::Any, cacheable: false };
    let value = eval(program, expr, &scope)?;
    Ok(Some((key::only_one(&workflow.name, &value), *second)))
}

/// Does one that is under way keep a second one from beginning?
fn keeps_first(cx: &Context<'_>, (key, second): &OnlyOne) -> Result<bool, Error> {
    Ok(*second == SecondStart::KeepFirst && cx.get(key)?.is_some_and(|runs| !runs.is_empty()))
}

fn begin(
    cx: &mut Context<'_>,
    run: &mut OpenRun,
    program: &Arc<Program>,
    workflow: usize,
    only_one: Option<OnlyOne>,
) -> Result<(), Error> {
    run.turn(cx, RunEvent::Enter, RunState::Ready);
    if let Some(only_one) = only_one {
        exclude(cx, run, only_one)?;
    }
    let workflow = &program.workflows[workflow];
    if let Some(span) = workflow.give_up {
        cx.arm(cx.now.plus(span), &TimerRow::GiveUp(run.id))?;
    }
    if workflow.cancel.is_some()
        && let Some(Var::Record(entity, record)) = run.vars.get(&workflow.variable)
    {
        let watch = key::watch(entity, record, run.id);
        cx.put(watch.clone(), &run.id);
        run.watches.insert(watch);
    }
    // What a wait looks for is fixed at the start where only the argument is used: an event that comes
    // before the wait is reached counts.
    let vars = run.vars.clone();
    for (pc, op) in workflow.code.ops.iter().enumerate() {
        let Op::WaitFor { what, field, equals, .. } = op else { continue };
        let scope = Variables { cx, program, vars: &vars, fresh: Freshness::Any, cacheable: false };
        if uses_only(equals, &workflow.variable)
            && let Ok(value) = eval(program, equals, &scope)
        {
            run.listen(cx, pc, (what, field), &value);
        }
    }
    Ok(())
}

/// Takes its place among those that exclude each other.
fn exclude(cx: &mut Context<'_>, run: &mut OpenRun, (key, second): OnlyOne) -> Result<(), Error> {
    let others = cx.get(&key)?.unwrap_or_default();
    if second == SecondStart::NewestWins {
        for earlier in &others {
            let mut earlier = OpenRun::existing(cx, *earlier)?;
            ending::cancel(cx, &mut earlier, "a newer run took its place")?;
            earlier.save(cx);
        }
    }
    let mut others = cx.get(&key)?.unwrap_or_default();
    if let (SecondStart::Queue, Some(ahead)) = (second, others.last()) {
        run.turn(cx, RunEvent::Queue, RunState::Behind(*ahead));
        cx.put(key::behind(*ahead, run.id), &run.id);
    }
    others.push(run.id);
    cx.put(key.clone(), &others);
    run.only_one = Some(key);
    Ok(())
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

//! What wakes a run: its timers, events, and changes of records that it watches.

use dsl::eval::eval;
use dsl::program::Op;
use dsl::schema::EntityName;
use dsl::value::{Timestamp, Value};

use crate::decide::model::key;
use crate::decide::model::record::{FieldValue, RecordRow};
use crate::decide::model::row::RowKey;
use crate::decide::model::run::{RunOf, RunState, Var};
use crate::decide::model::task::Task;
use crate::decide::model::work::Waiter;
use crate::decide::runs::{effect, ending};
use crate::decide::store::runs::RunDefinition;
use crate::decide::store::scope::Variables;
use crate::decide::store::transaction::Context;
use crate::decide::store::{incidents, runs};
use crate::ids::RunId;
use crate::ledger::Error;

/// A run's timer is due.
pub(crate) fn due(cx: &mut Context<'_>, id: RunId, token: u64) -> Result<(), Error> {
    let Some(mut run) = cx.get(&key::run(id))? else { return Ok(()) };
    if run.token != token {
        return Ok(());
    }
    let Some(definition) = RunDefinition::of(cx, &run) else { return Ok(()) };
    match run.state {
        RunState::Sleeping if run.pending.is_some() => return effect::resend(cx, id, run),
        RunState::Sleeping => {
            let waited = matches!(definition.code().ops.get(run.pc), Some(Op::Wait(_) | Op::WaitUntil(_)));
            if waited {
                run.pc += 1;
                run.fresh = cx.now;
            }
        }
        RunState::Awaiting => {
            if let Some(Op::WaitFor { timed_out, .. }) = definition.code().ops.get(run.pc) {
                run.pc = *timed_out;
                run.fresh = cx.now;
            }
        }
        _ => return Ok(()),
    }
    run.wait_until = None;
    run.state = RunState::Ready;
    cx.put(key::run(id), &run);
    cx.task(Task::Run(id));
    Ok(())
}

/// The workflow's `give up after` is over.
pub(crate) fn give_up(cx: &mut Context<'_>, id: RunId) -> Result<(), Error> {
    let Some(mut run) = cx.get(&key::run(id))? else { return Ok(()) };
    if matches!(run.state, RunState::Finished | RunState::Failed | RunState::Cancelled) || run.failing {
        return Ok(());
    }
    let Some(definition) = RunDefinition::of(cx, &run) else { return Ok(()) };
    if let Some(effect) = run.pending.take()
        && let Some(work) = effect.work
    {
        cx.delete(work);
    }
    run.attempts = u64::MAX;
    ending::failed(cx, id, run, &definition, "it took longer than `give up after` allows")
}

/// The step's `timeout` is over: an action that has not succeeded by now has failed.
pub(crate) fn timed_out(cx: &mut Context<'_>, id: RunId, effect: u64) -> Result<(), Error> {
    let Some(mut run) = cx.get(&key::run(id))? else { return Ok(()) };
    let Some(pending) = run.pending.as_mut().filter(|_| run.effects == effect) else { return Ok(()) };
    match pending.work.take() {
        Some(work) => cx.delete(work),
        // It is on its way, or waits to be tried again after a try that nobody knows the end of.
        None => pending.in_doubt |= run.state == RunState::Calling,
    }
    let Some(definition) = RunDefinition::of(cx, &run) else { return Ok(()) };
    ending::failed(cx, id, run, &definition, "it took longer than the step's `timeout` allows")
}

/// A run has waited long for the partner of a record: people are shown it.
pub(crate) fn unpaired(cx: &mut Context<'_>, id: RunId, wait: &RowKey<Waiter>) -> Result<(), Error> {
    let Some(run) = cx.get(&key::run(id))? else { return Ok(()) };
    if run.state != RunState::Reading || !cx.has(wait)? {
        return Ok(());
    }
    let Some(definition) = RunDefinition::of(cx, &run) else { return Ok(()) };
    let cause = "a record it links to has no partner yet".to_owned();
    let mut row = ending::incident_row(cx, &format!("run {id}"), &run, &definition, cause);
    row.advice =
        format!("it goes on by itself when the partner comes; `engine resolve cancel {id} --reason …` ends it");
    row.parked = true;
    incidents::open(cx, row, &definition.name())
}

/// A record changed: runs that wait for it or may be cancelled by it look again.
pub(crate) fn record_changed(
    cx: &mut Context<'_>,
    entity: &EntityName,
    id: &str,
    row: &RecordRow,
) -> Result<(), Error> {
    for (_, run_id) in cx.scan(&key::watches(entity, id), usize::MAX)? {
        let mut run = runs::load(cx, run_id)?;
        let Some(definition) = RunDefinition::of(cx, &run) else { continue };
        let RunOf::Workflow(index) = run.what else { continue };
        let Some(cancel) = &definition.program.workflows[index].cancel else { continue };
        let scope = Variables {
            cx,
            program: &definition.program,
            vars: &run.vars,
            fresh: Timestamp(i64::MIN),
            cacheable: false,
        };
        if !run.failing && matches!(eval(&definition.program, cancel, &scope), Ok(Value::Flag(true))) {
            ending::end(cx, run_id, &mut run, RunState::Cancelled, "its `cancel when` holds")?;
        }
    }
    let program = cx.program();
    let awaited = program
        .workflows
        .iter()
        .any(|w| w.code.ops.iter().any(|op| matches!(op, Op::WaitFor { what, event: false, .. } if what == entity)));
    if awaited {
        for (field, seen) in &row.fields {
            if let FieldValue::Is(value) = &seen.value {
                happened(cx, entity, field, value, Var::Record(entity.clone(), id.to_owned()), seen.at)?;
            }
        }
    }
    Ok(())
}

/// Something happened that runs may wait for: each run whose condition matches goes on once.
pub(crate) fn happened(
    cx: &mut Context<'_>,
    what: &EntityName,
    field: &str,
    value: &Value,
    var: Var,
    at: Timestamp,
) -> Result<(), Error> {
    for (row, (id, pc)) in cx.scan(&key::awaiting(what, field, value), usize::MAX)? {
        let Some(mut run) = cx.get(&key::run(id))? else {
            cx.delete(row);
            continue;
        };
        if at < run.started {
            continue;
        }
        run.awaits.remove(&row);
        cx.delete(row);
        let Some(definition) = RunDefinition::of(cx, &run) else { continue };
        if run.pc == pc && run.state == RunState::Awaiting {
            if run.wait_until.is_some_and(|until| at > until) {
                cx.put(key::run(id), &run);
                continue;
            }
            if let Some(Op::WaitFor { variable: Some(name), .. }) = definition.code().ops.get(pc) {
                run.vars.insert(name.clone(), var.clone());
            }
            run.token += 1;
            run.wait_until = None;
            run.pc += 1;
            run.fresh = at.max(run.fresh);
            run.state = RunState::Ready;
            cx.put(key::run(id), &run);
            cx.task(Task::Run(id));
        } else if run.pc < pc {
            run.early.insert(pc, var.clone());
            cx.put(key::run(id), &run);
        } else {
            cx.put(key::run(id), &run);
        }
    }
    Ok(())
}

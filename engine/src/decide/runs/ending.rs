//! How a run ends, fails, is undone, or stops for a person.
//!
//! Always true: what a run holds is given back when it is over; a step that may have happened is undone too.

use std::collections::BTreeMap;

use dsl::value::Value;

use crate::decide::model::event::Action;
use crate::decide::model::freshness::Freshness;
use crate::decide::model::key;
use crate::decide::model::run::{RunEvent, RunOf, RunState, StepFailure, Var};
use crate::decide::model::subject::Subject;
use crate::decide::model::task::Task;
use crate::decide::store::incidents::{self, NewIncident};
use crate::decide::store::runs::{self, OpenRun, RunDefinition};
use crate::decide::store::transaction::Context;
use crate::ledger::Error;

/// The run came to its end.
pub(crate) fn finish(cx: &mut Context<'_>, run: &mut OpenRun) -> Result<(), Error> {
    end(cx, run, RunEvent::Finish, RunState::Finished { at: cx.now }, "")
}

/// Its `on failure` came to its end.
pub(crate) fn fail_for_good(cx: &mut Context<'_>, run: &mut OpenRun) -> Result<(), Error> {
    let failure = run.failure.clone();
    let why = failure.as_ref().map(ToString::to_string).unwrap_or_default();
    end(cx, run, RunEvent::FailForGood, RunState::Failed { at: cx.now, failure }, &why)
}

/// A rule or a person ends it.
pub(crate) fn cancel(cx: &mut Context<'_>, run: &mut OpenRun, why: &str) -> Result<(), Error> {
    end(cx, run, RunEvent::Cancel, RunState::Cancelled { at: cx.now }, why)
}

/// Ends a run and gives back what it holds.
fn end(cx: &mut Context<'_>, run: &mut OpenRun, event: RunEvent, state: RunState, why: &str) -> Result<(), Error> {
    withdraw(cx, run);
    run.token += 1;
    for key in std::mem::take(&mut run.awaits) {
        cx.delete(key);
    }
    for key in std::mem::take(&mut run.watches) {
        cx.delete(key);
    }
    for (entity, record) in std::mem::take(&mut run.touched) {
        cx.delete(key::busy(&entity, &record, run.id));
    }
    if let Some(key) = run.only_one.take() {
        let mut others = cx.get(&key)?.unwrap_or_default();
        others.retain(|other| *other != run.id);
        if others.is_empty() {
            cx.delete(key);
        } else {
            cx.put(key, &others);
        }
    }
    run.settle_incident(cx)?;
    let is_workflow = matches!(run.what, RunOf::Workflow(_));
    let over = match state {
        RunState::Finished { .. } => "finished",
        RunState::Failed { .. } => "failed",
        _ => "cancelled",
    };
    if is_workflow || event != RunEvent::Finish {
        run.log(cx, Action::Run, if why.is_empty() { over.to_owned() } else { format!("{over}: {why}") });
    }
    runs::over(cx, &run.program)?;
    run.turn(cx, event, state);
    unblock(cx, run)?;
    if !is_workflow {
        // A reaction that is over is history; workflows stay for people until retention takes them.
        run.remove(cx);
    }
    Ok(())
}

/// Those that wait for its end go on.
fn unblock(cx: &mut Context<'_>, run: &OpenRun) -> Result<(), Error> {
    for (key, waiting) in cx.scan(&key::all_behind(run.id), usize::MAX)? {
        cx.delete(key);
        let mut other = OpenRun::existing(cx, waiting)?;
        if other.state == RunState::Behind(run.id) {
            other.turn(cx, RunEvent::Unblock, RunState::Ready);
            other.fresh = other.fresh.and(run.fresh);
            cx.task(Task::Run(waiting));
        }
        other.save(cx);
    }
    Ok(())
}

/// Takes back the effect that waits in its lane, if there is one.
pub(crate) fn withdraw(cx: &mut Context<'_>, run: &OpenRun) {
    if let Some(work) = run.state.effect().and_then(|effect| effect.work.clone()) {
        cx.delete(work);
    }
}

/// An action can never succeed (or not any more): `on failure`, or a person.
pub(crate) fn failed(
    cx: &mut Context<'_>,
    run: &mut OpenRun,
    definition: &RunDefinition,
    why: &str,
) -> Result<(), Error> {
    let code = definition.code();
    let step = run.step.map_or_else(|| definition.name(), |index| code.steps[index].name.clone());
    withdraw(cx, run);
    run.token += 1;
    if run.state.effect().is_some_and(|effect| effect.in_doubt)
        && run.stack.is_empty()
        && let Some(step) = run.step
        && !run.completed.contains(&step)
    {
        // What may have happened is undone too.
        run.completed.push(step);
    }
    if let Some(frame) = run.stack.last() {
        // A failing undo is shown to people; the others still run.
        let undone = frame.step.map_or_else(String::new, |index| code.steps[index].name.clone());
        let cause = format!("`{undone}` could not be undone: {why}");
        let incident = run.incident(Subject::Undo { run: run.id, step: undone }, cause);
        incidents::open(cx, NewIncident { advice: "undo it by hand".to_owned(), ..incident })?;
        run.turn(cx, RunEvent::Fail, RunState::Ready);
        next_undo(run, definition);
        cx.task(Task::Run(run.id));
        return Ok(());
    }
    let Some(entry) = code.on_failure.filter(|_| run.failure.is_none()) else {
        return stop(cx, run, &format!("{step}: {why}"));
    };
    run.log(cx, Action::Step, format!("{step} failed: {why}"));
    run.settle_incident(cx)?;
    let members = [("step".to_owned(), Value::text(&step)), ("message".to_owned(), Value::text(why))];
    run.vars.insert("failure".to_owned(), Var::Members(BTreeMap::from(members)));
    run.failure = Some(StepFailure { step, message: why.to_owned() });
    run.pc = entry;
    // What follows belongs to no step: it is retried as is usual, not as the failed step said.
    run.step = None;
    run.fresh = Freshness::AsOf(cx.now);
    run.reset_tries();
    run.turn(cx, RunEvent::Fail, RunState::Ready);
    cx.task(Task::Run(run.id));
    Ok(())
}

/// Goes to the next step that is to be undone, or behind the undoing.
pub(crate) fn next_undo(run: &mut OpenRun, definition: &RunDefinition) {
    run.reset_tries();
    let Some(frame) = run.stack.last_mut() else { return };
    match frame.left.pop() {
        Some(index) => {
            frame.step = Some(index);
            let resume = frame.resume;
            run.pc = definition.code().steps[index].undo.unwrap_or(resume);
        }
        None => {
            run.pc = frame.resume;
            run.stack.pop();
        }
    }
}

/// The run stops for a person.
pub(crate) fn stop(cx: &mut Context<'_>, run: &mut OpenRun, why: &str) -> Result<(), Error> {
    withdraw(cx, run);
    run.token += 1;
    run.turn(cx, RunEvent::Stop, RunState::Stopped(why.to_owned()));
    let advice = "mend the cause, then `engine resolve` retries, skips or cancels it".to_owned();
    let incident = run.incident(Subject::Run(run.id), why.to_owned());
    incidents::open(cx, NewIncident { advice, ..incident })
}

//! How a run ends, fails, is undone, or stops for a person.
//!
//! Always true: what a run holds is given back when it is over; a step that may have happened is undone too.

use std::collections::BTreeMap;

use dsl::value::Value;

use crate::decide::model::incident::IncidentRow;
use crate::decide::model::key;
use crate::decide::model::run::{RunOf, RunRow, RunState, Var};
use crate::decide::model::task::Task;
use crate::decide::store::runs::RunDefinition;
use crate::decide::store::transaction::Context;
use crate::decide::store::{incidents, runs};
use crate::ids::RunId;
use crate::ledger::Error;

/// Ends a run and gives back what it holds.
pub(crate) fn end(cx: &mut Context<'_>, id: RunId, run: &mut RunRow, state: RunState, why: &str) -> Result<(), Error> {
    if let Some(effect) = run.pending.take()
        && let Some(work) = effect.work
    {
        cx.delete(work);
    }
    run.token += 1;
    for key in std::mem::take(&mut run.awaits) {
        cx.delete(key);
    }
    for key in std::mem::take(&mut run.watches) {
        cx.delete(key);
    }
    for (entity, record) in std::mem::take(&mut run.touched) {
        cx.delete(key::busy(&entity, &record, id));
    }
    if let Some(name) = run.only_one.take() {
        let key: Vec<u8> =
            (0..name.len() / 2).filter_map(|i| u8::from_str_radix(&name[2 * i..2 * i + 2], 16).ok()).collect();
        let key = key::only_one_of(key);
        let mut runs = cx.get(&key)?.unwrap_or_default();
        runs.retain(|other| *other != id);
        if runs.is_empty() {
            cx.delete(key);
        } else {
            cx.put(key, &runs);
        }
    }
    incidents::settle(cx, &format!("run {id}"))?;
    let is_workflow = matches!(run.what, RunOf::Workflow(_));
    if is_workflow || state != RunState::Finished {
        let what = match state {
            RunState::Finished => "finished",
            RunState::Failed => "failed",
            _ => "cancelled",
        };
        runs::log(cx, id, run, "run", if why.is_empty() { what.to_owned() } else { format!("{what}: {why}") });
    }
    if !run.state.is_over() {
        runs::over(cx, &run.program)?;
    }
    run.state = state;
    cx.put(key::run(id), run);
    for (row, waiting) in cx.scan(&key::all_behind(id), usize::MAX)? {
        cx.delete(row);
        let mut other = runs::load(cx, waiting)?;
        if other.state == RunState::Behind(id) {
            other.state = RunState::Ready;
            other.fresh = other.fresh.max(run.fresh);
            cx.put(key::run(waiting), &other);
            cx.task(Task::Run(waiting));
        }
    }
    if !is_workflow {
        // A reaction that is over is history; workflows stay for people until retention takes them.
        cx.delete(key::run(id));
    }
    Ok(())
}

/// An action can never succeed (or not any more): `on failure`, or a person.
pub(crate) fn failed(
    cx: &mut Context<'_>,
    id: RunId,
    mut run: RunRow,
    definition: &RunDefinition,
    why: &str,
) -> Result<(), Error> {
    let code = definition.code();
    let step = run.step.map_or_else(|| definition.name(), |index| code.steps[index].name.clone());
    run.token += 1;
    if run.pending.take().is_some_and(|effect| effect.in_doubt)
        && run.stack.is_empty()
        && let Some(step) = run.step
        && !run.completed.contains(&step)
    {
        // What may have happened is undone too.
        run.completed.push(step);
    }
    run.wait_until = None;
    if !run.stack.is_empty() {
        // A failing undo is shown to people; the others still run.
        let undone = run.stack.last().and_then(|f| f.step).map_or_else(String::new, |i| code.steps[i].name.clone());
        let row = incident_row(
            cx,
            &format!("run {id} undo {undone}"),
            &run,
            definition,
            format!("`{undone}` could not be undone: {why}"),
        );
        incidents::open(cx, row, &definition.name())?;
        run.state = RunState::Ready;
        next_undo(&mut run, definition);
        cx.put(key::run(id), &run);
        cx.task(Task::Run(id));
        return Ok(());
    }
    match code.on_failure {
        Some(entry) if !run.failing => {
            runs::log(cx, id, &run, "step", format!("{step} failed: {why}"));
            run.failing = true;
            run.failure = Some((step.clone(), why.to_owned()));
            run.vars.insert(
                "failure".to_owned(),
                Var::Members(BTreeMap::from([
                    ("step".to_owned(), Value::text(step)),
                    ("message".to_owned(), Value::text(why)),
                ])),
            );
            run.pc = entry;
            // What follows belongs to no step: it is retried as is usual, not as the failed step said.
            run.step = None;
            run.fresh = cx.now;
            run.state = RunState::Ready;
            runs::reset_tries(&mut run);
            cx.put(key::run(id), &run);
            cx.task(Task::Run(id));
            Ok(())
        }
        _ => {
            let cause = format!("{step}: {why}");
            stop(cx, id, &mut run, &cause, Some(definition))
        }
    }
}

/// Goes to the next step that is to be undone, or behind the undoing.
pub(crate) fn next_undo(run: &mut RunRow, definition: &RunDefinition) {
    runs::reset_tries(run);
    let Some(frame) = run.stack.last_mut() else { return };
    match frame.left.pop() {
        Some(index) => {
            frame.step = Some(index);
            run.pc = definition.code().steps[index].undo.unwrap_or(frame.resume);
        }
        None => {
            run.pc = frame.resume;
            run.stack.pop();
        }
    }
}

/// The run stops for a person.
pub(crate) fn stop(
    cx: &mut Context<'_>,
    id: RunId,
    run: &mut RunRow,
    why: &str,
    definition: Option<&RunDefinition>,
) -> Result<(), Error> {
    run.state = RunState::Stopped(why.to_owned());
    cx.put(key::run(id), run);
    let subject = run.vars.values().find_map(|var| match var {
        Var::Record(entity, id) => Some((entity.to_string(), id.clone())),
        _ => None,
    });
    let (entity, record) = subject.unwrap_or_default();
    let (rule, place) = definition.map_or_else(Default::default, |s| (s.name(), s.place()));
    let row = incidents::row(
        format!("run {id}"),
        &rule,
        place,
        entity,
        record,
        why.to_owned(),
        "mend the cause, then `engine resolve` retries, skips or cancels it",
        false,
        cx.now,
    );
    incidents::open(cx, row, &rule)
}

pub(crate) fn incident_row(
    cx: &Context<'_>,
    subject: &str,
    run: &RunRow,
    definition: &RunDefinition,
    cause: String,
) -> IncidentRow {
    let record = run.vars.values().find_map(|var| match var {
        Var::Record(entity, id) => Some((entity.to_string(), id.clone())),
        _ => None,
    });
    let (entity, id) = record.unwrap_or_default();
    incidents::row(
        subject.to_owned(),
        &definition.name(),
        definition.place(),
        entity,
        id,
        cause,
        "undo it by hand",
        false,
        cx.now,
    )
}

//! Goes on with a run, one operation of its flat code after the other (RUNTIME.md sections 4 and 5).
//!
//! Always true: an unfinished run names its waker in its state; the answer to one effect and the intent of the next are
//! one round.

use std::sync::Arc;

use dsl::ast::Priority;
use dsl::program::Op;
use dsl::value::{Duration, Timestamp, Value};

use crate::decide::model::key;
use crate::decide::model::need::{Blocked, Need, needs_partner};
use crate::decide::model::run::{Frame, RunOf, RunRow, RunState};
use crate::decide::model::work::{TimerRow, Waiter};
use crate::decide::runs::{action, ending, start};
use crate::decide::store::links::PARTNER_TIMEOUT;
use crate::decide::store::runs::RunDefinition;
use crate::decide::store::transaction::Context;
use crate::decide::store::{incidents, reads, runs};
use crate::ids::RunId;
use crate::ledger::Error;

/// Goes on with a run as far as it can.
pub(crate) fn advance(cx: &mut Context<'_>, id: RunId) -> Result<(), Error> {
    let Some(mut run) = cx.get(&key::run(id))? else { return Ok(()) };
    if !matches!(run.state, RunState::Ready | RunState::Reading) {
        return Ok(());
    }
    let Some(definition) = RunDefinition::of(cx, &run) else {
        return ending::stop(cx, id, &mut run, "the rules it began with are not here any more", None);
    };
    let mut waited = run.state == RunState::Reading;
    run.state = RunState::Ready;
    // Each pass through the loop is one operation; code has no backward jumps but for undo.
    for _ in 0..100_000 {
        let went = step(cx, id, &mut run, &definition);
        if waited && !matches!(&went, Err(Blocked::Need(need)) if needs_partner(need)) {
            waited = false;
            incidents::settle_wait(cx, &format!("run {id}"))?;
        }
        match went {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(Blocked::Need(need)) => {
                run.state = RunState::Reading;
                cx.put(key::run(id), &run);
                if let Need::Partner { sync, side, id: record } = &need {
                    let wait = key::partner_wait(sync, *side, record, Waiter::Run(id));
                    if !cx.has(&wait)? {
                        cx.arm(cx.now.plus(PARTNER_TIMEOUT), &TimerRow::Unpaired(id, wait))?;
                    }
                }
                return reads::need(cx, &need, Waiter::Run(id), Priority::High);
            }
            Err(Blocked::Fault(fault)) => return ending::failed(cx, id, run, &definition, &fault.to_string()),
            Err(Blocked::Ledger(error)) => return Err(error),
        }
    }
    ending::stop(cx, id, &mut run, "it does not come to an end", None)
}

/// One operation. False where the run has to wait or is over; it has been stored then.
fn step(cx: &mut Context<'_>, id: RunId, run: &mut RunRow, definition: &RunDefinition) -> Result<bool, Blocked> {
    let program = Arc::clone(&definition.program);
    if run.pc == 0
        && let RunOf::When(index) = run.what
        && let Some(only) = &program.whens[index].only
        && !action::holds(cx, run, &program, only)?
    {
        ending::end(cx, id, run, RunState::Finished, "")?;
        return Ok(false);
    }
    let code = definition.code();
    let Some(op) = code.ops.get(run.pc) else {
        ending::end(cx, id, run, RunState::Finished, "")?;
        return Ok(false);
    };
    match op {
        Op::Step(index) => {
            run.step = Some(*index);
            run.pc += 1;
            runs::reset_tries(run);
        }
        Op::EndStep(index) => {
            run.completed.push(*index);
            run.step = None;
            run.pc += 1;
            runs::log(cx, id, run, "step", format!("{} done", code.steps[*index].name));
        }
        Op::JumpUnless(condition, target) => {
            run.pc = if action::holds(cx, run, &program, condition)? { run.pc + 1 } else { *target };
        }
        Op::Jump(target) => run.pc = *target,
        Op::Act(act) => return action::perform(cx, id, run, definition, act),
        Op::Wait(span) => {
            let until = cx.now.plus(*span);
            return sleep(cx, id, run, until);
        }
        Op::WaitUntil(expr) => {
            let until = match action::value(cx, run, &program, expr, false)? {
                Value::Time(time) => time,
                Value::Date(days) => Timestamp(i64::from(days) * 86_400_000),
                _ => cx.now,
            };
            return sleep(cx, id, run, until);
        }
        Op::WaitFor { what, field, equals, up_to, variable, .. } => {
            if let Some(var) = run.early.remove(&run.pc) {
                if let Some(name) = variable {
                    run.vars.insert(name.clone(), var);
                }
                run.fresh = cx.now;
                run.pc += 1;
                return Ok(true);
            }
            let value = action::value(cx, run, &program, equals, false)?;
            start::listen(cx, id, run, run.pc, what, field, &value);
            let until = cx.now.plus(*up_to);
            run.token += 1;
            run.wait_until = Some(until);
            run.state = RunState::Awaiting;
            // D includes its last instant.
            cx.arm(until.plus(Duration(1)), &TimerRow::Run(id, run.token))?;
            cx.put(key::run(id), run);
            return Ok(false);
        }
        Op::UndoCompleted => {
            let left: Vec<usize> = run
                .completed
                .iter()
                .copied()
                .filter(|index| code.steps[*index].undo.is_some() && !run.undone.contains(index))
                .collect();
            run.stack.push(Frame { resume: run.pc + 1, left, step: None });
            ending::next_undo(run, definition);
        }
        Op::Return => {
            if run.stack.last().is_some() {
                if let Some(frame) = run.stack.last()
                    && let Some(done) = frame.step
                {
                    run.undone.insert(done);
                    runs::log(cx, id, run, "step", format!("{} undone", code.steps[done].name));
                }
                ending::next_undo(run, definition);
                return Ok(true);
            }
            let why = run.failure.clone().map(|(step, message)| format!("{step}: {message}")).unwrap_or_default();
            ending::end(cx, id, run, RunState::Failed, &why)?;
            return Ok(false);
        }
        Op::Finish => {
            ending::end(cx, id, run, RunState::Finished, "")?;
            return Ok(false);
        }
    }
    Ok(true)
}

fn sleep(cx: &mut Context<'_>, id: RunId, run: &mut RunRow, until: Timestamp) -> Result<bool, Blocked> {
    run.token += 1;
    run.wait_until = Some(until);
    run.state = RunState::Sleeping;
    cx.arm(until, &TimerRow::Run(id, run.token))?;
    cx.put(key::run(id), run);
    Ok(false)
}

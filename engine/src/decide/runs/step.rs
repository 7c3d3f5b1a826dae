//! Goes on with a run, one operation of its flat code after the other (RUNTIME.md sections 4 and 5).
//!
//! Always true: an unfinished run names its waker in its state; the answer to one effect and the intent of the next are
//! one round.

use std::sync::Arc;

use dsl::program::{Expr, Op};
use dsl::schema::EntityName;
use dsl::value::{Duration, Timestamp, Value};

use crate::decide::model::event::Action;
use crate::decide::model::freshness::Freshness;
use crate::decide::model::need::{Blocked, needs_partner};
use crate::decide::model::run::{Frame, RunEvent, RunOf, RunState};
use crate::decide::model::subject::Subject;
use crate::decide::runs::action::{self, Next};
use crate::decide::runs::{ending, start};
use crate::decide::store::incidents;
use crate::decide::store::runs::{OpenRun, RunDefinition};
use crate::decide::store::transaction::Context;
use crate::ids::RunId;
use crate::ledger::Error;

/// More operations than code without loops can have, undone steps included.
const MOST_OPERATIONS: usize = 100_000;

/// Goes on with a run as far as it can.
pub(crate) fn advance(cx: &mut Context<'_>, id: RunId) -> Result<(), Error> {
    let Some(mut run) = OpenRun::open(cx, id)? else { return Ok(()) };
    if matches!(run.state, RunState::Starting | RunState::Ready | RunState::Reading) {
        match run.definition.clone() {
            Some(definition) => go_on(cx, &mut run, &definition)?,
            None => ending::stop(cx, &mut run, "the rules it began with are not here any more")?,
        }
    }
    run.save(cx);
    Ok(())
}

fn go_on(cx: &mut Context<'_>, run: &mut OpenRun, definition: &RunDefinition) -> Result<(), Error> {
    let mut waited = run.state == RunState::Reading;
    if run.state == RunState::Starting {
        start::enter(cx, run, &definition.program)?;
    } else if waited {
        run.turn(cx, RunEvent::Known, RunState::Ready);
    }
    if run.state != RunState::Ready {
        return Ok(());
    }
    // Each pass through the loop is one operation; code has no backward jumps but for undo.
    for _ in 0..MOST_OPERATIONS {
        let next = step(cx, run, definition);
        if waited && !matches!(&next, Err(Blocked::Need(need)) if needs_partner(need)) {
            waited = false;
            incidents::settle_wait(cx, &Subject::Run(run.id))?;
        }
        match next {
            Ok(Next::GoOn) => {}
            Ok(Next::Wait) => return Ok(()),
            Err(Blocked::Need(need)) => {
                run.turn(cx, RunEvent::Need, RunState::Reading);
                return run.wait_for(cx, &need);
            }
            Err(Blocked::Fault(fault)) => return ending::failed(cx, run, definition, &fault.to_string()),
            Err(Blocked::Ledger(error)) => return Err(error),
        }
    }
    ending::stop(cx, run, "it does not come to an end")
}

/// One operation.
fn step(cx: &mut Context<'_>, run: &mut OpenRun, definition: &RunDefinition) -> Result<Next, Blocked> {
    let program = Arc::clone(&definition.program);
    if run.pc == 0
        && let RunOf::When(index) = run.what
        && let Some(only) = &program.whens[index].only
        && !action::holds(cx, run, &program, only)?
    {
        return finish(cx, run);
    }
    let code = definition.code();
    let Some(op) = code.ops.get(run.pc) else { return finish(cx, run) };
    match op {
        Op::Step(index) => {
            run.step = Some(*index);
            run.go_on();
        }
        Op::EndStep(index) => {
            run.completed.push(*index);
            run.step = None;
            run.pc += 1;
            run.log(cx, Action::Step, format!("{} done", code.steps[*index].name));
        }
        Op::JumpUnless(condition, target) => {
            run.pc = if action::holds(cx, run, &program, condition)? { run.pc + 1 } else { *target };
        }
        Op::Jump(target) => run.pc = *target,
        Op::Act(act) => return action::perform(cx, run, definition, act),
        Op::Wait(span) => return sleep(cx, run, cx.now.plus(*span)),
        Op::WaitUntil(expr) => {
            let until = match action::value(cx, run, &program, expr, false)? {
                Value::Time(time) => time,
                Value::Date(days) => Timestamp(i64::from(days) * 86_400_000),
                _ => cx.now,
            };
            return sleep(cx, run, until);
        }
        Op::WaitFor { what, field, equals, up_to, variable, .. } => {
            let pc = run.pc;
            if let Some(var) = run.early.remove(&pc) {
                run.bind(variable.as_ref(), var);
                run.fresh = Freshness::AsOf(cx.now);
                run.pc += 1;
                return Ok(Next::GoOn);
            }
            return wait_for_event(cx, run, definition, (what, field, equals), *up_to);
        }
        Op::UndoCompleted => {
            let is_left = |index: &usize| code.steps[*index].undo.is_some() && !run.undone.contains(index);
            let left = run.completed.iter().copied().filter(is_left).collect();
            let resume = run.pc + 1;
            run.stack.push(Frame { resume, left, step: None });
            ending::next_undo(run, definition);
        }
        Op::Return => {
            let Some(frame) = run.stack.last() else {
                ending::fail_for_good(cx, run)?;
                return Ok(Next::Wait);
            };
            if let Some(done) = frame.step {
                run.undone.insert(done);
                run.log(cx, Action::Step, format!("{} undone", code.steps[done].name));
            }
            ending::next_undo(run, definition);
        }
        Op::Finish => return finish(cx, run),
    }
    Ok(Next::GoOn)
}

fn finish(cx: &mut Context<'_>, run: &mut OpenRun) -> Result<Next, Blocked> {
    ending::finish(cx, run)?;
    Ok(Next::Wait)
}

fn sleep(cx: &mut Context<'_>, run: &mut OpenRun, until: Timestamp) -> Result<Next, Blocked> {
    run.arm(cx, until)?;
    run.turn(cx, RunEvent::Sleep, RunState::Sleeping { until });
    Ok(Next::Wait)
}

fn wait_for_event(
    cx: &mut Context<'_>,
    run: &mut OpenRun,
    definition: &RunDefinition,
    (what, field, equals): (&EntityName, &str, &Expr),
    up_to: Duration,
) -> Result<Next, Blocked> {
    let value = action::value(cx, run, &definition.program, equals, false)?;
    run.listen(cx, run.pc, (what, field), &value);
    let until = cx.now.plus(up_to);
    // What happens in the last instant still counts.
    run.arm(cx, until.plus(Duration(1)))?;
    run.turn(cx, RunEvent::Await, RunState::Awaiting { until });
    Ok(Next::Wait)
}

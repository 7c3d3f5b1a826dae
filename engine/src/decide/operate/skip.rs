//! What is skipped where a decision breaks off and no instance is found to be at fault (quarantine).
//!
//! A defect of the engine must not end the daemon, least of all again after each restart, because what was due is
//! still due. In: what could not be decided, and why. Out: an incident; a timer is taken away, a lane and the answers
//! of a call stay as they are until the next start.
//! Always true: nothing of it is silent, and nothing else waits for it.

use crate::decide::delivery::inbox;
use crate::decide::links::{catch_up, schedule};
use crate::decide::model::input::Skip;
use crate::decide::model::key;
use crate::decide::model::row::Prefix;
use crate::decide::model::subject::Subject;
use crate::decide::model::work::TimerRow;
use crate::decide::operate::sweep;
use crate::decide::store::incidents;
use crate::decide::store::transaction::Context;
use crate::ledger::Error;

/// Leaves it undone, and shows it to people.
pub(crate) fn leave(cx: &mut Context<'_>, what: &Skip, reason: &str) -> Result<(), Error> {
    let subject = match what {
        Skip::Timer => {
            let Some((key, bytes)) = cx.scan_bytes(&Prefix::all(), 1)?.pop() else { return Ok(()) };
            if key::due(&key)? > cx.now {
                return Ok(());
            }
            cx.delete(key.clone());
            match key.decode(&bytes) {
                Ok(timer) => {
                    again(cx, &timer)?;
                    Subject::Timer(format!("{timer:?}"))
                }
                Err(error) => Subject::Timer(error.to_string()),
            }
        }
        Skip::Lane(lane) => {
            let bulk = if lane.bulk { " bulk" } else { "" };
            Subject::Lane(format!("{} {:?}{bulk}", lane.system, lane.kind))
        }
        Skip::Answers(call) => Subject::Call(*call),
    };
    incidents::report(cx, subject, reason)
}

/// What comes again by itself goes on with its next time.
pub(crate) fn again(cx: &mut Context<'_>, timer: &TimerRow) -> Result<(), Error> {
    match timer {
        TimerRow::Schedule(sync) => schedule::left_out(cx, sync),
        TimerRow::CatchUp(sync) => catch_up::left_out(cx, sync),
        TimerRow::Pace(system) => inbox::later(cx, system),
        TimerRow::Sweep => sweep::later(cx),
        TimerRow::Run(..)
        | TimerRow::GiveUp(_)
        | TimerRow::Timeout(..)
        | TimerRow::Unpaired(..)
        | TimerRow::Link(_)
        | TimerRow::Overdue(_) => Ok(()),
    }
}

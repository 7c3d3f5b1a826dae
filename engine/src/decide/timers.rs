//! What each timer that is due does.

use crate::decide::delivery::route;
use crate::decide::links::{advance, catch_up, matching, schedule};
use crate::decide::model::key;
use crate::decide::model::row::Prefix;
use crate::decide::model::subject::Subject;
use crate::decide::model::task::Task;
use crate::decide::model::work::TimerRow;
use crate::decide::operate::{skip, sweep};
use crate::decide::runs::wake;
use crate::decide::store::incidents;
use crate::decide::store::transaction::Context;
use crate::ledger::Error;

/// Takes every timer that is due, or where one of them broke off the first of them.
pub(crate) fn due(cx: &mut Context<'_>) -> Result<(), Error> {
    let most = if cx.isolation.one_timer_only() { 1 } else { 256 };
    for (key, timer) in cx.scan(&Prefix::<TimerRow>::all(), most)? {
        if key::due(&key)? > cx.now {
            break;
        }
        cx.delete(key.clone());
        cx.task(Task::Timer { key, timer });
    }
    Ok(())
}

/// Does what a timer is for.
pub(crate) fn fire(cx: &mut Context<'_>, timer: &TimerRow) -> Result<(), Error> {
    match timer {
        TimerRow::Run(run, token) => wake::due(cx, *run, *token),
        TimerRow::GiveUp(run) => wake::give_up(cx, *run),
        TimerRow::Timeout(run, effect) => wake::timed_out(cx, *run, *effect),
        TimerRow::Unpaired(run, wait) => wake::unpaired(cx, *run, wait),
        TimerRow::Schedule(sync) => schedule::due(cx, sync),
        TimerRow::CatchUp(sync) => catch_up::due(cx, sync),
        TimerRow::Pace(system) => route::due(cx, system),
        TimerRow::Link(link) => advance::retry(cx, *link),
        TimerRow::Overdue(link) => matching::overdue(cx, *link),
        TimerRow::Sweep => sweep::due(cx),
    }
}

/// A timer that is about no link and no run broke off: what comes again by itself goes on with its next time.
pub(crate) fn broken(cx: &mut Context<'_>, timer: &TimerRow, why: &str) -> Result<(), Error> {
    skip::again(cx, timer)?;
    incidents::report(cx, Subject::Timer(format!("{timer:?}")), why)
}

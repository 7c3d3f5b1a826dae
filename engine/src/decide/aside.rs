//! What is left undone where a decision breaks off and no instance is found to be at fault.
//!
//! A defect of the engine must not end the daemon, least of all again after each restart, because what was due is
//! still due. In: what could not be decided, and why. Out: an incident; a timer is taken away, a lane and the answers
//! of a call stay as they are until the next start.
//! Always true: nothing of it is silent, and nothing else waits for it.

use super::context::{Context, decode};
use super::rows::{Kind, TimerRow};
use super::{Input, Lane, inbox, incident, schedule, sweep, timer_moment};
use crate::ids::CallId;
use crate::ledger::Error;

/// What is left undone.
#[derive(Debug, Clone, PartialEq)]
pub enum Aside {
    /// The earliest timer.
    Timer,
    /// A lane that was to be opened.
    Lane(Lane),
    /// The answers to a call.
    Answers(CallId),
}

impl Aside {
    /// What of `input` can be left undone; `None` where its source is to be told instead.
    #[must_use]
    pub fn of(input: &Input) -> Option<Self> {
        match input {
            Input::Due => Some(Self::Timer),
            Input::Open { lane, .. } => Some(Self::Lane(lane.clone())),
            Input::Answers { call, .. } => Some(Self::Answers(*call)),
            _ => None,
        }
    }
}

/// Leaves it undone, and shows it to people.
pub(super) fn leave(cx: &mut Context<'_>, what: &Aside, reason: &str) -> Result<(), Error> {
    let subject = match what {
        Aside::Timer => {
            let Some((key, bytes)) = cx.scan(&[Kind::Timer as u8], 1)?.pop() else { return Ok(()) };
            if timer_moment(&key).is_none_or(|at| at > cx.now) {
                return Ok(());
            }
            cx.delete(key.clone());
            match decode::<TimerRow>(&key, &bytes) {
                Ok(timer) => {
                    again(cx, &timer)?;
                    format!("timer {timer:?}")
                }
                Err(error) => format!("timer {error}"),
            }
        }
        Aside::Lane(lane) => {
            let bulk = if lane.bulk { " bulk" } else { "" };
            format!("lane {} {:?}{bulk}", lane.system, lane.kind)
        }
        Aside::Answers(call) => format!("call c{}", call.0),
    };
    tell(cx, subject, reason)
}

/// What comes again by itself goes on with its next time.
pub(super) fn again(cx: &mut Context<'_>, timer: &TimerRow) -> Result<(), Error> {
    match timer {
        TimerRow::Schedule(sync) => schedule::left_out(cx, sync),
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

/// An incident about a defect that is about no pair, run or read.
pub(super) fn tell(cx: &mut Context<'_>, subject: String, reason: &str) -> Result<(), Error> {
    let name = subject.split(' ').next().unwrap_or_default().to_owned();
    let advice = format!(
        "report it with the log; it is left out, and everything else goes on; `engine resolve dismiss '{subject}'` \
         closes this"
    );
    let row = incident::row(
        subject,
        &name,
        String::new(),
        String::new(),
        String::new(),
        format!("a decision about it broke off, which is a defect of the engine: {reason}"),
        &advice,
        false,
        cx.now,
    );
    incident::open(cx, row, &name)
}

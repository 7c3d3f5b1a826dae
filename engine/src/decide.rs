//! Turns one input into what should happen; does none of it.
//!
//! In: the rows (read through a trait), the programs, one [`Input`] and the time that came with it.
//! Out: an [`Outcome`]: row changes and records, made durable together, and [`Command`]s, carried out after.
//! Always true: the same rows, programs, input and time give the same outcome; no clock, no randomness, no I/O.
//! Work is queued in lanes ([`Lane`]); the gate opens a lane when budget and deadline say so, and only then
//! are the values read that go out. Not here: pacing (the gate), making durable (the ledger), calling (connectors).
//!
//! The rooms, each of which may use those below it and none above:
//!
//! ```text
//! operate/               what people ask for, and what is looked through now and then
//! delivery/   calls/     what comes in, and what goes out and comes back
//! isolation              a decision that breaks off stops its instance only
//! runs/                  reactions and workflows
//! links/                 which records are the same thing, and what is moved between them
//! records/               what is known of records
//! store/                 the transaction, and typed access to its rows
//! model/                 the vocabulary: inputs, outcomes, rows and their keys
//! views/                 read-only, beside everything
//! ```

mod calls;
mod delivery;
pub mod forms;
mod isolation;
pub mod lifecycles;
mod links;
pub mod model;
mod operate;
mod records;
#[cfg(test)]
mod rooms;
mod runs;
mod store;
mod timers;
pub mod views;

use dsl::value::Timestamp;

use self::calls::{answers, identify, open};
use self::delivery::{inbox, offsets, route, tombstones};
use self::isolation::Isolated;
pub(crate) use self::links::own_key::OWN_KEY;
use self::links::{advance, catch_up, existence, overwritten, schedule};
pub(crate) use self::model::answer::{denial, lets_in};
pub use self::model::event::{Action, Event};
use self::model::freshness::Freshness;
pub use self::model::input::{Input, OperatorCommand, Skip, Source};
pub use self::model::instance::{Instance, Isolation};
pub use self::model::lane::{Lane, LaneKind};
pub use self::model::outcome::{Command, Outcome, Queued, Unanswered};
pub use self::model::settings::{Programs, Settings};
use self::model::task::Task;
pub use self::model::trace::{Reached, Wrote};
pub use self::model::work::PointRead;
pub use self::operate::seed::{Known, Pair, seed};
use self::operate::{commands, skip, sweep};
use self::runs::{react, start, step, wake};
use self::store::transaction::Context;
pub use self::views::liveness::stuck;
pub use self::views::start::{
    hashes_in_use, known_cluster, next_timer, offsets, queued, unanswered, waiting_deliveries,
};
use crate::ledger::{Error, Rows};

/// How often one decision comes back to the same instance. A page of a listing and the largest delivery come back to a
/// record or a pair some hundred times.
const MOST_TASKS: u32 = 2_000;

/// Decides.
///
/// # Errors
/// Where rows cannot be read or understood; nothing has happened then.
pub fn decide(
    rows: &dyn Rows,
    programs: &Programs,
    settings: &Settings,
    input: &Input,
    now: Timestamp,
) -> Result<Outcome, Error> {
    decide_isolated(rows, programs, settings, &Isolation::default(), input, now)
}

/// Decides, and stops those instances on which an earlier try with the same input broke off.
///
/// Where this panics, [`Isolation::at`] tells which instance it was about, if it was about one. [`Isolation::broke`] adds
/// it, and the next try stops it and goes on with everything else.
///
/// # Errors
/// As [`decide()`].
pub fn decide_isolated(
    rows: &dyn Rows,
    programs: &Programs,
    settings: &Settings,
    isolation: &Isolation,
    input: &Input,
    now: Timestamp,
) -> Result<Outcome, Error> {
    isolation.leave();
    #[cfg(test)]
    isolation::break_off_unguarded(input);
    let mut cx = Context::new(rows, programs, settings, isolation, now);
    match input {
        Input::Started => {
            store::runs::count(&mut cx)?;
            sweep::started(&mut cx)?;
            schedule::started(&mut cx)?;
            catch_up::started(&mut cx)?;
            identify::started(&mut cx);
            inbox::started(&mut cx)?;
        }
        Input::Delivery { system, messages, malformed, source } => {
            route::delivery(&mut cx, system, messages, malformed, source)?;
        }
        Input::Unreadable { system, source, reason, payload } => {
            route::unreadable(&mut cx, system, source, reason, payload)?;
        }
        Input::Tombstone { system, source, key, at } => tombstones::take(&mut cx, system, source, key, *at)?,
        Input::Offset { topic, partition, next, reason } => {
            offsets::passed_over(&mut cx, topic, *partition, *next, reason)?;
        }
        Input::Cluster { id } => offsets::cluster(&mut cx, id)?,
        Input::Open { lane, max } => open::open(&mut cx, lane, *max)?,
        Input::Answers { call, answers } => answers::take(&mut cx, *call, answers)?,
        Input::Due => timers::due(&mut cx)?,
        Input::Skip { what, reason } => skip::leave(&mut cx, what, reason)?,
        Input::Operator { who, command } => commands::command(&mut cx, who, command)?,
    }
    // Its parts, and what follows from them, until nothing does.
    while let Some(task) = cx.next_task() {
        let instance = task.instance();
        match cx.count(&instance) {
            ..=MOST_TASKS => {}
            // Whatever keeps it on the agenda would do so at the next start, too.
            count => {
                if count == MOST_TASKS + 1 {
                    give_up(&mut cx, &task, &instance, "it does not come to an end")?;
                }
                continue;
            }
        }
        let isolated = isolation::run(&mut cx, &instance, |cx| carry_out(cx, &task))?;
        if let Isolated::Broken(why) = isolated {
            give_up(&mut cx, &task, &instance, &why)?;
        }
    }
    Ok(cx.finish())
}

fn carry_out(cx: &mut Context<'_>, task: &Task<'_>) -> Result<(), Error> {
    match task {
        Task::Message(incoming) => route::message(cx, incoming),
        Task::Timer { timer, .. } => timers::fire(cx, timer),
        Task::Answer(answered) => answers::account(cx, answered),
        Task::Landed(landed) => overwritten::landed(cx, landed),
        Task::Overwritten(edit) => overwritten::overwritten(cx, edit),
        Task::Deleted { entity, id, erased } => existence::deleted(cx, entity, id, *erased),
        Task::Merged { entity, into, gone } => existence::merged(cx, entity, into, gone),
        Task::Restored { entity, id } => existence::restored(cx, entity, id),
        Task::Changed { entity, id } => {
            advance::changed(cx, entity, id)?;
            wake::record_changed(cx, entity, id)
        }
        Task::Moved { entity, id, at, own } => wake::record_moved(cx, entity, id, *at, *own),
        Task::Touched { entity, id, syncs } => advance::touched(cx, entity, id, syncs),
        Task::Start { workflow, entity, id, at } => {
            start::start(cx, &cx.program(), *workflow, (entity, id), Freshness::AsOf(*at))
        }
        Task::Link(link) => advance::advance(cx, *link),
        Task::Run(run) => step::advance(cx, *run),
        Task::React(transition) => react::react(cx, transition),
    }
}

/// The instance of a task broke an earlier try: it is stopped, and everything else goes on.
fn give_up(cx: &mut Context<'_>, task: &Task<'_>, instance: &Instance, why: &str) -> Result<(), Error> {
    match task {
        Task::Message(incoming) => route::broken(cx, incoming, why),
        Task::Timer { timer, .. } if matches!(instance, Instance::Timer(_)) => timers::broken(cx, timer, why),
        _ => isolation::stop(cx, instance, why),
    }
}

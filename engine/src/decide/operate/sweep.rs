//! What is kept for a time only: marks of messages that came, runs of workflows that are over, writes of ours that cannot
//! be seen any more, and messages that nobody could read.
//!
//! Always true: one sweep is armed, whatever was started how often; each looks at a bounded number of rows and comes
//! back soon where more is left.

use std::ops::ControlFlow;

use dsl::value::{Duration, Timestamp};

use crate::decide::delivery::parked;
use crate::decide::model::delivery::Marks;
use crate::decide::model::expectation::ExpectationsRow;
use crate::decide::model::key::{self, Swept};
use crate::decide::model::row::{Entity, Prefix, RowKey, after};
use crate::decide::model::run::RunRow;
use crate::decide::model::work::TimerRow;
use crate::decide::records::expectations;
use crate::decide::store::transaction::Context;
use crate::ledger::Error;

/// Rows looked at in one sweep, of each kind.
const MOST: usize = 1_000;

/// Between two sweeps.
const EVERY: Duration = Duration::hours(6);

/// Until the next one, where more is left.
const SOON: Duration = Duration::seconds(1);

pub(crate) fn started(cx: &mut Context<'_>) -> Result<(), Error> {
    if !cx.has(&key::sweep())? {
        arm(cx, EVERY)?;
    }
    Ok(())
}

/// A sweep broke off: the next one comes at its usual time.
pub(crate) fn later(cx: &mut Context<'_>) -> Result<(), Error> {
    arm(cx, EVERY)
}

fn arm(cx: &mut Context<'_>, after: Duration) -> Result<(), Error> {
    let at = cx.now.plus(after);
    cx.put(key::sweep(), &at);
    cx.arm(at, &TimerRow::Sweep)
}

pub(crate) fn due(cx: &mut Context<'_>) -> Result<(), Error> {
    let more = marks(cx)? | runs(cx)? | expected(cx)? | parked::expire(cx)?;
    arm(cx, if more { SOON } else { EVERY })
}

/// Marks of messages are kept by the hour, for as long as any door promises to know a repetition.
fn marks(cx: &mut Context<'_>) -> Result<bool, Error> {
    let longest = cx.program().doors.values().map(|door| door.dedupe_for).max().unwrap_or(Duration::days(1));
    let oldest =
        cx.now.minus(Duration(longest.0 + Duration::hours(2).0)).0.div_euclid(Duration::hours(1).0).max(0) as u64;
    let found = cx.scan_bytes(&Prefix::<Marks>::all(), MOST)?;
    let mut removed = 0;
    for (key, _) in found {
        if key.number()? >= oldest {
            break;
        }
        cx.delete(key);
        removed += 1;
    }
    Ok(removed == MOST)
}

/// Runs stand in the order in which they began. Each sweep goes on where the last one stopped, so that old runs that
/// are not over do not keep those behind them.
fn runs(cx: &mut Context<'_>) -> Result<bool, Error> {
    let oldest: Timestamp = cx.now.minus(cx.settings.retention);
    look_through(cx, Swept::Runs, |cx, key: RowKey<RunRow>, run| {
        // What began later than this cannot be old enough.
        if run.started > oldest {
            return ControlFlow::Break(());
        }
        if run.state.over().is_some_and(|over| over <= oldest) {
            cx.delete(key);
        }
        ControlFlow::Continue(())
    })
}

/// Records that are written again forget by themselves what is over; nobody may ever touch the others again.
fn expected(cx: &mut Context<'_>) -> Result<bool, Error> {
    look_through(cx, Swept::Expectations, |cx, key: RowKey<ExpectationsRow>, mut row| {
        if expectations::forget(&mut row, cx.now) {
            match row.0.is_empty() {
                true => cx.delete(key),
                false => cx.put(key, &row),
            }
        }
        ControlFlow::Continue(())
    })
}

/// Looks at the next rows of a kind, from where the last look stopped, as long as `look` goes on. Gives true where more
/// are left.
fn look_through<'a, R: Entity>(
    cx: &mut Context<'a>,
    swept: Swept,
    mut look: impl FnMut(&mut Context<'a>, RowKey<R>, R) -> ControlFlow<()>,
) -> Result<bool, Error> {
    let all = Prefix::<R>::all();
    let from = cx.get(&key::sweep_position(swept))?.unwrap_or_else(|| all.range().0);
    let found = cx.scan_from(&all, &from, MOST)?;
    let next = found.last().filter(|_| found.len() == MOST).map(|(last, _)| after(last.as_bytes()));
    for (key, bytes) in found {
        let row = key.decode(&bytes)?;
        if look(cx, key, row).is_break() {
            cx.delete(key::sweep_position(swept));
            return Ok(false);
        }
    }
    match &next {
        Some(next) => cx.put(key::sweep_position(swept), next),
        None => cx.delete(key::sweep_position(swept)),
    }
    Ok(next.is_some())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::decide::model::freshness::Freshness;
    use crate::decide::model::row::all;
    use crate::decide::model::run::RunState;
    use crate::decide::views::RunStatus;
    use crate::decide::{Settings, views};
    use crate::rehearse::Simulation;

    fn marks(world: &Simulation) -> usize {
        all::<Marks>(world.rows()).filter(Result::is_ok).count()
    }

    #[test]
    fn what_is_over_is_kept_for_its_time_and_then_removed() {
        let program = crate::rules::shipped();
        let settings = Settings { retention: Duration::days(3), ..Settings::default() };
        let mut world = Simulation::with(program, Timestamp(1_772_442_000_000), settings).expect("the engine starts");
        let now = world.now();
        let deal = {
            let mut crm = world.crm.lock().expect("a sound twin");
            let contact = crm.create("Contact", &[("email", "ada@example.com")], now).expect("taken");
            let deal = crm.create("Deal", &[("dealname", "Ada"), ("dealstage", "decisionmakerboughtin")], now);
            let deal = deal.expect("taken");
            crm.link("Deal", deal, "Contact", contact, now);
            deal
        };
        world.pass(Duration::minutes(1)).expect("the engine goes on");
        let now = world.now();
        world.crm.lock().expect("a sound twin").edit("Deal", deal, &[("dealstage", "closedlost")], now).expect("taken");
        world.pass(Duration::minutes(1)).expect("the engine goes on");
        let states = |world: &Simulation| {
            let runs = views::runs(world.rows(), world.programs()).expect("readable");
            runs.into_iter().map(|run| run.state).collect::<Vec<_>>()
        };
        assert_eq!(states(&world), [RunStatus::Finished]);
        assert!(marks(&world) > 0);
        world.pass(Duration::days(2)).expect("the engine goes on");
        assert_eq!(states(&world), [RunStatus::Finished]);
        assert_eq!(marks(&world), 0, "24 hours are promised");
        world.pass(Duration::days(2)).expect("the engine goes on");
        assert_eq!(states(&world), []);
    }

    #[test]
    fn old_runs_that_are_not_over_do_not_keep_those_behind_them() {
        let program = crate::rules::shipped();
        let begun = Timestamp(1_772_442_000_000);
        let what = crate::decide::model::run::RunOf::When(0);
        let run = |state| RunRow::new(&program.hash, what, Default::default(), Freshness::AsOf(begun), state);
        let mut round = crate::ledger::Round::default();
        for number in 0..2_500u64 {
            let state = if number < 2_400 {
                RunState::Stopped("a person".to_owned())
            } else {
                RunState::Finished { at: begun }
            };
            let row = postcard::to_stdvec(&run(state)).expect("plain data");
            round.changes.push((key::run(crate::ids::RunId(number)).into_bytes(), Some(row)));
        }
        let mut ledger = crate::ledger::Memory::default();
        crate::ledger::Ledger::append(&mut ledger, round).expect("there is room");
        let programs = crate::decide::Programs::new(program);
        let settings = Settings { retention: Duration::days(3), ..Settings::default() };
        let isolation = crate::decide::Isolation::default();
        let mut sweeps = 0;
        loop {
            let now = begun.plus(Duration::days(4));
            let mut cx = Context::new(&ledger, &programs, &settings, &isolation, now);
            let more = runs(&mut cx).expect("readable");
            let round = cx.finish().round;
            crate::ledger::Ledger::append(&mut ledger, round).expect("there is room");
            sweeps += 1;
            if !more {
                break;
            }
        }
        let left = all::<RunRow>(&ledger).filter(Result::is_ok).count();
        assert_eq!((left, sweeps), (2_400, 3));
    }

    #[test]
    fn what_is_expected_of_a_record_that_nobody_touches_again_is_forgotten_in_time() {
        let program = crate::rules::shipped();
        let mut world = Simulation::new(program, Timestamp(1_772_442_000_000)).expect("the engine starts");
        let change = |world: &mut Simulation, phone: &str| {
            let (mut app, now) = (world.app.lock().expect("a sound twin"), world.now());
            let user = app.create("User", json!({ "email": "ada@example.com", "firstName": "Ada" }), now).ok();
            let user = user.unwrap_or_else(|| "user-1".to_owned());
            app.edit("User", &user, json!({ "phone": phone }), now).expect("taken");
        };
        change(&mut world, "+44 20 7946 0000");
        world.pass(Duration::minutes(1)).expect("the engine goes on");
        change(&mut world, "+44 20 7946 0001");
        world.pass(Duration::minutes(1)).expect("the engine goes on");
        let expected = |world: &Simulation| {
            let rows = all::<ExpectationsRow>(world.rows()).map(|row| row.expect("readable").1);
            rows.map(|row| row.0.into_keys().collect::<Vec<_>>()).collect::<Vec<_>>()
        };
        assert_eq!(expected(&world), [["phone"]]);
        world.pass(Duration::hours(24)).expect("the engine goes on");
        assert_eq!(expected(&world), [["phone"]], "a message may be as late as a day");
        world.pass(Duration::hours(8)).expect("the engine goes on");
        assert_eq!(expected(&world), Vec::<Vec<String>>::new());
    }
}

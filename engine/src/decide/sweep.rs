//! What is kept for a time only: marks of messages that came, runs of workflows that are over, and messages that nobody
//! could read.
//!
//! Always true: one sweep is armed, whatever was started how often; each looks at a bounded number of rows and comes
//! back soon where more is left.

use dsl::value::{Moment, Span};

use super::context::{Context, decode};
use super::parked;
use super::rows::{Key, Kind, RunRow, RunState, TimerRow};
use crate::ledger::Error;

/// Rows looked at in one sweep, of each kind.
const MOST: usize = 1_000;
/// Between two sweeps.
const EVERY: Span = Span::hours(6);
/// Until the next one, where more is left.
const SOON: Span = Span::seconds(1);

pub(super) fn started(cx: &mut Context<'_>) -> Result<(), Error> {
    if cx.raw(&Key::new(Kind::Sweep).bytes())?.is_none() {
        arm(cx, EVERY)?;
    }
    Ok(())
}

fn arm(cx: &mut Context<'_>, after: Span) -> Result<(), Error> {
    let at = cx.now.plus(after);
    cx.put(Key::new(Kind::Sweep).bytes(), &at);
    cx.arm(at, &TimerRow::Sweep)
}

pub(super) fn due(cx: &mut Context<'_>) -> Result<(), Error> {
    let more = marks(cx)? | runs(cx)? | parked::expire(cx)?;
    arm(cx, if more { SOON } else { EVERY })
}

/// Marks of messages are kept by the hour, for as long as any door promises to know a repetition.
fn marks(cx: &mut Context<'_>) -> Result<bool, Error> {
    let longest = cx.program().doors.values().map(|door| door.dedupe_for).max().unwrap_or(Span::days(1));
    let oldest = cx.now.minus(Span(longest.0 + Span::hours(2).0)).0.div_euclid(Span::hours(1).0).max(0) as u64;
    let found = cx.scan(&[Kind::Seen as u8], MOST)?;
    let mut removed = 0;
    for (key, _) in &found {
        let hour = key.get(1..9).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes);
        if hour >= oldest {
            break;
        }
        cx.delete(key.clone());
        removed += 1;
    }
    Ok(removed == MOST)
}

fn runs(cx: &mut Context<'_>) -> Result<bool, Error> {
    let oldest: Moment = cx.now.minus(cx.knobs.retention);
    let mut removed = 0;
    // Runs stand in the order in which they began; what began later than this cannot be old enough.
    for (key, bytes) in cx.scan(&[Kind::Run as u8], MOST)? {
        let run: RunRow = decode(&key, &bytes)?;
        if run.started > oldest {
            return Ok(false);
        }
        let over = matches!(run.state, RunState::Finished | RunState::Failed | RunState::Cancelled);
        if over && run.fresh <= oldest {
            cx.delete(key);
            removed += 1;
        }
    }
    Ok(removed > MOST / 2)
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::decide::{Knobs, views};
    use crate::rehearse::World;

    fn count(world: &World, kind: Kind) -> usize {
        let prefix = [kind as u8];
        world.rows().scan(&prefix, &[kind as u8 + 1], usize::MAX).expect("readable").len()
    }

    #[test]
    fn what_is_over_is_kept_for_its_time_and_then_removed() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rules");
        let compiled = crate::rules::read(&folder).expect("the shipped rules").compile(None);
        let program = Arc::new(compiled.program.expect("they are sound"));
        let knobs = Knobs { retention: Span::days(3), ..Knobs::default() };
        let mut world = World::with(program, Moment(1_772_442_000_000), knobs).expect("the engine starts");
        let now = world.now();
        let deal = {
            let mut crm = world.crm.lock().expect("a sound twin");
            let contact = crm.create("Contact", &[("email", "ada@example.com")], now).expect("taken");
            let deal = crm.create("Deal", &[("dealname", "Ada"), ("dealstage", "decisionmakerboughtin")], now);
            let deal = deal.expect("taken");
            crm.link("Deal", deal, "Contact", contact, now);
            deal
        };
        world.pass(Span::minutes(1)).expect("the engine goes on");
        let now = world.now();
        world.crm.lock().expect("a sound twin").edit("Deal", deal, &[("dealstage", "closedlost")], now).expect("taken");
        world.pass(Span::minutes(1)).expect("the engine goes on");
        let states = |world: &World| {
            let runs = views::runs(world.rows(), world.programs()).expect("readable");
            runs.into_iter().map(|run| run.state).collect::<Vec<_>>()
        };
        assert_eq!(states(&world), ["finished"]);
        assert!(count(&world, Kind::Seen) > 0);
        world.pass(Span::days(2)).expect("the engine goes on");
        assert_eq!(states(&world), ["finished"]);
        assert_eq!(count(&world, Kind::Seen), 0, "24 hours are promised");
        world.pass(Span::days(2)).expect("the engine goes on");
        assert_eq!(states(&world), Vec::<String>::new());
    }
}

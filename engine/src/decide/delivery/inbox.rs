//! Deliveries that wait for the `webhooks` pace of their system.
//!
//! In: deliveries for which their system has no room, and the timer that says it may have some. Out: the same
//! deliveries, decided high priority first.
//! Always true: a system that has a waiting delivery has a timer that is not later than its room; what one system
//! waits for holds back no other; copies of what came or waits take neither a place nor a turn; what cannot be read or decided is parked, and the rest goes on.

use connectors::port::Message;
use dsl::ast::Priority;
use dsl::program::Route;
use dsl::value::{Duration, Timestamp};

use crate::decide::delivery::dedupe;
use crate::decide::model::delivery::StoredDelivery;
use crate::decide::model::key;
use crate::decide::model::row::{Prefix, RowKey};
use crate::decide::model::work::TimerRow;
use crate::decide::store::transaction::Context;
use crate::ledger::Error;

/// May a delivery of this system be decided now? It may not before those that wait.
pub(crate) fn has_room(cx: &mut Context<'_>, system: &str) -> Result<bool, Error> {
    Ok((cx.inbox(0)? == 0 || !waits(cx, system)?) && room(cx, system)?)
}

/// The engine has started or rules were activated: limits may be others, so every queue is looked at anew.
pub(crate) fn started(cx: &mut Context<'_>) -> Result<(), Error> {
    let all = Prefix::<StoredDelivery>::all();
    let (mut from, _) = all.range();
    while let Some((key, _)) = cx.scan_from(&all, &from, 1)?.pop() {
        let system = key.parts()?.text()?;
        rearm(cx, &system)?;
        (_, from) = key::stored_of(&system).range();
    }
    Ok(())
}

/// A delivery that has waited.
pub(crate) struct Waited {
    /// Its number.
    pub(crate) number: u64,
    pub(crate) messages: Result<Vec<Message>, Unreadable>,
}

/// A stored delivery of which nothing can be made any more.
pub(crate) struct Unreadable {
    pub(crate) reason: String,
    pub(crate) bytes: Vec<u8>,
}

/// Takes out, high priority first, the deliveries for which their system has room now.
pub(crate) fn take(cx: &mut Context<'_>, system: &str) -> Result<Vec<Waited>, Error> {
    let mut taken = Vec::new();
    let armed = key::armed(system);
    if cx.get(&armed)?.is_some_and(|at| at > cx.now) {
        // A later timer took the place of this one.
        return Ok(taken);
    }
    cx.delete(armed);
    while room(cx, system)? {
        let Some((key, bytes)) = cx.scan_bytes(&key::stored_of(system), 1)?.pop() else { return Ok(taken) };
        cx.delete(key.clone());
        cx.inbox(-1)?;
        spend(cx, system)?;
        let number = key.last_number();
        let messages = read(&key, &bytes).map_err(|error| Unreadable { reason: error.to_string(), bytes });
        taken.push(Waited { number, messages });
    }
    if waits(cx, system)? {
        rearm(cx, system)?;
    }
    Ok(taken)
}

/// The queue is looked at again a minute from now.
pub(crate) fn later(cx: &mut Context<'_>, system: &str) -> Result<(), Error> {
    arm(cx, system, cx.now.plus(Duration::minutes(1)))
}

fn read(key: &RowKey<StoredDelivery>, bytes: &[u8]) -> Result<Vec<Message>, Error> {
    let stored = key.decode(bytes)?;
    serde_json::from_slice(&stored.messages)
        .map_err(|error| Error::Row { key: format!("{key:?}"), reason: error.to_string() })
}

/// Deliveries of this system wait already: a new one goes behind them.
fn waits(cx: &Context<'_>, system: &str) -> Result<bool, Error> {
    Ok(!cx.scan_bytes(&key::stored_of(system), 1)?.is_empty())
}

fn recent(cx: &Context<'_>, system: &str) -> Result<Option<(Vec<Timestamp>, u64, Duration)>, Error> {
    let program = cx.program();
    let Some(limit) = program.systems.get(system).and_then(|s| s.limits.get("webhooks").copied()) else {
        return Ok(None);
    };
    let mut started: Vec<Timestamp> = cx.get(&key::pace(system))?.unwrap_or_default();
    started.retain(|at| cx.now.since(*at).0 < limit.per.0);
    Ok(Some((started, limit.amount, limit.per)))
}

fn room(cx: &Context<'_>, system: &str) -> Result<bool, Error> {
    Ok(recent(cx, system)?.is_none_or(|(started, amount, _)| (started.len() as u64) < amount))
}

/// A delivery is decided now.
pub(crate) fn spend(cx: &mut Context<'_>, system: &str) -> Result<(), Error> {
    if let Some((mut started, _, _)) = recent(cx, system)? {
        started.push(cx.now);
        cx.put(key::pace(system), &started);
    }
    Ok(())
}

/// Are half of the turns of this system spent, so that it may soon have to wait?
pub(crate) fn is_busy(cx: &Context<'_>, system: &str) -> Result<bool, Error> {
    Ok(recent(cx, system)?.is_some_and(|(started, amount, _)| started.len() as u64 >= amount / 2))
}

/// Stores a delivery until its system has room.
pub(crate) fn wait(cx: &mut Context<'_>, system: &str, messages: &[Message]) -> Result<(), Error> {
    let program = cx.program();
    if let Some(door) = program.doors.get(system) {
        for message in messages {
            dedupe::waits(cx, system, &message.dedupe, door.dedupe_for)?;
        }
    }
    let priority = messages
        .iter()
        .filter_map(|message| match program.doors.get(system)?.routes.get(&message.name)? {
            Route::Sync(index) => Some(program.syncs[*index].priority),
            _ => None,
        })
        .min()
        .unwrap_or(Priority::Medium);
    let first = !waits(cx, system)?;
    let number = cx.next()?;
    let stored = StoredDelivery { messages: serde_json::to_vec(messages).expect("messages are plain data") };
    cx.put(key::stored(system, priority as u64, number), &stored);
    cx.inbox(1)?;
    if first { rearm(cx, system) } else { Ok(()) }
}

/// Sets the one timer that counts for this system; an older one finds that it is too early and does nothing.
fn rearm(cx: &mut Context<'_>, system: &str) -> Result<(), Error> {
    let at = match recent(cx, system)? {
        Some((started, amount, per)) if started.len() as u64 >= amount => {
            started.first().map_or(cx.now, |first| first.plus(per))
        }
        _ => cx.now,
    };
    arm(cx, system, at)
}

fn arm(cx: &mut Context<'_>, system: &str, at: Timestamp) -> Result<(), Error> {
    cx.put(key::armed(system), &at);
    cx.arm(at, &TimerRow::Pace(system.to_owned()))
}

#[cfg(test)]
mod tests {
    use connectors::port::{Body, Message};
    use dsl::value::{Duration, Timestamp};

    use super::*;
    use crate::decide::model::row::all;
    use crate::decide::{Input, Source, waiting_deliveries};
    use crate::ledger::Ledger;
    use crate::rehearse::Simulation;

    /// The shipped rules with one delivery a second for both systems.
    fn world() -> Simulation {
        let program =
            crate::rules::shipped_with("webhooks 50 requests per 10 seconds", "webhooks 1 requests per 1 second");
        Simulation::new(program, Timestamp(1_772_442_000_000)).expect("the engine starts")
    }

    fn deliver(world: &mut Simulation, system: &str, mark: &str) {
        let now = world.now();
        let message =
            Message { name: "no.such".to_owned(), at: now, dedupe: mark.to_owned(), own: false, body: Body::Foreign };
        let (system, source) = (system.to_owned(), Source::Webhook);
        let input = Input::Delivery { system, messages: vec![message], malformed: Vec::new(), source };
        world.input(&input).expect("taken");
    }

    fn decided(world: &Simulation, system: &str) -> usize {
        world.log.iter().filter(|event| event.action == "foreign" && event.entity == system).count()
    }

    fn waiting(world: &Simulation) -> u64 {
        waiting_deliveries(world.rows()).expect("readable")
    }

    fn pass(world: &mut Simulation, span: Duration) {
        world.pass(span).expect("the engine goes on");
    }

    /// The timers for stored deliveries.
    fn paces(world: &Simulation) -> Vec<RowKey<TimerRow>> {
        let timers = all::<TimerRow>(world.rows()).map(|timer| timer.expect("readable"));
        timers.filter(|(_, timer)| matches!(timer, TimerRow::Pace(_))).map(|(key, _)| key).collect()
    }

    #[test]
    fn two_paced_systems_do_not_hold_each_other_back() {
        let mut world = world();
        for (system, marks) in [("crm", ["1", "2"]), ("app", ["3", "4"])] {
            for mark in marks {
                deliver(&mut world, system, mark);
            }
        }
        assert_eq!(waiting(&world), 2);
        pass(&mut world, Duration::seconds(5));
        assert_eq!((decided(&world, "crm"), decided(&world, "app"), waiting(&world)), (2, 2, 0));
        // And nothing is left behind that would hold back what comes later.
        for mark in ["5", "6", "7"] {
            deliver(&mut world, "app", mark);
        }
        pass(&mut world, Duration::seconds(5));
        assert_eq!((decided(&world, "app"), waiting(&world)), (5, 0));
    }

    /// Whoever captured a signed delivery may send it again for minutes; so do senders that got no answer in time.
    #[test]
    fn copies_of_a_delivery_take_neither_places_nor_turns() {
        let mut world = world();
        deliver(&mut world, "crm", "1");
        deliver(&mut world, "crm", "2");
        for _ in 0..50 {
            deliver(&mut world, "crm", "1");
            deliver(&mut world, "crm", "2");
        }
        assert_eq!(waiting(&world), 1, "the second one waits, once");
        deliver(&mut world, "crm", "3");
        pass(&mut world, Duration(2_001));
        assert_eq!((decided(&world, "crm"), waiting(&world)), (3, 0));
        let told = world.log.iter().filter(|event| event.action == "duplicate").count();
        assert_eq!(told, 100);
    }

    #[test]
    fn what_waits_in_one_system_costs_another_no_time() {
        let mut world = world();
        for mark in ["1", "2", "3", "4"] {
            deliver(&mut world, "crm", mark);
        }
        deliver(&mut world, "app", "5");
        pass(&mut world, Duration(1));
        assert_eq!((decided(&world, "crm"), decided(&world, "app")), (1, 1));
    }

    #[test]
    fn a_start_arms_what_an_older_engine_left_without_a_timer() {
        let mut world = world();
        deliver(&mut world, "app", "1");
        deliver(&mut world, "app", "2");
        let paces = paces(&world);
        let mut round = crate::ledger::Round::default();
        round.changes.extend(paces.into_iter().map(|key| (key.into_bytes(), None)));
        round.changes.push((key::armed("app").into_bytes(), None));
        assert_eq!(round.changes.len(), 2);
        world.ledger().append(round).expect("taken");
        world.restart().expect("the engine starts");
        pass(&mut world, Duration::seconds(5));
        assert_eq!((decided(&world, "app"), waiting(&world)), (2, 0));
    }

    #[test]
    fn starting_again_does_not_multiply_timers() {
        let mut world = world();
        for mark in ["1", "2", "3", "4", "5"] {
            deliver(&mut world, "crm", mark);
        }
        for _ in 0..5 {
            world.restart().expect("the engine starts");
        }
        pass(&mut world, Duration::seconds(2));
        assert_eq!(paces(&world).len(), 1);
        pass(&mut world, Duration::seconds(5));
        assert_eq!(decided(&world, "crm"), 5);
    }
}

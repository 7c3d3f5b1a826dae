//! Syncs that run by the clock: what changed since the last good run, page by page, then merged as usual.

use dsl::program::{Run, Side, Sync};
use dsl::schema::EntityName;
use dsl::value::{Duration, Timestamp};

use crate::decide::model::event::Event;
use crate::decide::model::key;
use crate::decide::model::work::{ListingRow, ScheduleRow, TimerRow};
use crate::decide::store::links::{ActiveSync, rule_named};
use crate::decide::store::reads::queue_page;
use crate::decide::store::transaction::Context;
use crate::decide::store::{links, records};
use crate::ledger::Error;

/// A run looks this far behind the start of the last one.
const OVERLAP: Duration = Duration::minutes(1);

/// Sets the schedules of the active program; what is set already stays.
pub(crate) fn started(cx: &mut Context<'_>) -> Result<(), Error> {
    for sync in &cx.program().syncs {
        if sync.run == Run::OnChange {
            continue;
        }
        let known: Option<ScheduleRow> = cx.get(&key::schedule(&sync.name))?;
        if known.is_none() {
            // The first run is due at once for an interval, at its hour for a daily one.
            let next = match &sync.run {
                Run::Every(..) if cx.settings.run_at_start => cx.now,
                _ => next_run(sync, cx.now),
            };
            cx.put(key::schedule(&sync.name), &ScheduleRow { next, ..ScheduleRow::default() });
            cx.arm(next, &TimerRow::Schedule(sync.name.clone()))?;
        }
    }
    Ok(())
}

/// The first run after `now`. A time of day that a clock change skips runs at the next valid minute, a doubled
/// one once (jiff's "compatible" rule).
pub(crate) fn next_run(sync: &Sync, now: Timestamp) -> Timestamp {
    match &sync.run {
        Run::OnChange => now,
        Run::Every(span, _) => now.plus(Duration(span.0.max(1_000))),
        Run::DailyAt { minute, zone, .. } => {
            let zone = jiff::tz::TimeZone::get(zone).unwrap_or(jiff::tz::TimeZone::UTC);
            let today = now.timestamp().unwrap_or_default().to_zoned(zone.clone()).date();
            let time = jiff::civil::time((minute / 60) as i8, (minute % 60) as i8, 0, 0);
            for ahead in 0..3 {
                let Ok(day) = today.checked_add(jiff::Span::new().days(ahead)) else { break };
                if let Ok(at) = day.to_datetime(time).to_zoned(zone.clone()) {
                    let at = Timestamp(at.timestamp().as_millisecond());
                    if at > now {
                        return at;
                    }
                }
            }
            now.plus(Duration::days(1))
        }
    }
}

/// The schedule's timer is due.
pub(crate) fn due(cx: &mut Context<'_>, name: &str) -> Result<(), Error> {
    let Some(rule) = rule_named(cx, name) else { return Ok(()) };
    let Some(mut row) = cx.get(&key::schedule(name))? else { return Ok(()) };
    if row.next > cx.now {
        return Ok(());
    }
    row.next = next_run(&rule, cx.now);
    cx.arm(row.next, &TimerRow::Schedule(name.to_owned()))?;
    let running = row.running;
    cx.put(key::schedule(name), &row);
    if running {
        let line = event(cx, &rule, "the run before it is not over; this one is left out".to_owned());
        cx.log(line);
        return Ok(());
    }
    run_now(cx, name)
}

/// A run could not begin for a defect: it is left out, and the next one comes at its time.
pub(crate) fn left_out(cx: &mut Context<'_>, name: &str) -> Result<(), Error> {
    let Some(rule) = rule_named(cx, name) else { return Ok(()) };
    let Some(mut row) = cx.get(&key::schedule(name))? else { return Ok(()) };
    row.next = next_run(&rule, cx.now);
    cx.arm(row.next, &TimerRow::Schedule(name.to_owned()))?;
    cx.put(key::schedule(name), &row);
    Ok(())
}

/// The side a sync reads from: the one that is not made, or the left one.
fn source(sync: &Sync) -> Side {
    if sync.create.contains(&Side::Left) && !sync.create.contains(&Side::Right) { Side::Right } else { Side::Left }
}

/// Begins a run: lists what changed at its source.
pub(crate) fn run_now(cx: &mut Context<'_>, name: &str) -> Result<(), Error> {
    let Some(rule) = rule_named(cx, name) else { return Ok(()) };
    let mut row: ScheduleRow = cx.get(&key::schedule(name))?.unwrap_or_default();
    if row.running {
        return Ok(());
    }
    row.running = true;
    let since = row.last_good.map(|at| at.minus(OVERLAP));
    cx.put(key::schedule(name), &row);
    list(cx, &rule, source(&rule), since);
    Ok(())
}

fn list(cx: &mut Context<'_>, rule: &ActiveSync, side: Side, since: Option<Timestamp>) {
    let listing = ListingRow {
        entity: rule.entity(side).clone(),
        since,
        cursor: None,
        waiters: Default::default(),
        sync: Some(rule.name.clone()),
        started: cx.now,
        done: None,
        bulk: true,
        count: 0,
        attempts: 0,
    };
    let listing_name = format!("run {}", rule.name);
    queue_page(cx, &listing_name, &listing, Duration(0));
    cx.put(key::listing(&listing_name), &listing);
    let line = event(
        cx,
        rule,
        match since {
            Some(since) => format!("run began: {} changed since {since}", listing.entity),
            None => format!("run began: all {}", listing.entity),
        },
    );
    cx.log(line);
}

/// A run over all records, whatever ran before (`engine backfill`): of its source, and where it makes missing records
/// in both, of the other side too.
pub(crate) fn everything(cx: &mut Context<'_>, name: &str) -> Result<(), Error> {
    let mut row: ScheduleRow = cx.get(&key::schedule(name))?.unwrap_or_default();
    row.last_good = None;
    row.other_side = rule_named(cx, name).is_some_and(|rule| rule.create.len() == 2);
    cx.put(key::schedule(name), &row);
    run_now(cx, name)
}

/// A record came with a page of a run.
pub(crate) fn listed(cx: &mut Context<'_>, name: &str, entity: &EntityName, id: &str) -> Result<(), Error> {
    let Some(rule) = rule_named(cx, name) else { return Ok(()) };
    let Some(side) = records::side_of(&rule, entity) else { return Ok(()) };
    let link = links::ensure(cx, &rule, side, id, true)?;
    cx.visited.insert(link, entity.clone());
    Ok(())
}

/// The last page of a run came.
pub(crate) fn finished(cx: &mut Context<'_>, name: &str, began: Timestamp, count: u64) -> Result<(), Error> {
    let Some(rule) = rule_named(cx, name) else { return Ok(()) };
    let mut row: ScheduleRow = cx.get(&key::schedule(name))?.unwrap_or_default();
    let line = event(cx, &rule, format!("run read {count} records"));
    cx.log(line);
    if std::mem::take(&mut row.other_side) {
        cx.put(key::schedule(name), &row);
        list(cx, &rule, source(&rule).other(), None);
        return Ok(());
    }
    row.running = false;
    row.last_good = Some(began);
    cx.put(key::schedule(name), &row);
    Ok(())
}

fn event(cx: &Context<'_>, rule: &Sync, detail: String) -> Event {
    Event {
        at: cx.now,
        action: "schedule".to_owned(),
        rule: rule.name.clone(),
        place: rule.place.to_string(),
        entity: format!("{} ~ {}", rule.left, rule.right),
        detail,
        ..Event::default()
    }
}

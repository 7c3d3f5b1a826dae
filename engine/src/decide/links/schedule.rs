//! Syncs that run by the clock: what changed since the last good run, page by page, then merged as usual.

use connectors::planted::{Mutant, planted};
use dsl::program::{Run, Side, Sync};
use dsl::schema::EntityName;
use dsl::value::{Duration, Timestamp};
use jiff::tz::{AmbiguousOffset, TimeZone};

use crate::decide::model::event::{Action, Event};
use crate::decide::model::key;
use crate::decide::model::lifecycle;
use crate::decide::model::trace::Reached;
use crate::decide::model::work::{ScheduleEvent, ScheduleRow, ScheduleState, TimerRow};
use crate::decide::store::links::ActiveSync;
use crate::decide::store::listings::OpenListing;
use crate::decide::store::transaction::Context;
use crate::decide::store::{links, records};
use crate::ledger::Error;

/// A run looks this far behind the start of the last one.
const OVERLAP: Duration = Duration::minutes(1);

/// Sets the schedules of the active program; what is set already stays.
pub(crate) fn started(cx: &mut Context<'_>) -> Result<(), Error> {
    for sync in &cx.program().syncs {
        if sync.run == Run::OnChange || cx.has(&key::schedule(&sync.name))? {
            continue;
        }
        // The first run is due at once for an interval, at its hour for a daily one.
        let next = match &sync.run {
            Run::Every(..) if cx.settings.run_at_start => cx.now,
            _ => next_run(sync, cx.now),
        };
        cx.put(key::schedule(&sync.name), &ScheduleRow { next, ..ScheduleRow::default() });
        cx.arm(next, &TimerRow::Schedule(sync.name.clone()))?;
    }
    Ok(())
}

/// The first run after `now`. A time of day that a clock change skips runs at the next minute there is, a doubled
/// one once, when it comes first.
pub(crate) fn next_run(sync: &Sync, now: Timestamp) -> Timestamp {
    match &sync.run {
        Run::OnChange => now,
        Run::Every(span, _) => now.plus(Duration(span.0.max(1_000))),
        Run::DailyAt { minute, zone, .. } => {
            let zone = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
            let today = now.timestamp().unwrap_or_default().to_zoned(zone.clone()).date();
            let time = jiff::civil::time((minute / 60) as i8, (minute % 60) as i8, 0, 0);
            for ahead in 0..3 {
                let Ok(day) = today.checked_add(jiff::Span::new().days(ahead)) else { break };
                if let Some(at) = first_at(&zone, day.to_datetime(time)).filter(|at| *at > now) {
                    return at;
                }
            }
            now.plus(Duration::days(1))
        }
    }
}

/// When the clocks of `zone` first show this: at the change itself where the change skips it.
fn first_at(zone: &TimeZone, local: jiff::civil::DateTime) -> Option<Timestamp> {
    let ambiguous = zone.to_ambiguous_zoned(local);
    let at = match ambiguous.offset() {
        // Before the change by the clock behind it: the change is the next one from there.
        AmbiguousOffset::Gap { after, .. } => {
            let before = after.to_timestamp(local).ok()?;
            zone.following(before).next()?.timestamp()
        }
        AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Fold { .. } => ambiguous.earlier().ok()?.timestamp(),
    };
    Some(Timestamp(at.as_millisecond()))
}

/// The side a sync reads from: the one that is not made, or the left one.
fn source(sync: &Sync) -> Side {
    if sync.create.contains(&Side::Left) && !sync.create.contains(&Side::Right) { Side::Right } else { Side::Left }
}

/// The schedule of a sync that is being decided. What is changed of its row counts once it is saved.
struct OpenSchedule {
    sync: ActiveSync,
    row: ScheduleRow,
}

impl OpenSchedule {
    /// The schedule of this name, as it is or as it begins; nothing where its sync is not in the rules.
    fn open(cx: &Context<'_>, name: &str) -> Result<Option<Self>, Error> {
        let Some(sync) = ActiveSync::named(cx, name) else { return Ok(None) };
        let row = cx.get(&key::schedule(name))?.unwrap_or_default();
        Ok(Some(Self { sync, row }))
    }

    fn save(self, cx: &mut Context<'_>) {
        cx.put(key::schedule(&self.sync.name), &self.row);
    }

    fn turn(&mut self, cx: &Context<'_>, event: ScheduleEvent, state: ScheduleState) {
        let line = lifecycle::step::<ScheduleRow>(self.row.state, event, Some(state));
        cx.reached(|| Reached::transition::<ScheduleRow>(line));
        self.row.state = state;
    }

    /// Arms the timer of the next run.
    fn arm(&mut self, cx: &mut Context<'_>) -> Result<(), Error> {
        self.row.next = next_run(&self.sync, cx.now);
        cx.arm(self.row.next, &TimerRow::Schedule(self.sync.name.clone()))
    }

    /// Begins a run, unless one goes on: lists what changed at its source.
    fn begin(&mut self, cx: &mut Context<'_>) -> Result<(), Error> {
        if self.row.state != ScheduleState::Waiting {
            return Ok(());
        }
        self.turn(cx, ScheduleEvent::Begin, ScheduleState::Running);
        let overlap = if planted(Mutant::NoOverlap) { Duration(0) } else { OVERLAP };
        let since = self.row.last_good.map(|at| at.minus(overlap));
        self.list(cx, source(&self.sync), since)
    }

    fn list(&self, cx: &mut Context<'_>, side: Side, since: Option<Timestamp>) -> Result<(), Error> {
        let (name, entity) = (format!("run {}", self.sync.name), self.sync.entity(side));
        OpenListing::begin(cx, &name, entity, Some(&self.sync.name), since)?.save(cx);
        let detail = match since {
            Some(since) => format!("run began: {entity} changed since {since}"),
            None => format!("run began: all {entity}"),
        };
        tell(cx, &self.sync, detail);
        Ok(())
    }
}

/// A line of history about the runs or the sweeps of a sync.
pub(crate) fn tell(cx: &mut Context<'_>, sync: &Sync, detail: String) {
    cx.log(Event {
        rule: sync.name.clone(),
        place: sync.place.to_string(),
        entity: format!("{} ~ {}", sync.left, sync.right),
        detail,
        ..Event::new(cx.now, Action::Schedule)
    });
}

/// The schedule's timer is due.
pub(crate) fn due(cx: &mut Context<'_>, name: &str) -> Result<(), Error> {
    let Some(mut schedule) = set(cx, name)? else { return Ok(()) };
    if schedule.row.next > cx.now {
        return Ok(());
    }
    schedule.arm(cx)?;
    if schedule.row.state == ScheduleState::Waiting {
        schedule.begin(cx)?;
    } else {
        tell(cx, &schedule.sync, "the run before it is not over; this one is left out".to_owned());
    }
    schedule.save(cx);
    Ok(())
}

/// A run could not begin for a defect: it is left out, and the next one comes at its time.
pub(crate) fn left_out(cx: &mut Context<'_>, name: &str) -> Result<(), Error> {
    let Some(mut schedule) = set(cx, name)? else { return Ok(()) };
    schedule.arm(cx)?;
    schedule.save(cx);
    Ok(())
}

/// A schedule that has been set.
fn set(cx: &Context<'_>, name: &str) -> Result<Option<OpenSchedule>, Error> {
    if cx.has(&key::schedule(name))? { OpenSchedule::open(cx, name) } else { Ok(None) }
}

/// Begins a run, unless one goes on.
pub(crate) fn run_now(cx: &mut Context<'_>, name: &str) -> Result<(), Error> {
    let Some(mut schedule) = OpenSchedule::open(cx, name)? else { return Ok(()) };
    schedule.begin(cx)?;
    schedule.save(cx);
    Ok(())
}

/// A run over all records, whatever ran before (`engine backfill`): of its source, and where it makes missing records
/// in both, of the other side too.
pub(crate) fn everything(cx: &mut Context<'_>, name: &str) -> Result<(), Error> {
    let Some(mut schedule) = OpenSchedule::open(cx, name)? else { return Ok(()) };
    schedule.row.last_good = None;
    if schedule.sync.create.len() < 2 || planted(Mutant::BackfillOneSide) {
        schedule.begin(cx)?;
    } else if schedule.row.state != ScheduleState::RunningBothSides {
        let began = schedule.row.state == ScheduleState::Waiting;
        schedule.turn(cx, ScheduleEvent::BeginBothSides, ScheduleState::RunningBothSides);
        if began {
            schedule.list(cx, source(&schedule.sync), None)?;
        }
    }
    schedule.save(cx);
    Ok(())
}

/// A record came with a page of a run.
pub(crate) fn listed(cx: &mut Context<'_>, name: &str, entity: &EntityName, id: &str) -> Result<(), Error> {
    let Some(sync) = ActiveSync::named(cx, name) else { return Ok(()) };
    let Some(side) = records::side_of(&sync, entity) else { return Ok(()) };
    let link = links::ensure(cx, &sync, side, id, !planted(Mutant::BackfillNotBulk))?;
    cx.visited.insert(link, entity.clone());
    Ok(())
}

/// The last page of a run came.
pub(crate) fn finished(cx: &mut Context<'_>, name: &str, began: Timestamp, count: u64) -> Result<(), Error> {
    let Some(mut schedule) = OpenSchedule::open(cx, name)? else { return Ok(()) };
    tell(cx, &schedule.sync, format!("run read {count} records"));
    match schedule.row.state {
        ScheduleState::RunningBothSides => {
            schedule.turn(cx, ScheduleEvent::OtherSide, ScheduleState::Running);
            schedule.list(cx, source(&schedule.sync).other(), None)?;
        }
        ScheduleState::Running => {
            schedule.turn(cx, ScheduleEvent::Finish, ScheduleState::Waiting);
            schedule.row.last_good = Some(if planted(Mutant::ScheduleFromEnd) { cx.now } else { began });
        }
        ScheduleState::Waiting => {}
    }
    schedule.save(cx);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_the_clocks_skip_is_the_change_and_one_that_they_show_twice_comes_once() {
        let berlin = TimeZone::get("Europe/Berlin").expect("a zone");
        let first = |day: (i16, i8, i8), minute: i8| {
            let local = jiff::civil::date(day.0, day.1, day.2).at(2, minute, 0, 0);
            first_at(&berlin, local).expect("there is one").to_string()
        };
        for minute in [0, 1, 30, 59] {
            assert_eq!(first((2026, 3, 29), minute), "2026-03-29T01:00:00.000Z", "02:{minute}");
        }
        assert_eq!(first((2026, 3, 28), 30), "2026-03-28T01:30:00.000Z");
        assert_eq!(first((2026, 3, 30), 30), "2026-03-30T00:30:00.000Z");
        assert_eq!(first((2026, 10, 25), 30), "2026-10-25T00:30:00.000Z");
    }
}

//! The engine's time out of a wall clock that people and time services set, and a monotonic clock that nobody can set.
//!
//! In: both readings. Out: [`Now`], and by how much the wall clock was set since the reading before.
//! Always true: neither time goes back; the pace runs exactly as the monotonic clock does; the engine's time is the wall
//! clock's, unless decisions were made at a later one. Then it runs on, slower than the wall clock, until both agree.

use std::time::Duration;

use dsl::value::Timestamp;

use super::Now;

/// Wall clocks that were moved by so much between two readings were set; less is a time service's slow correction.
const STEP_MS: i64 = 2_000;

#[derive(Debug)]
pub(super) struct Steady {
    /// The pace when the monotonic clock showed nothing.
    base: Timestamp,
    /// What was shown last.
    at: Timestamp,
    /// How far the wall clock was ahead of the pace at the last reading.
    offset: i64,
    /// Where the time began to run slowly, by the engine's time and by the monotonic clock.
    slow: Option<(Timestamp, Duration)>,
}

impl Steady {
    /// Begins at the first reading of the wall clock.
    pub(super) fn new(wall: Timestamp) -> Self {
        Self { base: wall, at: wall, offset: 0, slow: None }
    }

    /// The time, at these readings; and by how many milliseconds the wall clock was set forward, or back, since the
    /// last ones, where it was.
    pub(super) fn show(&mut self, wall: Timestamp, since: Duration) -> (Now, Option<i64>) {
        let pace = self.base.plus(span(since));
        let offset = wall.since(pace).0;
        let step = offset.saturating_sub(self.offset);
        self.offset = offset;
        if wall >= self.at {
            self.slow = None;
            self.at = wall;
        } else {
            let (from, begun) = *self.slow.get_or_insert((self.at, since));
            // A clock that was an hour ahead is right again after four hours, and nothing stood still meanwhile.
            self.at = self.at.max(from.plus(span(since.saturating_sub(begun) * 3 / 4)));
        }
        (Now { at: self.at, pace }, (step.abs() >= STEP_MS).then_some(step))
    }

    /// Neither time is before `last` from now on.
    pub(super) fn resume(&mut self, last: Timestamp, since: Duration) {
        self.at = self.at.max(last);
        let behind = last.since(self.base.plus(span(since))).0.max(0);
        self.base = self.base.plus(dsl::value::Duration(behind));
        self.offset -= behind;
    }
}

fn span(duration: Duration) -> dsl::value::Duration {
    dsl::value::Duration(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 1_764_000_000_000;
    const HOUR: i64 = 3_600_000;

    /// Times from the start, in milliseconds.
    fn shown(steady: &mut Steady, wall: i64, since: u64) -> (i64, i64, Option<i64>) {
        let (now, step) = steady.show(Timestamp(START + wall), Duration::from_millis(since));
        (now.at.0 - START, now.pace.0 - START, step)
    }

    #[test]
    fn a_clock_that_nobody_sets_is_shown_as_it_is() {
        let mut steady = Steady::new(Timestamp(START));
        assert_eq!(shown(&mut steady, 0, 0), (0, 0, None));
        assert_eq!(shown(&mut steady, 1_500, 1_499), (1_500, 1_499, None));
        assert_eq!(shown(&mut steady, 90_000, 90_040), (90_000, 90_040, None));
    }

    #[test]
    fn set_back_it_runs_on_from_the_last_known_time_and_both_agree_again() {
        let mut steady = Steady::new(Timestamp(START));
        assert_eq!(shown(&mut steady, 1_000, 1_000), (1_000, 1_000, None));
        let back = 1_001 - HOUR;
        assert_eq!(shown(&mut steady, back, 1_001), (1_000, 1_001, Some(-HOUR)));
        assert_eq!(shown(&mut steady, back + 1_000, 2_001), (1_750, 2_001, None), "told once");
        // Readings in quick succession add up as one does.
        for since in 2_002..3_001 {
            shown(&mut steady, back + since - 1_001, u64::try_from(since).expect("positive"));
        }
        assert_eq!(shown(&mut steady, back + 2_000, 3_001).0, 2_500);
        let later = 4 * HOUR + 4_000;
        assert_eq!(shown(&mut steady, back + later, 1_001 + u64::try_from(later).expect("positive")).0, back + later);
    }

    #[test]
    fn set_forward_it_is_followed_and_the_pace_is_not() {
        let mut steady = Steady::new(Timestamp(START));
        assert_eq!(shown(&mut steady, HOUR + 10, 10), (HOUR + 10, 10, Some(HOUR)));
        assert_eq!(shown(&mut steady, HOUR + 20, 20), (HOUR + 20, 20, None));
    }

    #[test]
    fn an_earlier_process_that_was_ahead_is_gone_on_from() {
        let mut steady = Steady::new(Timestamp(START));
        steady.resume(Timestamp(START + HOUR), Duration::from_millis(5));
        assert_eq!(shown(&mut steady, 5, 5), (HOUR, HOUR, None), "the wall clock was not set while this one ran");
        assert_eq!(shown(&mut steady, 1_005, 1_005), (HOUR + 750, HOUR + 1_000, None));
        let mut behind = Steady::new(Timestamp(START));
        behind.resume(Timestamp(START - HOUR), Duration::from_millis(5));
        assert_eq!(shown(&mut behind, 5, 5), (5, 5, None));
    }
}

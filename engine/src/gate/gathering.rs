//! How much longer than decisions ask the writes of a lane wait for company: not at all while little goes on, and up to
//! [`MOST`] times as long under pressure.
//!
//! In: when requests of a lane may leave, and how many records each of them carries. Always true: a lane that was calm
//! for a while waits no longer than it was asked to, and neither do those for which a full request had no room.

use dsl::value::{Duration, Timestamp};

/// How many times as long as decisions ask a write waits at most: a change in a storm arrives within a second, whatever
/// else its way takes.
const MOST: i64 = 3;

/// A request with this many records says that changes come faster than one by one.
const CROWD: usize = 5;

/// What is known of the requests of one lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gathering {
    /// How many times as long as asked.
    times: i64,
    /// When the last request was let out, on the clock of paces.
    opened: Timestamp,
    /// Most records that it could carry.
    max: usize,
    /// The calls of its system were scarce then.
    scarce: bool,
    /// It was full, so others are waiting behind it.
    full: bool,
}

impl Gathering {
    /// A first request may leave.
    pub(super) fn new(now: Timestamp, max: usize, scarce: bool) -> Self {
        Self { times: 1, opened: now, max, scarce, full: false }
    }

    /// Another one may leave; `hold` is how long a write waits where little goes on.
    pub(super) fn opened(&mut self, hold: Duration, now: Timestamp, max: usize, scarce: bool) {
        let times = if self.is_calm(hold, now) { 1 } else { self.times };
        *self = Self { times, ..Self::new(now, max, scarce) };
    }

    /// It carries this many records.
    pub(super) fn sent(&mut self, records: usize) {
        self.full = records >= self.max;
        let pressure = records >= CROWD || self.scarce;
        self.times = if pressure { (self.times * 2).min(MOST) } else { (self.times / 2).max(1) };
    }

    /// How much longer than asked a write waits.
    pub(super) fn longer(&self, hold: Duration, now: Timestamp) -> Duration {
        if self.full || self.is_calm(hold, now) { Duration(0) } else { Duration(hold.0 * (self.times - 1)) }
    }

    /// The last request is so long ago that what it says is no longer true.
    fn is_calm(&self, hold: Duration, now: Timestamp) -> bool {
        let since = now.since(self.opened).0;
        since < 0 || since > 2 * MOST * hold.0
    }
}

//! What time it is: the only place in the engine that looks.
//!
//! Out: [`Now`], the engine's time and the time by which limits are paced.
//! Always true: neither goes back, and neither stands still while the machine's monotonic clock runs, whatever is done
//! to the wall clock. The pace never jumps: a step of the wall clock must neither open a rate window nor keep it shut.

pub mod remote;
mod steady;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use dsl::value::Timestamp;

/// One instant, by both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Now {
    /// The engine's time: stamps, deadlines, timers.
    pub at: Timestamp,
    /// The time of rate windows and pauses; never jumps.
    pub pace: Timestamp,
}

impl Now {
    /// Both clocks show `at`.
    #[must_use]
    pub fn same(at: Timestamp) -> Self {
        Self { at, pace: at }
    }
}

impl From<Timestamp> for Now {
    /// Both clocks show it, as in virtual time.
    fn from(at: Timestamp) -> Self {
        Self::same(at)
    }
}

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Now;

    /// What other machines take the time to be, by which they sign; it may go back.
    fn wall(&self) -> Timestamp {
        self.now().at
    }

    /// Decisions were made at `last`, by an earlier process perhaps: the time goes on from there.
    fn resume(&self, _last: Timestamp) {}

    /// How long a sleeper may trust that the clock runs like the machine's; `None`: for ever.
    fn trust(&self) -> Option<Duration> {
        None
    }
}

/// The machine's clock: its wall clock, and where that was set back, its monotonic one from the last known time on.
/// A step of the wall clock is logged with its size.
#[derive(Debug)]
pub struct System {
    began: Instant,
    steady: Mutex<steady::Steady>,
}

impl System {
    /// The machine's clock, from now on.
    #[must_use]
    pub fn new() -> Self {
        Self { began: Instant::now(), steady: Mutex::new(steady::Steady::new(wall())) }
    }

    fn steady(&self) -> MutexGuard<'_, steady::Steady> {
        self.steady.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for System {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for System {
    fn now(&self) -> Now {
        let (now, step) = {
            let mut steady = self.steady();
            // Both are read while nobody else reads, so that they are in order.
            steady.show(wall(), self.began.elapsed())
        };
        if let Some(step) = step {
            let by = Duration::from_millis(step.unsigned_abs());
            let way = if step < 0 { "back" } else { "forward" };
            tracing::warn!(?by, "the machine's clock was set {way}");
        }
        now
    }

    fn wall(&self) -> Timestamp {
        wall()
    }

    fn resume(&self, last: Timestamp) {
        self.steady().resume(last, self.began.elapsed());
    }

    fn trust(&self) -> Option<Duration> {
        Some(TRUST)
    }
}

/// How late a timer may be at most where the wall clock is set forward while the engine sleeps.
const TRUST: Duration = Duration::from_secs(60);

/// The machine's wall time.
#[must_use]
pub fn wall() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// A clock that stands until somebody moves it.
#[derive(Debug, Default)]
pub struct Manual(Mutex<Timestamp>);

impl Manual {
    /// A clock that shows `at`.
    #[must_use]
    pub fn new(at: Timestamp) -> Self {
        Self(Mutex::new(at))
    }

    /// Moves it to `at`; never back.
    pub fn set(&self, at: Timestamp) {
        let mut now = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *now = (*now).max(at);
    }

    /// What it shows.
    #[must_use]
    pub fn read(&self) -> Timestamp {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Clock for Manual {
    fn now(&self) -> Now {
        Now::same(self.read())
    }
}

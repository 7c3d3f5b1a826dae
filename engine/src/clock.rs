//! What time it is: the only place in the engine that looks.
//!
//! Out: [`Now`], the engine's time and the time by which limits are paced. They differ only where the engine runs
//! on the twins' clock, which can jump: a jump must not open a rate window.

pub mod remote;

use std::sync::Mutex;
use std::time::Duration;

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

    /// How long a sleeper may trust that the clock runs like the machine's; `None`: for ever.
    fn trust(&self) -> Option<Duration> {
        None
    }
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct System;

impl Clock for System {
    fn now(&self) -> Now {
        Now::same(wall())
    }
}

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

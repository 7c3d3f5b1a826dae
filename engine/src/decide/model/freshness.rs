//! How new something must be that is taken as known.

use dsl::value::{Duration, Timestamp};
use serde::{Deserialize, Serialize};

/// How new something must be to be taken as known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Freshness {
    /// As old as it may be.
    Any,
    /// Not older than this.
    AsOf(Timestamp),
    /// Newer than this: what was seen at that time was seen before what happened then.
    After(Timestamp),
}

impl Freshness {
    /// Is something fresh enough that was so at this time?
    pub(crate) fn allows(self, at: Timestamp) -> bool {
        match self {
            Self::Any => true,
            Self::AsOf(oldest) => at >= oldest,
            Self::After(barrier) => at > barrier,
        }
    }

    /// The same, but nothing newer than now is asked for: an answer of this very moment must do.
    pub(crate) fn by(self, now: Timestamp) -> Self {
        match self {
            Self::AsOf(oldest) if oldest > now => Self::AsOf(now),
            Self::After(barrier) if barrier >= now => Self::AsOf(now),
            other => other,
        }
    }

    /// As new as both ask for.
    pub(crate) fn and(self, other: Self) -> Self {
        if self.oldest() >= other.oldest() { self } else { other }
    }

    /// The oldest time that is allowed, in whole milliseconds.
    pub(crate) fn oldest(self) -> Timestamp {
        match self {
            Self::Any => Timestamp(i64::MIN),
            Self::AsOf(oldest) => oldest,
            Self::After(barrier) => barrier.plus(Duration(1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_at_the_time_of_a_barrier_was_seen_before_it() {
        let at = Timestamp(7);
        assert!(Freshness::AsOf(at).allows(at) && !Freshness::After(at).allows(at));
        assert!(Freshness::After(at).allows(Timestamp(8)) && Freshness::Any.allows(Timestamp(i64::MIN)));
    }

    #[test]
    fn nothing_newer_than_now_is_asked_for() {
        let now = Timestamp(7);
        assert_eq!(Freshness::After(now).by(now), Freshness::AsOf(now));
        assert_eq!(Freshness::After(Timestamp(6)).by(now), Freshness::After(Timestamp(6)));
        assert_eq!(Freshness::AsOf(Timestamp(9)).by(now), Freshness::AsOf(now));
    }

    #[test]
    fn of_two_the_newer_one_counts() {
        let (as_of, after) = (Freshness::AsOf(Timestamp(7)), Freshness::After(Timestamp(7)));
        assert_eq!((as_of.and(after), after.and(as_of), Freshness::Any.and(as_of)), (after, after, as_of));
    }
}

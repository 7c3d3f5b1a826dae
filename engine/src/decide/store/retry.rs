//! How long to wait before something is tried again.

use connectors::planted::{Mutant, planted};
use dsl::value::Duration;

use crate::decide::model::hash::hash;

/// How often something is tried before people are shown that it does not succeed.
pub(crate) const ALERT_AFTER_ATTEMPTS: u32 = 20;

/// Until something that a system refuses is asked for again; asking sooner cannot help.
pub(crate) const REFUSED_AGAIN: Duration = Duration::minutes(5);

/// Wait before retry `n` (the first retry is 1), never above `at_most`; `roll` picks the jitter.
///
/// Exponential with full jitter (AWS Architecture Blog, "Exponential Backoff And Jitter"), but at least half of
/// the span, so that a retry is never immediate. The roll is a hash of what is retried: the same after a restart.
pub(crate) fn backoff(n: u64, first: Duration, at_most: Duration, roll: &str) -> Duration {
    let doubled = first
        .0
        .max(1)
        .saturating_mul(1i64.checked_shl(u32::try_from(n.saturating_sub(1).min(40)).unwrap_or(40)).unwrap_or(i64::MAX));
    let cap = if planted(Mutant::NoBackoff) { first.0 } else { doubled.min(at_most.0.max(1)) };
    let roll = u64::from_str_radix(&hash(&format!("{roll} {n}")), 16).unwrap_or_default();
    let half = cap / 2;
    Duration(half + i64::try_from(roll % u64::try_from(cap - half + 1).unwrap_or(1)).unwrap_or_default())
}

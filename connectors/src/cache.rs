//! Reads that need not be asked for again: one trait, two stores that pass one contract.
//!
//! In: what a system answered, for how long it may be used. Out: the same bytes, or nothing.
//! Always true: no failure reaches the caller: a store that does not answer is a miss, soon; a removal that could
//! not be carried out is made up for before the key is served again.
//! Awkward but true: a read that began before a removal may be put after it, and then stays for its time. That is
//! why a cache serves lookups and texts only, never a merge, a key or a condition.
//! Not here: what may be cached, and for how long (the rules say).

pub mod memory;
#[cfg(feature = "redis")]
pub mod redis;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

/// A store of bytes by key.
#[async_trait]
pub trait Cache: Send + Sync {
    /// What was put under `key`, while its time lasts.
    async fn get(&self, key: &str) -> Option<Bytes>;

    /// Keeps `bytes` for `ttl` (whole milliseconds), in place of what was there. Zero keeps nothing.
    async fn put(&self, key: &str, bytes: Bytes, ttl: Duration);

    /// Forgets `key`.
    async fn remove(&self, key: &str);

    /// What happened so far.
    fn counts(&self) -> Counts;

    /// False where the store did not answer when it was asked last.
    fn is_up(&self) -> bool {
        true
    }
}

/// The key of a record: `crm:contact:<id>`.
#[must_use]
pub fn key(system: &str, entity: &str, id: &str) -> String {
    format!("{system}:{entity}:{id}")
}

/// What happened since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Gets that found something.
    pub hits: u64,
    /// Gets that found nothing, for whatever reason.
    pub misses: u64,
    /// Calls that the store did not answer, or answered with an error.
    pub errors: u64,
    /// Calls that were not made, because the store failed a moment ago.
    pub skipped: u64,
}

/// [`Counts`] as they grow.
#[derive(Debug, Default)]
struct Tally {
    hits: AtomicU64,
    misses: AtomicU64,
    errors: AtomicU64,
    skipped: AtomicU64,
}

impl Tally {
    fn looked(&self, found: bool) {
        let count = if found { &self.hits } else { &self.misses };
        count.fetch_add(1, Ordering::Relaxed);
    }

    fn counts(&self) -> Counts {
        Counts {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            errors: self.errors.load(Ordering::Relaxed),
            skipped: self.skipped.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_contacts_key_is_its_system_entity_and_id() {
        assert_eq!(super::key("crm", "contact", "512"), "crm:contact:512");
    }
}

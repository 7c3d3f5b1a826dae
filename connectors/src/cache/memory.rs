//! The cache of an engine without Redis: in this process, bounded, gone with it.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use moka::Expiry;

use super::{Cache, Counts, Tally};

/// What an entry costs beside its key and bytes; an estimate, so that many small ones are bounded too.
const ENTRY: usize = 128;

/// A bounded map whose entries run out.
#[derive(Debug)]
pub struct MemoryCache {
    entries: moka::future::Cache<String, (Bytes, Duration)>,
    tally: Tally,
}

impl MemoryCache {
    /// Keeps up to `capacity` bytes, keys included; beyond that the least useful entries go.
    #[must_use]
    pub fn new(capacity: u64) -> Self {
        let weight = |key: &String, (bytes, _): &(Bytes, Duration)| {
            u32::try_from(key.len() + bytes.len() + ENTRY).unwrap_or(u32::MAX)
        };
        let entries =
            moka::future::Cache::builder().max_capacity(capacity).weigher(weight).expire_after(EachItsOwn).build();
        Self { entries, tally: Tally::default() }
    }
}

/// An entry lives for the time it was put with, counted from its last put.
struct EachItsOwn;

impl Expiry<String, (Bytes, Duration)> for EachItsOwn {
    fn expire_after_create(&self, _: &String, entry: &(Bytes, Duration), _: Instant) -> Option<Duration> {
        Some(entry.1)
    }

    fn expire_after_update(
        &self,
        _: &String,
        entry: &(Bytes, Duration),
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(entry.1)
    }
}

#[async_trait]
impl Cache for MemoryCache {
    async fn get(&self, key: &str) -> Option<Bytes> {
        let found = self.entries.get(key).await.map(|(bytes, _)| bytes);
        self.tally.looked(found.is_some());
        found
    }

    async fn put(&self, key: &str, bytes: Bytes, ttl: Duration) {
        if ttl.as_millis() == 0 {
            return self.remove(key).await;
        }
        // A slice would keep the whole answer it was cut from.
        self.entries.insert(key.to_owned(), (Bytes::copy_from_slice(&bytes), ttl)).await;
    }

    async fn remove(&self, key: &str) {
        self.entries.invalidate(key).await;
    }

    fn counts(&self) -> Counts {
        self.tally.counts()
    }
}

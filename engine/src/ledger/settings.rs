//! Sizes, times and hooks of the ledger on disk. The defaults are those that STORAGE.md measured.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::files::{Files, System};
use super::{Error, Seq};

/// Called with each sequence that has become durable, on the writer's thread: it must not wait for the ledger.
pub type OnDurable = Box<dyn Fn(Seq) + Send>;

/// Called once where going on would risk acknowledging what may be lost. It should end the process; if it comes
/// back, the ledger takes nothing more.
pub type OnFatal = Arc<dyn Fn(&Error) + Send + Sync>;

/// Sizes and times.
#[derive(Clone)]
pub struct Settings {
    /// Size of a segment of the journal in bytes; at least 4 KiB.
    pub segment: u64,
    /// Changed rows that begin a checkpoint.
    pub checkpoint_rows: usize,
    /// The longest time between a change and the checkpoint that takes it.
    pub checkpoint_after: Duration,
    /// Bytes of journal that begin a checkpoint.
    pub checkpoint_journal: u64,
    /// Changed rows, not yet in a checkpoint, at which nothing more is taken.
    pub full_rows: usize,
    /// Bytes of journal that no finished checkpoint covers, at which nothing more is taken.
    pub full_journal: u64,
    /// Bytes of rows, as they were read last, that are kept in memory beside sled's own 16 MiB.
    pub cache: usize,
    /// How long history is kept, by the age of a whole segment against the newest one; `None` keeps all of it.
    pub retention: Option<Duration>,
    /// Writes and syncs.
    pub files: Arc<dyn Files>,
    /// What to do after a failed sync; aborts by default.
    pub on_fatal: OnFatal,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            segment: 64 << 20,
            checkpoint_rows: 50_000,
            checkpoint_after: Duration::from_secs(5),
            checkpoint_journal: 64 << 20,
            full_rows: 200_000,
            full_journal: 128 << 20,
            cache: 16 << 20,
            retention: None,
            files: Arc::new(System),
            on_fatal: Arc::new(|error| {
                tracing::error!(%error, "the ledger cannot go on; the next start takes up from what is durable");
                std::process::abort();
            }),
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Settings")
            .field("segment", &self.segment)
            .field("checkpoint_rows", &self.checkpoint_rows)
            .field("checkpoint_after", &self.checkpoint_after)
            .field("checkpoint_journal", &self.checkpoint_journal)
            .field("full_rows", &self.full_rows)
            .field("full_journal", &self.full_journal)
            .field("cache", &self.cache)
            .field("retention", &self.retention)
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

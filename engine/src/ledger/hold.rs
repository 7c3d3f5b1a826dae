//! Keeps sled and the segments as they are for a while: checkpoints wait, rounds are taken meanwhile.

use std::sync::Arc;

use super::shared::Shared;
use super::{Error, Seq};

/// As long as it lives, no checkpoint runs and no segment is removed.
pub(super) struct Hold {
    shared: Arc<Shared>,
    durable: Seq,
    end: (Seq, u64),
}

impl Hold {
    /// Waits for the checkpoint under way and lets no other begin.
    ///
    /// # Errors
    /// Where the checkpoint under way cannot end for now, or the ledger closes.
    pub(super) fn new(shared: &Arc<Shared>) -> Result<Self, Error> {
        shared.note(|progress| progress.held += 1);
        let mut hold = Self { shared: Arc::clone(shared), durable: Seq(0), end: (Seq(0), 0) };
        let progress = shared.wait(|p| {
            !p.checkpointing || p.rows_full.is_some() || p.damaged.is_some() || p.failed.is_some() || p.closing
        });
        if progress.checkpointing {
            let full = || Error::Full { reason: progress.rows_full.clone().unwrap_or("the ledger is closing".into()) };
            let error = shared.refusal(&progress).unwrap_or_else(full);
            drop(progress);
            return Err(error);
        }
        (hold.durable, hold.end) = (progress.durable, progress.end);
        drop(progress);
        Ok(hold)
    }

    /// The last round that was durable when the hold began.
    pub(super) fn durable(&self) -> Seq {
        self.durable
    }

    /// First sequence of the segment that holds it, and the byte behind its frame.
    pub(super) fn end(&self) -> (Seq, u64) {
        self.end
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.shared.note(|progress| progress.held -= 1);
    }
}

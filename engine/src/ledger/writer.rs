//! The thread that makes rounds durable.
//!
//! In: encoded rounds, in order. Out: frames, each one write and one `fdatasync`; then the durable sequence, and
//! whoever waits for it is told.
//! Always true: a sequence is told only after the sync of the frame that holds it; after a failed sync nothing is
//! told any more. Without room the same frame is tried again, and no round behind it overtakes.

use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use super::frame::{FULL_BYTES, FULL_ROUNDS, Frame};
use super::high_water_mark::HighWaterMark;
use super::journal::{Journal, Refusal};
use super::settings::OnDurable;
use super::shared::Shared;
use super::{Error, Seq};

/// How long to wait for room before the next try.
pub(super) const RETRY: Duration = Duration::from_millis(250);

/// The writer's own.
pub(super) struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) journal: Journal,
    pub(super) mark: HighWaterMark,
    pub(super) rounds: Receiver<(Seq, Vec<u8>)>,
    pub(super) on_durable: OnDurable,
}

impl Writer {
    /// Works until the senders are gone and all is durable, or until that has become impossible.
    pub(super) fn run(mut self) {
        while let Ok((first, round)) = self.rounds.recv() {
            let mut frame = self.fill(first, round);
            loop {
                match self.journal.append(&mut frame) {
                    Ok(()) => break,
                    Err(Refusal::Fatal(error)) => return self.shared.fail(&error),
                    Err(Refusal::Full(reason)) => {
                        if self.shared.progress().full.is_none() {
                            tracing::error!(reason, "the disk is full; nothing is accepted until there is room");
                        }
                        self.shared.note(|progress| progress.full = Some(reason));
                        if self.shared.wait_for(RETRY, |progress| progress.closing).closing {
                            let lost = frame.first.0;
                            return tracing::error!(
                                from = lost,
                                "closed on a full disk; rounds that were not durable are lost"
                            );
                        }
                    }
                }
            }
            let last = frame.last();
            self.mark.set(last);
            self.shared.set_durable(last, self.journal.end());
            (self.on_durable)(last);
        }
    }

    /// Takes what has come since, up to the size of a frame.
    fn fill(&mut self, first: Seq, round: Vec<u8>) -> Frame {
        let mut size = round.len();
        let mut rounds = vec![round];
        while size < FULL_BYTES && rounds.len() < FULL_ROUNDS {
            let Ok((_, round)) = self.rounds.try_recv() else { break };
            size += round.len();
            rounds.push(round);
        }
        Frame::new(first, &rounds)
    }
}

/// Runs a thread of the ledger; a panic in it is as fatal as a failed sync, because others wait for what it does.
pub(super) fn guarded(shared: &Shared, run: impl FnOnce()) {
    if std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).is_err() {
        let source = std::io::Error::other("a thread of the ledger panicked");
        shared.fail(&Error::Io { doing: "cannot go on in", path: shared.folder.display().to_string(), source });
    }
}

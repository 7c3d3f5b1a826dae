//! The thread that brings net row changes into sled, and removes segments that nobody needs any more.
//!
//! In: the overlay, when it is large or old enough. Out: the same rows in sled, and an empty overlay.
//! Always true: sled gets only rounds that are durable in the journal; a checkpoint that failed or was cut off is
//! repeated with exactly the frozen rows and the frozen sequence. Idle, the thread waits and writes nothing.

use std::sync::Arc;
use std::time::Duration;

use super::journal::{journal_folder, segments};
use super::overlay::Frozen;
use super::settings::Settings;
use super::shared::{Progress, Shared};
use super::store::Fault;
use super::writer::RETRY;
use super::{Error, Seq};

/// Free room at which a stopped checkpoint is tried again: sled takes some segments to open.
const ROOM: u64 = 8 << 20;

/// The thread's own.
pub(super) struct Checkpoints {
    pub(super) shared: Arc<Shared>,
    pub(super) settings: Settings,
    /// Where the checkpoint before the last one ended.
    pub(super) previous: Seq,
}

impl Checkpoints {
    /// Works until the ledger closes, or rows can no longer be written.
    pub(super) fn run(mut self) {
        while self.wait_for_work() {
            let frozen = self.freeze();
            let durable = self.shared.wait(|p| p.durable >= frozen.last || p.failed.is_some() || p.closing);
            // At closing the journal has it all; the next start repeats what sled lacks.
            if durable.durable < frozen.last {
                return;
            }
            drop(durable);
            if !self.apply(&frozen) {
                return;
            }
            self.shared.thaw(&frozen);
            self.shared.note(|progress| {
                progress.applied = frozen.last;
                progress.rows_full = None;
            });
            if let Err(error) = self.remove_segments() {
                tracing::warn!(%error, "segments of the journal that have served stay for now");
            }
            self.previous = frozen.last;
            self.shared.note(|progress| progress.checkpointing = false);
        }
    }

    /// Waits for a reason to begin; `false` where there is none any more.
    fn wait_for_work(&self) -> bool {
        let stop = |p: &Progress| p.closing || p.failed.is_some();
        loop {
            let changed = self.shared.wait(|p| stop(p) || (p.changed && p.held == 0));
            if stop(&changed) {
                return false;
            }
            drop(changed);
            let now = |p: &Progress| stop(p) || p.due || p.wanted > p.applied;
            let mut progress = self.shared.wait_for(self.settings.checkpoint_after, now);
            if stop(&progress) {
                return false;
            }
            // A backup may have begun while the rows were left to grow older.
            if progress.held == 0 {
                progress.checkpointing = true;
                return true;
            }
        }
    }

    fn freeze(&self) -> Arc<Frozen> {
        let mut overlay = self.shared.overlay_mut();
        let frozen = overlay.freeze();
        let mut progress = self.shared.progress();
        progress.changed = false;
        progress.due = false;
        frozen
    }

    /// Brings the rows into sled, over any number of full disks; `false` where that has become impossible.
    fn apply(&self, frozen: &Frozen) -> bool {
        let mut pause = |took: Duration| {
            // While the overlay is small there is time to leave the disk to the journal.
            let behind = |p: &Progress| p.closing || p.due || p.wanted > p.applied || p.held > 0;
            !self.shared.wait_for(took, behind).closing
        };
        loop {
            let reason = match self.shared.store.apply(&frozen.changes, frozen.last, &mut pause) {
                Ok(()) => return true,
                Err(Fault::Stopped) => return false,
                Err(Fault::Sync(error)) => {
                    self.shared.fail(&error);
                    return false;
                }
                Err(Fault::Broken(error)) => return self.give_up(&error),
                Err(Fault::Full(reason)) => reason,
            };
            tracing::error!(reason, "the disk is full; rows wait in memory and in the journal until there is room");
            self.shared.note(|progress| progress.rows_full = Some(reason));
            match self.reopen_with_room() {
                Ok(true) => tracing::info!("there is room again; the checkpoint is repeated"),
                Ok(false) => return false,
                Err(error) => return self.give_up(&error),
            }
        }
    }

    /// Rows stay readable as far as they are, the journal too, but nothing new is taken: its rows could not follow.
    fn give_up(&self, error: &Error) -> bool {
        tracing::error!(%error, "rows cannot be written any more; nothing is accepted");
        self.shared.note(|progress| progress.damaged = Some(error.to_string()));
        false
    }

    /// Waits for room, then opens sled anew, because its error is sticky. `false` where the ledger closes.
    fn reopen_with_room(&self) -> Result<bool, Error> {
        loop {
            if self.shared.wait_for(RETRY, |progress| progress.closing).closing {
                return Ok(false);
            }
            let folder = self.shared.store.folder();
            let free = self.settings.files.free(folder).map_err(super::files::failed("cannot look at", folder))?;
            if free < ROOM {
                continue;
            }
            match self.shared.store.reopen() {
                Ok(()) => return Ok(true),
                // Taken by somebody else in between; readers of stored rows are told so until it works.
                Err(Error::Full { .. }) => (),
                Err(error) => return Err(error),
            }
        }
    }

    /// Removes whole segments, oldest first, that lie below the previous checkpoint and are older than history
    /// is wanted. Age is the time between the last writes of a segment and of the newest one: no clock is asked.
    fn remove_segments(&self) -> Result<(), Error> {
        let Some(retention) = self.settings.retention else { return Ok(()) };
        let folder = journal_folder(&self.shared.folder);
        let found = segments(&folder)?;
        let written = |path: &std::path::Path| {
            let time = std::fs::metadata(path).and_then(|meta| meta.modified());
            time.map_err(super::files::failed("cannot read", path))
        };
        let Some(newest) = found.last() else { return Ok(()) };
        let newest = written(&newest.path)?;
        let mut removed = false;
        for pair in found.windows(2) {
            let covered = pair[1].first <= self.previous;
            let age = newest.duration_since(written(&pair[0].path)?).unwrap_or_default();
            if !covered || age < retention {
                break;
            }
            std::fs::remove_file(&pair[0].path).map_err(super::files::failed("cannot remove", &pair[0].path))?;
            tracing::info!(segment = pair[0].name(), "a segment was older than history is kept, and was removed");
            removed = true;
        }
        if removed {
            super::files::sync_folder(&*self.settings.files, &folder)?;
        }
        Ok(())
    }
}

//! What the loop, the readers, the writer and the checkpoints have in common.
//!
//! Always true: the overlay's lock is taken before the one of [`Progress`], never after it; nobody waits for a
//! file while holding either for writing.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use super::overlay::{Merged, Overlay};
use super::settings::OnFatal;
use super::store::Store;
use super::{Error, Rows, Seq};

/// How far everything is, and what keeps it from going on.
#[derive(Debug, Default)]
pub(super) struct Progress {
    pub(super) durable: Seq,
    /// First sequence of the newest segment, and the byte behind its last durable frame.
    pub(super) end: (Seq, u64),
    /// All rounds up to this one are in sled.
    pub(super) applied: Seq,
    /// Rounds were taken since the last freeze.
    pub(super) changed: bool,
    /// A checkpoint should begin now, whatever its age.
    pub(super) due: bool,
    /// Some thread waits for a checkpoint of all up to this round.
    pub(super) wanted: Seq,
    /// A checkpoint is under way, the removal of segments included.
    pub(super) checkpointing: bool,
    /// So many backups want sled and segments to stay as they are.
    pub(super) held: usize,
    /// The journal cannot be written for now.
    pub(super) full: Option<String>,
    /// Rows cannot be written for now.
    pub(super) rows_full: Option<String>,
    /// Rows cannot be written any more, the journal can.
    pub(super) damaged: Option<String>,
    /// Nothing can be written any more.
    pub(super) failed: Option<String>,
    pub(super) closing: bool,
}

/// The common state.
pub(super) struct Shared {
    pub(super) folder: PathBuf,
    overlay: RwLock<Overlay>,
    pub(super) store: Store,
    progress: Mutex<Progress>,
    woken: Condvar,
    durable: AtomicU64,
    on_fatal: OnFatal,
}

impl Shared {
    pub(super) fn new(folder: PathBuf, store: Store, overlay: Overlay, progress: Progress, on_fatal: OnFatal) -> Self {
        let durable = AtomicU64::new(progress.durable.0);
        Self {
            folder,
            overlay: RwLock::new(overlay),
            store,
            progress: Mutex::new(progress),
            woken: Condvar::new(),
            durable,
            on_fatal,
        }
    }

    pub(super) fn overlay(&self) -> RwLockReadGuard<'_, Overlay> {
        self.overlay.read().expect("nothing panics while it changes the overlay")
    }

    pub(super) fn overlay_mut(&self) -> RwLockWriteGuard<'_, Overlay> {
        self.overlay.write().expect("nothing panics while it changes the overlay")
    }

    pub(super) fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().expect("nothing panics while it notes progress")
    }

    /// Changes progress and wakes all who wait for it.
    pub(super) fn note(&self, change: impl FnOnce(&mut Progress)) {
        change(&mut self.progress());
        self.woken.notify_all();
    }

    /// Waits until `done` holds.
    pub(super) fn wait(&self, mut done: impl FnMut(&Progress) -> bool) -> MutexGuard<'_, Progress> {
        let guard = self.woken.wait_while(self.progress(), |progress| !done(progress));
        guard.expect("nothing panics while it notes progress")
    }

    /// Waits until `done` holds, but no longer than `limit`.
    pub(super) fn wait_for(
        &self,
        limit: Duration,
        mut done: impl FnMut(&Progress) -> bool,
    ) -> MutexGuard<'_, Progress> {
        let waited = self.woken.wait_timeout_while(self.progress(), limit, |progress| !done(progress));
        waited.expect("nothing panics while it notes progress").0
    }

    /// The last durable sequence, without waiting for anything.
    pub(super) fn durable(&self) -> Seq {
        Seq(self.durable.load(Ordering::Acquire))
    }

    pub(super) fn set_durable(&self, last: Seq, end: (Seq, u64)) {
        self.durable.store(last.0, Ordering::Release);
        self.note(|progress| {
            progress.durable = last;
            progress.end = end;
            progress.full = None;
        });
    }

    /// Notes that nothing can be written any more, then tells the one who decides what that means.
    pub(super) fn fail(&self, error: &Error) {
        self.note(|progress| {
            progress.failed.get_or_insert_with(|| error.to_string());
        });
        (self.on_fatal)(error);
    }

    /// What the ledger says where it takes nothing, or `None` where it does.
    pub(super) fn refusal(&self, progress: &Progress) -> Option<Error> {
        if let Some(reason) = &progress.failed {
            let source = std::io::Error::other(reason.clone());
            return Some(Error::Io { doing: "cannot go on in", path: self.folder.display().to_string(), source });
        }
        if let Some(what) = &progress.damaged {
            return Some(Error::Damaged { what: what.clone(), advice: super::ADVICE.into() });
        }
        progress.full.as_ref().map(|reason| Error::Full { reason: reason.clone() })
    }
}

impl Rows for Shared {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        // A checkpoint that ends between the two looks has brought the same change into sled.
        if let Some(change) = self.overlay().get(key) {
            return Ok(change.clone());
        }
        if !is_of_users(key) {
            return Ok(None);
        }
        self.store.get(key)
    }

    /// The overlay stays as it is until the scan is done, so the rows are those of one moment.
    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<(Vec<u8>, Vec<u8>)>, Error> {
        // Rows of the ledger itself stand before those of users.
        let from = if is_of_users(from) { from } else { &super::key::FIRST_KIND[..] };
        if from >= to || limit == 0 {
            return Ok(Vec::new());
        }
        let overlay = self.overlay();
        self.store.range(from, to, |stored| {
            let mut found = Vec::new();
            let mut failed = None;
            let changed = overlay.range(from, to).map(|(key, value)| (key.to_vec(), Row::Changed(value)));
            let stored = stored.map_while(|row| match row {
                Ok((key, value)) => Some((key, Row::Stored(value))),
                Err(error) => {
                    failed = Some(error);
                    None
                }
            });
            for (key, row) in (Merged { newer: changed.peekable(), older: stored.peekable() }) {
                let value = match row {
                    Row::Changed(None) => continue,
                    Row::Changed(Some(value)) => value.to_vec(),
                    Row::Stored(value) => value.value(&key)?,
                };
                found.push((key, value));
                if found.len() == limit {
                    break;
                }
            }
            failed.map_or(Ok(found), Err)
        })
    }
}

enum Row<'a, 'b> {
    Changed(Option<&'a [u8]>),
    Stored(super::store::Lazy<'b>),
}

fn is_of_users(key: &[u8]) -> bool {
    key.first().is_some_and(|kind| *kind != super::chunks::OWN)
}

//! The ledger on disk: a journal that is the commit, and sled that holds the rows behind it.
//!
//! In: rounds, from one thread. Out: the same rows, after any crash.
//! Layout of a state folder: `lock`, `mark`, `journal/*.journal`, `sled/`. All of it belongs to one process.
//! Always true: a reader sees the overlay, then the frozen overlay of a checkpoint under way, then sled; a round
//! is durable once its frame is synced, whatever sled has; see `writer`, `checkpoint`, `redo` for the rest.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use rustix::fs::{FlockOperation, flock};

use super::checkpoint::Checkpoints;
use super::files::{failed, sync_folder};
use super::frame::encode;
use super::high_water_mark::{self, HighWaterMark};
use super::history::{self, Records};
use super::journal::journal_folder;
use super::redo::{Redone, redo};
use super::settings::{OnDurable, Settings};
use super::shared::{Progress, Shared};
use super::store::Store;
use super::validate_round::validate;
use super::writer::{Writer, guarded};
use super::{Error, Ledger, Round, Rows, Seq};

/// The ledger on disk. Dropping it makes durable what was appended, waits for its threads and gives the folder
/// back; nothing is lost by a kill instead.
pub struct Disk {
    shared: Arc<Shared>,
    settings: Settings,
    rounds: Option<Sender<(Seq, Vec<u8>)>>,
    threads: Vec<JoinHandle<()>>,
    /// Given up last: only then may another process come.
    _lock: Lock,
}

impl Disk {
    /// Opens or makes the ledger in `state`: takes the folder for this process, opens the rows and redoes what
    /// they lack. What it found is durable before this returns.
    ///
    /// # Errors
    /// [`Error::Locked`]; [`Error::Newer`]; [`Error::Damaged`] for what no crash explains, with segment, frame and
    /// byte; [`Error::NoRoom`] where there is no room to start; [`Error::Io`] for what the operating system refuses.
    pub fn open(state: &Path, settings: Settings, on_durable: OnDurable) -> Result<Self, Error> {
        // Nothing goes on by itself here.
        Self::opened(state, settings, on_durable).map_err(|error| match error {
            Error::Full { reason } => Error::NoRoom { reason },
            other => other,
        })
    }

    fn opened(state: &Path, settings: Settings, on_durable: OnDurable) -> Result<Self, Error> {
        let lock = Lock::take(state)?;
        let store = Store::open(state, &settings.files)?;
        let journal = journal_folder(state);
        if !journal.try_exists().map_err(failed("cannot read", &journal))? {
            DirBuilder::new().mode(0o700).create(&journal).map_err(failed("cannot make", &journal))?;
            sync_folder(&*settings.files, state)?;
        }
        let Redone { overlay, journal } = redo(&journal, &store, high_water_mark::read(state)?, &settings)?;
        let (applied, _) = store.applied()?;
        let mark = HighWaterMark::open(state, &settings.files, overlay.last())?;
        let progress = Progress {
            durable: overlay.last(),
            end: journal.end(),
            applied,
            changed: overlay.has_active(),
            due: is_due(&settings, overlay.active_rows(), overlay.active_bytes()),
            ..Progress::default()
        };
        let on_fatal = Arc::clone(&settings.on_fatal);
        let shared = Arc::new(Shared::new(state.into(), store, overlay, progress, settings.cache, on_fatal));
        let (sender, rounds) = channel();
        let writer = Writer { shared: Arc::clone(&shared), journal, mark, rounds, on_durable };
        let checkpoints = Checkpoints { shared: Arc::clone(&shared), settings: settings.clone(), previous: Seq(0) };
        let mut disk = Self { shared, settings, rounds: Some(sender), threads: Vec::new(), _lock: lock };
        disk.start("ledger-writer", move || writer.run())?;
        disk.start("ledger-checkpoint", move || checkpoints.run())?;
        Ok(disk)
    }

    fn start(&mut self, name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), Error> {
        let shared = Arc::clone(&self.shared);
        let thread = std::thread::Builder::new().name(name.into()).spawn(move || guarded(&shared, run));
        self.threads.push(thread.map_err(failed("cannot start a thread for", &self.shared.folder))?);
        Ok(())
    }

    /// A handle for reading from elsewhere.
    #[must_use]
    pub fn reader(&self) -> Reader {
        Reader(Arc::clone(&self.shared))
    }

    /// The last round appended, durable or not.
    #[must_use]
    pub fn last(&self) -> Seq {
        self.shared.overlay().last()
    }

    /// Blocks until all that was appended is in sled too, so that the next start has nothing to redo.
    ///
    /// # Errors
    /// Where that cannot happen now.
    pub fn checkpoint(&mut self) -> Result<Seq, Error> {
        let last = self.flush()?;
        self.shared.note(|progress| progress.wanted = last);
        let progress = self.shared.wait(|p| {
            (p.applied >= last && !p.checkpointing) || p.rows_full.is_some() || self.shared.refusal(p).is_some()
        });
        if progress.applied >= last {
            return Ok(last);
        }
        let full = || Error::Full { reason: progress.rows_full.clone().unwrap_or_default() };
        Err(self.shared.refusal(&progress).unwrap_or_else(full))
    }
}

fn is_due(settings: &Settings, rows: usize, bytes: u64) -> bool {
    rows >= settings.checkpoint_rows || bytes >= settings.checkpoint_journal
}

impl std::fmt::Debug for Disk {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Disk").field("folder", &self.shared.folder).field("health", &self.reader().health()).finish()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // The writer ends once it has written all that was sent; the checkpoints at their next batch.
        self.rounds = None;
        self.shared.note(|progress| progress.closing = true);
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the ledger panicked at its end");
            }
        }
        // Readers may outlive the ledger; sled must not, because the next process cannot open it twice.
        self.shared.close();
    }
}

impl Rows for Disk {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        self.shared.get(key)
    }

    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<(Vec<u8>, Vec<u8>)>, Error> {
        self.shared.scan(from, to, limit)
    }
}

impl Ledger for Disk {
    fn append(&mut self, round: Round) -> Result<Seq, Error> {
        validate(&round)?;
        if let Some(refusal) = self.shared.refusal(&self.shared.progress()) {
            return Err(refusal);
        }
        let bytes = encode(&round);
        let mut overlay = self.shared.overlay_mut();
        let full = |reason: String| Err(Error::Full { reason });
        if overlay.active_rows() >= self.settings.full_rows {
            return full(format!("{} changed rows wait for a checkpoint", overlay.active_rows()));
        }
        if overlay.behind_bytes() >= self.settings.full_journal {
            return full(format!("{} bytes of journal wait for a checkpoint", overlay.behind_bytes()));
        }
        let seq = Seq(overlay.last().0 + 1);
        // Sent before its rows are shown: where nobody writes any more, no row is seen that never becomes durable.
        let size = bytes.len() as u64;
        if self.rounds.as_ref().is_none_or(|rounds| rounds.send((seq, bytes)).is_err()) {
            let source = std::io::Error::other("the thread that writes the journal has ended");
            return Err(failed("cannot go on in", &self.shared.folder)(source));
        }
        let (was_empty, was_due) = (!overlay.has_active(), self.is_due(&overlay));
        overlay.take(round.changes, size);
        let is_due = self.is_due(&overlay);
        // Every note wakes all who wait, so there is one only where the checkpoints have something new to go by.
        if was_empty || is_due != was_due {
            self.shared.note(|progress| {
                progress.changed = true;
                progress.due = is_due;
            });
        }
        Ok(seq)
    }

    fn durable(&self) -> Seq {
        self.shared.durable()
    }

    fn flush(&mut self) -> Result<Seq, Error> {
        let last = self.last();
        let hopeless = |p: &Progress| p.failed.is_some() || p.full.is_some();
        let progress = self.shared.wait(|progress| progress.durable >= last || hopeless(progress));
        if progress.durable >= last {
            return Ok(last);
        }
        Err(self.shared.refusal(&progress).expect("what keeps rounds from being durable also refuses new ones"))
    }
}

impl Disk {
    fn is_due(&self, overlay: &super::overlay::Overlay) -> bool {
        is_due(&self.settings, overlay.active_rows(), overlay.active_bytes())
    }
}

/// Reads beside the loop; cheap to clone. Once the ledger is closed, every read is an error.
///
/// A long scan keeps the loop from appending while it runs, because all its rows are of one moment: ask for pages
/// of some hundred rows and go on [after](super::key::after) the last key.
#[derive(Clone)]
pub struct Reader(pub(super) Arc<Shared>);

impl std::fmt::Debug for Reader {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_tuple("Reader").field(&self.0.folder).finish()
    }
}

impl Rows for Reader {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        self.0.get(key)
    }

    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<(Vec<u8>, Vec<u8>)>, Error> {
        self.0.scan(from, to, limit)
    }
}

impl Reader {
    /// The durable records of the rounds from `from` on, as of now. It reads files and may take its time.
    ///
    /// # Errors
    /// Where the journal cannot be listed; each record can fail by itself.
    pub fn records(&self, from: Seq) -> Result<Records, Error> {
        let durable = self.0.durable();
        Ok(Records::new(history::rounds(&self.0.folder, from, Some(durable))?))
    }

    /// The last `count` durable records of the rounds up to `until`, oldest first. It reads files and may take its time.
    ///
    /// # Errors
    /// Where the journal cannot be read.
    pub fn last_records(&self, until: Seq, count: usize) -> Result<Vec<Vec<u8>>, Error> {
        Ok(history::last(&self.0.folder, until.min(self.0.durable()), count)?.into())
    }

    /// How the ledger is.
    #[must_use]
    pub fn health(&self) -> Health {
        let (last, active_rows, frozen_rows, behind_bytes) = {
            let overlay = self.0.overlay();
            (overlay.last(), overlay.active_rows(), overlay.frozen_rows(), overlay.behind_bytes())
        };
        let progress = self.0.progress();
        Health {
            last,
            durable: progress.durable,
            applied: progress.applied,
            active_rows,
            frozen_rows,
            behind_bytes,
            refuses: self.0.refusal(&progress).map(|error| error.to_string()),
            rows_full: progress.rows_full.clone(),
        }
    }
}

/// Figures about a ledger, for people and metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// The last round appended.
    pub last: Seq,
    /// The last round that would survive a power cut.
    pub durable: Seq,
    /// The last round whose rows are in sled.
    pub applied: Seq,
    /// Changed rows that wait for a checkpoint.
    pub active_rows: usize,
    /// Changed rows that a checkpoint is writing.
    pub frozen_rows: usize,
    /// Bytes of journal that a start would redo.
    pub behind_bytes: u64,
    /// Why nothing is taken, if nothing is.
    pub refuses: Option<String>,
    /// Why rows cannot be written to sled for now; rounds are still taken until too many wait.
    pub rows_full: Option<String>,
}

/// The state folder, taken for this process.
#[derive(Debug)]
pub(super) struct Lock(File);

impl Lock {
    /// Makes the folder, for its owner only, and takes it.
    pub(super) fn take(state: &Path) -> Result<Self, Error> {
        DirBuilder::new().recursive(true).mode(0o700).create(state).map_err(failed("cannot make", state))?;
        let mode = std::fs::metadata(state).map_err(failed("cannot read", state))?.permissions().mode();
        if mode & 0o077 != 0 {
            std::fs::set_permissions(state, Permissions::from_mode(0o700)).map_err(failed("cannot protect", state))?;
        }
        let path = state.join("lock");
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = file.map_err(failed("cannot open", &path))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self(file)),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(Error::Locked { path: state.display().to_string() }),
            Err(error) => Err(failed("cannot lock", &path)(error.into())),
        }
    }
}

impl Drop for Lock {
    /// Closing the file is not enough: a process that is just being started from another thread has it open too.
    fn drop(&mut self) {
        if let Err(error) = flock(&self.0, FlockOperation::Unlock) {
            tracing::warn!(%error, "the lock of the state folder was not given back; the end of the process does it");
        }
    }
}

//! Rows in sled: opening it safely, reading rows of any size, and writing batches that survive.
//!
//! In: net row changes of a checkpoint. Out: rows.
//! Always true: one tree; only [`Writer`] writes it; a batch counts once sled has flushed it *and* the file is
//! synced by a handle of our own, because sled's flush does not sync; every batch carries the hash over all rows,
//! so that a row that sled loses silently can be found (see `check`).
//! sled never leaves this file: after a full disk its every write fails until it is opened again, and that needs
//! all its clones gone.

use std::fs::{DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use super::chunks::{self, OWN, Stored};
use super::files::{Files, Purpose, failed, is_full, sync_folder};
use super::overlay::Layer;
use super::{ADVICE, Error, Seq};

/// Newest form of the state folder that this engine writes and knows.
pub(super) const FORM: u32 = 1;
/// Rows in one batch: more gains nothing and costs latency of the journal (STORAGE.md section 10).
const BATCH: usize = 64;
/// Folder of sled inside the state folder.
pub(super) const FOLDER: &str = "sled";

const FORM_KEY: &[u8] = &[OWN, b'f'];
/// All rounds up to this one are in sled.
const APPLIED_KEY: &[u8] = &[OWN, b'a'];
/// Rounds up to this one may be in sled, by a checkpoint that has begun.
const TARGET_KEY: &[u8] = &[OWN, b't'];
const HASH_KEY: &[u8] = &[OWN, b'h'];

/// What sled could not do.
#[derive(Debug)]
pub(super) enum Fault {
    /// No room; every write fails until [`Store::reopen`].
    Full(String),
    /// The sync failed: what is on the disk is unknown.
    Sync(Error),
    /// sled is damaged or broke off.
    Broken(Error),
    /// The caller asked to stop; a later start repeats what is missing.
    Stopped,
}

/// Called between batches with the time the last one took; `false` stops.
pub(super) type Pause<'a> = &'a mut dyn FnMut(Duration) -> bool;

/// The place of sled; empty once the ledger is closed.
#[derive(Debug)]
pub(super) struct Store {
    folder: PathBuf,
    files: Arc<dyn Files>,
    open: RwLock<Option<Open>>,
}

#[derive(Debug)]
struct Open {
    db: sled::Db,
    file: File,
}

impl Store {
    /// Opens the rows of a state folder, or makes them.
    pub(super) fn open(state: &Path, files: &Arc<dyn Files>) -> Result<Self, Error> {
        let folder = state.join(FOLDER);
        if !folder.try_exists().map_err(failed("cannot read", &folder))? {
            create(state, &folder, &**files)?;
        }
        let open = Open::new(&folder)?;
        match number(&open.db, FORM_KEY).map_err(|error| broken(&error))? {
            None => {
                return Err(damaged("sled is empty, its file was lost or replaced"));
            }
            Some(found) if found > u64::from(FORM) => {
                return Err(Error::Newer { found: u32::try_from(found).unwrap_or(u32::MAX), known: FORM });
            }
            Some(_) => (),
        }
        Ok(Self { folder, files: Arc::clone(files), open: RwLock::new(Some(open)) })
    }

    fn with<T>(&self, read: impl FnOnce(&Open) -> Result<T, Error>) -> Result<T, Error> {
        let open: RwLockReadGuard<'_, _> = self.open.read().expect("nothing panics while it replaces sled");
        match &*open {
            Some(open) => read(open),
            None => Err(failed("cannot read rows in", &self.folder)(std::io::Error::other("they are closed for now"))),
        }
    }

    /// All rounds up to the first are in sled; of those up to the second some may be.
    pub(super) fn applied(&self) -> Result<(Seq, Seq), Error> {
        self.with(|open| {
            let number = |key| Ok(Seq(number(&open.db, key).map_err(|error| broken(&error))?.unwrap_or(0)));
            let applied = number(APPLIED_KEY)?;
            Ok((applied, applied.max(number(TARGET_KEY)?)))
        })
    }

    /// The row at `key`.
    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        self.with(|open| {
            let Some(stored) = open.db.get(key).map_err(|error| broken(&error))? else { return Ok(None) };
            open.join(key, &stored).map(Some)
        })
    }

    /// Calls `each` with the rows in `from..to` in order, until it says `false`. The stored value becomes the
    /// row's value only where `each` asks for it.
    pub(super) fn range<T>(
        &self,
        from: &[u8],
        to: &[u8],
        read: impl FnOnce(&mut dyn Iterator<Item = Result<(Vec<u8>, Lazy<'_>), Error>>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.with(|open| {
            let mut rows = open.db.range(from..to).map(|row| {
                let (key, stored) = row.map_err(|error| broken(&error))?;
                Ok((key.to_vec(), Lazy { open, stored }))
            });
            read(&mut rows)
        })
    }

    /// Calls `each` with every stored row, those of the ledger itself included.
    pub(super) fn every(&self, mut each: impl FnMut(&[u8], &[u8]) -> Result<(), Error>) -> Result<(), Error> {
        self.with(|open| {
            open.db.iter().try_for_each(|row| {
                let (key, stored) = row.map_err(|error| broken(&error))?;
                each(&key, &stored)
            })
        })
    }

    /// The hash over all rows as the last batch left it.
    pub(super) fn hash(&self) -> Result<u64, Error> {
        self.with(|open| Ok(number(&open.db, HASH_KEY).map_err(|error| broken(&error))?.unwrap_or(0)))
    }

    /// Brings changes into sled, then notes that all rounds up to `last` are there. Can be repeated after any
    /// failure.
    pub(super) fn apply(&self, changes: &Layer, last: Seq, pause: Pause<'_>) -> Result<(), Fault> {
        let open = self.open.read().expect("nothing panics while it replaces sled");
        let Some(open) = &*open else { return Err(Fault::Full("the rows are not open".into())) };
        let applied = catch_unwind(AssertUnwindSafe(|| {
            let mut writer = Writer { open, files: &*self.files, hash: 0, batch: Vec::new() };
            writer.apply(changes, last, pause)
        }));
        applied.unwrap_or_else(|_| Err(Fault::Broken(damaged("sled panicked while it wrote"))))
    }

    /// Opens sled again after a full disk. Readers wait meanwhile.
    pub(super) fn reopen(&self) -> Result<(), Error> {
        let mut slot = self.open.write().expect("nothing panics while it replaces sled");
        *slot = None;
        *slot = Some(Open::new(&self.folder)?);
        Ok(())
    }

    /// Closes sled; every later read says so.
    pub(super) fn close(&self) {
        *self.open.write().expect("nothing panics while it replaces sled") = None;
    }

    /// Folder of sled.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }
}

/// A value that is put together when it is wanted.
pub(super) struct Lazy<'a> {
    open: &'a Open,
    stored: sled::IVec,
}

impl Lazy<'_> {
    /// The value of the row at `key`, which must be the one it came with.
    pub(super) fn value(&self, key: &[u8]) -> Result<Vec<u8>, Error> {
        self.open.join(key, &self.stored)
    }
}

impl Open {
    fn new(folder: &Path) -> Result<Self, Error> {
        let path = folder.join("db");
        // sled would make a new and empty one without a word.
        if !path.try_exists().map_err(failed("cannot read", &path))? {
            return Err(damaged("the file `db` of sled is missing"));
        }
        remove_generating(folder)?;
        let db = start(folder)?;
        let file = OpenOptions::new().read(true).write(true).open(&path).map_err(failed("cannot open", &path))?;
        Ok(Self { db, file })
    }

    fn join(&self, key: &[u8], stored: &[u8]) -> Result<Vec<u8>, Error> {
        chunks::join(key, stored, |chunk| {
            Ok(self.db.get(chunk).map_err(|error| broken(&error))?.map(|chunk| chunk.to_vec()))
        })
    }
}

/// Collects stored rows and commits them in batches.
struct Writer<'a> {
    open: &'a Open,
    files: &'a dyn Files,
    hash: u64,
    batch: Vec<Stored>,
}

impl Writer<'_> {
    fn apply(&mut self, changes: &Layer, last: Seq, pause: Pause<'_>) -> Result<(), Fault> {
        self.hash = number(&self.open.db, HASH_KEY).map_err(|error| fault(&error))?.unwrap_or(0);
        if changes.len() > 0 {
            // Tells a start that sled may be ahead of what it has noted, so that a shorter journal is refused.
            self.own(TARGET_KEY, last)?;
        }
        for (key, value) in changes.iter() {
            let before = self.open.db.get(key).map_err(|error| fault(&error))?;
            if before.is_none() && value.is_none() {
                // Born and dead since the last checkpoint, as most rows of work are.
                continue;
            }
            let stored = chunks::split(key, before.as_deref(), value).map_err(Fault::Broken)?;
            // A row and its parts stand in one batch, whatever its size: a kill between two batches would leave
            // parts that no stored row knows of, and nothing would ever remove them.
            if !self.batch.is_empty() && self.batch.len() + stored.len() > BATCH {
                let began = Instant::now();
                self.commit()?;
                if !pause(began.elapsed()) {
                    return Err(Fault::Stopped);
                }
            }
            self.batch.extend(stored);
        }
        self.commit()?;
        self.own(APPLIED_KEY, last)
    }

    /// A row of the ledger itself, in a batch of its own.
    fn own(&self, key: &[u8], value: Seq) -> Result<(), Fault> {
        let mut batch = sled::Batch::default();
        batch.insert(key, &value.0.to_le_bytes());
        self.durably(batch)
    }

    fn commit(&mut self) -> Result<(), Fault> {
        let mut batch = sled::Batch::default();
        let mut changed = false;
        let mut sum = self.hash;
        for (key, value) in self.batch.drain(..) {
            let before = self.open.db.get(&key).map_err(|error| fault(&error))?;
            // A repeated checkpoint meets its own rows; a row born and dead since the last one is not there at all.
            if before.as_deref() == value.as_deref() {
                continue;
            }
            changed = true;
            sum ^= before.map_or(0, |before| hash(&key, &before));
            match value {
                Some(value) => {
                    sum ^= hash(&key, &value);
                    batch.insert(key, value);
                }
                None => batch.remove(key),
            }
        }
        if changed {
            batch.insert(HASH_KEY, &sum.to_le_bytes());
            self.durably(batch)?;
            self.hash = sum;
        }
        Ok(())
    }

    fn durably(&self, batch: sled::Batch) -> Result<(), Fault> {
        self.open.db.apply_batch(batch).map_err(|error| fault(&error))?;
        self.open.db.flush().map_err(|error| fault(&error))?;
        let synced = self.files.sync(Purpose::Rows, &self.open.file);
        synced.map_err(|error| Fault::Sync(failed("cannot make durable", Path::new("sled/db"))(error)))
    }
}

/// The part of one row in the hash over all rows, which is the exclusive or of the parts: the order of writing
/// does not matter, and a changed row is taken out and put in. FNV-1a with the finish of SplitMix64, so that
/// exchanged values do not cancel out as they would with a CRC.
pub(super) fn hash(key: &[u8], value: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in (key.len() as u32).to_le_bytes().iter().chain(key).chain(value) {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

/// True for rows that the hash covers: all but the four of the ledger's own account.
pub(super) fn is_hashed(key: &[u8]) -> bool {
    ![FORM_KEY, APPLIED_KEY, TARGET_KEY, HASH_KEY].contains(&key)
}

fn number(db: &sled::Db, key: &[u8]) -> sled::Result<Option<u64>> {
    let Some(bytes) = db.get(key)? else { return Ok(None) };
    match bytes.as_ref().try_into() {
        Ok(bytes) => Ok(Some(u64::from_le_bytes(bytes))),
        Err(_) => Err(sled::Error::ReportableBug("a row of the ledger itself has a wrong length".into())),
    }
}

/// How long sled's own lock may outlive the handle that held it.
const LOCK_LINGERS: Duration = Duration::from_secs(2);

/// Opens sled, waiting for its lock where it is held still.
///
/// The lock of the state folder, which the caller holds, keeps every other engine out; so a lock on sled's file can
/// only be the rest of a handle of ours: sled's threads, or a process that is just being started, let go of it a
/// moment after the handle is dropped. `wait` says whether to look again. Any other error is given back at once.
fn open_once_free(folder: &Path, wait: &mut dyn FnMut() -> bool) -> sled::Result<sled::Db> {
    loop {
        match config(folder).open() {
            Err(sled::Error::Io(error)) if error.to_string().contains("could not acquire lock") && wait() => {}
            opened => return opened,
        }
    }
}

/// All settings are explicit; STORAGE.md rule 7 says why these.
fn config(folder: &Path) -> sled::Config {
    sled::Config::new()
        .path(folder)
        .mode(sled::Mode::LowSpace)
        .segment_size(512 << 10)
        .cache_capacity(16 << 20)
        .flush_every_ms(None)
        .use_compression(false)
}

/// sled reports some damage by a panic of the thread that opens it.
fn start(folder: &Path) -> Result<sled::Db, Error> {
    let began = Instant::now();
    let mut wait = || {
        std::thread::sleep(Duration::from_millis(5));
        began.elapsed() < LOCK_LINGERS
    };
    match catch_unwind(AssertUnwindSafe(|| open_once_free(folder, &mut wait))) {
        Ok(Ok(db)) => Ok(db),
        Ok(Err(sled::Error::Unsupported(reason))) => Err(Error::Damaged {
            what: format!("sled was written with other settings or by another version: {reason}"),
            advice: ADVICE.into(),
        }),
        Ok(Err(error)) => Err(broken(&error)),
        Err(_) => Err(damaged("sled panicked while it opened its files")),
    }
}

/// Makes an empty sled under another name first: a kill while sled writes its settings would leave a folder that
/// cannot be opened.
fn create(state: &Path, folder: &Path, files: &dyn Files) -> Result<(), Error> {
    let new = state.join("sled.new");
    if new.try_exists().map_err(failed("cannot read", &new))? {
        std::fs::remove_dir_all(&new).map_err(failed("cannot remove", &new))?;
    }
    DirBuilder::new().mode(0o700).create(&new).map_err(failed("cannot make", &new))?;
    let db = start(&new)?;
    let form = db.insert(FORM_KEY, &u64::from(FORM).to_le_bytes());
    form.and_then(|_| db.flush()).map_err(|error| broken(&error))?;
    drop(db);
    for entry in std::fs::read_dir(&new).map_err(failed("cannot list", &new))? {
        let path = entry.map_err(failed("cannot list", &new))?.path();
        if path.is_file() {
            let file = OpenOptions::new().read(true).write(true).mode(0o600).open(&path);
            file.and_then(|file| file.sync_all()).map_err(failed("cannot sync", &path))?;
        }
    }
    sync_folder(files, &new)?;
    std::fs::rename(&new, folder).map_err(failed("cannot rename", &new))?;
    sync_folder(files, state)
}

/// sled takes a half-written snapshot for the newest one and then refuses to open, for ever.
fn remove_generating(folder: &Path) -> Result<(), Error> {
    for entry in std::fs::read_dir(folder).map_err(failed("cannot list", folder))? {
        let path = entry.map_err(failed("cannot list", folder))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            std::fs::remove_file(&path).map_err(failed("cannot remove", &path))?;
        }
    }
    Ok(())
}

fn damaged(what: &str) -> Error {
    Error::Damaged { what: what.into(), advice: ADVICE.into() }
}

fn broken(error: &sled::Error) -> Error {
    match error {
        sled::Error::Io(io) if is_full(io) => Error::Full { reason: format!("no room for rows: {io}") },
        sled::Error::Io(io) => failed("cannot use", Path::new(FOLDER))(std::io::Error::new(io.kind(), io.to_string())),
        other => damaged(&format!("sled says: {other}")),
    }
}

fn fault(error: &sled::Error) -> Fault {
    match broken(error) {
        Error::Full { reason } => Fault::Full(reason),
        other => Fault::Broken(other),
    }
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::ledger::files::System;

    fn open(state: &Path) -> Result<Store, Error> {
        Store::open(state, &(Arc::new(System) as Arc<dyn Files>))
    }

    fn apply(store: &Store, changes: Layer, last: u64) {
        store.apply(&changes, Seq(last), &mut |_| true).unwrap();
    }

    fn total(store: &Store) -> u64 {
        let mut sum = 0;
        let each = |key: &[u8], value: &[u8]| {
            sum ^= if is_hashed(key) { hash(key, value) } else { 0 };
            Ok(())
        };
        store.every(each).unwrap();
        sum
    }

    #[test]
    fn a_lock_that_lingers_is_waited_for_and_one_that_stays_is_told() {
        let state = tempfile::tempdir().unwrap();
        let folder = state.path().join("sled");
        drop(config(&folder).open().unwrap());
        let held = || {
            let file = std::fs::File::open(folder.join("db")).unwrap();
            rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive).unwrap();
            file
        };
        // Let go of only when the opener has met it.
        let mut file = Some(held());
        drop(open_once_free(&folder, &mut || file.take().is_some()).unwrap());
        assert!(file.is_none());
        let _stays = held();
        let mut looks = 0;
        let told = open_once_free(&folder, &mut || {
            looks += 1;
            looks < 3
        });
        assert!(told.unwrap_err().to_string().contains("could not acquire lock"));
        assert_eq!(looks, 3);
    }

    #[test]
    fn the_hash_follows_rows_of_all_sizes() {
        let state = tempfile::tempdir().unwrap();
        let store = open(state.path()).unwrap();
        for turn in 1..20u8 {
            let changes = (1..120u8).filter(|key| key % 7 != turn % 7).map(|key| {
                let size = usize::from(key.wrapping_mul(turn)) * if key % 10 == 0 { 100 } else { 1 };
                (vec![key], (key % 3 != turn % 3).then(|| vec![turn; size]))
            });
            apply(&store, changes.collect(), u64::from(turn));
            assert_eq!(store.hash().unwrap(), total(&store));
        }
        assert_ne!(store.hash().unwrap(), 0);
        assert_eq!(store.applied().unwrap(), (Seq(19), Seq(19)));
        let blobs: Vec<_> = std::fs::read_dir(state.path().join("sled/blobs")).unwrap().collect();
        assert!(blobs.is_empty(), "{blobs:?}");
    }

    #[test]
    fn values_that_change_places_change_the_hash() {
        assert_ne!(hash(b"a", b"1") ^ hash(b"b", b"2"), hash(b"a", b"2") ^ hash(b"b", b"1"));
    }

    #[test]
    fn a_row_born_and_dead_between_two_checkpoints_is_never_written() {
        let state = tempfile::tempdir().unwrap();
        let store = open(state.path()).unwrap();
        apply(&store, Layer::from_iter([(vec![1], Some(vec![1]))]), 1);
        let before = store.hash().unwrap();
        apply(&store, Layer::from_iter([(vec![2], None), (vec![1], Some(vec![1]))]), 2);
        assert_eq!((store.hash().unwrap(), store.applied().unwrap().0), (before, Seq(2)));
    }

    #[test]
    fn a_newer_form_and_a_lost_file_are_refused() {
        let state = tempfile::tempdir().unwrap();
        let store = open(state.path()).unwrap();
        store
            .with(|open| {
                let _: () = open.db.insert(FORM_KEY, &7u64.to_le_bytes()).map(|_| ()).unwrap();
                Ok(())
            })
            .unwrap();
        store.close();
        drop(store);
        assert!(matches!(open(state.path()), Err(Error::Newer { found: 7, known: FORM })));
        std::fs::remove_file(state.path().join("sled/db")).unwrap();
        assert!(matches!(open(state.path()), Err(Error::Damaged { .. })));
    }

    #[test]
    fn a_kill_during_the_first_start_leaves_nothing_in_the_way() {
        let state = tempfile::tempdir().unwrap();
        std::fs::create_dir(state.path().join("sled.new")).unwrap();
        std::fs::write(state.path().join("sled.new/conf"), "half of it").unwrap();
        let store = open(state.path()).unwrap();
        drop(store);
        std::fs::write(state.path().join("sled/snap.0000000000000001.generating"), "half of it").unwrap();
        open(state.path()).unwrap();
    }
}

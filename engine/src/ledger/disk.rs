//! The ledger on disk: a journal that is the commit, sled that holds the rows behind it.
//!
//! In: rounds. Out: the same rows, after any crash. Always true: a reader sees overlay, then the frozen overlay of a
//! checkpoint under way, then sled; only the checkpoint writes sled; a value there is at most 4 KiB, larger ones are
//! chunks; rows that a checkpoint has not reached are redone from the journal at the next start.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::journal::{Journal, replay, segments, sync_folder};
use super::{Error, Ledger, Round, Rows, Seq};

/// Newest form of the state folder.
const FORM: u32 = 1;
/// Largest value in sled; what is larger goes to chunk rows.
const CHUNK: usize = 4_000;

/// Sizes and times; the defaults are those of STORAGE.md.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Size of a journal segment in bytes.
    pub segment: u64,
    /// Rows that begin a checkpoint.
    pub checkpoint_rows: usize,
    /// The longest time between a change and the checkpoint that holds it.
    pub checkpoint_after: Duration,
    /// Rows at which nothing more is taken until a checkpoint has caught up.
    pub full_rows: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            segment: 64 << 20,
            checkpoint_rows: 50_000,
            checkpoint_after: Duration::from_secs(5),
            full_rows: 400_000,
        }
    }
}

type Changes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// What readers, the writer and the checkpoint share.
struct Shared {
    state: Mutex<State>,
    woken: Condvar,
    sled: sled::Db,
    sled_file: File,
}

struct State {
    active: Changes,
    frozen: Arc<Changes>,
    /// Sequence that the frozen overlay ends with; 0 where none is frozen.
    frozen_seq: Seq,
    last: Seq,
    durable: Seq,
    applied: Seq,
    stop: bool,
    full: Option<String>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds the overlay")
    }

    fn stored(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let Some(bytes) = self.sled.get(row_key(key)).map_err(damaged)? else { return Ok(None) };
        self.whole(key, &bytes).map(Some)
    }

    /// A stored value: flag 0 and the bytes, or flag 1 and the number of chunks.
    fn whole(&self, key: &[u8], bytes: &[u8]) -> Result<Vec<u8>, Error> {
        match bytes.split_first() {
            Some((0, value)) => Ok(value.to_vec()),
            Some((1, count)) => {
                let count = count.try_into().map(u32::from_be_bytes).unwrap_or(0);
                let mut value = Vec::new();
                for number in 0..count {
                    let chunk = self.sled.get(chunk_key(key, number)).map_err(damaged)?;
                    let chunk = chunk.ok_or_else(|| broken("a part of a row is not there".to_owned()))?;
                    value.extend_from_slice(&chunk);
                }
                Ok(value)
            }
            _ => Err(broken("a row has no form".to_owned())),
        }
    }
}

fn row_key(key: &[u8]) -> Vec<u8> {
    [&[1], key].concat()
}

/// Chunks stand apart, so that scans of rows never meet them.
fn chunk_key(key: &[u8], number: u32) -> Vec<u8> {
    let mut whole = vec![2];
    whole.extend((key.len() as u32).to_be_bytes());
    whole.extend(key);
    whole.extend(number.to_be_bytes());
    whole
}

const APPLIED: &[u8] = &[0, 1];
const FORM_KEY: &[u8] = &[0, 2];

fn broken(what: String) -> Error {
    Error::Damaged { what, advice: "move `sled` aside; it is made again from the journal at the next start".to_owned() }
}

#[expect(clippy::needless_pass_by_value, reason = "used as a function of map_err")]
fn damaged(error: sled::Error) -> Error {
    match &error {
        sled::Error::Io(io) if io.kind() == std::io::ErrorKind::StorageFull => {
            Error::Full { reason: "the disk is full".to_owned() }
        }
        _ => broken(format!("the rows cannot be read: {error}")),
    }
}

/// The ledger.
pub struct Disk {
    shared: Arc<Shared>,
    rounds: Option<Sender<(Seq, Round)>>,
    settings: Settings,
    threads: Vec<JoinHandle<()>>,
    _lock: File,
}

/// Called with each sequence that has become durable, on the writer's thread.
pub type OnDurable = Box<dyn Fn(Seq) + Send>;

impl Disk {
    /// Opens or makes the ledger in `dir`: takes the lock, opens sled, redoes what it lacks.
    ///
    /// # Errors
    /// [`Error::Locked`], [`Error::Newer`], [`Error::Damaged`] or what the operating system says.
    pub fn open(dir: &Path, settings: Settings, on_durable: OnDurable) -> Result<Self, Error> {
        let io = |doing: &'static str, path: &Path| {
            let path = path.display().to_string();
            move |source| Error::Io { doing, path, source }
        };
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(io("cannot make", dir))?;
        let lock_path = dir.join("lock");
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&lock_path)
            .map_err(io("cannot open", &lock_path))?;
        rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| Error::Locked { path: dir.display().to_string() })?;
        let sled_dir = dir.join("sled");
        if !sled_dir.exists() {
            make_sled(dir, &sled_dir)?;
        }
        // A kill while sled opens leaves a snapshot it would choke on (STORAGE.md section 10).
        for entry in std::fs::read_dir(&sled_dir).map_err(io("cannot list", &sled_dir))?.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with("snap.") && name.ends_with(".generating") {
                std::fs::remove_file(entry.path()).map_err(io("cannot remove", &entry.path()))?;
            }
        }
        let sled = std::panic::catch_unwind(|| open_sled(&sled_dir))
            .map_err(|_| broken("sled panicked while it opened its files".to_owned()))?
            .map_err(damaged)?;
        let number = |key: &[u8]| -> Result<Option<u64>, Error> {
            let bytes = sled.get(key).map_err(damaged)?;
            Ok(bytes.and_then(|b| b.as_ref().try_into().ok()).map(u64::from_be_bytes))
        };
        match number(FORM_KEY)? {
            Some(form) if form > u64::from(FORM) => {
                return Err(Error::Newer { found: u32::try_from(form).unwrap_or(u32::MAX), known: FORM });
            }
            Some(_) => {}
            None => {
                sled.insert(FORM_KEY, &u64::from(FORM).to_be_bytes()).map_err(damaged)?;
            }
        }
        let applied = Seq(number(APPLIED)?.unwrap_or(0));
        let journal_dir = dir.join("journal");
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&journal_dir)
            .map_err(io("cannot make", &journal_dir))?;
        let (journal, active, last) = redo(&journal_dir, applied, &settings)?;
        let sled_file =
            OpenOptions::new().write(true).open(sled_dir.join("db")).map_err(io("cannot open", &sled_dir))?;
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                active,
                frozen: Arc::new(Changes::new()),
                frozen_seq: Seq(0),
                last,
                durable: last,
                applied,
                stop: false,
                full: None,
            }),
            woken: Condvar::new(),
            sled,
            sled_file,
        });
        let (sender, receiver) = channel();
        let writer = {
            let shared = Arc::clone(&shared);
            std::thread::Builder::new()
                .name("ledger-writer".to_owned())
                .spawn(move || write(&shared, journal, &receiver, &on_durable))
        };
        let checkpoints = {
            let shared = Arc::clone(&shared);
            let settings = settings.clone();
            std::thread::Builder::new()
                .name("ledger-checkpoint".to_owned())
                .spawn(move || checkpoint(&shared, &settings, &journal_dir))
        };
        let mut threads = Vec::new();
        for thread in [writer, checkpoints] {
            threads.push(thread.map_err(io("cannot start a thread for", dir))?);
        }
        Ok(Self { shared, rounds: Some(sender), settings, threads, _lock: lock })
    }

    /// A handle for reading from elsewhere.
    #[must_use]
    pub fn reader(&self) -> Reader {
        Reader(Arc::clone(&self.shared))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.rounds.take();
        self.shared.state().stop = true;
        self.shared.woken.notify_all();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the ledger ended badly; the next start takes up from the journal");
            }
        }
    }
}

/// Reads rows beside the loop.
#[derive(Clone)]
pub struct Reader(Arc<Shared>);

fn make_sled(dir: &Path, sled_dir: &Path) -> Result<(), Error> {
    let temporary = dir.join("sled.new");
    if temporary.exists() {
        std::fs::remove_dir_all(&temporary).map_err(|source| Error::Io {
            doing: "cannot remove",
            path: temporary.display().to_string(),
            source,
        })?;
    }
    let db = open_sled(&temporary).map_err(damaged)?;
    db.flush().map_err(damaged)?;
    drop(db);
    let io = |source| Error::Io { doing: "cannot sync", path: temporary.display().to_string(), source };
    for entry in std::fs::read_dir(&temporary).map_err(io)?.flatten() {
        if entry.file_type().is_ok_and(|t| t.is_file()) {
            File::open(entry.path()).and_then(|f| f.sync_all()).map_err(io)?;
        }
    }
    sync_folder(&temporary)?;
    std::fs::rename(&temporary, sled_dir).map_err(io)?;
    sync_folder(dir)
}

fn open_sled(dir: &Path) -> sled::Result<sled::Db> {
    sled::Config::new()
        .path(dir)
        .mode(sled::Mode::LowSpace)
        .segment_size(512 << 10)
        .cache_capacity(16 << 20)
        .flush_every_ms(None)
        .use_compression(false)
        .open()
}

/// A number that no other segment has; only uniqueness matters.
fn random(seq: Seq) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos() as u64);
    now ^ (u64::from(std::process::id()) << 40) ^ seq.0.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn redo(dir: &Path, applied: Seq, settings: &Settings) -> Result<(Journal, Changes, Seq), Error> {
    let found = segments(dir)?;
    let mut active = Changes::new();
    let mut last = applied;
    if found.is_empty() {
        if applied.0 > 0 {
            return Err(Error::Damaged {
                what: "the journal is empty, but rows were written from it".to_owned(),
                advice: "put the segments back, or restore the newest backup".to_owned(),
            });
        }
        let journal = Journal::create(dir, Seq(1), random(Seq(1)), settings.segment)?;
        return Ok((journal, active, last));
    }
    let mut journal = None;
    let mut end = Seq(found[0].first.0.saturating_sub(1));
    for (index, segment) in found.iter().enumerate() {
        let newest = index + 1 == found.len();
        // Whole segments behind the checkpoint need no redo.
        if !newest && found[index + 1].first.0 <= applied.0 + 1 {
            end = Seq(found[index + 1].first.0 - 1);
            continue;
        }
        if segment.first.0 != end.0 + 1 && index > 0 {
            return Err(Error::Damaged {
                what: format!("the journal lacks rounds {} to {}", end.0 + 1, segment.first.0 - 1),
                advice: "put the missing segment back, or restore the newest backup".to_owned(),
            });
        }
        end = Seq(segment.first.0 - 1);
        journal = replay(dir, segment, newest, settings.segment, |first, rounds| {
            for (number, round) in rounds.into_iter().enumerate() {
                end = Seq(first.0 + number as u64);
                if end > applied {
                    // A tombstone stays: sled may hold the row from a checkpoint that was cut short.
                    active.extend(round.changes);
                    last = end;
                }
            }
            Ok(())
        })?;
    }
    if end < applied {
        return Err(Error::Damaged {
            what: format!("the journal ends at round {}, rows were written from round {}", end.0, applied.0),
            advice: "put the missing segment back, or restore the newest backup".to_owned(),
        });
    }
    last = last.max(end);
    let journal = journal.expect("the newest segment gives the open end");
    Ok((journal, active, last))
}

/// Takes what has come, appends one frame, makes it durable, tells.
fn write(shared: &Shared, mut journal: Journal, rounds: &Receiver<(Seq, Round)>, on_durable: &OnDurable) {
    while let Ok((first, round)) = rounds.recv() {
        let mut batch = vec![round];
        let mut size: usize = weight(&batch[0]);
        while size < 1 << 20 && batch.len() < 4_096 {
            let Ok((_, round)) = rounds.try_recv() else { break };
            size += weight(&round);
            batch.push(round);
        }
        let last = Seq(first.0 + batch.len() as u64 - 1);
        loop {
            match journal.append(first, &batch, random(first)) {
                Ok(()) => break,
                Err(Error::Full { reason }) => {
                    // Nothing is acknowledged; the same frame is tried again until there is room.
                    tracing::error!(%reason, "the ledger waits for room on the disk");
                    shared.state().full = Some(reason);
                    let guard = shared.state();
                    let _waited = shared.woken.wait_timeout(guard, Duration::from_millis(500));
                }
                Err(error) => {
                    // After a failed sync nobody knows what is on the disk; the next start finds out.
                    tracing::error!(%error, path = %journal.path().display(), "the journal cannot be written; stopping");
                    std::process::abort();
                }
            }
        }
        {
            let mut state = shared.state();
            state.full = None;
            state.durable = last;
        }
        shared.woken.notify_all();
        on_durable(last);
    }
}

fn weight(round: &Round) -> usize {
    let changes: usize = round.changes.iter().map(|(key, value)| key.len() + value.as_ref().map_or(0, Vec::len)).sum();
    changes + round.records.iter().map(Vec::len).sum::<usize>()
}

/// Brings net changes into sled, then forgets the segments behind the checkpoint before.
fn checkpoint(shared: &Shared, settings: &Settings, journal_dir: &Path) {
    let mut previous = shared.state().applied;
    loop {
        let mut state = shared.state();
        while state.active.is_empty() && !state.stop {
            state = match shared.woken.wait(state) {
                Ok(state) => state,
                Err(_) => return,
            };
        }
        if state.active.len() < settings.checkpoint_rows && !state.stop {
            let waited = shared.woken.wait_timeout_while(state, settings.checkpoint_after, |state| {
                state.active.len() < settings.checkpoint_rows && !state.stop
            });
            state = match waited {
                Ok((state, _)) => state,
                Err(_) => return,
            };
        }
        if state.active.is_empty() {
            return;
        }
        // Only what is durable may be in sled: wait for the writer to reach the frozen end.
        let frozen = Arc::new(std::mem::take(&mut state.active));
        let seq = state.last;
        state.frozen = Arc::clone(&frozen);
        state.frozen_seq = seq;
        while state.durable < seq {
            state = match shared.woken.wait(state) {
                Ok(state) => state,
                Err(_) => return,
            };
        }
        let stop = state.stop;
        drop(state);
        if let Err(error) = apply(shared, &frozen, seq) {
            tracing::error!(%error, "a checkpoint failed; stopping, the next start takes up from the journal");
            std::process::abort();
        }
        let mut state = shared.state();
        state.frozen = Arc::new(Changes::new());
        state.frozen_seq = Seq(0);
        state.applied = seq;
        drop(state);
        if let Ok(found) = segments(journal_dir) {
            for pair in found.windows(2) {
                // History is kept by retention in whole segments; what no redo needs may go when a further one covers it.
                if pair[1].first.0 <= previous.0 && found.len() > 4 {
                    if let Err(error) = std::fs::remove_file(&pair[0].path) {
                        tracing::warn!(%error, "an old segment stays");
                    }
                    break;
                }
            }
        }
        previous = seq;
        if stop && shared.state().active.is_empty() {
            return;
        }
    }
}

fn apply(shared: &Shared, changes: &Changes, seq: Seq) -> Result<(), Error> {
    let durable = |shared: &Shared| -> Result<(), Error> {
        shared.sled.flush().map_err(damaged)?;
        shared.sled_file.sync_data().map_err(|source| Error::Io {
            doing: "cannot sync",
            path: "sled/db".to_owned(),
            source,
        })
    };
    let entries: Vec<(&Vec<u8>, &Option<Vec<u8>>)> = changes.iter().collect();
    for part in entries.chunks(64) {
        let mut batch = sled::Batch::default();
        for (key, value) in part {
            let old = shared.sled.get(row_key(key)).map_err(damaged)?;
            if let Some((1, count)) = old.as_deref().and_then(<[u8]>::split_first) {
                for number in 0..count.try_into().map(u32::from_be_bytes).unwrap_or(0) {
                    batch.remove(chunk_key(key, number));
                }
            }
            match value {
                Some(value) if value.len() <= CHUNK => batch.insert(row_key(key), [&[0], value.as_slice()].concat()),
                Some(value) => {
                    let mut count = 0u32;
                    for chunk in value.chunks(CHUNK) {
                        batch.insert(chunk_key(key, count), chunk);
                        count += 1;
                    }
                    batch.insert(row_key(key), [&[1], count.to_be_bytes().as_slice()].concat());
                }
                None => batch.remove(row_key(key)),
            }
        }
        shared.sled.apply_batch(batch).map_err(damaged)?;
        durable(shared)?;
    }
    let mut batch = sled::Batch::default();
    batch.insert(APPLIED, &seq.0.to_be_bytes());
    shared.sled.apply_batch(batch).map_err(damaged)?;
    durable(shared)
}

impl Rows for Shared {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let frozen = {
            let state = self.state();
            if let Some(value) = state.active.get(key) {
                return Ok(value.clone());
            }
            Arc::clone(&state.frozen)
        };
        match frozen.get(key) {
            Some(value) => Ok(value.clone()),
            None => self.stored(key),
        }
    }

    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<(Vec<u8>, Vec<u8>)>, Error> {
        if from >= to || limit == 0 {
            return Ok(Vec::new());
        }
        let range = from.to_vec()..to.to_vec();
        // The overlays are small; sled is read only as far as the limit needs.
        let overlay: Changes = {
            let state = self.state();
            let mut overlay: Changes = state.frozen.range(range.clone()).map(|(k, v)| (k.clone(), v.clone())).collect();
            overlay.extend(state.active.range(range).map(|(k, v)| (k.clone(), v.clone())));
            overlay
        };
        let mut stored = self.sled.range(row_key(from)..row_key(to)).peekable();
        let mut changed = overlay.into_iter().peekable();
        let mut found = Vec::new();
        while found.len() < limit {
            let next = match stored.peek() {
                Some(Ok((key, _))) => Some(key[1..].to_vec()),
                Some(Err(_)) => {
                    let error = stored.next().and_then(Result::err);
                    return Err(error.map_or_else(|| broken("a row cannot be read".to_owned()), damaged));
                }
                None => None,
            };
            match (next, changed.peek()) {
                (None, None) => break,
                (Some(key), Some((other, _))) if key == *other => {
                    stored.next();
                }
                (Some(key), other) if other.is_none_or(|(other, _)| key < *other) => {
                    if let Some(Ok((_, value))) = stored.next() {
                        let value = self.whole(&key, &value)?;
                        found.push((key, value));
                    }
                }
                _ => {
                    if let Some((key, Some(value))) = changed.next() {
                        found.push((key, value));
                    }
                }
            }
        }
        Ok(found)
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

impl Rows for Reader {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        self.0.get(key)
    }
    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<(Vec<u8>, Vec<u8>)>, Error> {
        self.0.scan(from, to, limit)
    }
}

impl Ledger for Disk {
    fn append(&mut self, round: Round) -> Result<Seq, Error> {
        let mut state = self.shared.state();
        if let Some(reason) = &state.full {
            return Err(Error::Full { reason: reason.clone() });
        }
        if state.active.len() + state.frozen.len() > self.settings.full_rows {
            return Err(Error::Full { reason: "checkpoints are behind".to_owned() });
        }
        let seq = Seq(state.last.0 + 1);
        let Some(sender) = &self.rounds else {
            return Err(Error::Full { reason: "the ledger is closing".to_owned() });
        };
        if sender.send((seq, round.clone())).is_err() {
            return Err(Error::Full { reason: "the writer has stopped".to_owned() });
        }
        state.last = seq;
        state.active.extend(round.changes);
        drop(state);
        self.shared.woken.notify_all();
        Ok(seq)
    }

    fn durable(&self) -> Seq {
        self.shared.state().durable
    }

    fn flush(&mut self) -> Result<Seq, Error> {
        let mut state = self.shared.state();
        while state.durable < state.last {
            state = self.shared.woken.wait(state).map_err(|_| broken("the writer has stopped".to_owned()))?;
        }
        Ok(state.durable)
    }
}

/// Where the journal of a state folder lies, for tools.
#[must_use]
pub fn journal_folder(state: &Path) -> PathBuf {
    state.join("journal")
}

//! What the loop, the readers, the writer and the checkpoints have in common.
//!
//! Always true: the overlay's lock is taken before the one of [`Progress`], never after it; nobody waits for a
//! file while holding either for writing.

use std::iter::Peekable;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use super::cache::Cache;
use super::overlay::{Frozen, Merged, Overlay};
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

/// So many hidden rows in a row are remembered as a gap; fewer are passed as fast.
const GAP: usize = 8;

/// The common state.
pub(super) struct Shared {
    pub(super) folder: PathBuf,
    overlay: RwLock<Overlay>,
    pub(super) store: Store,
    cache: Cache,
    progress: Mutex<Progress>,
    woken: Condvar,
    durable: AtomicU64,
    on_fatal: OnFatal,
}

impl Shared {
    /// `cache` is how many bytes of rows may be kept in memory beside sled's own.
    pub(super) fn new(
        folder: PathBuf,
        store: Store,
        overlay: Overlay,
        progress: Progress,
        cache: usize,
        on_fatal: OnFatal,
    ) -> Self {
        let durable = AtomicU64::new(progress.durable.0);
        Self {
            folder,
            overlay: RwLock::new(overlay),
            store,
            cache: Cache::new(cache),
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
        // Held to the end: what is read below is of the base for which it is kept.
        let overlay = self.overlay();
        if let Some(change) = overlay.get(key) {
            return Ok(change.map(<[u8]>::to_vec));
        }
        if !is_of_users(key) {
            return Ok(None);
        }
        if let Some(known) = self.cache.get(key) {
            return Ok(known);
        }
        let value = self.store.get(key)?;
        self.cache.keep(key, value.as_deref());
        Ok(value)
    }

    /// The overlay stays as it is until the scan is done, so the rows are those of one moment.
    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<(Vec<u8>, Vec<u8>)>, Error> {
        // Rows of the ledger itself stand before those of users.
        let from = if is_of_users(from) { from } else { &super::key::FIRST_KIND[..] };
        if from >= to || limit == 0 {
            return Ok(Vec::new());
        }
        let overlay = self.overlay();
        let mut scan = Scan { active: overlay.active_range(from, to).peekable(), found: Vec::new(), limit };
        let mut at = from.to_vec();
        while at.as_slice() < to && !scan.is_done() {
            let stop = {
                let gaps = overlay.gaps();
                if let Some(end) = gaps.end_around(&at) {
                    at = end.to_vec();
                    continue;
                }
                gaps.next(&at, to).unwrap_or(to).to_vec()
            };
            self.stretch(&overlay, &at, &stop, &mut scan)?;
            at = stop;
        }
        scan.take_active_below(None);
        Ok(scan.found)
    }
}

impl Shared {
    /// Ends a checkpoint: sled has all of the frozen part.
    pub(super) fn thaw(&self, frozen: &Frozen) {
        // As long as it is frozen, nobody reads these rows further down, and so nobody keeps them.
        self.cache.forget(frozen.changes.iter().map(|(key, _)| key));
        self.overlay_mut().thaw();
    }

    /// Closes sled; every later read of a row that only sled has says so.
    pub(super) fn close(&self) {
        self.cache.close();
        self.store.close();
    }

    /// Gives the rows of the base in `from..to` to a scan, and notes where it shows none.
    fn stretch<'a>(
        &self,
        overlay: &Overlay,
        from: &[u8],
        to: &[u8],
        scan: &mut Scan<impl Iterator<Item = (&'a [u8], &'a [u8])>>,
    ) -> Result<(), Error> {
        self.store.range(from, to, |stored| {
            let mut failed = None;
            let stored = stored.map_while(|row| match row {
                Ok((key, value)) => Some((key, Row::Stored(value))),
                Err(error) => {
                    failed = Some(error);
                    None
                }
            });
            let frozen = overlay.frozen_range(from, to).map(|(key, value)| (key.to_vec(), Row::Frozen(value)));
            // How many rows in a row are hidden, and since where nothing is seen.
            let (mut hidden, mut since) = (0_usize, Some(from.to_vec()));
            for (key, row) in (Merged { newer: frozen.peekable(), older: stored.peekable() }) {
                if overlay.hides(&key) || matches!(row, Row::Stored(_)) && overlay.frozen_deleted(&key) {
                    hidden += 1;
                    since.get_or_insert(key);
                    continue;
                }
                if let (true, Some(since)) = (hidden >= GAP, since.take()) {
                    overlay.gaps().note(since, key.clone());
                }
                hidden = 0;
                if scan.take_active_below(Some(&key)) {
                    return Ok(());
                }
                let value = match row {
                    Row::Frozen(value) => value.to_vec(),
                    Row::Stored(value) => value.value(&key)?,
                };
                if scan.take(key, value) {
                    return Ok(());
                }
            }
            if let (true, Some(since), None) = (hidden >= GAP, since, &failed) {
                overlay.gaps().note(since, to.to_vec());
            }
            failed.map_or(Ok(()), Err)
        })
    }
}

/// A row of the base.
enum Row<'a, 'b> {
    Frozen(&'a [u8]),
    Stored(super::store::Lazy<'b>),
}

/// What a scan has found so far, and the active rows that it has not come to yet.
struct Scan<I: Iterator> {
    active: Peekable<I>,
    found: Vec<(Vec<u8>, Vec<u8>)>,
    limit: usize,
}

impl<'a, I: Iterator<Item = (&'a [u8], &'a [u8])>> Scan<I> {
    fn is_done(&self) -> bool {
        self.found.len() >= self.limit
    }

    /// Takes the active rows below `key`, or all that are left; true where the scan is done.
    fn take_active_below(&mut self, key: Option<&[u8]>) -> bool {
        while !self.is_done()
            && let Some((active, value)) = self.active.next_if(|(active, _)| key.is_none_or(|key| *active < key))
        {
            self.found.push((active.to_vec(), value.to_vec()));
        }
        self.is_done()
    }

    /// Takes a row of the base, which no active one hides; true where the scan is done.
    fn take(&mut self, key: Vec<u8>, value: Vec<u8>) -> bool {
        self.found.push((key, value));
        self.is_done()
    }
}

fn is_of_users(key: &[u8]) -> bool {
    key.first().is_some_and(|kind| *kind != super::chunks::OWN)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::super::files::{Files, System};
    use super::*;

    /// What is done to a queue, and to what lies below it.
    #[derive(Debug, Clone)]
    enum Step {
        /// So many rows come at its end.
        Put(u8),
        /// So many go at its front.
        Take(u8),
        /// The row with this number comes or goes, wherever it stands.
        Set(u8, bool),
        /// A checkpoint begins, goes on by some batches, or ends.
        Freeze,
        Apply(u8),
        Thaw,
        /// The overlay is lost, and made again of all rounds that sled need not have.
        Crash,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            8 => (1u8..20).prop_map(Step::Put),
            8 => (1u8..20).prop_map(Step::Take),
            4 => (any::<u8>(), any::<bool>()).prop_map(|(number, put)| Step::Set(number, put)),
            3 => Just(Step::Freeze),
            3 => (0u8..3).prop_map(Step::Apply),
            3 => Just(Step::Thaw),
            1 => Just(Step::Crash),
        ]
    }

    /// Rows over sled, and what they should be.
    struct Queue {
        shared: Shared,
        model: BTreeMap<Vec<u8>, Vec<u8>>,
        frozen: Option<Arc<Frozen>>,
        /// Changes that sled need not have, in order.
        since: Vec<(Vec<u8>, Option<Vec<u8>>)>,
        /// How many of them the checkpoint under way has.
        frozen_since: usize,
        last: u64,
    }

    fn key(number: u8) -> Vec<u8> {
        vec![9, number]
    }

    impl Queue {
        fn new(state: &std::path::Path) -> Self {
            let store = Store::open(state, &(Arc::new(System) as Arc<dyn Files>)).expect("it opens");
            let (overlay, progress) = (Overlay::new(Seq(0)), Progress::default());
            let shared = Shared::new(state.into(), store, overlay, progress, 4_096, Arc::new(|_| ()));
            Self { shared, model: BTreeMap::new(), frozen: None, since: Vec::new(), frozen_since: 0, last: 0 }
        }

        fn change(&mut self, changes: Vec<(Vec<u8>, Option<Vec<u8>>)>) {
            for (key, value) in &changes {
                match value {
                    Some(value) => drop(self.model.insert(key.clone(), value.clone())),
                    None => drop(self.model.remove(key)),
                }
            }
            self.since.extend(changes.iter().cloned());
            self.shared.overlay_mut().take(changes, 1);
            self.last += 1;
        }

        fn step(&mut self, step: &Step) {
            match *step {
                Step::Put(count) => {
                    let next = self.model.last_key_value().map_or(0, |(key, _)| key[1]);
                    let put = (1..=count).filter_map(|number| next.checked_add(number));
                    self.change(put.map(|number| (key(number), Some(vec![number]))).collect());
                }
                Step::Take(count) => {
                    let gone = self.model.keys().take(count.into()).cloned();
                    self.change(gone.map(|key| (key, None)).collect());
                }
                Step::Set(number, put) => self.change(vec![(key(number), put.then(|| vec![7; 9]))]),
                Step::Freeze if self.frozen.is_none() => {
                    self.frozen = Some(self.shared.overlay_mut().freeze());
                    self.frozen_since = self.since.len();
                }
                Step::Apply(batches) => {
                    let Some(frozen) = &self.frozen else { return };
                    let mut left = batches;
                    let mut pause = |_| {
                        left = left.saturating_sub(1);
                        left > 0
                    };
                    // Cut off in the middle, as by a full disk.
                    drop(self.shared.store.apply(&frozen.changes, frozen.last, &mut pause));
                }
                Step::Thaw => {
                    let Some(frozen) = self.frozen.take() else { return };
                    self.shared.store.apply(&frozen.changes, frozen.last, &mut |_| true).expect("written");
                    self.shared.thaw(&frozen);
                    self.since.drain(..self.frozen_since);
                }
                Step::Crash => {
                    self.frozen = None;
                    let mut overlay = Overlay::new(Seq(0));
                    overlay.take(self.since.iter().cloned(), 1);
                    *self.shared.overlay_mut() = overlay;
                }
                Step::Freeze => {}
            }
        }

        /// The same rows, from wherever and however many.
        fn check(&self, from: u8, to: u8, limit: usize) -> Result<(), TestCaseError> {
            let all = (vec![9], vec![10], usize::MAX);
            for (from, to, limit) in
                [(vec![9], vec![10], limit), (key(from), key(to), limit), (vec![9], vec![10], 1), all]
            {
                let found = self.shared.scan(&from, &to, limit).expect("readable");
                let wanted = if from < to { Some(self.model.range(from..to)) } else { None };
                let wanted = wanted.into_iter().flatten().take(limit);
                prop_assert_eq!(found, wanted.map(|(k, v)| (k.clone(), v.clone())).collect::<Vec<_>>());
            }
            // Twice: the second time from memory.
            for number in [from, to, from, to] {
                prop_assert_eq!(
                    self.shared.get(&key(number)).expect("readable"),
                    self.model.get(&key(number)).cloned()
                );
            }
            Ok(())
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_memory_shows_are_the_rows_after_every_step_and_every_crash(
            script in proptest::collection::vec((step(), any::<u8>(), any::<u8>(), 0usize..9), 1..80),
        ) {
            let state = tempfile::tempdir().expect("a folder");
            let mut queue = Queue::new(state.path());
            for (step, from, to, limit) in script {
                queue.step(&step);
                queue.check(from, to, limit)?;
            }
        }
    }

    #[test]
    fn a_look_at_a_queue_reads_none_of_the_rows_that_were_taken_from_it() {
        let state = tempfile::tempdir().expect("a folder");
        let mut queue = Queue::new(state.path());
        for step in [Step::Put(200), Step::Freeze, Step::Thaw] {
            queue.step(&step);
        }
        for taken in 1..10 {
            queue.step(&Step::Take(10));
            queue.check(0, 255, 5).expect("the same rows");
            // All that is dead is one gap, up to the first that is alive.
            let overlay = queue.shared.overlay();
            assert_eq!(overlay.gaps().end_around(&[9]), Some(&key(10 * taken + 1)[..]));
        }
        // It is none where rows came back, or are of the base by now.
        for step in [Step::Set(3, true), Step::Freeze] {
            queue.step(&step);
            queue.check(0, 255, 5).expect("the same rows");
        }
        assert_eq!(queue.shared.overlay().gaps().end_around(&[9]), Some(&key(3)[..]));
    }
}

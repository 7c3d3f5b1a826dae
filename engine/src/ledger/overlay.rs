//! Row changes that sled does not have yet.
//!
//! In: the changes of each round. Out: the newest change of a key, or that there is none and sled decides.
//! Always true: the active part is newer than the frozen one, which is newer than sled; a deleted row stays known as
//! deleted until a checkpoint has deleted it in sled, because sled may still hold it. What is alive and what is
//! deleted are kept apart, so that a scan meets only what it gives.
//!
//! The frozen part over sled is the *base*: it stays the same from one freeze to the next, while a checkpoint brings
//! the one into the other. Which rows of it the active part hides is in [`Gaps`].

use std::collections::{BTreeMap, BTreeSet};
use std::iter::Peekable;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Seq;
use super::gaps::Gaps;

/// Changes of rows, at most one of each key.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Layer {
    live: BTreeMap<Vec<u8>, Vec<u8>>,
    deleted: BTreeSet<Vec<u8>>,
}

impl Layer {
    /// How many rows it changes.
    pub(super) fn len(&self) -> usize {
        self.live.len() + self.deleted.len()
    }

    /// All changes in the order of their keys; `None` deletes.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        let live = self.live.iter().map(|(key, value)| (key.as_slice(), Some(value.as_slice())));
        let deleted = self.deleted.iter().map(|key| (key.as_slice(), None));
        Merged { newer: live.peekable(), older: deleted.peekable() }
    }

    /// The change of a key; `None` where there is none.
    fn get(&self, key: &[u8]) -> Option<Option<&[u8]>> {
        match self.live.get(key) {
            Some(value) => Some(Some(value)),
            None => self.deleted.contains(key).then_some(None),
        }
    }

    fn changes(&self, key: &[u8]) -> bool {
        self.live.contains_key(key) || self.deleted.contains(key)
    }

    fn range<'a>(&'a self, from: &'a [u8], to: &'a [u8]) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        let range = self.live.range::<[u8], _>((Bound::Included(from), Bound::Excluded(to)));
        range.map(|(key, value)| (key.as_slice(), value.as_slice()))
    }
}

impl Extend<(Vec<u8>, Option<Vec<u8>>)> for Layer {
    fn extend<T: IntoIterator<Item = (Vec<u8>, Option<Vec<u8>>)>>(&mut self, changes: T) {
        for (key, value) in changes {
            match value {
                Some(value) => {
                    self.deleted.remove(&key);
                    self.live.insert(key, value);
                }
                None => {
                    self.live.remove(&key);
                    self.deleted.insert(key);
                }
            }
        }
    }
}

impl FromIterator<(Vec<u8>, Option<Vec<u8>>)> for Layer {
    fn from_iter<T: IntoIterator<Item = (Vec<u8>, Option<Vec<u8>>)>>(changes: T) -> Self {
        let mut layer = Self::default();
        layer.extend(changes);
        layer
    }
}

/// What one checkpoint brings into sled. Never changes.
#[derive(Debug)]
pub(super) struct Frozen {
    pub(super) changes: Layer,
    /// The last round in it.
    pub(super) last: Seq,
    /// Bytes these rounds take in the journal.
    pub(super) bytes: u64,
}

/// The changes since the last finished checkpoint.
#[derive(Debug, Default)]
pub(super) struct Overlay {
    active: Layer,
    active_bytes: u64,
    last: Seq,
    frozen: Option<Arc<Frozen>>,
    /// Scans find them while others read too.
    gaps: Mutex<Gaps>,
}

impl Overlay {
    /// Nothing but the sequence of the last round.
    pub(super) fn new(last: Seq) -> Self {
        Self { last, ..Self::default() }
    }

    /// Takes the changes of the next round, which takes `bytes` in the journal.
    pub(super) fn take(&mut self, changes: impl IntoIterator<Item = (Vec<u8>, Option<Vec<u8>>)>, bytes: u64) -> Seq {
        self.active.extend(changes);
        self.active_bytes += bytes;
        self.last = Seq(self.last.0 + 1);
        self.last
    }

    /// The last round taken.
    pub(super) fn last(&self) -> Seq {
        self.last
    }

    /// Rows changed since the last freeze.
    pub(super) fn active_rows(&self) -> usize {
        self.active.len()
    }

    /// Rows that the checkpoint under way brings into sled.
    pub(super) fn frozen_rows(&self) -> usize {
        self.frozen.as_ref().map_or(0, |frozen| frozen.changes.len())
    }

    /// Bytes of journal since the last freeze.
    pub(super) fn active_bytes(&self) -> u64 {
        self.active_bytes
    }

    /// Bytes of journal that a start would have to redo.
    pub(super) fn behind_bytes(&self) -> u64 {
        self.active_bytes + self.frozen.as_ref().map_or(0, |frozen| frozen.bytes)
    }

    /// True where rounds were taken since the last freeze, with or without rows.
    pub(super) fn has_active(&self) -> bool {
        self.active_bytes > 0
    }

    /// Sets the active part aside for a checkpoint. There must be none under way.
    pub(super) fn freeze(&mut self) -> Arc<Frozen> {
        assert!(self.frozen.is_none(), "checkpoints follow one another");
        let gaps = self.gaps.get_mut().unwrap_or_else(PoisonError::into_inner);
        // What was put since is of the base from now on, and nothing hides it.
        let live = &self.active.live;
        gaps.clip(|from, to| {
            live.range::<[u8], _>((Bound::Included(from), Bound::Excluded(to))).next().map(|(key, _)| key.clone())
        });
        let frozen = Arc::new(Frozen {
            changes: std::mem::take(&mut self.active),
            last: self.last,
            bytes: std::mem::take(&mut self.active_bytes),
        });
        self.frozen = Some(Arc::clone(&frozen));
        frozen
    }

    /// The checkpoint is done: sled has all of the frozen part. The base is as before, so its gaps are too.
    pub(super) fn thaw(&mut self) {
        self.frozen = None;
    }

    /// The newest change of a key, `Some(None)` where it was deleted; `None` where only sled knows.
    pub(super) fn get(&self, key: &[u8]) -> Option<Option<&[u8]>> {
        let frozen = || self.frozen.as_ref().and_then(|frozen| frozen.changes.get(key));
        self.active.get(key).or_else(frozen)
    }

    /// The rows of the active part with keys in `from..to`, in order.
    pub(super) fn active_range<'a>(
        &'a self,
        from: &'a [u8],
        to: &'a [u8],
    ) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        self.active.range(from, to)
    }

    /// The rows of the frozen part with keys in `from..to`, in order; the active part may hide them.
    pub(super) fn frozen_range<'a>(
        &'a self,
        from: &'a [u8],
        to: &'a [u8],
    ) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        self.frozen.iter().flat_map(move |frozen| frozen.changes.range(from, to))
    }

    /// True where the active part has a change of this key: no row of the base can be seen there.
    pub(super) fn hides(&self, key: &[u8]) -> bool {
        self.active.changes(key)
    }

    /// True where the frozen part has deleted this key: sled may still hold it.
    pub(super) fn frozen_deleted(&self, key: &[u8]) -> bool {
        self.frozen.as_ref().is_some_and(|frozen| frozen.changes.deleted.contains(key))
    }

    /// Where no row of the base can be seen.
    pub(super) fn gaps(&self) -> MutexGuard<'_, Gaps> {
        self.gaps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Two ordered iterators as one; where both have a key, the newer one counts.
pub(super) struct Merged<A: Iterator, B: Iterator> {
    pub(super) newer: Peekable<A>,
    pub(super) older: Peekable<B>,
}

impl<K: Ord, V, A: Iterator<Item = (K, V)>, B: Iterator<Item = (K, V)>> Iterator for Merged<A, B> {
    type Item = (K, V);

    fn next(&mut self) -> Option<(K, V)> {
        match (self.newer.peek(), self.older.peek()) {
            (Some((newer, _)), Some((older, _))) => match newer.cmp(older) {
                std::cmp::Ordering::Less => self.newer.next(),
                std::cmp::Ordering::Equal => {
                    self.older.next();
                    self.newer.next()
                }
                std::cmp::Ordering::Greater => self.older.next(),
            },
            (Some(_), None) => self.newer.next(),
            (None, _) => self.older.next(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(list: &[(u8, Option<u8>)]) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
        list.iter().map(|(key, value)| (vec![*key], value.map(|v| vec![v]))).collect()
    }

    #[test]
    fn newer_changes_hide_frozen_ones_and_deletions_stay_known() {
        let mut overlay = Overlay::new(Seq(4));
        assert_eq!(overlay.take(changes(&[(1, Some(1)), (2, Some(1)), (3, Some(1))]), 10), Seq(5));
        assert_eq!(overlay.freeze().last, Seq(5));
        overlay.take(changes(&[(2, None), (3, Some(2)), (4, Some(2))]), 7);
        let all: Vec<_> = overlay.active.iter().map(|(key, value)| (key[0], value.map(|v| v[0]))).collect();
        assert_eq!(all, [(2, None), (3, Some(2)), (4, Some(2))]);
        let get = |key: u8| overlay.get(&[key]).map(|value| value.map(|v| v[0]));
        assert_eq!([get(1), get(2), get(3), get(7)], [Some(Some(1)), Some(None), Some(Some(2)), None]);
        assert_eq!((overlay.behind_bytes(), overlay.active_bytes()), (17, 7));
        overlay.thaw();
        assert_eq!((overlay.get(&[1]), overlay.active_rows(), overlay.behind_bytes()), (None, 3, 7));
    }

    #[test]
    fn a_row_put_again_is_alive_and_one_deleted_again_is_not() {
        let mut layer = Layer::from_iter(changes(&[(1, None), (2, Some(1))]));
        layer.extend(changes(&[(1, Some(2)), (2, None)]));
        assert_eq!(layer, Layer::from_iter(changes(&[(1, Some(2)), (2, None)])));
        assert_eq!(layer.len(), 2);
    }
}

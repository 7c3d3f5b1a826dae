//! Row changes that sled does not have yet.
//!
//! In: the changes of each round. Out: the newest change of a key, or that there is none and sled decides.
//! Always true: the active part is newer than the frozen one, which is newer than sled; a deleted row stays as
//! `None` until a checkpoint has deleted it in sled, because sled may still hold it.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::ops::Bound;
use std::sync::Arc;

use super::Seq;

/// New values by key; `None` deletes.
pub(super) type Changes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// What one checkpoint brings into sled. Never changes.
#[derive(Debug)]
pub(super) struct Frozen {
    pub(super) changes: Changes,
    /// The last round in it.
    pub(super) last: Seq,
    /// Bytes these rounds take in the journal.
    pub(super) bytes: u64,
}

/// The changes since the last finished checkpoint.
#[derive(Debug, Default)]
pub(super) struct Overlay {
    active: Changes,
    active_bytes: u64,
    last: Seq,
    frozen: Option<Arc<Frozen>>,
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
        let frozen = Arc::new(Frozen {
            changes: std::mem::take(&mut self.active),
            last: self.last,
            bytes: std::mem::take(&mut self.active_bytes),
        });
        self.frozen = Some(Arc::clone(&frozen));
        frozen
    }

    /// The checkpoint is done: sled has all of the frozen part.
    pub(super) fn thaw(&mut self) {
        self.frozen = None;
    }

    /// The newest change of a key; `None` where only sled knows.
    pub(super) fn get(&self, key: &[u8]) -> Option<&Option<Vec<u8>>> {
        let frozen = || self.frozen.as_ref().and_then(|frozen| frozen.changes.get(key));
        self.active.get(key).or_else(frozen)
    }

    /// The newest changes of the keys in `from..to`, in order. `from` must be below `to`.
    pub(super) fn range<'a>(
        &'a self,
        from: &'a [u8],
        to: &'a [u8],
    ) -> impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)> {
        let range = move |changes: &'a Changes| {
            changes
                .range::<[u8], _>((Bound::Included(from), Bound::Excluded(to)))
                .map(|(key, value)| (key.as_slice(), value.as_deref()))
        };
        let frozen = self.frozen.iter().flat_map(move |frozen| range(&frozen.changes));
        Merged { newer: range(&self.active).peekable(), older: frozen.peekable() }
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
    fn newer_changes_hide_frozen_ones_and_deletions_stay_visible() {
        let mut overlay = Overlay::new(Seq(4));
        assert_eq!(overlay.take(changes(&[(1, Some(1)), (2, Some(1)), (3, Some(1))]), 10), Seq(5));
        assert_eq!(overlay.freeze().last, Seq(5));
        overlay.take(changes(&[(2, None), (3, Some(2)), (4, Some(2))]), 7);
        let all: Vec<_> = overlay.range(&[0], &[9]).map(|(key, value)| (key[0], value.map(|v| v[0]))).collect();
        assert_eq!(all, [(1, Some(1)), (2, None), (3, Some(2)), (4, Some(2))]);
        assert_eq!(
            (overlay.get(&[2]), overlay.get(&[1]), overlay.get(&[7])),
            (Some(&None), Some(&Some(vec![1])), None)
        );
        assert_eq!((overlay.behind_bytes(), overlay.active_bytes()), (17, 7));
        overlay.thaw();
        assert_eq!((overlay.get(&[1]), overlay.active_rows(), overlay.behind_bytes()), (None, 3, 7));
    }
}

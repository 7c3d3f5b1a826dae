//! Rows of sled as they were read last, within a bound.
//!
//! In: what a read of sled gave, absence included: most rows that decisions ask for are not there, and sled takes as
//! long to say so. Out: the same, without sled.
//! Always true: a row is kept only as the base has it (see [`overlay`](super::overlay)), so it is forgotten before a
//! checkpoint that changed it lets go of its own copy; what is kept takes no more memory than it may.
//! Two generations stand in for an order of use: what is asked for again moves to the young one, and where that is
//! full, the old one goes as a whole.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bytes that an entry takes beside its key and value, roughly.
const ENTRY: usize = 96;
/// Keys that are forgotten before others may read.
const TURN: usize = 256;

/// A row, or that there is none.
type Known = Option<Box<[u8]>>;

/// The rows that were read last.
#[derive(Debug)]
pub(super) struct Cache(Mutex<Generations>);

#[derive(Debug)]
struct Generations {
    young: HashMap<Box<[u8]>, Known>,
    old: HashMap<Box<[u8]>, Known>,
    /// Bytes of the young one.
    bytes: usize,
    /// The most that one generation may take.
    most: usize,
}

impl Cache {
    /// Keeps nothing yet, and never more than about `bytes`.
    pub(super) fn new(bytes: usize) -> Self {
        let (young, old) = (HashMap::new(), HashMap::new());
        Self(Mutex::new(Generations { young, old, bytes: 0, most: bytes / 2 }))
    }

    fn lock(&self) -> MutexGuard<'_, Generations> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The row at `key`, `Some(None)` where there is none; `None` where that is not known.
    pub(super) fn get(&self, key: &[u8]) -> Option<Option<Vec<u8>>> {
        let mut generations = self.lock();
        if let Some(known) = generations.young.get(key) {
            return Some(known.as_ref().map(|value| value.to_vec()));
        }
        let (key, known) = generations.old.remove_entry(key)?;
        let value = known.as_ref().map(|value| value.to_vec());
        generations.keep(key, known);
        Some(value)
    }

    /// Keeps what sled said of a key.
    pub(super) fn keep(&self, key: &[u8], value: Option<&[u8]>) {
        self.lock().keep(key.into(), value.map(Into::into));
    }

    /// These rows change.
    pub(super) fn forget<'a>(&self, keys: impl Iterator<Item = &'a [u8]>) {
        let mut keys = keys.peekable();
        while keys.peek().is_some() {
            let mut generations = self.lock();
            for key in keys.by_ref().take(TURN) {
                generations.old.remove(key);
                if let Some((key, known)) = generations.young.remove_entry(key) {
                    generations.bytes -= size(&key, &known);
                }
            }
        }
    }

    /// Keeps nothing from now on.
    pub(super) fn close(&self) {
        *self.lock() = Generations { young: HashMap::new(), old: HashMap::new(), bytes: 0, most: 0 };
    }
}

impl Generations {
    fn keep(&mut self, key: Box<[u8]>, known: Known) {
        let size = size(&key, &known);
        // One large row is not worth many small ones.
        if size > self.most / 16 {
            return;
        }
        if self.bytes + size > self.most {
            self.old = std::mem::take(&mut self.young);
            self.bytes = 0;
        }
        // Two who read at once keep the same.
        if self.young.insert(key, known).is_none() {
            self.bytes += size;
        }
    }
}

fn size(key: &[u8], known: &Known) -> usize {
    key.len() + known.as_ref().map_or(0, |value| value.len()) + ENTRY
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(cache: &Cache) -> usize {
        let generations = cache.lock();
        let all = generations.young.iter().chain(&generations.old);
        all.map(|(key, known)| size(key, known)).sum()
    }

    #[test]
    fn rows_and_their_absence_are_known_until_they_change() {
        let cache = Cache::new(1 << 20);
        assert_eq!(cache.get(b"a"), None);
        cache.keep(b"a", Some(b"1"));
        cache.keep(b"b", None);
        assert_eq!((cache.get(b"a"), cache.get(b"b")), (Some(Some(b"1".to_vec())), Some(None)));
        cache.forget([b"a".as_slice(), b"c"].into_iter());
        assert_eq!((cache.get(b"a"), cache.get(b"b")), (None, Some(None)));
        cache.close();
        cache.keep(b"b", None);
        assert_eq!((cache.get(b"b"), bytes(&cache)), (None, 0));
    }

    #[test]
    fn it_keeps_to_its_bound_and_what_is_asked_for_stays() {
        let most = 1 << 16;
        let cache = Cache::new(most);
        cache.keep(b"hot", Some(b"1"));
        for number in 0..10_000_u32 {
            cache.keep(&number.to_be_bytes(), Some(&[7; 100]));
            assert_eq!(cache.get(b"hot"), Some(Some(b"1".to_vec())), "after {number}");
            assert!(bytes(&cache) <= most);
        }
        assert_eq!(cache.get(&0_u32.to_be_bytes()), None);
        cache.keep(b"large", Some(&vec![7; most]));
        assert_eq!(cache.get(b"large"), None);
        let all: Vec<[u8; 4]> = (0..10_000_u32).map(u32::to_be_bytes).collect();
        cache.forget(all.iter().map(<[u8; 4]>::as_slice));
        cache.forget([b"hot".as_slice()].into_iter());
        assert_eq!((bytes(&cache), cache.lock().bytes), (0, 0));
    }
}

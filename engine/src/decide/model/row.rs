//! Keys that say which row stands under them, and rows read by them.
//!
//! Always true: a key is made by a function of [`key`](super::key) only, which says what row it is of, so no row is read
//! as another kind of row. Rows are postcard, but for the few that say otherwise by a [`Row`] of their own.

use std::collections::VecDeque;
use std::fmt;
use std::marker::PhantomData;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::decide::model::kind::Kind;
use crate::ledger::{Error, Rows, key};

/// What stands under a key.
pub(crate) trait Row: Sized {
    fn encode(&self) -> Vec<u8>;
    fn decode(bytes: &[u8]) -> Result<Self, String>;
}

impl<R: Serialize + DeserializeOwned> Row for R {
    fn encode(&self) -> Vec<u8> {
        postcard::to_stdvec(self).expect("rows hold plain data")
    }

    fn decode(bytes: &[u8]) -> Result<Self, String> {
        postcard::from_bytes(bytes).map_err(|error| error.to_string())
    }
}

/// A row that is the only one of its kind, whatever its key.
pub(crate) trait Entity: Row {
    const KIND: Kind;
}

/// The key of one row of the type `R`.
pub(crate) struct RowKey<R> {
    bytes: Vec<u8>,
    row: PhantomData<fn() -> R>,
}

/// The first parts of keys of rows of the type `R`.
pub(crate) struct Prefix<R> {
    bytes: Vec<u8>,
    row: PhantomData<fn() -> R>,
}

impl<R> RowKey<R> {
    /// Only for [`key`](super::key), and for keys that were read from the ledger as keys of the same rows.
    pub(crate) fn from_bytes(bytes: Vec<u8>) -> Self {
        Self { bytes, row: PhantomData }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Its parts, to be read from left to right.
    pub(crate) fn parts(&self) -> Result<key::Parts<'_>, Error> {
        key::Parts::new(&self.bytes)
    }

    /// The number that it begins with.
    pub(crate) fn number(&self) -> Result<u64, Error> {
        self.parts()?.number()
    }

    /// The number that it ends with.
    pub(crate) fn last_number(&self) -> u64 {
        self.bytes.last_chunk().copied().map_or(0, u64::from_be_bytes)
    }
}

impl<R: Row> RowKey<R> {
    pub(crate) fn decode(&self, bytes: &[u8]) -> Result<R, Error> {
        R::decode(bytes).map_err(|reason| self.unreadable(reason))
    }

    /// What stands under it, or a part of that, is no row of its kind.
    pub(crate) fn unreadable(&self, reason: String) -> Error {
        Error::Row { key: key::printable(&self.bytes), reason }
    }

    /// The row as it is in the ledger.
    pub(crate) fn read(&self, rows: &dyn Rows) -> Result<Option<R>, Error> {
        rows.get(&self.bytes)?.map(|bytes| self.decode(&bytes)).transpose()
    }
}

impl<R> Prefix<R> {
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, row: PhantomData }
    }

    /// The first key, and the first one behind all of them.
    pub(crate) fn range(&self) -> (Vec<u8>, Vec<u8>) {
        (self.bytes.clone(), after(&self.bytes))
    }

    /// A key that was read from the ledger under this prefix.
    pub(crate) fn key(&self, bytes: Vec<u8>) -> RowKey<R> {
        debug_assert!(bytes.starts_with(&self.bytes), "the key is under this prefix");
        RowKey::from_bytes(bytes)
    }
}

impl<R: Entity> Prefix<R> {
    /// All rows of their kind.
    pub(crate) fn all() -> Self {
        Self::new(vec![R::KIND as u8])
    }
}

/// How many rows are read in one go. A reader beside the loop keeps it from appending for no longer than this takes.
const PAGE: usize = 500;

/// All rows of their kind as they are in the ledger, in the order of their keys, a page at a time.
pub(crate) fn all<R: Entity + 'static>(rows: &dyn Rows) -> impl Iterator<Item = Result<(RowKey<R>, R), Error>> + '_ {
    all_behind(rows, None)
}

/// The same, beginning behind one of them.
pub(crate) fn all_behind<R: Entity + 'static>(
    rows: &dyn Rows,
    behind: Option<RowKey<R>>,
) -> impl Iterator<Item = Result<(RowKey<R>, R), Error>> + '_ {
    let prefix = Prefix::<R>::all();
    let (first, to) = prefix.range();
    let mut from = behind.map_or(first, |key| key::after(key.as_bytes()));
    let mut page: VecDeque<(Vec<u8>, Vec<u8>)> = VecDeque::new();
    let mut more = true;
    std::iter::from_fn(move || {
        if page.is_empty() && more {
            match rows.scan(&from, &to, PAGE) {
                Ok(found) => page.extend(found),
                Err(error) => {
                    more = false;
                    return Some(Err(error));
                }
            }
            more = page.len() == PAGE;
            if let Some((last, _)) = page.back() {
                from = key::after(last);
            }
        }
        let (key, bytes) = page.pop_front()?;
        let key = prefix.key(key);
        Some(key.decode(&bytes).map(|row| (key, row)))
    })
}

/// The first key behind every key that begins with `prefix`.
pub(crate) fn after(prefix: &[u8]) -> Vec<u8> {
    let mut to = prefix.to_vec();
    while let Some(last) = to.pop() {
        if last < u8::MAX {
            to.push(last + 1);
            break;
        }
    }
    to
}

impl<R> Clone for RowKey<R> {
    fn clone(&self) -> Self {
        Self::from_bytes(self.bytes.clone())
    }
}

impl<R> PartialEq for RowKey<R> {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl<R> Eq for RowKey<R> {}

impl<R> PartialOrd for RowKey<R> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<R> Ord for RowKey<R> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.bytes.cmp(&other.bytes)
    }
}

impl<R> fmt::Debug for RowKey<R> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", key::printable(&self.bytes))
    }
}

// Keys stand in rows as their bytes.
impl<R> Serialize for RowKey<R> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.bytes.serialize(serializer)
    }
}

impl<'de, R> Deserialize<'de> for RowKey<R> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self::from_bytes)
    }
}

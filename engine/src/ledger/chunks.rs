//! How a row of any size stands in sled, where a value has at most 4 KiB.
//!
//! Form: a small value is one stored row, the byte 0 and the value. A larger one is cut into chunk rows under a
//! kind of the ledger's own, and its stored row is the byte 1, the number of chunks (u32) and the length (u64),
//! little endian.
//! Always true: no stored value is longer than [`MAX_STORED`]; the stored row and its chunks change in one batch, so
//! a checkpoint that is repeated after a crash sees how many chunks of the old value there are to remove.

use super::key::printable;
use super::{ADVICE, Error};

/// Longest value in sled. Larger ones would end up in files that sled never syncs.
pub(super) const MAX_STORED: usize = 4096;

/// First byte of all keys of the ledger's own; rows of users begin with 1 or more.
pub(super) const OWN: u8 = 0;
/// Second byte of chunk keys.
const CHUNK: u8 = b'c';

const WHOLE: u8 = 0;
const CHUNKED: u8 = 1;
const CHUNKED_SIZE: usize = 1 + 4 + 8;

/// A change of one stored row: its key and its new value, `None` to delete it.
pub(super) type Stored = (Vec<u8>, Option<Vec<u8>>);

/// Key of chunk `number` of the row at `key`.
pub(super) fn chunk_key(key: &[u8], number: u32) -> Vec<u8> {
    let length = u16::try_from(key.len()).expect("keys are bounded on validate_round");
    [&[OWN, CHUNK], length.to_be_bytes().as_slice(), key, number.to_be_bytes().as_slice()].concat()
}

/// The row and the number of a chunk key; `None` for other keys.
pub(super) fn chunk_of(stored: &[u8]) -> Option<(&[u8], u32)> {
    let [OWN, CHUNK, high, low, rest @ ..] = stored else { return None };
    let (key, number) = rest.split_at_checked(usize::from(u16::from_be_bytes([*high, *low])))?;
    Some((key, u32::from_be_bytes(number.try_into().ok()?)))
}

/// A stored value, looked at.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Form<'a> {
    /// The value itself.
    Whole(&'a [u8]),
    /// So many chunk rows with so many bytes.
    Chunked { count: u32, length: u64 },
}

/// Looks at a stored value.
///
/// # Errors
/// [`Error::Row`] for bytes that no ledger wrote.
pub(super) fn form<'a>(key: &[u8], stored: &'a [u8]) -> Result<Form<'a>, Error> {
    match stored {
        [WHOLE, value @ ..] => Ok(Form::Whole(value)),
        [CHUNKED, a, b, c, d, length @ ..] if stored.len() == CHUNKED_SIZE => {
            let length = length.try_into().expect("the size was compared");
            Ok(Form::Chunked { count: u32::from_le_bytes([*a, *b, *c, *d]), length: u64::from_le_bytes(length) })
        }
        _ => Err(Error::Row { key: printable(key), reason: "its stored form is unknown".into() }),
    }
}

/// The stored rows that turn the row at `key`, stored as `before`, into `value`: chunks first, the row itself last.
///
/// # Errors
/// [`Error::Row`] where `before` is no stored value.
pub(super) fn split(key: &[u8], before: Option<&[u8]>, value: Option<&[u8]>) -> Result<Vec<Stored>, Error> {
    let old = match before.map(|before| form(key, before)).transpose()? {
        Some(Form::Chunked { count, .. }) => count,
        _ => 0,
    };
    let mut changes = Vec::with_capacity(1);
    let mut new = 0;
    let stored = value.map(|value| {
        if value.len() < MAX_STORED {
            return [&[WHOLE], value].concat();
        }
        for chunk in value.chunks(MAX_STORED) {
            changes.push((chunk_key(key, new), Some(chunk.to_vec())));
            new += 1;
        }
        [&[CHUNKED], new.to_le_bytes().as_slice(), (value.len() as u64).to_le_bytes().as_slice()].concat()
    });
    changes.extend((new..old).map(|number| (chunk_key(key, number), None)));
    changes.push((key.to_vec(), stored));
    Ok(changes)
}

/// The row at `key` from its stored value; `chunk` reads the chunk row of a number.
///
/// # Errors
/// [`Error::Damaged`] where chunks are missing or have another length together; what `chunk` returns.
pub(super) fn join(
    key: &[u8],
    stored: &[u8],
    mut chunk: impl FnMut(&[u8]) -> Result<Option<Vec<u8>>, Error>,
) -> Result<Vec<u8>, Error> {
    let (count, length) = match form(key, stored)? {
        Form::Whole(value) => return Ok(value.to_vec()),
        Form::Chunked { count, length } => (count, length),
    };
    let damaged =
        |what: &str| Error::Damaged { what: format!("row {}: {what}", printable(key)), advice: ADVICE.into() };
    let mut value = Vec::new();
    for number in 0..count {
        value.extend(
            chunk(&chunk_key(key, number))?.ok_or_else(|| damaged(&format!("part {number} of {count} is missing")))?,
        );
    }
    if value.len() as u64 == length { Ok(value) } else { Err(damaged("its parts do not have its length")) }
}

#[cfg(test)]
mod tests {

    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn values_of_any_size_replace_one_another_and_leave_nothing_behind(
            sizes in proptest::collection::vec(proptest::option::of(prop_oneof![0usize..20, 4090usize..4100, 0usize..30_000]), 1..8),
        ) {
            let key = [3, 0, 7];
            let mut rows: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
            for (turn, size) in sizes.into_iter().enumerate() {
                let value = size.map(|size| vec![turn as u8; size]);
                let changes = split(&key, rows.get(key.as_slice()).map(Vec::as_slice), value.as_deref()).unwrap();
                prop_assert_eq!(&changes.last().unwrap().0, &key);
                for (stored, bytes) in changes {
                    prop_assert!(stored == key || chunk_of(&stored).unwrap().0 == key);
                    prop_assert!(bytes.as_ref().is_none_or(|bytes| bytes.len() <= MAX_STORED));
                    match bytes {
                        Some(bytes) => rows.insert(stored, bytes),
                        None => rows.remove(&stored),
                    };
                }
                let read = rows.get(key.as_slice()).map(|stored| join(&key, stored, |key| Ok(rows.get(key).cloned())).unwrap());
                prop_assert_eq!(&read, &value);
                let expected = value.map_or(0, |value| if value.len() < MAX_STORED { 1 } else { 1 + value.len().div_ceil(MAX_STORED) });
                prop_assert_eq!(rows.len(), expected);
            }
        }
    }

    #[test]
    fn a_missing_part_is_an_error_and_not_a_shorter_value() {
        let changes = split(&[1], None, Some(&[7; 10_000])).unwrap();
        let stored = changes.last().unwrap().1.clone().unwrap();
        let rows: BTreeMap<_, _> = changes.into_iter().skip(1).collect();
        let read = join(&[1], &stored, |key| Ok(rows.get(key).cloned().flatten()));
        assert!(matches!(read, Err(Error::Damaged { .. })));
    }
}

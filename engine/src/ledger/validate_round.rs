//! What a round must satisfy before any ledger takes it; one door for the memory ledger and the one on disk.

use super::key::{KINDS, MAX_KEY, printable};
use super::{Error, Round};

/// Most bytes of one round, keys, values and records together. A round is never split, so this also bounds a frame.
pub const MAX_ROUND: usize = 256 << 20;

/// Looks at keys and size.
///
/// # Errors
/// [`Error::Row`] for a key outside [`KINDS`], longer than [`MAX_KEY`], or named twice, and for a round above
/// [`MAX_ROUND`]: each is a defect of the caller, and the ledger took nothing.
pub(super) fn validate(round: &Round) -> Result<(), Error> {
    let refuse = |key: &[u8], reason: String| Err(Error::Row { key: printable(key), reason });
    let mut keys = Vec::with_capacity(round.changes.len());
    let mut size: usize = round.records.iter().map(Vec::len).sum();
    for (key, value) in &round.changes {
        size += key.len() + value.as_ref().map_or(0, Vec::len);
        match key.first() {
            Some(kind) if KINDS.contains(kind) => (),
            _ => return refuse(key, "its first byte is not a kind of row".into()),
        }
        if key.len() > MAX_KEY {
            return refuse(key, format!("the key has {} bytes, at most {MAX_KEY} are possible", key.len()));
        }
        keys.push(key.as_slice());
    }
    if size > MAX_ROUND {
        return refuse(b"", format!("the round has {size} bytes, at most {MAX_ROUND} are possible"));
    }
    keys.sort_unstable();
    match keys.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => refuse(pair[0], "one round changes it twice".into()),
        None => Ok(()),
    }
}

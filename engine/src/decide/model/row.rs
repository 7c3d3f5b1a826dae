//! How rows stand in the ledger: postcard bytes under keys whose first byte is their kind.

use serde::de::DeserializeOwned;

use crate::ledger::Error;

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

pub(crate) fn decode<T: DeserializeOwned>(key: &[u8], bytes: &[u8]) -> Result<T, Error> {
    postcard::from_bytes(bytes)
        .map_err(|error| Error::Row { key: String::from_utf8_lossy(key).into_owned(), reason: error.to_string() })
}

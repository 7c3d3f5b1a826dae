//! Messages that are kept because nobody could read them.

use serde::{Deserialize, Serialize};

use crate::decide::model::key;
use crate::ledger::{Error, Rows};

/// A message that is kept for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parked {
    /// `m3`
    pub message: String,
    /// The door: `webhook`, or a topic with its partition and offset.
    pub source: String,
    /// Why nothing could be made of it.
    pub reason: String,
    /// What came; bytes that are no UTF-8 are replaced.
    pub payload: String,
}

/// The message of this name (`m3`), if it is kept.
///
/// # Errors
/// Where rows cannot be read.
pub fn parked(rows: &dyn Rows, name: &str) -> Result<Option<Parked>, Error> {
    let Some(number) = name.strip_prefix('m').and_then(|number| number.parse().ok()) else { return Ok(None) };
    let Some(row) = key::parked(number).read(rows)? else { return Ok(None) };
    let payload = String::from_utf8_lossy(&row.payload).into_owned();
    Ok(Some(Parked { message: name.to_owned(), source: row.place, reason: row.reason, payload }))
}

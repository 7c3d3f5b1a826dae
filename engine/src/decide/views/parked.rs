//! Messages that are kept because nobody could read them.

use serde::{Deserialize, Serialize};

use crate::decide::model::key;
use crate::decide::model::subject::Subject;
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
    /// How many came for this cause by this door, with this one.
    #[serde(default = "one")]
    pub count: u64,
    /// The next few of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub like_it: Vec<LikeIt>,
}

/// Another message that could not be read for the same cause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LikeIt {
    /// Where it came from.
    pub source: String,
    /// Why nothing could be made of it.
    pub reason: String,
    /// What came.
    pub payload: String,
}

pub(super) fn one() -> u64 {
    1
}

/// The message of this name (`m3`), if it is kept.
///
/// # Errors
/// Where rows cannot be read.
pub fn parked(rows: &dyn Rows, name: &str) -> Result<Option<Parked>, Error> {
    let Some(number) = name.strip_prefix('m').and_then(|number| number.parse().ok()) else { return Ok(None) };
    let Some(row) = key::parked(number).read(rows)? else { return Ok(None) };
    let text = |payload: &[u8]| String::from_utf8_lossy(payload).into_owned();
    let incident = key::incident(&Subject::Message(number)).read(rows)?;
    let alike = match incident {
        Some(incident) => key::alike(&incident.fingerprint).read(rows)?.filter(|alike| alike.first == number),
        None => None,
    };
    let (count, samples) = alike.map_or_else(|| (1, Vec::new()), |alike| (alike.count, alike.samples));
    let like_it = samples.into_iter().map(|sample| LikeIt {
        source: sample.place,
        reason: sample.reason,
        payload: text(&sample.payload),
    });
    Ok(Some(Parked {
        message: name.to_owned(),
        source: row.place,
        reason: row.reason,
        payload: text(&row.payload),
        count,
        like_it: like_it.collect(),
    }))
}

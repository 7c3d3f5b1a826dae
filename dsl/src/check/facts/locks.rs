//! The locks of a rule set, as they were read.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::parallel;
use crate::schema::{Lock, Unreadable, read_lock};

/// Locks by path, or why they cannot be read.
pub(crate) type Locks = BTreeMap<String, Result<Arc<Lock>, Unreadable>>;

/// Reads all of these texts, which stand by path.
pub(crate) fn read_locks(texts: &BTreeMap<String, String>) -> Locks {
    let texts: Vec<(&String, &String)> = texts.iter().collect();
    let read = parallel::map(&texts, |(_, text)| read_lock(text).map(Arc::new));
    texts.into_iter().map(|(path, _)| path.clone()).zip(read).collect()
}

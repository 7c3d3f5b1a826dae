//! The locks of a rule set, as they were read.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::schema::{Lock, Unreadable};

/// Locks by path, or why they cannot be read.
pub(crate) type Locks = BTreeMap<String, Result<Arc<Lock>, Unreadable>>;

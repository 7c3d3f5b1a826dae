//! The row about the ledger itself.

use serde::{Deserialize, Serialize};

/// Facts about the ledger itself.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Meta {
    /// Distinguishes this ledger's keys from those of any other: part of every idempotency key.
    pub(crate) ledger: String,
    /// Last number given.
    pub(crate) last: u64,
    /// Stored deliveries that wait.
    pub(crate) inbox: u64,
}

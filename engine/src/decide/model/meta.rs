//! The rows about the ledger itself.

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

/// The form of the rows of this engine. It grows whenever a row changes so that an engine before cannot read it.
pub const FORM: u32 = 3;

/// In which form the rows are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FormRow {
    pub(crate) form: u32,
    /// While they are brought to this form: the first key that is not in it yet.
    pub(crate) migrated_to: Option<Vec<u8>>,
}

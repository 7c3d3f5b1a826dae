//! What is known of records.

pub(crate) mod ahead;
pub(crate) mod expectations;
pub(crate) mod observe;
pub(crate) mod removal;

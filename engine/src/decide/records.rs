//! What is known of records.

pub(crate) mod expectations;
pub(crate) mod observe;
pub(crate) mod removal;

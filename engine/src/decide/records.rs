//! What is known of records.

pub(crate) mod observe;

//! What of a delivery is kept: messages that wait for the pace of their system, and those that nobody could read.

/// Where it came from, why it is here, and what came.
pub(crate) type ParkedRow = (String, String, Vec<u8>);

//! Doubles for tests: a network that follows a script, the contract that every connector keeps, and the addresses of
//! real services.
//!
//! Compiled for our own tests and with the feature `testing`.

pub mod contract;
pub mod needed;
pub mod script;

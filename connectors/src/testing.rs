//! Doubles for tests: a network that follows a script, and the contract that every connector keeps.
//!
//! Compiled for our own tests and with the feature `testing`.

pub mod contract;
pub mod script;

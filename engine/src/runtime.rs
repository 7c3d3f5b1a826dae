//! Runs everything together.
pub mod tasks;

//! Runs everything together.
pub mod connect;
pub mod tasks;

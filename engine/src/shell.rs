//! The loop.
pub mod core;

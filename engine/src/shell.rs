//! The loop.
pub mod core;

pub use self::core::{Connectors, Core, Counts, Departure, Error, Release};

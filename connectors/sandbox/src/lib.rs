//! Twins of what the engine talks to: pure models with thin HTTP faces.
pub mod app;
pub mod face;
mod faults;
pub mod hubspot;
pub mod kafka;
pub mod mail;
mod model;
mod sending;
mod transport;

pub use faults::{Admitted, Arrival, Faults, Garbling, When};
pub use model::{Model, Now};
pub use sending::{Ending, Sending};
pub use transport::{InProcess, received};

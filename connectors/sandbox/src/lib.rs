//! Twins of what the engine talks to: pure models with thin HTTP faces.
pub mod app;
pub mod face;
mod faults;
pub mod hubspot;
pub mod kafka;
pub mod mail;
mod model;
mod transport;

pub use faults::{Faults, Garbling, When};
pub use model::{Admitted, Arrival, Ending, Model, Now, Sending};
pub use transport::{InProcess, received};

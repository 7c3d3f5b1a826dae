//! Twins of what the engine talks to: pure models with thin HTTP faces.
pub mod app;
pub mod hubspot;
pub mod kafka;
pub mod mail;

//! The runtime: durable sync and workflows between systems, by rules.
pub mod admin;
pub mod cli;
pub mod clock;
pub mod config;
pub mod decide;
pub mod gate;
pub mod ids;
pub mod intake;
pub mod ledger;
pub mod rehearse;
pub mod rules;
pub mod runtime;
pub mod shell;
pub mod telemetry;

//! The runtime: durable sync and workflows between systems, by rules.
pub mod admin;
pub mod cli;
pub mod clock;
pub mod config;
#[cfg_attr(
    not(test),
    deny(
        clippy::disallowed_methods,
        clippy::disallowed_types,
        reason = "decide is pure; it may not look at the world"
    )
)]
pub mod decide;
mod embed;
#[cfg_attr(
    not(test),
    deny(
        clippy::disallowed_methods,
        clippy::disallowed_types,
        reason = "the gate is given the time; it may not look at the world"
    )
)]
pub mod gate;
pub mod ids;
pub mod intake;
pub mod ledger;
mod proc;
pub mod rehearse;
pub mod rules;
pub mod runtime;
pub mod shell;
pub mod tasks;
pub mod telemetry;

pub use admin::api;
pub use config::{Kafka, SecretAt};
pub use embed::{Builder, Cause, Engine, Error, Http, HubSpot, Rest, connector};
pub use rules::Rules;
pub use runtime::{State, System};

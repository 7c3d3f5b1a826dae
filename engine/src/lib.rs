//! The runtime: durable sync and workflows between systems, by rules.
pub mod ledger;

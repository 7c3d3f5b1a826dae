//! Ports and adapters: how the engine reaches HubSpot, the app, operations, Kafka and caches.
//!
//! `port` says how the engine and a connector talk; everything else stands behind it.
pub mod cache;
pub mod http;
pub mod hubspot;
mod json;
#[cfg(feature = "kafka")]
pub mod kafka;
pub mod operations;
pub mod planted;
pub mod port;
pub mod problem;
pub mod proxy;
pub mod registry;
pub mod rest;
pub mod secret;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod token;
pub mod webhook;

//! Ports and adapters: how the engine reaches HubSpot, the app, operations, Kafka and caches.
pub mod http;
pub mod port;

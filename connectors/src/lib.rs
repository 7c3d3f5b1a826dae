//! Ports and adapters: how the engine reaches HubSpot, the app, operations, Kafka and caches.
pub mod port;
pub mod http;

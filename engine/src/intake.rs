//! The doors: webhooks and Kafka. Here a delivery is read as what its system sends; what it means is decided later.

pub mod kafka;
pub mod webhooks;

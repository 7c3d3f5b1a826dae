//! Webhook deliveries: verified by the door, read by their connector, answered when durable.

use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use bytes::Bytes;
use connectors::webhook::door::{Intake, Verdict};

use crate::shell::{Connectors, Handle};
use crate::telemetry;

/// Reads deliveries and hands them to the loop.
pub struct Webhooks {
    handle: Handle,
    connectors: Arc<RwLock<Connectors>>,
}

impl Webhooks {
    /// Reads with `connectors`, which a reload replaces.
    #[must_use]
    pub fn new(handle: Handle, connectors: Arc<RwLock<Connectors>>) -> Self {
        Self { handle, connectors }
    }
}

#[async_trait]
impl Intake for Webhooks {
    async fn offer(&self, system: &str, body: Bytes) -> Verdict {
        let connector = self.connectors.read().unwrap_or_else(PoisonError::into_inner).get(system).map(Arc::clone);
        let Some(connector) = connector else {
            return Verdict::Unreadable(format!("the rules have no system `{system}`"));
        };
        let read = connector.read(&body).map_err(|error| error.to_string());
        telemetry::delivery(system, "webhook", read.is_ok());
        // What its sender signed but nobody can read is kept for people: refusing it would lose it.
        self.handle.deliver(system, read, body).await
    }
}

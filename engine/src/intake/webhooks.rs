//! Webhook deliveries: verified by the door, read by their connector, answered when durable.
//!
//! Always true: a body in which nothing can be told apart is refused, so that its sender keeps it; a message that cannot
//! be read is kept here (in quarantine, until a person dismisses it), and the others of its delivery are decided.

use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use bytes::Bytes;
use connectors::port::{Strangers, Unreadable};
use connectors::webhook::door::{Intake, Verdict};
use http::StatusCode;

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

impl Webhooks {
    /// The rules have this system.
    pub(crate) fn knows(&self, system: &str) -> bool {
        self.connectors.read().unwrap_or_else(PoisonError::into_inner).contains_key(system)
    }

    /// Takes a delivery that came through `door`, whose sender is known.
    pub(crate) async fn take(&self, system: &str, body: Bytes, door: &'static str) -> Verdict {
        let connector = self.connectors.read().unwrap_or_else(PoisonError::into_inner).get(system).map(Arc::clone);
        let Some(connector) = connector else {
            tracing::error!(system, "a delivery of a system that the rules do not have is refused");
            return Verdict::Unreadable(format!("the rules have no system `{system}`"));
        };
        match connector.read(&body) {
            Ok(delivery) => {
                if let Some(Strangers { messages, account, ours }) = delivery.strangers {
                    tracing::warn!(system, messages, account, ours, "messages of another account are left out");
                    telemetry::refused(system, "account");
                }
                telemetry::delivery(system, door, delivery.malformed.is_empty());
                self.handle.deliver(system, delivery, body).await
            }
            Err(error @ Unreadable::OtherAccount(_)) => {
                telemetry::refused(system, "account");
                tracing::warn!(system, %error, "a delivery of another account is refused");
                Verdict::OtherAccount(error.to_string())
            }
            Err(error) => {
                telemetry::delivery(system, door, false);
                tracing::error!(system, %error, "a delivery cannot be read and is refused");
                Verdict::Unreadable(error.to_string())
            }
        }
    }
}

#[async_trait]
impl Intake for Webhooks {
    async fn offer(&self, system: &str, body: Bytes) -> Verdict {
        self.take(system, body, "webhook").await
    }

    fn refused(&self, system: &str, status: StatusCode) {
        let reason = match status {
            StatusCode::UNAUTHORIZED => "signature",
            StatusCode::BAD_REQUEST => "body",
            StatusCode::PAYLOAD_TOO_LARGE => "too_large",
            StatusCode::REQUEST_TIMEOUT => "slow",
            StatusCode::METHOD_NOT_ALLOWED => "method",
            _ => "other",
        };
        telemetry::refused(system, reason);
    }
}

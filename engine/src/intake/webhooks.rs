//! Webhook deliveries: verified by the door, read by their connector, answered when durable.
//!
//! Always true: a body in which nothing can be told apart is refused, so that its sender keeps it; a message that cannot
//! be read is kept here (in quarantine, until a person dismisses it), and the others of its delivery are decided; where
//! events of several accounts arrive at one path, each goes to the system of its account.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use bytes::Bytes;
use connectors::port::{Strangers, Unreadable};
use connectors::registry::by_account;
use connectors::webhook::door::{Intake, Verdict};
use http::StatusCode;

use crate::shell::{Connectors, Handle};
use crate::telemetry;

/// The systems that take deliveries at one path, by their accounts.
pub(crate) type Accounts = BTreeMap<u64, String>;

/// Reads deliveries and hands them to the loop.
pub struct Webhooks {
    handle: Handle,
    connectors: Arc<RwLock<Connectors>>,
    /// Paths at which several systems take deliveries, by the system that stands for the path.
    shared: BTreeMap<String, Accounts>,
}

impl Webhooks {
    /// Reads with `connectors`, which a reload replaces; `shared` are the paths of several systems, by the system that
    /// stands for the path.
    #[must_use]
    pub(crate) fn new(handle: Handle, connectors: Arc<RwLock<Connectors>>, shared: BTreeMap<String, Accounts>) -> Self {
        Self { handle, connectors, shared }
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

impl Webhooks {
    /// Takes a delivery in which events of several accounts may stand. What one of its systems has taken is known to it
    /// when the sender repeats the whole for another one's sake.
    async fn take_for_each(&self, door: &str, accounts: &Accounts, body: &Bytes) -> Verdict {
        let bodies = match by_account(body) {
            Ok(bodies) => bodies,
            Err(error) => {
                telemetry::delivery(door, "webhook", false);
                tracing::error!(system = door, %error, "a delivery cannot be read and is refused");
                return Verdict::Unreadable(error.to_string());
            }
        };
        let (mut worst, mut strangers) = (None, Vec::new());
        for (account, body) in bodies {
            let Some(system) = accounts.get(&account) else {
                strangers.push(account);
                continue;
            };
            let verdict = self.take(system, body, "webhook").await;
            if worst.as_ref().is_none_or(|worst| badness(&verdict) > badness(worst)) {
                worst = Some(verdict);
            }
        }
        if !strangers.is_empty() {
            tracing::warn!(system = door, ?strangers, "messages of accounts that no system names are left out");
            telemetry::refused(door, "account");
        }
        // Of nobody's events alone, the sender hears that; an empty delivery is as good as taken.
        worst.unwrap_or_else(|| match strangers.first() {
            Some(account) => Verdict::OtherAccount(format!(
                "this is of the account {account}, and no system of this path has that `portal_id`"
            )),
            None => Verdict::Durable,
        })
    }
}

/// Which of several verdicts the sender has to hear: whatever makes it repeat the delivery, the soonest over first.
fn badness(verdict: &Verdict) -> u8 {
    match verdict {
        Verdict::Durable => 0,
        Verdict::OtherAccount(_) => 1,
        Verdict::Unreadable(_) => 2,
        Verdict::Full(_) => 3,
        Verdict::Unwritable(_) => 4,
    }
}

#[async_trait]
impl Intake for Webhooks {
    async fn offer(&self, system: &str, body: Bytes) -> Verdict {
        match self.shared.get(system) {
            Some(accounts) => self.take_for_each(system, accounts, &body).await,
            None => self.take(system, body, "webhook").await,
        }
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

//! An engine that runs: what reaches it, and how it ends.
//!
//! Always true: it ends once, and everybody who waits for that is told the same.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use bytes::Bytes;
use connectors::webhook::door::Verdict;
use tokio::sync::{Mutex, oneshot};
use tokio_util::sync::CancellationToken;

use super::doors::Opened;
use super::reload::{self, Reloader};
use crate::admin::api::Reloaded;
use crate::admin::{self, Admin};
use crate::config::{Missing, SecretAt};
use crate::intake::webhooks::Webhooks;
use crate::rules::Rules;
use crate::shell::{self, Gone, Handle};
use crate::tasks::Tasks;

/// How long the last tasks may take after the loop has ended.
const AFTER: Duration = Duration::from_secs(2);

/// How an engine ended.
#[derive(Debug, Clone)]
pub(crate) enum Ended {
    /// It was stopped.
    InOrder,
    /// The loop could not go on.
    Failed(Arc<shell::Error>),
    /// The loop broke off, which is a defect.
    BrokeOff,
    /// It was asked to stop and had not ended in time.
    Late,
}

/// What it is made of.
pub(super) struct Parts {
    pub(super) webhook_address: Option<SocketAddr>,
    pub(super) admin_address: Option<SocketAddr>,
    pub(super) handle: Handle,
    pub(super) webhooks: Arc<Webhooks>,
    pub(super) doors: Opened,
    pub(super) admin: Admin,
    pub(super) reloader: Reloader,
    pub(super) tasks: Tasks,
    /// Is cancelled when nothing more is taken in.
    pub(super) intake: CancellationToken,
    pub(super) grace: Duration,
    /// How the loop ended.
    pub(super) ended: oneshot::Receiver<Result<(), shell::Error>>,
}

/// A running engine.
pub(crate) struct Running {
    webhook_address: Option<SocketAddr>,
    admin_address: Option<SocketAddr>,
    handle: Handle,
    webhooks: Arc<Webhooks>,
    doors: Opened,
    admin: Admin,
    reloader: Reloader,
    tasks: Tasks,
    intake: CancellationToken,
    grace: Duration,
    end: Arc<Mutex<End>>,
}

enum End {
    /// It has not come, or nobody has looked.
    Open(oneshot::Receiver<Result<(), shell::Error>>),
    Over(Ended),
}

impl Running {
    pub(super) fn new(parts: Parts) -> Self {
        let Parts { webhook_address, admin_address, handle, webhooks, doors, admin, reloader, tasks, .. } = parts;
        let (intake, grace, end) = (parts.intake, parts.grace, Arc::new(Mutex::new(End::Open(parts.ended))));
        Self { webhook_address, admin_address, handle, webhooks, doors, admin, reloader, tasks, intake, grace, end }
    }

    /// Where webhooks arrive, where something listens for them.
    pub(crate) fn webhook_address(&self) -> Option<SocketAddr> {
        self.webhook_address
    }

    /// Where the admin API listens, where it does.
    pub(crate) fn admin_address(&self) -> Option<SocketAddr> {
        self.admin_address
    }

    /// What can be asked and commanded.
    pub(crate) fn admin(&self) -> &Admin {
        &self.admin
    }

    /// The rules have this system.
    pub(crate) fn knows(&self, system: &str) -> bool {
        self.webhooks.knows(system)
    }

    /// Takes a delivery whose sender is known; the verdict comes when it is durable.
    pub(crate) async fn deliver(&self, system: &str, body: Bytes) -> Verdict {
        self.webhooks.take(system, body, "program").await
    }

    /// Waits until nothing is under way.
    ///
    /// # Errors
    /// [`Gone`].
    pub(crate) async fn idle(&self) -> Result<(), Gone> {
        self.handle.idle().await
    }

    /// Nothing more is taken.
    pub(crate) async fn is_stopping(&self) -> bool {
        self.intake.is_cancelled() || self.handle.inspect(|_| ()).await.is_err()
    }

    /// Loads the rules again, from elsewhere where that is said.
    ///
    /// # Errors
    /// Why they were refused; the old ones go on.
    pub(crate) fn reload(&self, from: Option<Rules>) -> impl Future<Output = Result<Reloaded, reload::Error>> + use<> {
        self.reloader.reload(from)
    }

    /// The webhooks as a part of another router.
    pub(crate) fn router(&self) -> Router {
        self.doors.routes()
    }

    /// The admin API as a part of another router.
    ///
    /// # Errors
    /// Where the token cannot be had.
    pub(crate) fn admin_router(&self, token: Option<SecretAt>) -> Result<Router, Missing> {
        let token = token.map(|token| token.read()).transpose()?;
        let keys = |operator| admin::Token::Named(admin::Keys { operator, viewer: None });
        let token = token.map_or(admin::Token::None, keys);
        Ok(admin::routes(self.admin.clone(), token))
    }

    /// Waits until the engine has ended; a sound one that nobody stops never does.
    pub(crate) async fn ended(&self) -> Ended {
        ended(&self.end).await
    }

    /// Stops: takes nothing more in, waits for answers under way, leaves the rest in the ledger for the next start. Once
    /// begun it comes to its end, whether somebody waits for it or not.
    pub(crate) async fn stop(&self) -> Ended {
        self.intake.cancel();
        self.handle.stop(self.grace);
        let (end, tasks, limit) = (Arc::clone(&self.end), self.tasks.clone(), self.grace + AFTER);
        let stopped = self.tasks.run(async move {
            let ended = tokio::time::timeout(limit, ended(&end)).await.unwrap_or(Ended::Late);
            if tasks.shutdown(AFTER).await.is_err() {
                tracing::warn!("some tasks did not end in time; calls among them are taken up at the next start");
            }
            ended
        });
        match stopped.await {
            Ok(ended) => ended,
            // The runtime has gone; the loop has not, and ends by itself.
            Err(_) => self.ended().await,
        }
    }

    /// Stops without waiting: nothing more is taken, calls under way are left without an answer.
    pub(crate) fn abandon(&self) {
        self.intake.cancel();
        self.handle.stop(Duration::ZERO);
        self.tasks.token().cancel();
    }
}

async fn ended(end: &Mutex<End>) -> Ended {
    let mut end = end.lock().await;
    match &mut *end {
        End::Over(ended) => ended.clone(),
        End::Open(loop_ended) => {
            let ended = match loop_ended.await {
                Ok(Ok(())) => Ended::InOrder,
                Ok(Err(error)) => Ended::Failed(Arc::new(error)),
                Err(_) => Ended::BrokeOff,
            };
            *end = End::Over(ended.clone());
            ended
        }
    }
}

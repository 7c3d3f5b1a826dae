//! Loads the rules again while the engine runs, and keeps connectors and doors in step with them.
//!
//! Always true: a set that does not hold, or does not fit the systems, is refused loudly and the old one goes on,
//! whole; whatever can fail comes before the set is made the active one; one reload at a time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use async_trait::async_trait;
use connectors::http::Transport;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::connect;
use super::doors::Doors;
use super::kafka::KafkaDoor;
use super::system::System;
use super::tokens::Tokens;
use crate::admin::api::{Reloaded, SCHEMA};
use crate::admin::{Refusal, Reload};
use crate::rules::{Rules, stored};
use crate::shell::{Connectors, Gone, Handle, NotDone};
use crate::tasks::Tasks;

/// The set that runs.
struct Active {
    hash: String,
    /// Where it is read from.
    origin: Rules,
}

/// Loads the rules again; clones are the same.
#[derive(Clone)]
pub struct Reloader(Arc<Inner>);

struct Inner {
    parts: Parts,
    active: tokio::sync::Mutex<Active>,
    /// Why the rules were refused last; `None` where they are what runs.
    refused: Mutex<Option<String>>,
}

/// Why rules were not taken; those before go on, whole.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// They do not hold.
    #[error(transparent)]
    Rules(#[from] stored::Refusal),
    /// They do not fit the systems.
    #[error(transparent)]
    Connect(#[from] connect::Error),
    /// They were not stored.
    #[error("{0}")]
    NotStored(String),
    /// The engine is stopping.
    #[error(transparent)]
    Gone(#[from] Gone),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        match error {
            Error::Gone(gone) => gone.into(),
            other => Self::Conflict(other.to_string()),
        }
    }
}

/// What follows the rules when they change, and what it is made from.
pub(super) struct Parts {
    pub(super) systems: BTreeMap<String, System>,
    pub(super) tokens: Tokens,
    pub(super) transport: Arc<dyn Transport>,
    pub(super) handle: Handle,
    pub(super) tasks: Tasks,
    pub(super) connectors: Arc<RwLock<Connectors>>,
    pub(super) doors: Doors,
    pub(super) kafka: KafkaDoor,
    /// Is cancelled when nothing more is taken in.
    pub(super) intake: CancellationToken,
}

impl Reloader {
    /// `hash` is that of the set that runs, `refused` why what comes from `origin` was refused at the start.
    pub(super) fn new(parts: Parts, origin: Rules, hash: String, refused: Option<String>) -> Self {
        let active = tokio::sync::Mutex::new(Active { hash, origin });
        Self(Arc::new(Inner { parts, active, refused: Mutex::new(refused) }))
    }

    /// Reads the rules, `from` elsewhere where that is said, and makes them the active set. Once begun it comes to its
    /// end, whether somebody waits for the outcome or not.
    ///
    /// # Errors
    /// Why it was refused; the old set goes on, and so does where it is read from.
    pub(crate) fn reload(&self, from: Option<Rules>) -> impl Future<Output = Result<Reloaded, Error>> + use<> {
        let (reply, outcome) = oneshot::channel();
        let reloader = self.clone();
        self.0.parts.tasks.spawn("reload", |_| async move {
            // Who asked may have gone: the outcome is in the log and in the status.
            let _gone = reply.send(reloader.reported(from).await);
        });
        async { outcome.await.unwrap_or(Err(Error::Gone(Gone))) }
    }

    async fn reported(&self, from: Option<Rules>) -> Result<Reloaded, Error> {
        let result = self.try_reload(from).await;
        let mut refused = self.0.refused.lock().unwrap_or_else(PoisonError::into_inner);
        match &result {
            Ok(done) => {
                *refused = None;
                tracing::info!(rules = done.rules, changed = done.changed, "rules loaded");
            }
            Err(error) => {
                let reason = error.to_string();
                tracing::error!(reason, "the rules were refused; the old ones go on");
                metrics::counter!("engine_reloads_refused_total").increment(1);
                *refused = Some(reason);
            }
        }
        result
    }

    async fn try_reload(&self, from: Option<Rules>) -> Result<Reloaded, Error> {
        let parts = &self.0.parts;
        let mut active = self.0.active.lock().await;
        let origin = from.unwrap_or_else(|| active.origin.clone());
        let rules = origin.clone();
        let loaded = parts.tasks.blocking(move || stored::load(&rules)).await;
        let set = loaded.map_err(|error| Error::NotStored(error.to_string()))??;
        let hash = set.program.hash.clone();
        if active.hash == hash {
            // The same rules, from elsewhere perhaps: they are read there from now on.
            active.origin = origin;
            return Ok(Reloaded { schema: SCHEMA, rules: hash, changed: false });
        }
        let program = Arc::clone(&set.program);
        let connectors = connect::all(&parts.systems, &program, &parts.transport, &parts.tokens)?;
        let verifiers = connect::verifiers(&parts.systems, &program)?;
        let kafka = parts.kafka.prepare(&program, &parts.intake)?;
        parts.handle.activate(set, connectors.clone()).await.map_err(|not_done| match not_done {
            NotDone::Gone(gone) => Error::Gone(gone),
            other => Error::NotStored(other.to_string()),
        })?;
        // INVARIANT: nothing fails from here on, so that what runs is always one whole set.
        *active = Active { hash: hash.clone(), origin };
        *parts.connectors.write().unwrap_or_else(PoisonError::into_inner) = connectors;
        parts.doors.follow(verifiers);
        parts.kafka.switch(kafka);
        Ok(Reloaded { schema: SCHEMA, rules: hash, changed: true })
    }

    /// Why the folder was refused last; `None` where the folder is what runs.
    #[must_use]
    pub fn refused(&self) -> Option<String> {
        self.0.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Reload for Reloader {
    async fn reload(&self) -> Result<Reloaded, Refusal> {
        Ok(Self::reload(self, None).await?)
    }

    fn refused(&self) -> Option<String> {
        Self::refused(self)
    }
}

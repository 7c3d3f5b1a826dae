//! Loads the rules again while the engine runs, and keeps connectors and doors in step with them.
//!
//! Always true: a set that does not hold, or does not fit engine.yaml, is refused loudly and the old one goes on,
//! whole; whatever can fail comes before the set is made the active one; one reload at a time.

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use async_trait::async_trait;
use connectors::http::Transport;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::connect;
use super::doors::Doors;
use super::kafka::KafkaDoor;
use crate::admin::Reload;
use crate::admin::api::{Reloaded, SCHEMA};
use crate::config::Config;
use crate::rules::stored;
use crate::shell::{Connectors, Handle};
use crate::tasks::Tasks;

/// Loads the rules again; clones are the same.
#[derive(Clone)]
pub struct Reloader(Arc<Inner>);

struct Inner {
    parts: Parts,
    /// Hash of the active set.
    active: tokio::sync::Mutex<String>,
    /// Why the folder was refused last; `None` where the folder is what runs.
    refused: Mutex<Option<String>>,
}

/// What follows the rules when they change, and what it is made from.
pub(super) struct Parts {
    pub(super) config: Config,
    pub(super) transport: Arc<dyn Transport>,
    /// Connectors of the caller's own.
    pub(super) own: Connectors,
    pub(super) handle: Handle,
    pub(super) tasks: Tasks,
    pub(super) connectors: Arc<RwLock<Connectors>>,
    pub(super) doors: Doors,
    pub(super) kafka: KafkaDoor,
    /// Is cancelled when nothing more is taken in.
    pub(super) intake: CancellationToken,
}

impl Reloader {
    /// `active` is the hash of the set that runs, `refused` why the folder was refused at the start.
    pub(super) fn new(parts: Parts, active: String, refused: Option<String>) -> Self {
        Self(Arc::new(Inner { parts, active: tokio::sync::Mutex::new(active), refused: Mutex::new(refused) }))
    }

    /// Reads the folder and makes it the active set.
    ///
    /// # Errors
    /// Why it was refused; the old set goes on.
    pub async fn reload(&self) -> Result<Reloaded, String> {
        self.begin().await.unwrap_or_else(|_| Err("the engine is stopping".to_owned()))
    }

    /// The same in a task of its own: it comes to its end whether somebody waits for the outcome or not.
    pub fn begin(&self) -> oneshot::Receiver<Result<Reloaded, String>> {
        let (reply, outcome) = oneshot::channel();
        let reloader = self.clone();
        self.0.parts.tasks.spawn("reload", |_| async move {
            // Who asked may have gone: the outcome is in the log and in the status.
            let _gone = reply.send(reloader.reported().await);
        });
        outcome
    }

    async fn reported(&self) -> Result<Reloaded, String> {
        let result = self.try_reload().await;
        let mut refused = self.0.refused.lock().unwrap_or_else(PoisonError::into_inner);
        match &result {
            Ok(done) => {
                *refused = None;
                tracing::info!(rules = done.rules, changed = done.changed, "rules loaded");
            }
            Err(reason) => {
                tracing::error!(reason, "the rules were refused; the old ones go on");
                metrics::counter!("engine_reloads_refused_total").increment(1);
                *refused = Some(reason.clone());
            }
        }
        result
    }

    async fn try_reload(&self) -> Result<Reloaded, String> {
        let parts = &self.0.parts;
        let mut active = self.0.active.lock().await;
        let folder = parts.config.rules.clone();
        let loaded = tokio::task::spawn_blocking(move || stored::load(&folder)).await;
        let set = loaded.map_err(|error| error.to_string())?.map_err(|refusal| refusal.to_string())?;
        let hash = set.program.hash.clone();
        if *active == hash {
            return Ok(Reloaded { schema: SCHEMA, rules: hash, changed: false });
        }
        let refused = |error: connect::Error| error.to_string();
        let program = Arc::clone(&set.program);
        let connectors = connect::all(&parts.config, &program, &parts.transport, &parts.own).map_err(refused)?;
        let verifiers = connect::verifiers(&parts.config, &program).map_err(refused)?;
        let kafka = parts.kafka.prepare(&program, &parts.intake).map_err(refused)?;
        parts.handle.activate(set, connectors.clone()).await?;
        // INVARIANT: nothing fails from here on, so that what runs is always one whole set.
        active.clone_from(&hash);
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
    async fn reload(&self) -> Result<Reloaded, String> {
        Self::reload(self).await
    }

    fn refused(&self) -> Option<String> {
        Self::refused(self)
    }
}

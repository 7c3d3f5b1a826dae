//! Loads the rules again while the engine runs, and keeps connectors and doors in step with them.
//!
//! Always true: a set that does not hold, or does not fit engine.yaml, is refused loudly and the old one goes on,
//! whole; whatever can fail comes before the set is made the active one; one reload at a time.

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use connectors::http::Transport;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::connect;
use super::doors::Doors;
use super::kafka::KafkaDoor;
use crate::config::Config;
use crate::rules::stored;
use crate::shell::{Connectors, Handle};

/// What a reload led to.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Reloaded {
    /// Hash of the active rule set.
    pub rules: String,
    /// It is another one than before.
    pub changed: bool,
}

/// Loads the rules again; clones are the same.
#[derive(Clone)]
pub struct Reloader(Arc<Inner>);

struct Inner {
    config: Config,
    transport: Arc<dyn Transport>,
    own: Connectors,
    handle: Handle,
    connectors: Arc<RwLock<Connectors>>,
    doors: Doors,
    kafka: KafkaDoor,
    intake: CancellationToken,
    /// Hash of the active set.
    active: tokio::sync::Mutex<String>,
    /// Why the folder was refused last; `None` where the folder is what runs.
    refused: Mutex<Option<String>>,
}

impl Reloader {
    pub(super) fn new(
        config: Config,
        transport: Arc<dyn Transport>,
        own: Connectors,
        handle: Handle,
        connectors: Arc<RwLock<Connectors>>,
        doors: Doors,
        kafka: KafkaDoor,
        intake: CancellationToken,
        active: String,
        refused: Option<String>,
    ) -> Self {
        let active = tokio::sync::Mutex::new(active);
        let refused = Mutex::new(refused);
        Self(Arc::new(Inner { config, transport, own, handle, connectors, doors, kafka, intake, active, refused }))
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
        self.0.kafka.tasks.spawn("reload", |_| async move {
            // Who asked may have gone: the outcome is in the log and in the status.
            let _gone = reply.send(reloader.told().await);
        });
        outcome
    }

    async fn told(&self) -> Result<Reloaded, String> {
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
        let inner = &self.0;
        let mut active = inner.active.lock().await;
        let folder = inner.config.rules.clone();
        let loaded = tokio::task::spawn_blocking(move || stored::load(&folder)).await;
        let set = loaded.map_err(|error| error.to_string())?.map_err(|refusal| refusal.to_string())?;
        let hash = set.program.hash.clone();
        if *active == hash {
            return Ok(Reloaded { rules: hash, changed: false });
        }
        let refused = |error: connect::Error| error.to_string();
        let program = Arc::clone(&set.program);
        let connectors = connect::all(&inner.config, &program, &inner.transport, &inner.own).map_err(refused)?;
        let verifiers = connect::verifiers(&inner.config, &program).map_err(refused)?;
        let kafka = inner.kafka.prepare(&program, &inner.intake).map_err(refused)?;
        inner.handle.activate(set, connectors.clone()).await?;
        // INVARIANT: nothing fails from here on, so that what runs is always one whole set.
        active.clone_from(&hash);
        *inner.connectors.write().unwrap_or_else(PoisonError::into_inner) = connectors;
        inner.doors.follow(verifiers);
        inner.kafka.switch(kafka);
        Ok(Reloaded { rules: hash, changed: true })
    }

    /// Why the folder was refused last; `None` where the folder is what runs.
    #[must_use]
    pub fn refused(&self) -> Option<String> {
        self.0.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

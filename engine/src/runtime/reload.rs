//! Loads the rules again while the engine runs, and keeps Kafka's door in step with them.
//!
//! Always true: a set that does not hold, or does not fit engine.yaml, is refused loudly and the old one goes on;
//! one reload at a time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use connectors::http::Transport;
use connectors::kafka::source::{Handle as SourceHandle, KafkaSource};
use dsl::program::Program;
use tokio_util::sync::CancellationToken;

use super::connect;
use super::tasks::Tasks;
use crate::config::{Config, Kafka};
use crate::decide;
use crate::intake::kafka::pump;
use crate::ledger::Reader;
use crate::rules::stored;
use crate::shell::{Commit, Connectors, Handle};

/// Events of the source that wait for the pump.
const EVENTS: usize = 1_024;

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
        kafka: KafkaDoor,
        intake: CancellationToken,
        active: String,
        refused: Option<String>,
    ) -> Self {
        let active = tokio::sync::Mutex::new(active);
        let refused = Mutex::new(refused);
        Self(Arc::new(Inner { config, transport, own, handle, connectors, kafka, intake, active, refused }))
    }

    /// Reads the folder and makes it the active set.
    ///
    /// # Errors
    /// Why it was refused; the old set goes on.
    pub async fn reload(&self) -> Result<Reloaded, String> {
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
        let program = Arc::clone(&set.program);
        let connectors =
            connect::all(&inner.config, &program, &inner.transport, &inner.own).map_err(|error| error.to_string())?;
        inner.handle.activate(set, connectors.clone()).await?;
        active.clone_from(&hash);
        *inner.connectors.write().unwrap_or_else(PoisonError::into_inner) = connectors;
        inner.kafka.read(&program, &inner.intake).await.map_err(|error| error.to_string())?;
        Ok(Reloaded { rules: hash, changed: true })
    }

    /// Why the folder was refused last; `None` where the folder is what runs.
    #[must_use]
    pub fn refused(&self) -> Option<String> {
        self.0.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Kafka's door: one source at a time, for the topics of the active rules.
#[derive(Clone)]
pub(super) struct KafkaDoor {
    settings: Option<Kafka>,
    tasks: Tasks,
    handle: Handle,
    reader: Reader,
    connectors: Arc<RwLock<Connectors>>,
    source: Arc<Mutex<Option<SourceHandle>>>,
    reading: Arc<tokio::sync::Mutex<Option<(BTreeMap<String, String>, CancellationToken)>>>,
}

impl KafkaDoor {
    pub(super) fn new(
        config: &Config,
        tasks: Tasks,
        handle: Handle,
        reader: Reader,
        connectors: Arc<RwLock<Connectors>>,
    ) -> Self {
        Self {
            settings: config.kafka.clone(),
            tasks,
            handle,
            reader,
            connectors,
            source: Arc::default(),
            reading: Arc::default(),
        }
    }

    /// Tells the source that runs what is durable.
    pub(super) fn commits(&self) -> Commit {
        let source = Arc::clone(&self.source);
        Box::new(move |offsets| {
            if let Some(source) = &*source.lock().unwrap_or_else(PoisonError::into_inner) {
                source.commit(offsets);
            }
        })
    }

    /// Reads the topics of `program` from where the ledger stands; what is read already goes on.
    pub(super) async fn read(&self, program: &Program, intake: &CancellationToken) -> Result<(), connect::Error> {
        let topics = connect::topics(program);
        let mut reading = self.reading.lock().await;
        if reading.as_ref().is_some_and(|(known, _)| *known == topics) {
            return Ok(());
        }
        if let Some((_, stop)) = reading.take() {
            stop.cancel();
        }
        if topics.is_empty() {
            return Ok(());
        }
        let Some(kafka) = &self.settings else {
            let names: Vec<&str> = topics.keys().map(String::as_str).collect();
            tracing::warn!(topics = names.join(", "), "engine.yaml has no `kafka`; these topics are not read");
            self.handle.source("kafka", "not configured");
            return Ok(());
        };
        let settings = connect::kafka(kafka, topics.keys().cloned())?;
        let offsets = decide::offsets(&self.reader).map_err(|error| connect::Error::Service(error.to_string()))?;
        let stop = intake.child_token();
        let (sender, events) = tokio::sync::mpsc::channel(EVENTS);
        let (source, body) = KafkaSource::start(settings, offsets, sender, stop.clone())
            .map_err(|error| connect::Error::Service(error.to_string()))?;
        *self.source.lock().unwrap_or_else(PoisonError::into_inner) = Some(source);
        self.tasks.spawn("kafka", |_| body);
        let (handle, connectors, systems) = (self.handle.clone(), Arc::clone(&self.connectors), topics.clone());
        self.tasks.spawn("kafka-intake", |_| pump(events, systems, connectors, handle));
        *reading = Some((topics, stop));
        Ok(())
    }
}

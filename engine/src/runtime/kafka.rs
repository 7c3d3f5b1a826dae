//! Kafka's door: one source at a time, for the topics of the active rules.
//!
//! Always true: whatever can fail happens in [`KafkaDoor::prepare`], before a rule set is made the active one;
//! [`KafkaDoor::switch`] cannot fail. A source that is prepared hands nothing on, and one that is never switched to
//! ends by itself.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use connectors::kafka::source::{Event, Handle as SourceHandle, KafkaSource};
use dsl::program::Program;
use tokio::sync::mpsc::{Receiver, channel};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::connect;
use crate::config::Kafka;
use crate::decide;
use crate::intake::kafka::pump;
use crate::ledger::StateReader;
use crate::shell::{Commit, Connectors, Handle, SourceState};
use crate::tasks::Tasks;

/// Events of the source that wait for the pump.
const EVENTS: usize = 1_024;

/// The system that each topic belongs to.
type Topics = BTreeMap<String, String>;

/// Reads the topics that the active rules name.
#[derive(Clone)]
pub(super) struct KafkaDoor {
    settings: Option<Kafka>,
    tasks: Tasks,
    handle: Handle,
    reader: StateReader,
    connectors: Arc<RwLock<Connectors>>,
    source: Arc<Mutex<Option<SourceHandle>>>,
    reading: Arc<Mutex<Option<(Topics, DropGuard)>>>,
}

/// What a rule set has Kafka's door do.
pub(super) enum Next {
    /// What is read already is what it wants.
    Same,
    /// It names no topics.
    Nothing,
    /// It names topics, and nothing says where Kafka is.
    Unconfigured(Topics),
    /// A source that waits to be listened to.
    Read(Box<Prepared>),
}

/// A source that waits to be listened to; it ends where this is dropped.
pub(super) struct Prepared {
    topics: Topics,
    source: SourceHandle,
    events: Receiver<Event>,
    stop: DropGuard,
}

impl KafkaDoor {
    pub(super) fn new(
        settings: Option<Kafka>,
        tasks: Tasks,
        handle: Handle,
        reader: StateReader,
        connectors: Arc<RwLock<Connectors>>,
    ) -> Self {
        Self { settings, tasks, handle, reader, connectors, source: Arc::default(), reading: Arc::default() }
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

    /// A source for the topics of `program`, from where the ledger stands. What is decided before the switch comes
    /// again after it, and is known by its offset.
    ///
    /// # Errors
    /// Where the settings cannot be used, a secret is missing, or the ledger cannot be read.
    pub(super) fn prepare(&self, program: &Program, intake: &CancellationToken) -> Result<Next, connect::Error> {
        let topics = connect::topics(program);
        let reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        if reading.as_ref().is_some_and(|(known, _)| *known == topics) {
            return Ok(Next::Same);
        }
        drop(reading);
        if topics.is_empty() {
            return Ok(Next::Nothing);
        }
        let Some(kafka) = &self.settings else { return Ok(Next::Unconfigured(topics)) };
        let mut settings = connect::kafka(kafka, topics.keys().cloned())?;
        let unreadable = |error: crate::ledger::Error| connect::Error::Service(error.to_string());
        let offsets = decide::offsets(&self.reader).map_err(unreadable)?;
        settings.cluster = decide::known_cluster(&self.reader).map_err(unreadable)?;
        let stop = intake.child_token();
        let (sender, events) = channel(EVENTS);
        let (source, body) = KafkaSource::start(settings, offsets, sender, stop.clone())
            .map_err(|error| connect::Error::Service(error.to_string()))?;
        self.tasks.spawn("kafka", |_| body);
        Ok(Next::Read(Box::new(Prepared { topics, source, events, stop: stop.drop_guard() })))
    }

    /// Reads what was prepared, instead of what was read before.
    pub(super) fn switch(&self, next: Next) {
        if matches!(next, Next::Same) {
            return;
        }
        // The source before ends with its guard; its pump hands on what it has.
        *self.reading.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.handle.forget_sources();
        match next {
            Next::Same | Next::Nothing => {}
            Next::Unconfigured(topics) => {
                let names: Vec<&str> = topics.keys().map(String::as_str).collect();
                tracing::warn!(topics = names.join(", "), "Kafka is not configured; these topics are not read");
                self.handle.source("kafka", SourceState::NotConfigured);
            }
            Next::Read(prepared) => {
                let Prepared { topics, source, events, stop } = *prepared;
                *self.source.lock().unwrap_or_else(PoisonError::into_inner) = Some(source);
                let (handle, connectors) = (self.handle.clone(), Arc::clone(&self.connectors));
                let systems = topics.clone();
                self.tasks.spawn("kafka-intake", |_| pump(events, systems, connectors, handle));
                *self.reading.lock().unwrap_or_else(PoisonError::into_inner) = Some((topics, stop));
            }
        }
    }
}

//! Kafka records, read on from the ledger's offsets.
//!
//! Always true: at most [`AHEAD`] records are decided but not durable; when the ledger takes nothing, reading stops
//! by itself.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use connectors::kafka::source::Event;
use tokio::sync::{Semaphore, mpsc};

use crate::shell::{Connectors, Handle, Wake};
use crate::telemetry;

/// Records that may wait for the disk at once.
pub const AHEAD: usize = 4_096;

/// Hands the events of a source to the loop until either ends. `systems` says whose each topic is.
pub async fn pump(
    mut events: mpsc::Receiver<Event>,
    systems: BTreeMap<String, String>,
    connectors: Arc<RwLock<Connectors>>,
    handle: Handle,
) {
    let room = Arc::new(Semaphore::new(AHEAD));
    while let Some(event) = events.recv().await {
        match event {
            Event::Record { topic, partition, offset, payload, .. } => {
                // No rule asks for a topic that has no system; such a record is kept for people like any that nobody reads.
                let system = systems.get(&topic).cloned().unwrap_or_else(|| topic.clone());
                let connector = connectors.read().unwrap_or_else(PoisonError::into_inner).get(&system).map(Arc::clone);
                let read = match connector {
                    Some(connector) => connector.read(&payload).map_err(|error| error.to_string()),
                    None => Err(format!("the rules have no system `{system}`")),
                };
                telemetry::delivery(&system, "kafka", read.as_ref().is_ok_and(|read| read.spoilt.is_empty()));
                let Ok(room) = Arc::clone(&room).acquire_owned().await else { return };
                if handle.wake(Wake::Record { system, read, payload, topic, partition, offset, room }).is_err() {
                    return;
                }
            }
            Event::Down(reason) => {
                tracing::error!(reason, "Kafka cannot be reached");
                handle.source("kafka", &format!("down: {reason}"));
            }
            Event::Up { cluster } => {
                tracing::info!(cluster = cluster.as_deref().unwrap_or_default(), "Kafka answers");
                handle.source("kafka", "up");
            }
            Event::Cluster { id, before } => {
                if let Some(before) = before {
                    tracing::error!(before, id, "another Kafka cluster: its topics are read from their start");
                }
                if handle.wake(Wake::Cluster { id }).is_err() {
                    return;
                }
            }
            Event::Partitions { topic, count } => {
                let state = if count == 0 { "no such topic yet".to_owned() } else { format!("{count} partitions") };
                if count == 0 {
                    tracing::warn!(topic, "there is no such topic yet");
                }
                handle.source(&format!("topic {topic}"), &state);
            }
            Event::OffsetGone { topic, partition, wanted, low, high } => {
                let reason = format!(
                    "offset {wanted} was to be read, but the topic has {low} to {high}: \
                     it was kept too short, or made anew"
                );
                if handle.wake(Wake::OffsetGone { topic, partition, next: low, reason }).is_err() {
                    return;
                }
            }
        }
    }
}

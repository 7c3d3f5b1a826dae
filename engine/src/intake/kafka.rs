//! Kafka records, read on from the ledger's offsets.
//!
//! Always true: at most [`AHEAD`] records are decided but not durable; when the ledger takes nothing, reading stops
//! by itself.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use connectors::kafka::source::Event;
use tokio::sync::{Semaphore, mpsc};

use crate::shell::{Connectors, Handle, SourceState, Wake};
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
            Event::Record { topic, partition, offset, timestamp, key, payload } => {
                // No rule asks for a topic that has no system; such a record is kept for people like any that nobody reads.
                let system = systems.get(&topic).cloned().unwrap_or_else(|| topic.clone());
                let Some(payload) = payload else {
                    telemetry::delivery(&system, "kafka", true);
                    let Ok(room) = Arc::clone(&room).acquire_owned().await else { return };
                    let tombstone = Wake::Tombstone { system, key, at: timestamp, topic, partition, offset, room };
                    if handle.wake(tombstone).is_err() {
                        return;
                    }
                    continue;
                };
                let connector = connectors.read().unwrap_or_else(PoisonError::into_inner).get(&system).map(Arc::clone);
                let read = match connector {
                    Some(connector) => connector.read(&payload).map_err(|error| error.to_string()),
                    None => Err(format!("the rules have no system `{system}`")),
                };
                telemetry::delivery(&system, "kafka", read.as_ref().is_ok_and(|read| read.malformed.is_empty()));
                let Ok(room) = Arc::clone(&room).acquire_owned().await else { return };
                let record = Wake::Record { system, read, payload, key, topic, partition, offset, room };
                if handle.wake(record).is_err() {
                    return;
                }
            }
            Event::Down(reason) => {
                tracing::error!(reason, "Kafka cannot be reached");
                handle.source("kafka", SourceState::Down { reason });
            }
            Event::Up { cluster } => {
                tracing::info!(cluster = cluster.as_deref().unwrap_or_default(), "Kafka answers");
                handle.source("kafka", SourceState::Up);
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
                let state = match count {
                    0 => {
                        tracing::warn!(topic, "there is no such topic yet");
                        SourceState::NoTopic
                    }
                    count => SourceState::Partitions(count),
                };
                handle.source(&format!("topic {topic}"), state);
            }
            Event::Lag { topic, partition, records } => telemetry::lag(&topic, partition, records),
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc::Receiver;

    use async_trait::async_trait;
    use bytes::Bytes;
    use connectors::port::{Answer, Connector, Delivery, Request, Unreadable, Verb};

    use dsl::value::Timestamp;

    use super::*;
    use crate::shell;

    /// Reads nothing but the word `good`.
    struct Picky;

    #[async_trait]
    impl Connector for Picky {
        fn max_batch(&self, _: &Verb) -> usize {
            1
        }
        fn calls(&self, _: &Request) -> u32 {
            1
        }
        async fn perform(&self, _: &Request) -> Vec<Answer> {
            Vec::new()
        }
        fn read(&self, body: &[u8]) -> Result<Delivery, Unreadable> {
            match body {
                b"good" => Ok(Delivery::default()),
                _ => Err(Unreadable::Delivery("it is not good".to_owned())),
            }
        }
    }

    /// What the loop hears of `events`.
    async fn heard(events: Vec<Event>) -> Receiver<Wake> {
        let (handle, wakes) = shell::handle();
        let (sender, receiver) = mpsc::channel(events.len());
        for event in events {
            sender.send(event).await.expect("somebody listens");
        }
        drop(sender);
        let connectors: Connectors = [("app".to_owned(), Arc::new(Picky) as Arc<dyn Connector>)].into();
        let systems = [("users".to_owned(), "app".to_owned())].into();
        pump(receiver, systems, Arc::new(RwLock::new(connectors)), handle).await;
        wakes
    }

    fn record(topic: &str, offset: i64, payload: &'static str) -> Event {
        let payload = Bytes::from_static(payload.as_bytes());
        Event::Record {
            topic: topic.to_owned(),
            partition: 3,
            offset,
            timestamp: None,
            key: None,
            payload: Some(payload),
        }
    }

    #[tokio::test]
    async fn a_record_that_cannot_be_read_goes_on_with_its_place_and_the_next_one_follows() {
        let wakes = heard(vec![record("users", 7, "bad"), record("users", 8, "good")]).await;
        let Ok(Wake::Record { read, topic, partition, offset, payload, .. }) = wakes.recv() else { panic!("a record") };
        assert_eq!((read, topic.as_str(), partition, offset), (Err("it is not good".to_owned()), "users", 3, 7));
        assert_eq!(payload, "bad");
        let Ok(Wake::Record { read, offset, .. }) = wakes.recv() else { panic!("a record") };
        assert_eq!((read, offset), (Ok(Delivery::default()), 8));
    }

    #[tokio::test]
    async fn a_record_of_a_topic_that_no_system_has_is_not_dropped() {
        let wakes = heard(vec![record("others", 1, "good")]).await;
        let Ok(Wake::Record { system, read, .. }) = wakes.recv() else { panic!("a record") };
        assert_eq!(system, "others");
        assert!(read.is_err_and(|reason| reason.contains("`others`")));
    }

    #[tokio::test]
    async fn a_record_without_a_value_goes_on_as_a_tombstone_with_its_key_and_time() {
        let tombstone = Event::Record {
            topic: "users".to_owned(),
            partition: 3,
            offset: 9,
            timestamp: Some(Timestamp(5)),
            key: Some(Bytes::from_static(b"u1")),
            payload: None,
        };
        let empty = record("users", 10, "");
        let wakes = heard(vec![tombstone, empty]).await;
        let Ok(Wake::Tombstone { system, key, at, offset, .. }) = wakes.recv() else { panic!("a tombstone") };
        assert_eq!((system.as_str(), key.as_deref(), at, offset), ("app", Some(&b"u1"[..]), Some(Timestamp(5)), 9));
        // An empty value is a value, and no tombstone.
        assert!(matches!(wakes.recv(), Ok(Wake::Record { offset: 10, read: Err(_), .. })));
    }
}

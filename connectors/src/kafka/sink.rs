//! Records to Kafka, each once and in order per partition: idempotent, acknowledged by all in-sync replicas.
//!
//! In: topic, key, payload. Out: where the record stands, when the brokers have it.
//! Always true: `Ok` means written; a broker that is away delays, up to the timeout given.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use rdkafka::error::KafkaError;
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use rdkafka::util::Timeout;

use super::client::{self, Context, Error};

/// Options that the promises rest on.
const FIXED: [(&str, &str); 2] = [("enable.idempotence", "true"), ("acks", "all")];

/// A producer; clones share one connection.
#[derive(Clone)]
pub struct KafkaSink {
    producer: FutureProducer<Context>,
    /// The producer hides its own behind one of rdkafka's.
    context: Context,
}

/// A record that the brokers did not take.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("Kafka did not take a record of `{topic}`: {reason}")]
pub struct NotTaken {
    /// Its topic.
    pub topic: String,
    /// Why, in the broker's words where it said any.
    pub reason: String,
    /// The client's error.
    #[source]
    pub error: KafkaError,
}

impl KafkaSink {
    /// Makes the producer; connects in the background. A record is given up after `timeout`
    /// (zero: never); `options` are librdkafka's.
    ///
    /// # Errors
    /// Where an option is unknown, reserved, or needs TLS that is not built in.
    pub fn connect(brokers: &str, timeout: Duration, options: &BTreeMap<String, String>) -> Result<Self, Error> {
        let timeout = timeout.as_millis().to_string();
        // A record waits a moment for others to share its request.
        let defaults = [("linger.ms", "2"), ("message.timeout.ms", timeout.as_str())];
        let config = client::config(brokers, &FIXED, &defaults, options)?;
        let context = Context::default();
        let producer = config.create_with_context(context.clone()).map_err(Error::Client)?;
        Ok(Self { producer, context })
    }

    /// Writes one record; `partition` overrides the key's. Gives its partition and offset.
    ///
    /// # Errors
    /// Where the brokers refuse it, or did not take it in time.
    pub async fn send(
        &self,
        topic: &str,
        partition: Option<i32>,
        key: Option<&str>,
        payload: &Bytes,
    ) -> Result<(i32, i64), NotTaken> {
        let mut record = FutureRecord::to(topic).payload(payload.as_ref());
        record.key = key;
        record.partition = partition;
        match self.producer.send(record, Timeout::Never).await {
            Ok(delivery) => Ok((delivery.partition, delivery.offset)),
            Err((error, _)) => {
                let reason = self.context.reason().unwrap_or_else(|| error.to_string());
                Err(NotTaken { topic: topic.to_owned(), reason, error })
            }
        }
    }
}

impl fmt::Debug for KafkaSink {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("KafkaSink").field("in_flight", &self.producer.in_flight_count()).finish()
    }
}

//! Carries the app's messages to Kafka.
//!
//! In: [`App::outgoing`]. Out: records on the app's topics, keyed by record id.
//! Always true: messages about one record arrive in the order of their changes, each once (the producer is
//! idempotent and keeps one order per partition); a broker that is away only delays them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{DeliveryFuture, FutureProducer, FutureRecord, Producer};
use tokio_util::sync::CancellationToken;

use super::{App, Outgoing};
use crate::model::locked;

/// How long the publisher waits at its end for records that the broker has not taken yet.
const LAST_WAIT: Duration = Duration::from_secs(5);

/// Why the publisher ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The producer could not be made, or may not go on.
    #[error("the app twin cannot publish")]
    Kafka(#[from] KafkaError),
    /// The producer went away with a record in hand.
    #[error("the producer dropped a record of {topic}")]
    Dropped {
        /// The topic of the record.
        topic: String,
    },
}

/// Publishes what `app` has to say until `stop`; then hands over what is left, waiting up to 5 s.
///
/// # Errors
/// Where the broker refuses for good: an unknown topic, a record too large, a fatal error of the producer.
pub async fn publish(app: Arc<Mutex<App>>, brokers: &str, stop: CancellationToken) -> Result<(), Failure> {
    let producer: FutureProducer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("enable.idempotence", "true")
        .set("linger.ms", "2")
        // A record is retried until the broker takes it: an app does not forget its changes.
        .set("message.timeout.ms", "0")
        .create()?;
    let mut changes = locked(&app).changes();
    let mut sent = VecDeque::new();
    loop {
        // Marked before the queue is drained, so a message that comes meanwhile wakes the wait below.
        changes.mark_unchanged();
        let ready = locked(&app).outgoing();
        for message in ready {
            enqueue(&producer, message, &mut sent).await?;
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            answer = settle(&mut sent), if !sent.is_empty() => answer?,
            more = changes.changed() => if more.is_err() { break },
        }
    }
    let rest = locked(&app).outgoing();
    for message in rest {
        enqueue(&producer, message, &mut sent).await?;
    }
    let settled = tokio::time::timeout(LAST_WAIT, async {
        while !sent.is_empty() {
            settle(&mut sent).await?;
        }
        Ok::<(), Failure>(())
    });
    match settled.await {
        Ok(result) => result,
        Err(_) => {
            tracing::error!(records = producer.in_flight_count(), "the broker did not take the app's last records");
            Err(KafkaError::MessageProduction(RDKafkaErrorCode::OperationTimedOut).into())
        }
    }
}

type Sent = VecDeque<(String, DeliveryFuture)>;

/// Hands one record to the producer; while its queue is full, waits for the oldest one to be taken.
async fn enqueue(producer: &FutureProducer, message: Outgoing, sent: &mut Sent) -> Result<(), Failure> {
    loop {
        let record = FutureRecord::to(&message.topic).key(&message.key).payload(message.body.as_ref());
        match producer.send_result(record) {
            Ok(delivery) => {
                sent.push_back((message.topic, delivery));
                return Ok(());
            }
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) if !sent.is_empty() => {
                settle(sent).await?;
            }
            Err((error, _)) => return Err(error.into()),
        }
    }
}

/// Waits for the broker's word on the oldest record. Safe to drop half way: the record stays where it is.
async fn settle(sent: &mut Sent) -> Result<(), Failure> {
    let Some((topic, delivery)) = sent.front_mut() else { return Ok(()) };
    let answer = delivery.await;
    let topic = std::mem::take(topic);
    sent.pop_front();
    match answer {
        Ok(Ok(_)) => Ok(()),
        Ok(Err((error, _))) => Err(error.into()),
        Err(_) => Err(Failure::Dropped { topic }),
    }
}

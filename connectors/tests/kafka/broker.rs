//! A topic of one's own on the broker, and a source that is watched.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use connectors::kafka::sink::KafkaSink;
use connectors::kafka::source::{Event, Handle, KafkaSource, Partition, Settings};
use connectors::testing::needed::needed;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::Consumer as _;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// After this a test has failed; nothing waits so long when all is well.
const PATIENCE: Duration = Duration::from_secs(30);

/// Fails the test where `answer` does not come.
pub(crate) async fn within<T>(what: &str, answer: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, answer).await {
        Ok(answer) => answer,
        Err(_) => panic!("{what} did not come within {PATIENCE:?}"),
    }
}

/// The brokers and a topic that no other test uses.
pub(crate) struct Broker {
    pub(crate) brokers: String,
    pub(crate) topic: String,
    admin: AdminClient<DefaultClientContext>,
    sink: KafkaSink,
}

impl Broker {
    /// A fresh topic; `None` where the test is skipped.
    pub(crate) async fn with_topic(partitions: i32) -> Option<Self> {
        let broker = Self::without_topic()?;
        broker.create(partitions).await;
        Some(broker)
    }

    /// The name of a topic that is not there; `None` where the test is skipped.
    pub(crate) fn without_topic() -> Option<Self> {
        Some(Self::of(needed("KAFKA_BROKERS", "Kafka broker")?))
    }

    /// The name of a topic that these brokers do not have.
    pub(crate) fn of(brokers: String) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        let topic = format!("test-{time}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let admin = ClientConfig::new().set("bootstrap.servers", &brokers).create().unwrap();
        let sink = KafkaSink::connect(&brokers, PATIENCE, &BTreeMap::new()).unwrap();
        Self { brokers, topic, admin, sink }
    }

    pub(crate) async fn create(&self, partitions: i32) {
        let topic = NewTopic::new(&self.topic, partitions, TopicReplication::Fixed(1));
        let made = self.admin.create_topics([&topic], &Self::patient()).await.unwrap();
        made.into_iter().for_each(|one| drop(one.unwrap()));
    }

    pub(crate) async fn delete(&self) {
        let gone = self.admin.delete_topics(&[&self.topic], &Self::patient()).await.unwrap();
        gone.into_iter().for_each(|one| drop(one.unwrap()));
    }

    /// The brokers have no such topic any more.
    pub(crate) async fn is_gone(&self) -> bool {
        let consumer: rdkafka::consumer::BaseConsumer =
            ClientConfig::new().set("bootstrap.servers", &self.brokers).create().unwrap();
        let topic = self.topic.clone();
        let look = move || {
            let metadata = consumer.fetch_metadata(Some(&topic), PATIENCE).unwrap();
            metadata.topics().iter().all(|topic| topic.partitions().is_empty())
        };
        tokio::task::spawn_blocking(look).await.unwrap()
    }

    pub(crate) async fn grow(&mut self, partitions: usize) {
        let more = NewPartitions::new(&self.topic, partitions);
        let made = self.admin.create_partitions([&more], &Self::patient()).await.unwrap();
        made.into_iter().for_each(|one| drop(one.unwrap()));
        self.forget();
    }

    /// Writes through a new producer from now on: the old one would hold what it knew of the topic for minutes.
    pub(crate) fn forget(&mut self) {
        self.sink = KafkaSink::connect(&self.brokers, PATIENCE, &BTreeMap::new()).unwrap();
    }

    /// What retention does: everything of `partition` before `offset` is gone.
    pub(crate) async fn forget_before(&self, partition: i32, offset: i64) {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.topic, partition, Offset::Offset(offset)).unwrap();
        let gone = self.admin.delete_records(&list, &Self::patient()).await.unwrap();
        gone.elements().iter().for_each(|one| one.error().unwrap());
    }

    /// Writes one record; gives its offset.
    pub(crate) async fn write(&self, partition: i32, text: &str) -> i64 {
        let payload = Bytes::copy_from_slice(text.as_bytes());
        let (at, offset) = self.sink.send(&self.topic, Some(partition), None, &payload).await.unwrap();
        assert_eq!(at, partition);
        offset
    }

    /// Writes `from..to` as text, one record each.
    pub(crate) async fn write_numbers(&self, partition: i32, numbers: std::ops::Range<i64>) {
        let writes = numbers.map(|number| async move { self.write(partition, &number.to_string()).await });
        futures_util::future::join_all(writes).await;
    }

    pub(crate) fn settings(&self) -> Settings {
        Settings::new(&self.brokers, format!("group-{}", self.topic), [self.topic.clone()])
    }

    pub(crate) fn at(&self, offsets: &[(i32, i64)]) -> BTreeMap<Partition, i64> {
        offsets.iter().map(|(partition, next)| ((self.topic.clone(), *partition), *next)).collect()
    }

    fn patient() -> AdminOptions {
        AdminOptions::new().request_timeout(Some(PATIENCE)).operation_timeout(Some(PATIENCE))
    }
}

/// A running source.
pub(crate) struct Source {
    pub(crate) handle: Handle,
    pub(crate) events: mpsc::Receiver<Event>,
    stop: CancellationToken,
    run: JoinHandle<()>,
}

/// A record as tests compare it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Seen {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) text: String,
}

pub(crate) fn seen(partition: i32, offset: i64, text: &str) -> Seen {
    Seen { partition, offset, text: text.to_owned() }
}

impl Source {
    pub(crate) fn start(settings: Settings, offsets: BTreeMap<Partition, i64>, room: usize) -> Self {
        let (out, events) = mpsc::channel(room);
        let stop = CancellationToken::new();
        let (handle, run) = KafkaSource::start(settings, offsets, out, stop.clone()).unwrap();
        Self { handle, events, stop, run: tokio::spawn(run) }
    }

    /// The next event but for figures.
    pub(crate) async fn event(&mut self) -> Event {
        loop {
            let event = within("an event", self.events.recv()).await.expect("the source runs");
            if !matches!(event, Event::Lag { .. }) {
                return event;
            }
        }
    }

    /// Waits until a partition is told to have so many records that are not read.
    pub(crate) async fn lag(&mut self, wanted: u64) {
        loop {
            let event = within("a lag", self.events.recv()).await.expect("the source runs");
            if matches!(event, Event::Lag { records, .. } if records == wanted) {
                return;
            }
        }
    }

    /// The next event that `pick` takes; others are passed over, except for records, which may not be lost.
    pub(crate) async fn until<T>(&mut self, pick: impl Fn(&Event) -> Option<T>) -> T {
        loop {
            let event = self.event().await;
            if let Some(picked) = pick(&event) {
                return picked;
            }
            assert!(!matches!(event, Event::Record { .. }), "a record came first: {event:?}");
        }
    }

    pub(crate) async fn record(&mut self) -> Seen {
        self.until(|event| match event {
            Event::Record { partition, offset, payload, .. } => {
                let payload = payload.as_deref().unwrap_or_default();
                Some(seen(*partition, *offset, std::str::from_utf8(payload).unwrap()))
            }
            _ => None,
        })
        .await
    }

    pub(crate) async fn records(&mut self, count: usize) -> Vec<Seen> {
        let mut records = Vec::new();
        while records.len() < count {
            records.push(self.record().await);
        }
        records
    }

    /// Wanted, low and high of the next gone offset.
    pub(crate) async fn gone(&mut self) -> (i32, i64, i64, i64) {
        self.until(|event| match event {
            Event::OffsetGone { partition, wanted, low, high, .. } => Some((*partition, *wanted, *low, *high)),
            _ => None,
        })
        .await
    }

    pub(crate) async fn up(&mut self) {
        self.until(|event| matches!(event, Event::Up { .. }).then_some(())).await;
    }

    pub(crate) async fn down(&mut self) -> String {
        self.until(|event| match event {
            Event::Down(reason) => Some(reason.clone()),
            _ => None,
        })
        .await
    }

    pub(crate) async fn partitions(&mut self, wanted: usize) {
        self.until(|event| matches!(event, Event::Partitions { count, .. } if *count == wanted).then_some(())).await;
    }

    /// Stops it and waits for its end.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        within("the end of the source", self.run).await.unwrap();
    }
}

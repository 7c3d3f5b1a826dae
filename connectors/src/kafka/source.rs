//! Reads every partition of the named topics, from the offsets that the ledger holds.
//!
//! In: next offsets, pause and resume, commits for lag monitoring. Out: [`Event`]s, over a bounded channel.
//! Always true: partitions are assigned by us, no group protocol takes part; the offsets of one partition only
//! rise, so after a restart from stored offsets nothing is missing and nothing comes twice; a full channel holds
//! the reading up (and librdkafka's queue is bounded); an offset that is gone is told before anything after it is
//! read; a broker that is away is a state that is told once, with its reason, never the end; where records are there
//! and none arrives, or a partition vanished, the client is made anew: librdkafka keeps what it knew of a topic (the
//! epoch of its leader above all) and ignores the leader of one that was made anew, without an error.
//! Awkward but true: a topic that was deleted and made anew, and has grown past our offset before we look, cannot
//! be told from the old one by its offsets. A new cluster can, by its id: its topics are read from their start.
//! Not here: what a record means; where offsets are kept; tasks (the caller spawns the future).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use dsl::value::Timestamp;
use futures_util::FutureExt;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{CommitMode, Consumer, StreamConsumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::client::{self, Context, Error};

/// A partition: topic and number.
pub type Partition = (String, i32);

/// How long the brokers may take to answer one question of a survey before they count as away.
const SURVEY_TIMEOUT: Duration = Duration::from_secs(3);

/// Between two surveys while something is not as it should be, and between two commits.
const SOON: Duration = Duration::from_secs(1);

/// How long after its last error a partition counts as one that cannot be read: librdkafka asks again at least once a
/// second.
const STUCK_FOR: Duration = Duration::from_secs(15);

/// Records that are handed on before the loop looks at anything else.
const BURST: usize = 256;

/// How to read.
#[derive(Clone, PartialEq, Eq)]
pub struct Settings {
    /// `host:port`, separated by commas.
    pub brokers: String,
    /// Names the commits, for lag monitoring; nobody joins the group.
    pub group: String,
    /// What is read.
    pub topics: BTreeSet<String>,
    /// How long a broker may hold a fetch open while there is nothing, in milliseconds. A real broker answers as
    /// soon as a record comes; librdkafka's mock does not, so set it low there (10).
    pub fetch_wait_ms: u32,
    /// How often new partitions are looked for.
    pub refresh: Duration,
    /// What to do where the wanted offset is gone, or the whole cluster is another one.
    pub when_gone: WhenGone,
    /// Id of the cluster that the offsets given at the start are of, where it is known.
    pub cluster: Option<String>,
    /// Further options of librdkafka: security above all.
    pub options: BTreeMap<String, String>,
}

/// What to do where the wanted offset is gone; it is told in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WhenGone {
    /// Go on at the oldest record that is there.
    #[default]
    Oldest,
    /// Leave the partition alone until the source is started again.
    Park,
}

impl Settings {
    /// The usual: a fetch is held open 500 ms, new partitions are looked for every 30 s, a gone offset is told and
    /// passed over.
    pub fn new(brokers: impl Into<String>, group: impl Into<String>, topics: impl IntoIterator<Item = String>) -> Self {
        Self {
            brokers: brokers.into(),
            group: group.into(),
            topics: topics.into_iter().collect(),
            fetch_wait_ms: 500,
            refresh: Duration::from_secs(30),
            when_gone: WhenGone::default(),
            cluster: None,
            options: BTreeMap::new(),
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values of options may be passwords.
        out.debug_struct("Settings")
            .field("brokers", &self.brokers)
            .field("group", &self.group)
            .field("topics", &self.topics)
            .field("fetch_wait_ms", &self.fetch_wait_ms)
            .field("refresh", &self.refresh)
            .field("when_gone", &self.when_gone)
            .field("cluster", &self.cluster)
            .field("options", &self.options.keys())
            .finish()
    }
}

/// What the source tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A record.
    Record {
        /// Its topic.
        topic: String,
        /// Its partition.
        partition: i32,
        /// Its offset; the next one to read is one more.
        offset: i64,
        /// When it was written, as its producer or the broker says.
        timestamp: Option<Timestamp>,
        /// Its key; nothing where it has none.
        key: Option<Bytes>,
        /// Its value; nothing where it has none (a tombstone).
        payload: Option<Bytes>,
    },
    /// The brokers cannot be reached, or do not let us in. Told once; the source keeps trying.
    Down(String),
    /// The brokers answer: at start, and after [`Event::Down`].
    Up {
        /// The cluster's id, where the brokers say one.
        cluster: Option<String>,
    },
    /// The cluster is not the one that was known. Where one was known, no offset of it means anything here: every
    /// partition is read from its start, or left alone, by [`Settings::when_gone`]. Told before any record of it.
    Cluster {
        /// Its id.
        id: String,
        /// The one that was known.
        before: Option<String>,
    },
    /// How many partitions a topic has; told at start and when it changes. 0: there is no such topic (yet).
    Partitions {
        /// The topic.
        topic: String,
        /// How many.
        count: usize,
    },
    /// How many records of a partition are there and not read yet; told at a look at the brokers where it has changed.
    Lag {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// Offsets up to the end of the partition, at least 0.
        records: u64,
    },
    /// The wanted offset is not there any more (retention), or not yet (the topic was made anew). Told before any
    /// later record of the partition; then [`Settings::when_gone`] says how it goes on.
    OffsetGone {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// The offset that was wanted.
        wanted: i64,
        /// The oldest offset that is there.
        low: i64,
        /// The offset that the next record will get.
        high: i64,
    },
}

/// What its owner asks of a running source. Clones speak for the same source.
#[derive(Debug, Clone)]
pub struct Handle {
    wishes: watch::Sender<Wishes>,
    renewals: Arc<AtomicU64>,
}

#[derive(Debug, Clone, Default)]
struct Wishes {
    paused: bool,
    commits: BTreeMap<Partition, i64>,
}

impl Handle {
    /// How often the client was made anew since the start.
    #[must_use]
    pub fn renewals(&self) -> u64 {
        self.renewals.load(Ordering::Relaxed)
    }

    /// Stops reading, as soon as may be; the connection stays. Up to one burst of records may still come.
    pub fn pause(&self) {
        self.wishes.send_modify(|wishes| wishes.paused = true);
    }

    /// Goes on reading where it stopped.
    pub fn resume(&self) {
        self.wishes.send_modify(|wishes| wishes.paused = false);
    }

    /// Tells Kafka the next offset to read of each partition, at most once a second, for lag monitoring only:
    /// nothing rests on it, and it may fail.
    pub fn commit(&self, next: BTreeMap<Partition, i64>) {
        self.wishes.send_modify(|wishes| wishes.commits.extend(next));
    }
}

/// The door for Kafka records.
#[derive(Debug, Clone, Copy)]
pub struct KafkaSource;

impl KafkaSource {
    /// Makes a source that reads on from `offsets` (the next offset to read; the oldest record where there is
    /// none) into `out` until `stop`, or until nobody listens to `out`. Nothing runs before the future is spawned.
    ///
    /// # Errors
    /// Where there is no topic, or an option is unknown, reserved, or needs TLS that is not built in. A broker
    /// that is away is no error but [`Event::Down`].
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(
        settings: Settings,
        offsets: BTreeMap<Partition, i64>,
        out: mpsc::Sender<Event>,
        stop: CancellationToken,
    ) -> Result<(Handle, impl Future<Output = ()> + Send + 'static), Error> {
        if settings.topics.is_empty() {
            return Err(Error::NoTopics);
        }
        let wait = settings.fetch_wait_ms.to_string();
        // Where to go on is said by the ledger, so nothing is committed by itself; and an offset that is gone is an
        // error, because the client would otherwise go on elsewhere and nobody would know what was left out.
        let fixed = [
            ("group.id", settings.group.as_str()),
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            ("auto.offset.reset", "error"),
            ("enable.partition.eof", "false"),
            ("allow.auto.create.topics", "false"),
        ];
        let defaults = [
            ("client.id", settings.group.as_str()),
            ("fetch.wait.max.ms", wait.as_str()),
            // A record that was damaged on its way is fetched again, not handed on.
            ("check.crcs", "true"),
            // The queue in front of the channel: bounded well below the engine's idle memory.
            ("queued.min.messages", "10000"),
            ("queued.max.messages.kbytes", "16384"),
            // With a queue this short the default of a second would be the limit of our speed.
            ("fetch.queue.backoff.ms", "10"),
        ];
        let config = client::config(&settings.brokers, &fixed, &defaults, &settings.options)?;
        let consumer = client(&config).map_err(Error::Client)?;
        let (sender, wishes) = watch::channel(Wishes::default());
        let cluster = settings.cluster.clone();
        let renewals = Arc::<AtomicU64>::default();
        let reader = Reader {
            consumer: Arc::new(consumer),
            config,
            renewals: Arc::clone(&renewals),
            settings,
            out,
            stop,
            wishes,
            next: offsets,
            there: BTreeSet::new(),
            assigned: BTreeSet::new(),
            parked: BTreeSet::new(),
            counts: BTreeMap::new(),
            cluster,
            halted: false,
            up: None,
            stuck: None,
            surveyed: BTreeMap::new(),
            lags: BTreeMap::new(),
            waits: BTreeMap::new(),
            stalled: None,
            paused: false,
            committed: BTreeMap::new(),
        };
        Ok((Handle { wishes: sender, renewals }, reader.run()))
    }
}

fn client(config: &ClientConfig) -> KafkaResult<StreamConsumer<Context>> {
    config.create_with_context(Context::default())
}

/// A partition that has records of which none arrives.
#[derive(Debug, Clone, Copy)]
struct Wait {
    /// The next offset to read, then as now.
    next: Option<i64>,
    /// The end of the partition when it began to wait.
    high: i64,
    since: Instant,
    /// After waiting for so long the client is made anew; twice as long each time.
    patience: Duration,
}

/// Nobody listens any more, or we were told to stop.
struct Ended;

/// Everything that can wake the loop.
enum Happened {
    TimeToLook,
    Surveyed(Result<Survey, String>),
    Wished,
    TimeToCommit,
    Received(KafkaResult<Event>),
}

struct Reader {
    consumer: Arc<StreamConsumer<Context>>,
    /// Of which the consumer was made.
    config: ClientConfig,
    renewals: Arc<AtomicU64>,
    settings: Settings,
    out: mpsc::Sender<Event>,
    stop: CancellationToken,
    wishes: watch::Receiver<Wishes>,
    /// The next offset to read of each partition that was read, now or before the start.
    next: BTreeMap<Partition, i64>,
    /// The partitions that the brokers named last.
    there: BTreeSet<Partition>,
    assigned: BTreeSet<Partition>,
    parked: BTreeSet<Partition>,
    counts: BTreeMap<String, usize>,
    /// Whose offsets `next` holds, where it is known.
    cluster: Option<String>,
    /// Nothing is read until the source is started again: the cluster is another one, and that is the policy.
    halted: bool,
    /// What was told last; `None` before the first survey.
    up: Option<bool>,
    /// Why a partition could not be read, and when that was told last.
    stuck: Option<(RDKafkaErrorCode, Instant)>,
    /// Where each partition stood when the last survey began: what it says of their ends is not older.
    surveyed: BTreeMap<Partition, i64>,
    /// What was told last of each partition.
    lags: BTreeMap<Partition, u64>,
    /// Partitions that have records of which none arrives, although somebody takes them.
    waits: BTreeMap<Partition, Wait>,
    /// A partition of which nothing arrives even from a new client, in words.
    stalled: Option<String>,
    paused: bool,
    committed: BTreeMap<Partition, i64>,
}

impl Reader {
    async fn run(mut self) {
        let mut survey = None;
        let Ended = self.read(&mut survey).await;
        self.commit();
        if let Some(running) = survey
            && let Err(error) = running.await
        {
            tracing::error!(%error, "the last look at the brokers failed");
        }
        // Closing waits for the brokers, and blocks.
        let consumer = self.consumer;
        if let Err(error) = tokio::task::spawn_blocking(move || drop(consumer)).await {
            tracing::error!(%error, "the Kafka consumer was not closed");
        }
    }

    async fn read(&mut self, survey: &mut Option<JoinHandle<Result<Survey, String>>>) -> Ended {
        let (stop, out) = (self.stop.clone(), self.out.clone());
        // When to look at the brokers, when to commit.
        let (mut looked, mut look_at) = (Instant::now(), Instant::now());
        let mut commit_at: Option<Instant> = None;
        loop {
            // Another one than in the turn before, where it was made anew.
            let consumer = Arc::clone(&self.consumer);
            let happened = tokio::select! {
                biased;
                () = stop.cancelled() => return Ended,
                () = out.closed() => return Ended,
                answer = ended(survey) => {
                    *survey = None;
                    Happened::Surveyed(answer)
                }
                () = tokio::time::sleep_until(look_at), if survey.is_none() => Happened::TimeToLook,
                // A handle that is gone asks for nothing more; its last wishes stand.
                Ok(()) = self.wishes.changed() => Happened::Wished,
                () = tokio::time::sleep_until(commit_at.unwrap_or(look_at)), if commit_at.is_some() => Happened::TimeToCommit,
                message = consumer.recv() => Happened::Received(message.map(|message| record(&message))),
            };
            let told = match happened {
                Happened::TimeToLook => {
                    looked = Instant::now();
                    *survey = Some(self.survey());
                    Ok(())
                }
                Happened::Surveyed(answer) => {
                    let told = self.settle(answer).await;
                    look_at = looked + if self.is_well() { self.settings.refresh } else { SOON };
                    told
                }
                Happened::Wished => {
                    self.turn();
                    commit_at = commit_at.or_else(|| Some(Instant::now() + SOON));
                    Ok(())
                }
                Happened::TimeToCommit => {
                    commit_at = None;
                    self.commit();
                    Ok(())
                }
                Happened::Received(first) => match self.hand_on(&consumer, first).await {
                    Ok(true) => Ok(()),
                    Ok(false) => {
                        look_at = look_at.min(looked + SOON);
                        Ok(())
                    }
                    Err(ended) => Err(ended),
                },
            };
            if let Err(ended) = told {
                return ended;
            }
        }
    }

    /// Hands on what was received, and what else has come already. False where it was not all well.
    async fn hand_on(&mut self, consumer: &StreamConsumer<Context>, first: KafkaResult<Event>) -> Result<bool, Ended> {
        let mut well = true;
        let mut left = BURST;
        let mut received = Some(first);
        while let Some(one) = received {
            match one {
                Ok(record) => self.pass(record).await?,
                Err(error) => {
                    well = false;
                    self.stumble(&error).await?;
                }
            }
            left -= 1;
            let wished = self.wishes.has_changed().unwrap_or(false);
            // INVARIANT: what is received here is handled by the next turn of this loop, so nothing is dropped.
            received = if left == 0 || wished {
                None
            } else {
                consumer.recv().now_or_never().map(|message| message.map(|message| record(&message)))
            };
        }
        Ok(well)
    }

    /// Gives a record to the listener, unless it was given before.
    async fn pass(&mut self, event: Event) -> Result<(), Ended> {
        let Event::Record { topic, partition, offset, .. } = &event else {
            return self.emit(event).await;
        };
        let key = (topic.clone(), *partition);
        let following = *offset + 1;
        if self.next.get(&key).is_some_and(|next| offset < next) {
            tracing::debug!(topic, partition, offset, "a record that was read already came again");
            return Ok(());
        }
        self.emit(event).await?;
        self.next.insert(key, following);
        Ok(())
    }

    async fn emit(&self, event: Event) -> Result<(), Ended> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(Ended),
            sent = self.out.send(event) => sent.map_err(|_| Ended),
        }
    }

    /// An error on the stream is a state, never the end: the next survey says what is the matter, but for what no
    /// survey sees, which is told here.
    async fn stumble(&mut self, error: &KafkaError) -> Result<(), Ended> {
        tracing::debug!(%error, "the Kafka stream stumbles");
        let Some(code) = error.rdkafka_error_code() else { return Ok(()) };
        match code {
            RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange => {
                // It does not say which partition: all are placed anew, from where we are, by the way of the start.
                match self.consumer.unassign() {
                    Ok(()) => self.assigned.clear(),
                    Err(error) => tracing::error!(%error, "Kafka partitions cannot be given back"),
                }
                Ok(())
            }
            RDKafkaErrorCode::BrokerTransportFailure
            | RDKafkaErrorCode::AllBrokersDown
            | RDKafkaErrorCode::Resolve
            | RDKafkaErrorCode::OperationTimedOut
            | RDKafkaErrorCode::Authentication
            | RDKafkaErrorCode::PartitionEOF => Ok(()),
            // The broker answers, and a partition cannot be read: its records are packed in a way that is not known,
            // damaged, or kept from us.
            code => {
                let told = self.stuck.as_ref().is_some_and(|(known, _)| *known == code);
                self.stuck = Some((code, Instant::now()));
                if !told {
                    tracing::error!(%code, "a Kafka partition cannot be read");
                }
                let reason = self.consumer.client().context().reason();
                let reason = reason.map_or_else(String::new, |reason| format!(" ({reason})"));
                self.tell_down(format!("a partition cannot be read: {code}{reason}")).await
            }
        }
    }

    /// A partition could not be read a moment ago.
    fn is_stuck(&mut self) -> bool {
        self.stuck.take_if(|(_, last)| last.elapsed() > STUCK_FOR);
        self.stuck.is_some()
    }

    /// True where every topic is there and every partition is read or parked.
    fn is_well(&self) -> bool {
        self.up == Some(true)
            && self.settings.topics.iter().all(|topic| self.counts.get(topic).is_some_and(|count| *count > 0))
            && self.there.iter().all(|partition| self.is_placed(partition))
            && self.stalled.is_none()
    }

    fn is_placed(&self, partition: &Partition) -> bool {
        self.halted || self.assigned.contains(partition) || self.parked.contains(partition)
    }

    /// Asks the brokers what is there, on a thread that may block.
    fn survey(&mut self) -> JoinHandle<Result<Survey, String>> {
        let (consumer, topics, stop) = (Arc::clone(&self.consumer), self.settings.topics.clone(), self.stop.clone());
        let parked = self.parked.clone();
        self.surveyed.clone_from(&self.next);
        tokio::task::spawn_blocking(move || {
            Survey::make(&consumer, &topics, &parked, &stop)
                .map_err(|error| consumer.client().context().reason().unwrap_or_else(|| error.to_string()))
        })
    }

    /// Takes in what the brokers say: tells it, and reads what is new.
    async fn settle(&mut self, answer: Result<Survey, String>) -> Result<(), Ended> {
        let survey = match answer {
            Ok(survey) => survey,
            Err(reason) => {
                // While the brokers are away nothing can arrive.
                self.waits.clear();
                return self.tell_down(reason).await;
            }
        };
        self.there = survey
            .topics
            .iter()
            .flat_map(|(topic, partitions)| partitions.iter().map(|partition| (topic.clone(), *partition)))
            .collect();
        // Offsets of another cluster say nothing of this one.
        if survey.cluster.is_none() || survey.cluster == self.cluster {
            self.watch(&survey.marks).await?;
        }
        match survey.trouble.or_else(|| self.stalled.clone()) {
            Some(reason) => self.tell_down(reason).await?,
            None if self.up != Some(true) && !self.is_stuck() => {
                self.up = Some(true);
                self.consumer.client().context().forget();
                self.emit(Event::Up { cluster: survey.cluster.clone() }).await?;
            }
            None => {}
        }
        // Before partitions are placed: in another cluster the offsets of this one mean nothing.
        if let Some(id) = survey.cluster
            && self.cluster.as_ref() != Some(&id)
        {
            self.meet(id).await?;
        }
        let vanished = |(topic, partition): &&Partition| {
            survey.topics.get(topic).is_some_and(|partitions| !partitions.contains(partition))
        };
        let vanished = self.assigned.iter().any(|partition| vanished(&partition));
        let shrunk = |(partition, (_, high)): (&Partition, &(i64, i64))| {
            self.assigned.contains(partition) && self.surveyed.get(partition).is_some_and(|next| high < next)
        };
        let shrunk = survey.marks.iter().any(shrunk);
        let waited = self.waits.values().any(|wait| wait.since.elapsed() >= wait.patience);
        for (topic, partitions) in survey.topics {
            let count = partitions.len();
            if self.counts.insert(topic.clone(), count) != Some(count) {
                if count == 0 {
                    tracing::warn!(topic, "there is no such Kafka topic");
                }
                self.emit(Event::Partitions { topic, count }).await?;
            }
        }
        if vanished || shrunk || waited {
            self.renew();
            return Ok(());
        }
        self.place(survey.marks).await
    }

    /// Tells how far behind each partition is, and notes those that have records of which none arrives.
    async fn watch(&mut self, marks: &BTreeMap<Partition, (i64, i64)>) -> Result<(), Ended> {
        self.stalled = None;
        if self.halted {
            return Ok(());
        }
        self.waits.retain(|key, _| marks.contains_key(key));
        // What is held up by whoever takes the records is no matter of the brokers'.
        let taken = !self.paused && self.out.capacity() > 0;
        for (key, (low, high)) in marks {
            let next = self.next.get(key).copied();
            let at = next.unwrap_or(*low).max(*low);
            let records = u64::try_from(high - at).unwrap_or_default();
            if self.lags.insert(key.clone(), records) != Some(records) {
                let (topic, partition) = key.clone();
                self.emit(Event::Lag { topic, partition, records }).await?;
            }
            if records == 0 || !taken || !self.assigned.contains(key) {
                self.waits.remove(key);
                continue;
            }
            let patience = self.settings.refresh.max(SOON);
            let begun = Wait { next, high: *high, since: Instant::now(), patience };
            let wait = self.waits.entry(key.clone()).or_insert(begun);
            if wait.next != next {
                *wait = begun;
            }
            // By itself the end of a partition may lie ahead of what can be read: transactions end in a mark that is
            // no record. Where it moves and nothing arrives from a new client either, something is wrong.
            if wait.patience > patience && *high > wait.high {
                let (topic, partition) = key;
                self.stalled = Some(format!(
                    "partition {partition} of `{topic}` has {records} records from offset {at} on, and none arrives"
                ));
            }
        }
        Ok(())
    }

    /// Reads by a client that knows nothing yet; partitions are placed by the next look.
    fn renew(&mut self) {
        match client(&self.config) {
            Ok(fresh) => {
                tracing::warn!("a Kafka topic was made anew, or its records do not arrive: the client is made anew");
                let before = std::mem::replace(&mut self.consumer, Arc::new(fresh));
                // Closing waits for the brokers, and blocks.
                tokio::task::spawn_blocking(move || drop(before));
                self.renewals.fetch_add(1, Ordering::Relaxed);
                self.assigned.clear();
                for wait in self.waits.values_mut().filter(|wait| wait.since.elapsed() >= wait.patience) {
                    (wait.since, wait.patience) = (Instant::now(), wait.patience.saturating_mul(2));
                }
            }
            Err(error) => tracing::error!(%error, "a Kafka client cannot be made; the next look tries again"),
        }
    }

    /// Another cluster than the one that was known: tells it, and forgets where the other one was read.
    async fn meet(&mut self, id: String) -> Result<(), Ended> {
        let before = self.cluster.replace(id.clone());
        if let Some(before) = &before {
            tracing::error!(before, id, "this is another Kafka cluster; offsets of the one before mean nothing in it");
            if let Err(error) = self.consumer.unassign() {
                tracing::error!(%error, "Kafka partitions cannot be given back");
            }
            self.assigned.clear();
            self.parked.clear();
            self.next.clear();
            self.committed.clear();
            self.halted = self.settings.when_gone == WhenGone::Park;
        }
        self.emit(Event::Cluster { id, before }).await
    }

    async fn tell_down(&mut self, reason: String) -> Result<(), Ended> {
        if self.up == Some(false) {
            return Ok(());
        }
        self.up = Some(false);
        tracing::warn!(reason, brokers = self.settings.brokers, "Kafka cannot be read");
        self.emit(Event::Down(reason)).await
    }

    /// Starts reading partitions, each from its next offset; tells those whose offset is gone.
    async fn place(&mut self, marks: BTreeMap<Partition, (i64, i64)>) -> Result<(), Ended> {
        if self.halted {
            return Ok(());
        }
        let mut list = TopicPartitionList::new();
        let mut placed = Vec::new();
        for (key, (low, high)) in marks {
            if self.is_placed(&key) {
                continue;
            }
            let offset = match self.next.get(&key).copied() {
                None => Offset::Beginning,
                Some(next) if (low..=high).contains(&next) => Offset::Offset(next),
                Some(wanted) => {
                    let (topic, partition) = key.clone();
                    tracing::error!(topic, partition, wanted, low, high, "the wanted Kafka offset is gone");
                    self.emit(Event::OffsetGone { topic, partition, wanted, low, high }).await?;
                    if self.settings.when_gone == WhenGone::Park {
                        self.parked.insert(key);
                        continue;
                    }
                    self.next.insert(key.clone(), low);
                    Offset::Offset(low)
                }
            };
            match list.add_partition_offset(&key.0, key.1, offset) {
                Ok(()) => placed.push(key),
                Err(error) => tracing::error!(topic = key.0, partition = key.1, %error, "an offset that cannot be"),
            }
        }
        if placed.is_empty() {
            return Ok(());
        }
        if let Err(error) = self.consumer.incremental_assign(&list) {
            // They stay unplaced, so the next survey finds them again.
            return self.tell_down(format!("partitions cannot be assigned: {error}")).await;
        }
        self.assigned.extend(placed);
        if self.paused {
            self.pause_or_resume();
        }
        Ok(())
    }

    /// Follows the wish to pause or to go on.
    fn turn(&mut self) {
        let paused = self.wishes.borrow_and_update().paused;
        if paused != self.paused {
            self.paused = paused;
            self.pause_or_resume();
        }
    }

    fn pause_or_resume(&self) {
        let mut list = TopicPartitionList::new();
        for (topic, partition) in &self.assigned {
            list.add_partition(topic, *partition);
        }
        let done = if self.paused { self.consumer.pause(&list) } else { self.consumer.resume(&list) };
        if let Err(error) = done {
            tracing::error!(%error, paused = self.paused, "Kafka partitions cannot be paused or resumed");
        }
    }

    /// Tells Kafka what the ledger holds, where that is news.
    fn commit(&mut self) {
        let wanted = self.wishes.borrow().commits.clone();
        let mut list = TopicPartitionList::new();
        for (key, next) in wanted {
            if self.committed.get(&key) == Some(&next) {
                continue;
            }
            match list.add_partition_offset(&key.0, key.1, Offset::Offset(next)) {
                Ok(()) => {
                    self.committed.insert(key, next);
                }
                Err(error) => tracing::error!(topic = key.0, partition = key.1, %error, "an offset that cannot be"),
            }
        }
        if list.count() == 0 {
            return;
        }
        if let Err(error) = self.consumer.commit(&list, CommitMode::Async) {
            tracing::warn!(%error, "offsets were not committed to Kafka; lag figures are stale");
        }
    }
}

/// What the brokers say of our topics.
struct Survey {
    cluster: Option<String>,
    /// Partitions of each topic; empty where there is no such topic.
    topics: BTreeMap<String, BTreeSet<i32>>,
    /// Low and high watermark of the partitions that are not parked.
    marks: BTreeMap<Partition, (i64, i64)>,
    /// Why not everything could be seen; the rest of it can be read all the same.
    trouble: Option<String>,
}

impl Survey {
    fn make(
        consumer: &StreamConsumer<Context>,
        topics: &BTreeSet<String>,
        parked: &BTreeSet<Partition>,
        stop: &CancellationToken,
    ) -> KafkaResult<Self> {
        let mut survey = Self { cluster: None, topics: BTreeMap::new(), marks: BTreeMap::new(), trouble: None };
        for topic in topics {
            if stop.is_cancelled() {
                return Err(KafkaError::Canceled);
            }
            match partitions(consumer, topic)? {
                Ok(partitions) => {
                    survey.topics.insert(topic.clone(), partitions);
                }
                Err(code) => survey.trouble = Some(format!("topic `{topic}` cannot be read: {code}")),
            }
        }
        survey.cluster = consumer.client().fetch_cluster_id(SURVEY_TIMEOUT);
        for (topic, partitions) in &survey.topics {
            for partition in partitions {
                let key = (topic.clone(), *partition);
                if parked.contains(&key) {
                    continue;
                }
                if stop.is_cancelled() {
                    return Err(KafkaError::Canceled);
                }
                match consumer.fetch_watermarks(topic, *partition, SURVEY_TIMEOUT) {
                    Ok(marks) => {
                        survey.marks.insert(key, marks);
                    }
                    Err(error) => {
                        // Each further one might take as long: they are asked for in the next survey.
                        let reason = consumer.client().context().reason().unwrap_or_else(|| error.to_string());
                        survey.trouble = Some(format!("partition {partition} of `{topic}` cannot be read: {reason}"));
                        return Ok(survey);
                    }
                }
            }
        }
        Ok(survey)
    }
}

/// The topic's partitions; none where there is no such topic; a code where the brokers keep it from us.
fn partitions(consumer: &StreamConsumer<Context>, topic: &str) -> KafkaResult<Result<BTreeSet<i32>, RDKafkaErrorCode>> {
    let metadata = consumer.fetch_metadata(Some(topic), SURVEY_TIMEOUT)?;
    let Some(found) = metadata.topics().iter().find(|found| found.name() == topic) else {
        return Ok(Ok(BTreeSet::new()));
    };
    let code = found.error().map(RDKafkaErrorCode::from);
    match code {
        None => Ok(Ok(found.partitions().iter().map(|partition| partition.id()).collect())),
        Some(
            RDKafkaErrorCode::UnknownTopicOrPartition
            | RDKafkaErrorCode::UnknownTopic
            | RDKafkaErrorCode::UnknownPartition,
        ) => Ok(Ok(BTreeSet::new())),
        Some(code) => Ok(Err(code)),
    }
}

/// The end of a running survey; never, where none runs.
async fn ended(survey: &mut Option<JoinHandle<Result<Survey, String>>>) -> Result<Survey, String> {
    match survey {
        Some(running) => {
            running.await.unwrap_or_else(|failure| Err(format!("the look at the brokers failed: {failure}")))
        }
        None => std::future::pending().await,
    }
}

fn record(message: &BorrowedMessage<'_>) -> Event {
    Event::Record {
        topic: message.topic().to_owned(),
        partition: message.partition(),
        offset: message.offset(),
        timestamp: message.timestamp().to_millis().map(Timestamp),
        key: message.key().map(Bytes::copy_from_slice),
        payload: message.payload().map(Bytes::copy_from_slice),
    }
}

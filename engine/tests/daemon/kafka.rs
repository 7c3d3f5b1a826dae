//! The whole way of a Kafka record, from a real broker through the ledger to the CRM: nothing is lost and nothing is
//! decided twice, whatever becomes of the process.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use connectors::kafka::sink::KafkaSink;
use connectors::testing::needed::needed;
use engine::testing::admin::api::Filter;
use engine::testing::clock::wall;
use engine::testing::decide::views::Link;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use serde_json::json;

use crate::inside::get;
use crate::process::{Beside, Daemon, Gate, within};

const PATIENCE: Duration = Duration::from_secs(30);

/// A topic that no other test uses.
struct Topic {
    brokers: String,
    name: String,
    admin: AdminClient<DefaultClientContext>,
}

impl Topic {
    /// A fresh one; `None` where the test is skipped.
    async fn new(partitions: i32) -> Option<Self> {
        let brokers = needed("KAFKA_BROKERS", "Kafka broker")?;
        let time = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970").as_nanos();
        let admin = ClientConfig::new().set("bootstrap.servers", &brokers).create().expect("an address");
        let topic = Self { brokers, name: format!("daemon-{}-{time}", std::process::id()), admin };
        topic.make(partitions).await;
        Some(topic)
    }

    async fn make(&self, partitions: i32) {
        let topic = NewTopic::new(&self.name, partitions, TopicReplication::Fixed(1));
        let made = self.admin.create_topics([&topic], &Self::patient()).await.expect("the broker answers");
        made.into_iter().for_each(|one| drop(one.expect("it is made")));
    }

    async fn delete(&self) {
        let gone = self.admin.delete_topics(&[&self.name], &Self::patient()).await.expect("the broker answers");
        gone.into_iter().for_each(|one| drop(one.expect("it is deleted")));
    }

    fn patient() -> AdminOptions {
        AdminOptions::new().request_timeout(Some(PATIENCE)).operation_timeout(Some(PATIENCE))
    }
}

/// An engine that reads `topic` alone, and has not started yet.
async fn beside(topic: &Topic) -> Beside {
    let beside = Beside::new("20s", Gate::new(true)).await;
    let file = beside.stage.folder.path().join("rules/events.rules");
    let text = std::fs::read_to_string(&file).expect("the file is there");
    let (before, rest) = text.split_once("kafka topic").expect("the app's messages come over Kafka");
    let (_, after) = rest.split_once('{').expect("a block");
    std::fs::write(&file, format!("{before}kafka topic \"{}\" {{{after}", topic.name)).expect("it can be written");
    beside.configure(&format!("kafka: {{ brokers: \"{}\", group: {} }}\n", topic.brokers, topic.name));
    beside
}

/// The app gets users with these numbers, and tells of each in one record.
async fn sign_up(beside: &Beside, topic: &Topic, partitions: usize, numbers: std::ops::Range<usize>) {
    let messages = {
        let mut app = beside.stage.app.lock().expect("a sound twin");
        for number in numbers {
            let user = json!({"email": format!("user{number}@example.com"), "firstName": format!("User {number}")});
            app.create("User", user, wall()).expect("the app takes it");
        }
        app.outgoing()
    };
    let sink = KafkaSink::connect(&topic.brokers, PATIENCE, &BTreeMap::new()).expect("an address");
    let writes = messages.iter().enumerate().map(|(index, message)| {
        let partition = i32::try_from(index % partitions).expect("few partitions");
        sink.send(&topic.name, Some(partition), Some(&message.key), &message.body)
    });
    for written in futures_util::future::join_all(writes).await {
        written.expect("the broker takes it");
    }
}

/// Waits until the CRM has so many contacts.
async fn contacts(beside: &Beside, wanted: usize) {
    let mut changes = beside.stage.crm.lock().expect("a sound twin").changes();
    let there = async {
        while beside.stage.crm.lock().expect("a sound twin").records("Contact").count() < wanted {
            changes.changed().await.expect("the twin lives");
        }
    };
    within("the contacts", there).await;
}

/// Waits until every record is paired.
async fn paired(daemon: &Daemon, wanted: usize) {
    let all = async {
        loop {
            let whole = |link: &&Link| link.left.is_some() && link.right.is_some();
            if daemon.links().await.iter().filter(whole).count() == wanted {
                return;
            }
        }
    };
    within("the links", all).await;
}

/// Records read from Kafka, and deliveries that had come before, in this life of the process.
async fn read(daemon: &Daemon) -> (u64, u64) {
    let (status, figures) = get(daemon.admin, "/metrics").await;
    assert_eq!(status, 200, "{figures}");
    let sum = |name: &str, label: &str| -> u64 {
        let lines = figures.lines().filter(|line| line.starts_with(name) && line.contains(label));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
    };
    (sum("engine_deliveries_total", "door=\"kafka\""), sum("engine_events_total", "action=\"duplicate\""))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_and_stopped_in_the_middle_of_a_stream_nothing_is_lost_or_decided_twice() {
    const USERS: usize = 400;
    let Some(topic) = Topic::new(3).await else { return };
    let beside = beside(&topic).await;
    sign_up(&beside, &topic, 3, 0..USERS / 2).await;

    // Killed while calls are under way and records wait.
    let daemon = Daemon::start(&beside.stage).await;
    contacts(&beside, 1).await;
    daemon.kill().await;
    sign_up(&beside, &topic, 3, USERS / 2..USERS).await;
    // Stopped in order, in the middle as well.
    let daemon = Daemon::start(&beside.stage).await;
    contacts(&beside, USERS / 2 + 1).await;
    assert_eq!(read(&daemon).await.1, 0, "what the ledger has is not read again");
    assert_eq!(daemon.terminate().await, Some(0));
    let daemon = Daemon::start(&beside.stage).await;
    contacts(&beside, USERS).await;
    paired(&daemon, USERS).await;
    assert_eq!(read(&daemon).await.1, 0, "what the ledger has is not read again");
    assert_eq!(daemon.terminate().await, Some(0));

    // The last life reads what is new and nothing else: the offsets are the ledger's.
    sign_up(&beside, &topic, 3, USERS..USERS + 1).await;
    let daemon = Daemon::start(&beside.stage).await;
    contacts(&beside, USERS + 1).await;
    paired(&daemon, USERS + 1).await;
    assert_eq!(read(&daemon).await, (1, 0));
    let status = daemon.client().status().await.expect("it is told");
    assert_eq!((status.incidents, status.parked), (0, 0), "{status:?}");
    assert_eq!(daemon.terminate().await, Some(0));

    let crm = beside.stage.crm.lock().expect("a sound twin");
    let emails: Vec<_> =
        crm.records("Contact").filter_map(|contact| contact.properties.get("email").cloned()).collect();
    let each: BTreeSet<_> = (0..=USERS).map(|number| format!("user{number}@example.com")).collect();
    assert_eq!(emails.iter().cloned().collect::<BTreeSet<_>>(), each);
    assert_eq!(emails.len(), USERS + 1, "a contact was made twice");
    assert_eq!(crm.calls().records, USERS as u64 + 1, "every contact was written once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_was_made_anew_is_read_from_its_first_record() {
    let Some(topic) = Topic::new(1).await else { return };
    let beside = beside(&topic).await;
    sign_up(&beside, &topic, 1, 0..20).await;
    let daemon = Daemon::start(&beside.stage).await;
    contacts(&beside, 20).await;
    paired(&daemon, 20).await;
    assert_eq!(daemon.terminate().await, Some(0));

    topic.delete().await;
    topic.make(1).await;
    sign_up(&beside, &topic, 1, 20..25).await;
    let daemon = Daemon::start(&beside.stage).await;
    contacts(&beside, 25).await;
    paired(&daemon, 25).await;
    assert_eq!(read(&daemon).await, (5, 0));
    // Nobody can know what the old topic held beyond our offset: a person is told.
    let parked = daemon.client().parked(&Filter::default()).await.expect("it is told").parked;
    assert_eq!(parked[0].subject, format!("topic {}/0", topic.name), "{parked:?}");
    assert_eq!(daemon.terminate().await, Some(0));

    // From here on it is a topic like any other.
    sign_up(&beside, &topic, 1, 25..26).await;
    let daemon = Daemon::start(&beside.stage).await;
    contacts(&beside, 26).await;
    assert_eq!(read(&daemon).await, (1, 0));
    assert_eq!(daemon.terminate().await, Some(0));
}

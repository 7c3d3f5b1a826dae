//! A broker of a test's own, which it may kill, hang and start again; and what the source promises of that.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use connectors::kafka::source::{Event, Settings};
use connectors::testing::needed::needed;

use crate::broker::{Broker, Source, seen};

/// Ends with the test.
struct OwnBroker {
    jars: String,
    work: tempfile::TempDir,
    pid: String,
    brokers: String,
}

impl OwnBroker {
    /// A new one; `None` where the test is skipped.
    fn start() -> Option<Self> {
        let jars = needed("KAFKA_JARS", "Kafka broker of its own")?;
        let work = tempfile::tempdir().unwrap();
        let said = Self::shell("unset KAFKA_BROKERS; kafka_start", &jars, work.path());
        let (pid, brokers) = said.split_once(' ').unwrap();
        Some(Self { pid: pid.to_owned(), brokers: brokers.to_owned(), jars, work })
    }

    /// Ends it as an operator would, and starts it again with its data and on its port.
    fn restart(&mut self) {
        self.signal("TERM");
        while self.signal("0") {
            std::thread::yield_now();
        }
        let said = Self::shell("kafka_run", &self.jars, self.work.path());
        said.split(' ').next().unwrap().clone_into(&mut self.pid);
    }

    fn signal(&self, signal: &str) -> bool {
        Command::new("kill").arg(format!("-{signal}")).arg(&self.pid).output().unwrap().status.success()
    }

    /// Runs a function of the services' scripts; gives the broker's process id and address.
    fn shell(function: &str, jars: &str, work: &Path) -> String {
        let services = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/services");
        let script = format!(
            "source {services}/common.sh; source {services}/kafka.sh; {function} \"$1\" \"$2\" >&2 && echo \"$KAFKA_PID ${{KAFKA_BROKERS:-}}\""
        );
        let run = Command::new("bash").args(["-c", &script, "kafka", jars]).arg(work).output().unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        String::from_utf8(run.stdout).unwrap().trim().to_owned()
    }

    fn broker(&self) -> Broker {
        Broker::of(self.brokers.clone())
    }
}

impl Drop for OwnBroker {
    fn drop(&mut self) {
        self.signal("KILL");
    }
}

/// A topic of which six records of the first partition were read, the last after a restart of its broker: with each
/// start of a broker its partitions have a higher epoch, and those of a topic that is made begin at none.
async fn restarted(own: &mut OwnBroker, partitions: i32, refresh: Duration) -> (Broker, Source) {
    let mut broker = own.broker();
    broker.create(partitions).await;
    broker.write_numbers(0, 0..5).await;
    let mut source = Source::start(Settings { refresh, ..broker.settings() }, BTreeMap::new(), 16);
    source.records(5).await;
    own.restart();
    broker.forget();
    broker.write(0, "after the restart").await;
    assert_eq!(source.record().await, seen(0, 5, "after the restart"));
    (broker, source)
}

#[tokio::test]
async fn a_topic_that_is_made_anew_after_a_restart_of_the_broker_is_told_and_read_from_its_start() {
    let Some(mut own) = OwnBroker::start() else { return };
    let (mut broker, mut source) = restarted(&mut own, 2, Duration::from_millis(500)).await;
    broker.delete().await;
    source.partitions(0).await;
    broker.create(2).await;
    broker.forget();
    broker.write(0, "anew").await;
    broker.write(1, "anew").await;
    assert_eq!(source.gone().await, (0, 6, 0, 1));
    let mut records = source.records(2).await;
    records.sort();
    assert_eq!(records, [seen(0, 0, "anew"), seen(1, 0, "anew")]);
    source.stop().await;
}

#[tokio::test]
async fn a_topic_that_is_made_anew_between_two_looks_is_told_and_read_from_its_start() {
    let Some(mut own) = OwnBroker::start() else { return };
    let (mut broker, mut source) = restarted(&mut own, 1, Duration::from_secs(4)).await;
    broker.delete().await;
    while !broker.is_gone().await {}
    broker.create(1).await;
    broker.forget();
    broker.write(0, "anew").await;
    let wanted = source.until(|event| match event {
        Event::OffsetGone { wanted, high, .. } => Some((*wanted, *high)),
        _ => None,
    });
    assert_eq!(wanted.await, (6, 1));
    assert_eq!(source.record().await, seen(0, 0, "anew"));
    source.stop().await;
}

#[tokio::test]
async fn a_broker_that_is_killed_and_comes_back_loses_nothing_and_repeats_nothing() {
    let Some(mut own) = OwnBroker::start() else { return };
    let mut broker = own.broker();
    broker.create(1).await;
    broker.write_numbers(0, 0..5).await;
    let mut source =
        Source::start(Settings { refresh: Duration::from_millis(500), ..broker.settings() }, BTreeMap::new(), 16);
    source.records(5).await;
    own.signal("KILL");
    source.down().await;
    own.restart();
    source.up().await;
    broker.grow(2).await;
    broker.write(0, "five").await;
    broker.write(1, "zero").await;
    let mut records = source.records(2).await;
    records.sort();
    assert_eq!(records, [seen(0, 5, "five"), seen(1, 0, "zero")]);
    source.stop().await;
}

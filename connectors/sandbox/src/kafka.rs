//! A Kafka cluster in this process, for the demo: librdkafka's mock, reached over TCP like a real one.
//!
//! In: topics. Out: an address for `bootstrap.servers`.
//! Always true: the cluster lives as long as its handle; it keeps a few MB a partition in memory and drops the
//! oldest. It does not wake a waiting fetch when a record comes: set `fetch.wait.max.ms` low where it is used.

use std::sync::mpsc;
use std::thread::JoinHandle;

use rdkafka::error::KafkaError;
use rdkafka::mocking::MockCluster;

/// A running mock cluster of one broker; dropped, it ends.
#[derive(Debug)]
pub struct Cluster {
    bootstrap: String,
    stop: Option<mpsc::Sender<()>>,
    owner: Option<JoinHandle<()>>,
}

/// Why there is no cluster.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// librdkafka refused.
    #[error("the mock Kafka cluster could not be made")]
    Kafka(#[from] KafkaError),
    /// The thread that owns the cluster could not be started, or ended early.
    #[error("the mock Kafka cluster has no thread to live on")]
    Thread(#[from] std::io::Error),
}

impl Cluster {
    /// `host:port` of its broker.
    #[must_use]
    pub fn bootstrap_servers(&self) -> &str {
        &self.bootstrap
    }
}

/// Starts a cluster with these topics and their numbers of partitions.
///
/// # Errors
/// Where librdkafka refuses, a topic's name for instance.
pub fn mock_cluster(topics: &[(&str, i32)]) -> Result<Cluster, Failure> {
    let topics: Vec<(String, i32)> =
        topics.iter().map(|(name, partitions)| ((*name).to_owned(), *partitions)).collect();
    let (ready, started) = mpsc::channel();
    let (stop, stopped) = mpsc::channel::<()>();
    // The cluster may not move between threads; a thread of its own lets the handle do so.
    let owner = std::thread::Builder::new().name("mock-kafka".to_owned()).spawn(move || {
        let made = MockCluster::new(1).and_then(|cluster| {
            topics.iter().try_for_each(|(name, partitions)| cluster.create_topic(name, *partitions, 1))?;
            Ok(cluster)
        });
        match made {
            Ok(cluster) => {
                // Either end gone means that nobody wants the cluster any more.
                if ready.send(Ok(cluster.bootstrap_servers())).is_ok() && stopped.recv().is_err() {
                    drop(cluster);
                }
            }
            Err(error) => drop(ready.send(Err(error))),
        }
    })?;
    let bootstrap = started.recv().map_err(|_| std::io::Error::other("it ended early"))??;
    Ok(Cluster { bootstrap, stop: Some(stop), owner: Some(owner) })
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(owner) = self.owner.take()
            && owner.join().is_err()
        {
            tracing::error!("the mock Kafka cluster's thread panicked");
        }
    }
}

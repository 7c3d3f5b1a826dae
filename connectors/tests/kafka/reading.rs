//! Where reading goes on, and what holds it up.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use connectors::kafka::source::{Event, Settings};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::broker::{Broker, Source, seen};

#[tokio::test]
async fn without_an_offset_the_oldest_record_comes_first() {
    let Some(broker) = Broker::with_topic(1).await else { return };
    broker.write_numbers(0, 0..3).await;
    let mut source = Source::start(broker.settings(), BTreeMap::new(), 16);
    assert_eq!(source.records(3).await, [seen(0, 0, "0"), seen(0, 1, "1"), seen(0, 2, "2")]);
    // What is written while it reads comes too.
    broker.write(0, "late").await;
    assert_eq!(source.record().await, seen(0, 3, "late"));
    source.stop().await;
}

#[tokio::test]
async fn how_far_a_partition_is_behind_is_told_while_nothing_is_read() {
    let Some(broker) = Broker::with_topic(1).await else { return };
    let settings = Settings { refresh: Duration::from_millis(100), ..broker.settings() };
    broker.write_numbers(0, 0..2).await;
    let mut source = Source::start(settings, broker.at(&[(0, 2)]), 16);
    source.lag(0).await;
    source.handle.pause();
    broker.write_numbers(0, 0..5).await;
    source.lag(5).await;
    source.handle.resume();
    source.records(5).await;
    source.lag(0).await;
    source.stop().await;
}

/// What the brokers said of an end is older than what was read since; that is no topic made anew.
#[tokio::test]
async fn a_partition_that_is_written_and_read_while_the_brokers_are_asked_goes_on_as_it_is() {
    let Some(broker) = Broker::with_topic(30).await else { return };
    let settings = Settings { refresh: Duration::from_millis(1), ..broker.settings() };
    let mut source = Source::start(settings, BTreeMap::new(), 16);
    // While the ends of the other partitions are asked, the first one goes on.
    for number in 0..400 {
        broker.write(0, &number.to_string()).await;
        assert_eq!(source.record().await, seen(0, number, &number.to_string()));
    }
    assert_eq!(source.handle.renewals(), 0);
    source.stop().await;
}

#[tokio::test]
async fn at_start_the_cluster_and_the_partitions_are_told_before_any_record() {
    let Some(broker) = Broker::with_topic(2).await else { return };
    broker.write(1, "one").await;
    let mut source = Source::start(broker.settings(), BTreeMap::new(), 16);
    let first = source.event().await;
    assert!(matches!(&first, Event::Up { cluster: Some(id) } if !id.is_empty()), "{first:?}");
    let told = source.event().await;
    assert!(matches!(&told, Event::Cluster { before: None, .. }), "{told:?}");
    assert_eq!(source.event().await, Event::Partitions { topic: broker.topic.clone(), count: 2 });
    let record = source.event().await;
    let Event::Record { topic, partition: 1, offset: 0, timestamp: Some(_), payload: Some(payload), .. } = record
    else {
        panic!("{record:?}")
    };
    assert_eq!((topic, payload.as_ref()), (broker.topic.clone(), b"one".as_slice()));
    source.stop().await;
}

#[tokio::test]
async fn after_a_restart_in_the_middle_nothing_is_lost_and_nothing_comes_twice() {
    let Some(broker) = Broker::with_topic(3).await else { return };
    for partition in 0..3 {
        broker.write_numbers(partition, 0..200).await;
    }
    let mut all = Vec::new();
    let mut ledger: BTreeMap<(String, i32), i64> = BTreeMap::new();
    // Four lives; the channel holds more than the ledger takes, as in a crash.
    for (life, wanted) in [(0, 1), (1, 130), (2, 256), (3, 303)] {
        let mut source = Source::start(broker.settings(), ledger.clone(), 64);
        for record in source.records(wanted).await {
            ledger.insert((broker.topic.clone(), record.partition), record.offset + 1);
            all.push(record);
        }
        source.stop().await;
        if life == 1 {
            for partition in 0..3 {
                broker.write_numbers(partition, 200..230).await;
            }
        }
    }
    assert_eq!(all.len(), 690);
    let each: BTreeSet<_> = all.iter().map(|record| (record.partition, record.text.clone())).collect();
    assert_eq!(each.len(), 690, "a record came twice");
    for partition in 0..3 {
        let offsets: Vec<_> = all.iter().filter(|one| one.partition == partition).map(|one| one.offset).collect();
        assert_eq!(offsets, (0..230).collect::<Vec<_>>(), "partition {partition} is not in order");
    }
}

#[tokio::test]
async fn a_partition_that_is_added_is_read_from_its_first_record() {
    let Some(mut broker) = Broker::with_topic(1).await else { return };
    let settings = Settings { refresh: Duration::from_millis(100), ..broker.settings() };
    let mut source = Source::start(settings, BTreeMap::new(), 16);
    source.partitions(1).await;
    broker.grow(2).await;
    broker.write(1, "new").await;
    source.partitions(2).await;
    assert_eq!(source.record().await, seen(1, 0, "new"));
    broker.write(0, "old").await;
    assert_eq!(source.record().await, seen(0, 0, "old"));
    source.stop().await;
}

#[tokio::test]
async fn a_topic_that_is_not_there_is_told_and_read_once_it_is() {
    let Some(broker) = Broker::without_topic() else { return };
    let mut source = Source::start(broker.settings(), BTreeMap::new(), 16);
    source.partitions(0).await;
    broker.create(1).await;
    broker.write(0, "first").await;
    source.partitions(1).await;
    assert_eq!(source.record().await, seen(0, 0, "first"));
    source.stop().await;
}

#[tokio::test]
async fn a_full_channel_holds_reading_up_and_loses_nothing() {
    let Some(broker) = Broker::with_topic(1).await else { return };
    broker.write_numbers(0, 0..3000).await;
    let mut source = Source::start(broker.settings(), BTreeMap::new(), 1);
    let offsets: Vec<_> = source.records(3000).await.into_iter().map(|record| record.offset).collect();
    assert_eq!(offsets, (0..3000).collect::<Vec<_>>());
    source.stop().await;
}

#[tokio::test]
async fn a_paused_source_reads_nothing_and_loses_nothing() {
    let Some(mut broker) = Broker::with_topic(1).await else { return };
    let settings = Settings { refresh: Duration::from_millis(100), ..broker.settings() };
    let mut source = Source::start(settings.clone(), BTreeMap::new(), 64);
    broker.write(0, "before").await;
    assert_eq!(source.record().await, seen(0, 0, "before"));
    source.handle.pause();
    // The growth is seen after the pause, by the same loop: from here on the pause is in force, for it too.
    broker.grow(2).await;
    source.partitions(2).await;
    broker.write(0, "meanwhile").await;
    broker.write(1, "meanwhile").await;
    // Another source has read both: they could have come.
    let mut witness = Source::start(settings, BTreeMap::new(), 64);
    witness.records(3).await;
    witness.stop().await;
    while let Ok(event) = source.events.try_recv() {
        assert!(matches!(event, Event::Lag { .. }), "a paused source read: {event:?}");
    }
    source.handle.resume();
    let mut records = source.records(2).await;
    records.sort();
    assert_eq!(records, [seen(0, 1, "meanwhile"), seen(1, 0, "meanwhile")]);
    broker.write(0, "after").await;
    assert_eq!(source.record().await, seen(0, 2, "after"));
    source.stop().await;
}

#[tokio::test]
async fn commits_are_seen_by_whoever_watches_the_lag() {
    let Some(broker) = Broker::with_topic(2).await else { return };
    let mut source = Source::start(broker.settings(), BTreeMap::new(), 16);
    source.up().await;
    source.handle.commit(broker.at(&[(0, 7)]));
    source.handle.commit(broker.at(&[(1, 3), (0, 9)]));
    // At its end the source commits what it was last told.
    source.stop().await;
    let watcher: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &broker.brokers)
        .set("group.id", broker.settings().group)
        .create()
        .unwrap();
    let mut asked = TopicPartitionList::new();
    asked.add_partition_range(&broker.topic, 0, 1);
    let answer = tokio::task::spawn_blocking(move || watcher.committed_offsets(asked, Duration::from_secs(20)));
    let committed = answer.await.unwrap().unwrap();
    let offsets: Vec<_> = committed.elements().iter().map(|one| one.offset()).collect();
    assert_eq!(offsets, [Offset::Offset(9), Offset::Offset(3)]);
}

//! Offsets that are gone, brokers that are away.

use std::collections::BTreeMap;
use std::time::Duration;

use connectors::kafka::Error;
use connectors::kafka::source::{Event, KafkaSource, Settings, WhenGone};
use rdkafka::mocking::MockCluster;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::broker::{Broker, Source, seen};

#[tokio::test]
async fn an_offset_that_retention_took_is_told_and_passed_over() {
    let Some(broker) = Broker::with_topic(2).await else { return };
    broker.write_numbers(0, 0..10).await;
    broker.forget_before(0, 6).await;
    let mut source = Source::start(broker.settings(), broker.at(&[(0, 2), (1, 0)]), 16);
    assert_eq!(source.gone().await, (0, 2, 6, 10));
    assert_eq!(source.record().await, seen(0, 6, "6"));
    source.stop().await;
}

#[tokio::test]
async fn an_offset_beyond_the_end_is_told_and_the_topic_read_from_its_start() {
    let Some(broker) = Broker::with_topic(1).await else { return };
    broker.write_numbers(0, 0..3).await;
    let mut source = Source::start(broker.settings(), broker.at(&[(0, 50)]), 16);
    assert_eq!(source.gone().await, (0, 50, 0, 3));
    assert_eq!(source.records(3).await.len(), 3);
    source.stop().await;
}

#[tokio::test]
async fn the_end_of_a_partition_is_not_beyond_it() {
    let Some(broker) = Broker::with_topic(1).await else { return };
    broker.write_numbers(0, 0..3).await;
    let mut source = Source::start(broker.settings(), broker.at(&[(0, 3)]), 16);
    source.partitions(1).await;
    broker.write(0, "next").await;
    assert_eq!(source.record().await, seen(0, 3, "next"));
    source.stop().await;
}

#[tokio::test]
async fn an_offset_that_goes_while_the_source_is_paused_is_told_and_passed_over() {
    let Some(broker) = Broker::with_topic(2).await else { return };
    let mut source = Source::start(broker.settings(), BTreeMap::new(), 16);
    broker.write(0, "0").await;
    assert_eq!(source.record().await, seen(0, 0, "0"));
    broker.write(1, "other").await;
    assert_eq!(source.record().await, seen(1, 0, "other"));
    source.handle.pause();
    broker.write_numbers(0, 1..20).await;
    broker.forget_before(0, 15).await;
    source.handle.resume();
    // Up to a burst may have come before the pause; whatever came, the gap after it is told.
    let mut next = 1;
    let (partition, wanted, low, high) = loop {
        match source.event().await {
            Event::Record { partition: 0, offset, .. } => {
                assert_eq!(offset, next, "a record is missing and nobody said so");
                next += 1;
                assert!(next < 20, "the pause came too late to be tested");
            }
            Event::OffsetGone { partition, wanted, low, high, .. } => break (partition, wanted, low, high),
            _ => {}
        }
    };
    assert_eq!((partition, wanted, low, high), (0, next, 15, 20));
    let offsets: Vec<_> = source.records(5).await.into_iter().map(|record| record.offset).collect();
    assert_eq!(offsets, [15, 16, 17, 18, 19]);
    // The other partition, placed anew with it, goes on where it was.
    broker.write(1, "still here").await;
    assert_eq!(source.record().await, seen(1, 1, "still here"));
    source.stop().await;
}

#[tokio::test]
async fn a_topic_that_is_made_anew_under_way_is_told_and_read_from_its_start() {
    let Some(broker) = Broker::with_topic(1).await else { return };
    broker.write_numbers(0, 0..5).await;
    let settings = Settings { refresh: Duration::from_millis(100), ..broker.settings() };
    let mut source = Source::start(settings, BTreeMap::new(), 16);
    source.records(5).await;
    broker.delete().await;
    source.partitions(0).await;
    broker.create(1).await;
    broker.write(0, "anew").await;
    assert_eq!(source.gone().await, (0, 5, 0, 1));
    assert_eq!(source.record().await, seen(0, 0, "anew"));
    source.stop().await;
}

#[tokio::test]
async fn a_partition_can_be_parked_where_its_offset_is_gone() {
    let Some(mut broker) = Broker::with_topic(2).await else { return };
    broker.write_numbers(0, 0..10).await;
    broker.forget_before(0, 6).await;
    broker.write_numbers(1, 0..3).await;
    let settings = Settings { when_gone: WhenGone::Park, refresh: Duration::from_millis(50), ..broker.settings() };
    let mut source = Source::start(settings, broker.at(&[(0, 2)]), 16);
    assert_eq!(source.gone().await, (0, 2, 6, 10));
    let records = source.records(3).await;
    assert!(records.iter().all(|record| record.partition == 1), "{records:?}");
    // Several looks at the brokers later it is still told once, and still not read.
    broker.grow(3).await;
    source.partitions(3).await;
    broker.write(2, "last").await;
    assert_eq!(source.record().await, seen(2, 0, "last"));
    source.stop().await;
}

#[tokio::test]
async fn a_broker_that_is_away_is_told_once_with_its_reason() {
    // A port that was free a moment ago: nobody listens.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let settings = Settings::new(format!("127.0.0.1:{port}"), "group", ["topic".to_owned()]);
    let mut source = Source::start(settings, BTreeMap::new(), 16);
    let reason = source.down().await;
    assert!(reason.contains("refused"), "{reason}");
    let started = std::time::Instant::now();
    source.stop().await;
    assert!(started.elapsed() < Duration::from_secs(10), "it took {:?} to stop", started.elapsed());
}

/// On librdkafka's mock, whose broker can be taken away and given back from here.
#[tokio::test]
async fn a_broker_that_comes_back_is_told_and_read_on_from_where_it_was() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("t", 1, 1).unwrap();
    let brokers = cluster.bootstrap_servers();
    let sink =
        connectors::kafka::sink::KafkaSink::connect(&brokers, Duration::from_secs(30), &BTreeMap::new()).unwrap();
    let settings = Settings { fetch_wait_ms: 10, ..Settings::new(&brokers, "group", ["t".to_owned()]) };
    let mut source = Source::start(settings, BTreeMap::new(), 16);
    source.up().await;
    sink.send("t", Some(0), None, &"before".into()).await.unwrap();
    assert_eq!(source.record().await, seen(0, 0, "before"));
    cluster.broker_down(1).unwrap();
    source.down().await;
    cluster.broker_up(1).unwrap();
    source.up().await;
    sink.send("t", Some(0), None, &"after".into()).await.unwrap();
    assert_eq!(source.record().await, seen(0, 1, "after"));
    source.stop().await;
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_before_it_starts() {
    let start = |settings: Settings| {
        let (out, _) = mpsc::channel(1);
        KafkaSource::start(settings, BTreeMap::new(), out, CancellationToken::new()).map(|_| ()).unwrap_err()
    };
    let settings = |name: &str, value: &str| Settings {
        options: [(name.to_owned(), value.to_owned())].into(),
        ..Settings::new("127.0.0.1:1", "group", ["topic".to_owned()])
    };
    assert_eq!(start(Settings::new("127.0.0.1:1", "group", [])), Error::NoTopics);
    let reserved = |name: &str| Error::Reserved(name.to_owned());
    assert_eq!(start(settings("auto.offset.reset", "earliest")), reserved("auto.offset.reset"));
    assert_eq!(start(settings("enable.auto.commit", "true")), reserved("enable.auto.commit"));
    let unknown = start(settings("fetch.wait.max.msec", "5")).to_string();
    assert!(unknown.contains("fetch.wait.max.msec"), "{unknown}");
    if !cfg!(feature = "kafka-tls") {
        assert!(matches!(start(settings("security.protocol", "sasl_ssl")), Error::TlsNotBuilt { .. }));
    }
}

#[tokio::test]
async fn passwords_do_not_show_when_settings_are_printed() {
    let mut settings = Settings::new("b", "g", ["t".to_owned()]);
    settings.options.insert("sasl.password".into(), "hunter2".into());
    let printed = format!("{settings:?}");
    assert!(printed.contains("sasl.password") && !printed.contains("hunter2"), "{printed}");
}

/// A cluster in whose only partition three records stand, its brokers, and its id.
async fn three() -> (MockCluster<'static, rdkafka::producer::DefaultProducerContext>, Settings, String) {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("t", 1, 1).unwrap();
    let brokers = cluster.bootstrap_servers();
    let sink =
        connectors::kafka::sink::KafkaSink::connect(&brokers, Duration::from_secs(30), &BTreeMap::new()).unwrap();
    for text in ["0", "1", "2"] {
        sink.send("t", Some(0), None, &text.into()).await.unwrap();
    }
    let settings = Settings { fetch_wait_ms: 10, ..Settings::new(&brokers, "group", ["t".to_owned()]) };
    let mut source = Source::start(settings.clone(), BTreeMap::new(), 16);
    let id = source
        .until(|event| match event {
            Event::Cluster { id, before: None } => Some(id.clone()),
            _ => None,
        })
        .await;
    source.stop().await;
    (cluster, settings, id)
}

fn at_two() -> BTreeMap<(String, i32), i64> {
    [(("t".to_owned(), 0), 2)].into()
}

#[tokio::test]
async fn a_new_cluster_is_told_and_read_from_its_start_though_it_has_grown_past_the_offset() {
    let (_cluster, settings, id) = three().await;
    let settings = Settings { cluster: Some("the old one".to_owned()), ..settings };
    let mut source = Source::start(settings, at_two(), 16);
    let told = source
        .until(|event| match event {
            Event::Cluster { id, before } => Some((id.clone(), before.clone())),
            _ => None,
        })
        .await;
    assert_eq!(told, (id, Some("the old one".to_owned())));
    assert_eq!(source.record().await, seen(0, 0, "0"));
    source.stop().await;
}

#[tokio::test]
async fn the_cluster_that_is_known_is_read_on_from_the_offset_and_not_told() {
    let (_cluster, settings, id) = three().await;
    let settings = Settings { cluster: Some(id), ..settings };
    let mut source = Source::start(settings, at_two(), 16);
    let first = loop {
        match source.event().await {
            Event::Cluster { .. } => panic!("it is known"),
            Event::Record { offset, .. } => break offset,
            _ => {}
        }
    };
    assert_eq!(first, 2);
    source.stop().await;
}

#[tokio::test]
async fn a_new_cluster_is_left_alone_where_that_is_the_policy() {
    let (_cluster, settings, _) = three().await;
    let settings = Settings {
        cluster: Some("the old one".to_owned()),
        when_gone: WhenGone::Park,
        refresh: Duration::from_millis(20),
        ..settings
    };
    let mut source = Source::start(settings, at_two(), 16);
    source.until(|event| matches!(event, Event::Cluster { .. }).then_some(())).await;
    // Several looks at the brokers later nothing of it has been read.
    source.partitions(1).await;
    let quiet = tokio::time::timeout(Duration::from_millis(300), source.event()).await;
    assert!(quiet.is_err(), "{quiet:?}");
    source.stop().await;
}

#[tokio::test]
async fn records_are_read_whichever_codec_packed_them_with_their_keys() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("t", 1, 1).unwrap();
    let brokers = cluster.bootstrap_servers();
    let codecs = ["none", "gzip", "snappy", "lz4", "zstd"];
    for codec in codecs {
        let options = [("compression.type".to_owned(), codec.to_owned())].into();
        let sink = connectors::kafka::sink::KafkaSink::connect(&brokers, Duration::from_secs(30), &options).unwrap();
        // Long enough to be packed.
        sink.send("t", Some(0), Some(codec), &format!("{codec} {}", "x".repeat(2_000)).into()).await.unwrap();
    }
    let settings = Settings { fetch_wait_ms: 10, ..Settings::new(&brokers, "group", ["t".to_owned()]) };
    let mut source = Source::start(settings, BTreeMap::new(), 16);
    for codec in codecs {
        let (key, value) = loop {
            if let Event::Record { key, payload, .. } = source.event().await {
                break (key, payload);
            }
        };
        assert_eq!(key.as_deref(), Some(codec.as_bytes()));
        assert!(value.is_some_and(|value| value.starts_with(format!("{codec} x").as_bytes())), "{codec}");
    }
    source.stop().await;
}

//! What the sink promises.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use connectors::kafka::sink::KafkaSink;

use crate::broker::Broker;

#[tokio::test]
async fn records_of_one_key_stay_in_one_partition_in_their_order() {
    let Some(broker) = Broker::with_topic(4).await else { return };
    let sink = KafkaSink::connect(&broker.brokers, Duration::from_secs(30), &BTreeMap::new()).unwrap();
    let mut before = None;
    for number in 0..20 {
        let payload = Bytes::from(number.to_string());
        let (partition, offset) = sink.send(&broker.topic, None, Some("user-7"), &payload).await.unwrap();
        if let Some((same, last)) = before {
            assert_eq!(partition, same);
            assert_eq!(offset, last + 1);
        }
        before = Some((partition, offset));
    }
}

#[tokio::test]
async fn a_topic_that_is_not_there_is_an_error_that_names_it() {
    let Some(broker) = Broker::without_topic() else { return };
    let sink = KafkaSink::connect(&broker.brokers, Duration::from_secs(2), &BTreeMap::new()).unwrap();
    let refused = sink.send(&broker.topic, None, None, &Bytes::from_static(b"x")).await.unwrap_err();
    assert_eq!(refused.topic, broker.topic);
    assert!(refused.to_string().contains(&broker.topic), "{refused}");
}

#[tokio::test]
async fn a_record_is_given_up_with_the_reason_where_no_broker_is() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let brokers = format!("127.0.0.1:{port}");
    let sink = KafkaSink::connect(&brokers, Duration::from_millis(1500), &BTreeMap::new()).unwrap();
    let refused = sink.send("t", None, None, &Bytes::from_static(b"x")).await.unwrap_err();
    assert!(refused.reason.contains("refused"), "{refused}");
}

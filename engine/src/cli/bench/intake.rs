//! `intake`: how many events a second come in through the doors, many in one delivery, and from Kafka.
//!
//! Webhooks: 10 clients, 100 events in each delivery, as HubSpot sends them at most; floor: the same deliveries to a
//! process that only answers.
//! Kafka: a topic of four partitions that is full when the engine starts; floor: the same records through the same
//! client without an engine. The broker is librdkafka's own in this process.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use axum::http::Uri;
use bytes::Bytes;
use connectors::kafka::sink::KafkaSink;
use connectors::kafka::source::{Event, KafkaSource, Settings as Source};
use dsl::value::Timestamp;
use futures_util::future::try_join_all;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::floor::Http;
use super::load::{Client, Load, closed};
use super::stage::{About, Events, Stage};
use super::{Job, Report, Settings, middle, rounded};
use crate::clock::wall;

pub(super) const JOB: Job = Job { name: "intake", about: "events in deliveries of 100, and records of Kafka", run };

/// Deliveries at once, and events in one: HubSpot sends no more of either as it is set up at first.
const CLIENTS: usize = 10;
const EVENTS: u64 = 100;
const ROUNDS: u32 = 3;
const TOPIC: &str = "bench.notes";
const PARTITIONS: i32 = 4;
/// Records in the topic. The mock broker keeps a few MB of each partition.
const RECORDS: u64 = 20_000;
/// Notes that they are about.
const NOTES: u64 = 2_000;
/// How long all records may take.
const INTAKE_TIMEOUT: Duration = Duration::from_secs(120);

fn run(settings: &Settings) -> Result<Report, String> {
    super::block_on(measure(settings))
}

async fn measure(settings: &Settings) -> Result<Report, String> {
    let mut report = Report::default();
    webhooks(settings, &mut report).await?;
    kafka(settings, &mut report).await?;
    Ok(report)
}

fn delivery(events: &Events) -> Bytes {
    let first = events.number();
    events.many((0..EVENTS).map(|number| About::Ticket((first + number) % NOTES)))
}

async fn webhooks(settings: &Settings, report: &mut Report) -> Result<(), String> {
    let mut stage = Stage::build(settings, None)?;
    let http = Http::start()?;
    let slice = settings.time / (ROUNDS * 4);
    stage.start().await?;
    let (mut clients, mut floor_clients) = (stage.clients(CLIENTS).await?, http.clients(CLIENTS).await?);
    let path = Uri::from_static("/");
    let (mut found, mut floor) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let send = async |client: &mut Client| stage.events.send_to(client, &path, delivery(&stage.events)).await;
        floor.push(closed(&mut floor_clients, slice, send).await?);
        let send = async |client: &mut Client| stage.events.send(client, delivery(&stage.events)).await;
        found.push(closed(&mut clients, slice, send).await?);
    }
    stage.kill().await?;
    let rate = |loads: &[Load]| middle(loads, Load::per_second) * EVENTS as f64;
    let (events, floor) = (rate(&found), rate(&floor));
    report.figure("webhook_events_per_second", events.round());
    report.figure("webhook_p99_ms", rounded(middle(&found, |load| load.within(0.99))));
    report.figure("webhook_ratio", rounded(events / floor));
    report.floor("webhook_events_per_second", floor.round());
    let p99 = middle(&found, |load| load.within(0.99));
    report.line("webhook events", format!("{events:.0}/s"), format!("p99 of a delivery {p99:.0} ms"));
    report.line("  floor: HTTP", format!("{floor:.0}/s"), format!("ratio {:.2}", events / floor));
    Ok(())
}

async fn kafka(settings: &Settings, report: &mut Report) -> Result<(), String> {
    let cluster = sandbox::kafka::mock_cluster(&[(TOPIC, PARTITIONS)]).map_err(|error| error.to_string())?;
    let brokers = cluster.bootstrap_servers();
    fill(brokers).await?;
    let floor = read_alone(brokers).await?;
    let mut stage = Stage::build(settings, Some(brokers))?;
    stage.start().await?;
    let rate = taken(&stage).await?;
    stage.stop().await?;
    report.figure("kafka_records_per_second", rate.round());
    report.figure("kafka_ratio", rounded(rate / floor));
    report.floor("kafka_records_per_second", floor.round());
    report.line("Kafka records", format!("{rate:.0}/s"), format!("of {RECORDS}, until they are durable"));
    report.line("  floor: reading", format!("{floor:.0}/s"), format!("ratio {:.2}", rate / floor));
    Ok(())
}

async fn fill(brokers: &str) -> Result<(), String> {
    let sink = KafkaSink::connect(brokers, INTAKE_TIMEOUT, &BTreeMap::new()).map_err(|error| error.to_string())?;
    let begin = wall().0 - RECORDS as i64;
    for first in (0..RECORDS).step_by(1_000) {
        let send = async |number: u64| {
            let note = format!("n{}", number % NOTES);
            // Each of a moment of its own: two texts of one would make the engine ask which of them stands.
            let at = Timestamp(begin + number as i64).to_string();
            let record = json!({
                "id": format!("e{number}"), "type": "note.updated", "occurredAt": at,
                "data": {"id": note, "text": format!("text {number} of a note"), "updatedAt": at},
            });
            let partition = (number % PARTITIONS.unsigned_abs() as u64) as i32;
            let record = Bytes::from(record.to_string());
            sink.send(TOPIC, Some(partition), Some(&note), &record).await.map_err(|error| error.to_string())
        };
        try_join_all((first..first + 1_000).map(send)).await?;
    }
    Ok(())
}

/// What comes after the first tenth counts, so that connecting does not.
struct Pace {
    begin: Option<(Instant, u64)>,
}

impl Pace {
    /// The rate, once all have come.
    fn note(&mut self, come: u64) -> Option<f64> {
        if come < RECORDS / 10 {
            return None;
        }
        let (begin, first) = *self.begin.get_or_insert((Instant::now(), come));
        (come >= RECORDS).then(|| (come - first) as f64 / begin.elapsed().as_secs_f64().max(1e-3))
    }
}

/// Records a second that Kafka's client gives without an engine.
async fn read_alone(brokers: &str) -> Result<f64, String> {
    let mut settings = Source::new(brokers, "bench-floor", [TOPIC.to_owned()]);
    settings.fetch_wait_ms = 20;
    let (sender, mut records) = tokio::sync::mpsc::channel(1_024);
    let stop = CancellationToken::new();
    let _stop = stop.clone().drop_guard();
    let (_handle, source) =
        KafkaSource::start(settings, BTreeMap::new(), sender, stop).map_err(|error| error.to_string())?;
    drop(tokio::spawn(source));
    let (mut come, mut pace) = (0, Pace { begin: None });
    let all = async {
        loop {
            match records.recv().await {
                Some(Event::Record { .. }) => come += 1,
                Some(_) => continue,
                None => return Err("Kafka's client has ended".to_owned()),
            }
            if let Some(rate) = pace.note(come) {
                return Ok(rate);
            }
        }
    };
    let late = |_| "the records could not be read in time".to_owned();
    tokio::time::timeout(INTAKE_TIMEOUT, all).await.map_err(late)?
}

/// Records a second that the engine takes until they are durable.
async fn taken(stage: &Stage) -> Result<f64, String> {
    let mut pace = Pace { begin: None };
    let begin = Instant::now();
    while begin.elapsed() < INTAKE_TIMEOUT {
        let asked = stage.daemon.ask(async |engine| engine.status().await);
        let status = asked.await.map_err(|error| error.to_string())?;
        let durable = status.ledger.durable == status.ledger.last;
        let inputs = status.counts.inputs;
        // The rest is of the start, a handful; the last records count once they are durable.
        let come = if durable { inputs } else { inputs.min(RECORDS - 1) };
        if let Some(rate) = pace.note(come) {
            return Ok(rate);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Err(format!("the records were not taken within {} s", INTAKE_TIMEOUT.as_secs()))
}

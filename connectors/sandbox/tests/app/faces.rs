//! The twins over real sockets, and their messages over a real consumer and a real receiver.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::State;
use bytes::Bytes;
use http::HeaderMap;
use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use sandbox::Now;
use sandbox::app::{App, SIGNATURE_HEADER, Settings, WebhookTarget, publisher, sender, sign};
use sandbox::face::serve;
use sandbox::kafka::mock_cluster;
use sandbox::mail::Mail;
use sandbox::{Garbling, When};
use serde_json::{Value as Json, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{TOKEN, World, lock};

const PATIENCE: Duration = Duration::from_secs(20);

fn now() -> Now {
    let now = World::new().now;
    Arc::new(move || now)
}

async fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    (listener, address)
}

#[tokio::test]
async fn the_app_answers_over_http_and_breaks_the_connection_where_it_is_told_to() {
    let app = Arc::new(Mutex::new(App::new(Settings { token: TOKEN.into(), ..Settings::default() }, lock::shipped())));
    let (listener, base) = listener().await;
    let stop = CancellationToken::new();
    let face = tokio::spawn(serve(Arc::clone(&app), listener, now(), stop.clone()));
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let post = |path: &str, body: Json| {
        client.post(format!("{base}{path}")).bearer_auth(TOKEN).header("idempotency-key", "k1").body(body.to_string())
    };
    let create = || post("/users", json!({ "email": "ada@example.com" })).send();

    let faults = json!({ "drop_next": { "n": 1, "when": "after" }, "fail_next": { "n": 1, "status": 503 } });
    assert_eq!(post("/_twin/faults", faults).send().await.unwrap().status(), 200);
    // Faults come in the order of the members of `Asked`: failures first.
    assert_eq!(create().await.unwrap().status(), 503);
    let lost = create().await.unwrap_err();
    assert!(!lost.is_connect() && !lost.is_timeout(), "{lost:?}");
    assert_eq!(app.lock().unwrap().count("User"), 1);
    let answer = create().await.unwrap();
    assert_eq!(answer.status(), 201);
    let record: Json = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    assert_eq!(record["id"], "user-1");
    assert_eq!(client.get(format!("{base}/users")).send().await.unwrap().status(), 401);

    assert_eq!(post("/_twin/edit/users/user-1", json!({ "phone": "1" })).send().await.unwrap().status(), 200);
    assert_eq!(post("/_twin/login/user-9", Json::Null).send().await.unwrap().status(), 404);
    let records = client.get(format!("{base}/_twin/records/User")).send().await.unwrap().bytes().await.unwrap();
    let records: Json = serde_json::from_slice(&records).unwrap();
    assert_eq!(records["records"][0]["phone"], "1");
    assert_eq!(post("/_twin/nothing", Json::Null).send().await.unwrap().status(), 404);

    stop.cancel();
    tokio::time::timeout(PATIENCE, face).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_client_sees_answers_that_are_cut_endless_slow_or_heavy() {
    let app = Arc::new(Mutex::new(App::new(Settings { token: TOKEN.into(), ..Settings::default() }, lock::shipped())));
    let (listener, base) = listener().await;
    let stop = CancellationToken::new();
    let face = tokio::spawn(serve(Arc::clone(&app), listener, now(), stop.clone()));
    let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let garbled = async |how: Garbling| {
        app.lock().unwrap().faults().garble_next(1, &how, When::After);
        client.get(format!("{base}/users")).bearer_auth(TOKEN).send().await
    };
    assert!(garbled(Garbling::Cut).await.unwrap().bytes().await.is_err(), "the rest of the body never comes");
    let mut endless = garbled(Garbling::Endless).await.unwrap();
    let mut read = 0;
    while read < 4 << 20 {
        read += endless.chunk().await.unwrap().unwrap().len();
    }
    drop(endless);
    let mut drip = garbled(Garbling::Drip).await.unwrap();
    for _ in 0..2 {
        assert_eq!(drip.chunk().await.unwrap().unwrap().len(), 1);
    }
    drop(drip);
    assert!(garbled(Garbling::HeaderBomb).await.is_err(), "no client takes so many headers");
    let to = "http://elsewhere.example.net/".to_owned();
    assert_eq!(garbled(Garbling::Redirect { to: to.clone() }).await.unwrap().headers()["location"], to.as_str());
    app.lock().unwrap().faults().slow_next(1, dsl::value::Duration(60));
    let asked = std::time::Instant::now();
    assert_eq!(client.get(format!("{base}/users")).bearer_auth(TOKEN).send().await.unwrap().status(), 200);
    assert!(asked.elapsed() >= Duration::from_millis(60));
    stop.cancel();
    tokio::time::timeout(PATIENCE, face).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn the_operations_twin_shows_over_http_what_it_sent() {
    let mail = Arc::new(Mutex::new(Mail::new(None)));
    let (listener, base) = listener().await;
    let stop = CancellationToken::new();
    let face = tokio::spawn(serve(mail, listener, now(), stop.clone()));
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let sent = client.post(format!("{base}/notify")).body(json!({ "text": "hi" }).to_string()).send().await.unwrap();
    assert_eq!(sent.status(), 200);
    let log = client.get(format!("{base}/_twin/sent")).send().await.unwrap().bytes().await.unwrap();
    let log: Json = serde_json::from_slice(&log).unwrap();
    assert_eq!(log["sent"][0]["body"], json!({ "text": "hi" }));
    stop.cancel();
    tokio::time::timeout(PATIENCE, face).await.unwrap().unwrap().unwrap();
}

/// A receiver that refuses the first delivery.
async fn receive(
    State(tell): State<mpsc::Sender<(HeaderMap, Bytes, bool)>>,
    headers: HeaderMap,
    body: Bytes,
) -> http::StatusCode {
    static REFUSED: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);
    let first = !REFUSED.swap(true, std::sync::atomic::Ordering::SeqCst);
    tell.send((headers, body, first)).await.unwrap();
    if first { http::StatusCode::SERVICE_UNAVAILABLE } else { http::StatusCode::OK }
}

#[tokio::test]
async fn webhook_deliveries_arrive_signed_and_are_repeated_when_refused() {
    let (listener, base) = listener().await;
    let (tell, mut told) = mpsc::channel(8);
    let receiver = axum::Router::new().fallback(receive).with_state(tell);
    let server = tokio::spawn(async move { axum::serve(listener, receiver).await });
    let webhook = WebhookTarget { url: format!("{base}/webhooks/app"), secret: "s3cret".into() };
    let app = App::new(Settings { webhook: Some(webhook), ..Settings::default() }, lock::shipped());
    let app = Arc::new(Mutex::new(app));
    let stop = CancellationToken::new();
    let start = std::time::Instant::now();
    let begin = World::new().now;
    let running: Now = Arc::new(move || begin.plus(dsl::value::Duration(start.elapsed().as_millis() as i64)));
    let sender = tokio::spawn(sender::deliver(Arc::clone(&app), running, stop.clone()));
    app.lock().unwrap().create("User", json!({ "email": "ada@example.com" }), begin).unwrap();

    let mut bodies = Vec::new();
    for refused in [true, false] {
        let (headers, body, first) = tokio::time::timeout(PATIENCE, told.recv()).await.unwrap().unwrap();
        assert_eq!(first, refused);
        let signature = headers[SIGNATURE_HEADER].to_str().unwrap();
        let at = signature.strip_prefix("t=").unwrap().split(',').next().unwrap().parse().unwrap();
        assert_eq!(signature, sign(b"s3cret", dsl::value::Timestamp(at), &body));
        bodies.push(body);
    }
    assert_eq!(bodies[0], bodies[1]);
    stop.cancel();
    tokio::time::timeout(PATIENCE, sender).await.unwrap().unwrap().unwrap();
    server.abort();
}

#[tokio::test]
async fn changes_reach_a_consumer_of_the_mock_cluster_in_order() {
    let app = App::new(Settings { kafka: true, ..Settings::default() }, lock::shipped());
    let topics = app.topics();
    let app = Arc::new(Mutex::new(app));
    let cluster = mock_cluster(&topics.iter().map(|topic| (topic.as_str(), 2)).collect::<Vec<_>>()).unwrap();
    let brokers = cluster.bootstrap_servers().to_owned();
    let stop = CancellationToken::new();
    let publishing = tokio::spawn({
        let (app, stop, brokers) = (Arc::clone(&app), stop.clone(), brokers.clone());
        async move { publisher::publish(app, &brokers, stop).await }
    });
    let at = World::new().now;
    let ids: Vec<String> = (0..3)
        .map(|n| app.lock().unwrap().create("User", json!({ "email": format!("u{n}@example.com") }), at).unwrap())
        .collect();
    for phone in 0..20 {
        for id in &ids {
            app.lock().unwrap().edit("User", id, json!({ "phone": phone.to_string() }), at).unwrap();
        }
    }

    let consumer: StreamConsumer = ClientConfig::new()
        .set("bootstrap.servers", &brokers)
        .set("group.id", "reader")
        .set("enable.auto.commit", "false")
        .set("fetch.wait.max.ms", "10")
        .create()
        .unwrap();
    let mut assignment = TopicPartitionList::new();
    for partition in 0..2 {
        assignment.add_partition_offset("biometrics.users", partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&assignment).unwrap();
    let mut seen: std::collections::BTreeMap<String, Vec<String>> = std::collections::BTreeMap::new();
    for _ in 0..63 {
        let record = tokio::time::timeout(PATIENCE, consumer.recv()).await.unwrap().unwrap();
        let key = String::from_utf8(record.key().unwrap().to_vec()).unwrap();
        let envelope: Json = serde_json::from_slice(record.payload().unwrap()).unwrap();
        assert_eq!(envelope["data"]["id"], json!(key));
        seen.entry(key).or_default().push(envelope["data"]["phone"].as_str().unwrap_or("none").to_owned());
    }
    let expected: Vec<String> = std::iter::once("none".to_owned()).chain((0..20).map(|n| n.to_string())).collect();
    assert_eq!(seen.keys().collect::<Vec<_>>(), ids.iter().collect::<Vec<_>>());
    assert!(seen.values().all(|phones| *phones == expected), "{seen:?}");
    stop.cancel();
    tokio::time::timeout(PATIENCE, publishing).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn what_was_changed_before_the_end_is_published_at_the_end() {
    let cluster = mock_cluster(&[("biometrics.users", 1)]).unwrap();
    let app = App::new(Settings { kafka: true, ..Settings::default() }, lock::shipped());
    let app = Arc::new(Mutex::new(app));
    app.lock().unwrap().create("User", json!({ "email": "ada@example.com" }), World::new().now).unwrap();
    let stop = CancellationToken::new();
    stop.cancel();
    tokio::time::timeout(PATIENCE, publisher::publish(app, cluster.bootstrap_servers(), stop)).await.unwrap().unwrap();
    let consumer: StreamConsumer = ClientConfig::new()
        .set("bootstrap.servers", cluster.bootstrap_servers())
        .set("group.id", "reader")
        .create()
        .unwrap();
    let watermarks =
        tokio::task::spawn_blocking(move || consumer.fetch_watermarks("biometrics.users", 0, PATIENCE)).await.unwrap();
    assert_eq!(watermarks.unwrap(), (0, 1));
}

//! What a sender sees of the webhook doors, over real HTTP on loopback.
#![expect(clippy::unwrap_used, reason = "a test may")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use connectors::hubspot::signature::{Signature, sign_v3};
use connectors::secret::Secret;
use connectors::webhook::door::{Door, Intake, Verdict, router};
use connectors::webhook::hmac::{Hmac256, sign};
use dsl::value::Timestamp;
use http::StatusCode;
use reqwest::{Client, RequestBuilder, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;

/// The most that the doors take here, in bytes.
const MOST: usize = 1_000_000;

const NOW: Timestamp = Timestamp(1_772_442_000_000);
const PUBLIC: &str = "https://engine.example.com/webhooks/crm";

/// Says what it is told to say, and remembers what it was given.
struct Scripted {
    verdict: Mutex<Verdict>,
    offered: Mutex<Vec<(String, Bytes)>>,
    refused: Mutex<Vec<(String, u16)>>,
}

#[async_trait]
impl Intake for Scripted {
    async fn offer(&self, system: &str, body: Bytes) -> Verdict {
        self.offered.lock().unwrap().push((system.to_owned(), body));
        self.verdict.lock().unwrap().clone()
    }

    fn refused(&self, system: &str, status: StatusCode) {
        self.refused.lock().unwrap().push((system.to_owned(), status.as_u16()));
    }
}

/// A HubSpot door and an app door that listen.
struct House {
    address: String,
    intake: Arc<Scripted>,
    client: Client,
    server: JoinHandle<()>,
}

impl House {
    async fn open() -> Self {
        let intake = Arc::new(Scripted {
            verdict: Mutex::new(Verdict::Durable),
            offered: Mutex::default(),
            refused: Mutex::default(),
        });
        let crm = Signature { secret: Secret::new("client"), public_url: PUBLIC.into() };
        let app = Hmac256 { header: "X-App-Signature".into(), secret: Secret::new("app") };
        let door = |path: &str, system: &str, verify, single| Door {
            path: path.into(),
            system: system.into(),
            verify,
            single,
            max_body: MOST,
        };
        let doors =
            vec![door("/webhooks/crm", "crm", Arc::new(crm), false), door("/webhooks/app", "app", Arc::new(app), true)];
        let dynamic: Arc<dyn Intake> = intake.clone();
        let clock: Arc<dyn Fn() -> Timestamp + Send + Sync> = Arc::new(|| NOW);
        let router = router(doors, &dynamic, &clock);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let client = Client::builder().no_proxy().timeout(Duration::from_secs(30)).build().unwrap();
        Self { address, intake, client, server }
    }

    fn post(&self, path: &str, body: &str) -> RequestBuilder {
        self.client.post(format!("http://{}{path}", self.address)).body(body.to_owned())
    }

    /// A delivery as HubSpot signs it.
    fn crm(&self, body: &str) -> RequestBuilder {
        let time = NOW.0.to_string();
        let signature = sign_v3(&Secret::new("client"), "POST", PUBLIC, body.as_bytes(), &time);
        self.post("/webhooks/crm", body)
            .header("X-HubSpot-Signature-v3", signature)
            .header("X-HubSpot-Request-Timestamp", time)
    }

    /// A delivery as the app signs it.
    fn app(&self, body: &str) -> RequestBuilder {
        self.post("/webhooks/app", body).header("X-App-Signature", sign(&Secret::new("app"), NOW, body.as_bytes()))
    }

    fn say(&self, verdict: Verdict) {
        *self.intake.verdict.lock().unwrap() = verdict;
    }

    fn offered(&self) -> Vec<(String, Bytes)> {
        self.intake.offered.lock().unwrap().clone()
    }

    fn refused(&self) -> Vec<(String, u16)> {
        self.intake.refused.lock().unwrap().clone()
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Checks an answer that is a problem; gives its detail.
async fn problem(request: RequestBuilder, status: u16) -> String {
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), status);
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let body: serde_json::Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
    assert_eq!(body["status"], status);
    assert!(!body["title"].as_str().unwrap().is_empty());
    body["detail"].as_str().unwrap().to_owned()
}

async fn fine(request: RequestBuilder) -> Response {
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    response
}

#[tokio::test]
async fn a_durable_delivery_is_answered_200_and_empty_and_handed_on_byte_for_byte() {
    let house = House::open().await;
    // Order of keys, white space and escapes would not survive being read and written again.
    let body = "[ {\"b\":1,\n \"a\":\"\\u00e4\"} ]\n";
    assert!(fine(house.crm(body)).await.bytes().await.unwrap().is_empty());
    assert_eq!(house.offered(), [("crm".to_owned(), Bytes::from(body))]);
    // The path decides; a query is the sender's business.
    let single = r#"{"id": "1"}"#;
    let signature = sign(&Secret::new("app"), NOW, single.as_bytes());
    fine(house.post("/webhooks/app?attempt=2", single).header("X-App-Signature", signature)).await;
    assert_eq!(house.offered()[1], ("app".to_owned(), Bytes::from(single)));
    assert!(house.refused().is_empty());
}

#[tokio::test]
async fn a_missing_or_wrong_signature_is_401_and_says_no_more() {
    let house = House::open().await;
    let detail = problem(house.post("/webhooks/crm", "[]"), 401).await;
    assert_eq!(detail, "the signature is missing or wrong");
    // Signed for another body, for another door, too long ago.
    let other = house.crm("[{}]").build().unwrap();
    let signed = house.post("/webhooks/crm", "[]").headers(other.headers().clone());
    assert_eq!(problem(signed, 401).await, detail);
    let old = sign(&Secret::new("app"), Timestamp(NOW.0 - 300_001), b"[]");
    assert_eq!(problem(house.post("/webhooks/app", "[]").header("X-App-Signature", old), 401).await, detail);
    let app = sign(&Secret::new("app"), NOW, b"[]");
    assert_eq!(problem(house.post("/webhooks/crm", "[]").header("X-App-Signature", app), 401).await, detail);
    assert!(house.offered().is_empty());
    let crm = ("crm".to_owned(), 401);
    assert_eq!(house.refused(), [crm.clone(), crm.clone(), ("app".to_owned(), 401), crm]);
}

#[tokio::test]
async fn the_signature_is_checked_before_the_body_is_looked_at() {
    let house = House::open().await;
    problem(house.post("/webhooks/crm", "no JSON"), 401).await;
    assert!(problem(house.crm("no JSON"), 400).await.starts_with("the body is no JSON"));
    assert!(house.offered().is_empty());
}

#[tokio::test]
async fn one_object_is_taken_from_the_app_and_not_from_hubspot() {
    let house = House::open().await;
    fine(house.app("{}")).await;
    fine(house.app("[{}]")).await;
    assert_eq!(problem(house.crm("{}"), 400).await, "the body is no array of events");
    assert_eq!(problem(house.crm("[1]"), 400).await, "the body is no array of events");
    assert_eq!(problem(house.app("\"{}\""), 400).await, "the body is no array of events");
}

#[tokio::test]
async fn a_body_as_large_as_its_door_takes_is_taken_and_one_byte_more_is_413() {
    let house = House::open().await;
    let body = |size: usize| format!("[{}]", " ".repeat(size - 2));
    fine(house.crm(&body(MOST))).await;
    let refused = problem(house.crm(&body(MOST + 1)), 413).await;
    assert_eq!(refused, "the body is larger than 1000000 bytes, which is the `max_body` of this webhook");
    assert_eq!(house.offered().len(), 1);
}

#[tokio::test]
async fn a_body_that_does_not_announce_its_length_is_held_to_1_mib_too() {
    let house = House::open().await;
    let mut stream = tokio::net::TcpStream::connect(&house.address).await.unwrap();
    stream.write_all(b"POST /webhooks/crm HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n").await.unwrap();
    let (mut read, mut write) = stream.split();
    let send = async {
        let chunk = [b"10000\r\n".as_slice(), &[b' '; 0x10000], b"\r\n"].concat();
        // The door answers and hangs up before it has seen all of it: then there is nobody to write to.
        for _ in 0..32 {
            if write.write_all(&chunk).await.is_err() {
                break;
            }
        }
    };
    let mut answer = [0; 12];
    let (read, ()) = tokio::join!(read.read_exact(&mut answer), send);
    read.unwrap();
    assert_eq!(std::str::from_utf8(&answer).unwrap(), "HTTP/1.1 413");
}

#[tokio::test]
async fn what_cannot_be_taken_now_says_when_to_come_again() {
    let house = House::open().await;
    for (verdict, status, after) in
        [(Verdict::Full(7), 429, "7"), (Verdict::Full(0), 429, "1"), (Verdict::Unwritable(30), 503, "30")]
    {
        house.say(verdict);
        let response = house.crm("[{}]").send().await.unwrap();
        assert_eq!(response.status(), status);
        assert_eq!(response.headers()["retry-after"], after);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
    }
}

#[tokio::test]
async fn what_is_of_another_account_is_403_with_both() {
    let house = House::open().await;
    house.say(Verdict::OtherAccount("this is of the account 555".into()));
    assert_eq!(problem(house.crm("[{}]"), 403).await, "this is of the account 555");
}

#[tokio::test]
async fn what_the_connector_cannot_read_is_400_with_its_reason() {
    let house = House::open().await;
    house.say(Verdict::Unreadable("event 3 has no `objectId`".into()));
    assert_eq!(problem(house.crm("[{}]"), 400).await, "event 3 has no `objectId`");
}

#[tokio::test]
async fn other_paths_and_methods_are_problems_too() {
    let house = House::open().await;
    problem(house.post("/webhooks/crm/", "[]"), 404).await;
    problem(house.post("/", "[]"), 404).await;
    let get = house.client.get(format!("http://{}/webhooks/crm", house.address));
    assert_eq!(get.try_clone().unwrap().send().await.unwrap().headers()["allow"], "POST");
    problem(get, 405).await;
    assert!(house.offered().is_empty());
}

//! What the app twin and the operations twin promise, through their public doors.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod adapters;
mod batches;
mod faces;
mod faults;
mod keys;
mod laws;
mod lock;
mod mail;
mod messages;
mod operations;
mod records;
mod shape;
mod webhooks;

use bytes::Bytes;
use dsl::value::{Duration, Timestamp};
use http::{Request, Response};
use sandbox::Model as _;
use sandbox::app::{App, Settings};
use serde_json::{Value as Json, json};

const TOKEN: &str = "app-token";

/// An app and the time of its next request.
struct World {
    app: App,
    now: Timestamp,
}

impl World {
    fn new() -> Self {
        Self::with(Settings { token: TOKEN.into(), kafka: true, ..Settings::default() })
    }

    fn with(settings: Settings) -> Self {
        let now = Timestamp::parse("2026-03-02T09:00:00.000Z").unwrap();
        Self { app: App::new(settings, lock::shipped()), now }
    }

    /// A second later.
    fn later(&mut self) -> Timestamp {
        self.now = self.now.plus(Duration::seconds(1));
        self.now
    }

    fn send(&mut self, method: &str, path: &str, key: Option<&str>, body: &Json) -> Response<Bytes> {
        self.app.handle(&request(method, path, key, body), self.now)
    }

    /// The status and the body of a request without a key.
    fn call(&mut self, method: &str, path: &str, body: Json) -> (u16, Json) {
        opened(&self.send(method, path, None, &body))
    }

    fn get(&mut self, path: &str) -> (u16, Json) {
        self.call("GET", path, Json::Null)
    }

    /// A user with this email; its id.
    fn user(&mut self, email: &str) -> String {
        self.app.create("User", json!({ "email": email, "firstName": "Ada" }), self.now).unwrap()
    }

    /// The envelopes published since the last look.
    fn published(&mut self) -> Vec<Json> {
        self.app.outgoing().iter().map(|message| serde_json::from_slice(&message.body).unwrap()).collect()
    }
}

fn request(method: &str, path: &str, key: Option<&str>, body: &Json) -> Request<Bytes> {
    let mut request = Request::builder()
        .method(method)
        .uri(format!("http://app.test{path}"))
        .header("authorization", format!("Bearer {TOKEN}"));
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
    request.body(body).unwrap()
}

fn opened(response: &Response<Bytes>) -> (u16, Json) {
    let body = if response.body().is_empty() { Json::Null } else { serde_json::from_slice(response.body()).unwrap() };
    (response.status().as_u16(), body)
}

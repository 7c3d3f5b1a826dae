//! What the HubSpot twin promises: section 10 of the contract, claim by claim, through its public doors.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod access;
mod batches;
mod connector;
mod definitions;
mod emails;
mod laws;
mod limits;
mod links;
mod lives;
mod owners;
mod pipelines;
mod schemas;
mod search;
mod subscriptions;
mod targets;
mod values;
mod webhooks;

use bytes::Bytes;
use dsl::value::{Duration, Timestamp};
use http::{Request, Response};
use sandbox::Model;
use sandbox::hubspot::{HubSpot, Settings};
use serde_json::{Value as Json, json};

const TOKEN: &str = "pat-eu1-test";
const WEBHOOK: &str = "https://engine.example.com/webhooks/crm";
const CONTACTS: &str = "/crm/v3/objects/contacts";
const COMPANIES: &str = "/crm/objects/2026-09/companies";

/// An account and the time of its next request.
struct World {
    twin: HubSpot,
    now: Timestamp,
}

impl World {
    fn new() -> Self {
        Self::with(shipped())
    }

    fn with(lock: dsl::schema::Lock) -> Self {
        let now = Timestamp::parse("2026-03-02T09:00:00.000Z").unwrap();
        Self { twin: HubSpot::new(settings(), lock), now }
    }

    /// The time after `span`.
    fn later(&mut self, span: Duration) -> Timestamp {
        self.now = self.now.plus(span);
        self.now
    }

    fn send(&mut self, method: &str, path: &str, body: &Json) -> Response<Bytes> {
        self.twin.handle(&request(method, path, body), self.now)
    }

    /// Status and body.
    fn call(&mut self, method: &str, path: &str, body: &Json) -> (u16, Json) {
        let response = self.send(method, path, body);
        (response.status().as_u16(), opened(&response))
    }

    fn get(&mut self, path: &str) -> (u16, Json) {
        self.call("GET", path, &Json::Null)
    }

    fn post(&mut self, path: &str, body: &Json) -> (u16, Json) {
        self.call("POST", path, body)
    }

    /// A contact that our app makes; its id.
    fn contact(&mut self, properties: &Json) -> String {
        let (status, body) = self.post(CONTACTS, &json!({ "properties": properties }));
        assert_eq!(status, 201, "{body}");
        body["id"].as_str().unwrap().to_owned()
    }
}

fn settings() -> Settings {
    Settings {
        portal_id: 99_000_111,
        app_id: 7_700_123,
        client_secret: "client-secret".into(),
        token: TOKEN.into(),
        webhook_url: Some(WEBHOOK.into()),
        limit: 100,
        seed: 7,
    }
}

fn shipped() -> dsl::schema::Lock {
    dsl::schema::read_lock(include_str!("../../../../rules/schemas/crm.lock")).unwrap()
}

fn request(method: &str, path: &str, body: &Json) -> Request<Bytes> {
    let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
    Request::builder()
        .method(method)
        .uri(format!("https://api.hubapi.com{path}"))
        .header("authorization", format!("Bearer {TOKEN}"))
        .body(body)
        .unwrap()
}

fn opened(response: &Response<Bytes>) -> Json {
    if response.body().is_empty() { Json::Null } else { serde_json::from_slice(response.body()).unwrap() }
}

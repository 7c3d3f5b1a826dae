//! Where a job is measured: a folder with rules and configuration, the engine as a process of its own, and the service
//! that its workflows call.

use std::cell::Cell;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use axum::http::Uri;
use bytes::Bytes;
use connectors::hubspot::signature::sign_v3;
use connectors::secret::Secret;
use http::{HeaderMap, HeaderValue};
use serde_json::json;

use super::Settings;
use super::load::Client;
use super::server::Service;
use crate::cli::daemon::Daemon;
use crate::clock::wall;
use crate::proc::Process;

/// The rules that are measured, each by its path.
pub(super) const RULES: [(&str, &str); 3] = [
    ("bench.rules", include_str!("rules/bench.rules")),
    ("schemas/crm.lock", include_str!("rules/schemas/crm.lock")),
    ("schemas/service.lock", include_str!("rules/schemas/service.lock")),
];

/// More rules, for records of Kafka.
pub(super) const KAFKA_RULES: [(&str, &str); 2] =
    [("kafka.rules", include_str!("rules/kafka.rules")), ("schemas/app.lock", include_str!("rules/schemas/app.lock"))];

const SECRET: &str = "bench-client-secret";
/// What is signed, as HubSpot knows it.
const PUBLIC_URL: &str = "https://engine.example.com/webhooks/crm";
/// Bytes of an event.
const EVENT: usize = 1_024;

/// What is measured, ready to be started.
pub(super) struct Stage {
    pub(super) daemon: Daemon,
    /// Where webhooks arrive.
    pub(super) door: SocketAddr,
    pub(super) service: Service,
    pub(super) events: Events,
    folder: tempfile::TempDir,
}

impl Stage {
    /// A stage with the rules of the bench, and Kafka's where brokers are named.
    pub(super) fn build(settings: &Settings, brokers: Option<&str>) -> Result<Self, String> {
        let folder = settings.folder()?;
        write_rules(&folder.path().join("rules"), brokers.is_some())?;
        let service = Service::start(settings.service)?;
        let (door, admin) = (free_address()?, free_address()?);
        let config = config(door, admin, service.address, brokers);
        write(&folder.path().join("engine.yaml"), &config)?;
        let secrets = vec![("BENCH_SECRET", SECRET)];
        let daemon = Daemon::new(folder.path().to_path_buf(), None, format!("http://{admin}"), secrets);
        let daemon = daemon.map_err(|error| error.to_string())?;
        Ok(Self { daemon, door, service, events: Events::new(), folder })
    }

    /// Where the rules are.
    pub(super) fn rules(&self) -> PathBuf {
        self.folder.path().join("rules")
    }

    /// Where the engine keeps its state.
    pub(super) fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// Starts the engine and waits until it is ready.
    pub(super) async fn start(&mut self) -> Result<(), String> {
        self.daemon.start().await.map_err(|error| error.to_string())
    }

    /// Ends it by SIGKILL.
    pub(super) async fn kill(&mut self) -> Result<(), String> {
        self.daemon.kill().await.map_err(|error| error.to_string())
    }

    /// Ends it in order.
    pub(super) async fn stop(&mut self) -> Result<(), String> {
        self.daemon.stop().await.map_err(|error| error.to_string())
    }

    /// Its process, while it runs.
    pub(super) fn process(&self) -> Result<Process, String> {
        self.daemon.pid().map(Process::new).ok_or_else(|| "the engine does not run".to_owned())
    }

    /// Connections to its door.
    pub(super) async fn clients(&self, count: usize) -> Result<Vec<Client>, String> {
        Client::many(count, self.door).await
    }
}

/// Lays the rules of the bench into a folder.
pub(super) fn write_rules(folder: &Path, kafka: bool) -> Result<(), String> {
    let more = if kafka { KAFKA_RULES.as_slice() } else { &[] };
    RULES.iter().chain(more).try_for_each(|(name, text)| write(&folder.join(name), text))
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    let written = path.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::write(path, text));
    written.map_err(|error| format!("cannot write {}: {error}", path.display()))
}

/// A port that is free now. The engine takes it a moment later.
fn free_address() -> Result<SocketAddr, String> {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let address = listener.and_then(|listener| listener.local_addr());
    address.map_err(|error| format!("there is no free port: {error}"))
}

fn config(door: SocketAddr, admin: SocketAddr, service: SocketAddr, brokers: Option<&str>) -> String {
    let mut systems = json!({
        "crm": {
            "connector": "hubspot", "base_url": "http://127.0.0.1:9", "token_env": "BENCH_SECRET",
            "webhook": {"path": "/webhooks/crm", "public_url": PUBLIC_URL, "client_secret_env": "BENCH_SECRET"},
        },
        "service": {
            // No limit but the number at once: the service is not what is measured.
            "connector": "http", "base_url": format!("http://{service}"), "concurrency": 64,
            "operations": {"step": {"method": "POST", "path": "/steps/{step}/{about}", "body": {"about": "{about}"}}},
        },
    });
    let mut config = json!({
        "rules": "rules", "state": "state", "listen": door.to_string(), "admin": {"listen": admin.to_string()},
    });
    if let Some(brokers) = brokers {
        systems["app"] = json!({"connector": "rest", "base_url": "http://127.0.0.1:9", "token_env": "BENCH_SECRET"});
        config["kafka"] = json!({"brokers": brokers, "group": "bench", "fetch_wait": "20ms"});
    }
    config["systems"] = systems;
    // YAML takes JSON as it is.
    config.to_string()
}

/// Makes deliveries as HubSpot sends them.
pub(super) struct Events {
    secret: Secret,
    path: Uri,
    last: Cell<u64>,
}

/// What an event is about, and so what follows from it.
#[derive(Debug, Clone, Copy)]
pub(super) enum About<'a> {
    /// A ticket's text has changed: it is kept, and nothing follows.
    Ticket(u64),
    /// A deal was made: three calls follow.
    Deal(&'a str),
    /// A contact's run sleeps until a time.
    Contact(&'a str, dsl::value::Timestamp),
}

impl Events {
    fn new() -> Self {
        let path = Uri::from_static("/webhooks/crm");
        Self { secret: Secret::new(SECRET), path, last: Cell::new(0) }
    }

    /// A number that no event of this stage had before.
    pub(super) fn number(&self) -> u64 {
        self.last.set(self.last.get() + 1);
        self.last.get()
    }

    /// One event of about a kilobyte.
    pub(super) fn one(&self, about: About<'_>) -> Bytes {
        let mut event = self.event(about);
        let room = EVENT.saturating_sub(event.to_string().len() + 2);
        let member = if matches!(about, About::Ticket(_)) { "propertyValue" } else { "sourceId" };
        let text = event[member].as_str().unwrap_or_default();
        event[member] = format!("{text}{}", "x".repeat(room)).into();
        Bytes::from(json!([event]).to_string())
    }

    /// One delivery of many, each as short as it comes.
    pub(super) fn many<'a>(&self, about: impl IntoIterator<Item = About<'a>>) -> Bytes {
        let events: Vec<_> = about.into_iter().map(|about| self.event(about)).collect();
        Bytes::from(serde_json::Value::from(events).to_string())
    }

    fn event(&self, about: About<'_>) -> serde_json::Value {
        let number = self.number();
        let (kind, object, property, value) = match about {
            About::Ticket(id) => ("ticket.propertyChange", id.to_string(), "content", format!("text {number} ")),
            About::Deal(id) => ("deal.creation", id.to_owned(), "", String::new()),
            About::Contact(id, at) => ("contact.propertyChange", id.to_owned(), "wakes_at", at.0.to_string()),
        };
        json!({
            "eventId": number, "subscriptionId": 1, "portalId": 99_000_111, "appId": 7_700_123,
            "occurredAt": wall().0, "subscriptionType": kind, "attemptNumber": 0, "objectId": object,
            "propertyName": property, "propertyValue": value, "changeSource": "CRM_UI", "sourceId": "userId:1 ",
        })
    }

    /// Sends a delivery; returns once it is acknowledged.
    pub(super) async fn send(&self, client: &mut Client, body: Bytes) -> Result<(), String> {
        client.offer(&self.path, self.signed(&body)?, body).await
    }

    /// The headers by which it is taken for HubSpot's.
    fn signed(&self, body: &[u8]) -> Result<HeaderMap, String> {
        let time = wall().0.to_string();
        let signature = sign_v3(&self.secret, "POST", PUBLIC_URL, body, &time);
        let value = |text: &str| HeaderValue::try_from(text).map_err(|error| error.to_string());
        let mut headers = HeaderMap::new();
        headers.insert("x-hubspot-signature-v3", value(&signature)?);
        headers.insert("x-hubspot-request-timestamp", value(&time)?);
        Ok(headers)
    }

    /// The same to another address, such as that of a floor, which looks at nothing.
    pub(super) async fn send_to(&self, client: &mut Client, path: &Uri, body: Bytes) -> Result<(), String> {
        client.offer(path, self.signed(&body)?, body).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::rules::{Rules, stored};

    #[test]
    fn the_rules_of_the_bench_hold_with_kafka_and_without() {
        for kafka in [false, true] {
            let folder = tempfile::tempdir().expect("a folder can be made");
            write_rules(folder.path(), kafka).expect("written");
            let set = stored::load(&Rules::folder(folder.path())).expect("they hold");
            assert_eq!(set.program.doors.len(), if kafka { 2 } else { 1 });
        }
    }

    #[test]
    fn the_configuration_is_sound() {
        let at = SocketAddr::from(([127, 0, 0, 1], 1));
        let secret = |name: &str| (name == "BENCH_SECRET").then(String::new);
        for brokers in [None, Some("127.0.0.1:2")] {
            let text = config(at, at, at, brokers);
            Config::parse("engine.yaml", &text, Path::new("/"), &secret).expect("sound");
        }
    }

    #[test]
    fn an_event_is_a_kilobyte_that_hubspots_reader_takes() {
        let events = Events::new();
        let lock = dsl::schema::read_lock(RULES[1].1).expect("a lock");
        for about in [About::Ticket(7), About::Deal("d7"), About::Contact("c7", wall())] {
            let body = events.one(about);
            assert!((EVENT - 8..=EVENT + 8).contains(&body.len()), "{}", body.len());
            let delivery = connectors::hubspot::events::read(&lock, None, None, &body).expect("readable");
            assert!(matches!(delivery.messages[0].body, connectors::port::Body::Record { .. }), "{delivery:?}");
        }
    }
}

//! The sample application, the engine and HubSpot's twin, each over HTTP: members and contacts are kept in step.

use std::error::Error;
use std::net::SocketAddr;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use dsl::schema::read_lock;
use engine::connector::Timestamp;
use engine::{Engine, HubSpot, Rest, Rules, State};
use sandbox::hubspot;
use serde_json::{Value as Json, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/your_application");

/// Ends with the test, whatever becomes of it.
struct Application(Child);

impl Drop for Application {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

async fn free_port() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    listener.local_addr().expect("it is bound")
}

/// Asks until there is an answer that fits, for at most 20 seconds.
async fn wait<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let found = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::task::yield_now().await;
        }
    };
    match tokio::time::timeout(Duration::from_secs(20), found).await {
        Ok(found) => found,
        Err(_) => panic!("{what} does not come"),
    }
}

async fn batch(app: SocketAddr, body: &Json) -> Option<Json> {
    let request = reqwest::Client::new().post(format!("http://{app}/members/batch")).bearer_auth("the-token");
    let answer = request.body(body.to_string()).send().await.ok()?;
    serde_json::from_slice(&answer.bytes().await.ok()?).ok()
}

async fn name_of(app: SocketAddr, email: &str) -> Option<String> {
    let read = json!({"operation": "read", "by": "email", "inputs": [{"key": "k", "id": email}]});
    Some(batch(app, &read).await?["results"][0]["record"]["name"].as_str()?.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_and_contacts_are_kept_in_step_both_ways() -> Result<(), Box<dyn Error>> {
    let (door, app) = (free_port().await, free_port().await);
    let lock = std::fs::read_to_string(format!("{FOLDER}/rules/schemas/crm.lock"))?;
    let webhook = format!("http://{door}/webhooks/crm");
    let settings = hubspot::Settings {
        portal_id: 1,
        app_id: 1,
        client_secret: "secret".to_owned(),
        token: "token".to_owned(),
        webhook_url: Some(webhook.clone()),
        limit: 100,
        seed: 1,
    };
    let crm = Arc::new(Mutex::new(hubspot::HubSpot::new(settings, read_lock(&lock).expect("the lock is sound"))));
    let stop = CancellationToken::new();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let crm_at = listener.local_addr()?;
    tokio::spawn(sandbox::face::serve(Arc::clone(&crm), listener, Arc::new(now), stop.clone()));
    tokio::spawn(hubspot::deliver(Arc::clone(&crm), Arc::new(now), stop.clone()));
    let script = format!("{FOLDER}/members.py");
    let messages = format!("http://{door}/webhooks/app");
    let arguments = [script, app.port().to_string(), messages];
    let _application = match Command::new("python3").args(arguments).spawn() {
        Ok(child) => Application(child),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && std::env::var_os("ALLOW_SKIPS").is_some() => {
            println!("skipped: your_application: there is no python3");
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };

    let engine = Engine::builder()
        .rules(Rules::folder(format!("{FOLDER}/rules")))
        .state(State::memory())
        .listen(Some(door))
        .system(
            "crm",
            HubSpot::new("token").base_url(&format!("http://{crm_at}")).portal_id(1).webhook(
                "/webhooks/crm",
                &webhook,
                "secret",
            ),
        )
        .system("app", Rest::new(&format!("http://{app}"), "the-token").webhook("/webhooks/app", "the-secret"))
        .start()
        .await?;

    // A new member becomes a contact.
    let ada =
        json!({"operation": "create", "inputs": [{"key": "1", "values": {"email": "ada@example.com", "name": "Ada"}}]});
    wait("the application", async || batch(app, &ada).await).await;
    let contact = async || {
        let crm = crm.lock().unwrap_or_else(PoisonError::into_inner);
        let contact = crm.find("Contact", "email", "ada@example.com")?;
        (contact.properties.get("firstname").map(String::as_str) == Some("Ada")).then_some(contact.id)
    };
    let id = wait("the contact", contact).await;
    // The same key again makes nobody.
    let again = batch(app, &ada).await.expect("it answers");
    assert_eq!(again["results"][0]["status"], 201);

    // An edit in HubSpot reaches the member, a new contact becomes one.
    crm.lock().unwrap_or_else(PoisonError::into_inner).edit("Contact", id, &[("firstname", "Augusta")], now())?;
    wait("the edit", async || (name_of(app, "ada@example.com").await? == "Augusta").then_some(())).await;
    let grace = [("email", "grace@example.com"), ("firstname", "Grace")];
    crm.lock().unwrap_or_else(PoisonError::into_inner).create("Contact", &grace, now())?;
    wait("the new member", async || (name_of(app, "grace@example.com").await? == "Grace").then_some(())).await;

    // An address that is taken names who has it.
    let taken = json!({"operation": "create", "inputs": [{"key": "2", "values": {"email": "grace@example.com"}}]});
    let refused = batch(app, &taken).await.expect("it answers");
    assert_eq!(refused["results"][0]["status"], 409);
    assert!(refused["results"][0]["existingId"].is_string(), "{refused}");
    engine.stop().await?;
    stop.cancel();
    Ok(())
}

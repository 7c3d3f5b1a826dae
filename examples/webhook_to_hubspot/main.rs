//! A web server with the engine in it: a webhook of a shop comes in beside the server's own paths, and HubSpot gets the
//! contact.
//!
//! In: nothing. Out: what the paths of the server answer, and what HubSpot holds then.
//! Not here: HubSpot itself; its twin answers in this process.

use std::error::Error;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use axum::Router;
use axum::routing::get;
use dsl::schema::{Lock, read_lock};
use engine::connector::Timestamp;
use engine::{Engine, HubSpot, Rest, Rules, State};
use sandbox::app::{SIGNATURE_HEADER, sign};
use sandbox::{InProcess, hubspot};
use serde_json::json;
use tokio::net::TcpListener;

const RULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/webhook_to_hubspot/rules");
const SECRET: &str = "shared with the shop";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    served(&mut io::stdout().lock()).await
}

async fn served(out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let crm = Arc::new(Mutex::new(twin()?));
    let engine = Engine::builder()
        .rules(Rules::folder(RULES))
        .state(State::memory())
        .system("crm", HubSpot::new("token").base_url("http://crm.test"))
        .system("shop", Rest::new("http://shop.test", "token").webhook("/webhooks/shop", SECRET))
        .transport(Arc::new(InProcess::new(Arc::clone(&crm), now)))
        .start()
        .await?;

    // The server is the program's; the webhook is one more of its paths.
    let router = Router::new().route("/", get(|| async { "the program's own page" })).merge(engine.router());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = tokio::spawn(async move { axum::serve(listener, router).await });

    let client = reqwest::Client::new();
    let page = client.get(format!("http://{address}/")).send().await?;
    writeln!(out, "GET / is {}: {}", page.status().as_u16(), page.text().await?)?;

    let told = json!({
        "id": "evt-1", "type": "customer.created", "occurredAt": "2026-03-02T09:00:00Z",
        "data": {
            "id": "7", "email": "Ada@Example.com", "firstName": "Ada", "familyName": "Lovelace", "grade": "gold",
            "spent": "49.00", "note": null, "updatedAt": "2026-03-02T09:00:00Z",
        },
    });
    let body = told.to_string();
    let webhook = format!("http://{address}/webhooks/shop");
    let unsigned = client.post(&webhook).body(body.clone()).send().await?;
    writeln!(out, "POST /webhooks/shop without a signature is {}", unsigned.status().as_u16())?;
    let signature = sign(SECRET.as_bytes(), now(), body.as_bytes());
    let signed = client.post(&webhook).header(SIGNATURE_HEADER, signature).body(body).send().await?;
    writeln!(out, "POST /webhooks/shop with its signature is {}", signed.status().as_u16())?;

    engine.idle().await?;
    for contact in crm.lock().unwrap_or_else(PoisonError::into_inner).records("Contact") {
        let property = |name: &str| contact.properties.get(name).map(String::as_str).unwrap_or_default();
        writeln!(out, "HubSpot has {}: {}, {}", property("email"), property("name"), property("revenue"))?;
    }
    engine.stop().await?;
    server.abort();
    Ok(())
}

/// An account without contacts.
fn twin() -> Result<hubspot::HubSpot, Box<dyn Error>> {
    let text = std::fs::read_to_string(format!("{RULES}/schemas/crm.lock"))?;
    let lock: Lock = read_lock(&text).map_err(|problem| format!("{problem:?}"))?;
    let settings = hubspot::Settings {
        portal_id: 1,
        app_id: 1,
        client_secret: "secret".to_owned(),
        token: "token".to_owned(),
        webhook_url: None,
        limit: 100,
        seed: 1,
    };
    Ok(hubspot::HubSpot::new(settings, lock))
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    #[tokio::test]
    async fn the_readme_shows_what_is_printed() {
        let mut out = Vec::new();
        super::served(&mut out).await.unwrap();
        let readme = include_str!("README.md");
        let shown = readme.split("```text\n").nth(1).unwrap().split("```").next().unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), shown);
    }
}

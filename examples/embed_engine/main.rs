//! The engine inside of a program: starts it, lets it carry out a sync, looks at what it did, and stops it.
//!
//! In: nothing. Out: which records are the same thing, and what was decided.
//! Not here: real systems. Twins of HubSpot and of a shop answer in this process; without `transport` the same program
//! asks real ones.

use std::error::Error;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use bytes::Bytes;
use dsl::schema::{Lock, read_lock};
use engine::api::Filter;
use engine::connector::{Timestamp, Transport, TransportError, async_trait};
use engine::{Engine, HubSpot, Rest, Rules, State};
use sandbox::InProcess;
use sandbox::{app, hubspot};
use serde_json::json;

const RULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/hello_rule/rules");

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    embedded(&mut io::stdout().lock()).await
}

async fn embedded(out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let systems = Twins::new()?;
    let engine = Engine::builder()
        .rules(Rules::folder(RULES))
        .state(State::memory())
        .system("crm", HubSpot::new("token").base_url("http://crm.test"))
        .system("shop", Rest::new("http://shop.test", "token"))
        .transport(Arc::new(systems))
        .start()
        .await?;

    // The sync runs every hour by itself; here it runs now, over all customers.
    engine.backfill("ada", "Customers").await?;
    engine.idle().await?;

    for link in engine.links(&Filter::default()).await?.links {
        let (left, right) = (link.left.unwrap_or_default(), link.right.unwrap_or_default());
        writeln!(out, "{}: {left} is {right}, {}", link.sync, link.state)?;
    }
    for line in engine.history(&Filter { about: Some("create".to_owned()), ..Filter::default() }).history {
        writeln!(
            out,
            "{} {} for {}, by {}",
            line.action.name(),
            line.entity,
            line.left.unwrap_or_default(),
            line.place
        )?;
    }
    let status = engine.status().await?;
    writeln!(out, "{} incidents, {} parked", status.incidents, status.parked)?;
    engine.stop().await?;
    Ok(())
}

/// The two systems, in this process.
struct Twins {
    crm: InProcess<hubspot::HubSpot>,
    shop: InProcess<app::App>,
}

impl Twins {
    /// A CRM without contacts, and a shop with two customers.
    fn new() -> Result<Self, Box<dyn Error>> {
        let settings = hubspot::Settings {
            portal_id: 1,
            app_id: 1,
            client_secret: "secret".to_owned(),
            token: "token".to_owned(),
            webhook_url: None,
            limit: 100,
            seed: 1,
        };
        let crm = hubspot::HubSpot::new(settings, lock("crm")?);
        let settings = app::Settings { token: "token".to_owned(), ..app::Settings::default() };
        let mut shop = app::App::new(settings, lock("shop")?);
        for (name, email) in [("Ada", "Ada@Example.com"), ("Grace", "grace@example.com")] {
            let customer = json!({
                "email": email, "firstName": name, "familyName": "of the shop", "grade": "gold", "spent": "49.00",
            });
            shop.create("Customer", customer, now()).map_err(|refused| format!("{refused:?}"))?;
        }
        let (crm, shop) = (Arc::new(Mutex::new(crm)), Arc::new(Mutex::new(shop)));
        Ok(Self { crm: InProcess::new(crm, now), shop: InProcess::new(shop, now) })
    }
}

#[async_trait]
impl Transport for Twins {
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, TransportError> {
        match request.uri().host() {
            Some("crm.test") => self.crm.send(request).await,
            _ => self.shop.send(request).await,
        }
    }
}

fn lock(system: &str) -> Result<Lock, Box<dyn Error>> {
    let text = std::fs::read_to_string(format!("{RULES}/schemas/{system}.lock"))?;
    Ok(read_lock(&text).map_err(|problem| format!("{problem:?}"))?)
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
        super::embedded(&mut out).await.unwrap();
        let readme = include_str!("README.md");
        let shown = readme.split("```text\n").nth(1).unwrap().split("```").next().unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), shown);
    }
}

//! `engine sandbox hubspot|app`: a twin alone, for trying rules and clients out.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use dsl::schema::read_lock;
use sandbox::app::{self, App};
use sandbox::face;
use sandbox::hubspot::{self, HubSpot};
use tokio_util::sync::CancellationToken;

use super::output::block_on;
use crate::clock::wall;
use crate::config::SecretAt;

/// What a twin speaks where no lock is given.
const CRM_LOCK: &str = include_str!("../../../rules/schemas/crm.lock");
const APP_LOCK: &str = include_str!("../../../rules/schemas/app.lock");

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// The HubSpot twin.
    Hubspot(Arguments),
    /// The app twin.
    App(Arguments),
}

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Where it listens.
    #[arg(long)]
    listen: Option<SocketAddr>,
    /// Where it sends its webhooks.
    #[arg(long, value_name = "URL")]
    webhook: Option<String>,
    /// The environment variable with HubSpot's client secret.
    #[arg(long, value_name = "NAME")]
    client_secret_env: Option<String>,
    /// The environment variable with the key of the app's webhooks.
    #[arg(long, value_name = "NAME")]
    secret_env: Option<String>,
    /// The environment variable with the token that requests must carry.
    #[arg(long, value_name = "NAME")]
    token_env: Option<String>,
    /// The lock that describes its records; the shipped one where none is given.
    #[arg(long, value_name = "FILE")]
    lock: Option<PathBuf>,
    /// HubSpot's account as it is handed over: no property and no subscription of its own.
    #[arg(long, conflicts_with = "lock")]
    empty: bool,
    /// Kafka brokers to which the app publishes.
    #[arg(long, value_name = "HOST:PORT")]
    kafka: Option<String>,
    /// The app id that HubSpot stamps our own writes with.
    #[arg(long, default_value_t = 7_700_123)]
    app_id: u64,
    /// Calls in ten seconds.
    #[arg(long, default_value_t = 100)]
    limit: usize,
}

pub(super) fn run(command: Command) -> u8 {
    let (arguments, hubspot) = match command {
        Command::Hubspot(arguments) => (arguments, true),
        Command::App(arguments) => (arguments, false),
    };
    let served = block_on(2, async {
        let stop = CancellationToken::new();
        let ended = stop.clone();
        let interrupted = async move {
            // Where signals cannot be heard the twin is ended from outside.
            if tokio::signal::ctrl_c().await.is_ok() {
                ended.cancel();
            } else {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            served = serve(&arguments, hubspot, stop) => served,
            () = interrupted => Ok(()),
        }
    });
    match served {
        Ok(Ok(())) => 0,
        Ok(Err(reason)) => {
            eprintln!("engine: {reason}");
            2
        }
        Err(error) => {
            eprintln!("engine: {error}");
            2
        }
    }
}

fn secret(name: Option<&String>, default: &str) -> Result<String, String> {
    match name {
        None => Ok(default.to_owned()),
        Some(name) => match SecretAt::Environment(name.clone()).read() {
            Ok(secret) => Ok(secret.expose().to_owned()),
            Err(missing) => Err(missing.to_string()),
        },
    }
}

async fn serve(arguments: &Arguments, hubspot: bool, stop: CancellationToken) -> Result<(), String> {
    let shipped = if hubspot { CRM_LOCK } else { APP_LOCK };
    let text = match &arguments.lock {
        Some(path) => {
            std::fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?
        }
        None => shipped.to_owned(),
    };
    let lock = read_lock(&text).map_err(|error| format!("the lock cannot be read: {error:?}"))?;
    let default = SocketAddr::from(([127, 0, 0, 1], if hubspot { 8_090 } else { 8_070 }));
    let address = arguments.listen.unwrap_or(default);
    let listener =
        tokio::net::TcpListener::bind(address).await.map_err(|error| format!("cannot listen at {address}: {error}"))?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    let token = secret(arguments.token_env.as_ref(), if hubspot { "hubspot-token" } else { "app-token" })?;
    let now: sandbox::Now = Arc::new(wall);
    let said = |error: reqwest::Error| error.to_string();
    if hubspot {
        let settings = hubspot::Settings {
            portal_id: 99_000_111,
            app_id: arguments.app_id,
            client_secret: secret(arguments.client_secret_env.as_ref(), "client-secret")?,
            token,
            webhook_url: arguments.webhook.clone(),
            limit: arguments.limit,
            seed: 1,
        };
        let twin = if arguments.empty { HubSpot::empty(settings) } else { HubSpot::new(settings, lock) };
        let twin = Arc::new(Mutex::new(twin));
        say!("the HubSpot twin listens at http://{address}");
        // Both run until they are stopped; whichever ends first has failed or was stopped, and takes the other with it.
        tokio::select! {
            served = face::serve(Arc::clone(&twin), listener, Arc::clone(&now), stop.clone()) => {
                served.map_err(|error| error.to_string())
            }
            sent = hubspot::deliver(twin, now, stop.clone()) => sent.map_err(said),
        }
    } else {
        let key = secret(arguments.secret_env.as_ref(), "app-webhook-secret")?;
        let webhook = arguments.webhook.clone().map(|url| app::WebhookTarget { url, secret: key });
        let settings = app::Settings { token, webhook, kafka: arguments.kafka.is_some(), ..app::Settings::default() };
        let twin = Arc::new(Mutex::new(App::new(settings, lock)));
        say!("the app twin listens at http://{address}");
        let publish = {
            let (twin, stop) = (Arc::clone(&twin), stop.clone());
            async move {
                match &arguments.kafka {
                    Some(brokers) => {
                        app::publisher::publish(twin, brokers, stop).await.map_err(|error| error.to_string())
                    }
                    // Never ready: without Kafka nothing is published, and that is no reason to end.
                    None => std::future::pending().await,
                }
            }
        };
        tokio::select! {
            served = face::serve(Arc::clone(&twin), listener, Arc::clone(&now), stop.clone()) => {
                served.map_err(|error| error.to_string())
            }
            sent = app::sender::deliver(twin, now, stop.clone()) => sent.map_err(said),
            published = publish => published,
        }
    }
}

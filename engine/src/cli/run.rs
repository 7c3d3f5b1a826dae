//! `engine run`: the daemon, until SIGTERM or SIGINT. SIGHUP loads the rules again.

use std::path::PathBuf;

use tokio::signal::unix::{SignalKind, signal};

use super::client;
use super::output::{block_on, could_not_run};
use crate::config::Config;
use crate::runtime::{Engine, Error};
use crate::telemetry;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Where things are; `engine.yaml`, or `rules/engine.yaml` where that is not there.
    #[arg(long)]
    config: Option<PathBuf>,
    /// Take the time from the twins' clock at this URL; for demos and tests, loopback only.
    #[arg(long, value_name = "URL")]
    clock: Option<String>,
}

pub(super) fn run(arguments: &Arguments) -> u8 {
    telemetry::init();
    let config = match Config::read(&client::config_path(arguments.config.as_deref())) {
        Ok(config) => config,
        Err(error) => return could_not_run(&error),
    };
    let threads = std::thread::available_parallelism().map_or(2, usize::from).clamp(2, 8);
    match block_on(threads, daemon(config, arguments.clock.clone())) {
        Ok(Ok(())) => 0,
        Ok(Err(error)) => could_not_run(&error),
        Err(error) => could_not_run(&Error::System(error.to_string())),
    }
}

async fn daemon(config: Config, clock: Option<String>) -> Result<(), Error> {
    let heard = |kind| signal(kind).map_err(|error| Error::System(error.to_string()));
    let mut terminate = heard(SignalKind::terminate())?;
    let mut interrupt = heard(SignalKind::interrupt())?;
    let mut hangup = heard(SignalKind::hangup())?;
    let mut running = Engine::builder(config).clock_url(clock).start().await?;
    loop {
        tokio::select! {
            ended = running.ended() => {
                tracing::error!("the engine cannot go on; what was acknowledged is durable");
                return ended;
            }
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            // A refusal is logged, counted and shown in the status; the old rules go on.
            _ = hangup.recv() => drop(running.reloader().begin()),
        }
    }
    // A second signal does not wait.
    tokio::select! {
        stopped = running.stop() => stopped,
        _ = terminate.recv() => Err(Error::System("stopped at once by a second signal".to_owned())),
        _ = interrupt.recv() => Err(Error::System("stopped at once by a second signal".to_owned())),
    }
}

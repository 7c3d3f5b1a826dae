//! `engine run`: the daemon, until SIGTERM or SIGINT. SIGHUP loads the rules again.

use std::path::PathBuf;

use tokio::signal::unix::{SignalKind, signal};

use miette::Diagnostic;

use super::client;
use super::output::{block_on, could_not_run};
use crate::embed::{Builder, Error};
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

/// Why the daemon did not run, or ended.
#[derive(Debug, thiserror::Error, Diagnostic)]
enum Failed {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Engine(#[from] Error),
    #[error("cannot start: {0}")]
    #[diagnostic(code(engine::start))]
    System(#[from] std::io::Error),
    #[error("stopped at once by a second signal")]
    #[diagnostic(
        code(engine::stopped_at_once),
        help("what was acknowledged is durable; the next start goes on from there")
    )]
    AtOnce,
}

pub(super) fn run(arguments: &Arguments) -> u8 {
    telemetry::init();
    let builder = match Builder::from_config(client::config_path(arguments.config.as_deref())) {
        Ok(builder) => {
            builder.keep_admin_token().record_metrics().abort_on_storage_failure().clock_url(arguments.clock.clone())
        }
        Err(error) => return could_not_run(&error),
    };
    let threads = std::thread::available_parallelism().map_or(2, usize::from).clamp(2, 8);
    match block_on(threads, daemon(builder)) {
        Ok(Ok(())) => 0,
        Ok(Err(error)) => could_not_run(&error),
        Err(error) => could_not_run(&Failed::System(error)),
    }
}

async fn daemon(builder: Builder) -> Result<(), Failed> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let engine = builder.start().await?;
    loop {
        tokio::select! {
            ended = engine.ended() => {
                tracing::error!("the engine cannot go on; what was acknowledged is durable");
                return Ok(ended?);
            }
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            // A refusal is logged, counted and shown in the status; the old rules go on.
            _ = hangup.recv() => drop(engine.reload()),
        }
    }
    // A second signal does not wait.
    tokio::select! {
        stopped = engine.stop() => Ok(stopped?),
        _ = terminate.recv() => Err(Failed::AtOnce),
        _ = interrupt.recv() => Err(Failed::AtOnce),
    }
}

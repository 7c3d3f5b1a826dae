//! `engine run`: the daemon, until SIGTERM or SIGINT; SIGHUP takes changed rules.

use std::path::PathBuf;

use tokio::signal::unix::{SignalKind, signal};

use crate::config::Config;
use crate::runtime::Engine;
use crate::telemetry;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Where things are.
    #[arg(long, default_value = "engine.yaml")]
    config: PathBuf,
    /// Take the time from the twins' clock at this address; for demos and tests, loopback only.
    #[arg(long)]
    clock: Option<String>,
}

/// The operating system refuses something.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("the engine cannot run here")]
#[diagnostic(code(engine::system))]
struct Refused(#[source] std::io::Error);

pub(super) fn run(arguments: &Arguments) -> u8 {
    telemetry::init();
    let config = match Config::read(&arguments.config) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("{:?}", miette::Report::new(error));
            return 2;
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return super::could_not_run(&Refused(error)),
    };
    runtime.block_on(daemon(config, arguments.clock.clone()))
}

async fn daemon(config: Config, clock: Option<String>) -> u8 {
    let heard = signal(SignalKind::terminate())
        .and_then(|term| Ok((term, signal(SignalKind::interrupt())?, signal(SignalKind::hangup())?)));
    let (mut term, mut interrupt, mut hangup) = match heard {
        Ok(heard) => heard,
        Err(error) => return super::could_not_run(&Refused(error)),
    };
    let mut running = match Engine::builder(config).clock_url(clock).start().await {
        Ok(running) => running,
        Err(error) => return super::could_not_run(&error),
    };
    loop {
        tokio::select! {
            ended = running.ended() => {
                return match ended {
                    Ok(()) => 0,
                    Err(error) => super::could_not_run(&error),
                };
            }
            _ = hangup.recv() => {
                if let Err(refused) = running.reloader().reload().await {
                    tracing::error!(%refused, "the rules were not taken; the old ones go on");
                }
            }
            _ = term.recv() => break,
            _ = interrupt.recv() => break,
        }
    }
    match running.stop().await {
        Ok(()) => 0,
        Err(error) => super::could_not_run(&error),
    }
}

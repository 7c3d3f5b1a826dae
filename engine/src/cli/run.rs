//! `engine run`: the daemon, until SIGTERM or SIGINT.

use std::path::PathBuf;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, System};
use crate::config::Config;
use crate::{rules, runtime};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Where things are.
    #[arg(long, default_value = "engine.yaml")]
    config: PathBuf,
    /// Take the time from the twins' clock at this address; for demos and tests, loopback only.
    #[arg(long)]
    clock: Option<String>,
}

/// The rules do not validate.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("the rules in {folder} have {count} findings that stop them")]
#[diagnostic(code(rules::invalid), help("`engine validate {folder}` shows them"))]
struct Invalid {
    folder: String,
    count: usize,
}

pub(super) fn run(arguments: &Arguments) -> u8 {
    tracing_subscriber::fmt().with_env_filter(filter()).with_ansi(false).init();
    let config = match Config::read(&arguments.config) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("{:?}", miette::Report::new(error));
            return 2;
        }
    };
    let texts = match rules::read(&config.rules) {
        Ok(texts) => texts,
        Err(error) => return super::could_not_run(&error),
    };
    let compiled = texts.compile(None);
    let Some(program) = compiled.program else {
        let folder = config.rules.display().to_string();
        return super::could_not_run(&Invalid { folder, count: compiled.problems.len() });
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return super::could_not_run(&runtime::Error::SetUp(error.to_string())),
    };
    let ended = runtime.block_on(daemon(config, Arc::new(program), arguments.clock.as_deref()));
    match ended {
        Ok(()) => 0,
        Err(code) => code,
    }
}

fn filter() -> tracing_subscriber::EnvFilter {
    tracing_subscriber::EnvFilter::try_from_env("ENGINE_LOG").unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"))
}

async fn daemon(config: Config, program: Arc<dsl::program::Program>, clock: Option<&str>) -> Result<(), u8> {
    let stop = CancellationToken::new();
    let clock: Arc<dyn Clock> = match clock {
        None => Arc::new(System),
        Some(url) => {
            let client = connectors::http::Client::new().map_err(|e| super::could_not_run(&runtime::Error::SetUp(e.to_string())))?;
            let remote = crate::clock::remote::Remote::connect(url, Arc::new(client)).await;
            let remote = remote.map_err(|error| super::could_not_run(&error))?;
            tokio::spawn(remote.clone().follow(stop.clone()));
            Arc::new(remote)
        }
    };
    let signals = stop.clone();
    tokio::spawn(async move {
        use tokio::signal::unix::{SignalKind, signal};
        let (Ok(mut term), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
            tracing::error!("signals cannot be heard; stop the engine by SIGKILL, nothing is lost");
            return;
        };
        tokio::select! {
            _ = term.recv() => {}
            _ = interrupt.recv() => {}
        }
        signals.cancel();
    });
    runtime::run(config, program, clock, stop).await.map_err(|error| super::could_not_run(&error))
}

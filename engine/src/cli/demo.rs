//! `engine demo`: the whole integration over loopback, told as it happens.
//!
//! The twins and a Kafka cluster live in this process, the engine runs as a process of its own and is killed in
//! the middle. At the end both sides are compared field by field; exit 1 where anything is not as told.

mod report;
mod stage;
mod stories;

use report::Report;
use stage::Stage;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Leave the folder with rules, configuration, state and log.
    #[arg(long)]
    keep: bool,
    /// The longest it may take, in seconds.
    #[arg(long, default_value_t = 120)]
    seconds: u64,
    /// One JSON object instead of the story.
    #[arg(long)]
    json: bool,
}

/// Why the demo could not be played.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("the demo cannot be played: {0}")]
#[diagnostic(code(demo::failed))]
pub(super) struct Failed(pub(super) String);

impl Failed {
    fn at(doing: &str) -> impl Fn(&dyn std::fmt::Display) -> Self {
        let doing = doing.to_owned();
        move |error| Self(format!("{doing}: {error}"))
    }
}

pub(super) fn run(arguments: &Arguments) -> u8 {
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return super::could_not_run(&Failed(error.to_string())),
    };
    let limit = std::time::Duration::from_secs(arguments.seconds);
    let played = runtime.block_on(async {
        match tokio::time::timeout(limit, play(arguments)).await {
            Ok(played) => played,
            Err(_) => Err(Failed(format!("it took longer than {} seconds", arguments.seconds))),
        }
    });
    match played {
        Ok(report) => {
            if arguments.json {
                say!("{}", report.json());
            } else {
                say!("{}", report.text());
            }
            u8::from(!report.fine())
        }
        Err(error) => {
            super::could_not_run(&error);
            1
        }
    }
}

async fn play(arguments: &Arguments) -> Result<Report, Failed> {
    let mut stage = Stage::build(!arguments.json, arguments.keep).await?;
    let mut report = Report::default();
    let told = stories::tell(&mut stage, &mut report).await;
    stage.close().await;
    told?;
    Ok(report)
}

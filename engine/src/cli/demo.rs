//! `engine demo`: the whole integration over loopback, told as it happens.
//!
//! Stand-ins for HubSpot, the app and the mail service and a Kafka cluster live in this process, the engine runs as a
//! process of its own and is killed in the middle. At the end both sides are compared by the rules' own lines, and
//! what people wrote is looked up value by value; exit 1 where anything is not as told.

mod audit;
mod people;
mod report;
mod stage;
mod stories;
mod truth;
mod written;

use report::Report;
use stage::Stage;

use super::daemon;
use super::output::{block_on, could_not_run};

/// What `--help` says at its end.
const KEYS: &str = "\
With --json one object is printed, also where the demo breaks off: `in_sync`, `stories`, `entities` (records on each
side, and `values` that were compared), `latency_ms` (of all single changes, half of which are made during a storm, and
under `idle` of the others), `calls`, `killed`, `lost` (values that people wrote and that are neither on both sides at the end nor replaced by people nor named by history as written over), `duplicates` (records
beyond one for each key, effects beyond their delivery class), `written` and `superseded` (values that people wrote, and
those that history names as written over), `resident_mb` (the most memory of the engine; null where it cannot be
measured), `problems` (what is not as told, in words).

Exit codes: 0 everything as told, 1 something not, 2 nothing could be played.";

#[derive(Debug, clap::Args)]
#[command(after_help = KEYS)]
pub(super) struct Arguments {
    /// Leave the folder with rules, configuration, state and log.
    #[arg(long)]
    keep: bool,
    /// Let everything run on when the story is told, and say where the console is; Ctrl-C ends it.
    #[arg(long, conflicts_with = "json")]
    open: bool,
    /// The longest it may take, in seconds. A debug build may need more.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// One JSON object instead of the story.
    #[arg(long)]
    json: bool,
}

/// Why the demo cannot go on.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("{0}")]
#[diagnostic(code(demo::failed))]
pub(super) struct Failed(pub(super) String);

impl From<daemon::Failed> for Failed {
    fn from(failed: daemon::Failed) -> Self {
        Self(failed.to_string())
    }
}

impl Failed {
    pub(super) fn at(doing: &str) -> impl Fn(&dyn std::fmt::Display) -> Self {
        let doing = doing.to_owned();
        move |error| Self(format!("{doing}: {error}"))
    }
}

pub(super) fn run(arguments: &Arguments) -> u8 {
    let mut report = Report::default();
    let played = match block_on(2, play(arguments, &mut report)) {
        Ok(played) => played,
        Err(error) => Err(Failed(error.to_string())),
    };
    let code = match played {
        Ok(()) => u8::from(!report.fine()),
        Err(failed) => {
            let code = could_not_run(&failed);
            report.broke_off(failed.0);
            code
        }
    };
    if arguments.json {
        say!("{}", report.json());
    } else if code != 2 && !arguments.open {
        say!("{}", report.text());
    }
    code
}

/// Plays it; fails only where there is no stage to play on.
async fn play(arguments: &Arguments, report: &mut Report) -> Result<(), Failed> {
    report.telling = Some("the stage");
    let mut stage = Stage::build(!arguments.json, arguments.keep).await?;
    let limit = std::time::Duration::from_secs(arguments.seconds);
    let told = match tokio::time::timeout(limit, stories::tell(&mut stage, report)).await {
        Ok(told) => told,
        Err(_) => {
            let slow = if cfg!(debug_assertions) { "; this is a debug build, which is slow" } else { "" };
            let seconds = arguments.seconds;
            let unit = if seconds == 1 { "second" } else { "seconds" };
            Err(Failed(format!("broken off after {seconds} {unit}{slow}; `--seconds` allows more")))
        }
    };
    report.resident_mb = stage.daemon.peak_mb();
    report.killed = stage.kills.len();
    report.calls = stage.crm().calls().total;
    if arguments.open && told.is_ok() {
        // The comparison was made with the engine stopped.
        stage.daemon.start().await?;
        stage.say(&format!("{}\n{}", report.text(), left_open(&stage)?));
        ended_by_somebody().await.map_err(|e| Failed::at("signals")(&e))?;
    }
    for failed in [told, stage.close().await].into_iter().filter_map(Result::err) {
        stage.say(&format!("  ✗ {failed}"));
        report.broke_off(failed.0);
    }
    Ok(())
}

/// What somebody reads who wants to look around.
fn left_open(stage: &Stage) -> Result<String, Failed> {
    let console = stage.daemon.console()?;
    let config = stage.daemon.folder.join("engine.yaml");
    Ok(format!(
        "Everything runs on, and can be looked at:\n  the console   {console}\n  commands      engine status --config {}\nCtrl-C ends it.",
        config.display()
    ))
}

/// Waits for Ctrl-C, or for whoever ends processes in order.
async fn ended_by_somebody() -> std::io::Result<()> {
    let mut terminated = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminated.recv() => Ok(()),
    }
}

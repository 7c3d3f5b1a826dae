//! `engine backup`, `restore` and `ledger check`: a copy of all durable state, its way back, and whether it is whole.
//!
//! Always true: a ledger that a daemon has open is copied and checked by that daemon; nothing that is there already is
//! written over.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::client::{self, Reach};
use super::output::{Output, could_not_run, print_json};
use crate::admin::api::{Checked, SCHEMA};
use crate::config::{self, Config};
use crate::decide::{forms, stuck};
use crate::ledger::{self, Disk, Settings, check, rebuild, restore};

#[derive(Debug, clap::Args)]
pub(super) struct Backup {
    /// The folder for the copy; it must not exist or be empty.
    #[arg(value_name = "FOLDER")]
    to: PathBuf,
    #[command(flatten)]
    reach: Reach,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, clap::Args)]
pub(super) struct Restore {
    /// A copy that `engine backup` made.
    #[arg(value_name = "FOLDER")]
    from: PathBuf,
    /// engine.yaml, which says where the state lies; `engine.yaml`, or `rules/engine.yaml` where that is not there.
    #[arg(long)]
    config: Option<PathBuf>,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Read every frame and every row, and say what is wrong; exit 1 if anything is.
    Check(Check),
    /// Make damaged rows again from the journal, while no engine runs; the old ones are kept beside them.
    Rebuild(Rebuild),
}

#[derive(Debug, clap::Args)]
pub(super) struct Rebuild {
    /// engine.yaml, which says where the state lies; `engine.yaml`, or `rules/engine.yaml` where that is not there.
    #[arg(long)]
    config: Option<PathBuf>,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, clap::Args)]
pub(super) struct Check {
    #[command(flatten)]
    reach: Reach,
    #[command(flatten)]
    output: Output,
}

/// Why it could not be done.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
enum Error {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Config(#[from] config::Error),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Ledger(#[from] ledger::Error),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Daemon(#[from] client::Error),
    #[error("the state folder {state} is in use by another engine, which cannot be asked")]
    #[diagnostic(code(ledger::held), help("start it, name its address with `--admin`, or stop it"))]
    Held { state: String, source: Box<client::Error> },
    #[error("there is no ledger in {0}")]
    #[diagnostic(code(ledger::none), help("`state` in engine.yaml says where it lies; `engine run` makes it"))]
    NoLedger(String),
    #[error("cannot make an absolute path of {path}: {source}")]
    #[diagnostic(code(ledger::path))]
    Path { path: String, source: std::io::Error },
}

impl Error {
    /// 1 where it was refused, 2 where it could not be tried; said on stderr.
    fn exit(&self) -> u8 {
        let refused = match self {
            Self::Daemon(error) => return error.exit(),
            Self::Ledger(ledger::Error::Damaged { .. }) => true,
            Self::Ledger(ledger::Error::Io { source, .. }) => source.kind() == std::io::ErrorKind::AlreadyExists,
            _ => false,
        };
        could_not_run(self);
        if refused { 1 } else { 2 }
    }
}

pub(super) fn backup(arguments: &Backup) -> u8 {
    match copied(arguments) {
        Ok(round) => {
            let to = arguments.to.display().to_string();
            if arguments.output.json() {
                say!("{}", json!({"schema": 1, "backup": to, "round": round}));
            } else {
                say!("{to} holds every round up to {round}, and was read back whole");
            }
            0
        }
        Err(error) => error.exit(),
    }
}

fn copied(arguments: &Backup) -> Result<u64, Error> {
    // A daemon has a working folder of its own.
    let path_of = |source| Error::Path { path: arguments.to.display().to_string(), source };
    let to = std::path::absolute(&arguments.to).map_err(path_of)?;
    let asked = || client::ask(&arguments.reach, async |engine| engine.backup(&to).await);
    working("copying the ledger");
    if arguments.reach.elsewhere() {
        return Ok(asked()?.round);
    }
    let state = existing(arguments.reach.config())?;
    match Disk::open(&state, Settings::default(), Box::new(|_| ())) {
        Ok(disk) => Ok(disk.reader().backup(&to)?.0),
        Err(ledger::Error::Locked { .. }) => Ok(asked().map_err(held(&state))?.round),
        Err(error) => Err(error.into()),
    }
}

/// Why whoever has the ledger did not do what was asked.
fn held(state: &Path) -> impl FnOnce(client::Error) -> Error {
    let state = state.display().to_string();
    move |error| match error {
        client::Error::Away { .. } => Error::Held { state, source: Box::new(error) },
        error => error.into(),
    }
}

/// The state folder, which must be there: looking for a ledger must not make one.
fn existing(given: Option<&Path>) -> Result<PathBuf, Error> {
    let state = Config::read(&client::config_path(given))?.state;
    if ledger::journal_folder(&state).is_dir() {
        return Ok(state);
    }
    Err(Error::NoLedger(state.display().to_string()))
}

pub(super) fn bring_back(arguments: &Restore) -> u8 {
    let restored = || {
        let state = Config::read(&client::config_path(arguments.config.as_deref()))?.state;
        working("copying the ledger");
        Ok::<_, Error>((restore(&arguments.from, &state)?.0, state))
    };
    match restored() {
        Ok((round, state)) => {
            let state = state.display().to_string();
            if arguments.output.json() {
                say!("{}", json!({"schema": 1, "state": state, "round": round}));
            } else {
                say!("{state} holds every round up to {round}, and was read back whole; `engine run` goes on from it");
            }
            0
        }
        Err(error) => error.exit(),
    }
}

pub(super) fn run(command: &Command) -> u8 {
    let arguments = match command {
        Command::Check(arguments) => arguments,
        Command::Rebuild(arguments) => return rebuilt(arguments),
    };
    let checked = match checked(&arguments.reach) {
        Ok(checked) => checked,
        Err(error) => return error.exit(),
    };
    let report = &checked.report;
    if arguments.output.json() {
        print_json(&checked);
    } else {
        say!(
            "journal: {} segments, {} frames, {} rounds ({} to {}), {} records",
            report.segments,
            report.frames,
            report.rounds,
            report.oldest.0,
            report.last.0,
            report.records
        );
        say!("rows: {}, of round {}", report.rows, report.applied.0);
        for problem in &report.problems {
            say!("wrong: {problem}");
        }
        match report.problems.len() {
            0 => say!("the ledger is whole"),
            1 => say!("1 problem"),
            n => say!("{n} problems"),
        }
    }
    u8::from(!report.problems.is_empty())
}

fn rebuilt(arguments: &Rebuild) -> u8 {
    let made = || {
        let state = existing(arguments.config.as_deref())?;
        working("making the rows again");
        Ok::<_, Error>((rebuild(&state)?, state))
    };
    match made() {
        Ok((made, state)) => {
            let (state, aside) = (state.display().to_string(), made.aside.display().to_string());
            if arguments.output.json() {
                say!("{}", json!({"schema": 1, "state": state, "round": made.round, "aside": aside}));
            } else {
                say!("{state} has the rows of every round up to {} again; those before are in {aside}", made.round.0);
            }
            0
        }
        Err(error) => error.exit(),
    }
}

fn checked(reach: &Reach) -> Result<Checked, Error> {
    working("reading the ledger");
    let asked = || client::ask(reach, async |engine| engine.ledger().await);
    if reach.elsewhere() {
        return Ok(asked()?);
    }
    let state = existing(reach.config())?;
    match check(&state) {
        Ok(mut report) => {
            // Rows that are not whole, or of another form, are not asked what they wait for.
            if report.problems.is_empty() {
                let ledger = Disk::open(&state, Settings::default(), Box::new(|_| ()))?;
                if forms::form(&ledger)?.is_none_or(|form| form == forms::FORM) {
                    report.problems = stuck(&ledger)?;
                }
            }
            Ok(Checked { schema: SCHEMA, report })
        }
        Err(ledger::Error::Locked { .. }) => asked().map_err(held(&state)),
        Err(error) => Err(error.into()),
    }
}

/// Says to somebody who waits what takes so long.
fn working(what: &str) {
    if std::io::stderr().is_terminal() {
        eprintln!("engine: {what} …");
    }
}

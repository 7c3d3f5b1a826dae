//! `engine schema`: the lock of a system, pulled from the system itself.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use connectors::http::Transport;
use connectors::registry;
use dsl::ast::ItemKind;
use dsl::diagnostic::Code;
use dsl::schema::{differences, read_lock, write_lock};
use serde_json::json;

use super::output::{Output, block_on, could_not_run};
use super::{client, files};
use crate::config::Config;
use crate::rules;
use crate::runtime::connect;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Ask a system for its schema and write its lock.
    Pull(Arguments),
    /// Ask a system for its schema and show how its lock differs; exit 1 if it does.
    Diff(Arguments),
}

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The system's name in the rules.
    system: String,
    /// engine.yaml; `engine.yaml`, or `rules/engine.yaml` where that is not there.
    #[arg(long)]
    config: Option<PathBuf>,
    /// The day that the lock is marked with; today, where it is not given.
    #[arg(long, value_name = "DATE")]
    today: Option<jiff::civil::Date>,
    #[command(flatten)]
    output: Output,
}

/// Why there is no schema.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
enum Error {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Config(#[from] crate::config::Error),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Rules(#[from] rules::Error),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Connect(#[from] connect::Error),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Write(#[from] files::Error),
    #[error("the rules in {folder} have no system `{system}`")]
    #[diagnostic(
        code(schema::system),
        help("add `system {system} {{ schema \"schemas/{system}.lock\" }}` to the rules")
    )]
    NoSystem { system: String, folder: String },
    #[error("`system {system}` names no schema")]
    #[diagnostic(code(schema::unnamed), help("write `schema \"schemas/{system}.lock\"` in it"))]
    Unnamed { system: String },
    #[error("`{system}` does not give its schema: {why}")]
    #[diagnostic(code(schema::refused), help("its lock is as it was"))]
    Refused { system: String, why: String },
    #[error("the lock {path} cannot be read: {why}")]
    #[diagnostic(code(schema::lock), help("mend it, or move it away to begin anew"))]
    Lock { path: String, why: String },
    #[error("{0}")]
    #[diagnostic(code(schema::start))]
    Start(String),
}

pub(super) fn run(command: &Command) -> u8 {
    let (arguments, writes) = match command {
        Command::Pull(arguments) => (arguments, true),
        Command::Diff(arguments) => (arguments, false),
    };
    match pulled(arguments, writes) {
        Ok(code) => code,
        Err(error) => could_not_run(&error),
    }
}

fn pulled(arguments: &Arguments, writes: bool) -> Result<u8, Error> {
    let config = Config::read(&client::config_path(arguments.config.as_deref()))?;
    let system = &arguments.system;
    // Without the `.` that a file beside its rules has for their folder.
    let path: PathBuf = config.rules.join(lock_path(&config.rules, system)?).components().collect();
    let connection = config.systems.get(system).ok_or_else(|| connect::Error::Unreached(system.clone()))?;
    let old = match rules::text(&path) {
        Ok(text) => {
            let shown = path.display().to_string();
            Some((read_lock(&text).map_err(|wrong| Error::Lock { path: shown, why: wrong.reason })?, text))
        }
        Err(rules::Error::Unreadable { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(error.into()),
    };
    // What a system does not say of itself stays as it was known.
    let known = old.as_ref().map_or_else(|| connection.connector.known(system), |(lock, _)| lock.clone());
    let transport: Arc<dyn Transport> = Arc::new(connect::client(config.proxy.as_ref())?);
    let (settings, token) = connect::settings(system, connection, &transport)?;
    let today = arguments.today.unwrap_or_else(|| jiff::Zoned::now().date()).to_string();
    let asked = registry::pull(system, settings, token, known, &today, transport);
    let new = block_on(1, asked)
        .map_err(|error| Error::Start(error.to_string()))?
        .map_err(|why| Error::Refused { system: system.clone(), why })?;
    let told = match &old {
        Some((old, _)) => differences(old, &new),
        None => vec![format!("+ {system}  {} entities", new.entities.len())],
    };
    if writes {
        write(&path, old.as_ref().map(|(_, text)| text.as_str()), &write_lock(&new))?;
    }
    // What is compared and not taken over is a finding.
    let code = (!writes && !told.is_empty()).then_some(Code::E0903);
    if arguments.output.json() {
        let lock = path.display().to_string();
        let mut report = json!({"schema": 1, "system": system, "lock": lock, "written": writes, "differences": told});
        if let Some(code) = code {
            report["code"] = code.name().into();
        }
        say!("{report}");
    } else {
        told.iter().for_each(|line| say!("{line}"));
        let count = match told.len() {
            0 => "nothing has changed".to_owned(),
            1 => "1 difference".to_owned(),
            n => format!("{n} differences"),
        };
        let shown = path.display();
        match code {
            Some(code) => say!("{code} {system} no longer agrees with {shown}: {count}"),
            None if writes => say!("{shown} is of {today}: {count}"),
            None => say!("{count}"),
        }
    }
    Ok(u8::from(code.is_some()))
}

/// Where the rules say that the lock of a system is. They need not hold for that: a missing lock may be why they do not.
fn lock_path(folder: &Path, system: &str) -> Result<String, Error> {
    let compiled = rules::read(folder)?.compile(None);
    let found = compiled.items.iter().find_map(|(_, item)| match &item.kind {
        ItemKind::System(declared) if declared.name.value == system => Some(declared.schema.clone()),
        _ => None,
    });
    match found {
        Some(Some(schema)) => Ok(schema.value),
        Some(None) => Err(Error::Unnamed { system: system.to_owned() }),
        None => Err(Error::NoSystem { system: system.to_owned(), folder: folder.display().to_string() }),
    }
}

fn write(path: &Path, old: Option<&str>, new: &str) -> Result<(), Error> {
    if let Some(old) = old {
        return Ok(files::replace(path, old, new)?);
    }
    let unwritable = |source| files::Error::Unwritable { path: path.display().to_string(), source };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(unwritable)?;
    }
    std::fs::write(path, new).map_err(unwritable)?;
    Ok(())
}

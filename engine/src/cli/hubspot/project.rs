//! `engine hubspot project`: the files of a developer project, by which HubSpot makes the app that the rules need.
//!
//! In: engine.yaml, the rules with their locks, a folder. Out: files in the folder, and the commands that bring them to
//! HubSpot. Always true: no account is asked and no token is needed; all files are made before the first is written; what
//! is there is added to, never replaced. Not here: what stands in them (the connector's `setup::project`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use connectors::hubspot::setup::project::{APP, PROJECT, WEBHOOKS, files};
use serde_json::Value as Json;

use super::{Error, account_of, needs, program};
use crate::cli::client;
use crate::cli::output::could_not_run;
use crate::config::Config;

/// What `--help` says at its end.
const KEYS: &str = "\
`hs` is HubSpot's command line (npm install -g @hubspot/cli). The app is made in the account that `hs account auth` is
given; its page there shows the token and the client secret once it is installed.

Files that are there are added to: scopes and subscriptions are never taken away, because HubSpot takes no upload from
which a subscription is gone. Set `active` to false where one is not wanted any more.";

#[derive(Debug, clap::Args)]
#[command(after_help = KEYS)]
pub(in crate::cli) struct Arguments {
    /// The project's folder; it is made where it is not there.
    folder: PathBuf,
    /// engine.yaml; `engine.yaml`, or `rules/engine.yaml` where that is not there.
    #[arg(long)]
    config: Option<PathBuf>,
    /// The system's name in the rules, where several are HubSpot accounts.
    #[arg(long, value_name = "NAME")]
    system: Option<String>,
    /// How people read the app, where it is new.
    #[arg(long, value_name = "NAME", default_value = "engine")]
    name: String,
}

pub(super) fn run(arguments: &Arguments) -> u8 {
    match write(arguments) {
        Ok(()) => 0,
        Err(error) => could_not_run(&error),
    }
}

fn write(arguments: &Arguments) -> Result<(), Error> {
    let config = Config::read(&client::config_path(arguments.config.as_deref()))?;
    let program = program(&config)?;
    let (system, connection) = account_of(&config, arguments.system.as_ref())?;
    let lock = &program.systems.get(system).ok_or_else(|| Error::Unused(system.clone()))?.lock;
    let url = connection.webhook.as_ref().and_then(|webhook| webhook.public_url.as_deref());
    let url = url.ok_or_else(|| Error::NoUrl(system.clone()))?;
    let mut there = BTreeMap::new();
    for path in [PROJECT, APP, WEBHOOKS] {
        if let Some(file) = read(&arguments.folder.join(path))? {
            there.insert(path, file);
        }
    }
    let foreign = |why: String| Error::Project { path: arguments.folder.display().to_string(), why };
    let made = files(lock, &needs::of(&program, system), &arguments.name, url, &there);
    for (path, file) in made.map_err(|error| foreign(error.to_string()))? {
        let said = match there.get(path) {
            Some(known) if *known == file => "as it is",
            Some(_) => "added to",
            None => "written",
        };
        if said != "as it is" {
            put(&arguments.folder.join(path), &file)?;
        }
        say!("{said:9} {}", arguments.folder.join(path).display());
    }
    say!(
        "\nThese commands bring it to HubSpot:\n  hs account auth\n  cd {}\n  hs project upload",
        arguments.folder.display()
    );
    say!("then install the app in the account, and `engine hubspot setup` makes the properties.");
    Ok(())
}

fn read(path: &Path) -> Result<Option<Json>, Error> {
    let wrong = |why: String| Error::Project { path: path.display().to_string(), why };
    match std::fs::read_to_string(path) {
        Ok(text) => serde_json::from_str(&text).map(Some).map_err(|error| wrong(error.to_string())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(wrong(error.to_string())),
    }
}

fn put(path: &Path, file: &Json) -> Result<(), Error> {
    let text = serde_json::to_string_pretty(file).expect("JSON can be printed") + "\n";
    let folder = path.parent().map_or(Ok(()), std::fs::create_dir_all);
    folder
        .and_then(|()| std::fs::write(path, text))
        .map_err(|error| Error::Project { path: path.display().to_string(), why: error.to_string() })
}

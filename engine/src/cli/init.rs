//! `engine init`: a working folder for a first integration of one's own.
//!
//! In: two locks, or those of the example; a folder that is empty or not there. Out: rules with a proposed mapping, a
//! test, engine.yaml, a file for CI and a page that says what comes next. Always true: what is written validates and
//! passes its test; nothing that is there is written over.

mod propose;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use dsl::schema::read_lock;

use self::propose::{Pair, Proposal};
use super::output::could_not_run;

/// The locks of the example, for whoever has none yet.
const APP: &str = include_str!("../../../rules/schemas/app.lock");
const CRM: &str = include_str!("../../../rules/schemas/crm.lock");

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The folder; it is made, and must be empty where it is there.
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// The lock of the application, as `engine schema pull` wrote it; without it that of the example.
    #[arg(long, value_name = "LOCK")]
    app: Option<PathBuf>,
    /// The lock of the CRM; without it that of the example.
    #[arg(long, value_name = "LOCK")]
    crm: Option<PathBuf>,
    /// Which entities are the same thing, such as `User=Contact`; without it the two that have most in common.
    #[arg(long, value_name = "LEFT=RIGHT")]
    pair: Option<Pair>,
}

/// Why nothing is written.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
enum Error {
    #[error("{0} is not empty")]
    #[diagnostic(code(init::not_empty), help("name a folder that is empty or not there: nothing is written over"))]
    NotEmpty(String),
    #[error("{doing} {path}: {source}")]
    #[diagnostic(code(init::io))]
    Io { doing: &'static str, path: String, source: std::io::Error },
    #[error("{path} is no lock: {why}")]
    #[diagnostic(code(init::lock), help("`engine schema pull` writes one"))]
    NoLock { path: String, why: String },
    #[error("{0}")]
    #[diagnostic(
        code(init::pair),
        help(
            "name two entities with `--pair LEFT=RIGHT`; both need a field that identifies the record, such as an address"
        )
    )]
    NoPair(String),
}

fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.display().to_string();
    move |source| Error::Io { doing, path, source }
}

pub(super) fn run(arguments: &Arguments) -> u8 {
    match written(arguments) {
        Ok(proposal) => {
            let folder = arguments.folder.display();
            say!(
                "{folder}: {} lines of {} proposed, {} left as comments with the reason",
                proposal.taken,
                proposal.name,
                proposal.left_out
            );
            say!(
                "next: cd {folder}, read rules/{}.rules and README.md, then `engine validate rules` and `engine test rules`",
                proposal.file
            );
            0
        }
        Err(error) => {
            could_not_run(&error);
            2
        }
    }
}

fn written(arguments: &Arguments) -> Result<Proposal, Error> {
    let folder = &arguments.folder;
    let taken = std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
    if taken {
        return Err(Error::NotEmpty(folder.display().to_string()));
    }
    let lock = |given: &Option<PathBuf>, example: &str| -> Result<(String, dsl::schema::Lock), Error> {
        let (path, text) = match given {
            Some(path) => (path.display().to_string(), std::fs::read_to_string(path).map_err(io("cannot read", path))?),
            None => ("the lock of the example".to_owned(), example.to_owned()),
        };
        let lock = read_lock(&text).map_err(|why| Error::NoLock { path, why: why.to_string() })?;
        Ok((text, lock))
    };
    let (app, crm) = (lock(&arguments.app, APP)?, lock(&arguments.crm, CRM)?);
    let proposal = Proposal::of((&app.0, &app.1), (&crm.0, &crm.1), arguments.pair.as_ref()).map_err(Error::NoPair)?;
    let mut files: BTreeMap<PathBuf, String> =
        proposal.files.clone().into_iter().map(|(name, text)| (name.into(), text)).collect();
    files.insert(format!("rules/schemas/{}.lock", app.1.system).into(), app.0);
    files.insert(format!("rules/schemas/{}.lock", crm.1.system).into(), crm.0);
    for (file, text) in files {
        let path = folder.join(file);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(io("cannot make", parent))?;
        }
        std::fs::write(&path, text).map_err(io("cannot write", &path))?;
    }
    Ok(proposal)
}

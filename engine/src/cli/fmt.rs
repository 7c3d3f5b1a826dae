//! `engine fmt`: rules in their canonical form.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::{Output, files};
use crate::rules;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Folders that hold rules, or files; `-` reads from stdin and writes to stdout.
    #[arg(default_value = "rules")]
    paths: Vec<PathBuf>,
    /// Change nothing; exit 1 if something is not in canonical form.
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    output: Output,
}

/// Why a text was not formatted.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
enum Error {
    /// The rules cannot be read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Rules(#[from] rules::Error),
    /// A file cannot be written.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Write(#[from] files::Error),
    /// Standard input cannot be read.
    #[error("cannot read stdin: {0}")]
    #[diagnostic(code(fmt::stdin), help("give UTF-8 text"))]
    Stdin(std::io::Error),
    /// `-` is for one text.
    #[error("`-` stands alone")]
    #[diagnostic(code(fmt::mixed), help("`engine fmt -` formats what comes on stdin"))]
    Mixed,
}

pub(super) fn run(arguments: &Arguments) -> u8 {
    match formatted(arguments) {
        Ok(code) => code,
        Err(error) => super::could_not_run(&error),
    }
}

fn formatted(arguments: &Arguments) -> Result<u8, Error> {
    if arguments.paths.iter().any(|path| path.as_os_str() == "-") {
        if arguments.paths.len() > 1 {
            return Err(Error::Mixed);
        }
        return stdin(arguments.check);
    }
    let mut files = BTreeSet::new();
    for path in &arguments.paths {
        files.extend(rules::files_of(path)?);
    }
    // All are read before one is written: a file that cannot be read must not leave half of them changed.
    let texts: Vec<(&Path, String)> =
        files.iter().map(|path| Ok((path.as_path(), rules::text(path)?))).collect::<Result<_, rules::Error>>()?;
    let mut changed = Vec::new();
    for (path, text) in &texts {
        let new = dsl::format::format(text);
        if new == *text {
            continue;
        }
        if !arguments.check {
            files::replace(path, text, &new)?;
        }
        changed.push(path.display().to_string());
    }
    let unchanged = texts.len() - changed.len();
    if arguments.output.json() {
        say!("{}", json!({"schema": 1, "check": arguments.check, "changed": changed, "unchanged": unchanged}));
    } else {
        let word = if arguments.check { "would change" } else { "changed" };
        changed.iter().for_each(|path| say!("{word} {path}"));
        match (changed.len(), unchanged) {
            (0, 1) => say!("1 file is in canonical form"),
            (0, n) => say!("{n} files are in canonical form"),
            (n, m) => say!("{n} {word}, {m} in canonical form already"),
        }
    }
    Ok(u8::from(arguments.check && !changed.is_empty()))
}

fn stdin(check: bool) -> Result<u8, Error> {
    let mut text = String::new();
    std::io::stdin().lock().read_to_string(&mut text).map_err(Error::Stdin)?;
    let new = dsl::format::format(&text);
    if check {
        return Ok(u8::from(new != text));
    }
    say_on!("{new}");
    Ok(0)
}

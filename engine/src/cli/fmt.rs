//! `engine fmt`: rules in their canonical form.
//!
//! Always true: what was left as it was is told with its place and the reason, and never counts as canonical.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use dsl::format::{Left, format};
use serde_json::{Value as Json, json};

use super::files;
use super::output::{Output, could_not_run};
use crate::rules;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Folders that hold rules, or files; `-` reads from stdin and writes to stdout.
    #[arg(default_value = "rules")]
    paths: Vec<PathBuf>,
    /// Change nothing; exit 1 if something is not in canonical form, or cannot be brought into it.
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
    /// `-` is for one text.
    #[error("`-` stands alone")]
    #[diagnostic(code(fmt::mixed), help("`engine fmt -` formats what comes on stdin"))]
    Mixed,
}

pub(super) fn run(arguments: &Arguments) -> u8 {
    match formatted(arguments) {
        Ok(code) => code,
        Err(error) => could_not_run(&error),
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
    let mut left = Vec::new();
    let mut canonical = 0;
    for (path, text) in &texts {
        let new = format(text);
        if new.text != *text {
            if !arguments.check {
                files::replace(path, text, &new.text)?;
            }
            changed.push(path.display().to_string());
        } else if new.left.is_empty() {
            canonical += 1;
        }
        left.extend(new.left.into_iter().map(|left| (path.display().to_string(), left)));
    }
    if arguments.output.json() {
        let left: Vec<_> = left.iter().map(|(path, left)| json_of(path, left)).collect();
        say!(
            "{}",
            json!({"schema": 1, "check": arguments.check, "changed": changed, "unchanged": canonical, "left": left})
        );
    } else {
        let word = if arguments.check { "would change" } else { "changed" };
        changed.iter().for_each(|path| say!("{word} {path}"));
        tell(&left);
        match (changed.len(), canonical) {
            (0, 1) => say!("1 file is in canonical form"),
            (0, n) => say!("{n} files are in canonical form"),
            (n, m) => say!("{n} {word}, {m} in canonical form already"),
        }
    }
    Ok(code(arguments.check, !changed.is_empty(), left.iter().map(|(_, left)| left)))
}

fn stdin(check: bool) -> Result<u8, Error> {
    let text = rules::text_from(std::io::stdin().lock(), "stdin")?;
    let new = format(&text);
    let changed = new.text != text;
    let code = code(check, changed, new.left.iter());
    // What was refused as a whole is not given back as if it were the answer.
    if !check && code == 0 {
        say_on!("{}", new.text);
    }
    tell(&new.left.into_iter().map(|left| ("stdin".to_owned(), left)).collect::<Vec<_>>());
    Ok(code)
}

/// A check holds where nothing would change and nothing was left. Formatting leaves lines that are not understood
/// alone, and is only refused where it leaves all of a file.
fn code<'a>(check: bool, changed: bool, mut left: impl Iterator<Item = &'a Left>) -> u8 {
    u8::from(if check { changed || left.next().is_some() } else { left.any(|left| left.whole) })
}

fn json_of(path: &str, left: &Left) -> Json {
    json!({"file": path, "line": left.line, "column": left.column, "code": left.code, "message": left.why})
}

/// Says on stderr what stayed as it was; of one file, no more than a screen.
fn tell(left: &[(String, Left)]) {
    const SHOWN: usize = 20;
    for of_one in left.chunk_by(|(one, _), (other, _)| one == other) {
        for (path, Left { line, column, code, why, whole }) in of_one.iter().take(SHOWN) {
            let code = code.map_or_else(String::new, |code| format!("{code} "));
            let what = if *whole { "the file stays as it was" } else { "stays as it was" };
            eprintln!("{path}:{line}:{column}: {what}: {code}{why}");
        }
        if let Some(more @ 1..) = of_one.len().checked_sub(SHOWN) {
            eprintln!("{}: and {more} more, see engine validate", of_one[0].0);
        }
    }
}

//! `engine fix`: makes the changes that findings offer and that need nobody's choice.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use dsl::diagnostic::{Code, Problem, Severity, apply_tried};
use dsl::source::{FileId, Span};
use serde_json::json;

use super::files;
use super::findings::{self, Set};
use super::output::{Output, could_not_run};
use crate::rules;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Folders that hold rules, or files inside of one.
    #[arg(default_value = "rules")]
    paths: Vec<PathBuf>,
    /// Mend only findings with this code.
    #[arg(long)]
    code: Option<String>,
    #[command(flatten)]
    output: Output,
}

/// Why nothing could be mended.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub(super) enum Error {
    /// The rules cannot be read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Rules(#[from] rules::Error),
    /// A file cannot be written.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Write(#[from] files::Error),
}

/// A change that is made can make another one possible, such as a name inside of a line that is understood now.
const ROUNDS: usize = 10;
/// Of what is left, no more than a screen is shown.
const SHOWN: usize = 20;

pub(super) fn run(arguments: &Arguments) -> u8 {
    let code = match &arguments.code {
        None => None,
        Some(code) => match code.parse::<Code>() {
            Ok(code) => Some(code),
            Err(_) => return super::explain::unknown(code),
        },
    };
    let (sets, made) = match mend(&arguments.paths, code, None) {
        Ok(done) => done,
        Err(error) => return could_not_run(&error),
    };
    let asked =
        |problem: &&Problem| code.is_none_or(|code| code == problem.code) && problem.severity() == Severity::Error;
    let left: Vec<String> = sets
        .iter()
        .flat_map(|set| {
            set.problems().filter(asked).map(|problem| line(set, problem.span(), problem.code, &problem.message))
        })
        .collect();
    if arguments.output.json() {
        say!("{}", json!({"schema": 1, "made": made, "left": left.len()}));
    } else {
        made.iter().for_each(|line| say!("{line}"));
        match made.len() {
            0 => say!("nothing to mend without a choice of yours"),
            1 => say!("1 change made"),
            n => say!("{n} changes made"),
        }
        left.iter().take(SHOWN).for_each(|line| say!("left: {line}"));
        match left.len() {
            0 => {}
            1 => say!("1 finding is left, which engine validate shows"),
            n => say!("{n} findings are left, which engine validate shows"),
        }
    }
    u8::from(!left.is_empty())
}

/// Makes all safe changes; gives the sets as they are then, and a line for every change.
pub(super) fn mend(
    paths: &[PathBuf],
    code: Option<Code>,
    today: Option<jiff::civil::Date>,
) -> Result<(Vec<Set>, Vec<String>), Error> {
    let mut lines = Vec::new();
    for _ in 0..ROUNDS {
        let sets = findings::check(paths, today)?;
        let before = lines.len();
        for set in &sets {
            lines.extend(round(set, code, today)?);
        }
        if lines.len() == before {
            return Ok((sets, lines));
        }
    }
    Ok((findings::check(paths, today)?, lines))
}

fn round(set: &Set, code: Option<Code>, today: Option<jiff::civil::Date>) -> Result<Vec<String>, Error> {
    let problems: Vec<_> = set.problems().cloned().collect();
    let files = &set.compiled.files;
    let texts = rules::read(&set.folder)?;
    let told = |new: &BTreeMap<FileId, String>| {
        let mut texts = texts.clone();
        for (id, text) in new {
            let path = &files[id.0 as usize].path;
            texts.files.iter_mut().filter(|(known, _)| known == path).for_each(|(_, known)| known.clone_from(text));
        }
        let compiled = texts.compile(today);
        Set { folder: set.folder.clone(), only: set.only.clone(), compiled }.problems().cloned().collect()
    };
    let fixed = apply_tried(&problems, files, code, &told);
    for (id, text) in &fixed.texts {
        let file = &files[id.0 as usize];
        files::replace(&set.folder.join(Path::new(&file.path)), &file.text, text)?;
    }
    Ok(fixed.made.iter().map(|(code, span, title)| line(set, *span, *code, title)).collect())
}

/// A place as it is reached from here, and what is there.
fn line(set: &Set, span: Span, code: Code, text: &str) -> String {
    let Some(file) = set.compiled.files.get(span.file.0 as usize) else {
        return format!("{}: {code} {text}", set.folder.display());
    };
    let (line, column) = file.position(span.start);
    format!("{}:{line}:{column}: {code} {text}", set.folder.join(&file.path).display())
}

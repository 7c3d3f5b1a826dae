//! `engine validate`: all findings of one or more rule sets.

use std::collections::BTreeSet;
use std::path::PathBuf;

use dsl::diagnostic::Format;

use super::findings::{self, Set};
use super::fix;
use super::output::{colored, could_not_run};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Folders that hold rules, or files inside of one.
    #[arg(default_value = "rules")]
    paths: Vec<PathBuf>,
    /// How findings are printed: human, concise, json, jsonl, sarif, github, gitlab or junit. Without it: github in
    /// GitHub Actions, otherwise human.
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
    /// The same as `--format json`.
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Warnings count as findings.
    #[arg(long)]
    deny_warnings: bool,
    /// The day against which the age of locks is judged, `2026-11-25`.
    #[arg(long, value_name = "DATE")]
    today: Option<jiff::civil::Date>,
    /// Make the safe changes first, as `engine fix` does, and report what is left.
    #[arg(long)]
    fix: bool,
}

pub(super) fn run(arguments: &Arguments) -> u8 {
    let format = match (arguments.json, arguments.format) {
        (true, _) => Format::Json,
        (false, Some(format)) => format,
        (false, None) if std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true") => Format::Github,
        (false, None) => Format::Human,
    };
    let sets = if arguments.fix {
        fix::mend(&arguments.paths, None, arguments.today).map(|(sets, made)| {
            // The report is on stdout alone, so that a tool can read it.
            made.iter().for_each(|line| eprintln!("{line}"));
            sets
        })
    } else {
        findings::check(&arguments.paths, arguments.today).map_err(fix::Error::from)
    };
    let sets = match sets {
        Ok(sets) => sets,
        Err(error) => return could_not_run(&error),
    };
    let color = colored(&std::io::stdout());
    let mut text = findings::print(format, &sets, color);
    if format == Format::Human {
        text.push_str(&summary(&sets));
    }
    say_on!("{text}");
    u8::from(findings::wrong(&sets, arguments.deny_warnings))
}

/// What was looked at, and how much was found.
fn summary(sets: &[Set]) -> String {
    let mut text = String::new();
    let mut told = BTreeSet::new();
    for set in sets.iter().filter(|set| told.insert(&set.folder)) {
        if let Some(program) = &set.compiled.program {
            text.push_str(&format!(
                "{}: {} files, {} syncs, {} reactions, {} workflows\n",
                set.folder.display(),
                set.compiled.files.len(),
                program.syncs.len(),
                program.whens.len(),
                program.workflows.len()
            ));
        }
    }
    match sets.iter().flat_map(Set::problems).count() {
        0 => text.push_str("no findings\n"),
        1 => text.push_str("1 finding\n"),
        n => text.push_str(&format!("{n} findings\n")),
    }
    text
}

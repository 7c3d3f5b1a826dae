//! `engine test`: the tests in the rules, on a virtual clock.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use clap::ValueEnum;
use dsl::diagnostic::{Problem, finding, human, junit_cases};
use dsl::program::test::Test;
use serde_json::{Value as Json, json};

use super::findings::{self, Set};
use crate::rehearse::{Coverage, Report, Writer, coverage, rehearse_all};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Folders that hold rules, or files of tests inside of one.
    #[arg(default_value = "rules")]
    paths: Vec<PathBuf>,
    /// Show which parts of the rules the tests have seen; with a number, fail where it is fewer of a hundred.
    #[arg(long, value_name = "MIN", num_args = 0..=1, require_equals = true)]
    coverage: Option<Option<f64>>,
    /// Run only tests whose title holds this text.
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// How it is printed.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
    /// The same as `--format json`.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Human,
    Json,
    Junit,
}

/// The tests of one rule set and what became of them.
struct Rehearsed<'a> {
    set: &'a Set,
    tests: Vec<&'a Test>,
    reports: Vec<Report>,
    coverage: Option<Coverage>,
}

pub(super) fn run(arguments: &Arguments) -> u8 {
    let began = Instant::now();
    let sets = match findings::check(&arguments.paths, None) {
        Ok(sets) => sets,
        Err(error) => return super::could_not_run(&error),
    };
    let color = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    if sets.iter().any(|set| set.compiled.program.is_none()) {
        // What is wrong elsewhere in the set stops its tests too.
        for set in &sets {
            for problem in &set.compiled.problems {
                eprintln!("{}", human(problem, &set.compiled.files, color));
            }
        }
        eprintln!("engine: rules with errors cannot be tested; `engine validate` shows them alone");
        return 1;
    }
    let rehearsed: Vec<Rehearsed<'_>> = sets.iter().map(|set| rehearse(set, arguments)).collect();
    let format = if arguments.json { Format::Json } else { arguments.format };
    let text = match format {
        Format::Human => human_report(&rehearsed, began),
        Format::Json => json_report(&rehearsed).to_string() + "\n",
        Format::Junit => junit_report(&rehearsed),
    };
    say_on!("{text}");
    let count: usize = rehearsed.iter().map(|one| one.tests.len()).sum();
    if count == 0 {
        let of = arguments.filter.as_ref().map_or_else(String::new, |filter| format!(" with `{filter}` in its title"));
        eprintln!("engine: there is no test{of}");
        return 1;
    }
    let failed = rehearsed.iter().flat_map(|one| &one.reports).any(|report| !report.failures.is_empty());
    let below = rehearsed.iter().any(|one| one.coverage.as_ref().is_some_and(|c| too_little(c, arguments)));
    if below {
        for one in &rehearsed {
            if let Some(coverage) = one.coverage.as_ref().filter(|coverage| too_little(coverage, arguments)) {
                eprintln!(
                    "T0002 the tests of {} have seen {:.1} % of the rules, {} % are asked for",
                    one.set.folder.display(),
                    coverage.percent(),
                    arguments.coverage.flatten().unwrap_or_default()
                );
            }
        }
    }
    u8::from(failed || below)
}

fn too_little(coverage: &Coverage, arguments: &Arguments) -> bool {
    arguments.coverage.flatten().is_some_and(|min| coverage.percent() < min)
}

fn rehearse<'a>(set: &'a Set, arguments: &Arguments) -> Rehearsed<'a> {
    let wanted = |test: &&Test| {
        set.only.as_ref().is_none_or(|only| test.place.file == *only)
            && arguments.filter.as_ref().is_none_or(|filter| test.title.contains(filter.as_str()))
    };
    let tests: Vec<&Test> = set.compiled.tests.iter().filter(wanted).collect();
    let reports = match &set.compiled.program {
        Some(program) => rehearse_all(&Arc::new(program.clone()), &tests, usize::MAX),
        None => Vec::new(),
    };
    let coverage = arguments.coverage.map(|_| coverage(&set.compiled, &reports));
    Rehearsed { set, tests, reports, coverage }
}

fn human_report(rehearsed: &[Rehearsed<'_>], began: Instant) -> String {
    let color = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let mut text = String::new();
    let (mut passed, mut failed) = (0, 0);
    for one in rehearsed {
        for (test, report) in one.tests.iter().zip(&one.reports) {
            let mark = if report.failures.is_empty() { "ok    " } else { "FAILED" };
            text.push_str(&format!("{mark}  {}  {}\n", test.place.file, test.title));
            if report.failures.is_empty() {
                passed += 1;
            } else {
                failed += 1;
            }
        }
    }
    for one in rehearsed {
        for problem in problems(one) {
            text.push('\n');
            text.push_str(&human(&problem, &one.set.compiled.files, color));
            text.push('\n');
        }
        if let Some(coverage) = &one.coverage {
            text.push('\n');
            text.push_str(&covered(coverage));
        }
    }
    let time = began.elapsed().as_millis();
    text.push_str(&format!("\n{passed} passed, {failed} failed, {time} ms\n"));
    text
}

fn covered(coverage: &Coverage) -> String {
    let mut text = String::new();
    let kinds = [("field", "lines of syncs"), ("row", "rows of tables"), ("branch", "branches"), ("block", "blocks")];
    for (kind, name) in kinds {
        let all: Vec<_> = coverage.parts.iter().filter(|part| part.kind == kind).collect();
        if !all.is_empty() {
            let seen = all.iter().filter(|part| part.seen).count();
            text.push_str(&format!("{name:<14} {seen} of {}\n", all.len()));
        }
    }
    for part in coverage.parts.iter().filter(|part| !part.seen) {
        text.push_str(&format!("  not seen: {}:{}  {}\n", part.file, part.line, part.text));
    }
    text.push_str(&format!(
        "the tests have seen {:.1} % of the rules ({} of {})\n",
        coverage.percent(),
        coverage.seen(),
        coverage.parts.len()
    ));
    text
}

/// Failures with what the project's history says of the lines that write what is wrong.
fn problems(one: &Rehearsed<'_>) -> Vec<Problem> {
    let failures = one.reports.iter().flat_map(|report| &report.failures);
    failures
        .map(|failure| {
            let mut problem = failure.problem.clone();
            for writer in &failure.writers {
                if let Some(changed) = last_change(&one.set.folder, writer) {
                    problem.help.push(format!("  {}:{} was last changed in {changed}", writer.file, writer.line));
                }
            }
            problem
        })
        .collect()
}

/// The commit that changed a line last, and how long ago, where the folder is in a git checkout.
fn last_change(folder: &Path, writer: &Writer) -> Option<String> {
    let range = format!("-L{0},{0}", writer.line);
    let output = Command::new("git")
        .args(["blame", "--porcelain", &range, "--", &writer.file])
        .current_dir(folder)
        .env_remove("GIT_DIR")
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let commit = text.split(' ').next()?.get(..7)?.to_owned();
    if commit.bytes().all(|byte| byte == b'0') {
        return Some("the working copy, not committed yet".to_owned());
    }
    let output = Command::new("git").args(["show", "-s", "--format=%ar", &commit]).current_dir(folder).output().ok()?;
    let ago = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    Some(if ago.is_empty() { format!("commit {commit}") } else { format!("commit {commit} ({ago})") })
}

fn json_report(rehearsed: &[Rehearsed<'_>]) -> Json {
    let mut tests = Vec::new();
    let (mut passed, mut failed) = (0, 0);
    for one in rehearsed {
        for (test, report) in one.tests.iter().zip(&one.reports) {
            let ok = report.failures.is_empty();
            if ok {
                passed += 1
            } else {
                failed += 1
            }
            let findings: Vec<Json> =
                report.failures.iter().map(|failure| finding(&failure.problem, &one.set.compiled.files)).collect();
            tests.push(json!({
                "title": test.title, "file": test.place.file, "line": test.place.line, "passed": ok,
                "findings": findings,
            }));
        }
    }
    let mut report = json!({"schema": 1, "passed": passed, "failed": failed, "tests": tests});
    let coverages: Vec<Json> = rehearsed
        .iter()
        .filter_map(|one| one.coverage.as_ref())
        .map(|coverage| {
            json!({
                "percent": (coverage.percent() * 10.0).round() / 10.0, "seen": coverage.seen(),
                "parts": coverage.parts.len(),
                "not_seen": coverage.parts.iter().filter(|part| !part.seen).map(|part| json!({
                    "kind": part.kind, "file": part.file, "line": part.line, "text": part.text,
                })).collect::<Vec<_>>(),
            })
        })
        .collect();
    match coverages.as_slice() {
        [] => {}
        [one] => report["coverage"] = one.clone(),
        several => report["coverage"] = several.into(),
    }
    report
}

fn junit_report(rehearsed: &[Rehearsed<'_>]) -> String {
    let cases = rehearsed.iter().flat_map(|one| {
        one.tests.iter().zip(&one.reports).map(|(test, report)| {
            let failure = (!report.failures.is_empty()).then(|| {
                let shown =
                    report.failures.iter().map(|failure| human(&failure.problem, &one.set.compiled.files, false));
                (report.failures[0].problem.message.clone(), shown.collect::<Vec<_>>().join("\n"))
            });
            (test.place.file.clone(), test.title.clone(), failure)
        })
    });
    junit_cases("engine test", &cases.collect::<Vec<_>>())
}

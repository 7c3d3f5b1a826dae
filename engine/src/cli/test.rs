//! `engine test`: the tests in the rules, on a virtual clock.
//!
//! Always true: in a form for tools, whatever makes the exit code 1 stands in the report: tests that failed, rules that
//! do not hold, coverage below what is asked for.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use clap::ValueEnum;
use dsl::diagnostic::{Code, Problem, finding, human, junit_cases};
use dsl::program::test::Test;
use dsl::source::Span;
use serde_json::{Value as Json, json};

use super::blame::last_change;
use super::findings::{self, Set};
use super::output::{colored, could_not_run};
use crate::rehearse::{Coverage, Report, coverage, rehearse_all};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Folders that hold rules, or files of tests inside of one.
    #[arg(default_value = "rules")]
    paths: Vec<PathBuf>,
    /// Show which parts of the rules the tests have seen; with a number, fail where it is fewer of a hundred.
    #[arg(long, value_name = "MIN", num_args = 0..=1, require_equals = true, value_parser = percentage)]
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

/// How much of a hundred.
fn percentage(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number| (0.0..=100.0).contains(number));
    number.ok_or_else(|| "write a number from 0 to 100".to_owned())
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
    /// The coverage is below what is asked for.
    below: Option<Problem>,
}

pub(super) fn run(arguments: &Arguments) -> u8 {
    let began = Instant::now();
    let sets = match findings::check(&arguments.paths, None) {
        Ok(sets) => sets,
        Err(error) => return could_not_run(&error),
    };
    let format = if arguments.json { Format::Json } else { arguments.format };
    if sets.iter().any(|set| set.compiled.program.is_none()) {
        untested(sets, format);
        return 1;
    }
    let rehearsed: Vec<Rehearsed<'_>> = sets.iter().map(|set| rehearse(set, arguments)).collect();
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
    for problem in rehearsed.iter().filter_map(|one| one.below.as_ref()) {
        eprintln!("{} {}", problem.code, problem.message);
    }
    u8::from(failed || rehearsed.iter().any(|one| one.below.is_some()))
}

/// Rules with errors cannot be tested; what is wrong elsewhere in a set stops its tests too.
fn untested(mut sets: Vec<Set>, format: Format) {
    sets.iter_mut().for_each(|set| set.only = None);
    match format {
        Format::Human => {
            let color = colored(&std::io::stderr());
            for set in &sets {
                for problem in set.problems() {
                    eprintln!("{}", human(problem, &set.compiled.files, color));
                }
            }
            eprintln!("engine: rules with errors cannot be tested; `engine validate` shows them alone");
        }
        Format::Json => {
            let of = |set: &Set| set.problems().map(|p| finding(p, &set.compiled.files)).collect::<Vec<_>>();
            let findings: Vec<Json> = sets.iter().flat_map(of).collect();
            say!("{}", json!({"schema": 1, "passed": 0, "failed": 0, "tests": [], "findings": findings}));
        }
        Format::Junit => say_on!("{}", findings::print(dsl::diagnostic::Format::Junit, &sets, false)),
    }
}

/// Whether fewer than `min` of a hundred parts were seen; it stands at the first one that no test has seen.
fn too_little(set: &Set, coverage: &Coverage, min: f64) -> Option<Problem> {
    if coverage.percent() >= min {
        return None;
    }
    let part = coverage.parts.iter().find(|part| !part.seen)?;
    let file = set.compiled.files.iter().find(|file| file.path == part.file)?;
    let line = file.line(part.line as usize);
    let start = file.offset(part.line - 1, 0) + (line.len() - line.trim_start().len()) as u32;
    let span = Span { file: file.id, start, end: start + line.trim().len() as u32 };
    let message = format!(
        "the tests of {} have seen {:.1} % of the rules, {min} % are asked for",
        set.folder.display(),
        coverage.percent()
    );
    let problem = Problem::new(Code::T0002, message, span, "no test has seen this");
    let others = coverage.parts.iter().filter(|part| !part.seen);
    Some(
        others.fold(problem, |problem, part| {
            problem.help(format!("not seen: {}:{}  {}", part.file, part.line, part.text))
        }),
    )
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
    let below = match (&coverage, arguments.coverage.flatten()) {
        (Some(coverage), Some(min)) => too_little(set, coverage, min),
        _ => None,
    };
    Rehearsed { set, tests, reports, coverage, below }
}

fn human_report(rehearsed: &[Rehearsed<'_>], began: Instant) -> String {
    let color = colored(&std::io::stdout());
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

/// Failures with what the project's history says of the lines that they name.
fn problems(one: &Rehearsed<'_>) -> Vec<Problem> {
    let failures = one.reports.iter().flat_map(|report| &report.failures);
    failures
        .map(|failure| {
            let mut problem = failure.problem.clone();
            for writer in &failure.writers {
                if let Some(changed) = last_change(&one.set.folder, &writer.file, writer.line) {
                    problem.help.push(format!("  {}:{} {changed}", writer.file, writer.line));
                }
            }
            problem
        })
        .collect()
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
    // Too little coverage is a finding of the run: no test fails for it.
    let below = rehearsed.iter().filter_map(|one| Some(finding(one.below.as_ref()?, &one.set.compiled.files)));
    let below: Vec<Json> = below.collect();
    let mut report = json!({"schema": 1, "passed": passed, "failed": failed, "tests": tests, "findings": below});
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
    // Too little coverage is a case of its own: a report says what failed by its cases alone.
    let below = rehearsed.iter().filter_map(|one| {
        let problem = one.below.as_ref()?;
        let shown = (problem.message.clone(), human(problem, &one.set.compiled.files, false));
        Some(("coverage".to_owned(), one.set.folder.display().to_string(), Some(shown)))
    });
    junit_cases("engine test", &cases.chain(below).collect::<Vec<_>>())
}

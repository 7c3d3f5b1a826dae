//! `engine validate`: all findings of one or more rule sets.

use std::io::IsTerminal;
use std::path::PathBuf;

use clap::ValueEnum;
use dsl::diagnostic::{Problem, Severity, finding, human};
use dsl::source::SourceFile;

use crate::rules;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Folders that hold rules, or files inside of one.
    #[arg(default_value = "rules")]
    paths: Vec<PathBuf>,
    /// How findings are printed.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
    /// The same as `--format json`.
    #[arg(long)]
    json: bool,
    /// Warnings count as findings.
    #[arg(long)]
    deny_warnings: bool,
    /// The day against which the age of locks is judged, `2026-11-25`.
    #[arg(long)]
    today: Option<jiff::civil::Date>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Human,
    Concise,
    Json,
    Jsonl,
    Github,
}

pub(super) fn run(arguments: &Arguments) -> u8 {
    let mut findings: Vec<(Problem, Vec<SourceFile>)> = Vec::new();
    let mut files = 0;
    let mut summary = Vec::new();
    for path in &arguments.paths {
        let read = rules::set_of(path).and_then(|(folder, file)| Ok((rules::read(&folder)?, file)));
        let (texts, only) = match read {
            Ok(read) => read,
            Err(error) => return super::could_not_run(&error),
        };
        let compiled = texts.compile(arguments.today);
        files += compiled.files.len();
        if let Some(program) = &compiled.program {
            summary.push(format!(
                "{}: {} files, {} syncs, {} reactions, {} workflows",
                path.display(),
                compiled.files.len(),
                program.syncs.len(),
                program.whens.len(),
                program.workflows.len()
            ));
        }
        for problem in compiled.problems {
            let file = &compiled.files[problem.span().file.0 as usize];
            if only.as_ref().is_none_or(|only| *only == file.path) {
                findings.push((problem, compiled.files.clone()));
            }
        }
    }
    let format = if arguments.json { Format::Json } else { arguments.format };
    print(format, &findings, files, &summary);
    let counts = |problem: &Problem| problem.severity() == Severity::Error || arguments.deny_warnings;
    u8::from(findings.iter().any(|(problem, _)| counts(problem)))
}

fn print(format: Format, findings: &[(Problem, Vec<SourceFile>)], files: usize, summary: &[String]) {
    let color = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    match format {
        Format::Human => {
            for (problem, files) in findings {
                println!("{}", human(problem, files, color));
            }
            for line in summary {
                println!("{line}");
            }
            match findings.len() {
                0 => println!("no findings"),
                1 => println!("1 finding"),
                n => println!("{n} findings"),
            }
        }
        Format::Concise => {
            for (problem, files) in findings {
                let file = &files[problem.span().file.0 as usize];
                let (line, column) = file.position(problem.span().start);
                println!("{}:{line}:{column}: {} {}", file.path, problem.code, problem.message);
            }
        }
        Format::Json => {
            let all: Vec<_> = findings.iter().map(|(problem, files)| finding(problem, files)).collect();
            println!("{}", serde_json::json!({"schema": 1, "findings": all, "files": files}));
        }
        Format::Jsonl => {
            for (problem, files) in findings {
                println!("{}", finding(problem, files));
            }
        }
        Format::Github => {
            for (problem, files) in findings {
                let file = &files[problem.span().file.0 as usize];
                let (line, column) = file.position(problem.span().start);
                let level = if problem.severity() == Severity::Error { "error" } else { "warning" };
                let text =
                    format!("{} {}", problem.message, problem.help.join(" ")).replace('%', "%25").replace('\n', "%0A");
                println!("::{level} file={},line={line},col={column},title={}::{text}", file.path, problem.code);
            }
        }
    }
}

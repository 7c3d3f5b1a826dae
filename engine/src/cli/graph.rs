//! `engine graph`: the rules as a picture.

use std::path::PathBuf;

use clap::ValueEnum;
use dsl::diagnostic::{Severity, finding, human};
use serde_json::json;

use super::output::{colored, could_not_run};
use crate::rules;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The folder that holds the rules, or a file inside of it.
    #[arg(default_value = "rules")]
    path: PathBuf,
    /// Only what is within one rule of this: `crm.Deal`, `crm.Deal.dealstage`, a sync, a workflow, a system.
    #[arg(long, value_name = "PATH")]
    around: Option<String>,
    /// How it is written.
    #[arg(long, value_enum, default_value_t = Format::Mermaid)]
    format: Format,
    /// The same as `--format json`.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Mermaid,
    Dot,
    Json,
}

pub(super) fn run(arguments: &Arguments) -> u8 {
    let texts = match rules::set_of(&arguments.path).and_then(|(folder, _)| rules::read(&folder)) {
        Ok(texts) => texts,
        Err(error) => return could_not_run(&error),
    };
    let compiled = texts.compile(None);
    // A picture of rules with mistakes would show what does not run.
    let Some(program) = &compiled.program else {
        let color = colored(&std::io::stderr());
        let errors = compiled.problems.iter().filter(|problem| problem.severity() == Severity::Error);
        if arguments.json || arguments.format == Format::Json {
            let findings: Vec<_> = errors.map(|problem| finding(problem, &compiled.files)).collect();
            say!("{}", json!({"schema": 1, "findings": findings}));
        } else {
            errors.for_each(|problem| eprintln!("{}", human(problem, &compiled.files, color)));
        }
        eprintln!("engine: these rules do not hold, so there is nothing to draw");
        return 1;
    };
    let mut graph = dsl::graph::graph(program);
    if let Some(name) = &arguments.around {
        graph = match dsl::graph::around(&graph, program, name) {
            Ok(graph) => graph,
            Err(unknown) => {
                eprintln!("engine: {unknown}");
                if let Some(nearest) = &unknown.nearest {
                    eprintln!("  help: did you mean `{nearest}`?");
                }
                return 1;
            }
        };
    }
    let format = match arguments.format {
        _ if arguments.json => dsl::graph::Format::Json,
        Format::Mermaid => dsl::graph::Format::Mermaid,
        Format::Dot => dsl::graph::Format::Dot,
        Format::Json => dsl::graph::Format::Json,
    };
    let text = dsl::graph::render(format, &graph);
    say_on!("{text}");
    0
}

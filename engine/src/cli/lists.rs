//! `engine incidents`, `parked`, `runs`, `links`: what the daemon knows, one line each.

use super::client::{self, Reach};
use super::output::{Output, print_json};
use crate::admin::api::Filter;
use crate::decide::views::{Incident, Link, Run};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Only what is about this record, link, run, sync or rule.
    about: Option<String>,
    /// Only what is in this state, such as `stopped` or `parked`.
    #[arg(long)]
    state: Option<String>,
    /// Most lines.
    #[arg(long, default_value_t = 100)]
    limit: usize,
    /// Only what comes behind this one; for `runs` and `links`, whose lists may be long.
    #[arg(long, value_name = "ID")]
    after: Option<String>,
    #[command(flatten)]
    reach: Reach,
    #[command(flatten)]
    output: Output,
}

impl Arguments {
    fn filter(&self) -> Filter {
        Filter {
            limit: Some(self.limit),
            about: self.about.clone(),
            state: self.state.clone(),
            after: self.after.clone(),
            field: None,
        }
    }

    /// Prints an answer: as it is, or as `lines` of it.
    fn print<A: serde::Serialize>(
        &self,
        answer: Result<A, client::Error>,
        lines: impl FnOnce(&A) -> (Vec<String>, More<'_>),
    ) -> u8 {
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => return error.exit(),
        };
        if self.output.json() {
            print_json(&answer);
            return 0;
        }
        let (lines, more) = lines(&answer);
        for line in &lines {
            say!("{line}");
        }
        match more {
            More::Nothing if lines.is_empty() => say!("none"),
            More::Nothing => {}
            More::OfTotal(shown, total) => say!("{shown} of {total}; `--limit` shows more"),
            More::Behind(next) => say!("there may be more: `--after {next}` shows it"),
        }
        0
    }
}

/// What an answer leaves out.
enum More<'a> {
    Nothing,
    /// So many are here of so many.
    OfTotal(usize, usize),
    /// Whatever comes behind this one.
    Behind(&'a str),
}

impl<'a> More<'a> {
    fn of_total(shown: usize, total: usize) -> Self {
        if shown < total { Self::OfTotal(shown, total) } else { Self::Nothing }
    }

    fn behind(next: Option<&'a String>) -> Self {
        next.map_or(Self::Nothing, |next| Self::Behind(next))
    }
}

pub(super) fn incidents(arguments: &Arguments) -> u8 {
    let filter = arguments.filter();
    let answer = client::ask(&arguments.reach, async |engine| engine.incidents(&filter).await);
    arguments
        .print(answer, |found| (incident_lines(&found.incidents), More::of_total(found.incidents.len(), found.total)))
}

pub(super) fn parked(arguments: &Arguments) -> u8 {
    let filter = arguments.filter();
    let answer = client::ask(&arguments.reach, async |engine| engine.parked(&filter).await);
    arguments.print(answer, |found| (incident_lines(&found.parked), More::of_total(found.parked.len(), found.total)))
}

pub(super) fn runs(arguments: &Arguments) -> u8 {
    let filter = arguments.filter();
    let answer = client::ask(&arguments.reach, async |engine| engine.runs(&filter).await);
    arguments.print(answer, |found| (found.runs.iter().map(run_line).collect(), More::behind(found.next.as_ref())))
}

pub(super) fn links(arguments: &Arguments) -> u8 {
    let filter = arguments.filter();
    let answer = client::ask(&arguments.reach, async |engine| engine.links(&filter).await);
    arguments.print(answer, |found| (found.links.iter().map(link_line).collect(), More::behind(found.next.as_ref())))
}

/// Grouped by fingerprint: one line for 800 failures of one cause.
pub(super) fn incident_lines(incidents: &[Incident]) -> Vec<String> {
    let mut groups: Vec<(&str, Vec<&Incident>)> = Vec::new();
    for incident in incidents {
        match groups.iter_mut().find(|(known, _)| *known == incident.fingerprint) {
            Some((_, group)) => group.push(incident),
            None => groups.push((&incident.fingerprint, vec![incident])),
        }
    }
    let mut lines = Vec::new();
    for (_, group) in groups {
        let first = group[0];
        lines.push(format!("{}  since {}  {}", first.cause, first.since, first.place));
        let names: Vec<&str> = group.iter().take(5).map(|incident| incident.subject.as_str()).collect();
        let more = if group.len() > 5 { format!(", +{}", group.len() - 5) } else { String::new() };
        let count: u64 = group.iter().map(|incident| incident.count).sum();
        let last = group.iter().filter_map(|incident| incident.last.as_ref()).max();
        let last = last.map(|last| format!(", the last at {last}")).unwrap_or_default();
        lines.push(format!("    {count} × {}: {}{more}{last}", first.entity, names.join(", ")));
        lines.push(format!("    {}", first.advice));
    }
    lines
}

pub(super) fn run_line(run: &Run) -> String {
    let step = run.step.as_ref().map_or_else(String::new, |step| format!("  in {step}"));
    format!("{:<8} {:<10} {}{step}  {}", run.run, run.state, run.rule, run.detail)
}

pub(super) fn link_line(link: &Link) -> String {
    let id = |id: &Option<String>| id.clone().unwrap_or_else(|| "-".to_owned());
    let (left, right) = (id(&link.left), id(&link.right));
    format!("{:<8} {:<18} {}  {left} = {right}  {}", link.link, link.state, link.sync, link.detail)
}

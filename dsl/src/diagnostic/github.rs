//! A problem as a workflow command of GitHub Actions, which shows it beside the line in a review.
//!
//! Format: GitHub's documentation, "Workflow commands for GitHub Actions", `error` and `warning`.

use super::place::Place;
use super::{Problem, Severity};
use crate::source::SourceFile;

/// One command, without its line end.
#[must_use]
pub fn github(problem: &Problem, files: &[SourceFile]) -> String {
    let level = if problem.severity() == Severity::Error { "error" } else { "warning" };
    let place = Place::of(problem.span(), files);
    let mut text = problem.message.clone();
    for help in &problem.help {
        text.push('\n');
        text.push_str(help);
    }
    let mut command = format!("::{level} file={},line={},col={}", property(place.path), place.line, place.column);
    // A range over several lines has no columns there.
    if place.end_line == place.line {
        command.push_str(&format!(",endColumn={}", place.end_column));
    } else {
        command.push_str(&format!(",endLine={}", place.end_line));
    }
    command.push_str(&format!(",title={}::{}", property(problem.code.name()), data(&text)));
    command
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

//! A problem as one line, for editors and `grep`: `file:line:column: CODE message`.

use super::Problem;
use crate::source::SourceFile;

/// The line, without its line end. Columns count characters from 1.
#[must_use]
pub fn concise(problem: &Problem, files: &[SourceFile]) -> String {
    let place = super::place::Place::of(problem.span(), files);
    format!("{}:{}:{}: {} {}", place.path, place.line, place.column, problem.code, problem.message)
}

//! Problems as a Code Quality report of GitLab: a list that merge requests show.
//!
//! Format: GitLab's documentation, "Code Quality", custom tools: description, check name, fingerprint, severity
//! and place are required.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::place::Place;
use super::{Problem, Severity};
use crate::source::SourceFile;

/// The report.
#[must_use]
pub fn gitlab(problems: &[Problem], files: &[SourceFile]) -> Value {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let findings = problems.iter().map(|problem| {
        let place = Place::of(problem.span(), files);
        let identity = identity(problem, files);
        let count = seen.entry(identity.clone()).or_insert(0);
        *count += 1;
        let fingerprint = digest(&format!("{identity}\n{count}"));
        json!({
            "description": format!("{} {}", problem.code, problem.message),
            "check_name": problem.code,
            "fingerprint": fingerprint,
            "severity": if problem.severity() == Severity::Error { "major" } else { "minor" },
            "location": {"path": place.path, "lines": {"begin": place.line, "end": place.end_line}},
        })
    });
    findings.collect()
}

/// What makes two findings the same although lines moved: code, file, message and the text of the line.
pub(super) fn identity(problem: &Problem, files: &[SourceFile]) -> String {
    let place = Place::of(problem.span(), files);
    let line = files.get(problem.span().file.0 as usize).map_or("", |file| file.line(place.line).trim());
    format!("{}\n{}\n{}\n{line}", problem.code, place.path, problem.message)
}

pub(super) fn digest(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

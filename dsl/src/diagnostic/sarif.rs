//! Problems as SARIF 2.1.0, which code scanning services read.
//!
//! Format: OASIS, "Static Analysis Results Interchange Format (SARIF) Version 2.1.0". Columns count characters,
//! as everywhere here, so the run says `unicodeCodePoints`.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::gitlab::{digest, identity};
use super::place::Place;
use super::{Code, Fix, Problem, Severity};
use crate::source::{FileId, SourceFile, Span};

/// One log with one run.
#[must_use]
pub fn sarif(problems: &[Problem], files: &[SourceFile]) -> Value {
    let codes: Vec<Code> = problems.iter().map(|problem| problem.code).collect::<BTreeSet<_>>().into_iter().collect();
    let rules: Vec<Value> = codes
        .iter()
        .map(|code| {
            json!({
                "id": code,
                "shortDescription": {"text": code.title()},
                "help": {"text": format!("engine explain {code}")},
            })
        })
        .collect();
    let results: Vec<Value> = problems
        .iter()
        .map(|problem| {
            let mut text = problem.message.clone();
            for help in &problem.help {
                text.push('\n');
                text.push_str(help);
            }
            let related: Vec<Value> = problem
                .labels
                .iter()
                .enumerate()
                // The first label is the place of the result itself.
                .skip(1)
                .map(|(id, label)| {
                    json!({
                        "id": id,
                        "message": {"text": label.text},
                        "physicalLocation": location(label.span, files),
                    })
                })
                .collect();
            let mut result = json!({
                "ruleId": problem.code,
                "ruleIndex": codes.iter().position(|code| *code == problem.code),
                "level": if problem.severity() == Severity::Error { "error" } else { "warning" },
                "message": {"text": text},
                "locations": [{"physicalLocation": location(problem.span(), files)}],
                // By this a service knows a result again whose line has moved.
                "partialFingerprints": {"finding/v1": digest(&identity(problem, files))},
            });
            if !related.is_empty() {
                result["relatedLocations"] = related.into();
            }
            if !problem.fixes.is_empty() {
                result["fixes"] = problem.fixes.iter().map(|fix| change(fix, files)).collect();
            }
            result
        })
        .collect();
    json!({
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {"name": "engine", "version": env!("CARGO_PKG_VERSION"), "rules": rules}},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn location(span: Span, files: &[SourceFile]) -> Value {
    json!({"artifactLocation": {"uri": uri(Place::of(span, files).path)}, "region": region(span, files)})
}

fn region(span: Span, files: &[SourceFile]) -> Value {
    let place = Place::of(span, files);
    json!({
        "startLine": place.line,
        "startColumn": place.column,
        "endLine": place.end_line,
        "endColumn": place.end_column,
        "byteOffset": span.start,
        "byteLength": span.end.saturating_sub(span.start),
    })
}

fn change(fix: &Fix, files: &[SourceFile]) -> Value {
    let touched: BTreeSet<FileId> = fix.edits.iter().map(|(span, _)| span.file).collect();
    let changes: Vec<Value> = touched
        .into_iter()
        .map(|file| {
            let replacements: Vec<Value> = fix
                .edits
                .iter()
                .filter(|(span, _)| span.file == file)
                .map(|(span, text)| json!({"deletedRegion": region(*span, files), "insertedContent": {"text": text}}))
                .collect();
            let path = files.get(file.0 as usize).map_or("", |file| file.path.as_str());
            json!({"artifactLocation": {"uri": uri(path)}, "replacements": replacements})
        })
        .collect();
    json!({"description": {"text": fix.title}, "artifactChanges": changes})
}

/// A relative path as a URI reference (RFC 3986): everything but unreserved characters and `/` is escaped.
fn uri(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    path.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

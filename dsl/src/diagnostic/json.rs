//! A problem as data: the finding of LANGUAGE.md section 6, stable and versioned.

use serde_json::{Value, json};

use super::{Problem, Severity};
use crate::source::{SourceFile, Span};

/// One finding.
#[must_use]
pub fn finding(problem: &Problem, files: &[SourceFile]) -> Value {
    let span = problem.span();
    let path = files.get(span.file.0 as usize).map_or("", |file| file.path.as_str());
    let labels: Vec<Value> = problem
        .labels
        .iter()
        .enumerate()
        .map(|(index, label)| {
            let mut value = json!({"span": place(label.span, files), "text": label.text, "primary": index == 0});
            // The form is stable (LANGUAGE.md section 6): a file stands here only where it is not the finding's own.
            if label.span.file != span.file {
                value["file"] = files.get(label.span.file.0 as usize).map_or("", |file| file.path.as_str()).into();
            }
            value
        })
        .collect();
    let fixes: Vec<Value> = problem
        .fixes
        .iter()
        .map(|fix| {
            let edits: Vec<Value> = fix
                .edits
                .iter()
                .map(|(at, text)| {
                    let delete = at.end.saturating_sub(at.start);
                    let mut value = json!({"at": at.start, "delete": delete, "insert": text});
                    if at.file != span.file {
                        value["file"] = files.get(at.file.0 as usize).map_or("", |file| file.path.as_str()).into();
                    }
                    value
                })
                .collect();
            json!({"title": fix.title, "safety": if fix.safe { "safe" } else { "needs-choice" }, "edits": edits})
        })
        .collect();
    let related: Vec<Value> =
        problem.related.iter().map(|r| json!({"file": r.file, "line": r.line, "text": r.text})).collect();
    json!({
        "schema": 1,
        "code": problem.code,
        "severity": if problem.severity() == Severity::Error { "error" } else { "warning" },
        "message": problem.message,
        "file": path,
        "span": place(span, files),
        "labels": labels,
        "help": problem.help,
        "fixes": fixes,
        "related": related,
        "url": format!("explain/{}", problem.code),
    })
}

/// Lines and columns count characters from 1, offsets bytes from 0.
fn place(span: Span, files: &[SourceFile]) -> Value {
    let Some(file) = files.get(span.file.0 as usize) else { return Value::Null };
    let point = |offset: u32| {
        let (line, column) = file.position(offset);
        json!({"line": line, "column": column, "offset": offset})
    };
    json!({"start": point(span.start), "end": point(span.end)})
}

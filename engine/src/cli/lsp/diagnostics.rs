//! What the checker says, as an editor shows it, and the changes that mend it.

use std::collections::HashMap;

use dsl::diagnostic::{Code, Fix, Problem, Severity, apply_tried, mends};
use dsl::ide::Project;
use dsl::source::{FileId, SourceFile};
use lsp_types::{
    CodeAction, CodeActionKind, Diagnostic, DiagnosticRelatedInformation, DiagnosticSeverity, DiagnosticTag, Location,
    NumberOrString, Position, Range, TextEdit, Uri, WorkspaceEdit,
};

use super::convert;

/// Who says it, in the editor's list.
const SOURCE: &str = "engine";

/// Gives the URI of a path relative to the rule set's folder.
pub(super) type Locate<'l> = &'l dyn Fn(&str) -> Option<Uri>;

/// A problem. Other places it speaks of, in rules and locks, are shown beside it.
pub(super) fn diagnostic(project: &Project, problem: &Problem, locate: Locate<'_>) -> Diagnostic {
    let at = |id: FileId| project.files().get(id.0 as usize);
    let first = problem.labels.first();
    let range = first.and_then(|label| Some(convert::span(at(label.span.file)?, label.span))).unwrap_or_default();
    let mut message = vec![problem.message.clone()];
    message.extend(first.map(|label| label.text.clone()).filter(|text| !text.is_empty()));
    message.extend(problem.help.iter().map(|help| format!("help: {help}")));
    let labels = problem.labels.iter().skip(1).filter_map(|label| {
        let file = at(label.span.file)?;
        let location = Location::new(locate(&file.path)?, convert::span(file, label.span));
        Some(DiagnosticRelatedInformation { location, message: label.text.clone() })
    });
    let related = problem.related.iter().filter_map(|related| {
        let file = project.file(&related.file).or_else(|| project.lock(&related.file))?;
        let line = u32::try_from(related.line.saturating_sub(1)).ok()?;
        let start = file.offset(line, 0);
        let body = file.line(related.line);
        let indent = (body.len() - body.trim_start().len()) as u32;
        let range = convert::range(file, start + indent, start + body.trim_end().len() as u32);
        Some(DiagnosticRelatedInformation {
            location: Location::new(locate(&related.file)?, range),
            message: related.text.clone(),
        })
    });
    let related: Vec<DiagnosticRelatedInformation> = labels.chain(related).collect();
    Diagnostic {
        range,
        severity: Some(match problem.severity() {
            Severity::Error => DiagnosticSeverity::ERROR,
            Severity::Warning => DiagnosticSeverity::WARNING,
        }),
        code: Some(NumberOrString::String(problem.code.name().to_owned())),
        source: Some(SOURCE.to_owned()),
        message: message.join("\n"),
        related_information: Some(related).filter(|related| !related.is_empty()),
        // W0110: nothing uses this.
        tags: (problem.code == Code::W0110).then(|| vec![DiagnosticTag::UNNECESSARY]),
        ..Diagnostic::default()
    }
}

/// A file that cannot be read as it should be.
pub(super) fn unreadable(message: &str) -> Diagnostic {
    Diagnostic {
        range: Range::new(Position::new(0, 0), Position::new(0, 0)),
        severity: Some(DiagnosticSeverity::ERROR),
        source: Some(SOURCE.to_owned()),
        message: message.to_owned(),
        ..Diagnostic::default()
    }
}

/// The changes that mend problems at `range` of a file, each problem's in its order; safe ones are preferred.
pub(super) fn quick_fixes(project: &Project, file: &SourceFile, range: Range, locate: Locate<'_>) -> Vec<CodeAction> {
    let (start, end) = (convert::offset(file, range.start), convert::offset(file, range.end));
    let here = |problem: &&Problem| {
        problem
            .labels
            .iter()
            .any(|label| label.span.file == file.id && label.span.start <= end && start <= label.span.end)
    };
    let (problems, told) = (of_rules(project.problems()), |texts: &_| of_rules(&project.told_with(texts)));
    let actions = project.problems().iter().filter(here).flat_map(|problem| {
        let right = |fix: &&Fix| mends(problem, fix, &problems, project.files(), &told);
        problem.fixes.iter().filter(right).filter_map(|fix| {
            Some(CodeAction {
                title: format!("{} ({})", fix.title, problem.code),
                kind: Some(CodeActionKind::QUICKFIX),
                diagnostics: Some(vec![diagnostic(project, problem, locate)]),
                edit: Some(edit(project, fix, locate)?),
                is_preferred: Some(fix.safe),
                ..CodeAction::default()
            })
        })
    });
    actions.collect()
}

/// All safe changes of a file at once, as `engine fix` makes them; none where there are none.
pub(super) fn fix_all(project: &Project, file: &SourceFile, locate: Locate<'_>) -> Option<CodeAction> {
    let here = |problems: &[Problem]| -> Vec<Problem> {
        let problems = of_rules(problems);
        problems.into_iter().filter(|problem| problem.span().file == file.id).collect()
    };
    let problems = here(project.problems());
    let told = |texts: &_| here(&project.told_with(texts));
    let fixed = apply_tried(&problems, project.files(), None, &told);
    let texts = fixed.texts.iter().filter_map(|(id, text)| {
        let file = project.files().get(id.0 as usize)?;
        Some((locate(&file.path)?, vec![TextEdit::new(whole(file), text.clone())]))
    });
    let changes = changes(texts);
    (!fixed.texts.is_empty()).then(|| CodeAction {
        title: format!("mend all that is safe ({})", fixed.made.len()),
        kind: Some(CodeActionKind::SOURCE_FIX_ALL),
        edit: Some(changes),
        ..CodeAction::default()
    })
}

/// Findings that a change of rules can mend: that a lock is old is not among them.
fn of_rules(problems: &[Problem]) -> Vec<Problem> {
    problems.iter().filter(|problem| problem.code != Code::W0901).cloned().collect()
}

fn edit(project: &Project, fix: &Fix, locate: Locate<'_>) -> Option<WorkspaceEdit> {
    let mut by_file: Vec<(Uri, Vec<TextEdit>)> = Vec::new();
    for (span, text) in &fix.edits {
        let file = project.files().get(span.file.0 as usize)?;
        let uri = locate(&file.path)?;
        let edit = TextEdit::new(convert::span(file, *span), text.clone());
        match by_file.iter_mut().find(|(known, _)| *known == uri) {
            Some((_, edits)) => edits.push(edit),
            None => by_file.push((uri, vec![edit])),
        }
    }
    Some(changes(by_file.into_iter()))
}

/// Edits by file.
pub(super) fn changes(edits: impl Iterator<Item = (Uri, Vec<TextEdit>)>) -> WorkspaceEdit {
    #[expect(clippy::mutable_key_type, reason = "the protocol's type; nothing changes the key")]
    let changes: HashMap<Uri, Vec<TextEdit>> = edits.collect();
    WorkspaceEdit { changes: Some(changes), ..WorkspaceEdit::default() }
}

/// All of a file.
pub(super) fn whole(file: &SourceFile) -> Range {
    convert::range(file, 0, file.text.len() as u32)
}

//! What is known of the thing at a place, as Markdown.

use super::actions::actions;
use super::context::Context;
use super::delivery::{self, explained};
use super::describe::about;
use super::expect::forms_at;
use super::owners::policy;
use super::project::Project;
use super::resolve::{resolve, word};
use crate::ast::{Arrow, ItemKind, WorkflowStatement};
use crate::schema::Delivery;
use crate::source::{FileId, Span};

/// What to show, and over what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hover {
    /// The name or sign that is explained.
    pub span: Span,
    /// Markdown.
    pub text: String,
}

/// What is known at an offset: problems first, then what stands there; none where there is nothing to say.
#[must_use]
pub fn hover(project: &Project, file: FileId, offset: u32) -> Option<Hover> {
    let mut said = Vec::new();
    let mut over = None;
    for problem in project.problems() {
        let span = problem.span();
        if span.file == file && span.start <= offset && offset <= span.end {
            let title = problem.code.title();
            said.push(format!("**{}** {title}  \n`engine explain {}` says more", problem.code, problem.code));
            over = Some(span);
        }
    }
    if let Some((symbol, span)) = resolve(project, file, offset) {
        said.push(about(project, &symbol).join("\n\n"));
        over = Some(span);
    } else if let Some((text, span)) = form(project, file, offset) {
        said.push(text);
        over = Some(span);
    }
    if let Some((text, span)) = effect(project, file, offset) {
        said.push(text);
        over = over.or(Some(span));
    }
    Some(Hover { span: over?, text: said.join("\n\n---\n\n") })
}

/// The forms of which the word at the offset is a word.
fn form(project: &Project, file: FileId, offset: u32) -> Option<(String, Span)> {
    let text = project.text(file);
    let (start, end) = word(text, offset as usize);
    let name = text.get(start..end).filter(|name| !name.is_empty())?;
    let said: Vec<String> = forms_at(&Context::at(project, file, start), name)
        .iter()
        .map(|form| format!("```rules\n{}\n```\n{}", form.written, form.says))
        .collect();
    (!said.is_empty()).then(|| (said.join("\n\n"), Span { file, start: start as u32, end: end as u32 }))
}

/// How often the sync line or the action at the offset takes effect: over its arrow, its first word or its name.
fn effect(project: &Project, file: FileId, offset: u32) -> Option<(String, Span)> {
    let inside = |span: Span| span.file == file && span.start <= offset && offset < span.end;
    let first = |span: Span| {
        let (_, end) = word(project.text(file), span.start as usize);
        Span { end: end as u32, ..span }
    };
    let item = project.items_of(file).find(|item| inside(item.span))?;
    if let ItemKind::Sync(sync) = &item.kind {
        let line = sync.mappings.iter().find(|line| inside(line.span))?;
        let says = if line.arrow.value == Arrow::Both && line.on_empty.is_none() {
            policy(sync, line)
        } else {
            format!("to {}, {}", target(sync, line.arrow.value), policy(sync, line))
        };
        return Some((format!("this line: {says}\n\n{}", explained(Delivery::ByNature)), line.arrow.span));
    }
    let mut labels: Vec<(Option<Delivery>, Span)> = Vec::new();
    match &item.kind {
        ItemKind::When(when) => labels.push((delivery::of_when(project, when), item.head)),
        ItemKind::Workflow(workflow) => {
            labels.push((delivery::of_workflow(project, workflow), item.head));
            labels.extend(workflow.body.iter().filter_map(|statement| match statement {
                WorkflowStatement::Step(step) => Some((delivery::of_step(project, step), step.head)),
                _ => None,
            }));
        }
        _ => {}
    }
    labels.extend(actions(item).into_iter().map(|action| (delivery::of_action(project, action), action.head)));
    let (label, span) = labels.into_iter().map(|(label, head)| (label, first(head))).find(|(_, span)| inside(*span))?;
    Some((explained(label?), span))
}

fn target(sync: &crate::ast::Sync, arrow: Arrow) -> &str {
    match arrow {
        Arrow::Left => &sync.left.system.value,
        Arrow::Right | Arrow::Both => &sync.right.system.value,
    }
}

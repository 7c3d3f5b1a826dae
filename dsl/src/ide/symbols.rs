//! The outline of a file: its items and what stands in them.

use super::project::Project;
use crate::ast::{Expr, Item, ItemKind, Route, TestStatement, WorkflowStatement};
use crate::source::{FileId, Span, Spanned};

/// What an entry of an outline is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum OutlineKind {
    Edition,
    Choice,
    Word,
    Entity,
    Field,
    System,
    Table,
    Row,
    Sync,
    Mapping,
    Events,
    Route,
    When,
    Branch,
    Workflow,
    Step,
    Wait,
    Test,
    Line,
    /// An item that is not understood.
    Broken,
}

/// An entry of an outline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    /// As people call it.
    pub name: String,
    /// More, in a few words; may be empty.
    pub detail: String,
    /// What it is.
    pub kind: OutlineKind,
    /// All of it.
    pub span: Span,
    /// Its name, inside of `span`.
    pub name_span: Span,
    /// What stands in it.
    pub children: Vec<Outline>,
}

/// The items of a file in order, those that are not understood included.
#[must_use]
pub fn symbols(project: &Project, file: FileId) -> Vec<Outline> {
    let text = project.text(file);
    let known: Vec<&Item> = project.items_of(file).collect();
    let mut found = Vec::new();
    for chunk in project.chunks(file) {
        let Some(keyword) = chunk.begins.keyword() else { continue };
        let inside =
            |item: &&&Item| (chunk.start..chunk.end.max(chunk.start + 1)).contains(&(item.span.start as usize));
        if let Some(item) = known.iter().find(inside) {
            found.push(entry(project, item));
            continue;
        }
        let head = text[chunk.start..chunk.end].split(['{', '\n']).next().unwrap_or("").trim_end();
        let span = Span { file, start: chunk.start as u32, end: chunk.end as u32 };
        found.push(Outline {
            name: if head.is_empty() { keyword.to_owned() } else { head.to_owned() },
            detail: "not understood".to_owned(),
            kind: OutlineKind::Broken,
            span,
            name_span: Span { end: (chunk.start + head.len()) as u32, ..span },
            children: Vec::new(),
        });
    }
    found
}

fn entry(project: &Project, item: &Item) -> Outline {
    let leaf = |name: &str, kind: OutlineKind, span: Span, name_span: Span| Outline {
        name: name.to_owned(),
        detail: String::new(),
        kind,
        span,
        // Editors refuse an outline in which a name does not lie inside of its entry.
        name_span: within(name_span, span),
        children: Vec::new(),
    };
    let one_line = |span: Span| project.slice(span).split_whitespace().collect::<Vec<_>>().join(" ");
    let head = one_line(item.head);
    let named = |name: &Spanned<String>, kind: OutlineKind, detail: String, children: Vec<Outline>| Outline {
        detail,
        children,
        ..leaf(&name.value, kind, item.span, name.span)
    };
    match &item.kind {
        ItemKind::Edition(number) => leaf(&head, OutlineKind::Edition, item.span, number.span),
        ItemKind::Choice(choice) => {
            let rows = choice.rows.iter().map(|row| leaf(&row.word.value, OutlineKind::Word, row.span, row.word.span));
            let detail = if choice.ordered { "ordered choice" } else { "choice" };
            named(&choice.name, OutlineKind::Choice, detail.to_owned(), rows.collect())
        }
        ItemKind::Entity(entity) => {
            let fields = entity
                .fields
                .iter()
                .map(|field| leaf(&field.name.value, OutlineKind::Field, field.span, field.name.span));
            Outline {
                children: fields.collect(),
                ..leaf(&one_line(entity.name.span), OutlineKind::Entity, item.span, entity.name.span)
            }
        }
        ItemKind::System(system) => {
            let detail = system.schema.as_ref().map(|path| path.value.clone()).unwrap_or_default();
            named(&system.name, OutlineKind::System, detail, Vec::new())
        }
        ItemKind::Table(table) => {
            let first = |cells: &[Expr]| cells.first().map(|cell| one_line(cell.span)).unwrap_or_default();
            let rows = table.rows.iter().map(|row| leaf(&first(&row.cells), OutlineKind::Row, row.span, row.span));
            let by: Vec<&str> = table.by.names.iter().map(|name| name.value.as_str()).collect();
            named(&table.name, OutlineKind::Table, format!("by {}", by.join(".")), rows.collect())
        }
        ItemKind::Sync(sync) => {
            let lines = sync.mappings.iter().map(|line| {
                let ends = Span { end: line.right.span.end.max(line.arrow.span.end), ..line.span };
                leaf(&one_line(ends), OutlineKind::Mapping, line.span, ends)
            });
            let (left, right) = (one_line(sync.left.span), one_line(sync.right.span));
            let arrow = if sync.two_way { "<->" } else { "->" };
            named(&sync.name, OutlineKind::Sync, format!("{left} {arrow} {right}"), lines.collect())
        }
        ItemKind::Events(events) => {
            let routes = events.routes.iter().map(|route: &Route| {
                let names: Vec<&str> = route.messages.iter().map(|name| name.value.as_str()).collect();
                Outline {
                    detail: one_line(route.to.span),
                    ..leaf(&names.join(", "), OutlineKind::Route, route.span, route.span)
                }
            });
            let name = format!("events from {}", events.from.value);
            Outline { children: routes.collect(), ..leaf(&name, OutlineKind::Events, item.span, events.from.span) }
        }
        ItemKind::When(when) => {
            let always = when.always.iter().map(|block| leaf("always", OutlineKind::Branch, block.span, block.span));
            let branches = when.branches.iter().map(|branch| {
                leaf(&one_line(branch.span), OutlineKind::Branch, branch.span.to(branch.block.span), branch.span)
            });
            let name_span = when.entity.span.to(when.trigger.span);
            let name = format!("when {}", one_line(name_span));
            Outline {
                children: always.chain(branches).collect(),
                ..leaf(&name, OutlineKind::When, item.span, name_span)
            }
        }
        ItemKind::Workflow(workflow) => {
            let steps = workflow.body.iter().filter_map(|statement| match statement {
                WorkflowStatement::Step(step) => {
                    // The tree keeps where a step begins and where its actions are, not where it ends.
                    let end = step.actions.iter().map(|action| action.span.end).max().unwrap_or(step.head.end);
                    let span = Span { end: end.max(step.head.end), ..step.head };
                    Some(leaf(&step.name.value, OutlineKind::Step, span, step.name.span))
                }
                WorkflowStatement::Wait(wait) => {
                    Some(leaf(&format!("wait {}", one_line(wait.span)), OutlineKind::Wait, wait.span, wait.span))
                }
                WorkflowStatement::WaitUntil(_, span) => Some(leaf(&one_line(*span), OutlineKind::Wait, *span, *span)),
                WorkflowStatement::WaitFor(wait) => {
                    Some(leaf(&one_line(wait.head), OutlineKind::Wait, wait.head, wait.head))
                }
                WorkflowStatement::Action(_) => None,
            });
            let detail = format!("with {}: {}", workflow.argument.value, one_line(workflow.entity.span));
            named(&workflow.name, OutlineKind::Workflow, detail, steps.collect())
        }
        ItemKind::Test(test) => {
            let lines = test.statements.iter().map(|statement| {
                let first = one_line(statement.span);
                let name = first.split(" {").next().unwrap_or(&first);
                let detail = match &statement.value {
                    TestStatement::Expect(_) => "expect",
                    _ => "",
                };
                Outline { detail: detail.to_owned(), ..leaf(name, OutlineKind::Line, statement.span, statement.span) }
            });
            named(&test.title, OutlineKind::Test, "test".to_owned(), lines.collect())
        }
    }
}

/// `inner`, cut to what lies in `outer`.
fn within(inner: Span, outer: Span) -> Span {
    let start = inner.start.clamp(outer.start, outer.end);
    Span { start, end: inner.end.clamp(start, outer.end), ..outer }
}

//! Who writes a field, and who wins where several do.

use super::actions::actions;
use super::project::Project;
use super::resolve::resolve;
use super::symbol::Symbol;
use crate::ast::{Action, ActionKind, Arrow, Expr, ExprKind, Item, ItemKind, Mapping, Policy, Qualified, Record, Sync};
use crate::schema::EntityName;
use crate::source::Span;

/// A rule that writes a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owner {
    /// `sync Contacts`
    pub(super) who: String,
    /// `crm wins`
    pub(super) how: String,
    /// `contacts.rules:13`
    pub(super) place: String,
}

/// Every rule that writes the field or link, in the order of files and lines.
pub(super) fn owners(project: &Project, entity: &EntityName, field: &str) -> Vec<Owner> {
    let mut found = Vec::new();
    for item in project.items() {
        match &item.kind {
            ItemKind::Sync(sync) => of_sync(project, sync, entity, field, &mut found),
            _ => {
                let all = actions(item);
                all.into_iter().for_each(|action| of_action(project, item, action, entity, field, &mut found));
            }
        }
    }
    found
}

fn is(name: &Qualified, entity: &EntityName) -> bool {
    name.system.value == entity.system && name.name.value == entity.entity
}

/// A path of one name.
fn names(expr: &Expr, field: &str) -> bool {
    matches!(&expr.kind, ExprKind::Path(path) if matches!(path.names.as_slice(), [name] if name.value == field))
}

fn of_sync(project: &Project, sync: &Sync, entity: &EntityName, field: &str, found: &mut Vec<Owner>) {
    let who = format!("sync {}", sync.name.value);
    for line in &sync.mappings {
        let right = is(&sync.right, entity) && line.arrow.value != Arrow::Left && names(&line.right, field);
        let left = is(&sync.left, entity) && line.arrow.value != Arrow::Right && names(&line.left, field);
        if left || right {
            found.push(Owner { who: who.clone(), how: policy(sync, line), place: project.place(line.span) });
        }
    }
    for key in &sync.keys {
        let filled = |side: &Qualified, mine: &str, other: &str| is(side, entity) && mine == field && other == "id";
        let (left, right) = (key.left.value.as_str(), key.right.value.as_str());
        if field != "id" && (filled(&sync.left, left, right) || filled(&sync.right, right, left)) {
            let how = "the engine fills in the other side's id".to_owned();
            found.push(Owner { who: who.clone(), how, place: project.place(key.span) });
        }
    }
}

/// Who wins on a line of a sync, in the words of the rules.
pub(super) fn policy(sync: &Sync, line: &Mapping) -> String {
    let source = match line.arrow.value {
        Arrow::Right => Some(&sync.left),
        Arrow::Left => Some(&sync.right),
        Arrow::Both => None,
    };
    if let Some(source) = source {
        return if line.on_create.is_some() {
            "written once, when this sync makes the record".to_owned()
        } else {
            format!("{} owns it", source.system.value)
        };
    }
    match line.policy.as_ref().or(sync.conflict.as_ref()).map(|policy| &policy.value) {
        Some(Policy::Wins(system)) => format!("both ways, {} wins", system.value),
        Some(Policy::Newest { tie }) => {
            let tie = tie.as_ref().map_or(&sync.left.system.value, |tie| &tie.value);
            format!("both ways, newest wins, tie {tie}")
        }
        Some(Policy::Review) => "both ways, a person decides where both changed".to_owned(),
        None => "both ways, without a policy".to_owned(),
    }
}

fn of_action(
    project: &Project,
    item: &Item,
    action: &Action,
    entity: &EntityName,
    field: &str,
    found: &mut Vec<Owner>,
) {
    let mut tell = |how: &str, span: Span| {
        let who = project.slice(item.head).split_whitespace().collect::<Vec<_>>().join(" ");
        found.push(Owner { who, how: how.to_owned(), place: project.place(span) });
    };
    let written = |record: &Record| {
        let line = record.lines.iter().find(|line| matches!(line.path.names.as_slice(), [name] if name.value == field));
        line.map(|line| line.span)
    };
    match &action.kind {
        ActionKind::Create { entity: made, key, record, .. } if is(made, entity) => {
            let key = key.as_ref().filter(|(name, _)| name.value == field).map(|(name, _)| name.span);
            if let Some(span) = key.or_else(|| written(record)) {
                tell("in a new record", span);
            }
        }
        ActionKind::Update { entity: changed, record, .. } if is(changed, entity) => {
            if let Some(span) = written(record) {
                tell("updates it", span);
            }
        }
        ActionKind::Set { path, .. } => {
            let Some(last) = path.names.last().filter(|last| last.value == field) else { return };
            // Whose field it is depends on the variables at that place, which the text of the path does not say.
            let is = match resolve(project, last.span.file, last.span.start) {
                Some((Symbol::Field { entity: of, .. } | Symbol::Link { entity: of, .. }, _)) => of == *entity,
                _ => false,
            };
            if is {
                tell("sets it", path.span);
            }
        }
        _ => {}
    }
}

//! Where a name is declared: in the rules, or in a lock.

use super::project::Project;
use super::resolve::resolve;
use super::symbol::Symbol;
use crate::ast::WorkflowStatement;
use crate::source::{FileId, Span};

/// A stretch of a file of the rule set: of rules or of a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Path relative to the rule set's folder.
    pub path: String,
    /// First byte.
    pub start: u32,
    /// First byte behind it.
    pub end: u32,
}

/// Where the name at an offset is declared.
#[must_use]
pub fn definition(project: &Project, file: FileId, offset: u32) -> Option<Place> {
    let (symbol, _) = resolve(project, file, offset)?;
    declared(project, &symbol)
}

/// Where a symbol is declared.
pub(super) fn declared(project: &Project, symbol: &Symbol) -> Option<Place> {
    if let Some(span) = in_rules(project, symbol) {
        let file = project.files().get(span.file.0 as usize)?;
        return Some(Place { path: file.path.clone(), start: span.start, end: span.end });
    }
    in_lock(project, symbol)
}

/// Where the rules declare it.
fn in_rules(project: &Project, symbol: &Symbol) -> Option<Span> {
    let named = |name: &crate::ast::Name, wanted: &str| (name.value == wanted).then_some(name.span);
    match symbol {
        Symbol::System(wanted) => project.items().find_map(|item| match &item.kind {
            crate::ast::ItemKind::System(system) => named(&system.name, wanted),
            _ => None,
        }),
        Symbol::Choice(wanted) => project.choices().find_map(|choice| named(&choice.name, wanted)),
        Symbol::Word { choice, word } => {
            let choice = project.choices().find(|found| found.name.value == *choice)?;
            choice.rows.iter().find_map(|row| named(&row.word, word))
        }
        Symbol::Table(wanted) => project.tables().find_map(|table| named(&table.name, wanted)),
        Symbol::Column { table, column } => {
            let table = project.tables().find(|found| found.name.value == *table)?;
            table.columns.iter().find_map(|found| named(found, column))
        }
        Symbol::Sync(wanted) => project.syncs().find_map(|sync| named(&sync.name, wanted)),
        Symbol::Workflow(wanted) => project.workflows().find_map(|workflow| named(&workflow.name, wanted)),
        Symbol::Step { workflow, step } => {
            let workflow = project.workflows().find(|found| found.name.value == *workflow)?;
            workflow.body.iter().find_map(|statement| match statement {
                WorkflowStatement::Step(found) => named(&found.name, step),
                _ => None,
            })
        }
        Symbol::Variable { at, .. } => Some(*at),
        Symbol::Entity(name) => Some(project.systems.get(&name.system)?.written.get(&name.entity)?.name),
        Symbol::Field { entity, field: name } | Symbol::Link { entity, link: name } => {
            let written = project.systems.get(&entity.system)?.written.get(&entity.entity)?;
            // No item declares `id`: it leads to the entity.
            Some(written.fields.get(name).copied().unwrap_or(written.name))
        }
        _ => None,
    }
}

/// The system whose lock declares it, and the path of its key there.
pub(super) fn lock_key(symbol: &Symbol) -> Option<(&str, String)> {
    Some(match symbol {
        Symbol::Entity(name) => (&name.system, format!("entities.{}", name.entity)),
        Symbol::Event(name) => (&name.system, format!("events.{}", name.entity)),
        Symbol::Field { entity, field } | Symbol::FieldOption { entity, field, .. } => {
            (&entity.system, format!("entities.{}.fields.{field}", entity.entity))
        }
        Symbol::Link { entity, link } => (&entity.system, format!("entities.{}.links.{link}", entity.entity)),
        Symbol::Member { event, member } => (&event.system, format!("events.{}.fields.{member}", event.entity)),
        Symbol::Operation { system, operation } => (system, format!("operations.{operation}")),
        Symbol::Parameter { system, operation, parameter }
        | Symbol::ParameterOption { system, operation, parameter, .. } => {
            (system, format!("operations.{operation}.params.{parameter}"))
        }
        Symbol::Result { system, operation, member } => (system, format!("operations.{operation}.result.{member}")),
        Symbol::Message { system, message } => (system, format!("deliveries.messages.{message}")),
        Symbol::Envelope { system, member } => (system, format!("deliveries.envelope.{member}")),
        Symbol::Lookup { system, lookup } => (system, format!("lookups.{lookup}")),
        _ => return None,
    })
}

/// The path of a lock and the line, from 1, on which a key stands. A key in `{…}` stands on the line of what holds
/// it.
pub(super) fn lock_line<'p>(project: &'p Project, system: &str, key: &str) -> Option<(&'p str, usize)> {
    let known = project.systems.get(system)?;
    let mut key = key;
    loop {
        if let Some(line) = known.lock.lines.get(key) {
            return Some((known.path.as_deref()?, *line));
        }
        key = key.rsplit_once('.')?.0;
    }
}

fn in_lock(project: &Project, symbol: &Symbol) -> Option<Place> {
    let (system, key) = lock_key(symbol)?;
    let (path, line) = lock_line(project, system, &key)?;
    let file = project.lock(path)?;
    let body = file.line(line);
    let start = file.offset(u32::try_from(line - 1).ok()?, 0) as usize;
    let indent = body.len() - body.trim_start().len();
    // The name itself, where it stands on the line as a word.
    let name = match symbol {
        Symbol::Envelope { member, .. } => member.as_str(),
        other => other.name(),
    };
    let letter = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
    let at = body
        .match_indices(name)
        .map(|(at, _)| at)
        .find(|at| !letter(body[..*at].chars().next_back()) && !letter(body[at + name.len()..].chars().next()));
    let (from, to) = match at {
        Some(at) => (at, at + name.len()),
        None => (indent, body.trim_end().len().max(indent)),
    };
    Some(Place { path: path.to_owned(), start: (start + from) as u32, end: (start + to) as u32 })
}

//! Where a name is used, and what changes where it is renamed.

use std::collections::BTreeMap;

use super::candidates::plain_name;
use super::project::Project;
use super::resolve::resolve;
use super::symbol::Symbol;
use crate::diagnostic::Severity;
use crate::source::{FileId, Span};

/// Every place that names what is named at an offset, its declaration in the rules included, in the order of files
/// and lines.
#[must_use]
pub fn references(project: &Project, file: FileId, offset: u32) -> Vec<Span> {
    match resolve(project, file, offset) {
        Some((symbol, _)) => uses(project, &symbol),
        None => Vec::new(),
    }
}

fn uses(project: &Project, symbol: &Symbol) -> Vec<Span> {
    let name = symbol.name();
    let letter = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
    let mut found = Vec::new();
    for file in project.files() {
        if let Symbol::Variable { at, .. } = symbol
            && at.file != file.id
        {
            continue;
        }
        for (at, _) in file.text.match_indices(name) {
            let word =
                !letter(file.text[..at].chars().next_back()) && !letter(file.text[at + name.len()..].chars().next());
            if !word {
                continue;
            }
            if let Some((other, span)) = resolve(project, file.id, at as u32)
                && other == *symbol
                && found.last() != Some(&span)
            {
                found.push(span);
            }
        }
    }
    found
}

/// What a renaming changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renaming {
    /// Replacements, in the order of files and lines.
    pub edits: Vec<(Span, String)>,
    /// What else goes by the old name, and does not change with it.
    pub warning: Option<String>,
}

/// The changes that give what is named at an offset another name, in the rules and tests.
///
/// # Errors
/// Why it cannot have this name, in plain words.
pub fn rename(project: &Project, file: FileId, offset: u32, name: &str) -> Result<Renaming, String> {
    let Some((symbol, _)) = resolve(project, file, offset) else {
        return Err("there is no name here".to_owned());
    };
    let old = symbol.name();
    match &symbol {
        Symbol::Choice(_)
        | Symbol::Table(_)
        | Symbol::Column { .. }
        | Symbol::Sync(_)
        | Symbol::Workflow(_)
        | Symbol::Step { .. }
        | Symbol::Variable { .. } => {}
        Symbol::System(_) => return Err(format!("`{old}` is named in its lock and in engine.yaml too")),
        Symbol::Word { .. } => {
            return Err(format!(
                "where no spelling is given, systems spell `{old}` as the rules do: rename it by hand"
            ));
        }
        _ => return Err(format!("`{old}` is a name of the system that has it")),
    }
    if !plain_name(name) {
        return Err(format!("`{name}` is no name: a letter, then letters, digits and `_`, and no reserved word"));
    }
    let item = matches!(symbol, Symbol::Choice(_) | Symbol::Table(_) | Symbol::Sync(_) | Symbol::Workflow(_));
    if item && name != old && project.taken().contains(name) {
        return Err(format!("something else is named `{name}` already"));
    }
    let edits: Vec<(Span, String)> = uses(project, &symbol).into_iter().map(|span| (span, name.to_owned())).collect();
    // Whatever else may be wrong with the name, the checker says it.
    let mut texts: BTreeMap<FileId, String> = BTreeMap::new();
    // From the end, so that places before a change stay where they are.
    for (span, new) in edits.iter().rev() {
        let text = texts.entry(span.file).or_insert_with(|| project.text(span.file).to_owned());
        text.replace_range(span.start as usize..span.end as usize, new);
    }
    let renamed = project.with(&texts);
    let errors =
        |project: &Project| project.problems().iter().filter(|problem| problem.severity() == Severity::Error).count();
    if errors(&renamed) > errors(project) {
        let said = renamed.problems().iter().find(|problem| problem.severity() == Severity::Error);
        return Err(said.map(|problem| problem.message.clone()).unwrap_or_default());
    }
    let kept = match &symbol {
        Symbol::Sync(_) => Some("which records are paired"),
        Symbol::Workflow(_) | Symbol::Step { .. } => Some("runs that are not finished"),
        _ => None,
    };
    let warning = kept.filter(|_| name != old).map(|kept| {
        format!(
            "an engine that has run these rules keeps {kept} under the name `{old}`, and will not find it as `{name}`"
        )
    });
    Ok(Renaming { edits, warning })
}

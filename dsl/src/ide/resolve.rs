//! What a name stands for.

use super::candidates::candidates;
use super::context::{Context, Inside};
use super::expect::Declared;
use super::project::Project;
use super::symbol::Symbol;
use crate::source::{FileId, Span};

/// What the name at an offset stands for, and where it stands. An offset behind the last letter counts.
pub(super) fn resolve(project: &Project, file: FileId, offset: u32) -> Option<(Symbol, Span)> {
    let text = project.text(file);
    let (start, end) = word(text, offset as usize);
    let context = Context::at(project, file, start);
    let span = |start: usize, end: usize| Span { file, start: start as u32, end: end as u32 };
    if let Inside::Text(begin) = context.inside {
        let end = begin + text[begin..].find(['"', '\n', '\r'])?;
        let (found, _) = candidates(project, &context);
        let said = &text[begin..end];
        let symbol = found.into_iter().find(|candidate| candidate.label == said)?.symbol?;
        return Some((symbol, span(begin, end)));
    }
    let name = &text[start..end];
    if name.is_empty() {
        return None;
    }
    let (found, declared) = candidates(project, &context);
    let symbol = match found.into_iter().find(|candidate| candidate.label == name) {
        Some(candidate) => candidate.symbol?,
        None => declared.into_iter().find_map(|what| declares(&what, name, span(start, end), &text[end..]))?,
    };
    Some((symbol, span(start, end)))
}

/// The symbol that a new name stands for; `rest` is what follows it.
fn declares(what: &Declared, name: &str, at: Span, rest: &str) -> Option<Symbol> {
    let name = name.to_owned();
    Some(match what.clone() {
        Declared::System => Symbol::System(name),
        Declared::Choice => Symbol::Choice(name),
        Declared::Table => Symbol::Table(name),
        Declared::Sync => Symbol::Sync(name),
        Declared::Workflow => Symbol::Workflow(name),
        Declared::Step { workflow } => Symbol::Step { workflow, step: name },
        Declared::Word { choice } => Symbol::Word { choice, word: name },
        Declared::Column { table } => Symbol::Column { table, column: name },
        Declared::Field { entity } => Symbol::Field { entity, field: name },
        Declared::Variable => Symbol::Variable { name, at },
        Declared::Assigned if rest.trim_start().starts_with('=') => Symbol::Variable { name, at },
        Declared::Assigned => return None,
    })
}

/// The letters of a name around an offset; of a quoted name what stands between its backquotes. Empty where there is
/// no name.
pub(super) fn word(text: &str, offset: usize) -> (usize, usize) {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    let line = text[..offset].rfind('\n').map_or(0, |n| n + 1);
    let line_end = text[offset..].find('\n').map_or(text.len(), |n| offset + n);
    if text[line..offset].matches('`').count() % 2 == 1
        && let (Some(open), Some(close)) = (text[line..offset].rfind('`'), text[offset..line_end].find('`'))
    {
        return (line + open + 1, offset + close);
    }
    let letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let start = text[line..offset]
        .rfind(|c: char| !letter(c))
        .map_or(line, |at| line + at + text[line + at..].chars().next().map_or(1, char::len_utf8));
    let end = text[offset..line_end].find(|c: char| !letter(c)).map_or(line_end, |at| offset + at);
    (start, end)
}

//! Problems of form, in the reader's words, with what may stand there instead.

use crate::diagnostic::Problem;
use crate::near;
use crate::outline::{Chunk, KEYWORDS};
use crate::source::{SourceFile, Span};

fn at(file: &SourceFile, start: usize, end: usize) -> Span {
    Span { file: file.id, start: start as u32, end: end.max(start + 1).min(file.text.len()) as u32 }
}

fn line_end(file: &SourceFile, start: usize) -> usize {
    file.text[start..].find(['\n', '\r']).map_or(file.text.len(), |n| start + n)
}

/// A line that stands outside any item.
pub(super) fn outside(file: &SourceFile, chunk: &Chunk) -> Problem {
    let start = chunk.start + file.text[chunk.start..].len() - file.text[chunk.start..].trim_start().len();
    let word: String = file.text[start..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    if file.text[start..].starts_with('}') {
        return Problem::new("E0005", "this `}` closes nothing", at(file, start, start + 1), "there is no `{` for it")
            .help("remove it");
    }
    let end = if word.is_empty() { line_end(file, start) } else { start + word.len() };
    let problem =
        Problem::new("E0004", "this stands outside any item", at(file, start, end), "no item begins like this");
    match near::nearest(&word, KEYWORDS.iter().copied()) {
        Some(keyword) => problem.help(format!("did you mean `{keyword}`?")).fix(
            format!("write `{keyword}`"),
            true,
            vec![(at(file, start, end), keyword.to_owned())],
        ),
        None => problem.help(format!("an item begins in the first column with one of: {}", KEYWORDS.join(", "))),
    }
}

/// A block that is never closed: shown at its opening and where the next item begins.
pub(super) fn unclosed(file: &SourceFile, chunk: &Chunk, next: Option<&Chunk>, items: usize) -> Problem {
    let open = *chunk.open.last().unwrap_or(&chunk.start);
    let line_start = file.text[..open].rfind('\n').map_or(0, |n| n + 1);
    let line_start = line_start.max(chunk.start);
    let indent = file.text[line_start..].len() - file.text[line_start..].trim_start_matches([' ', '\t']).len();
    let mut problem =
        Problem::new("E0003", "this block is never closed", at(file, line_start + indent, open + 1), "opened here");
    if let Some(next) = next {
        // The keyword and the name of the item are enough to find it.
        let line = &file.text[next.start..line_end(file, next.start)];
        let words: usize = line.split_inclusive(' ').take(2).map(str::len).sum();
        let end = next.start + line[..words].trim_end_matches([' ', '{']).len();
        problem =
            problem.label(at(file, next.start, end), "a new item starts here, so the `}` belongs above this line");
    }
    let inside = &file.text[chunk.start..chunk.end];
    let last =
        inside.lines().rev().find(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#')).unwrap_or("");
    let width = |position: usize| {
        let start = file.text[..position].rfind('\n').map_or(0, |n| n + 1);
        file.text[start..position].len() - file.text[start..position].trim_start_matches([' ', '\t']).len()
    };
    let closers: Vec<String> =
        chunk.open.iter().rev().map(|open| format!("`{}}}`", " ".repeat(width(*open)))).collect();
    let others = items.saturating_sub(1);
    let note = match others {
        0 => String::new(),
        1 => "  The other item in this file was checked as usual".to_owned(),
        n => format!("  The other {n} items in this file were checked as usual"),
    };
    problem.help(format!("add {} after the line `{}`.{note}", closers.join(" and "), last.trim()))
}

/// The head of an item is not understood.
pub(super) fn item(file: &SourceFile, chunk: &Chunk, position: usize) -> Problem {
    let line_start = file.text[..position.min(file.text.len())].rfind('\n').map_or(0, |n| n + 1).max(chunk.start);
    let end = line_end(file, line_start);
    let body = &file.text[line_start..end];
    let indent = body.len() - body.trim_start().len();
    let keyword: String = file.text[chunk.start..].chars().take_while(char::is_ascii_alphanumeric).collect();
    Problem::new("E0001", "this line is not understood here", at(file, line_start + indent, end), "not understood")
        .help(form(&keyword))
}

fn form(keyword: &str) -> String {
    match keyword {
        "edition" => "write `edition 2026`",
        "choice" => "write `choice Name for system.Entity.field, … {` and a word on each line",
        "entity" => "write `entity system.Name {` and `field: type` on each line",
        "system" => "write `system name {`",
        "table" => "write `table Name by system.Entity.field {`, a line of column names joined by `|`, and the rows",
        "sync" => {
            "write `sync Name between app.Entity and crm.Entity {` or `sync Name from app.Entity to crm.Entity {`"
        }
        "events" => "write `events from system over webhook {` or `… over kafka topic \"name\" {`",
        "when" => {
            "write `when system.Entity changes field as name {`, `… is created as name {` or `… is deleted as name {`"
        }
        "workflow" => "write `workflow Name with name: system.Entity {`",
        _ => "write `test \"what it shows\" {`",
    }
    .to_owned()
}

/// Statements that may stand in a block.
fn allowed(block: &str) -> &'static [&'static str] {
    match block {
        "choice" => &["word \"Label\" in system \"spelling\" final"],
        "entity" => &["changed at field", "field: type"],
        "system" => &["schema \"schemas/name.lock\"", "limit api 100 calls per 10 seconds", "cache reads for 1 hour"],
        "table" => &["cell | cell"],
        "sync" => {
            &["run", "priority", "match by", "create missing in", "on delete in", "conflict", "only where", "fields {"]
        }
        "fields" => &["left <-> right", "left -> right", "left <- right", "link left -> right via Sync"],
        "events" => &["verify", "dedupe", "key by", "\"message\" -> sync Name"],
        "when" => &["only where", "always {", "to stage {", "an action"],
        "workflow" => {
            &["step name {", "wait", "only one per", "give up after", "cancel when", "on failure {", "an action"]
        }
        "step" => &["an action", "retry", "timeout", "undo {", "accept duplicates"],
        "wait" => &["happened {", "timed out {"],
        "test" => &["given", "when", "expect"],
        "record" => &["field = value", "link name = value"],
        _ => &["create", "update", "set", "delete", "start", "call", "send", "notify", "run sync", "if", "nothing"],
    }
}

/// A statement that is not understood inside a block.
pub(super) fn statement(file: &SourceFile, span: Span, block: &str) -> Problem {
    let text = file.slice(span);
    let first_line = text.lines().next().unwrap_or("").trim_end();
    let span = Span { end: span.start + (first_line.len() as u32).max(1), ..span };
    let word: String = text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    let heads = allowed(block);
    let firsts: Vec<&str> =
        heads.iter().filter_map(|head| head.split(' ').next()).filter(|w| w.chars().all(char::is_alphabetic)).collect();
    let where_ = match block {
        "block" => "in this block".to_owned(),
        "record" => "in this record".to_owned(),
        "fields" => "in `fields`".to_owned(),
        other => format!("in this {other}"),
    };
    let problem = Problem::new("E0001", "this line is not understood here", span, format!("not understood {where_}"));
    if let Some(keyword) = near::nearest(&word, firsts.iter().copied()).filter(|keyword| *keyword != word) {
        let end = span.start + word.len() as u32;
        return problem.help(format!("did you mean `{keyword}`?")).fix(
            format!("write `{keyword}`"),
            true,
            vec![(Span { end, ..span }, keyword.to_owned())],
        );
    }
    problem.help(format!("here may stand: {}", heads.iter().map(|h| format!("`{h}`")).collect::<Vec<_>>().join(", ")))
}

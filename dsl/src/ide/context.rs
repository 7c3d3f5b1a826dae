//! Where a place stands: its item, the blocks around it, the words of its statement and the names that are known.
//!
//! In: a text and a place. Out: a [`Context`]. Only the tokens before the place are looked at, so that it does not
//! matter whether the line parses; what stands behind the place cannot change what may stand at it.

use super::project::Project;
use super::thing::{Thing, Wanted};
use crate::outline::{Begins, Chunk};
use crate::schema::{About, EntityName};
use crate::source::{FileId, Span};
use crate::tokens::{Kind, tokens};

/// A token of a statement; places are bytes of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Word<'a> {
    pub(super) text: &'a str,
    pub(super) kind: Kind,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// A block that is open at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Block {
    Choice,
    Entity,
    System,
    Table,
    Sync,
    Fields,
    Events,
    When,
    Workflow,
    Step,
    Wait,
    Test,
    /// Actions, and whether what they bind is known behind the block.
    Actions {
        kept: bool,
    },
    /// Fields of a record.
    Record(EntityName),
    /// Members of an event.
    Members(EntityName),
    /// Parameters of an operation.
    Parameters {
        system: String,
        operation: String,
    },
    Unknown,
}

/// A name that stands for a record, a result or a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Var {
    pub(super) name: String,
    pub(super) thing: Thing,
    /// Where it is declared; none for names that the language gives, such as `new`.
    pub(super) at: Option<Span>,
}

/// What kind of text a place stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inside {
    /// Code.
    Code,
    /// Between the quotes of a text that begins here, its quote left out.
    Text(usize),
    /// In `{…}` of a text.
    Filled,
    Comment,
}

/// What stands before a dot before the place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Before {
    Nothing,
    /// `sub.user.`
    Names(Vec<String>),
    /// `PlanFacts[…].`
    Cell(String),
}

/// Where a place stands.
#[derive(Debug)]
pub(super) struct Context<'a> {
    pub(super) file: FileId,
    /// The keyword of the item, written or meant.
    pub(super) item: Option<&'static str>,
    /// The words of the item's head.
    pub(super) head: Vec<Word<'a>>,
    /// The innermost block; none in a head and outside of items.
    pub(super) block: Option<Block>,
    /// Lines of the block that are finished.
    pub(super) lines: usize,
    /// The words of the statement before the place.
    pub(super) statement: Vec<Word<'a>>,
    pub(super) vars: Vec<Var>,
    pub(super) inside: Inside,
    pub(super) before: Before,
    /// The place is the first column of its line.
    pub(super) first_column: bool,
}

struct Open<'a> {
    block: Block,
    head: Vec<Word<'a>>,
    lines: usize,
    /// How many variables were known before it.
    vars: usize,
}

impl<'a> Context<'a> {
    /// The context of a word that begins at `place`.
    pub(super) fn at(project: &'a Project, file: FileId, place: usize) -> Self {
        let text = project.text(file);
        let place = place.min(text.len());
        let chunks = project.chunks(file);
        let before = chunks.partition_point(|chunk| chunk.start <= place);
        let chunk = before.checked_sub(1).map(|last| &chunks[last]).filter(|chunk| holds(text, chunk, place));
        let line = text[..place].rfind('\n').map_or(0, |n| n + 1);
        let mut context = Self {
            file,
            item: None,
            head: Vec::new(),
            block: None,
            lines: 0,
            statement: Vec::new(),
            vars: Vec::new(),
            inside: Inside::Code,
            before: Before::Nothing,
            first_column: line == place || text[line..place] == *"\u{feff}",
        };
        let Some(chunk) = chunk else {
            if text[line..place].contains('#') {
                context.inside = Inside::Comment;
            }
            return context;
        };
        context.item = chunk.begins.keyword();
        let words = match beginning(text, chunk, line) {
            Some(end) => [read(text, chunk.start, end), read(text, line, place)].concat(),
            None => read(text, chunk.start, place),
        };
        let mut walk = Walk { project, context, open: Vec::new(), brackets: 0 };
        words.iter().for_each(|word| walk.word(*word));
        let Walk { mut context, open, .. } = walk;
        if let Some(innermost) = open.into_iter().last() {
            context.block = Some(innermost.block);
            context.lines = innermost.lines;
        }
        match words.last() {
            Some(last) if last.kind == Kind::Comment => context.inside = Inside::Comment,
            Some(last) if last.kind == Kind::Unclosed => {
                context.statement.pop();
                context.enter(*last);
            }
            _ => {}
        }
        context.qualify();
        context
    }

    /// Looks into a text that is open at the place.
    fn enter(&mut self, open: Word<'a>) {
        let (filled, text_start) = innermost(open.text);
        match filled {
            Some(at) => {
                self.inside = Inside::Filled;
                let inner = &open.text[at..];
                self.statement = tokens(inner)
                    .into_iter()
                    .filter(|token| token.kind != Kind::Line)
                    .map(|token| Word {
                        text: &inner[token.start..token.end],
                        kind: token.kind,
                        start: open.start + at + token.start,
                        end: open.start + at + token.end,
                    })
                    .collect();
            }
            None => self.inside = Inside::Text(open.start + text_start),
        }
    }

    /// Takes what stands before a dot at the end of the statement out of it.
    fn qualify(&mut self) {
        if self.statement.last().is_none_or(|last| last.text != ".") {
            return;
        }
        let Some(before) = self.statement.len().checked_sub(2).and_then(|index| self.statement.get(index)).copied()
        else {
            return;
        };
        if before.kind == Kind::Name {
            self.statement.truncate(self.statement.len() - 2);
            self.before = Before::Names(parts(before.text).into_iter().map(|(_, name)| name).collect());
        } else if before.text == "]" {
            let mut depth = 0usize;
            let opening = self.statement.iter().rposition(|word| {
                match word.text {
                    "]" => depth += 1,
                    "[" => depth = depth.saturating_sub(1),
                    _ => {}
                }
                word.text == "[" && depth == 0
            });
            if let Some(index) = opening.and_then(|index| index.checked_sub(1)) {
                self.before = Before::Cell(self.statement[index].text.to_owned());
                self.statement.truncate(index);
            }
        }
    }

    /// The two entities of a sync's head, as far as they are written.
    pub(super) fn sides(&self) -> (Option<EntityName>, Option<EntityName>) {
        if self.item != Some("sync") {
            return (None, None);
        }
        (self.head.get(3).and_then(qualified), self.head.get(5).and_then(qualified))
    }

    /// The words of the statement.
    pub(super) fn texts(&self) -> Vec<&'a str> {
        self.statement.iter().map(|word| word.text).collect()
    }
}

/// The tokens of a stretch.
fn read(text: &str, start: usize, end: usize) -> Vec<Word<'_>> {
    let found = tokens(&text[start..end]).into_iter();
    found
        .map(|token| {
            let (start, end) = (start + token.start, start + token.end);
            Word { text: &text[start..end], kind: token.kind, start, end }
        })
        .collect()
}

/// In a table or a choice, which may be long, a row does not depend on those between it and the first: where the
/// first row ends, if that is before the line.
fn beginning(text: &str, chunk: &Chunk, line: usize) -> Option<usize> {
    if !matches!(chunk.begins.keyword(), Some("table" | "choice")) {
        return None;
    }
    let next = |at: usize| text[at..].find('\n').map(|n| at + n + 1);
    let mut at = next(chunk.body()?)?;
    loop {
        let end = next(at).filter(|end| *end <= line)?;
        let row = text[at..end].trim_start();
        if !row.is_empty() && !row.starts_with('#') {
            return Some(end);
        }
        at = end;
    }
}

/// Does the place belong to the stretch?
fn holds(text: &str, chunk: &Chunk, place: usize) -> bool {
    if place <= chunk.start && chunk.begins != Begins::Outside {
        return false;
    }
    if !chunk.open.is_empty() || chunk.unclosed_block.is_some() {
        return true;
    }
    if chunk.begins == Begins::Outside || matches!(chunk.begins, Begins::Misspelt(_)) && chunk.braces.is_empty() {
        return false;
    }
    let closed = chunk.body().is_some();
    // A head without its block goes on to the end of its line.
    place < chunk.end || !closed && !text[chunk.end.min(place)..place].contains('\n')
}

struct Walk<'a> {
    project: &'a Project,
    context: Context<'a>,
    open: Vec<Open<'a>>,
    brackets: usize,
}

impl<'a> Walk<'a> {
    fn word(&mut self, word: Word<'a>) {
        let commas_end = matches!(
            self.open.last().map(|open| &open.block),
            Some(Block::Record(_) | Block::Members(_) | Block::Parameters { .. } | Block::Actions { .. })
        );
        match word.text {
            _ if word.kind == Kind::Comment => {}
            _ if word.kind == Kind::Line => {
                let continued = self.context.statement.last().is_some_and(|last| last.text == ",");
                if !continued {
                    self.brackets = 0;
                    if !self.open.is_empty() {
                        self.end();
                    }
                }
            }
            "," if commas_end && self.brackets == 0 => self.end(),
            "{" => self.begin(),
            "}" => {
                self.end();
                if let Some(open) = self.open.pop() {
                    let kept = matches!(
                        open.block,
                        Block::Actions { kept: true } | Block::Step | Block::Record(_) | Block::Parameters { .. }
                    );
                    if !kept {
                        self.context.vars.truncate(open.vars);
                    }
                    self.context.statement = open.head;
                    self.context.statement.push(word);
                }
            }
            _ => {
                match word.text {
                    "(" | "[" => self.brackets += 1,
                    ")" | "]" => self.brackets = self.brackets.saturating_sub(1),
                    _ => {}
                }
                self.context.statement.push(word);
            }
        }
    }

    /// A block opens behind the statement.
    fn begin(&mut self) {
        let head = std::mem::take(&mut self.context.statement);
        self.brackets = 0;
        let vars = self.context.vars.len();
        let block = match self.open.last().map(|open| open.block.clone()) {
            None => {
                self.context.head.clone_from(&head);
                self.head(&head);
                match self.context.item {
                    Some("choice") => Block::Choice,
                    Some("entity") => Block::Entity,
                    Some("system") => Block::System,
                    Some("table") => Block::Table,
                    Some("sync") => Block::Sync,
                    Some("events") => Block::Events,
                    Some("when") => Block::When,
                    Some("workflow") => Block::Workflow,
                    Some("test") => Block::Test,
                    _ => Block::Unknown,
                }
            }
            Some(parent) => self.inner(&parent, &head),
        };
        self.open.push(Open { block, head, lines: 0, vars });
    }

    /// Names that the head of an item gives.
    fn head(&mut self, head: &[Word<'a>]) {
        match self.context.item {
            Some("when") => {
                let Some(entity) = head.get(1).and_then(qualified) else { return };
                if let [.., changes, field] = &head[..head.len().min(4)]
                    && changes.text == "changes"
                {
                    for name in ["old", "new"] {
                        let wanted = Wanted::Field(entity.clone(), bare(field.text));
                        let thing = Thing::Value(Some(wanted));
                        self.context.vars.push(Var { name: name.to_owned(), thing, at: None });
                    }
                }
                let named = after(head, "as");
                self.bind(named.copied(), "this", Thing::Record(entity));
            }
            Some("workflow") => {
                if let Some(entity) = after(head, ":").and_then(qualified) {
                    self.bind(head.get(3).copied(), "this", Thing::Record(entity));
                }
            }
            _ => {}
        }
    }

    fn bind(&mut self, name: Option<Word<'a>>, otherwise: &str, thing: Thing) {
        let file = self.context.file;
        let span = |word: Word<'_>| Span { file, start: word.start as u32, end: word.end as u32 };
        let var = match name {
            Some(word) => Var { name: bare(word.text), thing, at: Some(span(word)) },
            None => Var { name: otherwise.to_owned(), thing, at: None },
        };
        self.context.vars.push(var);
    }

    fn inner(&mut self, parent: &Block, head: &[Word<'a>]) -> Block {
        let first = head.first().map_or("", |word| word.text);
        match (parent, first) {
            (Block::Sync, "fields") => Block::Fields,
            (Block::When, "always") => Block::Actions { kept: true },
            (Block::When, "to" | "from") | (Block::Step, "undo") => Block::Actions { kept: false },
            (Block::Workflow, "step") => Block::Step,
            (Block::Workflow, "wait") => {
                if let (Some(what), Some(name)) = (after(head, "for").and_then(qualified), after(head, "as")) {
                    let thing = self.record_or_event(what);
                    self.bind(Some(*name), "", thing);
                }
                Block::Wait
            }
            (Block::Workflow, "on") => {
                self.context.vars.push(Var { name: "failure".to_owned(), thing: Thing::Failure, at: None });
                Block::Actions { kept: false }
            }
            (Block::Wait, _) => Block::Actions { kept: false },
            (Block::Test, _) => self.of_test(head),
            (Block::When | Block::Workflow | Block::Step | Block::Actions { .. }, _) => match first {
                "create" | "update" => head.get(1).and_then(qualified).map_or(Block::Unknown, Block::Record),
                "call" => head
                    .get(1)
                    .and_then(qualified)
                    .map_or(Block::Unknown, |name| Block::Parameters { system: name.system, operation: name.entity }),
                "send" => match head.get(1).and_then(|word| operation(self.project, word.text)) {
                    Some((system, operation)) => Block::Parameters { system, operation },
                    None => Block::Unknown,
                },
                "if" => Block::Actions { kept: false },
                _ => Block::Unknown,
            },
            _ => Block::Unknown,
        }
    }

    fn of_test(&self, head: &[Word<'a>]) -> Block {
        let fields = |name: EntityName| match self.record_or_event(name) {
            Thing::Event(event) => Block::Members(event),
            Thing::Record(entity) => Block::Record(entity),
            _ => Block::Unknown,
        };
        if let Some(call) = after(head, "call").and_then(qualified) {
            return Block::Parameters { system: call.system, operation: call.entity };
        }
        if let [when, message, system, name, ..] = head
            && (when.text, message.text) == ("when", "message")
        {
            let name = name.text.trim_matches('"');
            let deliveries = self.project.systems.get(system.text).and_then(|known| known.lock.deliveries.as_ref());
            return match deliveries.and_then(|deliveries| deliveries.messages.get(name)).map(|found| &found.about) {
                Some(About::Record { entity, .. }) => Block::Record(EntityName::new(system.text, entity)),
                Some(About::Event(event)) => Block::Members(EntityName::new(system.text, event)),
                None => Block::Unknown,
            };
        }
        head.iter().skip(1).find_map(qualified).map_or(Block::Unknown, fields)
    }

    /// A statement ends.
    fn end(&mut self) {
        let statement = std::mem::take(&mut self.context.statement);
        if statement.is_empty() {
            return;
        }
        if let Some(open) = self.open.last_mut() {
            open.lines += 1;
        }
        let first = statement[0].text;
        let what = statement.get(1).and_then(qualified);
        match (first, what) {
            ("create" | "update", Some(entity)) => {
                if let Some(name) = statement.get(3).filter(|_| statement[2].text == "as") {
                    self.bind(Some(*name), "", Thing::Record(entity));
                }
            }
            ("call", Some(name)) => {
                if let Some(word) = statement.get(3).filter(|_| statement[2].text == "as") {
                    let thing = Thing::Result { system: name.system, operation: name.entity };
                    self.bind(Some(*word), "", thing);
                }
            }
            ("given", None) => {
                if let (Some(name), Some("="), Some(entity)) =
                    (statement.get(1), statement.get(2).map(|word| word.text), statement.get(3).and_then(qualified))
                {
                    self.bind(Some(*name), "", Thing::Record(entity));
                }
            }
            _ => {}
        }
    }

    fn record_or_event(&self, name: EntityName) -> Thing {
        if self.project.event(&name).is_some() { Thing::Event(name) } else { Thing::Record(name) }
    }
}

/// The word behind the first of this text.
fn after<'w, 'a>(words: &'w [Word<'a>], text: &str) -> Option<&'w Word<'a>> {
    let at = words.iter().position(|word| word.text == text)?;
    words.get(at + 1)
}

/// `crm.Deal`
pub(super) fn qualified(word: &Word<'_>) -> Option<EntityName> {
    if word.kind != Kind::Name {
        return None;
    }
    match parts(word.text).as_slice() {
        [(_, system), (_, name)] => Some(EntityName::new(system, name)),
        _ => None,
    }
}

/// The operation that `send` names: `email` or `mail.email`.
pub(super) fn operation(project: &Project, text: &str) -> Option<(String, String)> {
    match parts(text).as_slice() {
        [(_, system), (_, name)] => Some((system.clone(), name.clone())),
        [(_, name)] => match project.offering(name).as_slice() {
            [system] => Some(((*system).to_owned(), name.clone())),
            _ => None,
        },
        _ => None,
    }
}

/// A name without the backquotes of a quoted one.
pub(super) fn bare(name: &str) -> String {
    name.trim_matches('`').to_owned()
}

/// The names of a path, each with its place in it.
pub(super) fn parts(path: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let (mut start, mut quoted) = (0, false);
    for (at, letter) in path.char_indices() {
        match letter {
            '`' => quoted = !quoted,
            '.' if !quoted => {
                found.push((start, bare(&path[start..at])));
                start = at + 1;
            }
            _ => {}
        }
    }
    found.push((start, bare(&path[start..])));
    found
}

/// In a text that is open at its end: behind which `{` the end stands, if in one, and where the innermost text
/// begins, its quote left out.
fn innermost(open: &str) -> (Option<usize>, usize) {
    let quotes = if open.starts_with("\"\"\"") { 3 } else { 1 };
    let bytes = open.as_bytes();
    // Each with the place behind it: `"` a text, otherwise a bracket of an expression.
    let mut stack = vec![(b'"', quotes)];
    let mut at = quotes;
    while at < bytes.len() {
        let in_text = stack.last().is_some_and(|(kind, _)| *kind == b'"');
        match bytes[at] {
            b'\\' if in_text => at += 1,
            // The closing quotes of a block text are not in here.
            b'"' if in_text && stack.len() > 1 => {
                stack.pop();
            }
            b'"' if in_text => {}
            byte @ (b'{' | b'"') => stack.push((byte, at + 1)),
            byte @ (b'(' | b'[') if !in_text => stack.push((byte, at + 1)),
            b')' | b']' if !in_text && stack.last().is_some_and(|(kind, _)| matches!(kind, b'(' | b'[')) => {
                stack.pop();
            }
            b'}' if !in_text => {
                while stack.last().is_some_and(|(kind, _)| matches!(kind, b'(' | b'[')) {
                    stack.pop();
                }
                stack.pop();
            }
            _ => {}
        }
        at += 1;
    }
    match stack.last() {
        Some((b'"', start)) => (None, *start),
        _ => (stack.iter().rev().find(|(kind, _)| *kind == b'{').map(|(_, at)| *at), quotes),
    }
}

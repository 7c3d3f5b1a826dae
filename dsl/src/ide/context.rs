//! Where a place stands: its item, the blocks around it, the words of its statement and the names that are known.
//!
//! In: a text and a place. Out: a [`Context`]. Only the tokens before the place are looked at, so that it does not
//! matter whether the line parses; what stands behind the place cannot change what may stand at it.

use super::project::Project;
use super::referent::{Referent, Wanted};
use crate::forms::{self, Expected, Given, New, Opens, Place, Says, Slot, Token};
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

/// The block that is open at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    /// What may stand in it; not known where the statement that opens it is not understood.
    pub(super) place: Option<Place>,
    /// What it gives values to.
    pub(super) subject: Subject,
}

/// What a block gives values to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Subject {
    Nothing,
    /// Fields of a record.
    Record(EntityName),
    /// Members of an event.
    Event(EntityName),
    /// Parameters of an operation.
    Operation {
        system: String,
        operation: String,
    },
}

/// A name that stands for a record, a result or a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Var {
    pub(super) name: String,
    pub(super) referent: Referent,
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
    /// What the head of the item says.
    head: Vec<(Slot, &'a str)>,
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
    /// What is named in it is known behind it too.
    kept: bool,
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
        match open.into_iter().last() {
            Some(innermost) => {
                context.block = Some(innermost.block);
                context.lines = innermost.lines;
            }
            None => meant(&mut context.statement, context.item),
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

    /// What the head of the item says at this slot, the first time.
    pub(super) fn head(&self, slot: Slot) -> Option<&'a str> {
        self.head.iter().find(|(other, _)| *other == slot).map(|(_, text)| *text)
    }

    /// An entity of the item's head.
    pub(super) fn head_entity(&self, index: usize) -> Option<EntityName> {
        let (_, text) = self.head.iter().filter(|(slot, _)| *slot == Slot::Entity).nth(index)?;
        entity_name(text)
    }

    /// The two entities of a sync's head.
    pub(super) fn sides(&self) -> (Option<EntityName>, Option<EntityName>) {
        match self.item {
            Some("sync") => (self.head_entity(0), self.head_entity(1)),
            _ => (None, None),
        }
    }

    /// What may follow the words of the statement, by the forms of its place.
    pub(super) fn expected(&self) -> Vec<Expected> {
        let place = match &self.block {
            None => Some(Place::File),
            Some(block) if block.place == Some(Place::Table) && self.lines == 0 => Some(Place::TableHead),
            Some(block) => block.place,
        };
        place.map(|place| forms::read(place, &tokens_of(&self.statement), false).expected).unwrap_or_default()
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
        let place = self.open.last().and_then(|open| open.block.place);
        let commas_end = matches!(place, Some(Place::Record | Place::Actions));
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
                    if !open.kept {
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
        let mut head = std::mem::take(&mut self.context.statement);
        self.brackets = 0;
        let vars = self.context.vars.len();
        let place = match self.open.last() {
            Some(open) => open.block.place,
            None => {
                meant(&mut head, self.context.item);
                Some(Place::File)
            }
        };
        let found = place.and_then(|place| opened(place, &head));
        let block = match &found {
            Some((opens, says)) => {
                if place == Some(Place::File) {
                    self.context.head = says.iter().map(|(slot, word)| (*slot, word.text)).collect();
                }
                if opens.place == Place::Record {
                    Block { place: Some(opens.place), subject: self.subject(says) }
                } else {
                    self.give(opens.gives, says);
                    Block { place: Some(opens.place), subject: Subject::Nothing }
                }
            }
            None => Block { place: None, subject: Subject::Nothing },
        };
        let kept = found.is_some_and(|(opens, _)| opens.kept || opens.place == Place::Record);
        self.open.push(Open { block, head, lines: 0, kept, vars });
    }

    /// Names that are known in the block behind this statement.
    fn give(&mut self, given: &[Given], says: &[(Slot, Word<'a>)]) {
        let entity = said(says, |slot| slot == Slot::Entity).and_then(|word| qualified(&word));
        for given in given {
            match (given, &entity) {
                (Given::OldAndNew, Some(entity)) => {
                    let Some(field) = said(says, |slot| matches!(slot, Slot::Field(_))) else { continue };
                    for name in ["old", "new"] {
                        let wanted = Wanted::Field(entity.clone(), bare(field.text));
                        self.know(name, Referent::Value(Some(wanted)));
                    }
                }
                (Given::This, Some(entity)) if said(says, is_variable).is_none() => {
                    self.know("this", Referent::Record(entity.clone()));
                }
                (Given::Failure, _) => self.know("failure", Referent::Failure),
                (Given::OldAndNew | Given::This, _) => {}
            }
        }
        self.bind(says);
    }

    /// A name that the language gives.
    fn know(&mut self, name: &str, referent: Referent) {
        self.context.vars.push(Var { name: name.to_owned(), referent, at: None });
    }

    /// The name that a statement gives to what it is about.
    fn bind(&mut self, says: &[(Slot, Word<'a>)]) {
        let Some(name) = said(says, is_variable) else { return };
        let of = said(says, |slot| matches!(slot, Slot::Entity | Slot::EntityOrEvent | Slot::Operation));
        let Some((of, slot)) = of.and_then(|of| Some((qualified(&of)?, says.iter().find(|(_, word)| *word == of)?.0)))
        else {
            return;
        };
        let referent = match slot {
            Slot::Operation => Referent::Result { system: of.system, operation: of.entity },
            _ => Referent::named(self.project, of),
        };
        let at = Span { file: self.context.file, start: name.start as u32, end: name.end as u32 };
        self.context.vars.push(Var { name: bare(name.text), referent, at: Some(at) });
    }

    /// What the block behind this statement gives values to.
    fn subject(&self, says: &[(Slot, Word<'a>)]) -> Subject {
        let record_or_event = |name| match Referent::named(self.project, name) {
            Referent::Event(event) => Subject::Event(event),
            Referent::Record(entity) => Subject::Record(entity),
            _ => Subject::Nothing,
        };
        if let Some(sent) = said(says, |slot| matches!(slot, Slot::Operation | Slot::Sender)) {
            return match operation(self.project, sent.text) {
                Some((system, operation)) => Subject::Operation { system, operation },
                None => Subject::Nothing,
            };
        }
        if let Some(message) = said(says, |slot| slot == Slot::Text(Says::Message)) {
            let Some(system) = said(says, |slot| slot == Slot::System).map(|word| bare(word.text)) else {
                return Subject::Nothing;
            };
            let deliveries = self.project.systems.get(&system).and_then(|known| known.lock.deliveries.as_ref());
            let known = deliveries.and_then(|known| known.messages.get(message.text.trim_matches('"')));
            return match known.map(|message| &message.about) {
                Some(About::Record { entity, .. }) => Subject::Record(EntityName::new(&system, entity)),
                Some(About::Event(event)) => Subject::Event(EntityName::new(&system, event)),
                None => Subject::Nothing,
            };
        }
        let entity = said(says, |slot| matches!(slot, Slot::Entity | Slot::EntityOrEvent));
        entity.and_then(|word| qualified(&word)).map_or(Subject::Nothing, record_or_event)
    }

    /// A statement ends.
    fn end(&mut self) {
        let statement = std::mem::take(&mut self.context.statement);
        if statement.is_empty() {
            return;
        }
        let Some(open) = self.open.last_mut() else { return };
        open.lines += 1;
        let Some(place) = open.block.place else { return };
        // Most statements name nothing, and need not be read.
        if !statement.iter().any(|word| word.text == "as") && statement.get(2).is_none_or(|word| word.text != "=") {
            return;
        }
        let reading = forms::read(place, &tokens_of(&statement), false);
        let (form, filled) = match (reading.whole, reading.furthest) {
            (Some(whole), _) => whole,
            (None, Some((_, form, filled))) => (form, filled),
            (None, None) => return,
        };
        // What a block is given for is known in the block alone.
        if form.opens().is_none_or(|opens| opens.place == Place::Record) {
            let says = says(&statement, &filled);
            self.bind(&says);
        }
    }
}

fn is_variable(slot: Slot) -> bool {
    matches!(slot, Slot::New(New::Variable | New::Assigned))
}

/// The word that stands at the first of these slots.
fn said<'a>(says: &[(Slot, Word<'a>)], fits: impl Fn(Slot) -> bool) -> Option<Word<'a>> {
    says.iter().find(|(slot, _)| fits(*slot)).map(|(_, word)| *word)
}

/// Slots with the words of a statement that stand at them.
fn says<'a>(words: &[Word<'a>], filled: &[(Slot, usize)]) -> Vec<(Slot, Word<'a>)> {
    filled.iter().filter_map(|(slot, index)| words.get(*index).map(|word| (*slot, *word))).collect()
}

fn tokens_of<'a>(words: &[Word<'a>]) -> Vec<Token<'a>> {
    words.iter().map(|word| Token { text: word.text, kind: word.kind }).collect()
}

/// Puts the keyword that is meant in place of one that is misspelt.
fn meant(head: &mut [Word<'_>], item: Option<&'static str>) {
    if let (Some(first), Some(item)) = (head.first_mut(), item) {
        first.text = item;
    }
}

/// The block that opens behind these words, and what they say. A head need not be understood to its end.
fn opened<'a>(place: Place, words: &[Word<'a>]) -> Option<(Opens, Vec<(Slot, Word<'a>)>)> {
    let tokens = tokens_of(words);
    let strict = forms::read(place, &tokens, false);
    let furthest = strict.furthest.clone();
    if let Some((opens, filled)) = strict.opens().or_else(|| forms::read(place, &tokens, true).opens()) {
        return Some((opens, says(words, &filled)));
    }
    let (_, form, filled) = furthest?;
    Some((form.opens()?, says(words, &filled)))
}

/// `crm.Deal`
pub(super) fn qualified(word: &Word<'_>) -> Option<EntityName> {
    entity_name(word.text).filter(|_| word.kind == Kind::Name)
}

fn entity_name(text: &str) -> Option<EntityName> {
    match parts(text).as_slice() {
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

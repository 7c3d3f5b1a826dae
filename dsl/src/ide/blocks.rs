//! The blocks around a place: which are open, what they give values to, and the names that are known in them.
//!
//! In: the words of an item up to a place. Out: what is open there, and the statement that the place stands in.
//! A head that is not understood to its end is read as far as it is, so that its block is known all the same.

use super::project::Project;
use super::referent::{Referent, Wanted};
use super::words::{Said, Word, bare, tokens_of};
use crate::forms::{self, Given, Opens, Place, Says, Slot};
use crate::schema::{About, EntityName};
use crate::source::{FileId, Span};
use crate::tokens::Kind;

/// The block that is open at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    /// What may stand in it; not known where the statement that opens it is not understood.
    pub(super) place: Option<Place>,
    /// What it gives values to.
    pub(super) subject: Subject,
    /// Lines of it that are finished.
    pub(super) lines: usize,
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

/// What is open behind the words of an item.
pub(super) struct Blocks<'a> {
    project: &'a Project,
    file: FileId,
    item: Option<&'static str>,
    open: Vec<Open<'a>>,
    /// Round and square brackets that are open in the statement.
    brackets: usize,
    /// What the head of the item says.
    pub(super) head: Said<'a>,
    /// The words of the statement.
    pub(super) statement: Vec<Word<'a>>,
    /// The names that are known, those of inner blocks last.
    pub(super) vars: Vec<Var>,
}

struct Open<'a> {
    block: Block,
    /// The statement that it belongs to, so far.
    head: Vec<Word<'a>>,
    /// What is named in it is known behind it too.
    kept: bool,
    /// How many names were known before it.
    vars: usize,
}

impl<'a> Blocks<'a> {
    /// Reads the words of an item that begins with this keyword, as it is written or meant.
    pub(super) fn read(project: &'a Project, file: FileId, item: Option<&'static str>, words: &[Word<'a>]) -> Self {
        let (open, statement, vars) = (Vec::new(), Vec::new(), Vec::new());
        let mut blocks = Self { project, file, item, open, brackets: 0, head: Said::default(), statement, vars };
        words.iter().for_each(|word| blocks.word(*word));
        if blocks.open.is_empty() {
            meant(&mut blocks.statement, item);
        }
        blocks
    }

    /// The innermost block; none in a head and outside of items.
    pub(super) fn innermost(&self) -> Option<&Block> {
        self.open.last().map(|open| &open.block)
    }

    fn word(&mut self, word: Word<'a>) {
        let commas_end = matches!(self.innermost().and_then(|block| block.place), Some(Place::Record | Place::Actions));
        match word.text {
            _ if word.kind == Kind::Comment => {}
            _ if word.kind == Kind::Line => {
                // A bracket ends with its line: one that is being written would hold all that follows.
                let continued = self.statement.last().is_some_and(|last| last.text == ",");
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
                        self.vars.truncate(open.vars);
                    }
                    self.statement = open.head;
                    self.statement.push(word);
                }
            }
            _ => {
                match word.text {
                    "(" | "[" => self.brackets += 1,
                    ")" | "]" => self.brackets = self.brackets.saturating_sub(1),
                    _ => {}
                }
                self.statement.push(word);
            }
        }
    }

    /// A block opens behind the statement.
    fn begin(&mut self) {
        let mut head = std::mem::take(&mut self.statement);
        self.brackets = 0;
        let vars = self.vars.len();
        let place = match self.open.last() {
            Some(open) => open.block.place,
            None => {
                meant(&mut head, self.item);
                Some(Place::File)
            }
        };
        let (mut block, mut kept) = (Block { place: None, subject: Subject::Nothing, lines: 0 }, false);
        if let Some((opens, said)) = place.and_then(|place| opened(place, &head)) {
            block.place = Some(opens.place);
            kept = opens.kept;
            if opens.place == Place::Record {
                block.subject = self.subject(&said);
            } else {
                self.give(opens.gives, &said);
            }
            if place == Some(Place::File) {
                self.head = said;
            }
        }
        self.open.push(Open { block, head, kept, vars });
    }

    /// Names that are known in the block behind this statement.
    fn give(&mut self, given: &[Given], said: &Said<'a>) {
        for given in given {
            match (given, said.entity(0)) {
                (Given::OldAndNew, Some(entity)) => {
                    let Some((_, field)) = said.first(|slot| matches!(slot, Slot::Field(_))) else { continue };
                    for name in ["old", "new"] {
                        let wanted = Wanted::Field(entity.clone(), bare(field.text));
                        self.know(name, Referent::Value(Some(wanted)));
                    }
                }
                (Given::This, Some(entity)) if said.variable().is_none() => self.know("this", Referent::Record(entity)),
                (Given::Failure, _) => self.know("failure", Referent::Failure),
                (Given::OldAndNew | Given::This, _) => {}
            }
        }
        self.bind(said);
    }

    /// A name that the language gives.
    fn know(&mut self, name: &str, referent: Referent) {
        self.vars.push(Var { name: name.to_owned(), referent, at: None });
    }

    /// The name that a statement gives to what it is about.
    fn bind(&mut self, said: &Said<'a>) {
        let about = said.first(|slot| matches!(slot, Slot::Entity | Slot::EntityOrEvent | Slot::Operation));
        let (Some(name), Some((slot, about))) = (said.variable(), about) else { return };
        let Some(about) = about.qualified() else { return };
        let referent = match slot {
            Slot::Operation => Referent::Result { system: about.system, operation: about.entity },
            _ => Referent::named(self.project, about),
        };
        let at = Span { file: self.file, start: name.start as u32, end: name.end as u32 };
        self.vars.push(Var { name: bare(name.text), referent, at: Some(at) });
    }

    /// What the block behind this statement gives values to.
    fn subject(&self, said: &Said<'a>) -> Subject {
        let about = said.first(|slot| {
            matches!(
                slot,
                Slot::Operation | Slot::Sender | Slot::Text(Says::Message) | Slot::Entity | Slot::EntityOrEvent
            )
        });
        let found = match about {
            Some((Slot::Operation | Slot::Sender, sent)) => {
                self.project.operation(sent.text).map(|(system, operation)| Subject::Operation { system, operation })
            }
            Some((Slot::Text(_), message)) => self.of_message(said, message.text.trim_matches('"')),
            Some((_, name)) => name.qualified().map(|name| match Referent::named(self.project, name.clone()) {
                Referent::Event(_) => Subject::Event(name),
                _ => Subject::Record(name),
            }),
            None => None,
        };
        found.unwrap_or(Subject::Nothing)
    }

    /// What a message brings.
    fn of_message(&self, said: &Said<'a>, message: &str) -> Option<Subject> {
        let system = said.name(Slot::System)?;
        let deliveries = self.project.systems.get(&system)?.lock.deliveries.as_ref()?;
        Some(match &deliveries.messages.get(message)?.about {
            About::Record { entity, .. } => Subject::Record(EntityName::new(&system, entity)),
            About::Event(event) => Subject::Event(EntityName::new(&system, event)),
        })
    }

    /// A statement ends.
    fn end(&mut self) {
        let statement = std::mem::take(&mut self.statement);
        if statement.is_empty() {
            return;
        }
        let Some(open) = self.open.last_mut() else { return };
        open.block.lines += 1;
        let Some(place) = open.block.place else { return };
        // Most statements give no name, and need not be read.
        if !statement.iter().any(|word| word.text == "as") && statement.get(2).is_none_or(|word| word.text != "=") {
            return;
        }
        let reading = forms::read(place, &tokens_of(&statement), false);
        let furthest = reading.furthest.map(|(_, form, filled)| (form, filled));
        let Some((form, filled)) = reading.whole.or(furthest) else { return };
        // The name of what a block is entered with is known in the block alone.
        if form.opens().is_none_or(|opens| opens.place == Place::Record) {
            self.bind(&Said::new(&statement, &filled));
        }
    }
}

/// Puts the keyword that is meant in place of one that is misspelt.
fn meant(head: &mut [Word<'_>], item: Option<&'static str>) {
    if let (Some(first), Some(item)) = (head.first_mut(), item) {
        first.text = item;
    }
}

/// The block that opens behind these words, and what they say: by a form that they are, by one that they nearly are,
/// or by the one that reads most of them.
fn opened<'a>(place: Place, words: &[Word<'a>]) -> Option<(Opens, Said<'a>)> {
    let tokens = tokens_of(words);
    let strict = forms::read(place, &tokens, false);
    let furthest = strict.furthest.clone();
    if let Some((opens, filled)) = strict.opens().or_else(|| forms::read(place, &tokens, true).opens()) {
        return Some((opens, Said::new(words, &filled)));
    }
    let (_, form, filled) = furthest?;
    Some((form.opens()?, Said::new(words, &filled)))
}

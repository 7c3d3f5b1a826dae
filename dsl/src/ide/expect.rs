//! What may stand at a place.
//!
//! In: a [`Context`]. Out: kinds of things, in the order in which a name is looked up among them. The table of forms
//! says what may follow the words of a statement; here that becomes fields, options and names of this project. A
//! statement that has no form expects nothing, which is no mistake.

use super::blocks::Subject;
use super::context::{Context, Inside};
use super::project::Project;
use super::referent::{Referent, Wanted, walk};
use super::words::{Said, Word, bare, names};
use crate::ast;
use crate::forms::{self, Expected, For, Form, New, Of, Says, Slot, What};
use crate::schema::EntityName;
use crate::tokens::Kind;

/// A kind of thing that may stand at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expect {
    /// The first words of this form.
    Line(&'static Form),
    /// A word of the language, or several behind each other.
    Word(&'static str),
    /// A new name.
    Declare(Declared),
    System,
    /// One of the two systems of the sync.
    Side,
    /// The same, before `wins`.
    Winner,
    Entity,
    EntityOrEvent,
    /// An entity or event of this system.
    Of(String),
    /// `app.cancelSubscription`
    Operation,
    /// An operation with a template, with its system or without.
    Sender,
    /// A field or link of a record, or a path from it.
    Member(Referent, Which),
    /// `app.Deal.stage`
    GlobalField,
    /// An expression.
    Value {
        bare: Option<EntityName>,
        wanted: Option<Wanted>,
    },
    /// A word or option of what is wanted.
    WordOf(Wanted),
    Sync,
    Workflow,
    /// `Onboarding.welcome`
    Step,
    Transform,
    /// The text of a message that this system sends.
    Message(String),
    /// A text among the options of what is wanted.
    Option(Wanted),
    /// A text among what this system's lock has as options.
    Spelling(String),
    /// The path of a lock.
    Lock,
    Parameter {
        system: String,
        operation: String,
    },
    /// A member of the envelope of this system's messages.
    Envelope(String),
    /// A way in which this system's messages are verified.
    Verify(String),
    Type,
}

/// Which members of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    Fields,
    Links,
    All,
}

/// What a new name is the name of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Declared {
    System,
    Choice,
    Table,
    Sync,
    Workflow,
    Step {
        workflow: String,
    },
    Word {
        choice: String,
    },
    Column {
        table: String,
    },
    Field {
        entity: EntityName,
    },
    Variable,
    /// A variable if `=` follows.
    Assigned,
}

const OUTCOMES: [&str; 4] = ["clear", "keep", "skip", "fail"];
const OPERATORS: [&str; 9] = ["as", "else", "is", "and", "or", "in", "contains", "starts with", "ends with"];
const COMPARISONS: [&str; 8] = ["=", "!=", "<", "<=", ">", ">=", "in", "contains"];

/// What may stand at the place.
pub(super) fn expect(project: &Project, context: &Context<'_>) -> Vec<Expect> {
    let at = At { project, context, words: &context.statement, texts: context.texts() };
    let expected = match context.inside {
        Inside::Comment => Vec::new(),
        Inside::Filled => at.value(0, at.of(Of::Left, &Said::default()), None),
        Inside::Code | Inside::Text(_) => at.by_forms(),
    };
    let mut found: Vec<Expect> = Vec::with_capacity(expected.len());
    for one in expected.into_iter().filter_map(|one| if in_text(context) { text(one) } else { Some(one) }) {
        if !found.contains(&one) {
            found.push(one);
        }
    }
    found
}

/// The forms of which the word behind the place may be a word.
pub(super) fn forms_at(context: &Context<'_>, word: &str) -> Vec<&'static Form> {
    let begins = |words: &str| words.split(' ').next() == Some(word);
    let mut found: Vec<&'static Form> = Vec::new();
    for expected in context.expected() {
        let said = match expected.what {
            What::Words(words) => begins(words),
            What::OneOf(words) => words.contains(&word),
            _ => false,
        };
        if said && !found.contains(&expected.form) {
            found.push(expected.form);
        }
    }
    found
}

fn in_text(context: &Context<'_>) -> bool {
    matches!(context.inside, Inside::Text(_))
}

/// What a text may be where this is expected.
fn text(expected: Expect) -> Option<Expect> {
    match expected {
        Expect::Value { wanted: Some(wanted), .. } => Some(Expect::Option(wanted)),
        Expect::Message(_) | Expect::Option(_) | Expect::Spelling(_) | Expect::Lock => Some(expected),
        _ => None,
    }
}

struct At<'c, 'a> {
    project: &'a Project,
    context: &'c Context<'a>,
    words: &'c [Word<'a>],
    texts: Vec<&'a str>,
}

impl At<'_, '_> {
    fn by_forms(&self) -> Vec<Expect> {
        // A word in the first column begins an item, whatever stands above it.
        if self.context.block.is_none() && self.words.is_empty() && !self.context.first_column {
            return Vec::new();
        }
        let expected = self.context.expected();
        if expected.is_empty() && self.texts.last() == Some(&"as") {
            // A transform that stands where none may stand is known all the same, until it is moved.
            return vec![Expect::Transform];
        }
        expected.iter().flat_map(|expected| self.expected(expected)).collect()
    }

    fn expected(&self, expected: &Expected) -> Vec<Expect> {
        let said = Said::new(self.words, &expected.filled);
        match expected.what {
            What::Words(_) if self.words.is_empty() => vec![Expect::Line(expected.form)],
            What::Words(words) => vec![Expect::Word(words)],
            What::OneOf(words) | What::Names(words) => words.iter().map(|word| Expect::Word(word)).collect(),
            What::Slot(slot) => self.slot(slot, &said).into_iter().collect(),
            What::Inside(Slot::Condition, from) => self.condition(from, &said),
            What::Inside(Slot::Value(of, wanted), from) => {
                self.value(from, self.of(of, &said), self.wanted(wanted, &said))
            }
            What::Inside(..) | What::Opens(_) => Vec::new(),
        }
    }

    fn slot(&self, slot: Slot, said: &Said<'_>) -> Option<Expect> {
        let member = |of, which| self.referent(of, said).map(|referent| Expect::Member(referent, which));
        let system = || self.context.head.name(Slot::System);
        Some(match slot {
            Slot::New(new) => Expect::Declare(self.declared(new)?),
            Slot::System => Expect::System,
            Slot::Side => Expect::Side,
            Slot::Winner => Expect::Winner,
            Slot::Entity => Expect::Entity,
            Slot::EntityOrEvent => Expect::EntityOrEvent,
            Slot::Sent => Expect::Of(system()?),
            Slot::Operation => Expect::Operation,
            Slot::Sender => Expect::Sender,
            Slot::GlobalField => Expect::GlobalField,
            Slot::Field(of) => member(of, Which::Fields)?,
            Slot::Link(of) => member(of, Which::Links)?,
            Slot::Member => match self.subject() {
                Some((system, operation)) => Expect::Parameter { system, operation },
                None => member(Of::Subject, Which::All)?,
            },
            Slot::Path => Expect::Value { bare: None, wanted: None },
            Slot::Value(of, wanted) => Expect::Value { bare: self.of(of, said), wanted: self.wanted(wanted, said) },
            Slot::Condition => member(Of::Named, Which::Fields)?,
            Slot::Stage => {
                let field = self.context.head.name(Slot::Field(Of::Named))?;
                Expect::WordOf(Wanted::Field(self.context.head.entity(0)?, field))
            }
            Slot::Key => Expect::Value { bare: None, wanted: Some(self.by()?) },
            Slot::Cell => Expect::Word("yes"),
            Slot::Sync => Expect::Sync,
            Slot::Workflow => Expect::Workflow,
            Slot::Step => Expect::Step,
            Slot::Transform => Expect::Transform,
            Slot::Type => Expect::Type,
            Slot::Verify => Expect::Verify(system()?),
            Slot::Envelope => Expect::Envelope(system()?),
            Slot::Text(says) => self.says(says, said)?,
            // These are written out: there is no list of them to offer.
            Slot::CellOf | Slot::Number | Slot::Duration | Slot::Clock | Slot::Date => return None,
        })
    }

    fn declared(&self, new: New) -> Option<Declared> {
        let head = |new| self.context.head.name(Slot::New(new));
        Some(match new {
            New::System => Declared::System,
            New::Choice => Declared::Choice,
            New::Table => Declared::Table,
            New::Sync => Declared::Sync,
            New::Workflow => Declared::Workflow,
            New::Step => Declared::Step { workflow: head(New::Workflow)? },
            New::Word => Declared::Word { choice: head(New::Choice)? },
            New::Column => Declared::Column { table: head(New::Table)? },
            New::Field => Declared::Field { entity: self.context.head.entity(0)? },
            New::Variable => Declared::Variable,
            New::Assigned => Declared::Assigned,
        })
    }

    /// The operation whose parameters the block gives.
    fn subject(&self) -> Option<(String, String)> {
        match &self.context.block.as_ref()?.subject {
            Subject::Operation { system, operation } => Some((system.clone(), operation.clone())),
            _ => None,
        }
    }

    /// The entity whose fields need no variable.
    fn of(&self, of: Of, said: &Said<'_>) -> Option<EntityName> {
        match of {
            Of::Left => self.context.sides().0,
            Of::Right => self.context.sides().1,
            Of::Named => said.last(|slot| matches!(slot, Slot::Entity | Slot::EntityOrEvent))?.1.qualified(),
            Of::Subject | Of::Nobody => None,
        }
    }

    fn referent(&self, of: Of, said: &Said<'_>) -> Option<Referent> {
        match (of, self.context.block.as_ref().map(|block| &block.subject)) {
            (Of::Subject, Some(Subject::Record(entity))) => Some(Referent::Record(entity.clone())),
            (Of::Subject, Some(Subject::Event(event))) => Some(Referent::Event(event.clone())),
            (of, _) => self.of(of, said).map(|name| Referent::named(self.project, name)),
        }
    }

    /// The field whose values are the keys of the table.
    fn by(&self) -> Option<Wanted> {
        let (_, path) = self.context.head.first(|slot| slot == Slot::GlobalField)?;
        match names(path.text).as_slice() {
            [system, entity, field] => Some(Wanted::Field(EntityName::new(system, entity), field.clone())),
            _ => None,
        }
    }

    /// What a value is for.
    fn wanted(&self, wanted: For, said: &Said<'_>) -> Option<Wanted> {
        match wanted {
            For::Anything => None,
            For::Parameter(parameter) => self.parameter(parameter, said),
            For::Named => {
                let (slot, target) = said.last(|slot| matches!(slot, Slot::Field(_) | Slot::Member | Slot::Path))?;
                match (slot, self.subject()) {
                    (Slot::Member, Some((system, operation))) => {
                        Some(Wanted::Parameter { system, operation, parameter: bare(target.text) })
                    }
                    (Slot::Path, _) => self.leads_to(None, target.text),
                    (Slot::Field(of), _) => self.reached(&self.referent(of, said)?, target.text),
                    _ => self.reached(&self.referent(Of::Subject, said)?, target.text),
                }
            }
        }
    }

    /// A parameter of the operation that is named in the statement, of `notify` where none is.
    fn parameter(&self, parameter: &str, said: &Said<'_>) -> Option<Wanted> {
        let sent = said.last(|slot| matches!(slot, Slot::Sender | Slot::Operation));
        let (system, operation) = self.project.operation(sent.map_or("notify", |(_, word)| word.text))?;
        Some(Wanted::Parameter { system, operation, parameter: parameter.to_owned() })
    }

    fn says(&self, says: Says, said: &Said<'_>) -> Option<Expect> {
        let system = said.last(|slot| slot == Slot::System).map(|(_, word)| bare(word.text));
        Some(match says {
            Says::Message => Expect::Message(system.or_else(|| self.context.head.name(Slot::System))?),
            Says::Spelling => Expect::Spelling(system?),
            Says::Template => Expect::Option(self.parameter("template", said)?),
            Says::Role => Expect::Option(self.parameter("role", &Said::default())?),
            Says::Lock => Expect::Lock,
            Says::Anything => return None,
        })
    }

    /// What a path from here leads to, where that takes a value.
    fn reached(&self, from: &Referent, path: &str) -> Option<Wanted> {
        walk(self.project, from, &names(path)).wanted()
    }

    /// The same, of a path of an expression.
    fn leads_to(&self, bare: Option<&EntityName>, written: &str) -> Option<Wanted> {
        path(self.project, self.context, bare, &names(written)).wanted()
    }

    /// In `field = value`, a condition on what is named in the statement that begins at the index.
    fn condition(&self, from: usize, said: &Said<'_>) -> Vec<Expect> {
        if self.words.len() < from + 2 {
            return Vec::new();
        }
        let of = self.referent(Of::Named, said);
        let wanted = of.and_then(|of| self.reached(&of, self.words[from].text));
        self.value(from + 2, None, wanted)
    }

    /// In an expression that begins at the index of the statement and is a value of `target`.
    fn value(&self, from: usize, bare: Option<EntityName>, target: Option<Wanted>) -> Vec<Expect> {
        let index = self.words.len();
        let Some(last) = index.checked_sub(1).filter(|last| *last >= from).map(|last| self.words[last]) else {
            return vec![Expect::Value { bare, wanted: target }];
        };
        let comparison = |index: usize| {
            let operand = |index: usize| self.words.get(index).filter(|word| word.kind == Kind::Name);
            let compared = COMPARISONS.contains(&self.texts[index]);
            let operand = index.checked_sub(1).filter(|_| compared).and_then(operand)?;
            self.leads_to(bare.as_ref(), operand.text)
        };
        let words = |words: &[&'static str]| words.iter().map(|word| Expect::Word(word)).collect::<Vec<_>>();
        match last.text {
            "as" => vec![Expect::Transform],
            "else" => {
                let value = Expect::Value { bare, wanted: target };
                words(&OUTCOMES).into_iter().chain([value]).collect()
            }
            "is" => words(&["empty", "not empty"]),
            "not" if index > 1 && self.texts[index - 2] == "is" => words(&["empty"]),
            "[" | "," => {
                let open = self.texts.iter().rposition(|text| *text == "[").filter(|open| *open > 0);
                let wanted = open.and_then(|open| comparison(open - 1).or_else(|| self.key(open - 1)));
                vec![Expect::Value { bare, wanted }]
            }
            "starts" | "ends" if index > from + 1 && ends_value(&self.words[index - 2]) => words(&["with"]),
            "with" if index > 1 && matches!(self.texts[index - 2], "starts" | "ends") => {
                vec![Expect::Value { bare, wanted: None }]
            }
            text if COMPARISONS.contains(&text) => {
                let wanted = comparison(index - 1);
                vec![Expect::Value { bare, wanted }]
            }
            text if ends_value(&last) && !forms::is_operator(text) => words(&OPERATORS),
            _ => vec![Expect::Value { bare, wanted: None }],
        }
    }

    /// The field whose values are the keys of the table that is named at the index.
    fn key(&self, index: usize) -> Option<Wanted> {
        let name = self.texts.get(index)?;
        let table: &ast::Table = self.project.tables().find(|table| table.name.value == *name)?;
        match table.by.names.as_slice() {
            [system, entity, field] => {
                Some(Wanted::Field(EntityName::new(&system.value, &entity.value), field.value.clone()))
            }
            _ => None,
        }
    }
}

/// What a path of an expression leads to: from a variable, a bare name's entity, or a side of the sync.
pub(super) fn path(project: &Project, context: &Context<'_>, bare: Option<&EntityName>, names: &[String]) -> Referent {
    let Some(first) = names.first() else { return Referent::Unknown };
    if let Some(var) = context.vars.iter().rev().find(|var| var.name == *first) {
        return walk(project, &var.referent, &names[1..]);
    }
    let (left, right) = context.sides();
    if let [system, entity, rest @ ..] = names {
        let side = [left, right].into_iter().flatten().find(|side| side.system == *system && side.entity == *entity);
        if let Some(side) = side {
            return walk(project, &Referent::Record(side), rest);
        }
    }
    match bare {
        Some(entity) => walk(project, &Referent::Record(entity.clone()), names),
        None => Referent::Unknown,
    }
}

/// A value may end with this word.
fn ends_value(word: &Word<'_>) -> bool {
    match word.kind {
        Kind::Name | Kind::Number | Kind::Text | Kind::Block => true,
        Kind::Symbol => matches!(word.text, ")" | "]" | "}"),
        _ => false,
    }
}

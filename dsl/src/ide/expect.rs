//! What may stand at a place.
//!
//! In: a [`Context`]. Out: kinds of things, in the order in which a name is looked up among them. The forms of
//! statements are those of the grammar; a statement that has no such form expects nothing, which is no mistake.

use super::context::{Block, Context, Inside, Word, bare, operation, parts, qualified};
use super::project::Project;
use super::thing::{Thing, Wanted, walk};
use crate::ast;
use crate::parse::Block as Lines;
use crate::schema::EntityName;
use crate::tokens::Kind;

/// A kind of thing that may stand at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expect {
    /// A keyword that begins an item.
    Item,
    /// The first words of a line in this kind of block.
    Line(Lines),
    /// These words of the language.
    Words(&'static [&'static str]),
    /// A new name.
    Declare(Declared),
    System,
    /// One of the two systems of the sync.
    Side,
    /// `app wins` and the like.
    Policy,
    Entity,
    EntityOrEvent,
    /// An entity or event of this system.
    Of(String),
    /// `app.cancelSubscription`
    Operation,
    /// An operation with a template, with its system or without.
    Sender,
    /// A field or link of a record, or a path from it.
    Member(Thing, Which),
    /// `app.Deal.stage`
    GlobalField,
    /// An expression.
    Value {
        bare: Option<EntityName>,
        wanted: Option<Wanted>,
    },
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

const OUTCOMES: &[&str] = &["clear", "keep", "skip", "fail"];
const OPERATORS: &[&str] = &["as", "else", "is", "and", "or", "in"];
const COMPARISONS: &[&str] = &["=", "!=", "<", "<=", ">", ">=", "in"];
/// Words that are no end of a value.
const OPEN: &[&str] = &[
    "as", "else", "is", "and", "or", "in", "not", "where", "when", "to", "about", "with", "if", "until", "key", "via",
    "link", "from", "by", "on", "per", "role", "person", "set", "only",
];

/// What may stand at the place.
pub(super) fn expect(project: &Project, context: &Context<'_>) -> Vec<Expect> {
    let at = At { project, context, words: &context.statement, texts: context.texts() };
    match context.inside {
        Inside::Comment => Vec::new(),
        Inside::Text(_) => at.text(),
        Inside::Filled => at.value(0, at.bare(), None, &[]),
        Inside::Code => at.code(),
    }
}

struct At<'c, 'a> {
    project: &'a Project,
    context: &'c Context<'a>,
    words: &'c [Word<'a>],
    texts: Vec<&'a str>,
}

impl At<'_, '_> {
    fn code(&self) -> Vec<Expect> {
        match &self.context.block {
            None if self.context.item.is_none() || self.words.is_empty() => {
                if self.context.first_column {
                    vec![Expect::Item]
                } else {
                    Vec::new()
                }
            }
            None => self.head(),
            Some(block) => self.line(block),
        }
    }

    fn first(&self) -> &str {
        self.texts.first().copied().unwrap_or_default()
    }

    fn last(&self) -> &str {
        self.texts.last().copied().unwrap_or_default()
    }

    fn entity(&self, index: usize) -> Option<EntityName> {
        self.words.get(index).and_then(qualified)
    }

    /// Names without a variable are those of this entity.
    fn bare(&self) -> Option<EntityName> {
        match self.context.block {
            Some(Block::Sync | Block::Fields) => self.context.sides().0,
            _ => None,
        }
    }

    /// The head of an item.
    fn head(&self) -> Vec<Expect> {
        let count = self.words.len();
        let words = |words| vec![Expect::Words(words)];
        let declare = |declared| vec![Expect::Declare(declared)];
        match (self.first(), count, self.last()) {
            ("edition", 1, _) => words(&["2026"]),
            ("choice", 1, _) => declare(Declared::Choice),
            ("choice", 2, _) => words(&["ordered", "for"]),
            ("choice", 3, "ordered") => words(&["for"]),
            ("choice", _, "for" | ",") => vec![Expect::GlobalField],
            ("entity", 1, _) => vec![Expect::Entity],
            ("system", 1, _) => declare(Declared::System),
            ("table", 1, _) => declare(Declared::Table),
            ("table", 2, _) => words(&["by"]),
            ("table", 3, _) => vec![Expect::GlobalField],
            ("sync", 1, _) => declare(Declared::Sync),
            ("sync", 2, _) => words(&["between", "from"]),
            ("sync", 3 | 5, _) => vec![Expect::Entity],
            ("sync", 4, _) if self.texts[2] == "from" => words(&["to"]),
            ("sync", 4, _) => words(&["and"]),
            ("events", 1, _) => words(&["from"]),
            ("events", 2, _) => vec![Expect::System],
            ("events", 3, _) => words(&["over"]),
            ("events", _, "over" | "and") => words(&["webhook", "kafka topic"]),
            ("events", _, "kafka") => words(&["topic"]),
            ("events", _, _) => words(&["and"]),
            ("when", 1, _) => vec![Expect::Entity],
            ("when", 2, _) => words(&["changes", "is created", "is deleted"]),
            ("when", 3, "changes") => match self.entity(1) {
                Some(entity) => vec![Expect::Member(Thing::Record(entity), Which::Fields)],
                None => Vec::new(),
            },
            ("when", 3, "is") => words(&["created", "deleted"]),
            ("when", 4, _) => words(&["as"]),
            ("when", 5, "as") | ("workflow", 3, _) => declare(Declared::Variable),
            ("workflow", 1, _) => declare(Declared::Workflow),
            ("workflow", 2, _) => words(&["with"]),
            ("workflow", _, ":") => vec![Expect::Entity],
            _ => Vec::new(),
        }
    }

    /// A line of a block.
    fn line(&self, block: &Block) -> Vec<Expect> {
        let name = || self.context.head.get(1).map(|word| bare(word.text)).unwrap_or_default();
        match block {
            Block::Choice => match (self.words.len(), self.last()) {
                (0, _) => vec![Expect::Declare(Declared::Word { choice: name() })],
                (_, "in") => vec![Expect::System],
                _ => vec![Expect::Words(&["in", "final"])],
            },
            Block::Entity => match (self.words.len(), self.last()) {
                (0, _) => match self.context.head.get(1).and_then(qualified) {
                    Some(entity) => vec![Expect::Line(Lines::Entity), Expect::Declare(Declared::Field { entity })],
                    None => Vec::new(),
                },
                (_, ":" | "of") => vec![Expect::Type, Expect::Entity],
                (_, "read") => vec![Expect::Words(&["only"])],
                (1, _) => Vec::new(),
                _ => vec![Expect::Words(&["unique", "read only"])],
            },
            Block::System => match (self.first(), self.words.len()) {
                ("", _) => vec![Expect::Line(Lines::System)],
                ("limit", 1) => vec![Expect::Words(&["api", "bulk", "webhooks"])],
                ("limit", 3) => vec![Expect::Words(&["calls per", "records per", "requests per"])],
                ("limit", 4) => vec![Expect::Words(&["per"])],
                ("limit", 6) => vec![Expect::Words(&["seconds", "minutes", "hour"])],
                ("cache", 1) => vec![Expect::Words(&["reads for"])],
                ("cache", 2) => vec![Expect::Words(&["for"])],
                _ => Vec::new(),
            },
            Block::Table => self.table(name()),
            Block::Sync => self.sync(),
            Block::Fields => self.mapping(),
            Block::Events => self.event(),
            Block::When => self.when(),
            Block::Workflow => self.workflow(name()),
            Block::Step => match (self.first(), self.words.len()) {
                ("", _) => vec![Expect::Line(Lines::Step)],
                ("retry", 2) => vec![Expect::Words(&["times"])],
                ("retry", _) if self.last() == "," => vec![Expect::Words(&["first after", "at most"])],
                ("retry", _) => vec![Expect::Words(&["seconds", "minutes", "hour", "apart"])],
                ("timeout", 2) => vec![Expect::Words(&["seconds", "minutes", "hour"])],
                ("undo", 1) => vec![Expect::Words(&["nothing because", "completed steps"])],
                ("undo", 2) => vec![Expect::Words(&["because"])],
                _ => self.action(),
            },
            Block::Wait => match (self.first(), self.words.len()) {
                ("", _) => vec![Expect::Line(Lines::Wait)],
                ("timed", 1) => vec![Expect::Words(&["out"])],
                _ => Vec::new(),
            },
            Block::Test => self.test(),
            Block::Actions { .. } if self.words.is_empty() => vec![Expect::Line(Lines::Actions)],
            Block::Actions { .. } => self.action(),
            Block::Record(entity) => self.assign(&Thing::Record(entity.clone()), None),
            Block::Members(event) => self.assign(&Thing::Event(event.clone()), None),
            Block::Parameters { system, operation } => self.assign(&Thing::Unknown, Some((system, operation))),
            Block::Unknown => Vec::new(),
        }
    }

    fn table(&self, table: String) -> Vec<Expect> {
        if self.context.lines == 0 {
            return vec![Expect::Declare(Declared::Column { table })];
        }
        let by = self.context.head.get(3).and_then(|word| match parts(word.text).as_slice() {
            [(_, system), (_, entity), (_, field)] => {
                Some(Wanted::Field(EntityName::new(system, entity), field.clone()))
            }
            _ => None,
        });
        match (self.words.is_empty(), by) {
            (true, Some(by)) => vec![Expect::Value { bare: None, wanted: Some(by) }],
            (false, _) if self.last() == "|" => vec![Expect::Words(&["yes", "no"])],
            _ => Vec::new(),
        }
    }

    fn sync(&self) -> Vec<Expect> {
        let (left, right) = self.context.sides();
        let field = |entity: Option<EntityName>| match entity {
            Some(entity) => vec![Expect::Member(Thing::Record(entity), Which::Fields)],
            None => Vec::new(),
        };
        let words = |words| vec![Expect::Words(words)];
        match (self.first(), self.words.len(), self.last()) {
            ("", ..) => vec![Expect::Line(Lines::Sync)],
            ("run", 1, _) => words(&["on change", "every"]),
            ("run", _, "on") => words(&["change"]),
            ("run", _, "every") => words(&["day at", "hour"]),
            ("run", _, "day") => words(&["at"]),
            ("run", _, "in") => words(&["batches of"]),
            ("run", 3, _) => words(&["minutes", "hours", "in batches of"]),
            ("run", ..) => words(&["in batches of", "in"]),
            ("priority", 1, _) => words(&["high", "medium", "low"]),
            ("match", 1, _) => words(&["by"]),
            ("match", _, "by") => field(left),
            ("match", _, "=") => field(right),
            ("match", _, "then") => words(&["by"]),
            ("match", ..) => words(&["then by"]),
            ("create", 1, _) => words(&["missing in"]),
            ("create", _, "missing") => words(&["in"]),
            ("create", _, "in") => vec![Expect::Words(&["both"]), Expect::Side],
            ("on", 1, _) => words(&["delete in"]),
            ("on", 2, _) => words(&["in"]),
            ("on", 3, _) => vec![Expect::Side],
            ("on", 4, _) => words(&["archive", "keep", "review"]),
            ("conflict", 1, _) => vec![Expect::Policy],
            ("conflict", _, ",") => words(&["tie"]),
            ("conflict", _, "tie") => vec![Expect::Side],
            ("conflict", 2, _) => words(&["wins"]),
            ("only", 1, _) => words(&["where"]),
            ("only", ..) => self.value(2, left, None, &[]),
            _ => Vec::new(),
        }
    }

    /// A line of `fields`.
    fn mapping(&self) -> Vec<Expect> {
        let (left, right) = self.context.sides();
        let link = self.first() == "link";
        let which = if link { Which::Links } else { Which::Fields };
        let member = |side: Option<EntityName>| match side {
            Some(side) => vec![Expect::Member(Thing::Record(side), which)],
            None => Vec::new(),
        };
        let Some(arrow) = self.texts.iter().position(|text| matches!(*text, "->" | "<-" | "<->")) else {
            if link {
                return if self.words.len() == 1 { member(left) } else { Vec::new() };
            }
            let mut expected = self.value(0, left, None, &[]);
            if self.words.is_empty() {
                expected.push(Expect::Words(&["link"]));
            }
            return expected;
        };
        let rest = &self.texts[arrow + 1..];
        let towards_left = self.texts[arrow] == "<-";
        let target = if towards_left {
            left.clone().zip(self.words.first())
        } else {
            right.clone().zip(self.words.get(arrow + 1))
        };
        let wanted = target.map(|(entity, word)| Wanted::Field(entity, bare(word.text)));
        let source = if towards_left { right.clone() } else { left };
        let system = rest.len() > 1
            && [&source, &right].into_iter().flatten().any(|side| Some(&side.system.as_str()) == rest.last());
        match self.last() {
            "->" | "<->" => member(right),
            "<-" if link => member(right),
            "<-" => self.value(arrow + 1, right, wanted, &[]),
            "via" => vec![Expect::Sync],
            "as" => vec![Expect::Transform],
            "else" => {
                let value = Expect::Value { bare: source, wanted };
                if link { vec![Expect::Words(OUTCOMES)] } else { vec![Expect::Words(OUTCOMES), value] }
            }
            "," => vec![Expect::Words(&["tie"])],
            "tie" => vec![Expect::Side],
            "newest" => vec![Expect::Words(&["wins"])],
            "on" => vec![Expect::Words(&["create"])],
            _ if system => vec![Expect::Words(&["wins"])],
            _ if link => vec![Expect::Words(&["via", "else", "on create"]), Expect::Policy],
            _ => vec![Expect::Words(&["as", "else", "on create"]), Expect::Policy],
        }
    }

    /// A line of `events`.
    fn event(&self) -> Vec<Expect> {
        let system = self.context.head.get(2).map(|word| bare(word.text)).unwrap_or_default();
        let words = |words| vec![Expect::Words(words)];
        if let Some(arrow) = self.texts.iter().position(|text| *text == "->") {
            return match &self.texts[arrow + 1..] {
                [] => words(&["sync", "event", "workflow", "ignore"]),
                ["sync"] => vec![Expect::Sync],
                ["event"] => vec![Expect::Of(system)],
                ["workflow"] => vec![Expect::Workflow],
                _ => Vec::new(),
            };
        }
        match (self.first(), self.words.len(), self.last()) {
            ("", ..) => vec![Expect::Line(Lines::Events)],
            ("verify", 1, _) => vec![Expect::Verify(system)],
            ("verify", 2, _) => words(&["in header"]),
            ("verify", 3, _) => words(&["header"]),
            ("dedupe", 1, _) => words(&["by", "for"]),
            ("dedupe" | "key", _, "by") => vec![Expect::Envelope(system)],
            ("dedupe", 3, _) => words(&["for"]),
            ("dedupe", _, _) => words(&["hours", "days"]),
            ("key", 1, _) => words(&["by"]),
            _ => Vec::new(),
        }
    }

    fn when(&self) -> Vec<Expect> {
        let changed = || {
            let head = &self.context.head;
            let field = head.get(3).filter(|_| head[2].text == "changes")?;
            Some(Wanted::Field(head.get(1).and_then(qualified)?, bare(field.text)))
        };
        match (self.first(), self.words.len(), self.last()) {
            ("", ..) => vec![Expect::Line(Lines::When)],
            ("to" | "from", _, "to" | "from" | ",") => match changed() {
                Some(wanted) => vec![Expect::Value { bare: None, wanted: Some(wanted) }],
                None => Vec::new(),
            },
            ("from", 2, _) => vec![Expect::Words(&["to"])],
            ("only", 1, _) => vec![Expect::Words(&["where"])],
            ("only", ..) => self.value(2, None, None, &[]),
            _ => self.action(),
        }
    }

    fn workflow(&self, workflow: String) -> Vec<Expect> {
        let words = |words| vec![Expect::Words(words)];
        match (self.first(), self.words.len(), self.last()) {
            ("", ..) => vec![Expect::Line(Lines::Workflow)],
            ("step", 1, _) => vec![Expect::Declare(Declared::Step { workflow })],
            ("only", 1, _) => words(&["one per"]),
            ("only", 2, _) => words(&["per"]),
            ("only", 3, _) => self.value(3, None, None, &[]),
            ("only", _, ",") => words(&["keep the first", "newest wins", "queue"]),
            ("give", 1, _) => words(&["up after"]),
            ("give", 2, _) => words(&["after"]),
            ("cancel", 1, _) => words(&["when"]),
            ("cancel", ..) => self.value(2, None, None, &[]),
            ("on", 1, _) => words(&["failure"]),
            ("wait", 1, _) => words(&["until", "up to", "for"]),
            ("wait", 2, "up") => words(&["to"]),
            ("wait", _, "for") => vec![Expect::EntityOrEvent],
            ("wait", ..) if self.texts[1] == "until" => self.value(2, None, None, &[]),
            ("wait", ..) => self.wait(),
            _ => self.action(),
        }
    }

    /// Behind `wait up to 7 days`.
    fn wait(&self) -> Vec<Expect> {
        let Some(at) = self.texts.iter().position(|text| *text == "for") else {
            return vec![Expect::Words(&["for"])];
        };
        let Some(what) = self.entity(at + 1) else { return Vec::new() };
        let thing = if self.project.event(&what).is_some() { Thing::Event(what) } else { Thing::Record(what) };
        match (self.texts.iter().position(|text| *text == "where"), self.last()) {
            (None, "as") => vec![Expect::Declare(Declared::Variable)],
            (None, _) => vec![Expect::Words(&["as", "where"])],
            (Some(position), _) => self.condition(position, &thing),
        }
    }

    /// `where field = value`, with `where` at the position.
    fn condition(&self, position: usize, thing: &Thing) -> Vec<Expect> {
        if position + 1 == self.words.len() {
            return vec![Expect::Member(thing.clone(), Which::Fields)];
        }
        let wanted = self.reached(thing, position + 1);
        self.value(position + 3, None, wanted, &[])
    }

    /// What the path at the index leads to, from a thing.
    fn reached(&self, thing: &Thing, index: usize) -> Option<Wanted> {
        let names: Vec<String> = parts(self.words.get(index)?.text).into_iter().map(|(_, name)| name).collect();
        match walk(self.project, thing, &names) {
            Thing::Value(wanted) => wanted,
            _ => None,
        }
    }

    /// An action behind its first word.
    fn action(&self) -> Vec<Expect> {
        let count = self.words.len();
        let words = |words| vec![Expect::Words(words)];
        let record = |index| self.entity(index).map(Thing::Record).unwrap_or(Thing::Unknown);
        let position = |text: &str| self.texts.iter().position(|word| *word == text);
        match (self.first(), count, self.last()) {
            ("create" | "update" | "delete", 1, _) => vec![Expect::Entity],
            ("create", _, "}") => words(&["accept duplicates"]),
            ("update", _, "}") => words(&["else"]),
            ("update" | "delete", _, "else") => words(&["nothing", "fail"]),
            ("create" | "update" | "call", _, "as") if count == 3 => vec![Expect::Declare(Declared::Variable)],
            ("create", _, "key") => vec![Expect::Member(record(1), Which::Fields)],
            ("create", ..) => match position("key") {
                Some(key) if count > key + 2 => self.value(key + 3, None, self.reached(&record(1), key + 1), &[]),
                Some(_) => Vec::new(),
                None if count == 2 => words(&["as", "key"]),
                None => words(&["key"]),
            },
            ("update" | "delete", ..) => match position("where") {
                Some(at) => self.condition(at, &record(1)),
                None if count == 2 && self.first() == "update" => words(&["as", "where"]),
                None => words(&["where"]),
            },
            ("set", ..) => match position("=") {
                Some(at) => self.value(at + 1, None, self.operand(at), &[]),
                None if count == 1 => vec![Expect::Value { bare: None, wanted: None }],
                None => Vec::new(),
            },
            ("start", 1, _) => vec![Expect::Workflow],
            ("start", 2, _) => words(&["with"]),
            ("start", 3, _) | (_, _, "about") => vec![Expect::Value { bare: None, wanted: None }],
            ("call", 1, _) => vec![Expect::Operation],
            ("call", 2, _) => words(&["as"]),
            ("send", 1, _) => vec![Expect::Sender],
            ("send", 2, _) => Vec::new(),
            ("send", 3, _) => words(&["to"]),
            ("send", ..) => self.value(4, None, self.parameter("to"), &["about", "accept duplicates"]),
            ("notify", 1, _) => words(&["role", "person"]),
            ("notify", 2, _) => vec![Expect::Value { bare: None, wanted: self.parameter(self.texts[1]) }],
            ("notify", ..) => words(&["about", "accept duplicates"]),
            ("run", 1, _) => words(&["sync"]),
            ("run", 2, _) => vec![Expect::Sync],
            ("if", _, "}") => words(&["otherwise"]),
            ("if", ..) => self.value(1, None, None, &[]),
            ("undo", 1, _) => words(&["completed steps"]),
            ("undo", 2, _) => words(&["steps"]),
            ("accept", 1, _) => words(&["duplicates"]),
            _ => Vec::new(),
        }
    }

    /// A parameter of the operation that `send` or `notify` stands for.
    fn parameter(&self, parameter: &str) -> Option<Wanted> {
        let sent = if self.first() == "notify" { "notify" } else { self.texts.get(1)? };
        let (system, operation) = operation(self.project, sent)?;
        Some(Wanted::Parameter { system, operation, parameter: parameter.to_owned() })
    }

    /// A line of a record, of an event's members or of parameters.
    fn assign(&self, thing: &Thing, of: Option<(&String, &String)>) -> Vec<Expect> {
        let equals = self.texts.iter().position(|text| *text == "=");
        match (equals, self.first(), self.words.len()) {
            (None, "", _) => match of {
                Some((system, operation)) => {
                    vec![Expect::Parameter { system: system.clone(), operation: operation.clone() }]
                }
                None => vec![Expect::Member(thing.clone(), Which::All), Expect::Words(&["link"])],
            },
            (None, "link", 1) => vec![Expect::Member(thing.clone(), Which::Links)],
            (None, ..) => Vec::new(),
            (Some(_), ..) if self.last() == "via" => vec![Expect::Sync],
            (Some(at), ..) => {
                let wanted = match (of, at.checked_sub(1)) {
                    (Some((system, operation)), Some(name)) => Some(Wanted::Parameter {
                        system: system.clone(),
                        operation: operation.clone(),
                        parameter: bare(self.texts[name]),
                    }),
                    (None, Some(name)) => self.reached(thing, name),
                    (_, None) => None,
                };
                self.value(at + 1, None, wanted, if self.first() == "link" { &["via"] } else { &[] })
            }
        }
    }

    fn test(&self) -> Vec<Expect> {
        let words = |words| vec![Expect::Words(words)];
        let value = |wanted| Expect::Value { bare: None, wanted };
        let (count, last) = (self.words.len(), self.last());
        match self.first() {
            "" => vec![Expect::Line(Lines::Test)],
            "given" => match (count, last) {
                (1, _) => vec![
                    Expect::Entity,
                    Expect::System,
                    Expect::Words(&["time", "step"]),
                    Expect::Declare(Declared::Assigned),
                ],
                (_, "=") => vec![Expect::Entity],
                (_, "step") => vec![Expect::Step],
                (_, "changed") => words(&["at"]),
                (2, "time") => Vec::new(),
                (2, _) | (3, _) if self.entity(1).is_some() && self.texts[1] != "step" => words(&["changed at"]),
                (4, _) if self.entity(3).is_some() => words(&["changed at"]),
                (2 | 3, _) => words(&["fails", "answers"]),
                (_, "fails" | "answers") => Vec::new(),
                (..) => words(&["times", "for"]),
            },
            "when" => match (count, last) {
                (1, _) => vec![value(None), Expect::EntityOrEvent, Expect::Words(&["sync", "message"])],
                (2, "sync") => vec![Expect::Sync],
                (3, _) if self.texts[1] == "sync" => words(&["runs"]),
                (2, "message") => vec![Expect::System],
                (4, _) if self.texts[1] == "message" => words(&["arrives"]),
                (_, "arrives") => words(&["twice", "with"]),
                (_, "twice") => words(&["with"]),
                (3, "becomes") => vec![value(self.operand(2))],
                (2, _) => words(&["becomes", "happens"]),
                (3, _) => words(&["pass", "passes"]),
                _ => Vec::new(),
            },
            "expect" => match (count, last) {
                (1, _) => vec![
                    Expect::Entity,
                    Expect::Sender,
                    Expect::Words(&["no", "one", "parked", "call", "notice to", "workflow", "step"]),
                ],
                (2, "no") => vec![Expect::Entity, Expect::Sender, Expect::Words(&["call", "notice to"])],
                (2, "one" | "parked") => vec![Expect::Entity],
                (_, "call") => vec![Expect::Operation],
                (_, "notice") => words(&["to"]),
                (_, "to") if self.texts.contains(&"notice") => words(&["role", "person"]),
                (_, "to") => vec![value(None)],
                (2, "workflow") => vec![Expect::Workflow],
                (2, "step") => vec![Expect::Step],
                (3, _) if self.texts[1] == "workflow" => words(&["finished", "failed", "is running"]),
                (_, "is") => words(&["running"]),
                (3, _) if self.texts[1] == "step" => words(&["done", "undone", "skipped"]),
                _ if self.words.iter().any(|word| word.kind == Kind::Text) && !self.texts.contains(&"to") => {
                    words(&["to", "once", "twice"])
                }
                _ => words(&["once", "twice", "times"]),
            },
            _ => Vec::new(),
        }
    }

    /// In an expression that begins at the index of the statement and is a value of `target`.
    fn value(
        &self,
        from: usize,
        bare: Option<EntityName>,
        target: Option<Wanted>,
        more: &'static [&'static str],
    ) -> Vec<Expect> {
        let index = self.words.len();
        let Some(last) = index.checked_sub(1).filter(|last| *last >= from).map(|last| self.words[last]) else {
            return vec![Expect::Value { bare, wanted: if index == from { target } else { None } }];
        };
        let comparison = |index: usize| COMPARISONS.contains(&self.texts[index]).then(|| self.operand(index)).flatten();
        match last.text {
            "as" => vec![Expect::Transform],
            "else" => vec![Expect::Words(OUTCOMES), Expect::Value { bare, wanted: target }],
            "is" => vec![Expect::Words(&["empty", "not empty"])],
            "not" if index > 1 && self.texts[index - 2] == "is" => vec![Expect::Words(&["empty"])],
            "[" | "," => {
                let open = self.texts.iter().rposition(|text| *text == "[").filter(|open| *open > 0);
                let wanted = open.and_then(|open| comparison(open - 1).or_else(|| self.key(open - 1)));
                vec![Expect::Value { bare, wanted }]
            }
            text if COMPARISONS.contains(&text) => vec![Expect::Value { bare, wanted: comparison(index - 1) }],
            text if ends_value(&last) && !OPEN.contains(&text) => {
                let mut expected = vec![Expect::Words(OPERATORS)];
                if !more.is_empty() {
                    expected.push(Expect::Words(more));
                }
                expected
            }
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

    /// The field that the path before the index leads to.
    fn operand(&self, index: usize) -> Option<Wanted> {
        let word = index.checked_sub(1).and_then(|index| self.words.get(index))?;
        if word.kind != Kind::Name {
            return None;
        }
        let names: Vec<String> = parts(word.text).into_iter().map(|(_, name)| name).collect();
        match path(self.project, self.context, self.bare().as_ref(), &names) {
            Thing::Value(wanted) => wanted,
            _ => None,
        }
    }

    /// What a text may say.
    fn text(&self) -> Vec<Expect> {
        let option = |wanted: Option<Wanted>| wanted.map(Expect::Option).into_iter().collect();
        match (&self.context.block, self.texts.as_slice()) {
            (Some(Block::Events), [.., "header"]) | (None, _) => Vec::new(),
            (Some(Block::Events), words) if !words.contains(&"->") => {
                self.context.head.get(2).map(|word| Expect::Message(bare(word.text))).into_iter().collect()
            }
            (Some(Block::System), ["schema"]) => vec![Expect::Lock],
            (Some(Block::Choice), [.., "in", system]) => vec![Expect::Spelling((*system).to_owned())],
            (Some(Block::Test), ["when", "message", system]) => vec![Expect::Message((*system).to_owned())],
            (Some(Block::Test), ["expect", .., "to", "role"]) => option(self.role()),
            (Some(Block::Test), ["expect", .., "to"]) => Vec::new(),
            (Some(Block::Test), ["expect", .., sent]) => {
                option(operation(self.project, sent).map(|(system, operation)| template(system, operation)))
            }
            (_, ["send", _]) => option(self.parameter("template")),
            (_, ["notify", "role"]) => option(self.role()),
            (_, ["notify" | "send" | "undo", ..]) => Vec::new(),
            _ => self
                .code()
                .into_iter()
                .filter_map(|expected| match expected {
                    Expect::Value { wanted: Some(wanted), .. } => Some(Expect::Option(wanted)),
                    _ => None,
                })
                .collect(),
        }
    }

    fn role(&self) -> Option<Wanted> {
        let (system, operation) = operation(self.project, "notify")?;
        Some(Wanted::Parameter { system, operation, parameter: "role".to_owned() })
    }
}

fn template(system: String, operation: String) -> Wanted {
    Wanted::Parameter { system, operation, parameter: "template".to_owned() }
}

/// What a path of an expression leads to: from a variable, a bare name's entity, or a side of the sync.
pub(super) fn path(project: &Project, context: &Context<'_>, bare: Option<&EntityName>, names: &[String]) -> Thing {
    let Some(first) = names.first() else { return Thing::Unknown };
    if let Some(var) = context.vars.iter().rev().find(|var| var.name == *first) {
        return walk(project, &var.thing, &names[1..]);
    }
    let (left, right) = context.sides();
    if let [system, entity, rest @ ..] = names {
        let side = [left, right].into_iter().flatten().find(|side| side.system == *system && side.entity == *entity);
        if let Some(side) = side {
            return walk(project, &Thing::Record(side), rest);
        }
    }
    match bare {
        Some(entity) => walk(project, &Thing::Record(entity.clone()), names),
        None => Thing::Unknown,
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

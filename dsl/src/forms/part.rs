//! What a form is made of: words, signs and what stands between them.
//!
//! Parts say what may follow what, for whoever looks at a line that need not be whole: completion, hover, names. Where
//! the grammar and the parts of a form differ, the grammar is right; a test holds each example to both.

use super::place::Place;

/// One form of the language: what may be written, where, and what it says.
#[derive(Debug, PartialEq, Eq)]
pub struct Form {
    /// By which it is known: its first words, and as many more as tell it from others: `wait until`.
    pub name: &'static str,
    /// Where it may stand.
    pub within: &'static [Place],
    /// As help shows it: words and signs of the language, names that stand in for others, `…` for what is in a block.
    pub written: &'static str,
    /// The same with other words.
    pub also: &'static [&'static str],
    /// What it is made of, from its first word on.
    pub(crate) parts: &'static [Part],
    /// What it says, in one sentence.
    pub says: &'static str,
    /// One that holds where it may stand.
    pub example: &'static str,
}

/// What stands at one place of a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// Words of the language that stand behind each other.
    Words(&'static str),
    /// One of these words of the language.
    OneOf(&'static [&'static str]),
    /// One of these names, which are no words of the language.
    Names(&'static [&'static str]),
    /// A sign.
    Sign(&'static str),
    /// What the author says.
    Slot(Slot),
    /// May be left out.
    Maybe(&'static [Part]),
    /// Read without it too, so that the checker can ask for it.
    Asked(&'static [Part]),
    /// As often as one likes.
    Many(&'static [Part]),
    /// One of these.
    Either(&'static [&'static [Part]]),
    /// A block.
    Opens(Opens),
}

/// A block of a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Opens {
    /// What stands in it.
    pub(crate) place: Place,
    /// What is named in it is known behind it too.
    pub(crate) kept: bool,
    /// Names that are known in it without being given.
    pub(crate) gives: &'static [Given],
}

impl Opens {
    /// A block whose names end with it.
    pub(crate) const fn of(place: Place) -> Self {
        Self { place, kept: false, gives: &[] }
    }
}

/// A name that the language gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Given {
    /// `this`, where the record is given no other name.
    This,
    /// `old` and `new`: the values of the field that changes.
    OldAndNew,
    /// `failure`: why a workflow failed.
    Failure,
}

/// What the author says at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slot {
    /// A new name.
    New(New),
    /// A system.
    System,
    /// One of the two systems of the sync.
    Side,
    /// The same, before `wins`.
    Winner,
    /// `app.Deal`
    Entity,
    /// `app.Deal` or `app.Login`
    EntityOrEvent,
    /// An entity or event of the system that sends the messages.
    Sent,
    /// `app.cancelSubscription`
    Operation,
    /// An operation with a template, with its system or without.
    Sender,
    /// `app.Deal.stage`
    GlobalField,
    /// A field, or a path that ends with one.
    Field(Of),
    /// A link.
    Link(Of),
    /// What a record, an event or an operation may be given.
    Member,
    /// Names joined by dots, from a variable on.
    Path,
    /// An expression: from whom its bare names are, and what it is for.
    Value(Of, For),
    /// A condition on the record that is named before.
    Condition,
    /// A word of the field that changes.
    Stage,
    /// The first cell of a row.
    Key,
    /// Another cell.
    Cell,
    /// `PlanFacts[sub.plan].probability`
    CellOf,
    /// A sync.
    Sync,
    /// A workflow.
    Workflow,
    /// `Onboarding.welcome`
    Step,
    /// A transform or a lookup.
    Transform,
    /// A type.
    Type,
    /// A way to verify messages.
    Verify,
    /// A member of the envelope of messages.
    Envelope,
    /// A text.
    Text(Says),
    /// `2026`
    Number,
    /// `7 days`
    Duration,
    /// `09:30`
    Clock,
    /// `2026-03-02`
    Date,
}

/// Of whom a field is, or a bare name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    /// The first entity of the sync.
    Left,
    /// The second one.
    Right,
    /// The entity that is named before in the statement.
    Named,
    /// The record that the block is about.
    Subject,
    /// Of nobody: names begin with a variable.
    Nobody,
}

/// What a value is for: it says which words and options fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum For {
    /// The field that is named before in the statement.
    Named,
    /// This parameter of the operation that is named before; of `notify`, where none is.
    Parameter(&'static str),
    /// Not known.
    Anything,
}

/// What a text says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Says {
    /// The name of a message.
    Message,
    /// A template of the operation that is named before.
    Template,
    /// A role of colleagues.
    Role,
    /// How the system that is named before spells a word.
    Spelling,
    /// The path of a lock.
    Lock,
    /// Whatever the author likes.
    Anything,
}

/// What a new name is the name of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum New {
    System,
    Choice,
    Table,
    Sync,
    Workflow,
    Step,
    Word,
    Column,
    Field,
    Variable,
    /// A variable, if `=` follows.
    Assigned,
}

/// The units of a length of time.
pub(crate) const UNITS: [&str; 10] =
    ["second", "seconds", "minute", "minutes", "hour", "hours", "day", "days", "week", "weeks"];

// What many forms have in common.

pub(super) const AS_NAME: Part = Part::Maybe(&[Part::Words("as"), Part::Slot(Slot::New(New::Variable))]);
pub(super) const RECORD: Part = Part::Opens(Opens::of(Place::Record));
pub(super) const MAYBE_RECORD: Part = Part::Maybe(&[RECORD]);
pub(super) const ACTIONS: Part = Part::Opens(Opens::of(Place::Actions));
pub(super) const ACCEPT: Part = Part::Maybe(&[Part::Words("accept duplicates")]);
pub(super) const ABOUT: Part = Part::Maybe(&[Part::Words("about"), Part::Slot(Slot::Path)]);
pub(super) const ON_CREATE: Part = Part::Maybe(&[Part::Words("on create")]);
pub(super) const ZONE: Part = Part::Maybe(&[Part::Words("in"), Part::Slot(Slot::Text(Says::Anything))]);
pub(super) const OUTCOME: Part = Part::OneOf(&["clear", "keep", "skip", "fail"]);
pub(super) const OR_ELSE: Part = Part::Maybe(&[Part::Words("else"), Part::OneOf(&["nothing", "fail"])]);

/// `else keep`, or a value for what is named before.
pub(super) const ON_EMPTY: Part = Part::Maybe(&[
    Part::Words("else"),
    Part::Either(&[&[OUTCOME], &[Part::Slot(Slot::Value(Of::Nobody, For::Named))]]),
]);

/// Who wins.
pub(super) const POLICY: &[&[Part]] = &[
    &[Part::Slot(Slot::Winner), Part::Words("wins")],
    &[Part::Words("newest wins"), Part::Maybe(&[Part::Sign(","), Part::Words("tie"), Part::Slot(Slot::Side)])],
    &[Part::Words("review")],
];

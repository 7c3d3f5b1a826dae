//! A checked rule set, ready to run: names resolved, immutable, hashed.
//!
//! In: the trees of all files and the locks, without a single error (`check`).
//! Out: what the engine asks: which syncs concern an entity, what a message means, what to do when.
//! Always true: an index in here points at something that exists; every expression has been type-checked.
//! Not here: running anything. [`eval`](crate::eval) runs expressions; the engine runs syncs and code.

pub mod test;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::ast::{OnDelete, Priority, SecondStart};
use crate::schema::{Delivery, EntityName, Field, Lock, Lookup};
use crate::source::Span;
use crate::value::{Duration, Value};

/// A checked rule set.
#[derive(Debug, Clone)]
pub struct Program {
    /// SHA-256 over paths and texts of all rules and locks, in lower-case hex.
    pub hash: String,
    /// Systems by name.
    pub systems: BTreeMap<String, System>,
    /// Choices, in the order of their names. They, the tables, syncs, `when`s and workflows are shared with the
    /// programs that a session compiled before and after.
    pub choices: Arc<Vec<Choice>>,
    /// Tables, in the order of their names.
    pub tables: Arc<Vec<Table>>,
    /// Syncs, in the order of their names.
    pub syncs: Vec<Arc<Sync>>,
    /// How each system delivers, by system.
    pub doors: BTreeMap<String, Door>,
    /// Every `when`, in the order of files and lines.
    pub whens: Vec<Arc<When>>,
    /// Workflows, in the order of their names.
    pub workflows: Vec<Arc<Workflow>>,
    /// Fields and links that some rule reads or writes, by entity: what a point read asks for.
    pub used: BTreeMap<EntityName, Used>,
    /// Which choice a field takes its words from.
    pub choice_of: Arc<BTreeMap<(EntityName, String), usize>>,
}

/// Fields and links of an entity that rules use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Used {
    /// Names of fields, `id` left out.
    pub fields: BTreeSet<String>,
    /// Names of links.
    pub links: BTreeSet<String>,
}

/// A system as the rules declare it.
#[derive(Debug, Clone)]
pub struct System {
    /// What its lock says, shared with every other program of the same lock.
    pub lock: Arc<Lock>,
    /// `limit`s by name: `api`, `bulk`, `webhooks`.
    pub limits: BTreeMap<String, Limit>,
    /// How long a read may serve lookups and texts.
    pub cache: Option<Duration>,
}

/// `amount` in each sliding window of `per`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// How many.
    pub amount: u64,
    /// The length of the window.
    pub per: Duration,
}

/// A choice.
#[derive(Debug, Clone)]
pub struct Choice {
    /// Its name.
    pub name: String,
    /// Its words in order.
    pub words: Vec<Word>,
}

/// A word of a choice.
#[derive(Debug, Clone)]
pub struct Word {
    /// The business's word.
    pub word: String,
    /// How people read it; the word itself where no label is given.
    pub label: String,
    /// How a system spells it, where it differs from the word.
    pub spelled: BTreeMap<String, String>,
    /// Nothing follows it.
    pub is_final: bool,
}

impl Choice {
    /// The word that `system` spells like this.
    #[must_use]
    pub fn word_of(&self, system: &str, spelling: &str) -> Option<&Word> {
        self.words.iter().find(|word| word.spelling(system) == spelling)
    }

    /// The row of a word.
    #[must_use]
    pub fn row(&self, word: &str) -> Option<&Word> {
        self.words.iter().find(|row| row.word == word)
    }
}

impl Word {
    /// How `system` spells this word.
    #[must_use]
    pub fn spelling(&self, system: &str) -> &str {
        self.spelled.get(system).unwrap_or(&self.word)
    }
}

/// A lookup table.
#[derive(Debug, Clone)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Column names without the key's.
    pub columns: Vec<String>,
    /// Cells by key, in the order of `columns`.
    pub rows: BTreeMap<Value, Vec<Value>>,
}

/// The place in the rules that decided something, for people.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize)]
pub struct Place {
    /// File, relative to the rule set.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
}

impl std::fmt::Display for Place {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}:{}", self.file, self.line)
    }
}

/// One of the two sides of a sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum Side {
    /// The first entity in the head.
    Left,
    /// The second entity in the head.
    Right,
}

impl Side {
    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Left => Self::Right,
            Self::Right => Self::Left,
        }
    }
}

/// Pairs the records of two entities.
#[derive(Debug, Clone)]
pub struct Sync {
    /// Its name.
    pub name: String,
    /// The first entity in the head.
    pub left: EntityName,
    /// The second entity in the head.
    pub right: EntityName,
    /// When it runs.
    pub run: Run,
    /// A sync on change looks this often for changes of which no message came; `None` for never, and for a sync that
    /// runs by the clock.
    pub sweep: Option<Duration>,
    /// How urgent it is.
    pub priority: Priority,
    /// Pairs of fields (left, right) whose equality makes records the same thing, in order.
    pub keys: Vec<(String, String)>,
    /// Makes the record that is missing on this side.
    pub create: BTreeSet<Side>,
    /// What a deletion on a side leads to; `Keep` where nothing is said.
    pub on_delete: BTreeMap<Side, OnDelete>,
    /// Only records for which this holds take part; variables `left` and `right`.
    pub only: Option<Expr>,
    /// The lines of `fields`, and for a key that is the other system's `id` a line of the engine's own.
    pub fields: Vec<Mapping>,
    /// Where it stands.
    pub place: Place,
}

impl Sync {
    /// The entity of a side.
    #[must_use]
    pub fn entity(&self, side: Side) -> &EntityName {
        match side {
            Side::Left => &self.left,
            Side::Right => &self.right,
        }
    }
}

/// When a sync runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Run {
    /// With every change.
    OnChange,
    /// At an interval; records in a batch (100 where nothing is said).
    Every(Duration, u64),
    /// Each day at a minute after midnight in a time zone; records in a batch.
    DailyAt {
        /// Minutes after midnight.
        minute: u32,
        /// IANA name.
        zone: String,
        /// Records in a batch.
        batch: u64,
    },
}

/// One line of a sync.
#[derive(Debug, Clone)]
pub struct Mapping {
    /// Which side is written.
    pub direction: Direction,
    /// What is moved.
    pub kind: MappingKind,
    /// Where there is no value; `Clear` on two-way lines, where empty is a value like any other.
    pub on_empty: Outcome,
    /// Written only when this sync makes the record.
    pub on_create: bool,
    /// Who wins where both sides changed; on a one-way line the source.
    pub policy: Policy,
    /// Not written by an author: fills a key that is the other system's `id`.
    pub implicit: bool,
    /// Where it stands.
    pub place: Place,
    /// The line's text without the outcome, for people: `firstName <-> firstname`.
    pub text: String,
}

/// Which side a line writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// `<->`
    Both,
    /// `->`
    ToRight,
    /// `<-`
    ToLeft,
}

impl Direction {
    /// The side that a one-way line writes.
    #[must_use]
    pub fn target(self) -> Option<Side> {
        match self {
            Self::ToRight => Some(Side::Right),
            Self::ToLeft => Some(Side::Left),
            Self::Both => None,
        }
    }

    /// May `side` be written?
    #[must_use]
    pub fn writes(self, side: Side) -> bool {
        matches!((self, side), (Self::Both, _) | (Self::ToRight, Side::Right) | (Self::ToLeft, Side::Left))
    }
}

/// What a line moves.
#[derive(Debug, Clone)]
pub enum MappingKind {
    /// A field on both sides, two-way.
    Field {
        /// Field of the left entity.
        left: String,
        /// Field of the right entity.
        right: String,
        /// Applied on the way from left to right; each a normaliser or invertible.
        transforms: Vec<Transform>,
    },
    /// An expression over the source's record (variable `left` for `->`, `right` for `<-`) into a field.
    Computed {
        /// The value.
        source: Expr,
        /// The field that is written.
        target: String,
    },
    /// Two links whose records the sync `via` pairs.
    Link {
        /// Names from the left record to the linked one: links, usually one.
        left: Vec<String>,
        /// Names from the right record to the linked one.
        right: Vec<String>,
        /// Index of the sync that pairs them.
        via: usize,
        /// The left link leads to an entity that is the left side of `via`.
        straight: bool,
    },
}

/// What happens where a value is missing.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Blank the target; in a new record leave it out.
    Clear,
    /// Leave the target alone.
    Keep,
    /// Leave the record (or action) out until it changes.
    Skip,
    /// Park the record for a person.
    Fail,
    /// It cannot be missing, or for a link: wait for the partner.
    Never,
}

impl Outcome {
    /// It holds for a value that a transform refuses, too: the rules say something else than to park.
    #[must_use]
    pub fn takes_refused(&self) -> bool {
        matches!(self, Self::Clear | Self::Keep | Self::Skip)
    }
}

/// Who wins where both sides changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// The later outside change; inside the skew guard this side.
    Newest {
        /// The side that wins a tie.
        tie: Side,
    },
    /// A person decides.
    Review,
    /// This side.
    Wins(Side),
}

/// How a system delivers its messages.
#[derive(Debug, Clone)]
pub struct Door {
    /// There is a webhook.
    pub webhook: bool,
    /// Kafka topics.
    pub topics: Vec<String>,
    /// How a webhook is verified, and the header where the rules name one.
    pub verify: Option<(String, Option<String>)>,
    /// The member of the envelope that marks repetitions; without it the connector's own key.
    pub dedupe_by: Option<String>,
    /// How long repetitions are remembered.
    pub dedupe_for: Duration,
    /// The entity whose record a Kafka record without a value deletes, by topic; in other topics nothing follows.
    pub tombstones: BTreeMap<String, EntityName>,
    /// Messages by name; a message without an entry is not in the lock.
    pub routes: BTreeMap<String, Route>,
}

/// What a message leads to, beside updating what is known of its record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// It is merged under a sync.
    Sync(usize),
    /// It is offered to `when` and `wait`.
    Event,
    /// It also starts a workflow.
    Workflow(usize),
    /// Nothing more.
    Ignore,
}

/// What to do after a change.
#[derive(Debug, Clone)]
pub struct When {
    /// The entity.
    pub entity: EntityName,
    /// What happens to it.
    pub trigger: Trigger,
    /// Further fields whose change does it too, once for all that change together; none where one field is named.
    pub also: Vec<String>,
    /// The variable that holds the record; `this` where no name is given.
    pub variable: String,
    /// Only then.
    pub only: Option<Expr>,
    /// What to do, ended by [`Op::Finish`]. The variables `new` and `old` hold the changed field's values,
    /// where there is one.
    pub code: Code,
    /// Where it stands.
    pub place: Place,
}

/// What a `when` waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trigger {
    /// The record was made.
    Created,
    /// The record was deleted.
    Deleted,
    /// A field changed.
    Changes(String),
}

impl When {
    /// The fields whose change fires it; none where it waits for something else.
    pub fn fields(&self) -> impl Iterator<Item = &String> {
        let first = match &self.trigger {
            Trigger::Changes(field) => Some(field),
            Trigger::Created | Trigger::Deleted => None,
        };
        first.into_iter().chain(&self.also)
    }
}

/// What to do over days.
#[derive(Debug, Clone)]
pub struct Workflow {
    /// Its name.
    pub name: String,
    /// The variable that holds its argument.
    pub variable: String,
    /// What its argument is.
    pub entity: EntityName,
    /// Unfinished runs of one key exclude each other.
    pub only_one: Option<(Expr, SecondStart)>,
    /// The longest a run may take.
    pub give_up: Option<Duration>,
    /// A run ends cleanly when this holds.
    pub cancel: Option<Expr>,
    /// What to do.
    pub code: Code,
    /// Where it stands.
    pub place: Place,
}

/// Flat code: a run is a position in it.
#[derive(Debug, Clone, Default)]
pub struct Code {
    /// The operations; a run begins at 0.
    pub ops: Vec<Op>,
    /// The steps that [`Op::Step`] enters.
    pub steps: Vec<Step>,
    /// Where `on failure` begins; it ends with [`Op::Return`].
    pub on_failure: Option<usize>,
}

/// A step of a workflow.
#[derive(Debug, Clone)]
pub struct Step {
    /// Its name.
    pub name: String,
    /// How its actions are retried; `None` is the default of RUNTIME.md section 5.
    pub retry: Option<Retry>,
    /// The longest one action may take.
    pub timeout: Option<Duration>,
    /// Where its `undo` begins; it ends with [`Op::Return`].
    pub undo: Option<usize>,
    /// SHA-256 of its meaning, for moving instances between versions.
    pub hash: String,
    /// Where it stands.
    pub place: Place,
}

/// How often and how fast an action is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// How many times after the first.
    pub times: u64,
    /// The wait before the first retry.
    pub first: Duration,
    /// The longest wait.
    pub at_most: Duration,
}

/// One operation of a [`Code`].
#[derive(Debug, Clone)]
pub enum Op {
    /// Enters a step; what follows up to `EndStep` belongs to it.
    Step(usize),
    /// The step is completed.
    EndStep(usize),
    /// Does something, then goes on behind it.
    Act(Action),
    /// Goes on at the target where the condition does not hold.
    JumpUnless(Expr, usize),
    /// Goes on at the target.
    Jump(usize),
    /// Waits.
    Wait(Duration),
    /// Waits until a time.
    WaitUntil(Expr),
    /// Waits for an event or a change of a record; goes on behind it, or at `timed_out`.
    WaitFor {
        /// The entity or event.
        what: EntityName,
        /// `what` is an event, no record.
        event: bool,
        /// The variable that holds it.
        variable: Option<String>,
        /// The field that is compared.
        field: String,
        /// What it must equal.
        equals: Expr,
        /// How long.
        up_to: Duration,
        /// Where to go on if nothing came.
        timed_out: usize,
    },
    /// Undoes completed steps, the last first, then goes on behind it.
    UndoCompleted,
    /// Ends an `undo` or `on failure` block.
    Return,
    /// The run is finished.
    Finish,
}

/// Something a run does to the world.
#[derive(Debug, Clone)]
pub struct Action {
    /// What.
    pub kind: ActionKind,
    /// It may happen twice after a crash.
    pub accept_duplicates: bool,
    /// Where it stands.
    pub place: Place,
    /// All of its text. Several actions can stand on one line; no two are one stretch.
    pub text: Span,
}

/// What an action does.
#[derive(Debug, Clone)]
pub enum ActionKind {
    /// Makes a record unless there is one with this key.
    Create {
        /// The entity.
        entity: EntityName,
        /// The variable that holds it afterwards.
        variable: Option<String>,
        /// A unique field and its value.
        key: (String, Expr),
        /// The values of a new record.
        values: Vec<Assign>,
    },
    /// Changes the one record with this key.
    Update {
        /// The entity.
        entity: EntityName,
        /// The variable that holds it afterwards; missing where there is none.
        variable: Option<String>,
        /// A unique field and its value.
        key: (String, Expr),
        /// The new values.
        values: Vec<Assign>,
        /// No such record is fine; otherwise the run stops for a person.
        or_nothing: bool,
    },
    /// Changes a field of a record that a variable leads to.
    Set {
        /// The variable.
        variable: String,
        /// Links from it to the record, often none.
        links: Vec<String>,
        /// The entity of that record.
        entity: EntityName,
        /// The field and its value.
        assign: Assign,
    },
    /// Deletes the one record with this key.
    Delete {
        /// The entity.
        entity: EntityName,
        /// A unique field and its value.
        key: (String, Expr),
        /// No such record is fine.
        or_nothing: bool,
    },
    /// Starts a workflow.
    Start {
        /// Its index.
        workflow: usize,
        /// The variable that leads to its argument.
        variable: String,
        /// Links from it to the argument, often none.
        links: Vec<String>,
    },
    /// Calls an operation (`call`, `send`, `notify`).
    Call {
        /// The system.
        system: String,
        /// The operation.
        operation: String,
        /// The variable that holds the result.
        variable: Option<String>,
        /// The parameters.
        params: Vec<Assign>,
        /// How it may be repeated.
        delivery: Delivery,
    },
    /// Runs a sync now.
    RunSync(usize),
}

/// A field, link or parameter and its value.
#[derive(Debug, Clone)]
pub struct Assign {
    /// Its name.
    pub name: String,
    /// For a link: how the record that `value` names is translated. `None` for fields and parameters.
    pub link: Option<LinkValue>,
    /// The value; for a link an [`Expr::Reference`].
    pub value: Expr,
    /// Where there is none.
    pub on_empty: Outcome,
    /// Where it stands.
    pub place: Place,
}

/// How a link's value becomes an id of the target's system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkValue {
    /// The value's record is of the target's system already.
    Same,
    /// The sync pairs it; the value's record stands on this side of it.
    Via(usize, Side),
}

/// A checked expression.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    /// A constant.
    Literal(Value),
    /// A field: a variable, links from it, the field's name (`id` included).
    Field {
        /// The variable.
        variable: String,
        /// Links to follow.
        links: Vec<String>,
        /// The field of the record that is reached, or the member of an event or result.
        field: String,
        /// What the variable holds, where it holds a record.
        entity: Option<EntityName>,
    },
    /// The id of the record that a variable and links lead to; empty where a link is absent.
    Reference {
        /// The variable.
        variable: String,
        /// Links to follow.
        links: Vec<String>,
    },
    /// The record that a variable and links lead to, as a [`Value::Record`] of its used fields (`about deal`).
    Record {
        /// The variable.
        variable: String,
        /// Links to follow.
        links: Vec<String>,
    },
    /// Texts joined; a choice prints its label. `choice` of each part that is one.
    Join(Vec<(Expr, Option<usize>)>),
    /// A cell of a table; empty where there is no such row.
    Table {
        /// The table.
        table: usize,
        /// The key.
        key: Box<Expr>,
        /// Index of the column.
        column: usize,
    },
    /// A transform applied.
    Transform(Box<Expr>, Transform),
    /// A lookup applied.
    Lookup {
        /// The value that is looked up.
        of: Box<Expr>,
        /// The system.
        system: String,
        /// Which.
        lookup: Lookup,
    },
    /// The second where the first is empty.
    Else(Box<Expr>, Box<Expr>),
    /// Negation.
    Not(Box<Expr>),
    /// Both.
    And(Box<Expr>, Box<Expr>),
    /// One or both.
    Or(Box<Expr>, Box<Expr>),
    /// A comparison.
    Compare(Compare, Box<Expr>, Box<Expr>),
    /// The first is one of the second's list.
    In(Box<Expr>, Box<Expr>),
    /// Is it empty?
    IsEmpty(Box<Expr>),
    /// Arithmetic on numbers, money, and times with durations (milliseconds as integers).
    Arithmetic(Arithmetic, Box<Expr>, Box<Expr>),
    /// A list.
    List(Vec<Expr>),
}

impl Expr {
    /// Shows this expression and every part of it, outermost first.
    pub fn visit(&self, see: &mut impl FnMut(&Self)) {
        see(self);
        match self {
            Self::Literal(_) | Self::Field { .. } | Self::Reference { .. } | Self::Record { .. } => {}
            Self::Join(parts) => parts.iter().for_each(|(part, _)| part.visit(see)),
            Self::List(parts) => parts.iter().for_each(|part| part.visit(see)),
            Self::Table { key: of, .. }
            | Self::Transform(of, _)
            | Self::Lookup { of, .. }
            | Self::Not(of)
            | Self::IsEmpty(of) => of.visit(see),
            Self::Else(a, b)
            | Self::And(a, b)
            | Self::Or(a, b)
            | Self::Compare(_, a, b)
            | Self::In(a, b)
            | Self::Arithmetic(_, a, b) => {
                a.visit(see);
                b.visit(see);
            }
        }
    }
}

/// How two values are compared. Words of an ordered choice compare by their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Compare {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Contains,
    StartsWith,
    EndsWith,
}

/// Arithmetic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
}

/// A built-in transform with its arguments.
#[derive(Debug, Clone, PartialEq)]
pub struct Transform {
    /// Name in the registry of `transforms`; `format` for `as "D MMM YYYY"`.
    pub name: String,
    /// Arguments.
    pub args: Vec<Value>,
}

impl Program {
    /// The lock's entry of an entity.
    #[must_use]
    pub fn entity(&self, name: &EntityName) -> Option<&crate::schema::Entity> {
        self.systems.get(&name.system)?.lock.entities.get(&name.entity)
    }

    /// The lock's entry of a field.
    #[must_use]
    pub fn field(&self, entity: &EntityName, field: &str) -> Option<&Field> {
        self.entity(entity)?.fields.get(field)
    }

    /// The choice that a field takes its words from.
    #[must_use]
    pub fn choice(&self, entity: &EntityName, field: &str) -> Option<&Choice> {
        self.choice_of.get(&(entity.clone(), field.to_owned())).map(|index| &self.choices[*index])
    }

    /// Syncs that pair records of `entity`, with the side it stands on.
    pub fn syncs_of<'a>(&'a self, entity: &'a EntityName) -> impl Iterator<Item = (usize, Side)> + 'a {
        self.syncs.iter().enumerate().flat_map(move |(index, sync)| {
            let left = (sync.left == *entity).then_some((index, Side::Left));
            let right = (sync.right == *entity).then_some((index, Side::Right));
            left.into_iter().chain(right)
        })
    }
}

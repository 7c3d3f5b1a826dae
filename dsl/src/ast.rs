//! The tree of a rule set as written: values with spans, no meaning attached.
//!
//! Every node that a message may point at carries its span. A statement that was not understood is left
//! out of the tree and stands in the problems of the parse, so that what is here can be checked as usual.
//! Two nodes are equal if they say the same, wherever they stand (see `ast/equality.rs`).
//! Durations are [`value::Duration`](crate::value::Duration) milliseconds; money and percent literals are decimals.

mod equality;

use rust_decimal::Decimal;

use crate::source::{Span, Spanned};
use crate::value;

/// A name as written, without the backquotes of a quoted one.
pub type Name = Spanned<String>;

/// `crm.Contact`: an entity, event or operation of a system.
#[derive(Debug, Clone)]
pub struct Qualified {
    /// The system.
    pub system: Name,
    /// The entity, event or operation.
    pub name: Name,
    /// Both.
    pub span: Span,
}

/// `sub.user.email`: names joined by dots, at least one.
#[derive(Debug, Clone)]
pub struct Path {
    /// The names in order.
    pub names: Vec<Name>,
    /// All of it.
    pub span: Span,
}

/// One item.
#[derive(Debug, Clone)]
pub struct Item {
    /// What it is.
    pub kind: ItemKind,
    /// From its keyword to its closing brace.
    pub span: Span,
    /// From its keyword to the end of its head, before `{`.
    pub head: Span,
}

/// The ten kinds of items.
#[derive(Debug, Clone, PartialEq)]
pub enum ItemKind {
    /// `edition 2026`
    Edition(Spanned<u32>),
    /// `choice`
    Choice(Choice),
    /// `entity`
    Entity(EntityItem),
    /// `system`
    System(System),
    /// `table`
    Table(Table),
    /// `sync`
    Sync(Box<Sync>),
    /// `events`
    Events(Events),
    /// `when`
    When(When),
    /// `workflow`
    Workflow(Workflow),
    /// `test`
    Test(Test),
}

/// `choice DealStage ordered for app.Deal.stage, … { … }`
#[derive(Debug, Clone)]
pub struct Choice {
    /// Its name.
    pub name: Name,
    /// Whether the order of the rows means something.
    pub ordered: bool,
    /// The fields that take these words, each `system.Entity.field`.
    pub fields: Vec<Path>,
    /// One word a row.
    pub rows: Vec<ChoiceRow>,
    /// Rows that were not understood.
    pub unread: Vec<Span>,
}

/// `proposal "Proposal sent" in crm "presentationscheduled" final`
#[derive(Debug, Clone)]
pub struct ChoiceRow {
    /// The business's word.
    pub word: Name,
    /// How people read it.
    pub label: Option<Spanned<String>>,
    /// How systems spell it where they do not use the word itself: system, spelling, span of `in crm "…"`.
    pub spelled: Vec<(Name, Spanned<String>, Span)>,
    /// Nothing follows it.
    pub is_final: bool,
    /// The row.
    pub span: Span,
}

/// `entity app.X { … }`: what a lock would say.
#[derive(Debug, Clone, PartialEq)]
pub struct EntityItem {
    /// Its name.
    pub name: Qualified,
    /// `changed at updatedAt`
    pub changed_at: Option<Name>,
    /// Its fields and links.
    pub fields: Vec<FieldDecl>,
}

/// `owner: app.User? unique read only`
#[derive(Debug, Clone)]
pub struct FieldDecl {
    /// Its name.
    pub name: Name,
    /// `list of`
    pub list: bool,
    /// The type's name, or an entity for a link.
    pub ty: Path,
    /// `?`
    pub optional: bool,
    /// `unique`
    pub unique: bool,
    /// `read only`
    pub read_only: bool,
    /// The line.
    pub span: Span,
}

/// `system crm { … }`
#[derive(Debug, Clone, PartialEq)]
pub struct System {
    /// Its name.
    pub name: Name,
    /// `schema "schemas/crm.lock"`
    pub schema: Option<Spanned<String>>,
    /// `limit api 100 calls per 10 seconds`
    pub limits: Vec<Limit>,
    /// `cache reads for 1 hour`
    pub cache: Option<Spanned<value::Duration>>,
    /// The first words of lines that were not understood.
    pub unread: Vec<Name>,
}

/// One limit of a system.
#[derive(Debug, Clone)]
pub struct Limit {
    /// `api`, `bulk` or `webhooks`.
    pub name: Name,
    /// How many.
    pub amount: Spanned<u64>,
    /// `calls`, `records` or `requests`, if written.
    pub unit: Option<Name>,
    /// The window.
    pub per: Spanned<value::Duration>,
    /// The line.
    pub span: Span,
}

/// `table PlanFacts by app.Subscription.plan { … }`
#[derive(Debug, Clone)]
pub struct Table {
    /// Its name.
    pub name: Name,
    /// The field whose values are the keys.
    pub by: Path,
    /// Names of the columns, the key's first.
    pub columns: Vec<Name>,
    /// The rows.
    pub rows: Vec<TableRow>,
    /// Rows that were not understood.
    pub unread: Vec<Span>,
}

/// One row of a table.
#[derive(Debug, Clone)]
pub struct TableRow {
    /// Its cells as literals, or paths for words of a choice.
    pub cells: Vec<Expr>,
    /// The row.
    pub span: Span,
}

/// `sync Contacts between app.User and crm.Contact { … }`
#[derive(Debug, Clone, PartialEq)]
pub struct Sync {
    /// Its name.
    pub name: Name,
    /// `between … and …` (true) or `from … to …` (false).
    pub two_way: bool,
    /// The first entity of the head.
    pub left: Qualified,
    /// The second entity of the head.
    pub right: Qualified,
    /// `run …`
    pub run: Option<Spanned<Run>>,
    /// `sweep every 15 minutes`, or `sweep never` (`None` inside).
    pub sweep: Option<Spanned<Option<value::Duration>>>,
    /// `priority …`
    pub priority: Option<Spanned<Priority>>,
    /// `match by a = b then by c`
    pub keys: Vec<MatchKey>,
    /// The first words of lines that were not understood.
    pub unread: Vec<Name>,
    /// `create missing in both` or a system.
    pub create: Option<Name>,
    /// `on delete in app review`
    pub on_delete: Vec<(Name, Spanned<OnDelete>)>,
    /// `conflict newest wins, tie crm`
    pub conflict: Option<Spanned<Policy>>,
    /// `only where …`
    pub only: Vec<Expr>,
    /// Lines of `fields`.
    pub mappings: Vec<Mapping>,
}

/// When a sync runs.
#[derive(Debug, Clone, PartialEq)]
pub enum Run {
    /// `run on change`
    OnChange,
    /// `run every 1 hour in batches of 100`
    Every {
        /// The interval.
        every: value::Duration,
        /// Records in a batch.
        batch: Option<Spanned<u64>>,
    },
    /// `run every day at 02:00 in "Europe/London"`
    DailyAt {
        /// Minutes after midnight.
        minute: u32,
        /// The time zone.
        zone: Option<Spanned<String>>,
        /// Records in a batch.
        batch: Option<Spanned<u64>>,
    },
}

/// How urgent a sync is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum Priority {
    /// First.
    High,
    /// Then.
    Medium,
    /// Last.
    Low,
}

/// `email` or `crmId = id`
#[derive(Debug, Clone)]
pub struct MatchKey {
    /// Field of the left entity.
    pub left: Name,
    /// Field of the right entity; the same name where only one is written.
    pub right: Name,
    /// The key.
    pub span: Span,
}

/// What follows from a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum OnDelete {
    /// Archive it on the other side.
    Archive,
    /// Leave it, unlinked and reported.
    Keep,
    /// Park it for a person.
    Review,
}

/// Who wins where both sides changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Policy {
    /// `newest wins, tie crm`
    Newest {
        /// The system that wins a tie.
        tie: Option<Name>,
    },
    /// `review`
    Review,
    /// `app wins`
    Wins(Name),
}

/// One line of `fields`.
#[derive(Debug, Clone)]
pub struct Mapping {
    /// What stands left of the arrow: a path for two-way lines and `<-`, any expression for `->`.
    pub left: Expr,
    /// What stands right of the arrow: a path for two-way lines and `->`, any expression for `<-`.
    pub right: Expr,
    /// The arrow.
    pub arrow: Spanned<Arrow>,
    /// The line begins with `link`; its span.
    pub link: Option<Span>,
    /// `via Contacts`
    pub via: Option<Name>,
    /// `as lowercase` at the end of a two-way line.
    pub transforms: Vec<Transform>,
    /// `else clear` and the like.
    pub on_empty: Option<OnEmpty>,
    /// `crm wins` and the like.
    pub policy: Option<Spanned<Policy>>,
    /// `on create`
    pub on_create: Option<Span>,
    /// The line.
    pub span: Span,
}

/// The direction of a mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrow {
    /// `<->`
    Both,
    /// `->`
    Right,
    /// `<-`
    Left,
}

/// `else …`
#[derive(Debug, Clone)]
pub struct OnEmpty {
    /// What then.
    pub outcome: Outcome,
    /// From `else` to its end.
    pub span: Span,
}

/// What happens where a value is missing.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// `else clear`
    Clear,
    /// `else keep`
    Keep,
    /// `else skip`
    Skip,
    /// `else fail`
    Fail,
    /// `else nothing`
    Nothing,
    /// `else "none"`
    Value(Box<Expr>),
}

/// `events from crm over webhook { … }`
#[derive(Debug, Clone)]
pub struct Events {
    /// The system.
    pub from: Name,
    /// `webhook` is among the doors; its span.
    pub webhook: Option<Span>,
    /// The topics of the Kafka door.
    pub topics: Vec<Spanned<String>>,
    /// `verify hmac_sha256 in header "X-App-Signature"`
    pub verify: Option<(Name, Option<Spanned<String>>)>,
    /// `dedupe by id for 24 hours`
    pub dedupe: Option<(Option<Path>, Spanned<value::Duration>)>,
    /// `key by data.id`
    pub key: Option<Path>,
    /// `tombstones delete app.User in topic "users"`
    pub tombstones: Vec<Tombstones>,
    /// The routes.
    pub routes: Vec<Route>,
}

/// What a Kafka record without a value means.
#[derive(Debug, Clone)]
pub struct Tombstones {
    /// The entity whose record of this key is deleted; nothing follows where there is none (`ignore`).
    pub delete: Option<Qualified>,
    /// The topic that the line speaks of; all of them where it names none.
    pub topic: Option<Spanned<String>>,
    /// The line.
    pub span: Span,
}

/// `"contact.creation", "contact.deletion" -> sync Contacts`
#[derive(Debug, Clone)]
pub struct Route {
    /// Names of messages.
    pub messages: Vec<Spanned<String>>,
    /// Where they lead.
    pub to: Spanned<RouteTo>,
    /// The line.
    pub span: Span,
}

/// Where a message leads.
#[derive(Debug, Clone, PartialEq)]
pub enum RouteTo {
    /// `sync Contacts`
    Sync(Name),
    /// `event app.Login`
    Event(Qualified),
    /// `workflow W`
    Workflow(Name),
    /// `ignore`
    Ignore,
}

/// `when crm.Deal changes dealstage as deal { … }`
#[derive(Debug, Clone)]
pub struct When {
    /// The entity.
    pub entity: Qualified,
    /// What happens to it.
    pub trigger: Spanned<Trigger>,
    /// `changes f, g`: every field behind the first, any of which will do.
    pub also: Vec<Name>,
    /// `as deal`
    pub named: Option<Name>,
    /// `only where …`
    pub only: Vec<Expr>,
    /// `always { … }`
    pub always: Option<Block>,
    /// `to closedwon { … }`
    pub branches: Vec<StageBranch>,
    /// Actions outside of any branch.
    pub actions: Vec<Action>,
    /// Lines and branches that were not understood: any word may be handled there, any condition asked.
    pub unread: Vec<Span>,
}

/// What a `when` waits for.
#[derive(Debug, Clone, PartialEq)]
pub enum Trigger {
    /// `is created`
    Created,
    /// `is deleted`
    Deleted,
    /// `changes f`; further fields stand in [`When::also`].
    Changes(Name),
}

/// `from a to b, c { … }`
#[derive(Debug, Clone)]
pub struct StageBranch {
    /// `from a`
    pub from: Option<Name>,
    /// Words of the choice.
    pub to: Vec<Name>,
    /// What to do.
    pub block: Block,
    /// The head, from `to` or `from` to the last word.
    pub span: Span,
}

/// Actions between braces.
#[derive(Debug, Clone)]
pub struct Block {
    /// The actions.
    pub actions: Vec<Action>,
    /// With its braces.
    pub span: Span,
}

/// One action.
#[derive(Debug, Clone)]
pub struct Action {
    /// What to do.
    pub kind: ActionKind,
    /// `accept duplicates` at its end.
    pub accept: Option<Span>,
    /// The action without its block.
    pub head: Span,
    /// All of it.
    pub span: Span,
}

/// What an action does.
#[derive(Debug, Clone, PartialEq)]
pub enum ActionKind {
    /// `create E as n key f = v { … }`
    Create {
        /// The entity.
        entity: Qualified,
        /// `as n`
        named: Option<Name>,
        /// `key f = v`
        key: Option<(Name, Expr)>,
        /// The block.
        record: Record,
    },
    /// `update E as n where f = v { … } else nothing`
    Update {
        /// The entity.
        entity: Qualified,
        /// `as n`
        named: Option<Name>,
        /// `where …`
        condition: Expr,
        /// The block.
        record: Record,
        /// `else nothing` or `else fail`
        otherwise: Option<OnEmpty>,
    },
    /// `set sub.dealId = deal.id`
    Set {
        /// The field.
        path: Path,
        /// The value.
        value: Expr,
        /// `else …`
        on_empty: Option<OnEmpty>,
    },
    /// `delete E where f = v`
    Delete {
        /// The entity.
        entity: Qualified,
        /// `where …`
        condition: Expr,
        /// `else nothing` or `else fail`
        otherwise: Option<OnEmpty>,
    },
    /// `start W with x`
    Start {
        /// The workflow.
        workflow: Name,
        /// Its argument.
        with: Path,
    },
    /// `call app.op as n { … }`
    Call {
        /// The operation.
        operation: Qualified,
        /// `as n`
        named: Option<Name>,
        /// The parameters.
        record: Record,
    },
    /// `send email "welcome" to x about y { … } else skip`
    Send {
        /// The system, if written.
        system: Option<Name>,
        /// The operation.
        operation: Name,
        /// The template.
        template: Spanned<String>,
        /// `to x`
        to: Expr,
        /// `about y`
        about: Option<Path>,
        /// Further parameters.
        record: Record,
        /// `else …`
        on_empty: Option<OnEmpty>,
    },
    /// `notify role "sales-manager" about deal "…"`
    Notify {
        /// `role` (true) or `person` (false).
        role: bool,
        /// Who.
        to: Expr,
        /// `about y`
        about: Option<Path>,
        /// The text.
        text: Expr,
    },
    /// `run sync S`
    RunSync(Name),
    /// `if … { … } otherwise { … }`
    If {
        /// The condition.
        condition: Expr,
        /// What then.
        then: Block,
        /// What otherwise.
        otherwise: Option<Block>,
    },
    /// `undo completed steps`
    UndoCompleted,
    /// `nothing`
    Nothing,
}

/// `{ field = value, link contact = sub.user }`
#[derive(Debug, Clone)]
pub struct Record {
    /// Its lines.
    pub lines: Vec<Assign>,
    /// Lines that were not understood: any field may be given a value there.
    pub unread: Vec<Span>,
    /// With its braces; empty where none were written.
    pub span: Span,
}

/// One line of a record.
#[derive(Debug, Clone)]
pub struct Assign {
    /// The line begins with `link`; its span.
    pub link: Option<Span>,
    /// What is given a value.
    pub path: Path,
    /// The value.
    pub value: Expr,
    /// `via Contacts`
    pub via: Option<Name>,
    /// `else …`
    pub on_empty: Option<OnEmpty>,
    /// The line.
    pub span: Span,
}

/// `workflow Onboarding with sub: app.Subscription { … }`
#[derive(Debug, Clone, PartialEq)]
pub struct Workflow {
    /// Its name.
    pub name: Name,
    /// Its argument.
    pub argument: Name,
    /// What the argument is.
    pub entity: Qualified,
    /// `only one per sub.id, queue`
    pub only_one: Option<(Path, Spanned<SecondStart>)>,
    /// `give up after 30 days`
    pub give_up: Option<Spanned<value::Duration>>,
    /// `cancel when …`
    pub cancel: Vec<Expr>,
    /// Steps, waits and actions in order.
    pub body: Vec<WorkflowStatement>,
    /// `on failure { … }`
    pub on_failure: Option<Block>,
}

/// What happens to a second start while the first run goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum SecondStart {
    /// It is ignored.
    KeepFirst,
    /// The first one is cancelled.
    NewestWins,
    /// It waits.
    Queue,
}

/// One statement of a workflow's body.
#[derive(Debug, Clone)]
pub enum WorkflowStatement {
    /// `step s { … }`
    Step(Step),
    /// `wait 3 days`
    Wait(Spanned<value::Duration>),
    /// `wait until …`
    WaitUntil(Expr, Span),
    /// `wait up to 7 days for …`
    WaitFor(WaitFor),
    /// An action outside of a step.
    Action(Action),
}

/// `step s { … }`
#[derive(Debug, Clone)]
pub struct Step {
    /// Its name.
    pub name: Name,
    /// What it does.
    pub actions: Vec<Action>,
    /// `retry 5 times, first after 1 minute, at most 1 hour apart`
    pub retry: Option<Spanned<Retry>>,
    /// `timeout 1 minute`
    pub timeout: Option<Spanned<value::Duration>>,
    /// `accept duplicates` as a line of its own.
    pub accept: Option<Span>,
    /// `undo …`
    pub undo: Option<Undo>,
    /// `step s`
    pub head: Span,
}

/// How often and how fast a step is tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    /// How many times after the first.
    pub times: u64,
    /// The wait before the first retry.
    pub first: Option<value::Duration>,
    /// The longest wait.
    pub at_most: Option<value::Duration>,
}

/// `undo { … }` or `undo nothing because "…"`
#[derive(Debug, Clone, PartialEq)]
pub enum Undo {
    /// What to do.
    Block(Block),
    /// Nothing, and why.
    Nothing(Spanned<String>),
}

/// `wait up to 7 days for app.Login as login where … { … }`
#[derive(Debug, Clone)]
pub struct WaitFor {
    /// `up to 7 days`
    pub up_to: Option<Spanned<value::Duration>>,
    /// The entity or event.
    pub what: Qualified,
    /// `as login`
    pub named: Option<Name>,
    /// `where …`
    pub condition: Expr,
    /// `happened { … }`
    pub happened: Option<Block>,
    /// `timed out { … }`
    pub timed_out: Option<Block>,
    /// Lines that are not understood; one of them may be an exit.
    pub unread: Vec<Span>,
    /// From `wait` to the condition.
    pub head: Span,
}

/// `test "…" { … }`
#[derive(Debug, Clone, PartialEq)]
pub struct Test {
    /// Its title.
    pub title: Spanned<String>,
    /// `given`, `when` and `expect` in order.
    pub statements: Vec<Spanned<TestStatement>>,
}

/// One line of a test.
#[derive(Debug, Clone, PartialEq)]
pub enum TestStatement {
    /// `given time 2026-03-02 09:00 in "Europe/London"`
    GivenTime {
        /// The day.
        date: jiff::civil::Date,
        /// Minutes after midnight.
        minute: u32,
        /// The zone; UTC without one.
        zone: Option<Spanned<String>>,
    },
    /// `given step Onboarding.account fails 100 times`, `given crm answers 429 for 2 minutes`
    GivenFault {
        /// The step's path, or a system's name.
        target: Path,
        /// The path is a step's.
        step: bool,
        /// `answers 429`, or `fails`.
        status: Option<u16>,
        /// For how many calls, or for how long.
        extent: FaultExtent,
    },
    /// `given deal = crm.Deal changed at 09:10 { … }`
    GivenRecord {
        /// `deal =`
        named: Option<Name>,
        /// The entity.
        entity: Qualified,
        /// `changed at 09:10`, in minutes after midnight.
        changed_at: Option<u32>,
        /// Its values.
        record: Record,
    },
    /// `when 6 days pass`
    Pass(value::Duration),
    /// `when sync Contacts runs`
    SyncRuns(Name),
    /// `when deal.dealstage becomes closedwon`
    Becomes {
        /// A variable and a field.
        path: Path,
        /// The new value.
        value: Expr,
    },
    /// `when app.Login happens { … }`
    Happens {
        /// The event.
        event: Qualified,
        /// Its values.
        record: Record,
    },
    /// `when message app "subscription.created" arrives twice with { … }`
    Message {
        /// The system.
        system: Name,
        /// The message.
        message: Spanned<String>,
        /// How many times it arrives.
        times: u32,
        /// Its record.
        record: Option<Record>,
    },
    /// `expect …`
    Expect(Expectation),
}

/// How long a fault lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultExtent {
    /// For so many calls.
    Times(u64),
    /// For so long.
    For(value::Duration),
}

/// What a test expects.
#[derive(Debug, Clone, PartialEq)]
pub enum Expectation {
    /// `expect one crm.Contact { … }` (exactly one), `expect crm.Contact { … }` (at least one), `expect no crm.Deal { … }`
    Record {
        /// How many.
        count: RecordCount,
        /// The entity.
        entity: Qualified,
        /// What it holds.
        record: Option<Record>,
    },
    /// `expect parked crm.Deal { … }`
    Parked {
        /// The entity.
        entity: Qualified,
        /// What it holds.
        record: Option<Record>,
    },
    /// `expect email "welcome" to "…" once`, `expect no email "…"`, `expect call app.op { … } once`,
    /// `expect notice to role "…" once`
    Sent {
        /// What was sent.
        what: SentWhat,
        /// How often: `None` is at least once, 0 is `no`.
        times: Option<u64>,
    },
    /// `expect workflow Onboarding finished`
    Workflow {
        /// The workflow.
        name: Name,
        /// Its state.
        state: WorkflowState,
    },
    /// `expect step Onboarding.welcome undone`
    Step {
        /// Workflow and step.
        path: Path,
        /// Its state.
        state: StepState,
    },
}

/// How many records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordCount {
    /// `no`
    None,
    /// `one`
    One,
    /// Without a word.
    Some,
}

/// What was sent.
#[derive(Debug, Clone, PartialEq)]
pub enum SentWhat {
    /// `notice to role "…"`
    Notice {
        /// `role` (true) or `person` (false).
        role: bool,
        /// Who.
        to: Spanned<String>,
    },
    /// `call app.op { … }`
    Call {
        /// The operation.
        operation: Qualified,
        /// Its parameters.
        record: Option<Record>,
    },
    /// `email "welcome" to "…"`
    Message {
        /// The system, if written.
        system: Option<Name>,
        /// The operation.
        operation: Name,
        /// The template.
        template: Spanned<String>,
        /// The receiver.
        to: Option<Expr>,
    },
}

/// State of a workflow in a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkflowState {
    /// `is running`
    Running,
    /// `finished`
    Finished,
    /// `failed`
    Failed,
}

/// State of a step in a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepState {
    /// `done`
    Done,
    /// `undone`
    Undone,
    /// `skipped`
    Skipped,
}

/// `as lowercase`, `as "D MMM YYYY"`, `as round(2)`
#[derive(Debug, Clone)]
pub struct Transform {
    /// The name, or a format text.
    pub name: TransformName,
    /// Arguments.
    pub args: Vec<Expr>,
    /// From `as` to its end.
    pub span: Span,
}

/// What stands after `as`.
#[derive(Debug, Clone, PartialEq)]
pub enum TransformName {
    /// A name.
    Named(Name),
    /// A format.
    Format(Spanned<String>),
}

/// An expression.
#[derive(Debug, Clone)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Where it stands.
    pub span: Span,
}

/// What an expression is.
#[derive(Debug, Clone, PartialEq)]
pub enum ExprKind {
    /// A text with parts filled in.
    Text(Vec<TextPart>),
    /// `12`, `-3.5`
    Number(Decimal),
    /// `60%`, as the fraction 0.6
    Percent(Decimal),
    /// `yes`, `no`
    Flag(bool),
    /// `2026-03-01`
    Date(jiff::civil::Date),
    /// `2026-03-01 10:00`, in UTC
    Timestamp(value::Timestamp),
    /// `3 days`
    Duration(value::Duration),
    /// `empty`
    Empty,
    /// `[a, b]`
    List(Vec<Expr>),
    /// A path, or a word of a choice.
    Path(Path),
    /// `PlanFacts[sub.plan].probability`
    Index {
        /// The table.
        table: Box<Expr>,
        /// The key.
        key: Box<Expr>,
        /// Names after the bracket.
        rest: Vec<Name>,
    },
    /// `x as lowercase`
    As(Box<Expr>, Transform),
    /// `x is empty`, `x is not empty`
    IsEmpty {
        /// What is looked at.
        of: Box<Expr>,
        /// `not`
        negated: bool,
    },
    /// `x else "none"` inside of an expression
    Else(Box<Expr>, Box<Expr>),
    /// `not x`
    Not(Box<Expr>),
    /// `a = b` and the like
    Binary(Box<Expr>, Spanned<BinaryOp>, Box<Expr>),
}

/// A piece of a text.
#[derive(Debug, Clone, PartialEq)]
pub enum TextPart {
    /// Characters, escapes resolved and, in a block text, indentation removed.
    Chars(String),
    /// `{expr}`
    Expr(Expr),
}

/// Operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum BinaryOp {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    Contains,
    StartsWith,
    EndsWith,
    Add,
    Subtract,
    Multiply,
    Divide,
}

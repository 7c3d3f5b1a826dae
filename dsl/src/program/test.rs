//! A checked `test`, ready to be rehearsed: names resolved, values typed.
//!
//! Not here: running it; the engine rehearses tests with the real decisions over twins.

use crate::ast::{FaultExtent, RecordCount, StepState, WorkflowState};
use crate::program::{Expr, Place};
use crate::schema::EntityName;
use crate::source::{Span, Spanned};
use crate::value;

/// A test.
#[derive(Debug, Clone)]
pub struct Test {
    /// Its title.
    pub title: String,
    /// Where it stands.
    pub place: Place,
    /// Its head.
    pub span: Span,
    /// What is given, what happens and what is expected, in order.
    pub lines: Vec<Spanned<Line>>,
}

/// One line of a test.
#[derive(Debug, Clone)]
pub enum Line {
    /// When it begins.
    Time {
        /// The day.
        date: jiff::civil::Date,
        /// Minutes after midnight.
        minute: u32,
        /// IANA name; UTC without one.
        zone: Option<String>,
    },
    /// Something fails.
    Fault {
        /// What.
        target: Target,
        /// The status that answers; without one, the system is not available.
        status: Option<u16>,
        /// For how many tries, or for how long.
        extent: FaultExtent,
    },
    /// A record that is there.
    Given {
        /// The variable that holds it.
        variable: Option<String>,
        /// The entity.
        entity: EntityName,
        /// Its values are changes of this minute after midnight; without one, they are what both sides agree on.
        changed_at: Option<u32>,
        /// Its values.
        values: Vec<Held>,
    },
    /// Time goes by.
    Pass(value::Duration),
    /// A sync runs over all records; its index.
    SyncRuns(usize),
    /// A person changes a field.
    Becomes {
        /// The variable that leads to the record.
        variable: String,
        /// The rest of the path, and the new value.
        held: Box<Held>,
    },
    /// Something happens: a message with this event, or a new record.
    Happens {
        /// The event or entity.
        what: EntityName,
        /// It is an event, no record.
        event: bool,
        /// Its values.
        values: Vec<Held>,
    },
    /// A message arrives.
    Message {
        /// The system.
        system: String,
        /// The message's name in the lock.
        message: String,
        /// How many times.
        times: u32,
        /// What it says.
        values: Vec<Held>,
    },
    /// What must hold then.
    Expect(Expectation),
}

/// What fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The actions of a step of a workflow, by index.
    Step(usize, usize),
    /// Every call to a system.
    System(String),
}

/// A path of a record and the value that stands or is expected there.
#[derive(Debug, Clone)]
pub struct Held {
    /// Links to follow.
    pub links: Vec<String>,
    /// The entity that is reached; of an event or a call, the whole name of it.
    pub entity: EntityName,
    /// The field there; without one, the value is the record that the last link leads to.
    pub field: Option<String>,
    /// Names inside of a structured value.
    pub inside: Vec<String>,
    /// The value; a record as an [`Expr::Reference`].
    pub value: Expr,
    /// What kind of record a reference leads to.
    pub leads_to: Option<EntityName>,
    /// The value is a system's own spelling and no word of a choice.
    pub spelled: bool,
    /// The path.
    pub path_span: Span,
    /// The line.
    pub span: Span,
}

/// What must hold.
#[derive(Debug, Clone)]
pub enum Expectation {
    /// So many records hold these values.
    Record {
        /// How many.
        count: RecordCount,
        /// The entity.
        entity: EntityName,
        /// The values.
        values: Vec<Held>,
    },
    /// A record with these values waits for a person.
    Parked {
        /// The entity.
        entity: EntityName,
        /// The values.
        values: Vec<Held>,
    },
    /// An operation was called with these parameters.
    Sent {
        /// The system.
        system: String,
        /// The operation.
        operation: String,
        /// The parameters that are compared.
        values: Vec<Held>,
        /// How often; `None` is at least once.
        times: Option<u64>,
    },
    /// A workflow stands like this; its index.
    Workflow(usize, WorkflowState),
    /// A step of a workflow stands like this; their indexes.
    Step(usize, usize, StepState),
}

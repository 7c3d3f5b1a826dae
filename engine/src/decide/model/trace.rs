//! What a decision reached and wrote, for coverage and for tests of rules.

use dsl::program::Place;
use dsl::schema::EntityName;
use dsl::source::Span;
use dsl::value::Value;

use crate::decide::model::lifecycle::Lifecycle;

/// A part of the rules that a decision reached.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reached {
    /// A `when` fired; the values of the field that it is about, before and now.
    When {
        /// Where it stands.
        place: Place,
        /// The value before.
        old: Option<Value>,
        /// The value now.
        new: Option<Value>,
    },
    /// An action was decided: its text.
    Action(Span),
    /// A row of a table was read, by the table's index and the row's key.
    Row(usize, Value),
    /// A transition was taken: whose life it is, and the line of its table.
    Transition(&'static str, usize),
}

impl Reached {
    /// A line of the table of a life was taken.
    pub(crate) fn transition<L: Lifecycle>(line: usize) -> Self {
        Self::Transition(L::NAME, line)
    }
}

/// Something that a system has taken, as its answer says, and the line of the rules that it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrote {
    /// The entity of the record.
    pub entity: EntityName,
    /// Its id.
    pub id: String,
    /// The field or link; `None` for the record as a whole, which was made.
    pub field: Option<String>,
    /// The line.
    pub place: Place,
    /// Its text, where it is a line of a sync.
    pub text: String,
}

//! Where a form may stand: the kinds of blocks, and what they are called in a sentence.

/// Where a form may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// A file: what stands here begins in the first column.
    File,
    /// The rows of a `choice`.
    Choice,
    /// The lines of an `entity`.
    Entity,
    /// The lines of a `system`.
    System,
    /// The first line of a `table`.
    TableHead,
    /// The rows of a `table`.
    Table,
    /// The lines of a `sync`.
    Sync,
    /// The lines of `fields`.
    Fields,
    /// The lines of `events`.
    Events,
    /// The lines of a `when`.
    When,
    /// The lines of a `workflow`.
    Workflow,
    /// The lines of a `step`.
    Step,
    /// The exits of a `wait`.
    Wait,
    /// The lines of a `test`.
    Test,
    /// What a record, an event or an operation is given.
    Record,
    /// Actions between braces.
    Actions,
    /// The end of a line.
    Ending,
    /// A value or a condition.
    Value,
}

impl Place {
    /// Every place, in the order in which people read of them.
    pub const ALL: [Self; 18] = [
        Self::File,
        Self::Choice,
        Self::Entity,
        Self::System,
        Self::TableHead,
        Self::Table,
        Self::Sync,
        Self::Fields,
        Self::Events,
        Self::When,
        Self::Workflow,
        Self::Step,
        Self::Wait,
        Self::Test,
        Self::Actions,
        Self::Record,
        Self::Ending,
        Self::Value,
    ];

    /// As it stands in "not understood …".
    pub(crate) fn phrase(self) -> &'static str {
        match self {
            Self::File => "in this file",
            Self::Choice => "in this choice",
            Self::Entity => "in this entity",
            Self::System => "in this system",
            Self::TableHead => "as names of columns",
            Self::Table => "in this table",
            Self::Sync => "in this sync",
            Self::Fields => "in `fields`",
            Self::Events => "in `events`",
            Self::When => "in this `when`",
            Self::Workflow => "in this workflow",
            Self::Step => "in this step",
            Self::Wait => "in this wait",
            Self::Test => "in this test",
            Self::Record => "in this record",
            Self::Actions => "in this block",
            Self::Ending => "at the end of this line",
            Self::Value => "in this value",
        }
    }

    /// As it stands in "belongs in …".
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::File => "a file, in the first column",
            Self::Choice => "a choice",
            Self::Entity => "an entity",
            Self::System => "a system",
            Self::TableHead => "the first line of a table",
            Self::Table => "a table",
            Self::Sync => "a sync",
            Self::Fields => "`fields`",
            Self::Events => "`events`",
            Self::When => "a `when`",
            Self::Workflow => "a workflow",
            Self::Step => "a step",
            Self::Wait => "a wait",
            Self::Test => "a test",
            Self::Record => "a record",
            Self::Actions => "a block",
            Self::Ending => "a line, at its end",
            Self::Value => "a value",
        }
    }

    /// Actions may stand here.
    pub(crate) fn takes_actions(self) -> bool {
        matches!(self, Self::When | Self::Workflow | Self::Step | Self::Actions)
    }

    /// Its lines are statements, not a part of one.
    pub(crate) fn has_lines(self) -> bool {
        !matches!(self, Self::File | Self::Ending | Self::Value)
    }
}

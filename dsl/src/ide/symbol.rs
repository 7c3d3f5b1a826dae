//! What a name stands for: the type alone; [`resolve`](super::resolve) finds it at a place.

use crate::schema::EntityName;
use crate::source::Span;

/// What a name stands for; equal wherever the same thing is named.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Symbol {
    System(String),
    Entity(EntityName),
    Event(EntityName),
    Field {
        entity: EntityName,
        field: String,
    },
    Link {
        entity: EntityName,
        link: String,
    },
    /// A member of an event.
    Member {
        event: EntityName,
        member: String,
    },
    /// A member of what an operation gives.
    Result {
        system: String,
        operation: String,
        member: String,
    },
    Operation {
        system: String,
        operation: String,
    },
    Parameter {
        system: String,
        operation: String,
        parameter: String,
    },
    Message {
        system: String,
        message: String,
    },
    /// A member of the envelope of messages.
    Envelope {
        system: String,
        member: String,
    },
    FieldOption {
        entity: EntityName,
        field: String,
        option: String,
    },
    ParameterOption {
        system: String,
        operation: String,
        parameter: String,
        option: String,
    },
    Choice(String),
    Word {
        choice: String,
        word: String,
    },
    Table(String),
    Column {
        table: String,
        column: String,
    },
    Sync(String),
    Workflow(String),
    Step {
        workflow: String,
        step: String,
    },
    /// A name that a head or an action gives, by the place where it does.
    Variable {
        name: String,
        at: Span,
    },
    Transform(String),
    Lookup {
        system: String,
        lookup: String,
    },
}

impl Symbol {
    /// The name as rules write it, without backquotes.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::System(name)
            | Self::Choice(name)
            | Self::Table(name)
            | Self::Sync(name)
            | Self::Workflow(name)
            | Self::Transform(name)
            | Self::Variable { name, .. } => name,
            Self::Entity(name) | Self::Event(name) => &name.entity,
            Self::Field { field: name, .. }
            | Self::Link { link: name, .. }
            | Self::Member { member: name, .. }
            | Self::Result { member: name, .. }
            | Self::Operation { operation: name, .. }
            | Self::Parameter { parameter: name, .. }
            | Self::Message { message: name, .. }
            | Self::FieldOption { option: name, .. }
            | Self::ParameterOption { option: name, .. }
            | Self::Word { word: name, .. }
            | Self::Column { column: name, .. }
            | Self::Step { step: name, .. }
            | Self::Lookup { lookup: name, .. } => name,
            // Behind a dot stands the rest of it.
            Self::Envelope { member, .. } => member.rsplit('.').next().unwrap_or(member),
        }
    }
}

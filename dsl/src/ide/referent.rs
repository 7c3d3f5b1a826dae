//! What a variable or a path leads to, and what can be named behind it.

use super::candidate::{Candidate, CandidateKind};
use super::project::Project;
use super::symbol::Symbol;
use crate::schema::{EntityName, Field};

/// What a name leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Referent {
    /// A record.
    Record(EntityName),
    /// Something that happened.
    Event(EntityName),
    /// What an operation gives.
    Result { system: String, operation: String },
    /// Why a workflow failed.
    Failure,
    /// A value of this field, or of another kind.
    Value(Option<Wanted>),
    /// It is not known what.
    Unknown,
}

impl Referent {
    /// What a name of a system leads to: an event, if there is one, otherwise a record.
    pub(super) fn named(project: &Project, name: EntityName) -> Self {
        if project.event(&name).is_some() { Self::Event(name) } else { Self::Record(name) }
    }

    /// What it is a value of.
    pub(super) fn wanted(self) -> Option<Wanted> {
        if let Self::Value(wanted) = self { wanted } else { None }
    }
}

/// What takes a value: it says which words and options fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    Field(EntityName, String),
    Parameter { system: String, operation: String, parameter: String },
    Member { event: EntityName, member: String },
}

impl Wanted {
    /// What its lock says of it.
    pub(super) fn declared<'p>(&self, project: &'p Project) -> Option<&'p Field> {
        match self {
            Self::Field(entity, field) => project.field(entity, field),
            Self::Parameter { system, operation, parameter } => {
                project.systems.get(system)?.lock.operations.get(operation)?.params.get(parameter)
            }
            Self::Member { event, member } => project.event(event)?.get(member),
        }
    }
}

/// What can be named behind a thing.
pub(super) fn members(project: &Project, thing: &Referent) -> Vec<(Candidate, Referent)> {
    match thing {
        Referent::Record(entity) => {
            let Some(known) = project.entity(entity) else { return Vec::new() };
            let fields = known.fields.iter().map(|(name, field)| {
                let symbol = Symbol::Field { entity: entity.clone(), field: name.clone() };
                let candidate = Candidate::new(name, CandidateKind::Field, describe(field), symbol);
                (candidate, Referent::Value(Some(Wanted::Field(entity.clone(), name.clone()))))
            });
            let links = known.links.iter().map(|(name, link)| {
                let symbol = Symbol::Link { entity: entity.clone(), link: name.clone() };
                let to = EntityName::new(&entity.system, &link.to);
                let may = if link.optional { ", may be absent" } else { "" };
                (Candidate::new(name, CandidateKind::Link, format!("link to {to}{may}"), symbol), Referent::Record(to))
            });
            fields.chain(links).collect()
        }
        Referent::Event(event) => {
            let fields = project.event(event).into_iter().flatten();
            let member = |(name, field): (&String, &Field)| {
                let symbol = Symbol::Member { event: event.clone(), member: name.clone() };
                let wanted = Wanted::Member { event: event.clone(), member: name.clone() };
                (Candidate::new(name, CandidateKind::Field, describe(field), symbol), Referent::Value(Some(wanted)))
            };
            fields.map(member).collect()
        }
        Referent::Result { system, operation } => {
            let Some(known) = project.systems.get(system).and_then(|s| s.lock.operations.get(operation)) else {
                return Vec::new();
            };
            let member = |(name, field): (&String, &Field)| {
                let symbol =
                    Symbol::Result { system: system.clone(), operation: operation.clone(), member: name.clone() };
                (Candidate::new(name, CandidateKind::Field, describe(field), symbol), Referent::Value(None))
            };
            known.result.iter().map(member).collect()
        }
        // No lock describes `failure`: these are the two members that the checker gives it in `on failure`.
        Referent::Failure => ["step", "message"]
            .into_iter()
            .map(|name| (Candidate::word(name, CandidateKind::Field, "text"), Referent::Value(None)))
            .collect(),
        Referent::Value(_) | Referent::Unknown => Vec::new(),
    }
}

/// What a path behind a thing leads to.
pub(super) fn walk(project: &Project, thing: &Referent, names: &[String]) -> Referent {
    names.iter().fold(thing.clone(), |thing, name| {
        members(project, &thing)
            .into_iter()
            .find(|(candidate, _)| candidate.label == *name)
            .map_or(Referent::Unknown, |(_, thing)| thing)
    })
}

/// `text, may be empty`
pub(super) fn describe(field: &Field) -> String {
    let mut said = vec![field.ty.to_string()];
    for (is, word) in [
        (field.optional, "may be empty"),
        (field.unique, "unique"),
        (field.read_only, "read only"),
        (field.custom, "made by the account"),
    ] {
        if is {
            said.push(word.to_owned());
        }
    }
    said.join(", ")
}

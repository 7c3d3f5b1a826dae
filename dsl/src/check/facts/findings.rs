//! What checks leave: problems, parts of the program, and what passes over the whole set go by.
//!
//! In: what the check of one item found. Out: the same of all items together.
//! Always true: the findings of an item depend on that item and on what all items declare, and on nothing else; what
//! is told once of a whole rule set is told of every item that has it, and left out when findings are put together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::diagnostic::{Code, Problem};
use crate::program::test::Test;
use crate::program::{Door, Sync, Used, When, Workflow};
use crate::schema::EntityName;
use crate::source::Span;
use crate::value;

/// What checks leave: of one item, or of all so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Findings {
    pub(crate) problems: Vec<Problem>,
    pub(crate) syncs: BTreeMap<String, Arc<Sync>>,
    pub(crate) workflows: BTreeMap<String, Arc<Workflow>>,
    pub(crate) whens: Vec<Arc<When>>,
    pub(crate) doors: BTreeMap<String, Door>,
    pub(crate) tests: Vec<Test>,
    /// What two messages of a system that are one share, where the rules say so.
    pub(crate) dedupes: BTreeMap<String, Vec<String>>,
    pub(crate) used: BTreeMap<EntityName, Used>,
    pub(crate) writers: Vec<Writer>,
    /// Events that a workflow waits for, and where.
    pub(crate) waits: Vec<(EntityName, Span)>,
    /// What schedules may write, for E0801.
    pub(crate) loads: Vec<Load>,
    /// What sweeps ask of systems, for E0805.
    pub(crate) sweeps: Vec<Sweep>,
    /// Tables and workflows that something uses.
    pub(crate) mentioned: BTreeSet<String>,
    /// Systems of which nothing says what they have, though something of them is wanted.
    pub(crate) wanted: BTreeSet<String>,
    /// Names that are declared nowhere and like none that is: where each is told of, and in how many places more it
    /// stands.
    pub(crate) unresolved: BTreeMap<Unresolved, (Span, usize)>,
    /// Variables that are not there and were told of. What one item says of its own is nothing to others.
    pub(crate) unknown_variables: BTreeSet<String>,
    /// Syncs that were not understood well enough for passes over the whole set to say more about them.
    pub(crate) suppressed: BTreeSet<String>,
}

impl Findings {
    pub(crate) fn report(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Notes that a field is used.
    pub(crate) fn uses_field(&mut self, entity: &EntityName, name: &str) {
        if name != "id" {
            add(&mut self.used_of(entity).fields, name);
        }
    }

    /// Notes that a link is used.
    pub(crate) fn uses_link(&mut self, entity: &EntityName, name: &str) {
        add(&mut self.used_of(entity).links, name);
    }

    fn used_of(&mut self, entity: &EntityName) -> &mut Used {
        if !self.used.contains_key(entity) {
            self.used.insert(entity.clone(), Used::default());
        }
        self.used.get_mut(entity).expect("it is there now")
    }

    /// Was this name told of already? What is declared nowhere is one mistake, however often it is named.
    pub(crate) fn told_before(&mut self, name: Unresolved, span: Span) -> bool {
        if let Some((_, more)) = self.unresolved.get_mut(&name) {
            *more += 1;
            return true;
        }
        self.unresolved.insert(name, (span, 0));
        false
    }

    /// Adds what was found of the next item. Of a name that is declared nowhere, only the first place is told.
    pub(crate) fn add(&mut self, next: &Self) {
        let Self { problems, syncs, workflows, whens, doors, tests, dedupes, used, writers, .. } = next;
        let mut told: BTreeSet<(Span, Code)> = BTreeSet::new();
        for (name, (span, more)) in &next.unresolved {
            match self.unresolved.get_mut(name) {
                Some((_, all)) => {
                    *all += 1 + more;
                    told.insert((*span, name.code()));
                }
                None => {
                    self.unresolved.insert(name.clone(), (*span, *more));
                }
            }
        }
        self.problems.extend(problems.iter().filter(|one| !told.contains(&(one.span(), one.code))).cloned());
        self.syncs.extend(syncs.iter().map(|(name, sync)| (name.clone(), Arc::clone(sync))));
        self.workflows.extend(workflows.iter().map(|(name, workflow)| (name.clone(), Arc::clone(workflow))));
        self.whens.extend(whens.iter().cloned());
        self.doors.extend(doors.clone());
        self.tests.extend(tests.iter().cloned());
        self.dedupes.extend(dedupes.clone());
        for (entity, Used { fields, links }) in used {
            let all = self.used_of(entity);
            fields.iter().for_each(|field| add(&mut all.fields, field));
            links.iter().for_each(|link| add(&mut all.links, link));
        }
        self.writers.extend(writers.iter().cloned());
        self.waits.extend(next.waits.iter().cloned());
        self.loads.extend(next.loads.iter().cloned());
        self.sweeps.extend(next.sweeps.iter().cloned());
        next.mentioned.iter().for_each(|name| add(&mut self.mentioned, name));
        next.wanted.iter().for_each(|system| add(&mut self.wanted, system));
        self.suppressed.extend(next.suppressed.iter().cloned());
    }

    /// Says of names that are declared nowhere in how many places more they stand.
    pub(crate) fn count_unresolved(&mut self) {
        for (name, (span, more)) in std::mem::take(&mut self.unresolved) {
            let told = self.problems.iter_mut().find(|problem| problem.span() == span && problem.code == name.code());
            if let (Some(problem), 1..) = (told, more) {
                let places =
                    if more == 1 { "one other place names".to_owned() } else { format!("{more} other places name") };
                problem.help.push(format!("{places} it too"));
            }
        }
    }
}

/// Adds a name, and makes no copy of one that is there.
fn add(names: &mut BTreeSet<String>, name: &str) {
    if !names.contains(name) {
        names.insert(name.to_owned());
    }
}

/// A name that is declared nowhere.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Unresolved {
    /// A system.
    System(String),
    /// An operation, of the system that is called like this in messages, or of any.
    Operation(Option<String>, String),
    /// A sync, a workflow or something else that items name.
    Name(Named, String),
    /// A word or option where these are the options.
    Option(Vec<String>, String),
}

impl Unresolved {
    /// The code under which it is told.
    fn code(&self) -> Code {
        match self {
            Self::System(_) => Code::E0102,
            Self::Operation(..) => Code::E0104,
            Self::Name(..) => Code::E0106,
            Self::Option(..) => Code::E0108,
        }
    }
}

/// What a name is a name of, for E0106.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Named {
    Sync,
    Workflow,
    Table,
    Step,
    Column,
    Side,
    Variable,
}

impl Named {
    /// Is it an item, so that its declaration may be what is misspelt?
    pub(crate) fn is_item(self) -> bool {
        matches!(self, Self::Sync | Self::Workflow | Self::Table)
    }
}

impl std::fmt::Display for Named {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::Sync => "sync",
            Self::Workflow => "workflow",
            Self::Table => "table",
            Self::Step => "step",
            Self::Column => "column",
            Self::Side => "side",
            Self::Variable => "variable",
        })
    }
}

/// A place that writes a field, for E0401.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    pub(crate) entity: EntityName,
    pub(crate) field: String,
    pub(crate) span: Span,
    pub(crate) by: By,
}

/// Who writes a field.
#[derive(Debug, Clone)]
pub(crate) enum By {
    /// A sync, which keeps it as its source says.
    Sync {
        /// Its name.
        name: String,
        /// What its line says of the other side's edits, for the message.
        wins: String,
        /// For a key that the engine fills in: the entity whose id it holds.
        fills: Option<EntityName>,
    },
    /// A `when`; its head as it is written.
    When(String),
    /// A workflow; its head as it is written.
    Workflow(String),
}

impl By {
    pub(crate) fn is_sync(&self) -> bool {
        matches!(self, Self::Sync { .. })
    }
}

impl std::fmt::Display for By {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sync { name, .. } => write!(out, "sync {name}"),
            Self::When(head) | Self::Workflow(head) => out.write_str(head),
        }
    }
}

/// What the sweeps of a sync ask of one of its systems.
#[derive(Debug, Clone)]
pub(crate) struct Sweep {
    pub(crate) sync: String,
    pub(crate) system: String,
    pub(crate) every: value::Duration,
    pub(crate) span: Span,
}

/// What a schedule may write to a system.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    pub(crate) sync: String,
    /// The system that is written.
    pub(crate) target: String,
    pub(crate) source: EntityName,
    pub(crate) every: value::Duration,
    /// Records that one run may write.
    pub(crate) each: u64,
    /// `each` is the lock's `records`, not the batch.
    pub(crate) counted: bool,
    pub(crate) span: Span,
}

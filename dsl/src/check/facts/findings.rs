//! What the check of an item leaves.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::diagnostic::Problem;
use crate::program::{Door, Sync, Used, When, Workflow};
use crate::schema::EntityName;
use crate::source::Span;
use crate::value;

/// What checks leave: of one item, or of all so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Found {
    pub(crate) problems: Vec<Problem>,
    pub(crate) syncs: BTreeMap<String, Arc<Sync>>,
    pub(crate) workflows: BTreeMap<String, Arc<Workflow>>,
    pub(crate) whens: Vec<Arc<When>>,
    pub(crate) doors: BTreeMap<String, Door>,
    /// What two messages of a system that are one share, where the rules say so.
    pub(crate) dedupes: BTreeMap<String, Vec<String>>,
    pub(crate) used: BTreeMap<EntityName, Used>,
    pub(crate) writers: Vec<Writer>,
    /// Events that a workflow waits for, and where.
    pub(crate) waits: Vec<(EntityName, Span)>,
    /// What schedules may write, for E0801.
    pub(crate) loads: Vec<Load>,
    /// Tables and workflows that something uses.
    pub(crate) mentioned: BTreeSet<String>,
}

impl Found {
    /// Adds what was found of the next item.
    pub(crate) fn add(&mut self, next: Self) {
        let Self { problems, syncs, workflows, whens, doors, dedupes, used, writers, waits, loads, mentioned } = next;
        self.problems.extend(problems);
        self.syncs.extend(syncs);
        self.workflows.extend(workflows);
        self.whens.extend(whens);
        self.doors.extend(doors);
        self.dedupes.extend(dedupes);
        for (entity, Used { fields, links }) in used {
            let all = self.used.entry(entity).or_default();
            all.fields.extend(fields);
            all.links.extend(links);
        }
        self.writers.extend(writers);
        self.waits.extend(waits);
        self.loads.extend(loads);
        self.mentioned.extend(mentioned);
    }
}

/// Who writes a field, for E0401.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    pub(crate) entity: EntityName,
    pub(crate) field: String,
    pub(crate) span: Span,
    pub(crate) by: String,
    /// A sync (true) or an action.
    pub(crate) sync: bool,
    /// For a sync: what its line says of the other side's edits, for the message.
    pub(crate) wins: String,
    /// For a key that the engine fills in: the entity whose id it holds.
    pub(crate) fills: Option<EntityName>,
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

impl Load {
    /// How many records in a window.
    pub(crate) fn within(&self, every: value::Duration, window: value::Duration) -> u64 {
        runs(every, window).saturating_mul(self.each)
    }
}

/// How often in a window.
pub(crate) fn runs(every: value::Duration, window: value::Duration) -> u64 {
    u64::try_from((window.0 / every.0.max(1)).max(1)).unwrap_or(1)
}

/// Notes that a field or link is used.
pub(crate) fn note(used: &mut BTreeMap<EntityName, Used>, entity: &EntityName, name: &str, link: bool) {
    if name == "id" {
        return;
    }
    let entry = used.entry(entity.clone()).or_default();
    if link {
        entry.links.insert(name.to_owned());
    } else {
        entry.fields.insert(name.to_owned());
    }
}

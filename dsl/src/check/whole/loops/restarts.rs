//! Workflows that start themselves, or each other, and so never come to an end.
//!
//! Trusted as a stop: an `if` around the `start`, the exits of a wait, `on failure`, `undo`, and a `cancel when` of any
//! workflow on the way. What is left starts again whenever it is started, however long it waits between.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::ast::{ActionKind, Item, ItemKind, Workflow, WorkflowStatement};
use crate::check::whole::WholeSet;
use crate::diagnostic::{Code, Problem};
use crate::source::{FileId, Span};

/// Every workflow by name: what it always starts, and where that stands.
type Starts<'i> = BTreeMap<&'i str, Vec<(&'i str, Span)>>;

impl WholeSet<'_> {
    /// E0403 for a way of starts that comes back to where it began. Each is told once, by its shortest way.
    pub(crate) fn restarts(&mut self, items: &[(FileId, Arc<Item>)]) {
        let mut starts: Starts<'_> = BTreeMap::new();
        for (_, item) in items {
            if let ItemKind::Workflow(workflow) = &item.kind
                && workflow.cancel.is_empty()
            {
                starts.entry(&workflow.name.value).or_insert_with(|| always_starts(workflow));
            }
        }
        let mut told: BTreeSet<Vec<Span>> = BTreeSet::new();
        for name in starts.keys() {
            let Some(path) = way_back(&starts, name) else { continue };
            let mut spans = path.clone();
            spans.sort();
            if !told.insert(spans) {
                continue;
            }
            let message = match path.len() {
                1 => "this workflow starts itself again for ever",
                2 => "these two workflows start each other for ever",
                _ => "these workflows start each other for ever",
            };
            let label = if path.len() == 1 { "whenever it is run" } else { "1. this starts the next …" };
            let Some((first, rest)) = path.split_first() else { continue };
            let mut problem = Problem::new(Code::E0403, message, *first, label);
            for (index, span) in rest.iter().enumerate() {
                let last =
                    if index + 1 == rest.len() { "and that the first again" } else { "which starts the next …" };
                problem = problem.label(*span, format!("{}. … {last}", index + 2));
            }
            self.report(
                problem.help("say when it ends: `cancel when …` in the workflow, or an `if` around the `start`"),
            );
        }
    }
}

/// What a run of this workflow starts, if it comes to its end.
fn always_starts(workflow: &Workflow) -> Vec<(&str, Span)> {
    let actions = workflow.body.iter().flat_map(|statement| match statement {
        WorkflowStatement::Step(step) => step.actions.as_slice(),
        WorkflowStatement::Action(action) => std::slice::from_ref(action),
        WorkflowStatement::Wait(_) | WorkflowStatement::WaitUntil(..) | WorkflowStatement::WaitFor(_) => &[],
    });
    let started = actions.filter_map(|action| match &action.kind {
        ActionKind::Start { workflow, .. } => Some((workflow.value.as_str(), action.span)),
        _ => None,
    });
    started.collect()
}

/// The shortest way from a workflow back to it.
fn way_back(starts: &Starts<'_>, from: &str) -> Option<Vec<Span>> {
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    let mut ways: Vec<(&str, Vec<Span>)> = vec![(from, Vec::new())];
    while !ways.is_empty() {
        let mut longer = Vec::new();
        for (at, way) in ways {
            for (next, span) in starts.get(at).into_iter().flatten() {
                let mut way = way.clone();
                way.push(*span);
                if *next == from {
                    return Some(way);
                }
                if seen.insert(next) {
                    longer.push((*next, way));
                }
            }
        }
        ways = longer;
    }
    None
}

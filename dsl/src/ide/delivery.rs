//! How often what a rule does takes effect, if the engine stops in the middle of it.
//!
//! A rule has the weakest label of its parts.

use super::project::Project;
use crate::ast::{Action, ActionKind, Block, Qualified, Step, Sync, Undo, When, Workflow, WorkflowStatement};
use crate::schema::{Delivery, EntityName};

/// How often something of this class takes effect.
pub(super) fn label(delivery: Delivery) -> &'static str {
    match delivery {
        Delivery::ByNature => "at least once",
        Delivery::ByKey => "once by key",
        Delivery::ByCheck => "once by check",
        Delivery::None => "may repeat",
    }
}

/// The label as a line of its own.
pub(super) fn explained(delivery: Delivery) -> String {
    format!("delivery: {}", because(delivery))
}

/// The label and why.
pub(super) fn because(delivery: Delivery) -> String {
    let why = match delivery {
        Delivery::ByNature => "repeating it changes nothing",
        Delivery::ByKey => "the receiver knows its key, or we hold the claim",
        Delivery::ByCheck => "after a crash it is looked for first; where nothing says how, by a person",
        Delivery::None => "after a crash it may happen twice",
    };
    format!("**{}** ({why})", label(delivery))
}

/// Of an action; none for what does nothing outside.
pub(super) fn of_action(project: &Project, action: &Action) -> Option<Delivery> {
    let operation = |system: &str, name: &str| {
        project.systems.get(system)?.lock.operations.get(name).map(|operation| operation.delivery)
    };
    let offered = |name: &str| match project.offering(name).as_slice() {
        [system] => operation(system, name),
        _ => None,
    };
    match &action.kind {
        ActionKind::Create { key: Some(_), .. } | ActionKind::Start { .. } => Some(Delivery::ByKey),
        ActionKind::Create { key: None, .. } => Some(Delivery::ByCheck),
        ActionKind::Update { .. } | ActionKind::Set { .. } | ActionKind::Delete { .. } | ActionKind::RunSync(_) => {
            Some(Delivery::ByNature)
        }
        ActionKind::Call { operation: name, .. } => operation(&name.system.value, &name.name.value),
        ActionKind::Send { system: Some(system), operation: name, .. } => operation(&system.value, &name.value),
        ActionKind::Send { operation: name, .. } => offered(&name.value),
        ActionKind::Notify { .. } => offered("notify"),
        ActionKind::If { then, otherwise, .. } => {
            of_blocks(project, [Some(then), otherwise.as_ref()].into_iter().flatten())
        }
        ActionKind::UndoCompleted | ActionKind::Nothing => None,
    }
}

fn of_actions(project: &Project, actions: &[Action]) -> Option<Delivery> {
    actions.iter().filter_map(|action| of_action(project, action)).max()
}

fn of_blocks<'b>(project: &Project, blocks: impl Iterator<Item = &'b Block>) -> Option<Delivery> {
    blocks.filter_map(|block| of_actions(project, &block.actions)).max()
}

pub(super) fn of_step(project: &Project, step: &Step) -> Option<Delivery> {
    let undo = match &step.undo {
        Some(Undo::Block(block)) => of_actions(project, &block.actions),
        _ => None,
    };
    of_actions(project, &step.actions).max(undo)
}

pub(super) fn of_when(project: &Project, when: &When) -> Option<Delivery> {
    let branches = of_blocks(project, when.always.iter().chain(when.branches.iter().map(|branch| &branch.block)));
    of_actions(project, &when.actions).max(branches)
}

pub(super) fn of_workflow(project: &Project, workflow: &Workflow) -> Option<Delivery> {
    let body = workflow.body.iter().filter_map(|statement| match statement {
        WorkflowStatement::Step(step) => of_step(project, step),
        WorkflowStatement::WaitFor(wait) => of_blocks(project, wait.happened.iter().chain(&wait.timed_out)),
        WorkflowStatement::Action(action) => of_action(project, action),
        WorkflowStatement::Wait(_) | WorkflowStatement::WaitUntil(..) => None,
    });
    body.max().max(of_blocks(project, workflow.on_failure.iter()))
}

/// Of what a sync makes; none where it makes nothing.
pub(super) fn of_creates(project: &Project, sync: &Sync) -> Option<Delivery> {
    let create = sync.create.as_ref()?;
    let made = |side: &Qualified, key: fn(&crate::ast::MatchKey) -> &crate::ast::Name| {
        if create.value != "both" && create.value != side.system.value {
            return None;
        }
        let entity = project.entity(&EntityName::new(&side.system.value, &side.name.value))?;
        let unique = |name: &str| entity.fields.get(name).is_some_and(|field| field.unique && !field.read_only);
        let keyed = unique("engine_link_id") || sync.keys.iter().any(|pair| unique(&key(pair).value));
        Some(if keyed { Delivery::ByKey } else { Delivery::ByCheck })
    };
    made(&sync.left, |pair| &pair.left).max(made(&sync.right, |pair| &pair.right))
}

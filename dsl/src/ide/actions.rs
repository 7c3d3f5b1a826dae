//! Every action of an item, those inside of other actions included.

use crate::ast::{Action, ActionKind, Block, Item, ItemKind, Undo, WorkflowStatement};

/// The actions of a `when` or `workflow`, in the order in which they are written; none of other items.
pub(super) fn actions(item: &Item) -> Vec<&Action> {
    let mut found = Vec::new();
    match &item.kind {
        ItemKind::When(when) => {
            see_blocks(when.always.iter().chain(when.branches.iter().map(|branch| &branch.block)), &mut found);
            see(&when.actions, &mut found);
        }
        ItemKind::Workflow(workflow) => {
            for statement in &workflow.body {
                match statement {
                    WorkflowStatement::Step(step) => {
                        see(&step.actions, &mut found);
                        if let Some(Undo::Block(block)) = &step.undo {
                            see(&block.actions, &mut found);
                        }
                    }
                    WorkflowStatement::WaitFor(wait) => {
                        see_blocks(wait.happened.iter().chain(&wait.timed_out), &mut found);
                    }
                    WorkflowStatement::Action(action) => see(std::slice::from_ref(action), &mut found),
                    WorkflowStatement::Wait(_) | WorkflowStatement::WaitUntil(..) => {}
                }
            }
            see_blocks(workflow.on_failure.iter(), &mut found);
        }
        _ => {}
    }
    found.sort_by_key(|action| action.span.start);
    found
}

fn see_blocks<'a>(blocks: impl Iterator<Item = &'a Block>, found: &mut Vec<&'a Action>) {
    blocks.for_each(|block| see(&block.actions, found));
}

fn see<'a>(actions: &'a [Action], found: &mut Vec<&'a Action>) {
    for action in actions {
        found.push(action);
        if let ActionKind::If { then, otherwise, .. } = &action.kind {
            see(&then.actions, found);
            otherwise.iter().for_each(|block| see(&block.actions, found));
        }
    }
}

//! Steps that leave something behind and can be undone.

use super::world::{World, entity_name};
use crate::ast::{self, ActionKind, WorkflowStatement};
use crate::diagnostic::Problem;

impl World<'_> {
    /// E0604: a step that leaves something behind before a later one can fail.
    pub(super) fn undoable(&mut self, workflow: &ast::Workflow, on_failure: &ast::Block) {
        let Some(undo) = undoing(&on_failure.actions) else { return };
        let steps: Vec<&ast::Step> = workflow
            .body
            .iter()
            .filter_map(|statement| match statement {
                WorkflowStatement::Step(step) => Some(step),
                _ => None,
            })
            .collect();
        for (index, step) in steps.iter().enumerate() {
            let Some(later) = steps.get(index + 1) else { continue };
            if step.undo.is_some() {
                continue;
            }
            let Some((what, remedy)) = step.actions.iter().find_map(|action| self.left_behind(action)) else {
                continue;
            };
            let thing = step.name.value.replace('_', " ");
            let problem = Problem::new(
                "E0604",
                format!("`undo completed steps` cannot undo step `{}`", step.name.value),
                step.head,
                format!("{what} but has no undo"),
            )
            .label(undo.head, format!("runs after a failure in `{}`", later.name.value))
            .help(format!("add `undo {{ {remedy} }}`, or `undo nothing because \"…\"` if the {thing} should stay"));
            self.tell(problem);
        }
    }

    /// What an action leaves behind, and what takes it back. A notice to colleagues leaves nothing.
    fn left_behind(&self, action: &ast::Action) -> Option<(String, String)> {
        let other = || "…".to_owned();
        match &action.kind {
            ActionKind::Create { entity, key, .. } => {
                let key = key.as_ref().map(|(field, value)| format!("{} = {}", field.value, self.text(value.span)));
                let condition = key.map_or_else(String::new, |key| format!(" where {key}"));
                Some(("creates a record".to_owned(), format!("delete {}{condition}", entity_name(entity))))
            }
            ActionKind::Update { .. } | ActionKind::Set { .. } => Some(("changes a record".to_owned(), other())),
            ActionKind::Delete { .. } => Some(("deletes a record".to_owned(), other())),
            ActionKind::Call { operation, .. } => Some((format!("calls {}", entity_name(operation)), other())),
            ActionKind::Send { operation, .. } => Some((format!("sends the {}", operation.value), other())),
            ActionKind::If { then, otherwise, .. } => {
                let inner = then.actions.iter().chain(otherwise.iter().flat_map(|block| &block.actions));
                inner.into_iter().find_map(|action| self.left_behind(action))
            }
            ActionKind::Start { .. }
            | ActionKind::Notify { .. }
            | ActionKind::RunSync(_)
            | ActionKind::UndoCompleted
            | ActionKind::Nothing => None,
        }
    }
}

/// The `undo completed steps` of a block, in an `if` too.
fn undoing(actions: &[ast::Action]) -> Option<&ast::Action> {
    actions.iter().find_map(|action| match &action.kind {
        ActionKind::UndoCompleted => Some(action),
        ActionKind::If { then, otherwise, .. } => {
            undoing(&then.actions).or_else(|| otherwise.as_ref().and_then(|block| undoing(&block.actions)))
        }
        _ => None,
    })
}

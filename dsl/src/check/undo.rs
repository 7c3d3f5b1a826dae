//! Steps that leave something behind and can be undone.

use super::world::{World, entity_name};
use crate::ast::{self, WorkflowStatement};
use crate::diagnostic::Problem;

impl World<'_> {
    /// E0604: a step that leaves something behind before a later one can fail.
    pub(super) fn undoable(&mut self, workflow: &ast::Workflow, on_failure: &ast::Block) {
        let Some(undo) = on_failure.actions.iter().find(|a| matches!(a.kind, ast::ActionKind::UndoCompleted)) else {
            return;
        };
        let steps: Vec<(usize, &ast::Step)> = workflow
            .body
            .iter()
            .enumerate()
            .filter_map(|(index, s)| match s {
                WorkflowStatement::Step(step) => Some((index, step)),
                _ => None,
            })
            .collect();
        for (position, step) in &steps {
            let made = step.actions.iter().find_map(|a| match &a.kind {
                ast::ActionKind::Create { entity, key, .. } => Some(("creates a record", entity, key)),
                _ => None,
            });
            let Some((what, entity, key)) = made else { continue };
            if step.undo.is_some() {
                continue;
            }
            let Some((_, later)) = steps.iter().find(|(index, _)| index > position) else { continue };
            let mut problem = Problem::new(
                "E0604",
                format!("`undo completed steps` cannot undo step `{}`", step.name.value),
                step.head,
                format!("{what} but has no undo"),
            )
            .label(undo.span, format!("runs after a failure in `{}`", later.name.value));
            let condition =
                key.as_ref().map(|(field, value)| format!(" where {} = {}", field.value, self.text(value.span)));
            let entity = entity_name(entity);
            let thing = step.name.value.replace('_', " ");
            problem = problem.help(format!(
                "add `undo {{ delete {entity}{} }}`, or `undo nothing because \"…\"` if the {thing} should stay",
                condition.unwrap_or_default()
            ));
            self.tell(problem);
        }
    }
}

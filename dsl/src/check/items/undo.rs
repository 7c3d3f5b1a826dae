//! Steps that leave something behind and can be undone.

use crate::ast::{self, ActionKind, WorkflowStatement};
use crate::check::facts::checker::Checker;
use crate::check::facts::declared::entity_name;
use crate::diagnostic::{Code, Problem};

impl Checker<'_> {
    /// E0604: a step that leaves something behind before something later can fail: another step, an action, or what an
    /// exit of a wait does.
    pub(crate) fn undoable(&mut self, workflow: &ast::Workflow, on_failure: &ast::Block) {
        let Some(undo) = undoing(&on_failure.actions) else { return };
        for (index, statement) in workflow.body.iter().enumerate() {
            let WorkflowStatement::Step(step) = statement else { continue };
            let Some(later) = workflow.body[index + 1..].iter().find_map(acting) else { continue };
            if step.undo.is_some() {
                continue;
            }
            let Some((what, remedy)) = step.actions.iter().find_map(|action| self.left_behind(action)) else {
                continue;
            };
            let thing = step.name.value.replace('_', " ");
            let problem = Problem::new(
                Code::E0604,
                format!("`undo completed steps` cannot undo step `{}`", step.name.value),
                step.head,
                format!("{what} but has no undo"),
            )
            .label(undo.head, format!("runs after a failure {later}"))
            .help(format!("add `undo {{ {remedy} }}`, or `undo nothing because \"…\"` if the {thing} should stay"));
            self.report(problem);
        }
    }

    /// What an action leaves behind, and what takes it back. A notice to colleagues leaves nothing.
    fn left_behind(&self, action: &ast::Action) -> Option<(String, String)> {
        let other = || "…".to_owned();
        match &action.kind {
            ActionKind::Create { entity, key, .. } => {
                let key =
                    key.as_ref().map(|(field, value)| format!("{} = {}", field.value, self.declared.text(value.span)));
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

/// Where a statement can fail, in words, if it does anything at all.
fn acting(statement: &WorkflowStatement) -> Option<String> {
    match statement {
        WorkflowStatement::Step(step) => step.actions.iter().any(acts).then(|| format!("in `{}`", step.name.value)),
        WorkflowStatement::WaitFor(wait) => {
            let exits = [&wait.happened, &wait.timed_out].into_iter().flatten();
            exits.flat_map(|block| &block.actions).any(acts).then(|| "behind the wait".to_owned())
        }
        WorkflowStatement::Action(action) => acts(action).then(|| "of what follows".to_owned()),
        WorkflowStatement::Wait(_) | WorkflowStatement::WaitUntil(..) => None,
    }
}

/// Does an action do anything?
fn acts(action: &ast::Action) -> bool {
    match &action.kind {
        ActionKind::Nothing => false,
        ActionKind::If { then, otherwise, .. } => {
            then.actions.iter().chain(otherwise.iter().flat_map(|block| &block.actions)).any(acts)
        }
        _ => true,
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

//! What nothing uses.

use std::sync::Arc;

use crate::ast::{self, Item, ItemKind};
use crate::check::whole::WholeSet;
use crate::diagnostic::{Code, Problem, Severity};
use crate::schema::EntityName;
use crate::source::FileId;
use crate::tokens::{Kind, tokens};

impl WholeSet<'_> {
    /// W0110. Says nothing while something cannot be read: what is unused may only be unread.
    pub(crate) fn lints(&mut self, items: &[(FileId, Arc<Item>)]) {
        if self.declared.incomplete {
            return;
        }
        let failed = self.found.problems.iter().chain(&self.problems).any(|one| one.severity() == Severity::Error);
        for (_, item) in items {
            // What uses it may be what could not be checked.
            match &item.kind {
                ItemKind::Choice(choice) if !failed && !self.choice_is_used(choice) => {
                    let help = "name the fields behind `for`, or remove it";
                    self.unused("choice", &choice.name, "no rule reads or writes a field of it", help);
                }
                ItemKind::Table(table) if !self.may_be_used(&table.name, failed) => {
                    let help = "look something up in it, or remove it";
                    self.unused("table", &table.name, "no rule looks anything up in it", help);
                }
                ItemKind::Workflow(workflow) if !self.may_be_used(&workflow.name, failed) => {
                    let help = "start it from a `when` or a route, or remove it";
                    self.unused("workflow", &workflow.name, "no rule and no message starts it", help);
                }
                _ => {}
            }
        }
    }

    fn unused(&mut self, what: &str, name: &ast::Name, label: &str, help: &str) {
        let message = format!("nothing uses the {what} {}", name.value);
        self.report(Problem::new(Code::W0110, message, name.span, label).help(help));
    }

    fn may_be_used(&self, name: &ast::Name, failed: bool) -> bool {
        self.found.mentioned.contains(&name.value) || failed && self.is_written_elsewhere(name)
    }

    /// Does the name stand in the rules in another place than its declaration? Tests use nothing.
    fn is_written_elsewhere(&self, name: &ast::Name) -> bool {
        self.declared.files.iter().filter(|file| !file.holds_tests() && file.text.contains(&name.value)).any(|file| {
            tokens(&file.text).into_iter().any(|token| {
                let here = file.id == name.span.file && token.start as u32 == name.span.start;
                let first = file.text[token.start..token.end].split('.').next();
                token.kind == Kind::Name && !here && first == Some(name.value.as_str())
            })
        })
    }

    fn choice_is_used(&self, choice: &ast::Choice) -> bool {
        choice.fields.iter().any(|path| match path.names.as_slice() {
            [system, entity, field] => self
                .found
                .used
                .get(&EntityName::new(&system.value, &entity.value))
                .is_some_and(|used| used.fields.contains(&field.value)),
            _ => true,
        })
    }
}

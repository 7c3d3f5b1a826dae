//! What nothing uses.

use std::sync::Arc;

use crate::ast::{Item, ItemKind};
use crate::check::facts::world::World;
use crate::diagnostic::{Code, Problem, Severity};
use crate::schema::EntityName;
use crate::source::FileId;
use crate::tokens::{Kind, tokens};

impl World<'_> {
    /// W0110. Says nothing while something cannot be read: what is unused may only be unread.
    pub(crate) fn lints(&mut self, items: &[(FileId, Arc<Item>)]) {
        if self.broken {
            return;
        }
        let failed = self.found.problems.iter().any(|problem| problem.severity() == Severity::Error);
        for (_, item) in items {
            let (what, name, used) = match &item.kind {
                ItemKind::Choice(choice) => ("choice", &choice.name, self.choice_is_used(choice)),
                ItemKind::Table(table) => ("table", &table.name, self.found.mentioned.contains(&table.name.value)),
                ItemKind::Workflow(w) => ("workflow", &w.name, self.found.mentioned.contains(&w.name.value)),
                _ => continue,
            };
            // What uses it may be what could not be checked.
            if used || failed && (what == "choice" || self.is_written_elsewhere(name)) {
                continue;
            }
            let (label, help) = match what {
                "choice" => ("no rule reads or writes a field of it", "name the fields behind `for`, or remove it"),
                "table" => ("no rule looks anything up in it", "look something up in it, or remove it"),
                _ => ("no rule and no message starts it", "start it from a `when` or a route, or remove it"),
            };
            let problem =
                Problem::new(Code::W0110, format!("nothing uses the {what} {}", name.value), name.span, label);
            self.tell(problem.help(help));
        }
    }

    /// Does the name stand in the rules in another place than its declaration? Tests use nothing.
    fn is_written_elsewhere(&self, name: &crate::ast::Name) -> bool {
        self.files.iter().filter(|file| !file.holds_tests() && file.text.contains(&name.value)).any(|file| {
            tokens(&file.text).into_iter().any(|token| {
                let here = file.id == name.span.file && token.start as u32 == name.span.start;
                let first = file.text[token.start..token.end].split('.').next();
                token.kind == Kind::Name && !here && first == Some(name.value.as_str())
            })
        })
    }

    fn choice_is_used(&self, choice: &crate::ast::Choice) -> bool {
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

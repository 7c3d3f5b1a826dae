//! Operations of locks: `call`, `send`, `notify`.

use super::expr::{Expected, Kind, Names, Var};
use super::world::World;
use crate::ast;
use crate::diagnostic::Problem;
use crate::program::{ActionKind, Assign, Expr, Outcome};
use crate::schema::{Delivery, Operation};
use crate::source::Span;

impl World<'_> {
    pub(super) fn call(
        &mut self,
        names: &mut Names,
        action: &ast::Action,
        operation: &ast::Qualified,
        named: Option<&ast::Name>,
        record: &ast::Record,
        accept: bool,
    ) -> Option<ActionKind> {
        let found = self.operation(Some(&operation.system), &operation.name);
        if let Some(name) = named {
            let kind = found.as_ref().map_or(Kind::Any, |(_, _, op)| Kind::Members(op.result.clone()));
            names.vars.insert(name.value.clone(), Var { kind, missing: None });
        }
        let (system, name, op) = found?;
        let params = self.params(names, record, &system, &name, &op, action.head, &[]);
        self.repeats(action, &op, &system, &name, accept);
        Some(ActionKind::Call {
            system,
            operation: name,
            variable: named.map(|n| n.value.clone()),
            params,
            delivery: op.delivery,
        })
    }

    pub(super) fn about(
        &mut self,
        names: &Names,
        about: Option<&ast::Path>,
        place: &crate::program::Place,
    ) -> Option<Assign> {
        let about = about?;
        let typed = self.path(names, about, &Expected::default());
        // A whole record is handed on: everything that rules use of it.
        match typed.expr {
            Expr::Record { .. } => Some(Assign {
                name: "about".to_owned(),
                link: None,
                value: typed.expr,
                on_empty: Outcome::Clear,
                place: place.clone(),
            }),
            _ => None,
        }
    }

    /// The operation that a name means, with the system that offers it.
    pub(super) fn operation(
        &mut self,
        system: Option<&ast::Name>,
        name: &ast::Name,
    ) -> Option<(String, String, Operation)> {
        if let Some(system) = system {
            if !self.has_system(system) {
                return None;
            }
            let lock = &self.systems[&system.value].lock;
            if let Some(op) = lock.operations.get(&name.value) {
                return Some((system.value.clone(), name.value.clone(), op.clone()));
            }
            let known: Vec<String> = lock.operations.keys().cloned().collect();
            self.no_operation(&lock.product.clone(), name, &known);
            return None;
        }
        let found: Vec<(String, Operation)> = self
            .systems
            .iter()
            .filter_map(|(system, s)| Some((system.clone(), s.lock.operations.get(&name.value)?.clone())))
            .collect();
        match found.as_slice() {
            [(system, op)] => Some((system.clone(), name.value.clone(), op.clone())),
            [] => {
                let known: Vec<String> =
                    self.systems.values().flat_map(|s| s.lock.operations.keys().cloned()).collect();
                self.no_operation("no system", name, &known);
                None
            }
            several => {
                let names: Vec<String> = several.iter().map(|(s, _)| format!("`{s}.{}`", name.value)).collect();
                let problem = Problem::new(
                    "E0107",
                    format!("several systems offer `{}`", name.value),
                    name.span,
                    "which one is meant?",
                );
                self.tell(problem.help(format!("write {}", names.join(" or "))));
                None
            }
        }
    }

    pub(super) fn no_operation(&mut self, who: &str, name: &ast::Name, known: &[String]) {
        let near = crate::near::nearest(&name.value, known.iter().map(String::as_str)).map(str::to_owned);
        let message = if who == "no system" {
            format!("no system offers `{}`", name.value)
        } else {
            format!("{who} has no operation `{}`", name.value)
        };
        let problem = Problem::new("E0104", message, name.span, "not an operation");
        let problem = match near {
            Some(near) => super::names::suggest(problem, Some(near), name.span),
            None => problem.help(format!("there are: {}", known.join(", "))),
        };
        self.tell(problem);
    }

    pub(super) fn template(&mut self, system: &str, name: &str, op: &Operation, template: &ast::Name) {
        if let Some(param) = op.params.get("template")
            && !param.options.is_empty()
            && !param.options.contains(&template.value)
        {
            self.no_option(&format!("{system}.{name}"), &template.value, template.span, &param.options.clone());
        }
    }

    /// E0505.
    pub(super) fn repeats(&mut self, action: &ast::Action, op: &Operation, system: &str, name: &str, accept: bool) {
        if op.delivery == Delivery::None && !accept {
            let problem = Problem::new(
                "E0505",
                "this may happen twice, and nothing accepts that",
                action.head,
                format!("{system}.{name} knows no key: after a crash it may be sent again"),
            );
            let at = Span { start: action.span.end, ..action.span };
            self.tell(
                problem.help("end the line with `accept duplicates`, or use an operation that honours a key").fix(
                    "accept duplicates",
                    false,
                    vec![(at, " accept duplicates".to_owned())],
                ),
            );
        }
    }
}

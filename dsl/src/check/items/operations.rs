//! Operations of locks: `call`, `send`, `notify`.

use crate::ast;
use crate::check::facts::checker::Checker;
use crate::check::facts::findings::Unresolved;
use crate::check::facts::phrases::{self, suggest};
use crate::check::facts::typed::{Expected, Kind, Names, Var};
use crate::check::facts::types::describe;
use crate::check::items::needs::takes;
use crate::check::items::record::constant;
use crate::diagnostic::{Code, Problem};
use crate::program::{ActionKind, Assign, Expr, Outcome, Place};
use crate::schema::{Delivery, Operation};
use crate::source::Span;

impl Checker<'_> {
    pub(crate) fn call(
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
            self.taken(names, name);
            let kind = found.as_ref().map_or(Kind::Any, |(_, _, op)| Kind::Members(op.result.clone()));
            names.vars.insert(name.value.clone(), Var::new(kind));
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

    /// `send W "t" to x about y { … } else …`
    pub(crate) fn send(&mut self, names: &Names, action: &ast::Action, accept: bool) -> Option<ActionKind> {
        let ast::ActionKind::Send { system, operation, template, to, about, record, on_empty } = &action.kind else {
            return None;
        };
        let (system, name, op) = self.operation(system.as_ref(), operation)?;
        let full = format!("{system}.{name}");
        let mut given = vec!["template", "to"];
        given.extend(about.as_ref().map(|_| "about"));
        if !self.takes_all(&full, &op, &given, operation.span) {
            return None;
        }
        let place = self.declared.place(action.span);
        self.template(&full, &op, template);
        let mut params = vec![constant("template", &template.value, place.clone())];
        params.push(self.param(names, &full, &op, "to", to, on_empty.as_ref(), &place));
        params.extend(self.about(names, about.as_ref(), &place));
        params.extend(self.params(names, record, &system, &name, &op, action.head, &given));
        self.repeats(action, &op, &system, &name, accept);
        Some(ActionKind::Call { system, operation: name, variable: None, params, delivery: op.delivery })
    }

    /// `notify role "…" about y "…"`
    pub(crate) fn notify(&mut self, names: &Names, action: &ast::Action, accept: bool) -> Option<ActionKind> {
        let ast::ActionKind::Notify { role, to, about, text } = &action.kind else { return None };
        let word = Span { end: action.span.start + "notify".len() as u32, ..action.span };
        let (system, name, op) = self.operation(None, &ast::Name::new("notify".to_owned(), word))?;
        let full = format!("{system}.{name}");
        let receiver = if *role { "role" } else { "person" };
        let mut given = vec![receiver, "text"];
        given.extend(about.as_ref().map(|_| "about"));
        if !self.takes_all(&full, &op, &given, word) {
            return None;
        }
        let place = self.declared.place(action.span);
        let mut params = vec![self.param(names, &full, &op, receiver, to, None, &place)];
        params.extend(self.about(names, about.as_ref(), &place));
        params.push(self.param(names, &full, &op, "text", text, None, &place));
        // A notice gives no record: what its operation needs besides is told of as missing.
        let record = ast::Record { lines: Vec::new(), unread: Vec::new(), span: action.head };
        params.extend(self.params(names, &record, &system, &name, &op, action.head, &given));
        self.repeats(action, &op, &system, &name, accept);
        Some(ActionKind::Call { system, operation: name, variable: None, params, delivery: op.delivery })
    }

    /// E0101: parameters that a sentence gives, but the operation does not take.
    fn takes_all(&mut self, full: &str, op: &Operation, given: &[&str], span: Span) -> bool {
        let lacking: Vec<String> =
            given.iter().filter(|p| !op.params.contains_key(**p)).map(|p| format!("no `{p}`")).collect();
        if lacking.is_empty() {
            return true;
        }
        let message = format!("{full} takes {}", phrases::list(&lacking));
        let problem = Problem::new(Code::E0101, message, span, "not an operation for this sentence");
        self.report(problem.help(format!("write `call {full} {{ … }}`; it takes: {}", takes(op))));
        false
    }

    /// One parameter of a sentence.
    #[expect(clippy::too_many_arguments, reason = "what is written, and what is declared")]
    fn param(
        &mut self,
        names: &Names,
        full: &str,
        op: &Operation,
        name: &str,
        value: &ast::Expr,
        on_empty: Option<&ast::OnEmpty>,
        place: &Place,
    ) -> Assign {
        let declared = op.params.get(name);
        let wanted = Expected {
            ty: declared.map(|p| p.ty.clone()),
            options: declared.map(|p| p.options.clone()).unwrap_or_default(),
            name: format!("{full}.{name}"),
            ..Expected::default()
        };
        let typed = self.expr(names, value, &wanted);
        self.fit(&typed, &wanted, typed.span);
        let (value, on_empty) = self.outcome(names, typed, on_empty, &wanted, true, value.span);
        Assign { name: name.to_owned(), link: None, value, on_empty, place: place.clone() }
    }

    /// A whole record is handed on: everything that rules use of it.
    fn about(&mut self, names: &Names, about: Option<&ast::Path>, place: &Place) -> Option<Assign> {
        let typed = self.path(names, about?, &Expected::default());
        match (typed.expr, typed.kind) {
            (value @ Expr::Record { .. }, Kind::Record(_) | Kind::Members(_)) => Some(Assign {
                name: "about".to_owned(),
                link: None,
                value,
                on_empty: Outcome::Clear,
                place: place.clone(),
            }),
            (_, Kind::Any) => None,
            (_, kind) => {
                let problem = Problem::new(Code::E0201, "a message is about a record", typed.span, describe(&kind));
                self.report(problem.help("name the record: `about deal`"));
                None
            }
        }
    }

    /// The operation that a name means, with the system that offers it.
    pub(crate) fn operation(
        &mut self,
        system: Option<&ast::Name>,
        name: &ast::Name,
    ) -> Option<(String, String, Operation)> {
        if let Some(system) = system {
            let system = self.has_system(system)?;
            self.wants(&system);
            let lock = &self.declared.systems[&system].lock;
            if let Some(op) = lock.operations.get(&name.value) {
                return Some((system, name.value.clone(), op.clone()));
            }
            if self.declared.unknown.contains(&system) {
                return None;
            }
            let known: Vec<String> = lock.operations.keys().cloned().collect();
            self.no_operation(Some(&lock.product), name, &known);
            return None;
        }
        let found: Vec<(String, Operation)> = self
            .declared
            .systems
            .iter()
            .filter_map(|(system, s)| Some((system.clone(), s.lock.operations.get(&name.value)?.clone())))
            .collect();
        match found.as_slice() {
            [(system, op)] => Some((system.clone(), name.value.clone(), op.clone())),
            [] if !self.declared.unknown.is_empty() => {
                // One of these may have it.
                let bare: Vec<String> = self.declared.undescribed.keys().cloned().collect();
                bare.iter().for_each(|system| self.wants(system));
                None
            }
            [] => {
                let known: Vec<String> =
                    self.declared.systems.values().flat_map(|s| s.lock.operations.keys().cloned()).collect();
                self.no_operation(None, name, &known);
                None
            }
            several => {
                let names: Vec<String> = several.iter().map(|(s, _)| format!("`{s}.{}`", name.value)).collect();
                let problem = Problem::new(
                    Code::E0107,
                    format!("several systems offer `{}`", name.value),
                    name.span,
                    "which one is meant?",
                );
                self.report(problem.help(format!("write {}", names.join(" or "))));
                None
            }
        }
    }

    pub(crate) fn no_operation(&mut self, product: Option<&str>, name: &ast::Name, known: &[String]) {
        let near = crate::suggest::nearest(&name.value, known.iter().map(String::as_str)).map(str::to_owned);
        let unresolved = || Unresolved::Operation(product.map(str::to_owned), name.value.clone());
        if near.is_none() && self.findings.told_before(unresolved(), name.span) {
            return;
        }
        let message = match product {
            None => format!("no system offers `{}`", name.value),
            Some(product) => format!("{product} has no operation `{}`", name.value),
        };
        let problem = Problem::new(Code::E0104, message, name.span, "not an operation");
        let problem = match near {
            Some(near) => suggest(problem, Some(near), name.span),
            None => problem.help(format!("there are: {}", known.join(", "))),
        };
        self.report(problem);
    }

    pub(crate) fn template(&mut self, full: &str, op: &Operation, template: &ast::Name) {
        if let Some(param) = op.params.get("template")
            && !param.options.is_empty()
            && !param.options.contains(&template.value)
        {
            self.no_option(full, &template.value, template.span, &param.options.clone());
        }
    }

    /// E0505.
    pub(crate) fn repeats(&mut self, action: &ast::Action, op: &Operation, system: &str, name: &str, accept: bool) {
        if op.delivery == Delivery::None && !accept {
            let problem = Problem::new(
                Code::E0505,
                "this may happen twice, and nothing accepts that",
                action.head,
                format!("{system}.{name} knows no key: after a crash it may be sent again"),
            );
            let at = Span { start: action.span.end, ..action.span };
            self.report(
                problem.help("end the line with `accept duplicates`, or use an operation that honours a key").fix(
                    "accept duplicates",
                    false,
                    vec![(at, " accept duplicates".to_owned())],
                ),
            );
        }
    }
}

//! `test`: names that exist, values of their types, and something that is expected.
//!
//! What a test names is no use in the sense of the program: a field that only tests read is read from no system.
//! A quoted spelling of a system is allowed as a value here: that is how an unknown stage arrives.

use super::expr::{Expected, Kind, Names, Var};
use super::world::{World, entity_name};
use crate::ast::{self, Expectation, ExprKind, Item, SentWhat, TestStatement};
use crate::diagnostic::Problem;
use crate::near::nearest;
use crate::schema::{About, EntityName, Field, Type};
use std::collections::BTreeMap;

impl World<'_> {
    pub(super) fn test(&mut self, test: &ast::Test, item: &Item) {
        let used = self.used.clone();
        let mentioned = self.mentioned.clone();
        let mut names = Names::default();
        let mut expects = false;
        for statement in &test.statements {
            expects |= matches!(statement.value, TestStatement::Expect(_));
            self.test_statement(&mut names, &statement.value);
        }
        if !expects {
            let problem = Problem::new("E0701", "this test expects nothing", item.head, "it can never fail");
            self.tell(problem.help("add a line that begins with `expect`"));
        }
        self.used = used;
        self.mentioned = mentioned;
    }

    fn test_statement(&mut self, names: &mut Names, statement: &TestStatement) {
        match statement {
            TestStatement::GivenTime { zone, .. } => {
                if let Some(zone) = zone
                    && jiff::tz::TimeZone::get(&zone.value).is_err()
                {
                    let message = format!("there is no time zone \"{}\"", zone.value);
                    let problem = Problem::new("E0802", message, zone.span, "not a zone");
                    self.tell(problem.help("write a zone of the IANA list, such as \"Europe/London\""));
                }
            }
            TestStatement::GivenFault { target, step: true, .. } => self.test_step(target),
            TestStatement::GivenFault { target, .. } => {
                self.has_system(&target.names[0]);
            }
            TestStatement::GivenRecord { named, entity, record, .. } => {
                let found = self.has_entity(entity);
                if let Some(found) = &found {
                    self.test_record(names, found, record);
                }
                if let Some(name) = named {
                    let kind = found.map_or(Kind::Any, Kind::Record);
                    names.vars.insert(name.value.clone(), Var::new(kind));
                }
            }
            TestStatement::Pass(_) => {}
            TestStatement::SyncRuns(name) => {
                if self.sync_index(&name.value).is_none() {
                    let known: Vec<String> = self.sync_names.iter().map(|(n, ..)| n.clone()).collect();
                    self.no_such("sync", name, known.iter().map(String::as_str));
                }
            }
            TestStatement::Becomes { path, value } => {
                let target = self.path(names, path, &Expected::default());
                if let Kind::Value(ty) = target.kind {
                    let wanted = Expected {
                        ty: Some(ty),
                        choice: target.choice,
                        options: target.options,
                        name: target.field.unwrap_or_default(),
                        ..Expected::default()
                    };
                    self.test_value(names, value, &wanted);
                }
            }
            TestStatement::Happens { event, record } => {
                if !self.has_system(&event.system) {
                    return;
                }
                let name = entity_name(event);
                match self.systems[&name.system].lock.events.get(&name.entity).cloned() {
                    Some(fields) => self.test_members(names, &name.to_string(), &fields, record),
                    None => {
                        if let Some(entity) = self.has_entity(event) {
                            self.test_record(names, &entity, record);
                        }
                    }
                }
            }
            TestStatement::Message { system, message, record, .. } => {
                if !self.has_system(system) {
                    return;
                }
                let Some(name) = self.message(&system.value, message) else { return };
                let lock = &self.systems[&system.value].lock;
                let about = lock.deliveries.as_ref().and_then(|d| d.messages.get(&name)).map(|m| m.about.clone());
                match (about, record) {
                    (Some(About::Record { entity, .. }), Some(record)) => {
                        self.test_record(names, &EntityName::new(&system.value, entity), record);
                    }
                    (Some(About::Event(event)), Some(record)) => {
                        let fields = lock.events.get(&event).cloned().unwrap_or_default();
                        self.test_members(names, &format!("{}.{event}", system.value), &fields, record);
                    }
                    _ => {}
                }
            }
            TestStatement::Expect(expectation) => self.test_expectation(names, expectation),
        }
    }

    fn test_expectation(&mut self, names: &Names, expectation: &Expectation) {
        match expectation {
            Expectation::Record { entity, record, .. } | Expectation::Parked { entity, record } => {
                if let (Some(entity), Some(record)) = (self.has_entity(entity), record) {
                    self.test_record(names, &entity, record);
                }
            }
            Expectation::Workflow { name, .. } => {
                self.test_workflow(name);
            }
            Expectation::Step { path, .. } => self.test_step(path),
            Expectation::Sent { what, .. } => match what {
                SentWhat::Call { operation, record } => {
                    let found = self.operation(Some(&operation.system), &operation.name);
                    if let (Some((system, name, op)), Some(record)) = (found, record) {
                        self.test_members(names, &format!("{system}.{name}"), &op.params, record);
                    }
                }
                SentWhat::Message { system, operation, template, to } => {
                    if let Some((system, name, op)) = self.operation(system.as_ref(), operation) {
                        self.template(&format!("{system}.{name}"), &op, template);
                    }
                    if let Some(to) = to {
                        self.expr(names, to, &Expected::default());
                    }
                }
                SentWhat::Notice { role, to } => {
                    let notify = ast::Name::new("notify".to_owned(), to.span);
                    let param = if *role { "role" } else { "person" };
                    if let Some((system, name, op)) = self.operation(None, &notify)
                        && let Some(declared) = op.params.get(param)
                        && !declared.options.is_empty()
                        && !declared.options.contains(&to.value)
                    {
                        self.no_option(
                            &format!("{system}.{name}.{param}"),
                            &to.value,
                            to.span,
                            &declared.options.clone(),
                        );
                    }
                }
            },
        }
    }

    fn test_workflow(&mut self, name: &ast::Name) -> bool {
        let known = self.workflow_index(&name.value).is_some();
        if !known {
            let names: Vec<String> = self.workflow_names.iter().map(|(n, ..)| n.clone()).collect();
            self.no_such("workflow", name, names.iter().map(String::as_str));
        }
        known
    }

    /// `Onboarding.account`
    fn test_step(&mut self, path: &ast::Path) {
        let workflow = &path.names[0];
        let [_, step] = path.names.as_slice() else {
            let problem = Problem::new("E0106", "a workflow and a step are named here", path.span, "not Workflow.step");
            self.tell(problem.help("write it as `Onboarding.account`"));
            return;
        };
        if !self.test_workflow(workflow) {
            return;
        }
        let Some(steps) = self.workflows.get(&workflow.value).map(|w| &w.code.steps) else { return };
        let known: Vec<String> = steps.iter().map(|step| step.name.clone()).collect();
        if !known.contains(&step.value) {
            self.no_such("step", step, known.iter().map(String::as_str));
        }
    }

    /// Fields of a record, `contact.email` over a link and `details.report` inside of a structured value.
    fn test_record(&mut self, names: &Names, entity: &EntityName, record: &ast::Record) {
        'lines: for line in &record.lines {
            let mut at = entity.clone();
            for (index, name) in line.path.names.iter().enumerate() {
                let Some(lock) = self.entity(&at) else { continue 'lines };
                if let Some(link) = lock.links.get(&name.value) {
                    at = EntityName::new(&at.system, link.to.clone());
                    continue;
                }
                let Some(field) = lock.fields.get(&name.value).cloned() else {
                    self.no_field(&at, name);
                    continue 'lines;
                };
                let rest = &line.path.names[index + 1..];
                match rest.first() {
                    Some(_) if field.ty == Type::Record => {
                        self.expr(names, &line.value, &Expected { printed: true, ..Expected::default() });
                    }
                    Some(part) => {
                        let message = format!("`{}` is a value and has no parts", name.value);
                        let problem =
                            Problem::new("E0101", message, part.span, format!("{at}.{} is no record", name.value));
                        self.tell(problem);
                    }
                    None => {
                        let wanted = Expected {
                            ty: Some(field.ty.clone()),
                            choice: self.choice_of.get(&(at.clone(), name.value.clone())).copied(),
                            options: field.options.clone(),
                            name: format!("{at}.{}", name.value),
                            ..Expected::default()
                        };
                        self.test_value(names, &line.value, &wanted);
                    }
                }
                continue 'lines;
            }
            // The whole path is links: the value is a record that stands above.
            let typed = self.expr(names, &line.value, &Expected::default());
            match typed.kind {
                Kind::Any | Kind::Empty => {}
                Kind::Record(given) if given == at || self.pairs(&given, &at) => {}
                kind => {
                    let label = super::types::describe(&kind);
                    let problem = Problem::new("E0201", format!("this leads to a record of {at}"), typed.span, label);
                    self.tell(problem.help("name a record that is given above: `given user = app.User { … }`"));
                }
            }
        }
    }

    fn pairs(&self, a: &EntityName, b: &EntityName) -> bool {
        self.sync_names.iter().any(|(_, l, r, _)| (l == a && r == b) || (l == b && r == a))
    }

    fn test_members(&mut self, names: &Names, of: &str, members: &BTreeMap<String, Field>, record: &ast::Record) {
        for line in &record.lines {
            let name = &line.path.names[0];
            let Some(field) = members.get(&name.value) else {
                let near = nearest(&name.value, members.keys().map(String::as_str)).map(str::to_owned);
                let message = format!("{of} has no `{}`", name.value);
                let problem = Problem::new("E0101", message, name.span, format!("not in {of}"));
                let problem = super::names::suggest(problem, near, name.span);
                self.tell(problem);
                continue;
            };
            let wanted = Expected {
                ty: Some(field.ty.clone()),
                options: field.options.clone(),
                name: format!("{of}.{}", name.value),
                ..Expected::default()
            };
            self.test_value(names, &line.value, &wanted);
        }
    }

    fn test_value(&mut self, names: &Names, value: &ast::Expr, wanted: &Expected) {
        if let ExprKind::Text(parts) = &value.kind
            && let [ast::TextPart::Chars(text)] = parts.as_slice()
            && wanted.options.contains(text)
        {
            return;
        }
        let typed = self.expr(names, value, wanted);
        self.fit(&typed, wanted, typed.span);
    }
}

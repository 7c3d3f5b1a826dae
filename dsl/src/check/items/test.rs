//! `test`: names that exist, values of their types, and something that is expected; and the test as it is rehearsed.
//!
//! What a test names is no use in the sense of the program: a field that only tests read is read from no system.
//! A quoted spelling of a system is allowed as a value here: that is how an unknown stage arrives.

use std::collections::BTreeMap;

use crate::ast::{self, ExprKind, Item, SentWhat, TestStatement};
use crate::check::facts::checker::Checker;
use crate::check::facts::findings::Named;
use crate::check::facts::phrases::suggest;
use crate::check::facts::typed::{Expected, Kind, Names, Var};
use crate::check::facts::types::describe;
use crate::diagnostic::{Code, Problem};
use crate::program::Expr;
use crate::program::test::{Expectation, Held, Line, Target, Test};
use crate::schema::{About, EntityName, Field, Type};
use crate::source::{Span, Spanned};
use crate::suggest::nearest;
use crate::value::Value;

impl Checker<'_> {
    pub(crate) fn test(&mut self, test: &ast::Test, item: &Item) {
        let mut names = Names::default();
        let mut lines = Vec::new();
        let mut expects = false;
        for statement in &test.statements {
            expects |= matches!(statement.value, TestStatement::Expect(_));
            if let Some(line) = self.test_statement(&mut names, &statement.value) {
                lines.push(Spanned::new(line, statement.span));
            }
        }
        // The line that is not understood may be the one that expects something.
        let inside = |at: &Span| at.file == item.span.file && item.span.start <= at.start && at.start < item.span.end;
        if !expects && !self.declared.error_spans.iter().any(inside) {
            let problem = Problem::new(Code::E0701, "this test expects nothing", item.head, "it can never fail");
            self.report(problem.help("add a line that begins with `expect`"));
        }
        self.findings.used.clear();
        self.findings.mentioned.clear();
        let place = self.declared.place(item.span);
        self.findings.tests.push(Test { title: test.title.value.clone(), place, span: item.head, lines });
    }

    /// The line as it is rehearsed; nothing where it is wrong, and then that has been told.
    fn test_statement(&mut self, names: &mut Names, statement: &TestStatement) -> Option<Line> {
        Some(match statement {
            TestStatement::GivenTime { date, minute, zone } => {
                if let Some(zone) = zone
                    && jiff::tz::TimeZone::get(&zone.value).is_err()
                {
                    let message = format!("there is no time zone \"{}\"", zone.value);
                    let problem = Problem::new(Code::E0802, message, zone.span, "not a zone");
                    self.report(problem.help("write a zone of the IANA list, such as \"Europe/London\""));
                }
                Line::Time { date: *date, minute: *minute, zone: zone.as_ref().map(|zone| zone.value.clone()) }
            }
            TestStatement::GivenFault { target, step: true, status, extent } => {
                let (workflow, step) = self.test_step(target)?;
                Line::Fault { target: Target::Step(workflow, step), status: *status, extent: *extent }
            }
            TestStatement::GivenFault { target, status, extent, .. } => {
                let system = &target.names[0];
                Line::Fault { target: Target::System(self.has_system(system)?), status: *status, extent: *extent }
            }
            TestStatement::GivenRecord { named, entity, changed_at, record } => {
                // The name is bound even where its line is wrong, so that the lines below are not told of as well.
                let found = self.has_entity(entity);
                let values = found.as_ref().map(|found| self.test_record(names, found, record)).unwrap_or_default();
                if let Some(name) = named {
                    self.taken(names, name);
                    let kind = found.clone().map_or(Kind::Any, Kind::Record);
                    names.vars.insert(name.value.clone(), Var::new(kind));
                }
                let variable = named.as_ref().map(|name| name.value.clone());
                Line::Given { variable, entity: found?, changed_at: *changed_at, values }
            }
            TestStatement::Pass(span) => Line::Pass(*span),
            TestStatement::SyncRuns(name) => Line::SyncRuns(self.has_sync(name)?),
            TestStatement::Becomes { path, value } => return self.test_becomes(names, path, value),
            TestStatement::Happens { event, record } => {
                let name = EntityName::new(self.has_system(&event.system)?, &event.name.value);
                match self.declared.systems[&name.system].lock.events.get(&name.entity).cloned() {
                    Some(fields) => {
                        let values = self.test_members(names, &name, &fields, record);
                        Line::Happens { what: name, event: true, values }
                    }
                    None => {
                        let events: Vec<String> =
                            self.declared.systems[&name.system].lock.events.keys().cloned().collect();
                        let entity = self.has_entity_or(event, "event or entity", &events)?;
                        let values = self.test_record(names, &entity, record);
                        Line::Happens { what: entity, event: false, values }
                    }
                }
            }
            TestStatement::Message { system, message, times, record } => {
                let system = self.has_system(system)?;
                let name = self.message(&system, message)?;
                let lock = &self.declared.systems[&system].lock;
                let about = lock.deliveries.as_ref().and_then(|d| d.messages.get(&name)).map(|m| m.about.clone());
                let values = match (about, record) {
                    (Some(About::Record { entity, .. }), Some(record)) => {
                        self.test_record(names, &EntityName::new(&system, entity), record)
                    }
                    (Some(About::Event(event)), Some(record)) => {
                        let fields = lock.events.get(&event).cloned().unwrap_or_default();
                        self.test_members(names, &EntityName::new(&system, event), &fields, record)
                    }
                    _ => Vec::new(),
                };
                Line::Message { system, message: name, times: *times, values }
            }
            TestStatement::Expect(expectation) => Line::Expect(self.test_expectation(names, expectation)?),
        })
    }

    fn test_becomes(&mut self, names: &Names, path: &ast::Path, value: &ast::Expr) -> Option<Line> {
        let target = self.path(names, path, &Expected::default());
        if matches!(target.kind, Kind::Record(_)) {
            let message = "only a value can become another one";
            let problem = Problem::new(Code::E0201, message, path.span, describe(&target.kind));
            self.report(problem.help("name a field of it: `deal.dealstage becomes closedwon`"));
        }
        let Kind::Value(ty) = target.kind else { return None };
        let wanted = Expected {
            ty: Some(ty),
            choice: target.choice,
            options: target.options,
            name: target.field.unwrap_or_default(),
            ..Expected::default()
        };
        let (value_of, spelled) = self.test_value(names, value, &wanted);
        let Expr::Field { variable, links, field, entity } = target.expr else { return None };
        let mut reached = entity?;
        for link in &links {
            reached = EntityName::new(&reached.system, &self.declared.entity(&reached)?.links.get(link)?.to);
        }
        let held = Held {
            links,
            entity: reached,
            field: Some(field),
            inside: Vec::new(),
            value: value_of,
            leads_to: None,
            spelled,
            path_span: path.span,
            span: path.span.to(value.span),
        };
        Some(Line::Becomes { variable, held: Box::new(held) })
    }

    fn test_expectation(&mut self, names: &Names, expectation: &ast::Expectation) -> Option<Expectation> {
        Some(match expectation {
            ast::Expectation::Record { count, entity, record } => {
                let entity = self.has_entity(entity)?;
                let values = record.as_ref().map(|record| self.test_record(names, &entity, record));
                Expectation::Record { count: *count, entity, values: values.unwrap_or_default() }
            }
            ast::Expectation::Parked { entity, record } => {
                let entity = self.has_entity(entity)?;
                let values = record.as_ref().map(|record| self.test_record(names, &entity, record));
                Expectation::Parked { entity, values: values.unwrap_or_default() }
            }
            ast::Expectation::Workflow { name, state } => {
                let workflow = self.has_workflow(name)?;
                Expectation::Workflow(workflow, *state)
            }
            ast::Expectation::Step { path, state } => {
                let (workflow, step) = self.test_step(path)?;
                Expectation::Step(workflow, step, *state)
            }
            ast::Expectation::Sent { what, times } => {
                let (system, operation, values) = self.test_sent(names, what)?;
                Expectation::Sent { system, operation, values, times: *times }
            }
        })
    }

    fn test_sent(&mut self, names: &Names, what: &SentWhat) -> Option<(String, String, Vec<Held>)> {
        let member = |system: &str, operation: &str, name: &str, value: Expr, span: Span| Held {
            links: Vec::new(),
            entity: EntityName::new(system, operation),
            field: Some(name.to_owned()),
            inside: Vec::new(),
            value,
            leads_to: None,
            spelled: false,
            path_span: span,
            span,
        };
        match what {
            SentWhat::Call { operation, record } => {
                let (system, name, op) = self.operation(Some(&operation.system), &operation.name)?;
                let of = EntityName::new(&system, &name);
                let values = record.as_ref().map(|record| self.test_members(names, &of, &op.params, record));
                Some((system, name, values.unwrap_or_default()))
            }
            SentWhat::Message { system, operation, template, to } => {
                let found = self.operation(system.as_ref(), operation);
                let to = to.as_ref().map(|to| self.expr(names, to, &Expected::default()));
                let (system, name, op) = found?;
                self.template(&format!("{system}.{name}"), &op, template);
                let text = Expr::Literal(Value::text(template.value.as_str()));
                let mut values = vec![member(&system, &name, "template", text, template.span)];
                values.extend(to.map(|to| member(&system, &name, "to", to.expr, to.span)));
                Some((system, name, values))
            }
            SentWhat::Notice { role, to } => {
                // A notice is the operation `notify` of a lock, although its statement does not name it.
                let notify = ast::Name::new("notify".to_owned(), to.span);
                let param = if *role { "role" } else { "person" };
                let (system, name, op) = self.operation(None, &notify)?;
                if let Some(declared) = op.params.get(param)
                    && !declared.options.is_empty()
                    && !declared.options.contains(&to.value)
                {
                    let options = declared.options.clone();
                    self.no_option(&format!("{system}.{name}.{param}"), &to.value, to.span, &options);
                }
                let text = Expr::Literal(Value::text(to.value.as_str()));
                let values = vec![member(&system, &name, param, text, to.span)];
                Some((system, name, values))
            }
        }
    }

    /// `Onboarding.account`
    fn test_step(&mut self, path: &ast::Path) -> Option<(usize, usize)> {
        let workflow = &path.names[0];
        let [_, step] = path.names.as_slice() else {
            let problem =
                Problem::new(Code::E0106, "a workflow and a step are named here", path.span, "not Workflow.step");
            self.report(problem.help("write it as `Onboarding.account`"));
            return None;
        };
        let index = self.has_workflow(workflow)?;
        let steps = &self.declared.workflows[index].steps;
        let found = steps.iter().position(|name| *name == step.value);
        if found.is_none() {
            self.no_such(Named::Step, step, steps.iter().map(String::as_str));
        }
        Some((index, found?))
    }

    /// Fields of a record, `contact.email` over a link and `details.report` inside of a structured value.
    fn test_record(&mut self, names: &Names, entity: &EntityName, record: &ast::Record) -> Vec<Held> {
        record.lines.iter().filter_map(|line| self.test_line(names, entity, line)).collect()
    }

    fn test_line(&mut self, names: &Names, entity: &EntityName, line: &ast::Assign) -> Option<Held> {
        let mut at = entity.clone();
        let mut held = Held {
            links: Vec::new(),
            entity: at.clone(),
            field: None,
            inside: Vec::new(),
            value: Expr::Literal(Value::Empty),
            leads_to: None,
            spelled: false,
            path_span: line.path.span,
            span: line.span,
        };
        for (index, name) in line.path.names.iter().enumerate() {
            let lock = self.declared.entity(&at)?;
            if let Some(link) = lock.links.get(&name.value) {
                at = EntityName::new(&at.system, link.to.clone());
                held.links.push(name.value.clone());
                continue;
            }
            let Some(field) = lock.fields.get(&name.value).cloned() else {
                self.no_field(&at, name);
                return None;
            };
            held.field = Some(name.value.clone());
            held.inside = line.path.names[index + 1..].iter().map(|name| name.value.clone()).collect();
            match line.path.names.get(index + 1) {
                Some(_) if field.ty == Type::Record => {
                    held.value = self.expr(names, &line.value, &Expected { printed: true, ..Expected::default() }).expr;
                }
                Some(part) => {
                    let message = format!("`{}` is a value and has no parts", name.value);
                    let problem =
                        Problem::new(Code::E0101, message, part.span, format!("{at}.{} is no record", name.value));
                    self.report(problem);
                    return None;
                }
                None => {
                    let wanted = Expected {
                        ty: Some(field.ty.clone()),
                        choice: self.declared.choice_of(&at, &name.value),
                        options: field.options.clone(),
                        name: format!("{at}.{}", name.value),
                        ..Expected::default()
                    };
                    (held.value, held.spelled) = self.test_value(names, &line.value, &wanted);
                }
            }
            held.entity = at;
            return Some(held);
        }
        // The whole path is links: the value is a record that stands above.
        let typed = self.expr(names, &line.value, &Expected::default());
        match typed.kind {
            Kind::Any | Kind::Empty => {}
            Kind::Record(given) if given == at || self.pairs(&given, &at) => held.leads_to = Some(given),
            kind => {
                let label = describe(&kind);
                let problem = Problem::new(Code::E0201, format!("this leads to a record of {at}"), typed.span, label);
                self.report(problem.help("name a record that is given above: `given user = app.User { … }`"));
            }
        }
        held.value = match typed.expr {
            Expr::Record { variable, links } => Expr::Reference { variable, links },
            other => other,
        };
        held.entity = at;
        Some(held)
    }

    fn pairs(&self, a: &EntityName, b: &EntityName) -> bool {
        self.declared.syncs.iter().any(|sync| sync.pairs(a, b))
    }

    fn test_members(
        &mut self,
        names: &Names,
        of: &EntityName,
        members: &BTreeMap<String, Field>,
        record: &ast::Record,
    ) -> Vec<Held> {
        let mut held = Vec::new();
        for line in &record.lines {
            let name = &line.path.names[0];
            let Some(field) = members.get(&name.value) else {
                let near = nearest(&name.value, members.keys().map(String::as_str)).map(str::to_owned);
                let message = format!("{of} has no `{}`", name.value);
                let problem = Problem::new(Code::E0101, message, name.span, format!("not in {of}"));
                let problem = suggest(problem, near, name.span);
                self.report(problem);
                continue;
            };
            let wanted = match line.path.names.get(1) {
                // What is inside of a structured value has no type.
                Some(_) if field.ty == Type::Record => Expected { printed: true, ..Expected::default() },
                Some(part) => {
                    let message = format!("`{}` is a value and has no parts", name.value);
                    let problem =
                        Problem::new(Code::E0101, message, part.span, format!("{of}.{} is no record", name.value));
                    self.report(problem);
                    continue;
                }
                None => Expected {
                    ty: Some(field.ty.clone()),
                    options: field.options.clone(),
                    name: format!("{of}.{}", name.value),
                    ..Expected::default()
                },
            };
            let (value, spelled) = self.test_value(names, &line.value, &wanted);
            held.push(Held {
                links: Vec::new(),
                entity: of.clone(),
                field: Some(name.value.clone()),
                inside: line.path.names[1..].iter().map(|name| name.value.clone()).collect(),
                value,
                leads_to: None,
                spelled,
                path_span: line.path.span,
                span: line.span,
            });
        }
        held
    }

    /// The value, and whether it is a system's own spelling.
    fn test_value(&mut self, names: &Names, value: &ast::Expr, wanted: &Expected) -> (Expr, bool) {
        if let ExprKind::Text(parts) = &value.kind
            && let [ast::TextPart::Chars(text)] = parts.as_slice()
            && wanted.options.contains(text)
        {
            return (Expr::Literal(Value::text(text.as_str())), wanted.choice.is_some());
        }
        let typed = self.expr(names, value, wanted);
        self.fit(&typed, wanted, typed.span);
        (typed.expr, false)
    }
}

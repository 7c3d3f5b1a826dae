//! `workflow`: waits with limits and exits, steps that can be undone, flat code.

use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::ast::{self, Item, WorkflowStatement};
use crate::check::facts::checker::Checker;
use crate::check::facts::declared::entity_name;
use crate::check::facts::findings::By;
use crate::check::facts::phrases::{self, suggest};
use crate::check::facts::typed::{Expected, Kind, Missing, Names, Var};
use crate::check::facts::types::describe;
use crate::check::items::action::Around;
use crate::diagnostic::{Code, Problem};
use crate::program::{self, Expr, Op, Retry, Step, Workflow};
use crate::schema::{EntityName, Field, Type};
use crate::source::Span;
use crate::value;

impl Checker<'_> {
    pub(crate) fn workflow(&mut self, workflow: &ast::Workflow, item: &Item) {
        let found = self.has_entity(&workflow.entity);
        let entity = found.clone().unwrap_or_else(|| entity_name(&workflow.entity));
        let mut names = Names::default();
        let kind = found.clone().map_or(Kind::Any, Kind::Record);
        names.vars.insert(workflow.argument.value.clone(), Var::new(kind));
        let only_one = workflow.only_one.as_ref().map(|(path, second)| {
            let key = self.path(&names, path, &Expected::default());
            if matches!(key.kind, Kind::Record(_)) {
                let problem =
                    Problem::new(Code::E0201, "a value says which runs are the same", key.span, "a whole record");
                self.report(problem.help(format!("write `only one per {}.id`", self.declared.text(key.span))));
            }
            self.needed(&key, "and runs without it would be the same");
            (key.expr, second.value)
        });
        let cancel = workflow
            .cancel
            .iter()
            .map(|expr| self.condition(&names, expr))
            .reduce(|a, b| Expr::Or(Box::new(a), Box::new(b)));
        let mut code = program::Code::default();
        let mut undo_blocks: Vec<(usize, &ast::Block, Names)> = Vec::new();
        let mut step_spans: BTreeMap<String, Span> = BTreeMap::new();
        let declared = self.declared;
        let around = |accepts| Around {
            by: By::Workflow(declared.text(item.head).to_owned()),
            head: item.head,
            repeated: "a step may be repeated after a crash",
            accepts,
            failed: false,
        };
        // Milliseconds that the waits so far take, whatever happens.
        let mut waited = 0_i64;
        for statement in &workflow.body {
            match statement {
                WorkflowStatement::Step(step) => {
                    let index = code.steps.len();
                    if let Some(first) = step_spans.insert(step.name.value.clone(), step.name.span) {
                        let message = format!("the step `{}` stands twice in {}", step.name.value, workflow.name.value);
                        let problem = Problem::new(Code::E0103, message, step.name.span, "again here");
                        self.report(problem.label(first, "first here").help("give one of them another name"));
                    }
                    code.ops.push(Op::Step(index));
                    let around = around(step.accept.is_some());
                    self.block(&mut names, &step.actions, &around, &mut code.ops);
                    code.ops.push(Op::EndStep(index));
                    if let Some(ast::Undo::Block(block)) = &step.undo {
                        // What later steps bind is not there when this one is undone.
                        undo_blocks.push((index, block, names.clone()));
                    }
                    // Blanks and line ends are no part of the meaning.
                    let words = |span: Span| self.declared.text(span).split_whitespace().collect::<Vec<_>>().join(" ");
                    let actions: Vec<String> = step.actions.iter().map(|action| words(action.span)).collect();
                    let meaning = format!("{} {actions:?}", words(step.head));
                    let hash = Sha256::digest(meaning.as_bytes()).iter().map(|b| format!("{b:02x}")).collect();
                    code.steps.push(Step {
                        name: step.name.value.clone(),
                        retry: step.retry.as_ref().map(|r| retry(&r.value)),
                        timeout: step.timeout.as_ref().map(|t| t.value),
                        undo: None,
                        hash,
                        place: self.declared.place(step.name.span),
                    });
                }
                WorkflowStatement::Wait(span) => {
                    waited = waited.saturating_add(span.value.0);
                    if let Some(give_up) = workflow.give_up.as_ref().filter(|give_up| waited >= give_up.value.0) {
                        let message = "the run gives up before this wait is over";
                        let problem = Problem::new(Code::W0204, message, span.span, "what follows never happens");
                        let problem = problem.label(give_up.span, "so long a run may take");
                        self.report(problem.help("write a longer time behind `give up after`, or a shorter wait"));
                        // What is said of the first is true of all behind it.
                        waited = i64::MIN;
                    }
                    code.ops.push(Op::Wait(span.value));
                }
                WorkflowStatement::WaitUntil(expr, _) => {
                    let typed = self.expr(
                        &names,
                        expr,
                        &Expected { ty: Some(Type::Time), name: "the time".to_owned(), ..Expected::default() },
                    );
                    if !matches!(typed.kind, Kind::Any | Kind::Value(Type::Time | Type::Date)) {
                        let problem =
                            Problem::new(Code::E0201, "`wait until` needs a time", typed.span, describe(&typed.kind));
                        self.report(problem);
                    } else {
                        self.needed(&typed, "and the wait would be over at once");
                    }
                    code.ops.push(Op::WaitUntil(typed.expr));
                }
                WorkflowStatement::WaitFor(wait) => {
                    let around = around(false);
                    self.wait_for(&names, wait, &around, &mut code.ops);
                }
                WorkflowStatement::Action(action) => {
                    let around = around(false);
                    self.block(&mut names, std::slice::from_ref(action), &around, &mut code.ops);
                }
            }
        }
        code.ops.push(Op::Finish);
        for (index, block, mut known) in undo_blocks {
            code.steps[index].undo = Some(code.ops.len());
            let around = around(false);
            self.block(&mut known, &block.actions, &around, &mut code.ops);
            code.ops.push(Op::Return);
        }
        if let Some(block) = &workflow.on_failure {
            code.on_failure = Some(code.ops.len());
            let text = Field { read_only: true, ..Field::of(Type::Text) };
            let members = [("step", text.clone()), ("message", text)].map(|(n, f)| (n.to_owned(), f)).into();
            // Whatever the steps bind may not be there when one of them fails.
            for (name, var) in &mut names.vars {
                if *name != workflow.argument.value && var.missing.is_none() {
                    var.missing = Some(Missing::variable("the workflow may have failed before"));
                }
            }
            names.vars.insert("failure".to_owned(), Var::new(Kind::Members(members)));
            let around = Around { failed: true, ..around(false) };
            self.block(&mut names, &block.actions, &around, &mut code.ops);
            code.ops.push(Op::Return);
            self.undoable(workflow, block);
        }
        let place = self.declared.place(item.span);
        self.findings.workflows.insert(
            workflow.name.value.clone(),
            Arc::new(Workflow {
                name: workflow.name.value.clone(),
                variable: workflow.argument.value.clone(),
                entity,
                only_one,
                give_up: workflow.give_up.as_ref().map(|span| span.value),
                cancel,
                code,
                place,
            }),
        );
    }

    fn wait_for(&mut self, names: &Names, wait: &ast::WaitFor, around: &Around, ops: &mut Vec<Op>) {
        let Some(system) = self.has_system(&wait.what.system) else { return };
        let what = EntityName::new(system, &wait.what.name.value);
        let event = self.declared.systems[&what.system].lock.events.get(&what.entity).cloned();
        let kind = match &event {
            Some(fields) => Kind::Members(fields.clone()),
            None => {
                let events: Vec<String> = self.declared.systems[&what.system].lock.events.keys().cloned().collect();
                match self.has_entity_or(&wait.what, "event or entity", &events) {
                    Some(entity) => Kind::Record(entity),
                    None => return,
                }
            }
        };
        let head = wait.head.to(wait.what.span);
        if wait.up_to.is_none() {
            let thing = phrases::thing(&what.entity);
            let label = match phrases::does(&what.entity) {
                Some(does) if event.is_some() => {
                    format!("no limit: a customer who never {does} keeps this workflow open forever")
                }
                _ => format!("no limit: if no {thing} comes, this workflow stays open forever"),
            };
            let problem = Problem::new(Code::E0602, "this wait may never end", head, label);
            self.report(
                problem.help(format!("write `wait up to 7 days for {what} …` and add a `timed out {{ … }}` branch")),
            );
        } else if (wait.happened.is_none() || wait.timed_out.is_none()) && wait.unread.is_empty() {
            let lacking = if wait.happened.is_none() { "happened" } else { "timed out" };
            let problem = Problem::new(
                Code::E0603,
                "this wait has only one exit",
                head,
                format!(
                    "nothing says what to do when it {}",
                    if lacking == "happened" { "happens" } else { "does not happen" }
                ),
            );
            self.report(problem.help(format!("add `{lacking} {{ nothing }}`, or say what should happen")));
        }
        if event.is_some() {
            // Only an event comes by a message of its own, which a route may ignore; a record is also read.
            self.findings.waits.push((what.clone(), head));
        }
        let key = self.awaited(names, &what, event.as_ref(), &wait.condition);
        // A place for the wait itself: where it goes on when time is out is known behind its first branch only.
        let position = ops.len();
        ops.push(Op::Finish);
        let mut inner = names.clone();
        if let Some(name) = &wait.named {
            inner.vars.insert(name.value.clone(), Var::new(kind));
        }
        if let Some(happened) = &wait.happened {
            self.block(&mut inner, &happened.actions, around, ops);
        }
        let jump = ops.len();
        ops.push(Op::Jump(0));
        let timed_out = ops.len();
        if let Some(block) = &wait.timed_out {
            self.block(&mut names.clone(), &block.actions, around, ops);
        }
        ops[jump] = Op::Jump(ops.len());
        if let Some((field, equals)) = key {
            ops[position] = Op::WaitFor {
                event: event.is_some(),
                what,
                variable: wait.named.as_ref().map(|n| n.value.clone()),
                field,
                equals,
                up_to: wait.up_to.as_ref().map_or(value::Duration::days(7), |span| span.value),
                timed_out,
            };
        }
    }

    fn awaited(
        &mut self,
        names: &Names,
        what: &EntityName,
        event: Option<&BTreeMap<String, Field>>,
        condition: &ast::Expr,
    ) -> Option<(String, Expr)> {
        if let ast::ExprKind::Binary(left, op, right) = &condition.kind
            && op.value == ast::BinaryOp::Equal
            && let ast::ExprKind::Path(path) = &left.kind
            && let [field] = path.names.as_slice()
        {
            let declared = match event {
                Some(fields) => fields.get(&field.value).cloned(),
                None => self.declared.entity(what).and_then(|e| e.fields.get(&field.value)).cloned(),
            };
            let Some(declared) = declared else {
                match event {
                    Some(fields) => {
                        let near =
                            crate::suggest::nearest(&field.value, fields.keys().map(String::as_str)).map(str::to_owned);
                        let problem = Problem::new(
                            Code::E0101,
                            format!("{what} has no field `{}`", field.value),
                            field.span,
                            format!("not in {what}"),
                        );
                        let problem = suggest(problem, near, field.span);
                        self.report(problem);
                    }
                    None => self.no_field(what, field),
                }
                return None;
            };
            if event.is_none() {
                // An event arrives whole; of a record only the fields that something uses are kept.
                self.findings.uses_field(what, &field.value);
            }
            let wanted =
                Expected { ty: Some(declared.ty), name: format!("{what}.{}", field.value), ..Expected::default() };
            let typed = self.expr(names, right, &wanted);
            self.fit(&typed, &wanted, field.span);
            self.needed(&typed, "and the wait could only time out");
            return Some((field.value.clone(), typed.expr));
        }
        let problem = Problem::new(
            Code::E0504,
            "this does not say which one is waited for",
            condition.span,
            "not one equality on a field",
        );
        self.report(problem.help("write `where field = value`"));
        None
    }
}

fn retry(written: &ast::Retry) -> Retry {
    Retry {
        times: written.times,
        first: written.first.unwrap_or(value::Duration::seconds(1)),
        at_most: written.at_most.unwrap_or(value::Duration::minutes(15)),
    }
}

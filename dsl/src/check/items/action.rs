//! Actions to flat code.

use crate::ast::{self, BinaryOp, ExprKind, Outcome as Written};
use crate::check::facts::checker::Checker;
use crate::check::facts::findings::By;
use crate::check::facts::phrases;
use crate::check::facts::typed::{Expected, Kind, Missing, Names, Var, present};
use crate::check::facts::types::describe;
use crate::check::items::record::For;
use crate::diagnostic::{Code, Problem};
use crate::program::{Action, ActionKind, Expr, Op};
use crate::schema::EntityName;
use crate::source::Span;

/// Where actions stand.
pub(crate) struct Around {
    /// The `when` or the workflow.
    pub(crate) by: By,
    /// The span of that head.
    pub(crate) head: Span,
    /// Messages of this block may come twice: a create needs a key.
    pub(crate) repeated: &'static str,
    /// The step accepts duplicates as a whole.
    pub(crate) accepts: bool,
    /// It is the block for a workflow that failed.
    pub(crate) failed: bool,
}

impl Checker<'_> {
    pub(crate) fn block(&mut self, names: &mut Names, actions: &[ast::Action], around: &Around, ops: &mut Vec<Op>) {
        for action in actions {
            self.action(names, action, around, ops);
        }
    }

    fn action(&mut self, names: &mut Names, action: &ast::Action, around: &Around, ops: &mut Vec<Op>) {
        let place = self.declared.place(action.span);
        let accept = action.accept.is_some() || around.accepts;
        let kind = match &action.kind {
            ast::ActionKind::Nothing => None,
            ast::ActionKind::UndoCompleted if !around.failed => {
                let message = "completed steps are undone only where a workflow has failed";
                let problem = Problem::new(Code::E0001, message, action.span, "not in `on failure`");
                self.report(problem.help("write it in `on failure { … }` of a workflow"));
                None
            }
            ast::ActionKind::UndoCompleted => {
                ops.push(Op::UndoCompleted);
                None
            }
            ast::ActionKind::If { condition: written, then, otherwise } => {
                // The code is flat: where a jump leads is known once what it jumps over stands there.
                let condition = self.condition(names, written);
                let jump = ops.len();
                ops.push(Op::Jump(0));
                // Names that a branch binds are not there behind it.
                let mut inner = names.clone();
                inner.present.append(&mut present(&condition, true));
                self.block(&mut inner, &then.actions, around, ops);
                let end = ops.len();
                if let Some(otherwise) = otherwise {
                    ops.push(Op::Jump(0));
                    let mut inner = names.clone();
                    inner.present.append(&mut present(&condition, false));
                    ops[jump] = Op::JumpUnless(condition, ops.len());
                    self.block(&mut inner, &otherwise.actions, around, ops);
                    ops[end] = Op::Jump(ops.len());
                } else {
                    ops[jump] = Op::JumpUnless(condition, end);
                }
                None
            }
            ast::ActionKind::Create { entity, named, key, record } => {
                self.create(names, action, entity, named.as_ref(), key.as_ref(), record, around)
            }
            ast::ActionKind::Update { entity, named, condition, record, otherwise } => {
                self.update(names, action, entity, named.as_ref(), condition, record, otherwise.as_ref(), around)
            }
            ast::ActionKind::Delete { entity, condition, otherwise } => {
                let found = self.has_entity(entity);
                found.and_then(|entity| {
                    let key = self.key(names, &entity, condition)?;
                    Some(ActionKind::Delete { entity, key, or_nothing: nothing(otherwise.as_ref()) })
                })
            }
            ast::ActionKind::Set { path, value, on_empty } => {
                self.set(names, action, path, value, on_empty.as_ref(), around)
            }
            ast::ActionKind::Start { workflow, with } => self.start(names, workflow, with),
            ast::ActionKind::Call { operation, named, record } => {
                self.call(names, action, operation, named.as_ref(), record, accept)
            }
            ast::ActionKind::Send { .. } => self.send(names, action, accept),
            ast::ActionKind::Notify { .. } => self.notify(names, action, accept),
            ast::ActionKind::RunSync(name) => self.has_sync(name).map(ActionKind::RunSync),
        };
        if let Some(kind) = kind {
            ops.push(Op::Act(Action { kind, accept_duplicates: accept, place, text: action.span }));
        }
    }

    /// `key f = v as name`: what is meant as the name of the record, and the value without it.
    fn name_behind<'e>(&self, value: &'e ast::Expr) -> Option<(&'e ast::Name, &'e ast::Expr)> {
        let ast::ExprKind::As(of, transform) = &value.kind else { return None };
        let ast::TransformName::Named(name) = &transform.name else { return None };
        let lookup = self.declared.systems.values().any(|system| system.lock.lookups.contains_key(&name.value));
        let known = lookup || crate::transforms::named(&name.value).is_some() || !transform.args.is_empty();
        (!known && self.declared.unknown.is_empty()).then_some((name, &**of))
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of the form, one each")]
    fn create(
        &mut self,
        names: &mut Names,
        action: &ast::Action,
        entity: &ast::Qualified,
        named: Option<&ast::Name>,
        key: Option<&(ast::Name, ast::Expr)>,
        record: &ast::Record,
        around: &Around,
    ) -> Option<ActionKind> {
        let found = self.has_entity(entity);
        let entity_span = entity.span;
        let misplaced = if named.is_none() { key.and_then(|(_, value)| self.name_behind(value)) } else { None };
        if let (Some((name, _)), Some((field, _))) = (misplaced, key) {
            let message = "the name of the record stands before its key";
            let problem = Problem::new(Code::E0109, message, name.span, "no transform or lookup is called so");
            let (entity, name, field) = (self.declared.text(entity_span), &name.value, &field.value);
            let help = format!("write `create {entity} as {name} key {field} = …`");
            self.report(problem.help(help));
        }
        let named = named.or(misplaced.map(|(name, _)| name));
        let meant = misplaced.zip(key).map(|((_, value), (field, _))| (field.clone(), value.clone()));
        let key = meant.as_ref().or(key);
        let known = found.as_ref().map_or(Kind::Any, |entity| Kind::Record(entity.clone()));
        if let Some(name) = named {
            self.taken(names, name);
            names.vars.insert(name.value.clone(), Var { ahead: true, ..Var::new(known.clone()) });
        }
        let made = found.and_then(|entity| self.made(names, action, entity, entity_span, named, key, record, around));
        if let Some(name) = named {
            names.vars.insert(name.value.clone(), Var::new(known));
        }
        made
    }

    /// The new record of a `create`: its key and its values.
    #[expect(clippy::too_many_arguments, reason = "the parts of the form, one each")]
    fn made(
        &mut self,
        names: &Names,
        action: &ast::Action,
        entity: EntityName,
        entity_span: Span,
        named: Option<&ast::Name>,
        key: Option<&(ast::Name, ast::Expr)>,
        record: &ast::Record,
        around: &Around,
    ) -> Option<ActionKind> {
        let unique: Vec<String> = self
            .declared
            .entity(&entity)?
            .fields
            .iter()
            .filter(|(name, f)| f.unique && !f.read_only && name.as_str() != "engine_link_id")
            .map(|(n, _)| n.clone())
            .collect();
        // Without a key, the one that is proposed counts as given: its lack is one mistake.
        let proposed = if key.is_none() { unique.first().map(String::as_str) } else { None };
        let purpose = For {
            entity: &entity,
            new: true,
            key: key.map(|(f, _)| f.value.as_str()).or(proposed),
            by: around.by.clone(),
            head: action.head,
        };
        let values = self.assigns(names, record, &purpose);
        let Some((field, value)) = key else {
            let thing = phrases::thing(&entity.entity);
            let mut problem = Problem::new(
                Code::E0503,
                format!("a repeated event would create the {thing} twice"),
                around.head,
                around.repeated,
            )
            .label(begin(action, entity_span), format!("nothing identifies this {thing}"));
            if let Some(unique) = unique.first() {
                let variable = names
                    .vars
                    .iter()
                    .find(|(n, v)| matches!(v.kind, Kind::Record(_)) && named.is_none_or(|m| m.value != **n))
                    .map_or("…".to_owned(), |(n, _)| format!("{n}.id"));
                problem =
                    problem.help(format!("name what makes it unique:  create {entity} key {unique} = {variable} {{"));
            }
            self.report(problem);
            return None;
        };
        let declared = self.declared.entity(&entity)?.fields.get(&field.value).cloned();
        match declared {
            None => {
                self.no_field(&entity, field);
                None
            }
            Some(declared) if declared.read_only || field.value == "engine_link_id" => {
                let help = match unique.as_slice() {
                    [] => format!("no field of {entity} is unique and can be written"),
                    _ => format!("use one of: {}", unique.join(", ")),
                };
                self.own_field(&entity, field.span, &help);
                None
            }
            Some(declared) if !declared.unique => {
                let problem = Problem::new(
                    Code::E0504,
                    format!("{entity}.{} is not unique", field.value),
                    field.span,
                    "several records may hold the same value",
                );
                self.report(problem.help(format!("unique are: {}", unique.join(", "))));
                None
            }
            Some(declared) => {
                self.findings.uses_field(&entity, &field.value);
                let wanted = Expected {
                    ty: Some(declared.ty),
                    name: format!("{entity}.{}", field.value),
                    ..Expected::default()
                };
                // Of a value that is wrong it is not said besides that it may be missing.
                let before = self.findings.problems.len();
                let typed = self.expr(names, value, &wanted);
                self.fit(&typed, &wanted, field.span);
                if self.findings.problems.len() == before {
                    self.needed_key(&typed);
                }
                if let Some(line) = record.lines.iter().find(|line| line.path.names[0].value == field.value) {
                    let message = format!("`{}` is given twice", field.value);
                    let problem = Problem::new(Code::E0103, message, line.path.span, "the key has it already");
                    self.report(problem.label(field.span, "first here").help("remove this line"));
                }
                Some(ActionKind::Create {
                    entity,
                    variable: named.map(|n| n.value.clone()),
                    key: (field.value.clone(), typed.expr),
                    values,
                })
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of the form, one each")]
    fn update(
        &mut self,
        names: &mut Names,
        action: &ast::Action,
        entity: &ast::Qualified,
        named: Option<&ast::Name>,
        condition: &ast::Expr,
        record: &ast::Record,
        otherwise: Option<&ast::OnEmpty>,
        around: &Around,
    ) -> Option<ActionKind> {
        let found = self.has_entity(entity);
        let or_nothing = nothing(otherwise);
        let known = found.as_ref().map_or(Kind::Any, |entity| Kind::Record(entity.clone()));
        if let Some(name) = named {
            self.taken(names, name);
            names.vars.insert(name.value.clone(), Var { ahead: true, ..Var::new(known.clone()) });
        }
        let key = found.as_ref().and_then(|entity| self.key(names, entity, condition));
        let values = match &found {
            Some(entity) => {
                let purpose = For { entity, new: false, key: None, by: around.by.clone(), head: action.head };
                self.assigns(names, record, &purpose)
            }
            None => Vec::new(),
        };
        if let Some(name) = named {
            let missing = or_nothing
                .then(|| Missing::variable(format!("there may be no such {}", phrases::thing(&entity.name.value))));
            names.vars.insert(name.value.clone(), Var { missing, ..Var::new(known) });
        }
        Some(ActionKind::Update {
            entity: found?,
            variable: named.map(|n| n.value.clone()),
            key: key?,
            values,
            or_nothing,
        })
    }

    /// E0203 for an action on a record that may not be there.
    fn absent(&mut self, missing: &Missing, span: Span, word: &str) {
        if missing.ruled_out {
            return;
        }
        let message = "this record can be missing, and nothing says what to do then";
        let problem = Problem::new(Code::E0203, message, span, missing.why.clone());
        let written = self.declared.text(span).to_owned();
        self.report(problem.help(format!("write `if {written} is not empty {{ {word} … }}`")));
    }

    /// E0103 for a variable whose name is taken.
    pub(crate) fn taken(&mut self, names: &Names, name: &ast::Name) {
        if names.vars.contains_key(&name.value) {
            let message = format!("the name `{}` is taken here", name.value);
            let problem =
                Problem::new(Code::E0103, message, name.span, "what it meant before could not be named any more");
            self.report(problem.help("give it another name"));
        }
    }

    /// One equality on a unique field.
    pub(crate) fn key(&mut self, names: &Names, entity: &EntityName, condition: &ast::Expr) -> Option<(String, Expr)> {
        if let ExprKind::Binary(left, op, right) = &condition.kind
            && op.value == BinaryOp::Equal
            && let ExprKind::Path(path) = &left.kind
            && let [field] = path.names.as_slice()
        {
            let declared = self.declared.entity(entity)?.fields.get(&field.value).cloned();
            let Some(declared) = declared else {
                self.no_field(entity, field);
                return None;
            };
            if field.value == "engine_link_id" {
                self.own_field(entity, field.span, "use a field that people or the systems keep");
                return None;
            }
            // Only a unique field can be read by its value; a search would find more, and lags behind what was written.
            if declared.unique {
                self.findings.uses_field(entity, &field.value);
                let wanted = Expected {
                    ty: Some(declared.ty),
                    name: format!("{entity}.{}", field.value),
                    ..Expected::default()
                };
                let typed = self.expr(names, right, &wanted);
                self.fit(&typed, &wanted, field.span);
                return Some((field.value.clone(), typed.expr));
            }
        }
        let unique: Vec<String> = self
            .declared
            .entity(entity)?
            .fields
            .iter()
            .filter(|(n, f)| f.unique && n.as_str() != "engine_link_id")
            .map(|(n, _)| n.clone())
            .collect();
        let problem = Problem::new(
            Code::E0504,
            "this does not name one record",
            condition.span,
            "not one equality on a unique field",
        );
        let turned = match &condition.kind {
            ExprKind::Binary(left, op, right) if op.value == BinaryOp::Equal => match &right.kind {
                ExprKind::Path(path) if path.names.len() == 1 && unique.contains(&path.names[0].value) => {
                    Some(format!(
                        "write `where {} = {}`: the field stands first",
                        self.declared.text(right.span),
                        self.declared.text(left.span)
                    ))
                }
                _ => None,
            },
            _ => None,
        };
        let all = || format!("write `where f = value` with one of: {}", unique.join(", "));
        self.report(problem.help(turned.unwrap_or_else(all)));
        None
    }

    fn set(
        &mut self,
        names: &Names,
        action: &ast::Action,
        path: &ast::Path,
        value: &ast::Expr,
        on_empty: Option<&ast::OnEmpty>,
        around: &Around,
    ) -> Option<ActionKind> {
        let (last, front) = path.names.split_last()?;
        if front.is_empty() {
            let problem =
                Problem::new(Code::E0101, "this names no field", path.span, "a variable and a field are needed");
            self.report(problem.help("write it as `set deal.amount = …`"));
            return None;
        }
        let span = front[0].span.to(front[front.len() - 1].span);
        let front = ast::Path { names: front.to_vec(), span };
        let target = self.path(names, &front, &Expected::default());
        if let Some(missing) = target.missing.clone() {
            self.absent(&missing, front.span, "set");
        }
        let (variable, links, entity) = match (target.expr, target.kind) {
            (Expr::Record { variable, links }, Kind::Record(entity)) => (variable, links, entity),
            (_, Kind::Any) => return None,
            (_, kind) => {
                let message = "this is no record whose fields can be set";
                let problem = Problem::new(Code::E0201, message, front.span, describe(&kind));
                self.report(problem.help("`set` writes a field of a record: `set deal.amount = …`"));
                return None;
            }
        };
        // `set deal.contact = …` has no word for a link.
        let link = self.declared.entity(&entity)?.links.contains_key(&last.value).then_some(path.span);
        let line = ast::Assign {
            link,
            path: ast::Path { names: vec![last.clone()], span: path.span },
            value: value.clone(),
            via: None,
            on_empty: on_empty.cloned(),
            span: action.span,
        };
        let record = ast::Record { lines: vec![line], unread: Vec::new(), span: action.span };
        let purpose = For { entity: &entity, new: false, key: None, by: around.by.clone(), head: action.head };
        let assign = self.assigns(names, &record, &purpose).pop()?;
        Some(ActionKind::Set { variable, links, entity, assign })
    }

    fn start(&mut self, names: &Names, workflow: &ast::Name, with: &ast::Path) -> Option<ActionKind> {
        self.findings.mentioned.insert(workflow.value.clone());
        let index = self.has_workflow(workflow)?;
        let typed = self.path(names, with, &Expected::default());
        let taken = &self.declared.workflows[index];
        let wanted = &taken.entity;
        match (typed.expr, typed.kind) {
            (Expr::Record { variable, links }, Kind::Record(entity)) if entity == *wanted => {
                if let Some(missing) = typed.missing {
                    self.absent(&missing, with.span, "start");
                }
                Some(ActionKind::Start { workflow: index, variable, links })
            }
            (_, Kind::Any) => None,
            (_, kind) => {
                // The workflow's own head was told of.
                self.declared.entity(wanted)?;
                let problem = Problem::new(
                    Code::E0601,
                    format!("workflow {} takes {}", workflow.value, phrases::an_entity(wanted)),
                    with.span,
                    describe(&kind),
                );
                self.report(problem.label(taken.span, format!("takes {wanted}")));
                None
            }
        }
    }
}

fn nothing(otherwise: Option<&ast::OnEmpty>) -> bool {
    otherwise.is_some_and(|e| e.outcome == Written::Nothing)
}

/// The words an action begins with, such as `create crm.Deal`.
pub(crate) fn begin(action: &ast::Action, to: Span) -> Span {
    action.head.to(to)
}

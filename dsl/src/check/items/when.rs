//! `when`: every stage handled, the body as flat code.

use std::sync::Arc;

use crate::ast::{self, Item};
use crate::check::facts::checker::Checker;
use crate::check::facts::findings::By;
use crate::check::facts::typed::{Kind, Missing, Names, Var, present};
use crate::check::items::action::Around;
use crate::diagnostic::{Code, Problem};
use crate::program::{self, Compare, Expr, Op, Trigger, When};
use crate::schema::Type;
use crate::value::Value;

impl Checker<'_> {
    pub(crate) fn when(&mut self, when: &ast::When, item: &Item) {
        let Some(entity) = self.has_entity(&when.entity) else { return };
        let mut names = Names::default();
        let variable = when.named.as_ref().map_or_else(|| "this".to_owned(), |n| n.value.clone());
        names.vars.insert(variable.clone(), Var::new(Kind::Record(entity.clone())));
        let mut choice = None;
        let mut options = Vec::new();
        let mut changed = None;
        let trigger = match &when.trigger.value {
            ast::Trigger::Created => Trigger::Created,
            ast::Trigger::Deleted => Trigger::Deleted,
            ast::Trigger::Changes(written) => {
                if self.declared.field(&entity, &written.value).is_none() {
                    self.no_field(&entity, written);
                }
                let meant = self.declared.meant_field(&entity, written);
                let field = match meant {
                    Some(meant) => ast::Name::new(meant, written.span),
                    None => return,
                };
                let Some(declared) = self.declared.field(&entity, &field.value).cloned() else { return };
                self.findings.uses_field(&entity, &field.value);
                // A list has several words at once, and no stage.
                let list = matches!(declared.ty, Type::List(_));
                choice = self.declared.choice_of(&entity, &field.value).filter(|_| !list);
                options = declared.options.clone();
                // Of several fields nobody knows which one has these values.
                for name in ["old", "new"].into_iter().filter(|_| when.also.is_empty()) {
                    // There may have been no value before, and an optional field may have none afterwards.
                    let why = if name == "old" { "there may have been no value" } else { "the field may be empty" };
                    let missing = (name == "old" || declared.optional).then(|| Missing::variable(why));
                    let field = Some((entity.clone(), field.value.clone()));
                    let var = Var { missing, field, ..Var::new(Kind::Value(declared.ty.clone())) };
                    names.vars.insert(name.to_owned(), var);
                }
                if when.also.is_empty() {
                    changed = Some(field.value.clone());
                } else {
                    (choice, options) = (None, Vec::new());
                }
                Trigger::Changes(field.value.clone())
            }
        };
        let mut also: Vec<String> = Vec::new();
        for written in &when.also {
            if self.declared.field(&entity, &written.value).is_none() {
                self.no_field(&entity, written);
            }
            let Some(meant) = self.declared.meant_field(&entity, written) else { continue };
            if self.declared.field(&entity, &meant).is_none() {
                continue;
            }
            let twice = matches!(&trigger, Trigger::Changes(first) if *first == meant) || also.contains(&meant);
            if twice {
                let problem =
                    Problem::new(Code::E0103, format!("`{meant}` is named twice"), written.span, "again here");
                self.report(problem.help("one of them is enough"));
                continue;
            }
            self.findings.uses_field(&entity, &meant);
            also.push(meant);
        }
        let only = when
            .only
            .iter()
            .map(|expr| self.condition(&names, expr))
            .reduce(|a, b| Expr::And(Box::new(a), Box::new(b)));
        if let Some(only) = &only {
            names.present = present(only, true);
        }
        let around = Around {
            by: By::When(self.declared.text(item.head).to_owned()),
            head: when.entity.span.to(when.trigger.span),
            repeated: "messages are delivered at least once",
            accepts: false,
            failed: false,
        };
        let mut ops = Vec::new();
        if let Some(always) = &when.always {
            self.block(&mut names, &always.actions, &around, &mut ops);
        }
        let words: Vec<String> = match choice {
            Some(choice) => self.declared.words(choice),
            None => options.clone(),
        };
        if let Some(field) = &changed
            && (!when.branches.is_empty() || choice.is_some())
        {
            self.stages(when, choice, &words, &format!("{entity}.{field}"));
        } else if let Some(branch) = when.branches.first() {
            let (message, label, help) = if when.also.is_empty() {
                let help = format!("write `when {entity} changes field`");
                ("only a change of a field has stages", "nothing changes here", help)
            } else {
                let help = format!("write `when {entity} changes` with the one field whose stages these are");
                ("only a change of one field has stages", "a stage of which field?", help)
            };
            self.report(Problem::new(Code::E0502, message, branch.span, label).help(help));
        }
        let mut ends = Vec::new();
        // A branch `from a to b` is looked at before the branches for every change to `b`.
        let (from, every): (Vec<_>, Vec<_>) = when.branches.iter().partition(|branch| branch.from.is_some());
        for branch in from.into_iter().chain(every) {
            let is = |name: &str, word: &str| {
                Expr::Compare(
                    Compare::Equal,
                    Box::new(Expr::Field {
                        variable: name.to_owned(),
                        links: Vec::new(),
                        field: String::new(),
                        entity: None,
                    }),
                    Box::new(Expr::Literal(Value::text(word))),
                )
            };
            let to =
                branch.to.iter().map(|word| is("new", &word.value)).reduce(|a, b| Expr::Or(Box::new(a), Box::new(b)));
            let Some(mut condition) = to else { continue };
            if let Some(from) = &branch.from {
                condition = Expr::And(Box::new(is("old", &from.value)), Box::new(condition));
            }
            let jump = ops.len();
            ops.push(Op::Jump(0));
            let mut inner = names.clone();
            self.block(&mut inner, &branch.block.actions, &around, &mut ops);
            ends.push(ops.len());
            ops.push(Op::Jump(0));
            ops[jump] = Op::JumpUnless(condition, ops.len());
        }
        let end = ops.len();
        for jump in ends {
            ops[jump] = Op::Jump(end);
        }
        self.block(&mut names, &when.actions, &around, &mut ops);
        ops.push(Op::Finish);
        let place = self.declared.place(item.span);
        self.findings.whens.push(Arc::new(When {
            entity,
            trigger,
            also,
            variable,
            only,
            code: program::Code { ops, steps: Vec::new(), on_failure: None },
            place,
        }));
    }
}

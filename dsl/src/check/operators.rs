//! `as …`, comparisons and arithmetic.

use super::expr::{Expected, Kind, Missing, Names, Typed};
use super::names::suggest;
use super::note;
use super::types::{describe, fits, type_name};
use super::world::World;
use crate::ast::{self, BinaryOp, ExprKind, TransformName};
use crate::diagnostic::Problem;
use crate::near::nearest;
use crate::program::{Arithmetic, Compare, Expr, Transform};
use crate::schema::{EntityName, Type};
use crate::source::Span;
use crate::transforms;
use crate::value::Value;

impl World<'_> {
    pub(super) fn transformed(
        &mut self,
        names: &Names,
        of: &ast::Expr,
        transform: &ast::Transform,
        expected: &Expected,
        span: Span,
    ) -> Typed {
        let of = self.expr(names, of, &Expected { name: expected.name.clone(), ..Expected::default() });
        let name = match &transform.name {
            TransformName::Format(text) => {
                if !matches!(of.kind, Kind::Any | Kind::Value(Type::Time | Type::Date)) {
                    let problem =
                        Problem::new("E0201", "only a time or a date has a form", transform.span, "this is for times");
                    self.tell(problem.label(of.span, describe(&of.kind)).help("remove the `as`"));
                }
                let transform = Transform { name: "format".to_owned(), args: vec![Value::text(text.value.as_str())] };
                let mut typed = Typed::of(Expr::Transform(Box::new(of.expr), transform), Kind::Value(Type::Text), span);
                typed.missing = of.missing;
                return typed;
            }
            TransformName::Named(name) => name.value.clone(),
        };
        let found =
            self.systems.iter().find_map(|(system, s)| s.lock.lookups.get(&name).map(|l| (system.clone(), l.clone())));
        if let Some((system, lookup)) = found {
            let entity = EntityName::new(&system, &lookup.entity);
            note(&mut self.used, &entity, &lookup.from, false);
            note(&mut self.used, &entity, &lookup.to, false);
            let product = &self.systems[&system].lock.product;
            let why = format!("{product} may know no such {}", super::words::thing(&lookup.entity));
            let mut typed =
                Typed::of(Expr::Lookup { of: Box::new(of.expr), system, lookup }, Kind::Value(Type::Text), span);
            typed.missing = Some(Missing::new(why, span));
            return typed;
        }
        let Some((builtin, applied)) = self.builtin(transform) else { return Typed::any(span) };
        let fits = match &of.kind {
            Kind::Any => true,
            Kind::Value(ty) => fits(ty, &builtin.takes),
            _ => false,
        };
        if !fits {
            let message = format!("`as {name}` needs {}", type_name(&builtin.takes));
            let problem = Problem::new("E0201", message, of.span, describe(&of.kind));
            self.tell(problem.label(transform.span, builtin.doc));
            return Typed::any(span);
        }
        let expr = Expr::Transform(Box::new(of.expr), applied);
        let mut typed = Typed::of(expr, Kind::Value(builtin.gives.clone()), span);
        typed.missing = of.missing;
        typed
    }

    /// A transform of the registry with its arguments; E0109 where there is none of this name.
    pub(super) fn builtin(&mut self, transform: &ast::Transform) -> Option<(&'static transforms::Builtin, Transform)> {
        let TransformName::Named(name) = &transform.name else { return None };
        let Some(builtin) = transforms::named(&name.value).filter(|b| b.name != "format") else {
            let known: Vec<String> = transforms::registry()
                .iter()
                .map(|b| b.name.to_owned())
                .filter(|n| n != "format")
                .chain(self.systems.values().flat_map(|s| s.lock.lookups.keys().cloned()))
                .collect();
            let message = format!("there is no transform or lookup `{}`", name.value);
            let problem = Problem::new("E0109", message, name.span, "not known");
            let problem = match nearest(&name.value, known.iter().map(String::as_str)).map(str::to_owned) {
                Some(near) => suggest(problem, Some(near), name.span),
                None => problem.help(format!("there are: {}", known.join(", "))),
            };
            self.tell(problem);
            return None;
        };
        let mut args = Vec::new();
        for arg in &transform.args {
            let typed = self.expr(&Names::default(), arg, &Expected::default());
            match typed.expr {
                _ if typed.kind == Kind::Any => return None,
                Expr::Literal(value) => args.push(value),
                _ => {
                    let problem =
                        Problem::new("E0201", "a number or text is written out here", arg.span, "not written out");
                    self.tell(problem.help(builtin.doc));
                    return None;
                }
            }
        }
        if let Err(reason) = builtin.accepts(&args) {
            let message = format!("`as {}` cannot be used like this", builtin.name);
            let problem = Problem::new("E0201", message, transform.span, reason);
            self.tell(problem.help(builtin.doc));
            return None;
        }
        Some((builtin, Transform { name: builtin.name.to_owned(), args }))
    }

    pub(super) fn binary(
        &mut self,
        names: &Names,
        left: &ast::Expr,
        op: BinaryOp,
        right: &ast::Expr,
        span: Span,
    ) -> Typed {
        let flag = |expr| Typed::of(expr, Kind::Value(Type::Flag), span);
        match op {
            BinaryOp::And | BinaryOp::Or => {
                let (l, r) = (Box::new(self.condition(names, left)), Box::new(self.condition(names, right)));
                flag(if op == BinaryOp::And { Expr::And(l, r) } else { Expr::Or(l, r) })
            }
            BinaryOp::Add | BinaryOp::Subtract | BinaryOp::Multiply | BinaryOp::Divide => {
                let l = self.expr(names, left, &Expected::default());
                let r = self.expr(names, right, &Expected::default());
                for side in [&l, &r] {
                    if !matches!(
                        side.kind,
                        Kind::Any
                            | Kind::Duration
                            | Kind::Value(Type::Integer | Type::Number | Type::Money | Type::Percent | Type::Time)
                    ) {
                        let problem =
                            Problem::new("E0201", "this cannot be calculated with", side.span, describe(&side.kind));
                        self.tell(problem.help("only numbers, money, percentages and times can"));
                        return Typed::any(span);
                    }
                }
                let op = match op {
                    BinaryOp::Add => Arithmetic::Add,
                    BinaryOp::Subtract => Arithmetic::Subtract,
                    BinaryOp::Multiply => Arithmetic::Multiply,
                    _ => Arithmetic::Divide,
                };
                let kind = if l.kind == Kind::Value(Type::Integer) { r.kind.clone() } else { l.kind.clone() };
                let missing = l.missing.or(r.missing);
                let mut typed = Typed::of(Expr::Arithmetic(op, Box::new(l.expr), Box::new(r.expr)), kind, span);
                typed.missing = missing;
                typed
            }
            _ => {
                // A word on either side takes its meaning from the other.
                let bare = |e: &ast::Expr| matches!(&e.kind, ExprKind::Path(p) if p.names.len() == 1 && !names.vars.contains_key(&p.names[0].value));
                let left_first = !bare(left) || names.bare.is_some();
                let (l, r) = if left_first {
                    let l = self.expr(names, left, &Expected::default());
                    let r = self.expr(names, right, &wanted(&l));
                    (l, r)
                } else {
                    let r = self.expr(names, right, &Expected::default());
                    let l = self.expr(names, left, &wanted(&r));
                    (l, r)
                };
                if op == BinaryOp::In {
                    return flag(Expr::In(Box::new(l.expr), Box::new(r.expr)));
                }
                if let (Kind::Value(a), Kind::Value(b)) = (&l.kind, &r.kind)
                    && !fits(a, b)
                    && !fits(b, a)
                {
                    let problem = Problem::new("E0201", "these two cannot be compared", l.span, type_name(a));
                    self.tell(problem.label(r.span, type_name(b)));
                }
                let op = match op {
                    BinaryOp::Equal => Compare::Equal,
                    BinaryOp::NotEqual => Compare::NotEqual,
                    BinaryOp::Less => Compare::Less,
                    BinaryOp::LessOrEqual => Compare::LessOrEqual,
                    BinaryOp::Greater => Compare::Greater,
                    _ => Compare::GreaterOrEqual,
                };
                flag(Expr::Compare(op, Box::new(l.expr), Box::new(r.expr)))
            }
        }
    }
}

pub(super) fn wanted(typed: &Typed) -> Expected {
    let ty = match &typed.kind {
        Kind::Value(ty) => Some(ty.clone()),
        _ => None,
    };
    Expected { ty, choice: typed.choice, options: typed.options.clone(), name: typed.field.clone().unwrap_or_default() }
}

//! Expressions: names to variables and fields, types that fit, words of choices.
//!
//! Always true: a failed part has the kind [`Kind::Any`], which fits everything and may not be missing, so
//! that one mistake gives one message.

use std::collections::BTreeMap;

use super::types::{describe, fits, type_name};
use super::world::World;
use crate::ast::{self, ExprKind, TextPart};
use crate::diagnostic::{Code, Problem, Related};
use crate::program::Expr;
use crate::schema::{EntityName, Field, Type};
use crate::source::Span;
use crate::value::{Value, days_of};

/// What an expression gives.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// Something went wrong already; fits everything.
    Any,
    /// A value.
    Value(Type),
    /// A record.
    Record(EntityName),
    /// An event or a result.
    Members(BTreeMap<String, Field>),
    /// A length of time.
    Duration,
    /// `empty`
    Empty,
}

/// A checked expression and what is known of it.
#[derive(Debug, Clone)]
pub(super) struct Typed {
    pub(super) expr: Expr,
    pub(super) kind: Kind,
    pub(super) choice: Option<usize>,
    pub(super) options: Vec<String>,
    /// It may be missing, and why, in the reader's words.
    pub(super) missing: Option<Missing>,
    pub(super) span: Span,
    /// The field it reads, `app.User.phone`, where it is one.
    pub(super) field: Option<String>,
}

impl Typed {
    pub(super) fn any(span: Span) -> Self {
        Self::of(Expr::Literal(Value::Empty), Kind::Any, span)
    }

    pub(super) fn of(expr: Expr, kind: Kind, span: Span) -> Self {
        Self { expr, kind, choice: None, options: Vec::new(), missing: None, span, field: None }
    }
}

/// Why a value may be missing.
#[derive(Debug, Clone)]
pub(super) struct Missing {
    /// In the reader's words.
    pub(super) why: String,
    /// The part of the path that may lead nowhere.
    pub(super) span: Option<Span>,
    /// Where the lock says so.
    pub(super) related: Option<Related>,
    /// An `if` around it has made sure that it is there.
    pub(super) ruled_out: bool,
}

impl Missing {
    pub(super) fn new(why: impl Into<String>, span: Span) -> Self {
        Self { why: why.into(), span: Some(span), related: None, ruled_out: false }
    }

    /// A variable that may be bound to nothing.
    pub(super) fn variable(why: impl Into<String>) -> Self {
        Self { why: why.into(), span: None, related: None, ruled_out: false }
    }
}

/// What a value is wanted for.
#[derive(Debug, Clone, Default)]
pub(super) struct Expected {
    pub(super) ty: Option<Type>,
    pub(super) choice: Option<usize>,
    pub(super) options: Vec<String>,
    /// `crm.Deal.dealstage`, for messages.
    pub(super) name: String,
    /// What it is wanted for went wrong already: a single name may be a word of anything.
    pub(super) unknown: bool,
    /// It is only printed, so that any type will do.
    pub(super) printed: bool,
}

/// A variable.
#[derive(Debug, Clone)]
pub(super) struct Var {
    pub(super) kind: Kind,
    /// It may be bound to nothing, and why.
    pub(super) missing: Option<Missing>,
    /// The field whose value it holds, where it holds one: `old` and `new`.
    pub(super) field: Option<(EntityName, String)>,
}

impl Var {
    /// A variable that is always bound.
    pub(super) fn new(kind: Kind) -> Self {
        Self { kind, missing: None, field: None }
    }
}

/// The names an expression may use.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    pub(super) vars: BTreeMap<String, Var>,
    /// In a sync: the variable that bare paths belong to, and the entities of both sides.
    pub(super) bare: Option<(String, EntityName)>,
    pub(super) sides: Vec<(String, EntityName)>,
    /// Paths of which an `if` has made sure that they lead somewhere.
    pub(super) present: std::collections::BTreeSet<String>,
}

impl World<'_> {
    pub(super) fn expr(&mut self, names: &Names, expr: &ast::Expr, expected: &Expected) -> Typed {
        let span = expr.span;
        match &expr.kind {
            ExprKind::Text(parts) => self.text_parts(names, parts, expected, span),
            ExprKind::Number(n) => {
                let whole = n.fract().is_zero();
                let value = match i64::try_from(*n) {
                    Ok(n) if whole => Value::Integer(n),
                    _ => Value::decimal(*n),
                };
                let ty = if whole { Type::Integer } else { Type::Number };
                Typed::of(Expr::Literal(value), Kind::Value(ty), span)
            }
            ExprKind::Percent(n) => Typed::of(Expr::Literal(Value::decimal(*n)), Kind::Value(Type::Percent), span),
            ExprKind::Flag(yes) => Typed::of(Expr::Literal(Value::Flag(*yes)), Kind::Value(Type::Flag), span),
            ExprKind::Date(date) => {
                Typed::of(Expr::Literal(Value::Date(days_of(*date))), Kind::Value(Type::Date), span)
            }
            ExprKind::Timestamp(at) => Typed::of(Expr::Literal(Value::Time(*at)), Kind::Value(Type::Time), span),
            ExprKind::Duration(length) => Typed::of(Expr::Literal(Value::Integer(length.0)), Kind::Duration, span),
            ExprKind::Empty => Typed::of(Expr::Literal(Value::Empty), Kind::Empty, span),
            ExprKind::List(items) => {
                let items: Vec<Typed> = items.iter().map(|item| self.expr(names, item, expected)).collect();
                if let Some(Kind::Value(first)) = items.first().map(|item| item.kind.clone()) {
                    let other = items.iter().find(|item| match &item.kind {
                        Kind::Value(ty) => !fits(ty, &first),
                        kind => *kind != Kind::Any,
                    });
                    if let Some(other) = other {
                        let problem = Problem::new(
                            Code::E0201,
                            "a list holds values of one type",
                            other.span,
                            describe(&other.kind),
                        );
                        self.tell(problem.label(items[0].span, type_name(&first)));
                    }
                }
                let kind = match items.first().map(|i| &i.kind) {
                    Some(Kind::Value(ty)) => Kind::Value(Type::List(Box::new(ty.clone()))),
                    _ => Kind::Any,
                };
                Typed::of(Expr::List(items.into_iter().map(|i| i.expr).collect()), kind, span)
            }
            ExprKind::Path(path) => self.path(names, path, expected),
            ExprKind::Index { table, key, rest } => self.index(names, table, key, rest, span),
            ExprKind::As(of, transform) => self.transformed(names, of, transform, expected, span),
            ExprKind::IsEmpty { of, negated } => {
                let of = self.expr(names, of, &Expected::default());
                let test = match (&of.kind, &of.expr) {
                    (Kind::Record(_), Expr::Record { variable, links }) => {
                        Expr::IsEmpty(Box::new(Expr::Reference { variable: variable.clone(), links: links.clone() }))
                    }
                    _ => Expr::IsEmpty(Box::new(of.expr)),
                };
                let test = if *negated { Expr::Not(Box::new(test)) } else { test };
                Typed::of(test, Kind::Value(Type::Flag), span)
            }
            ExprKind::Else(first, second) => {
                let first = self.expr(names, first, expected);
                let wanted = Expected {
                    choice: first.choice.or(expected.choice),
                    options: if first.options.is_empty() { expected.options.clone() } else { first.options.clone() },
                    ..expected.clone()
                };
                let second = self.expr(names, second, &wanted);
                self.fit(&second, &wanted, second.span);
                if let (Kind::Value(before), Kind::Value(after)) = (&first.kind, &second.kind)
                    && expected.ty.is_none()
                    && !expected.printed
                    && !fits(after, before)
                {
                    let message = format!("the value before this `else` is {}", type_name(before));
                    let problem = Problem::new(Code::E0201, message, second.span, type_name(after));
                    self.tell(problem.label(first.span, type_name(before)));
                }
                if first.missing.is_none() && first.kind != Kind::Any {
                    let problem = Problem::new(
                        Code::W0204,
                        "this `else` never happens",
                        span,
                        "the value before it cannot be missing",
                    );
                    self.tell(problem.help("remove the `else`"));
                }
                let kind = if first.kind == Kind::Any { second.kind.clone() } else { first.kind.clone() };
                Typed {
                    expr: Expr::Else(Box::new(first.expr), Box::new(second.expr)),
                    kind,
                    choice: first.choice,
                    options: first.options,
                    missing: second.missing,
                    span,
                    field: None,
                }
            }
            ExprKind::Not(of) => {
                let of = self.condition(names, of);
                Typed::of(Expr::Not(Box::new(of)), Kind::Value(Type::Flag), span)
            }
            ExprKind::Binary(left, op, right) => self.binary(names, left, op.value, right, span),
        }
    }

    /// An expression that is yes or no.
    pub(super) fn condition(&mut self, names: &Names, expr: &ast::Expr) -> Expr {
        let typed = self.expr(names, expr, &Expected { ty: Some(Type::Flag), ..Expected::default() });
        if !matches!(typed.kind, Kind::Any | Kind::Value(Type::Flag)) {
            let problem = Problem::new(Code::E0201, "this is no condition", typed.span, "neither yes nor no");
            self.tell(problem.help("compare it: `= …`, `is empty`, `in […]`"));
        }
        typed.expr
    }

    fn text_parts(&mut self, names: &Names, parts: &[TextPart], expected: &Expected, span: Span) -> Typed {
        if let [TextPart::Chars(text)] = parts {
            let mut typed = Typed::of(Expr::Literal(Value::text(text.as_str())), Kind::Value(Type::Text), span);
            // A quoted text where a word or an option is wanted must be one.
            if let Some(choice) = expected.choice {
                if self.words.choices[choice].row(text).is_none() {
                    self.no_word(choice, &expected.name, text, span);
                    return Typed::any(span);
                }
                typed.kind = Kind::Value(Type::Enum);
                typed.choice = Some(choice);
            } else if expected.choice.is_none() && !expected.options.is_empty() {
                if !expected.options.contains(text) {
                    self.no_option(&expected.name, text, span, &expected.options.clone());
                    return Typed::any(span);
                }
                typed.kind = Kind::Value(Type::Enum);
                typed.options = vec![text.clone()];
            }
            return typed;
        }
        let mut joined = Vec::new();
        for part in parts {
            match part {
                TextPart::Chars(text) => joined.push((Expr::Literal(Value::text(text.as_str())), None)),
                TextPart::Expr(inner) => {
                    let inner = self.expr(names, inner, &Expected { printed: true, ..Expected::default() });
                    self.needed(&inner, "and the text would have a gap");
                    joined.push((inner.expr, inner.choice));
                }
            }
        }
        Typed::of(Expr::Join(joined), Kind::Value(Type::Text), span)
    }
}

/// A path as it is written, blanks and backquotes left out.
pub(super) fn dotted(path: &ast::Path) -> String {
    path.names.iter().map(|name| name.value.as_str()).collect::<Vec<_>>().join(".")
}

/// Paths that lead somewhere where the condition holds: of `a is not empty and b.c is not empty`, both.
pub(super) fn present(condition: &ast::Expr, found: &mut std::collections::BTreeSet<String>) {
    match &condition.kind {
        ExprKind::IsEmpty { of, negated: true } => {
            if let ExprKind::Path(path) = &of.kind {
                // What stands before it on the way is there as well.
                let mut names: Vec<&str> = path.names.iter().map(|name| name.value.as_str()).collect();
                while !names.is_empty() {
                    found.insert(names.join("."));
                    names.pop();
                }
            }
        }
        ExprKind::Binary(left, op, right) if op.value == ast::BinaryOp::And => {
            present(left, found);
            present(right, found);
        }
        _ => {}
    }
}

//! Expressions: names to variables and fields, types that fit, words of choices.
//!
//! Always true: a failed part has the kind [`Kind::Any`], which fits everything and may not be missing, so
//! that one mistake gives one message.

pub(crate) mod missing;
pub(crate) mod operators;
pub(crate) mod paths;
pub(crate) mod types;

use crate::ast::{self, ExprKind, TextPart};
use crate::check::facts::checker::Checker;
use crate::check::facts::typed::{Expected, Kind, Missing, Names, Typed};
use crate::check::facts::types::{describe, fits, type_name};
use crate::diagnostic::{Code, Problem};
use crate::program::Expr;
use crate::schema::Type;
use crate::source::Span;
use crate::transforms;
use crate::value::{Value, days_of};

impl Checker<'_> {
    pub(crate) fn expr(&mut self, names: &Names, expr: &ast::Expr, expected: &Expected) -> Typed {
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
            ExprKind::Empty => Typed { empty: true, ..Typed::of(Expr::Literal(Value::Empty), Kind::Empty, span) },
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
                        self.report(problem.label(items[0].span, type_name(&first)));
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
                // Whether a link leads somewhere is known without the record behind it, which may not have been read.
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
                    // A bare word behind `else` is one that the value before it could have been.
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
                    self.report(problem.label(first.span, type_name(before)));
                }
                if first.missing.is_none() && !transforms::may_refuse(&first.expr) && first.kind != Kind::Any {
                    let problem = Problem::new(
                        Code::W0204,
                        "this `else` never happens",
                        span,
                        "the value before it cannot be missing",
                    );
                    self.report(problem.help("remove the `else`"));
                }
                let kind = if first.kind == Kind::Any { second.kind.clone() } else { first.kind.clone() };
                Typed {
                    expr: Expr::Else(Box::new(first.expr), Box::new(second.expr)),
                    kind,
                    choice: first.choice,
                    options: first.options,
                    missing: second.missing,
                    empty: second.empty,
                    span,
                    field: None,
                }
            }
            ExprKind::Not(of) => {
                let of = self.answer(names, of);
                let mut typed = Typed::of(Expr::Not(Box::new(of.expr)), Kind::Value(Type::Flag), span);
                typed.missing = of.missing.map(|missing| Missing { negated: Some(of.span), ..missing });
                typed
            }
            ExprKind::Binary(left, op, right) => self.binary(names, left, op.value, right, span),
        }
    }

    /// An expression that must say yes before something is done: a missing answer is none. Behind a `not` that would
    /// turn into a yes that nobody gave, so there the rules decide.
    pub(crate) fn condition(&mut self, names: &Names, expr: &ast::Expr) -> Expr {
        let typed = self.answer(names, expr);
        if let Some(missing) = &typed.missing
            && let Some(of) = missing.negated.filter(|_| !missing.ruled_out)
        {
            let message = "this value can be missing, and nothing says what to do then";
            let label = format!("{}, and `not` of nothing is neither yes nor no", missing.why);
            let mut problem = Problem::new(Code::E0203, message, missing.span.unwrap_or(of), label);
            let text = self.declared.text(of);
            let help = if text.contains(char::is_whitespace) {
                "write behind that value what counts where it is missing: `else no` or `else yes`".to_owned()
            } else {
                format!("write `{text} = no` to ask for a known no, `{text} != yes` to count a missing one as no")
            };
            problem = problem.help(help);
            problem.related.extend(missing.related.clone());
            self.report(problem);
        }
        typed.expr
    }

    /// An expression that is yes or no, or missing.
    pub(crate) fn answer(&mut self, names: &Names, expr: &ast::Expr) -> Typed {
        let typed = self.expr(names, expr, &Expected { ty: Some(Type::Flag), ..Expected::default() });
        if !matches!(typed.kind, Kind::Any | Kind::Value(Type::Flag)) {
            let problem = Problem::new(Code::E0201, "this is no condition", typed.span, "neither yes nor no");
            self.report(problem.help("compare it: `= …`, `is empty`, `in […]`"));
            return Typed { missing: None, ..typed };
        }
        typed
    }

    fn text_parts(&mut self, names: &Names, parts: &[TextPart], expected: &Expected, span: Span) -> Typed {
        if let [TextPart::Chars(text)] = parts {
            let mut typed = Typed::of(Expr::Literal(Value::text(text.as_str())), Kind::Value(Type::Text), span);
            // A quoted text where a word or an option is wanted must be one.
            if let Some(choice) = expected.choice {
                if self.declared.vocabulary.choices[choice].row(text).is_none() {
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
                    self.printed(&inner, "and the text would have a gap");
                    joined.push((inner.expr, inner.choice));
                }
            }
        }
        Typed::of(Expr::Join(joined), Kind::Value(Type::Text), span)
    }
}

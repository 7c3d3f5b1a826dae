//! `as …`, comparisons and arithmetic.

use crate::ast::{self, BinaryOp, ExprKind, TransformName};
use crate::check::facts::checker::Checker;
use crate::check::facts::phrases::{self, suggest};
use crate::check::facts::typed::{Expected, Kind, Missing, Names, Typed, place, present};
use crate::check::facts::types::{describe, fits, numeric, type_name};
use crate::diagnostic::{Code, Problem};
use crate::program::{Arithmetic, Compare, Expr, Transform};
use crate::schema::{EntityName, Type};
use crate::source::Span;
use crate::suggest::nearest;
use crate::transforms;
use crate::value::{Timestamp, Value};

impl Checker<'_> {
    pub(crate) fn transformed(
        &mut self,
        names: &Names,
        of: &ast::Expr,
        transform: &ast::Transform,
        expected: &Expected,
        span: Span,
    ) -> Typed {
        // The type that is wanted is that of the result, not of what is transformed.
        let of = self.expr(names, of, &Expected { name: expected.name.clone(), ..Expected::default() });
        let name = match &transform.name {
            TransformName::Format(text) => {
                if !matches!(of.kind, Kind::Any | Kind::Value(Type::Time | Type::Date)) {
                    let problem = Problem::new(
                        Code::E0201,
                        "only a time or a date has a form",
                        transform.span,
                        "this is for times",
                    );
                    self.report(problem.label(of.span, describe(&of.kind)).help("remove the `as`"));
                }
                let transform = Transform { name: "format".to_owned(), args: vec![Value::text(text.value.as_str())] };
                let mut typed = Typed::of(Expr::Transform(Box::new(of.expr), transform), Kind::Value(Type::Text), span);
                typed.missing = of.missing;
                return typed;
            }
            TransformName::Named(name) => name.value.clone(),
        };
        let found = self
            .declared
            .systems
            .iter()
            .find_map(|(system, s)| s.lock.lookups.get(&name).map(|l| (system.clone(), l.clone())));
        if let Some((system, lookup)) = found {
            let entity = EntityName::new(&system, &lookup.entity);
            // A lookup goes by what the engine keeps of these records, so both of its fields must be kept.
            self.findings.uses_field(&entity, &lookup.from);
            self.findings.uses_field(&entity, &lookup.to);
            let product = &self.declared.systems[&system].lock.product;
            let why = format!("{product} may know no such {}", phrases::thing(&lookup.entity));
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
            let problem = Problem::new(Code::E0201, message, of.span, describe(&of.kind));
            self.report(problem.label(transform.span, builtin.doc));
            return Typed::any(span);
        }
        let expr = Expr::Transform(Box::new(of.expr), applied);
        let lacks = builtin.lacks.map(|why| {
            let known = place(&expr).is_some_and(|place| names.present.contains(&place));
            Missing { ruled_out: known, ..Missing::new(why, span) }
        });
        let mut typed = Typed::of(expr, Kind::Value(builtin.gives.clone()), span);
        typed.missing = of.missing.filter(|missing| !missing.ruled_out || lacks.is_none()).or(lacks);
        typed
    }

    /// A transform of the registry with its arguments; E0109 where there is none of this name.
    pub(crate) fn builtin(&mut self, transform: &ast::Transform) -> Option<(&'static transforms::Builtin, Transform)> {
        let TransformName::Named(name) = &transform.name else { return None };
        let Some(builtin) = transforms::named(&name.value).filter(|b| b.name != "format") else {
            // It may be a lookup of a lock that cannot be read.
            if !self.declared.unknown.is_empty() {
                return None;
            }
            let known: Vec<String> = transforms::registry()
                .iter()
                .map(|b| b.name.to_owned())
                .filter(|n| n != "format")
                .chain(self.declared.systems.values().flat_map(|s| s.lock.lookups.keys().cloned()))
                .collect();
            let message = format!("there is no transform or lookup `{}`", name.value);
            let problem = Problem::new(Code::E0109, message, name.span, "not known");
            let near = transforms::elsewhere(&name.value)
                .or_else(|| nearest(&name.value, known.iter().map(String::as_str)))
                .map(str::to_owned);
            let problem = match near {
                Some(near) => suggest(problem, Some(near), name.span),
                None => problem.help(format!("there are: {}", known.join(", "))),
            };
            self.report(problem);
            return None;
        };
        let mut args = Vec::new();
        for arg in &transform.args {
            let typed = self.expr(&Names::default(), arg, &Expected::default());
            match typed.expr {
                _ if typed.kind == Kind::Any => return None,
                Expr::Literal(value) => args.push(value),
                Expr::Join(parts) if parts.is_empty() => args.push(Value::text("")),
                _ => {
                    let problem =
                        Problem::new(Code::E0201, "a number or text is written out here", arg.span, "not written out");
                    self.report(problem.help(builtin.doc));
                    return None;
                }
            }
        }
        if let Err(reason) = builtin.accepts(&args) {
            let message = format!("`as {}` cannot be used like this", builtin.name);
            let problem = Problem::new(Code::E0201, message, transform.span, reason);
            self.report(problem.help(builtin.doc));
            return None;
        }
        Some((builtin, Transform { name: builtin.name.to_owned(), args }))
    }

    pub(crate) fn binary(
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
                let before = self.findings.problems.len();
                let l = self.answer(names, left);
                let told = self.findings.problems[before..].last_mut();
                if let (BinaryOp::Or, Some(problem)) = (op, told)
                    && problem.code == Code::E0201
                    && problem.span() == left.span
                {
                    // Nothing more is told: whoever means `else` wants no condition here.
                    problem.help.push("for a value in the place of a missing one, write `else`, not `or`".to_owned());
                    return Typed::any(span);
                }
                // The right side is looked at where the left one has not answered for both.
                let said = present(&l.expr, op == BinaryOp::And);
                let r = if said.is_empty() {
                    self.answer(names, right)
                } else {
                    let mut names = names.clone();
                    names.present.extend(said);
                    self.answer(&names, right)
                };
                let missing = [l.missing, r.missing]
                    .into_iter()
                    .flatten()
                    .max_by_key(|missing| (!missing.ruled_out, missing.negated.is_some()));
                let (l, r) = (Box::new(l.expr), Box::new(r.expr));
                let both = if op == BinaryOp::And { Expr::And(l, r) } else { Expr::Or(l, r) };
                Typed { missing, ..flag(both) }
            }
            BinaryOp::Add => self.arithmetic(names, left, Arithmetic::Add, right, span),
            BinaryOp::Subtract => self.arithmetic(names, left, Arithmetic::Subtract, right, span),
            BinaryOp::Multiply => self.arithmetic(names, left, Arithmetic::Multiply, right, span),
            BinaryOp::Divide => self.arithmetic(names, left, Arithmetic::Divide, right, span),
            BinaryOp::In => {
                let of = self.expr(names, left, &Expected::default());
                let list = self.expr(names, right, &wanted(&of));
                if let (ExprKind::List(items), Kind::Value(ty)) = (&right.kind, &of.kind)
                    && let Some(item) = items.first()
                    && let (Kind::Value(Type::List(inner)), Expr::List(values)) = (&list.kind, &list.expr)
                    && let Some(value) = values.first()
                {
                    let item = Typed::of(value.clone(), Kind::Value((**inner).clone()), item.span);
                    if self.not_percent(&of, ty, &item, inner) {
                        return Typed::any(span);
                    }
                }
                self.in_list(&of, &list);
                flag(Expr::In(Box::new(of.expr), Box::new(list.expr)))
            }
            BinaryOp::Contains => flag(self.part_of(names, left, Compare::Contains, right)),
            BinaryOp::StartsWith => flag(self.part_of(names, left, Compare::StartsWith, right)),
            BinaryOp::EndsWith => flag(self.part_of(names, left, Compare::EndsWith, right)),
            BinaryOp::Equal => flag(self.comparison(names, left, Compare::Equal, right)),
            BinaryOp::NotEqual => flag(self.comparison(names, left, Compare::NotEqual, right)),
            BinaryOp::Less => flag(self.comparison(names, left, Compare::Less, right)),
            BinaryOp::LessOrEqual => flag(self.comparison(names, left, Compare::LessOrEqual, right)),
            BinaryOp::Greater => flag(self.comparison(names, left, Compare::Greater, right)),
            BinaryOp::GreaterOrEqual => flag(self.comparison(names, left, Compare::GreaterOrEqual, right)),
        }
    }

    fn arithmetic(&mut self, names: &Names, left: &ast::Expr, op: Arithmetic, right: &ast::Expr, span: Span) -> Typed {
        let before = self.findings.problems.len();
        let adjacent = op == Arithmetic::Subtract && left.span.end + 1 == right.span.start;
        let both = left.span.to(right.span);
        self.rounded_alone(left, right);
        let left = self.expr(names, left, &Expected::default());
        if adjacent && left.kind == Kind::Any && self.findings.problems.len() > before {
            // `role customer-success`: one word that lacks its quotes, and nothing to calculate.
            let help = format!("if it is a text, put it in quotes: `\"{}\"`", self.declared.text(both));
            if let Some(problem) = self.findings.problems.last_mut() {
                problem.help.push(help);
            }
            return Typed::any(span);
        }
        let right = self.expr(names, right, &Expected::default());
        if left.kind == Kind::Any || right.kind == Kind::Any {
            return Typed::any(span);
        }
        let Some(kind) = result(&left.kind, op, &right.kind) else {
            let verb = match op {
                Arithmetic::Add => "added",
                Arithmetic::Subtract => "subtracted",
                Arithmetic::Multiply => "multiplied",
                Arithmetic::Divide => "divided",
            };
            let (a, b) = (describe(&left.kind), describe(&right.kind));
            let text = |typed: &Typed| matches!(typed.kind, Kind::Value(Type::Text | Type::Enum));
            let help = if op == Arithmetic::Add && (text(&left) || text(&right)) {
                let part = |typed: &Typed| match &typed.expr {
                    Expr::Literal(value) => value.to_string(),
                    _ => format!("{{{}}}", self.declared.text(typed.span)),
                };
                format!("texts are put together in a text: `\"{}{}\"`", part(&left), part(&right))
            } else if right.kind == Kind::Value(Type::Percent) && op == Arithmetic::Add {
                format!("a part of it is `{0} * 10%`, 10 % more are `{0} * 110%`", self.declared.text(left.span))
            } else {
                "only numbers, money, percentages, times and lengths of time can".to_owned()
            };
            let problem = Problem::new(Code::E0201, format!("{a} and {b} cannot be {verb}"), left.span, a);
            self.report(problem.label(right.span, b).help(help));
            return Typed::any(span);
        };
        let missing = left.missing.or(right.missing);
        let mut typed = Typed::of(Expr::Arithmetic(op, Box::new(left.expr), Box::new(right.expr)), kind, span);
        typed.missing = missing;
        typed
    }

    /// W0215 for `a * b as round(2)`, which rounds `b`.
    fn rounded_alone(&mut self, left: &ast::Expr, right: &ast::Expr) {
        let ExprKind::As(of, transform) = &right.kind else { return };
        let round = matches!(&transform.name, TransformName::Named(name) if name.value == transforms::ROUND);
        // Brackets around all of it begin before the value.
        if !round || of.span.start != right.span.start {
            return;
        }
        let value = self.declared.text(of.span).to_owned();
        let calculation = self.declared.text(left.span.to(of.span)).to_owned();
        let rounding = self.declared.text(transform.span).to_owned();
        let message = format!("only `{value}` is rounded, and not what is calculated");
        let problem = Problem::new(Code::W0215, message, transform.span, "belongs to the value before it")
            .label(of.span, "this one");
        let whole = vec![
            (Span { end: left.span.start, ..left.span }, "(".to_owned()),
            (Span { start: of.span.end, ..of.span }, ")".to_owned()),
        ];
        let alone = vec![
            (Span { end: of.span.start, ..of.span }, "(".to_owned()),
            (Span { start: transform.span.end, ..transform.span }, ")".to_owned()),
        ];
        let problem = problem
            .help(format!("write `({calculation}) {rounding}`, or `({value} {rounding})` if only that is meant"))
            .fix("round what is calculated", false, whole)
            .fix("round this value only", false, alone);
        self.report(problem);
    }

    fn in_list(&mut self, of: &Typed, list: &Typed) {
        match (&of.kind, &list.kind) {
            (Kind::Any, _) | (_, Kind::Any) => {}
            (Kind::Value(ty), Kind::Value(Type::List(inner))) if fits(inner, ty) || fits(ty, inner) => {}
            (_, Kind::Value(Type::List(inner))) => {
                let problem = Problem::new(Code::E0201, "these two cannot be compared", of.span, describe(&of.kind));
                self.report(problem.label(list.span, format!("a list of {}", type_name(inner))));
            }
            (_, other) => {
                let problem = Problem::new(Code::E0201, "`in` needs a list", list.span, describe(other));
                self.report(problem.help("write `in [a, b]`, or `=` for one value"));
            }
        }
    }

    /// `contains` of a text or a list, `starts with`, `ends with`.
    fn part_of(&mut self, names: &Names, left: &ast::Expr, op: Compare, right: &ast::Expr) -> Expr {
        let of = self.expr(names, left, &Expected::default());
        let part = match &of.kind {
            // A word in the list takes its meaning from it.
            Kind::Value(Type::List(one)) => {
                let one = Expected { ty: Some((**one).clone()), ..wanted(&of) };
                self.expr(names, right, &one)
            }
            _ => self.expr(names, right, &Expected::default()),
        };
        match (&of.kind, &part.kind) {
            (Kind::Any, _) | (_, Kind::Any) | (Kind::Value(Type::Text), Kind::Value(Type::Text)) => {}
            (Kind::Value(Type::List(one)), Kind::Value(ty)) if op == Compare::Contains && fits(ty, one) => {}
            (Kind::Value(Type::Text), _) => {
                let problem = Problem::new(Code::E0201, "a part of a text is a text", part.span, describe(&part.kind));
                let written = self.declared.text(part.span);
                let text = match &part.expr {
                    Expr::Literal(value) => value.to_string(),
                    _ => format!("{{{written}}}"),
                };
                self.report(problem.help(format!("write it as a text: `\"{text}\"`")));
            }
            (Kind::Value(Type::List(one)), _) if op == Compare::Contains => {
                let problem =
                    Problem::new(Code::E0201, "this list holds no such value", part.span, describe(&part.kind));
                self.report(problem.label(of.span, format!("a list of {}", type_name(one))));
            }
            _ => {
                let (written, has) = match op {
                    Compare::Contains => ("contains", "only a text or a list contains something"),
                    Compare::StartsWith => ("starts with", "only a text starts with something"),
                    _ => ("ends with", "only a text ends with something"),
                };
                let problem = Problem::new(Code::E0201, has, of.span, describe(&of.kind));
                let help = match of.kind {
                    Kind::Value(Type::Enum) => "compare with `=`, or with `in [a, b]`".to_owned(),
                    _ => format!("`{written}` stands behind a text"),
                };
                self.report(problem.help(help));
            }
        }
        Expr::Compare(op, Box::new(of.expr), Box::new(part.expr))
    }

    fn comparison(&mut self, names: &Names, left: &ast::Expr, op: Compare, right: &ast::Expr) -> Expr {
        // A word on either side takes its meaning from the other.
        let bare = |e: &ast::Expr| matches!(&e.kind, ExprKind::Path(p) if p.names.len() == 1 && !names.vars.contains_key(&p.names[0].value));
        let (mut l, mut r) = if !bare(left) || names.bare.is_some() {
            let l = self.expr(names, left, &Expected::default());
            let r = self.expr(names, right, &wanted(&l));
            (l, r)
        } else {
            let r = self.expr(names, right, &Expected::default());
            let l = self.expr(names, left, &wanted(&r));
            (l, r)
        };
        let equality = matches!(op, Compare::Equal | Compare::NotEqual);
        match (&l.kind, &r.kind) {
            (Kind::Any, _) | (_, Kind::Any) => {}
            (Kind::Empty, _) | (_, Kind::Empty) if equality => {}
            (Kind::Duration, Kind::Duration) => {}
            (Kind::Record(a), Kind::Record(b)) if a == b && equality => {}
            (Kind::Value(Type::Date), Kind::Value(Type::Time)) if at_midnight(&mut l.expr) => {}
            (Kind::Value(Type::Time), Kind::Value(Type::Date)) if at_midnight(&mut r.expr) => {}
            (Kind::Value(Type::Date), Kind::Value(Type::Time)) | (Kind::Value(Type::Time), Kind::Value(Type::Date)) => {
                self.incomparable(&l, &r);
            }
            (Kind::Value(a), Kind::Value(b)) if self.not_percent(&l, a, &r, b) => {}
            (Kind::Value(a), Kind::Value(b)) if fits(a, b) || fits(b, a) => {
                if !equality {
                    return self.ordered_by(l, op, r);
                }
            }
            _ => self.incomparable(&l, &r),
        }
        let reference = |typed: Typed| match (typed.kind, typed.expr) {
            // Records are the same where their ids are.
            (Kind::Record(_), Expr::Record { variable, links }) => Expr::Reference { variable, links },
            (_, expr) => expr,
        };
        Expr::Compare(op, Box::new(reference(l)), Box::new(reference(r)))
    }

    /// E0205 for a percentage that is compared with a number. Was it?
    fn not_percent(&mut self, left: &Typed, a: &Type, right: &Typed, b: &Type) -> bool {
        // What is written out is what is to be changed.
        let (of, of_type, wanted, wanted_type) =
            if matches!(left.expr, Expr::Literal(_)) { (left, a, right, b) } else { (right, b, left, a) };
        let name = wanted.field.clone().unwrap_or_else(|| format!("`{}`", self.declared.text(wanted.span)));
        self.percent_and_number(of, of_type, wanted_type, &name)
    }

    fn incomparable(&mut self, left: &Typed, right: &Typed) {
        let mut problem = Problem::new(Code::E0201, "these two cannot be compared", left.span, describe(&left.kind));
        for (flag, text) in [(left, right), (right, left)] {
            if let (Kind::Value(Type::Flag), Expr::Literal(Value::Text(word))) = (&flag.kind, &text.expr) {
                let word = if matches!(word.to_lowercase().as_str(), "no" | "false") { "no" } else { "yes" };
                problem = problem.help(format!("write `{word}` without quotes"));
            }
        }
        self.report(problem.label(right.span, describe(&right.kind)));
    }

    /// `<` and the like. With a word that is written out, it becomes the list of words that are meant.
    fn ordered_by(&mut self, left: Typed, op: Compare, right: Typed) -> Expr {
        let compare = |l: Typed, r: Typed| Expr::Compare(op, Box::new(l.expr), Box::new(r.expr));
        let list = |typed: &Typed| matches!(typed.kind, Kind::Value(Type::List(_)));
        let Some(choice) = left.choice.or(right.choice).filter(|_| !list(&left) && !list(&right)) else {
            let without = [&left.kind, &right.kind]
                .into_iter()
                .find(|kind| matches!(kind, Kind::Value(Type::Flag | Type::Enum | Type::Record | Type::List(_))));
            if let Some(kind) = without {
                let problem = Problem::new(Code::E0201, "these have no order", left.span, describe(kind));
                self.report(
                    problem.label(right.span, describe(&right.kind)).help("compare with `=`, `!=` or `in […]`"),
                );
            }
            return compare(left, right);
        };
        if !self.declared.vocabulary.ordered[choice] {
            let name = self.declared.vocabulary.choices[choice].name.clone();
            let problem = Problem::new(
                Code::E0201,
                format!("{name} has no order"),
                left.span,
                "less and greater mean nothing here",
            );
            self.report(
                problem
                    .label(right.span, "compared with this")
                    .help(format!("write `choice {name} ordered for …`, or use `in […]`")),
            );
            return compare(left, right);
        }
        // At run time a word does not say of which choice it is, and two choices may share words in another order.
        let words = &self.declared.vocabulary.choices[choice].words;
        let (of, word, op) = match (&left.expr, &right.expr) {
            (_, Expr::Literal(Value::Text(word))) => (left.expr.clone(), word, op),
            (Expr::Literal(Value::Text(word)), _) => (right.expr.clone(), word, turned(op)),
            _ => return compare(left, right),
        };
        let Some(at) = words.iter().position(|row| row.word == *word) else { return compare(left, right) };
        let meant = words.iter().enumerate().filter(|(row, _)| match op {
            Compare::Less => *row < at,
            Compare::LessOrEqual => *row <= at,
            Compare::Greater => *row > at,
            _ => *row >= at,
        });
        let list = meant.map(|(_, row)| Expr::Literal(Value::text(row.word.as_str()))).collect();
        Expr::In(Box::new(of), Box::new(Expr::List(list)))
    }
}

/// `a < b` is `b > a`.
fn turned(op: Compare) -> Compare {
    match op {
        Compare::Less => Compare::Greater,
        Compare::LessOrEqual => Compare::GreaterOrEqual,
        Compare::Greater => Compare::Less,
        Compare::GreaterOrEqual => Compare::LessOrEqual,
        same => same,
    }
}

/// A day that is written out, as the time at which it begins in UTC.
fn at_midnight(expr: &mut Expr) -> bool {
    let Expr::Literal(Value::Date(days)) = expr else { return false };
    *expr = Expr::Literal(Value::Time(Timestamp(i64::from(*days) * 86_400_000)));
    true
}

/// What a calculation gives; none where it has no meaning.
fn result(left: &Kind, op: Arithmetic, right: &Kind) -> Option<Kind> {
    use Arithmetic::{Add, Divide, Multiply, Subtract};
    use Type::{Integer, Money, Number, Percent, Time};
    let (a, b) = match (left, right) {
        (Kind::Value(Time), Kind::Duration) if matches!(op, Add | Subtract) => return Some(Kind::Value(Time)),
        (Kind::Value(Time), Kind::Value(Time)) if op == Subtract => return Some(Kind::Duration),
        (Kind::Duration, Kind::Duration) if matches!(op, Add | Subtract) => return Some(Kind::Duration),
        (Kind::Duration, Kind::Value(Integer)) if op == Multiply => return Some(Kind::Duration),
        (Kind::Value(a), Kind::Value(b)) => (a, b),
        _ => return None,
    };
    if !numeric(a) || !numeric(b) {
        return None;
    }
    let ty = match (a, op, b) {
        (Integer, Add | Subtract | Multiply, Integer) => Integer,
        (Percent, Add | Subtract, Percent) | (Percent, Multiply, Percent) => Percent,
        (Percent, Add | Subtract, _) | (_, Add | Subtract, Percent) => return None,
        (Money, Multiply, Money) => return None,
        (Money, Divide, Money) => Number,
        (Money, Add | Subtract | Multiply, _) | (_, Add | Subtract | Multiply, Money) | (Money, Divide, _) => Money,
        (Percent, Divide, Integer | Number) => Percent,
        _ => Number,
    };
    Some(Kind::Value(ty))
}

pub(crate) fn wanted(typed: &Typed) -> Expected {
    let ty = match &typed.kind {
        Kind::Value(ty) => Some(ty.clone()),
        _ => None,
    };
    Expected {
        ty,
        choice: typed.choice,
        options: typed.options.clone(),
        name: typed.field.clone().unwrap_or_default(),
        unknown: typed.kind == Kind::Any,
        ..Expected::default()
    }
}

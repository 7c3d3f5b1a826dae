//! Expressions: names to variables and fields, types that fit, words of choices.
//!
//! Always true: a failed part has the kind [`Kind::Any`], which fits everything and may not be missing, so
//! that one mistake gives one message.

use std::collections::BTreeMap;

use super::note;
use super::world::{World, suggest};
use crate::ast::{self, BinaryOp, ExprKind, Name, Path, TextPart, TransformName};
use crate::diagnostic::Problem;
use crate::near::nearest;
use crate::program::{Arithmetic, Compare, Expr, Transform};
use crate::schema::{EntityName, Field, Type};
use crate::source::Span;
use crate::transforms;
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
    pub(super) missing: Option<String>,
    pub(super) span: Span,
    /// The field it reads, `app.User.phone`, where it is one.
    pub(super) field: Option<String>,
}

impl Typed {
    pub(super) fn any(span: Span) -> Self {
        Self::of(Expr::Literal(Value::Empty), Kind::Any, span)
    }

    fn of(expr: Expr, kind: Kind, span: Span) -> Self {
        Self { expr, kind, choice: None, options: Vec::new(), missing: None, span, field: None }
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
}

/// A variable.
#[derive(Debug, Clone)]
pub(super) struct Var {
    pub(super) kind: Kind,
    /// It may be bound to nothing, and why.
    pub(super) missing: Option<String>,
}

/// The names an expression may use.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    pub(super) vars: BTreeMap<String, Var>,
    /// In a sync: the variable that bare paths belong to, and the entities of both sides.
    pub(super) bare: Option<(String, EntityName)>,
    pub(super) sides: Vec<(String, EntityName)>,
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
            ExprKind::Moment(at) => Typed::of(Expr::Literal(Value::Time(*at)), Kind::Value(Type::Time), span),
            ExprKind::Duration(length) => Typed::of(Expr::Literal(Value::Integer(length.0)), Kind::Duration, span),
            ExprKind::Empty => Typed::of(Expr::Literal(Value::Empty), Kind::Empty, span),
            ExprKind::List(items) => {
                let items: Vec<Typed> = items.iter().map(|item| self.expr(names, item, expected)).collect();
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
                if first.missing.is_none() && first.kind != Kind::Any {
                    let problem = Problem::new(
                        "W0204",
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
            let problem = Problem::new("E0201", "this is no condition", typed.span, "neither yes nor no");
            self.tell(problem.help("compare it: `= …`, `is empty`, `in […]`"));
        }
        typed.expr
    }

    fn text_parts(&mut self, names: &Names, parts: &[TextPart], expected: &Expected, span: Span) -> Typed {
        if let [TextPart::Chars(text)] = parts {
            let mut typed = Typed::of(Expr::Literal(Value::text(text.as_str())), Kind::Value(Type::Text), span);
            // A quoted text where an option is wanted must be one.
            if expected.choice.is_none() && !expected.options.is_empty() {
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
                    let inner = self.expr(names, inner, &Expected::default());
                    joined.push((inner.expr, inner.choice));
                }
            }
        }
        Typed::of(Expr::Join(joined), Kind::Value(Type::Text), span)
    }

    pub(super) fn no_option(&mut self, name: &str, word: &str, span: Span, options: &[String]) {
        let near = nearest(word, options.iter().map(String::as_str)).map(str::to_owned);
        let mut problem = Problem::new("E0108", format!("{name} has no option `{word}`"), span, "not an option");
        problem = match near {
            Some(near) => {
                let quoted = self.text(span).starts_with('"');
                let text = if quoted { format!("\"{near}\"") } else { near.clone() };
                problem.help(format!("did you mean `{near}`?")).fix(format!("write {text}"), true, vec![(span, text)])
            }
            None => problem.help(format!("its options are: {}", options.join(", "))),
        };
        self.tell(problem);
    }

    /// A variable and what follows it, a side of the sync, or a word.
    pub(super) fn path(&mut self, names: &Names, path: &Path, expected: &Expected) -> Typed {
        let first = &path.names[0];
        if path.names.len() > 16 {
            let problem = Problem::new("E0097", "this path has more than 16 names", path.span, "too deep");
            self.tell(problem.help("shorten it"));
            return Typed::any(path.span);
        }
        // `crm.Note.source_id` names a side of the sync.
        if let [system, entity, rest @ ..] = path.names.as_slice()
            && !rest.is_empty()
            && let Some((variable, side)) =
                names.sides.iter().find(|(_, e)| e.system == system.value && e.entity == entity.value).cloned()
        {
            return self.walk(&variable, Kind::Record(side), None, rest, path.span);
        }
        if let Some(var) = names.vars.get(&first.value) {
            let var = var.clone();
            return self.walk(&first.value, var.kind, var.missing, &path.names[1..], path.span);
        }
        if path.names.len() == 1 {
            if let Some(choice) = expected.choice
                && self.choices[choice].row(&first.value).is_some()
            {
                let mut typed =
                    Typed::of(Expr::Literal(Value::text(first.value.as_str())), Kind::Value(Type::Enum), path.span);
                typed.choice = Some(choice);
                return typed;
            }
            if expected.choice.is_none() && expected.options.contains(&first.value) {
                let mut typed =
                    Typed::of(Expr::Literal(Value::text(first.value.as_str())), Kind::Value(Type::Enum), path.span);
                typed.options = vec![first.value.clone()];
                return typed;
            }
        }
        if let Some((variable, entity)) = &names.bare {
            let known = self
                .entity(entity)
                .is_some_and(|e| e.fields.contains_key(&first.value) || e.links.contains_key(&first.value));
            if known || (expected.choice.is_none() && expected.options.is_empty()) {
                return self.walk(&variable.clone(), Kind::Record(entity.clone()), None, &path.names, path.span);
            }
        }
        if path.names.len() == 1 && (expected.choice.is_some() || !expected.options.is_empty()) {
            let options: Vec<String> = match expected.choice {
                Some(choice) => self.choices[choice].words.iter().map(|w| w.word.clone()).collect(),
                None => expected.options.clone(),
            };
            let near_var = nearest(&first.value, names.vars.keys().map(String::as_str)).is_some();
            if !near_var || nearest(&first.value, options.iter().map(String::as_str)).is_some() {
                self.no_option(&expected.name, &first.value, path.span, &options);
                return Typed::any(path.span);
            }
        }
        let known: Vec<String> =
            names.vars.keys().filter(|name| !matches!(name.as_str(), "new" | "old")).cloned().collect();
        self.no_such("variable", first, known.iter().map(String::as_str));
        Typed::any(path.span)
    }

    /// Links, then a field.
    fn walk(&mut self, variable: &str, kind: Kind, mut missing: Option<String>, rest: &[Name], span: Span) -> Typed {
        let mut kind = kind;
        let mut links: Vec<String> = Vec::new();
        let start = match &kind {
            Kind::Record(entity) => Some(entity.clone()),
            _ => None,
        };
        for (index, name) in rest.iter().enumerate() {
            let last = index + 1 == rest.len();
            match kind {
                Kind::Record(entity) => {
                    let Some(lock) = self.entity(&entity) else { return Typed::any(span) };
                    if let Some(link) = lock.links.get(&name.value).cloned() {
                        note(&mut self.used, &entity, &name.value, true);
                        if link.optional {
                            missing = Some(format!(
                                "{} {} may have no {}",
                                super::vocabulary::article(&entity.entity.to_lowercase()),
                                entity.entity.to_lowercase(),
                                name.value
                            ));
                        }
                        links.push(name.value.clone());
                        kind = Kind::Record(EntityName::new(&entity.system, &link.to));
                        continue;
                    }
                    let Some(field) = lock.fields.get(&name.value).cloned() else {
                        self.no_field(&entity, name);
                        return Typed::any(span);
                    };
                    if !last {
                        let problem = Problem::new(
                            "E0101",
                            format!("`{}` is a value and has no parts", name.value),
                            rest[index + 1].span,
                            format!("{entity}.{} is no record", name.value),
                        );
                        self.tell(problem.help("a structured value is handed on whole"));
                        return Typed::any(span);
                    }
                    note(&mut self.used, &entity, &name.value, false);
                    if field.optional {
                        missing = Some(format!(
                            "{} {} may have no {}",
                            super::vocabulary::article(&entity.entity.to_lowercase()),
                            entity.entity.to_lowercase(),
                            name.value
                        ));
                    }
                    let choice = self.choice_of.get(&(entity.clone(), name.value.clone())).copied();
                    let expr =
                        Expr::Field { variable: variable.to_owned(), links, field: name.value.clone(), entity: start };
                    let mut typed = Typed::of(expr, Kind::Value(field.ty.clone()), span);
                    typed.choice = choice;
                    typed.options = field.options.clone();
                    typed.missing = missing;
                    typed.field = Some(format!("{entity}.{}", name.value));
                    return typed;
                }
                Kind::Members(members) => {
                    let Some(field) = members.get(&name.value) else {
                        let near = nearest(&name.value, members.keys().map(String::as_str)).map(str::to_owned);
                        let problem = Problem::new(
                            "E0101",
                            format!("`{variable}` has no `{}`", name.value),
                            name.span,
                            "not known",
                        );
                        let problem = suggest(problem, near, name.span);
                        self.tell(problem);
                        return Typed::any(span);
                    };
                    if field.optional {
                        missing = Some(format!("`{}` may be absent", name.value));
                    }
                    let expr =
                        Expr::Field { variable: variable.to_owned(), links, field: name.value.clone(), entity: None };
                    let mut typed = Typed::of(expr, Kind::Value(field.ty.clone()), span);
                    typed.options = field.options.clone();
                    typed.missing = missing;
                    return typed;
                }
                _ => return Typed::any(span),
            }
        }
        let expr = match &kind {
            Kind::Record(_) | Kind::Members(_) => Expr::Record { variable: variable.to_owned(), links },
            _ => Expr::Field { variable: variable.to_owned(), links, field: String::new(), entity: None },
        };
        let mut typed = Typed::of(expr, kind, span);
        typed.missing = missing;
        typed
    }

    fn index(&mut self, names: &Names, table: &ast::Expr, key: &ast::Expr, rest: &[Name], span: Span) -> Typed {
        let ExprKind::Path(Path { names: table_names, .. }) = &table.kind else {
            let problem = Problem::new("E0106", "this is no table", table.span, "not a table");
            self.tell(problem);
            return Typed::any(span);
        };
        let name = &table_names[0];
        let Some(index) = self.tables.iter().position(|t| t.name == name.value) else {
            let known: Vec<String> = self.tables.iter().map(|t| t.name.clone()).collect();
            self.no_such("table", name, known.iter().map(String::as_str));
            return Typed::any(span);
        };
        let (entity, field) = self.table_by[index].clone();
        let choice = self.choice_of.get(&(entity.clone(), field.clone())).copied();
        let options =
            self.entity(&entity).and_then(|e| e.fields.get(&field)).map(|f| f.options.clone()).unwrap_or_default();
        let wanted = Expected { ty: None, choice, options, name: format!("{entity}.{field}") };
        let key = self.expr(names, key, &wanted);
        let [column] = rest else {
            let problem =
                Problem::new("E0106", "a column of the table is named here", span, "no column, or too many names");
            self.tell(problem.help(format!(
                "write `{}[…].{}`",
                name.value,
                self.tables[index].columns.first().cloned().unwrap_or_default()
            )));
            return Typed::any(span);
        };
        let Some(position) = self.tables[index].columns.iter().position(|c| *c == column.value) else {
            let known = self.tables[index].columns.clone();
            self.no_such("column", column, known.iter().map(String::as_str));
            return Typed::any(span);
        };
        let cells: Vec<Value> = self.tables[index].rows.values().filter_map(|row| row.get(position).cloned()).collect();
        let kind = match cells.first() {
            Some(Value::Flag(_)) => Kind::Value(Type::Flag),
            Some(Value::Decimal(_) | Value::Integer(_)) => {
                Kind::Value(if self.is_percent(&name.value, position) { Type::Percent } else { Type::Number })
            }
            Some(Value::Text(_)) => Kind::Value(Type::Text),
            _ => Kind::Any,
        };
        let mut typed = Typed::of(Expr::Table { table: index, key: Box::new(key.expr), column: position }, kind, span);
        if typed.kind == Kind::Value(Type::Text) && !self.is_quoted(&name.value, position) {
            // Bare words fit a field with these options.
            typed.kind = Kind::Value(Type::Enum);
            typed.options = cells.iter().map(ToString::to_string).collect();
            typed.options.sort();
            typed.options.dedup();
        }
        typed.missing = key.missing;
        typed
    }

    fn first_cell(&self, table: &str, column: usize) -> Option<&ast::Expr> {
        self.table_cells.get(table)?.get(column + 1)
    }

    fn is_percent(&self, table: &str, column: usize) -> bool {
        self.first_cell(table, column).is_some_and(|cell| matches!(cell.kind, ExprKind::Percent(_)))
    }

    fn is_quoted(&self, table: &str, column: usize) -> bool {
        self.first_cell(table, column).is_some_and(|cell| matches!(cell.kind, ExprKind::Text(_)))
    }

    fn transformed(
        &mut self,
        names: &Names,
        of: &ast::Expr,
        transform: &ast::Transform,
        expected: &Expected,
        span: Span,
    ) -> Typed {
        let of = self.expr(names, of, &Expected { name: expected.name.clone(), ..Expected::default() });
        let (name, at) = match &transform.name {
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
            TransformName::Named(name) => (name.value.clone(), name),
        };
        if let Some(builtin) = transforms::named(&name).filter(|b| b.name != "format") {
            let fits = match &of.kind {
                Kind::Any => true,
                Kind::Value(ty) => fits(ty, &builtin.takes),
                _ => false,
            };
            if !fits {
                let problem = Problem::new(
                    "E0201",
                    format!("`as {name}` needs {}", type_name(&builtin.takes)),
                    of.span,
                    describe(&of.kind),
                );
                self.tell(problem.label(transform.span, builtin.doc));
            }
            let args = transform.args.iter().map(|arg| match self.expr(names, arg, &Expected::default()).expr {
                Expr::Literal(value) => value,
                _ => Value::Empty,
            });
            let transform = Transform { name, args: args.collect() };
            let mut typed =
                Typed::of(Expr::Transform(Box::new(of.expr), transform), Kind::Value(builtin.gives.clone()), span);
            typed.missing = of.missing;
            return typed;
        }
        let found =
            self.systems.iter().find_map(|(system, s)| s.lock.lookups.get(&name).map(|l| (system.clone(), l.clone())));
        if let Some((system, lookup)) = found {
            let entity = EntityName::new(&system, &lookup.entity);
            note(&mut self.used, &entity, &lookup.from, false);
            note(&mut self.used, &entity, &lookup.to, false);
            let missing =
                format!("{} may know no such {}", self.systems[&system].lock.product, lookup.entity.to_lowercase());
            let mut typed =
                Typed::of(Expr::Lookup { of: Box::new(of.expr), system, lookup }, Kind::Value(Type::Text), span);
            typed.missing = Some(missing);
            return typed;
        }
        let known: Vec<String> = transforms::registry()
            .iter()
            .map(|b| b.name.to_owned())
            .filter(|n| n != "format")
            .chain(self.systems.values().flat_map(|s| s.lock.lookups.keys().cloned()))
            .collect();
        let near = nearest(&name, known.iter().map(String::as_str)).map(str::to_owned);
        let mut problem =
            Problem::new("E0109", format!("there is no transform or lookup `{name}`"), at.span, "not known");
        problem = match near {
            Some(near) => suggest(problem, Some(near), at.span),
            None => problem.help(format!("there are: {}", known.join(", "))),
        };
        self.tell(problem);
        Typed::any(span)
    }

    fn binary(&mut self, names: &Names, left: &ast::Expr, op: BinaryOp, right: &ast::Expr, span: Span) -> Typed {
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

    /// Does the value fit what it is wanted for? Tells what does not.
    pub(super) fn fit(&mut self, typed: &Typed, expected: &Expected, target: Span) {
        let Some(ty) = &expected.ty else { return };
        let found = match &typed.kind {
            Kind::Any | Kind::Empty => return,
            Kind::Value(found) => found.clone(),
            Kind::Record(_) | Kind::Members(_) if *ty == Type::Record => return,
            other => {
                let problem = Problem::new(
                    "E0201",
                    format!("{} is {}", expected.name, type_name(ty)),
                    typed.span,
                    describe(other),
                );
                self.tell(problem);
                return;
            }
        };
        if *ty == Type::Percent
            && matches!(found, Type::Integer | Type::Number)
            && matches!(typed.expr, Expr::Literal(_))
        {
            let written = self.text(typed.span).to_owned();
            let problem = Problem::new(
                "E0205",
                format!("{} is a percent, this is a number", expected.name),
                typed.span,
                "number",
            )
            .help(format!("write {written}%  (a bare {written} would be stored as {written}00%)"))
            .fix(format!("write {written}%"), false, vec![(typed.span, format!("{written}%"))]);
            self.tell(problem);
            return;
        }
        if (*ty == Type::Percent) != (found == Type::Percent) && numeric(ty) && numeric(&found) {
            let problem = Problem::new(
                "E0205",
                format!("{} is {}, this is {}", expected.name, type_name(ty), type_name(&found)),
                typed.span,
                type_name(&found),
            );
            self.tell(problem.help("a percentage is stored as a fraction: 60% is 0.6"));
            return;
        }
        if !fits(&found, ty) {
            let mut problem = Problem::new(
                "E0201",
                format!("{} is {}, this is {}", expected.name, type_name(ty), type_name(&found)),
                typed.span,
                type_name(&found),
            );
            if target != typed.span {
                problem = problem.label(target, type_name(ty));
            }
            self.tell(problem);
            return;
        }
        self.fit_options(typed, expected, target);
    }

    fn fit_options(&mut self, typed: &Typed, expected: &Expected, target: Span) {
        if expected.ty != Some(Type::Enum) || typed.kind == Kind::Value(Type::Text) {
            return;
        }
        if typed.choice.is_some() && typed.choice == expected.choice {
            return;
        }
        let theirs: Vec<String> = match typed.choice {
            Some(choice) => self.choices[choice].words.iter().map(|w| w.word.clone()).collect(),
            None => typed.options.clone(),
        };
        let ours: Vec<String> = match expected.choice {
            Some(choice) => self.choices[choice].words.iter().map(|w| w.word.clone()).collect(),
            None => expected.options.clone(),
        };
        if ours.is_empty() {
            return;
        }
        let without: Vec<String> = theirs.into_iter().filter(|o| !ours.contains(o)).collect();
        if let Some(first) = without.first() {
            let mut problem = Problem::new(
                "E0202",
                format!("`{first}` has no place in {}", expected.name),
                typed.span,
                format!("can be {}", super::vocabulary::list(&without)),
            );
            if target != typed.span {
                problem = problem
                    .label(target, format!("has only {}", ours.iter().take(6).cloned().collect::<Vec<_>>().join(", ")));
            }
            self.tell(problem.help("name both fields in one `choice`, which says how each system spells the words"));
        }
    }
}

fn wanted(typed: &Typed) -> Expected {
    let ty = match &typed.kind {
        Kind::Value(ty) => Some(ty.clone()),
        _ => None,
    };
    Expected { ty, choice: typed.choice, options: typed.options.clone(), name: typed.field.clone().unwrap_or_default() }
}

fn numeric(ty: &Type) -> bool {
    matches!(ty, Type::Integer | Type::Number | Type::Money | Type::Percent)
}

/// May a value of `found` stand where `wanted` is wanted?
pub(super) fn fits(found: &Type, wanted: &Type) -> bool {
    match (found, wanted) {
        (a, b) if a == b => true,
        (Type::Integer, Type::Number | Type::Money)
        | (Type::Number, Type::Money | Type::Integer)
        | (Type::Money, Type::Number) => true,
        (Type::Text, Type::Enum) | (Type::Enum, Type::Text) => true,
        (Type::Date, Type::Time) => true,
        (Type::List(a), b) => fits(a, b),
        _ => false,
    }
}

pub(super) fn type_name(ty: &Type) -> String {
    match ty {
        Type::Text => "text".to_owned(),
        Type::Integer => "a whole number".to_owned(),
        Type::Number => "a number".to_owned(),
        Type::Money => "money".to_owned(),
        Type::Percent => "a percent".to_owned(),
        Type::Flag => "yes or no".to_owned(),
        Type::Date => "a date".to_owned(),
        Type::Time => "a time".to_owned(),
        Type::Enum => "one of several options".to_owned(),
        Type::Record => "a structured value".to_owned(),
        Type::List(inner) => format!("a list of {}", type_name(inner)),
    }
}

pub(super) fn describe(kind: &Kind) -> String {
    match kind {
        Kind::Any => "unknown".to_owned(),
        Kind::Value(ty) => type_name(ty),
        Kind::Record(entity) => format!("a record of {entity}"),
        Kind::Members(_) => "an event or result".to_owned(),
        Kind::Duration => "a length of time".to_owned(),
        Kind::Empty => "empty".to_owned(),
    }
}

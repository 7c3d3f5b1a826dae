//! Paths: a variable, a side of a sync or a word; then links; then a field. And the cells of tables.

use crate::ast::{self, ExprKind, Name, Path};
use crate::check::facts::checker::Checker;
use crate::check::facts::findings::Named;
use crate::check::facts::phrases::{self, suggest};
use crate::check::facts::typed::{Expected, Kind, Missing, Names, Typed, place};
use crate::diagnostic::{Code, Problem, Related};
use crate::program::Expr;
use crate::schema::{EntityName, Type};
use crate::source::Span;
use crate::suggest::nearest;
use crate::value::Value;

impl Checker<'_> {
    /// A variable and what follows it, a side of the sync, or a word.
    pub(crate) fn path(&mut self, names: &Names, path: &Path, expected: &Expected) -> Typed {
        let mut typed = self.found(names, path, expected);
        if let Some(missing) = &mut typed.missing {
            missing.ruled_out |= place(&typed.expr).is_some_and(|place| names.present.contains(&place));
        }
        typed
    }

    fn found(&mut self, names: &Names, path: &Path, expected: &Expected) -> Typed {
        let first = &path.names[0];
        // E0097 has been told by the parser.
        if path.names.len() > 16 {
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
            if var.ahead {
                let message = format!("`{}` is not there yet", first.value);
                let problem = Problem::new(Code::E0106, message, first.span, "named by this very action");
                self.report(problem.help("use what is known before it; behind the action the name can be used"));
                return Typed::any(path.span);
            }
            let mut typed = self.walk(&first.value, var.kind, var.missing, &path.names[1..], path.span);
            if let (Some((entity, field)), 1) = (var.field, path.names.len()) {
                typed.choice = self.declared.choice_of(&entity, &field);
                typed.options = self.declared.field(&entity, &field).map(|f| f.options.clone()).unwrap_or_default();
                typed.field = Some(format!("{entity}.{field}"));
            }
            return typed;
        }
        if path.names.len() == 1 {
            if expected.unknown && names.bare.is_none() {
                return Typed::any(path.span);
            }
            if let Some(choice) = expected.choice
                && self.declared.vocabulary.choices[choice].row(&first.value).is_some()
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
                .declared
                .entity(entity)
                .is_some_and(|e| e.fields.contains_key(&first.value) || e.links.contains_key(&first.value));
            if known || (expected.choice.is_none() && expected.options.is_empty()) {
                return self.walk(&variable.clone(), Kind::Record(entity.clone()), None, &path.names, path.span);
            }
        }
        if path.names.len() == 1 && (expected.choice.is_some() || !expected.options.is_empty()) {
            let options: Vec<String> = match expected.choice {
                Some(choice) => self.declared.words(choice),
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
        // A name that is not there is told of once in an item.
        if self.findings.unknown_variables.insert(first.value.clone()) {
            if matches!(first.value.as_str(), "today" | "now" | "yesterday" | "tomorrow") {
                let message = format!("a rule has no `{}`: it looks when something happens", first.value);
                let problem = Problem::new(Code::E0106, message, first.span, "not known here");
                self.report(problem.help(
                    "a workflow waits for a day: `wait until sub.startDate`; two times of records are compared with \
                     each other",
                ));
            } else if names.vars.contains_key("this") {
                let problem = Problem::new(
                    Code::E0106,
                    format!("there is no variable `{}`", first.value),
                    first.span,
                    "not known here",
                );
                let help = format!("name the record at the end of the head: `as {}`, or write `this`", first.value);
                self.report(problem.help(help));
            } else {
                self.no_such(Named::Variable, first, known.iter().map(String::as_str));
            }
        }
        Typed::any(path.span)
    }

    /// E0001 for a name with blanks in it that does not stand between backquotes.
    pub(crate) fn quoted(&mut self, name: &Name) {
        if name.value.contains(' ') && !self.declared.text(name.span).starts_with('`') {
            let message = "a name with a blank in it stands between backquotes";
            let written = format!("`{}`", name.value);
            let problem = Problem::new(Code::E0001, message, name.span, "two words").help(format!("write {written}"));
            self.report(problem.fix(format!("write {written}"), true, vec![(name.span, written)]));
        }
    }

    /// Links, then a field.
    pub(crate) fn walk(
        &mut self,
        variable: &str,
        kind: Kind,
        mut missing: Option<Missing>,
        rest: &[Name],
        span: Span,
    ) -> Typed {
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
                    let Some(lock) = self.declared.entity(&entity) else { return Typed::any(span) };
                    if let Some(link) = lock.links.get(&name.value).cloned() {
                        self.findings.uses_link(&entity, &name.value);
                        if link.optional {
                            // The first part that may lead nowhere is told of: who decides on it decides on the rest.
                            missing = missing.or_else(|| self.lacking(&entity, name, span, true));
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
                            Code::E0101,
                            format!("`{}` is a value and has no parts", name.value),
                            rest[index + 1].span,
                            format!("{entity}.{} is no record", name.value),
                        );
                        self.report(problem.help("a structured value is handed on whole"));
                        return Typed::any(span);
                    }
                    if name.value == "engine_link_id" {
                        self.own_field(&entity, name.span, "use a field that people or the systems keep");
                        return Typed::any(span);
                    }
                    self.quoted(name);
                    self.findings.uses_field(&entity, &name.value);
                    if field.optional {
                        missing = missing.or_else(|| self.lacking(&entity, name, span, false));
                    }
                    let choice = self.declared.choice_of(&entity, &name.value);
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
                            Code::E0101,
                            format!("`{variable}` has no `{}`", name.value),
                            name.span,
                            "not known",
                        );
                        let problem = match near {
                            None if !members.is_empty() => {
                                let known: Vec<&str> = members.keys().map(String::as_str).collect();
                                problem.help(format!("there are: {}", known.join(", ")))
                            }
                            near => suggest(problem, near, name.span),
                        };
                        self.report(problem);
                        return Typed::any(span);
                    };
                    if field.optional {
                        missing = missing
                            .or_else(|| Some(Missing::new(format!("`{}` may be absent", name.value), to(span, name))));
                    }
                    let expr =
                        Expr::Field { variable: variable.to_owned(), links, field: name.value.clone(), entity: None };
                    let mut typed = Typed::of(expr, Kind::Value(field.ty.clone()), span);
                    typed.options = field.options.clone();
                    typed.missing = missing;
                    return typed;
                }
                Kind::Any => return Typed::any(span),
                _ => {
                    let message = format!("`{variable}` is a value and has no parts");
                    let problem = Problem::new(Code::E0101, message, name.span, "not known");
                    self.report(problem.help(format!("write `{variable}` alone")));
                    return Typed::any(span);
                }
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

    pub(crate) fn index(
        &mut self,
        names: &Names,
        table: &ast::Expr,
        key: &ast::Expr,
        rest: &[Name],
        span: Span,
    ) -> Typed {
        let ExprKind::Path(Path { names: table_names, .. }) = &table.kind else {
            let problem = Problem::new(Code::E0106, "this is no table", table.span, "not a table");
            self.report(problem);
            return Typed::any(span);
        };
        let name = &table_names[0];
        let Some(index) = self.declared.vocabulary.tables.iter().position(|t| t.name == name.value) else {
            let known: Vec<String> = self.declared.vocabulary.tables.iter().map(|t| t.name.clone()).collect();
            self.no_such(Named::Table, name, known.iter().map(String::as_str));
            return Typed::any(span);
        };
        self.findings.mentioned.insert(name.value.clone());
        let (entity, field) = self.declared.vocabulary.table_by[index].clone();
        let choice = self.declared.choice_of(&entity, &field);
        let declared = self.declared.field(&entity, &field).cloned();
        let wanted = Expected {
            ty: declared.as_ref().map(|f| f.ty.clone()),
            choice,
            options: declared.as_ref().map(|f| f.options.clone()).unwrap_or_default(),
            name: format!("{entity}.{field}"),
            unknown: declared.is_none(),
            ..Expected::default()
        };
        let key_span = key.span;
        let key = self.expr(names, key, &wanted);
        self.fit(&key, &wanted, key_span);
        // A table answers for every word and option, but not for every text and number.
        let complete =
            choice.is_some() || declared.as_ref().is_none_or(|f| !f.options.is_empty() || (f.ty == Type::Flag));
        let [column] = rest else {
            let problem =
                Problem::new(Code::E0106, "a column of the table is named here", span, "no column, or too many names");
            self.report(problem.help(format!(
                "write `{}[…].{}`",
                name.value,
                self.declared.vocabulary.tables[index].columns.first().cloned().unwrap_or_default()
            )));
            return Typed::any(span);
        };
        let Some(position) = self.declared.vocabulary.tables[index].columns.iter().position(|c| *c == column.value)
        else {
            let known = self.declared.vocabulary.tables[index].columns.clone();
            self.no_such(Named::Column, column, known.iter().map(String::as_str));
            return Typed::any(span);
        };
        let cells: Vec<Value> =
            self.declared.vocabulary.tables[index].rows.values().filter_map(|row| row.get(position).cloned()).collect();
        let kind = match cells.first() {
            Some(Value::Flag(_)) => Kind::Value(Type::Flag),
            Some(Value::Decimal(_) | Value::Integer(_)) => {
                Kind::Value(if self.declared.is_percent(&name.value, position) { Type::Percent } else { Type::Number })
            }
            Some(Value::Text(_)) => Kind::Value(Type::Text),
            _ => Kind::Any,
        };
        let mut typed = Typed::of(Expr::Table { table: index, key: Box::new(key.expr), column: position }, kind, span);
        if typed.kind == Kind::Value(Type::Text) && !self.declared.is_quoted(&name.value, position) {
            // Bare words fit a field with these options.
            typed.kind = Kind::Value(Type::Enum);
            typed.options = cells.iter().map(ToString::to_string).collect();
            typed.options.sort();
            typed.options.dedup();
        }
        typed.missing = key.missing.or_else(|| {
            let why = format!("{} may have no row for it", name.value);
            (!complete && key.kind != Kind::Any).then(|| Missing::new(why, span))
        });
        typed
    }

    /// Why what this name leads to may be missing.
    fn lacking(&self, entity: &EntityName, name: &Name, path: Span, link: bool) -> Option<Missing> {
        let kind = if link { "links" } else { "fields" };
        let why = format!("{} may have no {}", phrases::a_thing(&entity.entity), name.value);
        let mut missing = Missing::new(why, to(path, name));
        missing.related = self
            .declared
            .lock_line(&entity.system, &format!("entities.{}.{kind}.{}", entity.entity, name.value))
            .map(|related| Related { text: format!("{} is optional", name.value), ..related });
        Some(missing)
    }
}

/// From the start of a path to the end of one of its names.
fn to(path: Span, name: &Name) -> Span {
    Span { end: name.span.end.max(path.start), ..path }
}

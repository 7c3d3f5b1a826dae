//! Records of actions: every field there, of its type, and with a word for when its value is missing.

use crate::ast;
use crate::check::facts::checker::Checker;
use crate::check::facts::findings::{By, Writer};
use crate::check::facts::typed::{Expected, Kind, Names};
use crate::check::facts::types::describe;
use crate::diagnostic::{Code, Problem};
use crate::program::{Assign, Expr, Outcome};
use crate::schema::EntityName;
use crate::source::Span;
use crate::value::Value;

/// What a record is for.
pub(crate) struct For<'a> {
    /// `crm.Deal` or `app.cancelSubscription`.
    pub(crate) entity: &'a EntityName,
    /// It makes a new record.
    pub(crate) new: bool,
    /// `key f` of a create: given beside the record.
    pub(crate) key: Option<&'a str>,
    /// Who writes it, for E0401.
    pub(crate) by: By,
    /// Where the action begins.
    pub(crate) head: Span,
}

impl Checker<'_> {
    /// Lines of a `create`, `update` or `set`.
    pub(crate) fn assigns(&mut self, names: &Names, record: &ast::Record, purpose: &For<'_>) -> Vec<Assign> {
        let mut assigns = Vec::new();
        for (index, line) in record.lines.iter().enumerate() {
            let name = &line.path.names[0];
            if let Some(first) = record.lines[..index].iter().find(|l| l.path.names[0].value == name.value) {
                let message = format!("`{}` is given twice", name.value);
                let problem = Problem::new(Code::E0103, message, name.span, "again here");
                self.report(problem.label(first.path.span, "first here").help("remove one of the two lines"));
                continue;
            }
            if let Some(assign) = self.assign(names, line, purpose) {
                assigns.push(assign);
            }
        }
        if purpose.new {
            self.needs(record, purpose);
        }
        assigns
    }

    fn assign(&mut self, names: &Names, line: &ast::Assign, purpose: &For<'_>) -> Option<Assign> {
        let name = &line.path.names[0];
        let lock = self.declared.entity(purpose.entity)?.clone();
        let place = self.declared.place(line.span);
        if let [_, part, ..] = line.path.names.as_slice()
            && (lock.links.contains_key(&name.value) || lock.fields.contains_key(&name.value))
        {
            let problem = if lock.links.contains_key(&name.value) {
                let label = format!("belongs to the {}", name.value);
                Problem::new(Code::E0301, "a field of another record cannot be written here", part.span, label)
                    .help("use an `update` or `set` of its own")
            } else {
                let message = format!("`{}` is a value and has no parts", name.value);
                Problem::new(Code::E0101, message, part.span, "not known").help("a structured value is written whole")
            };
            self.report(problem);
            return None;
        }
        if let (Some(at), true) = (line.link, lock.fields.contains_key(&name.value)) {
            let message = format!("{}.{} is a value and links nothing", purpose.entity, name.value);
            let problem = Problem::new(Code::E0101, message, name.span, "no link");
            let without = Span { end: name.span.start, ..at };
            self.report(problem.help("remove the word `link`").fix("remove it", true, vec![(without, String::new())]));
            return None;
        }
        // What is meant is clear without the word: the line is told of, and checked as the link that it is.
        if let (None, true) = (line.link, lock.links.contains_key(&name.value)) {
            let message = format!("{}.{} is a link", purpose.entity, name.value);
            let problem = Problem::new(Code::E0201, message, name.span, "leads to a record");
            let at = Span { end: name.span.start, ..name.span };
            let help = format!("write `link {} = …`", name.value);
            self.report(problem.help(help).fix("write `link`", true, vec![(at, "link ".to_owned())]));
        }
        if let Some(link) = lock.links.get(&name.value) {
            let wanted = EntityName::new(&purpose.entity.system, &link.to);
            self.findings.uses_link(purpose.entity, &name.value);
            let typed = self.expr(names, &line.value, &Expected::default());
            let (reference, from) = match (&typed.expr, &typed.kind) {
                (Expr::Record { variable, links }, Kind::Record(from)) => {
                    (Expr::Reference { variable: variable.clone(), links: links.clone() }, from.clone())
                }
                (_, Kind::Any) => return None,
                _ => {
                    let problem = Problem::new(
                        Code::E0201,
                        format!("{}.{} is a link", purpose.entity, name.value),
                        typed.span,
                        describe(&typed.kind),
                    );
                    self.report(
                        problem
                            .help(format!("give it a record of {wanted}, or of the entity that a sync pairs with it")),
                    );
                    return None;
                }
            };
            let value = self.link_value(&from, &wanted, line.via.as_ref(), typed.span)?;
            let on_empty = self.link_outcome(line.on_empty.as_ref(), purpose.new);
            if !purpose.new {
                self.clears(purpose.entity, &name.value, &on_empty, line.on_empty.as_ref().map(|written| written.span));
            }
            self.writes(purpose, &name.value, line.path.span);
            return Some(Assign { name: name.value.clone(), link: Some(value), value: reference, on_empty, place });
        }
        let Some(field) = lock.fields.get(&name.value).cloned() else {
            self.no_field(purpose.entity, name);
            return None;
        };
        if field.read_only || name.value == "engine_link_id" {
            self.own_field(purpose.entity, line.path.span, "remove the line");
            return None;
        }
        self.quoted(name);
        self.findings.uses_field(purpose.entity, &name.value);
        let expected = Expected {
            ty: Some(field.ty.clone()),
            choice: self.declared.choice_of(purpose.entity, &name.value),
            options: field.options.clone(),
            name: format!("{}.{}", purpose.entity, name.value),
            ..Expected::default()
        };
        let typed = self.expr(names, &line.value, &expected);
        self.fit(&typed, &expected, line.path.span);
        let may_lack = typed.missing.is_some();
        // In a new record an empty value leaves the field out; in one that is there it would blank it.
        if typed.empty && line.on_empty.is_none() {
            if purpose.new {
                self.lacks(purpose.entity, &name.value, typed.span);
            } else if !field.optional {
                let message = format!("{} is never empty", expected.name);
                let problem = Problem::new(Code::E0201, message, typed.span, "would blank it");
                self.report(problem.help("write a value"));
            }
        }
        let (value, on_empty) =
            self.outcome(names, typed, line.on_empty.as_ref(), &expected, purpose.new, line.path.span);
        if let (true, true, Outcome::Clear, Some(written)) = (purpose.new, may_lack, &on_empty, &line.on_empty) {
            self.lacks(purpose.entity, &name.value, written.span);
        }
        if !purpose.new {
            self.clears(purpose.entity, &name.value, &on_empty, line.on_empty.as_ref().map(|written| written.span));
        }
        self.writes(purpose, &name.value, line.path.span);
        Some(Assign { name: name.value.clone(), link: None, value, on_empty, place })
    }

    fn writes(&mut self, purpose: &For<'_>, field: &str, span: Span) {
        if !purpose.new {
            self.findings.writers.push(Writer {
                entity: purpose.entity.clone(),
                field: field.to_owned(),
                span,
                by: purpose.by.clone(),
            });
        }
    }
}

/// A constant text as a parameter.
pub(crate) fn constant(name: &str, text: &str, place: crate::program::Place) -> Assign {
    Assign {
        name: name.to_owned(),
        link: None,
        value: Expr::Literal(Value::text(text)),
        on_empty: Outcome::Never,
        place,
    }
}

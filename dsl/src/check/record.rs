//! Records of actions: every field there, of its type, and with a word for when its value is missing.

use super::expr::{Expected, Kind, Names, Typed};
use super::note;
use super::world::{World, Writer};
use crate::ast::{self, Outcome as Written};
use crate::diagnostic::Problem;
use crate::program::{Assign, Expr, LinkValue, Outcome, Side};
use crate::schema::{EntityName, Operation};
use crate::source::Span;
use crate::value::Value;

/// What a record is for.
pub(super) struct For<'a> {
    /// `crm.Deal` or `app.cancelSubscription`.
    pub(super) entity: &'a EntityName,
    /// It makes a new record.
    pub(super) new: bool,
    /// `key f` of a create: given beside the record.
    pub(super) key: Option<&'a str>,
    /// `sync Contacts` or the head of a `when`, for E0401.
    pub(super) by: String,
    /// Where the action begins.
    pub(super) head: Span,
}

impl World<'_> {
    /// `else …` of a line: the outcome, and the value wrapped where the line gives one.
    pub(super) fn outcome(
        &mut self,
        names: &Names,
        typed: Typed,
        on_empty: Option<&ast::OnEmpty>,
        expected: &Expected,
        new: bool,
        target: Span,
    ) -> (Expr, Outcome) {
        let Some(written) = on_empty else {
            if let Some(why) = &typed.missing {
                self.missing(&typed, why.clone(), expected, new, target);
            }
            return (typed.expr, Outcome::Never);
        };
        if typed.missing.is_none() && typed.kind != Kind::Any {
            let problem =
                Problem::new("W0204", "this `else` never happens", written.span, "the value cannot be missing");
            self.tell(problem.help("remove the `else`"));
        }
        match &written.outcome {
            Written::Clear => (typed.expr, Outcome::Clear),
            Written::Keep if new => {
                let problem = Problem::new(
                    "E0209",
                    "a new record has nothing to keep",
                    written.span,
                    "`keep` leaves the old value",
                );
                self.tell(problem.help("write `else clear` to leave the field out, or a value"));
                (typed.expr, Outcome::Keep)
            }
            Written::Keep => (typed.expr, Outcome::Keep),
            Written::Skip | Written::Nothing => (typed.expr, Outcome::Skip),
            Written::Fail => (typed.expr, Outcome::Fail),
            Written::Value(value) => {
                let value = self.expr(names, value, expected);
                self.fit(&value, expected, target);
                (Expr::Else(Box::new(typed.expr), Box::new(value.expr)), Outcome::Never)
            }
        }
    }

    fn missing(&mut self, typed: &Typed, why: String, expected: &Expected, new: bool, target: Span) {
        let mut problem =
            Problem::new("E0203", "this value can be missing, and nothing says what to do then", typed.span, why);
        if target != typed.span {
            problem = problem.label(target, format!("so {} would get no value", expected.name));
        }
        let mut help = String::from("finish the line with one of\n  else clear      ");
        help.push_str(if new { "leave the field out" } else { "blank the field" });
        if !new {
            help.push_str("\n  else keep       leave the field as it is");
        }
        help.push_str("\n  else skip       do not do this at all\n  else fail       stop for a person\n  else \"none\"     write a fixed value");
        let at = Span { start: typed.span.end, ..typed.span };
        self.tell(problem.help(help).fix("leave it empty", false, vec![(at, " else clear".to_owned())]));
    }

    /// Lines of a `create`, `update` or `set`.
    pub(super) fn assigns(&mut self, names: &Names, record: &ast::Record, purpose: &For<'_>) -> Vec<Assign> {
        let mut assigns = Vec::new();
        for line in &record.lines {
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
        let lock = self.entity(purpose.entity)?.clone();
        let place = self.place(line.span);
        if let Some(link) = lock.links.get(&name.value) {
            let wanted = EntityName::new(&purpose.entity.system, &link.to);
            note(&mut self.used, purpose.entity, &name.value, true);
            let typed = self.expr(names, &line.value, &Expected::default());
            let (reference, from) = match (&typed.expr, &typed.kind) {
                (Expr::Record { variable, links }, Kind::Record(from)) => {
                    (Expr::Reference { variable: variable.clone(), links: links.clone() }, from.clone())
                }
                (_, Kind::Any) => return None,
                _ => {
                    let problem = Problem::new(
                        "E0201",
                        format!("{}.{} is a link", purpose.entity, name.value),
                        typed.span,
                        super::expr::describe(&typed.kind),
                    );
                    self.tell(
                        problem
                            .help(format!("give it a record of {wanted}, or of the entity that a sync pairs with it")),
                    );
                    return None;
                }
            };
            let value = self.link_value(&from, &wanted, line.via.as_ref(), typed.span)?;
            let on_empty = match line.on_empty.as_ref().map(|e| &e.outcome) {
                None => Outcome::Never,
                Some(Written::Clear | Written::Value(_)) => Outcome::Clear,
                Some(Written::Keep) => Outcome::Keep,
                Some(Written::Skip | Written::Nothing) => Outcome::Skip,
                Some(Written::Fail) => Outcome::Fail,
            };
            self.writes(purpose, &name.value, line.path.span);
            return Some(Assign { name: name.value.clone(), link: Some(value), value: reference, on_empty, place });
        }
        let Some(field) = lock.fields.get(&name.value).cloned() else {
            self.no_field(purpose.entity, name);
            return None;
        };
        if field.read_only || name.value == "engine_link_id" {
            let who = if field.read_only {
                self.systems[&purpose.entity.system].lock.product.clone()
            } else {
                "the engine".to_owned()
            };
            let problem = Problem::new(
                "E0207",
                format!("{who} sets {}.{} itself", purpose.entity, name.value),
                line.path.span,
                "cannot be written",
            );
            self.tell(problem.help("remove the line"));
            return None;
        }
        note(&mut self.used, purpose.entity, &name.value, false);
        let expected = Expected {
            ty: Some(field.ty.clone()),
            choice: self.choice_of.get(&(purpose.entity.clone(), name.value.clone())).copied(),
            options: field.options.clone(),
            name: format!("{}.{}", purpose.entity, name.value),
        };
        let typed = self.expr(names, &line.value, &expected);
        self.fit(&typed, &expected, line.path.span);
        let (value, on_empty) =
            self.outcome(names, typed, line.on_empty.as_ref(), &expected, purpose.new, line.path.span);
        self.writes(purpose, &name.value, line.path.span);
        Some(Assign { name: name.value.clone(), link: None, value, on_empty, place })
    }

    fn writes(&mut self, purpose: &For<'_>, field: &str, span: Span) {
        if !purpose.new {
            self.writers.push(Writer {
                entity: purpose.entity.clone(),
                field: field.to_owned(),
                span,
                by: purpose.by.clone(),
                sync: false,
                wins: String::new(),
            });
        }
    }

    /// How a record of `from` becomes one of `wanted`.
    pub(super) fn link_value(
        &mut self,
        from: &EntityName,
        wanted: &EntityName,
        via: Option<&ast::Name>,
        span: Span,
    ) -> Option<LinkValue> {
        if from == wanted && via.is_none() {
            return Some(LinkValue::Same);
        }
        let pairs: Vec<(usize, String, Side)> = self
            .sync_names
            .iter()
            .enumerate()
            .filter_map(|(index, (name, left, right, _))| {
                if left == from && right == wanted {
                    Some((index, name.clone(), Side::Left))
                } else if right == from && left == wanted {
                    Some((index, name.clone(), Side::Right))
                } else {
                    None
                }
            })
            .collect();
        if let Some(via) = via {
            if let Some((index, _, side)) = pairs.iter().find(|(_, name, _)| *name == via.value) {
                return Some(LinkValue::Via(*index, *side));
            }
            self.wrong_via(from, wanted, via, span, &pairs.iter().map(|(_, n, _)| n.clone()).collect::<Vec<_>>());
            return None;
        }
        match pairs.as_slice() {
            [(index, _, side)] => Some(LinkValue::Via(*index, *side)),
            [] => {
                let problem = Problem::new(
                    "E0307",
                    format!("no sync pairs {from} with {wanted}"),
                    span,
                    format!("a record of {from}"),
                );
                self.tell(problem.help(format!("write a sync between {from} and {wanted} first")));
                None
            }
            several => {
                let names: Vec<String> = several.iter().map(|(_, name, _)| name.clone()).collect();
                let problem = Problem::new(
                    "E0308",
                    format!("several syncs pair {from} with {wanted}"),
                    span,
                    "which one is meant?",
                );
                self.tell(problem.help(format!("write `via {}`", names.join("` or `via "))));
                None
            }
        }
    }

    pub(super) fn wrong_via(
        &mut self,
        from: &EntityName,
        wanted: &EntityName,
        via: &ast::Name,
        span: Span,
        right: &[String],
    ) {
        let known = self.sync_names.iter().find(|(n, ..)| *n == via.value).cloned();
        let Some((_, left, right_entity, _)) = known else {
            let names: Vec<String> = self.sync_names.iter().map(|(n, ..)| n.clone()).collect();
            self.no_such("sync", via, names.iter().map(String::as_str));
            return;
        };
        let plural = |e: &EntityName| format!("{}s", e.entity.to_lowercase());
        let mut problem = Problem::new(
            "E0307",
            format!("sync {} does not pair {} with {}", via.value, plural(from), plural(wanted)),
            span,
            format!("{} {from}", super::vocabulary::article(&from.system)),
        );
        problem = problem.label(via.span, format!("pairs {left} with {right_entity}"));
        if let Some(name) = right.first() {
            let place = self.sync_names.iter().find(|(n, ..)| n == name).map(|(.., span)| self.place(*span));
            let at = place.map_or_else(String::new, |p| format!(" ({p})"));
            problem = problem.help(format!("write `via {name}`, which pairs {from} with {wanted}{at}"));
        }
        self.tell(problem);
    }

    /// E0206: what a new record must be given.
    fn needs(&mut self, record: &ast::Record, purpose: &For<'_>) {
        let Some(lock) = self.entity(purpose.entity) else { return };
        let product = self.systems[&purpose.entity.system].lock.product.clone();
        // HubSpot fills the pipeline with the account's default.
        let missing: Vec<String> = lock
            .create_needs
            .iter()
            .filter(|need| need.as_str() != "pipeline" && purpose.key != Some(need.as_str()))
            .filter(|need| !record.lines.iter().any(|line| line.path.names[0].value == **need))
            .cloned()
            .collect();
        if let Some(first) = missing.first() {
            let problem = Problem::new(
                "E0206",
                format!(
                    "the new {} lacks {}",
                    purpose.entity,
                    missing.iter().map(|m| format!("`{m}`")).collect::<Vec<_>>().join(" and ")
                ),
                purpose.head,
                format!("{product} makes none without it"),
            );
            self.tell(problem.help(format!("add a line `{first} = …`")));
        }
    }

    /// Parameters of an operation.
    pub(super) fn params(
        &mut self,
        names: &Names,
        record: &ast::Record,
        system: &str,
        name: &str,
        operation: &Operation,
        head: Span,
        given: &[&str],
    ) -> Vec<Assign> {
        let full = format!("{system}.{name}");
        let mut assigns = Vec::new();
        for line in &record.lines {
            let param = &line.path.names[0];
            let Some(field) = operation.params.get(&param.value).cloned() else {
                let near =
                    crate::near::nearest(&param.value, operation.params.keys().map(String::as_str)).map(str::to_owned);
                let problem = Problem::new(
                    "E0101",
                    format!("{full} has no parameter `{}`", param.value),
                    param.span,
                    "not a parameter",
                );
                let problem = match near {
                    Some(near) => super::world::suggest(problem, Some(near), param.span),
                    None => problem.help(format!("it takes: {}", takes(operation))),
                };
                self.tell(problem);
                continue;
            };
            let place = self.place(line.span);
            let expected = Expected {
                ty: Some(field.ty.clone()),
                choice: None,
                options: field.options.clone(),
                name: format!("{full}.{}", param.value),
            };
            let typed = self.expr(names, &line.value, &expected);
            self.fit(&typed, &expected, line.path.span);
            let (value, on_empty) = if field.optional && line.on_empty.is_none() {
                (typed.expr, Outcome::Clear)
            } else {
                self.outcome(names, typed, line.on_empty.as_ref(), &expected, true, line.path.span)
            };
            assigns.push(Assign { name: param.value.clone(), link: None, value, on_empty, place });
        }
        let missing: Vec<String> = operation
            .params
            .iter()
            .filter(|(param, field)| {
                !field.optional
                    && !given.contains(&param.as_str())
                    && !record.lines.iter().any(|line| line.path.names[0].value == **param)
            })
            .map(|(param, _)| param.clone())
            .collect();
        if let Some(first) = missing.first() {
            let thing = first.trim_end_matches("Id");
            let note = self
                .lock_line(system, &format!("operations.{name}"))
                .map(|r| format!(", see {}:{}", r.file, r.line))
                .unwrap_or_default();
            let variable = names.vars.iter().find_map(|(n, v)| match &v.kind {
                Kind::Record(entity) if entity.entity.eq_ignore_ascii_case(thing) => {
                    Some((n.clone(), v.missing.is_some()))
                }
                _ => None,
            });
            let mut problem =
                Problem::new("E0208", format!("{full} needs a `{first}`"), head, format!("does not say which {thing}"));
            problem = match variable {
                Some((variable, true)) => problem.help(format!("add `{first} = {variable}.id else skip`  (`{variable}` is the {thing} found in `always`)\nit takes: {}{note}", takes(operation))),
                Some((variable, false)) => problem.help(format!("add `{first} = {variable}.id`\nit takes: {}{note}", takes(operation))),
                None => problem.help(format!("it takes: {}{note}", takes(operation))),
            };
            self.tell(problem);
        }
        assigns
    }
}

fn takes(operation: &Operation) -> String {
    let mut params: Vec<(&String, bool)> = operation.params.iter().map(|(n, f)| (n, f.optional)).collect();
    params.sort_by_key(|(name, optional)| (*optional, (*name).clone()));
    params
        .iter()
        .map(|(n, optional)| if *optional { format!("{n} (optional)") } else { (*n).clone() })
        .collect::<Vec<_>>()
        .join(", ")
}

/// A constant text as a parameter.
pub(super) fn constant(name: &str, text: &str, place: crate::program::Place) -> Assign {
    Assign {
        name: name.to_owned(),
        link: None,
        value: Expr::Literal(Value::text(text)),
        on_empty: Outcome::Never,
        place,
    }
}

//! What a new record and an operation must be given.

use std::collections::BTreeSet;

use crate::ast::{self, Item};
use crate::check::facts::checker::Checker;
use crate::check::facts::phrases::{self, suggest};
use crate::check::facts::typed::{Expected, Kind, Names};
use crate::check::items::record::For;
use crate::diagnostic::{Code, Problem};
use crate::program::{Assign, MappingKind, Outcome, Side, Sync};
use crate::schema::{EntityName, Operation};
use crate::source::Span;
use crate::suggest::nearest;

impl Checker<'_> {
    /// E0206: what a new record must be given.
    pub(crate) fn needs(&mut self, record: &ast::Record, purpose: &For<'_>) {
        let Some(lock) = self.declared.entity(purpose.entity) else { return };
        let product = self.declared.product(&purpose.entity.system);
        let missing: Vec<String> = lock
            .create_needs
            .iter()
            .filter(|need| purpose.key != Some(need.as_str()))
            .filter(|need| {
                // A line for a field that there is not may be meant for the one that is needed.
                let gives = |name: &String| {
                    name == *need || !lock.fields.contains_key(name) && nearest(name, [need.as_str()]).is_some()
                };
                !record.lines.iter().any(|line| gives(&line.path.names[0].value))
            })
            .cloned()
            .collect();
        if let Some(first) = missing.first().filter(|_| record.unread.is_empty()) {
            let problem = Problem::new(
                Code::E0206,
                format!(
                    "the new {} lacks {}",
                    purpose.entity,
                    missing.iter().map(|m| format!("`{m}`")).collect::<Vec<_>>().join(" and ")
                ),
                purpose.head,
                format!("{product} makes none without it"),
            );
            self.report(problem.help(format!("add a line `{first} = …`")));
        }
    }

    /// E0206 for what a sync makes.
    pub(crate) fn create_needs(&mut self, sync: &ast::Sync, built: &Sync, item: &Item) {
        for side in &built.create {
            let entity = built.entity(*side);
            let Some(lock) = self.declared.entity(entity) else { continue };
            let given: BTreeSet<&str> = built
                .fields
                .iter()
                .filter(|m| m.direction.writes(*side))
                .filter_map(|m| match &m.kind {
                    MappingKind::Field { left, right, .. } => {
                        Some(if *side == Side::Left { left.as_str() } else { right.as_str() })
                    }
                    MappingKind::Computed { target, .. } => Some(target.as_str()),
                    MappingKind::Link { left, right, .. } => {
                        (if *side == Side::Left { left } else { right }).last().map(String::as_str)
                    }
                })
                .collect();
            let missing: Vec<String> =
                lock.create_needs.iter().filter(|n| !given.contains(n.as_str())).map(|n| format!("`{n}`")).collect();
            // A line that was not understood may have been the one.
            let whole = built.fields.iter().filter(|m| !m.implicit).count() == sync.mappings.len();
            if !missing.is_empty() && whole && !self.declared.incomplete {
                let span = sync.create.as_ref().map_or(item.head, |c| c.span);
                let message = format!("the new {entity} lacks {}", phrases::list(&missing));
                let product = self.declared.product(&entity.system);
                let problem = Problem::new(Code::E0206, message, span, format!("{product} makes none without it"));
                self.report(problem.help("map it in `fields`, or write `… on create`"));
            }
        }
    }

    /// E0206 for a value that may be left out, though the new record needs it.
    pub(crate) fn lacks(&mut self, entity: &EntityName, field: &str, span: Span) {
        if !self.declared.entity(entity).is_some_and(|lock| lock.create_needs.iter().any(|need| need == field)) {
            return;
        }
        let product = self.declared.product(&entity.system);
        let message = format!("the new {entity} lacks `{field}` where this value is missing");
        let problem = Problem::new(Code::E0206, message, span, format!("{product} makes none without it"));
        self.report(problem.help("write a value for that case, `else skip` or `else fail`"));
    }

    /// Parameters of an operation.
    #[expect(clippy::too_many_arguments, reason = "what is written, what is declared, and what is given already")]
    pub(crate) fn params(
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
        for (index, line) in record.lines.iter().enumerate() {
            let param = &line.path.names[0];
            let twice = record.lines[..index].iter().find(|other| other.path.names[0].value == param.value);
            if twice.is_some() || given.contains(&param.value.as_str()) {
                let message = format!("`{}` is given twice", param.value);
                let problem = Problem::new(Code::E0103, message, param.span, "again here");
                let problem = match twice {
                    Some(first) => problem.label(first.path.span, "first here"),
                    None => problem.label(head, "given here"),
                };
                self.report(problem.help("remove one of the two"));
                continue;
            }
            if let Some(part) = line.path.names.get(1) {
                let message = format!("`{}` is a parameter and has no parts", param.value);
                let problem = Problem::new(Code::E0101, message, part.span, "not known");
                self.report(problem.help(format!("write `{} = …`", param.value)));
                continue;
            }
            let Some(field) = operation.params.get(&param.value).cloned() else {
                let near = crate::suggest::nearest(&param.value, operation.params.keys().map(String::as_str))
                    .map(str::to_owned);
                let problem = Problem::new(
                    Code::E0101,
                    format!("{full} has no parameter `{}`", param.value),
                    param.span,
                    "not a parameter",
                );
                let problem = match near {
                    Some(near) => suggest(problem, Some(near), param.span),
                    None => problem.help(format!("it takes: {}", takes(operation))),
                };
                self.report(problem);
                continue;
            };
            let place = self.declared.place(line.span);
            let expected = Expected {
                ty: Some(field.ty.clone()),
                choice: None,
                options: field.options.clone(),
                name: format!("{full}.{}", param.value),
                ..Expected::default()
            };
            let typed = self.expr(names, &line.value, &expected);
            self.fit(&typed, &expected, line.path.span);
            let empty = typed.empty;
            // A parameter that may be left out is left out where there is no value, without a word for it.
            let (value, on_empty) = if field.optional && line.on_empty.is_none() {
                (typed.expr, Outcome::Clear)
            } else {
                self.outcome(names, typed, line.on_empty.as_ref(), &expected, true, line.path.span)
            };
            if !field.optional && (on_empty == Outcome::Clear || line.on_empty.is_none() && empty) {
                let message = format!("{} is needed, so it cannot be left out", expected.name);
                let span = line.on_empty.as_ref().map_or(line.value.span, |written| written.span);
                let problem = Problem::new(Code::E0209, message, span, "does not belong here");
                self.report(problem.help("write `else skip`, `else fail` or a value"));
            }
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
        // A line for a parameter that there is not is the one that is missing.
        let strange = record.lines.iter().any(|line| !operation.params.contains_key(&line.path.names[0].value));
        if let Some(first) = missing.first().filter(|_| record.unread.is_empty() && !strange) {
            let thing = first.trim_end_matches("Id");
            let note = self
                .declared
                .lock_line(system, &format!("operations.{name}.params"))
                .map(|r| format!(", see {}:{}", r.file, r.line))
                .unwrap_or_default();
            let variable = names.vars.iter().find_map(|(n, v)| match &v.kind {
                Kind::Record(entity) if entity.entity.eq_ignore_ascii_case(thing) => {
                    Some((n.clone(), v.missing.is_some()))
                }
                _ => None,
            });
            let mut problem = Problem::new(
                Code::E0208,
                format!("{full} needs a `{first}`"),
                head,
                format!("does not say which {thing}"),
            );
            problem = match variable {
                Some((variable, true)) => problem.help(format!("add `{first} = {variable}.id else skip`  (`{variable}` is the {thing} found in `always`)\nit takes: {}{note}", takes(operation))),
                Some((variable, false)) => problem.help(format!("add `{first} = {variable}.id`\nit takes: {}{note}", takes(operation))),
                None => problem.help(format!("it takes: {}{note}", takes(operation))),
            };
            self.report(problem);
        }
        assigns
    }
}

pub(crate) fn takes(operation: &Operation) -> String {
    let mut params: Vec<(&String, bool)> = operation.params.iter().map(|(n, f)| (n, f.optional)).collect();
    params.sort_by_key(|(name, optional)| (*optional, (*name).clone()));
    params
        .iter()
        .map(|(n, optional)| if *optional { format!("{n} (optional)") } else { (*n).clone() })
        .collect::<Vec<_>>()
        .join(", ")
}

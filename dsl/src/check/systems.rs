//! `system` and `entity`: locks, their age, limits that exist.

use std::collections::BTreeMap;

use super::world::World;
use crate::ast;
use crate::diagnostic::Problem;
use crate::program::{self, Limit};
use crate::schema::{Entity, Field, Lock, read_lock};
use crate::source::Span;

impl World<'_> {
    pub(super) fn system(&mut self, system: &ast::System) {
        let name = &system.name.value;
        let mut limits = BTreeMap::new();
        for limit in &system.limits {
            let unit = match limit.name.value.as_str() {
                "api" => "calls",
                "bulk" => "records",
                "webhooks" => "requests",
                _ => {
                    let problem = Problem::new(
                        "E0803",
                        format!("there is no limit `{}`", limit.name.value),
                        limit.name.span,
                        "not a limit",
                    );
                    self.tell(problem.help("limits are `api` (calls), `bulk` (records) and `webhooks` (requests)"));
                    continue;
                }
            };
            if let Some(written) = &limit.unit
                && written.value != unit
            {
                let problem = Problem::new(
                    "E0803",
                    format!("the limit `{}` counts {unit}", limit.name.value),
                    written.span,
                    format!("not {}", written.value),
                );
                self.tell(problem.help(format!("write `{unit}`")));
            }
            self.limit_spans.insert((name.clone(), limit.name.value.clone()), limit.span);
            limits.insert(limit.name.value.clone(), Limit { amount: limit.amount.value, per: limit.per.value });
        }
        let lock = match &system.schema {
            None => empty_lock(name),
            Some(path) => match self.lock_texts.get(&path.value).map(|text| read_lock(text)) {
                Some(Ok(lock)) => {
                    self.lock_paths.insert(name.clone(), path.value.clone());
                    if lock.system != *name {
                        let problem = Problem::new(
                            "E0902",
                            format!("this lock is of system `{}`", lock.system),
                            path.span,
                            format!("`{name}` needs a lock of its own"),
                        );
                        self.tell(problem.help(format!("run `engine schema pull {name}`")));
                    }
                    lock
                }
                Some(Err(error)) => {
                    let place = error.line.map_or_else(String::new, |line| format!(":{line}"));
                    let problem =
                        Problem::new("E0902", "this lock cannot be read", path.span, format!("{}{place}", path.value));
                    self.tell(problem.help(error.reason));
                    self.broken = true;
                    self.unread.insert(name.clone());
                    empty_lock(name)
                }
                None => {
                    let problem = Problem::new(
                        "E0902",
                        "this lock is not there",
                        path.span,
                        "no such file in the rule set's folder",
                    );
                    self.tell(problem.help(format!("run `engine schema pull {name}`")));
                    self.broken = true;
                    self.unread.insert(name.clone());
                    empty_lock(name)
                }
            },
        };
        let cache = system.cache.as_ref().map(|span| span.value);
        self.systems.insert(name.clone(), program::System { lock, limits, cache });
    }

    pub(super) fn entity_item(&mut self, item: &ast::EntityItem) {
        if !self.has_system(&item.name.system) {
            return;
        }
        let mut entity = Entity { batch: 1, ..Entity::default() };
        let id = Field {
            ty: crate::schema::Type::Text,
            options: Vec::new(),
            optional: false,
            unique: true,
            read_only: true,
            custom: false,
            protect: false,
        };
        entity.fields.insert("id".to_owned(), id);
        if let Some(at) = &item.changed_at {
            entity.changed_at = crate::schema::ChangedAt::Field(at.value.clone());
        }
        for decl in &item.fields {
            let text = decl.ty.names.iter().map(|n| n.value.as_str()).collect::<Vec<_>>().join(".");
            if let [_, to] = decl.ty.names.as_slice() {
                entity.links.insert(
                    decl.name.value.clone(),
                    crate::schema::Link { to: to.value.clone(), remote: None, optional: decl.optional },
                );
                continue;
            }
            let Some(ty) = crate::schema::parse_type(&text) else {
                let problem = Problem::new("E0201", format!("there is no type `{text}`"), decl.ty.span, "not a type");
                self.tell(problem.help("types are text, integer, number, money, percent, flag, date, time, record, and entities such as app.User"));
                continue;
            };
            let ty = if decl.list { crate::schema::Type::List(Box::new(ty)) } else { ty };
            entity.fields.insert(
                decl.name.value.clone(),
                Field {
                    ty,
                    options: Vec::new(),
                    optional: decl.optional,
                    unique: decl.unique,
                    read_only: decl.read_only,
                    custom: false,
                    protect: false,
                },
            );
        }
        if let Some(system) = self.systems.get_mut(&item.name.system.value) {
            system.lock.entities.insert(item.name.name.value.clone(), entity);
        }
    }

    pub(super) fn systems_age(&mut self, today: Option<jiff::civil::Date>) {
        let Some(today) = today else { return };
        let old: Vec<(String, String)> = self
            .systems
            .iter()
            .filter(|(_, s)| {
                s.lock
                    .pulled
                    .parse::<jiff::civil::Date>()
                    .is_ok_and(|day| crate::value::days_of(today) - crate::value::days_of(day) > 30)
            })
            .map(|(name, s)| (name.clone(), s.lock.pulled.clone()))
            .collect();
        for (name, pulled) in old {
            let span = self.schema_span(&name);
            let problem = Problem::new(
                "W0901",
                format!("the lock of {name} is older than 30 days"),
                span,
                format!("pulled {pulled}"),
            );
            self.tell(problem.help(format!("run `engine schema pull {name}` and look at what changed")));
        }
    }

    pub(super) fn schema_span(&self, system: &str) -> Span {
        for file in self.files {
            if let Some(path) = self.lock_paths.get(system)
                && let Some(at) = file.text.find(&format!("\"{path}\""))
            {
                return Span { file: file.id, start: at as u32, end: (at + path.len() + 2) as u32 };
            }
        }
        Span::default()
    }
}

pub(super) fn empty_lock(system: &str) -> Lock {
    Lock {
        system: system.to_owned(),
        connector: String::new(),
        product: system.to_owned(),
        pulled: String::new(),
        entities: BTreeMap::new(),
        events: BTreeMap::new(),
        operations: BTreeMap::new(),
        lookups: BTreeMap::new(),
        deliveries: None,
        lines: BTreeMap::new(),
    }
}

//! `system` and `entity`: locks, their age, limits that exist.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::ast::{self, Item, ItemKind};
use crate::check::declare::Declaring;
use crate::check::facts::types::type_name;
use crate::diagnostic::{Code, Problem};
use crate::program::{self, Limit};
use crate::schema::{Entity, EntityName, Field, Lock, Type};
use crate::source::{FileId, Span};

impl Declaring<'_> {
    /// A system with its lock. `items` may hold entities that are written by hand instead.
    pub(crate) fn system(&mut self, system: &ast::System, items: &[(FileId, Arc<Item>)]) {
        let name = &system.name.value;
        let mut limits = BTreeMap::new();
        for limit in &system.limits {
            let unit = match limit.name.value.as_str() {
                "api" => "calls",
                "bulk" => "records",
                "webhooks" => "requests",
                _ => {
                    let problem = Problem::new(
                        Code::E0803,
                        format!("there is no limit `{}`", limit.name.value),
                        limit.name.span,
                        "not a limit",
                    );
                    self.report(problem.help("limits are `api` (calls), `bulk` (records) and `webhooks` (requests)"));
                    continue;
                }
            };
            if let Some(written) = &limit.unit
                && written.value != unit
            {
                let problem = Problem::new(
                    Code::E0803,
                    format!("the limit `{}` counts {unit}", limit.name.value),
                    written.span,
                    format!("not {}", written.value),
                );
                self.report(problem.help(format!("write `{unit}`")));
            }
            if limit.amount.value == 0 || limit.per.value.0 <= 0 {
                let message = format!("the limit `{}` lets nothing through", limit.name.value);
                let problem = Problem::new(Code::E0803, message, limit.span, "none, or in no time");
                self.report(
                    problem.help(format!("write it as `limit {} 100 {unit} per 10 seconds`", limit.name.value)),
                );
                continue;
            }
            self.declared.limit_spans.insert((name.clone(), limit.name.value.clone()), limit.span);
            limits.insert(limit.name.value.clone(), Limit { amount: limit.amount.value, per: limit.per.value });
        }
        let lock = match &system.schema {
            None => {
                // Without a lock and without `entity` items nobody says what it has. That is told once, where something
                // of it is wanted, and not here: a system from which nothing is wanted needs no description.
                let own = |item: &ItemKind| matches!(item, ItemKind::Entity(e) if e.name.system.value == *name);
                if !items.iter().any(|(_, item)| own(&item.kind)) {
                    self.declared.unknown.insert(name.clone());
                    if system.unread.iter().any(|line| line.value == "schema") {
                        self.declared.incomplete = true;
                    } else {
                        self.declared.undescribed.insert(name.clone(), system.name.span);
                    }
                }
                Lock::empty(name, "").into()
            }
            // An empty lock stands for one that cannot be used, and `unknown` says so: one mistake, and not one more
            // for every name that is looked up in it.
            Some(path) => match self.declared.locks.get(&path.value).cloned() {
                Some(Ok(lock)) => {
                    self.declared.lock_paths.insert(name.clone(), path.value.clone());
                    self.declared.lock_spans.insert(name.clone(), path.span);
                    if lock.system != *name {
                        let problem = Problem::new(
                            Code::E0902,
                            format!("this lock is of system `{}`", lock.system),
                            path.span,
                            format!("`{name}` needs a lock of its own"),
                        );
                        self.report(problem.help(format!("run `engine schema pull {name}`")));
                        self.declared.incomplete = true;
                        self.declared.unknown.insert(name.clone());
                        Lock::empty(name, "").into()
                    } else {
                        lock
                    }
                }
                Some(Err(error)) => {
                    let place = error.line.map_or_else(String::new, |line| format!(":{line}"));
                    let problem = Problem::new(
                        Code::E0902,
                        "this lock cannot be read",
                        path.span,
                        format!("{}{place}", path.value),
                    );
                    self.report(problem.help(error.reason));
                    self.declared.incomplete = true;
                    self.declared.unknown.insert(name.clone());
                    Lock::empty(name, "").into()
                }
                None if path.value.starts_with('/') || path.value.split('/').any(|part| part == "..") => {
                    let problem = Problem::new(
                        Code::E0902,
                        "a lock lies inside of the folder of its rules",
                        path.span,
                        "leads out of it",
                    );
                    self.report(problem.help("copy it there, or make a link to it there, and name that"));
                    self.declared.incomplete = true;
                    self.declared.unknown.insert(name.clone());
                    Lock::empty(name, "").into()
                }
                None => {
                    let problem = Problem::new(
                        Code::E0902,
                        "this lock is not there",
                        path.span,
                        "no such file in the rule set's folder",
                    );
                    self.report(problem.help(format!("run `engine schema pull {name}`")));
                    self.declared.incomplete = true;
                    self.declared.unknown.insert(name.clone());
                    Lock::empty(name, "").into()
                }
            },
        };
        let cache = system.cache.as_ref().map(|span| span.value);
        self.declared.systems.insert(name.clone(), program::System { lock, limits, cache });
    }

    /// An entity that is written by hand; `before` are those that were.
    pub(crate) fn entity_item(&mut self, item: &ast::EntityItem, before: &mut BTreeMap<EntityName, Span>) {
        let Some(system) = self.checker().has_system(&item.name.system) else { return };
        let name = EntityName::new(system, &item.name.name.value);
        if self.declared.entity(&name).is_some() {
            let problem = Problem::new(Code::E0103, format!("there are two of {name}"), item.name.span, "again here");
            let problem = match before.get(&name) {
                Some(first) => problem.label(*first, "first here"),
                None => problem,
            };
            let help = match self.declared.lock_paths.get(&name.system) {
                Some(path) if !before.contains_key(&name) => {
                    format!("remove this item: {path} says what {name} has")
                }
                _ => "write all of its fields in one item".to_owned(),
            };
            self.report(problem.help(help));
            return;
        }
        before.insert(name.clone(), item.name.span);
        let mut names: BTreeMap<&str, Span> = BTreeMap::new();
        // Every record has an id that its system gives, so nobody declares it. How many records one request takes is
        // known from a lock alone.
        let mut entity = Entity { batch: 1, ..Entity::default() };
        let id = Field { unique: true, read_only: true, ..Field::of(Type::Text) };
        entity.fields.insert("id".to_owned(), id);
        if let Some(at) = &item.changed_at {
            entity.changed_at = crate::schema::ChangedAt::Field(at.value.clone());
        }
        for decl in &item.fields {
            if let Some(first) = names.insert(&decl.name.value, decl.name.span) {
                let message = format!("{name} has two of `{}`", decl.name.value);
                let problem = Problem::new(Code::E0103, message, decl.name.span, "again here");
                self.report(problem.label(first, "first here").help("remove one of them"));
                continue;
            }
            let text = decl.ty.names.iter().map(|n| n.value.as_str()).collect::<Vec<_>>().join(".");
            if let [_, to] = decl.ty.names.as_slice() {
                entity.links.insert(
                    decl.name.value.clone(),
                    crate::schema::Link { to: to.value.clone(), remote: None, optional: decl.optional },
                );
                continue;
            }
            let Some(ty) = crate::schema::parse_type(&text) else {
                let problem =
                    Problem::new(Code::E0201, format!("there is no type `{text}`"), decl.ty.span, "not a type");
                self.report(problem.help("types are text, integer, number, money, percent, flag, date, time, record, and entities such as app.User"));
                continue;
            };
            let ty = if decl.list { Type::List(Box::new(ty)) } else { ty };
            entity.fields.insert(
                decl.name.value.clone(),
                Field { optional: decl.optional, unique: decl.unique, read_only: decl.read_only, ..Field::of(ty) },
            );
        }
        let ty = item.changed_at.as_ref().map(|at| entity.fields.get(&at.value).map(|field| field.ty.clone()));
        if let Some(system) = self.declared.systems.get_mut(&name.system) {
            Arc::make_mut(&mut system.lock).entities.insert(name.entity.clone(), entity);
        }
        match (&item.changed_at, ty) {
            (Some(at), Some(None)) => self.checker().no_field(&name, at),
            (Some(at), Some(Some(ty))) if ty != Type::Time => {
                let problem = Problem::new(Code::E0201, "a change time is a time", at.span, type_name(&ty));
                self.report(problem.help("name a field of type `time`"));
            }
            _ => {}
        }
    }

    /// Links of an entity that is written by hand lead to entities.
    pub(crate) fn entity_links(&mut self, item: &ast::EntityItem) {
        for decl in &item.fields {
            if let [system, name] = decl.ty.names.as_slice() {
                let to = ast::Qualified { system: system.clone(), name: name.clone(), span: decl.ty.span };
                self.checker().has_entity(&to);
            }
        }
    }

    pub(crate) fn systems_age(&mut self, today: Option<jiff::civil::Date>) {
        let Some(today) = today else { return };
        let old: Vec<(String, String)> = self
            .declared
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
            let span = self.declared.lock_spans.get(&name).copied().unwrap_or_default();
            let problem = Problem::new(
                Code::W0901,
                format!("the lock of {name} is older than 30 days"),
                span,
                format!("pulled {pulled}"),
            );
            self.report(problem.help(format!("run `engine schema pull {name}` and look at what changed")));
        }
    }
}

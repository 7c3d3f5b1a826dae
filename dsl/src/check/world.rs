//! What all passes look things up in, and where they leave what they found.

use std::collections::BTreeMap;

use crate::ast::{self, Item, ItemKind, Name, Qualified};
use crate::diagnostic::{Problem, Related};
use crate::near::nearest;
use crate::program::{self, Choice, Door, Limit, Place, Program, Table, Used};
use crate::schema::{Entity, EntityName, Field, Lock, read_lock};
use crate::source::{FileId, SourceFile, Span};

/// Who writes a field, for E0401.
#[derive(Debug, Clone)]
pub(super) struct Writer {
    pub(super) entity: EntityName,
    pub(super) field: String,
    pub(super) span: Span,
    pub(super) by: String,
    /// A sync (true) or an action.
    pub(super) sync: bool,
    /// For a sync: what its line says of the other side's edits, for the message.
    pub(super) wins: String,
}

pub(super) struct World<'a> {
    pub(super) files: &'a [SourceFile],
    lock_texts: &'a BTreeMap<String, String>,
    hash: String,
    /// Some item could not be read, so what is missing may only be unread.
    pub(super) broken: bool,
    pub(super) problems: Vec<Problem>,
    pub(super) systems: BTreeMap<String, program::System>,
    pub(super) lock_paths: BTreeMap<String, String>,
    pub(super) choices: Vec<Choice>,
    pub(super) choice_of: BTreeMap<(EntityName, String), usize>,
    pub(super) tables: Vec<Table>,
    pub(super) table_by: Vec<(EntityName, String)>,
    /// Cells of the first row of each table.
    pub(super) table_cells: BTreeMap<String, Vec<ast::Expr>>,
    pub(super) sync_names: Vec<(String, EntityName, EntityName, Span)>,
    pub(super) workflow_names: Vec<(String, EntityName, Span)>,
    pub(super) syncs: BTreeMap<String, program::Sync>,
    pub(super) workflows: BTreeMap<String, program::Workflow>,
    pub(super) whens: Vec<program::When>,
    pub(super) doors: BTreeMap<String, Door>,
    pub(super) used: BTreeMap<EntityName, Used>,
    pub(super) writers: Vec<Writer>,
    pub(super) mentioned: std::collections::BTreeSet<String>,
}

impl<'a> World<'a> {
    pub(super) fn new(
        files: &'a [SourceFile],
        locks: &'a BTreeMap<String, String>,
        hash: String,
        broken: bool,
    ) -> Self {
        Self {
            files,
            lock_texts: locks,
            hash,
            broken,
            problems: Vec::new(),
            systems: BTreeMap::new(),
            lock_paths: BTreeMap::new(),
            choices: Vec::new(),
            choice_of: BTreeMap::new(),
            tables: Vec::new(),
            table_by: Vec::new(),
            table_cells: BTreeMap::new(),
            sync_names: Vec::new(),
            workflow_names: Vec::new(),
            syncs: BTreeMap::new(),
            workflows: BTreeMap::new(),
            whens: Vec::new(),
            doors: BTreeMap::new(),
            used: BTreeMap::new(),
            writers: Vec::new(),
            mentioned: std::collections::BTreeSet::new(),
        }
    }

    pub(super) fn tell(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    pub(super) fn place(&self, span: Span) -> Place {
        let file = &self.files[span.file.0 as usize];
        Place { file: file.path.clone(), line: file.position(span.start).0 as u32 }
    }

    pub(super) fn text(&self, span: Span) -> &str {
        self.files[span.file.0 as usize].slice(span)
    }

    /// Names of all items, systems with their locks, entities written by hand.
    pub(super) fn declare(&mut self, items: &[(FileId, Item)]) {
        let mut names: BTreeMap<String, Span> = BTreeMap::new();
        let mut edition: Option<Span> = None;
        for (_, item) in items {
            let name = match &item.kind {
                ItemKind::Edition(number) => {
                    if number.value != 2026 {
                        let problem = Problem::new(
                            "E0006",
                            format!("there is no edition {}", number.value),
                            number.span,
                            "not an edition",
                        );
                        self.tell(problem.help("write `edition 2026`"));
                    } else if let Some(first) = edition {
                        let problem = Problem::new(
                            "E0006",
                            "the edition stands twice in this rule set",
                            number.span,
                            "again here",
                        );
                        self.tell(problem.label(first, "first here").help("remove one of them"));
                    }
                    edition.get_or_insert(number.span);
                    continue;
                }
                ItemKind::Choice(c) => &c.name,
                ItemKind::System(s) => &s.name,
                ItemKind::Table(t) => &t.name,
                ItemKind::Sync(s) => &s.name,
                ItemKind::Workflow(w) => &w.name,
                ItemKind::Test(test) => &test.title,
                ItemKind::Entity(_) | ItemKind::Events(_) | ItemKind::When(_) => continue,
            };
            if let Some(first) = names.insert(name.value.clone(), name.span) {
                let problem =
                    Problem::new("E0103", format!("the name `{}` is used twice", name.value), name.span, "again here");
                self.tell(problem.label(first, "first here").help("give one of them another name"));
            }
        }
        for (_, item) in items {
            if let ItemKind::System(system) = &item.kind {
                self.system(system);
            }
        }
        for (_, item) in items {
            match &item.kind {
                ItemKind::Entity(entity) => self.entity_item(entity),
                ItemKind::Sync(sync) => {
                    let (left, right) = (entity_name(&sync.left), entity_name(&sync.right));
                    self.sync_names.push((sync.name.value.clone(), left, right, sync.name.span));
                }
                ItemKind::Workflow(w) => {
                    self.workflow_names.push((w.name.value.clone(), entity_name(&w.entity), w.name.span));
                }
                _ => {}
            }
        }
        self.sync_names.sort_by(|a, b| a.0.cmp(&b.0));
        self.workflow_names.sort_by(|a, b| a.0.cmp(&b.0));
    }

    fn system(&mut self, system: &ast::System) {
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
                    empty_lock(name)
                }
            },
        };
        let cache = system.cache.as_ref().map(|span| span.value);
        self.systems.insert(name.clone(), program::System { lock, limits, cache });
    }

    fn entity_item(&mut self, item: &ast::EntityItem) {
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

    fn schema_span(&self, system: &str) -> Span {
        for file in self.files {
            if let Some(path) = self.lock_paths.get(system)
                && let Some(at) = file.text.find(&format!("\"{path}\""))
            {
                return Span { file: file.id, start: at as u32, end: (at + path.len() + 2) as u32 };
            }
        }
        Span::default()
    }

    /// E0102.
    pub(super) fn has_system(&mut self, name: &Name) -> bool {
        if self.systems.contains_key(&name.value) {
            return true;
        }
        let problem = Problem::new("E0102", format!("there is no system `{}`", name.value), name.span, "not declared");
        let near = nearest(&name.value, self.systems.keys().map(String::as_str)).map(str::to_owned);
        let problem = suggest(problem, near, name.span);
        self.tell(problem);
        false
    }

    /// E0104.
    pub(super) fn has_entity(&mut self, name: &Qualified) -> Option<EntityName> {
        if !self.has_system(&name.system) {
            return None;
        }
        let entity = entity_name(name);
        let system = &self.systems[&entity.system];
        if system.lock.entities.contains_key(&entity.entity) {
            return Some(entity);
        }
        let near = nearest(&entity.entity, system.lock.entities.keys().map(String::as_str)).map(str::to_owned);
        let message = format!("{} has no entity `{}`", system.lock.product, entity.entity);
        let problem = Problem::new("E0104", message, name.name.span, format!("not in {}", entity.system));
        let problem = suggest(problem, near, name.name.span);
        self.tell(problem);
        None
    }

    pub(super) fn entity(&self, name: &EntityName) -> Option<&Entity> {
        self.systems.get(&name.system)?.lock.entities.get(&name.entity)
    }

    /// E0101: the field or link of an entity, or a message with the nearest name.
    pub(super) fn no_field(&mut self, entity: &EntityName, name: &Name) {
        let Some(lock) = self.entity(entity) else { return };
        let near =
            nearest(&name.value, lock.fields.keys().chain(lock.links.keys()).map(String::as_str)).map(str::to_owned);
        let system = &self.systems[&entity.system];
        let source = match self.lock_paths.get(&entity.system) {
            Some(path) => format!("{entity} comes from {path}, pulled {}", system.lock.pulled),
            None => format!("{entity} is declared in the rules"),
        };
        let mut problem = Problem::new(
            "E0101",
            format!("{entity} has no field `{}`", name.value),
            name.span,
            format!("not in {entity}"),
        );
        problem = match near {
            Some(near) => problem.help(format!("did you mean `{near}`?  {source}")).fix(
                format!("write `{near}`"),
                true,
                vec![(name.span, near)],
            ),
            None => problem.help(source),
        };
        self.tell(problem);
    }

    /// Where a lock says something, for notes.
    pub(super) fn lock_line(&self, system: &str, path: &str) -> Option<Related> {
        let file = self.lock_paths.get(system)?.clone();
        let line = *self.systems.get(system)?.lock.lines.get(path)?;
        Some(Related { file, line, text: path.rsplit('.').next().unwrap_or(path).to_owned() })
    }

    pub(super) fn sync_index(&self, name: &str) -> Option<usize> {
        self.sync_names.iter().position(|(n, ..)| n == name)
    }

    pub(super) fn workflow_index(&self, name: &str) -> Option<usize> {
        self.workflow_names.iter().position(|(n, ..)| n == name)
    }

    /// E0106.
    pub(super) fn no_such<'n>(&mut self, what: &str, name: &Name, known: impl Iterator<Item = &'n str>) {
        let known: Vec<&str> = known.collect();
        let near = nearest(&name.value, known.iter().copied()).map(str::to_owned);
        let mut problem =
            Problem::new("E0106", format!("there is no {what} `{}`", name.value), name.span, "not known here");
        problem = match near {
            Some(near) => suggest(problem, Some(near), name.span),
            None if known.is_empty() => problem,
            None => problem.help(format!("there are: {}", known.join(", "))),
        };
        self.tell(problem);
    }

    pub(super) fn finish(self) -> Program {
        Program {
            hash: self.hash,
            systems: self.systems,
            choices: self.choices,
            tables: self.tables,
            syncs: self.syncs.into_values().collect(),
            doors: self.doors,
            whens: self.whens,
            workflows: self.workflows.into_values().collect(),
            used: self.used,
            choice_of: self.choice_of,
        }
    }
}

pub(super) fn entity_name(name: &Qualified) -> EntityName {
    EntityName::new(&name.system.value, &name.name.value)
}

pub(super) fn suggest(problem: Problem, near: Option<String>, span: Span) -> Problem {
    match near {
        Some(near) => {
            problem.help(format!("did you mean `{near}`?")).fix(format!("write `{near}`"), true, vec![(span, near)])
        }
        None => problem,
    }
}

fn empty_lock(system: &str) -> Lock {
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

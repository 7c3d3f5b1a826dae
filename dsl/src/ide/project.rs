//! A rule set as an editor holds it: texts, trees, locks and problems.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::words::names;
use crate::ast::{self, Item, ItemKind};
use crate::check::{Compiled, Session, too_large};
use crate::diagnostic::Problem;
use crate::outline::{Chunk, outline};
use crate::schema::{ChangedAt, Entity, EntityName, Field, Link, Lock, Type, parse_type};
use crate::source::{FileId, SourceFile, Span};

/// A rule set as an editor holds it.
#[derive(Debug)]
pub struct Project {
    compiled: Compiled,
    session: Session,
    /// The stretches of each file.
    chunks: Vec<Arc<[Chunk]>>,
    pub(super) systems: BTreeMap<String, Known>,
    locks: BTreeMap<String, (SourceFile, Option<Arc<Lock>>)>,
    /// The choice that a field takes its words from, as an index into the items.
    choice_of: BTreeMap<(EntityName, String), usize>,
}

/// What is known of a system.
#[derive(Debug, Clone)]
pub(super) struct Known {
    /// What its lock says, and `entity` items.
    pub(super) lock: Lock,
    /// The path of its lock.
    pub(super) path: Option<String>,
    /// Entities that `entity` items declare, with the places of their names and fields.
    pub(super) written: BTreeMap<String, Written>,
}

/// Where an `entity` item declares what.
#[derive(Debug, Clone)]
pub(super) struct Written {
    pub(super) name: Span,
    pub(super) fields: BTreeMap<String, Span>,
}

impl Project {
    /// Reads and checks a rule set.
    ///
    /// `files` are paths relative to its folder and texts; `locks` are texts of lock files by path. `today` judges
    /// the age of locks. What did not change since `before` is not read again.
    #[must_use]
    pub fn new(
        files: &[(String, String)],
        locks: &BTreeMap<String, String>,
        today: Option<jiff::civil::Date>,
        before: Option<&Self>,
    ) -> Self {
        let mut session = before.map_or_else(Session::default, |before| before.session.clone());
        let compiled = session.compile(files, locks, today);
        // What is too large is not read at all.
        let large = too_large(&compiled.files);
        let chunks = compiled.files.iter().map(|file| {
            let same = before.and_then(|before| {
                let old = before.compiled.files.get(file.id.0 as usize)?;
                (old.text == file.text).then(|| before.chunks.get(file.id.0 as usize).cloned())?
            });
            same.unwrap_or_else(|| if large { Arc::default() } else { outline(&file.text).chunks.into() })
        });
        let chunks = chunks.collect();
        let locks = locks.iter().enumerate().map(|(index, (path, text))| {
            let id = FileId(u32::try_from(index).unwrap_or(u32::MAX));
            (path.clone(), (SourceFile::new(id, path.clone(), text), session.lock(path).cloned()))
        });
        let mut project = Self {
            locks: locks.collect(),
            systems: BTreeMap::new(),
            choice_of: BTreeMap::new(),
            compiled,
            session,
            chunks,
        };
        project.declare();
        project
    }

    /// What would be told if these files had these texts. The age of locks is not judged.
    #[must_use]
    pub fn told_with(&self, texts: &BTreeMap<FileId, String>) -> Vec<Problem> {
        self.with(texts).compiled.problems
    }

    /// Its files, by [`FileId`].
    #[must_use]
    pub fn files(&self) -> &[SourceFile] {
        &self.compiled.files
    }

    /// The file at a path relative to the folder.
    #[must_use]
    pub fn file(&self, path: &str) -> Option<&SourceFile> {
        self.compiled.files.iter().find(|file| file.path == path)
    }

    /// The lock at a path relative to the folder; its id is of no meaning among [`Self::files`].
    #[must_use]
    pub fn lock(&self, path: &str) -> Option<&SourceFile> {
        self.locks.get(path).map(|(file, _)| file)
    }

    pub(super) fn lock_paths(&self) -> impl Iterator<Item = &str> {
        self.locks.keys().map(String::as_str)
    }

    /// The same rule set with other texts of some files.
    pub(super) fn with(&self, texts: &BTreeMap<FileId, String>) -> Self {
        let files: Vec<(String, String)> = self
            .files()
            .iter()
            .map(|file| (file.path.clone(), texts.get(&file.id).map_or_else(|| file.text.to_string(), Clone::clone)))
            .collect();
        let locks = self.locks.iter().map(|(path, (file, _))| (path.clone(), file.text.to_string())).collect();
        Self::new(&files, &locks, None, Some(self))
    }

    /// Everything the checker says, in the order of files and lines.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.compiled.problems
    }

    pub(super) fn text(&self, file: FileId) -> &str {
        self.compiled.files.get(file.0 as usize).map_or("", |file| &file.text)
    }

    /// The stretches of a file that hold one item each.
    pub(super) fn chunks(&self, file: FileId) -> &[Chunk] {
        self.chunks.get(file.0 as usize).map_or(&[], |chunks| chunks)
    }

    pub(super) fn slice(&self, span: Span) -> &str {
        self.compiled.files.get(span.file.0 as usize).map_or("", |file| file.slice(span))
    }

    /// `deals.rules:12`
    pub(super) fn place(&self, span: Span) -> String {
        match self.compiled.files.get(span.file.0 as usize) {
            Some(file) => format!("{}:{}", file.path, file.position(span.start).0),
            None => String::new(),
        }
    }

    pub(super) fn items(&self) -> impl Iterator<Item = &Item> {
        self.compiled.items.iter().map(|(_, item)| &**item)
    }

    pub(super) fn items_of(&self, file: FileId) -> impl Iterator<Item = &Item> {
        self.compiled.items.iter().filter(move |(id, _)| *id == file).map(|(_, item)| &**item)
    }

    pub(super) fn syncs(&self) -> impl Iterator<Item = &ast::Sync> {
        self.items().filter_map(|item| if let ItemKind::Sync(sync) = &item.kind { Some(&**sync) } else { None })
    }

    pub(super) fn workflows(&self) -> impl Iterator<Item = &ast::Workflow> {
        self.items().filter_map(|item| if let ItemKind::Workflow(flow) = &item.kind { Some(flow) } else { None })
    }

    pub(super) fn tables(&self) -> impl Iterator<Item = &ast::Table> {
        self.items().filter_map(|item| if let ItemKind::Table(table) = &item.kind { Some(table) } else { None })
    }

    pub(super) fn choices(&self) -> impl Iterator<Item = &ast::Choice> {
        self.items().filter_map(|item| if let ItemKind::Choice(choice) = &item.kind { Some(choice) } else { None })
    }

    pub(super) fn choice_of(&self, entity: &EntityName, field: &str) -> Option<&ast::Choice> {
        let index = self.choice_of.get(&(entity.clone(), field.to_owned()))?;
        match &self.compiled.items.get(*index)?.1.kind {
            ItemKind::Choice(choice) => Some(choice),
            _ => None,
        }
    }

    pub(super) fn entity(&self, name: &EntityName) -> Option<&Entity> {
        self.systems.get(&name.system)?.lock.entities.get(&name.entity)
    }

    pub(super) fn field(&self, entity: &EntityName, field: &str) -> Option<&Field> {
        self.entity(entity)?.fields.get(field)
    }

    pub(super) fn event(&self, name: &EntityName) -> Option<&BTreeMap<String, Field>> {
        self.systems.get(&name.system)?.lock.events.get(&name.entity)
    }

    /// The operation that a rule names, with its system or without: `mail.email` or `email`.
    pub(super) fn operation(&self, named: &str) -> Option<(String, String)> {
        match names(named).as_slice() {
            [system, name] => Some((system.clone(), name.clone())),
            [name] => match self.offering(name).as_slice() {
                [system] => Some(((*system).to_owned(), name.clone())),
                _ => None,
            },
            _ => None,
        }
    }

    /// Systems that offer an operation, by name.
    pub(super) fn offering(&self, operation: &str) -> Vec<&str> {
        let offers = |known: &&(&String, &Known)| known.1.lock.operations.contains_key(operation);
        self.systems.iter().collect::<Vec<_>>().iter().filter(offers).map(|(name, _)| name.as_str()).collect()
    }

    /// Systems, their entities, and which choice serves which field.
    fn declare(&mut self) {
        let mut systems = BTreeMap::new();
        for item in self.items() {
            let ItemKind::System(system) = &item.kind else { continue };
            let path = system.schema.as_ref().map(|path| path.value.clone());
            let lock =
                path.as_ref().and_then(|path| self.locks.get(path)).and_then(|(_, lock)| lock.as_deref().cloned());
            let lock = lock.unwrap_or_else(|| Lock::empty(&system.name.value, ""));
            systems.insert(system.name.value.clone(), Known { lock, path, written: BTreeMap::new() });
        }
        for item in self.items() {
            let ItemKind::Entity(entity) = &item.kind else { continue };
            if let Some(known) = systems.get_mut(&entity.name.system.value) {
                known.lock.entities.insert(entity.name.name.value.clone(), written(entity));
                let fields = entity.fields.iter().map(|field| (field.name.value.clone(), field.name.span)).collect();
                let places = Written { name: entity.name.name.span, fields };
                known.written.insert(entity.name.name.value.clone(), places);
            }
        }
        let mut choice_of = BTreeMap::new();
        for (index, item) in self.items().enumerate() {
            let ItemKind::Choice(choice) = &item.kind else { continue };
            for path in &choice.fields {
                if let [system, entity, field] = path.names.as_slice() {
                    choice_of
                        .entry((EntityName::new(&system.value, &entity.value), field.value.clone()))
                        .or_insert(index);
                }
            }
        }
        self.systems = systems;
        self.choice_of = choice_of;
    }

    /// Names that an item or a step has already.
    pub(super) fn taken(&self) -> BTreeSet<&str> {
        self.items()
            .filter_map(|item| match &item.kind {
                ItemKind::Choice(choice) => Some(choice.name.value.as_str()),
                ItemKind::System(system) => Some(system.name.value.as_str()),
                ItemKind::Table(table) => Some(table.name.value.as_str()),
                ItemKind::Sync(sync) => Some(sync.name.value.as_str()),
                ItemKind::Workflow(workflow) => Some(workflow.name.value.as_str()),
                _ => None,
            })
            .collect()
    }
}

/// What an `entity` item says, as a lock would; a type that does not exist is taken for a text.
fn written(item: &ast::EntityItem) -> Entity {
    let field = |ty, optional, unique, read_only| Field { optional, unique, read_only, ..Field::of(ty) };
    let mut entity = Entity { batch: 1, ..Entity::default() };
    if let Some(at) = &item.changed_at {
        entity.changed_at = ChangedAt::Field(at.value.clone());
    }
    entity.fields.insert("id".to_owned(), field(Type::Text, false, true, true));
    for decl in &item.fields {
        if let [_, to] = decl.ty.names.as_slice() {
            let link = Link { to: to.value.clone(), remote: None, optional: decl.optional };
            entity.links.insert(decl.name.value.clone(), link);
            continue;
        }
        let named = decl.ty.names.first().and_then(|name| parse_type(&name.value)).unwrap_or(Type::Text);
        let ty = if decl.list { Type::List(Box::new(named)) } else { named };
        entity.fields.insert(decl.name.value.clone(), field(ty, decl.optional, decl.unique, decl.read_only));
    }
    entity
}

//! What all passes look things up in, and where they leave what they found.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::found::Found;
use super::vocabulary::Vocabulary;
use crate::ast::{Item, ItemKind, Qualified};
use crate::diagnostic::{Code, Problem};
use crate::program::{self, Place, Program, System};
use crate::schema::{Entity, EntityName, Field, Lock, Unreadable};
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
    /// For a key that the engine fills in: the entity whose id it holds.
    pub(super) fills: Option<EntityName>,
}

/// Locks by path, or why they cannot be read.
pub(super) type Locks = BTreeMap<String, Result<Arc<Lock>, Unreadable>>;

#[derive(Clone)]
pub(super) struct World<'a> {
    pub(super) files: &'a [SourceFile],
    /// Locks as they were read, by path.
    pub(super) locks: &'a Locks,
    /// Some item could not be read, so what is missing may only be unread.
    pub(super) broken: bool,
    /// Names that are declared where the text was not understood.
    pub(super) lost: BTreeSet<String>,
    /// Where something was not understood.
    pub(super) spoiled: Vec<Span>,
    /// Names that are nowhere declared and like none that is: where each was told of, and in how many places more it
    /// stands.
    pub(super) nowhere: BTreeMap<(String, String), (Span, usize)>,
    /// Systems without a lock and without an entity, until that is told.
    pub(super) bare: BTreeMap<String, Span>,
    /// Syncs that were not understood well enough to say more about them.
    pub(super) unsure: BTreeSet<String>,
    /// Variables that were told of in this item.
    pub(super) told: BTreeSet<String>,
    /// What was found so far.
    pub(super) found: Found,
    /// Where the events of a system stand.
    pub(super) door_spans: BTreeMap<String, Span>,
    pub(super) systems: BTreeMap<String, System>,
    /// Systems whose lock cannot be read: what they have is unknown, and that is told once.
    pub(super) unread: std::collections::BTreeSet<String>,
    pub(super) lock_paths: BTreeMap<String, String>,
    /// Where they are named, with their quotes.
    pub(super) lock_spans: BTreeMap<String, Span>,
    /// What choices and tables say.
    pub(super) words: Vocabulary,
    /// In the order of their names, as the syncs and workflows of the program.
    pub(super) sync_names: Vec<(String, EntityName, EntityName, Span)>,
    pub(super) workflow_names: Vec<(String, EntityName, Span)>,
    /// Where limits stand, by system and name.
    pub(super) limit_spans: BTreeMap<(String, String), Span>,
    /// Tests, in the order of files and lines.
    pub(super) tests: Vec<program::test::Test>,
}

impl<'a> World<'a> {
    pub(super) fn new(files: &'a [SourceFile], locks: &'a Locks, broken: bool) -> Self {
        Self {
            files,
            locks,
            broken,
            lost: BTreeSet::new(),
            spoiled: Vec::new(),
            nowhere: BTreeMap::new(),
            bare: BTreeMap::new(),
            unsure: BTreeSet::new(),
            told: BTreeSet::new(),
            found: Found::default(),
            door_spans: BTreeMap::new(),
            systems: BTreeMap::new(),
            unread: std::collections::BTreeSet::new(),
            lock_paths: BTreeMap::new(),
            lock_spans: BTreeMap::new(),
            words: Vocabulary::default(),
            sync_names: Vec::new(),
            workflow_names: Vec::new(),
            limit_spans: BTreeMap::new(),
            tests: Vec::new(),
        }
    }

    pub(super) fn tell(&mut self, problem: Problem) {
        self.found.problems.push(problem);
    }

    pub(super) fn place(&self, span: Span) -> Place {
        let file = &self.files[span.file.0 as usize];
        Place { file: file.path.clone(), line: file.position(span.start).0 as u32 }
    }

    pub(super) fn text(&self, span: Span) -> &str {
        self.files[span.file.0 as usize].slice(span)
    }

    /// Names of all items, systems with their locks, entities written by hand. Gives the items whose name is taken.
    pub(super) fn declare(&mut self, items: &[(FileId, Arc<Item>)]) -> BTreeSet<Span> {
        let mut repeated = BTreeSet::new();
        let mut names: BTreeMap<String, Span> = BTreeMap::new();
        let mut edition: Option<Span> = None;
        for (_, item) in items {
            let name = match &item.kind {
                ItemKind::Edition(number) => {
                    if number.value != 2026 {
                        let problem = Problem::new(
                            Code::E0006,
                            format!("there is no edition {}", number.value),
                            number.span,
                            "not an edition",
                        );
                        self.tell(problem.help("write `edition 2026`"));
                    } else if let Some(first) = edition {
                        let problem = Problem::new(
                            Code::E0006,
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
            if let Some(first) = names.get(&name.value) {
                let problem = Problem::new(
                    Code::E0103,
                    format!("the name `{}` is used twice", name.value),
                    name.span,
                    "again here",
                );
                self.tell(problem.label(*first, "first here").help("give one of them another name"));
                // Two tests of one title are two tests.
                if !matches!(item.kind, ItemKind::Test(_)) {
                    repeated.insert(item.span);
                }
                continue;
            }
            names.insert(name.value.clone(), name.span);
        }
        // The one that is missing may only be unread.
        let rules = || items.iter().filter(|(_, item)| !matches!(item.kind, ItemKind::Test(_)));
        let first = rules().find(|(_, item)| matches!(item.kind, ItemKind::System(_))).or_else(|| rules().next());
        if let (None, false, Some((_, item))) = (edition, self.broken, first) {
            let message = "nothing says which edition of the language this rule set is written in";
            let problem = Problem::new(Code::E0006, message, item.head, "no `edition` stands before it");
            self.tell(problem.help("write `edition 2026` in one of its files"));
        }
        let own = |item: &&(FileId, Arc<Item>)| !repeated.contains(&item.1.span);
        for (_, item) in items.iter().filter(own) {
            if let ItemKind::System(system) = &item.kind {
                self.system(system, items);
            }
        }
        let mut entities: BTreeMap<EntityName, Span> = BTreeMap::new();
        for (_, item) in items {
            if let ItemKind::Entity(entity) = &item.kind {
                self.entity_item(entity, &mut entities);
            }
        }
        for (_, item) in items {
            if let ItemKind::Entity(entity) = &item.kind {
                self.entity_links(entity);
            }
        }
        for (_, item) in items.iter().filter(own) {
            match &item.kind {
                ItemKind::Sync(sync) => {
                    let (left, right) = (self.meant(&sync.left), self.meant(&sync.right));
                    self.sync_names.push((sync.name.value.clone(), left, right, sync.name.span));
                }
                ItemKind::Workflow(w) => {
                    self.workflow_names.push((w.name.value.clone(), self.meant(&w.entity), w.name.span));
                }
                _ => {}
            }
        }
        self.sync_names.sort_by(|a, b| a.0.cmp(&b.0));
        self.workflow_names.sort_by(|a, b| a.0.cmp(&b.0));
        repeated
    }

    pub(super) fn field(&self, entity: &EntityName, field: &str) -> Option<&Field> {
        self.entity(entity)?.fields.get(field)
    }

    pub(super) fn entity(&self, name: &EntityName) -> Option<&Entity> {
        self.systems.get(&name.system)?.lock.entities.get(&name.entity)
    }

    pub(super) fn sync_index(&self, name: &str) -> Option<usize> {
        self.sync_names.binary_search_by(|(known, ..)| known.as_str().cmp(name)).ok()
    }

    pub(super) fn workflow_index(&self, name: &str) -> Option<usize> {
        self.workflow_names.binary_search_by(|(known, ..)| known.as_str().cmp(name)).ok()
    }

    pub(super) fn finish(mut self, hash: String) -> Program {
        // Whoever reads a system's messages goes by its lock. Where that says the same as the rules, it stays one with
        // that of other checks.
        for (system, by) in self.found.dedupes {
            let Some(System { lock, .. }) = self.systems.get_mut(&system) else { continue };
            if lock.deliveries.as_ref().is_some_and(|deliveries| deliveries.dedupe != by)
                && let Some(own) = Arc::make_mut(lock).deliveries.as_mut()
            {
                own.dedupe = by;
            }
        }
        Program {
            hash,
            systems: self.systems,
            choices: self.words.choices,
            tables: self.words.tables,
            syncs: self.found.syncs.into_values().collect(),
            doors: self.found.doors,
            whens: self.found.whens,
            workflows: self.found.workflows.into_values().collect(),
            used: self.found.used,
            choice_of: self.words.choice_of,
        }
    }
}

pub(super) fn entity_name(name: &Qualified) -> EntityName {
    EntityName::new(&name.system.value, &name.name.value)
}

//! What all passes look things up in, and where they leave what they found.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::ast::Qualified;
use crate::check::facts::findings::Found;
use crate::check::facts::locks::Locks;
use crate::check::facts::vocabulary::Vocabulary;
use crate::diagnostic::Problem;
use crate::program::{self, Place, Program, System};
use crate::schema::{Entity, EntityName, Field};
use crate::source::{SourceFile, Span};

#[derive(Clone)]
pub(crate) struct World<'a> {
    pub(crate) files: &'a [SourceFile],
    /// Locks as they were read, by path.
    pub(crate) locks: &'a Locks,
    /// Some item could not be read, so what is missing may only be unread.
    pub(crate) broken: bool,
    /// Names that are declared where the text was not understood.
    pub(crate) lost: BTreeSet<String>,
    /// Where something was not understood.
    pub(crate) spoiled: Vec<Span>,
    /// Names that are nowhere declared and like none that is: where each was told of, and in how many places more it
    /// stands.
    pub(crate) nowhere: BTreeMap<(String, String), (Span, usize)>,
    /// Systems without a lock and without an entity, until that is told.
    pub(crate) bare: BTreeMap<String, Span>,
    /// Syncs that were not understood well enough to say more about them.
    pub(crate) unsure: BTreeSet<String>,
    /// Variables that were told of in this item.
    pub(crate) told: BTreeSet<String>,
    /// What was found so far.
    pub(crate) found: Found,
    /// Where the events of a system stand.
    pub(crate) door_spans: BTreeMap<String, Span>,
    pub(crate) systems: BTreeMap<String, System>,
    /// Systems whose lock cannot be read: what they have is unknown, and that is told once.
    pub(crate) unread: std::collections::BTreeSet<String>,
    pub(crate) lock_paths: BTreeMap<String, String>,
    /// Where they are named, with their quotes.
    pub(crate) lock_spans: BTreeMap<String, Span>,
    /// What choices and tables say.
    pub(crate) words: Vocabulary,
    /// In the order of their names, as the syncs and workflows of the program.
    pub(crate) sync_names: Vec<(String, EntityName, EntityName, Span)>,
    pub(crate) workflow_names: Vec<(String, EntityName, Span)>,
    /// Where limits stand, by system and name.
    pub(crate) limit_spans: BTreeMap<(String, String), Span>,
    /// Tests, in the order of files and lines.
    pub(crate) tests: Vec<program::test::Test>,
}

impl<'a> World<'a> {
    pub(crate) fn new(files: &'a [SourceFile], locks: &'a Locks, broken: bool) -> Self {
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

    pub(crate) fn tell(&mut self, problem: Problem) {
        self.found.problems.push(problem);
    }

    pub(crate) fn place(&self, span: Span) -> Place {
        let file = &self.files[span.file.0 as usize];
        Place { file: file.path.clone(), line: file.position(span.start).0 as u32 }
    }

    pub(crate) fn text(&self, span: Span) -> &str {
        self.files[span.file.0 as usize].slice(span)
    }

    pub(crate) fn field(&self, entity: &EntityName, field: &str) -> Option<&Field> {
        self.entity(entity)?.fields.get(field)
    }

    pub(crate) fn entity(&self, name: &EntityName) -> Option<&Entity> {
        self.systems.get(&name.system)?.lock.entities.get(&name.entity)
    }

    pub(crate) fn sync_index(&self, name: &str) -> Option<usize> {
        self.sync_names.binary_search_by(|(known, ..)| known.as_str().cmp(name)).ok()
    }

    pub(crate) fn workflow_index(&self, name: &str) -> Option<usize> {
        self.workflow_names.binary_search_by(|(known, ..)| known.as_str().cmp(name)).ok()
    }

    pub(crate) fn finish(mut self, hash: String) -> Program {
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

pub(crate) fn entity_name(name: &Qualified) -> EntityName {
    EntityName::new(&name.system.value, &name.name.value)
}

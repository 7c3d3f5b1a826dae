//! What all items of a rule set declare, and what its locks say.
//!
//! In: what [`declare`](crate::check::declare) read. Out: answers to "is there such a …, and what is it?".
//! Always true: it is read only, and shared by all cores; the check of an item goes by it and by nothing else.

use std::collections::{BTreeMap, BTreeSet};

use crate::ast::{self, ExprKind, Name, Qualified};
use crate::check::facts::locks::Locks;
use crate::check::facts::vocabulary::Vocabulary;
use crate::diagnostic::Related;
use crate::program::{Place, System};
use crate::schema::{Entity, EntityName, Field, Message};
use crate::source::{SourceFile, Span};
use crate::suggest::{all_near, nearest};

/// A sync as others know it.
#[derive(Debug)]
pub(crate) struct DeclaredSync {
    pub(crate) name: String,
    /// The entities in the head, or those that are meant.
    pub(crate) left: EntityName,
    pub(crate) right: EntityName,
    /// Where it is named.
    pub(crate) span: Span,
}

impl DeclaredSync {
    /// Does it pair records of these two, whichever side they stand on?
    pub(crate) fn pairs(&self, a: &EntityName, b: &EntityName) -> bool {
        (self.left == *a && self.right == *b) || (self.left == *b && self.right == *a)
    }
}

/// A workflow as others know it.
#[derive(Debug)]
pub(crate) struct DeclaredWorkflow {
    pub(crate) name: String,
    /// What it takes, or what is meant.
    pub(crate) entity: EntityName,
    /// Names of its steps, in order.
    pub(crate) steps: Vec<String>,
    /// Where it is named.
    pub(crate) span: Span,
}

/// What items declare.
#[derive(Debug)]
pub(crate) struct Declared<'a> {
    /// The files of the rule set, by their ids.
    pub(crate) files: &'a [SourceFile],
    /// Locks as they were read, by path.
    pub(crate) locks: &'a Locks,
    /// Some item could not be read, so what is missing may only be unread.
    pub(crate) incomplete: bool,
    /// Names that are declared where the text was not understood.
    pub(crate) unparsed_names: BTreeSet<String>,
    /// Where something was not understood.
    pub(crate) error_spans: Vec<Span>,
    pub(crate) systems: BTreeMap<String, System>,
    /// Systems whose lock cannot be read, and those that have neither a lock nor an entity: what they have is unknown.
    pub(crate) unknown: BTreeSet<String>,
    /// Of these the systems that have neither, and where they are declared.
    pub(crate) undescribed: BTreeMap<String, Span>,
    pub(crate) lock_paths: BTreeMap<String, String>,
    /// Where they are named, with their quotes.
    pub(crate) lock_spans: BTreeMap<String, Span>,
    /// What choices and tables say.
    pub(crate) vocabulary: Vocabulary,
    /// In the order of their names, as in the program.
    pub(crate) syncs: Vec<DeclaredSync>,
    /// In the order of their names, as in the program.
    pub(crate) workflows: Vec<DeclaredWorkflow>,
    /// Where limits stand, by system and name.
    pub(crate) limit_spans: BTreeMap<(String, String), Span>,
}

impl Declared<'_> {
    /// Where something stands, as people name it.
    pub(crate) fn place(&self, span: Span) -> Place {
        let file = &self.files[span.file.0 as usize];
        Place { file: file.path.clone(), line: file.position(span.start).0 as u32 }
    }

    /// What is written there.
    pub(crate) fn text(&self, span: Span) -> &str {
        self.files[span.file.0 as usize].slice(span)
    }

    pub(crate) fn field(&self, entity: &EntityName, field: &str) -> Option<&Field> {
        self.entity(entity)?.fields.get(field)
    }

    pub(crate) fn entity(&self, name: &EntityName) -> Option<&Entity> {
        self.systems.get(&name.system)?.lock.entities.get(&name.entity)
    }

    /// How messages call a system.
    pub(crate) fn product(&self, system: &str) -> &str {
        self.systems.get(system).map_or("", |system| system.lock.product.as_str())
    }

    /// Where a lock says something, for notes.
    pub(crate) fn lock_line(&self, system: &str, path: &str) -> Option<Related> {
        let file = self.lock_paths.get(system)?.clone();
        let line = *self.systems.get(system)?.lock.lines.get(path)?;
        Some(Related { file, line, text: path.rsplit('.').next().unwrap_or(path).to_owned() })
    }

    /// The index of a sync in the program.
    pub(crate) fn sync_index(&self, name: &str) -> Option<usize> {
        self.syncs.binary_search_by(|known| known.name.as_str().cmp(name)).ok()
    }

    pub(crate) fn sync_names(&self) -> impl Iterator<Item = &str> {
        self.syncs.iter().map(|sync| sync.name.as_str())
    }

    /// The index of a workflow in the program.
    pub(crate) fn workflow_index(&self, name: &str) -> Option<usize> {
        self.workflows.binary_search_by(|known| known.name.as_str().cmp(name)).ok()
    }

    pub(crate) fn workflow_names(&self) -> impl Iterator<Item = &str> {
        self.workflows.iter().map(|workflow| workflow.name.as_str())
    }

    /// Are these the two sides of a sync?
    pub(crate) fn can_pair(&self, left: &EntityName, right: &EntityName) -> bool {
        left.system != right.system && self.entity(left).is_some() && self.entity(right).is_some()
    }

    /// The system that is much like this name.
    pub(crate) fn near_system(&self, name: &str) -> Option<String> {
        nearest(name, self.systems.keys().map(String::as_str)).map(str::to_owned)
    }

    /// The entity that a name means, misspelt or not.
    pub(crate) fn meant(&self, name: &Qualified) -> EntityName {
        let mut entity = entity_name(name);
        if !self.systems.contains_key(&entity.system)
            && let Some(near) = self.near_system(&entity.system)
        {
            entity.system = near;
        }
        if self.entity(&entity).is_none()
            && let Some(near) = self.near_entity(&entity)
        {
            entity.entity = near;
        }
        entity
    }

    fn near_entity(&self, name: &EntityName) -> Option<String> {
        let lock = &self.systems.get(&name.system)?.lock;
        nearest(&name.entity, lock.entities.keys().map(String::as_str)).map(str::to_owned)
    }

    /// The field that a name means, misspelt or not.
    pub(crate) fn meant_field(&self, entity: &EntityName, name: &Name) -> Option<String> {
        let lock = self.entity(entity)?;
        match lock.fields.contains_key(&name.value) {
            true => Some(name.value.clone()),
            false => nearest(&name.value, lock.fields.keys().map(String::as_str)).map(str::to_owned),
        }
    }

    /// The choice that a field takes its words from, by its index.
    pub(crate) fn choice_of(&self, entity: &EntityName, field: &str) -> Option<usize> {
        self.vocabulary.choice_of.get(&(entity.clone(), field.to_owned())).copied()
    }

    /// The words of a choice, by its index.
    pub(crate) fn words(&self, choice: usize) -> Vec<String> {
        self.vocabulary.choices[choice].words.iter().map(|row| row.word.clone()).collect()
    }

    /// May this word stand in a row that was not understood, of the choice that has these words? Not if it is one of
    /// them but for a letter.
    pub(crate) fn may_be_torn(&self, word: &str, words: &[String]) -> bool {
        self.is_torn(words)
            && !all_near(word, words.iter().map(String::as_str)).into_iter().any(|(distance, _)| distance <= 1)
    }

    /// Are these the words of a choice of which some rows were not understood?
    pub(crate) fn is_torn(&self, words: &[String]) -> bool {
        self.vocabulary.torn.iter().any(|torn| torn == words)
    }

    /// May a choice that was not understood say how these options are spelled?
    pub(crate) fn may_be_chosen(&self, options: &[String]) -> bool {
        self.unparsed_names.contains("choice") || options.iter().any(|option| self.unparsed_names.contains(option))
    }

    /// Does a column of a table hold percentages?
    pub(crate) fn is_percent(&self, table: &str, column: usize) -> bool {
        self.usual_cell(table, column).is_some_and(|cell| matches!(cell.kind, ExprKind::Percent(_)))
    }

    /// Does it hold texts in quotes, which are no options of a field?
    pub(crate) fn is_quoted(&self, table: &str, column: usize) -> bool {
        self.usual_cell(table, column).is_some_and(|cell| matches!(cell.kind, ExprKind::Text(_)))
    }

    fn usual_cell(&self, table: &str, column: usize) -> Option<&ast::Expr> {
        self.vocabulary.table_cells.get(table)?.get(column + 1)
    }
}

/// The entity of a name as it is written.
pub(crate) fn entity_name(name: &Qualified) -> EntityName {
    EntityName::new(&name.system.value, &name.name.value)
}

/// The message that a written name stands for: itself, one that is often written like this, or the nearest.
pub(crate) fn meant_message<'m>(messages: &'m BTreeMap<String, Message>, written: &str) -> Option<&'m str> {
    if let Some((name, _)) = messages.get_key_value(written) {
        return Some(name);
    }
    let also = messages.iter().find(|(_, m)| m.also_written.iter().any(|other| other == written));
    also.map(|(name, _)| name.as_str()).or_else(|| nearest(written, messages.keys().map(String::as_str)))
}

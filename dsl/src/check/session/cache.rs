//! What a session keeps of items that did not change since they were checked last.
//!
//! In: what was found of an item, and everything that its check went by. Out: the same, where all of it is as it was.
//! Always true: what is given is what a check would find now. Nothing is kept of an item of which something had to be
//! told, because messages point at other items, which may have moved.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::ast::{Item, ItemKind};
use crate::check::facts::declared::Declared;
use crate::check::facts::findings::Findings;
use crate::check::facts::locks::Locks;
use crate::check::facts::vocabulary::Vocabulary;
use crate::schema::EntityName;
use crate::source::{FileId, Span};

/// What was found of items when they were checked last. Cloning one copies none of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct CheckCache {
    /// What all that is kept goes by.
    key: Option<Arc<CacheKey>>,
    /// Which parse of each file this check is of, by the file's id.
    revisions: Vec<u64>,
    /// Choices and tables, and what they say.
    vocabulary: Option<(Vec<ItemId>, Vocabulary)>,
    findings: BTreeMap<ItemId, Arc<Findings>>,
    /// Those that this check has taken up or kept.
    next: BTreeMap<ItemId, Arc<Findings>>,
}

/// An item of one parse of its file: the same text at the same place, with the same tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct ItemId {
    /// Which parse of its file. A session never gives a number twice.
    revision: u64,
    span: Span,
}

/// Everything that the check of an item goes by, besides the item: what other items declare.
#[derive(Debug, PartialEq)]
struct CacheKey {
    /// Texts of the items that declare systems, entities, choices and tables, with their files.
    texts: Vec<(FileId, String)>,
    syncs: Vec<(String, EntityName, EntityName)>,
    workflows: Vec<(String, EntityName)>,
    incomplete: bool,
    unparsed_names: BTreeSet<String>,
    locks: SameLocks,
}

/// Locks that are the same only if they were not read anew.
#[derive(Debug)]
struct SameLocks(Locks);

impl PartialEq for SameLocks {
    fn eq(&self, other: &Self) -> bool {
        self.0.len() == other.0.len()
            && self.0.iter().zip(&other.0).all(|(a, b)| match (a, b) {
                ((a, Ok(x)), (b, Ok(y))) => a == b && Arc::ptr_eq(x, y),
                _ => false,
            })
    }
}

impl CacheKey {
    fn of(declared: &Declared<'_>, items: &[(FileId, Arc<Item>)]) -> Self {
        let declares = |item: &Item| {
            matches!(item.kind, ItemKind::System(_) | ItemKind::Entity(_) | ItemKind::Choice(_) | ItemKind::Table(_))
        };
        let declaring = items.iter().filter(|(_, item)| declares(item));
        let syncs = declared.syncs.iter().map(|sync| (sync.name.clone(), sync.left.clone(), sync.right.clone()));
        let workflows = declared.workflows.iter().map(|workflow| (workflow.name.clone(), workflow.entity.clone()));
        Self {
            texts: declaring.map(|(file, item)| (*file, declared.text(item.span).to_owned())).collect(),
            syncs: syncs.collect(),
            workflows: workflows.collect(),
            incomplete: declared.incomplete,
            unparsed_names: declared.unparsed_names.clone(),
            locks: SameLocks(declared.locks.clone()),
        }
    }
}

impl CheckCache {
    /// The next check is of these parses, by the id of the file.
    pub(crate) fn of_parses(&mut self, revisions: Vec<u64>) {
        self.revisions = revisions;
    }

    /// Begins a check, as soon as names, systems and entities are declared. What was kept counts only if all that items
    /// declare is as it was.
    pub(crate) fn begin(&mut self, declared: &Declared<'_>, items: &[(FileId, Arc<Item>)]) {
        let key = CacheKey::of(declared, items);
        self.next.clear();
        if self.key.as_deref() != Some(&key) {
            self.findings.clear();
            self.vocabulary = None;
            self.key = Some(Arc::new(key));
        }
    }

    /// What these choices and tables say, if they are those of which that is kept.
    pub(crate) fn vocabulary(&self, items: &[(FileId, Arc<Item>)]) -> Option<Vocabulary> {
        let (kept, vocabulary) = self.vocabulary.as_ref()?;
        self.worded(items).eq(kept.iter().copied()).then(|| vocabulary.clone())
    }

    /// Keeps what choices and tables say, of which nothing had to be told.
    pub(crate) fn keep_vocabulary(&mut self, items: &[(FileId, Arc<Item>)], vocabulary: Vocabulary) {
        self.vocabulary = Some((self.worded(items).collect(), vocabulary));
    }

    /// Takes up what was found of an item.
    pub(crate) fn take(&mut self, item: &Item) -> Option<Arc<Findings>> {
        let id = self.id(item);
        let findings = self.findings.get(&id)?;
        self.next.insert(id, Arc::clone(findings));
        Some(Arc::clone(findings))
    }

    /// Keeps what was found of an item, if a later check would find the same. What a test says of steps is not in the
    /// key.
    pub(crate) fn keep(&mut self, item: &Item, findings: &Arc<Findings>) {
        if findings.problems.is_empty() && !matches!(item.kind, ItemKind::Test(_)) {
            self.next.insert(self.id(item), Arc::clone(findings));
        }
    }

    /// Ends a check: what it neither took up nor kept is gone.
    pub(crate) fn end(&mut self) {
        self.findings = std::mem::take(&mut self.next);
    }

    fn id(&self, item: &Item) -> ItemId {
        ItemId { revision: self.revisions[item.span.file.0 as usize], span: item.span }
    }

    /// Choices and tables.
    fn worded(&self, items: &[(FileId, Arc<Item>)]) -> impl Iterator<Item = ItemId> {
        let worded = items.iter().filter(|(_, item)| matches!(item.kind, ItemKind::Choice(_) | ItemKind::Table(_)));
        worded.map(|(_, item)| self.id(item))
    }
}

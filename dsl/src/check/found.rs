//! What the check of an item finds: on all cores, and which of it still holds after an edit.
//!
//! In: an item, and what its check looks things up in. Out: what it leaves, found now or when it was checked last.
//! Always true: what is taken up is what a check at the item's place would find now. An item's check looks things up
//! in what all items declare and in the locks, and nowhere else; only what was found of an item of which nothing had
//! to be told is taken up, so that it does not matter where the others stand.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::limits::Load;
use super::vocabulary::Vocabulary;
use super::world::{Locks, World, Writer};
use crate::ast::{Item, ItemKind};
use crate::diagnostic::Problem;
use crate::parallel;
use crate::program::{Door, Sync, Used, When, Workflow};
use crate::schema::EntityName;
use crate::source::{FileId, Span};

/// What checks leave: of one item, or of all so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Found {
    pub(super) problems: Vec<Problem>,
    pub(super) syncs: BTreeMap<String, Arc<Sync>>,
    pub(super) workflows: BTreeMap<String, Arc<Workflow>>,
    pub(super) whens: Vec<Arc<When>>,
    pub(super) doors: BTreeMap<String, Door>,
    /// What two messages of a system that are one share, where the rules say so.
    pub(super) dedupes: BTreeMap<String, Vec<String>>,
    pub(super) used: BTreeMap<EntityName, Used>,
    pub(super) writers: Vec<Writer>,
    /// Events that a workflow waits for, and where.
    pub(super) waits: Vec<(EntityName, Span)>,
    /// What schedules may write, for E0801.
    pub(super) loads: Vec<Load>,
    /// Tables and workflows that something uses.
    pub(super) mentioned: BTreeSet<String>,
}

impl Found {
    /// Adds what was found of the next item.
    fn add(&mut self, next: Self) {
        let Self { problems, syncs, workflows, whens, doors, dedupes, used, writers, waits, loads, mentioned } = next;
        self.problems.extend(problems);
        self.syncs.extend(syncs);
        self.workflows.extend(workflows);
        self.whens.extend(whens);
        self.doors.extend(doors);
        self.dedupes.extend(dedupes);
        for (entity, Used { fields, links }) in used {
            let all = self.used.entry(entity).or_default();
            all.fields.extend(fields);
            all.links.extend(links);
        }
        self.writers.extend(writers);
        self.waits.extend(waits);
        self.loads.extend(loads);
        self.mentioned.extend(mentioned);
    }
}

/// What was found of items when they were checked last. Cloning one copies none of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Kept {
    /// Every system has a lock or an entity. One that has neither is told of once, of the first item that names it, so
    /// that no other item's check would be the same without that one.
    keeps: bool,
    around: Option<Arc<Around>>,
    /// Choices and tables, which are held, and what they say.
    words: Option<(Vec<Arc<Item>>, Vocabulary)>,
    /// By the address of the item, which is held so that no other item gets it.
    items: BTreeMap<usize, (Arc<Item>, Arc<Found>)>,
    /// Those that this check has taken up or kept.
    next: BTreeMap<usize, (Arc<Item>, Arc<Found>)>,
}

/// Everything that the check of an item goes by, besides the item: what other items declare.
#[derive(Debug, PartialEq)]
struct Around {
    /// Texts of the items that declare systems, entities, choices and tables, with their files.
    declared: Vec<(FileId, String)>,
    syncs: Vec<(String, EntityName, EntityName)>,
    workflows: Vec<(String, EntityName)>,
    broken: bool,
    lost: BTreeSet<String>,
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

impl Kept {
    /// Begins the check of a session. What was kept counts only if everything that items declare is as it was.
    pub(super) fn begin(&mut self, world: &World<'_>, items: &[(FileId, Arc<Item>)]) {
        let declares = |item: &Item| {
            matches!(item.kind, ItemKind::System(_) | ItemKind::Entity(_) | ItemKind::Choice(_) | ItemKind::Table(_))
        };
        let declared = items.iter().filter(|(_, item)| declares(item));
        let around = Around {
            declared: declared.map(|(file, item)| (*file, world.text(item.span).to_owned())).collect(),
            syncs: world
                .sync_names
                .iter()
                .map(|(name, left, right, _)| (name.clone(), left.clone(), right.clone()))
                .collect(),
            workflows: world.workflow_names.iter().map(|(name, entity, _)| (name.clone(), entity.clone())).collect(),
            broken: world.broken,
            lost: world.lost.clone(),
            locks: SameLocks(world.locks.clone()),
        };
        self.keeps = world.bare.is_empty();
        self.next.clear();
        if self.around.as_deref() != Some(&around) {
            self.items.clear();
            self.words = None;
            self.around = Some(Arc::new(around));
        }
    }

    /// What these choices and tables say, if they are those that are held.
    pub(super) fn words(&self, items: &[(FileId, Arc<Item>)]) -> Option<Vocabulary> {
        let (held, words) = self.words.as_ref()?;
        worded(items).map(address).eq(held.iter().map(address)).then(|| words.clone())
    }

    /// Keeps what choices and tables say. Nothing had to be told of them.
    pub(super) fn keep_words(&mut self, items: &[(FileId, Arc<Item>)], words: Vocabulary) {
        self.words = Some((worded(items).cloned().collect(), words));
    }

    /// Ends a check: what it neither took up nor kept is gone.
    pub(super) fn end(&mut self) {
        self.items = std::mem::take(&mut self.next);
    }
}

/// From how many items on other cores are asked to help: below, a world for each takes longer than the work.
const MANY: usize = 100;

impl World<'_> {
    /// Checks on all cores the items that have no place in an order. Gives what was found of each, by its address.
    ///
    /// Always true: it is what [`Self::item`] would find, because only what [`Self::alone`] found is given.
    pub(super) fn ahead(&self, items: &[(FileId, Arc<Item>)], kept: Option<&Kept>) -> BTreeMap<usize, Found> {
        let new =
            |item: &&Arc<Item>| is_checked(item) && kept.is_none_or(|kept| !kept.items.contains_key(&address(item)));
        let new: Vec<&Arc<Item>> = items.iter().map(|(_, item)| item).filter(new).collect();
        if new.len() < MANY || !self.bare.is_empty() || !self.nowhere.is_empty() {
            return BTreeMap::new();
        }
        let world = || {
            let mut world = self.clone();
            world.found = Found::default();
            world
        };
        let found = parallel::map_with(&new, world, |world, item| world.alone(item));
        new.into_iter().zip(found).filter_map(|(item, found)| Some((address(item), found?))).collect()
    }

    /// Checks an item as if it were the first. `None` where others matter: something has to be told, which may have
    /// been told before, or later passes are to leave the item alone.
    fn alone(&mut self, item: &Item) -> Option<Found> {
        self.told.clear();
        self.door_spans.clear();
        self.check(item);
        let found = std::mem::take(&mut self.found);
        let alone = found.problems.is_empty() && self.nowhere.is_empty() && self.unsure.is_empty();
        self.nowhere.clear();
        self.unsure.clear();
        alone.then_some(found)
    }

    fn check(&mut self, item: &Item) {
        match &item.kind {
            ItemKind::Sync(sync) => self.sync(sync, item),
            ItemKind::Events(events) => self.events(events, item),
            ItemKind::When(when) => self.when(when, item),
            ItemKind::Workflow(workflow) => self.workflow(workflow, item),
            _ => {}
        }
    }

    /// Takes up what was found of an item, or checks it.
    pub(super) fn item(&mut self, item: &Arc<Item>, ahead: &mut BTreeMap<usize, Found>, kept: &mut Option<&mut Kept>) {
        let address = address(item);
        let mut ahead = ahead.remove(&address);
        let mut before = kept.as_deref().and_then(|kept| kept.items.get(&address)).map(|(_, found)| Arc::clone(found));
        // Of a system whose events stand twice, the second is told of, whatever was found of it by itself.
        if let ItemKind::Events(events) = &item.kind
            && (ahead.is_some() || before.is_some())
        {
            if self.door_spans.contains_key(&events.from.value) {
                (ahead, before) = (None, None);
            } else {
                self.door_spans.insert(events.from.value.clone(), item.head);
            }
        }
        if let (Some(kept), Some(found)) = (kept.as_deref_mut(), before) {
            self.found.add(Found::clone(&found));
            kept.next.insert(address, (Arc::clone(item), found));
            return;
        }
        let (found, keeps) = ahead.map_or_else(
            || {
                let unsure = self.unsure.len();
                let before = std::mem::take(&mut self.found);
                self.check(item);
                let found = std::mem::replace(&mut self.found, before);
                // What is told once, of the first item that names it, is not kept, nor what a later pass must leave
                // alone.
                let keeps = found.problems.is_empty() && self.nowhere.is_empty() && self.unsure.len() == unsure;
                (found, keeps)
            },
            |found| (found, true),
        );
        if let Some(kept) = kept
            && kept.keeps
            && keeps
        {
            kept.next.insert(address, (Arc::clone(item), Arc::new(found.clone())));
        }
        self.found.add(found);
    }
}

/// Is it checked by itself, with what others declare?
fn is_checked(item: &Item) -> bool {
    matches!(item.kind, ItemKind::Sync(_) | ItemKind::Events(_) | ItemKind::When(_) | ItemKind::Workflow(_))
}

/// Choices and tables.
fn worded(items: &[(FileId, Arc<Item>)]) -> impl Iterator<Item = &Arc<Item>> {
    items.iter().map(|(_, item)| item).filter(|item| matches!(item.kind, ItemKind::Choice(_) | ItemKind::Table(_)))
}

/// What an item is known by while it is held.
fn address(item: &Arc<Item>) -> usize {
    Arc::as_ptr(item) as usize
}

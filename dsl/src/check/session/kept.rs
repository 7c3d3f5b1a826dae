//! What is known of items that did not change since they were checked last.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::ast::{Item, ItemKind};
use crate::check::facts::findings::Found;
use crate::check::facts::locks::Locks;
use crate::check::facts::vocabulary::Vocabulary;
use crate::check::facts::world::World;
use crate::schema::EntityName;
use crate::source::FileId;

/// What was found of items when they were checked last. Cloning one copies none of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Kept {
    /// Every system has a lock or an entity. One that has neither is told of once, of the first item that names it, so
    /// that no other item's check would be the same without that one.
    pub(crate) keeps: bool,
    around: Option<Arc<Around>>,
    /// Choices and tables, which are held, and what they say.
    words: Option<(Vec<Arc<Item>>, Vocabulary)>,
    /// By the address of the item, which is held so that no other item gets it.
    pub(crate) items: BTreeMap<usize, (Arc<Item>, Arc<Found>)>,
    /// Those that this check has taken up or kept.
    pub(crate) next: BTreeMap<usize, (Arc<Item>, Arc<Found>)>,
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
    pub(crate) fn begin(&mut self, world: &World<'_>, items: &[(FileId, Arc<Item>)]) {
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
    pub(crate) fn words(&self, items: &[(FileId, Arc<Item>)]) -> Option<Vocabulary> {
        let (held, words) = self.words.as_ref()?;
        worded(items).map(address).eq(held.iter().map(address)).then(|| words.clone())
    }

    /// Keeps what choices and tables say. Nothing had to be told of them.
    pub(crate) fn keep_words(&mut self, items: &[(FileId, Arc<Item>)], words: Vocabulary) {
        self.words = Some((worded(items).cloned().collect(), words));
    }

    /// Ends a check: what it neither took up nor kept is gone.
    pub(crate) fn end(&mut self) {
        self.items = std::mem::take(&mut self.next);
    }
}

/// Choices and tables.
fn worded(items: &[(FileId, Arc<Item>)]) -> impl Iterator<Item = &Arc<Item>> {
    items.iter().map(|(_, item)| item).filter(|item| matches!(item.kind, ItemKind::Choice(_) | ItemKind::Table(_)))
}

/// What an item is known by while it is held.
pub(crate) fn address(item: &Arc<Item>) -> usize {
    Arc::as_ptr(item) as usize
}

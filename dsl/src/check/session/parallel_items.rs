//! What the check of an item finds: on all cores, and which of it still holds after an edit.
//!
//! In: an item, and what its check looks things up in. Out: what it leaves, found now or when it was checked last.
//! Always true: what is taken up is what a check at the item's place would find now. An item's check looks things up
//! in what all items declare and in the locks, and nowhere else; only what was found of an item of which nothing had
//! to be told is taken up, so that it does not matter where the others stand.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::ast::{Item, ItemKind};
use crate::check::facts::findings::Found;
use crate::check::facts::world::World;
use crate::check::session::kept::{Kept, address};
use crate::parallel;
use crate::source::FileId;

/// From how many items on other cores are asked to help: below, a world for each takes longer than the work.
const MANY: usize = 100;

impl World<'_> {
    /// Checks on all cores the items that have no place in an order. Gives what was found of each, by its address.
    ///
    /// Always true: it is what [`Self::item`] would find, because only what [`Self::alone`] found is given.
    pub(crate) fn ahead(&self, items: &[(FileId, Arc<Item>)], kept: Option<&Kept>) -> BTreeMap<usize, Found> {
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
    pub(crate) fn item(&mut self, item: &Arc<Item>, ahead: &mut BTreeMap<usize, Found>, kept: &mut Option<&mut Kept>) {
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

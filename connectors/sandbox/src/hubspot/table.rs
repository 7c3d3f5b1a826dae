//! The records of one object type, with what finds them: id, old ids of merged ones, unique values.
//!
//! Always true: a record is live or in the recycle bin, never both; the holders of unique values are live records and
//! hold them; to find a record costs the same however many there are. A copy of a table shares its records until one
//! of both changes them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use dsl::value::Timestamp;

use super::index::Index;
use super::keys::Key;
use super::links::Ends;
use super::record::Record;

#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    live: BTreeMap<u64, Arc<Record>>,
    bin: BTreeMap<u64, Arc<Record>>,
    /// By property and value in lower case: values as they are, and who holds them.
    holders: BTreeMap<String, HashMap<String, Vec<(String, u64)>>>,
    /// Where the old id of a merged record leads.
    aliases: BTreeMap<u64, u64>,
    /// By record, then by the type at the other end.
    pub(super) links: BTreeMap<u64, BTreeMap<String, Ends>>,
    pub(super) index: Index,
}

impl Table {
    pub(super) fn get(&self, id: u64) -> Option<&Record> {
        self.live.get(&id).map(|record| &**record)
    }

    /// A record of the recycle bin.
    pub(super) fn archived(&self, id: u64) -> Option<&Record> {
        self.bin.get(&id).map(|record| &**record)
    }

    /// Live or archived.
    pub(super) fn any(&self, id: u64) -> Option<&Record> {
        self.get(id).or_else(|| self.archived(id))
    }

    /// Live records in the order of their ids.
    pub(super) fn records(&self) -> impl Iterator<Item = &Record> {
        self.live.values().map(|record| &**record)
    }

    /// Ids from `first` on, in order.
    pub(super) fn ids(&self, archived: bool, first: u64) -> impl Iterator<Item = u64> {
        if archived { &self.bin } else { &self.live }.range(first..).map(|(id, _)| *id)
    }

    /// The live record that holds a unique value.
    pub(super) fn holder(&self, property: &str, value: &str) -> Option<u64> {
        let alike = self.holders.get(property)?.get(&value.to_lowercase())?;
        alike.iter().find(|(held, _)| held == value).map(|(_, id)| *id)
    }

    /// The live records that hold a unique value in any case.
    pub(super) fn alike(&self, property: &str, value: &str) -> impl Iterator<Item = u64> {
        let alike = self.holders.get(property).and_then(|values| values.get(&value.to_lowercase()));
        alike.into_iter().flatten().map(|(_, id)| *id)
    }

    /// The id under which a record lives now.
    pub(super) fn living(&self, id: u64) -> u64 {
        self.aliases.get(&id).copied().unwrap_or(id)
    }

    /// Puts a live record there. `keys`: its unique values.
    pub(super) fn put(&mut self, record: Record, keys: Vec<Key>, now: Timestamp) {
        let id = record.id;
        for old in &record.merged {
            self.aliases.insert(*old, id);
        }
        self.hold(id, keys);
        let record = Arc::new(record);
        self.index.show(&record, now);
        self.live.insert(id, record);
    }

    /// Changes a live record; `keys` gives its unique values, before and after.
    pub(super) fn change<T>(
        &mut self,
        id: u64,
        now: Timestamp,
        keys: impl Fn(&Record) -> Vec<Key>,
        change: impl FnOnce(&mut Record) -> T,
    ) -> Option<T> {
        let record = self.live.get_mut(&id)?;
        let before = keys(record);
        let done = change(Arc::make_mut(record));
        let after = keys(record);
        self.index.show(record, now);
        if before != after {
            self.release(id, before);
            self.hold(id, after);
        }
        Some(done)
    }

    /// Takes a live record away for good. What it holds is free.
    pub(super) fn take(&mut self, id: u64, keys: impl Fn(&Record) -> Vec<Key>) -> Option<Record> {
        let record = self.live.remove(&id)?;
        self.release(id, keys(&record));
        self.index.hide(id);
        Some(Arc::unwrap_or_clone(record))
    }

    /// Puts a record into the recycle bin.
    pub(super) fn discard(&mut self, record: Record) {
        self.bin.insert(record.id, Arc::new(record));
    }

    /// Takes a record out of the recycle bin.
    pub(super) fn recover(&mut self, id: u64) -> Option<Record> {
        self.bin.remove(&id).map(Arc::unwrap_or_clone)
    }

    /// Forgets the old ids of a record that is erased.
    pub(super) fn forget_aliases(&mut self, record: &Record) {
        for old in &record.merged {
            self.aliases.remove(old);
        }
    }

    /// A property is unique from now on, or is no more: `holders` of its values.
    pub(super) fn reindex(&mut self, property: &str, keys: impl Fn(&Record) -> Vec<Key>) {
        self.holders.remove(property);
        let found: Vec<(u64, Key)> = self
            .live
            .values()
            .flat_map(|record| keys(record).into_iter().map(|key| (record.id, key)))
            .filter(|(_, (name, _))| name == property)
            .collect();
        for (id, key) in found {
            self.hold(id, vec![key]);
        }
    }

    /// From now on search sees a write only after `delay`, and at once whatever was written before.
    pub(super) fn delay_index(&mut self, delay: dsl::value::Duration) {
        self.index.delay(delay, self.live.values());
    }

    /// The record as search sees it; [`Index::catch_up`] goes before.
    pub(super) fn seen(&self, id: u64) -> Option<&Record> {
        self.index.seen(id).map_or_else(|| self.get(id), |seen| seen.map(|record| &**record))
    }

    fn hold(&mut self, id: u64, keys: Vec<Key>) {
        for (property, value) in keys {
            let values = self.holders.entry(property).or_default();
            values.entry(value.to_lowercase()).or_default().push((value, id));
        }
    }

    fn release(&mut self, id: u64, keys: Vec<Key>) {
        for (property, value) in keys {
            let Some(values) = self.holders.get_mut(&property) else { continue };
            let folded = value.to_lowercase();
            let Some(alike) = values.get_mut(&folded) else { continue };
            alike.retain(|held| *held != (value.clone(), id));
            if alike.is_empty() {
                values.remove(&folded);
            }
        }
    }
}

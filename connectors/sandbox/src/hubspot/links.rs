//! Links between records, at both of their ends (CONTRACT 8).
//!
//! Always true: a link stands at both ends, each with the types of its direction; it has the plain type besides every
//! other; a record has one primary company at most; without the plain type nothing is left of a link. To find a link
//! costs the same however many a record has.

use std::collections::{BTreeMap, BTreeSet};

use super::HubSpot;
use super::link_types::{Direction, LinkType};
use super::write::Write;

/// One end of a link: the record at the other end, and the types in this direction.
#[derive(Debug, Clone)]
pub(super) struct Linked {
    pub(super) id: u64,
    pub(super) types: BTreeSet<LinkType>,
}

/// The links of one record to records of one type, in the order in which they were made.
#[derive(Debug, Clone, Default)]
pub(super) struct Ends {
    /// Places by the id at the other end.
    places: BTreeMap<u64, u64>,
    ends: BTreeMap<u64, Linked>,
    last: u64,
}

impl Ends {
    /// Places and links, from a place on.
    pub(super) fn from(&self, place: u64) -> impl Iterator<Item = (u64, &Linked)> {
        self.ends.range(place..).map(|(place, link)| (*place, link))
    }

    fn get(&self, id: u64) -> Option<&Linked> {
        self.ends.get(self.places.get(&id)?)
    }

    fn get_mut(&mut self, id: u64) -> Option<&mut Linked> {
        self.ends.get_mut(self.places.get(&id)?)
    }

    /// The link to a record, made where there is none.
    fn with(&mut self, id: u64) -> &mut Linked {
        let place = *self.places.entry(id).or_insert_with(|| {
            self.last += 1;
            self.last
        });
        self.ends.entry(place).or_insert_with(|| Linked { id, types: BTreeSet::new() })
    }

    fn remove(&mut self, id: u64) -> Option<Linked> {
        self.ends.remove(&self.places.remove(&id)?)
    }

    /// The record at the other end has another id; two links that become one have the types of both.
    fn rename(&mut self, old: u64, new: u64) {
        let Some(place) = self.places.remove(&old) else { return };
        match self.places.get(&new) {
            Some(known) => {
                let types = self.ends.remove(&place).map(|link| link.types).unwrap_or_default();
                if let Some(link) = self.ends.get_mut(known) {
                    link.types.extend(types);
                }
            }
            None => {
                self.places.insert(new, place);
                if let Some(link) = self.ends.get_mut(&place) {
                    link.id = new;
                }
            }
        }
    }
}

/// A record by its type and id.
pub(super) type End<'a> = (&'a str, u64);

impl HubSpot {
    /// Links of a record to live records of a type, in the order in which they were made.
    pub(super) fn links_of(&self, kind: &str, id: u64, to: &str) -> impl Iterator<Item = &Linked> {
        self.links_from(kind, id, to, 0).map(|(_, link)| link)
    }

    /// The same with their places, from a place on.
    pub(super) fn links_from(&self, kind: &str, id: u64, to: &str, place: u64) -> impl Iterator<Item = (u64, &Linked)> {
        let live = self.table(kind).filter(|table| table.get(id).is_some());
        let ends = live.and_then(|table| table.links.get(&id)).and_then(|links| links.get(to));
        let targets = self.table(to);
        let live = move |link: &Linked| targets.is_some_and(|table| table.get(link.id).is_some());
        ends.into_iter().flat_map(move |ends| ends.from(place)).filter(move |(_, link)| live(link))
    }

    /// The link of a live record to another.
    pub(super) fn link_between(&self, from: End<'_>, to: End<'_>) -> Option<&Linked> {
        let (table, targets) = (self.table(from.0)?, self.table(to.0)?);
        table.get(from.1)?;
        targets.get(to.1)?;
        table.links.get(&from.1)?.get(to.0)?.get(to.1)
    }

    /// Links two records by a kind; a link that is there gets its type besides.
    pub(super) fn associate(&mut self, from: End<'_>, to: End<'_>, ty: LinkType, write: Write) {
        let Some(kind) = self.link_types.find(from.0, to.0, ty).cloned() else { return };
        if kind.primary {
            self.only_primary(from, to);
        }
        let plain = self.link_types.plain(from.0, to.0).cloned();
        let besides = plain.filter(|plain| plain.ty != kind.ty);
        for kind in besides.into_iter().chain([kind]) {
            for (a, b, ty) in [(from, to, kind.ty), (to, from, kind.back)] {
                if self.ends(a, b.0).with(b.1).types.insert(ty) {
                    self.report_linked(a, b, ty, false, write);
                }
            }
        }
    }

    /// Links two records by their plain kind without telling anybody.
    pub(super) fn place_ends(&mut self, from: End<'_>, to: End<'_>) {
        let Some(Direction { ty, back, .. }) = self.link_types.plain(from.0, to.0).cloned() else { return };
        for (a, b, ty) in [(from, to, ty), (to, from, back)] {
            self.ends(a, b.0).with(b.1).types.insert(ty);
        }
    }

    fn ends(&mut self, (kind, id): End<'_>, to: &str) -> &mut Ends {
        let links = self.table_mut(kind).links.entry(id).or_default();
        if !links.contains_key(to) {
            links.insert(to.to_owned(), Ends::default());
        }
        links.get_mut(to).expect("it was just put there")
    }

    /// Takes the primary mark from the other companies of a record.
    fn only_primary(&mut self, from: End<'_>, to: End<'_>) {
        let (record, company) = if to.0 == "0-2" { (from, to) } else { (to, from) };
        let Some(primary) = self.link_types.between(record.0, "0-2").iter().find(|kind| kind.primary).cloned() else {
            return;
        };
        let ends = self.ends(record, "0-2");
        let others: Vec<u64> = ends
            .ends
            .values_mut()
            .filter(|link| link.id != company.1)
            .filter_map(|link| link.types.remove(&primary.ty).then_some(link.id))
            .collect();
        for other in others {
            if let Some(link) = self.ends(("0-2", other), record.0).get_mut(record.1) {
                link.types.remove(&primary.back);
            }
        }
    }

    /// Removes a link, or one type of it; without the plain type nothing is left.
    pub(super) fn dissociate(&mut self, from: End<'_>, to: End<'_>, ty: Option<LinkType>, write: Write) {
        let plain = self.link_types.plain(from.0, to.0).cloned();
        let kind = match ty {
            Some(ty) => self.link_types.find(from.0, to.0, ty).cloned(),
            None => plain.clone(),
        };
        // With the type that has no label all labels go (CONTRACT 8).
        let whole = ty.is_none() || plain.map(|plain| plain.ty) == ty;
        let Some(kind) = kind else { return };
        for (a, b, ty) in [(from, to, kind.ty), (to, from, kind.back)] {
            let ends = self.ends(a, b.0);
            let removed = if whole {
                ends.remove(b.1).is_some()
            } else {
                ends.get_mut(b.1).is_some_and(|link| link.types.remove(&ty))
            };
            if removed {
                self.report_linked(a, b, ty, true, write);
            }
        }
    }

    /// Takes a type from every link of a pair; a link without any type is gone.
    pub(super) fn drop_type(&mut self, from: &str, to: &str, ty: LinkType) {
        let Some(table) = self.tables.get_mut(from) else { return };
        let ends = table.links.values_mut().filter_map(|links| links.get_mut(to));
        for ends in ends {
            let mut gone = Vec::new();
            for link in ends.ends.values_mut() {
                if link.types.remove(&ty) && link.types.is_empty() {
                    gone.push(link.id);
                }
            }
            for id in gone {
                ends.remove(id);
            }
        }
    }

    /// Removes every link of a record that is no more.
    pub(super) fn cut_links(&mut self, kind: &str, id: u64) {
        let links = self.table_mut(kind).links.remove(&id).unwrap_or_default();
        for (to, ends) in links {
            for link in ends.ends.values() {
                self.ends((&to, link.id), kind).remove(id);
            }
        }
    }

    /// Gives the links of a record that was merged to the one that lives. It keeps its own primary company.
    pub(super) fn move_links(&mut self, kind: &str, old: u64, new: u64) {
        let links = self.table_mut(kind).links.remove(&old).unwrap_or_default();
        for (to, moved) in links {
            let primary = self.link_types.between(kind, &to).iter().find(|kind| kind.primary).cloned();
            let own = self.ends((kind, new), &to);
            let has = |link: &Linked| primary.as_ref().is_some_and(|primary| link.types.contains(&primary.ty));
            // A record has one primary company, but a company is the primary one of many records.
            let lose = kind != "0-2" && own.ends.values().any(has);
            let mut others = Vec::new();
            for mut link in moved.ends.into_values() {
                // The two that become one were linked to each other.
                if to == kind && link.id == new {
                    own.remove(old);
                    continue;
                }
                if let Some(primary) = primary.as_ref().filter(|_| lose) {
                    link.types.remove(&primary.ty);
                }
                others.push(link.id);
                own.with(link.id).types.extend(link.types);
            }
            for other in others {
                let back = self.ends((&to, other), kind);
                if let (Some(primary), Some(link)) = (primary.as_ref().filter(|_| lose), back.get_mut(old)) {
                    link.types.remove(&primary.back);
                }
                back.rename(old, new);
            }
        }
    }
}

//! Kinds of associations between two object types (CONTRACT 8): the plain one, the primary company, and labels that an
//! account defines.
//!
//! Always true: every kind has a type for each of its directions; the plain kind of a pair is the lock's where the lock
//! has one, otherwise HubSpot's; a number of HubSpot's and the same number of the account are two types.

use std::collections::BTreeMap;

use dsl::schema::Lock;
use serde_json::{Value as Json, json};

use super::standard::{PLAIN, PRIMARY};

/// An association type: who defined it, and its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LinkType {
    pub(super) category: Category,
    pub(super) id: i64,
}

/// Who defined an association type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Category {
    HubSpot,
    Account,
}

impl Category {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::HubSpot => "HUBSPOT_DEFINED",
            Self::Account => "USER_DEFINED",
        }
    }
}

impl LinkType {
    /// `{associationCategory, associationTypeId}`; HubSpot's where nobody says whose it is.
    pub(super) fn read(json: &Json) -> Self {
        let own = json["associationCategory"] == Category::Account.name();
        let category = if own { Category::Account } else { Category::HubSpot };
        Self { category, id: json["associationTypeId"].as_i64().unwrap_or(0) }
    }

    pub(super) fn shown(self) -> Json {
        json!({"associationCategory": self.category.name(), "associationTypeId": self.id})
    }
}

/// One direction of a kind.
#[derive(Debug, Clone)]
pub(super) struct Direction {
    pub(super) ty: LinkType,
    /// The type of the other direction.
    pub(super) back: LinkType,
    /// `null` of the plain kind.
    pub(super) label: Option<String>,
    /// What the account calls it inside.
    pub(super) name: Option<String>,
    /// A record has one at most.
    pub(super) primary: bool,
}

impl Direction {
    /// `{category, typeId, label}`
    pub(super) fn shown(&self) -> Json {
        json!({"category": self.ty.category.name(), "typeId": self.ty.id, "label": self.label})
    }
}

/// All kinds, by the types that they lead from and to; the plain one first.
#[derive(Debug, Clone, Default)]
pub(super) struct LinkTypes {
    pairs: BTreeMap<String, BTreeMap<String, Vec<Direction>>>,
    /// The last number that the account gave.
    last: i64,
}

impl LinkTypes {
    /// HubSpot's, and those of a lock.
    pub(super) fn of(lock: &Lock) -> Self {
        let mut types = Self::default();
        let hubspots = |id| LinkType { category: Category::HubSpot, id };
        for (from, to, there, back) in PLAIN {
            types.define((from, to), (hubspots(there), None), (hubspots(back), None), None);
        }
        for (from, to, there, back) in PRIMARY {
            let label = Some("Primary".to_owned());
            types.define((from, to), (hubspots(there), label.clone()), (hubspots(back), label), None);
        }
        for entity in lock.entities.values() {
            for link in entity.links.values() {
                let target = lock.entities.get(&link.to);
                let back = target.and_then(|target| {
                    target
                        .links
                        .values()
                        .find(|back| lock.entities.get(&back.to).is_some_and(|e| e.remote == entity.remote))
                });
                let (Some(from), Some(to), Some(there)) =
                    (&entity.remote, target.and_then(|t| t.remote.as_ref()), link.remote)
                else {
                    continue;
                };
                // What leads to or from a custom object is the account's own, as the object is.
                let category = if [from, to].iter().any(|end| end.starts_with("2-")) {
                    Category::Account
                } else {
                    Category::HubSpot
                };
                // A lock may name an association at both of its ends; at the second one it is known already.
                let known = types.plain(from, to);
                if known.is_some_and(|known| known.ty.id == there || known.ty.category == Category::Account) {
                    continue;
                }
                let of = |id| LinkType { category, id };
                let back = back.and_then(|back| back.remote).unwrap_or(there);
                types.define((from, to), (of(there), None), (of(back), None), None);
                types.last = types.last.max(there).max(back);
            }
        }
        types.last = types.last.max(34);
        types
    }

    /// Adds a kind; a plain one takes the place of the plain one that was there.
    fn define(
        &mut self,
        (from, to): (&str, &str),
        there: (LinkType, Option<String>),
        back: (LinkType, Option<String>),
        name: Option<&str>,
    ) {
        let (a, b) = (there.0, back.0);
        for ((from, to), (ty, label), back) in [((from, to), there, b), ((to, from), back, a)] {
            let known = self.pairs.entry(from.to_owned()).or_default().entry(to.to_owned()).or_default();
            let primary = label.as_deref() == Some("Primary") && ty.category == Category::HubSpot;
            let plain = label.is_none();
            let direction = Direction { ty, back, label, name: name.map(str::to_owned), primary };
            if plain {
                known.retain(|other| other.label.is_some());
                known.insert(0, direction);
            } else if known.iter().all(|other| other.ty != direction.ty) {
                known.push(direction);
            }
        }
    }

    /// The kinds from one type to another.
    pub(super) fn between(&self, from: &str, to: &str) -> &[Direction] {
        self.pairs.get(from).and_then(|pairs| pairs.get(to)).map_or(&[], Vec::as_slice)
    }

    pub(super) fn plain(&self, from: &str, to: &str) -> Option<&Direction> {
        self.between(from, to).first().filter(|kind| kind.label.is_none())
    }

    pub(super) fn find(&self, from: &str, to: &str, ty: LinkType) -> Option<&Direction> {
        self.between(from, to).iter().find(|kind| kind.ty == ty)
    }

    /// The types that `ty` leads to from `from`.
    pub(super) fn targets(&self, from: &str, ty: LinkType) -> impl Iterator<Item = &str> {
        let pairs = self.pairs.get(from).into_iter().flatten();
        pairs.filter(move |(_, kinds)| kinds.iter().any(|kind| kind.ty == ty)).map(|(to, _)| to.as_str())
    }

    /// A label of the account's own: its types in both directions, the same where both ends see it alike.
    pub(super) fn label(
        &mut self,
        from: &str,
        to: &str,
        name: &str,
        label: &str,
        inverse: Option<&str>,
    ) -> [LinkType; 2] {
        let [there, mut back] = self.numbers();
        if from == to && inverse.is_none() {
            back = there;
        }
        let seen = inverse.unwrap_or(label);
        self.define((from, to), (there, Some(label.to_owned())), (back, Some(seen.to_owned())), Some(name));
        [there, back]
    }

    /// The plain kind of a pair that the account defines; its types in both directions.
    pub(super) fn account_plain(&mut self, from: &str, to: &str) -> [LinkType; 2] {
        let [there, mut back] = self.numbers();
        if from == to {
            back = there;
        }
        self.define((from, to), (there, None), (back, None), None);
        [there, back]
    }

    fn numbers(&mut self) -> [LinkType; 2] {
        self.last += 2;
        [self.last - 1, self.last].map(|id| LinkType { category: Category::Account, id })
    }

    /// Another label for a type of the account's own; false where there is none.
    pub(super) fn relabel(&mut self, from: &str, to: &str, ty: LinkType, label: &str, inverse: Option<&str>) -> bool {
        let Some(back) = self.find(from, to, ty).filter(|kind| kind.label.is_some()).map(|kind| kind.back) else {
            return false;
        };
        for ((from, to), ty, label) in [((from, to), ty, label), ((to, from), back, inverse.unwrap_or(label))] {
            let kinds = self.pairs.get_mut(from).and_then(|pairs| pairs.get_mut(to)).into_iter().flatten();
            for kind in kinds.filter(|kind| kind.ty == ty) {
                kind.label = Some(label.to_owned());
            }
        }
        true
    }

    /// Forgets a label of the account's own; gives its other direction.
    pub(super) fn forget(&mut self, from: &str, to: &str, ty: LinkType) -> Option<LinkType> {
        self.find(from, to, ty).filter(|kind| kind.label.is_some() && ty.category == Category::Account)?;
        self.drop_kind(from, to, ty)
    }

    /// Forgets a kind; gives its other direction.
    pub(super) fn drop_kind(&mut self, from: &str, to: &str, ty: LinkType) -> Option<LinkType> {
        let back = self.find(from, to, ty)?.back;
        for ((from, to), ty) in [((from, to), ty), ((to, from), back)] {
            if let Some(kinds) = self.pairs.get_mut(from).and_then(|pairs| pairs.get_mut(to)) {
                kinds.retain(|kind| kind.ty != ty);
            }
        }
        Some(back)
    }
}

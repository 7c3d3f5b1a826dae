//! Who uses whom, and where that goes round in a ring.
//!
//! A *room* is a module with modules inside. Between two modules of one room stands an arrow where anything below the
//! first names anything below the second. The room's own file is not one of them: it lists what is inside, and what
//! is inside may use the words that it defines.

use std::collections::{BTreeMap, BTreeSet};

use crate::tree::{Id, Tree};

/// Arrows from and to.
pub type Arrows = BTreeSet<(Id, Id)>;

/// All arrows between modules, by what they name themselves.
#[must_use]
pub fn all(tree: &Tree) -> Arrows {
    (0..tree.modules.len()).flat_map(|from| tree.named_by(from).into_iter().map(move |to| (from, to))).collect()
}

/// The arrows between the direct children of `room`, of whatever stands below them.
#[must_use]
pub fn inside(tree: &Tree, all: &Arrows, room: Id) -> Arrows {
    let mut child_of = BTreeMap::new();
    for child in tree.modules[room].children.values() {
        child_of.extend(tree.below(*child).into_iter().map(|module| (module, *child)));
    }
    let between = |(from, to): &(Id, Id)| Some((*child_of.get(from)?, *child_of.get(to)?));
    all.iter().filter_map(between).filter(|(from, to)| from != to).collect()
}

/// The rings in some arrows: modules that all reach each other, two at least.
#[must_use]
pub fn rings(arrows: &Arrows) -> Vec<BTreeSet<Id>> {
    let mut next: BTreeMap<Id, Vec<Id>> = BTreeMap::new();
    for (from, to) in arrows {
        next.entry(*from).or_default().push(*to);
    }
    let reached = |start: Id| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![start]);
        while let Some(at) = open.pop() {
            open.extend(next.get(&at).into_iter().flatten().copied().filter(|to| seen.insert(*to)));
        }
        seen
    };
    let reaches: BTreeMap<Id, BTreeSet<Id>> = next.keys().map(|start| (*start, reached(*start))).collect();
    let mut rings: BTreeSet<BTreeSet<Id>> = BTreeSet::new();
    for (start, seen) in reaches.iter().filter(|(start, seen)| seen.contains(*start)) {
        let back = |other: &&Id| reaches.get(*other).is_some_and(|from| from.contains(start));
        rings.insert(seen.iter().filter(back).copied().collect());
    }
    rings.into_iter().filter(|ring| ring.len() > 1).collect()
}

/// How many arrows stand against the direction: the fewest found that have to go for no ring to be left.
///
/// To know the fewest is hard in general (feedback arc set), so this is a good order and not always the best: modules
/// are moved to where they cost least until nothing gets better.
#[must_use]
pub fn against(arrows: &Arrows) -> usize {
    let ring_of: BTreeMap<Id, usize> = rings(arrows)
        .iter()
        .enumerate()
        .flat_map(|(ring, modules)| modules.iter().map(move |id| (*id, ring)))
        .collect();
    let in_ring = |(from, to): &&(Id, Id)| ring_of.get(from).is_some_and(|ring| ring_of.get(to) == Some(ring));
    let arrows: Arrows = arrows.iter().filter(in_ring).copied().collect();
    let mut order: Vec<Id> = ring_of.keys().copied().collect();
    let cost = |order: &[Id]| {
        let place: BTreeMap<Id, usize> = order.iter().enumerate().map(|(place, id)| (*id, place)).collect();
        arrows.iter().filter(|(from, to)| place[from] > place[to]).count()
    };
    let mut least = cost(&order);
    loop {
        let before = least;
        for id in order.clone() {
            let mut rest: Vec<Id> = order.iter().copied().filter(|other| *other != id).collect();
            for place in 0..=rest.len() {
                rest.insert(place, id);
                let found = cost(&rest);
                if found < least {
                    (least, order) = (found, rest.clone());
                }
                rest.remove(place);
            }
        }
        if least == before {
            return least;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_is_all_that_reach_each_other() {
        let arrows = Arrows::from([(1, 2), (2, 3), (3, 1), (3, 4), (4, 5), (6, 7), (7, 6)]);
        assert_eq!(rings(&arrows), [BTreeSet::from([1, 2, 3]), BTreeSet::from([6, 7])]);
        assert!(rings(&Arrows::from([(1, 2), (1, 3), (2, 3)])).is_empty());
    }

    #[test]
    fn the_fewest_arrows_that_close_rings_stand_against_the_direction() {
        assert_eq!(against(&Arrows::from([(1, 2), (2, 3), (1, 3)])), 0);
        assert_eq!(against(&Arrows::from([(1, 2), (2, 3), (3, 1)])), 1);
        // Ten use one word of the first, which uses all of them.
        let star: Arrows = (1..=10).flat_map(|leaf| [(0, leaf), (leaf, 0)]).collect();
        assert_eq!(against(&star), 10);
    }
}

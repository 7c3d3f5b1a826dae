//! Crates know each other in one direction, and so do the modules of every room.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::LazyLock;

use house::arrows::{self, Arrows};
use house::tree::{Id, Tree};
use house::workspace::packages;

/// Which crates each may name, programs aside. Nothing depends on a program.
const MAY_NAME: &[(&str, &[&str])] = &[
    ("dsl", &[]),
    ("connectors", &["dsl"]),
    ("sandbox", &["connectors", "dsl"]),
    ("engine", &["connectors", "dsl", "sandbox"]),
    ("house", &[]),
    ("scenarios", &["connectors", "dsl", "engine", "sandbox"]),
    ("simulation", &["connectors", "dsl", "engine", "sandbox"]),
];

/// Modules that use each other in a ring, and why that is left.
const RINGS: &[(&str, &[&str])] = &[
    // What an expectation is held against, the lines that it names and the test around both are one thing.
    ("engine::rehearse", &["expect", "lines", "test"]),
];

static WORKSPACE: LazyLock<(Tree, Arrows)> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let packages = packages(&folder).expect("cargo describes this workspace");
    let tree = Tree::read(&packages).expect("the source is there");
    let arrows = arrows::all(&tree);
    // A reading that finds nothing would hold everything.
    assert!(tree.modules.len() > 300 && arrows.len() > 1_000, "{} arrows", arrows.len());
    (tree, arrows)
});

#[test]
fn crates_know_each_other_in_one_direction() {
    let (tree, arrows) = &*WORKSPACE;
    let name = |id: &Id| tree.modules[*id].path[0].as_str();
    for (library, may) in MAY_NAME {
        let named: BTreeSet<&str> =
            arrows.iter().filter(|(from, _)| name(from) == *library).map(|(_, to)| name(to)).collect();
        let more: Vec<_> = named.iter().filter(|other| *other != library && !may.contains(other)).collect();
        assert!(more.is_empty(), "{library} names {more:?}");
    }
}

#[test]
fn modules_of_a_room_do_not_use_each_other_in_a_ring() {
    let (tree, arrows) = &*WORKSPACE;
    let mut found: BTreeSet<(String, Vec<String>)> = BTreeSet::new();
    for (room, module) in tree.modules.iter().enumerate() {
        for ring in arrows::rings(&arrows::inside(tree, arrows, room)) {
            let last = |id: &Id| tree.modules[*id].path.last().cloned().unwrap_or_default();
            let mut names: Vec<String> = ring.iter().map(last).collect();
            names.sort();
            found.insert((module.name(), names));
        }
    }
    let owned = |(room, names): &(&str, &[&str])| {
        ((*room).to_owned(), names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
    };
    let known: BTreeSet<_> = RINGS.iter().map(owned).collect();
    let new: Vec<_> = found.difference(&known).collect();
    assert!(new.is_empty(), "these use each other; put what ties them below both: {new:#?}");
    let gone: Vec<_> = known.difference(&found).collect();
    assert!(gone.is_empty(), "these are rings no more; take them out of the list: {gone:#?}");
}

//! What a program that embeds the engine can name.

use std::path::Path;

use house::tree::Tree;
use house::workspace::packages;

/// Types, functions, traits and constants, without the feature `testing`; those of other crates that are handed on too.
const FEWER_THAN: usize = 90;

#[test]
fn the_engine_shows_few_things_and_says_what_each_is() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("a folder");
    let packages = packages(&folder).expect("cargo describes this workspace");
    let tree = Tree::read(&packages).expect("the source is there");
    let reachable = tree.reachable(tree.library("engine").expect("the engine has a library"));
    let names: Vec<String> =
        reachable.keys().map(|(module, name)| format!("{}::{name}", tree.modules[*module].path.join("::"))).collect();
    for expected in ["engine::embed::engine::Engine", "connectors::port::Connector"] {
        assert!(names.iter().any(|name| name == expected), "{expected} is not found: this test does not read");
    }
    assert!(names.len() < FEWER_THAN, "{} are public:\n{}", names.len(), names.join("\n"));
    let bare: Vec<_> =
        reachable.values().zip(&names).filter(|(item, _)| !item.documented).map(|(_, name)| name).collect();
    assert!(bare.is_empty(), "without documentation: {bare:?}");
}

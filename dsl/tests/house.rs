//! How the files of the language may use each other.

use std::path::Path;

#[path = "support/arrows.rs"]
mod arrows;

use arrows::Arrows;

/// Folders whose files use each other in one direction.
const ONE_WAY: [&str; 5] = ["forms", "parse", "ide", "format", "check"];

/// The rooms of the checker, from the lowest to the highest: each may use those before it.
const CHECKER: [&str; 7] =
    ["check::facts", "check::declare", "check::expr", "check::items", "check::whole", "check::session", "check"];

#[test]
fn the_rooms_of_the_checker_use_only_rooms_below_them() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let uses = Arrows::read(&source, "check");
    assert!(uses.arrows() > 100, "only {} arrows are found", uses.arrows());
    assert_eq!(uses.against(&CHECKER), Vec::<String>::new());
    // The passes are methods of one type each, and stand in many files.
    let receivers = ["self", "checker", "checker()", "whole", "declaring", "declared"];
    let calls = Arrows::of_methods(&source, "check", &receivers);
    assert!(calls.arrows() > 100, "only {} arrows are found", calls.arrows());
    assert_eq!(calls.against(&CHECKER), Vec::<String>::new());
}

#[test]
fn no_files_of_a_folder_form_a_ring() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for folder in ONE_WAY {
        let arrows = Arrows::read(&source, folder);
        assert!(arrows.files() > 4, "{folder} has {} files", arrows.files());
        assert_eq!(arrows.rings(), Vec::<Vec<String>>::new(), "{folder}");
    }
}

/// The room `low` uses and calls what stands in the room `high`.
#[test]
fn an_arrow_to_a_room_above_is_found() {
    let folder = std::env::temp_dir().join(format!("rooms-{}", std::process::id()));
    for (path, text) in [
        ("house/low/a.rs", "use crate::house::high::b::B;\nfn f(&self) {\n    self\n        .climbs()\n}\n"),
        ("house/high/b.rs", "use crate::house::low::a::A;\npub fn climbs(&mut self) {\n    self.f()\n}\n"),
    ] {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder is made");
        std::fs::write(path, text).expect("a file is written");
    }
    let order = ["house::low", "house::high"];
    let uses = Arrows::read(&folder, "house").against(&order);
    let calls = Arrows::of_methods(&folder, "house", &["self"]).against(&order);
    std::fs::remove_dir_all(&folder).expect("it is taken away");
    assert_eq!(uses, ["house::low::a uses house::high::b"]);
    assert_eq!(calls, uses);
}

/// A crate of three files: `a` uses `b`, `b` its child, and the child `a`.
#[test]
fn a_ring_is_found_however_it_is_written() {
    let folder = std::env::temp_dir().join(format!("arrows-{}", std::process::id()));
    let write = |path: &str, text: &str| {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder is made");
        std::fs::write(path, text).expect("a file is written");
    };
    write("a.rs", "use crate::{\n    b::{self, One},\n    other::Two,\n};\n");
    write("b.rs", "mod inner;\nfn f() { inner::g() }\n");
    write("b/inner.rs", "pub fn g() {\n    let x = super::super::a::h(); // super::nothing::at::all\n}\n");
    let rings = Arrows::read(&folder, "").rings();
    write("b/inner.rs", "// super::super::a::h()\n#[cfg(test)]\nmod tests {\n    use crate::a;\n}\n");
    let none = Arrows::read(&folder, "").rings();
    std::fs::remove_dir_all(&folder).expect("it is taken away");
    assert_eq!(rings, [["a", "b", "b::inner"]]);
    assert_eq!(none, Vec::<Vec<String>>::new());
}

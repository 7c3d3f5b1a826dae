//! How the files of the language may use each other.

use std::path::Path;

#[path = "support/arrows.rs"]
mod arrows;

use arrows::Arrows;

/// Folders whose files use each other in one direction.
const ONE_WAY: [&str; 3] = ["parse", "ide", "format"];

#[test]
fn no_files_of_a_folder_form_a_ring() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for folder in ONE_WAY {
        let arrows = Arrows::read(&source, folder);
        assert!(arrows.files() > 4, "{folder} has {} files", arrows.files());
        assert_eq!(arrows.rings(), Vec::<Vec<String>>::new(), "{folder}");
    }
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

//! Everything that the fuzzing begins with, and everything that it ever found, goes through the same functions.

#[path = "../src/outline.rs"]
#[expect(dead_code, reason = "the outline is looked at from outside")]
mod outline;
#[path = "../fuzz/src/targets.rs"]
#[expect(unreachable_pub, reason = "the fuzzing uses them too")]
mod targets;
#[path = "../src/tokens.rs"]
mod tokens;

use std::path::{Path, PathBuf};

// The outline asks for it.
use dsl::suggest;

/// All files below a folder.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("the corpus is there") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

#[test]
fn the_corpus_keeps_every_promise() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut corpus = Vec::new();
    for folder in ["fuzz/seeds", "tests/golden/check", "tests/golden/parse", "tests/golden/format", "../rules"] {
        files(&root.join(folder), &mut corpus);
    }
    corpus.sort();
    assert!(corpus.len() > 60, "{}", corpus.len());
    for path in corpus {
        let data = std::fs::read(&path).expect("a file of the corpus");
        let name = path.display();
        for (target, run) in [
            ("outline", targets::outline as fn(&[u8])),
            ("parse", targets::parse),
            ("check", targets::check),
            ("fmt", targets::fmt),
        ] {
            let held = std::panic::catch_unwind(|| run(&data));
            assert!(held.is_ok(), "{target} of {name}");
        }
        // Edits are bytes of a few: whole files are too many.
        if path.components().any(|part| part.as_os_str() == "seeds") {
            assert!(std::panic::catch_unwind(|| targets::lsp(&data)).is_ok(), "lsp of {name}");
        }
    }
}

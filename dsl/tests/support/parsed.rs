//! The rules that are shipped, parsed, with their locks.

use std::collections::BTreeMap;
use std::path::Path;

use dsl::parse::{Parse, parse};
use dsl::source::{FileId, SourceFile};

/// Files with their trees, and locks by path.
pub(crate) struct Shipped {
    pub(crate) files: Vec<(SourceFile, Parse)>,
    pub(crate) locks: BTreeMap<String, String>,
}

/// Reads them.
pub(crate) fn shipped() -> Shipped {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rules");
    let read = |folder: &str, ending: &str| -> BTreeMap<String, String> {
        let entries = std::fs::read_dir(root.join(folder)).expect("the shipped rules are there");
        let paths = entries.map(|entry| entry.expect("an entry").path());
        paths
            .filter(|path| path.extension().is_some_and(|extension| extension == ending))
            .map(|path| {
                let name = path.file_name().expect("a name").to_string_lossy().into_owned();
                (format!("{folder}{name}"), std::fs::read_to_string(&path).expect("a text"))
            })
            .collect()
    };
    let files = (0u32..).zip(read("", "rules")).map(|(id, (path, text))| {
        let file = SourceFile::new(FileId(id), path, &text);
        let tree = parse(&file);
        (file, tree)
    });
    Shipped { files: files.collect(), locks: read("schemas/", "lock") }
}

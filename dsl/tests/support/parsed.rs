//! The rules that are shipped, parsed, with their locks.

use std::collections::BTreeMap;

use dsl::parse::{Parse, parse};
use dsl::source::{FileId, SourceFile};

#[path = "shipped.rs"]
mod shipped;

use shipped::shipped as texts;

/// Files with their trees, and locks by path.
pub(crate) struct Shipped {
    pub(crate) files: Vec<(SourceFile, Parse)>,
    pub(crate) locks: BTreeMap<String, String>,
}

/// Reads them.
pub(crate) fn shipped() -> Shipped {
    let (texts, locks) = texts();
    let files = (0u32..).zip(texts).map(|(id, (path, text))| {
        let file = SourceFile::new(FileId(id), path, &text);
        let tree = parse(&file);
        (file, tree)
    });
    Shipped { files: files.collect(), locks }
}

//! The shipped rules, for tests that stand beside what they test.

use std::path::Path;
use std::sync::Arc;

use dsl::program::Program;

/// The shipped rules.
pub(crate) fn shipped() -> Arc<Program> {
    shipped_with("", "")
}

/// The shipped rules with another text everywhere in the place of `old`.
pub(crate) fn shipped_with(old: &str, new: &str) -> Arc<Program> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rules");
    let mut texts = super::read(&folder).expect("the shipped rules");
    if !old.is_empty() {
        assert!(texts.files.iter().any(|(_, text)| text.contains(old)), "no shipped rule says `{old}`");
        texts.files.iter_mut().for_each(|(_, text)| *text = text.replace(old, new));
    }
    Arc::new(texts.compile(None).program.expect("they are sound"))
}

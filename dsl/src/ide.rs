//! Editor features: pure functions over a [`Project`] and byte offsets, answered with plain structs.
//!
//! In: the texts of a rule set and a place in one of them. Out: what may stand there, what stands there, where it is
//! declared and used. Always true: a line that does not parse is answered as well as one that does, because a place
//! is understood by its tokens (see `ide/context.rs`) and not by the tree; what completion offers at a place and what a
//! name there is resolved to come from the same list (see `ide/candidates.rs`).
//! Not here: the protocol of an editor, and positions in UTF-16; see [`SourceFile::utf16`](crate::source::SourceFile).

mod actions;
mod blocks;
mod candidate;
mod candidates;
mod complete;
mod context;
mod definition;
mod delivery;
mod describe;
mod expect;
mod highlight;
mod hover;
mod owners;
mod project;
mod references;
mod referent;
mod resolve;
mod symbol;
mod symbols;
mod words;

pub use candidate::CandidateKind;
pub use complete::{Completion, complete};
pub use definition::{Place, definition};
pub use highlight::{Colour, highlight};
pub use hover::{Hover, hover};
pub use project::Project;
pub use references::{Renaming, references, rename};
pub use symbol::Symbol;
pub use symbols::{Outline, OutlineKind, symbols};

/// The words of the language, in the order of letters.
#[must_use]
pub fn words() -> &'static [&'static str] {
    crate::forms::words()
}

/// The words that begin an item, in column 0.
#[must_use]
pub fn item_words() -> &'static [&'static str] {
    &crate::outline::KEYWORDS
}

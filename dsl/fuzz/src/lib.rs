//! What is fuzzed. The outline is no public part of the language, so it is taken in here from its source.

#[path = "../../src/outline.rs"]
mod outline;
pub mod targets;
#[path = "../../src/tokens.rs"]
mod tokens;

// The outline asks for it.
use dsl::suggest;

//! What is fuzzed. The outline is no public part of the language, so it is taken in here from its source.

#[path = "../../src/near.rs"]
mod near;
#[path = "../../src/outline.rs"]
mod outline;
pub mod targets;
#[path = "../../src/tokens.rs"]
mod tokens;

//! The rules language: text in, a checked program and problems out.
//!
//! Pure: no clock, no network, no files; the caller hands in texts. Reading order:
#![cfg_attr(
    not(test),
    deny(clippy::disallowed_methods, clippy::disallowed_types, reason = "the language may not look at the world")
)]

pub mod ast;
pub mod check;
pub mod decode;
pub mod diagnostic;
pub mod eval;
pub mod fault;
pub mod format;
pub mod forms;
pub mod graph;
pub mod ide;
mod outline;
mod parallel;
pub mod parse;
pub mod program;
pub mod schema;
pub mod source;
mod stack;
pub mod suggest;
mod tokens;
pub mod transforms;
pub mod value;
pub mod yaml;

//! The rules language: text in, a checked program and problems out.
//!
//! Pure: no clock, no network, no files; the caller hands in texts. Reading order:
pub mod source;
pub mod value;
pub mod schema;
pub mod ast;
pub mod diagnostic;
pub mod program;
pub mod eval;

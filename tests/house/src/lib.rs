//! How the source of this workspace is built: who uses whom, what is public, how long its functions are.
//!
//! In: the folder of a workspace. Out: its files as trees, the arrows between them, and figures of all that.
//! Always true: what is compiled for tests only is told apart from what is shipped; nothing is judged by a pattern of
//! letters that the language itself would read as a tree.
//! Not here: what the figures should be (the tests of this crate say what must hold).
pub mod arrows;
pub mod figures;
pub mod source;
pub mod tree;
pub mod workspace;

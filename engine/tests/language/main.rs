//! The commands about rules, as they are typed.

mod commands;
mod folder;
mod readme;
mod rehearsal;
mod schema;
mod state;

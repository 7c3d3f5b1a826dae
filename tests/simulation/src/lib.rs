//! Histories of people, faults and time, carried out by the real engine between the twins, and an oracle that judges
//! what came of them.

mod chance;
pub mod crowd;
pub mod evidence;
pub mod explore;
pub mod generate;
pub mod history;
pub mod known;
mod mirror;
pub mod mutants;
pub mod oracle;
mod rules;
pub mod shrink;
mod sky;
pub mod stage;
pub mod worker;

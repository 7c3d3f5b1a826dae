//! The simulation: the real decisions over a memory ledger, the real connectors over twins in the same
//! process, and a clock that somebody else owns. Nothing waits and nothing sleeps.
//!
//! In: a program, and what happens. Out: what the systems hold then, and what was decided; for a `test` of the
//! rules, a report.

mod coverage;
mod expect;
mod given;
mod lines;
mod network;
mod shared;
mod simulation;
mod test;
pub(crate) mod twins;
pub(crate) mod view;

pub use coverage::{Coverage, Part, coverage};
pub use network::{Asked, Conditions, Passage, Said};
pub use shared::Shared;
pub use simulation::{Called, Instead, Simulation};
pub use test::{Failure, Report, Writer, rehearse, rehearse_all};

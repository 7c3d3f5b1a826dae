//! Runs one direction of one sync straight from a record's bytes to the other system's bytes.
//!
//! In: a checked [`Program`], a sync, the side that is written, and what for. Out: a [`Plan`], which maps JSON bytes of
//! a source record to JSON bytes of the target's properties, in the target system's spelling; or [`NotCovered`], said
//! before anything runs. The simple way, [`decode`](crate::decode) and [`eval`](crate::eval), is the oracle: a plan
//! gives what they give, and where they find a fault it finds the same one.
//!
//! The record is the whole of what is known: a key that is absent is empty, a key that stands twice counts the second
//! time, and the record that a link leads to stands nested in the link's key (null, `""` or nothing there: no link; a
//! bare text or number: a link of which only the id is known, and asking for more stops with [`Stop::Unseen`]).
//! Keys that no line reads are skipped: they must be JSON, but nothing is made of them.
//!
//! Covered: every line of `fields` that writes the target, `only where`, all transforms, choices, tables, texts,
//! conditions and arithmetic, and the five outcomes of a missing value. Links are given back as ids of the source's
//! system, for the caller to find their partners. Not covered: lookups and whole records as values, because they ask
//! more than the record; the target's own fields where the target exists; two lines that write one property.
//!
//! Always true: a plan and a record give the same bytes, properties in the order of their names. Text is borrowed from
//! the record until a transform changes it, numbers and money are decimals, and no tree of the JSON is made except for
//! structured fields and lists.
//!
//! Reading order: `trie`, `scan` and `fill` (bytes to slots), `read` (slots to cells), `compile` (rules to operations), `run`,
//! `write` (cells to bytes).

mod cell;
mod compile;
mod fill;
mod instant;
mod read;
mod run;
mod scan;
mod slot;
mod trie;
mod write;

use std::sync::Arc;

use crate::eval::Fault;
use crate::program::{Program, Side};
use compile::Compiled;

/// What the bytes are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// A new record: lines `on create` take part, and what is empty is left out.
    Create,
    /// Properties of a record that exists: lines `on create` do not take part, and what is cleared is null.
    Change,
}

/// What a plan cannot do; the simple way can.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotCovered {
    /// A lookup asks the system.
    #[error("`{line}` looks something up")]
    Lookup {
        /// The line's text.
        line: String,
    },
    /// A record as a value asks for all of its fields.
    #[error("`{line}` takes a whole record as a value")]
    WholeRecord {
        /// The line's text.
        line: String,
    },
    /// A field of the record that is written, which only the caller knows.
    #[error("`{line}` reads the record that it writes")]
    Target {
        /// The line's text.
        line: String,
    },
    /// Which of two lines counts depends on their values.
    #[error("two lines write `{property}`")]
    TwoLines {
        /// The property.
        property: String,
    },
    /// More fields, constants or operations than a plan counts.
    #[error("the sync is too large for a plan")]
    TooLarge,
}

/// Why a record was not mapped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Stop {
    /// The bytes are no JSON object.
    #[error("this is no record: {0}")]
    NoRecord(String),
    /// A value can never be computed from this record.
    #[error("{fault}")]
    Fault {
        /// Index of the line in the sync's `fields`; `None` for `only where`.
        line: Option<usize>,
        /// Why.
        fault: Fault,
    },
    /// The record that a link leads to is needed, and the link's key holds its id only.
    #[error("{field} of the linked record is not in this record")]
    Unseen {
        /// Index of the line in the sync's `fields`; `None` for `only where`.
        line: Option<usize>,
        /// What was asked for, `subscription.plan`.
        field: String,
    },
}

/// What became of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mapped {
    /// The bytes are written. The links of the new record, in the order of the lines.
    Written(Vec<LinkTo>),
    /// It takes no part: `only where` does not hold, or a line says `else skip`. Nothing is written.
    LeftOut,
}

/// A link for the caller to translate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkTo {
    /// Index of the line in the sync's `fields`.
    pub line: usize,
    /// The linked record's id in the source's system; `None` where the link is to be cleared.
    pub record: Option<String>,
}

/// One direction of one sync, ready to run. Immutable; threads may share it.
#[derive(Debug)]
pub struct Plan {
    program: Arc<Program>,
    compiled: Compiled,
}

impl Plan {
    /// A plan of the sync with this index in `program` that writes the side `to`.
    ///
    /// # Errors
    /// [`NotCovered`] where the simple way is needed.
    pub fn new(program: &Arc<Program>, sync: usize, to: Side, purpose: Purpose) -> Result<Self, NotCovered> {
        let compiled = compile::compile(program, &program.syncs[sync], to, purpose)?;
        Ok(Self { program: Arc::clone(program), compiled })
    }

    /// How many properties it may write.
    #[must_use]
    pub fn properties(&self) -> usize {
        self.compiled.lines.len()
    }

    /// Maps a record. The object with the target's properties is appended to `out`; where nothing is to be written,
    /// `out` stays as it was.
    ///
    /// # Errors
    /// [`Stop`]; `out` stays as it was.
    pub fn map(&self, record: &[u8], out: &mut Vec<u8>) -> Result<Mapped, Stop> {
        let slots = fill::fill(&self.compiled.trie, self.compiled.slots, record)?;
        run::run(&self.program, &self.compiled, &slots, out)
    }
}

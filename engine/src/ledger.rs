//! All durable state: a journal (write-ahead log) in front, rows in sled behind (RUNTIME.md section 8, STORAGE.md).
//!
//! In: rounds, each the row changes and records of one decision. Out: the same rows again, after any crash.
//! Always true: [`Ledger::append`] makes a round visible to reads at once, but nothing that it justifies may
//! be released before [`Ledger::durable`] has reached its sequence; after a crash a prefix of the rounds is
//! there, each whole. A row that cannot be read is an error, never taken for absent.
//! Not here: what a row means.

use serde::{Deserialize, Serialize};

mod backup;
mod cache;
mod check;
mod checkpoint;
mod chunks;
mod disk;
mod files;
mod frame;
mod gaps;
mod high_water_mark;
mod history;
mod hold;
mod journal;
pub mod key;
mod memory;
mod overlay;
mod reading;
mod rebuild;
mod redo;
mod settings;
mod shared;
mod store;
mod validate_round;
mod volatile;
mod writer;

pub use backup::restore;
pub use check::{Report, check};
pub use disk::{Disk, Health, Reader};
pub use files::{Files, Purpose, System};
pub use history::{Records, Rounds, records};
pub use journal::journal_folder;
pub use memory::Memory;
pub use reading::StateReader;
pub use rebuild::{Rebuilt, rebuild};
pub use settings::{OnDurable, OnFatal, Settings};
pub use validate_round::MAX_ROUND;
pub use volatile::Volatile;

/// Position of a round in the journal: dense, from 1, never reused. 0 is before the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Seq(pub u64);

/// A row: its key, and its value.
pub type Row = (Vec<u8>, Vec<u8>);

/// A change of a row: its key, and its new value; `None` deletes it.
pub type Change = (Vec<u8>, Option<Vec<u8>>);

/// What one decision changes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Round {
    /// New value of each row, `None` to delete it. At most one entry per key; any size (large ones are chunked).
    pub changes: Vec<Change>,
    /// The history, for people: one encoded record each. Kept in the journal only.
    pub records: Vec<Vec<u8>>,
}

/// Reads of rows.
pub trait Rows {
    /// The row at `key`.
    ///
    /// # Errors
    /// Where it cannot be read.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error>;

    /// Up to `limit` rows with `from <= key < to`, in key order.
    ///
    /// # Errors
    /// Where they cannot be read.
    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Row>, Error>;
}

/// The writer's side.
pub trait Ledger: Rows + Send {
    /// Takes a round; reads see it at once. It is durable when [`Ledger::durable`] reaches the sequence.
    ///
    /// # Errors
    /// [`Error::Full`] where the disk or the overlay is full: nothing was taken, try again later.
    fn append(&mut self, round: Round) -> Result<Seq, Error>;

    /// The last sequence that would survive a power cut.
    fn durable(&self) -> Seq;

    /// Blocks until everything appended is durable.
    ///
    /// # Errors
    /// Where that can no longer happen.
    fn flush(&mut self) -> Result<Seq, Error>;
}

/// What to do where the rows in sled are damaged.
const ADVICE: &str = "stop the engine, then `engine ledger rebuild` makes the rows again from the journal if that is whole \
                      from the first round on; otherwise restore the newest backup";

/// Why the ledger cannot do what it is asked.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum Error {
    /// Another process holds it.
    #[error("the state folder {path} is in use by another engine")]
    #[diagnostic(
        code(ledger::locked),
        help("stop the other engine, or give this one a folder of its own under `state`")
    )]
    Locked {
        /// The folder.
        path: String,
    },
    /// No room on the disk, or the checkpoints are behind.
    #[error("the ledger takes nothing more for now: {reason}")]
    #[diagnostic(code(ledger::full), help("free space on the disk; the engine goes on by itself"))]
    Full {
        /// Why.
        reason: String,
    },
    /// No room on the disk to begin with.
    #[error("the disk of the state folder has no room to start with: {reason}")]
    #[diagnostic(
        code(ledger::no_room),
        help("free space on the disk, then start the engine again; nothing that was acknowledged is lost")
    )]
    NoRoom {
        /// Why.
        reason: String,
    },
    /// A file is damaged.
    #[error("the ledger is damaged: {what}")]
    #[diagnostic(code(ledger::damaged), help("{advice}"))]
    Damaged {
        /// Segment, frame and byte, or what sled said.
        what: String,
        /// What to do.
        advice: String,
    },
    /// Written by a newer version, or with other settings.
    #[error("the ledger has form {found}, this engine knows forms up to {known}")]
    #[diagnostic(code(ledger::newer), help("run the engine version that wrote it, or a later one"))]
    Newer {
        /// Form of the state folder.
        found: u32,
        /// Newest known form.
        known: u32,
    },
    /// The operating system refuses.
    #[error("{doing} {path}: {source}")]
    #[diagnostic(code(ledger::io))]
    Io {
        /// `cannot write`, `cannot open` …
        doing: &'static str,
        /// Which file or folder.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// Only a state folder can do that.
    #[error("the state is kept in memory and cannot be {what}")]
    #[diagnostic(code(ledger::in_memory), help("start the engine with a state folder"))]
    InMemory {
        /// `copied`, `checked`.
        what: &'static str,
    },
    /// A row does not decode: a defect of the engine.
    #[error("row {key} cannot be understood: {reason}")]
    #[diagnostic(code(ledger::row))]
    Row {
        /// The key, printable.
        key: String,
        /// Why not.
        reason: String,
    },
}

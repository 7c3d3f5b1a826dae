//! Reads beside the loop, wherever the state is kept.
//!
//! Always true: rows are read alike from both kinds of state; what only files can do says so.

use std::path::Path;

use super::check::Report;
use super::disk::Reader;
use super::volatile::Volatile;
use super::{Error, Rows, Seq};

/// Reads the state from any thread; cheap to clone.
#[derive(Debug, Clone)]
pub enum StateReader {
    /// Of a state folder.
    Disk(Reader),
    /// Of a state in memory.
    Memory(Volatile),
}

impl Rows for StateReader {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        match self {
            Self::Disk(reader) => reader.get(key),
            Self::Memory(memory) => memory.get(key),
        }
    }

    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<(Vec<u8>, Vec<u8>)>, Error> {
        match self {
            Self::Disk(reader) => reader.scan(from, to, limit),
            Self::Memory(memory) => memory.scan(from, to, limit),
        }
    }
}

impl StateReader {
    /// The last round that would survive a power cut; of a state in memory, the last round.
    #[must_use]
    pub fn durable(&self) -> Seq {
        match self {
            Self::Disk(reader) => reader.health().durable,
            Self::Memory(memory) => super::Ledger::durable(memory),
        }
    }

    /// Reads every row, and says what is wrong with them; nothing is, with those in memory.
    ///
    /// # Errors
    /// As [`Reader::check_rows`].
    pub fn check_rows(&self) -> Result<Vec<String>, Error> {
        match self {
            Self::Disk(reader) => reader.check_rows(),
            Self::Memory(_) => Ok(Vec::new()),
        }
    }

    /// Why nothing is taken, and why rows cannot be written beside the journal, where that is so; a state in memory has
    /// room.
    #[must_use]
    pub fn trouble(&self) -> (Option<String>, Option<String>) {
        match self {
            Self::Disk(reader) => {
                let health = reader.health();
                (health.refuses, health.rows_full)
            }
            Self::Memory(_) => (None, None),
        }
    }

    /// The last `count` durable records of the rounds up to `until`, oldest first; a state in memory has none.
    ///
    /// # Errors
    /// As [`Reader::last_records`].
    pub fn last_records(&self, until: Seq, count: usize) -> Result<Vec<Vec<u8>>, Error> {
        match self {
            Self::Disk(reader) => reader.last_records(until, count),
            Self::Memory(_) => Ok(Vec::new()),
        }
    }

    /// Copies the state into a folder that does not exist or is empty. Returns its last round.
    ///
    /// # Errors
    /// As [`Reader::backup`]; [`Error::InMemory`].
    pub fn backup(&self, to: &Path) -> Result<Seq, Error> {
        match self {
            Self::Disk(reader) => reader.backup(to),
            Self::Memory(_) => Err(Error::InMemory { what: "copied" }),
        }
    }

    /// Reads every frame and row.
    ///
    /// # Errors
    /// As [`Reader::check`]; [`Error::InMemory`].
    pub fn check(&self) -> Result<Report, Error> {
        match self {
            Self::Disk(reader) => reader.check(),
            Self::Memory(_) => Err(Error::InMemory { what: "checked" }),
        }
    }
}

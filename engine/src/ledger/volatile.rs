//! A ledger in memory on which more than one thread has a hand: for an engine whose state ends with the process.
//!
//! In: rounds, from one thread. Out: the same rows, to every thread.
//! Always true: a round is as durable as it ever gets the moment it is taken, which is not at all: whoever asks for
//! such a state has said that nothing of it need outlive the process. Not here: history, of which the last lines are
//! kept elsewhere and nothing else is ever asked for.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::{Error, Ledger, Memory, Round, Rows, Seq};

/// A ledger in memory; clones are the same.
#[derive(Debug, Clone)]
pub struct Volatile(Arc<RwLock<Memory>>);

impl Volatile {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        let mut memory = Memory::new();
        memory.set_durable_at_once(true);
        Self(Arc::new(RwLock::new(memory)))
    }

    // Rows change in whole rounds, so that a panic of another thread leaves none behind in part.
    fn read(&self) -> RwLockReadGuard<'_, Memory> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Memory> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Volatile {
    fn default() -> Self {
        Self::new()
    }
}

impl Rows for Volatile {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        self.read().get(key)
    }

    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<(Vec<u8>, Vec<u8>)>, Error> {
        self.read().scan(from, to, limit)
    }
}

impl Ledger for Volatile {
    fn append(&mut self, round: Round) -> Result<Seq, Error> {
        self.write().append(Round { records: Vec::new(), ..round })
    }

    fn durable(&self) -> Seq {
        self.read().durable()
    }

    fn flush(&mut self) -> Result<Seq, Error> {
        self.write().flush()
    }
}

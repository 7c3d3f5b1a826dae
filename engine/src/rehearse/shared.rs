//! A ledger in memory that several hands hold, so that a crash can be made from outside.

use std::sync::{Arc, Mutex, MutexGuard};

use crate::ledger::{Error as LedgerError, Ledger, Memory, Round, Rows, Seq};

/// The ledger.
#[derive(Debug, Clone, Default)]
pub struct Shared(Arc<Mutex<Memory>>);

impl Shared {
    pub(super) fn get(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().expect("nothing panics while it holds the ledger")
    }
}

impl Rows for Shared {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, LedgerError> {
        self.get().get(key)
    }
    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<(Vec<u8>, Vec<u8>)>, LedgerError> {
        self.get().scan(from, to, limit)
    }
}

impl Ledger for Shared {
    fn append(&mut self, round: Round) -> Result<Seq, LedgerError> {
        self.get().append(round)
    }
    fn durable(&self) -> Seq {
        self.get().durable()
    }
    fn flush(&mut self) -> Result<Seq, LedgerError> {
        self.get().flush()
    }
}

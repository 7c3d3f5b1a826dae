//! A ledger in memory, for tests and rehearsals: what is appended becomes durable when it is flushed, and a crash
//! loses the rest.

use std::collections::BTreeMap;

use super::{Error, Ledger, Round, Rows, Seq};

/// Rows in memory.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
    /// For each round that is not durable yet: the values it replaced.
    undo: Vec<Vec<(Vec<u8>, Option<Vec<u8>>)>>,
    records: Vec<(Seq, Vec<u8>)>,
    last: Seq,
    durable: Seq,
}

impl Memory {
    /// An empty ledger.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Loses every round that was not flushed.
    pub fn crash(&mut self) {
        while let Some(round) = self.undo.pop() {
            for (key, value) in round.into_iter().rev() {
                match value {
                    Some(value) => self.rows.insert(key, value),
                    None => self.rows.remove(&key),
                };
            }
        }
        self.last = self.durable;
        let durable = self.durable;
        self.records.retain(|(seq, _)| *seq <= durable);
    }

    /// The last round, durable or not.
    #[must_use]
    pub fn last(&self) -> Seq {
        self.last
    }

    /// The history so far.
    pub fn records(&self) -> impl Iterator<Item = &[u8]> {
        self.records.iter().map(|(_, record)| record.as_slice())
    }
}

impl Rows for Memory {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.rows.get(key).cloned())
    }

    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<(Vec<u8>, Vec<u8>)>, Error> {
        if from >= to {
            return Ok(Vec::new());
        }
        let range = self.rows.range(from.to_vec()..to.to_vec());
        Ok(range.take(limit).map(|(key, value)| (key.clone(), value.clone())).collect())
    }
}

impl Ledger for Memory {
    fn append(&mut self, round: Round) -> Result<Seq, Error> {
        self.last = Seq(self.last.0 + 1);
        let mut undo = Vec::with_capacity(round.changes.len());
        for (key, value) in round.changes {
            let old = match value {
                Some(value) => self.rows.insert(key.clone(), value),
                None => self.rows.remove(&key),
            };
            undo.push((key, old));
        }
        self.undo.push(undo);
        let seq = self.last;
        self.records.extend(round.records.into_iter().map(|record| (seq, record)));
        Ok(seq)
    }

    fn durable(&self) -> Seq {
        self.durable
    }

    fn flush(&mut self) -> Result<Seq, Error> {
        self.durable = self.last;
        self.undo.clear();
        Ok(self.durable)
    }
}

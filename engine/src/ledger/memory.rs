//! A ledger in memory, for tests and rehearsals: the contract of the one on disk, and crashes on demand.
//!
//! In: rounds. Out: rows, records, and after a crash the state as a prefix of the rounds left it.
//! Always true: rows are what the rounds up to the last sequence make of nothing, in order.
//! Not here: files, threads, limits of size other than those of a round.

use std::collections::BTreeMap;

use super::validate_round::validate;
use super::{Change, Error, Ledger, Round, Rows, Seq};

/// Rows and rounds in memory.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
    records: Vec<(Seq, Vec<u8>)>,
    /// For each round that is not durable yet: the rows it changed, as they were before.
    undo: Vec<Vec<Change>>,
    durable: Seq,
    at_once: bool,
    full: Option<String>,
}

impl Memory {
    /// An empty ledger, in which rounds become durable at [`Ledger::flush`].
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With `true`, rounds become durable as they are appended, those that still wait included.
    pub fn set_durable_at_once(&mut self, at_once: bool) {
        self.at_once = at_once;
        if at_once {
            self.settle();
        }
    }

    /// With a reason, every [`Ledger::append`] fails with [`Error::Full`] until it is called with `None`.
    pub fn set_full(&mut self, reason: Option<&str>) {
        self.full = reason.map(Into::into);
    }

    /// Loses every round that is not durable.
    pub fn crash(&mut self) {
        self.crash_keeping(self.durable);
    }

    /// Loses the rounds after `keep`: a crash keeps what was durable and any number of rounds after that.
    ///
    /// # Panics
    /// Where `keep` is below [`Ledger::durable`]: no sound disk loses that.
    pub fn crash_keeping(&mut self, keep: Seq) {
        assert!(keep >= self.durable, "a crash keeps what was durable");
        while self.last() > keep {
            let lost = self.undo.pop().expect("a round that is not durable can be undone");
            for (key, value) in lost {
                put(&mut self.rows, key, value);
            }
        }
        self.records.retain(|(seq, _)| *seq <= keep);
        self.settle();
    }

    fn settle(&mut self) {
        self.durable = self.last();
        self.undo.clear();
    }

    /// The sequence of the last round, durable or not.
    #[must_use]
    pub fn last(&self) -> Seq {
        Seq(self.durable.0 + self.undo.len() as u64)
    }

    /// The records of all rounds from `from` on, in order, each with the sequence of its round.
    pub fn records(&self, from: Seq) -> impl Iterator<Item = (Seq, &[u8])> {
        let first = self.records.partition_point(|(seq, _)| *seq < from);
        self.records[first..].iter().map(|(seq, record)| (*seq, record.as_slice()))
    }

    /// All rows in key order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.rows.iter().map(|(key, value)| (key.as_slice(), value.as_slice()))
    }
}

/// Sets or removes a row; answers with what was there.
fn put(rows: &mut BTreeMap<Vec<u8>, Vec<u8>>, key: Vec<u8>, value: Option<Vec<u8>>) -> Option<Vec<u8>> {
    match value {
        Some(value) => rows.insert(key, value),
        None => rows.remove(&key),
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
        let range = self.rows.range::<[u8], _>((std::ops::Bound::Included(from), std::ops::Bound::Excluded(to)));
        Ok(range.take(limit).map(|(key, value)| (key.clone(), value.clone())).collect())
    }
}

impl Ledger for Memory {
    fn append(&mut self, round: Round) -> Result<Seq, Error> {
        if let Some(reason) = &self.full {
            return Err(Error::Full { reason: reason.clone() });
        }
        validate(&round)?;
        let mut before = Vec::with_capacity(round.changes.len());
        for (key, value) in round.changes {
            let was = put(&mut self.rows, key.clone(), value);
            before.push((key, was));
        }
        self.undo.push(before);
        let last = self.last();
        self.records.extend(round.records.into_iter().map(|record| (last, record)));
        if self.at_once {
            self.settle();
        }
        Ok(last)
    }

    fn durable(&self) -> Seq {
        self.durable
    }

    fn flush(&mut self) -> Result<Seq, Error> {
        self.settle();
        Ok(self.durable)
    }
}

#[cfg(test)]
mod tests {

    use super::*;

    fn set(key: &[u8], value: Option<&[u8]>) -> Round {
        Round { changes: vec![(key.to_vec(), value.map(<[u8]>::to_vec))], records: vec![key.to_vec()] }
    }

    #[test]
    fn a_crash_leaves_the_rows_of_the_kept_rounds() {
        let mut ledger = Memory::new();
        ledger.append(set(b"a", Some(b"1"))).unwrap();
        ledger.flush().unwrap();
        let mut states = vec![ledger.clone()];
        for (key, value) in [("a", Some("2")), ("b", Some("1")), ("a", None), ("b", None), ("a", Some("3"))] {
            ledger.append(set(key.as_bytes(), value.map(str::as_bytes))).unwrap();
            states.push(ledger.clone());
        }
        assert_eq!(ledger.durable(), Seq(1));
        for (keep, state) in (1u64..).zip(&states) {
            let mut crashed = ledger.clone();
            crashed.crash_keeping(Seq(keep));
            assert_eq!(crashed.rows, state.rows, "kept {keep}");
            assert_eq!((crashed.last(), crashed.durable()), (Seq(keep), Seq(keep)));
            assert_eq!(crashed.records(Seq(2)).count() as u64, keep - 1);
        }
        ledger.crash();
        assert_eq!(ledger.last(), Seq(1));
    }

    #[test]
    fn a_full_ledger_takes_nothing() {
        let mut ledger = Memory::new();
        ledger.set_full(Some("no room"));
        assert!(matches!(ledger.append(set(b"a", Some(b"1"))), Err(Error::Full { .. })));
        assert_eq!((ledger.last(), ledger.get(b"a").unwrap()), (Seq(0), None));
        ledger.set_full(None);
        assert_eq!(ledger.append(set(b"a", Some(b"1"))).unwrap(), Seq(1));
    }

    #[test]
    fn a_key_changed_twice_in_one_round_is_refused() {
        let mut round = set(b"a", Some(b"1"));
        round.changes.push((b"a".to_vec(), None));
        assert!(matches!(Memory::new().append(round), Err(Error::Row { .. })));
    }
}

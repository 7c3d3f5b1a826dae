//! What became of each record: the values that its fields had, one after the other, and whether it lives.
//!
//! A record that was merged lives on in the record that came of it, with the values of the primary one; the other one
//! has ended.

use std::collections::{BTreeMap, BTreeSet};

use dsl::program::Side;
use dsl::value::{Timestamp, Value};

use crate::evidence::{Evidence, Held, Pair, Record, What, Who};

/// A value that a field or link had from some time on.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Point<V> {
    /// From then on.
    pub(crate) at: Timestamp,
    /// Who set it.
    pub(crate) who: Who,
    /// The value.
    pub(crate) value: V,
}

/// The life of one record.
#[derive(Debug, Default)]
pub(crate) struct Life {
    /// Ids that it had.
    pub(crate) ids: BTreeSet<String>,
    /// Values of each field, the first at its making.
    pub(crate) fields: BTreeMap<String, Vec<Point<Value>>>,
    /// Targets of each link, in the order of the system.
    pub(crate) links: BTreeMap<String, Vec<Point<Vec<String>>>>,
    /// When it was made, and by whom.
    pub(crate) made: Option<(Timestamp, Who)>,
    /// When people ended it: deleted, archived, erased or gave way in a merge.
    pub(crate) ended: Vec<Timestamp>,
    /// When a merge gave it the values of another one, or another one its own.
    pub(crate) merged: Vec<Timestamp>,
    /// Records that were merged into it and gave way, and when.
    pub(crate) absorbed: Vec<(Record, Timestamp)>,
    /// It was erased.
    pub(crate) erased: Option<Timestamp>,
}

/// All lives, by the last id that each record had.
#[derive(Debug, Default)]
pub(crate) struct Lives {
    lives: BTreeMap<Record, Life>,
    /// Where a record of an id lives on, however often it was merged.
    aliases: BTreeMap<Record, Record>,
    /// Where the life of a record goes on: only along primary records.
    lineage: BTreeMap<Record, Record>,
}

impl Lives {
    /// The lives that a run tells of.
    pub(crate) fn of(evidence: &Evidence) -> Self {
        let mut all = Self::default();
        // All merges first: what happened to a record before it was merged belongs to the life that goes on behind it.
        for change in &evidence.changes {
            if let What::Merged { into, primary } = &change.what {
                let into = (change.record.0.clone(), into.clone());
                all.aliases.insert(change.record.clone(), into.clone());
                if *primary {
                    all.lineage.insert(change.record.clone(), into);
                }
            }
        }
        for change in &evidence.changes {
            let key = all.last(&change.record);
            let life = all.lives.entry(key).or_default();
            life.ids.insert(change.record.1.clone());
            let (at, who) = (change.at, change.who);
            match &change.what {
                What::Made => life.made = life.made.or(Some((at, who))),
                What::Field(name, _, value) => {
                    life.fields.entry(name.clone()).or_default().push(Point { at, who, value: value.clone() });
                }
                What::Link(name, _, ids) => {
                    life.links.entry(name.clone()).or_default().push(Point { at, who, value: ids.clone() });
                }
                What::Gone if who == Who::Person => life.ended.push(at),
                What::Gone | What::Back => {}
                What::Erased => {
                    life.ended.push(at);
                    life.erased = Some(at);
                }
                What::Merged { into, primary } => {
                    if *primary {
                        life.ids.insert(into.clone());
                    } else {
                        life.ended.push(at);
                    }
                    let into = all.last(&(change.record.0.clone(), into.clone()));
                    let gave_way = (!*primary).then(|| (all.last(&change.record), at));
                    let life = all.lives.entry(into).or_default();
                    life.merged.push(at);
                    life.absorbed.extend(gave_way);
                }
            }
        }
        all
    }

    /// Where the life of a record goes on, and only its own.
    fn last(&self, record: &Record) -> Record {
        let mut at = record;
        while let Some(next) = self.lineage.get(at) {
            at = next;
        }
        at.clone()
    }

    /// The record that an id leads to.
    pub(crate) fn living(&self, record: &Record) -> Record {
        let mut at = record;
        while let Some(next) = self.aliases.get(at) {
            at = next;
        }
        at.clone()
    }

    /// The life that a record had.
    pub(crate) fn life(&self, record: &Record) -> Option<&Life> {
        self.lives.get(&self.last(record))
    }

    /// All lives.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&Record, &Life)> {
        self.lives.iter()
    }
}

/// The record of a pair on a side, as it lives, and what it holds; `None` where it lives no more or there is none.
pub(crate) fn held<'e>(evidence: &'e Evidence, lives: &Lives, pair: &Pair, side: Side) -> Option<(Record, &'e Held)> {
    let record = lives.living(&record_of(evidence, pair, side)?);
    let held = evidence.end.get(&record)?;
    Some((record, held))
}

/// The record of a pair on a side, by the id that the engine has for it.
pub(crate) fn record_of(evidence: &Evidence, pair: &Pair, side: Side) -> Option<Record> {
    let sync = evidence.program.syncs.iter().find(|sync| sync.name == pair.sync)?;
    let id = pair.ids[usize::from(side == Side::Right)].clone()?;
    Some((sync.entity(side).clone(), id))
}

/// People are shown something about a pair, or about one of its records.
pub(crate) fn is_told(evidence: &Evidence, pair: &Pair) -> bool {
    let subject = format!("link {}", pair.name);
    evidence.incidents.iter().any(|incident| incident.subject == subject)
}

impl<V: Clone> Point<V> {
    /// The value that stood at a time; none before the first.
    pub(crate) fn at(points: &[Self], at: Timestamp) -> Option<&V> {
        points.iter().rev().find(|point| point.at <= at).map(|point| &point.value)
    }
}

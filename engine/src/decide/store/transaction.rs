//! The transaction of one decision: rows as they will be, and what is to be done.
//!
//! Always true: nothing leaves before the decision is whole; an error leaves the ledger untouched.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dsl::ast::Priority;
use dsl::program::Program;
use dsl::schema::EntityName;
use dsl::value::Timestamp;

use crate::decide::model::event::Event;
use crate::decide::model::hash::hash;
use crate::decide::model::instance::{Instance, Isolation};
use crate::decide::model::key;
use crate::decide::model::kind::Kind;
use crate::decide::model::lane::Lane;
use crate::decide::model::meta::{FORM, FormRow, Meta};
use crate::decide::model::outcome::{Command, Outcome};
use crate::decide::model::record::RecordRow;
use crate::decide::model::row::{Entity, Prefix, Row, RowKey};
use crate::decide::model::settings::{Programs, Settings};
use crate::decide::model::task::Task;
use crate::decide::model::trace::{Reached, Wrote};
use crate::decide::model::work::{Owner, TimerRow, WorkRow};
use crate::decide::store::agenda::Agenda;
use crate::ids::LinkId;
use crate::ledger::{Error, Rows};

/// Records of an entity by id; nothing of one that is not kept.
type KnownRecords = BTreeMap<String, Option<Arc<RecordRow>>>;

/// Rows of a kind that were not read yet.
type Encoded<R> = Vec<(RowKey<R>, Vec<u8>)>;

pub(crate) struct Context<'a> {
    rows: &'a dyn Rows,
    pub(crate) programs: &'a Programs,
    pub(crate) settings: &'a Settings,
    pub(crate) isolation: &'a Isolation,
    pub(crate) now: Timestamp,
    changes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    /// Records that were asked for, as `changes` and `rows` have them: one merge reads a record for every line.
    known: RefCell<BTreeMap<EntityName, KnownRecords>>,
    records: Vec<Vec<u8>>,
    commands: Vec<Command>,
    work: BTreeMap<Lane, (Timestamp, Priority)>,
    meta: Option<Meta>,
    agenda: Agenda<'a>,
    /// How often each instance was taken from the agenda.
    taken: BTreeMap<Instance, u32>,
    /// Links whose record was told of or read in this round, and its entity: that nothing is written is told too.
    pub(crate) visited: BTreeMap<LinkId, EntityName>,
    /// Why an operator's command was not carried out.
    pub(crate) refused: Option<String>,
    /// Reactions to any of several fields that have fired, with their records.
    fired: BTreeSet<(usize, EntityName, String)>,
    reached: RefCell<BTreeSet<Reached>>,
    wrote: Vec<Wrote>,
}

impl<'a> Context<'a> {
    pub(crate) fn new(
        rows: &'a dyn Rows,
        programs: &'a Programs,
        settings: &'a Settings,
        isolation: &'a Isolation,
        now: Timestamp,
    ) -> Self {
        Self {
            rows,
            programs,
            settings,
            isolation,
            now,
            changes: BTreeMap::new(),
            known: RefCell::default(),
            records: Vec::new(),
            commands: Vec::new(),
            work: BTreeMap::new(),
            meta: None,
            agenda: Agenda::default(),
            taken: BTreeMap::new(),
            visited: BTreeMap::new(),
            refused: None,
            fired: BTreeSet::new(),
            reached: RefCell::default(),
            wrote: Vec::new(),
        }
    }

    pub(crate) fn program(&self) -> Arc<Program> {
        Arc::clone(&self.programs.active)
    }

    fn bytes(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        match self.changes.get(key) {
            Some(change) => Ok(change.clone()),
            None => self.rows.get(key),
        }
    }

    /// The row under a key.
    pub(crate) fn get<R: Row>(&self, key: &RowKey<R>) -> Result<Option<R>, Error> {
        self.bytes(key.as_bytes())?.map(|bytes| key.decode(&bytes)).transpose()
    }

    /// Is there a row under this key?
    pub(crate) fn has<R>(&self, key: &RowKey<R>) -> Result<bool, Error> {
        match self.changes.get(key.as_bytes()) {
            Some(change) => Ok(change.is_some()),
            None => Ok(self.rows.get(key.as_bytes())?.is_some()),
        }
    }

    /// Puts a row under a key.
    pub(crate) fn put<R: Row>(&mut self, key: RowKey<R>, row: &R) {
        self.forget(key.as_bytes());
        self.changes.insert(key.into_bytes(), Some(row.encode()));
    }

    /// Takes a row away, if it is there.
    pub(crate) fn delete<R>(&mut self, key: RowKey<R>) {
        self.forget(key.as_bytes());
        self.changes.insert(key.into_bytes(), None);
    }

    /// What is known of records comes and goes by [`Self::learn`]; anything else makes them be read again.
    fn forget(&mut self, key: &[u8]) {
        if key.first() == Some(&(Kind::Record as u8)) {
            self.known.get_mut().clear();
        }
    }

    /// The row of a record.
    pub(crate) fn record(&self, entity: &EntityName, id: &str) -> Result<Option<Arc<RecordRow>>, Error> {
        if let Some(row) = self.known.borrow().get(entity).and_then(|records| records.get(id)) {
            return Ok(row.clone());
        }
        let row = self.get(&key::record(entity, id))?.map(Arc::new);
        self.hold(entity, id, row.clone());
        Ok(row)
    }

    /// Puts the row of a record.
    pub(crate) fn learn(&mut self, entity: &EntityName, id: &str, row: Arc<RecordRow>) {
        let bytes = row.encode();
        self.changes.insert(key::record(entity, id).into_bytes(), Some(bytes));
        self.hold(entity, id, Some(row));
    }

    fn hold(&self, entity: &EntityName, id: &str, row: Option<Arc<RecordRow>>) {
        let mut known = self.known.borrow_mut();
        match known.get_mut(entity) {
            Some(records) => drop(records.insert(id.to_owned(), row)),
            None => drop(known.insert(entity.clone(), BTreeMap::from([(id.to_owned(), row)]))),
        }
    }

    /// All rows of a kind, in the order of their keys.
    pub(crate) fn rows<R: Entity>(&self) -> Result<Vec<(RowKey<R>, R)>, Error> {
        self.scan(&Prefix::all(), usize::MAX)
    }

    /// Rows whose keys have these first parts, in the order of their keys, at most `limit`.
    pub(crate) fn scan<R: Row>(&self, prefix: &Prefix<R>, limit: usize) -> Result<Vec<(RowKey<R>, R)>, Error> {
        let decoded = |(key, bytes): (RowKey<R>, Vec<u8>)| {
            let row = key.decode(&bytes)?;
            Ok((key, row))
        };
        self.scan_bytes(prefix, limit)?.into_iter().map(decoded).collect()
    }

    /// The same without reading what stands in the rows.
    pub(crate) fn scan_bytes<R>(&self, prefix: &Prefix<R>, limit: usize) -> Result<Encoded<R>, Error> {
        let (from, _) = prefix.range();
        self.scan_from(prefix, &from, limit)
    }

    /// The same from one key on.
    pub(crate) fn scan_from<R>(&self, prefix: &Prefix<R>, from: &[u8], limit: usize) -> Result<Encoded<R>, Error> {
        let (_, to) = prefix.range();
        let changed: Vec<_> = self.changes.range(from.to_vec()..to.clone()).collect();
        let mut found: BTreeMap<Vec<u8>, Vec<u8>> =
            self.rows.scan(from, &to, limit.saturating_add(changed.len()))?.into_iter().collect();
        for (key, change) in changed {
            match change {
                Some(bytes) => found.insert(key.clone(), bytes.clone()),
                None => found.remove(key),
            };
        }
        Ok(found.into_iter().take(limit).map(|(key, bytes)| (prefix.key(key), bytes)).collect())
    }

    fn meta(&mut self) -> Result<&mut Meta, Error> {
        if self.meta.is_none() {
            let mut meta: Meta = self.get(&key::meta())?.unwrap_or_default();
            if meta.ledger.is_empty() {
                // A new ledger names itself once, so that its keys never collide with those of an older one, and says
                // in which form its rows are.
                self.put(key::form(), &FormRow { form: FORM, migrated_to: None });
                meta.ledger = hash(&format!("{} {}", self.now.0, self.programs.active.hash))[..8].to_owned();
            }
            self.meta = Some(meta);
        }
        Ok(self.meta.as_mut().expect("set above"))
    }

    /// The ledger's own name.
    pub(crate) fn ledger(&mut self) -> Result<String, Error> {
        Ok(self.meta()?.ledger.clone())
    }

    /// A number that was never given before.
    pub(crate) fn next(&mut self) -> Result<u64, Error> {
        let meta = self.meta()?;
        meta.last += 1;
        Ok(meta.last)
    }

    pub(crate) fn inbox(&mut self, by: i64) -> Result<u64, Error> {
        let meta = self.meta()?;
        meta.inbox = meta.inbox.saturating_add_signed(by);
        Ok(meta.inbox)
    }

    pub(crate) fn command(&mut self, command: Command) {
        self.commands.push(command);
    }

    /// Adds to history and log.
    pub(crate) fn log(&mut self, event: Event) {
        self.records.push(serde_json::to_vec(&event).expect("events hold plain data"));
        self.commands.push(Command::Log(event));
    }

    /// Queues work; gives the key of its row, by which it can be withdrawn.
    pub(crate) fn queue(
        &mut self,
        owner: Owner,
        lane: Lane,
        deadline: Timestamp,
        priority: Priority,
    ) -> RowKey<WorkRow> {
        let key = key::work(&lane, deadline, &owner);
        self.put(key.clone(), &WorkRow { owner, lane: lane.clone(), deadline, priority });
        self.announce(lane, deadline, priority);
        key
    }

    /// Tells the gate that a lane has work.
    pub(crate) fn announce(&mut self, lane: Lane, deadline: Timestamp, priority: Priority) {
        let entry = self.work.entry(lane).or_insert((deadline, priority));
        entry.0 = entry.0.min(deadline);
        entry.1 = entry.1.min(priority);
    }

    pub(crate) fn arm(&mut self, at: Timestamp, timer: &TimerRow) -> Result<(), Error> {
        let number = self.next()?;
        self.put(key::timer(at, number), timer);
        Ok(())
    }

    /// Adds something to do in this round.
    pub(crate) fn task(&mut self, task: Task<'a>) {
        self.agenda.add(task);
    }

    /// A reaction to a change of this field is still to be decided in this round.
    pub(crate) fn reacts(&self, entity: &EntityName, id: &str, field: &str) -> bool {
        self.agenda.reacts(entity, id, field)
    }

    /// A reaction to any of several fields fires: once for each record in one decision.
    pub(crate) fn fires_first(&mut self, when: usize, entity: &EntityName, id: &str) -> bool {
        self.fired.insert((when, entity.clone(), id.to_owned()))
    }

    /// Notes a part of the rules for coverage, where somebody wants to know.
    pub(crate) fn reached(&self, what: impl FnOnce() -> Reached) {
        if self.settings.trace {
            self.reached.borrow_mut().insert(what());
        }
    }

    /// Notes what a system took, where somebody wants to know.
    pub(crate) fn wrote(&mut self, what: impl FnOnce() -> Vec<Wrote>) {
        if self.settings.trace {
            self.wrote.extend(what());
        }
    }

    /// Counts that an instance is taken; gives how often it was.
    pub(crate) fn count(&mut self, instance: &Instance) -> u32 {
        match self.taken.get_mut(instance) {
            Some(count) => {
                *count += 1;
                *count
            }
            None => {
                self.taken.insert(instance.clone(), 1);
                1
            }
        }
    }

    /// Takes what is to be done next.
    pub(crate) fn next_task(&mut self) -> Option<Task<'a>> {
        self.agenda.next()
    }

    pub(crate) fn finish(mut self) -> Outcome {
        if let Some(meta) = self.meta.take() {
            self.put(key::meta(), &meta);
        }
        let mut outcome = Outcome {
            commands: self.commands,
            refused: self.refused,
            reached: self.reached.into_inner(),
            wrote: self.wrote,
            ..Outcome::default()
        };
        for (lane, (deadline, priority)) in self.work {
            outcome.commands.push(Command::Work { lane, deadline, priority });
        }
        outcome.round.changes = self.changes.into_iter().collect();
        outcome.round.records = self.records;
        outcome
    }
}

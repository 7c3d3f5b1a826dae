//! The engine without threads or sockets: one input at a time, decided, appended, released when durable.
//!
//! In: inputs with the time at which they came. Out: [`Release`]s, in order, each once what justifies it would
//! survive a power cut.
//! Always true: the engine's time never runs backwards, not even over a restart; a refused append leaves no trace
//! but the refusal. The daemon and the simulation ([`crate::rehearse`]) drive this same struct.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use connectors::port::{Answer, Connector, Input as Inputs, LinkChange, Request, Verb, Wire};
use dsl::program::Program;
use dsl::schema::EntityName;
use dsl::value::Timestamp;

use crate::clock::Now;
use crate::decide::model::key::Key;
use crate::decide::model::kind::Kind;
use crate::decide::{
    self, Command, Event, Input, Isolation, Known, Lane, LaneKind, OperatorCommand, Outcome, Pair, Programs, Reached,
    Settings, Skip, Wrote,
};
use crate::gate::{Gate, Poll, Reach, Reaches};
use crate::ids::CallId;
use crate::ledger::{Change, Ledger, Round, Rows, Seq};

/// The connectors by the system's name in the rules.
pub type Connectors = BTreeMap<String, Arc<dyn Connector>>;

/// A request that may leave now.
#[derive(Debug, Clone, PartialEq)]
pub struct OutgoingRequest {
    /// Names it; its answers come back under this name.
    pub call: CallId,
    /// The lane it left.
    pub lane: Lane,
    /// What to send.
    pub request: Request,
    /// A cache may answer it.
    pub cacheable: bool,
}

/// What is carried out once it is justified.
#[derive(Debug, Clone, PartialEq)]
pub enum Release {
    /// Send a request.
    Send(OutgoingRequest),
    /// What a cache holds of a record is stale.
    Invalidate {
        /// The system.
        system: String,
        /// The entity's name in the lock.
        entity: String,
        /// The record.
        id: String,
    },
    /// Something people should see.
    Log(Event),
}

/// Why an input was not taken.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum Error {
    /// The ledger cannot do what it is asked.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Ledger(#[from] crate::ledger::Error),
    /// A decision broke off: a defect of the engine.
    #[error("a decision broke off: {0}")]
    #[diagnostic(code(engine::defect), help("report it with the log; nothing of this input was stored"))]
    Defect(String),
}

impl Error {
    /// The ledger takes nothing for now; the same input may be given again later.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Ledger(crate::ledger::Error::Full { .. }))
    }

    /// Another try with the same input cannot help, and nothing else is wrong with the ledger.
    #[must_use]
    pub fn is_about_input(&self) -> bool {
        matches!(self, Self::Defect(_) | Self::Ledger(crate::ledger::Error::Row { .. }))
    }
}

/// What was done since the start, for status and metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Counts {
    /// Inputs decided.
    pub inputs: u64,
    /// Rounds appended.
    pub rounds: u64,
    /// Requests released.
    pub calls: u64,
    /// Inputs in them.
    pub call_inputs: u64,
}

/// The engine's core.
pub struct Core {
    ledger: Box<dyn Ledger>,
    programs: Programs,
    settings: Settings,
    gate: Gate,
    max_in_flight: BTreeMap<String, usize>,
    connectors: Arc<Connectors>,
    at: Timestamp,
    stored_at: Timestamp,
    last: Seq,
    waiting: VecDeque<(Seq, Release)>,
    timer: Option<Timestamp>,
    counts: Counts,
    reached: BTreeSet<Reached>,
    wrote: Vec<Wrote>,
}

impl std::fmt::Debug for Core {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Core").field("at", &self.at).field("last", &self.last).finish_non_exhaustive()
    }
}

impl Core {
    /// The time of the last decision in the ledger; the earliest of all where there is none.
    ///
    /// # Errors
    /// Where the row cannot be read.
    pub fn last_time(ledger: &dyn Ledger) -> Result<Timestamp, Error> {
        let rows: &dyn Rows = ledger;
        let key = Key::new(Kind::Time).bytes();
        Ok(match rows.get(&key)? {
            Some(bytes) => read::<Timestamp>(&key, &bytes)?,
            None => Timestamp(i64::MIN),
        })
    }

    /// Takes up where the ledger stands: limits as they were spent, queues, calls without an answer (which may or
    /// may not have happened), schedules.
    ///
    /// # Errors
    /// Where rows cannot be read or the ledger takes nothing.
    pub fn start(
        ledger: Box<dyn Ledger>,
        programs: Programs,
        connectors: Connectors,
        settings: Settings,
        now: impl Into<Now>,
    ) -> Result<Self, Error> {
        let now = now.into();
        let connectors = Arc::new(connectors);
        let rows: &dyn Rows = &*ledger;
        let reaches = reaches(&programs.active, &connectors, &BTreeMap::new());
        let mut gate = Gate::new(&programs.active, reaches, settings.linger);
        // A restart must not grant a fresh budget: the other side counts on.
        for system in programs.active.systems.keys() {
            let key = Key::new(Kind::Spent).text(system).bytes();
            if let Some(bytes) = rows.get(&key)? {
                gate.restore(system, &read(&key, &bytes)?, now.pace);
            }
        }
        for queued in decide::queued(rows)? {
            gate.work(queued.lane, queued.deadline, queued.priority);
        }
        let before = Self::last_time(&*ledger)?;
        let unanswered = decide::unanswered(rows)?;
        let timer = decide::next_timer(rows)?;
        let last = ledger.durable();
        let mut core = Self {
            ledger,
            programs,
            settings,
            gate,
            max_in_flight: BTreeMap::new(),
            connectors,
            at: before.max(now.at),
            stored_at: before,
            last,
            waiting: VecDeque::new(),
            timer,
            counts: Counts::default(),
            reached: BTreeSet::new(),
            wrote: Vec::new(),
        };
        // They may or may not have happened; as answers like any other they are looked up before anything is repeated.
        for call in unanswered {
            let cause = "the engine was restarted before an answer came".to_owned();
            let answers = vec![Answer::Unknown { cause }; call.inputs];
            core.input(&Input::Answers { call: call.call, answers }, now)?;
        }
        core.input(&Input::Started, now)?;
        Ok(core)
    }

    /// Decides `input` and appends what follows. What it justifies is released when the sequence that comes back
    /// is durable; so is the receipt of its source.
    ///
    /// # Errors
    /// [`Error`]; nothing has happened then.
    pub fn input(&mut self, input: &Input, now: impl Into<Now>) -> Result<Seq, Error> {
        self.take(input, Round::default(), now.into()).map(|(seq, _)| seq)
    }

    /// Decides an operator's command; the same as an input of it. Gives beside its sequence why it was refused, where
    /// it was: the refusal is a record too, and stands once the sequence is durable.
    ///
    /// # Errors
    /// As [`Core::input`].
    pub fn operate(
        &mut self,
        who: String,
        command: OperatorCommand,
        now: impl Into<Now>,
    ) -> Result<(Seq, Option<String>), Error> {
        self.take(&Input::Operator { who, command }, Round::default(), now.into())
    }

    /// Decides `input` and appends what follows in one round with `beside`, which comes first.
    fn take(&mut self, input: &Input, beside: Round, now: Now) -> Result<(Seq, Option<String>), Error> {
        // The time of decisions never goes back, though the machine's clock may.
        self.at = self.at.max(now.at);
        if let Input::Answers { call, answers } = input {
            self.gate.answered(*call, answers, now.pace);
        }
        let outcome = self.decided(input)?;
        self.counts.inputs += 1;
        self.reached.extend(outcome.reached);
        self.wrote.extend(outcome.wrote);
        let mut round = beside;
        round.changes.extend(outcome.round.changes);
        round.records.extend(outcome.round.records);
        let mut system = match input {
            Input::Open { lane, .. } => Some(lane.system.clone()),
            _ => None,
        };
        let mut sent = Vec::new();
        for command in &outcome.commands {
            if let Command::Call { call, lane, request, .. } = command {
                let calls = self.connectors.get(&lane.system).map_or(1, |connector| connector.calls(request));
                self.gate.sent(*call, lane, calls, request.inputs.len());
                system = Some(lane.system.clone());
                sent.push(*call);
            }
        }
        if let Input::Answers { .. } = input {
            // Whose answer it was is known to the gate only; all systems with limits are few and small.
            for name in self.programs.active.systems.keys() {
                self.keep_spent(name, &mut round);
            }
        } else if let Some(system) = system
            && !sent.is_empty()
        {
            self.keep_spent(&system, &mut round);
        }
        let seq = match self.append(round) {
            Ok(seq) => seq,
            Err(error) => {
                // Nothing was stored, so nothing is sent: what the gate has counted for it is free again.
                for call in sent {
                    self.gate.unspent(call);
                }
                return Err(error);
            }
        };
        for command in outcome.commands {
            let release = match command {
                Command::Work { lane, deadline, priority } => {
                    self.gate.work(lane, deadline, priority);
                    continue;
                }
                Command::Call { call, lane, request, cacheable } => {
                    self.counts.calls += 1;
                    self.counts.call_inputs += request.inputs.len() as u64;
                    Release::Send(OutgoingRequest { call, lane, request, cacheable })
                }
                Command::Invalidate { system, entity, id } => Release::Invalidate { system, entity, id },
                Command::Log(event) => Release::Log(event),
            };
            self.waiting.push_back((seq, release));
        }
        Ok((seq, outcome.refused))
    }

    /// Decides; where a defect is found in no instance, what was due or answered is left undone and shown to people,
    /// because it would end the daemon again and again. Other inputs are refused.
    fn decided(&self, input: &Input) -> Result<Outcome, Error> {
        let decided = match self.guarded(input, Isolation::default()) {
            Err(error) if *input == Input::Due && error.is_about_input() => self.guarded(input, Isolation::one_timer()),
            other => other,
        };
        match (decided, Skip::of(input)) {
            (Err(error), Some(what)) if error.is_about_input() => {
                tracing::error!(?what, %error, "it could not be decided; it is left undone");
                self.guarded(&Input::Skip { what, reason: error.to_string() }, Isolation::default())
            }
            (decided, _) => decided,
        }
    }

    /// A decision that breaks off stops the instance it was about; where it was about none, it is a defect.
    fn guarded(&self, input: &Input, mut guard: Isolation) -> Result<Outcome, Error> {
        loop {
            let decided = catch_unwind(AssertUnwindSafe(|| {
                decide::decide_isolated(&*self.ledger, &self.programs, &self.settings, &guard, input, self.at)
            }));
            let why = match decided {
                Ok(outcome) => return Ok(outcome?),
                Err(panic) => said(&panic),
            };
            let Some(instance) = guard.at() else { return Err(Error::Defect(why)) };
            tracing::error!(?instance, why, "a decision broke off; its instance is stopped");
            if !guard.broke(instance, why.clone()) {
                return Err(Error::Defect(why));
            }
        }
    }

    fn keep_spent(&self, system: &str, round: &mut Round) {
        if let Some(saved) = self.gate.save(system) {
            let bytes = postcard::to_stdvec(&saved).expect("rows hold plain data");
            round.changes.push((Key::new(Kind::Spent).text(system).bytes(), Some(bytes)));
        }
    }

    /// Appends a round as it is; an empty one is not written, and justified by the one before it.
    fn append(&mut self, mut round: Round) -> Result<Seq, Error> {
        if round.changes.is_empty() && round.records.is_empty() {
            return Ok(self.last);
        }
        // Stored with what is decided at it: a restart goes on from there, whatever the machine's clock says.
        if self.at > self.stored_at {
            let bytes = postcard::to_stdvec(&self.at).expect("rows hold plain data");
            round.changes.push((Key::new(Kind::Time).bytes(), Some(bytes)));
        }
        // Nothing but a timer that is set or gone moves the next one.
        let timers = round.changes.iter().any(|(key, _)| key.first() == Some(&(Kind::Timer as u8)));
        self.last = self.ledger.append(round)?;
        self.stored_at = self.at;
        self.counts.rounds += 1;
        if timers {
            self.timer = decide::next_timer(&*self.ledger)?;
        }
        Ok(self.last)
    }

    /// Does one thing that is due: a timer, or a request of a lane that may send. `false` where nothing is.
    ///
    /// # Errors
    /// As [`Core::input`]; what was due stays due.
    pub fn step(&mut self, now: Now) -> Result<bool, Error> {
        self.at = self.at.max(now.at);
        if self.timer.is_some_and(|timer| timer <= self.at) {
            self.input(&Input::Due, now)?;
            return Ok(true);
        }
        match self.gate.poll(Now { at: self.at, pace: now.pace }) {
            Poll::Open { lane, max, priority } => {
                let opened = self.input(&Input::Open { lane: lane.clone(), max }, now);
                if let Err(error) = opened {
                    self.gate.work(lane, self.at, priority);
                    return Err(error);
                }
                Ok(true)
            }
            Poll::Wait { .. } => Ok(false),
        }
    }

    /// Does all that is due; gives the time of what is due next, on either clock.
    ///
    /// # Errors
    /// As [`Core::input`]; what was due stays due.
    pub fn turn(&mut self, now: impl Into<Now>) -> Result<Option<Timestamp>, Error> {
        let now = now.into();
        while self.step(now)? {}
        let (at, pace) = self.next(now);
        Ok(at.into_iter().chain(pace).min())
    }

    /// The answers to a released request came; the same as an input of them.
    ///
    /// # Errors
    /// As [`Core::input`].
    pub fn answered(&mut self, call: CallId, answers: Vec<Answer>, now: impl Into<Now>) -> Result<Seq, Error> {
        self.input(&Input::Answers { call, answers }, now)
    }

    /// How many requests of each system may be under way at once, where it is not the usual number.
    pub fn set_max_in_flight(&mut self, max_in_flight: BTreeMap<String, usize>) {
        self.max_in_flight = max_in_flight;
        self.gate.reach(reaches(&self.programs.active, &self.connectors, &self.max_in_flight));
    }

    /// When to call [`Core::step`] next: on the engine's clock, and on that of paces. Call it when `step` said no.
    pub fn next(&mut self, now: Now) -> (Option<Timestamp>, Option<Timestamp>) {
        match self.gate.poll(Now { at: self.at.max(now.at), pace: now.pace }) {
            // Only the time was asked for: the lane is given back, and opened by the next step.
            Poll::Open { lane, priority, .. } => {
                self.gate.work(lane, self.at, priority);
                (Some(self.at), None)
            }
            Poll::Wait { at, pace } => {
                let at = [at, self.timer].into_iter().flatten().min();
                (at, pace)
            }
        }
    }

    /// Nothing is under way: no delivery waits, no lane has work, no call is without its answer, no timer is due, and
    /// all that was decided is durable and carried out.
    ///
    /// # Errors
    /// Where rows cannot be read.
    pub fn is_idle(&self, now: Now) -> Result<bool, Error> {
        let at = self.at.max(now.at);
        let quiet = self.gate.under_way() == 0
            && self.gate.lanes().next().is_none()
            && self.timer.is_none_or(|timer| timer > at)
            && self.waiting.is_empty()
            && self.ledger.durable() >= self.last;
        Ok(quiet && decide::waiting_deliveries(self.rows())? == 0)
    }

    /// What may be carried out by now, in order.
    pub fn released(&mut self) -> Vec<Release> {
        let durable = self.ledger.durable();
        let ready = self.waiting.iter().take_while(|(seq, _)| *seq <= durable).count();
        self.waiting.drain(..ready).map(|(_, release)| release).collect()
    }

    /// A released call was answered without asking its system: it spends nothing.
    pub fn unspent(&mut self, call: CallId) {
        self.gate.unspent(call);
    }

    /// A system may let in whoever asks now: where it refused, it is asked at once.
    pub fn try_again(&mut self, system: &str) {
        self.gate.try_again(system);
    }

    /// Another rule set decides from now on, with the connectors made for its locks; runs in progress keep theirs.
    /// `kept` holds the rows by which it is found again, and `event` the line of history.
    ///
    /// # Errors
    /// As [`Core::input`]; nothing has happened then, and the old set goes on.
    pub fn activate(
        &mut self,
        programs: Programs,
        connectors: Connectors,
        kept: Vec<Change>,
        event: Event,
        now: Now,
    ) -> Result<Seq, Error> {
        let record = serde_json::to_vec(&event).expect("events hold plain data");
        // One round: a set that is kept is one whose start was decided.
        let kept = Round { changes: kept, records: vec![record] };
        let before = std::mem::replace(&mut self.programs, programs);
        let before_it = self.waiting.len();
        let (seq, _) = match self.take(&Input::Started, kept, now) {
            Ok(taken) => taken,
            Err(error) => {
                self.programs = before;
                return Err(error);
            }
        };
        // History tells of the set before it tells of what its start has caused.
        self.waiting.insert(before_it, (seq, Release::Log(event)));
        self.connectors = Arc::new(connectors);
        self.gate.limit(&self.programs.active);
        self.gate.reach(reaches(&self.programs.active, &self.connectors, &self.max_in_flight));
        Ok(seq)
    }

    /// Takes records as known and pairs as linked, as if both sides had agreed long ago; nothing is decided.
    ///
    /// # Errors
    /// As [`Core::input`].
    pub fn seed(&mut self, known: &[Known], pairs: &[Pair], now: impl Into<Now>) -> Result<Seq, Error> {
        self.at = self.at.max(now.into().at);
        let outcome = decide::seed(&*self.ledger, &self.programs, &self.settings, known, pairs, self.at)?;
        self.append(outcome.round)
    }

    /// The parts of the rules that were reached so far, where [`Settings::trace`] is set.
    #[must_use]
    pub fn reached(&self) -> &BTreeSet<Reached> {
        &self.reached
    }

    /// What systems took so far, in order, where [`Settings::trace`] is set.
    #[must_use]
    pub fn wrote(&self) -> &[Wrote] {
        &self.wrote
    }

    /// Blocks until all that was appended is durable.
    ///
    /// # Errors
    /// Where that can no longer happen.
    pub fn flush(&mut self) -> Result<Seq, Error> {
        Ok(self.ledger.flush()?)
    }

    /// The last sequence that would survive a power cut.
    #[must_use]
    pub fn durable(&self) -> Seq {
        self.ledger.durable()
    }

    /// The last sequence that was appended.
    #[must_use]
    pub fn last(&self) -> Seq {
        self.last
    }

    /// The rows as they are.
    #[must_use]
    pub fn rows(&self) -> &dyn Rows {
        &*self.ledger
    }

    /// The ledger itself, given back; what is not durable is the ledger's business.
    #[must_use]
    pub fn into_ledger(self) -> Box<dyn Ledger> {
        self.ledger
    }

    /// The rule sets in use.
    #[must_use]
    pub fn programs(&self) -> &Programs {
        &self.programs
    }

    /// The connectors in use, by the system's name in the rules.
    #[must_use]
    pub fn connectors(&self) -> &Connectors {
        &self.connectors
    }

    /// The gate, to look at.
    #[must_use]
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// The engine's time.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// What was done so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }
}

fn read<T: serde::de::DeserializeOwned>(key: &[u8], bytes: &[u8]) -> Result<T, crate::ledger::Error> {
    postcard::from_bytes(bytes).map_err(|error| crate::ledger::Error::Row {
        key: String::from_utf8_lossy(key).into_owned(),
        reason: error.to_string(),
    })
}

fn said(panic: &Box<dyn std::any::Any + Send>) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "it gave no reason".to_owned())
}

/// How many requests of a system may be under way at once where nothing is said.
fn default_max_in_flight(program: &Program, system: &str) -> usize {
    // A system that counts calls gains nothing from many at once; one that does not is bounded by itself.
    if program.systems.get(system).is_some_and(|system| system.limits.contains_key("api")) { 4 } else { 32 }
}

/// The reach of every lane, by asking its connector about the largest request the lane could send.
fn reaches(program: &Arc<Program>, connectors: &Arc<Connectors>, max_in_flight: &BTreeMap<String, usize>) -> Reaches {
    let program = Arc::clone(program);
    let connectors = Arc::clone(connectors);
    let max_in_flight = max_in_flight.clone();
    Arc::new(move |lane| {
        let max_in_flight = max_in_flight
            .get(&lane.system)
            .copied()
            .unwrap_or_else(|| default_max_in_flight(&program, &lane.system))
            .max(1);
        let Some(connector) = connectors.get(&lane.system) else { return Reach { batch: 1, calls: 1, max_in_flight } };
        let request = largest(&program, lane);
        Reach { batch: connector.max_batch(&request.verb).max(1), calls: connector.calls(&request), max_in_flight }
    })
}

/// A request with everything that a lane's requests can carry, for counting calls.
fn largest(program: &Program, lane: &Lane) -> Request {
    let used = |entity: &str| {
        let used = program.used.get(&EntityName::new(&lane.system, entity)).cloned().unwrap_or_default();
        (used.fields.into_iter().collect::<Vec<_>>(), used.links.into_iter().collect::<Vec<_>>())
    };
    let mut input = Inputs { key: "k".to_owned(), id: Some("1".to_owned()), ..Inputs::default() };
    let verb = match &lane.kind {
        LaneKind::Read { entity, by } => {
            let (fields, links) = used(entity);
            Verb::Read { entity: entity.clone(), by: by.clone(), fields, links }
        }
        LaneKind::List { entity } => {
            let (fields, links) = used(entity);
            Verb::List { entity: entity.clone(), fields, links, since: None }
        }
        LaneKind::Identify => Verb::Identify,
        LaneKind::Archived { entity } => Verb::Archived { entity: entity.clone() },
        LaneKind::Create { entity } | LaneKind::Update { entity } => {
            let (fields, links) = used(entity);
            input.values = fields.into_iter().map(|field| (field, Wire::Null)).collect();
            let change = LinkChange { remove: Some("1".to_owned()), add: Some("2".to_owned()) };
            input.links = links.into_iter().map(|link| (link, change.clone())).collect();
            if matches!(lane.kind, LaneKind::Create { .. }) {
                Verb::Create { entity: entity.clone() }
            } else {
                Verb::Update { entity: entity.clone() }
            }
        }
        LaneKind::Delete { entity } => Verb::Delete { entity: entity.clone() },
        LaneKind::Operation { name } => Verb::Operation { name: name.clone() },
    };
    Request { verb, inputs: vec![input] }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::ledger::Memory;
    use crate::rules::stored;

    /// A memory ledger that the test can fill up while the core owns it.
    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Memory>>);

    impl Shared {
        fn now(&self) -> std::sync::MutexGuard<'_, Memory> {
            self.0.lock().expect("no test panicked")
        }
    }

    impl Rows for Shared {
        fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, crate::ledger::Error> {
            self.now().get(key)
        }

        fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<(Vec<u8>, Vec<u8>)>, crate::ledger::Error> {
            self.now().scan(from, to, limit)
        }
    }

    /// Room for one more round, then none.
    impl Ledger for Shared {
        fn append(&mut self, round: Round) -> Result<Seq, crate::ledger::Error> {
            let seq = self.now().append(round)?;
            self.now().set_full(Some("no room"));
            Ok(seq)
        }

        fn durable(&self) -> Seq {
            self.now().durable()
        }

        fn flush(&mut self) -> Result<Seq, crate::ledger::Error> {
            self.now().flush()
        }
    }

    /// The shipped rules without one of their files.
    fn set(without: &str) -> stored::Set {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let shipped = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../rules");
        let texts = crate::rules::read(&shipped).expect("the shipped rules are there");
        for (path, text) in texts.files.iter().filter(|(path, _)| path != without) {
            std::fs::write(folder.path().join(path), text).expect("a file can be written");
        }
        for (path, text) in &texts.locks {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder can be made");
            std::fs::write(path, text).expect("a file can be written");
        }
        stored::load(&crate::rules::Rules::folder(folder.path())).expect("the rules hold")
    }

    #[test]
    fn a_rule_set_is_activated_in_one_round_or_not_at_all() {
        // The new set has a schedule more: its start writes rows too.
        let (old, new) = (set("activities.rules"), set(""));
        let ledger = Shared::default();
        let now = |at: i64| Now { at: Timestamp(at), pace: Timestamp(at) };
        let programs = |set: &stored::Set| Programs::new(Arc::clone(&set.program));
        let mut core =
            Core::start(Box::new(ledger.clone()), programs(&old), Connectors::new(), Settings::default(), now(1_000))
                .expect("it starts");
        let activate = |core: &mut Core, at: i64| {
            let kept = stored::keep(&new, core.rows()).expect("readable");
            let event = stored::activated(&new, Timestamp(at));
            core.activate(programs(&new), Connectors::new(), kept, event, now(at))
        };

        // Full already: nothing of the new set is anywhere.
        ledger.now().set_full(Some("no room"));
        let rows: Vec<_> = ledger.now().iter().map(|(k, v)| (k.to_vec(), v.to_vec())).collect();
        assert!(activate(&mut core, 2_000).expect_err("there is no room").is_full());
        assert_eq!(core.programs().active.hash, old.program.hash);
        assert_eq!(rows, ledger.now().iter().map(|(k, v)| (k.to_vec(), v.to_vec())).collect::<Vec<_>>());

        // Room for exactly one round, which is all that it takes.
        ledger.now().set_full(None);
        let seq = activate(&mut core, 3_000_000).expect("one round has room");
        assert_eq!(core.programs().active.hash, new.program.hash);
        assert_eq!(stored::active_hash(&ledger).expect("readable"), Some(new.program.hash.clone()));
        assert_eq!(seq, core.last());
    }
}

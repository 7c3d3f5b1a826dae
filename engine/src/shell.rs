//! Connects the rooms: what comes in to decisions, decisions to the ledger, durable rounds to what they justify
//! (a transactional outbox: what is to be sent is stored with the reason for it, and sent after that).
//!
//! [`Core`] is the loop's body without a loop; [`Loop`] drives it on a thread of its own. Everything that can wake
//! it is one closed enum ([`Wake`]); it never waits for a call, a socket or the disk, only for the next of these.
//! Always true: a receipt is answered, and a request leaves, only when the round that justifies it is durable;
//! while one round is being made durable the next are decided already.

mod calls;
pub mod core;
mod handle;
mod history;
mod reads;
mod source;
#[cfg(test)]
mod tests;
mod wake;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use connectors::port::Delivery;
use connectors::webhook::door::Verdict;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

pub use self::calls::Caller;
pub use self::core::{Connectors, Core, Counts, Error, OutgoingRequest, Release};
pub use self::handle::{Handle, handle};
pub use self::history::{History, LINES as HISTORY_LINES};
pub use self::reads::Reads;
pub use self::source::{SourceState, UnknownState};
pub use self::wake::{Activation, Gone, Inspect, NotDone, Snapshot, SourceNews, Wake};
use crate::clock::Clock;
use crate::decide::{self, Input, OperatorCommand, Source};
use crate::ledger::Seq;
use crate::rules::stored;
use crate::telemetry;

/// Inputs that are taken before timers and lanes are looked at again.
const BURST: usize = 256;
/// Things that are due done before inputs are looked at again, where none waits.
const TURN: usize = 64;
/// Inputs for each thing that is due, where many wait: whoever stands at a door waits seconds, work may wait hours.
const INPUTS_EACH: usize = 8;
/// How long the ledger is left alone when it takes nothing.
const FULL_PAUSE: Duration = Duration::from_secs(1);
/// How long a webhook's sender is asked to wait then, in seconds.
const RETRY_AFTER: u64 = 5;

/// Tells Kafka what was read, for lag monitoring.
pub type Commit = Box<dyn FnMut(BTreeMap<(String, i32), i64>) + Send>;

/// Tells somebody who waits that it was done, or why not.
type Reply = oneshot::Sender<Result<(), NotDone>>;

/// What a receipt is for, until its round is durable.
enum Receipt {
    Webhook(oneshot::Sender<Verdict>),
    /// Why it was refused, where it was.
    Operator(Reply, Option<String>),
    Activated(Reply),
    Position(Position),
}

/// Where a Kafka partition is read on once its record is durable.
struct Position {
    topic: String,
    partition: i32,
    next: i64,
    /// Held until then: bounds what is read ahead.
    _room: OwnedSemaphorePermit,
}

/// An input that nobody brings again. Where the ledger has no room it waits for it, in its order.
struct Owed {
    input: Input,
    /// What came, as it came, to be kept for people where a decision on it breaks off.
    payload: Bytes,
    position: Option<Position>,
}

/// What the loop goes on with.
enum Next {
    /// Something came.
    Wake(Box<Wake>),
    /// Something may be due.
    Due,
    /// Nobody can wake it any more.
    Gone,
}

/// The loop.
pub struct Loop {
    core: Core,
    wakes: Receiver<Wake>,
    clock: Arc<dyn Clock>,
    caller: Caller,
    commit: Option<Commit>,
    history: History,
    /// Most deliveries that may wait for their pace.
    inbox: u64,
    receipts: VecDeque<(Seq, Receipt)>,
    /// What the ledger did not take, in order.
    refused: VecDeque<Owed>,
    full_until: Option<Instant>,
    /// Stop when nothing is under way, or at this time.
    stopping: Option<Instant>,
    sources: BTreeMap<String, SourceState>,
    /// Who waits until nothing is under way.
    idle: Vec<oneshot::Sender<()>>,
}

impl Loop {
    /// A loop around `core`, woken through the handle that `wakes` belongs to.
    #[must_use]
    pub fn new(core: Core, wakes: Receiver<Wake>, clock: Arc<dyn Clock>, caller: Caller, inbox: u64) -> Self {
        Self {
            core,
            wakes,
            clock,
            caller,
            commit: None,
            history: History::default(),
            inbox,
            receipts: VecDeque::new(),
            refused: VecDeque::new(),
            full_until: None,
            stopping: None,
            sources: BTreeMap::new(),
            idle: Vec::new(),
        }
    }

    /// Keeps the last lines of history in `history`.
    pub fn record_in(&mut self, history: History) {
        self.history = history;
    }

    /// Tells durable offsets to `commit`.
    pub fn commit_to(&mut self, commit: Commit) {
        self.commit = Some(commit);
    }

    /// Runs until it is stopped; gives the core back, everything durable.
    ///
    /// # Errors
    /// What the engine cannot go on with. Nothing that was acknowledged is lost.
    pub fn run(mut self) -> Result<Core, Error> {
        loop {
            self.release();
            // Behind it: what became durable last may be all that was waited for, and then nothing else wakes the loop.
            if self.is_done() {
                break;
            }
            self.answer_idle()?;
            let mut taken = 0;
            match self.wait() {
                Next::Wake(wake) => {
                    self.take(*wake)?;
                    taken += 1;
                    while taken < BURST
                        && let Ok(wake) = self.wakes.try_recv()
                    {
                        self.take(wake)?;
                        taken += 1;
                    }
                }
                Next::Due => {}
                Next::Gone => break,
            }
            self.retry_refused()?;
            self.due(turn(taken))?;
        }
        self.core.flush()?;
        self.release();
        Ok(self.core)
    }

    /// Tells those who wait for it that nothing is under way.
    fn answer_idle(&mut self) -> Result<(), Error> {
        let waits = !self.idle.is_empty() && self.receipts.is_empty() && self.refused.is_empty();
        if waits && self.core.is_idle(self.clock.now())? {
            self.idle.drain(..).for_each(|reply| answer(reply, ()));
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.stopping.is_some_and(|end| {
            let quiet = self.core.gate().under_way() == 0 && self.receipts.is_empty() && self.refused.is_empty();
            quiet || Instant::now() >= end
        })
    }

    /// Sleeps until something comes or is due. What comes meanwhile is given or left where it is, never taken and lost.
    fn wait(&mut self) -> Next {
        match self.wakes.try_recv() {
            Ok(wake) => return Next::Wake(Box::new(wake)),
            Err(TryRecvError::Disconnected) => return Next::Gone,
            Err(TryRecvError::Empty) => {}
        }
        let now = self.clock.now();
        let (at, pace) =
            if self.stopping.is_some() || self.full_until.is_some() { (None, None) } else { self.core.next(now) };
        let until = |due: i64, now: i64| Duration::from_millis(u64::try_from(due.saturating_sub(now)).unwrap_or(0));
        let at = at.map(|at| {
            let span = until(at.0, now.at.0);
            // A clock that is not the machine's may jump there before.
            self.clock.trust().map_or(span, |trust| span.min(trust))
        });
        let pace = pace.map(|pace| until(pace.0, now.pace.0));
        let from_now = |end: Instant| end.saturating_duration_since(Instant::now());
        let ends = [self.full_until, self.stopping].into_iter().flatten().map(from_now);
        match at.into_iter().chain(pace).chain(ends).min() {
            Some(span) if span.is_zero() => Next::Due,
            Some(span) => match self.wakes.recv_timeout(span) {
                Ok(wake) => Next::Wake(Box::new(wake)),
                Err(RecvTimeoutError::Timeout) => Next::Due,
                Err(RecvTimeoutError::Disconnected) => Next::Gone,
            },
            None => self.wakes.recv().map_or(Next::Gone, |wake| Next::Wake(Box::new(wake))),
        }
    }

    /// Timers and lanes: at most so many.
    fn due(&mut self, most: usize) -> Result<(), Error> {
        if self.stopping.is_some() || self.full_until.is_some() {
            return Ok(());
        }
        for _ in 0..most {
            match self.core.step(self.clock.now()) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) if error.is_full() => {
                    self.full(&error);
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn full(&mut self, error: &Error) {
        if self.full_until.is_none() {
            tracing::error!(%error, "nothing can be stored; deliveries are refused until there is room");
            telemetry::ledger_full(true);
        }
        self.full_until = Some(Instant::now() + FULL_PAUSE);
    }

    fn retry_refused(&mut self) -> Result<(), Error> {
        if self.full_until.is_none_or(|until| until > Instant::now()) {
            return Ok(());
        }
        self.full_until = None;
        while let Some(owed) = self.refused.pop_front() {
            self.settle(owed)?;
            if self.full_until.is_some() {
                return Ok(());
            }
        }
        // Nothing waited: the next append shows whether there is room, and says so again where there is none.
        telemetry::ledger_full(false);
        Ok(())
    }

    /// Takes what woke the loop; while the ledger is full, only what needs no room.
    fn take(&mut self, wake: Wake) -> Result<(), Error> {
        const LATER: &str = "nothing can be stored for now; try again later";
        let full = self.full_until.is_some();
        match wake {
            Wake::Record { .. }
            | Wake::Tombstone { .. }
            | Wake::OffsetGone { .. }
            | Wake::Cluster { .. }
            | Wake::Answers { .. } => {
                let Some(owed) = self.owed(wake) else { return Ok(()) };
                if !full {
                    return self.settle(owed);
                }
                self.refused.push_back(owed);
            }
            Wake::Delivery { receipt, .. } if full => answer(receipt, Verdict::Unwritable(RETRY_AFTER)),
            Wake::Operator { reply, .. } if full => answer(reply, Err(NotDone::Unstored(LATER.to_owned()))),
            Wake::Activate(activation) if full => answer(activation.reply, Err(NotDone::Unstored(LATER.to_owned()))),
            Wake::Delivery { system, delivery, payload, receipt } => {
                self.delivery(system, delivery, &payload, receipt)?;
            }
            Wake::Operator { who, command, reply } => self.operate(who, command, reply)?,
            Wake::Activate(activation) => self.activate(activation)?,
            Wake::Durable => {}
            // Something is not durable and never will be, which this says.
            Wake::StorageFailed => drop(self.core.flush()?),
            Wake::Idle(reply) => self.idle.push(reply),
            Wake::Inspect(inspect) => {
                let (now, wall) = (self.clock.now(), self.clock.wall());
                inspect(&Snapshot { core: &self.core, now, wall, sources: &self.sources, full });
            }
            Wake::Source(news) => drop(self.sources.insert(news.name, news.state)),
            Wake::Token { system } => self.core.try_again(&system),
            Wake::SourcesGone => self.sources.clear(),
            Wake::Stop { grace } => {
                tracing::info!(under_way = self.core.gate().under_way(), "stopping");
                self.stopping = Some(Instant::now() + grace);
            }
        }
        Ok(())
    }

    /// The input of what nobody brings again; `None` for all else.
    fn owed(&mut self, wake: Wake) -> Option<Owed> {
        let (input, payload, position) = match wake {
            Wake::Record { system, read, payload, key, topic, partition, offset, room } => {
                let source = of_kafka(&topic, partition, offset, key.as_ref());
                let input = match read {
                    Ok(delivery) => input_of(system, delivery, source),
                    Err(reason) => Input::Unreadable { system, source, reason, payload: payload.to_vec() },
                };
                let position = Position { topic, partition, next: offset.saturating_add(1), _room: room };
                (input, payload, Some(position))
            }
            Wake::Tombstone { system, key, at, topic, partition, offset, room } => {
                let source = of_kafka(&topic, partition, offset, key.as_ref());
                let key = key.unwrap_or_default();
                let position = Position { topic, partition, next: offset.saturating_add(1), _room: room };
                (Input::Tombstone { system, source, key: key.to_vec(), at }, key, Some(position))
            }
            Wake::OffsetGone { topic, partition, next, reason } => {
                tracing::error!(topic, partition, next, reason, "records were lost before they were read");
                (Input::Offset { topic, partition, next, reason }, Bytes::new(), None)
            }
            Wake::Cluster { id } => (Input::Cluster { id }, Bytes::new(), None),
            Wake::Answers { call, answers, asked } => {
                if !asked {
                    self.core.unspent(call);
                }
                (Input::Answers { call, answers }, Bytes::new(), None)
            }
            _ => return None,
        };
        Some(Owed { input, payload, position })
    }

    /// Decides what nobody brings again; without room in the ledger it is the next to be tried.
    fn settle(&mut self, owed: Owed) -> Result<(), Error> {
        match self.input(&owed.input, &owed.payload) {
            Ok(seq) => self.receipts.extend(owed.position.map(|position| (seq, Receipt::Position(position)))),
            Err(error) if error.is_full() => {
                self.full(&error);
                self.refused.push_front(owed);
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Why somebody who waits for an answer is refused; an error that is about more than what was asked ends the loop.
    fn refusal(&mut self, error: Error) -> Result<String, Error> {
        if error.is_full() {
            self.full(&error);
        } else if !error.is_about_input() {
            return Err(error);
        }
        Ok(error.to_string())
    }

    fn operate(&mut self, who: String, command: OperatorCommand, reply: Reply) -> Result<(), Error> {
        tracing::info!(who, ?command, "operator");
        match self.core.operate(who, command, self.clock.now()) {
            Ok((seq, refused)) => self.receipts.push_back((seq, Receipt::Operator(reply, refused))),
            Err(error) => answer(reply, Err(NotDone::Unstored(self.refusal(error)?))),
        }
        Ok(())
    }

    /// Decides an input; a delivery on which a decision breaks off is kept for people, and its source goes on.
    fn input(&mut self, input: &Input, payload: &[u8]) -> Result<Seq, Error> {
        match (self.core.input(input, self.clock.now()), input) {
            (
                Err(error),
                Input::Delivery { system, source, .. }
                | Input::Unreadable { system, source, .. }
                | Input::Tombstone { system, source, .. },
            ) if error.is_about_input() => {
                tracing::error!(%error, "a delivery could not be decided; it is kept for people");
                let (system, source, reason) = (system.clone(), source.clone(), error.to_string());
                let kept = Input::Unreadable { system, source, reason, payload: payload.to_vec() };
                self.core.input(&kept, self.clock.now())
            }
            (taken, _) => taken,
        }
    }

    fn delivery(
        &mut self,
        system: String,
        delivery: Delivery,
        payload: &[u8],
        receipt: oneshot::Sender<Verdict>,
    ) -> Result<(), Error> {
        if self.stopping.is_some() {
            answer(receipt, Verdict::Unwritable(RETRY_AFTER));
            return Ok(());
        }
        if decide::waiting_deliveries(self.core.rows())? >= self.inbox {
            telemetry::refused(&system, "inbox");
            answer(receipt, Verdict::Full(RETRY_AFTER));
            return Ok(());
        }
        match self.input(&input_of(system, delivery, Source::Webhook), payload) {
            Ok(seq) => self.receipts.push_back((seq, Receipt::Webhook(receipt))),
            Err(error) if error.is_full() => {
                self.full(&error);
                answer(receipt, Verdict::Unwritable(RETRY_AFTER));
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn activate(&mut self, activation: Activation) -> Result<(), Error> {
        let Activation { set, connectors, reply } = activation;
        match self.activated(&set, connectors.clone()) {
            Ok(seq) => {
                self.caller.connect(connectors, &set.program);
                self.receipts.push_back((seq, Receipt::Activated(reply)));
            }
            Err(error) => answer(reply, Err(NotDone::Unstored(self.refusal(error)?))),
        }
        Ok(())
    }

    /// All or nothing.
    fn activated(&mut self, set: &stored::Set, connectors: Connectors) -> Result<Seq, Error> {
        let now = self.clock.now();
        let kept = stored::keep(set, self.core.rows())?;
        let (programs, lost) = stored::with_older(Arc::clone(&set.program), self.core.rows())?;
        let event = stored::activated(set, now.at);
        let seq = self.core.activate(programs, connectors, kept, event, now)?;
        for hash in lost {
            tracing::error!(hash, "rules that runs in progress need cannot be had; those runs will stop");
        }
        Ok(seq)
    }

    /// Everything that durable rounds justify, in order.
    fn release(&mut self) {
        for release in self.core.released() {
            match release {
                Release::Send(outgoing) => self.caller.send(outgoing),
                Release::Invalidate { system, entity, id } => self.caller.invalidate(&system, &entity, &id),
                Release::Log(event) => {
                    telemetry::event(&event);
                    self.history.push(event);
                }
            }
        }
        let durable = self.core.durable();
        let mut commits = BTreeMap::new();
        while self.receipts.front().is_some_and(|(seq, _)| *seq <= durable) {
            match self.receipts.pop_front() {
                Some((_, Receipt::Webhook(receipt))) => answer(receipt, Verdict::Durable),
                Some((_, Receipt::Operator(reply, refused))) => {
                    answer(reply, refused.map_or(Ok(()), |why| Err(NotDone::Refused(why))));
                }
                Some((_, Receipt::Activated(reply))) => answer(reply, Ok(())),
                Some((_, Receipt::Position(Position { topic, partition, next, .. }))) => {
                    commits.insert((topic, partition), next);
                }
                None => break,
            }
        }
        if let Some(commit) = &mut self.commit
            && !commits.is_empty()
        {
            commit(commits);
        }
    }
}

/// How many things that are due are done behind so many inputs.
fn turn(inputs: usize) -> usize {
    // One that comes alone does not say that more wait; and a timer is never held up by more than one burst.
    if inputs <= INPUTS_EACH { TURN } else { inputs / INPUTS_EACH }
}

/// Whoever asked may have gone; then nobody needs the answer.
fn answer<T>(receipt: oneshot::Sender<T>, value: T) {
    let _gone = receipt.send(value);
}

/// Where a record stands, its key as text for people.
fn of_kafka(topic: &str, partition: i32, offset: i64, key: Option<&Bytes>) -> Source {
    let key = key.map(|key| String::from_utf8_lossy(key).into_owned());
    Source::Kafka { topic: topic.to_owned(), partition, offset, key }
}

fn input_of(system: String, delivery: Delivery, source: Source) -> Input {
    let Delivery { messages, malformed, .. } = delivery;
    Input::Delivery { system, messages, malformed, source }
}

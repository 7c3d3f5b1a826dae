//! Connects the rooms: what comes in to decisions, decisions to the ledger, durable rounds to what they justify.
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
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use connectors::port::{Answer, Delivery};
use connectors::webhook::door::Verdict;

pub use self::calls::Caller;
pub use self::core::{Connectors, Core, Counts, Departure, Error, Release};
pub use self::handle::{Gone, Handle, handle};
pub use self::history::{History, LINES as HISTORY_LINES};
pub use self::reads::Reads;
pub use self::source::{SourceState, UnknownState};
pub use self::wake::{Activation, Inspect, NotDone, Snapshot, SourceNews, Wake};
use crate::clock::Clock;
use crate::decide::{self, Input, Source};
use crate::ids::CallId;
use crate::ledger::Seq;
use crate::rules::stored;
use crate::telemetry;

/// Inputs that are taken before timers and lanes are looked at again.
const BURST: usize = 256;
/// Things that are due done before inputs are looked at again.
const TURN: usize = 64;
/// How long the ledger is left alone when it takes nothing.
const FULL_PAUSE: Duration = Duration::from_secs(1);
/// What a webhook's sender is told to wait then, in seconds.
const RETRY_AFTER: u64 = 5;

/// Tells Kafka what was read, for lag monitoring.
pub type Commit = Box<dyn FnMut(BTreeMap<(String, i32), i64>) + Send>;

/// What a receipt is for, until its round is durable.
enum Receipt {
    Webhook(tokio::sync::oneshot::Sender<Verdict>),
    Operator(tokio::sync::oneshot::Sender<Result<(), NotDone>>, Option<String>),
    Activated(tokio::sync::oneshot::Sender<Result<(), String>>),
    Record { topic: String, partition: i32, next: i64, _room: tokio::sync::OwnedSemaphorePermit },
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
    refused: VecDeque<Wake>,
    full_until: Option<Instant>,
    /// Stop when nothing is under way, or at this time.
    stopping: Option<Instant>,
    sources: BTreeMap<String, SourceState>,
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
        }
    }

    /// Keeps the last lines of history in `history`.
    pub fn tell(&mut self, history: History) {
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
            match self.wait() {
                Some(wake) => {
                    self.take(wake)?;
                    for _ in 1..BURST {
                        let Ok(wake) = self.wakes.try_recv() else { break };
                        self.take(wake)?;
                    }
                }
                None if self.gone() => break,
                None => {}
            }
            self.retry_refused()?;
            self.due()?;
            if self.is_done() {
                break;
            }
        }
        self.core.flush()?;
        self.release();
        Ok(self.core)
    }

    fn gone(&self) -> bool {
        matches!(self.wakes.try_recv(), Err(std::sync::mpsc::TryRecvError::Disconnected))
    }

    fn is_done(&self) -> bool {
        self.stopping.is_some_and(|end| {
            let quiet = self.core.gate().under_way() == 0 && self.receipts.is_empty() && self.refused.is_empty();
            quiet || Instant::now() >= end
        })
    }

    /// Sleeps until something comes or is due. `None` where something is due.
    fn wait(&mut self) -> Option<Wake> {
        if let Ok(wake) = self.wakes.try_recv() {
            return Some(wake);
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
            Some(span) if span.is_zero() => None,
            Some(span) => self.wakes.recv_timeout(span).ok(),
            None => self.wakes.recv().ok(),
        }
    }

    /// Timers and lanes.
    fn due(&mut self) -> Result<(), Error> {
        if self.stopping.is_some() || self.full_until.is_some() {
            return Ok(());
        }
        for _ in 0..TURN {
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
        while let Some(wake) = self.refused.pop_front() {
            self.take_now(wake)?;
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
        if self.full_until.is_none() {
            return self.take_now(wake);
        }
        match wake {
            Wake::Delivery { receipt, .. } => answer(receipt, Verdict::Unwritable(RETRY_AFTER)),
            Wake::Operator { reply, .. } => {
                answer(reply, Err(NotDone::Unstored("nothing can be stored for now; try again later".to_owned())));
            }
            Wake::Activate(activation) => {
                answer(activation.reply, Err("nothing can be stored for now; try again later".to_owned()));
            }
            Wake::Record { .. } | Wake::Answers { .. } | Wake::OffsetGone { .. } | Wake::Cluster { .. } => {
                self.refused.push_back(wake);
            }
            other => return self.take_now(other),
        }
        Ok(())
    }

    fn take_now(&mut self, wake: Wake) -> Result<(), Error> {
        match wake {
            Wake::Delivery { system, delivery, payload, receipt } => self.delivery(system, delivery, &payload, receipt),
            Wake::Record { system, read, payload, topic, partition, offset, room } => {
                let source = Source::Kafka { topic: topic.clone(), partition, offset };
                let input = match read.clone() {
                    Ok(delivery) => input_of(system.clone(), delivery, source),
                    Err(reason) => {
                        Input::Unreadable { system: system.clone(), source, reason, payload: payload.to_vec() }
                    }
                };
                match self.input(input, &payload) {
                    Ok(seq) => {
                        let next = offset.saturating_add(1);
                        self.receipts.push_back((seq, Receipt::Record { topic, partition, next, _room: room }));
                        Ok(())
                    }
                    Err(error) if error.is_full() => {
                        self.full(&error);
                        self.refused.push_front(Wake::Record { system, read, payload, topic, partition, offset, room });
                        Ok(())
                    }
                    Err(error) => Err(error),
                }
            }
            Wake::OffsetGone { topic, partition, next, reason } => {
                tracing::error!(topic, partition, next, reason, "records were lost before they were read");
                let input = Input::Offset { topic: topic.clone(), partition, next, reason: reason.clone() };
                match self.core.input(&input, self.clock.now()) {
                    Err(error) if error.is_full() => {
                        self.full(&error);
                        self.refused.push_front(Wake::OffsetGone { topic, partition, next, reason });
                        Ok(())
                    }
                    other => other.map(|_| ()),
                }
            }
            Wake::Cluster { id } => {
                let input = Input::Cluster { id: id.clone() };
                match self.core.input(&input, self.clock.now()) {
                    Err(error) if error.is_full() => {
                        self.full(&error);
                        self.refused.push_front(Wake::Cluster { id });
                        Ok(())
                    }
                    other => other.map(|_| ()),
                }
            }
            Wake::Answers { call, answers, asked } => self.answers(call, answers, asked),
            Wake::Durable => Ok(()),
            Wake::Operator { who, command, reply } => {
                tracing::info!(who, ?command, "operator");
                match self.core.operate(who, command, self.clock.now()) {
                    Ok((seq, refused)) => self.receipts.push_back((seq, Receipt::Operator(reply, refused))),
                    Err(error) => {
                        if error.is_full() {
                            self.full(&error);
                        } else if !error.is_about_input() {
                            return Err(error);
                        }
                        answer(reply, Err(NotDone::Unstored(error.to_string())));
                    }
                }
                Ok(())
            }
            Wake::Inspect(inspect) => {
                inspect(&Snapshot {
                    core: &self.core,
                    now: self.clock.now(),
                    sources: &self.sources,
                    full: self.full_until.is_some(),
                });
                Ok(())
            }
            Wake::Source(news) => {
                self.sources.insert(news.name, news.state);
                Ok(())
            }
            Wake::SourcesGone => {
                self.sources.clear();
                Ok(())
            }
            Wake::Activate(activation) => self.activate(activation),
            Wake::Stop { grace } => {
                tracing::info!(under_way = self.core.gate().under_way(), "stopping");
                self.stopping = Some(Instant::now() + grace);
                Ok(())
            }
        }
    }

    /// Decides a delivery; one on which a decision breaks off is kept for people, and its source goes on.
    fn input(&mut self, input: Input, payload: &[u8]) -> Result<Seq, Error> {
        match self.core.input(&input, self.clock.now()) {
            Err(error) if error.is_about_input() => {
                tracing::error!(%error, "a delivery could not be decided; it is kept for people");
                let (Input::Delivery { system, source, .. } | Input::Unreadable { system, source, .. }) = input else {
                    return Err(error);
                };
                let kept = Input::Unreadable { system, source, reason: error.to_string(), payload: payload.to_vec() };
                self.core.input(&kept, self.clock.now())
            }
            other => other,
        }
    }

    fn delivery(
        &mut self,
        system: String,
        delivery: Delivery,
        payload: &[u8],
        receipt: tokio::sync::oneshot::Sender<Verdict>,
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
        match self.input(input_of(system, delivery, Source::Webhook), payload) {
            Ok(seq) => self.receipts.push_back((seq, Receipt::Webhook(receipt))),
            Err(error) if error.is_full() => {
                self.full(&error);
                answer(receipt, Verdict::Unwritable(RETRY_AFTER));
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn answers(&mut self, call: CallId, answers: Vec<Answer>, asked: bool) -> Result<(), Error> {
        if !asked {
            self.core.unspent(call);
        }
        let input = Input::Answers { call, answers };
        match self.core.input(&input, self.clock.now()) {
            Err(error) if error.is_full() => {
                self.full(&error);
                let Input::Answers { call, answers } = input else { return Ok(()) };
                self.refused.push_front(Wake::Answers { call, answers, asked });
                Ok(())
            }
            other => other.map(|_| ()),
        }
    }

    fn activate(&mut self, activation: Activation) -> Result<(), Error> {
        let Activation { set, connectors, reply } = activation;
        match self.activated(&set, connectors.clone()) {
            Ok(seq) => {
                self.caller.connect(connectors, &set.program);
                self.receipts.push_back((seq, Receipt::Activated(reply)));
            }
            Err(error) => {
                if error.is_full() {
                    self.full(&error);
                } else if !error.is_about_input() {
                    return Err(error);
                }
                answer(reply, Err(error.to_string()));
            }
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
                Release::Send(departure) => self.caller.send(departure),
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
                Some((_, Receipt::Record { topic, partition, next, .. })) => {
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

/// Whoever asked may have gone; then nobody needs the answer.
fn answer<T>(receipt: tokio::sync::oneshot::Sender<T>, value: T) {
    let _gone = receipt.send(value);
}

fn input_of(system: String, delivery: Delivery, source: Source) -> Input {
    let Delivery { messages, spoilt } = delivery;
    Input::Delivery { system, messages, spoilt, source }
}

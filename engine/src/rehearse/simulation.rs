//! The real decisions over a memory ledger and twins, on a clock that somebody else owns.
//!
//! Always true: nothing waits and nothing sleeps; the same calls lead to the same state. How long requests, answers
//! and messages take, and what becomes of them, is said by [`Conditions`]; without any, all of it happens at once.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context as TaskContext, Poll, Waker};

use connectors::port::{Answer, Connector, Delivery, Request, Verb, Wire};
use dsl::program::{Place, Program};
use dsl::schema::Lock;
use dsl::value::{Duration, Timestamp};
use sandbox::app::{App, Outgoing};
use sandbox::hubspot::{Delivery as Parcel, HubSpot};
use sandbox::mail::Mail;

use super::network::{AtOnce, Conditions, DELIVERY_PATIENCE, Line, Network, Said, Weather};
use super::shared::Shared;
use super::twins::{Twin, hold};
use crate::decide::{Action, Event, Input, Programs, Reached, Settings, Source, Wrote, next_timer, views};
use crate::ids::CallId;
use crate::ledger::{Ledger, Rows};
use crate::shell::{Core, Error, OutgoingRequest, Release};

/// Answers a request to a system, by its name, in place of its twin; `None` lets the twin answer.
pub type Instead = Box<dyn FnMut(&str, &Request) -> Option<Vec<Answer>>>;

/// The twins and the engine between them.
pub struct Simulation {
    /// HubSpot.
    pub crm: Arc<Mutex<HubSpot>>,
    /// The app.
    pub app: Arc<Mutex<App>>,
    /// E-mails, surveys and notices.
    pub mail: Arc<Mutex<Mail>>,
    /// What was logged, in order.
    pub log: Vec<Event>,
    /// Operations that were carried out, each once whatever was repeated, in order.
    pub calls: Vec<Called>,
    pub(super) twins: BTreeMap<String, Twin>,
    settings: Settings,
    core: Core,
    ledger: Shared,
    connectors: BTreeMap<String, Arc<dyn Connector>>,
    programs: Programs,
    clock: Arc<AtomicI64>,
    offsets: BTreeMap<(String, String), i64>,
    /// Steps that fail, by workflow and step.
    step_faults: BTreeMap<(usize, usize), StepFault>,
    /// Who answers before the twins are asked.
    instead: Option<Instead>,
    weather: Weather,
    network: Arc<Mutex<Network>>,
    /// Requests whose answers have not come.
    flights: Vec<Flight>,
    /// Messages on their way, by the time at which they arrive.
    posts: BTreeMap<(Timestamp, u64), Post>,
    posted: u64,
    /// Systems whose messages are on their way and do not arrive.
    held_back: BTreeSet<String>,
    /// Systems whose answers are on their way and do not arrive, and those answers.
    silent: BTreeSet<String>,
    late: Vec<(CallId, Vec<Answer>)>,
    /// Crash before this many rounds have been made durable, then start again.
    crash_at: Option<u64>,
    rounds: u64,
    crashes: u64,
}

/// An operation that a system carried out.
#[derive(Debug, Clone, PartialEq)]
pub struct Called {
    /// The system.
    pub system: String,
    /// The operation's name in the lock.
    pub operation: String,
    /// Its parameters, as the system was given them.
    pub values: BTreeMap<String, Wire>,
    /// When.
    pub at: Timestamp,
    /// The line of the rules that it was sent for.
    pub place: Option<Place>,
    /// The idempotency key; a call without effect of its own repeats one.
    key: String,
}

/// A request that was sent.
struct Flight {
    call: CallId,
    system: String,
    request: Request,
    /// Inputs that a failing step sent; they never reach the system.
    fails: Vec<bool>,
    /// The lines of the rules behind the inputs of an operation.
    places: Vec<Option<Place>>,
    answers: Pin<Box<dyn Future<Output = Vec<Answer>> + Send>>,
}

/// A message on its way.
enum Post {
    /// Webhook events; how long the answer takes to their sender.
    Delivery { system: String, delivery: Parcel, answered: Option<Duration> },
    /// What became of a delivery, on its way back.
    Receipt { system: String, id: u64, status: Option<u16> },
    /// A record for Kafka, which gets its place in the topic when it arrives.
    Record { system: String, record: Outgoing },
}

/// How long a step fails.
#[derive(Debug, Clone, Copy)]
pub(super) enum StepFault {
    Times(u64),
    Until(Timestamp),
}

impl Simulation {
    /// A simulation with empty twins at `start`.
    ///
    /// # Errors
    /// Where the engine cannot start.
    pub fn new(program: Arc<Program>, start: Timestamp) -> Result<Self, Error> {
        Self::with(program, start, Settings::default())
    }

    /// A simulation with empty twins at `start` and other settings than the usual ones.
    ///
    /// # Errors
    /// Where the engine cannot start.
    pub fn with(program: Arc<Program>, start: Timestamp, settings: Settings) -> Result<Self, Error> {
        let clock = Arc::new(AtomicI64::new(start.0));
        let weather = Weather::new(Box::new(AtOnce));
        let network = Arc::new(Mutex::new(Network::new(Arc::clone(&clock), weather.clone())));
        let mut twins = BTreeMap::new();
        let mut connectors: BTreeMap<String, Arc<dyn Connector>> = BTreeMap::new();
        for (name, system) in &program.systems {
            let (twin, connector) = Twin::of(&system.lock, Arc::new(Line::new(name, &network)));
            hold(&network).connect(name, twin.model());
            if let Twin::HubSpot(twin) = &twin {
                let (name, weather) = (name.clone(), weather.clone());
                hold(twin).post(Box::new(move |event, now| weather.ask().message(&name, Said::Event(event), now)));
            }
            twins.insert(name.clone(), twin);
            connectors.insert(name.clone(), connector);
        }
        // Where the rules name no such system, an empty one stands aside.
        let aside = |connector: &str| Twin::of(&Lock::empty("none", connector), Arc::new(Line::new("", &network))).0;
        let all = || twins.values().cloned();
        let crm = all().chain([aside("hubspot")]).find_map(|twin| match twin {
            Twin::HubSpot(twin) => Some(twin),
            _ => None,
        });
        let mail = all().chain([aside("http")]).find_map(|twin| match twin {
            Twin::Mail(twin) => Some(twin),
            _ => None,
        });
        let app = all().find_map(|twin| match twin {
            Twin::App(twin) => Some(twin),
            _ => None,
        });
        let programs = Programs::new(program);
        let ledger = Shared::default();
        let core = Core::start(Box::new(ledger.clone()), programs.clone(), connectors.clone(), settings, start)?;
        Ok(Self {
            crm: crm.expect("one stands aside"),
            app: app.unwrap_or_else(|| Arc::new(Mutex::new(App::new(Default::default(), Lock::empty("none", "rest"))))),
            mail: mail.expect("one stands aside"),
            log: Vec::new(),
            calls: Vec::new(),
            twins,
            settings,
            core,
            ledger,
            connectors,
            programs,
            clock,
            offsets: BTreeMap::new(),
            step_faults: BTreeMap::new(),
            instead: None,
            weather,
            network,
            flights: Vec::new(),
            posts: BTreeMap::new(),
            posted: 0,
            held_back: BTreeSet::new(),
            silent: BTreeSet::new(),
            late: Vec::new(),
            crash_at: None,
            rounds: 0,
            crashes: 0,
        })
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp(self.clock.load(Ordering::Relaxed))
    }

    /// The time as a system's clock has it: what a person does there happens then.
    #[must_use]
    pub fn time_of(&self, system: &str) -> Timestamp {
        self.now().plus(self.weather.ask().ahead(system))
    }

    /// From now on things take as long as `conditions` say, and become what they say. What is on its way already stays
    /// as it is.
    pub fn set_conditions(&mut self, conditions: impl Conditions + 'static) {
        *self.weather.ask() = Box::new(conditions);
    }

    /// Requests that left and have not been answered, and messages on their way.
    #[must_use]
    pub fn on_the_way(&self) -> usize {
        hold(&self.network).under_way() + self.posts.len()
    }

    /// The rows, for views.
    #[must_use]
    pub fn rows(&self) -> &dyn Rows {
        &self.ledger
    }

    /// The programs, for views.
    #[must_use]
    pub fn programs(&self) -> &Programs {
        &self.programs
    }

    /// The parts of the rules that were reached, where [`Settings::trace`] is set.
    #[must_use]
    pub fn reached(&self) -> &BTreeSet<Reached> {
        self.core.reached()
    }

    /// What systems took, in order, where [`Settings::trace`] is set.
    #[must_use]
    pub fn wrote(&self) -> &[Wrote] {
        self.core.wrote()
    }

    pub(super) fn core(&mut self) -> &mut Core {
        &mut self.core
    }

    /// The connector of a system.
    pub(crate) fn connector(&self, system: &str) -> Option<Arc<dyn Connector>> {
        self.connectors.get(system).cloned()
    }

    /// The ledger, for tests that lay rows where an older engine left them.
    #[cfg(test)]
    pub(crate) fn ledger(&self) -> Shared {
        self.ledger.clone()
    }

    /// Moves the clock on without anything happening; never back.
    pub(crate) fn set_clock(&mut self, at: Timestamp) {
        self.clock.fetch_max(at.0, Ordering::Relaxed);
    }

    pub(super) fn fail_step(&mut self, workflow: usize, step: usize, fault: StepFault) {
        self.step_faults.insert((workflow, step), fault);
    }

    /// From now on messages of `system` are on their way and do not arrive, or all that wait arrive.
    pub fn hold_back(&mut self, system: &str, held: bool) {
        if held {
            self.held_back.insert(system.to_owned());
        } else {
            self.held_back.remove(system);
        }
    }

    /// From now on `system` does what it is asked and its answers are on their way and do not arrive, or all that wait
    /// arrive.
    ///
    /// # Errors
    /// Where the engine fails.
    pub fn hold_answers(&mut self, system: &str, held: bool) -> Result<(), Error> {
        if held {
            self.silent.insert(system.to_owned());
            return Ok(());
        }
        self.silent.remove(system);
        let now = self.now();
        for (call, answers) in std::mem::take(&mut self.late) {
            self.core.answered(call, answers, now)?;
        }
        Ok(())
    }

    /// From now on requests meet `instead` before the twins, for faults that a twin does not have; `None` ends it.
    pub fn answer_instead(&mut self, instead: Option<Instead>) {
        self.instead = instead;
    }

    /// Takes an input and makes it durable.
    ///
    /// # Errors
    /// Where the engine fails.
    pub fn input(&mut self, input: &Input) -> Result<(), Error> {
        let now = self.now();
        self.core.input(input, now)?;
        self.flush()?;
        Ok(())
    }

    /// Lets everything happen that needs no time: what is due now, what the systems say to it, and so on. Where a
    /// request only waits for its turn, the clock moves to it, by at most `limit` in all; a timer of the rules is
    /// never waited for.
    ///
    /// # Errors
    /// Where the engine fails.
    pub fn come_to_rest(&mut self, limit: Duration) -> Result<(), Error> {
        let end = self.now().plus(limit);
        loop {
            self.settle()?;
            let next = self.next_due()?;
            let timer = next_timer(&self.ledger)?;
            match next {
                Some(at) if at <= end && timer != Some(at) => {
                    let to = if at <= self.now() { self.now().plus(Duration(1)) } else { at };
                    self.set_clock(to);
                }
                _ => return Ok(()),
            }
        }
    }

    /// Crashes before the `n`th round from now becomes durable, once.
    pub fn crash_before_round(&mut self, n: u64) {
        self.crash_at = Some(self.rounds + n);
    }

    /// Rounds that became durable, and crashes.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        (self.rounds, self.crashes)
    }

    /// Lets everything happen that is due within `span`, moving the clock from one due time to the next.
    ///
    /// # Errors
    /// Where the engine fails.
    pub fn pass(&mut self, span: Duration) -> Result<(), Error> {
        let end = self.now().plus(span);
        loop {
            self.settle()?;
            let next = self.next_due()?;
            match next {
                Some(at) if at <= end => {
                    self.clock.fetch_max(at.0.max(self.now().0), Ordering::Relaxed);
                    // A due time that lies in the past means that its time is now.
                    if at <= self.now() && self.next_due()? == Some(at) && at < self.now() {
                        self.clock.fetch_add(1, Ordering::Relaxed);
                    }
                }
                _ => {
                    self.clock.fetch_max(end.0, Ordering::Relaxed);
                    return self.settle();
                }
            }
        }
    }

    fn next_due(&mut self) -> Result<Option<Timestamp>, Error> {
        let now = self.now();
        let engine = self.core.turn(now)?;
        let heard = self.twins.iter().filter(|(system, _)| !self.held_back.contains(*system));
        let sending = heard.filter_map(|(system, twin)| match twin {
            Twin::HubSpot(twin) => {
                let ahead = self.weather.ask().ahead(system);
                // It says so by its own clock.
                hold(twin).next_due().map(|at| at.plus(Duration(-ahead.0)))
            }
            _ => None,
        });
        let posts = self.posts.iter().filter(|(_, post)| !self.held_back.contains(post.system()));
        let arriving = posts.map(|((at, _), _)| *at).next();
        let network = hold(&self.network).next_due();
        let others = self.weather.ask().next();
        Ok(engine.into_iter().chain(sending).chain(arriving).chain(network).chain(others).min())
    }

    fn settle(&mut self) -> Result<(), Error> {
        // A bound, so that a defect shows as a failure and not as a hang.
        for _ in 0..20_000 {
            let mut quiet = true;
            quiet &= !self.flush()?;
            let now = self.now();
            self.core.turn(now)?;
            quiet &= !self.flush()?;
            quiet &= !self.answers()?;
            quiet &= !self.deliver()?;
            if quiet {
                return Ok(());
            }
        }
        Err(Error::Defect("the simulation does not come to rest".to_owned()))
    }

    /// Makes rounds durable (or crashes) and carries out what they release. True if anything happened.
    fn flush(&mut self) -> Result<bool, Error> {
        let before = self.ledger.durable();
        let last = {
            let ledger = self.ledger.get();
            ledger.last()
        };
        if last > before {
            self.rounds += 1;
            if self.crash_at.is_some_and(|at| self.rounds >= at) {
                self.crash_at = None;
                self.crash()?;
                return Ok(true);
            }
            self.ledger.get().flush()?;
        }
        let releases = self.core.released();
        let mut happened = last > before;
        for release in releases {
            match release {
                Release::Send(outgoing) => {
                    happened = true;
                    let OutgoingRequest { call, lane, request, .. } = outgoing;
                    if let Some(answers) = self.instead.as_mut().and_then(|instead| instead(&lane.system, &request)) {
                        self.answered(call, &lane.system, answers)?;
                    } else {
                        let flight = self.depart(call, lane.system, request)?;
                        self.follow(flight)?;
                    }
                }
                Release::Log(event) => self.log.push(event),
                // No cache stands in front of the twins.
                Release::Invalidate { .. } => {}
            }
        }
        Ok(happened)
    }

    fn crash(&mut self) -> Result<(), Error> {
        self.crashes += 1;
        self.ledger.get().crash();
        self.restart()
    }

    /// Another rule set decides from now on; runs in progress keep theirs. Its systems are those of the one before.
    ///
    /// # Errors
    /// Where the engine fails; the old set goes on then.
    pub fn activate(&mut self, program: Arc<Program>) -> Result<(), Error> {
        let mut programs = self.programs.clone();
        programs.by_hash.insert(program.hash.clone(), Arc::clone(&program));
        programs.active = program;
        let event = Event::new(self.now(), Action::Rules);
        let now = self.now().into();
        self.core.activate(programs.clone(), self.connectors.clone(), Vec::new(), event, now)?;
        self.programs = programs;
        Ok(())
    }

    /// The engine starts again over the rows as they are, durable or not.
    ///
    /// # Errors
    /// Where it cannot start.
    pub fn restart(&mut self) -> Result<(), Error> {
        let now = self.now();
        // What has left goes on; nobody waits for its answer any more.
        self.flights.clear();
        self.core = Core::start(
            Box::new(self.ledger.clone()),
            self.programs.clone(),
            self.connectors.clone(),
            self.settings,
            now,
        )?;
        Ok(())
    }

    /// A request leaves; an input that a failing step sent never reaches its system.
    fn depart(&mut self, call: CallId, system: String, request: Request) -> Result<Flight, Error> {
        let now = self.now();
        let steps = if self.step_faults.is_empty() { Vec::new() } else { views::steps_of(&self.ledger, call)? };
        let mut fails = Vec::with_capacity(request.inputs.len());
        for index in 0..request.inputs.len() {
            let fault = steps.get(index).copied().flatten().and_then(|step| self.step_faults.get_mut(&step));
            fails.push(match fault {
                Some(StepFault::Times(0)) | None => false,
                Some(StepFault::Times(left)) => {
                    *left -= 1;
                    true
                }
                Some(StepFault::Until(until)) => now < *until,
            });
        }
        let operation = matches!(request.verb, Verb::Operation { .. });
        let places = if operation { views::places_of(&self.ledger, call)? } else { Vec::new() };
        let inputs = request.inputs.iter().zip(&fails).filter(|(_, fails)| !**fails).map(|(input, _)| input.clone());
        let asked = Request { verb: request.verb.clone(), inputs: inputs.collect() };
        let connector = self.connectors.get(&system).cloned().filter(|_| !asked.inputs.is_empty());
        let answers = Box::pin(async move {
            match connector {
                Some(connector) => connector.perform(&asked).await,
                None => Vec::new(),
            }
        });
        Ok(Flight { call, system, request, fails, places, answers })
    }

    /// Takes the answers to a request where they have come, and waits for them otherwise.
    fn follow(&mut self, mut flight: Flight) -> Result<bool, Error> {
        let Poll::Ready(answers) = flight.answers.as_mut().poll(&mut TaskContext::from_waker(Waker::noop())) else {
            self.flights.push(flight);
            return Ok(false);
        };
        let now = self.now();
        let mut answers = answers.into_iter();
        let mut all = Vec::with_capacity(flight.fails.len());
        for (index, (input, fails)) in flight.request.inputs.iter().zip(flight.fails).enumerate() {
            if fails {
                all.push(Answer::Retry { after: None, cause: "it fails, as the test says".to_owned() });
                continue;
            }
            let Some(answer) = answers.next() else { break };
            // Sent again under its key, an operation is still one effect.
            if let Verb::Operation { name } = &flight.request.verb
                && matches!(answer, Answer::Result(_) | Answer::Done)
                && !self.calls.iter().any(|called| called.system == flight.system && called.key == input.key)
            {
                self.calls.push(Called {
                    system: flight.system.clone(),
                    operation: name.clone(),
                    values: input.values.clone(),
                    at: now,
                    place: flight.places.get(index).cloned().flatten(),
                    key: input.key.clone(),
                });
            }
            all.push(answer);
        }
        self.answered(flight.call, &flight.system, all)?;
        Ok(true)
    }

    /// The answers to a request reach the engine, unless they are held.
    fn answered(&mut self, call: CallId, system: &str, answers: Vec<Answer>) -> Result<(), Error> {
        if self.silent.contains(system) {
            self.late.push((call, answers));
        } else {
            let now = self.now();
            self.core.answered(call, answers, now)?;
        }
        Ok(())
    }

    /// What is due on the network happens, and requests that are answered by that reach the engine. True if anything
    /// happened.
    fn answers(&mut self) -> Result<bool, Error> {
        let mut happened = hold(&self.network).advance();
        loop {
            let now = self.now();
            let Some(act) = self.weather.ask().take(now) else { break };
            happened = true;
            act();
        }
        for flight in std::mem::take(&mut self.flights) {
            happened |= self.follow(flight)?;
        }
        Ok(happened)
    }

    /// Messages of all twins set out, and those that are due reach the engine.
    fn deliver(&mut self) -> Result<bool, Error> {
        let mut happened = false;
        for (system, twin) in self.twins.clone() {
            if self.held_back.contains(&system) {
                continue;
            }
            if !self.programs.active.doors.contains_key(&system) {
                // Without `events from` it there is no subscription and no consumer: nobody hears of what it tells.
                twin.silence();
                continue;
            }
            match twin {
                Twin::HubSpot(twin) => happened |= self.post_webhooks(&system, &twin)?,
                Twin::App(twin) => happened |= self.post_records(&system, &twin)?,
                Twin::Mail(_) => {}
            }
        }
        let now = self.now();
        while let Some(key) = self.next_post(now) {
            let Some(post) = self.posts.remove(&key) else { break };
            happened = true;
            match post {
                Post::Delivery { system, delivery, answered } => self.deliver_webhooks(&system, delivery, answered)?,
                Post::Receipt { system, id, status } => self.report(&system, id, status),
                Post::Record { system, record } => self.deliver_record(&system, &record)?,
            }
        }
        Ok(happened)
    }

    /// The first message that is due and not held back.
    fn next_post(&self, now: Timestamp) -> Option<(Timestamp, u64)> {
        let due = self.posts.iter().take_while(|((at, _), _)| *at <= now);
        due.into_iter().find(|(_, post)| !self.held_back.contains(post.system())).map(|(key, _)| *key)
    }

    fn post(&mut self, at: Timestamp, post: Post) {
        self.posted += 1;
        self.posts.insert((at, self.posted), post);
    }

    fn post_webhooks(&mut self, system: &str, twin: &Mutex<HubSpot>) -> Result<bool, Error> {
        let now = self.now();
        let at = self.time_of(system);
        let mut happened = false;
        let due = hold(twin).due(at);
        for delivery in due {
            happened = true;
            let passage = self.weather.ask().delivery(system, delivery.request.body(), now);
            let system = system.to_owned();
            match passage.arrives {
                Some(Duration(0)) => self.deliver_webhooks(&system, delivery, passage.answered)?,
                Some(arrives) => {
                    self.post(now.plus(arrives), Post::Delivery { system, delivery, answered: passage.answered });
                }
                None => {
                    let lost = Post::Receipt { system, id: delivery.id, status: None };
                    self.post(now.plus(DELIVERY_PATIENCE), lost);
                }
            }
        }
        Ok(happened)
    }

    fn deliver_webhooks(&mut self, system: &str, delivery: Parcel, answered: Option<Duration>) -> Result<(), Error> {
        let now = self.now();
        let Some(connector) = self.connectors.get(system).cloned() else { return Ok(()) };
        let mut lost = false;
        let status = match connector.read(delivery.request.body()) {
            Ok(Delivery { messages, malformed, .. }) => {
                let input = Input::Delivery { system: system.to_owned(), messages, malformed, source: Source::Webhook };
                let crashes = self.crashes;
                self.core.input(&input, now)?;
                self.flush()?;
                // Lost with the round: the sender gets no answer and keeps it.
                lost = crashes != self.crashes;
                (!lost).then_some(200)
            }
            Err(_) => Some(400),
        };
        let id = delivery.id;
        match answered {
            Some(Duration(0)) => self.report(system, id, status),
            // A broken connection is noticed at once.
            _ if lost => self.report(system, id, None),
            Some(answered) => {
                let in_time = answered.0 < DELIVERY_PATIENCE.0;
                let receipt = Post::Receipt { system: system.to_owned(), id, status: status.filter(|_| in_time) };
                self.post(now.plus(Duration(answered.0.min(DELIVERY_PATIENCE.0))), receipt);
            }
            None => {
                self.post(now.plus(DELIVERY_PATIENCE), Post::Receipt { system: system.to_owned(), id, status: None });
            }
        }
        Ok(())
    }

    /// The sender of a delivery learns what became of it.
    fn report(&mut self, system: &str, id: u64, status: Option<u16>) {
        let at = self.time_of(system);
        if let Some(Twin::HubSpot(twin)) = self.twins.get(system) {
            hold(twin).delivered(id, status, at);
        }
    }

    fn post_records(&mut self, system: &str, twin: &Mutex<App>) -> Result<bool, Error> {
        let now = self.now();
        let mut happened = false;
        let outgoing = hold(twin).outgoing();
        for record in outgoing {
            happened = true;
            let delays = self.weather.ask().message(system, Said::Record(&record), now);
            for delay in delays {
                if delay.0 == 0 {
                    self.deliver_record(system, &record)?;
                } else {
                    let post = Post::Record { system: system.to_owned(), record: record.clone() };
                    self.post(now.plus(delay), post);
                }
            }
        }
        Ok(happened)
    }

    fn deliver_record(&mut self, system: &str, record: &Outgoing) -> Result<(), Error> {
        let now = self.now();
        let Some(connector) = self.connectors.get(system).cloned() else { return Ok(()) };
        let offset = self.offsets.entry((system.to_owned(), record.topic.clone())).or_insert(0);
        let source = Source::Kafka { topic: record.topic.clone(), partition: 0, offset: *offset, key: None };
        *offset += 1;
        let input = match connector.read(&record.body) {
            Ok(Delivery { messages, malformed, .. }) => {
                Input::Delivery { system: system.to_owned(), messages, malformed, source }
            }
            Err(error) => Input::Unreadable {
                system: system.to_owned(),
                source,
                reason: error.to_string(),
                payload: record.body.to_vec(),
            },
        };
        // A Kafka record that was lost with its round is read again: its offset was in the same round.
        loop {
            let crashes = self.crashes;
            self.core.input(&input, now)?;
            self.flush()?;
            if crashes == self.crashes {
                return Ok(());
            }
        }
    }
}

impl Post {
    fn system(&self) -> &str {
        match self {
            Self::Delivery { system, .. } | Self::Receipt { system, .. } | Self::Record { system, .. } => system,
        }
    }
}

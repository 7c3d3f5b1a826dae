//! What lies between the engine and the systems: a request arrives, takes effect and is answered, each at its own
//! moment; every message has a delay and a fate of its own.
//!
//! In: requests of the connectors, and the time. Out: responses, when their time has come.
//! Always true: how long anything takes, and what becomes of it, is said by the [`Conditions`]; where nobody sets
//! them, everything happens at once. What has left goes on by itself, even where nobody waits for it any more: a
//! request that was given up, or whose sender has crashed, still takes effect.
//! Not here: what a system does with a request (its twin), when the engine sends one (its gate).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Poll;

use async_trait::async_trait;
use bytes::Bytes;
use connectors::http::{Transport, TransportError};
use dsl::value::{Duration, Timestamp};
use sandbox::app::Outgoing;
use sandbox::{Admitted, Arrival, Model};
use serde_json::Value as Json;

/// How long a client waits for a response; the same as the daemon's client does.
pub(super) const PATIENCE: Duration = Duration(30_000);

/// How long HubSpot waits for the answer to a delivery.
pub(super) const DELIVERY_PATIENCE: Duration = Duration(5_000);

/// How long something is on its way, and whether it gets there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passage {
    /// From leaving to arriving, where a request counts against limits; `None` where it never arrives.
    pub arrives: Option<Duration>,
    /// From arriving to taking effect.
    pub takes_effect: Duration,
    /// From taking effect to the response; `None` where no response comes.
    pub answered: Option<Duration>,
}

impl Default for Passage {
    fn default() -> Self {
        Self { arrives: Some(Duration(0)), takes_effect: Duration(0), answered: Some(Duration(0)) }
    }
}

/// A request of the engine.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Its number, the same from leaving to being answered.
    pub number: u64,
    /// The system.
    pub system: &'a str,
    /// What is asked.
    pub request: &'a http::Request<Bytes>,
}

/// A message that a system sends.
#[derive(Debug, Clone, Copy)]
pub enum Said<'a> {
    /// One event of HubSpot's webhooks.
    Event(&'a Json),
    /// A record for Kafka.
    Record(&'a Outgoing),
}

/// What the network and the systems' clocks are like. Every default is: at once, unharmed, in step.
///
/// The same calls must give the same answers: chance comes from a seed, time from the argument.
pub trait Conditions: Send {
    /// A request leaves.
    fn request(&mut self, _asked: Asked<'_>, _now: Timestamp) -> Passage {
        Passage::default()
    }

    /// What a request is answered that is to take effect now, in place of its system and without any effect.
    fn instead(&mut self, _asked: Asked<'_>, _now: Timestamp) -> Option<http::Response<Bytes>> {
        None
    }

    /// The response with which a system has just answered a request, as it reaches the engine. Its twin may be looked
    /// at from here.
    fn response(
        &mut self,
        _asked: Asked<'_>,
        response: http::Response<Bytes>,
        _now: Timestamp,
    ) -> http::Response<Bytes> {
        response
    }

    /// A message comes to be: how much later each copy of it sets out; none where it is lost.
    fn message(&mut self, _system: &str, _message: Said<'_>, _now: Timestamp) -> Vec<Duration> {
        vec![Duration(0)]
    }

    /// A delivery of webhook events sets out; it takes effect where it arrives.
    fn delivery(&mut self, _system: &str, _body: &Bytes, _now: Timestamp) -> Passage {
        Passage::default()
    }

    /// How far the clock of `system` is ahead of the engine's.
    fn ahead(&self, _system: &str) -> Duration {
        Duration(0)
    }

    /// When something happens next in the systems that neither a request nor a person causes.
    fn next(&self) -> Option<Timestamp> {
        None
    }

    /// What happens by now of that; it may do anything with the twins.
    fn take(&mut self, _now: Timestamp) -> Option<Box<dyn FnOnce() + Send>> {
        None
    }
}

/// Everything happens at once.
pub(super) struct AtOnce;

impl Conditions for AtOnce {}

/// The conditions, as all parts of a simulation share them.
#[derive(Clone)]
pub(super) struct Weather(Arc<Mutex<Box<dyn Conditions>>>);

impl Weather {
    pub(super) fn new(conditions: Box<dyn Conditions>) -> Self {
        Self(Arc::new(Mutex::new(conditions)))
    }

    /// Nobody may hold a twin's or the network's lock beside it who takes it the other way round: it is held for one
    /// question only.
    pub(super) fn ask(&self) -> MutexGuard<'_, Box<dyn Conditions>> {
        self.0.lock().expect("conditions that panicked are not used any further")
    }
}

/// A request that has left.
struct Request {
    ticket: u64,
    system: String,
    request: http::Request<Bytes>,
    passage: Passage,
}

impl Request {
    fn asked(&self) -> Asked<'_> {
        Asked { number: self.ticket, system: &self.system, request: &self.request }
    }
}

/// What happens next to a request.
enum Next {
    Arrives(Request),
    TakesEffect(Request, Admitted),
    Responded(u64, http::Response<Bytes>),
    GivenUp(u64),
}

/// Requests on their way.
pub(super) struct Network {
    clock: Arc<AtomicI64>,
    weather: Weather,
    systems: BTreeMap<String, Arc<Mutex<dyn Model>>>,
    /// By time, then in the order in which they were sent.
    on_the_way: BTreeMap<(Timestamp, u64), Next>,
    /// Requests whose senders wait.
    awaited: BTreeSet<u64>,
    responses: BTreeMap<u64, Result<http::Response<Bytes>, TransportError>>,
    last: u64,
}

impl Network {
    pub(super) fn new(clock: Arc<AtomicI64>, weather: Weather) -> Self {
        Self {
            clock,
            weather,
            systems: BTreeMap::new(),
            on_the_way: BTreeMap::new(),
            awaited: BTreeSet::new(),
            responses: BTreeMap::new(),
            last: 0,
        }
    }

    pub(super) fn connect(&mut self, system: &str, model: Arc<Mutex<dyn Model>>) {
        self.systems.insert(system.to_owned(), model);
    }

    fn now(&self) -> Timestamp {
        Timestamp(self.clock.load(Ordering::Relaxed))
    }

    fn at(&mut self, at: Timestamp, next: Next) {
        self.last += 1;
        self.on_the_way.insert((at, self.last), next);
    }

    fn send(&mut self, system: &str, request: http::Request<Bytes>) -> u64 {
        let now = self.now();
        self.last += 1;
        let ticket = self.last;
        let passage = self.weather.ask().request(Asked { number: ticket, system, request: &request }, now);
        self.awaited.insert(ticket);
        let there = passage.arrives.zip(passage.answered);
        let whole = there.map(|(arrives, answered)| arrives.0 + passage.takes_effect.0 + answered.0);
        if whole.is_none_or(|whole| whole >= PATIENCE.0) {
            self.at(now.plus(PATIENCE), Next::GivenUp(ticket));
        }
        if let Some(arrives) = passage.arrives {
            let request = Request { ticket, system: system.to_owned(), request, passage };
            self.at(now.plus(arrives), Next::Arrives(request));
        }
        self.advance();
        ticket
    }

    /// Everything happens that is due. True if anything did.
    pub(super) fn advance(&mut self) -> bool {
        let now = self.now();
        let mut happened = false;
        while let Some(entry) = self.on_the_way.first_entry().filter(|entry| entry.key().0 <= now) {
            happened = true;
            match entry.remove() {
                Next::Arrives(request) => self.arrive(request, now),
                Next::TakesEffect(request, admitted) => self.carry_out(request, admitted, now),
                Next::Responded(ticket, response) => self.respond(ticket, Ok(response)),
                Next::GivenUp(ticket) => {
                    self.respond(ticket, Err(TransportError::NoAnswer("operation timed out".to_owned())));
                }
            }
        }
        happened
    }

    /// The time as `system` has it.
    fn time_of(&self, system: &str, now: Timestamp) -> Timestamp {
        now.plus(self.weather.ask().ahead(system))
    }

    fn model(&self, system: &str) -> Arc<Mutex<dyn Model>> {
        Arc::clone(&self.systems[system])
    }

    fn arrive(&mut self, request: Request, now: Timestamp) {
        let at = self.time_of(&request.system, now);
        let model = self.model(&request.system);
        let arrived = locked(&model).arrive(&request.request, at);
        match arrived {
            Arrival::Admitted(admitted) if request.passage.takes_effect.0 == 0 => {
                self.carry_out(request, admitted, now)
            }
            Arrival::Admitted(admitted) => {
                self.at(now.plus(request.passage.takes_effect), Next::TakesEffect(request, admitted));
            }
            Arrival::TurnedAway(response) => self.answer(&request, response, now),
        }
    }

    fn carry_out(&mut self, request: Request, admitted: Admitted, now: Timestamp) {
        let instead = self.weather.ask().instead(request.asked(), now);
        let response = match instead {
            Some(response) => response,
            None => {
                let at = self.time_of(&request.system, now);
                let model = self.model(&request.system);
                let response = locked(&model).carry_out(&request.request, admitted, at);
                self.weather.ask().response(request.asked(), response, now)
            }
        };
        self.answer(&request, response, now);
    }

    /// A response sets out.
    fn answer(&mut self, request: &Request, response: http::Response<Bytes>, now: Timestamp) {
        match request.passage.answered {
            Some(Duration(0)) => self.respond(request.ticket, Ok(response)),
            Some(answered) => self.at(now.plus(answered), Next::Responded(request.ticket, response)),
            None => {}
        }
    }

    /// The first that comes counts; what comes for nobody is dropped.
    fn respond(&mut self, ticket: u64, response: Result<http::Response<Bytes>, TransportError>) {
        if !self.awaited.remove(&ticket) {
            return;
        }
        let response = response.and_then(sandbox::received);
        self.responses.insert(ticket, response);
    }

    /// How many requests have left and are not answered, or have not had their effect.
    pub(super) fn under_way(&self) -> usize {
        self.on_the_way.len()
    }

    /// When something happens next.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.on_the_way.first_key_value().map(|((at, _), _)| *at)
    }
}

fn locked<M: ?Sized>(model: &Mutex<M>) -> MutexGuard<'_, M> {
    model.lock().expect("a twin that panicked is not used")
}

/// The way to one system.
pub(super) struct Line {
    system: String,
    network: Arc<Mutex<Network>>,
}

impl Line {
    pub(super) fn new(system: &str, network: &Arc<Mutex<Network>>) -> Self {
        Self { system: system.to_owned(), network: Arc::clone(network) }
    }
}

#[async_trait]
impl Transport for Line {
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, TransportError> {
        let ticket = locked(&self.network).send(&self.system, request);
        let waiting = Waiting { ticket, network: Arc::clone(&self.network) };
        // Whoever moves the clock asks again; nobody has to be woken.
        std::future::poll_fn(|_| match locked(&waiting.network).responses.remove(&ticket) {
            Some(response) => Poll::Ready(response),
            None => Poll::Pending,
        })
        .await
    }
}

/// Somebody waits for a response; where it is dropped, nobody does any more.
struct Waiting {
    ticket: u64,
    network: Arc<Mutex<Network>>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Ok(mut network) = self.network.lock() {
            network.awaited.remove(&self.ticket);
            network.responses.remove(&self.ticket);
        }
    }
}

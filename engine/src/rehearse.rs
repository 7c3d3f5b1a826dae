//! The virtual world: the real decisions over a memory ledger, the real connectors over twins in the same
//! process, and a clock that somebody else owns. Nothing waits and nothing sleeps.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use connectors::hubspot::{self, HubSpot as HubSpotConnector};
use connectors::operations::{Operations, Template};
use connectors::port::Connector;
use connectors::rest::Rest;
use connectors::secret::Secret;
use dsl::program::Program;
use dsl::value::{Moment, Span};
use futures_util::FutureExt;
use sandbox::app::{App, InProcess};
use sandbox::hubspot::HubSpot;
use sandbox::mail::Mail;

use crate::decide::{Event, Input, Knobs, Programs, Source};
use crate::ledger::{Error as LedgerError, Ledger, Memory, Round, Rows, Seq};
use crate::shell::{Core, Error, Release};

/// A ledger that several hands hold, so that a crash can be made from outside.
#[derive(Debug, Clone, Default)]
pub struct Shared(Arc<Mutex<Memory>>);

impl Shared {
    fn get(&self) -> MutexGuard<'_, Memory> {
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

/// The twins and the engine between them.
pub struct World {
    /// HubSpot.
    pub crm: Arc<Mutex<HubSpot>>,
    /// The app.
    pub app: Arc<Mutex<App>>,
    /// E-mails, surveys and notices.
    pub mail: Arc<Mutex<Mail>>,
    /// What was logged, in order.
    pub log: Vec<Event>,
    core: Core,
    ledger: Shared,
    connectors: BTreeMap<String, Arc<dyn Connector>>,
    programs: Programs,
    clock: Arc<AtomicI64>,
    offsets: BTreeMap<String, i64>,
    /// Crash before this many rounds have been made durable, then start again.
    crash_at: Option<u64>,
    rounds: u64,
    crashes: u64,
}

const TOKEN: &str = "rehearsal";

impl World {
    /// A world with empty twins at `start`.
    ///
    /// # Errors
    /// Where the engine cannot start.
    pub fn new(program: Arc<Program>, start: Moment) -> Result<Self, Error> {
        let clock = Arc::new(AtomicI64::new(start.0));
        let now = {
            let clock = Arc::clone(&clock);
            move || Moment(clock.load(Ordering::Relaxed))
        };
        let lock = |name: &str| program.systems.get(name).map(|system| system.lock.clone());
        let mut connectors: BTreeMap<String, Arc<dyn Connector>> = BTreeMap::new();
        let crm_lock = lock("crm").unwrap_or_else(|| empty("crm"));
        let app_lock = lock("app").unwrap_or_else(|| empty("app"));
        let settings = sandbox::hubspot::Settings {
            portal_id: 99_000_111,
            app_id: 7_700_123,
            client_secret: "rehearsal".to_owned(),
            token: TOKEN.to_owned(),
            webhook_url: Some("https://engine.example.com/webhooks/crm".to_owned()),
            limit: 100,
            seed: 7,
        };
        let crm = Arc::new(Mutex::new(HubSpot::new(settings, crm_lock.clone())));
        let app_settings = sandbox::app::Settings { token: TOKEN.to_owned(), kafka: true, ..Default::default() };
        let app = Arc::new(Mutex::new(App::new(app_settings, app_lock.clone())));
        let mail = Arc::new(Mutex::new(Mail::new(None)));
        let to_crm = hubspot::Settings {
            base_url: "https://api.hubapi.com".to_owned(),
            api_version: "2026-09".to_owned(),
            app_id: Some(7_700_123),
        };
        let transport = Arc::new(InProcess::new(Arc::clone(&crm), now.clone()));
        connectors
            .insert("crm".to_owned(), Arc::new(HubSpotConnector::new(to_crm, Secret::new(TOKEN), crm_lock, transport)));
        let transport = Arc::new(InProcess::new(Arc::clone(&app), now.clone()));
        connectors.insert(
            "app".to_owned(),
            Arc::new(Rest::new("http://app.example.com", Secret::new(TOKEN), app_lock, transport)),
        );
        for (name, system) in &program.systems {
            if connectors.contains_key(name) {
                continue;
            }
            let operations = system.lock.operations.iter().map(|(operation, declared)| {
                let body = declared.params.keys().map(|p| (p.clone(), format!("{{{p}}}").into())).collect();
                let template = Template {
                    method: http::Method::POST,
                    path: format!("/{operation}"),
                    body: serde_json::Value::Object(body),
                };
                (operation.clone(), template)
            });
            let transport = Arc::new(InProcess::new(Arc::clone(&mail), now.clone()));
            let connector =
                Operations::new("http://mail.example.com", None, BTreeMap::new(), operations.collect(), transport);
            connectors.insert(name.clone(), Arc::new(connector));
        }
        let programs = Programs::new(program);
        let ledger = Shared::default();
        let core =
            Core::start(Box::new(ledger.clone()), programs.clone(), connectors.clone(), Knobs::default(), start)?;
        Ok(Self {
            crm,
            app,
            mail,
            log: Vec::new(),
            core,
            ledger,
            connectors,
            programs,
            clock,
            offsets: BTreeMap::new(),
            crash_at: None,
            rounds: 0,
            crashes: 0,
        })
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Moment {
        Moment(self.clock.load(Ordering::Relaxed))
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
    pub fn pass(&mut self, span: Span) -> Result<(), Error> {
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

    fn next_due(&mut self) -> Result<Option<Moment>, Error> {
        let now = self.now();
        let engine = self.core.turn(now)?;
        let twin = self.crm.lock().expect("a twin that panicked is not used").next_due();
        Ok(engine.into_iter().chain(twin).min())
    }

    fn settle(&mut self) -> Result<(), Error> {
        // A bound, so that a defect shows as a failure and not as a hang.
        for _ in 0..20_000 {
            let mut quiet = true;
            quiet &= !self.flush()?;
            let now = self.now();
            self.core.turn(now)?;
            quiet &= !self.flush()?;
            quiet &= !self.deliver()?;
            if quiet {
                return Ok(());
            }
        }
        Err(Error::Defect("the world does not come to rest".to_owned()))
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
        let now = self.now();
        let releases = self.core.released();
        let mut happened = last > before;
        for release in releases {
            match release {
                Release::Send(departure) => {
                    happened = true;
                    let connector = self.connectors.get(&departure.lane.system).cloned();
                    let Some(connector) = connector else { continue };
                    let answers = connector.perform(&departure.request).now_or_never().unwrap_or_default();
                    self.core.answered(departure.call, answers, now)?;
                }
                Release::Log(event) => self.log.push(event),
                Release::Invalidate { .. } => {}
            }
        }
        Ok(happened)
    }

    fn crash(&mut self) -> Result<(), Error> {
        self.crashes += 1;
        self.ledger.get().crash();
        let now = self.now();
        self.core = Core::start(
            Box::new(self.ledger.clone()),
            self.programs.clone(),
            self.connectors.clone(),
            Knobs::default(),
            now,
        )?;
        Ok(())
    }

    /// Messages of both twins reach the engine.
    fn deliver(&mut self) -> Result<bool, Error> {
        let now = self.now();
        let mut happened = false;
        let due = self.crm.lock().expect("a twin that panicked is not used").due(now);
        for delivery in due {
            happened = true;
            let Some(connector) = self.connectors.get("crm").cloned() else { continue };
            let status = match connector.read(delivery.request.body()) {
                Ok(messages) => {
                    let input = Input::Delivery { system: "crm".to_owned(), messages, source: Source::Webhook };
                    let crashes = self.crashes;
                    self.core.input(&input, now)?;
                    self.flush()?;
                    // Lost with the round: the sender gets no answer and keeps it.
                    (crashes == self.crashes).then_some(200)
                }
                Err(_) => Some(400),
            };
            self.crm.lock().expect("a twin that panicked is not used").delivered(delivery.id, status, now);
        }
        let outgoing = self.app.lock().expect("a twin that panicked is not used").outgoing();
        for message in outgoing {
            happened = true;
            let Some(connector) = self.connectors.get("app").cloned() else { continue };
            let offset = self.offsets.entry(message.topic.clone()).or_insert(0);
            let source = Source::Kafka { topic: message.topic.clone(), partition: 0, offset: *offset };
            *offset += 1;
            let input = match connector.read(&message.body) {
                Ok(messages) => Input::Delivery { system: "app".to_owned(), messages, source },
                Err(error) => Input::Unreadable {
                    system: "app".to_owned(),
                    source,
                    reason: error.to_string(),
                    payload: message.body.to_vec(),
                },
            };
            // A Kafka record that was lost with its round is read again: its offset was in the same round.
            loop {
                let crashes = self.crashes;
                self.core.input(&input, now)?;
                self.flush()?;
                if crashes == self.crashes {
                    break;
                }
            }
        }
        Ok(happened)
    }
}

fn empty(system: &str) -> dsl::schema::Lock {
    dsl::schema::read_lock(&format!("lock: 1\nsystem: {system}\nconnector: none\npulled: 2026-01-01\n"))
        .expect("a lock with nothing in it is sound")
}

//! Runs everything together: opens the ledger, loads the rules, opens the doors, and stops in order.
//!
//! In: a [`Config`]. Out: a [`Running`] engine, whose doors are open and whose work goes on.
//! Always true: nothing is half started: whatever is missing is reported before a port is taken; everything that runs
//! was started by [`crate::tasks`] and is waited for. Stop order: intake, loop, ledger, the rest.

pub mod connect;
mod doors;
mod forms;
mod isolated;
mod kafka;
mod load_history;
pub mod reload;
mod serve;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use connectors::http::{Client, Transport};
use connectors::port::Connector;
use connectors::webhook::door;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use self::doors::Doors;
use self::kafka::KafkaDoor;
use self::reload::Reloader;
use crate::admin::{self, Admin};
use crate::clock::{self, Clock};
use crate::config::Config;
use crate::decide::Settings;
use crate::intake::webhooks::Webhooks;
use crate::ledger::Disk;
use crate::rules::stored;
use crate::shell::{self, Caller, Connectors, Core, Handle, History, Loop, Reads, Wake};
use crate::tasks::Tasks;
use crate::telemetry;

/// How long the last tasks may take after the loop has ended.
const AFTER: Duration = Duration::from_secs(2);

/// Why the engine did not start, or could not go on.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum Error {
    /// The rules do not hold, and nothing ran before.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Rules(#[from] stored::Error),
    /// The ledger cannot be opened.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Ledger(#[from] crate::ledger::Error),
    /// Rules and engine.yaml do not fit together, or a secret is missing.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Connect(#[from] connect::Error),
    /// The loop cannot go on.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Loop(#[from] shell::Error),
    /// A secret of the engine itself is missing.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Secret(#[from] crate::config::Missing),
    /// An address cannot be listened at.
    #[error("cannot listen at {address}: {source}")]
    #[diagnostic(code(engine::listen), help("another program may have the port; change `listen` in engine.yaml"))]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The clock of `--clock` cannot be used.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Clock(#[from] clock::remote::Error),
    /// The operating system refuses.
    #[error("cannot start: {0}")]
    #[diagnostic(code(engine::start))]
    System(String),
}

/// Gathers what an engine is made of.
pub struct Engine {
    config: Config,
    clock_url: Option<String>,
    clock: Option<Arc<dyn Clock>>,
    transport: Option<Arc<dyn Transport>>,
    own: Connectors,
    ledger: crate::ledger::Settings,
}

impl Engine {
    /// An engine for this configuration, on the machine's clock and the real network.
    #[must_use]
    pub fn builder(config: Config) -> Self {
        Self {
            config,
            clock_url: None,
            clock: None,
            transport: None,
            own: Connectors::new(),
            ledger: crate::ledger::Settings::default(),
        }
    }

    /// Takes the time from the twins' clock at a URL on loopback.
    #[must_use]
    pub fn clock_url(mut self, url: Option<String>) -> Self {
        self.clock_url = url;
        self
    }

    /// Takes the time from `clock`.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Calls systems over `transport` instead of the network.
    #[must_use]
    pub fn transport(mut self, transport: Arc<dyn Transport>) -> Self {
        self.transport = Some(transport);
        self
    }

    /// Reaches `system` through a connector of the caller's own.
    #[must_use]
    pub fn connector(mut self, system: &str, connector: Arc<dyn Connector>) -> Self {
        self.own.insert(system.to_owned(), connector);
        self
    }

    /// Sizes and times of the ledger.
    #[must_use]
    pub fn ledger(mut self, settings: crate::ledger::Settings) -> Self {
        self.ledger = settings;
        self
    }

    /// Starts it; its doors are open when this returns.
    ///
    /// # Errors
    /// [`Error`]; nothing runs then.
    pub async fn start(self) -> Result<Running, Error> {
        let Self { config, clock_url, clock, transport, own, ledger } = self;
        // First of all: what is counted before there are figures is lost.
        let figures = telemetry::figures();
        let tasks = Tasks::new();
        let unless_started = tasks.token().drop_guard();
        let transport: Arc<dyn Transport> = match transport {
            Some(transport) => transport,
            None => Arc::new(Client::new().map_err(|error| Error::System(error.to_string()))?),
        };
        let clock = time(clock, clock_url, &transport, &tasks).await?;
        let (handle, wakes) = shell::handle();
        let ledger = open(&config, ledger, &handle).await?;
        let reader = ledger.reader();
        // What stands in the journal so far was reported by earlier epochs.
        let reported = reader.health().durable;
        let loaded = stored::start(&config.rules, &ledger)?;
        report(&loaded);
        let program = Arc::clone(&loaded.programs.active);
        let connectors = connect::all(&config, &program, &transport, &own)?;
        let doors = Doors::new(connect::verifiers(&config, &program)?);
        let epoch = format!("{}-{}", clock::wall().0, std::process::id());
        let reads = Reads::new(connect::cache(&config)?, &epoch);
        let token = config.admin.token.as_ref().map(crate::config::SecretAt::read).transpose()?;
        let webhook_listener = listen(config.listen).await?;
        let admin_listener = listen(config.admin.listen).await?;

        let set = stored::Set { program: Arc::clone(&program), texts: loaded.texts };
        let max_in_flight =
            config.systems.iter().filter_map(|(name, c)| Some((name.clone(), c.concurrency?))).collect();
        let settings = Settings {
            clock_skew: config.runtime.clock_skew,
            linger: config.runtime.hold,
            retention: config.runtime.retention,
            ..Settings::default()
        };
        let started = {
            let (connectors, clock) = (connectors.clone(), Arc::clone(&clock));
            let programs = loaded.programs;
            tokio::task::spawn_blocking(move || {
                core(ledger, programs, connectors, settings, max_in_flight, &set, &*clock)
            })
        };
        let core = started.await.map_err(|error| Error::System(error.to_string()))??;

        let history = History::default();
        let shared = Arc::new(RwLock::new(connectors.clone()));
        let caller = Caller::new(tasks.clone(), handle.clone(), connectors, reads.clone(), &program);
        let mut looping = Loop::new(core, wakes, Arc::clone(&clock), caller, config.runtime.inbox);
        looping.record_in(history.clone());
        let kafka = KafkaDoor::new(&config, tasks.clone(), handle.clone(), reader.clone(), Arc::clone(&shared));
        looping.commit_to(kafka.commits());
        let intake = CancellationToken::new();
        let topics = kafka.prepare(&program, &intake)?;
        load_history::load(&tasks, &reader, reported, &history);
        let ended = Tasks::thread("loop", move || looping.run()).map_err(|error| Error::System(error.to_string()))?;

        let webhooks = address(&webhook_listener)?;
        let router = {
            let clock = Arc::clone(&clock);
            let now: Arc<dyn Fn() -> dsl::value::Timestamp + Send + Sync> = Arc::new(move || clock.now().at);
            let intake: Arc<dyn door::Intake> = Arc::new(Webhooks::new(handle.clone(), Arc::clone(&shared)));
            door::router(doors.open(&config), &intake, &now)
        };
        serve(&tasks, "webhooks", webhook_listener, router, intake.clone());
        kafka.switch(topics);

        let parts = reload::Parts {
            config: config.clone(),
            transport,
            own,
            handle: handle.clone(),
            tasks: tasks.clone(),
            connectors: shared,
            doors,
            kafka,
            intake: intake.clone(),
        };
        let refused = loaded.refused.map(|refusal| refusal.to_string());
        let reloader = Reloader::new(parts, program.hash.clone(), refused);
        let admin_address = address(&admin_listener)?;
        let admin = Admin::new(admin::Parts {
            handle: handle.clone(),
            reader,
            history,
            reads,
            reload: Arc::new(reloader.clone()),
            token,
            figures,
        });
        serve(&tasks, "admin", admin_listener, admin::router(admin), tasks.token());
        tracing::info!(%webhooks, admin = %admin_address, rules = program.hash, "the engine runs");
        unless_started.disarm();
        Ok(Running {
            webhooks,
            admin: admin_address,
            handle,
            reloader,
            tasks,
            intake,
            ended,
            grace: config.runtime.grace.into(),
        })
    }
}

/// The clock of the caller's, the twins' at a URL, or the machine's.
async fn time(
    own: Option<Arc<dyn Clock>>,
    url: Option<String>,
    transport: &Arc<dyn Transport>,
    tasks: &Tasks,
) -> Result<Arc<dyn Clock>, Error> {
    if let Some(own) = own {
        return Ok(own);
    }
    let Some(url) = url else { return Ok(Arc::new(clock::System)) };
    let clock = clock::remote::Remote::connect(&url, Arc::clone(transport)).await?;
    let follower = clock.clone();
    tasks.spawn("clock", |stop| follower.follow(stop));
    Ok(Arc::new(clock))
}

/// What somebody should know of the rules that were loaded.
fn report(loaded: &stored::Loaded) {
    for hash in &loaded.lost {
        tracing::error!(hash, "rules that runs in progress need cannot be had; those runs will stop");
    }
    if let Some(refusal) = &loaded.refused {
        tracing::error!(error = %refusal, running = loaded.programs.active.hash,
            "the rules folder does not hold; running what ran last");
    }
}

async fn open(config: &Config, mut settings: crate::ledger::Settings, handle: &Handle) -> Result<Disk, Error> {
    let folder = config.state.clone();
    settings.retention.get_or_insert(config.runtime.retention.into());
    let handle = handle.clone();
    let opened = tokio::task::spawn_blocking(move || {
        let on_durable = Box::new(move |_| {
            // Before the loop runs and after it has ended nobody waits for this.
            let _gone = handle.wake(Wake::Durable);
        });
        let mut ledger = Disk::open(&folder, settings, on_durable)?;
        forms::bring_up(&mut ledger)?;
        Ok::<_, crate::ledger::Error>(ledger)
    });
    Ok(opened.await.map_err(|error| Error::System(error.to_string()))??)
}

fn core(
    ledger: Disk,
    programs: crate::decide::Programs,
    connectors: Connectors,
    settings: Settings,
    max_in_flight: BTreeMap<String, usize>,
    set: &stored::Set,
    clock: &dyn Clock,
) -> Result<Core, Error> {
    let fresh = stored::active_hash(&ledger)?.as_ref() != Some(&set.program.hash);
    let mut core = Core::start(Box::new(ledger), programs.clone(), connectors.clone(), settings, clock.now())?;
    core.set_max_in_flight(max_in_flight);
    if fresh {
        let kept = stored::keep(set, core.rows())?;
        let event = stored::activated(set, core.at());
        core.activate(programs, connectors, kept, event, clock.now())?;
    }
    Ok(core)
}

async fn listen(address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address).await.map_err(|source| Error::Listen { address, source })
}

fn address(listener: &TcpListener) -> Result<SocketAddr, Error> {
    listener.local_addr().map_err(|error| Error::System(error.to_string()))
}

fn serve(tasks: &Tasks, name: &'static str, listener: TcpListener, router: axum::Router, stop: CancellationToken) {
    let inner = tasks.clone();
    tasks.spawn(name, |_| serve::serve(inner, name, listener, router, serve::Bounds::default(), stop));
}

/// A running engine.
pub struct Running {
    /// Where webhooks arrive.
    pub webhooks: SocketAddr,
    /// Where the admin API listens.
    pub admin: SocketAddr,
    handle: Handle,
    reloader: Reloader,
    tasks: Tasks,
    intake: CancellationToken,
    ended: tokio::sync::oneshot::Receiver<Result<Core, shell::Error>>,
    grace: Duration,
}

impl Running {
    /// Reaches the loop.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Loads the rules again.
    #[must_use]
    pub fn reloader(&self) -> &Reloader {
        &self.reloader
    }

    /// Waits until the engine cannot go on; a sound one never returns.
    ///
    /// # Errors
    /// Why it cannot.
    pub async fn ended(&mut self) -> Result<(), Error> {
        match (&mut self.ended).await {
            Ok(Ok(core)) => {
                drop_core(core).await;
                Ok(())
            }
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(Error::System("the loop broke off".to_owned())),
        }
    }

    /// Stops: takes nothing more in, waits for answers under way, leaves the rest in the ledger for the next start.
    ///
    /// # Errors
    /// What the loop failed with at the end; what was acknowledged is durable in any case.
    pub async fn stop(mut self) -> Result<(), Error> {
        self.intake.cancel();
        self.handle.stop(self.grace);
        let ended = tokio::time::timeout(self.grace + AFTER, self.ended()).await;
        if self.tasks.shutdown(AFTER).await.is_err() {
            tracing::warn!("some tasks did not end in time; calls among them are taken up at the next start");
        }
        ended.unwrap_or_else(|_| Err(Error::System("the loop did not end in time".to_owned())))
    }
}

/// Closing the ledger waits for its threads.
async fn drop_core(core: Core) {
    if let Err(error) = tokio::task::spawn_blocking(move || drop(core)).await {
        tracing::error!(%error, "the ledger was not closed cleanly; the next start redoes what it lacks");
    }
}

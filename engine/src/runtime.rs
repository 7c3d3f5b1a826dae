//! Runs everything together: opens the ledger, loads the rules, opens the doors, and stops in order.
//!
//! In: a [`Plan`]. Out: a [`Running`] engine, whose doors are open and whose work goes on.
//! Always true: nothing is half started: whatever is missing is reported before a port is taken; everything that runs
//! was started by [`crate::tasks`] and is waited for. Stop order: intake, loop, ledger, the rest.

pub mod connect;
mod doors;
mod forms;
mod isolated;
mod kafka;
mod load_history;
mod plan;
pub mod reload;
mod running;
mod serve;
mod system;
mod tokens;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use connectors::http::Transport;
use dsl::program::Program;
use tokio::net::TcpListener;
use tokio::runtime::Handle as Runtime;
use tokio_util::sync::CancellationToken;

use self::doors::Doors;
use self::kafka::KafkaDoor;
use self::plan::Kept;
pub use self::plan::State;
pub(crate) use self::plan::{AdminDoor, Plan};
use self::reload::Reloader;
pub(crate) use self::running::{Ended, Running};
pub use self::system::System;
use self::tokens::Tokens;
use crate::admin::{self, Admin};
use crate::clock::{self, Clock};
use crate::config::Missing;
use crate::decide::{Programs, Settings};
use crate::intake::webhooks::Webhooks;
use crate::ledger::{self, Disk, Ledger, StateReader, Volatile};
use crate::rules::stored;
use crate::shell::{self, Caller, Connectors, Core, Handle, History, Loop, Reads, Wake};
use crate::tasks::Tasks;
use crate::telemetry;

/// Why the engine did not start.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum Error {
    /// Something that an engine cannot be without was not given.
    #[error("an engine needs {0}")]
    #[diagnostic(code(embed::incomplete))]
    Incomplete(&'static str),
    /// There is no runtime that it could run on.
    #[error("an engine needs a tokio runtime with timers: {0}")]
    #[diagnostic(code(embed::runtime))]
    Runtime(String),
    /// The rules do not hold, and nothing ran before.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Rules(#[from] stored::Error),
    /// The ledger cannot be opened, or read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Ledger(#[from] ledger::Error),
    /// What the ledger holds cannot be taken up.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Loop(#[from] shell::Error),
    /// Rules and systems do not fit together, or a secret is missing.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Connect(#[from] connect::Error),
    /// A secret of the engine itself is missing.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Secret(#[from] Missing),
    /// Everybody could change everything.
    #[error("the admin API would listen at {0}, open to other machines, without a token")]
    #[diagnostic(code(engine::open_admin), help("give it a token, or listen on 127.0.0.1"))]
    OpenAdmin(SocketAddr),
    /// An address cannot be listened at.
    #[error("cannot listen at {address}: {source}")]
    #[diagnostic(code(engine::listen), help("another program may have the port; listen at another one"))]
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

fn system(error: impl std::fmt::Display) -> Error {
    Error::System(error.to_string())
}

/// Starts what is planned, on the tokio runtime of the caller; its doors are open when this returns.
///
/// # Errors
/// [`Error`]; nothing runs then.
pub(crate) async fn start(plan: Plan) -> Result<Running, Error> {
    let runtime = runtime()?;
    let rules = plan.rules.clone().ok_or(Error::Incomplete("rules"))?;
    let state = plan.state.clone().ok_or(Error::Incomplete("a state"))?;
    let token = admin_token(&plan)?;
    let viewer = plan.admin.as_ref().and_then(|admin| admin.viewer_token.as_ref());
    let viewer = viewer.map(crate::config::SecretAt::read).transpose()?;
    // First of all: what is counted before there are figures is lost.
    let figures = if plan.figures { telemetry::figures() } else { None };
    let tasks = Tasks::on(runtime);
    let unless_started = tasks.token().drop_guard();
    let transport = transport(&plan)?;
    let clock = clock(&plan, &tasks, &transport).await?;
    let (handle, wakes) = shell::handle();
    let folder = state.as_folder().map(Path::to_path_buf);
    let (ledger, reader) = open(&plan, state, &tasks, &handle).await?;
    let token = match (token, folder.filter(|_| plan.admin.as_ref().is_some_and(|admin| admin.keeps_token))) {
        (Some(operator), _) => admin::Token::Named(admin::Keys { operator, viewer }),
        // The folder is there, and this process's own.
        (None, Some(folder)) => {
            let kept = admin::token::keep(&folder);
            let operator = kept.map_err(|error| system(admin::token::failed(&folder, &error)))?;
            admin::Token::Kept(admin::Keys { operator, viewer })
        }
        (None, None) => admin::Token::Local,
    };
    // What stands in the journal so far was reported by earlier epochs.
    let reported = reader.durable();
    let loaded = stored::start(&rules, &reader)?;
    warn_of(&loaded);
    let refused = loaded.refused.map(|refusal| refusal.to_string());
    let program = Arc::clone(&loaded.programs.active);
    let tokens = Tokens::default();
    let connectors = connect::all(&plan.systems, &program, &transport, &tokens)?;
    let doors = Doors::new(connect::verifiers(&plan.systems, &program)?);
    let reads = Reads::new(connect::cache(plan.redis.as_ref())?, &epoch());
    let webhook_listener = listen(plan.listen).await?;
    let admin_listener = listen(plan.admin.as_ref().map(|admin| admin.listen)).await?;
    let (webhook_address, admin_address) = (address(webhook_listener.as_ref())?, address(admin_listener.as_ref())?);

    let core = {
        let set = stored::Set { program: Arc::clone(&program), texts: loaded.texts };
        let (programs, connectors, clock) = (loaded.programs, connectors.clone(), Arc::clone(&clock));
        let (settings, in_flight) = (settings(&plan), max_in_flight(&plan));
        tasks.blocking(move || core(ledger, programs, connectors, settings, in_flight, &set, &*clock))
    };
    let core = core.await.map_err(system)??;

    let history = History::default();
    let shared = Arc::new(RwLock::new(connectors.clone()));
    let caller = caller(&plan, &tasks, &handle, connectors, &reads, &program);
    let mut looping = Loop::new(core, wakes, Arc::clone(&clock), caller, plan.runtime.inbox);
    looping.record_in(history.clone());
    let kafka = KafkaDoor::new(plan.kafka.clone(), tasks.clone(), handle.clone(), reader.clone(), Arc::clone(&shared));
    looping.commit_to(kafka.commits());
    let intake = CancellationToken::new();
    let topics = kafka.prepare(&program, &intake)?;
    load_history::load(&tasks, &reader, reported, &history);
    let closing = intake.clone();
    let ended = Tasks::thread("loop", move || {
        // The ledger is closed on this thread, before anybody hears that the loop has ended.
        let ended = looping.run().map(drop);
        closing.cancel();
        ended
    });
    let ended = ended.map_err(system)?;
    // INVARIANT: nothing fails from here on, so that no loop runs that nobody can stop.

    let webhooks = Arc::new(Webhooks::new(handle.clone(), Arc::clone(&shared), connect::accounts(&plan.systems)));
    let doors_opened = doors::Opened::new(&doors, &plan.systems, &webhooks, &clock);
    if let Some(listener) = webhook_listener {
        serve(&tasks, "webhooks", listener, doors_opened.router(), serve::Bounds::default(), intake.clone());
    }
    kafka.switch(topics);

    let (watched, watching) = (tokens.clone(), handle.clone());
    tasks.spawn("tokens", |stop| watched.watch(watching, stop));
    let parts = reload::Parts {
        systems: plan.systems.clone(),
        tokens,
        transport,
        handle: handle.clone(),
        tasks: tasks.clone(),
        connectors: shared,
        doors,
        kafka,
        intake: intake.clone(),
    };
    let reloader = Reloader::new(parts, rules, program.hash.clone(), refused);
    // Beside the loop: a damaged row is told before a delivery needs it.
    let rows = Arc::new(std::sync::OnceLock::new());
    look_at_rows(&tasks, &reader, &rows);
    let admin = Admin::new(admin::Parts {
        handle: handle.clone(),
        reader,
        tasks: tasks.clone(),
        history,
        reads,
        reload: Arc::new(reloader.clone()),
        figures,
        rows: Arc::clone(&rows),
    });
    if let Some(listener) = admin_listener {
        let bounds = serve::Bounds { open: true, ..serve::Bounds::default() };
        serve(&tasks, "admin", listener, admin::router(admin.clone(), token), bounds, tasks.token());
    }
    let shown = |address: Option<SocketAddr>| address.map_or_else(|| "none".to_owned(), |address| address.to_string());
    let (webhooks_at, admin_at) = (shown(webhook_address), shown(admin_address));
    tracing::info!(webhooks = webhooks_at, admin = admin_at, rules = program.hash, "the engine runs");
    unless_started.disarm();
    Ok(Running::new(running::Parts {
        webhook_address,
        admin_address,
        handle,
        webhooks,
        doors: doors_opened,
        admin,
        reloader,
        tasks,
        intake,
        grace: plan.runtime.grace.into(),
        ended,
    }))
}

/// Reads all rows once, and keeps and tells what is wrong with them.
fn look_at_rows(tasks: &Tasks, reader: &StateReader, rows: &Arc<std::sync::OnceLock<Vec<String>>>) {
    let (reader, rows) = (reader.clone(), Arc::clone(rows));
    drop(tasks.blocking(move || match reader.check_rows() {
        Ok(problems) => {
            for problem in &problems {
                tracing::error!(
                    problem,
                    "rows of the ledger are damaged: stop the engine, then `engine ledger rebuild`"
                );
            }
            // It is looked once.
            let _known = rows.set(problems);
        }
        Err(error) => tracing::warn!(%error, "the rows of the ledger could not all be read after the start"),
    }));
}

/// The runtime of the caller, where it can carry an engine.
fn runtime() -> Result<Runtime, Error> {
    let runtime = Runtime::try_current().map_err(|error| Error::Runtime(error.to_string()))?;
    // Nothing else says whether it has timers.
    std::panic::catch_unwind(|| drop(tokio::time::sleep(Duration::ZERO)))
        .map_err(|_| Error::Runtime("this one has no timers".to_owned()))?;
    Ok(runtime)
}

fn admin_token(plan: &Plan) -> Result<Option<connectors::secret::Secret>, Error> {
    let Some(admin) = &plan.admin else { return Ok(None) };
    let token = admin.token.as_ref().map(crate::config::SecretAt::read).transpose()?;
    if token.is_none() && !admin.listen.ip().is_loopback() {
        return Err(Error::OpenAdmin(admin.listen));
    }
    Ok(token)
}

fn transport(plan: &Plan) -> Result<Arc<dyn Transport>, Error> {
    Ok(match &plan.transport {
        Some(transport) => Arc::clone(transport),
        None => Arc::new(connect::client(plan.proxy.as_ref())?),
    })
}

async fn clock(plan: &Plan, tasks: &Tasks, transport: &Arc<dyn Transport>) -> Result<Arc<dyn Clock>, Error> {
    Ok(match (&plan.clock, &plan.clock_url) {
        (Some(clock), _) => Arc::clone(clock),
        (None, Some(url)) => {
            let clock = clock::remote::Remote::connect(url, Arc::clone(transport)).await?;
            let follower = clock.clone();
            tasks.spawn("clock", |stop| follower.follow(stop));
            Arc::new(clock)
        }
        (None, None) => Arc::new(clock::System::new()),
    })
}

/// Names this epoch among all that use one cache: those of earlier starts, and those of other engines.
fn epoch() -> String {
    format!("{}-{}-{:x}", clock::wall().0, std::process::id(), fastrand::u64(..))
}

fn warn_of(loaded: &stored::Loaded) {
    for hash in &loaded.lost {
        tracing::error!(hash, "rules that runs in progress need cannot be had; those runs will stop");
    }
    if let Some(refusal) = &loaded.refused {
        tracing::error!(error = %refusal, running = loaded.programs.active.hash,
            "the rules do not hold; running what ran last");
    }
}

/// Opens the state, and gives a reader of it.
async fn open(
    plan: &Plan,
    state: State,
    tasks: &Tasks,
    handle: &Handle,
) -> Result<(Box<dyn Ledger>, StateReader), Error> {
    let folder = match state.0 {
        Kept::Memory => {
            let ledger = Volatile::new();
            return Ok((Box::new(ledger.clone()), StateReader::Memory(ledger)));
        }
        Kept::Folder(folder) => folder,
    };
    let mut settings = plan.ledger.clone();
    settings.retention.get_or_insert(plan.runtime.retention.into());
    if !plan.abort {
        let handle = handle.clone();
        settings.on_fatal = Arc::new(move |error| {
            tracing::error!(%error, "the state can no longer be written; the engine ends");
            // It may have ended already.
            let _gone = handle.wake(Wake::StorageFailed);
        });
    }
    let handle = handle.clone();
    let opened = tasks.blocking(move || {
        let on_durable = Box::new(move |_| {
            // Before the loop runs and after it has ended nobody waits for this.
            let _gone = handle.wake(Wake::Durable);
        });
        let mut ledger = Disk::open(&folder, settings, on_durable)?;
        forms::bring_up(&mut ledger)?;
        Ok::<_, crate::ledger::Error>(ledger)
    });
    let disk = opened.await.map_err(system)??;
    let reader = StateReader::Disk(disk.reader());
    Ok((Box::new(disk), reader))
}

fn settings(plan: &Plan) -> Settings {
    Settings {
        clock_skew: plan.runtime.clock_skew,
        clock_ahead: plan.runtime.clock_ahead,
        linger: plan.runtime.hold,
        retention: plan.runtime.retention,
        identify: true,
        sweeps: true,
        ..Settings::default()
    }
}

fn max_in_flight(plan: &Plan) -> BTreeMap<String, usize> {
    plan.systems.iter().filter_map(|(name, system)| Some((name.clone(), system.concurrency?))).collect()
}

fn caller(
    plan: &Plan,
    tasks: &Tasks,
    handle: &Handle,
    connectors: Connectors,
    reads: &Reads,
    program: &Program,
) -> Caller {
    let mut caller = Caller::new(tasks.clone(), handle.clone(), connectors, reads.clone(), program);
    caller.give_up_after(plan.runtime.call_timeout.into());
    caller
}

fn core(
    ledger: Box<dyn Ledger>,
    programs: Programs,
    connectors: Connectors,
    settings: Settings,
    max_in_flight: BTreeMap<String, usize>,
    set: &stored::Set,
    clock: &dyn Clock,
) -> Result<Core, Error> {
    clock.resume(Core::last_time(&*ledger)?);
    let fresh = stored::active_hash(&*ledger)?.as_ref() != Some(&set.program.hash);
    let mut core = Core::start(ledger, programs.clone(), connectors.clone(), settings, clock.now())?;
    core.set_max_in_flight(max_in_flight);
    // Rules that changed while nothing ran are taken as a reload takes them, with a line of history.
    if fresh {
        let kept = stored::keep(set, core.rows())?;
        let event = stored::activated(set, core.at());
        core.activate(programs, connectors, kept, event, clock.now())?;
    }
    Ok(core)
}

async fn listen(address: Option<SocketAddr>) -> Result<Option<TcpListener>, Error> {
    let Some(address) = address else { return Ok(None) };
    let listening = TcpListener::bind(address).await;
    listening.map(Some).map_err(|source| Error::Listen { address, source })
}

fn address(listener: Option<&TcpListener>) -> Result<Option<SocketAddr>, Error> {
    listener.map(TcpListener::local_addr).transpose().map_err(system)
}

fn serve(
    tasks: &Tasks,
    name: &'static str,
    listener: TcpListener,
    router: axum::Router,
    bounds: serve::Bounds,
    stop: CancellationToken,
) {
    let inner = tasks.clone();
    tasks.spawn(name, |_| serve::serve(inner, name, listener, router, bounds, stop));
}

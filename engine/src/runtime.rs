//! The daemon: doors, sources and calls around the loop that owns the core.
//!
//! In: a configuration and a clock. Out: nothing, until it is told to stop; then an orderly end.
//! Always true: the loop is one thread and reads one closed enum of what can wake it ([`Wake`]); a webhook is
//! answered and a Kafka offset counts only when the round of its delivery is durable; whatever was not answered by
//! then comes again from its source.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use axum::routing::{get, post};
use bytes::Bytes;
use connectors::hubspot::signature::Signature;
use connectors::hubspot::{self, HubSpot};
use connectors::kafka::source::{Event as Record, KafkaSource, Settings as KafkaSettings, WhenGone};
use connectors::operations::{Operations, Template};
use connectors::port::{Answer, Connector};
use connectors::rest::Rest;
use connectors::webhook::door::{Door, Intake, Verdict, router};
use connectors::webhook::hmac::Hmac256;
use dsl::program::Program;
use dsl::value::Moment;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::config::{Config, SecretAt};
use crate::decide::{self, Input, Knobs, OperatorCommand, Programs, Source, views};
use crate::ids::CallId;
use crate::ledger::{self, Disk, Seq};
use crate::shell::{Core, Release};

/// Why the daemon cannot run.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum Error {
    /// The ledger.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Ledger(#[from] ledger::Error),
    /// The core.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Core(#[from] crate::shell::Error),
    /// A secret.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Secret(#[from] crate::config::Missing),
    /// A port.
    #[error("cannot listen on {address}: {source}")]
    #[diagnostic(code(daemon::port), help("another program has it, or it is not this machine's; change engine.yaml"))]
    Port {
        /// Which.
        address: std::net::SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// Something the rules name and engine.yaml does not, or the other way round.
    #[error("{0}")]
    #[diagnostic(code(daemon::set_up))]
    SetUp(String),
}

/// Everything that can wake the loop.
enum Wake {
    /// A verified webhook delivery.
    Offer { system: String, body: Bytes, verdict: oneshot::Sender<Verdict> },
    /// A Kafka source tells something.
    Kafka { system: String, event: Record },
    /// A request was answered.
    Answers { call: CallId, answers: Vec<Answer> },
    /// Rounds up to here are durable.
    Durable(#[expect(dead_code, reason = "the ledger is asked; the number helps in a debugger")] Seq),
    /// An operator asks for something.
    Operator { who: String, command: OperatorCommand, done: oneshot::Sender<Result<(), String>> },
    /// Stop.
    Stop,
}

/// Runs until `stop`.
///
/// # Errors
/// [`Error`] where it cannot start, or the ledger can no longer be written.
pub async fn run(config: Config, program: Arc<Program>, clock: Arc<dyn Clock>, stop: CancellationToken) -> Result<(), Error> {
    let connectors = connect(&config, &program)?;
    let (wake, woken) = channel();
    let on_durable = {
        let wake = wake.clone();
        // After the loop has ended nobody needs to know.
        Box::new(move |seq| drop(wake.send(Wake::Durable(seq))))
    };
    let disk = Disk::open(&config.state, ledger::Settings::default(), on_durable)?;
    let reader = disk.reader();
    let offsets = decide::offsets(&disk)?;
    let knobs = Knobs { clock_skew: config.runtime.clock_skew, hold: config.runtime.hold };
    let programs = Programs::new(Arc::clone(&program));
    let core = Core::start(Box::new(disk), programs.clone(), connectors.clone(), knobs, clock.now())?;

    let tasks = TaskTracker::new();
    let listen = |address| async move { TcpListener::bind(address).await.map_err(|source| Error::Port { address, source }) };
    let door = listen(config.listen).await?;
    let admin = listen(config.admin.listen).await?;
    let intake: Arc<dyn Intake> = Arc::new(Offers(wake.clone()));
    let time: Arc<dyn Fn() -> Moment + Send + Sync> = {
        let clock = Arc::clone(&clock);
        Arc::new(move || clock.now().at)
    };
    let doors = router(doors(&config, &program)?, &intake, &time);
    serve(&tasks, door, doors, &stop);
    let desk = Desk { wake: wake.clone(), reader, programs, began: Instant::now() };
    serve(&tasks, admin, desk.router(), &stop);
    for (system, door) in &program.doors {
        if let Some(kafka) = config.kafka.as_ref().filter(|_| !door.topics.is_empty()) {
            listen_to_kafka(&tasks, kafka, system, &door.topics, &offsets, &wake, &stop)?;
        }
    }

    let body = Loop {
        core,
        clock,
        connectors,
        wake: wake.clone(),
        woken,
        receipts: VecDeque::new(),
        inbox: config.runtime.inbox,
        tasks: tasks.clone(),
        runtime: tokio::runtime::Handle::current(),
        flying: 0,
        grace: Duration::from_millis(u64::try_from(config.runtime.grace.0).unwrap_or(20_000)),
    };
    let body = tokio::task::spawn_blocking(move || body.turn());
    tracing::info!(listen = %config.listen, admin = %config.admin.listen, rules = %program.hash, "running");
    let ended = {
        tokio::pin!(body);
        tokio::select! {
            ended = &mut body => ended,
            () = stop.cancelled() => {
                drop(wake.send(Wake::Stop));
                body.await
            }
        }
    };
    stop.cancel();
    tasks.close();
    if tokio::time::timeout(Duration::from_secs(5), tasks.wait()).await.is_err() {
        tracing::warn!("some tasks did not end in time");
    }
    match ended {
        Ok(result) => result,
        Err(error) => Err(Error::SetUp(format!("the loop broke off: {error}"))),
    }
}

fn serve(tasks: &TaskTracker, listener: TcpListener, router: axum::Router, stop: &CancellationToken) {
    let stop = stop.clone();
    tasks.spawn(async move {
        if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await {
            tracing::error!(%error, "a door closed");
        }
    });
}

fn secret(at: Option<&SecretAt>, what: &str) -> Result<connectors::secret::Secret, Error> {
    let at = at.ok_or_else(|| Error::SetUp(format!("engine.yaml gives no token for `{what}`")))?;
    Ok(at.read()?)
}

/// Connectors by system.
fn connect(config: &Config, program: &Program) -> Result<BTreeMap<String, Arc<dyn Connector>>, Error> {
    let client = connectors::http::Client::new().map_err(|error| Error::SetUp(error.to_string()))?;
    let transport: Arc<dyn connectors::http::Transport> = Arc::new(client);
    let mut found: BTreeMap<String, Arc<dyn Connector>> = BTreeMap::new();
    for (name, system) in &program.systems {
        let Some(connection) = config.systems.get(name) else {
            return Err(Error::SetUp(format!("engine.yaml does not say where `{name}` is; add it under `systems`")));
        };
        let lock = system.lock.clone();
        let connector: Arc<dyn Connector> = match connection.connector.as_str() {
            "hubspot" => {
                let settings = hubspot::Settings {
                    base_url: connection.base_url.clone(),
                    api_version: connection.api_version.clone(),
                    app_id: connection.app_id,
                };
                Arc::new(HubSpot::new(settings, secret(connection.token.as_ref(), name)?, lock, Arc::clone(&transport)))
            }
            "rest" => {
                let token = secret(connection.token.as_ref(), name)?;
                Arc::new(Rest::new(&connection.base_url, token, lock, Arc::clone(&transport)))
            }
            _ => {
                let token = connection.token.as_ref().map(SecretAt::read).transpose()?;
                let operations = connection.operations.iter().map(|(name, operation)| {
                    let template = Template {
                        method: operation.method.clone(),
                        path: operation.path.clone(),
                        body: operation.body.clone(),
                    };
                    (name.clone(), template)
                });
                let (roles, operations) = (connection.roles.clone(), operations.collect());
                Arc::new(Operations::new(&connection.base_url, token, roles, operations, Arc::clone(&transport)))
            }
        };
        found.insert(name.clone(), connector);
    }
    Ok(found)
}

/// Webhook doors that the rules have and engine.yaml opens.
fn doors(config: &Config, program: &Program) -> Result<Vec<Door>, Error> {
    let mut doors = Vec::new();
    for (system, door) in &program.doors {
        let Some(webhook) = config.systems.get(system).and_then(|c| c.webhook.as_ref()).filter(|_| door.webhook) else { continue };
        let secret = webhook.secret.read()?;
        let (verify, single): (Arc<dyn connectors::webhook::Verify>, bool) = match &door.verify {
            Some((name, _)) if name == "hubspot" => {
                let public_url = webhook.public_url.clone().ok_or_else(|| {
                    Error::SetUp(format!("`{system}` needs `public_url`: HubSpot signs the URL it calls"))
                })?;
                (Arc::new(Signature { secret, public_url }), false)
            }
            Some((_, header)) => {
                let header = header.clone().unwrap_or_else(|| "X-App-Signature".to_owned());
                (Arc::new(Hmac256 { header, secret }), true)
            }
            None => return Err(Error::SetUp(format!("the rules do not say how webhooks of `{system}` are verified"))),
        };
        doors.push(Door { path: webhook.path.clone(), system: system.clone(), verify, single });
    }
    Ok(doors)
}

fn listen_to_kafka(
    tasks: &TaskTracker,
    kafka: &crate::config::Kafka,
    system: &str,
    topics: &[String],
    offsets: &BTreeMap<(String, i32), i64>,
    wake: &Sender<Wake>,
    stop: &CancellationToken,
) -> Result<(), Error> {
    let mut settings = KafkaSettings::new(kafka.brokers.clone(), kafka.group.clone(), topics.iter().cloned());
    settings.fetch_wait_ms = u32::try_from(kafka.fetch_wait.0).unwrap_or(500);
    settings.when_gone = if kafka.park_gone { WhenGone::Park } else { WhenGone::Oldest };
    if kafka.security.tls || kafka.security.sasl.is_some() {
        return Err(Error::SetUp("this build reaches Kafka without TLS and SASL only; build it with the feature `kafka-tls`".to_owned()));
    }
    let (out, mut events) = mpsc::channel(1_000);
    let (_, source) = KafkaSource::start(settings, offsets.clone(), out, stop.clone())
        .map_err(|error| Error::SetUp(format!("Kafka: {error}")))?;
    tasks.spawn(source);
    let (wake, system) = (wake.clone(), system.to_owned());
    tasks.spawn(async move {
        while let Some(event) = events.recv().await {
            if wake.send(Wake::Kafka { system: system.clone(), event }).is_err() {
                return;
            }
        }
    });
    Ok(())
}

/// Hands webhook deliveries to the loop.
struct Offers(Sender<Wake>);

#[async_trait]
impl Intake for Offers {
    async fn offer(&self, system: &str, body: Bytes) -> Verdict {
        let (verdict, answer) = oneshot::channel();
        if self.0.send(Wake::Offer { system: system.to_owned(), body, verdict }).is_err() {
            return Verdict::Unwritable(5);
        }
        answer.await.unwrap_or(Verdict::Unwritable(5))
    }
}

struct Loop {
    core: Core,
    clock: Arc<dyn Clock>,
    connectors: BTreeMap<String, Arc<dyn Connector>>,
    wake: Sender<Wake>,
    woken: Receiver<Wake>,
    receipts: VecDeque<(Seq, oneshot::Sender<Verdict>)>,
    inbox: u64,
    tasks: TaskTracker,
    runtime: tokio::runtime::Handle,
    flying: usize,
    grace: Duration,
}

impl Loop {
    fn turn(mut self) -> Result<(), Error> {
        let mut stopping: Option<Instant> = None;
        loop {
            let now = self.clock.now();
            let next = if stopping.is_none() { self.full(|core| core.turn(now))?.flatten() } else { None };
            self.release();
            if let Some(since) = stopping
                && (self.flying == 0 || since.elapsed() > self.grace)
            {
                self.core.flush()?;
                self.release();
                return Ok(());
            }
            let wait = next.map_or(Duration::from_secs(3_600), |at| {
                Duration::from_millis(u64::try_from(at.since(now.at).0.max(at.since(now.pace).0)).unwrap_or(0).max(1))
            });
            let wait = self.clock.trust().map_or(wait, |trust| wait.min(trust));
            let wait = if stopping.is_some() { wait.min(Duration::from_millis(50)) } else { wait };
            let mut wake = match self.woken.recv_timeout(wait) {
                Ok(wake) => Some(wake),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            };
            // What has come meanwhile goes into the same frame.
            for _ in 0..512 {
                let Some(event) = wake.take() else { break };
                if matches!(event, Wake::Stop) {
                    stopping.get_or_insert_with(Instant::now);
                } else {
                    self.take(event, stopping.is_some())?;
                }
                wake = self.woken.try_recv().ok();
            }
        }
    }

    /// A full ledger is no end: the sources keep what was not taken.
    fn full<T>(&mut self, run: impl FnOnce(&mut Core) -> Result<T, crate::shell::Error>) -> Result<Option<T>, Error> {
        match run(&mut self.core) {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.is_full() => {
                tracing::error!(%error, "nothing is taken for now");
                Ok(None)
            }
            Err(error) if error.is_about_input() => {
                tracing::error!(%error, "an input was left out");
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn take(&mut self, wake: Wake, stopping: bool) -> Result<(), Error> {
        let now = self.clock.now();
        match wake {
            Wake::Offer { system, body, verdict } => {
                if stopping {
                    drop(verdict.send(Verdict::Unwritable(5)));
                    return Ok(());
                }
                if decide::waiting_deliveries(self.core.rows())? >= self.inbox {
                    drop(verdict.send(Verdict::Full(10)));
                    return Ok(());
                }
                let messages = match self.connectors.get(&system).map(|connector| connector.read(&body)) {
                    Some(Ok(messages)) => messages,
                    Some(Err(error)) => {
                        drop(verdict.send(Verdict::Unreadable(error.to_string())));
                        return Ok(());
                    }
                    None => return Ok(()),
                };
                let input = Input::Delivery { system, messages, source: Source::Webhook };
                match self.full(|core| core.input(&input, now))? {
                    Some(seq) => self.receipts.push_back((seq, verdict)),
                    None => drop(verdict.send(Verdict::Unwritable(5))),
                }
            }
            Wake::Kafka { system, event } => self.kafka(system, event, stopping)?,
            Wake::Answers { call, answers } => {
                self.flying = self.flying.saturating_sub(1);
                // A call whose answer cannot be stored is unanswered at the next start, and read back.
                self.full(|core| core.answered(call, answers, now))?;
            }
            Wake::Operator { who, command, done } => {
                let input = Input::Operator { who, command };
                let result = match self.full(|core| core.input(&input, now))? {
                    Some(_) => Ok(()),
                    None => Err("the ledger takes nothing for now".to_owned()),
                };
                drop(done.send(result));
            }
            Wake::Durable(_) | Wake::Stop => {}
        }
        Ok(())
    }

    fn kafka(&mut self, system: String, event: Record, stopping: bool) -> Result<(), Error> {
        let now = self.clock.now();
        if stopping {
            // Its offset is not stored, so it comes again.
            return Ok(());
        }
        let input = match event {
            Record::Record { topic, partition, offset, payload, .. } => {
                let source = Source::Kafka { topic, partition, offset };
                match self.connectors.get(&system).map(|connector| connector.read(&payload)) {
                    Some(Ok(messages)) => Input::Delivery { system, messages, source },
                    Some(Err(error)) => Input::Unreadable {
                        system,
                        source,
                        reason: error.to_string(),
                        payload: payload[..payload.len().min(4_096)].to_vec(),
                    },
                    None => return Ok(()),
                }
            }
            Record::OffsetGone { topic, partition, wanted, low, .. } => Input::Offset {
                topic,
                partition,
                next: low,
                reason: format!("record {wanted} is gone; it goes on at {low}"),
            },
            Record::Down(reason) => {
                tracing::warn!(%reason, "Kafka is down");
                return Ok(());
            }
            Record::Up { .. } => {
                tracing::info!("Kafka is up");
                return Ok(());
            }
            Record::Partitions { topic, count } => {
                tracing::info!(%topic, count, "partitions");
                return Ok(());
            }
        };
        // The next record of the partition must not overtake one that was not taken.
        loop {
            match self.full(|core| core.input(&input, now))? {
                Some(_) => return Ok(()),
                None => {
                    self.release();
                    if !matches!(self.woken.recv_timeout(Duration::from_millis(200)), Ok(Wake::Stop)) {
                        continue;
                    }
                    drop(self.wake.send(Wake::Stop));
                    return Ok(());
                }
            }
        }
    }

    /// Carries out what durable rounds justify.
    fn release(&mut self) {
        for release in self.core.released() {
            match release {
                Release::Send(departure) => {
                    let Some(connector) = self.connectors.get(&departure.lane.system).cloned() else { continue };
                    let wake = self.wake.clone();
                    self.flying += 1;
                    self.tasks.spawn_on(
                        async move {
                            let answers = connector.perform(&departure.request).await;
                            drop(wake.send(Wake::Answers { call: departure.call, answers }));
                        },
                        &self.runtime,
                    );
                }
                Release::Invalidate { .. } => {}
                Release::Log(event) => tracing::info!(
                    action = event.action,
                    rule = event.rule,
                    place = event.place,
                    entity = event.entity,
                    left = event.left,
                    right = event.right,
                    field = event.field,
                    subject = event.subject,
                    detail = event.detail,
                    "sync"
                ),
            }
        }
        let durable = self.core.durable();
        while self.receipts.front().is_some_and(|(seq, _)| *seq <= durable) {
            if let Some((_, verdict)) = self.receipts.pop_front() {
                drop(verdict.send(Verdict::Durable));
            }
        }
    }
}

/// The admin API.
#[derive(Clone)]
struct Desk {
    wake: Sender<Wake>,
    reader: ledger::Reader,
    programs: Programs,
    began: Instant,
}

impl Desk {
    fn router(self) -> axum::Router {
        let view = |read: fn(&Self) -> Result<serde_json::Value, ledger::Error>| {
            move |axum::extract::State(desk): axum::extract::State<Self>| async move { answer(read(&desk)) }
        };
        axum::Router::new()
            .route("/healthz", get(|| async { "alive\n" }))
            .route("/readyz", get(|| async { "ready\n" }))
            .route("/metrics", get(view(Self::metrics)))
            .route("/api/v1/status", get(view(Self::status)))
            .route("/api/v1/incidents", get(view(|desk| Ok(serde_json::json!(views::incidents(&desk.reader)?)))))
            .route("/api/v1/links", get(view(|desk| Ok(serde_json::json!(views::links(&desk.reader)?)))))
            .route("/api/v1/runs", get(view(|desk| Ok(serde_json::json!(views::runs(&desk.reader, &desk.programs)?)))))
            .route("/api/v1/operator", post(Self::operator))
            .with_state(self)
    }

    fn status(&self) -> Result<serde_json::Value, ledger::Error> {
        Ok(serde_json::json!({
            "schema": 1,
            "rules": self.programs.active.hash,
            "running_seconds": self.began.elapsed().as_secs(),
            "waiting_deliveries": decide::waiting_deliveries(&self.reader)?,
            "calls_under_way": decide::unanswered(&self.reader)?.len(),
            "incidents": views::incidents(&self.reader)?.len(),
        }))
    }

    /// Prometheus text form.
    fn metrics(&self) -> Result<serde_json::Value, ledger::Error> {
        let incidents = views::incidents(&self.reader)?.len();
        let waiting = decide::waiting_deliveries(&self.reader)?;
        let calls = decide::unanswered(&self.reader)?.len();
        Ok(format!(
            "# TYPE engine_incidents gauge\nengine_incidents {incidents}\n# TYPE engine_waiting_deliveries gauge\nengine_waiting_deliveries {waiting}\n# TYPE engine_calls_under_way gauge\nengine_calls_under_way {calls}\n"
        )
        .into())
    }

    async fn operator(
        axum::extract::State(desk): axum::extract::State<Self>,
        axum::Json(command): axum::Json<OperatorCommand>,
    ) -> axum::response::Response {
        let (done, result) = oneshot::channel();
        let sent = desk.wake.send(Wake::Operator { who: "admin".to_owned(), command, done });
        let result = match sent {
            Ok(()) => result.await.unwrap_or_else(|_| Err("the engine is stopping".to_owned())),
            Err(_) => Err("the engine is stopping".to_owned()),
        };
        answer(result.map(|()| serde_json::json!({"schema": 1, "taken": true})))
    }
}

fn answer<E: std::fmt::Display>(result: Result<serde_json::Value, E>) -> axum::response::Response {
    let (status, kind, body) = match result {
        Ok(serde_json::Value::String(text)) => (200, "text/plain; version=0.0.4", text),
        Ok(value) => (200, "application/json", value.to_string()),
        Err(error) => {
            let body = serde_json::json!({"title": "Internal Server Error", "status": 500, "detail": error.to_string()});
            (500, "application/problem+json", body.to_string())
        }
    };
    let mut response = axum::response::Response::new(body.into());
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
    response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(kind));
    response
}

//! The daemon as a process: signals, exit codes, and what it says where it cannot run.

use std::future::IntoFuture;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use connectors::http::Transport;
use connectors::secret::Secret;
use engine::testing::admin::api::Filter;
use engine::testing::admin::client::Client;
use engine::testing::clock::wall;
use engine::testing::decide::views::Link;
use serde_json::Value as Json;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Child;
use tokio::sync::watch;

use crate::inside::get;
use crate::stage::Stage;

/// After this a test has failed; nothing waits so long when all is well.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) async fn within<T>(what: &str, answer: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, answer).await {
        Ok(answer) => answer,
        Err(_) => panic!("{what} did not come within {PATIENCE:?}"),
    }
}

/// Answers to creations wait here while it is closed; what they are about has happened.
#[derive(Clone)]
pub(crate) struct Gate {
    open: watch::Sender<bool>,
    held: watch::Sender<usize>,
}

impl Gate {
    pub(crate) fn new(open: bool) -> Self {
        Self { open: watch::Sender::new(open), held: watch::Sender::new(0) }
    }

    async fn pass(&self) {
        let mut open = self.open.subscribe();
        if !*open.borrow_and_update() {
            self.held.send_modify(|held| *held += 1);
            open.wait_for(|open| *open).await.expect("the gate stands");
        }
    }

    async fn holds_one(&self) {
        within("a creation", self.held.subscribe().wait_for(|held| *held > 0)).await.expect("the gate stands");
    }
}

/// A twin on a port of its own.
async fn face(twin: Arc<dyn Transport>, gate: Gate) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    let router = axum::Router::new().fallback(move |request: axum::extract::Request| {
        let (twin, gate) = (Arc::clone(&twin), gate.clone());
        async move {
            let (parts, body) = request.into_parts();
            let body = axum::body::to_bytes(body, usize::MAX).await.expect("a whole request");
            let creates = body.windows(8).any(|part| part == b"\"create\"");
            let answer = twin.send(http::Request::from_parts(parts, body)).await.expect("the twin answers");
            if creates {
                gate.pass().await;
            }
            answer.map(axum::body::Body::from)
        }
    });
    tokio::spawn(axum::serve(listener, router).into_future());
    format!("http://{address}")
}

/// A stage whose twins have ports, for an engine in a process of its own.
pub(crate) struct Beside {
    pub(crate) stage: Stage,
    /// Before the app.
    gate: Gate,
}

impl Beside {
    pub(crate) async fn new(grace: &str, gate: Gate) -> Self {
        let stage = Stage::new();
        let crm = face(Arc::new(stage.twins.crm.clone()), Gate::new(true)).await;
        let app = face(Arc::new(stage.twins.app.clone()), gate.clone()).await;
        let mail = face(Arc::new(stage.twins.mail.clone()), Gate::new(true)).await;
        let text = stage.yaml([&crm, &app, &mail], "");
        stage.write("engine.yaml", &text.replace("hold: 20ms", &format!("hold: 20ms, grace: {grace}")));
        Self { stage, gate }
    }

    /// Adds something to its engine.yaml.
    pub(crate) fn configure(&self, more: &str) {
        let path = self.stage.folder.path().join("engine.yaml");
        let text = std::fs::read_to_string(path).expect("it was written");
        self.stage.write("engine.yaml", &format!("{text}{more}"));
    }

    fn users(&self) -> usize {
        self.stage.app.lock().expect("a sound twin").count("User")
    }
}

/// An engine that runs, and what it has said.
pub(crate) struct Daemon {
    child: Child,
    log: watch::Receiver<Vec<Json>>,
    webhooks: SocketAddr,
    pub(crate) admin: SocketAddr,
    state: PathBuf,
}

impl Daemon {
    pub(crate) async fn start(stage: &Stage) -> Self {
        let mut child = tokio::process::Command::from(engine(stage, &[]))
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the engine runs");
        let mut lines = BufReader::new(child.stderr.take().expect("it is piped")).lines();
        let (said, log) = watch::channel(Vec::new());
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                let line = serde_json::from_str(&line).unwrap_or(Json::String(line));
                said.send_modify(|lines: &mut Vec<Json>| lines.push(line));
            }
        });
        let state = stage.folder.path().join("state");
        let mut daemon = Self { child, log, webhooks: ([0; 4], 0).into(), admin: ([0; 4], 0).into(), state };
        let runs = daemon.says("the engine runs").await;
        let address = |name: &str| runs[name].as_str().and_then(|text| text.parse().ok()).expect("an address");
        (daemon.webhooks, daemon.admin) = (address("webhooks"), address("admin"));
        daemon
    }

    /// The first line with this message, when it has come.
    pub(crate) async fn says(&mut self, message: &str) -> Json {
        let found = self.log.wait_for(|lines| lines.iter().any(|line| line["message"] == message));
        match within(message, found).await.map(|lines| lines.clone()) {
            Ok(lines) => lines.into_iter().find(|line| line["message"] == message).expect("it has come"),
            Err(_) => panic!("it ended without saying {message:?}: {:?}", self.log.borrow()),
        }
    }

    /// SIGKILL: it ends where it stands.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.expect("it runs");
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let id = self.child.id().and_then(|id| i32::try_from(id).ok());
        let pid = id.and_then(rustix::process::Pid::from_raw).expect("it runs");
        rustix::process::kill_process(pid, signal).expect("the signal is taken");
    }

    /// Asks it to stop; gives the exit code.
    pub(crate) async fn terminate(mut self) -> Option<i32> {
        self.signal(rustix::process::Signal::TERM);
        self.exit().await
    }

    pub(crate) async fn exit(&mut self) -> Option<i32> {
        within("the end of the process", self.child.wait()).await.expect("it was started").code()
    }

    /// A client that has the token which the daemon keeps.
    pub(crate) fn client(&self) -> Client {
        let token = std::fs::read_to_string(self.state.join("admin-token")).expect("the daemon keeps one");
        Client::new(&format!("http://{}", self.admin), Some(Secret::new(token.trim()))).expect("an address")
    }

    async fn rules(&self) -> String {
        self.client().status().await.expect("it is told").rules.hash
    }

    /// The links that this daemon knows.
    pub(crate) async fn links(&self) -> Vec<Link> {
        let filter = Filter { limit: Some(10_000), about: Some("Contacts".to_owned()), ..Filter::default() };
        self.client().links(&filter).await.expect("it is told").links
    }
}

fn engine(stage: &Stage, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_engine"));
    command.arg("run").arg("--config").arg(stage.folder.path().join("engine.yaml")).args(arguments);
    command.env("ENGINE_LOG", "info").stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// The exit code of a container's health check.
fn alive(admin: SocketAddr) -> Option<i32> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_engine"));
    command.args(["status", "--alive", "--admin"]).arg(format!("http://{admin}"));
    command.output().expect("it runs").status.code()
}

/// Runs an engine that cannot run; gives its code and what it says.
fn refused(stage: &Stage, arguments: &[&str]) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = engine(stage, arguments).stderr(Stdio::piped()).output().expect("it runs");
    (status.code(), String::from_utf8_lossy(&stderr).into_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hangup_takes_changed_rules_and_refuses_broken_ones() {
    let beside = Beside::new("20s", Gate::new(true)).await;
    let stage = &beside.stage;
    let mut daemon = Daemon::start(stage).await;
    let before = daemon.rules().await;

    stage.rewrite("words.rules", "choice ", "choise ");
    daemon.signal(rustix::process::Signal::HUP);
    let refusal = daemon.says("the rules were refused; the old ones go on").await;
    assert!(refusal["reason"].as_str().is_some_and(|reason| reason.contains("words.rules:")), "{refusal}");
    assert_eq!(daemon.rules().await, before);
    assert_eq!(get(daemon.admin, "/readyz").await.0, 200);
    // The old rules do not only stand there: they decide.
    let contact = [("email", "ada@example.com"), ("firstname", "Ada")];
    stage.crm.lock().expect("a sound twin").create("Contact", &contact, wall()).expect("it is taken");
    stage.deliver(daemon.webhooks).await;
    stage.user("ada@example.com").await;

    stage.rewrite("words.rules", "choise ", "# taken\nchoice ");
    daemon.signal(rustix::process::Signal::HUP);
    let loaded = daemon.says("rules loaded").await;
    assert_eq!(loaded["changed"], Json::from(true));
    assert_ne!(daemon.rules().await, before);
    assert_eq!(loaded["rules"], daemon.rules().await);
    assert_eq!(daemon.terminate().await, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn terminated_it_waits_for_the_call_under_way() {
    let beside = Beside::new("50s", Gate::new(false)).await;
    let stage = &beside.stage;
    let mut daemon = Daemon::start(stage).await;
    let contact = [("email", "ada@example.com"), ("firstname", "Ada")];
    stage.crm.lock().expect("a sound twin").create("Contact", &contact, wall()).expect("it is taken");
    stage.deliver(daemon.webhooks).await;
    beside.gate.holds_one().await;
    daemon.signal(rustix::process::Signal::TERM);
    assert_eq!(daemon.says("stopping").await["under_way"], Json::from(1));
    beside.gate.open.send_replace(true);
    assert_eq!(daemon.exit().await, Some(0));

    // The answer was taken: the link stands, and the user is not made again.
    let daemon = Daemon::start(stage).await;
    let links = daemon.links().await;
    assert!(links.len() == 1 && links[0].right.is_some(), "{links:?}");
    assert_eq!(daemon.terminate().await, Some(0));
    assert_eq!((beside.users(), stage.app.lock().expect("a sound twin").calls().repeated), (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_outlasts_the_grace_is_taken_up_at_the_next_start() {
    let beside = Beside::new("100ms", Gate::new(false)).await;
    let stage = &beside.stage;
    let daemon = Daemon::start(stage).await;
    let contact = [("email", "ada@example.com"), ("firstname", "Ada")];
    stage.crm.lock().expect("a sound twin").create("Contact", &contact, wall()).expect("it is taken");
    stage.deliver(daemon.webhooks).await;
    beside.gate.holds_one().await;
    assert_eq!(daemon.terminate().await, Some(0));
    assert_eq!(beside.users(), 1, "the app has made it; its answer is held");

    beside.gate.open.send_replace(true);
    let daemon = Daemon::start(stage).await;
    let paired = async { while daemon.links().await.first().is_none_or(|link| link.right.is_none()) {} };
    within("the pair", paired).await;
    assert_eq!(daemon.terminate().await, Some(0));
    assert_eq!(beside.users(), 1, "the user was made once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_engine_on_one_state_folder_exits_2_and_says_why() {
    let beside = Beside::new("20s", Gate::new(true)).await;
    let daemon = Daemon::start(&beside.stage).await;
    let (code, said) = refused(&beside.stage, &[]);
    assert_eq!(code, Some(2), "{said}");
    let state = beside.stage.folder.path().join("state");
    assert!(said.contains(&format!("the state folder {} is in use by another engine", state.display())), "{said}");
    assert_eq!(alive(daemon.admin), Some(0), "the first one goes on");
    let admin = daemon.admin;
    assert_eq!(daemon.terminate().await, Some(0));
    assert_eq!(alive(admin), Some(2), "nobody is there any more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_named_admin_token_it_keeps_one_that_commands_find() {
    let beside = Beside::new("20s", Gate::new(true)).await;
    let daemon = Daemon::start(&beside.stage).await;
    for path in ["/api/v1/links", "/api/v1/why?about=ada@example.com", "/api/v1/history", "/api/v1/parked"] {
        assert_eq!(get(daemon.admin, path).await.0, 401, "{path}");
    }
    for path in ["/readyz", "/metrics", "/api/v1/status"] {
        assert_eq!(get(daemon.admin, path).await.0, 200, "{path} says nothing of people");
    }
    let known = daemon.client().status().await.expect("it is told").rules.hash;
    let mut command = Command::new(env!("CARGO_BIN_EXE_engine"));
    // The configuration of the stage takes any free port, so the address is said; the state folder is not.
    let config = beside.stage.folder.path().join("reach.yaml");
    let text = std::fs::read_to_string(beside.stage.folder.path().join("engine.yaml")).expect("the configuration");
    let text = text.replace("admin: { listen: 127.0.0.1:0 }", &format!("admin: {{ listen: {} }}", daemon.admin));
    std::fs::write(&config, text).expect("written");
    let output = command.args(["status", "--json", "--config"]).arg(&config).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains(&known), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(daemon.terminate().await, Some(0));
}

#[test]
fn what_it_cannot_run_with_exits_2_and_is_named() {
    let stage = Stage::new();
    let sound = stage.yaml(["http://127.0.0.1:1"; 3], "");
    stage.write(
        "engine.yaml",
        &sound.replace(
            "base_url: http://127.0.0.1:1\n    token_file: token\n    webhook",
            "base_url: http://127.0.0.1:1\n    tokn_file: token\n    webhook",
        ),
    );
    let (code, said) = refused(&stage, &[]);
    assert_eq!(code, Some(2), "{said}");
    let line = 1 + std::fs::read_to_string(stage.folder.path().join("engine.yaml"))
        .expect("it was written")
        .lines()
        .position(|line| line.contains("tokn_file"))
        .expect("it is there");
    assert!(said.contains("unknown key `tokn_file` in `systems.app`"), "{said}");
    assert!(said.contains(&format!("engine.yaml:{line}:")), "line {line}: {said}");

    stage.write("engine.yaml", &sound);
    let (code, said) = refused(&stage, &["--clock", "http://192.0.2.1:8000/clock"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("the clock http://192.0.2.1:8000/clock is not on this machine"), "{said}");

    if !cfg!(feature = "kafka-tls") {
        for security in ["protocol: tls", "protocol: sasl, username: engine, password_file: app-secret"] {
            stage.write("engine.yaml", &format!("{sound}kafka: {{ brokers: b, security: {{ {security} }} }}\n"));
            let (code, said) = refused(&stage, &[]);
            assert_eq!(code, Some(2), "{said}");
            assert!(said.contains("build it with `--features kafka-tls`"), "{said}");
        }
        stage.write("engine.yaml", &sound);
    }

    // What is missing here is told before anything runs, whoever needs it.
    let others = "kafka: { brokers: b, security: { protocol: sasl_plaintext, mechanism: PLAIN, username: u, \
                  password_file: no-password } }\nredis: { url_file: no-url }\n";
    stage.write("engine.yaml", &format!("{sound}{others}"));
    let mut check = Command::new(env!("CARGO_BIN_EXE_engine"));
    let check = check.args(["config", "check"]).arg(stage.folder.path().join("engine.yaml")).output();
    let told = String::from_utf8_lossy(&check.expect("it runs").stdout).into_owned();
    assert!(told.contains("no-password") && told.contains("no-url"), "{told}");
    stage.write("engine.yaml", &sound);

    let token = stage.folder.path().join("token");
    std::fs::remove_file(&token).expect("it was there");
    let (code, said) = refused(&stage, &[]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains(&token.display().to_string()), "{said}");
    assert!(!said.contains("client-secret") && !said.contains("app-secret"), "no secret is told: {said}");
}

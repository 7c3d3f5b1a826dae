//! The stage: twins, a Kafka cluster and a clock in this process, the engine beside it.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::routing::get;
use dsl::value::{Moment, Span};
use sandbox::app::{App, face, publisher};
use sandbox::hubspot::{HubSpot, deliver};
use sandbox::kafka::{Cluster, mock_cluster};
use sandbox::mail::Mail;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

use super::Failed;
use crate::rules::SHIPPED;

const TOKEN: &str = "demo-token";
const CLIENT_SECRET: &str = "demo-client-secret";

pub(super) struct Stage {
    pub(super) crm: Arc<Mutex<HubSpot>>,
    pub(super) app: Arc<Mutex<App>>,
    pub(super) mail: Arc<Mutex<Mail>>,
    talks: bool,
    ahead: Arc<AtomicI64>,
    stop: CancellationToken,
    folder: Option<tempfile::TempDir>,
    path: PathBuf,
    clock_url: String,
    ready_url: String,
    engine: Option<Child>,
    http: reqwest::Client,
    _cluster: Cluster,
}

fn wall() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
}

impl Stage {
    pub(super) async fn build(talks: bool, keep: bool) -> Result<Self, Failed> {
        let lock = |name: &str| {
            let text =
                SHIPPED.iter().find(|(path, _)| *path == format!("schemas/{name}.lock")).map_or("", |(_, text)| *text);
            dsl::schema::read_lock(text).map_err(|error| Failed(error.to_string()))
        };
        let folder =
            tempfile::Builder::new().prefix("engine-demo-").tempdir().map_err(|e| Failed::at("a folder")(&e))?;
        let path = folder.path().to_path_buf();
        let ahead = Arc::new(AtomicI64::new(0));
        let now: face::Now = {
            let ahead = Arc::clone(&ahead);
            Arc::new(move || Moment(wall() + ahead.load(Ordering::Relaxed)))
        };
        let stop = CancellationToken::new();

        let settings = sandbox::app::Settings { token: TOKEN.to_owned(), kafka: true, ..Default::default() };
        let app = App::new(settings, lock("app")?);
        let topics: Vec<(String, i32)> = app.topics().into_iter().map(|topic| (topic, 2)).collect();
        let topics: Vec<(&str, i32)> = topics.iter().map(|(topic, n)| (topic.as_str(), *n)).collect();
        let cluster = mock_cluster(&topics).map_err(|e| Failed::at("Kafka")(&e))?;
        let brokers = cluster.bootstrap_servers().to_owned();
        let app = Arc::new(Mutex::new(app));
        let mail = Arc::new(Mutex::new(Mail::new(Some(TOKEN.to_owned()))));
        let settings = sandbox::hubspot::Settings {
            portal_id: 99_000_111,
            app_id: 7_700_123,
            client_secret: CLIENT_SECRET.to_owned(),
            token: TOKEN.to_owned(),
            webhook_url: None,
            limit: 100,
            seed: 2_026,
        };
        let crm = Arc::new(Mutex::new(HubSpot::new(settings, lock("crm")?)));

        let listen = || async { TcpListener::bind("127.0.0.1:0").await.map_err(|e| Failed::at("a port")(&e)) };
        let address = |listener: &TcpListener| listener.local_addr().map_err(|e| Failed::at("a port")(&e));
        let (crm_door, app_door, mail_door, clock_door) =
            (listen().await?, listen().await?, listen().await?, listen().await?);
        let (engine_door, admin_door) = (listen().await?, listen().await?);
        let (crm_at, app_at, mail_at, clock_at) =
            (address(&crm_door)?, address(&app_door)?, address(&mail_door)?, address(&clock_door)?);
        let (engine_at, admin_at) = (address(&engine_door)?, address(&admin_door)?);
        drop((engine_door, admin_door));
        locked(&crm).send_to(&format!("http://{engine_at}/webhooks/crm"));

        tokio::spawn(face::serve(Arc::clone(&crm), crm_door, Arc::clone(&now), stop.clone()));
        tokio::spawn(face::serve(Arc::clone(&app), app_door, Arc::clone(&now), stop.clone()));
        tokio::spawn(face::serve(Arc::clone(&mail), mail_door, Arc::clone(&now), stop.clone()));
        tokio::spawn(deliver(Arc::clone(&crm), Arc::clone(&now), stop.clone()));
        {
            let (app, stop) = (Arc::clone(&app), stop.clone());
            let brokers = brokers.clone();
            tokio::spawn(async move { publisher::publish(app, &brokers, stop).await });
        }
        {
            let now = Arc::clone(&now);
            let router = axum::Router::new().route("/clock", get(move || async move { now().0.to_string() }));
            let stop = stop.clone();
            tokio::spawn(async move {
                axum::serve(clock_door, router).with_graceful_shutdown(stop.cancelled_owned()).await
            });
        }

        let config = format!(
            "rules: rules\nstate: state\nlisten: {engine_at}\nadmin:\n  listen: {admin_at}\nsystems:\n  crm:\n    connector: hubspot\n    base_url: http://{crm_at}\n    api_version: 2026-09\n    token_env: DEMO_TOKEN\n    app_id: 7700123\n    webhook:\n      path: /webhooks/crm\n      public_url: http://{engine_at}/webhooks/crm\n      client_secret_env: DEMO_CLIENT_SECRET\n  app:\n    connector: rest\n    base_url: http://{app_at}\n    token_env: DEMO_TOKEN\n    webhook: {{ path: /webhooks/app, secret_env: DEMO_CLIENT_SECRET }}\n  mail:\n    connector: http\n    base_url: http://{mail_at}\n    token_env: DEMO_TOKEN\n    roles: {{ sales-manager: sales-lead@example.com, customer-success: cs@example.com }}\n    operations:\n      email:  {{ method: POST, path: /send, body: {{ to: \"{{to}}\", template: \"{{template}}\", about: \"{{about}}\" }} }}\n      survey: {{ method: POST, path: /survey, body: {{ to: \"{{to}}\", template: \"{{template}}\", about: \"{{about}}\" }} }}\n      notify: {{ method: POST, path: /notify, body: {{ role: \"{{role}}\", to: \"{{address}}\", about: \"{{about}}\", text: \"{{text}}\" }} }}\nkafka:\n  brokers: {brokers}\n  group: biometrics-engine\n  fetch_wait: 20ms\n"
        );
        let write = |name: &str, text: &str| {
            let target = path.join(name);
            let folder = target.parent().map_or(Ok(()), std::fs::create_dir_all);
            folder.and_then(|()| std::fs::write(&target, text)).map_err(|e| Failed::at("a file")(&e))
        };
        for (name, text) in SHIPPED {
            write(&format!("rules/{name}"), text)?;
        }
        write("engine.yaml", &config)?;
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(5))
            .build()
            .map_err(|e| Failed::at("HTTP")(&e))?;
        let mut stage = Self {
            crm,
            app,
            mail,
            talks,
            ahead,
            stop,
            folder: if keep {
                drop(folder.keep());
                None
            } else {
                Some(folder)
            },
            path,
            clock_url: format!("http://{clock_at}/clock"),
            ready_url: format!("http://{admin_at}/readyz"),
            engine: None,
            http,
            _cluster: cluster,
        };
        stage.start().await?;
        Ok(stage)
    }

    /// Starts the engine and waits until it is ready.
    pub(super) async fn start(&mut self) -> Result<(), Failed> {
        let binary = std::env::current_exe().map_err(|e| Failed::at("the engine's binary")(&e))?;
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.path.join("engine.log"));
        let log = log.map_err(|e| Failed::at("the log")(&e))?;
        let errors = log.try_clone().map_err(|e| Failed::at("the log")(&e))?;
        let child = Command::new(binary)
            .args(["run", "--config"])
            .arg(self.path.join("engine.yaml"))
            .args(["--clock", &self.clock_url])
            .env("DEMO_TOKEN", TOKEN)
            .env("DEMO_CLIENT_SECRET", CLIENT_SECRET)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .kill_on_drop(true)
            .spawn()
            .map_err(|e| Failed::at("the engine")(&e))?;
        self.engine = Some(child);
        let began = Instant::now();
        loop {
            let ready =
                self.http.get(&self.ready_url).send().await.is_ok_and(|response| response.status().is_success());
            if ready {
                return Ok(());
            }
            let ended = self.engine.as_mut().and_then(|child| child.try_wait().ok().flatten());
            if ended.is_some() || began.elapsed() > Duration::from_secs(20) {
                let log = std::fs::read_to_string(self.path.join("engine.log")).unwrap_or_default();
                let tail: Vec<&str> = log.lines().rev().take(12).collect();
                let tail = tail.into_iter().rev().collect::<Vec<_>>().join("\n");
                return Err(Failed(format!("the engine did not become ready; its last words:\n{tail}")));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// SIGKILL, at once.
    pub(super) async fn kill(&mut self) {
        if let Some(mut child) = self.engine.take()
            && let Err(error) = child.kill().await
        {
            tracing::warn!(%error, "the engine could not be killed");
        }
    }

    /// Ends everything; the engine by SIGTERM.
    pub(super) async fn close(&mut self) {
        if let Some(mut child) = self.engine.take() {
            if let Some(pid) = child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw)
                && let Err(error) = rustix::process::kill_process(pid, rustix::process::Signal::TERM)
            {
                tracing::warn!(%error, "the engine could not be asked to stop");
            }
            if tokio::time::timeout(Duration::from_secs(10), child.wait()).await.is_err() {
                tracing::warn!("the engine did not stop in time and is killed");
            }
        }
        self.stop.cancel();
        if self.folder.is_none() && self.talks {
            self.say(&format!("kept: {}", self.path.display()));
        }
    }

    /// Memory that the engine holds, in MB.
    pub(super) fn resident_mb(&self) -> u64 {
        let Some(pid) = self.engine.as_ref().and_then(Child::id) else { return 0 };
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
        line.chars().filter(char::is_ascii_digit).collect::<String>().parse::<u64>().unwrap_or(0) / 1024
    }

    pub(super) fn crm(&self) -> MutexGuard<'_, HubSpot> {
        locked(&self.crm)
    }

    pub(super) fn app(&self) -> MutexGuard<'_, App> {
        locked(&self.app)
    }

    pub(super) fn mail(&self) -> MutexGuard<'_, Mail> {
        locked(&self.mail)
    }

    pub(super) fn now(&self) -> Moment {
        Moment(wall() + self.ahead.load(Ordering::Relaxed))
    }

    /// Lets the twins' clock jump.
    pub(super) fn jump(&self, span: Span) {
        self.ahead.fetch_add(span.0, Ordering::Relaxed);
    }

    /// A line of the story. Where nobody listens any more the story is still played to its end, because there are
    /// processes to be stopped.
    pub(super) fn say(&self, text: &str) {
        if self.talks {
            let _gone = writeln!(std::io::stdout(), "{text}");
        }
    }

    /// Waits until something holds; false where it does not within `seconds`.
    pub(super) async fn until(&self, seconds: u64, holds: impl Fn(&Self) -> bool) -> bool {
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(seconds) {
            if holds(self) {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        false
    }
}

fn locked<T>(model: &Mutex<T>) -> MutexGuard<'_, T> {
    model.lock().expect("a twin that panicked is not used any further")
}

//! The stage: stand-ins for HubSpot, the app and the mail service, a Kafka cluster and a clock in this process, the
//! engine beside it.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use axum::routing::get;
use dsl::program::Program;
use dsl::schema::Lock;
use dsl::value::{Duration, Timestamp};
use sandbox::app::{App, publisher};
use sandbox::face;
use sandbox::hubspot::{HubSpot, deliver};
use sandbox::kafka::{Cluster, mock_cluster};
use sandbox::mail::Mail;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::Failed;
use super::written::{Effect, Written};
use crate::cli::daemon::Daemon;
use crate::rehearse::twins::Twin;
use crate::rules::{SHIPPED, Texts};

const TOKEN: &str = "demo-token";
const CLIENT_SECRET: &str = "demo-client-secret";

pub(super) struct Stage {
    pub(super) program: Program,
    pub(super) twins: BTreeMap<String, Twin>,
    pub(super) daemon: Daemon,
    /// Every value that people wrote, in order.
    pub(super) written: Vec<Written>,
    /// What the story asked for, and how often.
    pub(super) effects: BTreeMap<Effect, usize>,
    /// When the engine was killed, by the twins' clock.
    pub(super) kills: Vec<Timestamp>,
    crm: Arc<Mutex<HubSpot>>,
    app: Arc<Mutex<App>>,
    mail: Arc<Mutex<Mail>>,
    talks: bool,
    ahead: Arc<AtomicI64>,
    stop: CancellationToken,
    /// Removed at the end, unless it is to be kept.
    folder: Option<tempfile::TempDir>,
    path: PathBuf,
    _cluster: Cluster,
}

/// The shipped rules, as one program.
fn shipped() -> Result<Program, Failed> {
    let compiled = Texts::shipped().compile(None);
    compiled.program.ok_or_else(|| Failed("the shipped rules have findings; see `engine validate rules`".to_owned()))
}

/// The account of the story.
fn account() -> sandbox::hubspot::Settings {
    sandbox::hubspot::Settings {
        portal_id: 99_000_111,
        app_id: 7_700_123,
        client_secret: CLIENT_SECRET.to_owned(),
        token: TOKEN.to_owned(),
        webhook_url: None,
        limit: 100,
        seed: 2_026,
    }
}

fn wall() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
}

impl Stage {
    pub(super) async fn build(talks: bool, keep: bool) -> Result<Self, Failed> {
        let program = shipped()?;
        let lock = |system: &str| -> Result<Lock, Failed> {
            let system = program.systems.get(system).ok_or_else(|| Failed(format!("no rule names {system}")))?;
            Ok(Lock::clone(&system.lock))
        };
        let folder =
            tempfile::Builder::new().prefix("engine-demo-").tempdir().map_err(|e| Failed::at("a folder")(&e))?;
        let path = folder.path().to_path_buf();
        let ahead = Arc::new(AtomicI64::new(0));
        let now: sandbox::Now = {
            let ahead = Arc::clone(&ahead);
            Arc::new(move || Timestamp(wall() + ahead.load(Ordering::Relaxed)))
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
        let crm = Arc::new(Mutex::new(HubSpot::empty(account())));

        let listen = || async { TcpListener::bind("127.0.0.1:0").await.map_err(|e| Failed::at("a port")(&e)) };
        let address = |listener: &TcpListener| listener.local_addr().map_err(|e| Failed::at("a port")(&e));
        let (crm_door, app_door, mail_door, clock_door) =
            (listen().await?, listen().await?, listen().await?, listen().await?);
        // The engine is a process of its own, so its ports are only looked up here and given free again below. Somebody may
        // take one in between; then it says so and the demo does not begin.
        let (engine_door, admin_door) = (listen().await?, listen().await?);
        let (crm_at, app_at, mail_at, clock_at) =
            (address(&crm_door)?, address(&app_door)?, address(&mail_door)?, address(&clock_door)?);
        let (engine_at, admin_at) = (address(&engine_door)?, address(&admin_door)?);
        drop((engine_door, admin_door));
        locked(&crm).send_to(&format!("http://{engine_at}/webhooks/crm"));

        // Not among the engine's tasks: they belong to the stage, and end with `stop` or with this process.
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

        // As an operator would write it: the engine is reached through its file, its ports and its signals alone.
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
        let secrets = vec![("DEMO_TOKEN", TOKEN), ("DEMO_CLIENT_SECRET", CLIENT_SECRET)];
        let daemon =
            Daemon::new(path.clone(), Some(format!("http://{clock_at}/clock")), format!("http://{admin_at}"), secrets)?;
        let twins = [
            ("app".to_owned(), Twin::App(Arc::clone(&app))),
            ("crm".to_owned(), Twin::HubSpot(Arc::clone(&crm))),
            ("mail".to_owned(), Twin::Mail(Arc::clone(&mail))),
        ];
        Ok(Self {
            program,
            twins: twins.into(),
            daemon,
            written: Vec::new(),
            effects: BTreeMap::new(),
            kills: Vec::new(),
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
            _cluster: cluster,
        })
    }

    /// Gives the account all that the lock of the rules names, where the story of its setup is not told.
    #[cfg(test)]
    pub(super) fn equip(&self) {
        let lock = Lock::clone(&self.program.systems["crm"].lock);
        *self.crm() = HubSpot::new(account(), lock);
    }

    /// SIGKILL, at once.
    pub(super) async fn kill(&mut self) -> Result<(), Failed> {
        self.daemon.kill().await?;
        self.kills.push(self.now());
        Ok(())
    }

    /// Ends everything; an engine that still runs by SIGTERM.
    pub(super) async fn close(&mut self) -> Result<(), Failed> {
        let stopped = self.daemon.stop().await;
        self.stop.cancel();
        if self.folder.is_none() {
            self.say(&format!("\nRules, configuration, state and log are kept in {}", self.path.display()));
        }
        Ok(stopped?)
    }

    /// Where the engine keeps its state.
    pub(super) fn state(&self) -> PathBuf {
        self.path.join("state")
    }

    /// Waits until nothing is on its way any more, on any side; false where that does not come.
    pub(super) async fn quiet(&self, seconds: u64) -> Result<bool, Failed> {
        let began = Instant::now();
        let mut times = 0;
        while began.elapsed() < std::time::Duration::from_secs(seconds) {
            let status = self.daemon.ask(async |engine| engine.status().await).await?;
            let idle = status.lanes.is_empty()
                && status.under_way == 0
                && status.inbox == 0
                && self.crm().undelivered() == 0
                && !self.app().has_outgoing();
            // A message may be between two hands; not so often in a row.
            times = if idle { times + 1 } else { 0 };
            if times == 4 {
                return Ok(true);
            }
            tokio::time::sleep(std::time::Duration::from_millis(40)).await;
        }
        Ok(false)
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

    pub(super) fn now(&self) -> Timestamp {
        Timestamp(wall() + self.ahead.load(Ordering::Relaxed))
    }

    /// Lets the twins' clock jump.
    pub(super) fn jump(&self, span: Duration) {
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
        while began.elapsed() < std::time::Duration::from_secs(seconds) {
            if holds(self) {
                return true;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        false
    }
}

fn locked<T>(model: &Mutex<T>) -> MutexGuard<'_, T> {
    model.lock().expect("a twin that panicked is not used any further")
}

//! Gathers what an engine is made of.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use connectors::http::Transport;

use super::engine::Engine;
use super::error::{Cause, Error};
use crate::config::{Config, Kafka, SecretAt, UrlAt};
use crate::rules::Rules;
use crate::runtime::{self, AdminDoor, Plan, State, System};

/// Gathers what an engine is made of; [`Engine::builder`] makes one. It needs [`rules`](Self::rules), a
/// [`state`](Self::state) and every [`system`](Self::system) that the rules name; everything else is as it is said here
/// where nothing else is said.
///
/// Nothing is touched before [`start`](Self::start): no file, no network, nothing of the process.
#[derive(Clone, Default)]
#[must_use = "nothing runs before `start`"]
pub struct Builder {
    plan: Plan,
    admin_token: Option<SecretAt>,
}

impl Builder {
    /// As engine.yaml says: rules, state, systems, listeners, Kafka and Redis. Whatever is said of it afterwards counts in
    /// its place, [`listen(None)`](Self::listen) too.
    ///
    /// # Errors
    /// [`Error::Config`] with everything that is wrong with the file.
    pub fn from_config(path: impl AsRef<Path>) -> Result<Self, Error> {
        Config::read(path.as_ref()).map(Self::from).map_err(|error| Error::Config(Cause::new(error)))
    }

    /// The rules that decide. Where they do not hold and the state has some that ran before, those run, the log says
    /// so, and so does [`Status::rules`](crate::api::Status::rules).
    pub fn rules(mut self, rules: Rules) -> Self {
        self.plan.rules = Some(rules);
        self
    }

    /// Where everything is kept that must survive.
    pub fn state(mut self, state: State) -> Self {
        self.plan.state = Some(state);
        self
    }

    /// How a system is reached, by its name in the rules: [`HubSpot`](crate::HubSpot), [`Rest`](crate::Rest),
    /// [`Http`](crate::Http), or any [`Connector`](crate::connector::Connector).
    pub fn system(mut self, name: &str, system: impl Into<System>) -> Self {
        self.plan.systems.insert(name.to_owned(), system.into());
        self
    }

    /// Listens here for webhooks; port 0 takes a free one. Without it nothing listens: [`Engine::router`] can be part of
    /// the program's own server, and [`Engine::deliver`] needs none.
    pub fn listen(mut self, address: impl Into<Option<SocketAddr>>) -> Self {
        self.plan.listen = address.into();
        self
    }

    /// Serves the admin API here; port 0 takes a free one. Without it nothing listens. Beyond loopback it needs an
    /// [`admin_token`](Self::admin_token).
    pub fn admin(mut self, address: impl Into<Option<SocketAddr>>) -> Self {
        let (token, viewer_token) =
            self.plan.admin.take().map_or((None, None), |admin| (admin.token, admin.viewer_token));
        self.plan.admin = address.into().map(|listen| AdminDoor { listen, token, viewer_token, keeps_token: false });
        self
    }

    /// What requests to [`admin`](Self::admin) must carry as a bearer token.
    pub fn admin_token(mut self, token: impl Into<SecretAt>) -> Self {
        self.admin_token = Some(token.into());
        self
    }

    /// Where nobody named an admin token, keeps one in the state folder.
    pub(crate) fn keep_admin_token(mut self) -> Self {
        self.plan.admin.iter_mut().for_each(|admin| admin.keeps_token = true);
        self
    }

    /// Records the figures of this process and shows them at `/metrics` of the admin API. It installs the recorder of the
    /// crate `metrics`, of which a process has one: where there is one already, figures go there instead. Without it and
    /// without one of the program's own, nothing is counted.
    pub fn record_metrics(mut self) -> Self {
        self.plan.figures = true;
        self
    }

    /// Reads the topics that the rules name from Kafka.
    pub fn kafka(mut self, kafka: Kafka) -> Self {
        self.plan.kafka = Some(kafka);
        self
    }

    /// Keeps reads in Redis, at a URL such as `redis://127.0.0.1:6379`; without it, in memory. A Redis that is away slows
    /// nothing down but reads.
    pub fn redis(mut self, url: impl Into<SecretAt>) -> Self {
        self.plan.redis = Some(UrlAt::Secret(url.into()));
        self
    }

    /// How long [`Engine::stop`] waits for the answers to calls that are under way: 20 s.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.plan.runtime.grace = grace.into();
        self
    }

    /// How long one request to a system may take before its outcome counts as unknown: 2 min.
    pub fn call_timeout(mut self, timeout: Duration) -> Self {
        self.plan.runtime.call_timeout = timeout.into();
        self
    }

    /// How many deliveries may wait for the pace that the rules give their system: 100,000.
    pub fn inbox(mut self, deliveries: u64) -> Self {
        self.plan.runtime.inbox = deliveries;
        self
    }

    /// How long history is kept in a state folder: 30 days.
    pub fn retention(mut self, retention: Duration) -> Self {
        self.plan.runtime.retention = retention.into();
        self
    }

    /// Changes of two systems that are closer than this count as made at one time: 2 s.
    pub fn clock_skew(mut self, skew: Duration) -> Self {
        self.plan.runtime.clock_skew = skew.into();
        self
    }

    /// How long a change waits for others of its kind, to share a request with them: 100 ms, and while many come up to
    /// four times as long.
    pub fn batch_delay(mut self, delay: Duration) -> Self {
        self.plan.runtime.hold = delay.into();
        self
    }

    /// Calls systems over this instead of the network. A connector of the program's own is its own business.
    pub fn transport(mut self, transport: Arc<dyn Transport>) -> Self {
        self.plan.transport = Some(transport);
        self
    }

    /// Ends the process at once where the state folder can no longer be written, for a supervisor to start it again.
    /// Without it the engine ends by itself then, and [`Engine::ended`] says why.
    pub fn abort_on_storage_failure(mut self) -> Self {
        self.plan.abort = true;
        self
    }

    /// Takes the time from the twins' clock at a URL on loopback.
    pub(crate) fn clock_url(mut self, url: Option<String>) -> Self {
        self.plan.clock_url = url;
        self
    }

    /// Takes the time from `clock`.
    #[cfg(feature = "testing")]
    pub fn clock(mut self, clock: Arc<dyn crate::clock::Clock>) -> Self {
        self.plan.clock = Some(clock);
        self
    }

    /// Sizes and times of the ledger.
    #[cfg(feature = "testing")]
    pub fn ledger(mut self, settings: crate::ledger::Settings) -> Self {
        self.plan.ledger = settings;
        self
    }

    /// Starts the engine, on the tokio runtime that this is called in. Its doors are open when this returns.
    ///
    /// On a runtime of one thread (`current_thread`) decisions are made on a thread of the engine's own, but calls leave
    /// only while the program lets the runtime work.
    ///
    /// # Errors
    /// Everything of [`Error`] that a start can meet; nothing runs then.
    pub async fn start(mut self) -> Result<Engine, Error> {
        if let (Some(admin), Some(token)) = (&mut self.plan.admin, self.admin_token) {
            admin.token = Some(token);
        }
        Ok(Engine::new(runtime::start(self.plan).await?))
    }
}

impl Engine {
    /// Gathers what an engine is made of.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// As engine.yaml says; the same as [`Builder::from_config`].
    ///
    /// # Errors
    /// [`Error::Config`] with everything that is wrong with the file.
    pub fn from_config(path: impl AsRef<Path>) -> Result<Builder, Error> {
        Builder::from_config(path)
    }
}

impl From<Config> for Builder {
    fn from(config: Config) -> Self {
        Self { plan: config.into(), admin_token: None }
    }
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Plan { rules, state, systems, listen, .. } = &self.plan;
        let mut out = out.debug_struct("Builder");
        out.field("rules", rules).field("state", state).field("systems", systems).field("listen", listen);
        out.finish_non_exhaustive()
    }
}

//! What an engine is made of, before anything of it runs.
//!
//! Always true: making one touches nothing; whatever is missing or does not fit is told at the start.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use connectors::http::Transport;

use super::system::System;
use crate::clock::Clock;
use crate::config::{Config, Kafka, Proxy, Runtime, SecretAt, UrlAt};
use crate::ledger;
use crate::rules::Rules;

/// Where an engine keeps what must survive.
///
/// ```
/// use engine::State;
///
/// let (durable, volatile) = (State::folder("state"), State::memory());
/// # drop((durable, volatile));
/// ```
#[derive(Debug, Clone)]
pub struct State(pub(super) Kept);

#[derive(Debug, Clone)]
pub(super) enum Kept {
    Folder(PathBuf),
    Memory,
}

impl State {
    /// In a folder, which is made where it is not there and belongs to one engine at a time. What was acknowledged
    /// survives the process and a power cut; the next start goes on where this one ended.
    pub fn folder(path: impl Into<PathBuf>) -> Self {
        Self(Kept::Folder(path.into()))
    }

    /// The folder, where it is one.
    pub(crate) fn as_folder(&self) -> Option<&Path> {
        match &self.0 {
            Kept::Folder(folder) => Some(folder),
            Kept::Memory => None,
        }
    }

    /// In memory: it ends with the engine. For tests, and where whoever sends to the engine keeps everything and
    /// sends it again. It grows with the number of records that the rules link, and is never written anywhere.
    #[must_use]
    pub fn memory() -> Self {
        Self(Kept::Memory)
    }
}

/// The admin API over HTTP.
#[derive(Debug, Clone)]
pub(crate) struct AdminDoor {
    pub(crate) listen: SocketAddr,
    /// Needed where it listens beyond loopback.
    pub(crate) token: Option<SecretAt>,
    /// With this one may look and change nothing.
    pub(crate) viewer_token: Option<SecretAt>,
    /// Where there is none, one is kept in the state folder.
    pub(crate) keeps_token: bool,
}

/// What an engine is made of.
#[derive(Clone, Default)]
pub(crate) struct Plan {
    pub(crate) rules: Option<Rules>,
    pub(crate) state: Option<State>,
    pub(crate) systems: BTreeMap<String, System>,
    /// Where webhooks arrive; nothing listens where nothing is said.
    pub(crate) listen: Option<SocketAddr>,
    pub(crate) admin: Option<AdminDoor>,
    pub(crate) kafka: Option<Kafka>,
    pub(crate) redis: Option<UrlAt>,
    /// The proxy to all systems; the environment's where none is said.
    pub(crate) proxy: Option<Proxy>,
    pub(crate) runtime: Runtime,
    /// This process's figures are recorded for the admin API.
    pub(crate) figures: bool,
    /// A state folder that can no longer be written ends the process at once.
    pub(crate) abort: bool,
    pub(crate) transport: Option<Arc<dyn Transport>>,
    /// The twins' clock at a URL on loopback.
    pub(crate) clock_url: Option<String>,
    pub(crate) clock: Option<Arc<dyn Clock>>,
    pub(crate) ledger: ledger::Settings,
}

impl From<Config> for Plan {
    /// As engine.yaml says, which always names its listeners.
    fn from(config: Config) -> Self {
        let Config { rules, state, listen, admin, systems, proxy, kafka, redis, runtime } = config;
        Self {
            rules: Some(Rules::folder(rules)),
            state: Some(State::folder(state)),
            systems: systems.into_iter().map(|(name, connection)| (name, connection.into())).collect(),
            listen: Some(listen),
            admin: Some(AdminDoor {
                listen: admin.listen,
                token: admin.token,
                viewer_token: admin.viewer_token,
                keeps_token: false,
            }),
            proxy,
            kafka,
            redis,
            runtime,
            ..Self::default()
        }
    }
}

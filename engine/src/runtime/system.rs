//! One system of the rules: how it is reached, and what it may send.

use std::sync::Arc;

use connectors::port::Connector;
use connectors::registry::{self, ConnectorKind, Settings};
use connectors::webhook::Verify;
use connectors::webhook::door::MAX_BODY;

use crate::config::{Connection, SecretAt, TokenAt};

/// A system of the rules: how it is reached, and what it may send. A connector by itself is one too.
///
/// ```
/// use engine::System;
/// use engine::connector::{Connector, HeaderMap, Timestamp, Verify};
///
/// /// A shop behind a proxy that lets nobody else through.
/// struct Inside;
///
/// impl Verify for Inside {
///     fn verify(&self, headers: &HeaderMap, _body: &[u8], _now: Timestamp) -> Result<(), String> {
///         headers.contains_key("x-from-the-shop").then_some(()).ok_or("it comes from elsewhere".to_owned())
///     }
/// }
///
/// fn shop(connector: impl Connector + 'static) -> System {
///     System::new(connector).webhook("/webhooks/shop", Inside).concurrency(8)
/// }
/// ```
#[derive(Clone)]
pub struct System {
    pub(super) reached: Reached,
    pub(super) concurrency: Option<usize>,
    pub(super) webhook: Option<Webhook>,
}

/// By what a system is reached.
#[derive(Clone)]
pub(super) enum Reached {
    /// A connector that is there.
    Own(Arc<dyn Connector>),
    /// One that is made of settings and the lock of the rules.
    Built { settings: Settings, token: Option<TokenAt> },
}

/// A path at which deliveries of a system arrive.
#[derive(Clone)]
pub(super) struct Webhook {
    pub(super) path: String,
    /// A delivery may be one object; otherwise it is an array of them.
    pub(super) single: bool,
    /// The largest delivery that is taken, in bytes.
    pub(super) max_body: usize,
    pub(super) sender: Sender,
}

/// How it is known who sent a delivery.
#[derive(Clone)]
pub(super) enum Sender {
    /// As the connector of this kind knows it.
    Signed { kind: ConnectorKind, secret: SecretAt, public_url: Option<String> },
    /// As the caller says.
    Own(Arc<dyn Verify>),
}

impl System {
    /// A system that is reached through this connector.
    pub fn new(connector: impl Connector + 'static) -> Self {
        Self { reached: Reached::Own(Arc::new(connector)), concurrency: None, webhook: None }
    }

    /// Takes deliveries at `path`, which starts with `/`: JSON, one object or an array of them. `verify` says whether
    /// one may be looked at.
    #[must_use]
    pub fn webhook(mut self, path: &str, verify: impl Verify + 'static) -> Self {
        let sender = Sender::Own(Arc::new(verify));
        self.webhook = Some(Webhook { path: path.to_owned(), single: true, max_body: MAX_BODY, sender });
        self
    }

    /// How many requests may be under way at once: 4 where the rules limit the calls of the system and nothing is
    /// said here, otherwise 32. At least 1.
    #[must_use]
    pub fn concurrency(mut self, requests: usize) -> Self {
        self.concurrency = Some(requests.max(1));
        self
    }
}

impl<C: Connector + 'static> From<C> for System {
    fn from(connector: C) -> Self {
        Self::new(connector)
    }
}

impl From<Connection> for System {
    fn from(connection: Connection) -> Self {
        let Connection { connector: kind, token, concurrency, webhook, .. } = &connection;
        let webhook = webhook.clone().map(|webhook| Webhook {
            path: webhook.path,
            single: kind.webhook().single,
            max_body: webhook.max_body,
            sender: Sender::Signed { kind: *kind, secret: webhook.secret, public_url: webhook.public_url },
        });
        let (token, concurrency) = (token.clone(), *concurrency);
        Self { reached: Reached::Built { settings: settings(connection), token }, concurrency, webhook }
    }
}

/// The settings of a connector.
pub(super) fn settings(connection: Connection) -> Settings {
    let Connection { connector, base_url, api_version, app_id, portal_id, roles, operations, .. } = connection;
    Settings::new(connector, registry::Connection { base_url, api_version, app_id, portal_id, roles, operations })
}

impl std::fmt::Debug for System {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let reached: &dyn std::fmt::Debug = match &self.reached {
            Reached::Own(_) => &"a connector of the caller's",
            Reached::Built { settings, .. } => settings,
        };
        let webhook = self.webhook.as_ref().map(|webhook| &webhook.path);
        out.debug_struct("System").field("reached", reached).field("webhook", &webhook).finish_non_exhaustive()
    }
}

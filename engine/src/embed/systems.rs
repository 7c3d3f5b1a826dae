//! The connectors of this project, by what can be said of the system that each reaches.
//!
//! Always true: a secret is read at the start, and again at a reload, where it says where it is found.

use connectors::operations::Template;
use connectors::registry::ConnectorKind;
use connectors::webhook::door::MAX_BODY;
use http::Method;
use serde_json::Value as Json;

use crate::config::{Connection, SecretAt, TokenAt, Webhook};
use crate::runtime::System;

/// A connection of which nothing but the kind and the address is known.
fn connection(connector: ConnectorKind, base_url: &str, token: Option<SecretAt>) -> Connection {
    Connection {
        connector,
        base_url: base_url.trim_end_matches('/').to_owned(),
        api_version: None,
        token: token.map(TokenAt::Fixed),
        app_id: None,
        portal_id: None,
        concurrency: None,
        webhook: None,
        roles: Default::default(),
        operations: Default::default(),
    }
}

/// HubSpot, by its CRM API.
///
/// ```
/// use engine::{HubSpot, SecretAt};
///
/// let crm = HubSpot::new(SecretAt::Environment("HUBSPOT_TOKEN".into()))
///     .app_id(7_700_123)
///     .webhook("/webhooks/crm", "https://engine.example.com/webhooks/crm", "client secret");
/// # drop(crm);
/// ```
#[derive(Debug, Clone)]
pub struct HubSpot(Connection);

impl HubSpot {
    /// With the token of a private app, at HubSpot's usual address and in the newest version that this engine knows.
    pub fn new(token: impl Into<SecretAt>) -> Self {
        let kind = ConnectorKind::HubSpot;
        Self(connection(kind, kind.base_url().unwrap_or_default(), Some(token.into())))
    }

    /// At another address, such as that of a twin.
    #[must_use]
    pub fn base_url(mut self, url: &str) -> Self {
        url.trim_end_matches('/').clone_into(&mut self.0.base_url);
        self
    }

    /// In this version of the API: `2026-09` or `v3`.
    #[must_use]
    pub fn api_version(mut self, version: &str) -> Self {
        self.0.api_version = Some(version.to_owned());
        self
    }

    /// The id of our app, by which its own changes are known when they come back as messages.
    #[must_use]
    pub fn app_id(mut self, id: u64) -> Self {
        self.0.app_id = Some(id);
        self
    }

    /// Takes deliveries of this account (HubSpot: portal) alone; an app that is installed in several has one secret.
    #[must_use]
    pub fn portal_id(mut self, id: u64) -> Self {
        self.0.portal_id = Some(id);
        self
    }

    /// Takes its webhooks at `path`. Their signature covers `public_url`, the URL that HubSpot calls.
    #[must_use]
    pub fn webhook(mut self, path: &str, public_url: &str, client_secret: impl Into<SecretAt>) -> Self {
        let (path, public_url) = (path.to_owned(), Some(public_url.to_owned()));
        self.0.webhook = Some(Webhook { path, public_url, secret: client_secret.into(), max_body: MAX_BODY });
        self
    }

    /// How many requests may be under way at once, as [`System::concurrency`].
    #[must_use]
    pub fn concurrency(mut self, requests: usize) -> Self {
        self.0.concurrency = Some(requests.max(1));
        self
    }
}

impl From<HubSpot> for System {
    fn from(system: HubSpot) -> Self {
        system.0.into()
    }
}

/// An application with one path for each entity; `connectors/docs/APP.md` says what it must speak.
///
/// ```
/// use engine::{Rest, SecretAt};
///
/// let app = Rest::new("https://app.example.com/api", SecretAt::File("/run/secrets/app".into()))
///     .webhook("/webhooks/app", "shared secret");
/// # drop(app);
/// ```
#[derive(Debug, Clone)]
pub struct Rest(Connection);

impl Rest {
    /// At this address, with this bearer token.
    pub fn new(base_url: &str, token: impl Into<SecretAt>) -> Self {
        Self(connection(ConnectorKind::Rest, base_url, Some(token.into())))
    }

    /// Takes its webhooks at `path`, signed with HMAC-SHA256 in `X-App-Signature` or in the header that the rules name.
    #[must_use]
    pub fn webhook(mut self, path: &str, secret: impl Into<SecretAt>) -> Self {
        self.0.webhook =
            Some(Webhook { path: path.to_owned(), public_url: None, secret: secret.into(), max_body: MAX_BODY });
        self
    }

    /// How many requests may be under way at once, as [`System::concurrency`].
    #[must_use]
    pub fn concurrency(mut self, requests: usize) -> Self {
        self.0.concurrency = Some(requests.max(1));
        self
    }
}

impl From<Rest> for System {
    fn from(system: Rest) -> Self {
        system.0.into()
    }
}

/// A service with named operations (mail, surveys, notices), each one HTTP request.
///
/// ```
/// use engine::Http;
/// use http::Method;
/// use serde_json::json;
///
/// let mail = Http::new("https://mail.example.com")
///     .token("bearer token")
///     .role("sales", "sales@example.com")
///     .operation("email", Method::POST, "/send", json!({"to": "{address}", "template": "{template}"}));
/// # drop(mail);
/// ```
#[derive(Debug, Clone)]
pub struct Http(Connection);

impl Http {
    /// At this address. Every operation of the system's lock has to be described by [`Http::operation`].
    #[must_use]
    pub fn new(base_url: &str) -> Self {
        Self(connection(ConnectorKind::Http, base_url, None))
    }

    /// With this bearer token; without one nothing is sent.
    #[must_use]
    pub fn token(mut self, token: impl Into<SecretAt>) -> Self {
        self.0.token = Some(TokenAt::Fixed(token.into()));
        self
    }

    /// The address of a role that rules name.
    #[must_use]
    pub fn role(mut self, role: &str, address: &str) -> Self {
        self.0.roles.insert(role.to_owned(), address.to_owned());
        self
    }

    /// How an operation is called. In `path`, `{name}` is the parameter of this name, escaped; in `body`, `"{name}"` is
    /// the parameter itself, and `{address}` the address of the role in the parameter `role`. A null body sends none.
    #[must_use]
    pub fn operation(mut self, name: &str, method: Method, path: &str, body: Json) -> Self {
        self.0
            .operations
            .insert(name.to_owned(), Template { method, path: path.to_owned(), body, done: Default::default() });
        self
    }

    /// Takes its webhooks at `path`, as [`Rest::webhook`].
    #[must_use]
    pub fn webhook(mut self, path: &str, secret: impl Into<SecretAt>) -> Self {
        self.0.webhook =
            Some(Webhook { path: path.to_owned(), public_url: None, secret: secret.into(), max_body: MAX_BODY });
        self
    }

    /// How many requests may be under way at once, as [`System::concurrency`].
    #[must_use]
    pub fn concurrency(mut self, requests: usize) -> Self {
        self.0.concurrency = Some(requests.max(1));
        self
    }
}

impl From<Http> for System {
    fn from(system: Http) -> Self {
        system.0.into()
    }
}

//! The only list of connectors: from settings to a connector, and to what verifies its webhook.
//!
//! In: one entry of `systems` in `engine.yaml`, the system's lock, a transport. Out: a [`Connector`].
//! Always true: a key that no connector knows is an error of reading, a key that this connector does not know is an
//! error of [`Settings::check`]; nothing here touches the network; secrets are read from where the settings say, and
//! no error shows one.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use dsl::schema::Lock;
use serde::Deserialize;

use crate::http::Transport;
use crate::hubspot::signature::Signature;
use crate::hubspot::{self, HubSpot};
use crate::operations::{Operations, Template};
use crate::port::Connector;
use crate::rest::Rest;
use crate::secret::{Secret, SecretError};
use crate::webhook::Verify;
use crate::webhook::hmac::Hmac256;

/// The header with the app's signature.
pub const APP_SIGNATURE: &str = "X-App-Signature";

/// One entry of `systems` in `engine.yaml`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Which connector serves the system.
    pub connector: Kind,
    /// Where it is, without a path of its own: `https://api.hubapi.com`.
    pub base_url: String,
    /// `hubspot`: a dated version such as `2026-09`, or `v3`. The default is `2026-09`.
    #[serde(default)]
    pub api_version: Option<String>,
    /// The environment variable with the bearer token.
    #[serde(default)]
    pub token_env: Option<String>,
    /// The file with the bearer token.
    #[serde(default)]
    pub token_file: Option<PathBuf>,
    /// `hubspot`: our app, to know our own echoes.
    #[serde(default)]
    pub app_id: Option<u64>,
    /// `hubspot` and `rest`: where the system sends its messages.
    #[serde(default)]
    pub webhook: Option<Webhook>,
    /// `http`: role to address, such as `sales-manager` to `lead@example.com`.
    #[serde(default)]
    pub roles: BTreeMap<String, String>,
    /// `http`: how each operation of the lock is called.
    #[serde(default)]
    pub operations: BTreeMap<String, Template>,
}

/// The connectors there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// [`HubSpot`].
    Hubspot,
    /// [`Rest`]: the app.
    Rest,
    /// [`Operations`]: mail, surveys, notices.
    Http,
}

impl Kind {
    /// Its name in settings and locks.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Hubspot => "hubspot",
            Self::Rest => "rest",
            Self::Http => "http",
        }
    }
}

/// Where a system sends its messages, and how they are known to be its own.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// Path at our own address.
    pub path: String,
    /// `hubspot`: the target URL as it is set in HubSpot, which is what it signs.
    #[serde(default)]
    pub public_url: Option<String>,
    /// `hubspot`: the environment variable with the app's client secret.
    #[serde(default)]
    pub client_secret_env: Option<String>,
    /// `hubspot`: the file with the app's client secret.
    #[serde(default)]
    pub client_secret_file: Option<PathBuf>,
    /// `rest`: the environment variable with the shared secret.
    #[serde(default)]
    pub secret_env: Option<String>,
    /// `rest`: the file with the shared secret.
    #[serde(default)]
    pub secret_file: Option<PathBuf>,
}

/// Why a system cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A key that this connector does not have.
    #[error("systems.{system}: the connector `{connector}` has no `{key}`")]
    Unknown {
        /// The system.
        system: String,
        /// Its connector.
        connector: &'static str,
        /// The key.
        key: String,
    },
    /// A key that this connector needs.
    #[error("systems.{system}: `{key}` is missing")]
    Missing {
        /// The system.
        system: String,
        /// The key, or the two of which one is needed.
        key: String,
    },
    /// A value that cannot be.
    #[error("systems.{system}: {reason}")]
    Wrong {
        /// The system.
        system: String,
        /// What is wrong.
        reason: String,
    },
    /// A secret is not where the settings say.
    #[error("systems.{system}: {source}")]
    Secret {
        /// The system.
        system: String,
        /// Why.
        source: SecretError,
    },
}

impl Settings {
    /// Checks what can be checked without secrets and network.
    ///
    /// # Errors
    /// Where a key is missing, belongs to another connector, or holds what cannot be; and where the lock declares
    /// operations that the settings do not say how to call.
    pub fn check(&self, system: &str, lock: &Lock) -> Result<(), Error> {
        let kind = self.connector;
        let unknown =
            |key: &str| Error::Unknown { system: system.to_owned(), connector: kind.name(), key: key.to_owned() };
        let missing = |key: &str| Error::Missing { system: system.to_owned(), key: key.to_owned() };
        let wrong = |reason: String| Error::Wrong { system: system.to_owned(), reason };
        if lock.connector != kind.name() {
            let reason = format!("the lock is for the connector `{}`, not `{}`", lock.connector, kind.name());
            return Err(wrong(reason));
        }
        let url: http::Uri = self.base_url.parse().map_err(|_| wrong(format!("`{}` is no URL", self.base_url)))?;
        if url.host().is_none() || !matches!(url.scheme_str(), Some("http" | "https")) || url.query().is_some() {
            return Err(wrong(format!("base_url `{}` is no address such as https://api.example.com", self.base_url)));
        }
        if self.token_env.is_some() && self.token_file.is_some() {
            return Err(wrong("give `token_env` or `token_file`, not both".to_owned()));
        }
        if self.token_env.is_none() && self.token_file.is_none() && kind != Kind::Http {
            return Err(missing("token_env` or `token_file"));
        }
        let only = [
            ("api_version", self.api_version.is_some(), kind == Kind::Hubspot),
            ("app_id", self.app_id.is_some(), kind == Kind::Hubspot),
            ("webhook", self.webhook.is_some(), kind != Kind::Http),
            ("roles", !self.roles.is_empty(), kind == Kind::Http),
            ("operations", !self.operations.is_empty(), kind == Kind::Http),
        ];
        if let Some((key, ..)) = only.iter().find(|(_, given, allowed)| *given && !allowed) {
            return Err(unknown(key));
        }
        if let Some(version) = &self.api_version
            && !known_version(version)
        {
            return Err(wrong(format!("api_version `{version}` is neither `v3` nor a dated one such as `2026-09`")));
        }
        if kind == Kind::Http {
            if let Some(name) = lock.operations.keys().find(|name| !self.operations.contains_key(*name)) {
                return Err(missing(&format!("operations.{name}")));
            }
            if let Some(name) = self.operations.keys().find(|name| !lock.operations.contains_key(*name)) {
                return Err(wrong(format!("the lock has no operation `{name}`")));
            }
            if let Some((name, _)) = self.operations.iter().find(|(_, template)| !template.path.starts_with('/')) {
                return Err(wrong(format!("the path of `{name}` does not begin with `/`")));
            }
        }
        match &self.webhook {
            Some(webhook) => webhook.check(system, kind),
            None => Ok(()),
        }
    }

    fn token(&self, system: &str) -> Result<Option<Secret>, Error> {
        secret(system, self.token_env.as_deref(), self.token_file.as_ref())
    }
}

fn known_version(version: &str) -> bool {
    let dated = |(year, month): (&str, &str)| {
        let digits = |text: &str, length| text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
        digits(year, 4) && digits(month, 2)
    };
    matches!(version, "v3" | "v4") || version.split_once('-').is_some_and(dated)
}

impl Webhook {
    fn check(&self, system: &str, kind: Kind) -> Result<(), Error> {
        let missing = |key: &str| Error::Missing { system: system.to_owned(), key: format!("webhook.{key}") };
        let unknown = |key: &str| {
            let key = format!("webhook.{key}");
            Error::Unknown { system: system.to_owned(), connector: kind.name(), key }
        };
        let wrong = |reason: String| Error::Wrong { system: system.to_owned(), reason };
        if !self.path.starts_with('/') {
            return Err(wrong(format!("webhook.path `{}` does not begin with `/`", self.path)));
        }
        let hubspot = kind == Kind::Hubspot;
        let client = self.client_secret_env.is_some() || self.client_secret_file.is_some();
        let shared = self.secret_env.is_some() || self.secret_file.is_some();
        if shared && hubspot {
            return Err(unknown("secret_env"));
        }
        if client && !hubspot {
            return Err(unknown("client_secret_env"));
        }
        if self.public_url.is_some() && !hubspot {
            return Err(unknown("public_url"));
        }
        if self.public_url.is_none() && hubspot {
            return Err(missing("public_url"));
        }
        if !client && hubspot {
            return Err(missing("client_secret_env"));
        }
        if !shared && !hubspot {
            return Err(missing("secret_env"));
        }
        Ok(())
    }
}

fn secret(system: &str, env: Option<&str>, file: Option<&PathBuf>) -> Result<Option<Secret>, Error> {
    let read = match (env, file) {
        (Some(name), _) => Some(Secret::from_env(name)),
        (None, Some(path)) => Some(Secret::from_file(path)),
        (None, None) => None,
    };
    read.transpose().map_err(|source| Error::Secret { system: system.to_owned(), source })
}

/// Builds the connector of `system`. Reads its token; touches no network.
///
/// # Errors
/// Those of [`Settings::check`], and a token that is not where the settings say.
pub fn build(
    system: &str,
    settings: &Settings,
    lock: Lock,
    transport: Arc<dyn Transport>,
) -> Result<Arc<dyn Connector>, Error> {
    settings.check(system, &lock)?;
    let token = settings.token(system)?;
    let needed = || Error::Missing { system: system.to_owned(), key: "token_env` or `token_file".to_owned() };
    let base_url = settings.base_url.clone();
    Ok(match settings.connector {
        Kind::Hubspot => {
            let api_version = settings.api_version.clone().unwrap_or_else(|| "2026-09".to_owned());
            let known = hubspot::Settings { base_url, api_version, app_id: settings.app_id };
            Arc::new(HubSpot::new(known, token.ok_or_else(needed)?, lock, transport))
        }
        Kind::Rest => Arc::new(Rest::new(&base_url, token.ok_or_else(needed)?, lock, transport)),
        Kind::Http => {
            let (roles, operations) = (settings.roles.clone(), settings.operations.clone());
            Arc::new(Operations::new(&base_url, token, roles, operations, transport))
        }
    })
}

/// Builds what verifies the deliveries of `system`; `None` where it has no webhook. Reads the secret.
///
/// # Errors
/// Where a key is missing or a secret is not where the settings say.
pub fn verifier(system: &str, settings: &Settings) -> Result<Option<Arc<dyn Verify>>, Error> {
    let Some(webhook) = &settings.webhook else { return Ok(None) };
    webhook.check(system, settings.connector)?;
    let missing = |key: &str| Error::Missing { system: system.to_owned(), key: format!("webhook.{key}") };
    Ok(Some(match settings.connector {
        Kind::Hubspot => {
            let secret = secret(system, webhook.client_secret_env.as_deref(), webhook.client_secret_file.as_ref())?;
            let secret = secret.ok_or_else(|| missing("client_secret_env"))?;
            let public_url = webhook.public_url.clone().ok_or_else(|| missing("public_url"))?;
            Arc::new(Signature { secret, public_url })
        }
        Kind::Rest | Kind::Http => {
            let secret = secret(system, webhook.secret_env.as_deref(), webhook.secret_file.as_ref())?;
            let secret = secret.ok_or_else(|| missing("secret_env"))?;
            Arc::new(Hmac256 { header: APP_SIGNATURE.to_owned(), secret })
        }
    }))
}

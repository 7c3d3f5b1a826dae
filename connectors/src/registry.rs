//! The only list of connectors: from settings to a connector, and to what verifies its deliveries.
//!
//! In: the settings of one system, its token, its lock, a transport. Out: a [`Connector`].
//! Always true: nothing here touches the network; settings that do not fit the lock build nothing.
//! Not here: where settings and secrets come from, and the doors that a system's messages come through.

mod kind;

use std::collections::BTreeMap;
use std::sync::Arc;

use dsl::schema::Lock;
use serde::Deserialize;

pub use self::kind::{ConnectorKind, UnknownConnector, WebhookForm};
use crate::http::Transport;
/// Takes deliveries of an app apart that is installed in several accounts; only systems with [`Settings::account`] have
/// such apps.
pub use crate::hubspot::accounts::by_account;
use crate::hubspot::signature::Signature;
use crate::hubspot::{self, HubSpot};
use crate::operations::{Operations, Template};
use crate::port::Connector;
use crate::rest::Rest;
use crate::secret::Secret;
use crate::token::Token;
use crate::webhook::Verify;
use crate::webhook::hmac::{self, Hmac256};

/// How a system is reached, by the connector that serves it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "connector", rename_all = "lowercase", deny_unknown_fields)]
pub enum Settings {
    /// [`HubSpot`].
    HubSpot(hubspot::Settings),
    /// [`Rest`]: the app.
    Rest {
        /// `http://127.0.0.1:8070`
        base_url: String,
    },
    /// [`Operations`]: mail, surveys, notices.
    Http {
        /// `https://mail.example.com`
        base_url: String,
        /// Role to address, such as `sales-manager` to `lead@example.com`.
        #[serde(default)]
        roles: BTreeMap<String, String>,
        /// How each operation of the lock is called.
        #[serde(default)]
        operations: BTreeMap<String, Template>,
    },
}

/// Settings that build no connector.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The lock was written for another connector.
    #[error("`{system}` has the connector `{given}`, its lock was written for `{wanted}`")]
    OtherConnector {
        /// The system.
        system: String,
        /// In the settings.
        given: ConnectorKind,
        /// In the lock.
        wanted: String,
    },
    /// The system wants a bearer token.
    #[error("`{0}` needs a token")]
    Token(String),
    /// An operation of the lock is not described.
    #[error("the settings of `{system}` do not say how `{operation}` is called")]
    Operation {
        /// The system.
        system: String,
        /// The operation.
        operation: String,
    },
}

/// What can be said of how a system is reached; each connector takes what it knows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Connection {
    /// Where it is called, such as `https://api.example.com`.
    pub base_url: String,
    /// Version of its API, where it has versions.
    pub api_version: Option<String>,
    /// Our app at the system, to know our own echoes.
    pub app_id: Option<u64>,
    /// The account whose deliveries are taken, where the system has several.
    pub portal_id: Option<u64>,
    /// Addresses by role.
    pub roles: BTreeMap<String, String>,
    /// How operations are called, by name.
    pub operations: BTreeMap<String, Template>,
}

impl Settings {
    /// The settings of a connector of this kind.
    #[must_use]
    pub fn new(kind: ConnectorKind, connection: Connection) -> Self {
        let Connection { base_url, api_version, app_id, portal_id, roles, operations } = connection;
        match kind {
            ConnectorKind::HubSpot => {
                let api_version = api_version.unwrap_or_else(hubspot::current_version);
                Self::HubSpot(hubspot::Settings { base_url, api_version, app_id, portal_id })
            }
            ConnectorKind::Rest => Self::Rest { base_url },
            ConnectorKind::Http => Self::Http { base_url, roles, operations },
        }
    }

    /// The account whose deliveries are taken, where one is named.
    #[must_use]
    pub fn account(&self) -> Option<u64> {
        match self {
            Self::HubSpot(settings) => settings.portal_id,
            Self::Rest { .. } | Self::Http { .. } => None,
        }
    }

    /// Which connector it is.
    #[must_use]
    pub fn kind(&self) -> ConnectorKind {
        match self {
            Self::HubSpot(_) => ConnectorKind::HubSpot,
            Self::Rest { .. } => ConnectorKind::Rest,
            Self::Http { .. } => ConnectorKind::Http,
        }
    }
}

/// How deliveries of a system are signed.
#[derive(Debug, Clone)]
pub struct Signing {
    /// What they are signed with.
    pub secret: Secret,
    /// The URL as the sender calls it; needed where [`WebhookForm::public_url`] says so.
    pub public_url: Option<String>,
    /// The header that carries the signature, where the rules name one.
    pub header: Option<String>,
}

/// What knows the deliveries of a connector of this kind.
#[must_use]
pub fn verifier(kind: ConnectorKind, signing: Signing) -> Arc<dyn Verify> {
    let Signing { secret, public_url, header } = signing;
    match kind {
        ConnectorKind::HubSpot => Arc::new(Signature { secret, public_url: public_url.unwrap_or_default() }),
        ConnectorKind::Rest | ConnectorKind::Http => {
            Arc::new(Hmac256 { header: header.unwrap_or_else(|| hmac::HEADER.to_owned()), secret })
        }
    }
}

/// Builds the connector of `system`.
///
/// # Errors
/// Where the settings do not fit the lock, or a token is needed and not given.
pub fn build(
    system: &str,
    settings: Settings,
    token: Option<Token>,
    lock: Lock,
    transport: Arc<dyn Transport>,
) -> Result<Arc<dyn Connector>, Error> {
    let given = settings.kind();
    if lock.connector != given.name() {
        return Err(Error::OtherConnector { system: system.to_owned(), given, wanted: lock.connector });
    }
    let needed = |token: Option<Token>| token.ok_or_else(|| Error::Token(system.to_owned()));
    Ok(match settings {
        Settings::HubSpot(settings) => Arc::new(HubSpot::new(settings, needed(token)?, lock, transport)),
        Settings::Rest { base_url } => Arc::new(Rest::new(&base_url, needed(token)?, lock, transport)),
        Settings::Http { base_url, roles, operations } => {
            if let Some(operation) = lock.operations.keys().find(|name| !operations.contains_key(*name)) {
                return Err(Error::Operation { system: system.to_owned(), operation: operation.clone() });
            }
            Arc::new(Operations::new(&base_url, token, roles, operations, transport))
        }
    })
}

/// Asks `system` for its schema. `known` is the lock that is there, for what a system does not tell of itself;
/// `today` is the day of the pull, `2026-11-25`.
///
/// # Errors
/// Why it cannot be had, for people.
pub async fn pull(
    system: &str,
    settings: Settings,
    token: Option<Token>,
    known: Lock,
    today: &str,
    transport: Arc<dyn Transport>,
) -> Result<Lock, String> {
    let needed = |token: Option<Token>| token.ok_or_else(|| Error::Token(system.to_owned()).to_string());
    match settings {
        Settings::HubSpot(settings) => HubSpot::new(settings, needed(token)?, known, transport).pull(today).await,
        Settings::Rest { base_url } => {
            let mut lock = Rest::new(&base_url, needed(token)?, known, transport).pull().await?;
            today.clone_into(&mut lock.pulled);
            Ok(lock)
        }
        Settings::Http { .. } => {
            Err("named operations cannot describe themselves: their lock is written by hand".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::script::Script;

    fn built(settings: serde_json::Value, lock: &str, token: bool) -> Result<(), Error> {
        let settings = serde_json::from_value(settings).expect("settings that can be read");
        let lock = dsl::schema::read_lock(lock).expect("a shipped lock");
        let token = token.then(|| Token::from(Secret::new("t")));
        build("crm", settings, token, lock, Arc::new(Script::default())).map(|_| ())
    }

    const CRM: &str = include_str!("../../rules/schemas/crm.lock");
    const APP: &str = include_str!("../../rules/schemas/app.lock");
    const MAIL: &str = include_str!("../../rules/schemas/mail.lock");

    #[test]
    fn every_shipped_lock_finds_its_connector() {
        let hubspot = json!({"connector": "hubspot", "base_url": "https://api.hubapi.com", "app_id": 7_700_123});
        assert_eq!(built(hubspot, CRM, true), Ok(()));
        assert_eq!(built(json!({"connector": "rest", "base_url": "http://127.0.0.1:8070"}), APP, true), Ok(()));
        let call = json!({"method": "POST", "path": "/send", "body": {"to": "{to}"}});
        let operations = json!({"email": call, "survey": call, "notify": call});
        let http = json!({"connector": "http", "base_url": "https://mail.example.com", "operations": operations});
        assert_eq!(built(http, MAIL, false), Ok(()));
    }

    #[test]
    fn settings_that_do_not_fit_the_lock_build_nothing() {
        let rest = json!({"connector": "rest", "base_url": "http://127.0.0.1:8070"});
        assert!(matches!(
            built(rest.clone(), CRM, true),
            Err(Error::OtherConnector { given: ConnectorKind::Rest, .. })
        ));
        assert_eq!(built(rest, APP, false), Err(Error::Token("crm".to_owned())));
        let http = json!({"connector": "http", "base_url": "https://mail.example.com"});
        assert!(matches!(built(http, MAIL, true), Err(Error::Operation { operation, .. }) if operation == "email"));
    }

    #[test]
    fn an_unknown_key_or_method_is_an_error() {
        for settings in [
            json!({"connector": "smtp", "base_url": "x"}),
            json!({"connector": "rest", "base_url": "x", "api_version": "v3"}),
            json!({"connector": "hubspot", "base_url": "x", "app": 1}),
            json!({"connector": "http", "base_url": "x", "operations": {"a": {"path": "/", "methode": "GET"}}}),
            json!({"connector": "http", "base_url": "x", "operations": {"a": {"path": "/", "method": "post"}}}),
        ] {
            assert!(serde_json::from_value::<Settings>(settings.clone()).is_err(), "{settings}");
        }
    }
}

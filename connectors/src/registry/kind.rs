//! Which connectors there are, and what each wants of its settings.
//!
//! Always true: whoever asks what a connector wants, asks its kind; the name of a system is compared nowhere else.

use std::fmt;
use std::str::FromStr;

use dsl::schema::{Entity, Lock};
use dsl::value::Value;

use crate::hubspot;

/// A connector of this project, as `connector` in engine.yaml and in locks names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConnectorKind {
    /// [`HubSpot`](crate::hubspot::HubSpot).
    HubSpot,
    /// [`Rest`](crate::rest::Rest): the app.
    Rest,
    /// [`Operations`](crate::operations::Operations): mail, surveys, notices.
    Http,
}

/// What the settings of a webhook must hold, and what its deliveries look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WebhookForm {
    /// Key of the secret that signs deliveries; in engine.yaml with `_env` or `_file` behind it.
    pub secret: &'static str,
    /// The signature covers the URL as the sender calls it, so that has to be known.
    pub public_url: bool,
    /// A delivery may be one object; otherwise it is an array of them.
    pub single: bool,
}

impl ConnectorKind {
    /// All of them, in the order in which they are told.
    pub const ALL: [Self; 3] = [Self::HubSpot, Self::Rest, Self::Http];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::HubSpot => "hubspot",
            Self::Rest => "rest",
            Self::Http => "http",
        }
    }

    /// All names, for people: `hubspot, rest, http`.
    #[must_use]
    pub fn names() -> String {
        Self::ALL.map(Self::name).join(", ")
    }

    /// Where its system is called where nothing is said; `None` where that has to be said.
    #[must_use]
    pub fn base_url(self) -> Option<&'static str> {
        match self {
            Self::HubSpot => Some(hubspot::BASE_URL),
            Self::Rest | Self::Http => None,
        }
    }

    /// Versions of its system's API that there are, the newest first; none where the API has no versions.
    #[must_use]
    pub fn versions(self) -> &'static [&'static str] {
        match self {
            Self::HubSpot => hubspot::VERSIONS,
            Self::Rest | Self::Http => &[],
        }
    }

    /// Where the tokens of an app that was connected to an account are renewed, under an address and in a version of the
    /// API; `None` where its system knows no such grants.
    #[must_use]
    pub fn grant_url(self, base_url: &str, api_version: Option<&str>) -> Option<String> {
        match self {
            Self::HubSpot => Some(hubspot::oauth_url(base_url, api_version)),
            Self::Rest | Self::Http => None,
        }
    }

    /// Its system says whose a token is.
    #[must_use]
    pub fn identifies(self) -> bool {
        self == Self::HubSpot
    }

    /// It cannot work without a bearer token.
    #[must_use]
    pub fn needs_token(self) -> bool {
        match self {
            Self::HubSpot | Self::Rest => true,
            Self::Http => false,
        }
    }

    /// Every operation of its lock has to be described.
    #[must_use]
    pub fn needs_operations(self) -> bool {
        self == Self::Http
    }

    /// The form of its webhook.
    #[must_use]
    pub fn webhook(self) -> WebhookForm {
        match self {
            Self::HubSpot => WebhookForm { secret: "client_secret", public_url: true, single: false },
            Self::Rest | Self::Http => WebhookForm { secret: "secret", public_url: false, single: true },
        }
    }

    /// Some system may keep a value of this type in another form than it was sent.
    #[must_use]
    pub fn has_forms(value: &Value) -> bool {
        matches!(value, Value::Text(_) | Value::Time(_) | Value::List(_))
    }

    /// The form in which a system of this kind keeps a value of this field, as far as that is known: two values that it
    /// keeps in one form are one value to it.
    #[must_use]
    pub fn kept(self, entity: &Entity, field: &str, value: Value) -> Value {
        match (self, value) {
            // An empty list and nothing are the same to everybody who compares.
            (_, Value::List(values)) if values.is_empty() => Value::Empty,
            (Self::HubSpot, value) => hubspot::kept(entity, field, value),
            (Self::Rest | Self::Http, value) => value,
        }
    }

    /// What is known of a system that was never asked for its schema.
    #[must_use]
    pub fn known(self, system: &str) -> Lock {
        match self {
            Self::HubSpot => hubspot::known(system),
            Self::Rest | Self::Http => Lock::empty(system, self.name()),
        }
    }
}

impl fmt::Display for ConnectorKind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// There is no such connector.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no connector `{0}`")]
pub struct UnknownConnector(pub String);

impl FromStr for ConnectorKind {
    type Err = UnknownConnector;

    fn from_str(name: &str) -> Result<Self, UnknownConnector> {
        Self::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| UnknownConnector(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_read_back_by_its_name_and_nothing_else() {
        for kind in ConnectorKind::ALL {
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
        for other in ["", "HubSpot", "salesforce"] {
            assert_eq!(other.parse::<ConnectorKind>(), Err(UnknownConnector(other.to_owned())));
        }
    }

    #[test]
    fn of_a_crm_that_was_never_asked_what_every_account_has_is_known() {
        let lock = ConnectorKind::HubSpot.known("sales");
        assert_eq!((lock.system.as_str(), lock.connector.as_str()), ("sales", "hubspot"));
        let contact = &lock.entities["Contact"];
        assert!(contact.fields.contains_key("email") && contact.fields.values().all(|field| !field.custom));
        assert!(ConnectorKind::Rest.known("app").entities.is_empty());
    }
}

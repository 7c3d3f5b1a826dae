//! Who may ask: tokens, what they are allowed to do, and OAuth (CONTRACT 2).
//!
//! In: the header of a request, the forms of the token routes. Out: the scopes of the caller, or why not.
//! Always true: a token that is replaced or expired is refused from then on; a token of OAuth lives for half an hour; a
//! grant that was withdrawn gives no token any more, and tokens that it gave live on to their end.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use dsl::value::{Duration, Timestamp};
use http::header::AUTHORIZATION;
use serde_json::{Value as Json, json};

use super::HubSpot;
use super::owners::FIRST_USER;
use super::reply::{Answer, Refusal, error, no_route, text};
use super::scopes::{self, Scopes};

/// The app's id for OAuth.
pub const CLIENT_ID: &str = "00000000-aaaa-bbbb-cccc-000000000000";
/// What opens the settings of an app (`hapikey`).
pub const DEVELOPER_KEY: &str = "developer-key";
/// How long an access token lives.
const LIFE: Duration = Duration::minutes(30);

#[derive(Debug, Clone)]
struct Token {
    scopes: Scopes,
    until: Timestamp,
}

#[derive(Debug, Clone)]
struct Grant {
    scopes: Scopes,
    dead: bool,
}

/// Tokens and grants.
#[derive(Debug, Clone, Default)]
pub(super) struct Access {
    /// What the app without OAuth may do.
    scopes: Scopes,
    /// Access tokens of OAuth.
    tokens: BTreeMap<String, Token>,
    /// By refresh token.
    grants: BTreeMap<String, Grant>,
    /// Codes that a person's consent gave, each good for one grant.
    codes: BTreeMap<String, Scopes>,
    given: u64,
}

impl Access {
    fn name(&mut self, what: &str) -> String {
        self.given += 1;
        format!("eu1-{what}-{}", self.given)
    }

    fn token(&mut self, scopes: Scopes, now: Timestamp) -> String {
        let token = self.name("access");
        self.tokens.insert(token.clone(), Token { scopes, until: now.plus(LIFE) });
        token
    }
}

fn set(scopes: Option<&[&str]>) -> Scopes {
    scopes.map(|scopes| scopes.iter().map(|scope| (*scope).to_owned()).collect())
}

fn listed(scopes: &Scopes) -> Vec<String> {
    match scopes {
        Some(scopes) => scopes.iter().cloned().collect(),
        None => scopes::all(),
    }
}

impl HubSpot {
    /// What the app's own token may do from now on; `None` for everything.
    pub fn allow(&mut self, scopes: Option<&[&str]>) {
        self.access.scopes = set(scopes);
    }

    /// The app's own token is replaced, and the old one is refused.
    pub fn rotate_token(&mut self, token: &str) {
        token.clone_into(&mut self.settings.token);
    }

    /// A person consents to the app with these scopes, or all; the code that can be exchanged for tokens.
    pub fn consent(&mut self, scopes: Option<&[&str]>) -> String {
        let code = self.access.name("code");
        self.access.codes.insert(code.clone(), set(scopes));
        code
    }

    /// A person removes the app: no grant gives a token any more.
    pub fn uninstall(&mut self) {
        self.access.grants.values_mut().for_each(|grant| grant.dead = true);
    }

    /// Every access token of OAuth ends now.
    pub fn expire_tokens(&mut self, now: Timestamp) {
        self.access.tokens.values_mut().for_each(|token| token.until = token.until.min(now));
    }

    /// What a project says that the app may do.
    pub(super) fn access_scopes(&mut self, scopes: BTreeSet<String>) {
        self.access.scopes = Some(scopes);
    }

    /// The scopes of whoever sends a request.
    pub(super) fn caller(&self, request: &http::Request<Bytes>, now: Timestamp) -> Result<Scopes, Answer> {
        let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = header.and_then(|header| header.strip_prefix("Bearer ")).unwrap_or_default();
        if token == self.settings.token {
            return Ok(self.access.scopes.clone());
        }
        match self.access.tokens.get(token) {
            Some(known) if known.until > now => Ok(known.scopes.clone()),
            Some(known) => {
                let seconds = now.since(known.until).0 / 1_000;
                let message = format!("The OAuth token used to make this call expired {seconds} second(s) ago.");
                let context = json!({"expire time": [known.until.to_string()]});
                Err(Refusal { context, ..Refusal::new(401, "EXPIRED_AUTHENTICATION", message) }.answer())
            }
            None => Err(unknown_token()),
        }
    }

    /// `/oauth/…`
    pub(super) fn oauth_routes(&mut self, request: &http::Request<Bytes>, rest: &[&str], now: Timestamp) -> Answer {
        let form: BTreeMap<String, String> = form_urlencoded::parse(request.body()).into_owned().collect();
        let given = |name: &str| form.get(name).map_or("", String::as_str);
        match (request.method().as_str(), rest) {
            ("POST", ["v1" | "v3" | "2026-03" | "2026-09", "token"]) => self.give_token(&given, now),
            ("POST", ["v3" | "2026-03" | "2026-09", "token", "introspect"]) => {
                (200, self.token_info(given("token"), now).unwrap_or_else(|| json!({"active": false})))
            }
            ("POST", ["v3" | "2026-03" | "2026-09", "token", "revoke"]) => {
                if let Some(grant) = self.access.grants.get_mut(given("token")) {
                    // An access token that was given out lives on until its time is over (CONTRACT 2).
                    grant.dead = true;
                }
                (204, Json::Null)
            }
            ("GET", ["v1", "access-tokens" | "refresh-tokens", token]) => match self.token_info(token, now) {
                Some(info) => (200, info),
                None => error(404, "OBJECT_NOT_FOUND", "The token is unknown, expired or revoked"),
            },
            ("DELETE", ["v1", "refresh-tokens", token]) => {
                self.access.grants.remove(*token);
                (204, Json::Null)
            }
            ("POST", ["v2", "private-apps", "get", "access-token-info"]) => {
                let body: Json = serde_json::from_slice(request.body()).unwrap_or_default();
                if text(&body["tokenKey"]) != self.settings.token {
                    return error(404, "OBJECT_NOT_FOUND", "No private app has this token");
                }
                (
                    200,
                    json!({"userId": FIRST_USER, "hubId": self.settings.portal_id, "appId": self.settings.app_id,
                             "scopes": listed(&self.access.scopes)}),
                )
            }
            _ => no_route(),
        }
    }

    fn give_token<'a>(&mut self, given: &impl Fn(&str) -> &'a str, now: Timestamp) -> Answer {
        let refused = |status: &str, code: &str, message: &str| {
            (400, json!({"error": code, "error_description": message, "status": status, "message": message}))
        };
        if given("client_id") != CLIENT_ID {
            return refused("BAD_CLIENT_ID", "invalid_client", "missing or invalid client id");
        }
        if given("client_secret") != self.settings.client_secret {
            return refused("BAD_CLIENT_SECRET", "invalid_client", "missing or invalid client secret");
        }
        let (scopes, refresh) = match given("grant_type") {
            "authorization_code" => match self.access.codes.remove(given("code")) {
                Some(scopes) => {
                    let refresh = self.access.name("refresh");
                    self.access.grants.insert(refresh.clone(), Grant { scopes: scopes.clone(), dead: false });
                    (scopes, Some(refresh))
                }
                None => return refused("BAD_AUTH_CODE", "invalid_grant", "missing or unknown auth code"),
            },
            "refresh_token" => match self.access.grants.get(given("refresh_token")) {
                Some(grant) if !grant.dead => (grant.scopes.clone(), Some(given("refresh_token").to_owned())),
                _ => {
                    let message = "refresh token is invalid, expired or revoked";
                    return refused("BAD_REFRESH_TOKEN", "invalid_grant", message);
                }
            },
            // Of the app itself, for what belongs to no account.
            "client_credentials" => {
                let scopes = given("scope").split_whitespace().map(str::to_owned).collect();
                (Some(scopes), None)
            }
            _ => return refused("BAD_GRANT_TYPE", "unsupported_grant_type", "missing or unknown grant type"),
        };
        let token = self.access.token(scopes.clone(), now);
        let mut answer = json!({"token_type": "bearer", "access_token": token, "expires_in": LIFE.0 / 1_000,
                                "hub_id": self.settings.portal_id, "scopes": listed(&scopes)});
        if let Some(refresh) = refresh {
            answer["refresh_token"] = refresh.into();
        }
        (200, answer)
    }

    fn token_info(&self, token: &str, now: Timestamp) -> Option<Json> {
        let mut info = json!({"token": token, "client_id": CLIENT_ID, "hub_id": self.settings.portal_id,
                              "user_id": FIRST_USER, "user": "rep@crm.example", "hub_domain": "crm.example",
                              "app_id": self.settings.app_id, "active": true});
        if let Some(known) = self.access.tokens.get(token).filter(|known| known.until > now) {
            info["token_type"] = "access".into();
            info["token_use"] = "access_token".into();
            info["expires_in"] = (known.until.since(now).0 / 1_000).into();
            info["scopes"] = listed(&known.scopes).into();
            return Some(info);
        }
        let grant = self.access.grants.get(token).filter(|grant| !grant.dead)?;
        info["token_type"] = "refresh".into();
        info["token_use"] = "refresh_token".into();
        info["scopes"] = listed(&grant.scopes).into();
        Some(info)
    }
}

/// No token, or one that nobody knows.
pub(super) fn unknown_token() -> Answer {
    let message = "Authentication credentials not found. This API supports OAuth 2.0 authentication and you can find more details at https://developers.hubspot.com/docs/methods/auth/oauth-overview";
    error(401, "INVALID_AUTHENTICATION", message)
}

//! What a system is told who asks: a token that may be replaced while the engine runs, or a grant of OAuth.
//!
//! In: a secret, or the grant's parts. Out: the bearer token of the next request.
//! Always true: of a grant at most one refresh is under way, and it begins before the token that is there ends; where it
//! does not succeed and the token is still good, that is used; a secret is in no text that comes out of here.
//! Not here: where secrets are found, and who notices that they changed.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use serde_json::Value as Json;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::http::{Transport, escape, lost, trouble};
use crate::port::{Answer, Refusal};
use crate::secret::Secret;

/// How long before its end a token is refreshed; a quarter of its life, where that is less.
const EARLY: Duration = Duration::from_secs(5 * 60);

/// The life of an access token whose answer does not say it (HubSpot's, CONTRACT 2).
const USUAL_LIFE: u64 = 1_800;

/// Clones are the same token.
#[derive(Clone)]
pub struct Token(Arc<Kind>);

enum Kind {
    Fixed(RwLock<Secret>),
    Grant(Box<Grant>),
}

impl std::fmt::Debug for Token {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("***")
    }
}

impl From<Secret> for Token {
    fn from(secret: Secret) -> Self {
        Self(Arc::new(Kind::Fixed(RwLock::new(secret))))
    }
}

/// A grant of OAuth (RFC 6749, section 6).
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where a refresh token is exchanged, `https://api.hubapi.com/oauth/2026-09/token`.
    pub url: String,
    /// The app.
    pub client_id: String,
    /// The app's secret.
    pub client_secret: Secret,
    /// What the app was granted.
    pub refresh_token: Secret,
}

struct Grant {
    settings: Settings,
    refresh: RwLock<Refresh>,
    transport: Arc<dyn Transport>,
    /// Held while it is refreshed.
    access: Mutex<Option<Access>>,
}

#[derive(Clone)]
struct Refresh {
    /// As a person gave it last.
    given: Secret,
    /// The one that is exchanged: a system may give another one with each exchange.
    next: Secret,
}

struct Access {
    token: Secret,
    /// The refresh token of which it came, as it was given.
    given: Secret,
    refresh_at: Instant,
    ends: Instant,
}

impl Token {
    /// A token that is fetched, and refreshed in time, by a grant. Touches no network.
    #[must_use]
    pub fn granted(settings: Settings, transport: Arc<dyn Transport>) -> Self {
        let given = settings.refresh_token.clone();
        let refresh = RwLock::new(Refresh { next: given.clone(), given });
        let grant = Grant { settings, refresh, transport, access: Mutex::new(None) };
        Self(Arc::new(Kind::Grant(Box::new(grant))))
    }

    /// The secret behind it, the token itself or the grant's, is this one from now on; false where it was before.
    pub fn replace(&self, secret: &Secret) -> bool {
        match &*self.0 {
            Kind::Fixed(held) => {
                let mut held = held.write().unwrap_or_else(PoisonError::into_inner);
                std::mem::replace(&mut *held, secret.clone()) != *secret
            }
            Kind::Grant(grant) => {
                let mut refresh = grant.refresh.write().unwrap_or_else(PoisonError::into_inner);
                let other = refresh.given != *secret;
                if other {
                    *refresh = Refresh { given: secret.clone(), next: secret.clone() };
                }
                other
            }
        }
    }

    /// The bearer token of the next request.
    ///
    /// # Errors
    /// The answer to what was to be asked, where there is no token: nothing has left.
    pub async fn bearer(&self) -> Result<Secret, Answer> {
        match &*self.0 {
            Kind::Fixed(held) => Ok(held.read().unwrap_or_else(PoisonError::into_inner).clone()),
            Kind::Grant(grant) => grant.bearer().await,
        }
    }

    /// A system does not know `bearer`: a grant gives another one to the next request.
    pub async fn refused(&self, bearer: &Secret) {
        if let Kind::Grant(grant) = &*self.0 {
            let mut access = grant.access.lock().await;
            if access.as_ref().is_some_and(|access| access.token == *bearer) {
                *access = None;
            }
        }
    }
}

impl Grant {
    async fn bearer(&self) -> Result<Secret, Answer> {
        let mut access = self.access.lock().await;
        let now = Instant::now();
        let refresh = self.refresh.read().unwrap_or_else(PoisonError::into_inner).clone();
        // What a replaced grant gave may do what that one allowed, which is perhaps why it was replaced.
        let mut held = access.as_mut().filter(|access| access.given == refresh.given);
        if let Some(access) = held.as_ref().filter(|access| access.refresh_at > now) {
            return Ok(access.token.clone());
        }
        match self.exchange(refresh, now).await {
            Ok(fresh) => Ok(access.insert(fresh).token.clone()),
            Err(answer) => match held.as_mut().filter(|access| access.ends > now) {
                Some(good) => {
                    tracing::warn!(url = self.settings.url, "the token could not be refreshed; it is good for a while");
                    // Not again with each request.
                    good.refresh_at = now + Duration::from_secs(10);
                    Ok(good.token.clone())
                }
                None => Err(answer),
            },
        }
    }

    async fn exchange(&self, refresh: Refresh, now: Instant) -> Result<Access, Answer> {
        let Settings { url, client_id, client_secret, .. } = &self.settings;
        let form = format!(
            "grant_type=refresh_token&client_id={}&client_secret={}&refresh_token={}",
            escape(client_id),
            escape(client_secret.expose()),
            escape(refresh.next.expose())
        );
        let request = http::Request::builder()
            .method(http::Method::POST)
            .uri(url)
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"))
            .body(Bytes::from(form))
            .map_err(|error| denied(format!("the token cannot be asked for: {error}")))?;
        // Exchanging a refresh token twice does no harm, so a lost answer is asked for again.
        let response = self.transport.send(request).await.map_err(|error| lost(&error, false))?;
        let json: Json = serde_json::from_slice(response.body()).unwrap_or(Json::Null);
        let said = ["message", "error_description", "error"].iter().find_map(|name| json[*name].as_str());
        let said = said.unwrap_or_default();
        if let Some(answer) = trouble(&response, false, said) {
            return Err(match answer {
                Answer::Refused { reason, .. } => denied(format!("{DEAD}: {reason}")),
                passing => passing,
            });
        }
        if !response.status().is_success() {
            return Err(denied(format!("{DEAD}: HTTP {}: {said}", response.status())));
        }
        let Some(token) = json["access_token"].as_str().filter(|token| !token.is_empty()) else {
            let cause = "the answer to the refresh holds no access token".to_owned();
            return Err(Answer::Retry { after: None, cause });
        };
        if let Some(next) = json["refresh_token"].as_str().filter(|next| !next.is_empty()) {
            let mut held = self.refresh.write().unwrap_or_else(PoisonError::into_inner);
            // Not where another one was given meanwhile.
            if held.given == refresh.given {
                held.next = Secret::new(next);
            }
        }
        let life = Duration::from_secs(json["expires_in"].as_u64().unwrap_or(USUAL_LIFE).min(365 * 24 * 3_600));
        let early = EARLY.min(life / 4);
        Ok(Access { token: Secret::new(token), given: refresh.given, refresh_at: now + life - early, ends: now + life })
    }
}

const DEAD: &str = "the grant gives no token any more, a person has to connect the app again";

fn denied(reason: String) -> Answer {
    Answer::Refused { reason, refusal: Refusal::Unauthenticated }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::script::{Script, Step};

    fn granted(steps: impl IntoIterator<Item = Step>) -> (Token, Script) {
        let script = Script::new(steps);
        let settings = Settings {
            url: "https://crm.test/oauth/token".to_owned(),
            client_id: "app".to_owned(),
            client_secret: Secret::new("app&secret"),
            refresh_token: Secret::new("refresh-1"),
        };
        (Token::granted(settings, Arc::new(script.clone())), script)
    }

    fn access(token: &str) -> Step {
        Step::json(200, &json!({"access_token": token, "refresh_token": "refresh-1", "expires_in": 1800}))
    }

    async fn bearer(token: &Token) -> Result<String, Answer> {
        token.bearer().await.map(|secret| secret.expose().to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn a_grant_is_refreshed_before_its_token_ends_and_not_before_it_is_due() {
        let (token, script) = granted([access("a"), access("b")]);
        assert_eq!(bearer(&token).await.as_deref(), Ok("a"));
        tokio::time::advance(Duration::from_secs(24 * 60)).await;
        assert_eq!(bearer(&token).await.as_deref(), Ok("a"));
        tokio::time::advance(Duration::from_secs(2 * 60)).await;
        assert_eq!(bearer(&token).await.as_deref(), Ok("b"));
        assert_eq!(script.sent().len(), 2);
        assert_eq!(script.sent()[0].headers["content-type"], "application/x-www-form-urlencoded");
    }

    #[tokio::test(start_paused = true)]
    async fn many_who_ask_at_once_share_one_refresh() {
        let (token, script) = granted([access("a")]);
        let all = futures_util::future::join_all((0..50).map(|_| bearer(&token))).await;
        assert!(all.iter().all(|one| one.as_deref() == Ok("a")));
        assert_eq!(script.sent().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refresh_that_does_not_succeed_leaves_the_token_that_is_still_good() {
        let (token, _) = granted([access("a"), Step::json(503, &json!({})), Step::not_sent(), access("b")]);
        assert_eq!(bearer(&token).await.as_deref(), Ok("a"));
        tokio::time::advance(Duration::from_secs(26 * 60)).await;
        assert_eq!(bearer(&token).await.as_deref(), Ok("a"));
        tokio::time::advance(Duration::from_secs(5 * 60)).await;
        assert!(matches!(bearer(&token).await, Err(Answer::Retry { .. })), "it has ended");
        assert_eq!(bearer(&token).await.as_deref(), Ok("b"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_dead_grant_is_about_who_asks_and_a_new_one_is_taken_at_once() {
        let dead =
            json!({"error": "invalid_grant", "status": "BAD_REFRESH_TOKEN", "message": "refresh token is invalid"});
        let (token, script) = granted([Step::json(400, &dead), access("b"), Step::json(400, &dead)]);
        let Err(Answer::Refused { reason, refusal: Refusal::Unauthenticated }) = bearer(&token).await else {
            panic!("it is dead")
        };
        assert!(reason.contains("connect the app again") && reason.contains("refresh token is invalid"), "{reason}");
        assert!(!reason.contains("refresh-1") && !reason.contains("secret"), "{reason}");
        assert!(!token.replace(&Secret::new("refresh-1")), "the same");
        assert!(token.replace(&Secret::new("refresh-2")));
        assert_eq!(bearer(&token).await.as_deref(), Ok("b"));
        assert!(token.replace(&Secret::new("refresh-3")));
        assert!(bearer(&token).await.is_err(), "what an earlier grant gave is not sent any more");
        assert_eq!(script.sent().len(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_that_the_system_does_not_know_is_fetched_anew() {
        let (token, _) = granted([access("a"), access("b")]);
        assert_eq!(bearer(&token).await.as_deref(), Ok("a"));
        token.refused(&Secret::new("an older one")).await;
        assert_eq!(bearer(&token).await.as_deref(), Ok("a"));
        token.refused(&Secret::new("a")).await;
        assert_eq!(bearer(&token).await.as_deref(), Ok("b"));
    }

    #[tokio::test]
    async fn a_token_that_is_replaced_is_sent_from_then_on() {
        let token = Token::from(Secret::new("old"));
        assert!(!token.replace(&Secret::new("old")));
        assert!(token.clone().replace(&Secret::new("new")));
        assert_eq!(bearer(&token).await.as_deref(), Ok("new"));
        assert_eq!(format!("{token:?}"), "***");
    }
}

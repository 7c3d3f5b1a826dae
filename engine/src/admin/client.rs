//! Reaches the admin API of a running engine over HTTP.
//!
//! In: its address and token, a question. Out: the types of [`api`](super::api), or why there is no answer.
//! Always true: one question is one request, never repeated here; what cannot be read whole is no answer. Not here:
//! where the address and the token are found (the command line).

use std::path::Path;
use std::time::Duration;

use connectors::problem::Problem;
use connectors::secret::Secret;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;

use super::api::{
    Accepted, BackedUp, BackupRequest, Checked, Filter, HistoryLines, Incidents, Links, OperatorRequest, Parked,
    Reloaded, Runs, Status, Why,
};
use crate::decide::OperatorCommand;

/// How long an answer may take where nothing else is said.
const TIMEOUT: Duration = Duration::from_secs(60);

/// How long the engine may take to read or copy its whole ledger.
const LEDGER_TIMEOUT: Duration = Duration::from_secs(6 * 60 * 60);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing answers there, or no engine of this version.
    #[error("the engine does not answer at {url}: {reason}")]
    Away {
        /// Its address.
        url: String,
        /// Why.
        reason: String,
    },
    /// The engine understood and refuses.
    #[error("{detail}")]
    Refused {
        /// The status, 400 to 599.
        status: StatusCode,
        /// Why, for people.
        detail: String,
    },
}

/// A client of one engine; clones share its connections.
#[derive(Debug, Clone)]
pub struct Client {
    base: Url,
    token: Option<Secret>,
    http: reqwest::Client,
}

impl Client {
    /// A client of the engine whose admin API is at `url`, such as `http://127.0.0.1:8081`. No network is touched.
    ///
    /// # Errors
    /// [`Error::Away`] where `url` is no address of HTTP.
    pub fn new(url: &str, token: Option<Secret>) -> Result<Self, Error> {
        let away = |reason: String| Error::Away { url: url.to_owned(), reason };
        let base = Url::parse(url).map_err(|error| away(error.to_string()))?;
        if !matches!(base.scheme(), "http" | "https") {
            return Err(away("an address begins with http:// or https://".to_owned()));
        }
        let http = reqwest::Client::builder().no_proxy().build().map_err(|error| away(said(&error)))?;
        Ok(Self { base, token, http })
    }

    /// Asks whether the process is alive; that needs no token.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn alive(&self) -> Result<(), Error> {
        self.send(self.http.get(self.url("healthz", &Filter::default())), TIMEOUT).await.map(|_| ())
    }

    /// Asks whether deliveries can be taken; that needs no token.
    ///
    /// # Errors
    /// [`Error::Refused`] with the reason where they cannot.
    pub async fn ready(&self) -> Result<(), Error> {
        self.send(self.http.get(self.url("readyz", &Filter::default())), TIMEOUT).await.map(|_| ())
    }

    /// How the engine is.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn status(&self) -> Result<Status, Error> {
        self.get("api/v1/status", &Filter::default()).await
    }

    /// Runs that stopped and need a person.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn incidents(&self, filter: &Filter) -> Result<Incidents, Error> {
        self.get("api/v1/incidents", filter).await
    }

    /// Records and messages that wait for a person.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn parked(&self, filter: &Filter) -> Result<Parked, Error> {
        self.get("api/v1/parked", filter).await
    }

    /// Runs of reactions and workflows.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn runs(&self, filter: &Filter) -> Result<Runs, Error> {
        self.get("api/v1/runs", filter).await
    }

    /// Which records are the same thing on both sides.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn links(&self, filter: &Filter) -> Result<Links, Error> {
        self.get("api/v1/links", filter).await
    }

    /// Everything about a record (by its id, or the value of a match key), link, run or message, with at most `limit` lines
    /// of history.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn why(&self, about: &str, limit: Option<usize>) -> Result<Why, Error> {
        self.get("api/v1/why", &Filter { limit, about: Some(about.to_owned()), ..Filter::default() }).await
    }

    /// The same of one field, by its name on either side.
    ///
    /// # Errors
    /// [`Error`]; [`Error::Refused`] with the fields that there are, where no line of the record moves this one.
    pub async fn why_field(&self, about: &str, field: &str, limit: Option<usize>) -> Result<Why, Error> {
        let (about, field) = (Some(about.to_owned()), Some(field.to_owned()));
        self.get("api/v1/why", &Filter { limit, about, field, ..Filter::default() }).await
    }

    /// The last lines of history whose action, rule, entity or subject is [`Filter::about`].
    ///
    /// # Errors
    /// [`Error`].
    pub async fn history(&self, filter: &Filter) -> Result<HistoryLines, Error> {
        self.get("api/v1/history", filter).await
    }

    /// Loads the rules again.
    ///
    /// # Errors
    /// [`Error::Refused`] with why they do not hold; the old ones go on.
    pub async fn reload(&self) -> Result<Reloaded, Error> {
        self.post("api/v1/reload", &serde_json::json!({}), TIMEOUT).await
    }

    /// Carries out an operator's command in the name of `who`; returns when that is durable.
    ///
    /// # Errors
    /// [`Error::Refused`] where what is meant is not there, or not in a state for it.
    pub async fn operate(&self, who: &str, command: OperatorCommand) -> Result<Accepted, Error> {
        self.post("api/v1/operator", &OperatorRequest { who: who.to_owned(), command }, TIMEOUT).await
    }

    /// Copies the ledger into `to`, an absolute path on the engine's machine that does not exist or is empty.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn backup(&self, to: &Path) -> Result<BackedUp, Error> {
        self.post("api/v1/backup", &BackupRequest { to: to.to_path_buf() }, LEDGER_TIMEOUT).await
    }

    /// Has the engine read its whole ledger.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn ledger(&self) -> Result<Checked, Error> {
        let request = self.http.get(self.url("api/v1/ledger", &Filter::default()));
        self.read(&self.send(request, LEDGER_TIMEOUT).await?)
    }

    async fn get<T: DeserializeOwned>(&self, path: &str, filter: &Filter) -> Result<T, Error> {
        self.read(&self.send(self.http.get(self.url(path, filter)), TIMEOUT).await?)
    }

    async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
        timeout: Duration,
    ) -> Result<T, Error> {
        let body = serde_json::to_vec(body).expect("requests are plain data");
        let request = self.http.post(self.url(path, &Filter::default())).header(CONTENT_TYPE, "application/json");
        self.read(&self.send(request.body(body), timeout).await?)
    }

    /// The URL of a path with what `filter` asks for.
    fn url(&self, path: &str, filter: &Filter) -> Url {
        let mut url = self.base.clone();
        let base = self.base.path().trim_end_matches('/');
        url.set_path(&format!("{base}/{path}"));
        let limit = filter.limit.map(|limit| limit.to_string());
        let asked = [
            ("limit", &limit),
            ("about", &filter.about),
            ("state", &filter.state),
            ("after", &filter.after),
            ("field", &filter.field),
        ];
        for (name, value) in asked {
            if let Some(value) = value {
                url.query_pairs_mut().append_pair(name, value);
            }
        }
        url
    }

    async fn send(&self, request: reqwest::RequestBuilder, timeout: Duration) -> Result<bytes::Bytes, Error> {
        let mut request = request.timeout(timeout);
        if let Some(token) = &self.token {
            let value = HeaderValue::try_from(format!("Bearer {}", token.expose()));
            let mut value = value.map_err(|_| self.away("the token cannot stand in a header".to_owned()))?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        let response = request.send().await.map_err(|error| self.away(said(&error)))?;
        let status = response.status();
        let body = response.bytes().await.map_err(|error| self.away(said(&error)))?;
        if status.is_success() {
            return Ok(body);
        }
        match serde_json::from_slice::<Problem>(&body) {
            Ok(problem) => Err(Error::Refused { status, detail: problem.detail }),
            Err(_) => Err(self.away(format!("HTTP {status}"))),
        }
    }

    fn read<T: DeserializeOwned>(&self, body: &[u8]) -> Result<T, Error> {
        let other = |error: serde_json::Error| format!("it answers in a form that this version does not know: {error}");
        serde_json::from_slice(body).map_err(|error| self.away(other(error)))
    }

    fn away(&self, reason: String) -> Error {
        Error::Away { url: self.base.as_str().trim_end_matches('/').to_owned(), reason }
    }
}

/// The innermost cause, which says what happened; those around it say only that something did.
fn said(error: &reqwest::Error) -> String {
    let mut source: &dyn std::error::Error = error;
    while let Some(cause) = source.source() {
        source = cause;
    }
    source.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(base: &str) -> Client {
        Client::new(base, None).expect("an address")
    }

    #[test]
    fn what_is_asked_about_is_escaped_whatever_it_holds() {
        let filter = Filter { limit: Some(5), about: Some("a&b=c ?é/#".to_owned()), ..Filter::default() };
        let url = client("http://127.0.0.1:8081").url("api/v1/links", &filter);
        assert_eq!(url.as_str(), "http://127.0.0.1:8081/api/v1/links?limit=5&about=a%26b%3Dc+%3F%C3%A9%2F%23");
    }

    #[test]
    fn an_address_behind_a_path_keeps_it() {
        for base in ["http://gateway.test/engine", "http://gateway.test/engine/"] {
            let url = client(base).url("healthz", &Filter::default());
            assert_eq!(url.as_str(), "http://gateway.test/engine/healthz");
        }
    }

    #[test]
    fn what_is_no_address_is_told_before_anything_is_asked() {
        for wrong in ["127.0.0.1:8081", "somewhere", "file:///etc/passwd", ""] {
            assert!(matches!(Client::new(wrong, None), Err(Error::Away { .. })), "{wrong}");
        }
    }
}

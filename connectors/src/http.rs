//! One way out over HTTP: a [`Transport`] that adapters are given, so that tests own the network.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

/// Sends one request and gives the whole response.
#[async_trait]
pub trait Transport: Send + Sync {
    /// Sends `request`, whose URI is absolute.
    ///
    /// # Errors
    /// Where no response came; says whether the request may have arrived.
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, TransportError>;
}

/// No response came.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// The request never left: connection refused, name not found.
    #[error("could not connect: {0}")]
    NotSent(String),
    /// The request may have arrived: timeout, connection lost.
    #[error("no answer: {0}")]
    NoAnswer(String),
}

/// The real network: rustls, connections kept, no redirects, 2 s to connect, 30 s in all.
#[derive(Debug, Clone)]
pub struct Client(reqwest::Client);

impl Client {
    /// A client with its own pool of connections.
    ///
    /// # Errors
    /// Where the TLS library cannot be set up.
    pub fn new() -> Result<Self, TransportError> {
        reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(2))
            .timeout(Duration::from_secs(30))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map(Self)
            .map_err(|error| TransportError::NotSent(error.to_string()))
    }
}

#[async_trait]
impl Transport for Client {
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, TransportError> {
        let (parts, body) = request.into_parts();
        let failed = |error: reqwest::Error| {
            let text = chain(&error);
            if error.is_connect() { TransportError::NotSent(text) } else { TransportError::NoAnswer(text) }
        };
        let response = self
            .0
            .request(parts.method, parts.uri.to_string())
            .headers(parts.headers)
            .body(body)
            .send()
            .await
            .map_err(failed)?;
        let mut built = http::Response::builder().status(response.status());
        if let Some(headers) = built.headers_mut() {
            *headers = response.headers().clone();
        }
        let body = response.bytes().await.map_err(failed)?;
        built.body(body).map_err(|error| TransportError::NoAnswer(error.to_string()))
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// `Retry-After` in seconds, where the response has one.
#[must_use]
pub fn retry_after<B>(response: &http::Response<B>) -> Option<Duration> {
    let text = response.headers().get(http::header::RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}

/// Text as one segment or value of a URI: everything but letters, digits and `-._~` escaped (RFC 3986).
#[must_use]
pub fn escape(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => (byte as char).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

//! One way out over HTTP: a [`Transport`] that adapters are given, so that tests own the network.
//!
//! In: a request with an absolute URI. Out: the whole response, or whether the request may have arrived.
//! Always true: redirects are not followed, and a response larger than [`MAX_BODY`] is none; a token is marked
//! sensitive, so that no log prints it. Not here: what a system's own words mean (each adapter), retries, pacing.

use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, DATE, HeaderValue, RETRY_AFTER};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value as Json;

use crate::port::{Answer, LimitWindow, Refusal};
use crate::proxy::Proxies;
use crate::secret::Secret;

/// The largest response body that is taken, in bytes: a full page of large records has room many times over.
pub const MAX_BODY: usize = 32 << 20;

/// The longest wait that a system can ask for with `Retry-After`.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

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
    /// A client with its own pool of connections, which uses no proxy.
    ///
    /// # Errors
    /// Where the TLS library cannot be set up.
    pub fn new() -> Result<Self, TransportError> {
        Self::through(&Proxies::default())
    }

    /// A client with its own pool of connections, which reaches others by these proxies.
    ///
    /// # Errors
    /// Where the TLS library cannot be set up, or a proxy has no address.
    pub fn through(proxies: &Proxies) -> Result<Self, TransportError> {
        Self::with(Duration::from_secs(2), Duration::from_secs(30), proxies)
    }

    fn with(connect: Duration, total: Duration, proxies: &Proxies) -> Result<Self, TransportError> {
        let builder = reqwest::Client::builder()
            .connect_timeout(connect)
            .timeout(total)
            // Shorter than what servers keep idle connections for: a reused connection that was closed on the
            // other side is an answer that never comes, and a write in doubt.
            .pool_idle_timeout(Duration::from_secs(20))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .user_agent(concat!("engine/", env!("CARGO_PKG_VERSION")));
        let proxies = proxies.built().map_err(|_| TransportError::NotSent("the proxy has no address".to_owned()))?;
        proxies
            .into_iter()
            .fold(builder, reqwest::ClientBuilder::proxy)
            .build()
            .map(Self)
            .map_err(|error| TransportError::NotSent(chain(&error)))
    }
}

#[async_trait]
impl Transport for Client {
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, TransportError> {
        let (parts, body) = request.into_parts();
        let mut response = self
            .0
            .request(parts.method, parts.uri.to_string())
            .headers(parts.headers)
            .body(body)
            .send()
            .await
            .map_err(failed)?;
        let too_large = || TransportError::NoAnswer(format!("the response is larger than {MAX_BODY} bytes"));
        let announced = response.content_length().unwrap_or_default();
        if usize::try_from(announced).map_or(true, |length| length > MAX_BODY) {
            return Err(too_large());
        }
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > MAX_BODY {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
        }
        let mut whole = http::Response::new(body.freeze());
        *whole.status_mut() = response.status();
        *whole.headers_mut() = std::mem::take(response.headers_mut());
        Ok(whole)
    }
}

/// A request that could not be built or connected never left; everything else may have arrived.
fn failed(error: reqwest::Error) -> TransportError {
    let text = chain(&error);
    if error.is_connect() || error.is_builder() {
        TransportError::NotSent(text)
    } else {
        TransportError::NoAnswer(text)
    }
}

/// An error with its causes.
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

/// A request as our adapters make it: JSON both ways, a bearer token, an `Idempotency-Key`.
///
/// # Errors
/// Where the URL or the key cannot stand in a request: asking again cannot help.
pub fn request(
    method: http::Method,
    url: &str,
    token: Option<&Secret>,
    key: Option<&str>,
    body: Option<&Json>,
) -> Result<http::Request<Bytes>, http::Error> {
    let mut request = http::Request::builder().method(method).uri(url).header(ACCEPT, "application/json");
    if let Some(token) = token {
        let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose()))?;
        value.set_sensitive(true);
        request = request.header(AUTHORIZATION, value);
    }
    if let Some(key) = key {
        request = request.header("Idempotency-Key", key);
    }
    match body {
        Some(body) => request.header(CONTENT_TYPE, "application/json").body(Bytes::from(body.to_string())),
        None => request.body(Bytes::new()),
    }
}

/// `Retry-After`, in seconds or as a date, where the response has one; never more than [`MAX_RETRY_AFTER`]. A date is
/// measured from the one at which the server answered, so that no clock has to be right; without that it says nothing.
#[must_use]
pub fn retry_after<B>(response: &http::Response<B>) -> Option<Duration> {
    let header = |name| response.headers().get(name)?.to_str().ok().map(str::trim);
    let text = header(RETRY_AFTER)?;
    let wait = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let (until, from) = (httpdate::parse_http_date(text).ok()?, httpdate::parse_http_date(header(DATE)?).ok()?);
            until.duration_since(from).ok()?
        }
    };
    Some(wait.min(MAX_RETRY_AFTER))
}

/// What it means that no response came. `write`: the request may have changed something.
#[must_use]
pub fn lost(error: &TransportError, write: bool) -> Answer {
    match error {
        TransportError::NoAnswer(_) if write => Answer::Unknown { cause: error.to_string() },
        _ => Answer::Retry { after: None, cause: error.to_string() },
    }
}

/// What a status means by itself, whatever the system says beside it; `None` for a success, and where the system's
/// own words decide (400, 404, 409 and other 4xx). `write`: the request may have changed something.
#[must_use]
pub fn trouble<B>(response: &http::Response<B>, write: bool, cause: &str) -> Option<Answer> {
    let status = response.status();
    let after = retry_after(response);
    let cause = if cause.is_empty() { format!("HTTP {status}") } else { format!("HTTP {status}: {cause}") };
    Some(match status.as_u16() {
        200..=299 => return None,
        401 => Answer::Refused { reason: cause, refusal: Refusal::Unauthenticated },
        403 => Answer::Refused { reason: cause, refusal: Refusal::Forbidden },
        429 => Answer::RateLimited { after, window: LimitWindow::Unknown, policy: None },
        // The request did not get as far as to be carried out: locked, too early, no server behind the gateway.
        423 | 425 | 503 | 521 | 523 => Answer::Retry { after, cause },
        408 | 500..=599 if write => Answer::Unknown { cause },
        408 | 500..=599 => Answer::Retry { after, cause },
        400..=499 => return None,
        // Redirects are not followed: nothing was done where a write was led away. To a read it may be a page of a
        // gateway, which is soon over; a base URL that is not where the system is is shown to people after some tries.
        _ if write => Answer::Refused { reason: cause, refusal: Refusal::Other },
        _ => Answer::Retry { after, cause },
    })
}

/// Everything but letters, digits and `-._~`, which mean themselves everywhere in a URI (RFC 3986, section 2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Text as one segment or value of a URI.
#[must_use]
pub fn escape(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// An id as one segment of a path; `None` where it would change the path: empty, or one of the two that mean here and
/// above, which no escaping hides.
#[must_use]
pub fn segment(id: &str) -> Option<String> {
    (!matches!(id, "" | "." | "..")).then(|| escape(id))
}

/// A JSON value as bare text: null is `""`, text is itself, everything else its JSON. Ids come as text or numbers.
#[must_use]
pub fn text(value: &Json) -> String {
    match value {
        Json::Null => String::new(),
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// A server that reads one request and answers with `response`, then closes; gives its URL.
    async fn server(response: Vec<u8>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut buffer = [0; 1024];
            let _ = socket.read(&mut buffer).await;
            // The client may hang up before it has read everything: that is what one test is about.
            let _ = socket.write_all(&response).await;
        });
        url
    }

    async fn get(url: &str) -> Result<http::Response<Bytes>, TransportError> {
        let client = Client::with(Duration::from_secs(2), Duration::from_secs(5), &Proxies::default()).unwrap();
        client.send(request(http::Method::GET, url, None, None, None).unwrap()).await
    }

    #[tokio::test]
    async fn what_is_outside_is_asked_by_the_proxy_and_this_machine_and_the_exceptions_are_not() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = format!("http://{}", listener.local_addr().unwrap());
        let asked = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut buffer = [0; 1024];
            let length = socket.read(&mut buffer).await.unwrap();
            socket.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
            String::from_utf8_lossy(&buffer[..length]).into_owned()
        });
        let client = Client::through(&Proxies::all(&proxy, ".example.com")).unwrap();
        let get = async |url: &str| client.send(request(http::Method::GET, url, None, None, None).unwrap()).await;
        let here = server(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec()).await;
        assert_eq!(get(&here).await.unwrap().status(), 200);
        // A name that nobody has, asked for directly.
        assert!(matches!(get("http://nobody.example.com/").await, Err(TransportError::NotSent(_))));
        assert_eq!(get("http://crm.invalid/x").await.unwrap().status(), 204);
        let asked = asked.await.unwrap();
        assert!(asked.starts_with("GET http://crm.invalid/x HTTP/1.1\r\n"), "{asked}");
        assert!(matches!(Client::through(&Proxies::all("::", "")), Err(TransportError::NotSent(_))));
    }

    #[tokio::test]
    async fn a_refused_connection_was_not_sent() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        drop(listener);
        assert!(matches!(get(&url).await, Err(TransportError::NotSent(_))));
    }

    #[tokio::test]
    async fn a_connection_that_breaks_after_the_request_has_no_answer() {
        assert!(matches!(get(&server(Vec::new()).await).await, Err(TransportError::NoAnswer(_))));
        let half = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf".to_vec();
        assert!(matches!(get(&server(half).await).await, Err(TransportError::NoAnswer(_))));
    }

    #[tokio::test]
    async fn a_server_that_says_nothing_in_time_has_no_answer() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let client = Client::with(Duration::from_secs(2), Duration::from_millis(50), &Proxies::default()).unwrap();
        let answer = client.send(request(http::Method::GET, &url, None, None, None).unwrap()).await;
        assert!(matches!(answer, Err(TransportError::NoAnswer(_))), "{answer:?}");
        drop(listener);
    }

    #[tokio::test]
    async fn a_redirect_is_given_as_it_is() {
        let moved = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n".to_vec();
        let response = get(&server(moved).await).await.unwrap();
        assert_eq!(response.status(), 302);
        assert!(matches!(trouble(&response, false, ""), Some(Answer::Retry { after: None, .. })));
        assert!(matches!(trouble(&response, true, ""), Some(Answer::Refused { refusal: Refusal::Other, .. })));
    }

    #[tokio::test]
    async fn a_response_that_is_too_large_is_none() {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", MAX_BODY + 1);
        let answer = get(&server(head.into_bytes()).await).await;
        assert!(matches!(answer, Err(TransportError::NoAnswer(text)) if text.contains("larger")));
        let mut endless = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_vec();
        endless.resize(endless.len() + MAX_BODY + 1, b'x');
        let answer = get(&server(endless).await).await;
        assert!(matches!(answer, Err(TransportError::NoAnswer(text)) if text.contains("larger")));
    }

    #[test]
    fn a_token_is_not_printed_with_its_request() {
        let secret = Secret::new("pat-secret");
        let request = request(http::Method::GET, "http://crm.test/", Some(&secret), None, Some(&Json::Null)).unwrap();
        assert!(!format!("{request:?}").contains("pat-secret"));
        assert_eq!(request.headers()[AUTHORIZATION], "Bearer pat-secret");
    }

    fn response(status: u16, retry_after: Option<&str>) -> http::Response<Bytes> {
        let mut response = http::Response::builder().status(status);
        if let Some(value) = retry_after {
            response = response.header(RETRY_AFTER, value);
        }
        response.body(Bytes::new()).unwrap()
    }

    #[test]
    fn retry_after_is_read_in_seconds_and_bounded() {
        let seconds = |text| retry_after(&response(429, Some(text)));
        assert_eq!(seconds("7"), Some(Duration::from_secs(7)));
        assert_eq!(seconds(" 7 "), Some(Duration::from_secs(7)));
        assert_eq!(seconds("99999999999"), Some(MAX_RETRY_AFTER));
        assert_eq!(seconds("-1"), None);
        assert_eq!(seconds("Wed, 21 Oct 2026 07:28:00 GMT"), None);
        assert_eq!(retry_after(&response(429, None)), None);
        let mut dated = response(503, Some("Wed, 21 Oct 2026 07:28:00 GMT"));
        let mut answered_at = |text| {
            dated.headers_mut().insert(DATE, HeaderValue::from_static(text));
            retry_after(&dated)
        };
        assert_eq!(answered_at("Wed, 21 Oct 2026 07:27:30 GMT"), Some(Duration::from_secs(30)));
        assert_eq!(answered_at("Wed, 21 Oct 2026 07:29:00 GMT"), None, "it is over");
    }

    #[test]
    fn a_gateway_error_leaves_a_write_in_doubt_and_a_read_to_be_repeated() {
        for status in [500, 502, 504, 520, 524] {
            assert!(matches!(trouble(&response(status, None), true, ""), Some(Answer::Unknown { .. })), "{status}");
            assert!(matches!(trouble(&response(status, None), false, ""), Some(Answer::Retry { .. })), "{status}");
        }
        for status in [423, 503, 521, 523] {
            let answer = trouble(&response(status, Some("3")), true, "");
            assert!(matches!(answer, Some(Answer::Retry { after: Some(_), .. })), "{status}");
        }
        for status in [200, 204, 207, 400, 404, 409, 422] {
            assert_eq!(trouble(&response(status, None), true, ""), None, "{status}");
        }
    }

    #[test]
    fn one_segment_of_a_path_cannot_become_two() {
        assert_eq!(escape("a/b?c=d&e f%é"), "a%2Fb%3Fc%3Dd%26e%20f%25%C3%A9");
        assert_eq!(segment("../x").as_deref(), Some("..%2Fx"));
        assert_eq!([segment(""), segment("."), segment("..")], [None, None, None]);
    }
}

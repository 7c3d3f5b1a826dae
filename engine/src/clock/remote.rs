//! The twins' clock over HTTP, for the demo and for tests of the whole daemon.
//!
//! `GET <URL>` answers milliseconds since 1970, bare or as `{"now": …}`; RFC 3339 text is taken as well.
//! Always true: it never runs backwards, and only loopback is asked. Rate windows stay on the machine's clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use connectors::http::Transport;
use dsl::value::Timestamp;

use super::{Clock, Now, wall};

/// How often the clock is read, and so how late a timer may be.
pub const STEP: Duration = Duration::from_millis(25);

/// Why the clock cannot be used.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum Error {
    /// It is somewhere else.
    #[error("the clock {0} is not on this machine")]
    #[diagnostic(
        code(clock::elsewhere),
        help("a clock over HTTP is for tests: give an address such as http://127.0.0.1:8090/_twin/clock")
    )]
    Elsewhere(String),
    /// It does not tell the time.
    #[error("the clock {url} does not answer with a time: {reason}")]
    #[diagnostic(code(clock::no_time))]
    NoTime {
        /// Its address.
        url: String,
        /// What came.
        reason: String,
    },
}

/// The clock, as it was last read.
#[derive(Clone)]
pub struct Remote {
    url: String,
    transport: Arc<dyn Transport>,
    seen: Arc<AtomicI64>,
    began: (Instant, Timestamp),
}

impl Remote {
    /// Reads the clock at `url` once.
    ///
    /// # Errors
    /// [`Error`] where it is not on loopback or tells no time.
    pub async fn connect(url: &str, transport: Arc<dyn Transport>) -> Result<Self, Error> {
        let host = url.parse::<http::Uri>().ok().and_then(|uri| uri.host().map(str::to_owned));
        if !host.is_some_and(|host| is_loopback(&host)) {
            return Err(Error::Elsewhere(url.to_owned()));
        }
        let began = (Instant::now(), wall());
        let clock = Self { url: url.to_owned(), transport, seen: Arc::new(AtomicI64::new(i64::MIN)), began };
        let first = clock.read().await?;
        clock.seen.store(first.0, Ordering::Release);
        Ok(clock)
    }

    async fn read(&self) -> Result<Timestamp, Error> {
        let wrong = |reason: String| Error::NoTime { url: self.url.clone(), reason };
        let request = http::Request::get(&self.url).body(Bytes::new()).map_err(|error| wrong(error.to_string()))?;
        let response = self.transport.send(request).await.map_err(|error| wrong(error.to_string()))?;
        let text = String::from_utf8_lossy(response.body()).into_owned();
        moment(&text).ok_or_else(|| wrong(text))
    }

    /// Reads the clock again and again until `stop`. A reading that fails leaves the time as it is.
    pub async fn follow(self, stop: tokio_util::sync::CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(STEP) => {}
            }
            match self.read().await {
                Ok(now) => {
                    self.seen.fetch_max(now.0, Ordering::AcqRel);
                }
                Err(error) => tracing::debug!(%error, "the clock stands still"),
            }
        }
    }
}

impl Clock for Remote {
    fn now(&self) -> Now {
        let since = i64::try_from(self.began.0.elapsed().as_millis()).unwrap_or(i64::MAX);
        Now { at: Timestamp(self.seen.load(Ordering::Acquire)), pace: Timestamp(self.began.1.0.saturating_add(since)) }
    }

    fn trust(&self) -> Option<Duration> {
        Some(STEP)
    }
}

/// `127.0.0.1`, `[::1]`, `localhost` …
#[must_use]
pub fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn moment(text: &str) -> Option<Timestamp> {
    let json: serde_json::Value = serde_json::from_str(text.trim()).ok()?;
    let value = json.get("now").or_else(|| json.get("now_ms")).unwrap_or(&json);
    value.as_i64().map(Timestamp).or_else(|| value.as_str().and_then(Timestamp::parse))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_in_every_form_it_is_told() {
        let expected = Some(Timestamp(1_764_000_000_000));
        assert_eq!(moment("1764000000000"), expected);
        assert_eq!(moment("{\"now\": 1764000000000}"), expected);
        assert_eq!(moment("{\"now\": \"2025-11-24T16:00:00Z\"}"), expected);
        assert_eq!(moment("<html>"), None);
    }

    #[test]
    fn only_this_machine_is_loopback() {
        assert!(is_loopback("127.0.0.1") && is_loopback("[::1]") && is_loopback("localhost"));
        assert!(!is_loopback("10.0.0.1") && !is_loopback("localhost.example.com"));
    }
}

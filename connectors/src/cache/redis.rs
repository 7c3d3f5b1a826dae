//! The cache in Redis, which outlives the engine and may be away at any time.
//!
//! In: commands, each given [`Settings::timeout`]. Out: bytes, or a miss.
//! Always true: after a failure nobody waits for Redis for [`Settings::pause`], then one call tries it again;
//! a key whose removal failed or was skipped is not served before it was removed; what Redis says of one key (it is of
//! another type, there is no room for it) costs that key alone.
//! Not here: TLS to Redis (a `rediss:` address is refused at start, by name).

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, Cmd, ErrorKind, FromRedisValue, IntoConnectionInfo, RedisError};
use tokio::time::Instant;

use super::{Cache, Counts, Tally};

/// Removals that are remembered while Redis is away. With more, nothing is served until the longest-lived entry
/// has run out.
const MOST_OWED: usize = 10_000;

/// How to use it.
#[derive(Clone)]
pub struct Settings {
    /// `redis://[user:password@]host:port[/db]`.
    pub url: String,
    /// How long one command may take.
    pub timeout: Duration,
    /// How long Redis is left alone after a failure.
    pub pause: Duration,
}

impl Settings {
    /// The usual: 50 ms for a command, 3 s of pause.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), timeout: Duration::from_millis(50), pause: Duration::from_secs(3) }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address may hold a password.
        out.debug_struct("Settings").field("timeout", &self.timeout).field("pause", &self.pause).finish_non_exhaustive()
    }
}

/// The address cannot be used, now or later.
#[derive(Debug, thiserror::Error)]
#[error("the Redis address cannot be used: {0}")]
pub struct Unusable(#[from] RedisError);

/// A cache in Redis.
pub struct RedisCache {
    manager: ConnectionManager,
    settings: Settings,
    breaker: Mutex<Breaker>,
    tally: Tally,
}

/// Whether Redis may be asked, and what it has to catch up on.
#[derive(Default)]
struct Breaker {
    /// Redis failed: it is left alone until then.
    open_until: Option<Instant>,
    /// Keys that it may hold and must not.
    owed: BTreeSet<String>,
    /// More than that is owed than is remembered: nothing is served until then.
    blind_until: Option<Instant>,
    /// The longest time that anything was put for.
    longest: Duration,
}

/// How a call may go about it.
enum Leave {
    /// Ask.
    Go,
    /// Ask, and be the one whose success says that Redis is back: these removals come first.
    Probe(Vec<String>),
    /// Do not ask.
    Skip,
}

impl RedisCache {
    /// Makes the cache. Connects at the first call: a Redis that is away is no error.
    ///
    /// # Errors
    /// Where the address is none, or needs TLS.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn new(settings: Settings) -> Result<Self, Unusable> {
        let info = settings.url.as_str().into_connection_info()?;
        // A peer that vanished without a word would otherwise hold the connection for a quarter of an hour.
        #[cfg(target_os = "linux")]
        let info = info.clone().set_tcp_settings(info.tcp_settings().clone().set_user_timeout(Duration::from_secs(10)));
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(Duration::from_secs(2)))
            .set_response_timeout(Some(settings.timeout))
            .set_number_of_retries(1);
        let manager = ConnectionManager::new_lazy_with_config(Client::open(info)?, config)?;
        let breaker = Mutex::new(Breaker { longest: Duration::from_secs(3600), ..Breaker::default() });
        Ok(Self { manager, settings, breaker, tally: Tally::default() })
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn leave(&self) -> Leave {
        let mut breaker = self.breaker();
        let now = Instant::now();
        match breaker.open_until {
            Some(until) if now < until => Leave::Skip,
            Some(_) => {
                // The others stay away while this one tries.
                breaker.open_until = Some(now + self.settings.pause);
                Leave::Probe(breaker.owed.iter().cloned().collect())
            }
            None => Leave::Go,
        }
    }

    /// Redis did not answer, or refused.
    fn fail(&self, error: &RedisError) {
        self.tally.errors.fetch_add(1, Ordering::Relaxed);
        let mut breaker = self.breaker();
        if breaker.open_until.is_none() {
            tracing::warn!(%error, pause = ?self.settings.pause, "Redis does not answer; going on without the cache");
        }
        breaker.open_until = Some(Instant::now() + self.settings.pause);
    }

    /// Redis is back, and has caught up on `paid`.
    fn recover(&self, paid: &[String]) {
        let mut breaker = self.breaker();
        for key in paid {
            breaker.owed.remove(key);
        }
        // What came to be owed meanwhile needs another probe, and gets it at once.
        breaker.open_until = (!breaker.owed.is_empty()).then(Instant::now);
        if breaker.open_until.is_none() {
            tracing::info!("Redis answers; the cache is used again");
        }
    }

    /// Runs a command, unless Redis is left alone; `None` where there is no answer.
    async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Option<T> {
        let paid = match self.leave() {
            Leave::Skip => {
                self.tally.skipped.fetch_add(1, Ordering::Relaxed);
                return None;
            }
            Leave::Go => None,
            Leave::Probe(owed) => {
                if !owed.is_empty() {
                    self.run::<()>(Cmd::new().arg("UNLINK").arg(&owed)).await?;
                }
                Some(owed)
            }
        };
        let answer = self.run(command).await?;
        if let Some(paid) = paid {
            self.recover(&paid);
        }
        Some(answer)
    }

    async fn run<T: FromRedisValue>(&self, command: &Cmd) -> Option<T> {
        let mut manager = self.manager.clone();
        let answer = match tokio::time::timeout(self.settings.timeout, command.query_async(&mut manager)).await {
            Ok(answer) => answer,
            Err(_) => Err(RedisError::from((ErrorKind::Io, "no answer in time"))),
        };
        answer.inspect_err(|error| if is_about_key(error) { self.refuse(error) } else { self.fail(error) }).ok()
    }

    /// Redis answers, and does not take or give this one.
    fn refuse(&self, error: &RedisError) {
        self.tally.errors.fetch_add(1, Ordering::Relaxed);
        tracing::debug!(%error, "Redis refuses a key");
    }

    /// Remembers that Redis may hold `key` and must not.
    fn owe(&self, key: &str) {
        let mut breaker = self.breaker();
        if breaker.owed.len() >= MOST_OWED && !breaker.owed.contains(key) {
            breaker.owed.clear();
            breaker.blind_until = Some(Instant::now() + breaker.longest);
            tracing::warn!(until = ?breaker.longest, "too many removals wait for Redis; it is not used until all it held has run out");
        }
        if breaker.blind_until.is_some_and(|until| Instant::now() < until) {
            // Another thing that may be there: it runs out with the longest-lived.
            breaker.blind_until = Some(Instant::now() + breaker.longest);
            return;
        }
        breaker.owed.insert(key.to_owned());
    }

    /// True where what Redis holds under `key` may not be served.
    fn is_doubtful(&self, key: &str) -> bool {
        let breaker = self.breaker();
        breaker.owed.contains(key) || breaker.blind_until.is_some_and(|until| Instant::now() < until)
    }
}

/// The answer is about the key that was named, and not about Redis.
fn is_about_key(error: &RedisError) -> bool {
    matches!(error.code(), Some("WRONGTYPE" | "OOM"))
}

#[async_trait]
impl Cache for RedisCache {
    async fn get(&self, key: &str) -> Option<Bytes> {
        let answer: Option<Option<Vec<u8>>> = self.ask(Cmd::new().arg("GET").arg(key)).await;
        if answer.is_none() && self.is_up() {
            // What is there is none of ours.
            self.remove(key).await;
        }
        let found = answer.flatten();
        // Asked after the answer: a removal that failed while we waited counts.
        let found = found.filter(|_| !self.is_doubtful(key)).map(Bytes::from);
        self.tally.looked(found.is_some());
        found
    }

    async fn put(&self, key: &str, bytes: Bytes, ttl: Duration) {
        let Ok(ttl_ms @ 1..) = u64::try_from(ttl.as_millis()) else {
            return self.remove(key).await;
        };
        {
            let mut breaker = self.breaker();
            breaker.longest = breaker.longest.max(ttl);
        }
        let command = Cmd::new().arg("SET").arg(key).arg(bytes.as_ref()).arg("PX").arg(ttl_ms).clone();
        if self.ask::<()>(&command).await.is_none() {
            // The old value may be there still, or the new one may arrive late, after a removal.
            if self.is_up() {
                self.remove(key).await;
            } else {
                self.owe(key);
            }
        }
    }

    async fn remove(&self, key: &str) {
        if self.ask::<()>(Cmd::new().arg("UNLINK").arg(key)).await.is_none() {
            self.owe(key);
        }
    }

    fn counts(&self) -> Counts {
        self.tally.counts()
    }

    fn is_up(&self) -> bool {
        self.breaker().open_until.is_none()
    }
}

impl fmt::Debug for RedisCache {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("RedisCache").field("settings", &self.settings).field("counts", &self.counts()).finish()
    }
}

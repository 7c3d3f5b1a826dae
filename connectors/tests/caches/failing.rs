//! A Redis that is away, silent, or comes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use connectors::cache::Cache;
use connectors::cache::redis::{RedisCache, Settings};
use connectors::testing::needed::needed;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn a_redis_that_is_away_slows_nothing_down() {
    // A port that was free a moment ago: nobody listens.
    let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free").local_addr().expect("bound").port();
    let cache = RedisCache::new(Settings::new(format!("redis://127.0.0.1:{port}"))).expect("the address is one");
    let started = Instant::now();
    for n in 0..1000 {
        let key = format!("crm:contact:{n}");
        cache.put(&key, Bytes::from_static(b"x"), HOUR).await;
        assert_eq!(cache.get(&key).await, None);
        cache.remove(&key).await;
    }
    assert!(started.elapsed() < Duration::from_secs(2), "3000 calls took {:?}", started.elapsed());
    let counts = cache.counts();
    assert_eq!((counts.hits, counts.misses), (0, 1000));
    assert!(counts.errors >= 1 && counts.errors + counts.skipped == 3000, "{counts:?}");
}

#[tokio::test]
async fn a_redis_that_is_silent_costs_one_call_its_patience() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let port = listener.local_addr().expect("bound").port();
    let silent = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
        }
    });
    let cache = RedisCache::new(Settings::new(format!("redis://127.0.0.1:{port}"))).expect("the address is one");
    let started = Instant::now();
    for _ in 0..1000 {
        assert_eq!(cache.get("crm:contact:1").await, None);
    }
    assert!(started.elapsed() < Duration::from_secs(1), "1000 calls took {:?}", started.elapsed());
    let counts = cache.counts();
    assert_eq!((counts.errors, counts.skipped), (1, 999));
    silent.abort();
}

#[tokio::test]
async fn what_was_removed_while_redis_was_away_is_not_served_when_it_is_back() {
    let Some(url) = needed("REDIS_URL", "Redis") else { return };
    let (proxy, through) = Proxy::before(&url).await;
    let settings = Settings { timeout: Duration::from_secs(5), pause: Duration::ZERO, ..Settings::new(through) };
    let cache = RedisCache::new(settings).expect("the address is one");
    let id = |name: &str| format!("crm:contact:{}-{name}-{:?}", std::process::id(), std::time::SystemTime::now());
    let (removed, replaced, kept) = (id("removed"), id("replaced"), id("kept"));
    for key in [&removed, &replaced, &kept] {
        cache.put(key, Bytes::from_static(b"old"), HOUR).await;
        assert_eq!(cache.get(key).await, Some(Bytes::from_static(b"old")));
    }
    proxy.cut();
    cache.remove(&removed).await;
    cache.put(&replaced, Bytes::from_static(b"new"), HOUR).await;
    assert_eq!(cache.get(&kept).await, None, "there is nobody to ask");
    proxy.mend();
    let back = async {
        while cache.get(&kept).await.is_none() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), back).await.expect("Redis is used again");
    assert_eq!(cache.get(&removed).await, None);
    assert_eq!(cache.get(&replaced).await, None, "the old value was to be replaced");
    // Redis itself does not hold them any more: an erased person's values are gone, not just hidden.
    let client = redis::Client::open(url).expect("the address is one");
    let mut connection = client.get_multiplexed_async_connection().await.expect("Redis runs");
    let held: u32 =
        redis::cmd("EXISTS").arg(&[&removed, &replaced]).query_async(&mut connection).await.expect("Redis answers");
    assert_eq!(held, 0);
    cache.put(&replaced, Bytes::from_static(b"newest"), HOUR).await;
    assert_eq!(cache.get(&replaced).await, Some(Bytes::from_static(b"newest")));
    for key in [&replaced, &kept] {
        cache.remove(key).await;
    }
}

#[tokio::test]
async fn an_address_that_can_never_work_is_refused_at_start() {
    for url in ["nonsense", "http://127.0.0.1:6379", "rediss://127.0.0.1:6379"] {
        let refused = RedisCache::new(Settings::new(url)).expect_err(url);
        assert!(refused.to_string().starts_with("the Redis address cannot be used: "), "{refused}");
    }
}

#[tokio::test]
async fn a_password_does_not_show_when_the_cache_is_printed() {
    let cache = RedisCache::new(Settings::new("redis://:hunter2@127.0.0.1:1")).expect("the address is one");
    assert!(!format!("{cache:?}").contains("hunter2"));
}

/// Stands before Redis and can be cut.
struct Proxy {
    /// Counts cuts; a connection lives in the count that it began in, while that is even.
    state: Arc<AtomicU32>,
    changed: Arc<tokio::sync::Notify>,
    run: JoinHandle<()>,
}

impl Proxy {
    /// A proxy before the Redis at `url`, and the address through it.
    async fn before(url: &str) -> (Self, String) {
        let (before, rest) = url.split_once("://").expect("it is a URL");
        let (login, place) = rest.rsplit_once('@').map_or(("", rest), |(login, place)| (login, place));
        let (host, path) = place.split_once('/').unwrap_or((place, ""));
        let target = if host.contains(':') { host.to_owned() } else { format!("{host}:6379") };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let port = listener.local_addr().expect("bound").port();
        let login = if login.is_empty() { String::new() } else { format!("{login}@") };
        let through = format!("{before}://{login}127.0.0.1:{port}/{path}");
        let state = Arc::new(AtomicU32::new(0));
        let changed = Arc::new(tokio::sync::Notify::new());
        let run = tokio::spawn({
            let (state, changed) = (Arc::clone(&state), Arc::clone(&changed));
            async move {
                while let Ok((mut near, _)) = listener.accept().await {
                    if state.load(Ordering::SeqCst) % 2 == 1 {
                        continue;
                    }
                    let (state, changed, target) = (Arc::clone(&state), Arc::clone(&changed), target.clone());
                    tokio::spawn(async move {
                        let cut = changed.notified();
                        tokio::pin!(cut);
                        cut.as_mut().enable();
                        if state.load(Ordering::SeqCst) % 2 == 1 {
                            return;
                        }
                        let mut far = TcpStream::connect(&target).await.expect("Redis runs");
                        tokio::select! {
                            () = cut => {}
                            // However the two of them part, the connection is over.
                            _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                        }
                    });
                }
            }
        });
        (Self { state, changed, run }, through)
    }

    /// Ends every connection and takes no new one.
    fn cut(&self) {
        self.state.fetch_add(1, Ordering::SeqCst);
        self.changed.notify_waiters();
    }

    /// Takes connections again.
    fn mend(&self) {
        self.state.fetch_add(1, Ordering::SeqCst);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.run.abort();
    }
}

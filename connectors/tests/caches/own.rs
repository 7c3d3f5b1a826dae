//! A Redis of a test's own, which it may fill, freeze and end.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use connectors::cache::Cache;
use connectors::cache::redis::{RedisCache, Settings};
use connectors::testing::needed::needed;

const HOUR: Duration = Duration::from_secs(3600);

/// Ends with the test.
struct OwnRedis {
    port: u16,
    server: Child,
}

impl OwnRedis {
    /// One with these settings; `None` where the test is skipped.
    async fn start(settings: &[&str]) -> Option<Self> {
        let program = needed("REDIS_SERVER", "redis-server of its own")?;
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = free.local_addr().expect("bound").port();
        drop(free);
        Some(Self::on(&program, port, settings).await)
    }

    async fn on(program: &str, port: u16, settings: &[&str]) -> Self {
        let port_text = port.to_string();
        let server = Command::new(program)
            .args(["--port", &port_text, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .args(settings)
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server starts");
        let own = Self { port, server };
        let answers = async {
            while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), answers).await.expect("it listens");
        own
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// A cache that leaves Redis alone for no time after a failure.
    fn cache(&self) -> RedisCache {
        let settings = Settings { timeout: Duration::from_secs(1), pause: Duration::ZERO, ..Settings::new(self.url()) };
        RedisCache::new(settings).expect("the address is one")
    }

    async fn ask(&self, command: &[&str]) -> redis::Value {
        let client = redis::Client::open(self.url()).expect("the address is one");
        let mut connection = client.get_multiplexed_async_connection().await.expect("Redis runs");
        redis::cmd(command[0]).arg(&command[1..]).query_async(&mut connection).await.expect("Redis answers")
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").arg(format!("-{signal}")).arg(self.server.id().to_string()).status();
        assert!(sent.expect("kill runs").success());
    }
}

impl Drop for OwnRedis {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.server.kill();
        let _waited = self.server.wait();
    }
}

#[tokio::test]
async fn a_key_of_another_type_costs_that_key_alone() {
    let Some(own) = OwnRedis::start(&[]).await else { return };
    let cache = own.cache();
    cache.put("crm:contact:1", Bytes::from_static(b"one"), HOUR).await;
    own.ask(&["RPUSH", "crm:contact:2", "a list"]).await;
    assert_eq!(cache.get("crm:contact:2").await, None);
    assert!(cache.is_up(), "Redis itself is well");
    assert_eq!(cache.get("crm:contact:1").await, Some(Bytes::from_static(b"one")));
    // It is taken away, so that the next one can be kept.
    cache.put("crm:contact:2", Bytes::from_static(b"two"), HOUR).await;
    assert_eq!(cache.get("crm:contact:2").await, Some(Bytes::from_static(b"two")));
    let counts = cache.counts();
    assert_eq!((counts.hits, counts.misses, counts.errors, counts.skipped), (2, 1, 1, 0));
}

#[tokio::test]
async fn a_full_redis_goes_on_serving_and_serves_nothing_old() {
    let Some(own) = OwnRedis::start(&["--maxmemory", "3mb", "--maxmemory-policy", "noeviction"]).await else { return };
    let cache = own.cache();
    cache.put("crm:contact:1", Bytes::from_static(b"old"), HOUR).await;
    cache.put("crm:contact:2", Bytes::from_static(b"kept"), HOUR).await;
    for n in 0..64 {
        cache.put(&format!("crm:contact:large-{n}"), Bytes::from(vec![b'x'; 256 << 10]), HOUR).await;
    }
    assert!(cache.counts().errors > 0 && cache.is_up(), "{:?}", cache.counts());
    assert_eq!(cache.get("crm:contact:2").await, Some(Bytes::from_static(b"kept")));
    // A value that cannot be replaced is not served any more.
    cache.put("crm:contact:1", Bytes::from(vec![b'y'; 1 << 20]), HOUR).await;
    assert_ne!(cache.get("crm:contact:1").await, Some(Bytes::from_static(b"old")));
    assert_eq!(cache.counts().skipped, 0);
}

#[tokio::test]
async fn a_redis_that_is_frozen_or_ends_serves_nothing_that_was_removed_meanwhile() {
    let Some(own) = OwnRedis::start(&[]).await else { return };
    let cache = own.cache();
    for key in ["crm:contact:1", "crm:contact:2"] {
        cache.put(key, Bytes::from_static(b"old"), HOUR).await;
    }
    own.signal("STOP");
    cache.remove("crm:contact:1").await;
    assert!(!cache.is_up());
    own.signal("CONT");
    let back = async {
        while cache.get("crm:contact:2").await.is_none() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), back).await.expect("it is used again");
    assert_eq!(cache.get("crm:contact:1").await, None);

    // Another one on its port, empty: what is gone is a miss, and nothing else.
    let port = own.port;
    drop(own);
    assert_eq!(cache.get("crm:contact:2").await, None);
    let own = OwnRedis::on("redis-server", port, &[]).await;
    let back = async {
        loop {
            cache.put("crm:contact:3", Bytes::from_static(b"new"), HOUR).await;
            if cache.get("crm:contact:3").await.is_some() {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), back).await.expect("it is used again");
    assert_eq!(cache.get("crm:contact:2").await, None);
    drop(own);
}

#[tokio::test]
async fn a_user_without_rights_is_a_miss_and_is_told() {
    let Some(own) = OwnRedis::start(&[]).await else { return };
    own.ask(&["ACL", "SETUSER", "reader", "on", ">secret", "~*", "+ping", "+hello", "+client"]).await;
    let url = format!("redis://reader:secret@127.0.0.1:{}", own.port);
    let settings = Settings { timeout: Duration::from_secs(1), ..Settings::new(url) };
    let cache = RedisCache::new(settings).expect("the address is one");
    assert_eq!(cache.get("crm:contact:1").await, None);
    assert!(!cache.is_up(), "no key can be read at all");
    assert_eq!(cache.counts().errors, 1);
}

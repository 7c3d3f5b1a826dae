//! What every cache promises.

use std::time::Duration;

use bytes::Bytes;
use connectors::cache::memory::MemoryCache;
use connectors::cache::{Cache, key};

const HOUR: Duration = Duration::from_secs(3600);

/// Waits until `key` has run out.
async fn run_out(cache: &dyn Cache, key: &str) {
    let gone = async {
        while cache.get(key).await.is_some() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), gone).await.expect("the entry runs out");
}

async fn keeps_the_contract(cache: &dyn Cache) {
    // Keys of this run only: the store may be shared.
    let nonce = format!("{}-{:?}", std::process::id(), std::time::SystemTime::now());
    let id = |name: &str| key("crm", "contact", &format!("{nonce}-{name}"));
    let (a, b, c) = (id("a"), id("b"), id("c"));

    // Nothing, then what was put, then what was put last; other keys are apart.
    assert_eq!(cache.get(&a).await, None);
    cache.put(&a, Bytes::from_static(b"{\"id\":\"1\"}"), HOUR).await;
    assert_eq!(cache.get(&a).await, Some(Bytes::from_static(b"{\"id\":\"1\"}")));
    assert_eq!(cache.get(&b).await, None);
    cache.put(&a, Bytes::from_static(b"newer"), HOUR).await;
    assert_eq!(cache.get(&a).await, Some(Bytes::from_static(b"newer")));

    // Bytes are bytes: none, any, many.
    let many: Bytes = (0..200_000_u32).map(|n| u8::try_from(n % 256).expect("below 256")).collect();
    cache.put(&b, Bytes::new(), HOUR).await;
    assert_eq!(cache.get(&b).await, Some(Bytes::new()));
    cache.put(&b, many.clone(), HOUR).await;
    assert_eq!(cache.get(&b).await, Some(many));

    // Removed is gone, and removing what is not there is nothing.
    cache.remove(&b).await;
    assert_eq!(cache.get(&b).await, None);
    cache.remove(&b).await;
    assert_eq!(cache.get(&a).await, Some(Bytes::from_static(b"newer")));

    // An entry lives as long as it was last put for: `c` would be gone with its first time, `a` with its second.
    cache.put(&c, Bytes::from_static(b"short"), Duration::from_millis(300)).await;
    cache.put(&c, Bytes::from_static(b"long"), HOUR).await;
    cache.put(&a, Bytes::from_static(b"short"), Duration::from_millis(300)).await;
    assert_eq!(cache.get(&a).await, Some(Bytes::from_static(b"short")));
    run_out(cache, &a).await;
    assert_eq!(cache.get(&c).await, Some(Bytes::from_static(b"long")));

    // No time at all: nothing is kept, not even what was there.
    cache.put(&c, Bytes::from_static(b"never"), Duration::ZERO).await;
    assert_eq!(cache.get(&c).await, None);

    // Every get was counted.
    let before = cache.counts();
    cache.put(&a, Bytes::from_static(b"x"), HOUR).await;
    cache.get(&a).await;
    cache.get(&b).await;
    cache.get(&b).await;
    let after = cache.counts();
    assert_eq!((after.hits - before.hits, after.misses - before.misses), (1, 2));
    assert_eq!((after.errors, after.skipped), (0, 0));
    cache.remove(&a).await;
}

#[tokio::test]
async fn the_cache_in_memory_keeps_the_contract() {
    keeps_the_contract(&MemoryCache::new(10_000_000)).await;
}

#[tokio::test]
async fn the_cache_in_memory_is_bounded_by_bytes() {
    let cache = MemoryCache::new(1_000_000);
    for n in 0..100 {
        cache.put(&format!("k{n}"), Bytes::from(vec![0; 100_000]), HOUR).await;
    }
    // Entries beyond the bound go in the background, so what is counted is what can still be got.
    let bounded = async {
        loop {
            let mut held = 0;
            for n in 0..100 {
                held += usize::from(cache.get(&format!("k{n}")).await.is_some());
            }
            if held <= 10 {
                break;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), bounded).await.expect("at most ten entries stay");
}

#[cfg(feature = "redis")]
#[tokio::test]
async fn the_cache_in_redis_keeps_the_contract() {
    use connectors::cache::redis::{RedisCache, Settings};
    let Some(url) = connectors::testing::needed::needed("REDIS_URL", "Redis") else { return };
    // A loaded machine may be slow; how soon a call gives up is tested where Redis fails.
    let settings = Settings { timeout: Duration::from_secs(5), ..Settings::new(url) };
    keeps_the_contract(&RedisCache::new(settings).expect("the address is one")).await;
}

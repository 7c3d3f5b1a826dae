//! A Redis that is away: the cache is missed, and nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use engine::testing::admin::api::Status;
use engine::testing::clock::wall;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::inside::get;
use crate::process::within;
use crate::stage::{Running, Stage, client};

/// Contacts of each wave of changes.
const WAVE: usize = 30;

/// A wave of new contacts that become users.
async fn wave(stage: &Stage, running: &Running, name: &str) {
    for number in 0..WAVE {
        let email = format!("{name}{number}@example.com");
        let contact = [("email", email.as_str()), ("firstname", name)];
        stage.crm.lock().expect("a sound twin").create("Contact", &contact, wall()).expect("it is taken");
    }
    let statuses = stage.deliver(running.webhooks).await;
    assert!(!statuses.is_empty() && statuses.iter().all(|status| *status == 200), "{statuses:?}");
    for number in 0..WAVE {
        stage.user(&format!("{name}{number}@example.com")).await;
    }
}

/// Calls that both systems had so far.
fn calls(stage: &Stage) -> u64 {
    stage.crm.lock().expect("a sound twin").calls().total + stage.app.lock().expect("a sound twin").calls().requests
}

fn warns(status: &Status) -> bool {
    status.warnings.iter().any(|warning| warning.starts_with("the cache does not answer"))
}

async fn status(running: &Running) -> Status {
    client(running.admin).status().await.expect("it is told")
}

/// The cache was asked; it is told that it does not answer, and the engine is ready. From then on hardly a call waits
/// for it, and no more calls go out than usual.
async fn is_degraded(stage: &Stage, running: &Running) {
    let before = status(running).await;
    assert!(warns(&before) && !before.healthy && !before.cache.up, "{before:?}");
    assert_eq!(get(running.admin, "/readyz").await.0, 200);
    let (_, figures) = get(running.admin, "/metrics").await;
    assert!(figures.contains("engine_cache_up 0"), "{figures}");

    let (calls_before, changes) = (calls(stage), WAVE as u64);
    wave(stage, running, "later").await;
    let calls = calls(stage) - calls_before;
    assert!(calls <= changes, "{calls} calls for {changes} changes");
    let after = status(running).await;
    let (waited, skipped) = (after.cache.errors - before.cache.errors, after.cache.skipped - before.cache.skipped);
    assert!(skipped >= changes && waited * 10 <= skipped, "{waited} calls waited for it, {skipped} did not");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_redis_that_nobody_listens_at_everything_goes_on() {
    let stage = Stage::new();
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free").local_addr().expect("bound").port();
    let redis = format!("redis: {{ url: \"redis://127.0.0.1:{port}\" }}\n");
    let running = stage.start_with(&redis).await.expect("a Redis that is away keeps nobody from starting");
    wave(&stage, &running, "first").await;
    is_degraded(&stage, &running).await;
    running.stop().await.expect("it stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_dies_in_the_middle_is_done_without() {
    let stage = Stage::new();
    let redis = Redis::start().await;
    let running = stage.start_with(&format!("redis: {{ url: \"{}\" }}\n", redis.url)).await.expect("it starts");
    let used = async {
        for number in 0.. {
            wave(&stage, &running, &format!("wave{number}-")).await;
            let status = status(&running).await;
            // On a busy machine its first answers may come too late; a later one is taken.
            if redis.commands.load(Ordering::Relaxed) > WAVE && !warns(&status) && status.cache.up {
                return;
            }
        }
    };
    within("the use of Redis", used).await;
    drop(redis);
    wave(&stage, &running, "without").await;
    is_degraded(&stage, &running).await;
    running.stop().await.expect("it stops");
}

/// As much of a Redis as the cache needs: it takes everything and knows nothing. Its connections end with it.
struct Redis {
    url: String,
    commands: Arc<AtomicUsize>,
    _run: JoinSet<()>,
}

impl Redis {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let url = format!("redis://{}", listener.local_addr().expect("it is bound"));
        let commands = Arc::new(AtomicUsize::new(0));
        let (mut run, counted) = (JoinSet::new(), Arc::clone(&commands));
        run.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                let counted = Arc::clone(&counted);
                connections.spawn(async move {
                    let (mut bytes, mut chunk) = (Vec::new(), [0; 4_096]);
                    while let Ok(length @ 1..) = stream.read(&mut chunk).await {
                        bytes.extend_from_slice(&chunk[..length]);
                        while let Some((name, length)) = command(&bytes) {
                            bytes.drain(..length);
                            counted.fetch_add(1, Ordering::Relaxed);
                            let answer: &[u8] = if name == b"GET" { b"$-1\r\n" } else { b"+OK\r\n" };
                            if stream.write_all(answer).await.is_err() {
                                return;
                            }
                        }
                    }
                });
            }
        });
        Self { url, commands, _run: run }
    }
}

/// The name of the first command, and how many bytes it takes; `None` where it has not come whole.
fn command(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let mut at = 0;
    let mut line = |mark: u8| {
        let end = at + bytes.get(at..)?.windows(2).position(|two| two == b"\r\n")?;
        assert_eq!(bytes[at], mark, "commands come as arrays of strings");
        let number: usize = std::str::from_utf8(&bytes[at + 1..end]).ok()?.parse().ok()?;
        at = end + 2;
        let part = if mark == b'$' { bytes.get(at..at + number)?.to_vec() } else { Vec::new() };
        at += if mark == b'$' { number + 2 } else { 0 };
        (at <= bytes.len()).then_some((number, part))
    };
    let (parts, _) = line(b'*')?;
    let mut name = Vec::new();
    for part in 0..parts {
        let (_, text) = line(b'$')?;
        if part == 0 {
            name = text;
        }
    }
    Some((name, at))
}

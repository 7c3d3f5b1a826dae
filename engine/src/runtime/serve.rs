//! Carries a router on a listener, with bounds on what a sender can hold before anything of it is known.
//!
//! Always true: a connection on which no whole head arrives in time is closed, also one that is idle between two
//! requests; there are at most so many connections at once, and where all are taken one gives way of whose sender
//! nothing is known yet, so that slow heads and bodies keep nobody out; on a stop nothing new is accepted and requests
//! under way are answered. Not here: how long a body may take, its size and its signature (the door).

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use connectors::webhook::unverified::{Hold, Unverified};
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::tasks::Tasks;

/// Bounds on what connections can hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// How long the head of a request may take to arrive, and how long a connection may be idle.
    pub(super) head_within: Duration,
    /// The most that is read ahead of a connection, in bytes: the largest head.
    pub(super) head: usize,
    /// Connections at once.
    pub(super) connections: usize,
    /// Whoever gets a head through is served; otherwise the router says of whom something is known, by the [`Hold`]
    /// among a request's extensions.
    pub(super) open: bool,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { head_within: Duration::from_secs(30), head: 64 << 10, connections: 512, open: false }
    }
}

/// How long accepting waits where the system gives no more sockets.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until `stop`; returns when every request under way is answered.
pub(super) async fn serve(
    tasks: Tasks,
    name: &'static str,
    listener: TcpListener,
    router: Router,
    bounds: Bounds,
    stop: CancellationToken,
) {
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(bounds.head_within).max_buf_size(bounds.head);
    let service = TowerToHyperService::new(router);
    let room = Arc::new(Semaphore::new(bounds.connections));
    let unknown = Unverified::default();
    let open = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            accepted = accept(name, &room, &unknown, &listener) => accepted,
        };
        let (permit, stream, sender) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(name, %error, "a connection could not be accepted");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let hold = Arc::new(unknown.enter(sender));
        hold.set(1);
        let (service, holds) = (service.clone(), Arc::clone(&hold));
        let answer = service_fn(move |request| answer(&service, request, &holds, bounds.open));
        let connection = open.watch(server.serve_connection(TokioIo::new(stream), answer));
        tasks.spawn(name, |_| async move {
            tokio::select! {
                ended = connection => if let Err(error) = ended {
                    tracing::debug!(name, %error, "a connection ended early");
                },
                () = hold.gives_way() => tracing::debug!(name, "a connection of nobody who is known gave way"),
            }
            // A place is free when its connection is over, not when it was accepted.
            drop(permit);
        });
    }
    // Whoever comes now is refused at once, and does not wait in a queue that nobody takes from.
    drop(listener);
    open.shutdown().await;
}

/// The next connection, as soon as there is a place for it.
async fn accept(
    name: &str,
    room: &Arc<Semaphore>,
    unknown: &Unverified,
    listener: &TcpListener,
) -> std::io::Result<(tokio::sync::OwnedSemaphorePermit, tokio::net::TcpStream, Option<IpAddr>)> {
    let (stream, sender) = listener.accept().await?;
    if room.available_permits() == 0 {
        let made = unknown.turn_away();
        tracing::warn!(name, %sender, made, "all connections are taken; one without a known sender gives way");
    }
    let permit = Arc::clone(room).acquire_owned().await.map_err(std::io::Error::other)?;
    Ok((permit, stream, Some(sender.ip())))
}

/// Answers a request; its connection keeps its place meanwhile, once something is known of its sender.
fn answer(
    service: &TowerToHyperService<Router>,
    mut request: Request<Incoming>,
    hold: &Arc<Hold>,
    open: bool,
) -> impl Future<Output = Result<axum::response::Response, Infallible>> + use<> {
    if open {
        hold.set(0);
    } else {
        request.extensions_mut().insert(Arc::clone(hold));
    }
    let (answer, hold) = (service.call(request), Arc::clone(hold));
    async move {
        let answer = answer.await;
        if !open {
            hold.set(1);
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::{get, post};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;

    /// A served router, its address, and what stops it.
    async fn served(bounds: Bounds) -> (Tasks, std::net::SocketAddr, CancellationToken) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it listens");
        let body = |body: axum::body::Bytes| async move { body };
        let router = Router::new().route("/", get(|| async { "here" })).route("/body", post(body));
        let (tasks, stop) = (Tasks::new(), CancellationToken::new());
        let (inner, token) = (tasks.clone(), stop.clone());
        tasks.spawn("test", |_| serve(inner, "test", listener, router, bounds, token));
        (tasks, address, stop)
    }

    async fn ask(stream: &mut TcpStream) -> String {
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.expect("it is sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an answer");
        answer
    }

    #[tokio::test]
    async fn a_connection_without_a_head_is_closed_and_makes_room() {
        let bounds = Bounds { head_within: Duration::from_millis(50), connections: 1, open: true, ..Bounds::default() };
        let (tasks, address, stop) = served(bounds).await;
        let mut slow = TcpStream::connect(address).await.expect("it is accepted");
        slow.write_all(b"GET / HTTP/1.1\r\nhost:").await.expect("it is sent");
        // The only place is taken by one that is served already, if slowly; the next one is answered once it is free.
        let mut next = TcpStream::connect(address).await.expect("the system takes it");
        assert!(ask(&mut next).await.ends_with("here"));
        let mut rest = Vec::new();
        // It is told so or just closed; either way it ends.
        let _ended = slow.read_to_end(&mut rest).await;
        assert!(!String::from_utf8_lossy(&rest).contains("here"));
        stop.cancel();
        tasks.shutdown(Duration::from_secs(10)).await.expect("everything ends");
    }

    /// Slow heads, and slow bodies behind a door that knows nobody yet, take every place; an honest sender is answered.
    #[tokio::test]
    async fn a_sender_of_whom_nothing_is_known_gives_way() {
        let bounds = Bounds { head_within: Duration::from_secs(600), connections: 4, ..Bounds::default() };
        let (tasks, address, stop) = served(bounds).await;
        let mut slow = Vec::new();
        for start in ["GET / HTTP/1.1\r\nhost:", "POST /body HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nx"] {
            for _ in 0..6 {
                let mut stream = TcpStream::connect(address).await.expect("it is accepted");
                stream.write_all(start.as_bytes()).await.expect("it is sent");
                slow.push(stream);
                let mut honest = TcpStream::connect(address).await.expect("the system takes it");
                let answered = tokio::time::timeout(Duration::from_secs(60), ask(&mut honest)).await;
                assert!(answered.expect("it is answered long before a slow head is given up").ends_with("here"));
            }
        }
        stop.cancel();
        drop(slow);
        tasks.shutdown(Duration::from_secs(10)).await.expect("everything ends");
    }

    #[tokio::test]
    async fn a_head_that_is_too_large_is_refused() {
        let (tasks, address, stop) = served(Bounds { head: 8 << 10, ..Bounds::default() }).await;
        let mut stream = TcpStream::connect(address).await.expect("it is accepted");
        let head = format!("GET / HTTP/1.1\r\nhost: {}\r\n", "x".repeat(64 << 10));
        // It may be closed before all of it is sent.
        let _sent = stream.write_all(head.as_bytes()).await;
        let mut answer = Vec::new();
        let _ended = stream.read_to_end(&mut answer).await;
        assert!(!String::from_utf8_lossy(&answer).contains("here"));
        stop.cancel();
        tasks.shutdown(Duration::from_secs(10)).await.expect("everything ends");
    }

    #[tokio::test]
    async fn a_stop_closes_what_is_idle() {
        let (tasks, address, stop) = served(Bounds::default()).await;
        let mut idle = TcpStream::connect(address).await.expect("it is accepted");
        idle.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("it is sent");
        let mut answer = vec![0; 4];
        idle.read_exact(&mut answer).await.expect("an answer");
        stop.cancel();
        tasks.shutdown(Duration::from_secs(10)).await.expect("everything ends");
    }
}

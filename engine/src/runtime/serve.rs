//! Carries a router on a listener, with bounds on what a sender can hold before anything of it is known.
//!
//! Always true: a connection on which no whole head arrives in time is closed, also one that is idle between two
//! requests; there are at most so many connections at once, the next ones wait in the system's queue; on a stop nothing
//! new is accepted and requests under way are answered. Not here: how long a body may take, and its size (the door).

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
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
}

impl Default for Bounds {
    fn default() -> Self {
        Self { head_within: Duration::from_secs(30), head: 64 << 10, connections: 512 }
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
    let open = GracefulShutdown::new();
    loop {
        if room.available_permits() == 0 {
            tracing::warn!(name, connections = bounds.connections, "all connections are taken; the next ones wait");
        }
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            accepted = accept(&room, &listener) => accepted,
        };
        let (permit, stream) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(name, %error, "a connection could not be accepted");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let connection = open.watch(server.serve_connection(TokioIo::new(stream), service.clone()));
        tasks.spawn(name, |_| async move {
            if let Err(error) = connection.await {
                tracing::debug!(name, %error, "a connection ended early");
            }
            // A place is free when its connection is over, not when it was accepted.
            drop(permit);
        });
    }
    // Whoever comes now is refused at once, and does not wait in a queue that nobody takes from.
    drop(listener);
    open.shutdown().await;
}

async fn accept(
    room: &Arc<Semaphore>,
    listener: &TcpListener,
) -> std::io::Result<(tokio::sync::OwnedSemaphorePermit, tokio::net::TcpStream)> {
    let permit = Arc::clone(room).acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((permit, stream))
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;

    /// A served router, its address, and what stops it.
    async fn served(bounds: Bounds) -> (Tasks, std::net::SocketAddr, CancellationToken) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it listens");
        let router = Router::new().route("/", get(|| async { "here" }));
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
        let bounds = Bounds { head_within: Duration::from_millis(50), connections: 1, ..Bounds::default() };
        let (tasks, address, stop) = served(bounds).await;
        let mut slow = TcpStream::connect(address).await.expect("it is accepted");
        slow.write_all(b"GET / HTTP/1.1\r\nhost:").await.expect("it is sent");
        // The only place is taken; the next one waits for it, and is answered once it is free.
        let mut next = TcpStream::connect(address).await.expect("the system takes it");
        assert!(ask(&mut next).await.ends_with("here"));
        let mut rest = Vec::new();
        // It is told so or just closed; either way it ends.
        let _ended = slow.read_to_end(&mut rest).await;
        assert!(!String::from_utf8_lossy(&rest).contains("here"));
        stop.cancel();
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

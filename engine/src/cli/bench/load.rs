//! Load over HTTP, and how long each piece of it took.
//!
//! In: clients, each with a connection of its own, and what each does again and again. Out: how much was done, and
//! how long each took.
//! Always true: in an open loop the time counts from the moment at which a piece was due, whether a client was free
//! then or not, so that a stall is felt by all that it held up (Gil Tene calls the opposite coordinated omission); a
//! closed loop promises no rate and counts from the moment of sending. All clients live on one thread, which costs as
//! little of the machine as load can. Not here: what is sent.

use std::cell::Cell;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::body::Body;
use bytes::Bytes;
use futures_util::future::try_join_all;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// How long an answer may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// One connection.
pub(super) struct Client {
    host: HeaderValue,
    sender: SendRequest<Body>,
}

impl Client {
    /// Connects.
    pub(super) async fn connect(to: SocketAddr) -> Result<Self, String> {
        let failed = |error: &dyn std::fmt::Display| format!("no connection to {to}: {error}");
        let stream = TcpStream::connect(to).await.map_err(|error| failed(&error))?;
        stream.set_nodelay(true).map_err(|error| failed(&error))?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|error| failed(&error))?;
        // It ends with its sender; what breaks it is told to whoever sends next.
        drop(tokio::spawn(async move { drop(connection.await) }));
        let host = HeaderValue::try_from(to.to_string()).map_err(|error| failed(&error))?;
        Ok(Self { host, sender })
    }

    /// So many of them.
    pub(super) async fn many(count: usize, to: SocketAddr) -> Result<Vec<Self>, String> {
        try_join_all((0..count).map(|_| Self::connect(to))).await
    }

    /// Posts a body and reads the answer to its end.
    pub(super) async fn post(&mut self, path: &Uri, headers: HeaderMap, body: Bytes) -> Result<StatusCode, String> {
        let mut request = Request::new(Body::from(body));
        *request.method_mut() = Method::POST;
        request.uri_mut().clone_from(path);
        *request.headers_mut() = headers;
        request.headers_mut().insert(header::HOST, self.host.clone());
        request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let exchange = async {
            self.sender.ready().await?;
            let response = self.sender.send_request(request).await?;
            let status = response.status();
            Ok::<_, hyper::Error>((status, response.into_body()))
        };
        let late = |_| format!("no answer within {} s", ANSWER_TIMEOUT.as_secs());
        let answered = tokio::time::timeout(ANSWER_TIMEOUT, exchange).await.map_err(late)?;
        let (status, body) = answered.map_err(|error| format!("no answer: {error}"))?;
        let read = axum::body::to_bytes(Body::new(body), 1 << 20).await;
        read.map_err(|error| format!("half an answer: {error}"))?;
        Ok(status)
    }

    /// The same; only a 2xx is fine.
    pub(super) async fn offer(&mut self, path: &Uri, headers: HeaderMap, body: Bytes) -> Result<(), String> {
        match self.post(path, headers, body).await? {
            status if status.is_success() => Ok(()),
            status => Err(format!("answered {status}")),
        }
    }
}

/// What was done.
#[derive(Debug, Clone, Default)]
pub(super) struct Load {
    /// From the first to the last.
    took: Duration,
    /// How long each took, shortest first.
    times: Vec<Duration>,
}

impl Load {
    fn new(took: Duration, times: Vec<Vec<Duration>>) -> Self {
        let mut times: Vec<Duration> = times.into_iter().flatten().collect();
        times.sort_unstable();
        Self { took, times }
    }

    /// How many a second.
    pub(super) fn per_second(&self) -> f64 {
        self.times.len() as f64 / self.took.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    /// How many.
    pub(super) fn done(&self) -> usize {
        self.times.len()
    }

    /// The time that this share of all stays within, in milliseconds, by the nearest rank; 0 of nothing.
    pub(super) fn within(&self, share: f64) -> f64 {
        let rank = (share * self.times.len() as f64).ceil() as usize;
        self.times.get(rank.saturating_sub(1)).map_or(0.0, |time| time.as_secs_f64() * 1e3)
    }
}

/// Every client begins again as soon as it is done, for so long.
pub(super) async fn closed<C, W>(clients: &mut [C], time: Duration, work: W) -> Result<Load, String>
where
    W: AsyncFn(&mut C) -> Result<(), String>,
{
    let start = Instant::now();
    let one = async |client: &mut C| {
        let mut times = Vec::new();
        loop {
            let begin = Instant::now();
            work(client).await?;
            times.push(begin.elapsed());
            if start.elapsed() >= time {
                return Ok::<_, String>(times);
            }
        }
    };
    let times = try_join_all(clients.iter_mut().map(one)).await?;
    Ok(Load::new(start.elapsed(), times))
}

/// So many pieces a second are due, for so long; each is done by the next client that is free.
pub(super) async fn open<C, W>(clients: &mut [C], rate: f64, time: Duration, work: W) -> Result<Load, String>
where
    W: AsyncFn(&mut C) -> Result<(), String>,
{
    let start = Instant::now();
    let next = Cell::new(0_u32);
    let one = async |client: &mut C| {
        let mut times = Vec::new();
        loop {
            let number = next.replace(next.get() + 1);
            let offset = Duration::from_secs_f64(f64::from(number) / rate);
            if offset >= time {
                return Ok::<_, String>(times);
            }
            let due = start + offset;
            // The timer keeps whole milliseconds: what is sent late by that much counts, here as in the floor.
            tokio::time::sleep_until(due.into()).await;
            work(client).await?;
            times.push(due.elapsed());
        }
    };
    let times = try_join_all(clients.iter_mut().map(one)).await?;
    Ok(Load::new(start.elapsed(), times))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(milliseconds: &[u64]) -> Load {
        let times = milliseconds.iter().map(|ms| Duration::from_millis(*ms)).collect();
        Load::new(Duration::from_secs(2), vec![times])
    }

    #[test]
    fn a_share_is_the_nearest_rank() {
        let hundred: Vec<u64> = (1..=100).rev().collect();
        let load = load(&hundred);
        assert_eq!([0.5, 0.99, 1.0].map(|share| load.within(share)), [50.0, 99.0, 100.0]);
        assert_eq!(load.per_second(), 50.0);
        assert_eq!(Load::default().within(0.99), 0.0);
    }

    #[tokio::test]
    async fn in_an_open_loop_a_stall_is_felt_by_all_that_it_held_up() {
        // One client, 1,000 a second for 20 ms, and the first one takes all of it.
        let first = Cell::new(true);
        let stall = async |(): &mut ()| {
            let begin = Instant::now();
            while first.get() && begin.elapsed() < Duration::from_millis(20) {
                std::hint::spin_loop();
            }
            first.set(false);
            Ok(())
        };
        let load = open(&mut [()], 1_000.0, Duration::from_millis(20), stall).await.expect("done");
        // Counted from their sending the others took nothing; they waited for 19, 18, 17 … ms at least.
        assert_eq!(load.times.len(), 20);
        assert!(load.within(0.5) >= 10.0 && load.within(0.05) >= 1.0, "{load:?}");
    }
}

//! The HTTP face of a twin.
//!
//! In: a model, a listener, a clock. Out: the model's responses over HTTP/1.1.
//! Always true: the face decides nothing; how a response reaches its client is said by the [`Sending`] among its
//! extensions, so that a client sees what a lost, late or endless answer looks like.
//! Paths under `/_twin/` are the operator's: they need no token, meet no fault and are not counted.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, Request, State};
use axum::serve::{IncomingStream, Listener};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::header::CONTENT_LENGTH;
use tokio::io::{self, AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::model::{Model, Now, locked};
use crate::sending::{Ending, Sending};

/// The largest body that is read: a batch of 100 generous records.
const LARGEST_BODY: usize = 8 << 20;

/// Serves `model` on `listener` until `stop`; answers what has begun before it returns.
///
/// # Errors
/// Where the listener fails.
pub async fn serve<M: Model>(
    model: Arc<Mutex<M>>,
    listener: TcpListener,
    now: Now,
    stop: CancellationToken,
) -> io::Result<()> {
    let router = axum::Router::new().fallback(answer::<M>).with_state(Face { model, now });
    let service = router.into_make_service_with_connect_info::<Cut>();
    axum::serve(CuttableListener(listener), service).with_graceful_shutdown(stop.cancelled_owned()).await
}

struct Face<M> {
    model: Arc<Mutex<M>>,
    now: Now,
}

impl<M> Clone for Face<M> {
    fn clone(&self) -> Self {
        Self { model: Arc::clone(&self.model), now: Arc::clone(&self.now) }
    }
}

async fn answer<M: Model>(
    State(face): State<Face<M>>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    request: Request,
) -> http::Response<Body> {
    let (parts, body) = request.into_parts();
    let body = match axum::body::to_bytes(body, LARGEST_BODY).await {
        Ok(body) => body,
        Err(error) => {
            let error = serde_json::json!({ "error": format!("the body cannot be read: {error}") });
            return crate::app::answer(413, &error).map(Body::from);
        }
    };
    let request = http::Request::from_parts(parts, body);
    let response = {
        let mut model = locked(&face.model);
        let now = (face.now)();
        if request.uri().path().starts_with("/_twin/") {
            model.control(&request, now)
        } else {
            model.handle(&request, now)
        }
    };
    let sending = Sending::of(&response);
    if let Ok(after @ 1..) = u64::try_from(sending.after.0) {
        tokio::time::sleep(Duration::from_millis(after)).await;
    }
    match sending.ending {
        Ending::Whole => response.map(Body::from),
        Ending::Lost => {
            cut.0.store(true, Ordering::Release);
            response.map(Body::from)
        }
        Ending::Cut => cut_short(response),
        Ending::Endless => response.map(endless),
        Ending::Drip => response.map(drip),
    }
}

/// Half of a body; the connection breaks where the rest should be.
fn cut_short(response: http::Response<Bytes>) -> http::Response<Body> {
    let (mut parts, body) = response.into_parts();
    parts.headers.insert(CONTENT_LENGTH, body.len().into());
    let half = stream::once(std::future::ready(Ok(body.slice(..body.len() / 2))));
    let end = stream::once(async {
        // What was written leaves only while the body has nothing more to give.
        tokio::time::sleep(Duration::from_millis(10)).await;
        Err(io::Error::from(io::ErrorKind::ConnectionReset))
    });
    http::Response::from_parts(parts, Body::from_stream(half.chain(end)))
}

/// A body, then blanks without an end.
fn endless(body: Bytes) -> Body {
    let blanks = Bytes::from_static(&[b' '; 16 * 1_024]);
    Body::from_stream(stream::unfold(body, move |piece| {
        let next = blanks.clone();
        async move { Some((Ok::<_, io::Error>(piece), next)) }
    }))
}

/// A body byte by byte.
fn drip(body: Bytes) -> Body {
    Body::from_stream(stream::unfold(body, |mut rest| async move {
        if rest.is_empty() {
            return None;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        let first = rest.split_to(1);
        Some((Ok::<_, io::Error>(first), rest))
    }))
}

/// Set by a handler: nothing more is written on this connection.
#[derive(Debug, Clone, Default)]
struct Cut(Arc<AtomicBool>);

impl Connected<IncomingStream<'_, CuttableListener>> for Cut {
    fn connect_info(stream: IncomingStream<'_, CuttableListener>) -> Self {
        stream.remote_addr().clone()
    }
}

struct CuttableListener(TcpListener);

impl Listener for CuttableListener {
    type Io = CuttableStream;
    type Addr = Cut;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let (stream, _) = Listener::accept(&mut self.0).await;
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a twin's connection stays with Nagle's algorithm");
        }
        let cut = Cut::default();
        (CuttableStream { stream, cut: cut.clone() }, cut)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(Cut::default())
    }
}

/// A connection that fails at the first write after it was cut, and is closed by that.
struct CuttableStream {
    stream: TcpStream,
    cut: Cut,
}

impl CuttableStream {
    fn whole(&self) -> io::Result<()> {
        if self.cut.0.load(Ordering::Acquire) { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(()) }
    }
}

impl AsyncRead for CuttableStream {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, out)
    }
}

impl AsyncWrite for CuttableStream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.whole()?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[std::io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.whole()?;
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

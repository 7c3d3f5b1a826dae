//! The HTTP face of the app twin and of the operations twin.
//!
//! In: a model, a listener, a clock. Out: the model's responses over HTTP/1.1.
//! Always true: the face decides nothing; a response that asks for it ([`DROP_HEADER`]) breaks the connection
//! instead of being sent, so that a client sees what a lost answer looks like.
//! Paths under `/_twin/` are the operator's: they need no token, meet no fault and are not counted.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, Request, State};
use axum::serve::{IncomingStream, Listener};
use bytes::Bytes;
use dsl::value::Timestamp;
use tokio::io::{self, AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::{DROP_HEADER, Fault};

/// A twin: a model that answers requests.
pub trait Model: Send + 'static {
    /// A request arrives at `now`: it counts against limits, and may be turned away.
    fn arrive(&mut self, request: &http::Request<Bytes>, now: Timestamp) -> Arrival;

    /// A request that was let in takes effect at `now`.
    fn carry_out(
        &mut self,
        request: &http::Request<Bytes>,
        admitted: Admitted,
        now: Timestamp,
    ) -> http::Response<Bytes>;

    /// Answers a request that arrives and takes effect at `now`.
    fn handle(&mut self, request: &http::Request<Bytes>, now: Timestamp) -> http::Response<Bytes> {
        match self.arrive(request, now) {
            Arrival::Admitted(admitted) => self.carry_out(request, admitted, now),
            Arrival::TurnedAway(response) => response,
        }
    }

    /// Answers a request of the operator, whose path starts with `/_twin/`.
    fn control(&mut self, request: &http::Request<Bytes>, now: Timestamp) -> http::Response<Bytes>;
}

/// What becomes of a request that arrives.
#[derive(Debug)]
pub enum Arrival {
    /// It is let in.
    Admitted(Admitted),
    /// It is not, and answered so: the token, the pace, a fault.
    TurnedAway(http::Response<Bytes>),
}

impl Arrival {
    /// A request that meets `fault`.
    pub(crate) fn with(fault: Option<Fault>) -> Self {
        super::instead(fault).map_or(Self::Admitted(Admitted(fault)), Self::TurnedAway)
    }
}

/// A request that was let in, and the fault that meets its answer.
#[derive(Debug, Clone, Copy)]
pub struct Admitted(pub(crate) Option<Fault>);

/// The model behind a mutex that several faces share.
///
/// # Panics
/// Where the model panicked before: its state cannot be trusted.
pub(crate) fn locked<M>(model: &Mutex<M>) -> MutexGuard<'_, M> {
    model.lock().expect("a twin that panicked is not used any further")
}

/// The time, from wherever the caller takes it.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

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
            return super::answer(413, &error).map(Body::from);
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
    if response.headers().contains_key(DROP_HEADER) {
        cut.0.store(true, Ordering::Release);
    }
    response.map(Body::from)
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

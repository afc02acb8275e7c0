//! One downstream connection: which protocol it speaks, its limits, and a service call per request.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::aside::{Ended, first_of};
use super::authority;
use super::checked_io::{Abort, CheckedIo, Place, REFUSED_METHOD};
use super::egress::Origins;
use super::flush::FlushTicket;
use super::framing::{Fault, Request as RequestRole};
use super::headers::address_field;
use super::limits::{H1_BUFFER_BYTES, Limits, ms};
use super::respond::{Refusal, Style, respond};
use super::wire::Wire;
use crate::events::{Event, Leg, report};
use crate::tls::TlsFacts;

/// What HTTP/2 with prior knowledge begins with (RFC 9113 section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// An error that a body may end with. One whose sources hold an `h2::Reason` resets the stream with it.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What every exchange of a connection may know of it.
#[derive(Debug)]
pub struct ConnState {
    /// The address of the client, or of the proxy before us.
    pub peer: SocketAddr,
    /// That address as a field value, written once for all exchanges.
    pub peer_field: HeaderValue,
    /// Our own address.
    pub local: SocketAddr,
    /// Whether many exchanges share the connection.
    pub is_http2: bool,
    /// TLS, if the listener ends it.
    pub tls: Option<TlsFacts>,
    /// When the listener stops, for what an exchange leaves behind: a tunnel.
    pub stop: Stop,
    /// What its client has asked for, where it goes out.
    pub(super) origins: Origins,
    wire: Arc<Wire>,
}

impl ConnState {
    /// That of a client at `peer` whose requests do not come over HTTP on this connection, which is to `local`: it began as a
    /// tunnel, or another proxy says what the client asked for.
    pub(super) fn of_client((peer, local): (SocketAddr, SocketAddr), stop: Stop) -> Self {
        Self {
            peer,
            peer_field: address_field(peer.ip()),
            local,
            is_http2: false,
            tls: None,
            stop,
            origins: Origins::default(),
            wire: Arc::new(Wire::new()),
        }
    }

    /// Ends a response in the middle, so that every frame given before arrives and the truncation shows. The body calls
    /// this from `poll_frame` once it has nothing more to give, always with the same ticket, and ends with the error.
    ///
    /// On HTTP/2 the error, a reset with CANCEL, comes when the connection has written what it could: a reset throws away
    /// what it had not. On HTTP/1 it never comes: the connection closes, without the last chunk, after the next flush.
    pub fn poll_cut(&self, ticket: &mut FlushTicket, cx: &mut Context<'_>) -> Poll<BoxError> {
        if !self.is_http2 {
            self.wire.cut();
            return Poll::Pending;
        }
        self.wire
            .flushes
            .poll_flushed(ticket, cx)
            .map(|()| h2::Error::from(h2::Reason::CANCEL).into())
    }

    /// The fingerprint of how it opened HTTP/2, if it did: known before its first request is.
    pub(super) fn http2(&self) -> Option<&Arc<str>> {
        self.wire.http2.get()
    }

    /// The framing fault in a request body with which the client's stream ended, if any.
    pub fn fault(&self) -> Option<Fault> {
        self.wire.fault()
    }
}

/// How connections learn to stop: first between exchanges, then at once.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    /// Finish what is in flight.
    pub graceful: CancellationToken,
    /// Cut what is still in flight.
    pub now: CancellationToken,
}

/// What answers requests. An `Arc` of a closure is one.
pub trait Handler: Send + Sync + 'static {
    /// The body of an answer.
    type Body: Body<Data = Bytes, Error = BoxError> + Send + Unpin + 'static;

    /// Answers one request. There is no error: every failure has a response.
    fn handle(
        &self,
        request: Request<Incoming>,
        connection: Arc<ConnState>,
    ) -> impl Future<Output = Response<Self::Body>> + Send;

    /// Takes a connection that was led here on its way to elsewhere. Who does not go on with it closes it.
    fn led(self: Arc<Self>, led: Led) -> impl Future<Output = ()> + Send {
        drop(led);
        std::future::ready(())
    }
}

/// A connection of a client that does not know of the proxy. Nothing was read of it.
pub struct Led {
    pub(super) stream: TcpStream,
    /// The client's, and our own.
    pub(super) addresses: (SocketAddr, SocketAddr),
    /// Where the client meant to connect to.
    pub(super) meant: SocketAddr,
    pub(super) stop: Stop,
    pub(super) place: Place,
}

impl<F, Fut, B> Handler for F
where
    F: Fn(Request<Incoming>, Arc<ConnState>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Response<B>> + Send,
    B: Body<Data = Bytes, Error = BoxError> + Send + Unpin + 'static,
{
    type Body = B;

    fn handle(
        &self,
        request: Request<Incoming>,
        connection: Arc<ConnState>,
    ) -> impl Future<Output = Response<B>> + Send {
        self(request, connection)
    }
}

/// Serves an accepted connection until it ends. `facts` are of the TLS under `io`, if any; one inside another has its `place`
/// already.
pub(super) async fn serve<T, H>(
    mut io: T,
    addresses: (SocketAddr, SocketAddr),
    facts: Option<TlsFacts>,
    handler: Arc<H>,
    limits: Arc<Limits>,
    stop: Stop,
    place: Option<Place>,
) where
    T: AsyncRead + AsyncWrite + Abort + Send + Unpin + 'static,
    H: Handler,
{
    let mut front = Vec::new();
    let is_http2 = if let Some(facts) = &facts {
        facts.is_h2
    } else {
        let seen = tokio::select! {
            seen = timeout(ms(limits.handshake_ms_max), speaks_http2(&mut io, &mut front)) => seen,
            () = stop.graceful.cancelled() => return,
        };
        match seen {
            Ok(Ok(is_http2)) => is_http2,
            Ok(Err(_)) => return,
            Err(_) => {
                return report(&Event::LimitHit {
                    limit: "handshake_ms_max",
                });
            }
        }
    };
    let (peer, local) = addresses;
    let wire = Arc::new(Wire::new());
    let state = ConnState {
        peer,
        peer_field: address_field(peer.ip()),
        local,
        is_http2,
        tls: facts,
        stop: stop.clone(),
        origins: Origins::default(),
        wire: Arc::clone(&wire),
    };
    let state = Arc::new(state);
    let watch = Arc::clone(&limits);
    if is_http2 {
        let io = CheckedIo::<T, RequestRole>::http2(io, front, Arc::clone(&wire), &limits).occupying(place);
        let service = service_fn(move |request| answer(&handler, &state, request));
        let connection = Box::pin(http2_builder(&limits).serve_connection(TokioIo::new(io), service));
        drive(connection, http2::Connection::graceful_shutdown, &wire, &watch, &stop).await;
    } else {
        let io = CheckedIo::http1(io, front, RequestRole::default(), Arc::clone(&wire), &limits);
        let io = io.occupying(place).aborting();
        let service = service_fn(move |request| answer(&handler, &state, request));
        let connection = http1_builder(&limits)
            .serve_connection(TokioIo::new(io), service)
            .with_upgrades();
        drive(
            Box::pin(connection),
            http1::UpgradeableConnection::graceful_shutdown,
            &wire,
            &watch,
            &stop,
        )
        .await;
    }
}

/// Reads until the preface of HTTP/2 is there or cannot be any more; what was read is in `front`.
async fn speaks_http2(io: &mut (impl AsyncRead + Unpin), front: &mut Vec<u8>) -> io::Result<bool> {
    loop {
        if !PREFACE.starts_with(front.get(..PREFACE.len()).unwrap_or(front)) {
            return Ok(false);
        }
        if front.len() >= PREFACE.len() {
            return Ok(true);
        }
        if io.read_buf(front).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

fn http1_builder(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    // Our watch times heads without a timer per head.
    builder.header_read_timeout(None).max_buf_size(H1_BUFFER_BYTES);
    if limits.headers_max > 100 {
        // Up to 100, hyper's default, it parses on the stack.
        builder.max_headers(usize::from(limits.headers_max));
    }
    builder
}

fn http2_builder(limits: &Limits) -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .enable_connect_protocol()
        .max_concurrent_streams(limits.streams_max)
        .max_header_list_size(limits.header_bytes_max)
        .max_pending_accept_reset_streams(limits.h2_pending_resets_max)
        .max_local_error_reset_streams(limits.h2_error_resets_max)
        .initial_stream_window_size(limits.h2_stream_window_bytes)
        .initial_connection_window_size(limits.h2_connection_window_bytes)
        .max_send_buf_size(limits.h2_send_bytes_max)
        .keep_alive_interval(ms(limits.h2_ping_ms))
        .keep_alive_timeout(ms(limits.h2_ping_ms));
    builder
}

/// Drives a connection to its end, its limit, or the end of a drain. It is boxed, so that a task has the size of the
/// protocol that it speaks and not of the largest.
async fn drive<C, E>(mut connection: Pin<Box<C>>, shut_down: fn(Pin<&mut C>), wire: &Wire, limits: &Limits, stop: &Stop)
where
    C: Future<Output = Result<(), E>>,
{
    let mut watch = pin!(wire.watch_downstream(limits));
    let mut token = &stop.graceful;
    loop {
        let polled = pin!(poll_fn(|cx| {
            wire.flushes
                .around(cx, |cx| connection.as_mut().poll(cx), || wire.writing.load(Relaxed))
        }));
        let limit_or_stop = pin!(async {
            tokio::select! {
                biased;
                limit = watch.as_mut() => Some(limit),
                () = token.cancelled() => None,
            }
        });
        match first_of(polled, limit_or_stop).await {
            // An error here is the client's or a cut of ours; both were reported where they began.
            Ended::Main(_) => return,
            Ended::Aside(Some(limit)) => return report(&Event::LimitHit { limit }),
            Ended::Aside(None) if std::ptr::eq(token, &raw const stop.now) => return,
            Ended::Aside(None) => {
                shut_down(connection.as_mut());
                token = &stop.now;
            }
        }
    }
}

/// Answers one request: the stand-in of a refused head, or an exchange.
fn answer<H: Handler>(
    handler: &Arc<H>,
    state: &Arc<ConnState>,
    request: Request<Incoming>,
) -> impl Future<Output = Result<Response<ServeBody<H::Body>>, Infallible>> + Send + use<H> {
    let in_flight = InFlight::begin(Arc::clone(&state.wire));
    let (handler, state) = (Arc::clone(handler), Arc::clone(state));
    async move {
        if request.method().as_str() == REFUSED_METHOD {
            return Ok(refused(&request));
        }
        // Over HTTP/1 the framing reader has asked.
        let fault = if state.is_http2 {
            authority::fault(request.uri(), request.headers())
        } else {
            None
        };
        if let Some(fault) = fault {
            report(&Event::HeadRefused {
                leg: Leg::Downstream,
                fault: fault.name(),
            });
            return Ok(malformed(fault));
        }
        let is_connect = request.method() == Method::CONNECT;
        let response = handler.handle(request, state).await;
        let status = response.status();
        in_flight
            .0
            .answer_upgrade(status == StatusCode::SWITCHING_PROTOCOLS || (is_connect && status.is_success()));
        Ok(response.map(|body| ServeBody::Exchange(body, in_flight)))
    }
}

/// The answer to a refused head. A client that sends the stand-in itself, over HTTP/2, gets the same.
fn refused<B>(request: &Request<Incoming>) -> Response<ServeBody<B>> {
    let name = request.uri().path().trim_start_matches('/');
    malformed(Fault::from_name(name).unwrap_or(Fault::Method))
}

fn malformed<B>(fault: Fault) -> Response<ServeBody<B>> {
    respond(&Refusal::Framing(fault), Style::Problem).map(|body| ServeBody::Own(body.into()))
}

/// Counts an exchange as in flight until its response body is dropped.
struct InFlight(Arc<Wire>);

impl InFlight {
    fn begin(wire: Arc<Wire>) -> Self {
        wire.begin_exchange();
        Self(wire)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.end_exchange();
    }
}

/// A response body: our own, or that of an exchange.
enum ServeBody<B> {
    Own(Full<Bytes>),
    Exchange(B, #[expect(dead_code, reason = "held for its drop")] InFlight),
}

impl<B: Body<Data = Bytes, Error = BoxError> + Unpin> Body for ServeBody<B> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut *self {
            Self::Own(body) => Pin::new(body).poll_frame(cx).map_err(|never| match never {}),
            Self::Exchange(body, _) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Own(body) => body.is_end_stream(),
            Self::Exchange(body, _) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own(body) => body.size_hint(),
            Self::Exchange(body, _) => body.size_hint(),
        }
    }
}

//! An origin that does as it is told: whole HTTP answers in chosen chunks over HTTP/1.1 and cleartext HTTP/2, or
//! arbitrary bytes on the socket.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, Version, header};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tidegate::tls::{Acceptor, CertificateFiles};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::coding::Coding;

/// Bytes of one request body or raw request head.
const REQUEST_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A request as the origin saw it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) version: Version,
    pub(crate) headers: HeaderMap,
    /// As far as it came.
    pub(crate) body: Bytes,
    /// Whether it came to its end.
    pub(crate) is_whole: bool,
}

/// A running origin on a loopback port of the system's choice; it ends when dropped.
pub(crate) struct Origin {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    raw_heads: Arc<Mutex<Vec<Vec<u8>>>>,
    _open: DropGuard,
}

impl Origin {
    /// Answers every request with what `answer` says, over HTTP/1.1 and HTTP/2 with prior knowledge.
    pub(crate) async fn serve(answer: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Self {
        Self::serve_at(on_loopback().await, answer)
    }

    /// The same on a socket that listens already.
    pub(crate) fn serve_at(listener: TcpListener, answer: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Self {
        let (seen, answer) = (Arc::default(), Arc::new(answer));
        let log = Arc::clone(&seen);
        let each = move |stream| connection(stream, Arc::clone(&log), Arc::clone(&answer));
        let (address, open) = accept(listener, each);
        Self {
            address,
            seen,
            raw_heads: Arc::default(),
            _open: open,
        }
    }

    /// The same over TLS, with what `files` hold and both versions of HTTP by ALPN.
    pub(crate) async fn serve_tls(
        files: Vec<CertificateFiles>,
        answer: impl Fn(&Seen) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self::serve_tls_at(on_loopback().await, files, answer)
    }

    /// The same on a socket that listens already.
    pub(crate) fn serve_tls_at(
        listener: TcpListener,
        files: Vec<CertificateFiles>,
        answer: impl Fn(&Seen) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let (seen, answer) = (Arc::default(), Arc::new(answer));
        let (log, acceptor) = (Arc::clone(&seen), Arc::new(Acceptor::new(files).expect("certificates")));
        let each = move |stream| {
            let (log, answer, acceptor) = (Arc::clone(&log), Arc::clone(&answer), Arc::clone(&acceptor));
            async move {
                if let Ok((stream, ..)) = acceptor.accept(stream).await {
                    connection(stream, log, answer).await;
                }
            }
        };
        let (address, open) = accept(listener, each);
        Self {
            address,
            seen,
            raw_heads: Arc::default(),
            _open: open,
        }
    }

    /// Reads one request head and one after another does these steps, on every connection.
    pub(crate) async fn raw(steps: Vec<Step>) -> Self {
        let (raw_heads, steps) = (Arc::default(), Arc::<[Step]>::from(steps));
        let log = Arc::clone(&raw_heads);
        let each = move |stream| raw_connection(stream, Arc::clone(&log), Arc::clone(&steps));
        let (address, open) = accept(on_loopback().await, each);
        Self {
            address,
            seen: Arc::default(),
            raw_heads,
            _open: open,
        }
    }

    /// The requests so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("no test panics while it looks").clone()
    }

    /// The request heads so far, as they stood on the wire of a raw origin.
    pub(crate) fn raw_heads(&self) -> Vec<Vec<u8>> {
        self.raw_heads.lock().expect("no test panics while it looks").clone()
    }
}

/// One step of a raw origin. After the last it closes in good order.
#[derive(Clone)]
pub(crate) enum Step {
    /// Writes these bytes.
    Write(Bytes),
    /// Waits until the test says so.
    Wait(Arc<Notify>),
    /// Resets the connection.
    Reset,
}

/// One answer.
pub(crate) struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Script,
}

impl Answer {
    /// 200 with this body, all in one chunk, with its length.
    pub(crate) fn new(media_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self::of(media_type, Source::Bytes(body.into()))
    }

    /// 200 with a body of the chunks that the test sends, until the sender is dropped.
    pub(crate) fn fed(media_type: &'static str, chunks: mpsc::Receiver<Bytes>) -> Self {
        Self::of(media_type, Source::Fed(chunks))
    }

    fn of(media_type: &'static str, source: Source) -> Self {
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(media_type))]);
        let body = Script {
            source,
            chunk_bytes: None,
            trailers: None,
            break_in: None,
        };
        Self {
            status: StatusCode::OK,
            headers,
            body,
        }
    }

    /// Another status.
    pub(crate) fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// One more header field.
    pub(crate) fn header(mut self, name: HeaderName, value: &str) -> Self {
        self.headers
            .append(name, HeaderValue::from_str(value).expect("a header value"));
        self
    }

    /// The body in this coding, flushed after every `flush_bytes` plain bytes, and named in `Content-Encoding`.
    pub(crate) fn coded(mut self, coding: Coding, flush_bytes: usize) -> Self {
        if let Source::Bytes(bytes) = &mut self.body.source {
            *bytes = coding.encode(bytes, flush_bytes).into();
        }
        match coding.name() {
            Some(name) => self.header(header::CONTENT_ENCODING, name),
            None => self,
        }
    }

    /// The body without its length, in chunks of this many bytes.
    pub(crate) fn chunked(mut self, chunk_bytes: usize) -> Self {
        self.body.chunk_bytes = Some(chunk_bytes);
        self
    }

    /// A trailer field after the body; it needs [`chunked`](Self::chunked) over HTTP/1.1.
    pub(crate) fn trailer(mut self, name: &HeaderName, value: &'static str) -> Self {
        let trailers = self.body.trailers.get_or_insert_default();
        trailers.append(name, HeaderValue::from_static(value));
        self.headers
            .append(header::TRAILER, name.as_str().parse().expect("a name is a value"));
        self
    }

    /// After the body, instead of an end: the connection breaks (HTTP/1.1) or the stream is reset (HTTP/2).
    pub(crate) fn broken(mut self) -> Self {
        self.body.break_in = Some(FLUSH_TURNS);
        self
    }
}

enum Source {
    Bytes(Bytes),
    Fed(mpsc::Receiver<Bytes>),
}

/// A body by script: chunks, then trailers or a break.
struct Script {
    source: Source,
    chunk_bytes: Option<usize>,
    trailers: Option<HeaderMap>,
    /// Turns left before the break; none if it ends well.
    break_in: Option<u8>,
}

/// Turns that hyper gets to put the last chunk on the wire: on a body's error it drops what it has not flushed.
const FLUSH_TURNS: u8 = 64;

impl Body for Script {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let script = self.get_mut();
        let chunk = match &mut script.source {
            Source::Bytes(bytes) if bytes.is_empty() => None,
            Source::Bytes(bytes) => Some(bytes.split_to(script.chunk_bytes.unwrap_or(usize::MAX).min(bytes.len()))),
            Source::Fed(chunks) => ready!(chunks.poll_recv(context)),
        };
        if let Some(chunk) = chunk {
            return Poll::Ready(Some(Ok(Frame::data(chunk))));
        }
        match &mut script.break_in {
            None => Poll::Ready(script.trailers.take().map(|trailers| Ok(Frame::trailers(trailers)))),
            Some(0) => Poll::Ready(Some(Err(io::ErrorKind::ConnectionReset.into()))),
            Some(turns) => {
                *turns -= 1;
                context.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        let is_empty = matches!(&self.source, Source::Bytes(bytes) if bytes.is_empty());
        is_empty && self.trailers.is_none() && self.break_in.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Bytes(bytes)
                if self.chunk_bytes.is_none() && self.trailers.is_none() && self.break_in.is_none() =>
            {
                SizeHint::with_exact(bytes.len() as u64)
            }
            Source::Bytes(_) | Source::Fed(_) => SizeHint::default(),
        }
    }
}

async fn on_loopback() -> TcpListener {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .expect("a loopback port")
}

fn accept<F>(listener: TcpListener, each: impl Fn(TcpStream) -> F + Send + 'static) -> (SocketAddr, DropGuard)
where
    F: Future<Output = ()> + Send + 'static,
{
    let address = listener.local_addr().expect("a bound address");
    let closed = CancellationToken::new();
    let open = closed.clone().drop_guard();
    tokio::spawn(closed.clone().run_until_cancelled_owned(async move {
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).ok();
            tokio::spawn(closed.clone().run_until_cancelled_owned(each(stream)));
        }
    }));
    (address, open)
}

async fn connection<T, A>(stream: T, seen: Arc<Mutex<Vec<Seen>>>, answer: Arc<A>)
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    A: Fn(&Seen) -> Answer + Send + Sync + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
        async move {
            let request = Reading::of(request, seen).whole().await;
            let Answer {
                status,
                mut headers,
                mut body,
            } = answer(&request);
            if request.method == Method::HEAD {
                // Over HTTP/2 hyper would send what it is given.
                if let Some(length) = body.size_hint().exact().filter(|length| *length > 0) {
                    headers.insert(header::CONTENT_LENGTH, length.into());
                }
                body.source = Source::Bytes(Bytes::new());
                (body.trailers, body.break_in) = (None, None);
            }
            let mut response = Response::new(body);
            *response.status_mut() = status;
            *response.headers_mut() = headers;
            Ok::<_, Infallible>(response)
        }
    });
    auto::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), service)
        .await
        .ok();
}

/// A request that is being read; however that ends, it was seen.
struct Reading {
    head: http::request::Parts,
    rest: Incoming,
    body: BytesMut,
    is_whole: bool,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Reading {
    fn of(request: Request<Incoming>, seen: Arc<Mutex<Vec<Seen>>>) -> Self {
        let (head, rest) = request.into_parts();
        Self {
            head,
            rest,
            body: BytesMut::new(),
            is_whole: false,
            seen,
        }
    }

    async fn whole(mut self) -> Seen {
        loop {
            match self.rest.frame().await {
                Some(Ok(frame)) => self.body.extend(frame.into_data()),
                Some(Err(_)) => return self.so_far(),
                None => {
                    self.is_whole = true;
                    return self.so_far();
                }
            }
            assert!(self.body.len() <= REQUEST_BYTES_MAX, "a body that a test can look at");
        }
    }

    fn so_far(&self) -> Seen {
        Seen {
            method: self.head.method.clone(),
            uri: self.head.uri.clone(),
            version: self.head.version,
            headers: self.head.headers.clone(),
            body: self.body.clone().freeze(),
            is_whole: self.is_whole,
        }
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        let seen = self.so_far();
        self.seen.lock().expect("no test panics while it looks").push(seen);
    }
}

async fn raw_connection(mut stream: TcpStream, heads: Arc<Mutex<Vec<Vec<u8>>>>, steps: Arc<[Step]>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < REQUEST_BYTES_MAX {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    heads.lock().expect("no test panics while it looks").push(head);
    for step in steps.iter() {
        match step {
            Step::Write(bytes) => {
                if stream.write_all(bytes).await.is_err() {
                    return;
                }
            }
            Step::Wait(notify) => notify.notified().await,
            Step::Reset => {
                stream.set_zero_linger().ok();
                return;
            }
        }
    }
    // What the peer still sends is read, or the close would become a reset that destroys what it has not read yet.
    stream.shutdown().await.ok();
    tokio::io::copy(&mut stream, &mut tokio::io::sink()).await.ok();
}

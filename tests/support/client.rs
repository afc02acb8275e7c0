//! Clients that keep every byte they were given, cut bodies included, and can tell a cut from an end.

use std::error::Error as _;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::certificates::Shown;

/// How long a client waits for the end of an answer; a test that gets here has failed.
const ANSWER_TIME_MAX: Duration = Duration::from_mins(1);

/// An HTTP/1.1 answer as it stood on the wire.
#[derive(Debug)]
pub(crate) struct RawReply {
    /// The status of the last head, after any 1xx.
    pub(crate) status: u16,
    /// The last head, from the status line to the blank line.
    pub(crate) head: String,
    /// The body without its chunk framing, as far as it came.
    pub(crate) body: Vec<u8>,
    /// The trailer section, as it stood.
    pub(crate) trailers: String,
    /// Whether the body came to the end that its framing promised.
    pub(crate) is_whole: bool,
    /// Every byte that came.
    pub(crate) wire: Vec<u8>,
}

impl RawReply {
    /// The value of the first header field of this name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let fields = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        fields
            .into_iter()
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
    }
}

/// Writes `request` as it is and reads until the peer closes; the request should therefore say `Connection: close`.
pub(crate) async fn http1(address: SocketAddr, request: &[u8]) -> RawReply {
    let stream = TcpStream::connect(address).await.expect("a listening peer");
    exchange(stream, request).await
}

/// The same from an address of the loopback network.
pub(crate) async fn http1_from(from: Ipv4Addr, address: SocketAddr, request: &[u8]) -> RawReply {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind((from, 0).into()).expect("an address of this machine");
    let stream = socket.connect(address).await.expect("a listening peer");
    exchange(stream, request).await
}

/// The same over TLS, to `localhost`; the head says 0 where there was no handshake.
pub(crate) async fn https_from(from: Ipv4Addr, address: SocketAddr, tls: &Tls, request: &[u8]) -> RawReply {
    match tls.connect_from(from, address).await {
        Ok(stream) => exchange(stream, request).await,
        Err(_) => RawReply::parse(Vec::new(), false, true),
    }
}

/// How a client speaks TLS. It resumes no sessions: a hello that does has another fingerprint.
#[derive(Clone)]
pub(crate) struct Tls(Arc<ClientConfig>);

impl Tls {
    /// Trusts this authority, and speaks HTTP/1.1.
    pub(crate) fn trusting(authority: &Path) -> Self {
        Self::resuming(authority, Resumption::disabled())
    }

    /// The same, resuming sessions as this says.
    pub(crate) fn resuming(authority: &Path, resumption: Resumption) -> Self {
        let config = tidegate::tls::client_config(Some(authority)).expect("an authority");
        let mut config = Arc::unwrap_or_clone(config);
        config.resumption = resumption;
        Self(Arc::new(config)).offering(&[b"http/1.1"])
    }

    /// A connection to `localhost` from an address of the loopback network.
    ///
    /// # Errors
    /// Why there was no handshake, as far as it showed before the first byte was read.
    pub(crate) async fn connect_from(&self, from: Ipv4Addr, address: SocketAddr) -> io::Result<TlsStream<TcpStream>> {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind((from, 0).into()).expect("an address of this machine");
        let stream = socket.connect(address).await.expect("a listening peer");
        self.over(stream, "localhost").await
    }

    /// TLS to `name` over a stream that is there.
    ///
    /// # Errors
    /// The same.
    pub(crate) async fn over<S>(&self, stream: S, name: &str) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        TlsConnector::from(Arc::clone(&self.0)).connect(name, stream).await
    }

    /// The same, showing this certificate.
    pub(crate) fn showing(&self, shown: &Shown) -> Self {
        let mut config = ClientConfig::clone(&self.0);
        let chain = vec![CertificateDer::from(shown.der.clone())];
        let key = PrivateKeyDer::from_pem_slice(shown.key.as_bytes()).expect("a key");
        let key = CertifiedKey::from_der(chain, key, &default_provider()).expect("they fit");
        config.client_auth_cert_resolver = Arc::new(SingleCertAndKey::from(key));
        Self(Arc::new(config))
    }

    /// The same with these protocols.
    pub(crate) fn offering(&self, protocols: &[&[u8]]) -> Self {
        let mut config = ClientConfig::clone(&self.0);
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        Self(Arc::new(config))
    }
}

/// Writes `request` on a stream and reads until the peer closes.
pub(crate) async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &[u8]) -> RawReply {
    // A peer that has refused the head may have closed already: what it said is read all the same.
    stream.write_all(request).await.ok();
    let mut wire = Vec::new();
    let is_reset = tokio::time::timeout(ANSWER_TIME_MAX, stream.read_to_end(&mut wire))
        .await
        .expect("an end")
        .is_err();
    RawReply::parse(wire, request.starts_with(b"HEAD "), is_reset)
}

/// `GET` of a gateway that may be killed at any moment: nothing where it does not listen any more.
#[allow(dead_code, reason = "one suite kills its gateways")]
pub(crate) async fn try_get(address: SocketAddr, path: &str) -> Option<RawReply> {
    let stream = TcpStream::connect(address).await.ok()?;
    Some(exchange(stream, get_request(path, "").as_bytes()).await)
}

/// `GET` with these extra header lines, each ending in CRLF.
pub(crate) async fn get(address: SocketAddr, path: &str, header_lines: &str) -> RawReply {
    http1(address, get_request(path, header_lines).as_bytes()).await
}

fn get_request(path: &str, header_lines: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n{header_lines}\r\n")
}

impl RawReply {
    fn parse(wire: Vec<u8>, is_head: bool, is_reset: bool) -> Self {
        let mut rest = wire.as_slice();
        let (status, head) = loop {
            let Some((head, after)) = split(rest, b"\r\n\r\n") else {
                break (0, String::new());
            };
            let head = String::from_utf8_lossy(head).into_owned();
            let status = head
                .split(' ')
                .nth(1)
                .and_then(|status| status.parse().ok())
                .unwrap_or_default();
            rest = after;
            if !(100..200).contains(&status) || status == 101 {
                break (status, head);
            }
        };
        let mut reply = Self {
            status,
            head,
            body: Vec::new(),
            trailers: String::new(),
            is_whole: false,
            wire: Vec::new(),
        };
        let is_chunked = reply
            .header("transfer-encoding")
            .is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"));
        let length = reply
            .header("content-length")
            .and_then(|length| length.parse::<usize>().ok());
        if status == 0 {
            // Not even a head came.
        } else if is_head || matches!(status, 204 | 304) {
            reply.is_whole = rest.is_empty();
        } else if is_chunked {
            reply.unchunk(rest);
        } else {
            reply.body = rest.to_vec();
            reply.is_whole = length.map_or(!is_reset, |length| length == reply.body.len());
        }
        reply.wire = wire;
        reply
    }

    /// RFC 9112 7.1, keeping what is there of a last, cut chunk.
    fn unchunk(&mut self, mut rest: &[u8]) {
        while let Some((size, after)) = split(rest, b"\r\n") {
            let size = String::from_utf8_lossy(size);
            let size = size.split(';').next().unwrap_or_default().trim();
            let Ok(size) = usize::from_str_radix(size, 16) else {
                return;
            };
            if size == 0 {
                self.trailers = String::from_utf8_lossy(after).into_owned();
                self.is_whole = after == b"\r\n" || after.ends_with(b"\r\n\r\n");
                return;
            }
            self.body.extend(after.iter().take(size));
            rest = after.get(size + 2..).unwrap_or_default();
        }
    }
}

fn split<'a>(bytes: &'a [u8], separator: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = memchr::memmem::find(bytes, separator)?;
    Some((bytes.get(..at)?, bytes.get(at + separator.len()..)?))
}

/// One HTTP/2 connection with prior knowledge; clones share it.
#[derive(Clone)]
pub(crate) struct H2 {
    address: SocketAddr,
    sender: http2::SendRequest<Full<Bytes>>,
}

/// An HTTP/2 answer.
#[derive(Debug)]
pub(crate) struct H2Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    /// The body as far as it came.
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: HeaderMap,
    pub(crate) end: End,
}

/// How an HTTP/2 answer ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// With `END_STREAM`.
    Whole,
    /// With `RST_STREAM`, for this reason.
    Reset(h2::Reason),
    /// With the connection.
    Broken(String),
}

impl From<hyper::Error> for End {
    fn from(error: hyper::Error) -> Self {
        let reset = error.source().and_then(|source| source.downcast_ref::<h2::Error>());
        match reset.filter(|error| error.is_reset()).and_then(h2::Error::reason) {
            Some(reason) => Self::Reset(reason),
            None => Self::Broken(error.to_string()),
        }
    }
}

impl H2 {
    /// Connects.
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("a listening peer");
        stream.set_nodelay(true).ok();
        Self::over(address, stream).await
    }

    /// The same over a stream that is there.
    pub(crate) async fn over<T>(address: SocketAddr, stream: T) -> Self
    where
        T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
        let (sender, connection) = handshake.expect("an HTTP/2 peer");
        tokio::spawn(connection);
        Self { address, sender }
    }

    /// `GET` with these extra header fields; what a stream was given before it was reset is kept.
    pub(crate) async fn get(&self, path: &str, fields: &[(&str, &str)]) -> H2Reply {
        let uri = format!("http://{}{path}", self.address);
        let request = fields.iter().fold(Request::get(uri), |request, (name, value)| {
            request.header(*name, *value)
        });
        self.send(request.body(Full::default()).expect("a request")).await
    }

    /// Any request; its URI must be absolute.
    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> H2Reply {
        let answer = async {
            match self.sender.clone().send_request(request).await {
                Ok(response) => H2Reply::read(response).await,
                Err(error) => H2Reply::new(0, HeaderMap::new(), error.into()),
            }
        };
        tokio::time::timeout(ANSWER_TIME_MAX, answer).await.expect("an end")
    }
}

impl H2Reply {
    fn new(status: u16, headers: HeaderMap, end: End) -> Self {
        Self {
            status,
            headers,
            body: Vec::new(),
            trailers: HeaderMap::new(),
            end,
        }
    }

    async fn read(response: http::Response<Incoming>) -> Self {
        let (head, mut body) = response.into_parts();
        let mut reply = Self::new(head.status.as_u16(), head.headers, End::Whole);
        while let Some(frame) = body.frame().await {
            match frame.map(hyper::body::Frame::into_data) {
                Ok(Ok(chunk)) => reply.body.extend_from_slice(&chunk),
                Ok(Err(frame)) => reply.trailers = frame.into_trailers().unwrap_or_default(),
                Err(error) => {
                    reply.end = error.into();
                    break;
                }
            }
        }
        reply
    }
}

//! Making a connection to an endpoint: addresses in turn, TLS, and the protocol that was agreed.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConfig};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;

use super::endpoint::{EndpointUrl, Protocol};
use super::error::{UpstreamError, UpstreamErrorKind};
use super::line::Line;
use super::pool::H1;
use super::send::RequestBody;
use crate::events::{Event, Leg, report};
use crate::proxy::aside::{Ended, first_of};
use crate::proxy::checked_io::CheckedIo;
use crate::proxy::framing::Response;
use crate::proxy::limits::{H1_BUFFER_BYTES, Limits, ms};
use crate::proxy::wire::Wire;

/// A new connection, driven by a task of its own until it ends.
pub(super) enum Dialed<B> {
    H1(H1<B>),
    H2(http2::SendRequest<B>),
}

/// Speaks over `stream` what is spoken to `url`; the handshake of TLS ends before `deadline`.
pub(super) async fn dial<B: RequestBody>(
    url: &EndpointUrl,
    stream: Line,
    deadline: Instant,
    tls: &Arc<ClientConfig>,
    limits: &Arc<Limits>,
) -> Result<Dialed<B>, UpstreamError> {
    match url.protocol {
        Protocol::Http => http1(stream, limits).await,
        Protocol::H2c => http2(stream, limits).await,
        Protocol::Https => {
            let name = ServerName::try_from(url.proves.as_deref().unwrap_or(&url.host))
                .map_err(|_| UpstreamError::new(UpstreamErrorKind::Certificate))?;
            let handshake = TlsConnector::from(Arc::clone(tls)).connect(name.to_owned(), stream);
            let stream = match timeout_at(deadline, handshake).await {
                Ok(Ok(stream)) => stream,
                Ok(Err(error)) => return Err(tls_error(&error)),
                Err(_) => return Err(UpstreamError::new(UpstreamErrorKind::ConnectTimeout)),
            };
            if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                http2(stream, limits).await
            } else {
                http1(stream, limits).await
            }
        }
    }
}

/// Tries the addresses in turn; each gets its fair part of the time that is left.
pub(super) async fn reach(addresses: &[SocketAddr], deadline: Instant) -> Result<TcpStream, UpstreamError> {
    let mut kind = UpstreamErrorKind::Dns;
    for (tried, address) in addresses.iter().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        let part = left / u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
        match timeout(part, TcpStream::connect(address)).await {
            // Fails only on a socket that is already dead.
            Ok(Ok(stream)) if stream.set_nodelay(true).is_ok() => return Ok(stream),
            Ok(Ok(_) | Err(_)) => kind = UpstreamErrorKind::Connect,
            Err(_) => kind = UpstreamErrorKind::ConnectTimeout,
        }
    }
    Err(UpstreamError::new(kind))
}

/// What is wrong with a certificate, as far as a person can do something about it.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the library adds reasons; whichever they are, it is not trusted"
)]
fn of_certificate(why: &CertificateError) -> UpstreamErrorKind {
    use CertificateError::{
        Expired, ExpiredContext, ExpiredRevocationList, ExpiredRevocationListContext, NotValidForName,
        NotValidForNameContext, NotValidYet, NotValidYetContext, Revoked,
    };
    match why {
        Expired | ExpiredContext { .. } | NotValidYet | NotValidYetContext { .. } => {
            UpstreamErrorKind::CertificateExpired
        }
        Revoked | ExpiredRevocationList | ExpiredRevocationListContext { .. } => UpstreamErrorKind::CertificateRevoked,
        NotValidForName | NotValidForNameContext { .. } => UpstreamErrorKind::CertificateName,
        _ => UpstreamErrorKind::Certificate,
    }
}

fn tls_error(error: &io::Error) -> UpstreamError {
    let cause = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let kind = match cause {
        Some(rustls::Error::InvalidCertificate(why)) => of_certificate(why),
        Some(_) | None => UpstreamErrorKind::Tls,
    };
    report(&Event::TlsFailed {
        leg: Leg::Upstream,
        kind: kind.name(),
    });
    UpstreamError::new(kind)
}

async fn http1<T, B>(stream: T, limits: &Arc<Limits>) -> Result<Dialed<B>, UpstreamError>
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    B: RequestBody,
{
    let wire = Arc::new(Wire::new());
    let io = CheckedIo::http1(stream, Vec::new(), Response::default(), Arc::clone(&wire), limits);
    let mut builder = http1::Builder::new();
    builder.max_buf_size(H1_BUFFER_BYTES);
    if limits.headers_max > 100 {
        builder.max_headers(usize::from(limits.headers_max));
    }
    let handshake = builder.handshake(TokioIo::new(io)).await;
    let (sender, connection) = handshake.map_err(|error| UpstreamError::from_hyper(&error, None))?;
    let (watched, limits) = (Arc::clone(&wire), Arc::clone(limits));
    // Boxed: pinned within the task it would have its place there twice.
    let mut connection = Box::pin(connection.with_upgrades());
    tokio::spawn(async move {
        let watch = pin!(watched.watch_upstream(&limits));
        // Whoever waits on the connection gets its error.
        if let Ended::Aside(limit) = first_of(connection.as_mut(), watch).await
            && limit != "upstream_idle_ms_max"
        {
            report(&Event::LimitHit { limit });
        }
    });
    Ok(Dialed::H1(H1::new(sender, wire)))
}

async fn http2<T, B>(stream: T, limits: &Arc<Limits>) -> Result<Dialed<B>, UpstreamError>
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    B: RequestBody,
{
    let handshake = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_header_list_size(limits.header_bytes_max)
        .initial_stream_window_size(limits.h2_stream_window_bytes)
        .initial_connection_window_size(limits.h2_connection_window_bytes)
        .max_send_buf_size(limits.h2_send_bytes_max)
        .keep_alive_interval(ms(limits.h2_ping_ms))
        .keep_alive_timeout(ms(limits.h2_ping_ms))
        .handshake(TokioIo::new(stream))
        .await;
    let (sender, connection) = handshake.map_err(|error| UpstreamError::from_hyper(&error, None))?;
    tokio::spawn(async move {
        // Whoever waits on a stream gets its error.
        drop(connection.await);
    });
    Ok(Dialed::H2(sender))
}

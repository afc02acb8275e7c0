//! A client's first message, read before it is decided what it is shown.

use std::sync::Arc;

use rustls::server::Acceptor;
use rustls::{AlertDescription, ClientConfig, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::server::TlsStream;
use tokio_rustls::{LazyConfigAcceptor, StartHandshake};

use super::accept::{fingerprint, kind};
use super::client_hello::{HELLO_BYTES_MAX, Peek, peek};
use super::tee::Tee;

/// HTTP/2, as ALPN names it (RFC 9113 section 3.2).
pub const H2: &[u8] = b"h2";
/// HTTP/1.1 (RFC 7301 section 6).
pub const HTTP_1_1: &[u8] = b"http/1.1";

/// A `ClientHello` that was read; nothing was answered.
pub struct Hello<T> {
    start: StartHandshake<Tee<T>>,
    /// The name that it asks for, in lower case.
    pub server_name: Option<String>,
    /// Of HTTP/2 and HTTP/1.1, those that it offers.
    pub protocols: Vec<Vec<u8>>,
    /// Whether another hello is hidden in it, or what looks like one.
    pub hides_another: bool,
}

/// Why a handshake failed of which the client said that it does not believe the certificate.
pub const UNTRUSTED: &str = "untrusted";

/// The same set of words, and one for a client that does not believe what it was shown (RFC 8446, section 6.2).
fn kind_of_client(error: &std::io::Error) -> &'static str {
    let cause = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let Some(rustls::Error::AlertReceived(alert)) = cause else {
        return kind(error);
    };
    let is_untrusted = matches!(
        alert,
        AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            // So say those who know an authority of the same name by another key.
            | AlertDescription::DecryptError
    );
    if is_untrusted { UNTRUSTED } else { kind(error) }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Hello<T> {
    /// Reads it. The caller sets the deadline.
    ///
    /// # Errors
    /// Why, from a fixed set of words: what comes is no `ClientHello`, or the client went away.
    pub async fn read(io: T) -> Result<Self, &'static str> {
        let io = Tee::new(io, HELLO_BYTES_MAX);
        let start = LazyConfigAcceptor::new(Acceptor::default(), io)
            .await
            .map_err(|error| kind(&error))?;
        let hello = start.client_hello();
        let server_name = hello.server_name().map(str::to_ascii_lowercase);
        let offered = hello.alpn().into_iter().flatten();
        let protocols = offered
            .filter(|name| *name == H2 || *name == HTTP_1_1)
            .map(<[u8]>::to_vec);
        let protocols = protocols.collect();
        let hides_another = matches!(peek(start.io.seen()), Ok(Peek::Hello(hello)) if hello.hides_another());
        Ok(Self {
            start,
            server_name,
            protocols,
            hides_another,
        })
    }

    /// Shakes hands with what `config` shows; gives the stream, and the fingerprint JA4 of the hello.
    ///
    /// # Errors
    /// Why not, from the same set.
    pub async fn accept(self, config: Arc<ServerConfig>) -> Result<(TlsStream<Tee<T>>, Arc<str>), &'static str> {
        let opened = self.start.into_stream(config).await;
        let mut stream = opened.map_err(|error| kind_of_client(&error))?;
        let ja4 = fingerprint(&stream.get_mut().0.recorded());
        Ok((stream, ja4))
    }
}

/// The same configuration of a client that offers these protocols alone.
pub fn offering(config: &Arc<ClientConfig>, protocols: Vec<Vec<u8>>) -> Arc<ClientConfig> {
    let mut config = ClientConfig::clone(config);
    config.alpn_protocols = protocols;
    Arc::new(config)
}

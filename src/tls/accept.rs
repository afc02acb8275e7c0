//! TLS of a listener: certificates by server name, reloaded on demand, the old ones kept if the new do not load.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::{ArcSwap, ArcSwapOption};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::server::{ClientHello, NoServerSessionStorage, ProducesTickets, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::client_hello::{HELLO_BYTES_MAX, HelloFault, Peek, peek};
use super::clients::{ClientCertificate, ClientFiles, Judge, fault};
use super::ja4::{Transport, ja4};
use super::provider::{TlsError, certificates, file_error, private_key, provider};
use super::tee::Tee;
use crate::events::{Event, IdentityFact, report};

/// The fingerprint of all whose hello cannot be read: to make it so buys nobody one that nobody else has.
const UNREAD: &str = "unread";

/// A certificate chain and its key, as files in PEM.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateFiles {
    /// The chain, leaf first.
    pub cert: PathBuf,
    /// The private key of the leaf.
    pub key: PathBuf,
}

/// All that a listener needs to end TLS, as files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// Its own certificates.
    pub certificates: Vec<CertificateFiles>,
    /// Whose certificates it asks clients for, if it does.
    pub clients: Option<ClientFiles>,
}

impl From<Vec<CertificateFiles>> for TlsFiles {
    fn from(certificates: Vec<CertificateFiles>) -> Self {
        Self {
            certificates,
            clients: None,
        }
    }
}

/// What is known of a TLS connection.
#[derive(Clone, Debug)]
pub struct TlsFacts {
    /// The name that the client asked for (RFC 6066 section 3), lower case.
    pub server_name: Option<Box<str>>,
    /// Whether ALPN chose `h2`.
    pub is_h2: bool,
    /// The fingerprint JA4 of the client's hello, or `unread`.
    pub ja4: Arc<str>,
    /// The certificate that the client showed, if it did.
    pub certificate: Option<Arc<ClientCertificate>>,
}

/// Ends TLS 1.2 and 1.3. ALPN offers `h2` and `http/1.1`.
pub struct Acceptor {
    files: ArcSwap<TlsFiles>,
    ticketer: Arc<dyn ProducesTickets>,
    config: ArcSwap<ServerConfig>,
    /// What judges the certificates of clients, shared with those that were found good.
    judge: Arc<ArcSwapOption<Judge>>,
    readings: AtomicU64,
}

impl Acceptor {
    /// Reads the files. The first certificate also answers clients whose server name no certificate has.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, a key that does not fit, or no certificate at all.
    pub fn new(files: impl Into<TlsFiles>) -> Result<Self, TlsError> {
        let files = files.into();
        // One ticketer for the life of the listener: a reload does not end sessions that could be resumed.
        let ticketer = Ticketer::new()?;
        let (config, judge) = load(&files, &ticketer, 0)?;
        Ok(Self {
            files: ArcSwap::from_pointee(files),
            ticketer,
            config: ArcSwap::new(config),
            judge: Arc::new(ArcSwapOption::new(judge)),
            readings: AtomicU64::new(0),
        })
    }

    /// Reads `files`, or else the same files again. New handshakes use what was read, and certificates of clients that were good
    /// are judged by it; on an error all stays as it was.
    ///
    /// # Errors
    ///
    /// As [`Acceptor::new`].
    pub fn reload(&self, files: Option<&TlsFiles>) -> Result<(), TlsError> {
        let files = files.map_or_else(|| self.files.load_full(), |files| Arc::new(files.clone()));
        let reading = self.readings.fetch_add(1, Ordering::Relaxed) + 1;
        let (config, judge) = load(&files, &self.ticketer, reading)?;
        // In this order: no handshake of the config before takes itself for one of this judge.
        self.config.store(config);
        self.judge.store(judge);
        self.files.store(files);
        Ok(())
    }

    /// Shakes hands; gives the stream, and what the client said of itself. The caller sets the deadline.
    ///
    /// # Errors
    ///
    /// Why, from a fixed set of words.
    pub async fn accept<T>(&self, io: T) -> Result<(TlsStream<Tee<T>>, TlsFacts), &'static str>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        let judge = self.judge.load_full();
        let acceptor = TlsAcceptor::from(self.config.load_full());
        let io = Tee::new(io, HELLO_BYTES_MAX);
        let mut stream = acceptor.accept(io).await.map_err(|error| kind(&error))?;
        let (io, session) = stream.get_mut();
        let name = session
            .server_name()
            .map(|name| name.to_ascii_lowercase().into_boxed_str());
        let shown = session.peer_certificates().zip(judge);
        let certificate = shown.map(|(chain, by)| ClientCertificate::new(chain, &by, Arc::clone(&self.judge)));
        let facts = TlsFacts {
            certificate: certificate.map(Arc::new),
            server_name: name,
            is_h2: session.alpn_protocol() == Some(b"h2"),
            ja4: fingerprint(&io.recorded()),
        };
        Ok((stream, facts))
    }
}

/// Of the hello with which `bytes` begin.
pub(super) fn fingerprint(bytes: &[u8]) -> Arc<str> {
    let fault = match peek(bytes) {
        Ok(Peek::Hello(hello)) => return ja4(&hello, Transport::Tcp).into(),
        Ok(Peek::More) => HelloFault::TooLong,
        Err(fault) => fault,
    };
    report(&Event::Identity(IdentityFact::HelloUnread { reason: fault.name() }));
    UNREAD.into()
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acceptor")
            .field("files", &self.files.load())
            .finish_non_exhaustive()
    }
}

/// The bounded name of a failed handshake.
pub(super) fn kind(error: &std::io::Error) -> &'static str {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        None => "io",
        Some(rustls::Error::AlertReceived(_)) => "alert",
        Some(rustls::Error::NoCertificatesPresented) => "certificate_missing",
        Some(rustls::Error::InvalidCertificate(error)) => fault(error),
        Some(rustls::Error::PeerIncompatible(_) | rustls::Error::NoApplicationProtocol) => "incompatible",
        Some(_) => "misbehaved",
    }
}

/// What new handshakes use, and what judges the certificates of clients.
type Read = (Arc<ServerConfig>, Option<Arc<Judge>>);

fn load(files: &TlsFiles, ticketer: &Arc<dyn ProducesTickets>, reading: u64) -> Result<Read, TlsError> {
    let judge = files.clients.as_ref().map(|clients| Judge::read(clients, reading));
    let judge = judge.transpose()?.map(Arc::new);
    let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    let builder = match &judge {
        Some(judge) => builder.with_client_cert_verifier(judge.verifier()),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(Arc::new(ByName::load(&files.certificates)?));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    if judge.is_some() {
        // A session that is resumed shows no certificate: it would outlive a revocation.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    } else {
        config.ticketer = Arc::clone(ticketer);
    }
    config.ignore_client_order = true;
    Ok((Arc::new(config), judge))
}

/// Certificates by the names in them.
#[derive(Debug)]
struct ByName {
    default: Arc<CertifiedKey>,
    /// Lower case; a wildcard stands as `*.example.com` and covers one label (RFC 9525 section 6.3).
    names: HashMap<String, Arc<CertifiedKey>>,
}

impl ByName {
    fn load(files: &[CertificateFiles]) -> Result<Self, TlsError> {
        let mut default = None;
        let mut names = HashMap::new();
        for file in files {
            let chain = certificates(&file.cert)?;
            let key = Arc::new(CertifiedKey::from_der(chain, private_key(&file.key)?, &provider())?);
            let leaf = key.end_entity_cert()?;
            let parsed = webpki::EndEntityCert::try_from(leaf).map_err(|error| file_error(&file.cert, error))?;
            for name in parsed.valid_dns_names() {
                names
                    .entry(name.to_ascii_lowercase())
                    .or_insert_with(|| Arc::clone(&key));
            }
            default.get_or_insert(key);
        }
        Ok(Self {
            default: default.ok_or(TlsError::NoCertificate)?,
            names,
        })
    }

    fn find(&self, name: &str) -> Option<&Arc<CertifiedKey>> {
        self.names.get(name).or_else(|| {
            let (_, parent) = name.split_once('.')?;
            self.names.get(&format!("*.{parent}"))
        })
    }
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let named = hello
            .server_name()
            .and_then(|name| self.find(&name.to_ascii_lowercase()));
        Some(Arc::clone(named.unwrap_or(&self.default)))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rustls::pki_types::ServerName;
    use tokio_rustls::TlsConnector;

    use super::super::{Authority, client_config};
    use super::*;

    fn leaf(authority: &Authority, names: &[&str]) -> CertificateFiles {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let (cert, key) = authority.leaf(&names).unwrap();
        CertificateFiles { cert, key }
    }

    /// The leaf that a client which asks for `name` is shown; none if it does not believe it.
    async fn shown(acceptor: &Acceptor, authority: &Path, name: &'static str) -> Option<Vec<u8>> {
        let connector = TlsConnector::from(client_config(Some(authority)).unwrap());
        let (client, server) = tokio::io::duplex(65_536);
        let name = ServerName::try_from(name).unwrap();
        let (client, _) = tokio::join!(connector.connect(name, client), acceptor.accept(server));
        Some(client.ok()?.get_ref().1.peer_certificates()?.first()?.to_vec())
    }

    #[tokio::test]
    async fn certificates_are_chosen_by_name() {
        let directory = tempfile::tempdir().unwrap();
        let authority = Authority::create(directory.path()).unwrap();
        let files = vec![
            leaf(&authority, &["a.example", "127.0.0.1"]),
            leaf(&authority, &["*.b.example", "b.example"]),
        ];
        let acceptor = Acceptor::new(files.clone()).unwrap();
        let first = certificates(&files[0].cert).unwrap()[0].to_vec();
        let second = certificates(&files[1].cert).unwrap()[0].to_vec();
        let cases = [
            ("a.example", Some(&first)),
            ("127.0.0.1", Some(&first)),
            ("b.example", Some(&second)),
            ("X.b.example", Some(&second)),
            ("x.y.b.example", None),
            ("other.example", None),
        ];
        for (name, leaf) in cases {
            assert_eq!(
                shown(&acceptor, &authority.certificate(), name).await.as_ref(),
                leaf,
                "{name}"
            );
        }
    }

    #[tokio::test]
    async fn a_reload_that_fails_keeps_the_old_certificates() {
        let directory = tempfile::tempdir().unwrap();
        let authority = Authority::create(directory.path()).unwrap();
        let files = leaf(&authority, &["a.example"]);
        let acceptor = Acceptor::new(vec![files.clone()]).unwrap();
        let old = shown(&acceptor, &authority.certificate(), "a.example").await.unwrap();

        leaf(&authority, &["a.example"]);
        acceptor.reload(None).unwrap();
        let new = shown(&acceptor, &authority.certificate(), "a.example").await.unwrap();
        assert_ne!(new, old);

        std::fs::write(&files.cert, "no certificate").unwrap();
        assert!(matches!(acceptor.reload(None), Err(TlsError::File { .. })));
        assert_eq!(
            shown(&acceptor, &authority.certificate(), "a.example").await.unwrap(),
            new
        );
        assert!(matches!(
            Acceptor::new(TlsFiles::default()),
            Err(TlsError::NoCertificate)
        ));

        let other = vec![leaf(&authority, &["b.example"])];
        acceptor.reload(Some(&other.into())).unwrap();
        assert!(shown(&acceptor, &authority.certificate(), "b.example").await.is_some());
        acceptor
            .reload(None)
            .expect("the file that is wrong is not named any more");
    }
}

//! Certificates in the name of origins, signed by the organisation's own authority as they are asked for.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use quick_cache::sync::Cache;
use rcgen::Issuer;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::crypto::aws_lc_rs::sign::any_ecdsa_type;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ProducesTickets, ResolvesServerCert};
use rustls::sign::{CertifiedKey, SigningKey};

use super::authority::{Authority, AuthorityError, digest, leaf_of, read};
use super::constraints::Constraints;
use super::private_key::PrivateKey;
use super::provider::{TlsError, certificates, provider};
use super::rotate::fit;

/// Certificates that are remembered, about 2 KiB each; past it those longest unused are minted again.
const MINTED_MAX: usize = 4_096;
/// Days for which one is shown, at most; it is valid for longer than twice that.
const SHOWN_DAYS_MAX: i64 = 150;
/// Names longer than this are no host's (RFC 1035 section 2.3.4).
const NAME_BYTES_MAX: usize = 253;

/// Signs certificates for names, each once: whoever asks for one that is being made waits for it.
pub struct Minter {
    signer: Arc<Signer>,
    /// What clients are to trust; and what they will be, where that is made already.
    installed: Installed,
    next: Option<Installed>,
}

/// An authority at work, with all that it signed: reloads leave it as it is.
struct Signer {
    issuer: Issuer<'static, PrivateKey>,
    /// The authority, and what stands between it and a root.
    chain: Vec<CertificateDer<'static>>,
    constraints: Constraints,
    /// One key for all of them, made with the minter and never written.
    key: PrivateKey,
    signs: Arc<dyn SigningKey>,
    /// By name, with the number of the time in which each is shown.
    minted: Cache<String, Arc<CertifiedKey>>,
    ticketer: Arc<dyn ProducesTickets>,
}

impl Minter {
    /// The authority of `directory`, whose key nobody else may read; it may be in `credentials`, as systemd hands them out.
    ///
    /// # Errors
    /// Files that cannot be read or used, or a key that others can read.
    pub fn open(directory: &Path, credentials: Option<&Path>) -> Result<Self, AuthorityError> {
        let tls = |error: TlsError| AuthorityError::Tls(error);
        let authority = Authority::open(directory).credentials_in(credentials);
        let path = authority.certificate();
        let chain = certificates(&path).map_err(tls)?;
        let first = chain.first().ok_or(AuthorityError::Tls(TlsError::NoCertificate))?;
        let signer = authority.private_key()?;
        fit(&path, &chain, &signer)?;
        let unfit = || AuthorityError::Unfit(path.clone(), "it is no certificate that can be read");
        let constraints = Constraints::of(first).ok_or_else(unfit)?;
        let issuer = Issuer::from_ca_cert_der(first, signer)?;
        let next = authority.next();
        let (key, document) = PrivateKey::generate()?;
        let der = PrivatePkcs8KeyDer::from(document.as_ref());
        let signs = any_ecdsa_type(&der.into()).map_err(|error| tls(error.into()))?;
        let signer = Signer {
            issuer,
            chain,
            constraints,
            key,
            signs,
            minted: Cache::new(MINTED_MAX),
            ticketer: Ticketer::new().map_err(|error| tls(error.into()))?,
        };
        Ok(Self {
            signer: Arc::new(signer),
            installed: Installed::read(&authority)?,
            next: next
                .certificate()
                .exists()
                .then(|| Installed::read(&next))
                .transpose()?,
        })
    }

    /// Goes on with what `before` signed, if that is the same authority.
    pub fn continues(&mut self, before: &Self) {
        if self.signer.chain == before.signer.chain {
            self.signer = Arc::clone(&before.signer);
        }
    }

    /// The certificate for `name`, a DNS name or an IP literal, and whether it was made for this.
    ///
    /// # Errors
    /// A name that no certificate can carry.
    pub fn certificate(&self, name: &str) -> Result<(Arc<CertifiedKey>, bool), AuthorityError> {
        let days = jiff::Timestamp::now().as_second() / (24 * 60 * 60);
        self.signer.certificate(name, days / SHOWN_DAYS_MAX)
    }

    /// Whether the authority may sign for `name`.
    pub fn may_sign(&self, name: &str) -> bool {
        self.signer
            .constraints
            .allow(name.trim_start_matches('[').trim_end_matches(']'))
    }

    /// What clients are to trust, and what they will be.
    pub fn installed(&self) -> (&Installed, Option<&Installed>) {
        (&self.installed, self.next.as_ref())
    }

    /// What a client is shown: this certificate, and the one protocol that the origin speaks, if the client offers any.
    ///
    /// # Errors
    /// None in practice: the provider has both versions of TLS.
    pub fn shows(
        &self,
        certificate: Arc<CertifiedKey>,
        protocol: Option<&[u8]>,
    ) -> Result<Arc<ServerConfig>, TlsError> {
        let leaf = certificate
            .cert
            .first()
            .map_or([0; 32], |leaf| blake3::hash(leaf).into());
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(One(certificate)));
        config.alpn_protocols = protocol.map(<[u8]>::to_vec).into_iter().collect();
        config.ticketer = Arc::new(OfLeaf {
            leaf,
            tickets: Arc::clone(&self.signer.ticketer),
        });
        config.ignore_client_order = true;
        Ok(Arc::new(config))
    }
}

impl Signer {
    /// What is shown in this time, made if it is not there.
    fn certificate(&self, name: &str, time: i64) -> Result<(Arc<CertifiedKey>, bool), AuthorityError> {
        let mut is_new = false;
        let name = name.trim_start_matches('[').trim_end_matches(']');
        let minted = self.minted.get_or_insert_with(&format!("{name} {time}"), || {
            is_new = true;
            self.mint(name)
        })?;
        Ok((minted, is_new))
    }

    fn mint(&self, name: &str) -> Result<Arc<CertifiedKey>, AuthorityError> {
        if name.len() > NAME_BYTES_MAX {
            return Err(AuthorityError::BadName(name.to_owned()));
        }
        // Clients would not believe it, and would be told that a certificate is bad and not why.
        if !self.constraints.allow(name) {
            return Err(AuthorityError::Constrained);
        }
        let leaf = leaf_of(&[name.to_owned()])?.signed_by(&self.key, &self.issuer)?;
        let chain = std::iter::once(leaf.der()).chain(&self.chain).cloned().collect();
        Ok(Arc::new(CertifiedKey::new(chain, Arc::clone(&self.signs))))
    }
}

/// A certificate as it is handed out for installation.
#[derive(Clone, Debug)]
pub struct Installed {
    /// As PEM.
    pub pem: String,
    /// As DER.
    pub der: Vec<u8>,
    /// Its SHA-256, as people compare it.
    pub sha256: String,
}

impl Installed {
    /// The last certificate of the file is the one to trust: nearest to the root.
    fn read(authority: &Authority) -> Result<Self, AuthorityError> {
        let path = authority.certificate();
        let chain = certificates(&path).map_err(AuthorityError::Tls)?;
        let root = chain.last().ok_or(AuthorityError::Tls(TlsError::NoCertificate))?;
        Ok(Self {
            pem: read(&path)?,
            der: root.to_vec(),
            sha256: digest(root),
        })
    }
}

impl fmt::Debug for Minter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Minter").finish_non_exhaustive()
    }
}

/// One certificate, whatever is asked for.
#[derive(Debug)]
struct One(Arc<CertifiedKey>);

impl ResolvesServerCert for One {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

/// Tickets by which the sessions of one leaf are resumed. All leaves share a key, and rustls holds a session to its name; but
/// addresses are names that no `ClientHello` says, so what was given with another leaf is no ticket.
#[derive(Debug)]
struct OfLeaf {
    /// The hash of the leaf, before what is in a ticket.
    leaf: [u8; 32],
    tickets: Arc<dyn ProducesTickets>,
}

impl ProducesTickets for OfLeaf {
    fn enabled(&self) -> bool {
        self.tickets.enabled()
    }

    fn lifetime(&self) -> u32 {
        self.tickets.lifetime()
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.tickets.encrypt(&[&self.leaf, plain].concat())
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let plain = self.tickets.decrypt(ticket)?;
        plain.strip_prefix(&self.leaf).map(<[u8]>::to_vec)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use rustls::pki_types::ServerName;
    use rustls::{ClientConfig, HandshakeKind, RootCertStore};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio_rustls::{TlsAcceptor, TlsConnector};

    use super::*;

    /// How a client that asks for 127.0.0.1 shakes hands with who has this `leaf`; nothing if it does not believe it.
    async fn handshake(minter: &Minter, connector: &TlsConnector, leaf: &str) -> Option<HandshakeKind> {
        let (certificate, _) = minter.certificate(leaf).unwrap();
        let acceptor = TlsAcceptor::from(minter.shows(certificate, None).unwrap());
        let (one, other) = tokio::io::duplex(65_536);
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let (shown, told) = tokio::join!(connector.connect(name, one), acceptor.accept(other));
        let (mut shown, mut told) = (shown.ok()?, told.ok()?);
        // Tickets come before what is read.
        told.write_all(b"x").await.ok()?;
        shown.read_u8().await.ok()?;
        shown.get_ref().1.handshake_kind()
    }

    #[tokio::test]
    async fn a_session_is_resumed_under_its_own_leaf_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = Authority::create(directory.path()).unwrap().certificate();
        let minter = Minter::open(directory.path(), None).unwrap();
        for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
            let mut roots = RootCertStore::empty();
            roots.add(certificates(&path).unwrap().remove(0)).unwrap();
            let client = ClientConfig::builder_with_provider(provider()).with_protocol_versions(&[version]);
            let client = client.unwrap().with_root_certificates(roots).with_no_client_auth();
            let client = TlsConnector::from(Arc::new(client));
            // The client asks by an address, and would be shown no leaf to doubt.
            let kinds = [
                handshake(&minter, &client, "127.0.0.1").await,
                handshake(&minter, &client, "127.0.0.1").await,
                handshake(&minter, &client, "127.0.0.2").await,
                handshake(&minter, &client, "a.example").await,
            ];
            let expected = [Some(HandshakeKind::Full), Some(HandshakeKind::Resumed), None, None];
            assert_eq!(kinds, expected, "{version:?}");
        }
    }

    #[test]
    fn a_name_is_minted_once_however_many_ask_at_a_time() {
        let directory = tempfile::tempdir().unwrap();
        Authority::create(directory.path()).unwrap();
        let minter = Minter::open(directory.path(), None).unwrap();
        let new: usize = std::thread::scope(|scope| {
            let ask = || minter.certificate("a.example").unwrap().1;
            let asked: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
            asked.into_iter().map(|one| usize::from(one.join().unwrap())).sum()
        });
        assert_eq!(new, 1);
        let (one, other) = (
            minter.certificate("a.example").unwrap(),
            minter.certificate("b.example").unwrap(),
        );
        assert!(!one.1 && other.1);
        assert_ne!(one.0.cert[0], other.0.cert[0]);
        assert!(minter.certificate("no name").is_err() && minter.certificate(&"a".repeat(300)).is_err());
    }

    #[test]
    fn a_leaf_is_made_anew_long_before_it_ends() {
        let directory = tempfile::tempdir().unwrap();
        Authority::create(directory.path()).unwrap();
        let minter = Minter::open(directory.path(), None).unwrap();
        let is_new = |time| minter.signer.certificate("a.example", time).unwrap().1;
        assert_eq!([is_new(7), is_new(7), is_new(8), is_new(8)], [true, false, true, false]);
    }

    #[test]
    fn a_leaf_began_before_today_ends_within_397_days_and_has_a_serial_of_its_own() {
        const DAY_S: i64 = 24 * 60 * 60;
        let directory = tempfile::tempdir().unwrap();
        Authority::create(directory.path()).unwrap();
        let minter = Minter::open(directory.path(), None).unwrap();
        let now = jiff::Timestamp::now().as_second();
        let mut serials = Vec::new();
        for name in ["a.example", "b.example"] {
            let (key, _) = minter.certificate(name).unwrap();
            let (_, leaf) = x509_parser::parse_x509_certificate(&key.cert[0]).unwrap();
            let [from, until] = [leaf.validity().not_before, leaf.validity().not_after].map(|time| time.timestamp());
            assert!(from <= now - DAY_S && until - from <= 397 * DAY_S, "{name}");
            assert!(until - now > 2 * SHOWN_DAYS_MAX * DAY_S, "{name}");
            serials.push(leaf.raw_serial().to_vec());
        }
        assert!(serials[0] != serials[1] && serials.iter().all(|serial| serial.len() == 16));
    }

    #[test]
    fn a_leaf_names_its_authority_as_that_names_itself() {
        let directory = tempfile::tempdir().unwrap();
        Authority::create(directory.path()).unwrap();
        let minter = Minter::open(directory.path(), None).unwrap();
        for name in ["a.example", "192.0.2.7", "[2001:db8::1]"] {
            let (key, _) = minter.certificate(name).unwrap();
            let leaf = webpki::EndEntityCert::try_from(&key.cert[0]).unwrap();
            let host = name.trim_matches(['[', ']']);
            let subject = ServerName::try_from(host).unwrap();
            leaf.verify_is_valid_for_subject_name(&subject).unwrap();
            // The identifier of the authority's key (RFC 5280 section 4.2.1.2) stands in the leaf as it stands there.
            let identifier = subject_key_identifier(&minter.signer.chain[0]);
            assert!(
                key.cert[0].windows(identifier.len()).any(|part| part == identifier),
                "{name}"
            );
        }
    }

    /// The value behind the object identifier 2.5.29.14.
    fn subject_key_identifier(certificate: &[u8]) -> &[u8] {
        let at = memchr::memmem::find(certificate, &[0x06, 0x03, 0x55, 0x1d, 0x0e, 0x04]).unwrap();
        let length = usize::from(certificate[at + 8]);
        &certificate[at + 9..at + 9 + length]
    }

    #[test]
    fn nothing_is_signed_that_the_authority_may_not_sign() {
        let directory = tempfile::tempdir().unwrap();
        Authority::create_for(directory.path(), None, &["corp.example".into()]).unwrap();
        let minter = Minter::open(directory.path(), None).unwrap();
        assert!(minter.certificate("a.corp.example").is_ok());
        for name in ["a.example", "192.0.2.7"] {
            assert!(
                matches!(minter.certificate(name), Err(AuthorityError::Constrained)),
                "{name}"
            );
        }
    }

    #[test]
    fn a_key_is_taken_from_where_credentials_are() {
        let (directory, credentials) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        Authority::create(directory.path()).unwrap();
        let key = directory.path().join("authority.key");
        std::fs::rename(&key, credentials.path().join("authority.key")).unwrap();
        assert!(Minter::open(directory.path(), None).is_err());
        Minter::open(directory.path(), Some(credentials.path())).unwrap();
        // A key that is another's is none.
        let other = tempfile::tempdir().unwrap();
        Authority::create(other.path()).unwrap();
        std::fs::copy(other.path().join("authority.key"), &key).unwrap();
        let refused = Minter::open(directory.path(), Some(credentials.path()));
        assert!(matches!(refused, Err(AuthorityError::Unfit(..))));
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        Authority::create(directory.path()).unwrap();
        let key = directory.path().join("authority.key");
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(Minter::open(directory.path(), None), Err(AuthorityError::Readable(path)) if path == key));
    }
}

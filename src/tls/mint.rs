//! Certificates in the name of origins, signed by the organisation's own authority as they are asked for.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use quick_cache::sync::Cache;
use rcgen::{Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ProducesTickets, ResolvesServerCert};
use rustls::sign::{CertifiedKey, SigningKey};
use zeroize::Zeroizing;

use super::authority::{Authority, AuthorityError, leaf_of};
use super::provider::{TlsError, certificates, provider};

/// Certificates that are remembered, about 2 KiB each; past it those longest unused are minted again.
const MINTED_MAX: usize = 4_096;
/// Names longer than this are no host's (RFC 1035 section 2.3.4).
const NAME_BYTES_MAX: usize = 253;

/// Signs certificates for names, each once: whoever asks for one that is being made waits for it.
pub struct Minter {
    issuer: Issuer<'static, KeyPair>,
    authority: CertificateDer<'static>,
    /// One key for all of them, made with the minter and never written.
    key: KeyPair,
    signs: Arc<dyn SigningKey>,
    minted: Cache<String, Arc<CertifiedKey>>,
    ticketer: Arc<dyn ProducesTickets>,
}

impl Minter {
    /// The authority of `directory`, whose key nobody else may read.
    ///
    /// # Errors
    /// Files that cannot be read or used, or a key that others can read.
    pub fn open(directory: &Path) -> Result<Self, AuthorityError> {
        let tls = |error: TlsError| AuthorityError::Tls(error);
        let authority = Authority::open(directory);
        let chain = certificates(&authority.certificate()).map_err(tls)?;
        let certificate = chain
            .into_iter()
            .next()
            .ok_or(AuthorityError::Tls(TlsError::NoCertificate))?;
        let issuer = Issuer::from_ca_cert_der(&certificate, authority.private_key()?)?;
        let key = KeyPair::generate()?;
        let der = Zeroizing::new(key.serialize_der());
        let der = PrivateKeyDer::try_from(der.to_vec()).map_err(|_| rcgen::Error::CouldNotParseKeyPair)?;
        let signs = provider()
            .key_provider
            .load_private_key(der)
            .map_err(|error| tls(error.into()))?;
        Ok(Self {
            issuer,
            authority: certificate,
            key,
            signs,
            minted: Cache::new(MINTED_MAX),
            ticketer: Ticketer::new().map_err(|error| tls(error.into()))?,
        })
    }

    /// The certificate for `name`, a DNS name or an IP literal, and whether it was made for this.
    ///
    /// # Errors
    /// A name that no certificate can carry.
    pub fn certificate(&self, name: &str) -> Result<(Arc<CertifiedKey>, bool), AuthorityError> {
        let mut is_new = false;
        let name = name.trim_start_matches('[').trim_end_matches(']');
        let minted = self.minted.get_or_insert_with(name, || {
            is_new = true;
            self.mint(name)
        })?;
        Ok((minted, is_new))
    }

    fn mint(&self, name: &str) -> Result<Arc<CertifiedKey>, AuthorityError> {
        if name.len() > NAME_BYTES_MAX {
            return Err(AuthorityError::BadName(name.to_owned()));
        }
        let leaf = leaf_of(&[name.to_owned()])?.signed_by(&self.key, &self.issuer)?;
        let chain = vec![leaf.der().clone(), self.authority.clone()];
        Ok(Arc::new(CertifiedKey::new(chain, Arc::clone(&self.signs))))
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
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(One(certificate)));
        config.alpn_protocols = protocol.map(<[u8]>::to_vec).into_iter().collect();
        config.ticketer = Arc::clone(&self.ticketer);
        config.ignore_client_order = true;
        Ok(Arc::new(config))
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_name_is_minted_once_however_many_ask_at_a_time() {
        let directory = tempfile::tempdir().unwrap();
        Authority::create(directory.path()).unwrap();
        let minter = Minter::open(directory.path()).unwrap();
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
    fn a_leaf_names_its_authority_as_that_names_itself() {
        let directory = tempfile::tempdir().unwrap();
        Authority::create(directory.path()).unwrap();
        let minter = Minter::open(directory.path()).unwrap();
        for name in ["a.example", "192.0.2.7", "[2001:db8::1]"] {
            let (key, _) = minter.certificate(name).unwrap();
            let leaf = webpki::EndEntityCert::try_from(&key.cert[0]).unwrap();
            let host = name.trim_matches(['[', ']']);
            let subject = rustls::pki_types::ServerName::try_from(host).unwrap();
            leaf.verify_is_valid_for_subject_name(&subject).unwrap();
            // The identifier of the authority's key (RFC 5280 section 4.2.1.2) stands in the leaf as it stands there.
            let identifier = subject_key_identifier(&minter.authority);
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
    fn a_key_that_others_can_read_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        Authority::create(directory.path()).unwrap();
        let key = directory.path().join("authority.key");
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(Minter::open(directory.path()), Err(AuthorityError::Readable(path)) if path == key));
    }
}

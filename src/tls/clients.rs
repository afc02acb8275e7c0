//! Certificates of clients: which authorities may have signed them, which lists revoke them, whom a good one names, and whether
//! it is still good while its connection lasts.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{CertificateError, RootCertStore};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::objects::{oid_registry, oid2abbrev};
use x509_parser::prelude::FromDer as _;
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

use super::provider::{TlsError, certificates, file_error, hexadecimal, provider, sha256};

/// Bytes of one revocation list: what is larger is not watched for changes.
const CRL_BYTES_MAX: usize = 8 << 20;
/// Bytes of a SPIFFE ID (SPIFFE-ID, section 2.3).
const SPIFFE_BYTES_MAX: usize = 2_048;

/// Whose certificates a listener takes, as files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientFiles {
    /// The authorities, in PEM.
    pub ca: PathBuf,
    /// Their revocation lists (RFC 5280, section 5), in PEM or DER. Where there are any, there must be one of each authority
    /// that signed, and it must not be past its next update.
    pub crls: Vec<PathBuf>,
    /// Whether a client without a certificate is refused.
    pub required: bool,
}

impl ClientFiles {
    /// Whether they can be read and used.
    ///
    /// # Errors
    ///
    /// The file that cannot.
    pub fn check(&self) -> Result<(), TlsError> {
        Judge::read(self, 0).map(drop)
    }
}

/// Judges certificates by the files as they were last read.
#[derive(Debug)]
pub(super) struct Judge {
    verifier: Arc<dyn ClientCertVerifier>,
    /// How often the files were read before.
    reading: u64,
}

impl Judge {
    pub(super) fn read(files: &ClientFiles, reading: u64) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        for authority in certificates(&files.ca)? {
            roots.add(authority).map_err(|error| file_error(&files.ca, error))?;
        }
        let mut lists = Vec::new();
        for path in &files.crls {
            lists.extend(revocation_lists(path)?);
        }
        let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider()).with_crls(lists);
        builder = builder.enforce_revocation_expiration();
        if !files.required {
            builder = builder.allow_unauthenticated();
        }
        let verifier = builder.build().map_err(|error| file_error(&files.ca, error))?;
        Ok(Self { verifier, reading })
    }

    pub(super) fn verifier(&self) -> Arc<dyn ClientCertVerifier> {
        Arc::clone(&self.verifier)
    }
}

/// The lists of one file.
pub(super) fn revocation_lists(path: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsError> {
    let bytes = std::fs::read(path).map_err(|error| file_error(path, error))?;
    if bytes.len() > CRL_BYTES_MAX {
        return Err(file_error(path, format!("is larger than {CRL_BYTES_MAX} bytes")));
    }
    let lists = if memchr::memmem::find(&bytes, b"-----BEGIN").is_some() {
        CertificateRevocationListDer::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>()
    } else {
        Ok(vec![bytes.into()])
    };
    let lists = lists.map_err(|error| file_error(path, error))?;
    if lists.is_empty() {
        return Err(file_error(path, "holds no revocation list"));
    }
    for list in &lists {
        // Here the file is known that does not parse.
        webpki::BorrowedCertRevocationList::from_der(list).map_err(|error| file_error(path, error))?;
    }
    Ok(lists)
}

/// A certificate that a client showed, good when its connection began. Whom it names is nobody's business: there is no
/// `Debug` of that.
pub struct ClientCertificate {
    chain: Vec<CertificateDer<'static>>,
    names: Names,
    /// The unix second after which it is over.
    until: u64,
    /// What the listener reads now.
    judge: Arc<ArcSwapOption<Judge>>,
    /// The reading by which it was last good.
    judged: AtomicU64,
}

impl ClientCertificate {
    /// Of a `chain`, leaf first, that `by` found good.
    pub(super) fn new(chain: &[CertificateDer<'_>], by: &Judge, judge: Arc<ArcSwapOption<Judge>>) -> Self {
        let (names, until) = chain.first().map(read).unwrap_or_default();
        Self {
            chain: chain.iter().map(|one| one.clone().into_owned()).collect(),
            names,
            until,
            judge,
            judged: AtomicU64::new(by.reading),
        }
    }

    /// The SHA-256 of a certificate as it is sent, in 64 hexadecimal digits.
    pub fn digest_of(certificate: &[u8]) -> String {
        sha256(certificate)
    }

    /// The SPIFFE ID, where it has exactly one URI and that is one.
    pub fn spiffe(&self) -> Option<&str> {
        self.names.spiffe.as_deref()
    }

    /// The subject in the order of the certificate, `O=Acme, CN=billing`; none that is empty.
    pub fn subject(&self) -> Option<&str> {
        self.names.subject.as_deref()
    }

    /// The SHA-256 of the certificate, in 64 hexadecimal digits.
    pub fn digest(&self) -> &str {
        &self.names.digest
    }

    /// Whether it is still good at this unix second: it is not over, and what its listener has read since does not disown it.
    pub fn is_good(&self, second: u64) -> bool {
        let Some(judge) = self.judge.load_full() else {
            return false;
        };
        if second > self.until {
            return false;
        }
        if self.judged.load(Ordering::Acquire) == judge.reading {
            return true;
        }
        let Some((leaf, rest)) = self.chain.split_first() else {
            return false;
        };
        let now = UnixTime::since_unix_epoch(Duration::from_secs(second));
        let is_good = judge.verifier.verify_client_cert(leaf, rest, now).is_ok();
        if is_good {
            self.judged.store(judge.reading, Ordering::Release);
        }
        is_good
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertificate").finish_non_exhaustive()
    }
}

/// Whom a certificate names.
#[derive(Default)]
struct Names {
    spiffe: Option<String>,
    subject: Option<String>,
    digest: String,
}

/// The names of a leaf, and until when it is valid. One that only TLS can read has no names but its digest, and is not held to
/// an end after its handshake.
fn read(leaf: &CertificateDer<'_>) -> (Names, u64) {
    let digest = sha256(leaf);
    let Ok((_, parsed)) = X509Certificate::from_der(leaf) else {
        let names = Names {
            digest,
            ..Names::default()
        };
        return (names, u64::MAX);
    };
    let names = Names {
        spiffe: spiffe_id(&parsed),
        subject: subject(parsed.subject()),
        digest,
    };
    let until = parsed.validity().not_after.timestamp();
    (names, u64::try_from(until).unwrap_or(0))
}

/// The one URI among the names of a certificate, if it is a SPIFFE ID (X509-SVID, section 2).
fn spiffe_id(certificate: &X509Certificate<'_>) -> Option<String> {
    let names = certificate.subject_alternative_name().ok()??.value;
    let uri = |name: &GeneralName<'_>| {
        let GeneralName::URI(uri) = name else { return None };
        Some((*uri).to_owned())
    };
    let mut uris = names.general_names.iter().filter_map(uri);
    let only = uris.next().filter(|_| uris.next().is_none())?;
    is_spiffe_id(&only).then_some(only)
}

/// `spiffe://TRUST-DOMAIN/PATH`, in its one spelling (SPIFFE-ID, section 2).
fn is_spiffe_id(uri: &str) -> bool {
    let Some(rest) = uri.strip_prefix("spiffe://").filter(|_| uri.len() <= SPIFFE_BYTES_MAX) else {
        return false;
    };
    let mut parts = rest.split('/');
    let is_domain = |domain: &str| {
        let is_allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_');
        !domain.is_empty() && domain.bytes().all(is_allowed)
    };
    let is_segment = |segment: &str| {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        !matches!(segment, "" | "." | "..") && segment.bytes().all(is_allowed)
    };
    parts.next().is_some_and(is_domain) && parts.all(is_segment)
}

/// The parts of a name in their order, so written that no two names read alike (RFC 4514, section 2.4).
fn subject(name: &X509Name<'_>) -> Option<String> {
    let parts: Vec<String> = name
        .iter()
        .map(|part| part.iter().map(attribute).collect::<Vec<_>>().join("+"))
        .collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn attribute(attribute: &AttributeTypeAndValue<'_>) -> String {
    let kind = oid2abbrev(attribute.attr_type(), oid_registry());
    let kind = kind.map_or_else(|_| attribute.attr_type().to_id_string(), str::to_owned);
    let Ok(value) = attribute.as_str() else {
        let digits = hexadecimal(attribute.as_slice());
        return format!("{kind}=#{digits}");
    };
    let mut escaped = String::with_capacity(value.len());
    for letter in value.chars() {
        let is_special = matches!(letter, ',' | '+' | '"' | '\\' | '<' | '>' | ';' | '=');
        if is_special || (letter == '#' && escaped.is_empty()) {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    format!("{kind}={escaped}")
}

/// The bounded name of what is wrong with a certificate.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "rustls may add kinds; all others are `certificate`"
)]
pub(super) fn fault(error: &CertificateError) -> &'static str {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "certificate_expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "certificate_not_valid_yet",
        CertificateError::Revoked => "certificate_revoked",
        CertificateError::UnknownIssuer | CertificateError::BadSignature => "certificate_unknown_issuer",
        CertificateError::UnknownRevocationStatus => "certificate_crl_missing",
        CertificateError::ExpiredRevocationList | CertificateError::ExpiredRevocationListContext { .. } => {
            "certificate_crl_expired"
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => "certificate_purpose",
        _ => "certificate",
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    use super::*;

    fn names(subject: &[(DnType, &str)], uris: &[&str]) -> Names {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        for (kind, value) in subject {
            params.distinguished_name.push(kind.clone(), *value);
        }
        let uris = uris.iter().map(|uri| SanType::URI((*uri).try_into().unwrap()));
        params.subject_alt_names = uris.collect();
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        read(certificate.der()).0
    }

    #[test]
    fn a_certificate_names_its_subject_in_one_way() {
        let subject = |parts: &[(DnType, &str)]| names(parts, &[]).subject;
        let (organisation, name) = (DnType::OrganizationName, DnType::CommonName);
        assert_eq!(
            subject(&[(organisation, "Acme"), (name.clone(), "billing")]).as_deref(),
            Some("O=Acme, CN=billing")
        );
        assert_eq!(
            subject(&[(name.clone(), "a, O=b+c\\")]).as_deref(),
            Some("CN=a\\, O\\=b\\+c\\\\"),
            "one part is not two"
        );
        assert_eq!(subject(&[(name, "가나")]).as_deref(), Some("CN=가나"));
        assert_eq!(subject(&[]), None);
    }

    #[test]
    fn a_spiffe_id_is_the_only_uri_and_has_one_spelling() {
        let id = "spiffe://shop.example/ns/billing";
        assert_eq!(names(&[], &[id]).spiffe.as_deref(), Some(id));
        for uris in [&[][..], &[id, "https://shop.example/"], &[id, id]] {
            assert_eq!(names(&[], uris).spiffe, None, "{uris:?}");
        }
        for bad in [
            "https://shop.example/ns/billing",
            "spiffe://",
            "spiffe:///billing",
            "spiffe://Shop.example/billing",
            "spiffe://shop.example:443/billing",
            "spiffe://shop.example/",
            "spiffe://shop.example/a//b",
            "spiffe://shop.example/a/../b",
            "spiffe://shop.example/a%20b",
            "spiffe://shop.example/a?b",
        ] {
            assert!(!is_spiffe_id(bad), "{bad}");
        }
        assert!(is_spiffe_id("spiffe://shop.example"));
        assert!(!is_spiffe_id(&format!("spiffe://a/{}", "a".repeat(2_048))));
    }

    #[test]
    fn a_file_that_is_no_list_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("clients.crl");
        for text in [
            "",
            "no list",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n",
        ] {
            std::fs::write(&path, text).unwrap();
            let error = revocation_lists(&path).unwrap_err().to_string();
            assert!(error.contains("clients.crl"), "{text:?}: {error}");
        }
    }

    #[test]
    fn a_digest_is_the_certificates_own() {
        let [one, other] = [names(&[], &[]), names(&[], &[])];
        assert_eq!(one.digest.len(), 64);
        assert_ne!(one.digest, other.digest, "keys differ");
    }
}

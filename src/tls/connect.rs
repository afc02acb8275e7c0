//! TLS to an upstream: always verified, against the system's roots and optionally one authority more.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::clients::revocation_lists;
use super::provider::{TlsError, certificates, file_error, provider, sha256};

/// A verifying client configuration. `ca` is a PEM file with authorities that are trusted beside the system's; ALPN
/// offers `h2` and `http/1.1`. There is no switch to turn verification off.
///
/// # Errors
///
/// A file that cannot be read, or no root at all.
pub fn client_config(ca: Option<&Path>) -> Result<Arc<ClientConfig>, TlsError> {
    client_config_with(ca, &[])
}

/// The same, which believes no certificate of these revocation lists: files in PEM or DER. Of an authority without a list nothing
/// is known, and its certificates are believed; a list past its next update lets none of its authority be.
///
/// # Errors
///
/// The same, of the lists too.
pub fn client_config_with(ca: Option<&Path>, crls: &[PathBuf]) -> Result<Arc<ClientConfig>, TlsError> {
    let mut roots = RootCertStore::empty();
    // Single unreadable certificates of a system store are usual and harmless: what is missing is not trusted.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = ca {
        for authority in certificates(path)? {
            roots.add(authority).map_err(|error| file_error(path, error))?;
        }
    }
    let mut lists = Vec::new();
    for path in crls {
        lists.extend(revocation_lists(path)?);
    }
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    let builder = if lists.is_empty() {
        // Without a root it trusts nobody, which is told of each connection.
        builder.with_root_certificates(roots)
    } else {
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
            .with_crls(lists)
            .allow_unknown_revocation_status()
            .enforce_revocation_expiration()
            .build();
        builder.with_webpki_verifier(verifier.map_err(|error| TlsError::Verifier(error.to_string()))?)
    };
    let mut config = builder.with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// The same configuration for an origin whose certificate is bad and is the one with this SHA-256, 64 hexadecimal digits in lower
/// case: a person has looked at it. No other is believed, a good one neither.
pub fn excusing(config: &Arc<ClientConfig>, digest: &str) -> Arc<ClientConfig> {
    let mut config = ClientConfig::clone(config);
    let excused = Excused {
        digest: digest.to_owned(),
        algorithms: provider().signature_verification_algorithms,
    };
    config.dangerous().set_certificate_verifier(Arc::new(excused));
    Arc::new(config)
}

/// Believes one certificate, whose key the origin must have all the same.
#[derive(Debug)]
struct Excused {
    digest: String,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Excused {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if sha256(end_entity) == self.digest {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

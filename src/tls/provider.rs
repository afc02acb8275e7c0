//! The one crypto provider, its order of ciphers, and what goes wrong when key material is read.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use rustls::CipherSuite;
use rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Why TLS could not be set up. Names files, never their content.
#[derive(Debug)]
pub enum TlsError {
    /// A file cannot be read or holds no PEM of the kind wanted.
    File {
        /// The file, as configured.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// rustls refuses the combination: a key that does not fit its certificate, no roots.
    Config(rustls::Error),
    /// No certificate was configured.
    NoCertificate,
    /// By whom a certificate is to be verified: nobody.
    Verifier(String),
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, message } => write!(f, "{}: {message}", path.display()),
            Self::Config(error) => write!(f, "TLS configuration: {error}"),
            Self::Verifier(error) => write!(f, "verification: {error}"),
            Self::NoCertificate => f.write_str("no certificate is configured"),
        }
    }
}

impl std::error::Error for TlsError {}

impl From<rustls::Error> for TlsError {
    fn from(error: rustls::Error) -> Self {
        Self::Config(error)
    }
}

/// aws-lc-rs with AES-128-GCM-SHA256 first: SHA-384 is slow on the handshake path and 128 bits are enough.
pub(super) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| {
        let mut provider = aws_lc_rs::default_provider();
        // The sort is stable: the others keep their order.
        provider
            .cipher_suites
            .sort_by_key(|suite| suite.suite() != CipherSuite::TLS13_AES_128_GCM_SHA256);
        Arc::new(provider)
    });
    Arc::clone(&PROVIDER)
}

/// The certificates of a PEM file, leaf first; at least one.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        Ok(_) => Err(file_error(path, "holds no certificate")),
        Err(error) => Err(file_error(path, error)),
    }
}

/// The first private key of a PEM file.
pub(super) fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| file_error(path, error))
}

/// The SHA-256 of these bytes, in 64 hexadecimal digits: that of the provider of TLS.
pub(super) fn sha256(bytes: &[u8]) -> String {
    let suite = TLS13_AES_128_GCM_SHA256.tls13();
    let hash = suite.expect("a suite of TLS 1.3").common.hash_provider.hash(bytes);
    hexadecimal(hash.as_ref())
}

/// Two digits for each byte.
pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16);
    let digits = bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0x0f)]);
    digits.flatten().collect()
}

pub(super) fn file_error(path: &Path, message: impl fmt::Display) -> TlsError {
    TlsError::File {
        path: path.to_owned(),
        message: message.to_string(),
    }
}

//! TLS to an upstream: always verified, against the system's roots and optionally one authority more.

use std::path::Path;
use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};

use super::provider::{TlsError, certificates, file_error, provider};

/// A verifying client configuration. `ca` is a PEM file with authorities that are trusted beside the system's; ALPN
/// offers `h2` and `http/1.1`. There is no switch to turn verification off.
///
/// # Errors
///
/// A file that cannot be read, or no root at all.
pub fn client_config(ca: Option<&Path>) -> Result<Arc<ClientConfig>, TlsError> {
    let mut roots = RootCertStore::empty();
    // Single unreadable certificates of a system store are usual and harmless: what is missing is not trusted.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = ca {
        for authority in certificates(path)? {
            roots.add(authority).map_err(|error| file_error(path, error))?;
        }
    }
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

//! hudsucker as its documentation sets it up: it opens TLS and reads nothing. A peer of `benches/intercept.py`.
//!
//!     hudsucker-peer ADDRESS AUTHORITY.pem AUTHORITY.key ORIGINS.pem

use std::error::Error;

use hudsucker::Proxy;
use hudsucker::certificate_authority::RcgenAuthority;
use hudsucker::hyper_util::client::legacy::connect::HttpConnector;
use hudsucker::rcgen::{Issuer, KeyPair};
use hudsucker::rustls::crypto::aws_lc_rs::default_provider;
use hudsucker::rustls::pki_types::CertificateDer;
use hudsucker::rustls::pki_types::pem::PemObject as _;
use hudsucker::rustls::{ClientConfig, RootCertStore};
use hyper_rustls::HttpsConnectorBuilder;

/// Certificates that it remembers: more than the bench has names.
const REMEMBERED_MAX: u64 = 4_096;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [address, certificate, key, origins] = words.as_slice() else {
        return Err("ADDRESS AUTHORITY.pem AUTHORITY.key ORIGINS.pem".into());
    };
    let key = KeyPair::from_pem(&std::fs::read_to_string(key)?)?;
    let issuer = Issuer::from_ca_cert_pem(&std::fs::read_to_string(certificate)?, key)?;
    let mut trusted = RootCertStore::empty();
    for root in CertificateDer::pem_file_iter(origins)? {
        trusted.add(root?)?;
    }
    let tls = ClientConfig::builder_with_provider(default_provider().into())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(trusted)
        .with_no_client_auth();
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp);
    let proxy = Proxy::builder()
        .with_addr(address.parse()?)
        .with_ca(RcgenAuthority::new(issuer, REMEMBERED_MAX, default_provider()))
        .with_http_connector(connector)
        .build()?;
    Ok(proxy.start().await?)
}

//! Certificates of test origins: one that is good, and those that must not be trusted.

#![allow(dead_code, reason = "each suite uses what it needs")]

use std::path::{Path, PathBuf};

use rcgen::{
    CertificateParams, CertificateRevocationListParams, Issuer, KeyIdMethod, KeyPair, RevokedCertParams, SerialNumber,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tidegate::tls::{Authority, CertificateFiles};

/// An authority that signs for origins, and is none that clients of the gateway trust.
pub(crate) struct Origins(pub(crate) Authority, PathBuf);

impl Origins {
    /// Its files are in `dir`.
    pub(crate) fn create(dir: &Path) -> Self {
        Self(Authority::create(dir).expect("an authority"), dir.to_owned())
    }

    /// The certificate by which its leaves are trusted.
    pub(crate) fn ca(&self) -> PathBuf {
        self.0.certificate()
    }

    /// A leaf for these names.
    pub(crate) fn leaf(&self, names: &[&str]) -> Vec<CertificateFiles> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let (cert, key) = self.0.leaf(&names).expect("a leaf");
        vec![CertificateFiles { cert, key }]
    }

    /// A leaf for `name` whose time is over.
    pub(crate) fn expired(&self, name: &str) -> Vec<CertificateFiles> {
        let read = |file: &str| std::fs::read_to_string(self.1.join(file)).expect("a file of the authority");
        let signer = KeyPair::from_pem(&read("authority.key")).expect("a key");
        let issuer = Issuer::from_ca_cert_pem(&read("authority.pem"), signer).expect("an issuer");
        let (params, key) = leaf(name, 2001);
        let leaf = params.signed_by(&key, &issuer).expect("a leaf");
        self.write("expired", &leaf.pem(), &key)
    }

    /// A leaf for `name` that nobody signed but itself.
    pub(crate) fn self_signed(&self, name: &str) -> Vec<CertificateFiles> {
        let (params, key) = leaf(name, 2096);
        let leaf = params.self_signed(&key).expect("a leaf");
        self.write("self-signed", &leaf.pem(), &key)
    }

    /// A list of the authority's on which this leaf is, up to date until the year `until`.
    pub(crate) fn revoke(&self, leaf: &CertificateFiles, until: i32) -> PathBuf {
        let read = |file: &str| std::fs::read_to_string(self.1.join(file)).expect("a file of the authority");
        let signer = KeyPair::from_pem(&read("authority.key")).expect("a key");
        let issuer = Issuer::from_ca_cert_pem(&read("authority.pem"), signer).expect("an issuer");
        let der = CertificateDer::from_pem_file(&leaf.cert).expect("a certificate");
        let (_, parsed) = x509_parser::parse_x509_certificate(&der).expect("a certificate");
        let revoked = RevokedCertParams {
            serial_number: SerialNumber::from_slice(parsed.raw_serial()),
            revocation_time: rcgen::date_time_ymd(2020, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: rcgen::date_time_ymd(2020, 1, 1),
            next_update: rcgen::date_time_ymd(until, 1, 1),
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point: None,
            revoked_certs: vec![revoked],
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let path = self.1.join("revoked.crl");
        let pem = list.signed_by(&issuer).expect("a list").pem().expect("a list");
        std::fs::write(&path, pem).expect("a file");
        path
    }

    fn write(&self, stem: &str, cert_pem: &str, key: &KeyPair) -> Vec<CertificateFiles> {
        let (cert, key_path) = (self.1.join(format!("{stem}.pem")), self.1.join(format!("{stem}.key")));
        std::fs::write(&cert, cert_pem).expect("a certificate");
        std::fs::write(&key_path, key.serialize_pem()).expect("a key");
        vec![CertificateFiles { cert, key: key_path }]
    }
}

/// Valid from 2000 to `until`.
fn leaf(name: &str, until: i32) -> (CertificateParams, KeyPair) {
    let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
    params.not_before = rcgen::date_time_ymd(2000, 1, 1);
    params.not_after = rcgen::date_time_ymd(until, 1, 1);
    (params, KeyPair::generate().expect("a key"))
}

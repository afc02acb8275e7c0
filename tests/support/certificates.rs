//! An authority of clients' certificates, made when a test asks for it, and the revocation lists that it signs.

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber, date_time_ymd,
};

/// The authority.
pub(crate) struct ClientAuthority {
    issuer: Issuer<'static, KeyPair>,
    /// Its certificate, which listeners are to trust.
    pub(crate) pem: String,
}

/// A certificate of a client, and its key.
#[derive(Clone)]
pub(crate) struct Shown {
    /// The certificate in PEM.
    #[allow(dead_code, reason = "one suite writes it into a file")]
    pub(crate) pem: String,
    /// Its key in PEM.
    pub(crate) key: String,
    /// The certificate as it is sent.
    pub(crate) der: Vec<u8>,
    serial: SerialNumber,
}

impl ClientAuthority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, "authority of the tests");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    /// A certificate of this common name and these URIs.
    pub(crate) fn sign(&self, name: &str, uris: &[&str]) -> Shown {
        self.sign_until(name, uris, 2099)
    }

    /// The same, valid until a year begins.
    pub(crate) fn sign_until(&self, name: &str, uris: &[&str], year: i32) -> Shown {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        let uris = uris.iter().map(|uri| (*uri).try_into().expect("a URI"));
        params.subject_alt_names = uris.map(SanType::URI).collect();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        params.not_after = date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().expect("a key");
        let serial = SerialNumber::from_slice(&[&[1], &key.public_key_raw()[1..17]].concat());
        params.serial_number = Some(serial.clone());
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        Shown {
            pem: certificate.pem(),
            key: key.serialize_pem(),
            der: certificate.der().to_vec(),
            serial,
        }
    }

    /// A list that revokes these, to be renewed before a year begins.
    pub(crate) fn revoke(&self, revoked: &[&Shown], year: i32) -> String {
        let revoked = revoked.iter().map(|shown| RevokedCertParams {
            serial_number: shown.serial.clone(),
            revocation_time: date_time_ymd(2020, 1, 1),
            reason_code: None,
            invalidity_date: None,
        });
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2019, 1, 1),
            next_update: date_time_ymd(year, 1, 1),
            crl_number: SerialNumber::from_slice(&[1]),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = params.signed_by(&self.issuer).expect("a list");
        list.pem().expect("PEM")
    }
}

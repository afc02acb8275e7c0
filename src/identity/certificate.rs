//! A client's certificate as a credential: whom it names, under which names it may be revoked.

use super::revocation::{Named, Revocable};
use super::source::CertificatePart;
use crate::engine::ledger::Dimension;
use crate::engine::secret::HashKey;

/// What stands in the place of an issuer for the principals of certificates.
pub(super) const CERTIFICATE: &str = "certificate";

/// A certificate that the client showed, and that its listener found good.
#[derive(Clone, Copy)]
pub struct Certificate<'a> {
    /// Its SPIFFE ID.
    pub spiffe: Option<&'a str>,
    /// Its subject, `O=Acme, CN=billing`.
    pub subject: Option<&'a str>,
    /// The SHA-256 of all of it, in 64 hexadecimal digits.
    pub digest: &'a str,
}

impl<'a> Certificate<'a> {
    /// Whom it counts under: a renewed one names the same. One that names nobody is known by itself.
    pub fn name(&self) -> &'a str {
        self.spiffe.or(self.subject).unwrap_or(self.digest)
    }

    /// What a source reads of it.
    pub(super) fn part(&self, part: CertificatePart) -> Option<&'a str> {
        match part {
            CertificatePart::Spiffe => self.spiffe,
            CertificatePart::Subject => self.subject,
        }
    }

    /// All names under which it may be revoked.
    pub(super) fn revocable(&self, secret: &HashKey) -> Revocable {
        let names = [self.spiffe, self.subject, Some(self.digest)].into_iter().flatten();
        names
            .map(|name| Named::new(secret, Dimension::Certificate, &certificate_value(name)))
            .collect()
    }
}

/// The value of a name of certificates. A digest may be written as tools print it, in capitals and with colons.
pub(super) fn certificate_value(name: &str) -> Vec<u8> {
    const DIGITS: usize = 64;
    let digits: String = name.chars().filter(|letter| *letter != ':').collect();
    let is_digest = digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_digest {
        digits.to_ascii_lowercase().into_bytes()
    } else {
        name.as_bytes().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_its_spiffe_id_or_its_subject_or_itself() {
        let digest = "ab".repeat(32);
        let shown = Certificate {
            spiffe: Some("spiffe://shop.example/billing"),
            subject: Some("CN=billing"),
            digest: &digest,
        };
        assert_eq!(shown.name(), "spiffe://shop.example/billing");
        assert_eq!(Certificate { spiffe: None, ..shown }.name(), "CN=billing");
        let nameless = Certificate {
            spiffe: None,
            subject: None,
            ..shown
        };
        assert_eq!(nameless.name(), digest);
        assert_eq!(shown.revocable(&HashKey::new([1; 32])).len(), 3);
        let printed = ["AB"; 32].join(":");
        assert_eq!(certificate_value(&printed), digest.as_bytes());
        assert_eq!(certificate_value("CN=a:b"), b"CN=a:b");
    }
}

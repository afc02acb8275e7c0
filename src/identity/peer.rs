//! The connection that a request comes over, as its listener knows it, and what a trusted peer says of its client in its place.

use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;

use super::address::{client_address, is_trusted};
use super::certificate::{CERTIFICATE, Certificate};
use super::revocation::principal;
use crate::events::{Event, report};

/// Who is at the other end of a connection.
#[derive(Clone, Copy)]
pub struct Peer<'a> {
    /// Its address: the client's, or that of a proxy before us.
    pub address: IpAddr,
    /// The fingerprint of its TLS hello, if it came over TLS.
    pub ja4: Option<&'a Arc<str>>,
    /// The fingerprint of how it opened HTTP/2, if it did.
    pub http2: Option<&'a Arc<str>>,
    /// The certificate that it showed, if it did.
    pub certificate: Option<Certificate<'a>>,
    /// The networks of the proxies that are believed about their clients.
    pub trusted: &'a [IpNet],
    /// Where they write a client's address, if not in `Forwarded` or `X-Forwarded-For`.
    pub address_header: Option<&'a HeaderName>,
    /// Where they write the fingerprint of a client's hello, if they do.
    pub ja4_header: Option<&'a HeaderName>,
}

impl Peer<'_> {
    /// A client without TLS, that nobody stands before.
    pub fn at(address: IpAddr) -> Self {
        Self {
            address,
            ja4: None,
            http2: None,
            certificate: None,
            trusted: &[],
            address_header: None,
            ja4_header: None,
        }
    }

    /// Whether it is believed about its clients.
    pub(super) fn is_trusted(&self) -> bool {
        is_trusted(self.address, self.trusted)
    }

    /// Whether it is the client at `client` itself, and no proxy before it: one that is trusted speaks for others, also where
    /// nobody can read for whom.
    fn is_client(&self, client: IpAddr) -> bool {
        !self.is_trusted() && client == self.address.to_canonical()
    }

    /// The certificate of the client at `client`: a proxy's own says nothing about those behind it.
    pub(super) fn client_certificate(&self, client: IpAddr) -> Option<Certificate<'_>> {
        self.certificate.filter(|_| self.is_client(client))
    }

    /// The principal that the certificate of the client names which sends these fields.
    pub fn certified(&self, headers: &HeaderMap) -> Option<Arc<[u8]>> {
        let shown = self.client_certificate(client_address(headers, self))?;
        Some(principal(CERTIFICATE, shown.name()).into())
    }

    /// How the client at `client` opened HTTP/2: a proxy's own connection says nothing about those behind it.
    pub(super) fn client_http2(&self, client: IpAddr) -> Option<Arc<str>> {
        self.http2.filter(|_| self.is_client(client)).cloned()
    }

    /// The fingerprint of the hello of the client at `client`: what a trusted peer says, else that of the connection, if it is
    /// the client's own. A proxy's hello says nothing about those behind it.
    pub(super) fn client_ja4(&self, headers: &HeaderMap, client: IpAddr) -> Option<Arc<str>> {
        let said = self.ja4_header.filter(|_| self.is_trusted());
        let Some(values) = said
            .map(|name| headers.get_all(name))
            .filter(|values| values.iter().next().is_some())
        else {
            return self.ja4.filter(|_| self.is_client(client)).cloned();
        };
        let said = only(values.iter()).and_then(|value| value.to_str().ok());
        let ja4 = said.map(str::trim).filter(|text| is_ja4(text));
        if ja4.is_none() {
            report(&Event::CredentialsDisagree { kind: "ja4" });
        }
        ja4.map(Arc::from)
    }
}

/// The one value of a field; none of several, for a client may have sent the other.
pub(super) fn only<'v>(mut values: impl Iterator<Item = &'v HeaderValue>) -> Option<&'v HeaderValue> {
    let first = values.next()?;
    values.next().is_none().then_some(first)
}

/// Whether this has the form of a fingerprint, over TCP, QUIC or DTLS: `t13d1516h2_8daaf6152771_e5627efa2ab1`.
fn is_ja4(text: &str) -> bool {
    let mut parts = text.split('_');
    let (Some(plain), Some(ciphers), Some(extensions), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let is_hash = |part: &str| part.len() == 12 && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let &[transport, _, _, name, ref counts @ .., _, _] = plain.as_bytes() else {
        return false;
    };
    matches!(transport, b't' | b'q' | b'd')
        && matches!(name, b'd' | b'i')
        && counts.len() == 4
        && counts.iter().all(u8::is_ascii_digit)
        && plain.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && is_hash(ciphers)
        && is_hash(extensions)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BROWSER: &str = "t13d1516h2_8daaf6152771_e5627efa2ab1";
    const OTHER: &str = "q13d0310h3_55b375c5d22e_cd85d2d88918";

    #[test]
    fn a_fingerprint_has_one_form() {
        for good in [BROWSER, OTHER, "t00i000000_000000000000_000000000000"] {
            assert!(is_ja4(good), "{good}");
        }
        for bad in [
            "",
            "unread",
            "x13d1516h2_8daaf6152771_e5627efa2ab1",
            "t13x1516h2_8daaf6152771_e5627efa2ab1",
            "t13d15a6h2_8daaf6152771_e5627efa2ab1",
            "t13d1516h2_8daaf6152771_e5627efa2ab",
            "t13d1516h2_8daaf6152771_E5627EFA2AB1",
            "t13d1516h2_8daaf6152771_e5627efa2ab1_0",
            "t13d1516h2-8daaf6152771-e5627efa2ab1",
            "t13d1516é_8daaf6152771_e5627efa2ab1",
        ] {
            assert!(!is_ja4(bad), "{bad}");
        }
    }

    #[test]
    fn a_fingerprint_is_the_clients_own_or_what_a_trusted_proxy_says() {
        /// Peer, whether the header is named, its values, the client, the fingerprint.
        type Case<'a> = (&'a str, bool, &'a [&'a str], &'a str, Option<&'a str>);
        let trusted = ["10.0.0.0/8".parse().expect("a network")];
        let (client, proxy) = ("192.0.2.1", "10.0.0.1");
        let header = HeaderName::from_static("x-ja4");
        let cases: [Case<'_>; 9] = [
            (client, false, &[], client, Some(BROWSER)),
            (client, true, &[OTHER], client, Some(BROWSER)),
            (proxy, true, &[OTHER], client, Some(OTHER)),
            (proxy, false, &[OTHER], client, None),
            (proxy, true, &[], client, None),
            (proxy, true, &[], proxy, None),
            (proxy, true, &["made up"], client, None),
            (proxy, true, &["made up"], proxy, None),
            (proxy, true, &[BROWSER, OTHER], client, None),
        ];
        let own: Arc<str> = BROWSER.into();
        for (address, is_named, values, client, expected) in cases {
            let peer = Peer {
                ja4: Some(&own),
                trusted: &trusted,
                ja4_header: is_named.then_some(&header),
                ..Peer::at(address.parse().expect("an address"))
            };
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(&header, value.parse().expect("a value"));
            }
            let certificate = Certificate {
                spiffe: None,
                subject: Some("CN=own"),
                digest: "",
            };
            let peer = Peer {
                certificate: Some(certificate),
                ..peer
            };
            let client_address = client.parse().expect("an address");
            let is_its_own = peer.client_certificate(client_address).is_some();
            assert_eq!(is_its_own, client == address && address != proxy, "{address}, {client}");
            let found = peer.client_ja4(&headers, client.parse().expect("an address"));
            assert_eq!(
                found.as_deref(),
                expected,
                "{address}, {is_named}, {values:?}, {client}"
            );
        }
    }
}

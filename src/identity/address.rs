//! Where a client is: its address behind trusted proxies, and the bytes that its address and network keys are made of.

use std::net::{IpAddr, Ipv6Addr};

use http::header::FORWARDED;
use http::{HeaderMap, HeaderName};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use smallvec::SmallVec;

use super::peer::{Peer, only};
use crate::events::{Event, report};

/// Entries of a forwarding header that are looked at, from the right; a longer chain of trusted proxies is not believed.
const FORWARDED_HOPS_MAX: usize = 32;

/// The bytes of one address or network key.
pub type AddressKey = SmallVec<[u8; 8]>;

/// The value of an address key: an IPv4 address, or the /64 of an IPv6 one, since a client owns that whole.
pub fn address_key(address: IpAddr) -> AddressKey {
    match address.to_canonical() {
        IpAddr::V4(v4) => SmallVec::from_slice(&v4.octets()),
        IpAddr::V6(v6) => v6.octets().into_iter().take(8).collect(),
    }
}

/// The network of an address: /24 or /48.
pub fn network_of(address: IpAddr) -> IpNet {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpNet::V4(Ipv4Net::new_assert(v4, 24).trunc()),
        IpAddr::V6(v6) => IpNet::V6(Ipv6Net::new_assert(v6, 48).trunc()),
    }
}

/// The value of a network key: the bytes of the prefix of [`network_of`].
pub fn network_key(address: IpAddr) -> AddressKey {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.octets().into_iter().take(3).collect(),
        IpAddr::V6(v6) => v6.octets().into_iter().take(6).collect(),
    }
}

/// The client's address: that of the connection, or, where the peer is trusted, what it writes into its own header, or the
/// rightmost one of `Forwarded` (RFC 7239) or `X-Forwarded-For` that is not trusted. Where both are there and name different
/// clients, a proxy passed on one that it did not write, so neither is believed.
pub(super) fn client_address(headers: &HeaderMap, peer: &Peer<'_>) -> IpAddr {
    let Peer { trusted, .. } = *peer;
    let is_trusted = peer.is_trusted();
    let address_header = peer.address_header;
    let peer = peer.address.to_canonical();
    if !is_trusted {
        return peer;
    }
    if let Some(name) = address_header {
        return written(headers, name).unwrap_or(peer);
    }
    let values = |name: &str| {
        headers
            .get_all(name)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()))
            .collect::<Vec<_>>()
    };
    let classic = values("x-forwarded-for");
    let standard = values(FORWARDED.as_str());
    let classic = walk(
        peer,
        trusted,
        classic.iter().rev().flat_map(|line| line.rsplit(',')).map(parse_node),
    );
    let standard = walk(
        peer,
        trusted,
        standard
            .iter()
            .rev()
            .flat_map(|line| line.rsplit(','))
            .map(parse_forwarded),
    );
    match (classic, standard) {
        (Some(one), Some(other)) if one != other => {
            report(&Event::CredentialsDisagree { kind: "forwarded" });
            peer
        }
        (Some(address), _) | (None, Some(address)) => address,
        (None, None) => peer,
    }
}

/// The address in the one header that has it. What cannot be read is not believed, nor one of two.
fn written(headers: &HeaderMap, name: &HeaderName) -> Option<IpAddr> {
    let values = headers.get_all(name);
    let value = only(values.iter()).and_then(|value| value.to_str().ok());
    let address = value.and_then(parse_node);
    if address.is_none() && values.iter().next().is_some() {
        report(&Event::CredentialsDisagree { kind: "forwarded" });
    }
    address
}

/// Walks from the nearest hop outwards and stops at the first one that nobody trusted vouches for. `None` if the
/// header is absent.
fn walk(peer: IpAddr, trusted: &[IpNet], hops: impl Iterator<Item = Option<IpAddr>>) -> Option<IpAddr> {
    let mut address = None;
    for hop in hops.take(FORWARDED_HOPS_MAX) {
        let Some(hop) = hop else { return address.or(Some(peer)) };
        address = Some(hop);
        if !is_trusted(hop, trusted) {
            break;
        }
    }
    address
}

/// Whether one of these networks has the address; an IPv4 one may be written as an IPv6 one.
pub fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    let address = address.to_canonical();
    trusted.iter().any(|net| net.contains(&address))
}

/// The `for` of one element of `Forwarded`. A quoted string with a comma in it does not parse, and stops the walk.
fn parse_forwarded(element: &str) -> Option<IpAddr> {
    element.split(';').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("for")
            .then(|| parse_node(value.trim().trim_matches('"')))?
    })
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:80`.
fn parse_node(node: &str) -> Option<IpAddr> {
    let node = node.trim();
    let address = if let Some(rest) = node.strip_prefix('[') {
        let (address, _) = rest.split_once(']')?;
        IpAddr::V6(address.parse::<Ipv6Addr>().ok()?)
    } else {
        match node.split_once(':') {
            Some((address, port)) if !port.contains(':') => address.parse().ok()?,
            _ => node.parse().ok()?,
        }
    };
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_the_part_that_one_client_owns() {
        let cases: &[(&str, &[u8], &str, &[u8])] = &[
            ("192.0.2.7", &[192, 0, 2, 7], "192.0.2.0/24", &[192, 0, 2]),
            ("::ffff:192.0.2.7", &[192, 0, 2, 7], "192.0.2.0/24", &[192, 0, 2]),
            (
                "2001:db8:1:2:3:4:5:6",
                &[0x20, 1, 0x0d, 0xb8, 0, 1, 0, 2],
                "2001:db8:1::/48",
                &[0x20, 1, 0x0d, 0xb8, 0, 1],
            ),
        ];
        for (address, key, network, prefix) in cases {
            let address = address.parse().expect("an address");
            assert_eq!(address_key(address).as_slice(), *key);
            assert_eq!(network_of(address).to_string(), *network);
            assert_eq!(network_key(address).as_slice(), *prefix);
        }
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        let trusted: Vec<IpNet> = ["10.0.0.0/8", "fd00::/8"]
            .iter()
            .map(|net| net.parse().expect("a network"))
            .collect();
        // peer, X-Forwarded-For, Forwarded, the client
        let cases: &[(&str, &[&str], &[&str], &str)] = &[
            ("203.0.113.9", &["198.51.100.1"], &[], "203.0.113.9"),
            ("10.0.0.1", &[], &[], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1"], &[], "198.51.100.1"),
            ("::ffff:10.0.0.1", &["198.51.100.1"], &[], "198.51.100.1"),
            ("10.0.0.1", &["6.6.6.6, 198.51.100.1, 10.0.0.2"], &[], "198.51.100.1"),
            ("10.0.0.1", &["6.6.6.6", "198.51.100.1"], &[], "198.51.100.1"),
            ("10.0.0.1", &["6.6.6.6, unknown"], &[], "10.0.0.1"),
            ("10.0.0.1", &["6.6.6.6, unknown, 10.0.0.3"], &[], "10.0.0.3"),
            ("10.0.0.1", &["198.51.100.1:4711"], &[], "198.51.100.1"),
            ("10.0.0.1", &["10.0.0.9, 10.0.0.2"], &[], "10.0.0.9"),
            (
                "fd00::1",
                &[],
                &["for=6.6.6.6, FOR=\"[2001:db8::7]:80\";proto=https"],
                "2001:db8::7",
            ),
            ("10.0.0.1", &["198.51.100.1"], &["for=198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["198.51.100.1"], &["for=6.6.6.6"], "10.0.0.1"),
            ("10.0.0.1", &[""], &[], "10.0.0.1"),
        ];
        for (peer, classic, standard, client) in cases {
            let classic_lines = classic.iter().map(|value| ("x-forwarded-for", value));
            let lines = classic_lines.chain(standard.iter().map(|value| ("forwarded", value)));
            let mut headers = HeaderMap::new();
            for (name, value) in lines {
                headers.append(name, value.parse().expect("a value"));
            }
            let peer = Peer {
                trusted: &trusted,
                ..Peer::at(peer.parse().expect("an address"))
            };
            let found = client_address(&headers, &peer);
            assert_eq!(
                found.to_string(),
                *client,
                "peer {}, {classic:?}, {standard:?}",
                peer.address
            );
        }
    }

    #[test]
    fn a_chain_longer_than_the_limit_ends_at_the_limit() {
        let trusted = ["10.0.0.0/8".parse().expect("a network")];
        let mut headers = HeaderMap::new();
        let chain = format!("198.51.100.1{}", ", 10.1.1.1".repeat(FORWARDED_HOPS_MAX));
        headers.insert("x-forwarded-for", chain.parse().expect("a value"));
        let peer = Peer {
            trusted: &trusted,
            ..Peer::at("10.0.0.1".parse().expect("an address"))
        };
        let found = client_address(&headers, &peer);
        assert_eq!(found.to_string(), "10.1.1.1");
    }

    #[test]
    fn a_header_of_its_own_is_believed_of_a_trusted_proxy_alone() {
        let trusted = ["10.0.0.0/8".parse().expect("a network")];
        let header = HeaderName::from_static("true-client-ip");
        let cases: &[(&str, &[&str], &str)] = &[
            ("203.0.113.9", &["198.51.100.1"], "203.0.113.9"),
            ("10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["198.51.100.1:4711"], "198.51.100.1"),
            ("10.0.0.1", &["2001:db8::7"], "2001:db8::7"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["someone"], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1, 198.51.100.2"], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1", "198.51.100.2"], "10.0.0.1"),
        ];
        for (address, values, client) in cases {
            let mut headers = HeaderMap::new();
            headers.append("x-forwarded-for", "6.6.6.6".parse().expect("a value"));
            for value in *values {
                headers.append(&header, value.parse().expect("a value"));
            }
            let peer = Peer {
                trusted: &trusted,
                address_header: Some(&header),
                ..Peer::at(address.parse().expect("an address"))
            };
            assert_eq!(
                client_address(&headers, &peer).to_string(),
                *client,
                "{address}, {values:?}"
            );
        }
    }
}

//! Which host a request is for: one answer, whoever reads it (RFC 9113 section 8.3.1 of HTTP/2).

use std::net::{IpAddr, Ipv6Addr};

use http::header::HOST;
use http::{HeaderMap, Uri};

use super::framing::{Fault, is_authority_byte};

/// What makes the host of a request over HTTP/2 two, none or no host. Over HTTP/1 the framing reader asks the same: a
/// route that is chosen by one host must not lead to another one at the origin.
pub(super) fn fault(uri: &Uri, fields: &HeaderMap) -> Option<Fault> {
    let mut hosts = fields.get_all(HOST).iter().map(http::HeaderValue::as_bytes);
    let authority = uri.authority().map(|authority| authority.as_str().as_bytes());
    match (authority, hosts.next(), hosts.next()) {
        (_, _, Some(_)) => Some(Fault::HostTwice),
        (None, None, None) => Some(Fault::HostMissing),
        (Some(authority), Some(host), None) if !authority.eq_ignore_ascii_case(host) => Some(Fault::Host),
        (Some(host), _, None) | (None, Some(host), None) => {
            let is_plain = !host.is_empty() && host.iter().all(|byte| is_authority_byte(*byte));
            (!is_plain).then_some(Fault::Host)
        }
    }
}

/// The host of an authority as it is counted under: in lower case, without its port and the dot of the root. An address has one
/// spelling.
pub(super) fn destination(authority: &str) -> String {
    let (name, port) = authority.rsplit_once(':').unwrap_or((authority, ""));
    let is_port = port.bytes().all(|byte| byte.is_ascii_digit());
    let host = if is_port { name } else { authority };
    let host = host.strip_suffix('.').unwrap_or(host);
    canonical(host).unwrap_or_else(|| host.to_ascii_lowercase())
}

/// An IPv6 address in brackets as RFC 5952 writes it, and one that stands for an IPv4 address as that.
fn canonical(host: &str) -> Option<String> {
    let address: Ipv6Addr = host.strip_prefix('[')?.strip_suffix(']')?.parse().ok()?;
    Some(match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_host_is_one_destination_however_it_is_written() {
        for (authority, host) in [
            ("a.example", "a.example"),
            ("A.Example:443", "a.example"),
            ("a.example.", "a.example"),
            ("a.example.:80", "a.example"),
            ("[2001:db8::1]:443", "[2001:db8::1]"),
            ("[2001:DB8::1]", "[2001:db8::1]"),
            ("[2001:db8:0:0:0::0001]", "[2001:db8::1]"),
            ("[::ffff:c000:207]:80", "192.0.2.7"),
            ("192.0.2.7:8080", "192.0.2.7"),
            ("", ""),
        ] {
            assert_eq!(destination(authority), host, "{authority}");
        }
    }

    #[test]
    fn a_request_names_one_host() {
        let cases: [(&str, &[&str], Option<Fault>); 9] = [
            ("http://a/", &[], None),
            ("http://a:80/", &["A:80"], None),
            ("/", &["a"], None),
            ("/", &[], Some(Fault::HostMissing)),
            ("http://a/", &["b"], Some(Fault::Host)),
            ("http://a/", &["a", "a"], Some(Fault::HostTwice)),
            ("/", &["a", "b"], Some(Fault::HostTwice)),
            ("http://b@a/", &[], Some(Fault::Host)),
            ("/", &["b@a"], Some(Fault::Host)),
        ];
        for (uri, hosts, expected) in cases {
            let fields = hosts.iter().map(|host| (HOST, host.parse().unwrap())).fold(
                HeaderMap::new(),
                |mut fields, (name, value)| {
                    fields.append(name, value);
                    fields
                },
            );
            assert_eq!(fault(&uri.parse().unwrap(), &fields), expected, "{uri} {hosts:?}");
        }
    }
}

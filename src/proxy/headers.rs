//! What a proxy must take from a head and add to it (RFC 9110 section 7.6): pure functions on a header map.

use std::net::IpAddr;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use http::header::{
    ALT_SVC, CONNECTION, EXPECT, FORWARDED, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING,
    UPGRADE, VIA,
};
use http::{HeaderMap, HeaderName, HeaderValue, Version};

/// Our name in `Via`.
const PSEUDONYM: &str = "tidegate";
/// How often a request may have passed gateways of our name: a chain of them is fine, a loop is not.
const PASSES_MAX: usize = 4;
/// Bytes of a request id that is kept as the client sent it.
const REQUEST_ID_BYTES_MAX: usize = 128;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Fields of one hop that need not be named in Connection.
const HOP_BY_HOP: [HeaderName; 6] = [
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Where a request came from, as the headers upstream are to tell.
#[derive(Clone, Copy, Debug)]
pub struct Hop {
    /// The address of the peer.
    pub peer: IpAddr,
    /// Whether the peer is a proxy whose own `Forwarded` and `X-Forwarded-*` are believed.
    pub trusted: bool,
    /// Whether the listener ended TLS.
    pub is_tls: bool,
    /// The version that the request came with.
    pub version: Version,
}

/// The request has passed here too often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loop;

/// Makes the head of a request ready to be forwarded: hop-by-hop fields go, `Via` and `X-Forwarded-*` come, Host and
/// everything else stays. An offer to switch protocols stays, without `h2c`. `authority` is the host of a target that
/// carries one, as in HTTP/2.
///
/// # Errors
///
/// The request came round in a loop.
pub fn forward_request(headers: &mut HeaderMap, authority: Option<&str>, hop: &Hop) -> Result<(), Loop> {
    let own = headers
        .get_all(VIA)
        .iter()
        .map(|via| passes(via.as_bytes()))
        .sum::<usize>();
    if own >= PASSES_MAX {
        return Err(Loop);
    }
    let offer = upgrade_offer(headers);
    strip_hop_by_hop(headers);
    // hyper answers the expectation itself and sends the body at once.
    headers.remove(EXPECT);
    if let Some(offer) = offer {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, offer);
    }
    headers.append(VIA, via(hop.version));
    set_forwarded(headers, authority, hop);
    let keeps_id = headers.get(X_REQUEST_ID).is_some_and(|id| is_sane_id(id.as_bytes()));
    if !keeps_id {
        headers.insert(X_REQUEST_ID, request_id());
    }
    Ok(())
}

/// Makes the head of a response ready to be passed on. `Alt-Svc` goes too: it would lead clients around the gateway.
pub fn forward_response(headers: &mut HeaderMap, switches: bool) {
    let protocol = if switches { headers.get(UPGRADE).cloned() } else { None };
    strip_hop_by_hop(headers);
    headers.remove(ALT_SVC);
    headers.append(VIA, via(Version::HTTP_11));
    if let Some(protocol) = protocol {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, protocol);
    }
}

/// The protocols that a request offers to switch to; never `h2c`, through which a client could pass uncounted.
pub fn upgrade_offer(headers: &HeaderMap) -> Option<HeaderValue> {
    let offered = headers.get(UPGRADE)?;
    let listed = headers
        .get_all(CONNECTION)
        .iter()
        .any(|value| has_token(value.as_bytes(), b"upgrade"));
    if !listed {
        return None;
    }
    if !has_token(offered.as_bytes(), b"h2c") {
        return Some(offered.clone());
    }
    let kept: Vec<&str> = offered
        .to_str()
        .ok()?
        .split(',')
        .map(str::trim)
        .filter(|item| !is_h2c(item))
        .collect();
    HeaderValue::from_str(&kept.join(", "))
        .ok()
        .filter(|value| !value.is_empty())
}

/// Removes what concerns one hop: the fields above, those that Connection names, and TE but for `trailers`.
pub fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        // A peer may not talk us out of the fields that say whose message it is and how long.
        .filter(|name| *name != TE && *name != HOST && *name != http::header::CONTENT_LENGTH)
        .collect();
    if headers.remove(CONNECTION).is_some() {
        for name in named {
            headers.remove(name);
        }
    }
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
    let takes_trailers = headers
        .get_all(TE)
        .iter()
        .any(|value| has_token(value.as_bytes(), b"trailers"));
    if headers.remove(TE).is_some() && takes_trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
}

fn set_forwarded(headers: &mut HeaderMap, authority: Option<&str>, hop: &Hop) {
    let scheme = if hop.is_tls { "https" } else { "http" };
    let host = authority
        .and_then(|host| HeaderValue::from_str(host).ok())
        .or_else(|| headers.get(HOST).cloned());
    if !hop.trusted {
        for name in [
            FORWARDED,
            X_FORWARDED_FOR,
            X_FORWARDED_HOST,
            X_FORWARDED_PROTO,
            X_REAL_IP,
        ] {
            headers.remove(name);
        }
    }
    let mut chain = String::new();
    for value in headers
        .get_all(X_FORWARDED_FOR)
        .iter()
        .filter_map(|value| value.to_str().ok())
    {
        chain.push_str(value);
        chain.push_str(", ");
    }
    chain.push_str(&hop.peer.to_canonical().to_string());
    if let Ok(chain) = HeaderValue::try_from(chain) {
        headers.insert(X_FORWARDED_FOR, chain);
    }
    headers
        .entry(X_FORWARDED_PROTO)
        .or_insert(HeaderValue::from_static(scheme));
    if let Some(host) = host {
        headers.entry(X_FORWARDED_HOST).or_insert(host);
    }
    if headers.contains_key(FORWARDED) {
        let element = match hop.peer.to_canonical() {
            IpAddr::V4(address) => format!("for={address};proto={scheme}"),
            IpAddr::V6(address) => format!("for=\"[{address}]\";proto={scheme}"),
        };
        if let Ok(element) = HeaderValue::try_from(element) {
            headers.append(FORWARDED, element);
        }
    }
}

/// How many entries of a `Via` value bear our name.
fn passes(via: &[u8]) -> usize {
    let is_own = |entry: &&[u8]| {
        let mut words = entry.trim_ascii().split(u8::is_ascii_whitespace);
        words
            .nth(1)
            .is_some_and(|name| name.eq_ignore_ascii_case(PSEUDONYM.as_bytes()))
    };
    via.split(|byte| *byte == b',').filter(is_own).count()
}

/// `Via` names the protocol that the message came with.
fn via(version: Version) -> HeaderValue {
    HeaderValue::from_static(match version {
        Version::HTTP_2 => "2 tidegate",
        Version::HTTP_10 => "1.0 tidegate",
        _ => "1.1 tidegate",
    })
}

fn has_token(list: &[u8], token: &[u8]) -> bool {
    list.split(|byte| *byte == b',')
        .any(|item| item.trim_ascii().eq_ignore_ascii_case(token))
}

fn is_h2c(protocol: &str) -> bool {
    protocol.eq_ignore_ascii_case("h2c")
}

fn is_sane_id(id: &[u8]) -> bool {
    !id.is_empty() && id.len() <= REQUEST_ID_BYTES_MAX && id.iter().all(u8::is_ascii_graphic)
}

/// 128 bits: 64 random ones of this process, then a counter. Unique, cheap, and tells nothing.
fn request_id() -> HeaderValue {
    static PROCESS: LazyLock<u64> = LazyLock::new(|| getrandom::u64().unwrap_or_default());
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let id = format!("{:016x}{:016x}", *PROCESS, NEXT.fetch_add(1, Relaxed));
    HeaderValue::try_from(id).unwrap_or(HeaderValue::from_static("0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(fields: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(
                HeaderName::try_from(*name).unwrap(),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        headers
    }

    fn list(headers: &HeaderMap) -> Vec<String> {
        let mut lines: Vec<_> = headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        lines.sort();
        lines
    }

    #[test]
    fn hop_by_hop_fields_stay_behind() {
        type Case<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str]);
        let cases: [Case<'_>; 6] = [
            (&[("host", "a"), ("accept", "*/*")], &["accept: */*", "host: a"]),
            (
                &[("connection", "close, X-Secret"), ("x-secret", "1"), ("x-kept", "2")],
                &["x-kept: 2"],
            ),
            (&[("te", "trailers, deflate")], &["te: trailers"]),
            (&[("te", "deflate")], &[]),
            (
                &[
                    ("connection", "TE, host, content-length"),
                    ("te", "trailers"),
                    ("host", "a"),
                    ("content-length", "3"),
                ],
                &["content-length: 3", "host: a", "te: trailers"],
            ),
            (
                &[
                    ("keep-alive", "timeout=5"),
                    ("proxy-connection", "x"),
                    ("proxy-authorization", "Basic eA=="),
                    ("transfer-encoding", "chunked"),
                    ("upgrade", "websocket"),
                ],
                &[],
            ),
        ];
        for (given, kept) in cases {
            let mut headers = map(given);
            strip_hop_by_hop(&mut headers);
            assert_eq!(list(&headers), kept, "{given:?}");
        }
    }

    fn hop(trusted: bool) -> Hop {
        Hop {
            peer: "192.0.2.7".parse().unwrap(),
            trusted,
            is_tls: true,
            version: Version::HTTP_11,
        }
    }

    #[test]
    fn an_untrusted_peer_cannot_choose_its_address() {
        let given = [
            ("host", "shop.example"),
            ("x-forwarded-for", "10.0.0.1"),
            ("forwarded", "for=10.0.0.1"),
            ("x-real-ip", "10.0.0.1"),
        ];
        let mut headers = map(&given);
        forward_request(&mut headers, None, &hop(false)).unwrap();
        assert_eq!(headers["x-forwarded-for"], "192.0.2.7");
        assert_eq!(headers["x-forwarded-proto"], "https");
        assert_eq!(headers["x-forwarded-host"], "shop.example");
        assert!(!headers.contains_key("forwarded") && !headers.contains_key("x-real-ip"));

        let mut headers = map(&given);
        forward_request(&mut headers, None, &hop(true)).unwrap();
        assert_eq!(headers["x-forwarded-for"], "10.0.0.1, 192.0.2.7");
        let forwarded: Vec<_> = headers.get_all("forwarded").iter().collect();
        assert_eq!(forwarded, ["for=10.0.0.1", "for=192.0.2.7;proto=https"]);
    }

    #[test]
    fn a_loop_is_found_and_a_chain_is_not() {
        let mut headers = map(&[("host", "a"), ("via", "1.1 Tidegate, 1.1 other"), ("via", "2 tidegate")]);
        forward_request(&mut headers, None, &hop(false)).unwrap();
        forward_request(&mut headers, None, &hop(false)).unwrap();
        assert_eq!(forward_request(&mut headers, None, &hop(false)), Err(Loop));
    }

    #[test]
    fn an_offer_to_switch_passes_without_h2c() {
        let cases = [
            (Some("upgrade"), "websocket", Some("websocket")),
            (Some("keep-alive, Upgrade"), "websocket", Some("websocket")),
            (Some("upgrade, http2-settings"), "h2c", None),
            (Some("upgrade"), "H2C, websocket", Some("websocket")),
            (None, "websocket", None),
        ];
        for (connection, upgrade, passed) in cases {
            let mut headers = map(&[("host", "a"), ("upgrade", upgrade)]);
            if let Some(connection) = connection {
                headers.insert(CONNECTION, HeaderValue::from_static(connection));
            }
            forward_request(&mut headers, None, &hop(false)).unwrap();
            let forwarded = headers.get(UPGRADE).map(|value| value.to_str().unwrap());
            assert_eq!(forwarded, passed, "{connection:?} {upgrade}");
            assert_eq!(headers.contains_key(CONNECTION), passed.is_some());
        }
    }

    #[test]
    fn a_request_id_is_kept_if_it_is_sane() {
        for (sent, kept) in [("abc-1", true), ("", false), ("with space", false)] {
            let mut headers = map(&[("host", "a"), ("x-request-id", sent)]);
            forward_request(&mut headers, None, &hop(false)).unwrap();
            assert_eq!(headers["x-request-id"] == sent, kept, "{sent:?}");
        }
        assert_ne!(request_id(), request_id());
    }

    #[test]
    fn a_response_keeps_clients_at_the_gateway() {
        let mut headers = map(&[("alt-svc", "h3=\":443\""), ("connection", "close"), ("etag", "\"1\"")]);
        forward_response(&mut headers, false);
        assert_eq!(list(&headers), ["etag: \"1\"", "via: 1.1 tidegate"]);
    }
}

//! What a proxy must take from a head and add to it (RFC 9110 section 7.6): pure functions on a header map.

use std::net::IpAddr;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use http::header::{ALT_SVC, CONNECTION, EXPECT, FORWARDED, HOST, TE, UPGRADE, VIA};
use http::{HeaderMap, HeaderName, HeaderValue, Version};
use smallvec::SmallVec;

use super::framing::has_token;

/// Our name in `Via`.
const PSEUDONYM: &str = "tidegate";
/// How often a request may have passed gateways of our name: a chain of them is fine, a loop is not.
const PASSES_MAX: usize = 4;
/// Bytes of a request id that is kept as the client sent it.
const REQUEST_ID_BYTES_MAX: usize = 128;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Of our fields, those in which no client claims where it is.
static NO_CLAIMS: [HeaderName; 3] = [VIA, EXPECT, X_REQUEST_ID];

/// Names of one of the lists below that stand in a head. One pass over a head costs less than a look-up of each.
type Present = SmallVec<[HeaderName; 4]>;

/// Fields of one hop, whether named in Connection or not.
fn is_hop_by_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "te"
            | "keep-alive"
            | "proxy-connection"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "transfer-encoding"
            | "upgrade"
    )
}

/// Fields that a request may bring and that end here, or that we add to.
fn is_ours(name: &str) -> bool {
    matches!(
        name,
        "via"
            | "expect"
            | "forwarded"
            | "x-forwarded-for"
            | "x-forwarded-host"
            | "x-forwarded-proto"
            | "x-real-ip"
            | "x-request-id"
    )
}

/// Where a request came from, as the headers upstream are to tell.
#[derive(Clone, Copy, Debug)]
pub struct Hop<'a> {
    /// The address of the peer.
    pub peer: IpAddr,
    /// The same as [`address_field`] writes it, once for all requests of a connection.
    pub peer_field: &'a HeaderValue,
    /// Whether the peer is a proxy whose own `Forwarded` and `X-Forwarded-*` are believed.
    pub trusted: bool,
    /// Whether the listener ended TLS.
    pub is_tls: bool,
    /// Whether upstream is told who asks: who goes out is no origin's business.
    pub tells: bool,
    /// The version that the request came with.
    pub version: Version,
}

/// Why a request goes no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotForwarded {
    /// It has passed here too often.
    Loop,
    /// It expects something other than `100-continue`.
    Expectation,
}

/// Makes the head of a request ready to be forwarded: hop-by-hop fields go, `Via` and `X-Forwarded-*` come, Host and
/// everything else stays. An offer to switch protocols stays, without `h2c`. `authority` is the host of a target that
/// carries one, as in HTTP/2.
///
/// # Errors
///
/// The request came round in a loop, or expects what nobody can meet.
pub fn forward_request(headers: &mut HeaderMap, authority: Option<&str>, hop: &Hop<'_>) -> Result<(), NotForwarded> {
    let ours = present(headers, is_ours);
    if ours.contains(&VIA) {
        let all = headers.get_all(VIA).iter();
        if all.map(|via| passes(via.as_bytes())).sum::<usize>() >= PASSES_MAX {
            return Err(NotForwarded::Loop);
        }
    }
    if ours.contains(&EXPECT) {
        let mut expected = headers.get_all(EXPECT).iter();
        // hyper meets this one itself and sends the body at once; the origin would not learn of any other.
        if !expected.all(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue")) {
            return Err(NotForwarded::Expectation);
        }
        headers.remove(EXPECT);
    }
    let hop_by_hop = present(headers, is_hop_by_hop);
    let offer = if hop_by_hop.contains(&UPGRADE) {
        upgrade_offer(headers)
    } else {
        None
    };
    strip(headers, &hop_by_hop);
    if let Some(offer) = offer {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, offer);
    }
    headers.append(VIA, via(hop.version));
    if !hop.tells {
        return Ok(());
    }
    set_forwarded(headers, authority, hop, &ours);
    let is_kept = |headers: &HeaderMap| headers.get(X_REQUEST_ID).is_some_and(|id| is_sane_id(id.as_bytes()));
    if !ours.contains(&X_REQUEST_ID) || !is_kept(headers) {
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
    let present = present(headers, is_hop_by_hop);
    strip(headers, &present);
}

fn present(headers: &HeaderMap, is_listed: fn(&str) -> bool) -> Present {
    headers
        .keys()
        .filter(|name| is_listed(name.as_str()))
        .cloned()
        .collect()
}

/// `present` are the hop-by-hop fields that stand in the head.
fn strip(headers: &mut HeaderMap, present: &Present) {
    let named: Vec<HeaderName> = if present.contains(&CONNECTION) {
        headers
            .get_all(CONNECTION)
            .iter()
            .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
            .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
            // A peer may not talk us out of the fields that say whose message it is, how long, and how it is to be read.
            .filter(|name| *name != TE && *name != HOST && !name.as_str().starts_with("content-"))
            .collect()
    } else {
        Vec::new()
    };
    let takes_trailers = present.contains(&TE)
        && headers
            .get_all(TE)
            .iter()
            .any(|value| has_token(value.as_bytes(), b"trailers"));
    for name in named.iter().chain(present) {
        headers.remove(name);
    }
    if takes_trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
}

fn set_forwarded(headers: &mut HeaderMap, authority: Option<&str>, hop: &Hop<'_>, ours: &Present) {
    let scheme = if hop.is_tls { "https" } else { "http" };
    let host = authority
        .and_then(|host| HeaderValue::from_str(host).ok())
        .or_else(|| headers.get(HOST).cloned());
    let mut claims = ours.iter().filter(|name| !NO_CLAIMS.contains(name)).peekable();
    let claimed = claims.peek().is_some();
    if !hop.trusted {
        claims.for_each(|name| drop(headers.remove(name)));
    }
    let chain = if claimed {
        chain(headers, hop.peer_field)
    } else {
        hop.peer_field.clone()
    };
    headers.insert(X_FORWARDED_FOR, chain);
    headers
        .entry(X_FORWARDED_PROTO)
        .or_insert(HeaderValue::from_static(scheme));
    if let Some(host) = host {
        headers.entry(X_FORWARDED_HOST).or_insert(host);
    }
    if claimed && headers.contains_key(FORWARDED) {
        let element = match hop.peer.to_canonical() {
            IpAddr::V4(address) => format!("for={address};proto={scheme}"),
            IpAddr::V6(address) => format!("for=\"[{address}]\";proto={scheme}"),
        };
        if let Ok(element) = HeaderValue::try_from(element) {
            headers.append(FORWARDED, element);
        }
    }
}

/// The addresses that `X-Forwarded-For` names, and this one behind them.
fn chain(headers: &HeaderMap, peer: &HeaderValue) -> HeaderValue {
    let named = headers.get_all(X_FORWARDED_FOR).iter().chain([peer]);
    let readable: Vec<&str> = named.filter_map(|value| value.to_str().ok()).collect();
    HeaderValue::try_from(readable.join(", ")).unwrap_or_else(|_| peer.clone())
}

/// An address as a field value.
pub fn address_field(address: IpAddr) -> HeaderValue {
    HeaderValue::try_from(address.to_canonical().to_string()).unwrap_or(HeaderValue::from_static("unknown"))
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

fn is_h2c(protocol: &str) -> bool {
    protocol.eq_ignore_ascii_case("h2c")
}

fn is_sane_id(id: &[u8]) -> bool {
    !id.is_empty() && id.len() <= REQUEST_ID_BYTES_MAX && id.iter().all(u8::is_ascii_graphic)
}

/// 128 bits: 64 random ones of this process, then a counter. Unique, cheap, and tells nothing.
fn request_id() -> HeaderValue {
    static PROCESS: LazyLock<[u8; 16]> = LazyLock::new(|| hexadecimal(getrandom::u64().unwrap_or_default()));
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let id = [*PROCESS, hexadecimal(NEXT.fetch_add(1, Relaxed))];
    HeaderValue::from_bytes(id.as_flattened()).unwrap_or(HeaderValue::from_static("0"))
}

/// The sixteen digits of a number; `format!` costs several times the rest of a request id.
fn hexadecimal(number: u64) -> [u8; 16] {
    let mut digits = [b'0'; 16];
    let mut left = number;
    for digit in digits.iter_mut().rev() {
        let value = (left & 0xf) as u8;
        *digit = if value < 10 { b'0' + value } else { b'a' + value - 10 };
        left >>= 4;
    }
    digits
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
        let cases: [Case<'_>; 7] = [
            (&[("host", "a"), ("accept", "*/*")], &["accept: */*", "host: a"]),
            (
                &[("connection", "close, X-Secret"), ("x-secret", "1"), ("x-kept", "2")],
                &["x-kept: 2"],
            ),
            (
                &[
                    ("connection", "Content-Encoding, content-type"),
                    ("content-encoding", "gzip"),
                    ("content-type", "text/csv"),
                ],
                &["content-encoding: gzip", "content-type: text/csv"],
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

    fn hop(trusted: bool) -> Hop<'static> {
        static PEER: HeaderValue = HeaderValue::from_static("192.0.2.7");
        Hop {
            peer: "192.0.2.7".parse().unwrap(),
            peer_field: &PEER,
            trusted,
            is_tls: true,
            tells: true,
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
        assert_eq!(
            forward_request(&mut headers, None, &hop(false)),
            Err(NotForwarded::Loop)
        );
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
        assert_eq!(hexadecimal(0x0123_4567_89ab_cdef), *b"0123456789abcdef");
    }

    #[test]
    fn a_response_keeps_clients_at_the_gateway() {
        let mut headers = map(&[("alt-svc", "h3=\":443\""), ("connection", "close"), ("etag", "\"1\"")]);
        forward_response(&mut headers, false);
        assert_eq!(list(&headers), ["etag: \"1\"", "via: 1.1 tidegate"]);
    }
}

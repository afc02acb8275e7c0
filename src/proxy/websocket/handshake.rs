//! The handshake of WebSocket (RFC 6455, section 4): what a client may ask, and which answer is one.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use http::header::{SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use http::{HeaderMap, Method, request};

use crate::identity::encode_base64;
use crate::proxy::framing::Fault;

/// What an origin proves with that it has understood (section 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// The one version there is (section 4.1).
const VERSION: &[u8] = b"13";
/// A key is sixteen bytes in base64 (section 4.1).
const KEY_BYTES: usize = 24;

/// A handshake that a client has begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handshake {
    /// The only answer to its key.
    accept: String,
}

impl Handshake {
    /// The one in the head of a request; none if it offers nothing, or other protocols alone.
    ///
    /// # Errors
    ///
    /// It offers WebSocket and is no handshake: an origin would not switch, and whoever thinks it has is fooled.
    pub fn of(head: &request::Parts) -> Result<Option<Self>, Fault> {
        if !offers_websocket(&head.headers) {
            return Ok(None);
        }
        let bad = Fault::WebsocketHandshake;
        let key = only(&head.headers, &SEC_WEBSOCKET_KEY).filter(|key| is_key(key));
        let version = only(&head.headers, &SEC_WEBSOCKET_VERSION).filter(|version| *version == VERSION);
        let key = key.filter(|_| version.is_some() && head.method == Method::GET);
        Ok(Some(Self {
            accept: accept(key.ok_or(bad)?),
        }))
    }

    /// Whether an answer with these fields has understood it; `offered` says whether extensions were offered.
    pub fn is_met(&self, answer: &HeaderMap, offered: bool) -> bool {
        only(answer, &UPGRADE).is_some_and(is_websocket)
            && only(answer, &SEC_WEBSOCKET_ACCEPT) == Some(self.accept.as_bytes())
            && (offered || !answer.contains_key(SEC_WEBSOCKET_EXTENSIONS))
    }
}

/// Whether frames are deflated after this answer (RFC 7692, section 7).
pub(in crate::proxy) fn deflates(answer: &HeaderMap) -> bool {
    let mut values = answer.get_all(SEC_WEBSOCKET_EXTENSIONS).iter();
    values.any(|value| value.as_bytes().starts_with(b"permessage-deflate"))
}

/// Whether WebSocket is among the protocols that are named, of whatever version (RFC 9110, section 7.8).
pub(in crate::proxy) fn offers_websocket(headers: &HeaderMap) -> bool {
    let values = headers.get_all(UPGRADE).iter();
    let mut protocols = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    protocols.any(|protocol| {
        let name = protocol.split(|byte| *byte == b'/').next().unwrap_or_default();
        is_websocket(name.trim_ascii())
    })
}

fn is_websocket(protocol: &[u8]) -> bool {
    protocol.eq_ignore_ascii_case(b"websocket")
}

/// The value of a field that stands once.
fn only<'h>(headers: &'h HeaderMap, name: &http::HeaderName) -> Option<&'h [u8]> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    values.next().is_none().then(|| first.as_bytes().trim_ascii())
}

fn is_key(key: &[u8]) -> bool {
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/".contains(byte);
    let is_base64 = |digits: &[u8]| digits.iter().all(is_digit);
    key.len() == KEY_BYTES && key.strip_suffix(b"==").is_some_and(is_base64)
}

/// Base64 of the SHA-1 of the key and the GUID.
fn accept(key: &[u8]) -> String {
    let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, &[key, GUID].concat());
    encode_base64(hash.as_ref()).to_string()
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, Request};

    use super::*;

    fn asked(method: &str, fields: &[(&str, &str)]) -> request::Parts {
        let request = Request::builder().method(method).uri("/chat");
        let request = fields
            .iter()
            .fold(request, |request, (name, value)| request.header(*name, *value));
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn a_handshake_is_whole_or_refused_and_has_one_answer() {
        let fields = [
            ("upgrade", "WebSocket"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("sec-websocket-version", "13"),
        ];
        let handshake = Handshake::of(&asked("GET", &fields)).unwrap().unwrap();
        // The example of section 1.3.
        let mut answer = HeaderMap::new();
        answer.insert("upgrade", HeaderValue::from_static("websocket"));
        answer.insert(
            "sec-websocket-accept",
            HeaderValue::from_static("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        );
        assert!(handshake.is_met(&answer, false));
        answer.insert(
            "sec-websocket-extensions",
            HeaderValue::from_static("permessage-deflate"),
        );
        assert!(!handshake.is_met(&answer, false) && handshake.is_met(&answer, true) && deflates(&answer));
        answer.insert(
            "sec-websocket-accept",
            HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ=="),
        );
        assert!(!handshake.is_met(&answer, true));

        assert_eq!(Handshake::of(&asked("POST", &fields)), Err(Fault::WebsocketHandshake));
        for (at, other) in [(1, "short"), (1, "dGhlIHNhbXBsZSBub25jZQ=!"), (2, "12")] {
            let mut fields = fields;
            fields[at].1 = other;
            assert_eq!(Handshake::of(&asked("GET", &fields)), Err(Fault::WebsocketHandshake));
            assert_eq!(
                Handshake::of(&asked("GET", &fields[..at])),
                Err(Fault::WebsocketHandshake),
                "without it"
            );
        }
        for list in ["websocket, h2c", "raw , WebSocket", "websocket/13"] {
            let mut fields = fields;
            fields[0].1 = list;
            assert!(Handshake::of(&asked("GET", &fields)).unwrap().is_some(), "{list}");
            let without = Handshake::of(&asked("GET", &fields[..1]));
            assert_eq!(without, Err(Fault::WebsocketHandshake), "{list}");
        }
        for other in ["h2c", "websockets, h2c", "raw"] {
            assert_eq!(Handshake::of(&asked("GET", &[("upgrade", other)])), Ok(None));
        }
        assert_eq!(Handshake::of(&asked("GET", &[])), Ok(None));
    }
}

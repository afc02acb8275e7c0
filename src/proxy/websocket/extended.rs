//! WebSocket over HTTP/2 (RFC 8441): an extended CONNECT as the handshake of HTTP/1.1 that asks for the same, and its answer.

use http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE};
use http::{HeaderValue, Method, StatusCode, request, response};
use hyper::ext::Protocol;

use crate::identity::encode_base64;
use crate::proxy::framing::Fault;

/// Random bytes of a key (RFC 6455, section 4.1).
const KEY_BYTES: usize = 16;

/// Makes of an extended CONNECT the request that would ask for the same over HTTP/1.1, with a key of our own; whether it was one.
///
/// # Errors
///
/// It asks for another protocol than WebSocket.
pub(in crate::proxy) fn translate(head: &mut request::Parts) -> Result<bool, Fault> {
    let Some(protocol) = head.extensions.remove::<Protocol>() else {
        return Ok(false);
    };
    if protocol.as_str() != "websocket" || head.method != Method::CONNECT {
        return Err(Fault::ConnectProtocol);
    }
    head.method = Method::GET;
    head.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    head.headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    head.headers.insert(SEC_WEBSOCKET_KEY, key());
    Ok(true)
}

/// Makes of the answer that switches protocols the one of HTTP/2 (RFC 8441, section 5).
pub(in crate::proxy) fn translate_answer(head: &mut response::Parts) {
    head.status = StatusCode::OK;
    for name in [CONNECTION, UPGRADE, SEC_WEBSOCKET_ACCEPT] {
        head.headers.remove(name);
    }
}

/// Sixteen random bytes in base64. Without chance to be had they are zeros: the key only shows that the answer is to it.
fn key() -> HeaderValue {
    let mut bytes = [0; KEY_BYTES];
    getrandom::fill(&mut bytes).ok();
    HeaderValue::try_from(encode_base64(&bytes).as_str())
        .unwrap_or(HeaderValue::from_static("AAAAAAAAAAAAAAAAAAAAAA=="))
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;
    use crate::proxy::websocket::Handshake;

    fn asked(method: &str, protocol: Option<&'static str>) -> request::Parts {
        let request = Request::builder().method(method).uri("https://a.example/chat");
        let mut request = request.header("sec-websocket-version", "13").body(()).unwrap();
        if let Some(protocol) = protocol {
            request.extensions_mut().insert(Protocol::from_static(protocol));
        }
        request.into_parts().0
    }

    #[test]
    fn an_extended_connect_becomes_a_handshake_and_another_protocol_is_refused() {
        let mut head = asked("CONNECT", Some("websocket"));
        assert_eq!(translate(&mut head), Ok(true));
        assert_eq!((head.method.as_str(), head.uri.path()), ("GET", "/chat"));
        assert!(Handshake::of(&head).unwrap().is_some());
        let mut other = asked("CONNECT", Some("websocket"));
        translate(&mut other).unwrap();
        assert_ne!(head.headers["sec-websocket-key"], other.headers["sec-websocket-key"]);

        for protocol in ["webtransport", "connect-udp", "WebSocket", ""] {
            let refused = translate(&mut asked("CONNECT", Some(protocol)));
            assert_eq!(refused, Err(Fault::ConnectProtocol), "{protocol}");
        }
        assert_eq!(translate(&mut asked("CONNECT", None)), Ok(false));
        assert_eq!(translate(&mut asked("GET", None)), Ok(false));
    }
}

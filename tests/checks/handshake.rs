//! A head is a handshake of WebSocket or none, or refused, and one answer alone is to its key.

use http::{HeaderMap, HeaderName, HeaderValue, Method, request};
use tidegate::icap::{read_request, read_response};
use tidegate::proxy::framing::{Fault, HeadLimits};
use tidegate::proxy::websocket::Handshake;

const LIMITS: HeadLimits = HeadLimits {
    header_bytes_max: 4_096,
    headers_max: 16,
};
const KEY: HeaderName = HeaderName::from_static("sec-websocket-key");
const ACCEPT: HeaderName = HeaderName::from_static("sec-websocket-accept");

/// Settings: whether extensions were offered. A head, and the head of its answer.
pub(crate) fn handshake(data: &[u8]) {
    let Some(([offers], wire)) = super::settings(data) else {
        return;
    };
    let end = memchr::memmem::find(wire, b"\r\n\r\n").map_or(wire.len(), |end| end + 4);
    let (asked, answered) = wire.split_at(end);
    let Ok(head) = read_request(asked, LIMITS) else { return };
    let handshake = match (Handshake::of(&head), offers_websocket(&head.headers)) {
        (Ok(None), false) => return,
        (Err(Fault::WebsocketHandshake), true) if !is_whole(&head) => return,
        (Ok(Some(handshake)), true) if is_whole(&head) => handshake,
        (read, offers) => panic!("{read:?} of a head that offers it: {offers}"),
    };
    let Ok(answer) = read_response(answered, &Method::GET, LIMITS) else {
        return;
    };
    if handshake.is_met(&answer.headers, offers & 1 == 1) {
        answers_it_alone(&handshake, head, &answer.headers);
    }
}

fn offers_websocket(fields: &HeaderMap) -> bool {
    let all: Vec<&[u8]> = fields.get_all("upgrade").iter().map(HeaderValue::as_bytes).collect();
    let all = all.join(&b',').to_ascii_lowercase();
    let mut names = all.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    names.any(|name| {
        let rest = name.strip_prefix(b"websocket").map(<[u8]>::trim_ascii_start);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
    })
}

fn is_whole(head: &request::Parts) -> bool {
    let only = |name: &str| {
        let values: Vec<&[u8]> = head.headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
        <[&[u8]; 1]>::try_from(values).ok().map(|[value]| value.trim_ascii())
    };
    let is_key = |key: &[u8]| {
        let (digits, fill) = key.split_at(key.len().min(22));
        let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
        digits.iter().all(is_digit) && digits.len() == 22 && fill == b"=="
    };
    let is_version = only("sec-websocket-version") == Some(b"13");
    head.method == Method::GET && is_version && only(KEY.as_str()).is_some_and(is_key)
}

/// Another answer is none to it, and it is none to another key.
fn answers_it_alone(handshake: &Handshake, mut head: request::Parts, answer: &HeaderMap) {
    let other = |value: &HeaderValue| {
        let mut bytes = value.as_bytes().trim_ascii().to_vec();
        bytes[0] = if bytes[0] == b'A' { b'B' } else { b'A' };
        HeaderValue::from_bytes(&bytes).expect("letters")
    };
    let mut forged = answer.clone();
    forged.insert(ACCEPT, other(&answer[ACCEPT]));
    assert!(!handshake.is_met(&forged, true), "a forged answer");
    let key = other(&head.headers[KEY]);
    head.headers.insert(KEY, key);
    let another = Handshake::of(&head).expect("a handshake").expect("one of WebSocket");
    assert!(!another.is_met(answer, true), "an answer to another key");
}

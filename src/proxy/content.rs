//! What a head says of its content, and what is left of that when the content is read, changed or dropped.

use http::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, IF_RANGE, RANGE,
};
use http::{HeaderMap, HeaderName, HeaderValue, response};

use crate::engine::decode::Coding;
use crate::engine::inspect::{Content, Mode};

/// How the messages of a body are compressed, and may be (gRPC over HTTP/2, "Message-Encoding").
const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
const GRPC_ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");

/// Leaves of what a request asks for what can be looked into; in monitor nothing is changed.
pub(super) fn ask_for_readable(headers: &mut HeaderMap, mode: Mode) {
    match mode {
        Mode::Watch => return,
        Mode::Guard => restrict_codings(headers),
        Mode::Rewrite => {
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
    }
    restrict_compressions(headers, mode == Mode::Rewrite);
    // A part of a body has no whole records.
    headers.remove(RANGE);
    headers.remove(IF_RANGE);
}

/// Leaves of `Accept-Encoding` what can be looked into.
fn restrict_codings(headers: &mut HeaderMap) {
    let listed = headers
        .get_all(ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let known = listed.flat_map(|value| value.split(',')).map(str::trim).filter(|item| {
        let name = item.split(';').next().unwrap_or_default().trim();
        Coding::from_header(name.as_bytes()).is_some() && !name.is_empty()
    });
    let value = known.collect::<Vec<_>>().join(", ");
    let value = if value.is_empty() { "identity".to_owned() } else { value };
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(ACCEPT_ENCODING, value);
    }
}

/// Leaves of what a gRPC client accepts the compressions of messages that can be looked into; none where they are masked.
fn restrict_compressions(headers: &mut HeaderMap, masks: bool) {
    if headers.contains_key(GRPC_ACCEPT_ENCODING) {
        let value = if masks { "identity" } else { "identity, gzip, deflate" };
        headers.insert(GRPC_ACCEPT_ENCODING, HeaderValue::from_static(value));
    }
}

/// What a body is, as its head says.
pub(super) fn content(headers: &HeaderMap) -> Content {
    let content = Content::new(coding(headers), content_type(headers));
    match headers.get(GRPC_ENCODING) {
        Some(value) => content.with_grpc_encoding(value.as_bytes()),
        None => content,
    }
}

/// The coding of a body; `None` when it cannot be undone.
pub(super) fn coding(headers: &HeaderMap) -> Option<Coding> {
    Coding::from_headers(headers.get_all(CONTENT_ENCODING).iter().map(HeaderValue::as_bytes))
}

pub(super) fn content_type(headers: &HeaderMap) -> &[u8] {
    headers.get(CONTENT_TYPE).map_or(b"", HeaderValue::as_bytes)
}

/// What names the bytes of a body that is no longer the same.
pub(super) fn drop_validators(headers: &mut HeaderMap) {
    for name in ["etag", "digest", "content-digest", "repr-digest", "content-md5"] {
        headers.remove(name);
    }
}

/// Leaves of a head what is true of an empty body.
pub(super) fn drop_content(head: &mut response::Parts) {
    for name in [CONTENT_TYPE, CONTENT_ENCODING, CONTENT_LENGTH] {
        head.headers.remove(name);
    }
    drop_validators(&mut head.headers);
    head.headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

/// An altered response says so to machines; a decoded one no longer says how it was coded.
pub(super) fn mark_altered(head: &mut response::Parts, mode: Mode, coding: Option<Coding>, may_be_masked: bool) {
    head.headers.remove(ACCEPT_RANGES);
    leave_decoded(&mut head.headers, mode, coding);
    if may_be_masked {
        drop_validators(&mut head.headers);
        head.headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

/// The same of a request. `is_masked`: a field was dropped.
pub(super) fn mark_altered_upload(headers: &mut HeaderMap, mode: Mode, coding: Option<Coding>, is_masked: bool) {
    leave_decoded(headers, mode, coding);
    if mode == Mode::Rewrite || is_masked {
        drop_validators(headers);
    }
}

/// What may be masked leaves decoded, and no longer says how it was coded.
fn leave_decoded(headers: &mut HeaderMap, mode: Mode, coding: Option<Coding>) {
    if mode == Mode::Rewrite && coding.is_some_and(|coding| coding != Coding::Identity) {
        headers.remove(CONTENT_ENCODING);
        headers.remove(CONTENT_LENGTH);
    }
}

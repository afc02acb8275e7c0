//! An answer that was decoded to be masked, coded again where its route asks for that: in gzip, flushed at every piece.

use std::io::{self, Write as _};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, VARY};
use http::{HeaderMap, HeaderValue, response};
use http_body::{Body, Frame};
use http_body_util::Full;
use schemars::JsonSchema;
use serde::Deserialize;

use super::answer::{Answer, UpstreamBody};
use super::asked::Asked;
use super::body::InspectedBody;
use super::connection::BoxError;
use super::content::content_type;
use super::route::Route;
use crate::engine::inspect::Mode;
use crate::engine::structure::Declared;

/// A coding in which an answer is coded again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Recode {
    /// RFC 1952.
    Gzip,
}

/// Whether the answer to a request with these fields is to be coded again on this route.
pub(super) fn is_wanted(route: Option<&Route>, headers: &HeaderMap) -> bool {
    let recode = route.and_then(|route| route.recode);
    recode.is_some_and(|Recode::Gzip| accepts_gzip(headers))
}

/// Whether a client takes gzip (RFC 9110, section 12.5.3).
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let values = headers
        .get_all(ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let mut items = values.flat_map(|value| value.split(','));
    items.any(|item| {
        let mut parts = item.split(';').map(str::trim);
        let is_gzip = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        let is_none =
            |weight: &str| weight.starts_with("q=0") && !weight.bytes().any(|byte| matches!(byte, b'1'..=b'9'));
        is_gzip && !parts.any(is_none)
    })
}

/// The answer to `asked` with this head and body, coded again if that is wanted of what is masked.
pub(super) fn answer(
    (asked, mode): (&Asked, Mode),
    head: &mut response::Parts,
    body: Option<Box<InspectedBody<UpstreamBody>>>,
) -> Answer {
    match body {
        None => Answer::Own(Full::default()),
        Some(body) if asked.recodes && mode == Mode::Rewrite && !body.is_end_stream() && mark(head) => {
            Answer::Recoded(Box::new(Recoded::new(body)))
        }
        Some(body) => Answer::Inspected(body),
    }
}

/// Says in a head that its body is coded; false where it cannot be.
fn mark(head: &mut response::Parts) -> bool {
    let has_none = head.status.is_informational() || [204, 304].contains(&head.status.as_u16());
    // What gRPC codes are its messages.
    let is_grpc = || Declared::from_content_type(content_type(&head.headers)) == Declared::Grpc;
    if has_none || head.headers.contains_key(CONTENT_ENCODING) || is_grpc() {
        return false;
    }
    head.headers.remove(CONTENT_LENGTH);
    head.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    head.headers.append(VARY, HeaderValue::from_static("accept-encoding"));
    true
}

/// A body in gzip.
pub struct Recoded<B> {
    body: B,
    /// None when all was written.
    encoder: Option<GzEncoder<Vec<u8>>>,
    /// What follows the last of it.
    trailers: Option<Frame<Bytes>>,
}

impl<B> Recoded<B> {
    pub(super) fn new(body: B) -> Self {
        Self {
            body,
            encoder: Some(GzEncoder::new(Vec::new(), Compression::fast())),
            trailers: None,
        }
    }

    /// A piece, so coded that its reader has all of it.
    fn piece(&mut self, bytes: &[u8]) -> io::Result<Bytes> {
        let Some(encoder) = &mut self.encoder else {
            return Ok(Bytes::new());
        };
        encoder.write_all(bytes)?;
        encoder.flush()?;
        Ok(std::mem::take(encoder.get_mut()).into())
    }

    /// What ends it.
    fn end(&mut self) -> Option<io::Result<Frame<Bytes>>> {
        let encoder = self.encoder.take()?;
        Some(encoder.finish().map(|rest| Frame::data(rest.into())))
    }
}

impl<B: Body<Data = Bytes, Error = BoxError> + Unpin> Body for Recoded<B> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(trailers) = self.trailers.take() {
            return Poll::Ready(Some(Ok(trailers)));
        }
        if self.encoder.is_none() {
            return Poll::Ready(None);
        }
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        let coded = match frame.map(|frame| frame.map(Frame::into_data)) {
            Some(Ok(Ok(bytes))) => Some(self.piece(&bytes).map(Frame::data)),
            Some(Ok(Err(trailers))) => {
                self.trailers = Some(trailers);
                self.end()
            }
            // It was cut, and so is what is coded.
            Some(Err(error)) => return Poll::Ready(Some(Err(error))),
            None => self.end(),
        };
        Poll::Ready(coded.map(|coded| coded.map_err(BoxError::from)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_takes_what_it_says() {
        for (value, takes) in [
            ("gzip", true),
            ("br, GZIP;q=0.5", true),
            ("gzip;q=0", false),
            ("gzip; q=0.000", false),
            ("gzip;q=0.001", true),
            ("br", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(value));
            assert_eq!(accepts_gzip(&headers), takes, "{value}");
        }
        assert!(!accepts_gzip(&HeaderMap::new()));
    }
}

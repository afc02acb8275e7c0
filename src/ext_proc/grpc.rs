//! gRPC over HTTP/2, as far as one method that streams both ways needs it: messages behind five bytes, a status in trailers.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use http_body::{Body, Frame};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use prost::Message;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::proxy::BoxError;

/// Bytes of one message: of a body that Envoy holds back whole, a part of it.
pub const MESSAGE_BYTES_MAX: usize = 4 << 20;
/// Answers that wait for Envoy to take them.
const ANSWERS_MAX: usize = 4;
/// Before a message: whether it is compressed, and its length.
const PREFIX_BYTES: usize = 5;

const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");

/// A status of gRPC, as its core documentation numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// The stream ended as it should.
    Ok,
    /// A message that cannot be read.
    Malformed,
    /// The other side is configured for what is not done here.
    FailedPrecondition,
    /// There is no such method.
    Unimplemented,
    /// The gateway ends.
    Unavailable,
    /// Whoever asks may not.
    Denied,
}

impl Status {
    const fn number(self) -> &'static str {
        match self {
            Self::Ok => "0",
            Self::Malformed => "3",
            Self::Denied => "7",
            Self::FailedPrecondition => "9",
            Self::Unimplemented => "12",
            Self::Unavailable => "14",
        }
    }

    fn field(self) -> HeaderMap {
        let mut fields = HeaderMap::new();
        fields.insert(STATUS, HeaderValue::from_static(self.number()));
        fields
    }
}

/// Takes the first whole message of `bytes`; none asks for more.
///
/// # Errors
/// It is compressed, which nobody offered, or too long.
pub fn message(bytes: &mut BytesMut) -> Result<Option<Bytes>, Status> {
    let Some((prefix, rest)) = bytes.split_first_chunk::<PREFIX_BYTES>() else {
        return Ok(None);
    };
    let [is_compressed, length @ ..] = *prefix;
    let length = u32::from_be_bytes(length) as usize;
    if is_compressed != 0 || length > MESSAGE_BYTES_MAX {
        return Err(Status::Malformed);
    }
    if rest.len() < length {
        return Ok(None);
    }
    bytes.advance(PREFIX_BYTES);
    Ok(Some(bytes.split_to(length).freeze()))
}

/// The same, read.
///
/// # Errors
/// As [`message`], or it is none of this kind.
pub fn read<M: Message + Default>(bytes: &mut BytesMut) -> Result<Option<M>, Status> {
    let read = |message| M::decode(message).map_err(|_| Status::Malformed);
    message(bytes)?.map(read).transpose()
}

/// The messages of a client.
pub(super) struct Messages {
    body: Incoming,
    bytes: BytesMut,
}

impl Messages {
    pub(super) fn new(body: Incoming) -> Self {
        let bytes = BytesMut::new();
        Self { body, bytes }
    }

    /// The next; none at the end, or when the client went away.
    pub(super) async fn next<M: Message + Default>(&mut self) -> Result<Option<M>, Status> {
        loop {
            if let Some(message) = read(&mut self.bytes)? {
                return Ok(Some(message));
            }
            let Some(Ok(frame)) = self.body.frame().await else {
                return Ok(None);
            };
            if let Some(data) = frame.data_ref() {
                self.bytes.extend_from_slice(data);
            }
        }
    }
}

/// Where messages to a client go; none is taken any more once it went away.
pub(super) struct Answers(Sender<Result<Frame<Bytes>, BoxError>>);

impl Answers {
    /// False when the client went away.
    pub(super) async fn send(&self, message: &impl Message) -> bool {
        let mut bytes = BytesMut::with_capacity(PREFIX_BYTES + message.encoded_len());
        bytes.put_u8(0);
        bytes.put_u32(message.encoded_len() as u32);
        // A buffer that grows takes every message.
        message.encode(&mut bytes).is_ok() && self.0.send(Ok(Frame::data(bytes.freeze()))).await.is_ok()
    }

    pub(super) async fn end(self, status: Status) {
        self.0.send(Ok(Frame::trailers(status.field()))).await.ok();
    }
}

/// The body of a response that streams.
pub struct Stream(Receiver<Result<Frame<Bytes>, BoxError>>);

impl Body for Stream {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.0.poll_recv(cx)
    }
}

/// A response that streams, and where its messages come from.
pub(super) fn stream() -> (Answers, Response<Stream>) {
    let (sender, receiver) = channel(ANSWERS_MAX);
    let mut response = Response::new(Stream(receiver));
    response.headers_mut().insert(CONTENT_TYPE, GRPC);
    (Answers(sender), response)
}

/// A response that is only a status.
pub(super) fn refusal(status: Status) -> Response<Stream> {
    let (_, mut response) = stream();
    response.headers_mut().extend(status.field());
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_taken_once_it_is_whole_and_what_is_behind_it_left() {
        let wire = b"\0\0\0\0\x03abc\0\0\0\0\0\0\0";
        for cut in 0..=wire.len() {
            let mut bytes = BytesMut::from(&wire[..cut]);
            let first = message(&mut bytes);
            assert_eq!(first, Ok((cut >= 8).then(|| Bytes::from_static(b"abc"))), "{cut}");
            assert_eq!(bytes, if cut >= 8 { &wire[8..cut] } else { &wire[..cut] });
            let second = message(&mut bytes);
            assert_eq!(second, Ok((cut >= 13).then(Bytes::new)), "{cut}");
        }
    }

    #[test]
    fn what_is_compressed_or_too_long_is_refused_by_its_first_bytes() {
        let longest = u32::try_from(MESSAGE_BYTES_MAX).unwrap();
        let prefix = |flag: u8, length: u32| [&[flag][..], &length.to_be_bytes()].concat();
        for (wire, expected) in [
            (prefix(1, 1), Err(Status::Malformed)),
            (prefix(0, longest + 1), Err(Status::Malformed)),
            (prefix(0, u32::MAX), Err(Status::Malformed)),
            (prefix(0, longest), Ok(None)),
        ] {
            assert_eq!(message(&mut BytesMut::from(&wire[..])), expected, "{wire:?}");
        }
    }
}

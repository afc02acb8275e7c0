//! The body of an answer: one of our own, or the upstream's, inspected.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;

use super::body::InspectedBody;
use super::connection::BoxError;
use super::foretold::Foretold;
use super::forward::ForwardBody;
use super::recode::Recoded;
use super::upstream::ResponseBody;

/// The body of an upstream's response.
pub(super) type OriginBody = ResponseBody<ForwardBody>;

/// The same, of which the beginning may have been read ahead.
pub(super) type UpstreamBody = Foretold<OriginBody>;

/// The body of an answer.
pub enum Answer {
    /// One of our own.
    Own(Full<Bytes>),
    /// The upstream's, inspected.
    Inspected(Box<InspectedBody<UpstreamBody>>),
    /// The same, coded again.
    Recoded(Box<Recoded<Box<InspectedBody<UpstreamBody>>>>),
}

impl Body for Answer {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.get_mut() {
            Self::Own(body) => Pin::new(body).poll_frame(cx).map_err(|never| match never {}),
            Self::Inspected(body) => Pin::new(body.as_mut()).poll_frame(cx),
            Self::Recoded(body) => Pin::new(body.as_mut()).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Own(body) => body.is_end_stream(),
            Self::Inspected(body) => body.is_end_stream(),
            Self::Recoded(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own(body) => body.size_hint(),
            Self::Inspected(body) => body.size_hint(),
            Self::Recoded(body) => body.size_hint(),
        }
    }
}

//! The body of a request on its way upstream: passed through as it comes.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::connection::BoxError;

/// A request body; the default is empty, and stands in when a request without a body is sent again.
#[derive(Debug, Default)]
pub struct ForwardBody(Option<Incoming>);

impl ForwardBody {
    pub(super) fn new(body: Incoming) -> Self {
        Self((!body.is_end_stream()).then_some(body))
    }
}

impl Body for ForwardBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.0 {
            // Without its cause: a framing fault in it is the client's, and would be taken for the origin's.
            Some(body) => Pin::new(body)
                .poll_frame(cx)
                .map_err(|_| h2::Error::from(h2::Reason::CANCEL).into()),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(Incoming::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

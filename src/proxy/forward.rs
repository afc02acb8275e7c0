//! The body of a request on its way upstream: passed through as it comes.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::connection::BoxError;
use super::foretold::Foretold;
use crate::clock::Clock;
use crate::engine::time::Now;

/// A request body; the default is empty, and stands in when a request without a body is sent again.
#[derive(Default)]
pub struct ForwardBody(Option<Upload>);

struct Upload {
    body: Foretold<Incoming>,
    clock: Clock,
    /// The deadline of the exchange. An answer that is still on its way sees to it and counts it; this is for an upload
    /// that outlasts its answer. One that is silent meets `body_idle_ms_max`, so a look at every frame is enough.
    until: Now,
}

impl ForwardBody {
    pub(super) fn new(body: Foretold<Incoming>, clock: Clock, until: Now) -> Self {
        Self((!body.is_end_stream()).then_some(Upload { body, clock, until }))
    }
}

impl Body for ForwardBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Some(Upload { body, clock, until }) = &mut self.0 else {
            return Poll::Ready(None);
        };
        // Without its cause: a framing fault in it is the client's, and would be taken for the origin's.
        let cancelled = || BoxError::from(h2::Error::from(h2::Reason::CANCEL));
        let frame = ready!(Pin::new(body).poll_frame(cx));
        if clock.now() >= *until {
            return Poll::Ready(Some(Err(cancelled())));
        }
        Poll::Ready(frame.map(|frame| frame.map_err(|_| cancelled())))
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(|upload| upload.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.0
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), |upload| upload.body.size_hint())
    }
}

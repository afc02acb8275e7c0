//! The body of a request on its way upstream: passed through as it comes, or as an inspector releases it.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::body::InspectedBody;
use super::connection::BoxError;
use super::foretold::Foretold;
use crate::clock::Clock;
use crate::engine::time::Now;

/// A request body; the default is empty, and stands in when a request without a body is sent again.
#[derive(Default)]
pub struct ForwardBody(Option<Upload>);

/// What the client sends, of which the beginning may have been read ahead.
pub(super) type Sent = Foretold<Incoming>;

enum Passing {
    Plain(Sent),
    Inspected(Box<InspectedBody<Sent>>),
}

struct Upload {
    body: Passing,
    clock: Clock,
    /// The deadline of the exchange. An answer that is still on its way sees to it and counts it; this is for an upload
    /// that outlasts its answer. One that is silent meets `body_idle_ms_max`, so a look at every frame is enough.
    until: Now,
}

impl ForwardBody {
    pub(super) fn plain(body: Sent, clock: Clock, until: Now) -> Self {
        Self::of(Passing::Plain(body), clock, until)
    }

    pub(super) fn inspected(body: Box<InspectedBody<Sent>>, clock: Clock, until: Now) -> Self {
        Self::of(Passing::Inspected(body), clock, until)
    }

    fn of(body: Passing, clock: Clock, until: Now) -> Self {
        let upload = Upload { body, clock, until };
        Self((!upload.is_end_stream()).then_some(upload))
    }
}

impl Upload {
    fn is_end_stream(&self) -> bool {
        match &self.body {
            Passing::Plain(body) => body.is_end_stream(),
            Passing::Inspected(body) => body.is_end_stream(),
        }
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
        let frame = match body {
            Passing::Plain(body) => {
                let frame = ready!(Pin::new(body).poll_frame(cx));
                frame.map(|frame| frame.map_err(|_| cancelled()))
            }
            Passing::Inspected(body) => ready!(Pin::new(body.as_mut()).poll_frame(cx)),
        };
        if clock.now() >= *until {
            return Poll::Ready(Some(Err(cancelled())));
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(Upload::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        match self.0.as_ref().map(|upload| &upload.body) {
            None => SizeHint::with_exact(0),
            Some(Passing::Plain(body)) => body.size_hint(),
            // The head's `Content-Length`, where it still holds, says it.
            Some(Passing::Inspected(_)) => SizeHint::default(),
        }
    }
}

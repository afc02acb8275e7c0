//! A body that is not looked into: passed as it comes, its bytes counted as uninspected.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf as _, Bytes};
use http_body::{Body, Frame, SizeHint};

use super::connection::BoxError;
use super::gateway::Set;
use crate::events::{Event, report};

/// The body of a route with `inspect = false`.
pub struct PassedBody<B> {
    upstream: B,
    bytes: u64,
    set: Arc<Set>,
    route: usize,
}

impl<B> PassedBody<B> {
    pub(super) fn new(upstream: B, set: Arc<Set>, route: usize) -> Self {
        Self {
            upstream,
            bytes: 0,
            set,
            route,
        }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for PassedBody<B>
where
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = Pin::new(&mut self.upstream).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &frame {
            self.bytes += frame.data_ref().map_or(0, |data| data.remaining() as u64);
        }
        frame.map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.upstream.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.upstream.size_hint()
    }
}

impl<B> Drop for PassedBody<B> {
    fn drop(&mut self) {
        let route = self.set.routes.get(self.route).map_or("", |route| route.name.as_str());
        report(&Event::Uninspected {
            route,
            reason: "route",
            bytes: self.bytes,
        });
        report(&Event::ExchangeEnded {
            route,
            verdict: "allow",
        });
    }
}

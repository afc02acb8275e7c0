//! The body of a response: passes frames through, and gives the connection back at its end.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep, sleep};

use super::error::{UpstreamError, UpstreamErrorKind};
use super::pool::{Endpoint, H1};
use super::send::RequestBody;
use crate::proxy::limits::{Limits, ms};

/// A response body. Dropped before its end, it closes its connection (HTTP/1.1) or resets its stream (HTTP/2).
pub struct ResponseBody<B: RequestBody> {
    inner: Incoming,
    lease: Option<Lease<B>>,
    /// Only HTTP/2 needs one for each body; the watch of an HTTP/1.1 connection covers its one body.
    idle: Option<IdleTimer>,
}

/// What an exchange occupies of its endpoint until the body has ended.
pub(super) struct Lease<B> {
    pub(super) endpoint: Arc<Endpoint<B>>,
    pub(super) limits: Arc<Limits>,
    /// None for HTTP/2 and for connections that leave HTTP.
    pub(super) connection: Option<H1<B>>,
    pub(super) slot: OwnedSemaphorePermit,
}

struct IdleTimer {
    limit_ms: u64,
    sleep: Option<Pin<Box<Sleep>>>,
    waits: bool,
}

impl<B: RequestBody> ResponseBody<B> {
    pub(super) fn new(inner: Incoming, lease: Lease<B>) -> Self {
        let limit_ms = lease.limits.response_idle_ms_max;
        let idle = lease.connection.is_none().then_some(IdleTimer {
            limit_ms,
            sleep: None,
            waits: false,
        });
        let mut body = Self {
            inner,
            lease: Some(lease),
            idle,
        };
        if body.inner.is_end_stream() {
            body.finish();
        }
        body
    }

    /// Gives everything back.
    fn finish(&mut self) {
        let Some(Lease {
            endpoint,
            limits,
            connection,
            slot,
        }) = self.lease.take()
        else {
            return;
        };
        if let Some(connection) = connection {
            endpoint.keep(connection, &limits);
        }
        drop(slot);
    }

    fn fail(&mut self, error: &hyper::Error) -> UpstreamError {
        let lease = self.lease.take();
        let expired = lease
            .and_then(|lease| lease.connection)
            .and_then(|connection| connection.wire.expired());
        UpstreamError::from_hyper(error, expired)
    }
}

impl<B: RequestBody> Body for ResponseBody<B> {
    type Data = Bytes;
    type Error = UpstreamError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, UpstreamError>>> {
        let this = &mut *self;
        let polled = Pin::new(&mut this.inner).poll_frame(cx);
        if let Some(idle) = &mut this.idle {
            if polled.is_ready() {
                idle.waits = false;
            } else if idle.poll_expired(cx).is_ready() {
                this.lease = None;
                return Poll::Ready(Some(Err(UpstreamError::new(UpstreamErrorKind::HeadTimeout))));
            }
        }
        match ready!(polled) {
            Some(Ok(frame)) => {
                if this.inner.is_end_stream() {
                    this.finish();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(error)) => Poll::Ready(Some(Err(this.fail(&error)))),
            None => {
                this.finish();
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl IdleTimer {
    /// Ready when nothing came for the limit. The timer is made at the first wait and moved at the first of each later one.
    fn poll_expired(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let limit = ms(self.limit_ms);
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep(limit)));
        if !self.waits {
            self.waits = true;
            sleep.as_mut().reset(Instant::now() + limit);
        }
        sleep.as_mut().poll(cx)
    }
}

//! A body that is told in pieces: what is known of it goes in, and what may leave comes out.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame};

use super::grpc::MESSAGE_BYTES_MAX;
use crate::events::{Event, report};
use crate::proxy::{BoxError, Passed};

/// What was told of a body and not read yet.
#[derive(Clone, Default)]
pub(super) struct Fed(Arc<Mutex<Feed>>);

#[derive(Default)]
struct Feed {
    frames: VecDeque<Frame<Bytes>>,
    has_ended: bool,
    /// Whether its reader waits for more.
    is_hungry: bool,
}

impl Fed {
    fn lock(&self) -> MutexGuard<'_, Feed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Of what has no body.
    pub(super) fn ended() -> Self {
        let fed = Self::default();
        fed.feed(None, true);
        fed
    }

    /// More of it was told, or its end.
    fn feed(&self, frame: Option<Frame<Bytes>>, has_ended: bool) {
        let mut feed = self.lock();
        feed.frames.extend(frame);
        feed.has_ended |= has_ended;
        feed.is_hungry = false;
    }
}

impl Body for Fed {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut feed = self.lock();
        match feed.frames.pop_front() {
            Some(frame) => Poll::Ready(Some(Ok(frame))),
            None if feed.has_ended => Poll::Ready(None),
            // Whoever polls this feeds it as well, and looks whether it is to.
            None => {
                feed.is_hungry = true;
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        let feed = self.lock();
        feed.frames.is_empty() && feed.has_ended
    }
}

/// What may leave of what was told.
#[derive(Debug, Default)]
pub(super) struct Leaving {
    pub(super) bytes: Bytes,
    /// Of the trailers, behind the end.
    pub(super) trailers: Option<HeaderMap>,
    /// Nothing more may leave, and whoever waits for it is to see that it is not all.
    pub(super) is_cut: bool,
}

/// One body on its way.
pub(super) struct Told {
    fed: Fed,
    passed: Passed<Fed>,
}

impl Told {
    pub(super) fn new(fed: Fed, passed: Passed<Fed>) -> Self {
        Self { fed, passed }
    }

    /// More of it was told, or its end; what may leave by now.
    pub(super) async fn push(&mut self, frame: Option<Frame<Bytes>>, has_ended: bool) -> Leaving {
        self.fed.feed(frame, has_ended);
        let (mut leaving, mut pieces, mut bytes) = (Leaving::default(), Vec::new(), 0);
        while let Some(frame) = self.next().await {
            match frame.map(Frame::into_data) {
                Ok(Ok(data)) => {
                    bytes += data.len();
                    pieces.push(data);
                }
                Ok(Err(frame)) => leaving.trailers = frame.into_trailers().ok(),
                Err(_) => leaving.is_cut = true,
            }
            if bytes > MESSAGE_BYTES_MAX {
                // So much comes of a few coded bytes.
                report(&Event::LimitHit {
                    limit: "ext_proc_answer_bytes_max",
                });
                leaving.is_cut = true;
                return leaving;
            }
        }
        leaving.bytes = match pieces.as_slice() {
            [only] => only.clone(),
            all => all.concat().into(),
        };
        leaving
    }

    /// The next frame that may leave; none where there is none before more is told.
    async fn next(&mut self) -> Option<Result<Frame<Bytes>, BoxError>> {
        let Self { fed, passed } = self;
        poll_fn(|cx| {
            let polled = Pin::new(&mut *passed).poll_frame(cx);
            if polled.is_pending() && fed.lock().is_hungry {
                return Poll::Ready(None);
            }
            polled
        })
        .await
    }
}

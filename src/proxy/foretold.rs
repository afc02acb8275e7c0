//! A body of which the beginning was read ahead: that is passed on first, then the rest.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use tokio::time::timeout;

/// A body and what was read of it.
pub struct Foretold<B: Body<Data = Bytes>> {
    first: VecDeque<Result<Frame<Bytes>, B::Error>>,
    rest: B,
    is_whole: bool,
}

impl<B: Body<Data = Bytes> + Unpin> Foretold<B> {
    /// Nothing is read ahead.
    pub(super) fn new(rest: B) -> Self {
        Self {
            first: VecDeque::new(),
            is_whole: false,
            rest,
        }
    }

    /// Reads on until the body ends, more than `bytes_max` were read, or so much time has passed. What was read, if that is
    /// all of the body.
    pub(super) async fn read(&mut self, bytes_max: usize, within: Duration) -> Option<Vec<u8>> {
        let read = self.read_to_end(bytes_max);
        timeout(within, read).await.ok();
        let chunks = self.first.iter().filter_map(|frame| frame.as_ref().ok()?.data_ref());
        self.is_whole.then(|| chunks.flatten().copied().collect())
    }

    async fn read_to_end(&mut self, bytes_max: usize) {
        let mut bytes = 0;
        while bytes <= bytes_max {
            let Some(frame) = self.rest.frame().await else {
                self.is_whole = true;
                return;
            };
            let has_failed = frame.is_err();
            bytes += frame.as_ref().ok().and_then(Frame::data_ref).map_or(0, Bytes::len);
            self.first.push_back(frame);
            if has_failed {
                return;
            }
        }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Foretold<B>
where
    B::Error: Unpin,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.get_mut();
        match this.first.pop_front() {
            Some(frame) => Poll::Ready(Some(frame)),
            None if this.is_whole => Poll::Ready(None),
            None => Pin::new(&mut this.rest).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_empty() && (self.is_whole || self.rest.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        if self.first.is_empty() {
            self.rest.size_hint()
        } else {
            SizeHint::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Chunks, then an end, a failure, or nothing more for ever.
    struct Chunks(VecDeque<&'static str>, Ending);

    #[derive(Clone, Copy)]
    enum Ending {
        End,
        Failure,
        Silence,
    }

    impl Body for Chunks {
        type Data = Bytes;
        type Error = &'static str;

        fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
            let this = self.get_mut();
            match (this.0.pop_front(), this.1) {
                (Some(chunk), _) => Poll::Ready(Some(Ok(Frame::data(chunk.into())))),
                (None, Ending::End) => Poll::Ready(None),
                (None, Ending::Failure) => Poll::Ready(Some(Err("it broke"))),
                (None, Ending::Silence) => Poll::Pending,
            }
        }
    }

    async fn rest(mut body: Foretold<Chunks>) -> (String, bool) {
        let mut text = String::new();
        while let Ok(Some(frame)) = timeout(Duration::from_millis(10), body.frame()).await {
            let Ok(frame) = frame else { return (text, false) };
            text += std::str::from_utf8(&frame.into_data().unwrap()).unwrap();
        }
        (text, true)
    }

    #[tokio::test]
    async fn what_was_read_ahead_is_passed_on_first_and_all_of_it_once() {
        let cases = [
            (Ending::End, 100, Some("abcdef"), true),
            (Ending::End, 3, None, true),
            (Ending::Failure, 100, None, false),
            (Ending::Silence, 100, None, true),
        ];
        for (ending, bytes_max, read, is_good) in cases {
            let mut body = Foretold::new(Chunks(["ab", "cd", "ef"].into(), ending));
            let told = body.read(bytes_max, Duration::from_millis(10)).await;
            assert_eq!(told.as_deref(), read.map(str::as_bytes));
            assert!(!body.is_end_stream());
            assert_eq!(rest(body).await, ("abcdef".to_owned(), is_good));
        }
        let body = Foretold::new(Chunks(["ab"].into(), Ending::End));
        assert_eq!(rest(body).await, ("ab".to_owned(), true), "nothing was read ahead");
    }
}

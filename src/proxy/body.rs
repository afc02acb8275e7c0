//! A body on its way: the frames of one side in, what the inspector releases out to the other. Nothing else happens here.
//!
//! ```text
//!   frame of its source ─▶ Driver::input ─▶ Inspector ⇄ Account
//!                               │
//!   Outlet  ◀── Driver::output: here the people in it enter the ledger
//! ```

mod messages;

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

use super::connection::BoxError;
use super::driver::{Driver, Flow};
use super::ending::Ending;
use super::fail::Reason;
use super::leaving::Leaving;
use super::outcome::Denial;
use super::outlet::Outlet;
use super::upstream::{UpstreamError, UpstreamErrorKind};
use super::vigil::{Vigil, Woken};
use crate::clock::Clock;
use crate::engine::ledger::{KeyUse, OverSum};
use crate::engine::time::Now;
use crate::events::{Event, report};

/// Text that is read before the task gives way to others of its thread.
const READ_AT_ONCE_BYTES: u64 = 256 << 10;

/// An inspected body.
pub struct InspectedBody<B> {
    source: Option<B>,
    driver: Driver,
    clock: Clock,
    outlet: Outlet,
    trailers: Option<HeaderMap>,
    /// What of them leaves.
    counted: Option<HeaderMap>,
    /// Handed over, and kept until whoever is in it is on disk, where that is asked for.
    next: Option<Bytes>,
    leaving: Leaving,
    /// The source failed; what was released before goes first.
    failed: Option<BoxError>,
    timer: Option<Pin<Box<Sleep>>>,
    vigil: Vigil,
    /// It took longer than it may: nothing more leaves.
    late: bool,
    /// Whoever is sent it sees a truncated body.
    cut: bool,
    /// Reports the exchange when the body is dropped, however it ends.
    ending: Option<Ending>,
    finished: bool,
    /// The task gives way when so many bytes were read.
    rest_at: u64,
}

/// What leaves.
#[derive(Debug)]
pub(super) enum Released {
    Bytes(Bytes),
    /// Nothing more of what was read.
    All,
    /// The whole body has left.
    Whole,
    /// Nothing more, and the client is to see that it is not all.
    Cut,
}

/// What is known before the head may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// Something was released, or the whole body was read: the head may go.
    Ready,
    /// Nothing was released and nothing will be: the exchange can be refused.
    Refused,
    /// The source failed before anything was released.
    Failed,
}

impl<B> InspectedBody<B> {
    /// How the source failed while its body was on the way, if it did.
    pub(super) fn failure(&self) -> Option<UpstreamErrorKind> {
        let error = self.failed.as_ref()?.downcast_ref::<UpstreamError>();
        // A request whose body cannot go on takes its answer with it.
        if self.outlet.is_of_client() {
            return Some(UpstreamErrorKind::RequestBody);
        }
        Some(error.map_or(UpstreamErrorKind::Reset, |error| error.kind))
    }
}

impl<B> InspectedBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    /// Boxed, as it is large and moved several times.
    pub(super) fn new(
        source: B,
        driver: Driver,
        clock: Clock,
        outlet: Outlet,
        ending: Ending,
        vigil: Vigil,
    ) -> Box<Self> {
        Box::new(Self {
            source: Some(source),
            driver,
            clock,
            outlet,
            trailers: None,
            counted: None,
            next: None,
            leaving: Leaving::default(),
            failed: None,
            timer: None,
            vigil,
            late: false,
            cut: false,
            ending: Some(ending),
            finished: false,
            rest_at: READ_AT_ONCE_BYTES,
        })
    }

    /// Reads an empty source to its end, so that nobody takes the body for one that is to come.
    pub(super) fn end_if_empty(&mut self) {
        if self.driver.flow() == Flow::Input && self.source.as_ref().is_some_and(Body::is_end_stream) {
            self.source = None;
            self.driver.finish(self.clock.now());
        }
    }

    /// Reads until it is known whether the head may go. `watching`: nothing of the body is held, so it
    /// may go at once, unless the head itself was refused.
    pub(super) fn poll_start(&mut self, cx: &mut Context<'_>, watching: bool) -> Poll<Start> {
        if watching && self.driver.flow() != Flow::Cut {
            return Poll::Ready(Start::Ready);
        }
        loop {
            if self.late {
                return Poll::Ready(Start::Failed);
            }
            // A bracket or a header line before the first refused person is no reason to begin an answer.
            if self.driver.flow() == Flow::Cut && self.driver.shows_nobody() {
                return Poll::Ready(Start::Refused);
            }
            if self.driver.has_output() {
                return Poll::Ready(Start::Ready);
            }
            match self.driver.flow() {
                Flow::Done => return Poll::Ready(Start::Ready),
                Flow::Cut => return Poll::Ready(Start::Refused),
                Flow::Input if self.failed.is_some() => return Poll::Ready(Start::Failed),
                Flow::Input if self.poll_source(cx, self.clock.now()).is_pending() && !self.poll_vigil(cx) => {
                    return Poll::Pending;
                }
                Flow::Input => {}
                Flow::Wait(until) => ready!(self.poll_wait(cx, until)),
                Flow::Confirm => ready!(self.poll_confirmed(cx)),
            }
        }
    }

    /// The people in the head enter the ledger; it leaves once [`Self::poll_leaving`] says so.
    pub(super) fn hand_over_head(&mut self) {
        self.driver.hand_over_head(self.clock.now());
    }

    /// Waits until what was handed over may leave; false if it must not, as the disk fails, or a hold or the deadline came
    /// first.
    pub(super) fn poll_leaving(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        let may_leave = match self.leaving.poll(&mut self.driver, cx) {
            Poll::Ready(may_leave) => may_leave,
            Poll::Pending if self.poll_vigil(cx) => false,
            Poll::Pending => return Poll::Pending,
        };
        if !may_leave {
            self.keep_back();
        }
        Poll::Ready(may_leave)
    }

    /// What was handed over stays here.
    fn keep_back(&mut self) {
        (self.next, self.leaving) = (None, Leaving::default());
    }

    /// The exchange leaves HTTP, and this stays to report it.
    pub(super) fn switch(&mut self) {
        self.source = None;
        self.vigil.waive_deadline();
        self.driver.switch();
    }

    /// A limit on what crossed is exceeded. A hold falls on one of `keys`, where those are not the account's.
    fn exceeded(&mut self, over: OverSum, keys: Option<&[KeyUse]>) {
        self.driver.exceeded(over, keys, self.clock.now());
    }

    /// A sum is over a limit: one that only tells does so at once, for a tunnel may last.
    pub(super) fn is_over(&mut self, over: OverSum, keys: Option<&[KeyUse]>) {
        if over.refuses && !self.is_denied() {
            self.exceeded(over, keys);
        } else if !over.refuses {
            self.driver.tells_over(over);
            if let Some(ending) = &mut self.ending {
                ending.tell_met(&mut self.driver);
            }
        }
    }

    /// It leaves HTTP unread because of a fail mode.
    pub(super) fn note_passed(&mut self, reason: Reason) {
        self.driver.note_passed(reason);
    }

    /// Whether it took longer than it may.
    pub(super) fn is_late(&self) -> bool {
        self.late
    }

    /// Whoever waits for what follows sees to the deadline.
    pub(super) fn waive_deadline(&mut self) {
        self.vigil.waive_deadline();
    }

    /// Ready when a hold begins on one of the exchange's keys, or what it showed is revoked.
    pub(super) fn poll_held(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.poll_vigil(cx) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    /// The tunnel that the exchange became has ended, after so many bytes; whoever joined its sides has told of them.
    pub(super) fn tunnelled(&mut self, bytes: u64) {
        let now = self.clock.now();
        self.driver.witness().uninspected(Reason::Tunnel.name(), bytes, now);
    }

    /// So many bytes passed unread, for this reason.
    pub(super) fn passed_unread(&mut self, reason: Reason, bytes: u64) {
        self.driver.passed_unread(reason, bytes, self.clock.now());
    }

    /// The client is told that it is not all: who must log in again is asked to on the next request.
    pub(super) fn tell_cut(&mut self) {
        if !std::mem::replace(&mut self.cut, true)
            && let Some(ending) = &self.ending
        {
            ending.cut(&self.driver);
        }
    }

    pub(super) fn driver(&self) -> &Driver {
        &self.driver
    }

    /// Feeds the driver with one frame of the source, or its end.
    fn poll_source(&mut self, cx: &mut Context<'_>, now: Now) -> Poll<()> {
        let read = self.driver.tally().map_or(0, |tally| tally.inspected_bytes);
        if read >= self.rest_at {
            self.rest_at = read + READ_AT_ONCE_BYTES;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.driver.go_on(now) {
            self.end_with_its_bytes(now);
            return Poll::Ready(());
        }
        let Some(source) = &mut self.source else {
            self.driver.finish(now);
            return Poll::Ready(());
        };
        match Pin::new(source).poll_frame(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(None) => {
                self.source = None;
                self.driver.finish(now);
            }
            Poll::Ready(Some(Err(error))) => {
                self.source = None;
                self.failed = Some(error.into());
            }
            Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                Ok(chunk) => {
                    if let Some(ending) = &mut self.ending {
                        ending.came(&chunk);
                    }
                    self.driver.input(chunk, now);
                    self.end_with_its_bytes(now);
                }
                Err(frame) => {
                    if let Ok(trailers) = frame.into_trailers() {
                        self.trailers = Some(trailers);
                    }
                }
            },
        }
        Poll::Ready(())
    }

    /// A body whose length was told ends with its last byte, behind which nobody may ask: who is known only then is counted
    /// before it leaves.
    fn end_with_its_bytes(&mut self, now: Now) {
        let has_ended = self.source.as_ref().is_some_and(Body::is_end_stream);
        if has_ended && self.driver.has_read_all() {
            self.source = None;
            self.driver.finish(now);
        }
    }

    /// Waits until the millisecond `until`, then resumes; or until the vigil ends the wait.
    fn poll_wait(&mut self, cx: &mut Context<'_>, until: u64) -> Poll<()> {
        if self.poll_vigil(cx) {
            return Poll::Ready(());
        }
        loop {
            let now = self.clock.now();
            let left = until.saturating_sub(now.millis());
            if left == 0 {
                self.timer = None;
                self.driver.resume(now);
                return Poll::Ready(());
            }
            let timer = self
                .timer
                .get_or_insert_with(|| Box::pin(sleep(Duration::from_millis(left))));
            ready!(timer.as_mut().poll(cx));
            self.timer = None;
        }
    }

    /// Waits for the store that gateways share, a few milliseconds at most; or until the vigil ends the wait.
    fn poll_confirmed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.poll_vigil(cx) {
            return Poll::Ready(());
        }
        self.driver.poll_confirmed(&self.clock, cx)
    }

    /// While nothing moves: wakes the stream when it is to end. True when it is.
    fn poll_vigil(&mut self, cx: &mut Context<'_>) -> bool {
        let driver = &self.driver;
        let woken = self.vigil.poll(driver.keys(), &|budget| driver.has_caused(budget), cx);
        let Poll::Ready(woken) = woken else {
            return false;
        };
        self.ends(woken);
        true
    }

    /// What the vigil saw ends the stream.
    fn ends(&mut self, woken: Woken) {
        match woken {
            Woken::Held => {
                self.driver.ends(Denial::Held);
                self.keep_back();
            }
            Woken::Revoked(name) => {
                self.driver.ends(Denial::Revoked(name));
                self.keep_back();
            }
            Woken::Late => {
                report(&Event::LimitHit {
                    limit: "exchange_ms_max",
                });
                self.late = true;
                self.source = None;
                self.failed = Some(UpstreamError::new(UpstreamErrorKind::HeadTimeout).into());
            }
        }
    }

    /// The next bytes that leave. `read` gives the driver more of the body, or its end; false if there is nothing yet.
    fn poll_released(
        &mut self,
        cx: &mut Context<'_>,
        read: impl Fn(&mut Self, &mut Context<'_>, Now) -> Poll<bool>,
    ) -> Poll<Released> {
        let driver = &self.driver;
        let held = self
            .vigil
            .newly_held(driver.keys(), &|budget| driver.has_caused(budget));
        if let Some(held) = held {
            self.ends(held);
        }
        // What one poll does takes no time that a window could tell; a wait within it has its own look at the clock.
        let now = self.clock.now();
        if !self.late && self.vigil.is_late(now) {
            self.ends(Woken::Late);
        }
        loop {
            if self.late || !ready!(self.poll_leaving(cx)) {
                return Poll::Ready(Released::Cut);
            }
            if let Some(bytes) = self.next.take() {
                return Poll::Ready(Released::Bytes(bytes));
            }
            self.next = self.driver.output(now);
            if self.next.is_some() {
                continue;
            }
            match self.driver.flow() {
                Flow::Cut => return Poll::Ready(Released::Cut),
                Flow::Done if self.refuses_trailers(now) => {}
                Flow::Done if !ready!(self.poll_leaving(cx)) => return Poll::Ready(Released::Cut),
                Flow::Done => return Poll::Ready(Released::Whole),
                Flow::Wait(until) => ready!(self.poll_wait(cx, until)),
                Flow::Confirm => ready!(self.poll_confirmed(cx)),
                Flow::Input if self.failed.is_some() => return Poll::Ready(Released::Cut),
                Flow::Input => match read(self, cx, now) {
                    Poll::Ready(true) => {}
                    Poll::Ready(false) => return Poll::Ready(Released::All),
                    Poll::Pending if self.poll_vigil(cx) => {}
                    Poll::Pending => return Poll::Pending,
                },
            }
        }
    }

    /// Whether someone in the trailers must not leave: then they are dropped, and the stream is cut.
    fn refuses_trailers(&mut self, now: Now) -> bool {
        if let Some(trailers) = self.trailers.take() {
            self.counted = self.driver.hand_over_trailers(trailers, now);
        }
        self.driver.flow() == Flow::Cut
    }

    /// Ends the stream so that whoever is sent it sees it is not whole, after everything that was released.
    fn poll_cut(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.source = None;
        self.tell_cut();
        let error = ready!(self.outlet.poll_cut(self.driver.outcome().denial, cx));
        self.finished = true;
        Poll::Ready(Some(Err(error)))
    }
}

impl<B> Body for InspectedBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        if this.finished {
            return Poll::Ready(None);
        }
        let read = |this: &mut Self, cx: &mut Context<'_>, now| this.poll_source(cx, now).map(|()| true);
        match ready!(this.poll_released(cx, read)) {
            Released::Bytes(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            Released::Cut => this.poll_cut(cx),
            Released::Whole | Released::All => {
                this.finished = true;
                let trailers = this.counted.take().map(|trailers| Ok(Frame::trailers(trailers)));
                Poll::Ready(trailers)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.finished
            || (self.next.is_none()
                && !self.driver.has_output()
                && self.driver.flow() == Flow::Done
                && self.trailers.is_none()
                && self.counted.is_none())
    }

    fn size_hint(&self) -> SizeHint {
        // The head's `Content-Length`, where it still holds, says it.
        SizeHint::default()
    }
}

impl<B> Drop for InspectedBody<B> {
    fn drop(&mut self) {
        if let Some(ending) = self.ending.take() {
            let failure = self.failure();
            ending.report(&mut self.driver, failure);
        }
    }
}

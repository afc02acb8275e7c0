//! The stream between a socket and hyper: framing is checked, progress noted, and a connection cut where it must be.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Sleep, sleep};
use tokio_rustls::server::TlsStream;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::framing::{Fault, Framing, Request, Response, Role};
use super::limits::{Limits, ms};
use super::wire::{Phase, Wire};
use crate::events::{Event, Leg, report};
use crate::identity::Opening;
use crate::tls::Tee;

/// The method of the one synthetic request that stands for a refused head; its path names the fault.
pub(super) const REFUSED_METHOD: &str = "TIDEGATE-REFUSED";

/// Bytes read at a time behind a head that is not whole.
const READ_BYTES: usize = 4_096;

/// What differs between the legs.
pub(super) trait Side: Role + Sized + Unpin {
    const LEG: Leg;
    /// Learns what the exchanges told the wire since the last read.
    fn before_read(framing: &mut Framing<Self>, wire: &Wire, cx: &mut Context<'_>);
    /// The same since the last write.
    fn before_write(framing: &mut Framing<Self>, wire: &Wire);
    /// Where the connection stands.
    fn phase(framing: &Framing<Self>, nothing_held: bool) -> Phase;
    /// Whether the message under way may have no other end than that of the connection.
    fn ends_with_connection(framing: &Framing<Self>) -> bool;
    /// What hyper is given instead of a refused head; none is an error.
    fn instead_of_head(fault: Fault) -> Option<Vec<u8>>;
}

impl Side for Request {
    const LEG: Leg = Leg::Downstream;

    fn before_read(framing: &mut Framing<Self>, wire: &Wire, cx: &mut Context<'_>) {
        if framing.is_undecided()
            && let Some(tunnel) = wire.upgrade_answer(cx.waker())
        {
            framing.decide(tunnel);
        }
    }

    fn before_write(_framing: &mut Framing<Self>, _wire: &Wire) {}

    fn phase(framing: &Framing<Self>, nothing_held: bool) -> Phase {
        if framing.is_undecided() {
            Phase::Undecided
        } else if framing.is_open() {
            Phase::Open
        } else if !framing.between_messages() {
            Phase::Body
        } else if nothing_held {
            Phase::Idle
        } else {
            Phase::Head
        }
    }

    fn ends_with_connection(framing: &Framing<Self>) -> bool {
        framing.role().is_http10()
    }

    /// One request that the service answers with the refusal: so it comes after the answers to what was pipelined before.
    fn instead_of_head(fault: Fault) -> Option<Vec<u8>> {
        let name = fault.name();
        let head = format!("{REFUSED_METHOD} /{name} HTTP/1.1\r\nhost: refused.invalid\r\nconnection: close\r\n\r\n");
        Some(head.into_bytes())
    }
}

impl Side for Response {
    const LEG: Leg = Leg::Upstream;

    fn before_read(_framing: &mut Framing<Self>, _wire: &Wire, _cx: &mut Context<'_>) {}

    /// An answer is awaited from the first byte of its request on: what was there before it answers nothing.
    fn before_write(framing: &mut Framing<Self>, wire: &Wire) {
        if let Some(asked) = wire.asked() {
            framing.role_mut().ask(asked);
        }
    }

    fn phase(framing: &Framing<Self>, _nothing_held: bool) -> Phase {
        if framing.is_open() {
            Phase::Open
        } else if !framing.between_messages() {
            Phase::Body
        } else if framing.role().is_awaited() {
            Phase::Awaiting
        } else {
            Phase::Idle
        }
    }

    fn ends_with_connection(_framing: &Framing<Self>) -> bool {
        false
    }

    fn instead_of_head(_fault: Fault) -> Option<Vec<u8>> {
        None
    }
}

/// A connection's place among those of its listener, given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    #[expect(dead_code, reason = "held for its drop")]
    permit: OwnedSemaphorePermit,
    #[expect(dead_code, reason = "held for its drop")]
    token: TaskTrackerToken,
}

impl Place {
    pub(super) fn new(permit: OwnedSemaphorePermit, token: TaskTrackerToken) -> Self {
        report(&Event::Connection(true));
        Self { permit, token }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        report(&Event::Connection(false));
    }
}

/// A stream that can be made to end with a reset, which no reader takes for the end of a message.
pub(crate) trait Abort {
    fn abort(&self);
}

impl Abort for TcpStream {
    fn abort(&self) {
        // Fails only on a socket that is already dead.
        self.set_zero_linger().ok();
    }
}

impl Abort for TlsStream<Tee<TcpStream>> {
    fn abort(&self) {
        self.get_ref().0.inner().abort();
    }
}

/// How a stream ended by a fault goes on.
#[derive(Clone, Copy)]
struct Refusal {
    fault: Fault,
    /// Whether hyper was given a stand-in for the head, whose answer then ends the connection.
    stands_in: bool,
}

/// What is left of the closing: bytes that are still read and dropped, and for how long.
struct Linger {
    bytes: usize,
    limit_ms: u64,
    /// Made when the closing begins.
    timer: Option<Pin<Box<Sleep>>>,
}

/// A stream under hyper. Without a framing (HTTP/2) it only notes progress.
pub(super) struct CheckedIo<T, S> {
    inner: T,
    framing: Option<Framing<S>>,
    /// Bytes read but not yet given to hyper: the first `passed` are in order, the rest is a head or line not yet whole.
    held: Vec<u8>,
    passed: usize,
    refused: Option<Refusal>,
    linger: Linger,
    wire: Arc<Wire>,
    /// How a client opens HTTP/2, until its first request is there.
    opening: Option<Opening>,
    /// Goes with the stream, also when it leaves HTTP.
    place: Option<Place>,
    abort: Option<fn(&T)>,
}

impl<T, S: Side> CheckedIo<T, S> {
    /// Checks `inner`, of which `already_read` has been taken.
    pub(super) fn http1(inner: T, already_read: Vec<u8>, role: S, wire: Arc<Wire>, limits: &Limits) -> Self {
        let mut io = Self::new(inner, already_read, wire, limits);
        io.framing = Some(Framing::new(role, limits.head()));
        io.check_held();
        io
    }

    /// Passes everything; for HTTP/2, of which only the opening is looked at.
    pub(super) fn http2(inner: T, already_read: Vec<u8>, wire: Arc<Wire>, limits: &Limits) -> Self {
        wire.enter(Phase::Open);
        let mut io = Self::new(inner, already_read, wire, limits);
        io.passed = io.held.len();
        io.opening = Some(Opening::default());
        look(&mut io.opening, &io.held, &io.wire);
        io
    }

    fn new(inner: T, held: Vec<u8>, wire: Arc<Wire>, limits: &Limits) -> Self {
        let linger = Linger {
            bytes: limits.linger_bytes_max as usize,
            limit_ms: limits.linger_ms_max,
            timer: None,
        };
        Self {
            inner,
            framing: None,
            held,
            passed: 0,
            refused: None,
            linger,
            wire,
            opening: None,
            place: None,
            abort: None,
        }
    }

    /// Keeps the connection's place for as long as the stream lives.
    pub(super) fn occupying(mut self, place: Option<Place>) -> Self {
        self.place = place;
        self
    }

    /// A cut that would look like an end becomes a reset.
    pub(super) fn aborting(mut self) -> Self
    where
        T: Abort,
    {
        self.abort = Some(T::abort);
        self
    }

    /// Judges everything held, and puts the refusal in place of a bad head.
    fn check_held(&mut self) {
        let Some(framing) = &mut self.framing else {
            self.passed = self.held.len();
            return;
        };
        match framing.push(&self.held) {
            Ok(passed) => self.passed = passed,
            Err(refused) => {
                self.held.truncate(refused.valid);
                self.refuse(refused.in_head, refused.fault);
            }
        }
        self.note_phase();
    }

    fn refuse(&mut self, in_head: bool, fault: Fault) {
        report(&Event::HeadRefused {
            leg: S::LEG,
            fault: fault.name(),
        });
        // A request whose head is at fault is no exchange yet; an upstream connection is never used again.
        if !in_head || S::LEG == Leg::Upstream {
            self.wire.set_fault(fault);
        }
        let stand_in = S::instead_of_head(fault).filter(|_| in_head);
        self.refused = Some(Refusal {
            fault,
            stands_in: stand_in.is_some(),
        });
        self.held.extend_from_slice(&stand_in.unwrap_or_default());
        self.passed = self.held.len();
        self.wire.enter(Phase::Idle);
    }

    fn note_phase(&self) {
        if let Some(framing) = self.framing.as_ref().filter(|_| self.refused.is_none()) {
            self.wire.enter(S::phase(framing, self.held.len() == self.passed));
        }
    }

    fn give(&mut self, buf: &mut ReadBuf<'_>) {
        let given = self.passed.min(buf.remaining());
        buf.put_slice(self.held.get(..given).unwrap_or_default());
        self.held.drain(..given);
        self.passed -= given;
        if self.held.is_empty() {
            self.held = Vec::new();
        }
    }
}

/// Looks at what a client sent next, until it is known how it opens HTTP/2.
fn look(opening: &mut Option<Opening>, read: &[u8], wire: &Wire) {
    let Some(print) = opening.as_mut().and_then(|opening| opening.push(read)) else {
        return;
    };
    wire.http2.get_or_init(|| print);
    *opening = None;
}

impl<T: AsyncRead + Unpin, S: Side> CheckedIo<T, S> {
    /// Reads straight into hyper's buffer and gives what is in order there; only the tail is copied out.
    fn read_in_place(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<bool>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        let read = buf.filled().get(before..).unwrap_or_default();
        if read.is_empty() {
            return Poll::Ready(Ok(true));
        }
        self.wire.progress();
        let Some(framing) = &mut self.framing else {
            look(&mut self.opening, read, &self.wire);
            return Poll::Ready(Ok(true));
        };
        let (valid, refused) = match framing.push(read) {
            Ok(passed) => (passed, None),
            Err(refused) => (refused.valid, Some(refused)),
        };
        if refused.is_none() {
            self.held.extend_from_slice(read.get(valid..).unwrap_or_default());
        }
        buf.set_filled(before + valid);
        if let Some(refused) = refused {
            self.refuse(refused.in_head, refused.fault);
        }
        self.note_phase();
        Poll::Ready(Ok(valid > 0))
    }

    /// Reads behind the tail that is held.
    fn read_behind(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut chunk = [0; READ_BYTES];
        let mut more = ReadBuf::new(&mut chunk);
        ready!(Pin::new(&mut self.inner).poll_read(cx, &mut more))?;
        self.wire.progress();
        self.held.extend_from_slice(more.filled());
        Poll::Ready(Ok(more.filled().len()))
    }

    /// Gives hyper something, or reads; true when there is something in `buf`, or the stream has ended.
    fn advance(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<bool>> {
        if self.passed > 0 {
            self.give(buf);
            return Poll::Ready(Ok(true));
        }
        match self.refused {
            // The answer to the stand-in ends the connection; an end of the stream would make hyper drop that answer.
            Some(Refusal { stands_in: true, .. }) => return Poll::Pending,
            Some(Refusal { fault, .. }) => return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, fault))),
            None if self.held.is_empty() => return self.read_in_place(cx, buf),
            None => {}
        }
        // A framing that waits for an answer takes nothing: do not read without bound.
        let waits = self.framing.as_ref().is_some_and(Framing::is_undecided);
        if waits && self.held.len() > READ_BYTES {
            return Poll::Pending;
        }
        let read = ready!(self.read_behind(cx))?;
        self.check_held();
        Poll::Ready(Ok(read == 0))
    }

    /// Lets the framing learn what was told since; what waited for it may now pass.
    fn sync(&mut self, cx: &mut Context<'_>) {
        let Some(framing) = &mut self.framing else { return };
        let was_undecided = framing.is_undecided();
        S::before_read(framing, &self.wire, cx);
        if was_undecided && !framing.is_undecided() {
            self.check_held();
        }
    }

    /// Reads and drops what the peer still sends: closing with unread bytes resets the connection, and the reset may
    /// overtake our last answer.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let limit = ms(self.linger.limit_ms);
        let timer = self.linger.timer.get_or_insert_with(|| Box::pin(sleep(limit)));
        if timer.as_mut().poll(cx).is_ready() {
            report(&Event::LimitHit { limit: "linger_ms_max" });
            return Poll::Ready(());
        }
        let mut chunk = [0; READ_BYTES];
        while self.linger.bytes > 0 {
            let mut dropped = ReadBuf::new(&mut chunk);
            let read = ready!(Pin::new(&mut self.inner).poll_read(cx, &mut dropped));
            if read.is_err() || dropped.filled().is_empty() {
                break;
            }
            self.linger.bytes = self.linger.bytes.saturating_sub(dropped.filled().len());
        }
        Poll::Ready(())
    }
}

impl<T: AsyncRead + Unpin, S: Side> AsyncRead for CheckedIo<T, S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.sync(cx);
        let answer = loop {
            match self.advance(cx, buf) {
                Poll::Ready(Ok(false)) => {}
                Poll::Ready(answer) => break Poll::Ready(answer.map(drop)),
                Poll::Pending => break Poll::Pending,
            }
        };
        self.wire
            .reading
            .store(answer.is_pending(), std::sync::atomic::Ordering::Relaxed);
        answer
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin, S: Side> CheckedIo<T, S> {
    fn before_write(&mut self) {
        if let Some(framing) = &mut self.framing {
            S::before_write(framing, &self.wire);
        }
    }

    fn note_write(&self, answer: &Poll<io::Result<usize>>) {
        self.wire
            .writing
            .store(answer.is_pending(), std::sync::atomic::Ordering::Relaxed);
        if answer.is_ready() {
            self.wire.progress();
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin, S: Side> AsyncWrite for CheckedIo<T, S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.before_write();
        let answer = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.note_write(&answer);
        answer
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.before_write();
        let answer = Pin::new(&mut self.inner).poll_write_vectored(cx, bytes);
        self.note_write(&answer);
        answer
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    /// hyper flushes once it has written all it has: the moment at which a cut loses nothing that was granted.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.inner).poll_flush(cx))?;
        if !self.wire.is_cut() {
            return Poll::Ready(Ok(()));
        }
        match self.abort {
            Some(abort) if self.framing.as_ref().is_some_and(S::ends_with_connection) => abort(&self.inner),
            _ => ready!(self.as_mut().poll_shutdown(cx))?,
        }
        Poll::Ready(Err(io::Error::new(io::ErrorKind::ConnectionAborted, "cut")))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let unread = self.refused.is_some() || self.wire.is_cut() || self.wire.phase() == Phase::Body;
        if self.wire.phase() != Phase::Closing {
            ready!(Pin::new(&mut self.inner).poll_shutdown(cx))?;
            if unread && S::LEG == Leg::Downstream && self.framing.is_some() {
                self.wire.enter(Phase::Closing);
            }
        }
        if self.wire.phase() == Phase::Closing {
            ready!(self.poll_linger(cx));
        }
        Poll::Ready(Ok(()))
    }
}

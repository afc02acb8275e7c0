//! The two ways of a WebSocket: frames in, their messages through an inspector, frames out.
//!
//! ```text
//!   server ─▶ FrameReader ─▶ InspectedBody, one inspector a message ─▶ Writer ─▶ client
//!   client ─▶ FrameReader ─▶ another, under the same keys           ─▶ Writer ─▶ server
//! ```
//!
//! Where nothing is enforced bytes pass as they came, and messages are read beside them.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use bytes::{Buf as _, Bytes, BytesMut};
use http_body::Body;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, split};
use tokio::time::timeout;

use super::frame::{CONTROL_BYTES_MAX, Event, FrameReader, From, write};
use super::opcode::Opcode;
use crate::events::{self, Leg, report};
use crate::proxy::body::{InspectedBody, Released};
use crate::proxy::connection::BoxError;
use crate::proxy::fail::Reason;
use crate::proxy::framing::Fault;
use crate::proxy::limits::{Limits, ms};
use crate::proxy::tunnel::silence;

/// Bytes read at a time in one direction.
const READ_BYTES: usize = 16_384;
/// Bytes of a close frame's code (RFC 6455, section 5.5.1).
const CODE_BYTES: usize = 2;
/// What a client is told that meets a limit.
const POLICY: &[u8] = b"refused by a data protection policy";

/// What a WebSocket needs to be relayed.
pub(in crate::proxy) struct Peers<D, U> {
    /// What the server sends, on its way to the client.
    pub(in crate::proxy) to_client: Box<InspectedBody<D>>,
    /// What the client sends.
    pub(in crate::proxy) to_server: Box<InspectedBody<U>>,
    /// Nothing is held or changed.
    pub(in crate::proxy) watches: bool,
    /// The extension permessage-deflate was agreed on.
    pub(in crate::proxy) deflates: bool,
    pub(in crate::proxy) limits: Arc<Limits>,
}

/// Why both ways end before their peers have closed them; the code that both are told (section 7.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// A limit, a hold or a revocation.
    Refused,
    /// A frame that breaks the protocol.
    Malformed,
    /// The gateway stops, or nothing has moved for long.
    Away,
    /// The connection is gone.
    Broken,
}

impl End {
    const fn code(self) -> Option<u16> {
        match self {
            Self::Refused => Some(1008),
            Self::Malformed => Some(1002),
            Self::Away => Some(1001),
            Self::Broken => None,
        }
    }
}

impl std::convert::From<io::Error> for End {
    fn from(_: io::Error) -> Self {
        Self::Broken
    }
}

/// Relays messages until both peers have closed, one is refused, nothing moved for `tunnel_idle_ms_max`, or `stopped` is ready.
pub(in crate::proxy) async fn relay<D, U>(
    (downstream, upstream): (OnUpgrade, OnUpgrade),
    mut peers: Peers<D, U>,
    stopped: impl Future<Output = ()>,
) where
    D: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
    U: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    if let (Ok(downstream), Ok(upstream)) = tokio::join!(downstream, upstream) {
        join(TokioIo::new(downstream), TokioIo::new(upstream), peers, stopped).await;
    } else {
        peers.to_server.ends_beside();
    }
}

async fn join<D, U, A, B>(client: A, server: B, peers: Peers<D, U>, stopped: impl Future<Output = ()>)
where
    D: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
    U: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
    A: AsyncRead + AsyncWrite,
    B: AsyncRead + AsyncWrite,
{
    let Peers {
        mut to_client,
        mut to_server,
        watches,
        deflates,
        limits,
    } = peers;
    let (mut from_client, client) = split(client);
    let (mut from_server, server) = split(server);
    let (mut client, mut server) = (Writer::new(client, From::Server), Writer::new(server, From::Client));
    let moved = AtomicU64::new(0);
    let end = {
        let down = Way::new(From::Server, &mut to_client, &mut client, (watches, deflates));
        let up = Way::new(From::Client, &mut to_server, &mut server, (watches, deflates));
        let ways = async { tokio::try_join!(down.run(&mut from_server, &moved), up.run(&mut from_client, &moved)) };
        tokio::select! {
            ended = ways => ended.err(),
            () = silence(|| moved.load(Relaxed), &limits) => {
                report(&events::Event::LimitHit { limit: "tunnel_idle_ms_max" });
                Some(End::Away)
            }
            () = stopped => Some(End::Away),
        }
    };
    // What the client sent may be why: then that side tells how the exchange ended.
    if to_server.is_denied() && !to_client.is_denied() {
        to_client.ends_beside();
    } else {
        to_server.ends_beside();
    }
    let closing = async {
        let client = client.close(end, &mut from_client, &limits);
        let server = server.close(end, &mut from_server, &limits);
        tokio::join!(client, server)
    };
    // A peer that takes no close frame is left.
    timeout(ms(limits.linger_ms_max), closing).await.ok();
}

/// One way.
struct Way<'w, B, W> {
    reader: FrameReader,
    body: &'w mut InspectedBody<B>,
    to: &'w mut Writer<W>,
    leg: Leg,
    watches: bool,
    /// Released, and kept until it is known whether the message ends with it.
    kept: Option<Bytes>,
    /// Whether frames are read: where nothing is enforced they may pass unread.
    reads: bool,
}

impl<'w, B, W> Way<'w, B, W>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
    W: AsyncWrite + Unpin,
{
    fn new(
        from: From,
        body: &'w mut InspectedBody<B>,
        to: &'w mut Writer<W>,
        (watches, deflates): (bool, bool),
    ) -> Self {
        Self {
            reader: FrameReader::new(from, watches && deflates),
            body,
            to,
            leg: if from == From::Client {
                Leg::Downstream
            } else {
                Leg::Upstream
            },
            watches,
            kept: None,
            reads: true,
        }
    }

    async fn run(mut self, from: &mut (impl AsyncRead + Unpin), moved: &AtomicU64) -> Result<(), End> {
        let mut buffer = BytesMut::new();
        let mut seen = BytesMut::new();
        loop {
            buffer.reserve(READ_BYTES);
            let read = tokio::select! {
                biased;
                () = poll_fn(|cx| self.body.poll_held(cx)) => return Err(End::Refused),
                read = from.read_buf(&mut buffer) => read?,
            };
            if read == 0 {
                self.to.finish().await?;
                return Ok(());
            }
            moved.fetch_add(read as u64, Relaxed);
            if self.watches {
                let passing = buffer.split().freeze();
                seen.extend_from_slice(&passing);
                self.watch(&mut seen, passing.len() as u64).await?;
                self.to.pass(&passing).await?;
            } else if self.frames(&mut buffer).await? {
                return Ok(());
            }
        }
    }

    /// Reads what passes; what breaks the protocol passes unread, as peers may know better where nothing is enforced.
    async fn watch(&mut self, seen: &mut BytesMut, read: u64) -> Result<(), End> {
        if self.reads {
            match self.frames(seen).await {
                Err(End::Malformed) => self.reads = false,
                other => return other.map(drop),
            }
        }
        seen.clear();
        self.body.passed_unread(Reason::Frames, read);
        if self.body.is_denied() {
            self.body.tell_cut();
            return Err(End::Refused);
        }
        Ok(())
    }

    /// Takes every frame out of `buffer`; true after the last one.
    async fn frames(&mut self, buffer: &mut BytesMut) -> Result<bool, End> {
        let mut is_last = false;
        while !is_last {
            let read = self.reader.next(buffer).map_err(|fault| self.malformed(fault))?;
            let Some(event) = read else { break };
            is_last = self.event(event).await?;
        }
        Ok(is_last)
    }

    fn malformed(&self, fault: Fault) -> End {
        let (leg, fault) = (self.leg, fault.name());
        report(&events::Event::HeadRefused { leg, fault });
        End::Malformed
    }

    /// Relays what was read; true if nothing may follow it.
    async fn event(&mut self, event: Event) -> Result<bool, End> {
        match event {
            Event::Data { opcode, bytes, last } => {
                self.data(opcode, bytes, last).await?;
                Ok(false)
            }
            Event::Control { opcode, payload } => {
                self.control(opcode, payload).await?;
                Ok(opcode == Opcode::Close && !self.watches)
            }
        }
    }

    async fn data(&mut self, opcode: Opcode, piece: Bytes, last: bool) -> Result<(), End> {
        if !piece.is_empty() {
            self.body.feed(piece);
        }
        loop {
            let released = poll_fn(|cx| self.body.poll_message(last, cx)).await;
            let Released::Bytes(bytes) = released else {
                return self.read(opcode, &released).await;
            };
            // The frame before is not the last of its message.
            if let Some(before) = self.kept.replace(bytes) {
                self.piece(opcode, &before, false).await?;
            }
        }
    }

    /// What was read of a message has left, or its end.
    async fn read(&mut self, opcode: Opcode, released: &Released) -> Result<(), End> {
        let is_whole = matches!(released, Released::Whole);
        let kept = self.kept.take();
        if is_whole || kept.is_some() {
            self.piece(opcode, &kept.unwrap_or_default(), is_whole).await?;
        }
        if matches!(released, Released::Cut) {
            self.body.tell_cut();
            return Err(End::Refused);
        }
        if is_whole {
            self.body.next_message();
        }
        Ok(())
    }

    async fn piece(&mut self, opcode: Opcode, bytes: &[u8], last: bool) -> Result<(), End> {
        if !self.watches {
            self.to.data(opcode, bytes, last).await?;
        }
        Ok(())
    }

    /// A control frame carries text too, which counts as a field does.
    async fn control(&mut self, opcode: Opcode, mut payload: Bytes) -> Result<(), End> {
        let code = if opcode == Opcode::Close {
            payload.split_to(CODE_BYTES.min(payload.len()))
        } else {
            Bytes::new()
        };
        if !payload.is_empty() {
            let leaves = self.body.count_aside(&payload);
            let may_leave = poll_fn(|cx| self.body.poll_leaving(cx)).await;
            if leaves.is_none() || !may_leave {
                self.body.tell_cut();
                return Err(End::Refused);
            }
            if leaves == Some(false) {
                payload.clear();
            }
        }
        if !self.watches {
            self.to.control(opcode, &[code, payload].concat()).await?;
        }
        Ok(())
    }
}

/// Writes frames to one peer.
struct Writer<W> {
    to: W,
    /// Who is said to send.
    from: From,
    /// A message was begun and not ended.
    begun: bool,
    /// Nothing that was begun is unwritten, and more can be said.
    is_clean: bool,
    out: Vec<u8>,
}

impl<W: AsyncWrite + Unpin> Writer<W> {
    fn new(to: W, from: From) -> Self {
        Self {
            to,
            from,
            begun: false,
            is_clean: true,
            out: Vec::new(),
        }
    }

    async fn data(&mut self, opcode: Opcode, bytes: &[u8], last: bool) -> io::Result<()> {
        let opcode = if self.begun { Opcode::Continuation } else { opcode };
        self.begun = !last;
        self.frame(opcode, last, bytes).await
    }

    async fn control(&mut self, opcode: Opcode, payload: &[u8]) -> io::Result<()> {
        let payload = payload.get(..CONTROL_BYTES_MAX).unwrap_or(payload);
        self.frame(opcode, true, payload).await?;
        self.is_clean = opcode != Opcode::Close;
        Ok(())
    }

    async fn frame(&mut self, opcode: Opcode, last: bool, payload: &[u8]) -> io::Result<()> {
        let mask = match self.from {
            From::Client => Some(getrandom::u32().map_err(io::Error::other)?.to_ne_bytes()),
            From::Server => None,
        };
        self.out.clear();
        write(&mut self.out, opcode, last, payload, mask);
        self.is_clean = false;
        self.to.write_all(&self.out).await?;
        self.to.flush().await?;
        self.is_clean = true;
        Ok(())
    }

    /// Bytes as they came, frames or not.
    async fn pass(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.is_clean = false;
        self.to.write_all(bytes).await?;
        self.to.flush().await
    }

    /// The other peer sends no more.
    async fn finish(&mut self) -> io::Result<()> {
        self.is_clean = false;
        self.to.shutdown().await
    }

    /// Tells the peer why it ends, and reads on until it has heard: bytes that nobody reads reset a connection.
    async fn close<R: AsyncRead>(&mut self, end: Option<End>, from: &mut ReadHalf<R>, limits: &Limits) {
        let code = end.and_then(End::code).filter(|_| self.is_clean);
        if let Some(code) = code {
            let reason: &[u8] = if end == Some(End::Refused) { POLICY } else { b"" };
            let told = [&code.to_be_bytes()[..], reason].concat();
            if self.control(Opcode::Close, &told).await.is_err() {
                return;
            }
        }
        if self.to.shutdown().await.is_err() || code.is_none() {
            return;
        }
        let (mut left, mut dropped) = (limits.linger_bytes_max as usize, BytesMut::new());
        while left > 0 {
            match from.read_buf(&mut dropped).await {
                Ok(read @ 1..) => left = left.saturating_sub(read),
                Ok(0) | Err(_) => return,
            }
            dropped.advance(dropped.len());
        }
    }
}

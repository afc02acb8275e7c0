//! The reading side of a connection, which lends itself to the body that is being read.

use std::collections::VecDeque;
use std::future::Future as _;
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::time::{Sleep, sleep};

use super::chunks::{Chunks, Piece};
use super::fault::IcapFault;
use crate::events::{Event, report};
use crate::proxy::BoxError;

/// Room that is made for one read, in bytes.
const READ_BYTES: usize = 16_384;

/// The reading side, shared by the connection and by the one body that it reads. Both are polled by one task.
#[derive(Clone)]
pub(super) struct Reader(Arc<Mutex<Reading>>);

/// What is read.
pub(super) struct Reading {
    io: Box<dyn AsyncRead + Send + Unpin>,
    /// What was read and not taken: a head and one read behind it at most.
    pub(super) bytes: BytesMut,
    pub(super) chunks: Chunks,
    /// The preview, which comes first.
    preview: VecDeque<Bytes>,
    /// Whether the body waits for the rest to be asked for.
    wants_rest: bool,
    /// What was wrong with the body.
    pub(super) fault: Option<IcapFault>,
    idle: Option<Pin<Box<Sleep>>>,
    idle_max: Duration,
}

impl Reader {
    pub(super) fn new(io: impl AsyncRead + Send + Unpin + 'static, idle_max: Duration) -> Self {
        Self(Arc::new(Mutex::new(Reading {
            io: Box::new(io),
            bytes: BytesMut::new(),
            chunks: Chunks::none(),
            preview: VecDeque::new(),
            wants_rest: false,
            fault: None,
            idle: None,
            idle_max,
        })))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Reading> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Before the body of a question.
    pub(super) fn begin(&self, chunks: Chunks) {
        let mut reading = self.lock();
        reading.chunks = chunks;
        reading.preview.clear();
        (reading.wants_rest, reading.fault) = (false, None);
    }

    /// The body that follows.
    pub(super) fn body(&self) -> Received {
        Received(self.clone())
    }

    /// Reads a preview, which is kept for the body; what of it was read.
    pub(super) async fn preview(&self) -> Result<Vec<u8>, IcapFault> {
        let mut read = Vec::new();
        loop {
            let piece = std::future::poll_fn(|cx| self.lock().poll_piece(cx)).await?;
            let Piece::Data(data) = piece else { return Ok(read) };
            read.extend_from_slice(&data);
            self.lock().preview.push_back(data);
        }
    }

    /// Reads on; false at the end of the connection.
    pub(super) async fn fill(&self) -> io::Result<bool> {
        std::future::poll_fn(|cx| self.lock().poll_fill(cx)).await
    }

    /// Reads and drops the rest of the body, if it has at most so many bytes.
    pub(super) async fn skip(&self, bytes_max: u64) -> Result<(), IcapFault> {
        let mut skipped = 0;
        self.lock().preview.clear();
        loop {
            match std::future::poll_fn(|cx| self.lock().poll_piece(cx)).await? {
                Piece::Data(data) => skipped += data.len() as u64,
                // The client sends no more unless it is asked to.
                Piece::End | Piece::PreviewEnd => return Ok(()),
            }
            if skipped > bytes_max {
                return Err(IcapFault::Incomplete);
            }
        }
    }
}

impl Reading {
    /// Whether the body waits for the rest to be asked for.
    pub(super) fn wants_rest(&self) -> bool {
        self.wants_rest
    }

    /// The rest was asked for.
    pub(super) fn go_on(&mut self) {
        self.wants_rest = false;
        self.chunks.go_on();
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        self.bytes.reserve(READ_BYTES);
        let Self { io, bytes, .. } = self;
        pin!(io.read_buf(bytes)).poll(cx).map_ok(|read| read > 0)
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Piece, IcapFault>> {
        if let Some(fault) = self.fault {
            return Poll::Ready(Err(fault));
        }
        let piece = ready!(self.poll_whole(cx));
        self.fault = piece.as_ref().err().copied();
        Poll::Ready(piece)
    }

    fn poll_whole(&mut self, cx: &mut Context<'_>) -> Poll<Result<Piece, IcapFault>> {
        loop {
            let Self { chunks, bytes, .. } = self;
            if let Some(piece) = chunks.next(bytes)? {
                self.idle = None;
                return Poll::Ready(Ok(piece));
            }
            match self.poll_fill(cx) {
                Poll::Ready(Ok(true)) => self.idle = None,
                Poll::Ready(Ok(false) | Err(_)) => return Poll::Ready(Err(IcapFault::Incomplete)),
                Poll::Pending => {
                    let idle_max = self.idle_max;
                    let idle = self.idle.get_or_insert_with(|| Box::pin(sleep(idle_max)));
                    ready!(idle.as_mut().poll(cx));
                    report(&Event::LimitHit {
                        limit: "body_idle_ms_max",
                    });
                    return Poll::Ready(Err(IcapFault::Incomplete));
                }
            }
        }
    }
}

/// A body as it comes.
pub(super) struct Received(Reader);

impl Body for Received {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut reading = self.0.lock();
        if let Some(data) = reading.preview.pop_front() {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        match ready!(reading.poll_piece(cx)) {
            Ok(Piece::Data(data)) => Poll::Ready(Some(Ok(Frame::data(data)))),
            Ok(Piece::End) => Poll::Ready(None),
            // Whoever writes asks for it: the connection, which is the task that polls this.
            Ok(Piece::PreviewEnd) => {
                reading.wants_rest = true;
                Poll::Pending
            }
            Err(fault) => Poll::Ready(Some(Err(fault.into()))),
        }
    }

    fn is_end_stream(&self) -> bool {
        let reading = self.0.lock();
        reading.preview.is_empty() && reading.chunks.is_ended()
    }
}

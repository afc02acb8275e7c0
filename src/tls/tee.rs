//! A stream that remembers the first bytes which are read from it, until they are taken; to whoever reads and writes it is the
//! stream under it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream, and what was read from it.
#[derive(Debug)]
pub struct Tee<T> {
    inner: T,
    /// None once it was taken.
    read: Option<Vec<u8>>,
    bytes_max: usize,
}

impl<T> Tee<T> {
    /// Remembers at most `bytes_max`.
    pub(super) fn new(inner: T, bytes_max: usize) -> Self {
        Self {
            inner,
            read: Some(Vec::new()),
            bytes_max,
        }
    }

    /// The stream under it.
    pub fn inner(&self) -> &T {
        &self.inner
    }

    /// What was read so far, from the first byte on.
    pub(super) fn seen(&self) -> &[u8] {
        self.read.as_deref().unwrap_or_default()
    }

    /// What was read, from the first byte on; from now on nothing is remembered.
    pub(super) fn recorded(&mut self) -> Vec<u8> {
        self.read.take().unwrap_or_default()
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Tee<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        let bytes_max = self.bytes_max;
        if let Some(kept) = &mut self.read {
            let read = buf.filled().get(before..).unwrap_or_default();
            let room = bytes_max.saturating_sub(kept.len());
            kept.extend_from_slice(read.get(..room).unwrap_or(read));
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Tee<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn the_first_bytes_are_remembered_and_no_reader_is_told() {
        let (mut far, near) = tokio::io::duplex(64);
        let mut near = Tee::new(near, 5);
        let mut read = [0; 4];
        for (sent, kept) in [(b"abcd", "abcd"), (b"efgh", "abcde"), (b"ijkl", "abcde")] {
            far.write_all(sent).await.unwrap();
            near.read_exact(&mut read).await.unwrap();
            assert_eq!(&read, sent);
            assert_eq!(near.read.as_deref(), Some(kept.as_bytes()));
        }
        assert_eq!(near.recorded(), b"abcde");
        far.write_all(b"mnop").await.unwrap();
        near.read_exact(&mut read).await.unwrap();
        near.write_all(&read).await.unwrap();
        far.read_exact(&mut read).await.unwrap();
        assert_eq!((&read, near.recorded().len()), (b"mnop", 0));
    }
}

//! A stream of which the first bytes were read already, and are read again.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::checked_io::Abort;
use crate::tls::Tee;

/// A stream, and what stands before it.
pub(super) struct Front {
    bytes: Vec<u8>,
    /// At most the length of `bytes`.
    read: usize,
    stream: TcpStream,
}

impl Front {
    pub(super) fn new(bytes: Vec<u8>, stream: TcpStream) -> Self {
        Self { bytes, read: 0, stream }
    }
}

impl AsyncRead for Front {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let left = this.bytes.get(this.read..).unwrap_or_default();
        if left.is_empty() {
            return Pin::new(&mut this.stream).poll_read(cx, buf);
        }
        let taken = left.get(..buf.remaining()).unwrap_or(left);
        buf.put_slice(taken);
        this.read += taken.len();
        if this.read == this.bytes.len() {
            (this.bytes, this.read) = (Vec::new(), 0);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Front {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl Abort for Front {
    fn abort(&self) {
        self.stream.abort();
    }
}

impl Abort for TlsStream<Tee<Front>> {
    fn abort(&self) {
        self.get_ref().0.inner().abort();
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn what_was_read_is_read_again_before_what_follows() {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let (client, accepted) = tokio::join!(TcpStream::connect(address), socket.accept());
        let mut client = client.unwrap();
        client.write_all(b" and the rest").await.unwrap();
        client.shutdown().await.unwrap();
        let mut front = Front::new(b"the first".to_vec(), accepted.unwrap().0);
        let mut three = [0; 3];
        front.read_exact(&mut three).await.unwrap();
        let mut rest = String::new();
        front.read_to_string(&mut rest).await.unwrap();
        assert_eq!((&three, rest.as_str()), (b"the", " first and the rest"));
    }
}

//! A connection that left for an origin, which is known while it lasts: one that is led back here is a loop.

use std::collections::HashSet;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Our ends of the connections that left: one for each, so never more than there are.
#[derive(Clone, Debug, Default)]
pub(super) struct Leaving(Arc<Mutex<HashSet<SocketAddr>>>);

impl Leaving {
    /// Knows `stream` from now on. Nothing was written to it yet, so that whoever accepts it can know before it reads.
    pub(super) fn watch(&self, stream: TcpStream) -> Line {
        let own = stream.local_addr().ok().filter(|own| self.lock().insert(*own));
        let known = own.map(|own| Known(self.clone(), own));
        Line { _known: known, stream }
    }

    /// Whether a connection from `peer` is one of them, come back.
    pub(super) fn has(&self, peer: SocketAddr) -> bool {
        // An IPv6 listener tells addresses of IPv4 as its own kind.
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        self.lock().contains(&peer)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashSet<SocketAddr>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forgotten when dropped.
#[derive(Debug)]
struct Known(Leaving, SocketAddr);

impl Drop for Known {
    fn drop(&mut self) {
        self.0.lock().remove(&self.1);
    }
}

/// A connection to an origin.
#[derive(Debug)]
pub struct Line {
    _known: Option<Known>,
    stream: TcpStream,
}

impl From<TcpStream> for Line {
    /// One that nobody watches.
    fn from(stream: TcpStream) -> Self {
        Self { _known: None, stream }
    }
}

impl AsyncRead for Line {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Line {
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

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_connection_that_left_is_known_until_it_ends() {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(socket.local_addr().unwrap()).await.unwrap();
        let leaving = Leaving::default();
        let (_, peer) = socket.accept().await.unwrap();
        assert!(!leaving.has(peer));
        let line = leaving.watch(stream);
        assert!(leaving.has(peer));
        drop(line);
        assert!(!leaving.has(peer));
    }
}

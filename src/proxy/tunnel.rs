//! A tunnel after a switch of protocols: bytes both ways, uninspected and counted, until silence.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};

use super::limits::{Limits, ms};
use crate::events::{Event, report};

/// Bytes moved at a time in one direction.
const COPY_BYTES: usize = 16_384;

/// Joins the two sides of an exchange that left HTTP, and returns when both have ended, one broke, nothing moved for
/// `tunnel_idle_ms_max`, or `stopped` is ready. The bytes are counted whatever ends it; gives how many there were.
pub async fn tunnel(
    downstream: OnUpgrade,
    upstream: OnUpgrade,
    limits: &Limits,
    stopped: impl Future<Output = ()>,
) -> u64 {
    let (Ok(downstream), Ok(upstream)) = tokio::join!(downstream, upstream) else {
        return 0;
    };
    join(TokioIo::new(downstream), TokioIo::new(upstream), limits, stopped).await
}

async fn join<D, U>(downstream: D, upstream: U, limits: &Limits, stopped: impl Future<Output = ()>) -> u64
where
    D: AsyncRead + AsyncWrite,
    U: AsyncRead + AsyncWrite,
{
    let moved = Moved(AtomicU64::new(0));
    let (down_read, down_write) = split(downstream);
    let (up_read, up_write) = split(upstream);
    let copies = async { tokio::try_join!(copy(down_read, up_write, &moved.0), copy(up_read, down_write, &moved.0)) };
    tokio::select! {
        // Either side may break off: a tunnel has no error to tell.
        _ = copies => {}
        () = silence(&moved.0, limits) => report(&Event::LimitHit { limit: "tunnel_idle_ms_max" }),
        () = stopped => {}
    }
    moved.0.load(Relaxed)
}

/// Copies one direction to its end, and passes the end on.
async fn copy(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, moved: &AtomicU64) -> io::Result<()> {
    let mut buffer = vec![0; COPY_BYTES];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return to.shutdown().await;
        }
        to.write_all(buffer.get(..read).unwrap_or_default()).await?;
        moved.fetch_add(read as u64, Relaxed);
    }
}

/// Returns when nothing has moved for the limit.
pub(super) async fn silence(moved: &AtomicU64, limits: &Limits) {
    let mut seen = moved.load(Relaxed);
    loop {
        tokio::time::sleep(ms(limits.tunnel_idle_ms_max)).await;
        let now = moved.load(Relaxed);
        if now == seen {
            return;
        }
        seen = now;
    }
}

/// Bytes moved; reported when dropped, so that a tunnel that is cut counts too.
struct Moved(AtomicU64);

impl Drop for Moved {
    fn drop(&mut self) {
        report(&Event::TunnelBytes(self.0.load(Relaxed)));
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    #[tokio::test]
    async fn bytes_pass_both_ways_and_ends_too() {
        let (client, downstream) = tokio::io::duplex(64);
        let (upstream, origin) = tokio::io::duplex(64);
        let limits = Limits::default();
        let join = join(downstream, upstream, &limits, pending());
        let talk = async {
            let (mut client, mut origin) = (client, origin);
            client.write_all(b"ping").await.unwrap();
            let mut four = [0; 4];
            origin.read_exact(&mut four).await.unwrap();
            origin.write_all(b"pong").await.unwrap();
            client.read_exact(&mut four).await.unwrap();
            client.shutdown().await.unwrap();
            assert_eq!(origin.read(&mut four).await.unwrap(), 0);
            drop(origin);
            four
        };
        let (moved, last) = tokio::join!(join, talk);
        assert_eq!((moved, &last), (8, b"pong"));
    }

    #[tokio::test]
    async fn silence_ends_a_tunnel() {
        let (_client, downstream) = tokio::io::duplex(64);
        let (upstream, _origin) = tokio::io::duplex(64);
        let limits = Limits {
            tunnel_idle_ms_max: 1,
            ..Limits::default()
        };
        join(downstream, upstream, &limits, pending()).await;
    }
}

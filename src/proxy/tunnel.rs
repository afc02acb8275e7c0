//! A tunnel after a switch of protocols: bytes both ways, uninspected and counted, until silence.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};

use super::limits::{Limits, ms};
use crate::events::{Event, report};

/// Bytes moved at a time in one direction.
const COPY_BYTES: usize = 16_384;

/// Joins the two sides of an exchange that left HTTP, and returns when both have ended, one broke, nothing moved for
/// `tunnel_idle_ms_max`, or `stopped` is ready. The bytes are counted whatever ends it. Gives what `stopped` gave, if that ended it.
pub(super) async fn join<D, U, S>(
    downstream: D,
    upstream: U,
    limits: &Limits,
    meter: &Meter,
    stopped: impl Future<Output = S>,
) -> Option<S>
where
    D: AsyncRead + AsyncWrite,
    U: AsyncRead + AsyncWrite,
{
    let (down_read, down_write) = split(downstream);
    let (up_read, up_write) = split(upstream);
    let copies = async {
        tokio::try_join!(
            copy(down_read, up_write, &meter.up),
            copy(up_read, down_write, &meter.down)
        )
    };
    tokio::select! {
        // Either side may break off: a tunnel has no error to tell.
        _ = copies => {}
        () = silence(|| meter.total(), limits) => report(&Event::LimitHit { limit: "tunnel_idle_ms_max" }),
        stopped = stopped => return Some(stopped),
    }
    None
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
pub(super) async fn silence(moved: impl Fn() -> u64, limits: &Limits) {
    let mut seen = moved();
    loop {
        tokio::time::sleep(ms(limits.tunnel_idle_ms_max)).await;
        let now = moved();
        if now == seen {
            return;
        }
        seen = now;
    }
}

/// Bytes moved; reported when dropped, so that a tunnel that is cut counts too.
#[derive(Debug, Default)]
pub(super) struct Meter {
    up: AtomicU64,
    down: AtomicU64,
}

impl Meter {
    /// To the origin.
    pub(super) fn up(&self) -> u64 {
        self.up.load(Relaxed)
    }

    /// To the client.
    pub(super) fn down(&self) -> u64 {
        self.down.load(Relaxed)
    }

    /// Both ways.
    pub(super) fn total(&self) -> u64 {
        self.up() + self.down()
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        report(&Event::TunnelBytes(self.total()));
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
        let meter = Meter::default();
        let join = join(downstream, upstream, &limits, &meter, pending::<()>());
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
        let (_, last) = tokio::join!(join, talk);
        assert_eq!((meter.up(), meter.down(), &last), (4, 4, b"pong"));
    }

    #[tokio::test]
    async fn silence_ends_a_tunnel() {
        let (_client, downstream) = tokio::io::duplex(64);
        let (upstream, _origin) = tokio::io::duplex(64);
        let limits = Limits {
            tunnel_idle_ms_max: 1,
            ..Limits::default()
        };
        let ended = join(downstream, upstream, &limits, &Meter::default(), pending::<()>()).await;
        assert_eq!(ended, None);
    }
}

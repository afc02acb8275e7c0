//! What is about to leave, and must be known elsewhere before it does: people within a fifth of a limit on disk, those of
//! strict budgets to the other gateways.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::time::Instant;

use super::driver::Driver;

/// Resolves when everyone is on disk, true, or is not in time.
type Written = Pin<Box<dyn Future<Output = bool> + Send>>;

/// The wait for the disk, of one body.
#[derive(Default)]
pub(super) struct Leaving {
    /// And since when.
    wait: Option<(Written, Instant)>,
}

impl Leaving {
    /// Ready when it is known whether what the driver handed over may leave: it is on disk, or it need not be, or the fail mode
    /// says so. Where the fail mode is closed the driver is cut now, whatever it was refused for before.
    pub(super) fn poll(&mut self, driver: &mut Driver, cx: &mut Context<'_>) -> Poll<bool> {
        ready!(driver.poll_entered(cx));
        if driver.take_unwritten() {
            self.wait = Some((Box::pin(driver.written()), Instant::now()));
        }
        let Some((written, since)) = &mut self.wait else {
            return Poll::Ready(true);
        };
        let is_written = ready!(written.as_mut().poll(cx));
        let may_leave = driver.waited_for_disk(since.elapsed(), is_written);
        self.wait = None;
        Poll::Ready(may_leave)
    }
}

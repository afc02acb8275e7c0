//! Waiting until a connection has written all that it could: a reset throws away what HTTP/2 has not written yet.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};

/// Counts the polls of one connection, and wakes those who wait for one that left nothing to write.
///
/// A poll of an HTTP/2 connection writes every frame that flow control allows, so one that began after a frame was
/// queued, and ended without a full socket, has written it.
#[derive(Debug, Default)]
pub(super) struct Flushes {
    begun: AtomicU64,
    /// The last poll that left nothing; at most `begun`.
    clean: AtomicU64,
    connection: OnceLock<Waker>,
    is_awaited: AtomicBool,
    waiting: Mutex<Vec<Waker>>,
}

/// One who waits; made anew for each wait.
#[derive(Debug, Default)]
pub struct FlushTicket(Option<u64>);

impl Flushes {
    /// Runs one poll of the connection; `is_blocked` tells whether it ended at a full socket.
    pub(super) fn around<T>(
        &self,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Context<'_>) -> Poll<T>,
        is_blocked: impl FnOnce() -> bool,
    ) -> Poll<T> {
        self.connection.get_or_init(|| cx.waker().clone());
        let number = self.begun.fetch_add(1, SeqCst) + 1;
        let answer = poll(cx);
        if !is_blocked() {
            self.clean.store(number, SeqCst);
            self.wake();
        }
        answer
    }

    /// Ready after a poll that began after the first call with this ticket and left nothing to write.
    pub(super) fn poll_flushed(&self, ticket: &mut FlushTicket, cx: &mut Context<'_>) -> Poll<()> {
        let is_first = ticket.0.is_none();
        let wanted = *ticket.0.get_or_insert_with(|| self.begun.load(SeqCst) + 1);
        // Register before looking, so that a poll that ends in between is not missed.
        self.register(cx.waker());
        if self.clean.load(SeqCst) >= wanted {
            return Poll::Ready(());
        }
        if is_first && let Some(connection) = self.connection.get() {
            // It may have nothing else to do, and would not come round.
            connection.wake_by_ref();
        }
        Poll::Pending
    }

    /// One entry for each task: at most as many as the connection has streams.
    fn register(&self, waker: &Waker) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if !waiting.iter().any(|other| other.will_wake(waker)) {
            waiting.push(waker.clone());
        }
        self.is_awaited.store(true, SeqCst);
    }

    fn wake(&self) {
        // Nearly always nobody waits; a load is all that costs.
        if !self.is_awaited.load(SeqCst) {
            return;
        }
        self.is_awaited.store(false, SeqCst);
        let waiting = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        waiting.into_iter().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_later_poll_that_was_not_blocked_counts() {
        let flushes = Flushes::default();
        let mut cx = Context::from_waker(Waker::noop());
        let mut ticket = FlushTicket::default();
        let during = |cx: &mut Context<'_>| {
            // The wait begins while a poll is under way, which may have passed the frame by.
            assert!(flushes.poll_flushed(&mut ticket, cx).is_pending());
            Poll::<()>::Pending
        };
        assert!(flushes.around(&mut cx, during, || false).is_pending());
        assert!(flushes.poll_flushed(&mut ticket, &mut cx).is_pending());
        assert!(flushes.around(&mut cx, |_| Poll::<()>::Pending, || true).is_pending());
        assert!(flushes.poll_flushed(&mut ticket, &mut cx).is_pending());
        assert!(flushes.around(&mut cx, |_| Poll::<()>::Pending, || false).is_pending());
        assert!(flushes.poll_flushed(&mut ticket, &mut cx).is_ready());
    }
}

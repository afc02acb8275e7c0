//! What the writer is asked for and what it has done: who must see something on disk asks, and waits until it was served.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::engine::ledger::KeyId;

/// What the writer has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Done {
    /// Everything that changed before this ask is on disk.
    pub(super) served: u64,
    /// The last try failed: nobody waits for the next.
    pub(super) is_down: bool,
}

/// Keys that wait to be read back at most, some tens of milliseconds of the disk: more are not, and count as without room.
const WANTED_KEYS_MAX: usize = 4_096;

/// What it is asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked {
    /// Keys to be read back.
    pub(super) wanted: Vec<KeyId>,
    /// The number of the last ask.
    pub(super) ask: u64,
    /// Write once more, and end.
    pub(super) stop: bool,
}

/// Between those who ask and the writer. One write serves all who asked before it began.
pub(super) struct Orders {
    asked: Mutex<Asked>,
    wake: Condvar,
    done: watch::Sender<Done>,
}

impl Default for Orders {
    fn default() -> Self {
        Self {
            asked: Mutex::default(),
            wake: Condvar::new(),
            done: watch::Sender::new(Done::default()),
        }
    }
}

impl Orders {
    /// Asks for all that has changed by now; the number of the ask.
    pub(super) fn ask(&self) -> u64 {
        let mut asked = self.lock();
        asked.ask += 1;
        self.wake.notify_one();
        asked.ask
    }

    /// Asks for `keys` to be read back; the number of the ask, or none where too many wait.
    pub(super) fn want(&self, keys: &[KeyId]) -> Option<u64> {
        let mut asked = self.lock();
        if asked.wanted.len() + keys.len() > WANTED_KEYS_MAX {
            return None;
        }
        asked.wanted.extend_from_slice(keys);
        asked.ask += 1;
        self.wake.notify_one();
        Some(asked.ask)
    }

    /// Asks the writer to end.
    pub(super) fn stop(&self) {
        self.lock().stop = true;
        self.wake.notify_one();
    }

    /// What has been done.
    pub(super) fn done(&self) -> Done {
        *self.done.borrow()
    }

    /// Tells those who wait.
    pub(super) fn tell(&self, done: Done) {
        self.done.send_replace(done);
    }

    /// Resolves when `ask` was served, true, or when it is not going to be soon, false.
    pub(super) fn served(&self, ask: u64) -> impl Future<Output = bool> + Send + 'static {
        let mut done = self.done.subscribe();
        async move {
            let seen = done.wait_for(|done| done.served >= ask || done.is_down).await;
            seen.is_ok_and(|done| done.served >= ask)
        }
    }

    /// For the writer: waits `at_most`, or until there is something newer than `ask`; what is asked for.
    pub(super) fn next(&self, ask: u64, at_most: Duration) -> Asked {
        let is_idle = |asked: &mut Asked| asked.ask <= ask && !asked.stop;
        let waited = self.wake.wait_timeout_while(self.lock(), at_most, is_idle);
        let (mut asked, _) = waited.unwrap_or_else(PoisonError::into_inner);
        Asked {
            wanted: std::mem::take(&mut asked.wanted),
            ..*asked
        }
    }

    fn lock(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_write_serves_all_who_asked_before_it_and_a_failure_keeps_nobody_waiting() {
        let orders = Orders::default();
        let (first, second) = (orders.ask(), orders.ask());
        assert_eq!(orders.next(0, Duration::ZERO).ask, second);
        let waits = (orders.served(first), orders.served(second));
        orders.tell(Done {
            served: second,
            is_down: false,
        });
        assert!(waits.0.await && waits.1.await);
        let third = orders.served(orders.ask());
        orders.tell(Done {
            served: second,
            is_down: true,
        });
        assert!(!third.await);
        assert!(orders.served(first).await, "what is on disk stays there");
        drop(orders);
    }
}

//! The one clock of the process: monotonic, with an offset that is slewed towards the system's clock, so that no jump of
//! that one moves a window.

mod steering;

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::engine::time::Now;
use steering::{CHANGE_MS_MAX, Line, Steering};

pub use steering::{Look, Standing};

/// A machine that is so busy that each of these takes too long is not told from one where nothing waits.
const ACCEPT_TRIES_MAX: usize = 20;

/// Tells [`Now`]; cheap to copy and to ask.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
    /// A process has one clock or a few, and each is told to its end: it is never given back.
    steered: &'static Steered,
}

/// What all copies of a clock share.
#[derive(Debug)]
struct Steered {
    /// The packed line.
    line: AtomicI64,
    steering: Mutex<Steering>,
}

impl Clock {
    /// A clock that starts from the system's time.
    #[expect(clippy::disallowed_methods, reason = "the one place where the process reads time")]
    pub fn start() -> Self {
        let steering = Steering::new(system_ms());
        let steered = Steered {
            line: AtomicI64::new(steering.line().pack()),
            steering: Mutex::new(steering),
        };
        Self {
            start: Instant::now(),
            steered: Box::leak(Box::new(steered)),
        }
    }

    /// The present moment. Never before one that was told.
    pub fn now(&self) -> Now {
        let line = Line::unpack(self.steered.line.load(Ordering::Relaxed));
        Now::from_millis(line.at(self.elapsed_ms()).unsigned_abs())
    }

    /// Looks at the system's clock and steers after it: to be called once a second.
    pub fn look(&self) -> Look {
        self.steer(Steering::look).unwrap_or_else(|| self.last())
    }

    /// What the last look said.
    pub fn last(&self) -> Look {
        self.steering().last()
    }

    /// A person says that the system's clock is right: time jumps forwards to it, or is slewed backwards. `None` where
    /// nothing waits for that.
    pub fn accept(&self) -> Option<Look> {
        (0..ACCEPT_TRIES_MAX)
            .find_map(|_| self.steer(Steering::accept))
            .flatten()
    }

    /// Steers by what both clocks say now; `None` where the machine took too long in between, so that another thread
    /// could still read the line before.
    fn steer<T>(&self, how: impl FnOnce(&mut Steering, u64, u64) -> T) -> Option<T> {
        let mut steering = self.steering();
        let elapsed_ms = self.elapsed_ms();
        let mut next = *steering;
        let said = how(&mut next, elapsed_ms, system_ms());
        if self.elapsed_ms() - elapsed_ms >= CHANGE_MS_MAX {
            return None;
        }
        self.steered.line.store(next.line().pack(), Ordering::Relaxed);
        *steering = next;
        Some(said)
    }

    fn elapsed_ms(&self) -> u64 {
        self.start.elapsed().as_millis() as u64
    }

    fn steering(&self) -> MutexGuard<'_, Steering> {
        self.steered.steering.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Unix milliseconds of the system's clock.
#[expect(clippy::disallowed_methods, reason = "the one place where the process reads time")]
fn system_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_millis() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_at_a_system_that_does_not_jump_changes_nothing() {
        let clock = Clock::start();
        let before = clock.now();
        let look = clock.look();
        assert_eq!((look.standing, look.is_news), (Standing::Level, false));
        assert_eq!(clock.accept(), None);
        assert!(clock.now() >= before && clock.last().offset_ms.abs() < 5_000);
    }
}

//! The one clock of the process: unix time at the start, monotonic from then on, so that no window runs backwards.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::engine::time::Now;

/// Tells [`Now`]; cheap to copy.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
    unix: Duration,
}

impl Clock {
    /// A clock that starts from the system's time.
    #[expect(clippy::disallowed_methods, reason = "the one place where the process reads time")]
    pub fn start() -> Self {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            start: Instant::now(),
            unix,
        }
    }

    /// The present moment.
    pub fn now(&self) -> Now {
        Now::from_millis((self.unix + self.start.elapsed()).as_millis() as u64)
    }
}

//! What else one could build in two days: a rate limit an address, and a counter of log lines with a kill switch.

use std::ops::Range;

use hashbrown::{HashMap, HashSet};

use super::scenario::DAY_MS;

/// From the line in the log to the address being cut off, in milliseconds: collected, counted, pushed to the edge.
pub(super) const KILL_AFTER_MS: u64 = 60_000;
/// How long it is cut off.
const KILLED_FOR_MS: u64 = 86_400_000;

/// A token bucket an address, as a rate limit of a proxy has it, with a burst of one minute.
pub(super) struct RateLimit {
    requests_a_minute: u64,
    /// Tokens left, in milliseconds of one minute's budget, and when they were counted.
    buckets: HashMap<u32, (u64, u64)>,
}

impl RateLimit {
    pub(super) fn new(requests_a_minute: u32) -> Self {
        Self {
            requests_a_minute: u64::from(requests_a_minute),
            buckets: HashMap::new(),
        }
    }

    /// How many of `requests` of `address` at `at_ms` pass.
    pub(super) fn pass(&mut self, address: u32, requests: u32, at_ms: u64) -> u32 {
        let full = self.requests_a_minute * 60_000;
        let (tokens, then) = self.buckets.entry(address).or_insert((full, at_ms));
        let earned = at_ms.saturating_sub(*then).saturating_mul(self.requests_a_minute);
        *tokens = tokens.saturating_add(earned).min(full);
        *then = at_ms.max(*then);
        let passed = (*tokens / 60_000).min(u64::from(requests));
        *tokens -= passed * 60_000;
        passed as u32
    }
}

/// Counts the people of each address and day in a log, and has an address cut off that was given too many. It is told
/// people, which lines of a log do not tell: more than it would have.
pub(super) struct LogCounter {
    people: usize,
    /// The day, and who was shown on it.
    shown: HashMap<u32, (u64, HashSet<u64>)>,
    /// From when until when an address is cut off.
    killed: HashMap<u32, (u64, u64)>,
}

impl LogCounter {
    pub(super) fn new(people: u32) -> Self {
        Self {
            people: people as usize,
            shown: HashMap::new(),
            killed: HashMap::new(),
        }
    }

    /// Whether `address` is cut off at `at_ms`.
    pub(super) fn cuts(&self, address: u32, at_ms: u64) -> bool {
        let killed = self.killed.get(&address);
        killed.is_some_and(|(from, until)| (*from..*until).contains(&at_ms))
    }

    /// A line of `at_ms` tells that `address` was shown `people`; whether they were too many, so that the switch is thrown.
    pub(super) fn line(&mut self, address: u32, people: Range<u64>, at_ms: u64) -> bool {
        let (day, shown) = self.shown.entry(address).or_default();
        if *day != at_ms / DAY_MS {
            *day = at_ms / DAY_MS;
            shown.clear();
        }
        shown.extend(people);
        if shown.len() <= self.people {
            return false;
        }
        let from = at_ms + KILL_AFTER_MS;
        let killed = self.killed.entry(address).or_insert((from, from + KILLED_FOR_MS));
        // What came before the switch was thrown throws no other.
        if at_ms >= killed.1 {
            *killed = (from, from + KILLED_FOR_MS);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_limit_lets_a_burst_and_then_its_pace_through() {
        let mut limit = RateLimit::new(60);
        assert_eq!(limit.pass(1, 100, 0), 60);
        assert_eq!(limit.pass(1, 100, 500), 0, "half a request");
        assert_eq!(limit.pass(1, 100, 10_000), 10);
        assert_eq!(limit.pass(2, 100, 10_000), 60, "another address");
    }

    #[test]
    fn the_switch_is_thrown_a_minute_late_and_for_a_day() {
        let mut log = LogCounter::new(2);
        let day = 10 * DAY_MS;
        let over = [0..2, 0..2, 2..3, 3..4].map(|people| log.line(1, people, day + 1_000));
        assert_eq!(over, [false, false, true, true]);
        let end = 61_000 + KILLED_FOR_MS;
        let cuts = [60_999, 61_000, end - 1, end].map(|at| log.cuts(1, day + at));
        assert_eq!(cuts, [false, true, true, false]);
        assert!(!log.cuts(2, day + 61_000));
        assert!(!log.line(1, 5..7, day + DAY_MS), "another day");
    }
}

//! What else one could build in two days: a rate limit an address, and a counter of log lines with a kill switch.

use hashbrown::HashMap;

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

/// Addresses that are cut off, each from one moment until another.
#[derive(Default)]
pub(super) struct KillSwitch(HashMap<u32, (u64, u64)>);

impl KillSwitch {
    /// Whether `address` is cut off at `at_ms`.
    pub(super) fn cuts(&self, address: u32, at_ms: u64) -> bool {
        self.0
            .get(&address)
            .is_some_and(|(from, until)| (*from..*until).contains(&at_ms))
    }

    /// A line of `at_ms` told that `address` was given too many.
    pub(super) fn told(&mut self, address: u32, at_ms: u64) {
        let from = at_ms + KILL_AFTER_MS;
        let killed = self.0.entry(address).or_insert((from, from + KILLED_FOR_MS));
        // What came before the switch was thrown throws no other.
        if at_ms >= killed.1 {
            *killed = (from, from + KILLED_FOR_MS);
        }
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
        let mut switch = KillSwitch::default();
        switch.told(1, 1_000);
        switch.told(1, 2_000);
        let cuts = [60_999, 61_000, 61_000 + KILLED_FOR_MS - 1, 61_000 + KILLED_FOR_MS].map(|at| switch.cuts(1, at));
        assert_eq!(cuts, [false, true, true, false]);
        assert!(!switch.cuts(2, 61_000));
    }
}

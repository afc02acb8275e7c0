//! How often a person would be called: one incident a key and budget, until it is quiet for an hour.

use hashbrown::HashMap;

use crate::engine::ledger::{BudgetId, KeyId};

/// As the audit trail does it (`quiet_s` of `[audit]`): what is quiet for so long, in milliseconds, is over.
const QUIET_MS: u64 = 3_600_000;

/// Open incidents at which those that are over are looked for.
const OPEN_SWEPT: usize = 4_096;

/// The incidents of one run.
#[derive(Debug, Default)]
pub(super) struct Incidents {
    /// When each open one was last seen, in unix milliseconds.
    open: HashMap<(BudgetId, KeyId), u64>,
    /// How many may be open before the next sweep.
    sweep_at: usize,
}

impl Incidents {
    /// Takes in that `key` is over `budget` at `at_ms`; whether that is a new incident.
    pub(super) fn is_new(&mut self, budget: BudgetId, key: KeyId, at_ms: u64) -> bool {
        if let Some(last) = self.open.get_mut(&(budget, key)) {
            let is_new = at_ms.saturating_sub(*last) >= QUIET_MS;
            *last = at_ms.max(*last);
            return is_new;
        }
        if self.open.len() >= self.sweep_at.max(OPEN_SWEPT) {
            self.open.retain(|_, last| at_ms.saturating_sub(*last) < QUIET_MS);
            self.sweep_at = self.open.len() * 2;
        }
        self.open.insert((budget, key), at_ms);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_on_is_one_incident_and_what_comes_back_after_an_hour_is_another() {
        let mut incidents = Incidents::default();
        let (one, other) = (KeyId([1; 12]), KeyId([2; 12]));
        let minute = |minute: u64| minute * 60_000;
        let seen = [(one, 0), (one, 30), (other, 31), (one, 89), (one, 149), (other, 60)];
        let new = seen.map(|(key, at)| incidents.is_new(BudgetId(1), key, minute(at)));
        assert_eq!(new, [true, false, true, false, true, false]);
        assert!(incidents.is_new(BudgetId(2), one, minute(149)), "another budget");
    }

    #[test]
    fn those_that_are_over_take_no_room() {
        let mut incidents = Incidents::default();
        for number in 0..100_000_u32 {
            let mut key = [0; 12];
            key[..4].copy_from_slice(&number.to_be_bytes());
            incidents.is_new(BudgetId(1), KeyId(key), u64::from(number) * 10_000);
        }
        assert!(incidents.open.len() <= OPEN_SWEPT, "{}", incidents.open.len());
    }
}

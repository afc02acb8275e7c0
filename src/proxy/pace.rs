//! How often something may happen, for each of many who ask: a second's worth at once, then one after another.

use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

use crate::engine::generations::Generations;
use crate::engine::time::Now;

/// One pace for each key, in bounded memory: whoever is forgotten has a second's worth anew.
pub(super) struct Paces<K> {
    /// The microsecond from which on nothing is owed.
    free_from: Mutex<Generations<K, u64>>,
}

/// A second.
const BURST_US: u64 = 1_000_000;

impl<K: Hash + Eq> Paces<K> {
    /// Remembers at most so many keys.
    pub(super) fn new(keys_max: usize) -> Self {
        Self {
            free_from: Mutex::new(Generations::new(keys_max)),
        }
    }

    /// Whether it may happen once more for `key`, of which it may `per_s_max` times a second.
    pub(super) fn take(&self, key: K, per_s_max: u32, now: Now) -> bool {
        let now_us = now.millis().saturating_mul(1_000);
        let interval_us = BURST_US / u64::from(per_s_max.max(1));
        let mut free_from = self.free_from.lock().unwrap_or_else(PoisonError::into_inner);
        let after = free_from.get(&key).map_or(now_us, |from| now_us.max(*from)) + interval_us;
        let may_happen = after <= now_us + BURST_US;
        if may_happen {
            free_from.insert(key, after);
        }
        may_happen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holds_its_number_and_each_key_has_its_own() {
        let paces = Paces::new(100);
        let at = |millis: u64| Now::from_millis(1_790_000_000_000 + millis);
        let taken = |key: u8, millis: u64| (0..200).filter(|_| paces.take(key, 50, at(millis))).count();
        assert_eq!((taken(1, 0), taken(1, 0), taken(2, 0)), (50, 0, 50));
        assert_eq!((taken(1, 100), taken(1, 1_100), taken(1, 5_000)), (5, 50, 50));
        let slow = (0..100).filter(|tenth| paces.take(3, 1, at(tenth * 100))).count();
        assert_eq!(slow, 10, "one a second");
    }
}

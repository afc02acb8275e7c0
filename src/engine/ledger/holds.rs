//! Keys refused for a time: bounded for each dimension, and counted rather than looked for.

use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

use super::entry::{Entry, Hold};
use super::frame::{Mark, Tag};
use super::limit::KeyUse;
use super::shards::{Ledger, SHARDS, shard_of};
use super::{BudgetId, Dimension, HeldKey, KeyId};
use crate::engine::time::Now;

/// What is known of all holds without a look at the keys.
#[derive(Default)]
pub(super) struct Holds {
    changed: AtomicU64,
    /// Entries with a hold, by dimension. One that ended counts until it is swept.
    taken: [AtomicUsize; Dimension::NUMBERS],
    /// No hold that counts ends before this second; 0 says nothing.
    first_end: AtomicU32,
}

impl Holds {
    fn of(&self, dimension: Dimension) -> &AtomicUsize {
        let taken = self.taken.get(dimension.number());
        taken.expect("there is a count for each dimension")
    }

    /// Takes one of `max` holds.
    fn take(&self, dimension: Dimension, max: usize) -> bool {
        let one_more = |taken: usize| (taken < max).then_some(taken + 1);
        let taken = self.of(dimension);
        taken
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more)
            .is_ok()
    }

    /// An entry of this dimension has its hold no more.
    pub(super) fn gave_back(&self, dimension: Dimension) {
        let relaxed = Ordering::Relaxed;
        let one_less = |taken: usize| taken.checked_sub(1);
        _ = self.of(dimension).fetch_update(relaxed, relaxed, one_less);
    }
}

impl Ledger {
    /// The hold in force on any of `keys`: the key, the budget that set it (`None`: a person), and its end (second).
    pub fn held(&self, keys: &[KeyUse], now: Now) -> Option<(KeyId, Option<BudgetId>, u32)> {
        keys.iter().find_map(|used| {
            let shard = self.lock_shard(shard_of(used.key));
            let hold = shard.keys.get(used.key)?.held(now)?;
            Some((used.key, hold.cause, hold.until))
        })
    }

    /// Holds `key` for `seconds`; false when `holds_max` keys of its dimension are held. Live streams learn of it
    /// through [`Ledger::holds_changed`].
    pub fn hold(&self, key: KeyId, dimension: Dimension, seconds: u32, cause: Option<BudgetId>, now: Now) -> bool {
        let has_hold = |entry: &Entry| entry.hold().is_some();
        // A key that is held already needs no room; a crawler that goes on costs one look-up.
        let known = self
            .lock_shard(shard_of(key))
            .keys
            .get(key)
            .map(|entry| (has_hold(entry), entry.dimension));
        let (had, dimension) = known.unwrap_or((false, dimension));
        if !had && !self.take_hold(dimension, now) {
            return false;
        }
        let mut shard = self.lock_shard(shard_of(key));
        let place = shard.find_or_insert(key, dimension);
        let Some(entry) = shard.keys.at(place) else {
            return false;
        };
        match (had, has_hold(entry)) {
            // Another exchange came first.
            (false, true) => self.holds.gave_back(dimension),
            // It ended meanwhile; one too many is no harm.
            (true, false) => _ = self.holds.take(dimension, usize::MAX),
            (true, true) | (false, false) => {}
        }
        let until = now.second().saturating_add(seconds);
        let until = match entry.held(now) {
            Some(before) if before.until >= until => return true,
            Some(_) | None => until,
        };
        entry.decide(Tag::Held { until, cause }, now);
        self.holds.first_end.fetch_min(until, Ordering::Relaxed);
        shard.changed(self.carriers, place, now.second());
        drop(shard);
        self.tell_holds();
        true
    }

    /// Holds the first of these that finds room: `key`, if it is one of `keys`, the address, the network. The dimension that is
    /// held.
    pub fn hold_or_coarser(
        &self,
        keys: &[KeyUse],
        (key, dimension): (KeyId, Dimension),
        seconds: u32,
        cause: BudgetId,
        now: Now,
    ) -> Option<Dimension> {
        let coarser = [Dimension::Address, Dimension::Network]
            .into_iter()
            .filter(|coarser| *coarser > dimension);
        let own = keys.iter().find(|used| used.key == key);
        let coarser = coarser.filter_map(|wanted| keys.iter().find(|used| used.dimension == wanted));
        let held = own
            .into_iter()
            .chain(coarser)
            .find(|used| self.hold(used.key, used.dimension, seconds, Some(cause), now));
        held.map(|used| used.dimension)
    }

    /// Ends the hold of `key` and forgives: `people` more than every limit are allowed until the second `until`.
    /// False when the key is not known.
    pub fn release(&self, key: KeyId, people: u32, until: u32, now: Now) -> bool {
        let mut shard = self.lock_shard(shard_of(key));
        let Some(place) = shard.find(key, Dimension::Session) else {
            return false;
        };
        let Some(entry) = shard.keys.at(place).filter(|entry| entry.counts_people()) else {
            return false;
        };
        if entry.hold().is_some() {
            self.holds.gave_back(entry.dimension);
        }
        entry.decide(Tag::Released { until, people }, now);
        shard.changed(self.carriers, place, now.second());
        drop(shard);
        self.tell_holds();
        true
    }

    /// A number that changes whenever a hold or a revocation begins, or ends by hand.
    pub fn holds_changed(&self) -> u64 {
        self.holds.changed.load(Ordering::Acquire)
    }

    /// Live streams look again at what they may not be under.
    pub fn tell_holds(&self) {
        self.holds.changed.fetch_add(1, Ordering::Release);
    }

    /// Up to `limit` holds in force.
    pub fn holds(&self, now: Now, limit: usize) -> Vec<HeldKey> {
        let mut views = Vec::new();
        for at in 0..SHARDS {
            let shard = self.lock_shard(at);
            let held = shard
                .keys
                .iter()
                .filter_map(|(key, entry)| Some((key, entry.dimension, entry.held(now)?)));
            views.extend(held.map(|(key, dimension, hold)| HeldKey {
                key,
                dimension,
                since: hold.since,
                until: hold.until,
                cause: hold.cause,
            }));
            if views.len() >= limit {
                views.truncate(limit);
                break;
            }
        }
        views
    }

    /// Takes in what was decided about `key` elsewhere.
    pub(super) fn decided(&self, entry: &mut Entry, mark: Mark, now: Now) {
        let had = entry.hold().is_some();
        let was_revoked = entry.revocation().is_some();
        if !entry.decided(mark) {
            return;
        }
        self.count_revocation(was_revoked, entry.revocation().is_some());
        match (had, entry.hold()) {
            (false, Some(hold)) => {
                // A hold that another gateway set is never refused for want of room.
                _ = self.holds.take(entry.dimension, usize::MAX);
                self.holds.first_end.fetch_min(hold.until, Ordering::Relaxed);
            }
            (true, None) => self.holds.gave_back(entry.dimension),
            (true, Some(_)) | (false, None) => {}
        }
        if entry.held(now).is_some() || had || entry.is_of_credential() {
            self.tell_holds();
        }
    }

    /// Takes one of `holds_max`; where none is left, those that ended are looked for, if there can be any.
    fn take_hold(&self, dimension: Dimension, now: Now) -> bool {
        let max = self.settings().holds_max;
        self.holds.take(dimension, max) || (self.sweep_holds(now) && self.holds.take(dimension, max))
    }

    /// Gives back the holds that ended; false where none can have, or another thread does it.
    fn sweep_holds(&self, now: Now) -> bool {
        let first_end = &self.holds.first_end;
        let due = first_end.load(Ordering::Relaxed);
        // What begins from here on lowers it again.
        let relaxed = Ordering::Relaxed;
        if due > now.second() || first_end.compare_exchange(due, u32::MAX, relaxed, relaxed).is_err() {
            return false;
        }
        for at in 0..SHARDS {
            let mut shard = self.lock_shard(at);
            let held = shard.keys.iter_mut().filter(|(_, entry)| entry.hold().is_some());
            for (_, entry) in held {
                match entry.held(now) {
                    Some(Hold { until, .. }) => _ = first_end.fetch_min(until, relaxed),
                    None => self.holds.gave_back(entry.end_mark()),
                }
            }
        }
        true
    }
}

//! Keys that are on disk alone: where the ledger is full, those that were not seen for a while make room, and are read back
//! when they are asked for.
//!
//! ```text
//!  in memory ── full, idle, on disk ──▶ spilled (a name) ── asked for ──▶ read from disk ──▶ in memory
//!                                          └── no window reaches it, its row is dropped ──▶ gone
//! ```
//! What is spilled may not be counted under before it is back: it would begin at nobody.

use std::hash::BuildHasherDefault;
use std::sync::atomic::Ordering;

use hashbrown::HashSet;

use super::carry::oldest;
use super::limit::KeyUse;
use super::shards::{Ledger, Shard, shard_of};
use super::subject_hash::SubjectHasher;
use super::{Carrier, KeyFrame, KeyId};
use crate::engine::time::Now;

/// A key that was seen, or read back, in the last so many seconds stays: exchanges that it was read back for are under way.
const IDLE_SECONDS_MIN: u32 = 60;

/// The names of a shard's keys that are on disk alone.
#[derive(Default)]
pub(super) struct Spilled(HashSet<u64, BuildHasherDefault<SubjectHasher>>);

impl Spilled {
    pub(super) fn contains(&self, key: KeyId) -> bool {
        !self.0.is_empty() && self.0.contains(&name(key))
    }
}

impl Shard {
    /// Notes that `key` is on disk alone; whether that is news.
    fn spilled_one(&mut self, key: KeyId) -> bool {
        let before = self.spilled.0.allocation_size();
        let is_news = self.spilled.0.insert(name(key));
        self.room.resize(before, self.spilled.0.allocation_size());
        is_news
    }

    /// Makes room by keys that the disk has, the older half of those that were not seen lately; how many more are there alone.
    pub(super) fn spill(&mut self, now: Now) -> usize {
        let idle_from = now.second().saturating_sub(IDLE_SECONDS_MIN);
        let mut gone = Vec::new();
        self.take_older_half(
            |entry| entry.may_spill(idle_from, now),
            // What no window reaches may have no row any more.
            |key, entry| gone.extend((!entry.may_go(now)).then_some(key)),
        );
        gone.into_iter().filter(|key| self.spilled_one(*key)).count()
    }
}

impl Ledger {
    /// Those of `keys`, and of what is kept up beside them, that are on disk alone: they are to be read back before anybody counts
    /// under them.
    pub fn spilled<'k>(&self, keys: impl Iterator<Item = &'k KeyId>) -> Vec<KeyId> {
        // Nearly always nothing is.
        if self.spilled_keys() > 0 {
            let keys = keys.flat_map(|key| [Some(*key), self.apart().map(|apart| key.beside(apart))]);
            keys.flatten()
                .filter(|key| self.lock_shard(shard_of(*key)).spilled.contains(*key))
                .collect()
        } else {
            Vec::new()
        }
    }

    /// How many keys are on disk alone.
    pub fn spilled_keys(&self) -> usize {
        self.spilled.load(Ordering::Acquire)
    }

    /// Takes back what the disk has of a spilled key; none if that has nothing any more. It stays for a while, or where it is if
    /// there is no room.
    pub fn unspill(&self, key: KeyId, frame: Option<&KeyFrame>, now: Now) {
        let mut shard = self.lock_shard(shard_of(key));
        let Some(frame) = frame else {
            return self.is_back(&mut shard, key);
        };
        if !shard.spilled.contains(key) || !self.make_room(&mut shard, false, now) {
            return;
        }
        let place = self.merge_into(&mut shard, frame, now);
        self.is_back(&mut shard, key);
        if let Some(entry) = shard.keys.at(place) {
            entry.used_at(now);
        }
        // Other gateways may have begun anew meanwhile.
        shard.changed(self.carriers & Carrier::Fleet.bit(), place, oldest(frame));
    }

    /// `key` is not on disk alone any more.
    fn is_back(&self, shard: &mut Shard, key: KeyId) {
        let was_spilled = shard.spilled.0.remove(&name(key));
        self.spilled.fetch_sub(usize::from(was_spilled), Ordering::AcqRel);
    }

    /// Keys of an exchange that begins stay in memory for a while, as long as some are on disk alone.
    pub(super) fn keep_at_hand(&self, keys: &[KeyUse], now: Now) {
        if self.spilled_keys() == 0 {
            return;
        }
        for used in keys {
            let mut shard = self.lock_shard(shard_of(used.key));
            if let Some(entry) = shard.keys.get_mut(used.key) {
                entry.used_at(now);
            }
        }
    }

    /// Takes in a row of the disk at a start; where three quarters of the room are taken, its key stays there: the last one is
    /// for those that come.
    pub fn load(&self, frame: &KeyFrame, now: Now) {
        let mut shard = self.lock_shard(shard_of(frame.key));
        let is_known = shard.keys.find(frame.key).is_some();
        // A mark must be known, and sums are not read back one by one.
        let may_stay = frame.mark.is_none() && frame.sums.is_empty();
        let is_spilled = shard.spilled.contains(frame.key);
        if may_stay && (is_spilled || !(is_known || self.make_room(&mut shard, true, now))) {
            return self.note_spilled(usize::from(shard.spilled_one(frame.key)));
        }
        self.merge_into(&mut shard, frame, now);
    }
}

/// The last bytes of a key; the first has chosen the shard.
fn name(key: KeyId) -> u64 {
    u64::from_le_bytes(key.0.last_chunk().copied().unwrap_or_default())
}

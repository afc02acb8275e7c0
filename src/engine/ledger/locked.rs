//! The shards that one exchange locks at once, and where its keys are in them.

use std::hint::black_box;
use std::sync::MutexGuard;

use smallvec::SmallVec;

use super::KeyId;
use super::entry::Entry;
use super::limit::KeyUse;
use super::shards::{Ledger, SHARDS, Shard, shard_of, weigh};
use crate::engine::time::Now;

/// Some of the shards.
#[derive(Clone, Copy, Default)]
pub(super) struct ShardSet {
    /// A bit each.
    words: [u64; SHARDS / 64],
    /// How many bits stand before each word.
    before: [u32; SHARDS / 64],
}

impl ShardSet {
    /// The shards of `keys`.
    pub(super) fn of<'k>(keys: impl Iterator<Item = &'k KeyUse>) -> Self {
        let mut set = Self::default();
        for used in keys {
            let shard = shard_of(used.key);
            if let Some(word) = set.words.get_mut(shard / 64) {
                *word |= 1 << (shard % 64);
            }
        }
        let mut bits = 0;
        for (before, word) in set.before.iter_mut().zip(set.words) {
            *before = bits;
            bits += word.count_ones();
        }
        set
    }

    /// How many of them have a lower number than `shard`.
    fn before(&self, shard: usize) -> u32 {
        let word = self.words.get(shard / 64).copied().unwrap_or_default();
        let before = self.before.get(shard / 64).copied().unwrap_or_default();
        before + (word & ((1 << (shard % 64)) - 1)).count_ones()
    }

    /// Their numbers, ascending.
    fn iter(&self) -> impl Iterator<Item = usize> {
        (0..).zip(self.words).flat_map(|(at, word)| {
            let mut left = word;
            std::iter::from_fn(move || {
                let bit = (left != 0).then(|| left.trailing_zeros() as usize)?;
                left &= left - 1;
                Some(at * 64 + bit)
            })
        })
    }
}

/// The place of a key that is nowhere, or that nobody looked for yet.
pub(super) const NOWHERE: u32 = u32::MAX;

/// A key of an exchange: the number of its shard among those that the exchange locks, and where it was last found there.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) lock: u32,
    pub(super) at: u32,
}

impl Place {
    /// Of a key that is locked for itself, and that nobody looked for yet.
    pub(super) const UNKNOWN: Self = Self {
        lock: NOWHERE,
        at: NOWHERE,
    };

    /// Of a key in one of `shards` that nobody looked for yet.
    pub(super) fn of(key: KeyId, shards: &ShardSet) -> Self {
        Self {
            lock: shards.before(shard_of(key)),
            ..Self::UNKNOWN
        }
    }
}

impl Ledger {
    /// Locks `shards` in the order of their numbers, as every caller does, so that nobody waits in a circle.
    #[inline]
    pub(super) fn lock(&self, shards: &ShardSet) -> Locked<'_> {
        let mut locked = Locked(SmallVec::new());
        for at in shards.iter() {
            locked.0.push(self.lock_shard(at));
        }
        locked
    }

    /// Looks at these keys, but for those on which somebody works: what one thread has looked at lies near for the next.
    pub fn look(&self, keys: &[KeyUse]) {
        let seen = keys
            .iter()
            .filter_map(|used| self.try_lock_shard(shard_of(used.key))?.keys.newest(used.key));
        black_box(seen.fold(0, |seen, newest| seen ^ newest));
    }

    /// The same of keys of several exchanges, where nobody else has this ledger: no lock orders one look after the other.
    pub fn look_ahead<'k>(&mut self, keys: impl Iterator<Item = &'k KeyUse> + Clone) {
        let first = keys
            .clone()
            .map(|used| self.own_shard(shard_of(used.key)).keys.first(used.key));
        black_box(first.fold(0, |seen, first| seen ^ first));
        let newest = keys.filter_map(|used| self.own_shard(shard_of(used.key)).keys.newest(used.key));
        black_box(newest.fold(0, |seen, newest| seen ^ newest));
    }
}

/// The locked shards of one exchange.
pub(super) struct Locked<'l>(SmallVec<[MutexGuard<'l, Shard>; 8]>);

impl Locked<'_> {
    /// The shard of a key.
    pub(super) fn shard(&mut self, place: Place) -> Option<&mut Shard> {
        Some(self.0.get_mut(place.lock as usize)?)
    }

    /// Looks where these keys would be, if nobody looked for them yet: the memory is waited for once for all of them, and not
    /// once for each.
    #[inline]
    pub(super) fn prefetch<'k>(&self, keys: impl Iterator<Item = (&'k KeyUse, &'k Place)>) {
        let mut seen = 0;
        for (used, place) in keys.filter(|(_, place)| place.at == NOWHERE) {
            seen ^= self
                .0
                .get(place.lock as usize)
                .map_or(0, |shard| shard.keys.first(used.key));
        }
        black_box(seen);
    }

    /// As [`Shard::enter`].
    pub(super) fn enter(&mut self, ledger: &Ledger, used: &KeyUse, place: &mut Place, now: Now) {
        if let Some(shard) = self.shard(*place) {
            shard.enter(ledger, used, &mut place.at, now);
        }
    }

    /// Whether a key is on disk alone.
    pub(super) fn is_spilled(&mut self, key: KeyId, place: Place) -> bool {
        self.shard(place).is_some_and(|shard| shard.spilled.contains(key))
    }

    /// The entry of `key`, if it is at `place`.
    pub(super) fn at(&mut self, key: KeyId, place: Place) -> Option<&mut Entry> {
        self.shard(place)?.keys.of(key, place.at)
    }

    /// Works on the entry of `key`, if it is at `place`: the room that it then takes is weighed.
    #[inline]
    pub(super) fn weighing(&mut self, key: KeyId, place: Place, act: impl FnOnce(&mut Entry)) -> Option<()> {
        let shard = self.shard(place)?;
        let entry = shard.keys.of(key, place.at)?;
        act(entry);
        weigh(&mut shard.room, entry);
        Some(())
    }
}

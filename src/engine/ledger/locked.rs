//! The shards that one exchange locks at once, and where its keys are in them.

use std::sync::MutexGuard;

use smallvec::SmallVec;

use super::KeyId;
use super::entry::Entry;
use super::limit::KeyUse;
use super::shards::{Ledger, Shard, shard_of, weigh};
use crate::engine::time::Now;

/// Numbers of shards, ascending.
pub(super) type ShardList = SmallVec<[usize; 8]>;

/// The place of a key that is nowhere, or that nobody looked for yet.
pub(super) const NOWHERE: u32 = u32::MAX;

/// A key of an exchange: the number of its shard among those that the exchange locks, and where it was last found there.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) lock: u32,
    pub(super) at: u32,
}

impl Place {
    /// Of a key that nobody looked for yet.
    pub(super) fn of(key: KeyId, shards: &ShardList) -> Self {
        let wanted = shard_of(key);
        let lock = shards.iter().position(|shard| *shard == wanted);
        Self {
            lock: lock.map_or(NOWHERE, |lock| lock as u32),
            at: NOWHERE,
        }
    }
}

impl Ledger {
    /// The shards of `keys`, ascending: every caller locks in this order, so nobody waits in a circle.
    pub(super) fn shards_of<'k>(keys: impl Iterator<Item = &'k KeyUse>) -> ShardList {
        let mut shards = ShardList::new();
        for used in keys {
            shards.push(shard_of(used.key));
        }
        shards.sort_unstable();
        shards.dedup();
        shards
    }

    /// Locks `shards`, which are ascending.
    #[inline]
    pub(super) fn lock(&self, shards: &ShardList) -> Locked<'_> {
        let mut locked = Locked(SmallVec::new());
        for at in shards {
            locked.0.push(self.lock_shard(*at));
        }
        locked
    }
}

/// The locked shards of one exchange.
pub(super) struct Locked<'l>(SmallVec<[MutexGuard<'l, Shard>; 8]>);

impl Locked<'_> {
    /// The shard of a key.
    pub(super) fn shard(&mut self, place: Place) -> Option<&mut Shard> {
        Some(self.0.get_mut(place.lock as usize)?)
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
        weigh(&mut shard.bytes, entry);
        Some(())
    }
}

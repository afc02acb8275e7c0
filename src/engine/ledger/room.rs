//! The room that the keys of a shard take: each its own, but for what very large ones take, which all shards give up together.
//! A key lies in one of 256 shards, and one of very many people would else leave none to those that chance put beside it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::shards::{KEY_BYTES, Ledger, SHARDS, Shard};
use crate::engine::time::Now;

/// Bytes of a key beyond which what it takes is taken from all shards: those of some thirty people who stay exact.
const LARGE_BYTES: usize = 1 << 10;

/// The room that is taken of one shard.
#[derive(Default)]
pub(super) struct Room {
    own: usize,
    large: Arc<AtomicUsize>,
}

impl Room {
    /// That of an empty shard; `large` is that of all shards.
    pub(super) fn new(large: &Arc<AtomicUsize>) -> Self {
        Self {
            own: 0,
            large: Arc::clone(large),
        }
    }

    /// Bytes that are taken of this shard alone.
    #[inline]
    pub(super) fn own(&self) -> usize {
        self.own
    }

    /// What takes this shard's room took `before` and takes `after` bytes.
    #[inline]
    pub(super) fn resize(&mut self, before: usize, after: usize) {
        self.own = self.own + after - before;
    }

    /// What is known of a key took `before` and takes `after` bytes.
    #[inline]
    pub(super) fn weigh(&mut self, before: usize, after: usize) {
        self.resize(before.min(LARGE_BYTES), after.min(LARGE_BYTES));
        if before.max(after) > LARGE_BYTES {
            let beyond = |bytes: usize| bytes.saturating_sub(LARGE_BYTES);
            self.large.fetch_add(beyond(after), Ordering::Relaxed);
            self.large.fetch_sub(beyond(before), Ordering::Relaxed);
        }
    }
}

impl Ledger {
    /// Makes room for a key in `shard`; false when what is in it must stay. A client that makes up keys fills three
    /// quarters: the last one is for addresses, for what is known, and for all who share them.
    #[inline]
    pub(super) fn make_room(&self, shard: &mut Shard, may_be_made_up: bool, now: Now) -> bool {
        self.has_room(shard, may_be_made_up) || self.press(shard, self.room(may_be_made_up), now)
    }

    /// Whether there is room for a key in `shard` as it is.
    #[inline]
    pub(super) fn has_room(&self, shard: &Shard, may_be_made_up: bool) -> bool {
        shard.room.own() + KEY_BYTES <= self.room(may_be_made_up)
    }

    /// Those of them that such a key may have.
    fn room(&self, may_be_made_up: bool) -> usize {
        let all = self.room_of_each();
        if may_be_made_up { all - all / 4 } else { all }
    }

    /// Bytes of one shard: its part of what no large key takes.
    fn room_of_each(&self) -> usize {
        let large = self.large.load(Ordering::Relaxed);
        self.settings().bytes_max.saturating_sub(large) / SHARDS
    }

    /// Makes room in a shard that is full.
    #[cold]
    fn press(&self, shard: &mut Shard, room: usize, now: Now) -> bool {
        let has_room = |shard: &Shard| shard.room.own() + KEY_BYTES <= room;
        // A flood of new keys costs one look at all of them a second.
        if shard.crowded == now.second() {
            return false;
        }
        // Idle keys first; then, in one sweep so that the cost is spread, the older half of those that only tell.
        let before = shard.keys.len();
        shard.take_older_half(
            |entry| entry.may_go(now),
            |_, entry| {
                entry.hold().iter().for_each(|_| self.holds.gave_back(entry.dimension));
                self.count_revocation(entry.revocation().is_some(), false);
            },
        );
        self.evicted
            .fetch_add((before - shard.keys.len()) as u64, Ordering::Relaxed);
        if !has_room(shard) && self.is_stored() {
            self.note_spilled(shard.spill(now));
        }
        if !has_room(shard) {
            shard.crowded = now.second();
        }
        has_room(shard)
    }

    /// Keys of `shard` that may rest: none as long as half of its room is free, since a key at rest is in no list.
    pub(super) fn resting_max(&self, shard: &Shard) -> usize {
        let is_empty = shard.room.own() < self.room_of_each() / 2;
        if is_empty {
            0
        } else {
            self.settings().young_sessions_max / SHARDS
        }
    }
}

//! Telling others what changed, and taking in what they know: the store on disk, and the gateways of a fleet.

use super::entry::Entry;
use super::shards::{Ledger, SHARDS, Shard, shard_of};
use super::{Dimension, KeyFrame, KeyId};
use crate::engine::time::Now;

/// Who carries the ledger elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// To disk.
    Store,
    /// To other gateways.
    Fleet,
}

impl Carrier {
    const ALL: [Self; 2] = [Self::Store, Self::Fleet];

    pub(super) const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// Keys of one shard that changed: their place, and the second from which on they did.
#[derive(Default)]
pub(super) struct Carried([Vec<(u32, u32)>; Carrier::ALL.len()]);

impl Carried {
    /// What is known of the key at `place` changes, from the second `from` on: each of `carriers` is to be told.
    #[inline]
    pub(super) fn note(&mut self, entry: &mut Entry, carriers: u8, place: u32, from: u32) {
        if carriers == 0 {
            return;
        }
        // What is listed is told from an earlier second on, unless this comes from elsewhere.
        let news = if from < entry.changed_from {
            carriers
        } else {
            carriers & !entry.changed
        };
        if entry.changed == 0 || from < entry.changed_from {
            entry.changed_from = from;
        }
        entry.changed |= news;
        if news != 0 {
            let lists = Carrier::ALL.iter().zip(&mut self.0);
            for (_, list) in lists.filter(|(carrier, _)| carrier.bit() & news != 0) {
                list.push((place, from));
            }
        }
    }
}

impl Shard {
    /// As [`Carried::note`].
    pub(super) fn changed(&mut self, carriers: u8, place: u32, from: u32) {
        if let Some(entry) = self.keys.at(place) {
            self.carried.note(entry, carriers, place, from);
        }
    }

    fn drain(&mut self, carrier: Carrier, resting_max: usize, frames: &mut Vec<KeyFrame>) {
        let changed = self.carried.0.get_mut(carrier as usize).map(std::mem::take);
        for (place, from) in changed.unwrap_or_default() {
            let Some((key, entry)) = self.keys.key(place).zip(self.keys.at(place)) else {
                continue;
            };
            entry.changed &= !carrier.bit();
            frames.push(entry.frame(key, from));
            self.rest(place, resting_max);
        }
    }
}

/// All keys are so many parts of nearly one size: a look at one of them is short.
pub const PARTS: usize = 16;

/// The first second that a frame says something of.
pub(super) fn oldest(frame: &KeyFrame) -> u32 {
    let seconds = frame.elements.iter().map(|(_, second)| *second);
    let registers = frame.registers.iter().map(|(.., second)| *second);
    seconds.chain(registers).min().unwrap_or_default()
}

impl Ledger {
    /// From now on changes are kept for `carrier`, which must ask for them.
    pub fn carry(&mut self, carrier: Carrier) {
        self.carriers |= carrier.bit();
    }

    /// Appends what changed since the last time: frames of the keys that did, with what is new of them. All that changed
    /// before the call is in them, or in those of earlier calls.
    pub fn drain(&self, carrier: Carrier, frames: &mut Vec<KeyFrame>) {
        for at in 0..SHARDS {
            let mut shard = self.lock_shard(at);
            let resting_max = self.resting_max(&shard);
            shard.drain(carrier, resting_max, frames);
        }
    }

    /// What a drain said did not arrive: the next one says it again.
    pub fn drain_again<'f>(&self, carrier: Carrier, frames: impl Iterator<Item = &'f KeyFrame>) {
        for frame in frames {
            let mut shard = self.lock_shard(shard_of(frame.key));
            // It may have gone to rest meanwhile.
            if let Some(place) = shard.find(frame.key, frame.dimension) {
                shard.changed(carrier.bit(), place, oldest(frame));
            }
        }
    }

    /// The next drain says everything that was seen at or after `from` under keys of the part `part` of [`PARTS`].
    pub fn drain_from(&self, carrier: Carrier, from: u32, part: usize) {
        for at in (part..SHARDS).step_by(PARTS) {
            let mut shard = self.lock_shard(at);
            let keys = shard.keys.iter();
            let recent = keys.filter(|(_, entry)| entry.seen.newest() >= from || entry.mark().is_some());
            let keys: Vec<KeyId> = recent.map(|(key, _)| key).collect();
            let places: Vec<u32> = keys.iter().filter_map(|key| shard.keys.find(*key)).collect();
            for place in places {
                shard.changed(carrier.bit(), place, from);
            }
        }
    }

    /// How many keys `carrier` has to be told of.
    pub fn undrained(&self, carrier: Carrier) -> usize {
        let of = |at| {
            let shard = self.lock_shard(at);
            shard.carried.0.get(carrier as usize).map_or(0, Vec::len)
        };
        (0..SHARDS).map(of).sum()
    }

    /// Whether anything is known of a key.
    pub fn knows(&self, key: KeyId) -> bool {
        self.exact_people(key).is_some()
    }

    /// So many of the newest people of a key are known one by one; all others are estimated.
    pub fn exact_people(&self, key: KeyId) -> Option<u32> {
        let shard = self.lock_shard(shard_of(key));
        shard.keys.get(key).map(Entry::exact_people)
    }

    /// Whether what is shown goes to disk.
    pub(super) fn is_stored(&self) -> bool {
        self.carriers & Carrier::Store.bit() != 0
    }

    /// Takes in what `from` knows of a key. What gateways say goes to disk; what is on disk is nobody's news.
    pub fn merge(&self, frame: &KeyFrame, from: Carrier, now: Now) {
        let mut shard = self.lock_shard(shard_of(frame.key));
        let place = self.merge_into(&mut shard, frame, now);
        if from == Carrier::Fleet {
            shard.changed(self.carriers & Carrier::Store.bit(), place, oldest(frame));
        }
        let resting_max = self.resting_max(&shard);
        shard.rest(place, resting_max);
    }

    /// The place of the key that a frame is of, once all that it says is taken in.
    pub(super) fn merge_into(&self, shard: &mut Shard, frame: &KeyFrame, now: Now) -> u32 {
        let keep = self.settings().exact_elements_max;
        let place = shard.find_or_insert(frame.key, frame.dimension);
        if let Some(entry) = shard.keys.at(place) {
            entry.merge(frame, now, keep);
            if let Some(mark) = frame.mark {
                self.decided(entry, mark, now);
            }
        }
        shard.weigh(place);
        place
    }

    /// All that is known of one key.
    pub fn frame(&self, key: KeyId) -> Option<KeyFrame> {
        let mut shard = self.lock_shard(shard_of(key));
        let place = shard.find(key, Dimension::Session)?;
        shard.keys.at(place).map(|entry| entry.frame(key, 0))
    }
}

//! Where things are, by their hash: a table of numbers that finds, notes and drops one in a few steps.
//!
//! ```text
//!  one u64 a place:  [ 1 | 31 bits of the hash | 32 bits: the place ]   0 is free
//!  a place stands where its hash says, or in the next that is free behind it (linear probing)
//! ```
//! The hash stands beside the place, so that a table that grows touches none of the things. What is hashed are keyed hashes:
//! nobody can choose them, and so nobody can make what is searched long.

/// Bytes of one place in a table that is half full.
pub(super) const INDEXED_BYTES: usize = 2 * size_of::<u64>();

/// The smallest table.
const SLOTS_MIN: usize = 8;
const TAKEN: u64 = 1 << 63;

/// Places by hash.
#[derive(Default)]
pub(super) struct Index {
    /// A power of two, of which at most three quarters are taken; or none.
    slots: Vec<u64>,
    len: usize,
}

impl Index {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The place of what has this hash, and `is` it.
    #[inline]
    pub(super) fn find(&self, hash: u32, is: impl Fn(u32) -> bool) -> Option<u32> {
        let wanted = slot(hash, 0);
        let mut at = hash as usize;
        loop {
            let known = self.at(at);
            if (known ^ wanted) >> 32 == 0 && is(known as u32) {
                return Some(known as u32);
            }
            if known == 0 {
                return None;
            }
            at += 1;
        }
    }

    /// What stands where a hash says: whoever looks here brings what is searched next into the cache.
    #[inline]
    pub(super) fn first(&self, hash: u32) -> u64 {
        self.at(hash as usize)
    }

    /// As [`Index::find`]; where it is nowhere, it is at `place` from now on.
    #[inline]
    pub(super) fn find_or_insert(&mut self, hash: u32, place: u32, is: impl Fn(u32) -> bool) -> Option<u32> {
        self.make_room();
        let wanted = slot(hash, place);
        let mut at = hash as usize;
        loop {
            let known = self.at(at);
            if known == 0 {
                self.len += 1;
                self.set(at, wanted);
                return None;
            }
            if (known ^ wanted) >> 32 == 0 && is(known as u32) {
                return Some(known as u32);
            }
            at += 1;
        }
    }

    /// What has this hash and is nowhere yet is at `place`.
    #[inline]
    pub(super) fn insert(&mut self, hash: u32, place: u32) {
        self.make_room();
        self.len += 1;
        self.put(slot(hash, place));
    }

    /// What is at `place` is at another from now on.
    pub(super) fn replace(&mut self, hash: u32, place: u32, other: u32) {
        if let Some(at) = self.position(hash, place) {
            self.set(at, slot(hash, other));
        }
    }

    /// Nothing is at `place` any more.
    #[inline]
    pub(super) fn remove(&mut self, hash: u32, place: u32) {
        let Some(mut free) = self.position(hash, place) else {
            return;
        };
        self.len -= 1;
        let mut at = free;
        loop {
            at += 1;
            let known = self.at(at);
            if known == 0 {
                return self.set(free, 0);
            }
            // What stands behind its place because that was taken moves up, or it would not be found any more.
            let behind = at.wrapping_sub((known >> 32) as usize) & self.mask();
            if behind >= (at - free) {
                self.set(free, known);
                free = at;
            }
        }
    }

    pub(super) fn clear(&mut self) {
        self.slots.fill(0);
        self.len = 0;
    }

    pub(super) fn reserve(&mut self, more: usize) {
        let slots = ((self.len + more) / 3 * 4 + 4).next_power_of_two();
        if slots > self.slots.len() {
            self.grow(slots.max(SLOTS_MIN));
        }
    }

    /// Bytes on the heap.
    pub(super) fn bytes(&self) -> usize {
        self.slots.capacity() * size_of::<u64>()
    }

    /// Room for one more.
    #[inline]
    fn make_room(&mut self) {
        if self.len >= self.slots.len() / 4 * 3 {
            self.grow((self.slots.len() * 2).max(SLOTS_MIN));
        }
    }

    #[cold]
    fn grow(&mut self, slots: usize) {
        let before = std::mem::replace(&mut self.slots, vec![0; slots]);
        before
            .into_iter()
            .filter(|known| *known != 0)
            .for_each(|known| self.put(known));
    }

    /// In the first slot that is free.
    #[inline]
    fn put(&mut self, wanted: u64) {
        let mut at = (wanted >> 32) as usize;
        while self.at(at) != 0 {
            at += 1;
        }
        self.set(at, wanted);
    }

    fn position(&self, hash: u32, place: u32) -> Option<usize> {
        let wanted = slot(hash, place);
        let mut slots = (hash as usize..)
            .map(|at| (at, self.at(at)))
            .take_while(|(_, known)| *known != 0);
        slots.find(|(_, known)| *known == wanted).map(|(at, _)| at)
    }

    /// The slot `at`, counted on from the first behind the last.
    #[inline]
    fn at(&self, at: usize) -> u64 {
        self.slots.get(at & self.mask()).copied().unwrap_or_default()
    }

    #[inline]
    fn set(&mut self, at: usize, to: u64) {
        let at = at & self.mask();
        if let Some(slot) = self.slots.get_mut(at) {
            *slot = to;
        }
    }

    #[inline]
    fn mask(&self) -> usize {
        self.slots.len().wrapping_sub(1)
    }
}

const fn slot(hash: u32, place: u32) -> u64 {
    TAKEN | (hash as u64) << 32 | place as u64
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_agrees_with_a_map_however_hashes_meet(acts in prop::collection::vec((0_u32..40, 0_u8..3), 0..400), spread in 0_u32..30) {
            let (mut index, mut model) = (Index::default(), HashMap::new());
            // Some hashes are the same, many neighbours, and some at the end of the table.
            let hash = |thing: u32| (thing / 2).wrapping_sub(spread) << (spread % 3);
            for (step, (thing, act)) in (0..).zip(acts) {
                let is = |model: &HashMap<u32, u32>, place| model.get(&thing) == Some(&place);
                let known = index.find(hash(thing), |place| is(&model, place));
                prop_assert_eq!(known, model.get(&thing).copied());
                match (act, known) {
                    (0, Some(place)) => {
                        index.remove(hash(thing), place);
                        model.remove(&thing);
                    }
                    (1, Some(place)) => {
                        index.replace(hash(thing), place, step);
                        model.insert(thing, step);
                    }
                    _ => {
                        prop_assert_eq!(index.find_or_insert(hash(thing), step, |place| is(&model, place)), known);
                        model.entry(thing).or_insert(step);
                    }
                }
                prop_assert_eq!(index.len(), model.len());
            }
        }
    }
}

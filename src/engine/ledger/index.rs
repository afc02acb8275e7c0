//! Where things are, by their hash: a table of numbers that finds, notes and drops one in a few steps.
//!
//! ```text
//!  one u32 a thing:  [ 1 | bits of the hash | its number, as far as the table needs it ]   0 is free
//!  a thing stands where its hash says, or in the next that is free behind it (linear probing)
//! ```
//! The slot of what goes stays as it is until the table is full: it is written anew then, which costs each thing that comes less than
//! to close the gap behind each that goes.
//!
//! What is hashed are keyed hashes: nobody can choose them, and so nobody can make what is searched long.

/// Bytes of one thing in a table that is half full.
pub(super) const INDEXED_BYTES: usize = 2 * size_of::<u32>();

/// The smallest table.
const SLOTS_MIN: usize = 64;
const TAKEN: u32 = 1 << 31;
/// A slot of what was taken out: neither free nor of anything.
const GONE: u32 = 1;

/// What is in an index: things that have a number each.
pub(super) trait Things {
    /// The smallest number. The others are less than four times as far behind it as the table has slots: a ring may have as many
    /// places without a thing as with one and [`SLOTS_MIN`] more, and three quarters as many things as slots come without a look
    /// at that.
    fn first(&self) -> u32;

    /// The number and the hash of each, in the order in which they lie in memory.
    fn each(&self) -> impl Iterator<Item = (u32, u32)>;
}

/// Numbers by hash.
#[derive(Default)]
pub(super) struct Index {
    /// A power of two, of which at most three quarters are not free; or none.
    slots: Vec<u32>,
    /// Those that are not free.
    used: usize,
    /// The bits of a slot that are of the number: those of four times as many as there are slots.
    numbers: u32,
    len: usize,
}

impl Index {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The number of what has this hash, and `is` it.
    #[inline]
    pub(super) fn find(&self, hash: u32, things: &impl Things, is: impl Fn(u32) -> bool) -> Option<u32> {
        self.search(hash, things, is).ok()
    }

    /// What stands where a hash says: whoever looks here brings what is searched next into the cache.
    #[inline]
    pub(super) fn first(&self, hash: u32) -> u32 {
        self.at(hash as usize)
    }

    /// As [`Index::find`]; where it is nowhere, its number is `number` from now on.
    #[inline]
    pub(super) fn find_or_insert(
        &mut self,
        hash: u32,
        number: u32,
        things: &impl Things,
        is: impl Fn(u32) -> bool,
    ) -> Option<u32> {
        self.make_room(things);
        match self.search(hash, things, is) {
            Ok(known) => Some(known),
            Err(free) => {
                (self.len, self.used) = (self.len + 1, self.used + 1);
                self.set(free, self.slot(hash, number));
                None
            }
        }
    }

    /// Its number, or the free slot in which it would be.
    #[inline]
    fn search(&self, hash: u32, things: &impl Things, is: impl Fn(u32) -> bool) -> Result<u32, usize> {
        let (wanted, mask) = (self.slot(hash, 0), self.numbers);
        let mut at = hash as usize;
        loop {
            let known = self.at(at);
            if known == 0 {
                return Err(at);
            }
            let number = number_of(known, mask, things);
            if (known ^ wanted) & !mask == 0 && is(number) {
                return Ok(number);
            }
            at += 1;
        }
    }

    /// What has this hash and number has another number from now on.
    pub(super) fn replace(&mut self, hash: u32, number: u32, other: u32) {
        if let Some(at) = self.position(hash, number) {
            self.set(at, self.slot(hash, other));
        }
    }

    /// What has this hash and number is not there any more.
    #[inline]
    pub(super) fn remove(&mut self, hash: u32, number: u32) {
        if let Some(at) = self.position(hash, number) {
            self.set(at, GONE);
            self.len -= 1;
        }
    }

    /// What had the smallest number is not among the things any more: nothing [is](Index::find) what its slot says.
    #[inline]
    pub(super) fn first_left(&mut self) {
        self.len -= 1;
    }

    /// Begins anew with things of these hashes, whose numbers are 0, 1, and so on.
    pub(super) fn refill(&mut self, hashes: impl ExactSizeIterator<Item = u32>) {
        let slots = (hashes.len() / 3 * 4 + 4).next_power_of_two().max(SLOTS_MIN);
        if slots > self.slots.len() {
            self.make(slots);
        } else {
            self.slots.fill(0);
        }
        (self.len, self.used) = (hashes.len(), hashes.len());
        for (number, hash) in (0..).zip(hashes) {
            self.put(hash, number);
        }
    }

    /// Bytes on the heap.
    pub(super) fn bytes(&self) -> usize {
        self.slots.capacity() * size_of::<u32>()
    }

    /// Room for one more.
    #[inline]
    fn make_room(&mut self, things: &impl Things) {
        if self.used >= self.slots.len() / 4 * 3 {
            self.renew(things);
        }
    }

    /// Writes all things anew; into twice as many slots, unless many are of what has gone.
    #[cold]
    fn renew(&mut self, things: &impl Things) {
        let slots = self.slots.len();
        if self.len > slots / 8 * 5 || slots == 0 {
            self.make((slots * 2).max(SLOTS_MIN));
        } else {
            self.slots.fill(0);
        }
        self.used = self.len;
        for (number, hash) in things.each() {
            self.put(hash, number);
        }
    }

    /// Has so many slots from now on, none of which is taken.
    fn make(&mut self, slots: usize) {
        self.numbers = (slots * 4 - 1) as u32 & !TAKEN;
        self.slots = vec![0; slots];
    }

    /// In the first slot that is free.
    #[inline]
    fn put(&mut self, hash: u32, number: u32) {
        let mut at = hash as usize;
        while self.at(at) != 0 {
            at += 1;
        }
        self.set(at, self.slot(hash, number));
    }

    fn position(&self, hash: u32, number: u32) -> Option<usize> {
        let wanted = self.slot(hash, number);
        let mut slots = (hash as usize..)
            .map(|at| (at, self.at(at)))
            .take_while(|(_, known)| *known != 0);
        slots.find(|(_, known)| *known == wanted).map(|(at, _)| at)
    }

    /// The slot `at`, counted on from the first behind the last.
    #[inline]
    fn at(&self, at: usize) -> u32 {
        self.slots.get(at & self.mask()).copied().unwrap_or_default()
    }

    #[inline]
    fn set(&mut self, at: usize, to: u32) {
        let at = at & self.mask();
        if let Some(slot) = self.slots.get_mut(at) {
            *slot = to;
        }
    }

    #[inline]
    fn mask(&self) -> usize {
        self.slots.len().wrapping_sub(1)
    }

    /// The high bits of a hash are compared, since the low ones say where it stands.
    #[inline]
    fn slot(&self, hash: u32, number: u32) -> u32 {
        let mask = self.numbers;
        TAKEN | hash & !mask | number & mask
    }
}

/// The number that a slot holds the low bits of.
#[inline]
fn number_of(slot: u32, mask: u32, things: &impl Things) -> u32 {
    let first = things.first();
    first.wrapping_add(slot.wrapping_sub(first) & mask)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    /// Things by number, of which the first have gone.
    struct Model {
        numbers: HashMap<u32, u32>,
        hashes: HashMap<u32, u32>,
        first: u32,
    }

    impl Things for Model {
        fn first(&self) -> u32 {
            self.first
        }

        fn each(&self) -> impl Iterator<Item = (u32, u32)> {
            self.numbers.values().map(|number| (*number, self.hashes[number]))
        }
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_map_however_hashes_meet(
            acts in prop::collection::vec((0_u32..40, 0_u8..4), 0..400),
            spread in 0_u32..30,
            first in prop_oneof![Just(0), Just(u32::MAX - 20), any::<u32>()],
        ) {
            let mut index = Index::default();
            let mut model = Model { numbers: HashMap::new(), hashes: HashMap::new(), first };
            // Some hashes are the same, many neighbours, and some at the end of the table.
            let hash = |thing: u32| (thing / 2).wrapping_sub(spread) << (spread % 3);
            let mut next = first;
            for (thing, act) in acts {
                let is = |number| model.numbers.get(&thing) == Some(&number);
                let known = index.find(hash(thing), &model, is);
                prop_assert_eq!(known, model.numbers.get(&thing).copied());
                match (act, known) {
                    (0, Some(number)) => {
                        index.remove(hash(thing), number);
                        model.numbers.remove(&thing);
                    }
                    (1, Some(number)) => {
                        index.replace(hash(thing), number, next);
                        model.numbers.insert(thing, next);
                        model.hashes.insert(next, hash(thing));
                        next = next.wrapping_add(1);
                    }
                    (2, _) => {
                        // Whoever came first leaves, and the numbers begin behind it.
                        let oldest = model.numbers.iter().min_by_key(|(_, number)| number.wrapping_sub(model.first));
                        if let Some((thing, number)) = oldest.map(|(thing, number)| (*thing, *number)) {
                            model.numbers.remove(&thing);
                            model.first = number.wrapping_add(1);
                            index.first_left();
                        }
                    }
                    _ => {
                        prop_assert_eq!(index.find_or_insert(hash(thing), next, &model, is), known);
                        if known.is_none() {
                            model.numbers.insert(thing, next);
                            model.hashes.insert(next, hash(thing));
                            next = next.wrapping_add(1);
                        }
                    }
                }
                prop_assert_eq!(index.len(), model.numbers.len());
                // Numbers move on, as those of a ring do.
                let oldest = model.numbers.values().map(|number| number.wrapping_sub(model.first)).min();
                if next.wrapping_sub(model.first) > 64 {
                    let mut kept: Vec<_> = model.numbers.iter().map(|(thing, number)| (*number, *thing)).collect();
                    kept.sort_unstable_by_key(|(number, _)| number.wrapping_sub(model.first));
                    index.refill(kept.iter().map(|(_, thing)| hash(*thing)));
                    model.numbers = (0..).zip(&kept).map(|(number, (_, thing))| (*thing, number)).collect();
                    model.hashes = (0..).zip(&kept).map(|(number, (_, thing))| (number, hash(*thing))).collect();
                    (model.first, next) = (0, kept.len() as u32);
                } else {
                    model.first = model.first.wrapping_add(oldest.unwrap_or_default());
                }
            }
        }
    }
}

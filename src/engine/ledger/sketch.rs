//! A sliding `HyperLogLog`: how many distinct elements were seen in the last w seconds, for every w at once.
//!
//! Each register keeps those (rank, second) that may still be the highest of some window: all that a later one of at
//! least the same rank does not hide (Y. Chabchoub, G. Hébrail, "Sliding `HyperLogLog`", ICDMW 2010). The higher the rank
//! the older it is, so that a set of ranks and their seconds in the same order say everything:
//!
//! ```text
//!  block of 64 registers:  ranks [u32; 64], a bit each   counts [u8; 64]   seconds [u24; ..] in order of register and rank
//! ```

use super::estimate::{RANK_MAX, REGISTERS, estimate};

/// Registers of one block: inserting moves at most its seconds.
const BLOCK: usize = 64;
/// Seconds after the first that can be told apart: 194 days.
const SPAN: u32 = 1 << 24;

/// Elements by register and rank, with the second each was last seen in. About 90 KB after a month of millions.
pub(super) struct Sketch {
    blocks: Box<[Block]>,
    /// The second that stored seconds count from.
    base: u32,
}

struct Block {
    /// Bit `r` of a register: there is a second for rank `r + 1`.
    ranks: [u32; BLOCK],
    /// How many seconds a register has: adding these up is cheaper than counting bits.
    counts: [u8; BLOCK],
    /// Little-endian, after `base`; of each register the lower rank first, which is the later second.
    seconds: Vec<[u8; 3]>,
}

impl Sketch {
    /// A sketch that has seen nothing; `now` is a second near those that it will see.
    pub(super) fn new(now: u32) -> Self {
        let block = || Block {
            ranks: [0; BLOCK],
            counts: [0; BLOCK],
            seconds: Vec::new(),
        };
        Self {
            blocks: (0..REGISTERS / BLOCK).map(|_| block()).collect(),
            base: now.saturating_sub(SPAN / 2),
        }
    }

    /// Marks `element` as seen in `second`; whether that changed anything.
    pub(super) fn insert(&mut self, element: u64, second: u32) -> bool {
        let (register, rank) = place(element);
        self.raise(register, rank, second)
    }

    /// Marks `register` as having had `rank` in `second`; out of range is nothing.
    pub(super) fn raise(&mut self, register: u16, rank: u8, second: u32) -> bool {
        if !(1..=RANK_MAX as u8).contains(&rank) || usize::from(register) >= REGISTERS {
            return false;
        }
        if second >= self.base.saturating_add(SPAN) {
            self.rebase(second);
        }
        let second = second.saturating_sub(self.base);
        let (block, within) = (usize::from(register) / BLOCK, usize::from(register) % BLOCK);
        let block = self.blocks.get_mut(block);
        block.is_some_and(|block| block.raise(within, u32::from(rank) - 1, second))
    }

    /// How many distinct elements were seen at or after the second `from`.
    pub(super) fn estimate(&self, from: u32) -> f64 {
        let from = from.saturating_sub(self.base);
        let mut counts = [0; RANK_MAX + 1];
        for block in &self.blocks {
            block.count(from, &mut counts);
        }
        estimate(&counts)
    }

    /// Each (register, rank, second) last seen at or after `from`.
    pub(super) fn entries(&self, from: u32) -> impl Iterator<Item = (u16, u8, u32)> {
        let blocks = self.blocks.iter().enumerate();
        let all = blocks.flat_map(move |(number, block)| {
            block.entries().map(move |(register, rank, second)| {
                ((number * BLOCK + register) as u16, rank as u8 + 1, self.base + second)
            })
        });
        all.filter(move |(.., second)| *second >= from)
    }

    /// Drops what was last seen before the second `from`.
    pub(super) fn forget_before(&mut self, from: u32) {
        let from = from.saturating_sub(self.base);
        self.blocks.iter_mut().for_each(|block| block.keep(from, 0));
    }

    /// Bytes on the heap.
    pub(super) fn bytes(&self) -> usize {
        let seconds: usize = self.blocks.iter().map(|block| block.seconds.capacity() * 3).sum();
        size_of_val(&*self.blocks) + seconds
    }

    /// Moves the first second so that `second` is in the middle of what can be told.
    fn rebase(&mut self, second: u32) {
        let base = second.saturating_sub(SPAN / 2);
        let by = base - self.base;
        self.blocks.iter_mut().for_each(|block| block.keep(by, by));
        self.base = base;
    }
}

/// The register of an element, and the rank it gives it: one more than the number of zeros that its other bits begin with.
fn place(element: u64) -> (u16, u8) {
    // Subjects are hashes; what else is counted need not be as even.
    let mut hash = element;
    hash = (hash ^ hash >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ hash >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^= hash >> 31;
    let bits = REGISTERS.trailing_zeros();
    let register = (hash >> (u64::BITS - bits)) as u16;
    let rank = ((hash << bits).leading_zeros() + 1).min(RANK_MAX as u32);
    (register, rank as u8)
}

impl Block {
    /// The bit `rank` of `register` in `second`, unless something later of at least its rank hides it.
    fn raise(&mut self, register: usize, rank: u32, second: u32) -> bool {
        let start = sum_before(&self.counts, register);
        let Some((ranks, own_count)) = self.ranks.get_mut(register).zip(self.counts.get_mut(register)) else {
            return false;
        };
        let below = (*ranks & ((1 << rank) - 1)).count_ones();
        let own = start + below;
        // Of the higher ones the lowest is the latest.
        let higher = *ranks >> rank != 0;
        if higher
            && self
                .seconds
                .get(own as usize)
                .is_some_and(|known| read(*known) >= second)
        {
            return false;
        }
        let is_known = *ranks >> rank & 1 == 1;
        // Those below it that are not later are hidden from now on; the later stand first.
        let lower = self.seconds.get(start as usize..own as usize).unwrap_or_default();
        let later = lower.partition_point(|known| read(*known) > second) as u32;
        let hidden = below - later;
        for _ in 0..hidden {
            let highest_below = u32::BITS - 1 - (*ranks & ((1 << rank) - 1)).leading_zeros();
            *ranks &= !(1 << highest_below);
        }
        *ranks |= 1 << rank;
        *own_count = *own_count + 1 - hidden as u8 - u8::from(is_known);
        let gone = (start + later) as usize..(own + u32::from(is_known)) as usize;
        if gone.is_empty() {
            if self.seconds.len() == self.seconds.capacity() {
                // A vector that doubles would keep room for twice what a register ever has.
                self.seconds.reserve_exact(8);
            }
            self.seconds.insert(gone.start, write(second));
            return true;
        }
        if let Some(known) = self.seconds.get_mut(gone.start) {
            *known = write(second);
        }
        if gone.len() > 1 {
            self.seconds.drain(gone.start + 1..gone.end);
        }
        true
    }

    /// Adds to `counts` the highest rank of each register since `from`.
    fn count(&self, from: u32, counts: &mut [u32; RANK_MAX + 1]) {
        let mut seconds = self.seconds.iter();
        for (ranks, count) in self.ranks.iter().copied().zip(self.counts) {
            let mut own = seconds.by_ref().take(usize::from(count));
            let within = own.by_ref().take_while(|second| read(**second) >= from).count();
            own.for_each(drop);
            // Of its ranks the lowest are the latest: the highest within is the one with so many below it.
            let highest = (1..within)
                .fold(ranks, |ranks, _| ranks & ranks.wrapping_sub(1))
                .trailing_zeros()
                + 1;
            if let Some(count) = counts.get_mut(if within == 0 { 0 } else { highest as usize }) {
                *count += 1;
            }
        }
    }

    /// Each (register, bit of the rank, second after the base).
    fn entries(&self) -> impl Iterator<Item = (usize, u32, u32)> {
        let bits = self.ranks.iter().enumerate().flat_map(|(register, ranks)| {
            let bits = (0..u32::BITS).filter(move |bit| ranks >> bit & 1 == 1);
            bits.map(move |bit| (register, bit))
        });
        bits.zip(&self.seconds)
            .map(|((register, bit), second)| (register, bit, read(*second)))
    }

    /// Keeps what is not before `from`, and counts from `by` seconds later.
    fn keep(&mut self, from: u32, by: u32) {
        let kept: Vec<_> = self.entries().filter(|(.., second)| *second >= from).collect();
        (self.ranks, self.counts) = ([0; BLOCK], [0; BLOCK]);
        self.seconds.clear();
        for (register, bit, second) in kept {
            if let Some((ranks, count)) = self.ranks.get_mut(register).zip(self.counts.get_mut(register)) {
                *ranks |= 1 << bit;
                *count += 1;
                self.seconds.push(write(second - by));
            }
        }
    }
}

/// The sum of the first so many counts, eight at once.
fn sum_before(counts: &[u8; BLOCK], count: usize) -> u32 {
    const EVEN: u64 = 0x00ff_00ff_00ff_00ff;
    let (words, _) = counts.as_chunks::<8>();
    let (whole, rest) = words.split_at_checked(count / 8).unwrap_or_default();
    // The first bytes of the word that is not whole.
    let last = rest.first().map_or(0, |word| u64::from_le_bytes(*word)) & ((1 << (count % 8 * 8)) - 1);
    let whole = whole.iter().map(|word| u64::from_le_bytes(*word));
    let pairs: u64 = whole.chain([last]).map(|word| (word & EVEN) + (word >> 8 & EVEN)).sum();
    // The highest of four sums of sixteen bits is that of all.
    (pairs.wrapping_mul(0x0001_0001_0001_0001) >> 48) as u32
}

fn read([low, middle, high]: [u8; 3]) -> u32 {
    u32::from_le_bytes([low, middle, high, 0])
}

fn write(second: u32) -> [u8; 3] {
    let [low, middle, high, _] = second.min(SPAN - 1).to_le_bytes();
    [low, middle, high]
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    const START: u32 = 1_780_000_000;

    fn next(state: &mut u64) -> u64 {
        *state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        *state
    }

    /// What a sketch keeps, without any of its cleverness.
    fn model(seen: &[(u16, u8, u32)]) -> BTreeSet<(u16, u8, u32)> {
        let mut latest: BTreeMap<(u16, u8), u32> = BTreeMap::new();
        for (register, rank, second) in seen {
            let known = latest.entry((*register, *rank)).or_default();
            *known = (*known).max(*second);
        }
        let hides = |register: u16, rank: u8, second: u32| {
            latest
                .iter()
                .any(|((at, higher), later)| *at == register && *higher > rank && *later >= second)
        };
        let kept = latest
            .iter()
            .filter(|((register, rank), second)| !hides(*register, *rank, **second));
        kept.map(|((register, rank), second)| (*register, *rank, *second))
            .collect()
    }

    proptest! {
        #[test]
        fn a_sketch_keeps_what_some_window_may_need(
            seen in prop::collection::vec((0_u16..130, 1_u8..8, START..START + 20), 0..200),
            from in START..START + 20,
        ) {
            let mut sketch = Sketch::new(START);
            for (register, rank, second) in &seen {
                sketch.raise(*register, *rank, *second);
            }
            let kept = model(&seen);
            let later: BTreeSet<_> = kept.iter().copied().filter(|(.., second)| *second >= from).collect();
            prop_assert_eq!(sketch.entries(0).collect::<BTreeSet<_>>(), kept);
            sketch.forget_before(from);
            prop_assert_eq!(sketch.entries(0).collect::<BTreeSet<_>>(), later);
        }

        #[test]
        fn sketches_merge_in_any_order(
            seen in prop::collection::vec((0_u16..70, 1_u8..6, START..START + 20), 0..100),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut whole = Sketch::new(START);
            for (register, rank, second) in &seen {
                whole.raise(*register, *rank, *second);
            }
            let (one, other) = seen.split_at(if seen.is_empty() { 0 } else { cut.index(seen.len()) });
            let mut merged = Sketch::new(START);
            for part in [other, one, other] {
                let mut sketch = Sketch::new(START + 5);
                for (register, rank, second) in part {
                    sketch.raise(*register, *rank, *second);
                }
                for (register, rank, second) in sketch.entries(0) {
                    merged.raise(register, rank, second);
                }
            }
            prop_assert_eq!(merged.entries(0).collect::<Vec<_>>(), whole.entries(0).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_sketch_outlives_its_first_span() {
        let mut sketch = Sketch::new(START);
        for day in 0..1000 {
            sketch.insert(day, START + day as u32 * 86_400);
        }
        let last = START + 999 * 86_400;
        let month = sketch.estimate(last - 30 * 86_400);
        assert!((29.0..33.0).contains(&month), "{month}");
    }

    /// As many elements in every window, with a rate that swings by the hour; 200 seeds.
    #[test]
    fn every_window_is_estimated_within_two_percent() {
        let windows = [60_u32, 600, 3_600, 21_600, 86_400, 30 * 86_400];
        let (mut squares, mut worst) = ([0.0_f64; 6], [0.0_f64; 6]);
        let seeds = 200;
        for seed in 0..seeds {
            let mut state = seed * 7_919 + 1;
            let now = START + 40 * 86_400;
            // Enough in the last minute, and so many more in each wider window.
            let mut seen: Vec<(u64, u32)> = Vec::new();
            for (window, count) in windows.iter().zip([1_500, 3_000, 6_000, 9_000, 12_000, 30_000]) {
                seen.extend((0..count).map(|_| (next(&mut state), now - (next(&mut state) >> 33) as u32 % window)));
            }
            seen.sort_unstable_by_key(|(_, second)| *second);
            let mut sketch = Sketch::new(now);
            for (element, second) in &seen {
                sketch.insert(*element, *second);
            }
            for (at, window) in windows.iter().enumerate() {
                let from = now - window;
                let truth = seen.iter().filter(|(_, second)| *second >= from).count() as f64;
                let error = sketch.estimate(from) / truth - 1.0;
                squares[at] += error * error;
                worst[at] = worst[at].max(error.abs());
            }
        }
        for (at, window) in windows.iter().enumerate() {
            let rmse = (squares[at] / seeds as f64).sqrt();
            assert!(rmse <= 0.018, "{window} s: root mean square error {rmse}");
            assert!(worst[at] <= 0.06, "{window} s: {}", worst[at]);
        }
    }

    #[test]
    fn an_independent_sketch_says_the_same() {
        use datasketches::hll::{HllSketch, HllType};
        let mut state = 3;
        let (mut sketch, mut oracle) = (Sketch::new(START), HllSketch::new(12, HllType::Hll8).unwrap());
        for count in 1..=200_000_u32 {
            let element = next(&mut state);
            sketch.insert(element, START);
            oracle.update(element);
            if count.is_power_of_two() && count >= 1024 {
                let (one, other) = (sketch.estimate(START), oracle.estimate());
                let truth = f64::from(count);
                assert!(
                    (one / truth - 1.0).abs() < 0.06 && (one / other - 1.0).abs() < 0.08,
                    "{count}: {one} {other}"
                );
            }
        }
    }
}

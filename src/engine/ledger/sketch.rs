//! A sliding `HyperLogLog`: how many distinct elements were seen in the last w seconds, for every w at once.
//!
//! Each register keeps those (rank, second) that may still be the highest of some window: all that a later one of at
//! least the same rank does not hide (Y. Chabchoub, G. Hébrail, "Sliding `HyperLogLog`", ICDMW 2010). The higher the rank
//! the older it is, so that a set of ranks and their seconds in the same order say everything:
//!
//! ```text
//!  block of 128 registers:  ranks [u24; 128], a bit each   starts [u16; 16], of 8 registers each   times [u16; ..] in order of register and rank
//!
//!  a time, as a number:    0 .. 32,767   a multiple of 128 s before the base, of which 32,768 stands for the base itself
//!                     32,768 .. 65,535   a second at or after the base
//! ```
//! What is nine hours old need not be known to the second: a time before the base counts as the next multiple of 128 s, in which it is
//! forgotten later and never earlier. Multiples of 128 s of the clock, and not of the base, so that all gateways say the same.

mod block;

use block::{BLOCK, Block, RANKS};
use smallvec::SmallVec;

use super::estimate::{Highest, RANK_MAX, REGISTERS, Top};

/// Seconds that a time before the base is a multiple of. Forty-eight days of them can be told apart.
const STEP: u32 = 128;
/// The time of the base; so many seconds from it on can be told apart.
const AT_BASE: u32 = 1 << 15;

/// Elements by register and rank, with the time each was last seen at. About 75 KB after a month of millions.
pub(super) struct Sketch {
    blocks: Box<[Block]>,
    /// A second, and a multiple of [`STEP`].
    base: u32,
}

impl Sketch {
    /// A sketch that has seen nothing; `now` is a second near those that it will see.
    pub(super) fn new(now: u32) -> Self {
        Self {
            blocks: (0..REGISTERS / BLOCK).map(|_| Block::default()).collect(),
            base: base_at(now),
        }
    }

    /// Marks `element` as seen in `second`; whether that changed anything.
    pub(super) fn insert(&mut self, element: u64, second: u32) -> bool {
        let (register, rank) = place(element);
        self.raise(register, rank, second)
    }

    /// Marks `register` as having had `rank` in `second`; out of range is nothing.
    pub(super) fn raise(&mut self, register: u16, rank: u8, second: u32) -> bool {
        self.raise_in(register, rank, second, std::iter::empty())
    }

    /// As [`Sketch::raise`], where `windows` are kept up by it.
    pub(super) fn raise_in<'w>(
        &mut self,
        register: u16,
        rank: u8,
        second: u32,
        windows: impl Iterator<Item = &'w mut Highest>,
    ) -> bool {
        if !(1..=RANK_MAX as u8).contains(&rank) || usize::from(register) >= REGISTERS {
            return false;
        }
        if second >= self.base.saturating_add(AT_BASE) {
            self.rebase(base_at(second));
        }
        let time = time_of(second, self.base) as u16;
        let (block, within) = (usize::from(register) / BLOCK, usize::from(register) % BLOCK);
        let Some(block) = self.blocks.get_mut(block) else {
            return false;
        };
        let start = block.before(within);
        let Some(raise) = block.raise_of(within, start, u32::from(rank.min(RANKS)) - 1, time) else {
            return false;
        };
        let windows: SmallVec<[(&mut Highest, Top); 2]> = windows
            .map(|window| {
                let before = block.top(within, start, window.from);
                (window, before)
            })
            .collect();
        block.raise(within, raise, time);
        for (window, before) in windows {
            window.moved(before, block.top(within, start, window.from));
        }
        true
    }

    /// The highest rank of each register since the second `from`.
    pub(super) fn highest(&self, from: u32) -> Highest {
        let mut highest = Highest::new(self.base, time_of(from, self.base));
        self.blocks.iter().for_each(|block| block.count(&mut highest));
        highest
    }

    /// Whether `highest`, kept up so far, is what it is since the second `from` as well; its window begins there then.
    pub(super) fn is_so_since(&self, highest: &mut Highest, from: u32) -> bool {
        let from = time_of(from, self.base);
        let is_so = highest.base == self.base && (highest.from..=highest.until).contains(&from);
        if is_so {
            highest.from = from;
        }
        is_so
    }

    /// Each (register, rank, second) last seen at or after `from`.
    pub(super) fn entries(&self, from: u32) -> impl Iterator<Item = (u16, u8, u32)> {
        let blocks = self.blocks.iter().enumerate();
        let all = blocks.flat_map(move |(number, block)| {
            block.entries().map(move |(register, rank, time)| {
                let second = second_of(time, self.base);
                ((number * BLOCK + register) as u16, rank as u8 + 1, second)
            })
        });
        all.filter(move |(.., second)| *second >= from)
    }

    /// Drops what was last seen before the second `from`.
    pub(super) fn forget_before(&mut self, from: u32) {
        let from = time_of(from, self.base);
        let keep = |time: u16| (u32::from(time) >= from).then_some(time);
        self.blocks.iter_mut().for_each(|block| block.rewrite(keep));
    }

    /// Bytes on the heap.
    pub(super) fn bytes(&self) -> usize {
        let times = self
            .blocks
            .iter()
            .map(|block| block.times.capacity() * size_of::<u16>());
        size_of_val(&*self.blocks) + times.sum::<usize>()
    }

    /// Tells seconds apart from `base` on; what comes before may be at one time from now on.
    fn rebase(&mut self, base: u32) {
        let before = std::mem::replace(&mut self.base, base);
        let moved = |time: u16| Some(time_of(second_of(time, before), base) as u16);
        self.blocks.iter_mut().for_each(|block| block.rewrite(moved));
    }
}

/// The base of a sketch in which `now` is in the middle of the seconds that can be told apart.
fn base_at(now: u32) -> u32 {
    now.saturating_sub(AT_BASE / 2) / STEP * STEP
}

/// The number of a time, or of the first one that is not before `second`; one too many for what is later than any.
fn time_of(second: u32, base: u32) -> u32 {
    match second.checked_sub(base) {
        Some(after) => AT_BASE + after.min(AT_BASE),
        None => AT_BASE.saturating_sub((base - second) / STEP),
    }
}

/// The second that the number of a time stands for.
fn second_of(time: u16, base: u32) -> u32 {
    let time = u32::from(time);
    match time.checked_sub(AT_BASE) {
        Some(after) => base + after,
        None => base.saturating_sub((AT_BASE - time) * STEP),
    }
}

/// The register of an element, and the rank it gives it: one more than the number of zeros that its other bits begin with.
pub(super) fn place(element: u64) -> (u16, u8) {
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

    proptest! {
        #[test]
        fn what_is_old_is_forgotten_a_little_later_and_never_earlier(
            mut seen in prop::collection::vec((0_u16..3, 1_u8..6, 0_u32..40 * 86_400), 1..60),
            windows in prop::collection::vec(60_u32..30 * 86_400, 1..8),
        ) {
            seen.sort_unstable_by_key(|(.., second)| *second);
            let mut sketch = Sketch::new(START);
            for (register, rank, second) in &seen {
                sketch.raise(*register, *rank, START + second);
            }
            let now = START + seen.last().map_or(0, |(.., second)| *second);
            for window in windows {
                let from = now - window;
                let highest = |from: u32| {
                    let within = seen.iter().filter(|(.., second)| START + second >= from);
                    within.fold([0; 3], |mut highest: [u8; 3], (register, rank, _)| {
                        let known = &mut highest[usize::from(*register)];
                        *known = (*known).max(*rank);
                        highest
                    })
                };
                let told = sketch.entries(from).fold([0; 3], |mut highest: [u8; 3], (register, rank, _)| {
                    let known = &mut highest[usize::from(register)];
                    *known = (*known).max(rank);
                    highest
                });
                // A window of less than four and a half hours is known to the second.
                let slack = if window <= AT_BASE / 2 { 0 } else { STEP };
                let (exact, wider) = (highest(from), highest(from - slack));
                for register in 0..3 {
                    let (least, most) = (exact[register], wider[register]);
                    prop_assert!((least..=most).contains(&told[register]), "{told:?}: {exact:?} to {wider:?} in {window} s");
                }
            }
        }
    }

    #[test]
    fn a_sketch_outlives_its_first_span() {
        let mut sketch = Sketch::new(START);
        for day in 0..1000 {
            sketch.insert(day, START + day as u32 * 86_400);
        }
        let last = START + 999 * 86_400;
        let month = sketch.highest(last - 30 * 86_400).estimate();
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
                let error = sketch.highest(from).estimate() / truth - 1.0;
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
                let (one, other) = (sketch.highest(START).estimate(), oracle.estimate());
                let truth = f64::from(count);
                assert!(
                    (one / truth - 1.0).abs() < 0.06 && (one / other - 1.0).abs() < 0.08,
                    "{count}: {one} {other}"
                );
            }
        }
    }
}

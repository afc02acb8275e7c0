//! Numbers that look random and are the same for the same seed (`SplitMix64`): a scenario is an experiment to repeat.

/// The increment of `SplitMix64`: 2^64 divided by the golden ratio.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// A stream of numbers.
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    /// The stream of `seed`.
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        finish(self.0)
    }

    /// A number below `bound`; 0 where nothing is below it.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        // The high half of the product is even enough for bounds far below 2^64, and costs no division.
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    /// True `percent` times in a hundred.
    pub(super) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// A number from two others: the same for the same, and unlike for what is near.
pub(super) fn mix(seed: u64, number: u64) -> u64 {
    finish(seed ^ finish(number.wrapping_mul(STEP).wrapping_add(STEP)))
}

fn finish(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_is_that_of_splitmix64() {
        // The first numbers of the reference implementation (Steele, Lea, Flood) for the seed 0.
        let mut random = Random::new(0);
        let first = [random.next(), random.next(), random.next()];
        assert_eq!(
            first,
            [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4, 0x06c4_5d18_8009_454f]
        );
    }

    #[test]
    fn bounds_hold_and_every_number_comes() {
        let mut random = Random::new(7);
        let mut seen = [0_u32; 6];
        for _ in 0..6_000 {
            seen[random.below(6) as usize] += 1;
        }
        assert!(seen.iter().all(|count| (800..1_200).contains(count)), "{seen:?}");
        assert_eq!((random.below(0), random.below(1)), (0, 0));
    }
}

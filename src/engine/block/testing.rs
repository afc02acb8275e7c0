//! Pseudo-random text for tests: the same in every run.

/// The generator of Knuth's MMIX; its high bits are as random as a test needs.
pub(in crate::engine) struct Chance(pub(in crate::engine) u64);

impl Chance {
    /// A number below `bound`.
    pub(in crate::engine) fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }

    /// So many of these letters.
    pub(in crate::engine) fn text(&mut self, letters: &[u8], length: usize) -> Vec<u8> {
        (0..length).map(|_| letters[self.below(letters.len())]).collect()
    }

    /// The same in long runs of one letter.
    pub(in crate::engine) fn runs(&mut self, letters: &[u8], length: usize) -> Vec<u8> {
        let mut text = Vec::new();
        while text.len() < length {
            let letter = letters[self.below(letters.len())];
            text.resize(text.len() + self.below(13), letter);
        }
        text.truncate(length);
        text
    }
}

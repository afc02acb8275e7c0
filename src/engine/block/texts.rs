//! The texts between marks: whether a search of one may be worth its while is found for all texts of a block at once.
//!
//! Bits move up to the end of the text they stand in by a sum, whose carry runs through the ones of a text to the mark
//! behind it (and through the last text of a block into the next block):
//!
//! ```text
//!   bytes     "tel":"010-0000-1234","no":7      marks: quotes, and the comma and colons outside strings
//!   gaps      .111...1111111111111...11..1      what is no mark
//!   triggers  .................111.........
//!   sum       .111...11111111111..1..11..1      gaps + triggers
//!   ends      ....................1........     ones of the sum where no gap is: this text has triggers
//! ```

use super::trigger::{Signs, Triggers};
use super::{BLOCK, Masks};

/// The texts that end in one block, each at its mark.
#[derive(Clone, Copy, Default)]
pub(in crate::engine) struct Texts {
    /// The first byte of the block in the chunk.
    at: usize,
    marks: u64,
    /// Each at the mark behind its text.
    signs: Signs,
    /// One past the last mark of earlier blocks.
    before: usize,
    triggers: Triggers,
    trigger_ends: Ends,
    digit_ends: Ends,
    loose_ends: Ends,
    veil_ends: Ends,
}

impl Texts {
    /// Enters the block that begins at `at`; `marks` are of no class that wakes a search.
    #[inline]
    pub(in crate::engine) fn enter(&mut self, at: usize, block: &Masks, marks: u64) {
        self.before = self.end();
        self.at = at;
        self.marks = marks;
        let gaps = !marks;
        let signs = self.triggers.signs(block);
        self.signs = Signs {
            trigger: self.trigger_ends.of(signs.trigger, gaps),
            digit: self.digit_ends.of(signs.digit, gaps),
            loose: self.loose_ends.of(signs.loose, gaps),
            veil: self.veil_ends.of(signs.veil, gaps),
        };
    }

    /// The marks whose texts may hold an identifier, but for their length.
    #[inline]
    pub(in crate::engine) fn waking(&self) -> u64 {
        self.signs.trigger | (self.signs.digit & self.signs.loose) | self.signs.veil
    }

    /// The first byte of the text that ends at the mark `bit`.
    #[inline]
    pub(in crate::engine) fn start(&self, bit: u64) -> usize {
        self.behind_last(self.marks & (bit - 1))
    }

    /// One past the last mark so far.
    #[inline]
    pub(in crate::engine) fn end(&self) -> usize {
        self.behind_last(self.marks)
    }

    /// One past the last of these `marks` of the block, or of the blocks before it if there is none.
    #[inline]
    fn behind_last(&self, marks: u64) -> usize {
        if marks == 0 {
            self.before
        } else {
            self.at + BLOCK - marks.leading_zeros() as usize
        }
    }

    /// Whether the text that ends at the mark `bit`, `length` bytes behind its start, may hold an identifier; a text with
    /// escapes always may.
    #[inline]
    pub(in crate::engine) fn wakes(&self, bit: u64, length: usize) -> bool {
        self.signs.within(bit).wake(length)
    }

    /// Whether that text may hide one.
    #[inline]
    pub(in crate::engine) fn is_veiled(&self, bit: u64) -> bool {
        self.signs.veil & bit != 0
    }
}

/// Moves bits up to the end of the text they stand in, across blocks.
#[derive(Clone, Copy, Default)]
pub(in crate::engine) struct Ends {
    /// Whether the text under way has one.
    pending: bool,
}

impl Ends {
    /// With `pending` at the first byte.
    pub(in crate::engine) const fn new(pending: bool) -> Self {
        Self { pending }
    }

    /// Whether the text under way has one.
    pub(in crate::engine) const fn is_pending(self) -> bool {
        self.pending
    }

    /// The ends of the texts that have one of `bits`, which are `gaps`.
    #[inline]
    pub(in crate::engine) fn of(&mut self, bits: u64, gaps: u64) -> u64 {
        let (sum, over) = gaps.overflowing_add(bits);
        let (sum, over_too) = sum.overflowing_add(u64::from(self.pending));
        self.pending = over | over_too;
        sum & !gaps
    }

    /// The ends of the texts that begin behind one of `marks`.
    #[inline]
    pub(in crate::engine) fn behind(&mut self, marks: u64, gaps: u64) -> u64 {
        let ends = self.of(marks << 1, gaps);
        self.pending |= marks >> (BLOCK - 1) == 1;
        ends
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Chance;
    use super::super::{Blocks, wakes};
    use super::*;

    /// The texts that end at a bar, and whether they may hold an identifier.
    fn between_bars(text: &[u8]) -> Vec<(&[u8], bool)> {
        let mut blocks = Blocks::<2, true>::new(text, b'|');
        let mut texts = Texts::default();
        let mut found = Vec::new();
        while let Some((at, masks)) = blocks.next() {
            texts.enter(at, masks, masks.delimiter);
            let mut left = masks.delimiter;
            while left != 0 {
                let bit = left & left.wrapping_neg();
                left ^= bit;
                let (start, end) = (texts.start(bit), at + bit.trailing_zeros() as usize);
                let wakes = texts.wakes(bit, end - start);
                assert!(!wakes || texts.waking() & bit != 0);
                found.push((&text[start..end], wakes));
            }
        }
        assert_eq!(texts.end(), memchr::memrchr(b'|', text).map_or(0, |last| last + 1));
        found
    }

    #[test]
    fn what_wakes_lies_between_the_marks() {
        let far = " ".repeat(100);
        for (text, expected) in [
            ("010-0000-1234|", true),
            ("blue shirt|", false),
            ("a@b.kr|blue|", false),
            (&format!("a@b.kr|{far}blue{far}|"), false),
            (&format!("a@b.kr {far}{far}|"), true),
            ("350 Fifth Ave|", true),
            ("a\\u0040b.kr|", true),
        ] {
            let last = between_bars(text.as_bytes()).pop().map(|(_, wakes)| wakes);
            assert_eq!(last, Some(expected), "{text}");
        }
    }

    #[test]
    fn texts_wake_between_marks_as_they_do_alone() {
        let letters = b"7 -a1@(5x\xea\\||";
        let mut chance = Chance(11);
        for length in (0..200).chain([511, 512, 513, 1100]) {
            for _ in 0..20 {
                let text = [chance.runs(letters, length), chance.text(letters, length)].concat();
                let expected: Vec<(&[u8], bool)> = text
                    .split(|byte| *byte == b'|')
                    .map(|part| (part, wakes(part)))
                    .collect();
                let found = between_bars(&text);
                assert_eq!(found, expected[..expected.len() - 1], "{}", text.escape_ascii());
            }
        }
    }

    #[test]
    fn ends_are_told_of_texts_that_begin_behind_a_mark() {
        let mut ends = Ends::default();
        let gaps = !0x8000_0000_0000_0109_u64;
        assert_eq!(ends.behind(0x8000_0000_0000_0001, gaps), 8);
        assert!(ends.is_pending());
        assert_eq!(ends.behind(0, u64::MAX), 0);
        assert_eq!(ends.behind(0, !0b1000), 8);
        assert!(!ends.is_pending());
    }
}

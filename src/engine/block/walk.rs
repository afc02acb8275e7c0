//! A walk over a chunk, block by block, that remembers whether a search is worth its while between two places of it.

use super::{BLOCK, Batch, Masks, Triggers};

/// Fewer bytes than any street address has.
pub(super) const ADDRESS_BYTES_MIN: usize = 8;

/// A walk over one chunk, which classifies `BLOCKS` blocks at a time.
pub(in crate::engine) struct Walk<'c, const BLOCKS: usize> {
    chunk: &'c [u8],
    delimiter: u8,
    batch: Batch<BLOCKS>,
    /// The number of the next block in the batch, and its first byte in the chunk.
    block: usize,
    next: usize,
    /// The first byte of the block under way.
    at: usize,
    triggers: Triggers,
    /// Triggers and backslashes.
    trigger: Seen,
    digit: Seen,
    /// Blanks and bytes that are not ASCII.
    loose: Seen,
}

impl<'c, const BLOCKS: usize> Walk<'c, BLOCKS> {
    /// A walk that has not entered the first block yet.
    pub(in crate::engine) fn new(chunk: &'c [u8], delimiter: u8) -> Self {
        Self {
            chunk,
            delimiter,
            batch: Batch::new(),
            block: BLOCKS,
            next: 0,
            at: 0,
            triggers: Triggers::default(),
            trigger: Seen::default(),
            digit: Seen::default(),
            loose: Seen::default(),
        }
    }

    /// The first byte of the block under way.
    #[inline]
    pub(in crate::engine) fn at(&self) -> usize {
        self.at
    }

    /// Enters the next block, if there is one.
    #[inline]
    pub(in crate::engine) fn next(&mut self) -> bool {
        if self.block == BLOCKS {
            let Some(rest) = self.chunk.get(self.next..) else {
                return false;
            };
            self.batch.read(rest, self.delimiter);
            self.block = 0;
        }
        let Some(masks) = self.batch.masks().get(self.block) else {
            return false;
        };
        self.block += 1;
        self.at = self.next;
        self.next += BLOCK;
        self.trigger.next(self.triggers.next(masks) | masks.backslash, self.at);
        self.digit.next(masks.digit, self.at);
        self.loose.next(masks.blank | masks.high, self.at);
        true
    }

    /// The masks of the block under way.
    #[inline]
    pub(in crate::engine) fn masks(&self) -> Masks {
        let entered = self.block.checked_sub(1);
        let masks = entered.and_then(|block| self.batch.masks().get(block));
        masks.copied().unwrap_or_default()
    }

    /// Whether the text from `start` to `end`, a place in the block under way, may hold an identifier; a text with escapes
    /// always may.
    #[inline]
    pub(in crate::engine) fn wakes_text(&self, start: usize, end: usize) -> bool {
        let any = |seen: Seen| seen.any(start, end, self.at);
        any(self.trigger) || (end - start >= ADDRESS_BYTES_MIN && any(self.digit) && any(self.loose))
    }

    /// The same of all that was passed, which is `length` bytes.
    pub(in crate::engine) fn wakes(&self, length: usize) -> bool {
        let any = |seen: Seen| seen.mask != 0 || seen.before != 0;
        any(self.trigger) || (length >= ADDRESS_BYTES_MIN && any(self.digit) && any(self.loose))
    }
}

/// Where bytes of one sort stand: in the block under way, and the last before it.
#[derive(Clone, Copy, Default)]
struct Seen {
    mask: u64,
    /// One past the last one in earlier blocks; 0 is none.
    before: usize,
}

impl Seen {
    /// The next block, which begins `at` bytes into the chunk, has these.
    #[inline]
    fn next(&mut self, mask: u64, at: usize) {
        if self.mask != 0 {
            self.before = at - self.mask.leading_zeros() as usize;
        }
        self.mask = mask;
    }

    /// Whether one stands in `start..end`, where `end` lies in the block that begins at `at`.
    #[inline]
    fn any(self, start: usize, end: usize, at: usize) -> bool {
        let below = self.mask & !(u64::MAX << (end - at));
        let last = if below == 0 {
            self.before
        } else {
            at + BLOCK - below.leading_zeros() as usize
        };
        last > start
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Chance;
    use super::super::wakes;
    use super::*;

    /// What a walk says of the text between two bars.
    fn between_bars(text: &[u8]) -> bool {
        let bars: Vec<usize> = memchr::memchr_iter(b'|', text).take(2).collect();
        let mut walk = Walk::<2>::new(text, b'|');
        while walk.next() && walk.at() + BLOCK <= bars[1] {}
        walk.wakes_text(bars[0] + 1, bars[1])
    }

    #[test]
    fn what_wakes_lies_between_the_places() {
        let far = " ".repeat(100);
        for (text, expected) in [
            ("|010-0000-1234|".to_owned(), true),
            ("|blue shirt|".to_owned(), false),
            ("kim@example.com|blue|kim@example.com".to_owned(), false),
            (format!("a@b.kr{far}|blue{far}|"), false),
            (format!("|a@b.kr {far}{far}|"), true),
            ("|350 Fifth Ave|".to_owned(), true),
            ("|a\\u0040b.kr|".to_owned(), true),
        ] {
            assert_eq!(between_bars(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn a_walk_passes_over_nothing_that_wakes() {
        let letters = b"7 -a1@(5x\xea\\";
        let mut chance = Chance(11);
        for length in (0..150).chain([511, 512, 513]) {
            for _ in 0..20 {
                let cell = chance.text(letters, length);
                let before = vec![b'x'; length % 70];
                let text = [&before[..], b"|", &cell, b"|7777777@"].concat();
                assert_eq!(between_bars(&text), wakes(&cell), "{}", cell.escape_ascii());
            }
        }
    }
}

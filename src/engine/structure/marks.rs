//! The marks of JSON: quotes, and the brackets, colons and commas outside strings, found 64 bytes at a time.

use crate::engine::block::{BLOCK, CHUNK_BLOCKS, Masks, Walk};

/// The marks of one chunk, which begins outside any string.
pub(super) struct Marks<'c> {
    walk: Walk<'c, CHUNK_BLOCKS>,
    /// Marks of the block under way that were not given yet.
    left: u64,
    /// Whether the next block begins inside a string, and behind a backslash there.
    inside: bool,
    escaped: bool,
}

impl<'c> Marks<'c> {
    pub(super) fn new(chunk: &'c [u8]) -> Self {
        Self {
            walk: Walk::new(chunk, b','),
            left: 0,
            inside: false,
            escaped: false,
        }
    }

    /// The place of the next mark. Of a string both quotes are marks, and nothing between them is.
    #[inline]
    pub(super) fn next(&mut self) -> Option<usize> {
        while self.left == 0 {
            self.walk.next().then_some(())?;
            let masks = self.walk.masks();
            let (quotes, inside) = if masks.backslash == 0 && !self.escaped {
                self.quotes(masks.quote)
            } else {
                self.escaped_quotes(&masks)
            };
            self.left = quotes | (masks.structural & !inside);
        }
        let at = self.walk.at() + self.left.trailing_zeros() as usize;
        self.left &= self.left - 1;
        Some(at)
    }

    /// What was passed on the way to the last mark.
    pub(super) fn walk(&self) -> &Walk<'c, CHUNK_BLOCKS> {
        &self.walk
    }

    /// Every quote is one: a byte is inside a string after an odd number of them.
    fn quotes(&mut self, quotes: u64) -> (u64, u64) {
        let mut odd = quotes;
        for shift in [1, 2, 4, 8, 16, 32] {
            odd ^= odd << shift;
        }
        let inside = if self.inside { !odd } else { odd };
        self.inside = inside >> (BLOCK - 1) == 1;
        (quotes, inside)
    }

    /// A backslash inside a string takes the meaning of the byte behind it; outside it is no JSON and means nothing.
    fn escaped_quotes(&mut self, masks: &Masks) -> (u64, u64) {
        let (mut quotes, mut inside) = (0, 0);
        // The first byte that no backslash takes.
        let mut from = usize::from(std::mem::take(&mut self.escaped));
        let mut string = self.inside.then_some(0);
        let mut left = masks.quote | masks.backslash;
        while left != 0 {
            let place = left.trailing_zeros() as usize;
            left &= left - 1;
            let quote = masks.quote >> place & 1 == 1;
            match string {
                _ if place < from => {}
                Some(_) if !quote => from = place + 2,
                None if !quote => {}
                Some(start) => {
                    quotes |= 1 << place;
                    inside |= (u64::MAX << start) & !(u64::MAX << place);
                    string = None;
                }
                None => {
                    quotes |= 1 << place;
                    string = Some(place);
                }
            }
        }
        inside |= string.map_or(0, |start| u64::MAX << start);
        self.inside = string.is_some();
        self.escaped = from > BLOCK;
        (quotes, inside)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::block::testing::Chance;

    /// The same, byte by byte.
    fn plainly(text: &[u8]) -> Vec<usize> {
        let (mut marks, mut inside, mut escaped) = (Vec::new(), false, false);
        for (at, byte) in text.iter().enumerate() {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if inside => escaped = true,
                b'"' => {
                    inside = !inside;
                    marks.push(at);
                }
                b'{' | b'}' | b'[' | b']' | b':' | b',' if !inside => marks.push(at),
                _ => {}
            }
        }
        marks
    }

    #[test]
    fn marks_stand_where_a_plain_reader_sees_them() {
        let letters = b"\"\"\\{}[]:,a 7@\n\xea";
        let mut chance = Chance(3);
        for length in (0..200).chain([511, 512, 513, 1100]) {
            for _ in 0..30 {
                let text = chance.text(letters, length);
                let mut marks = Marks::new(&text);
                let found: Vec<usize> = std::iter::from_fn(|| marks.next()).collect();
                assert_eq!(found, plainly(&text), "{}", text.escape_ascii());
            }
        }
    }
}

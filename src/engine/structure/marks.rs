//! The marks of JSON: quotes, and the brackets, colons and commas outside strings, found 64 bytes at a time, and which of
//! them need a look at all.
//!
//! Most do not: the commas and colons, and the quotes of values in which nothing wakes a search.
//!
//! ```text
//!   {"id":17,"tel":"010-0000-1234"}
//!   11..11..11...111.............11        marks
//!   1..1.........1...............11        bright: brackets, ends of names, ends of what may hold an identifier
//! ```

use crate::engine::block::{BLOCK, Blocks, CHUNK_BLOCKS, Ends, Masks, Texts};

/// The marks of one chunk, which begins outside any string.
pub(super) struct Marks<'c> {
    blocks: Blocks<'c, CHUNK_BLOCKS>,
    now: Block,
}

/// The block under way, and what the blocks before it left.
#[derive(Clone, Copy, Default)]
struct Block {
    texts: Texts,
    /// Its first byte in the chunk.
    at: usize,
    /// Its marks, those of them that need a look, and those that were not passed yet.
    all: u64,
    bright: u64,
    ahead: u64,
    /// Of its marks, the ends of strings, and of those that stand where names do.
    closing: u64,
    names: u64,
    /// The last mark that was given.
    bit: u64,
    strings: Strings,
    /// A string that is the first mark behind a bracket or a comma is a name: whether it is still to come, and whether it is
    /// under way.
    expected: Ends,
    name: Ends,
}

/// The marks of one block that need a look and were not passed yet.
pub(super) struct Looks {
    /// The block's first byte in the chunk.
    pub(super) at: usize,
    pub(super) ahead: u64,
    /// The ends of strings that stand where names do.
    pub(super) names: u64,
    /// The ends of what may hold an identifier, but for its length.
    pub(super) waking: u64,
}

/// A place among the marks, to come back to.
pub(super) struct Place {
    next: usize,
    now: Block,
}

impl<'c> Marks<'c> {
    /// The marks of `chunk`; whether a string that is the next mark is a name.
    pub(super) fn new(chunk: &'c [u8], expects_name: bool) -> Self {
        Self {
            blocks: Blocks::new(chunk, b','),
            now: Block {
                expected: Ends::new(expects_name),
                ..Block::default()
            },
        }
    }

    /// The place of the next mark, or of the next that needs a look. Of a string both quotes are marks, and nothing between
    /// them is.
    #[inline]
    pub(super) fn next(&mut self, all: bool) -> Option<usize> {
        loop {
            if let Some(at) = self.now.next(all) {
                return Some(at);
            }
            self.enter()?;
        }
    }

    /// The marks of the block under way that need a look.
    #[inline]
    pub(super) fn looks(&self) -> Looks {
        Looks {
            at: self.now.at,
            ahead: self.now.bright & self.now.ahead,
            names: self.now.names,
            waking: self.now.texts.waking(),
        }
    }

    /// Gives the mark `bit` of this block.
    #[inline]
    pub(super) fn look_at(&mut self, bit: u64) {
        self.now.look_at(bit);
    }

    /// The place of the last mark given.
    #[inline]
    pub(super) fn at(&self) -> usize {
        self.now.at + self.now.bit.trailing_zeros() as usize
    }

    /// The first byte of the text that ends at the last mark given.
    #[inline]
    pub(super) fn start(&self) -> usize {
        self.now.texts.start(self.now.bit)
    }

    /// Whether that text is a string.
    #[inline]
    pub(super) fn is_string(&self) -> bool {
        self.now.closing & self.now.bit != 0
    }

    /// Whether it is a string where names stand, if this is an object.
    #[inline]
    pub(super) fn is_name(&self) -> bool {
        self.now.names & self.now.bit != 0
    }

    /// Whether that text, `length` bytes long, may hold an identifier.
    #[inline]
    pub(super) fn wakes(&self, length: usize) -> bool {
        self.now.texts.wakes(self.now.bit, length)
    }

    /// Whether it may hide one.
    #[inline]
    pub(super) fn is_veiled(&self) -> bool {
        self.now.texts.is_veiled(self.now.bit)
    }

    /// One past the last mark: where the text that the chunk's end cuts begins.
    pub(super) fn end(&self) -> usize {
        self.now.texts.end()
    }

    /// Whether the chunk ends inside a string.
    pub(super) fn ends_inside(&self) -> bool {
        self.now.strings.inside
    }

    /// Whether it ends inside a string that stands where names do.
    pub(super) fn ends_inside_name(&self) -> bool {
        self.now.name.is_pending()
    }

    /// Whether a string that is the first mark behind the chunk is a name.
    pub(super) fn expects_name(&self) -> bool {
        self.now.expected.is_pending()
    }

    /// Where it is, to come back to.
    #[inline]
    pub(super) fn place(&self) -> Place {
        Place {
            next: self.blocks.place(),
            now: self.now,
        }
    }

    /// Comes back to `place`.
    pub(super) fn back_to(&mut self, place: &Place) {
        self.blocks.back_to(place.next);
        self.now = place.now;
    }

    /// Enters the next block, if there is one.
    #[inline]
    pub(super) fn enter(&mut self) -> Option<()> {
        let (at, masks) = self.blocks.next()?;
        self.now.enter(at, masks);
        Some(())
    }
}

impl Block {
    #[inline]
    fn next(&mut self, all: bool) -> Option<usize> {
        let left = if all { self.all } else { self.bright } & self.ahead;
        if left == 0 {
            return None;
        }
        self.look_at(left & left.wrapping_neg());
        Some(self.at + left.trailing_zeros() as usize)
    }

    #[inline]
    fn look_at(&mut self, bit: u64) {
        self.bit = bit;
        self.ahead = !(bit | (bit - 1));
    }

    #[inline]
    fn enter(&mut self, at: usize, masks: &Masks) {
        let (quotes, inside) = self.strings.next(masks);
        let [bracket, comma, colon] = [masks.bracket, masks.comma, masks.colon].map(|mask| mask & !inside);
        self.at = at;
        self.all = quotes | bracket | comma | colon;
        self.ahead = u64::MAX;
        self.texts.enter(at, masks, self.all);
        let gaps = !self.all;
        let first = self.expected.behind(bracket | comma, gaps);
        self.names = self.name.behind(first & quotes & inside, gaps);
        self.closing = quotes & !inside;
        self.bright = bracket | self.names | self.texts.waking();
    }
}

/// Where strings are.
#[derive(Clone, Copy, Default)]
struct Strings {
    /// Whether the next block begins inside one, and behind a backslash there.
    inside: bool,
    escaped: bool,
}

impl Strings {
    /// The quotes of the next block, and what is inside strings, their opening quotes included.
    #[inline]
    fn next(&mut self, masks: &Masks) -> (u64, u64) {
        if masks.backslash == 0 && !self.escaped {
            self.quotes(masks.quote)
        } else {
            self.escaped_quotes(masks)
        }
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
    use crate::engine::block::wakes;

    /// A mark, where its text begins, and whether that is a string, a name, and may hold an identifier.
    type Mark = (usize, usize, bool, bool, bool);

    /// The same, byte by byte, and whether the text ends inside a string, a name, or before one.
    fn plainly(text: &[u8]) -> (Vec<Mark>, [bool; 3]) {
        let (mut marks, mut inside, mut escaped, mut start) = (Vec::new(), false, false, 0);
        let (mut expected, mut name) = (true, false);
        for (at, byte) in text.iter().enumerate() {
            match byte {
                _ if escaped => {
                    escaped = false;
                    continue;
                }
                b'\\' if inside => {
                    escaped = true;
                    continue;
                }
                b'"' => {}
                byte if !inside && b"{}[]:,".contains(byte) => {}
                _ => continue,
            }
            let wakes = wakes(&text[start..at]);
            marks.push((at, start, inside, inside && name, wakes));
            name = *byte == b'"' && !inside && expected;
            expected = *byte != b'"' && *byte != b':';
            inside = *byte == b'"' && !inside;
            start = at + 1;
        }
        (marks, [inside, inside && name, expected])
    }

    fn found(text: &[u8], all: bool) -> (Vec<Mark>, [bool; 3]) {
        let mut marks = Marks::new(text, true);
        let mut found = Vec::new();
        while let Some(at) = marks.next(all) {
            let start = marks.start();
            found.push((at, start, marks.is_string(), marks.is_name(), marks.wakes(at - start)));
        }
        (
            found,
            [marks.ends_inside(), marks.ends_inside_name(), marks.expects_name()],
        )
    }

    #[test]
    fn marks_stand_where_a_plain_reader_sees_them() {
        let letters = b"\"\"\\{}[]:,a 7@\n\xea";
        let mut chance = Chance(3);
        for length in (0..200).chain([511, 512, 513, 1100]) {
            for _ in 0..30 {
                let text = [chance.text(letters, length), chance.runs(letters, length)].concat();
                let plainly = plainly(&text);
                assert_eq!(found(&text, true), plainly, "{}", text.escape_ascii());
                let (bright, end) = found(&text, false);
                assert_eq!(end, plainly.1);
                let needs_look = |(at, _, _, name, wakes): &Mark| *name || *wakes || b"{}[]".contains(&text[*at]);
                let mut expected: Vec<Mark> = plainly.0;
                expected.retain(|mark| needs_look(mark) || bright.contains(mark));
                assert_eq!(bright, expected, "{}", text.escape_ascii());
            }
        }
    }
}

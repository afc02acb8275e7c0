//! What wakes a search, remembered for a whole chunk, so that any text of it can be asked about.

use std::ops::Range;

use super::trigger::{Signs, Triggers};
use super::{BLOCK, Blocks, CHUNK_BLOCKS};

/// The map of one chunk.
#[derive(Default)]
pub(in crate::engine) struct WakeMap {
    blocks: Vec<Block>,
}

/// Bits of one block.
#[derive(Clone, Copy, Default)]
struct Block {
    signs: Signs,
    /// `&` and `<`: what markup hides something behind.
    escape: u64,
}

/// What a text of the chunk may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Text {
    /// Nothing in it wakes a search.
    Calm,
    /// It may hold an identifier; of one that begins behind a number of the text before it this may be too much to say.
    Waking,
    /// It has references or tags, behind which anything may be.
    Escaped,
}

impl WakeMap {
    /// Forgets the last chunk and reads `chunk`: 32 bytes for each of its blocks.
    pub(in crate::engine) fn read(&mut self, chunk: &[u8]) {
        self.blocks.clear();
        let mut triggers = Triggers::default();
        let mut blocks = Blocks::<CHUNK_BLOCKS, true>::new(chunk, b'&');
        while let Some((_, masks)) = blocks.next() {
            self.blocks.push(Block {
                signs: triggers.signs(masks),
                escape: masks.delimiter | masks.less,
            });
        }
    }

    /// What the text that is this range of the chunk may be.
    #[inline]
    pub(in crate::engine) fn text(&self, range: &Range<usize>) -> Text {
        let all = self.all(range);
        if all.escape != 0 {
            Text::Escaped
        } else if all.signs.wake(range.len()) || all.signs.veil != 0 {
            Text::Waking
        } else {
            Text::Calm
        }
    }

    /// The bits of a range, of all its blocks together.
    #[inline]
    fn all(&self, range: &Range<usize>) -> Block {
        let (first, last) = (range.start / BLOCK, range.end.saturating_sub(1) / BLOCK);
        let begin = u64::MAX << (range.start % BLOCK);
        let end = u64::MAX >> ((BLOCK - range.end % BLOCK) % BLOCK);
        let blocks = self.blocks.get(first..=last).unwrap_or_default();
        if let [block] = blocks {
            return block.within(if range.is_empty() { 0 } else { begin & end });
        }
        let (Some((head, rest)), Some((tail, _))) = (blocks.split_first(), blocks.split_last()) else {
            return Block::default();
        };
        let inner = rest.get(..rest.len() - 1).unwrap_or_default();
        let ends = head.within(begin).or(tail.within(end));
        inner.iter().fold(ends, |all, block| all.or(*block))
    }
}

impl Block {
    fn within(self, mask: u64) -> Self {
        Self {
            signs: self.signs.within(mask),
            escape: self.escape & mask,
        }
    }

    fn or(self, other: Self) -> Self {
        Self {
            signs: self.signs.or(other.signs),
            escape: self.escape | other.escape,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::look;
    use super::super::testing::Chance;
    use super::*;

    /// What a text is by itself.
    fn alone(text: &[u8]) -> Text {
        if text.iter().any(|byte| b"&<".contains(byte)) {
            Text::Escaped
        } else if matches!(look(text), (true, _) | (_, true)) {
            Text::Waking
        } else {
            Text::Calm
        }
    }

    #[test]
    fn a_map_says_of_texts_what_they_say_alone() {
        let mut chance = Chance(13);
        let mut map = WakeMap::default();
        for length in (1..200).chain([511, 512, 513, 1100]).flat_map(|length| [length; 20]) {
            let text = chance.runs(b"7 -a1@(5x\xea\\>>&<", length);
            map.read(&text);
            for part in text.split(|byte| *byte == b'>') {
                let start = part.as_ptr() as usize - text.as_ptr() as usize;
                let found = map.text(&(start..start + part.len()));
                assert_eq!(found, alone(part), "{}", text.escape_ascii());
            }
        }
    }
}

//! Bytes classified 64 at a time: bit masks that tell where structure stands and where a search may find something.
//!
//! ```text
//!   "tel":"010-0000-1234"        one block
//!   1...11.............1.        quote
//!   .......111.1111.1111.        digit
//!   .................111.        trigger: eleven bytes of digits and phone punctuation end here
//! ```
//!
//! The masks of one block come from [`simd`] where the processor has the instructions, else from [`portable`], which is
//! also what the tests hold the others against. What spans blocks (runs) is ordinary integer work on the masks.

mod count;
mod map;
#[cfg(any(test, not(target_arch = "x86_64")))]
mod portable;
#[cfg(target_arch = "x86_64")]
mod simd;
#[cfg(test)]
pub(super) mod testing;
mod texts;
mod trigger;

pub use count::triggers;
pub(super) use map::{Text, WakeMap};
pub(super) use texts::{Ends, Texts};
pub(super) use trigger::{RUN_BYTES_MIN, block_wakes, is_digest, look, wakes};

/// Bytes of one block: a bit of a word for each.
pub(super) const BLOCK: usize = 64;
/// Blocks of a chunk that are classified by one call: enough to make the call cheap, few enough to lie on the stack.
pub(super) const CHUNK_BLOCKS: usize = 8;

/// What the bytes of one block are: bit `i` speaks of byte `i`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Masks {
    /// `"`
    pub(super) quote: u64,
    /// `\`
    pub(super) backslash: u64,
    /// `{ } [ ]`
    pub(super) bracket: u64,
    /// `,`
    pub(super) comma: u64,
    /// `:`
    pub(super) colon: u64,
    /// Line feed.
    pub(super) newline: u64,
    /// The delimiter that was asked for.
    pub(super) delimiter: u64,
    /// `0` to `9`
    pub(super) digit: u64,
    /// What stands between the digits of a number, but a blank: `( ) + - .`
    pub(super) punctuation: u64,
    /// `<`
    pub(super) less: u64,
    /// `@`
    pub(super) sign: u64,
    /// Blank.
    pub(super) blank: u64,
    /// Not ASCII.
    pub(super) high: u64,
    /// `A` to `Z` and `a` to `z`
    pub(super) letter: u64,
    /// What a hidden character may begin with: `# % & (`, and the first byte of letters of the full width.
    pub(super) veil: u64,
}

impl Masks {
    /// Takes over `masks`: `ALL` of them, or those that a search reads, and leaves the others as they are.
    #[inline]
    fn set<const ALL: bool>(&mut self, masks: Self) {
        if ALL {
            *self = masks;
        } else {
            self.digit = masks.digit;
            self.punctuation = masks.punctuation;
            self.sign = masks.sign;
            self.blank = masks.blank;
        }
    }

    /// Those of a text of at most one block, with `=` for the delimiter.
    pub(super) fn of(text: &[u8]) -> Option<Self> {
        if text.len() > BLOCK {
            return None;
        }
        // Padded with NUL, which belongs to no class.
        let mut block = [[0; BLOCK]];
        if let Some(bytes) = block.as_flattened_mut().get_mut(..text.len()) {
            bytes.copy_from_slice(text);
        }
        let mut masks = [Self::default()];
        classify::<true>(&block, b'=', &mut masks);
        let [masks] = masks;
        Some(masks)
    }

    /// Whether one more reader might undo something in the text that this block is: an escape, a character that stands for
    /// another, or a run in another alphabet. Few texts have what any of them begins with.
    pub(super) fn may_hide(&self) -> bool {
        let leads = self.veil | self.backslash | self.less | self.bracket | self.delimiter | self.high;
        leads != 0 || trigger::has_run(self)
    }
}

/// The masks of up to `BLOCKS` blocks: `ALL` of them, or those that a search reads.
struct Batch<const BLOCKS: usize, const ALL: bool> {
    blocks: [Masks; BLOCKS],
    count: usize,
}

impl<const BLOCKS: usize, const ALL: bool> Batch<BLOCKS, ALL> {
    /// One that is empty.
    fn new() -> Self {
        Self {
            blocks: [Masks::default(); BLOCKS],
            count: 0,
        }
    }

    /// Classifies the first blocks of `text`, as many as fit; bits past its end are zero.
    fn read(&mut self, text: &[u8], delimiter: u8) {
        let text = text.get(..BLOCKS * BLOCK).unwrap_or(text);
        let (whole, rest) = text.as_chunks::<BLOCK>();
        classify::<ALL>(whole, delimiter, &mut self.blocks);
        self.count = whole.len();
        if let (false, Some(last)) = (rest.is_empty(), self.blocks.get_mut(whole.len()..)) {
            // Padded with NUL, which belongs to no class.
            let mut block = [[0; BLOCK]];
            if let Some(bytes) = block.as_flattened_mut().get_mut(..rest.len()) {
                bytes.copy_from_slice(rest);
            }
            classify::<ALL>(&block, delimiter, last);
            self.count += 1;
        }
    }

    /// The masks, block by block.
    fn masks(&self) -> &[Masks] {
        self.blocks.get(..self.count).unwrap_or_default()
    }
}

/// The blocks of one chunk, `BATCH` of which are classified at a time; with `ALL` of their masks, or those that a search reads.
pub(super) struct Blocks<'c, const BATCH: usize, const ALL: bool = true> {
    chunk: &'c [u8],
    delimiter: u8,
    batch: Batch<BATCH, ALL>,
    /// The number of the next block in the batch, and its first byte in the chunk.
    block: usize,
    next: usize,
}

impl<'c, const BATCH: usize, const ALL: bool> Blocks<'c, BATCH, ALL> {
    /// Those of `chunk`, with the masks of this delimiter.
    pub(super) fn new(chunk: &'c [u8], delimiter: u8) -> Self {
        Self {
            chunk,
            delimiter,
            batch: Batch::new(),
            block: BATCH,
            next: 0,
        }
    }

    /// The next block: its first byte in the chunk and its masks.
    #[inline]
    pub(super) fn next(&mut self) -> Option<(usize, &Masks)> {
        if self.block == BATCH {
            self.batch.read(self.chunk.get(self.next..)?, self.delimiter);
            self.block = 0;
        }
        let masks = self.batch.masks().get(self.block)?;
        let at = self.next;
        self.block += 1;
        self.next += BLOCK;
        Some((at, masks))
    }

    /// The first byte of the next block, to come back to.
    pub(super) const fn place(&self) -> usize {
        self.next
    }

    /// Comes back to the block that begins at `place`, one of those given before.
    pub(super) fn back_to(&mut self, place: usize) {
        let behind = (self.next - place) / BLOCK;
        if let Some(block) = self.block.checked_sub(behind) {
            self.block = block;
        } else {
            self.block = BATCH;
        }
        self.next = place;
    }
}

#[cfg(not(target_arch = "x86_64"))]
use portable::classify;
#[cfg(target_arch = "x86_64")]
use simd::classify;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_ends_where_the_text_does() {
        for length in [0, 1, 63, 64, 65, 511, 512, 600] {
            let text = vec![b'7'; length];
            let mut batch = Batch::<8, true>::new();
            batch.read(&text, b',');
            let digits: u32 = batch.masks().iter().map(|masks| masks.digit.count_ones()).sum();
            assert_eq!(digits as usize, length.min(8 * BLOCK));
        }
    }
}

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

#[cfg(any(test, not(target_arch = "x86_64")))]
mod portable;
#[cfg(target_arch = "x86_64")]
mod simd;
mod trigger;
mod walk;

pub(super) use trigger::wakes;
pub(super) use walk::Walk;

use trigger::Triggers;

/// Bytes of one block: a bit of a word for each.
pub(super) const BLOCK: usize = 64;
/// Blocks classified by one call: enough to make the call itself cheap, few enough to lie on the stack.
const BATCH_BLOCKS: usize = 8;
/// Bytes classified by one call.
const BATCH: usize = BATCH_BLOCKS * BLOCK;

/// What the bytes of one block are: bit `i` speaks of byte `i`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Masks {
    /// `"`
    pub(super) quote: u64,
    /// `\`
    pub(super) backslash: u64,
    /// `{ } [ ] : ,`
    pub(super) structural: u64,
    /// Line feed.
    pub(super) newline: u64,
    /// The delimiter that was asked for.
    pub(super) delimiter: u64,
    /// `0` to `9`
    pub(super) digit: u64,
    /// What stands between the digits of a number, but a blank: `( ) + - .`
    pub(super) punctuation: u64,
    /// `@`
    pub(super) sign: u64,
    /// Blank.
    pub(super) blank: u64,
    /// Not ASCII.
    pub(super) high: u64,
}

/// The masks of up to [`BATCH`] bytes.
pub(super) struct Batch {
    blocks: [Masks; BATCH_BLOCKS],
    count: usize,
}

impl Batch {
    /// Classifies the first [`BATCH`] bytes of `text`; bits past its end are zero.
    pub(super) fn of(text: &[u8], delimiter: u8) -> Self {
        let mut batch = Self {
            blocks: [Masks::default(); BATCH_BLOCKS],
            count: 0,
        };
        let text = text.get(..BATCH).unwrap_or(text);
        let (whole, rest) = text.as_chunks::<BLOCK>();
        #[cfg(target_arch = "x86_64")]
        simd::classify(whole, delimiter, &mut batch.blocks);
        #[cfg(not(target_arch = "x86_64"))]
        portable::classify(whole, delimiter, &mut batch.blocks);
        batch.count = whole.len();
        if !rest.is_empty() {
            batch.push_rest(rest, delimiter);
        }
        batch
    }

    /// The masks, block by block.
    pub(super) fn masks(&self) -> &[Masks] {
        self.blocks.get(..self.count).unwrap_or_default()
    }

    /// A last block that is not whole: padded with NUL, which belongs to no class.
    fn push_rest(&mut self, rest: &[u8], delimiter: u8) {
        let mut block = [[0; BLOCK]];
        let [bytes] = &mut block;
        for (to, from) in bytes.iter_mut().zip(rest) {
            *to = *from;
        }
        let mut masks = [Masks::default()];
        #[cfg(target_arch = "x86_64")]
        simd::classify(&block, delimiter, &mut masks);
        #[cfg(not(target_arch = "x86_64"))]
        portable::classify(&block, delimiter, &mut masks);
        if let ([masks], Some(slot)) = (masks, self.blocks.get_mut(self.count)) {
            *slot = masks;
            self.count += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_ends_where_the_text_does() {
        for length in [0, 1, 63, 64, 65, 511, 512, 600] {
            let text = vec![b'7'; length];
            let batch = Batch::of(&text, b',');
            let digits: u32 = batch.masks().iter().map(|masks| masks.digit.count_ones()).sum();
            assert_eq!(digits as usize, length.min(BATCH));
        }
    }
}

//! Texts of Parquet that are written as what tells them from the one before ("Encodings": `DELTA_BINARY_PACKED`,
//! `DELTA_LENGTH_BYTE_ARRAY`, `DELTA_BYTE_ARRAY`).
//!
//! ```text
//!   lengths:        size of a block, groups of a block, count, first │ block │ block ...
//!   block:          least difference │ bits of a number in each group │ groups of differences, the low bits first
//!   texts:          lengths, then all texts        texts with prefixes:  lengths of prefixes, lengths, what follows each
//! ```

use super::bytes::take;
use super::thrift::{Reader, Short};
use super::{Fault, Told};

/// Texts of a page. Against: differences of no bits, of which a page holds any number.
const TEXTS_MAX: usize = 1 << 20;
/// Bits of a difference between two lengths.
const BITS_MAX: u8 = 32;
/// Differences in a group: writers have 32.
const GROUP_MAX: u64 = 1 << 16;

/// Tells the texts of `values`, each a line, if they are such texts to the last byte; else answers that they are none. `is_prefixed`:
/// each begins as so much of the one before it.
pub(super) fn tell(values: &[u8], is_prefixed: bool, told: &mut Told<'_>) -> Result<bool, Fault> {
    let Some(texts) = Texts::read(values, is_prefixed) else {
        return Ok(false);
    };
    let mut text = Vec::new();
    let mut rest = texts.bytes;
    for (at, length) in texts.lengths.iter().enumerate() {
        text.truncate(texts.prefixes.get(at).copied().unwrap_or_default());
        text.extend_from_slice(take(&mut rest, *length as u64));
        told.line(&text)?;
    }
    Ok(true)
}

struct Texts<'v> {
    /// How much of the one before each begins as; none, or as many as there are lengths.
    prefixes: Vec<usize>,
    lengths: Vec<usize>,
    bytes: &'v [u8],
}

impl<'v> Texts<'v> {
    fn read(mut values: &'v [u8], is_prefixed: bool) -> Option<Self> {
        let prefixes = if is_prefixed { numbers(&mut values)? } else { Vec::new() };
        let lengths = numbers(&mut values)?;
        let all = lengths
            .iter()
            .try_fold(0_usize, |all, length| all.checked_add(*length))?;
        let is_whole = all == values.len() && (!is_prefixed || prefixes.len() == lengths.len());
        let mut before = 0;
        let are_prefixes = prefixes.iter().zip(&lengths).all(|(prefix, length)| {
            let is_prefix = *prefix <= before;
            before = prefix.saturating_add(*length);
            is_prefix
        });
        (is_whole && are_prefixes).then_some(Self {
            prefixes,
            lengths,
            bytes: values,
        })
    }
}

/// The numbers at the front of `bytes`, none of them below zero.
fn numbers(bytes: &mut &[u8]) -> Option<Vec<usize>> {
    let (block, groups, count) = (
        read(bytes, Reader::number)?,
        read(bytes, Reader::number)?,
        read(bytes, Reader::number)?,
    );
    let mut value = read(bytes, Reader::signed)?;
    let count = usize::try_from(count).ok().filter(|count| *count <= TEXTS_MAX)?;
    let group = block
        .checked_div(groups)
        .filter(|group| (1..=GROUP_MAX).contains(group) && group % 8 == 0)?;
    let mut numbers = Vec::new();
    if count > 0 {
        numbers.push(usize::try_from(value).ok()?);
    }
    while numbers.len() < count {
        let least = read(bytes, Reader::signed)?;
        let widths = take_exactly(bytes, groups)?;
        for width in widths {
            // Behind the last number there may be groups that say a width and hold nothing.
            if numbers.len() == count {
                break;
            }
            if *width > BITS_MAX {
                return None;
            }
            let packed = take_exactly(bytes, group / 8 * u64::from(*width))?;
            for place in 0..group.min((count - numbers.len()) as u64) {
                let difference = bits(packed, place as usize * usize::from(*width), *width);
                value = value.checked_add(least)?.checked_add(difference)?;
                numbers.push(usize::try_from(value).ok()?);
            }
        }
    }
    Some(numbers)
}

/// So many bytes off the front.
fn take_exactly<'b>(bytes: &mut &'b [u8], count: u64) -> Option<&'b [u8]> {
    let count = usize::try_from(count).ok()?;
    let (taken, rest) = bytes.split_at_checked(count)?;
    *bytes = rest;
    Some(taken)
}

/// A number of `width` bits that begins at this bit, the low ones first.
fn bits(packed: &[u8], from: usize, width: u8) -> i64 {
    let bytes = packed.get(from / 8..).unwrap_or_default().iter().take(8);
    let word = bytes
        .enumerate()
        .fold(0_u64, |word, (place, byte)| word | u64::from(*byte) << (8 * place));
    let mask = (1_u64 << width) - 1;
    (word >> (from % 8) & mask).cast_signed()
}

/// A number as Thrift writes it.
fn read<'b, T>(bytes: &mut &'b [u8], number: impl FnOnce(&mut Reader<'b>) -> Result<T, Short>) -> Option<T> {
    let mut reader = Reader { rest: bytes };
    let read = number(&mut reader).ok();
    *bytes = reader.rest;
    read
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the format's description: 1, 2, 3, 4, 5 have differences of one each, so of no bits.
    const COUNTING: [u8; 10] = [0x80, 0x01, 0x04, 0x05, 0x02, 0x02, 0, 0, 0, 0];

    #[test]
    fn numbers_are_read_to_their_end() {
        let mut bytes = &[&COUNTING[..], b"behind"].concat()[..];
        assert_eq!(numbers(&mut bytes), Some(vec![1, 2, 3, 4, 5]));
        assert_eq!(bytes, b"behind");
        // 7, 5, 3, 1, 2, 3, 4, 5: the least difference is -2, of the others two bits tell.
        let packed = [0xc0, 0x3f, 0, 0, 0, 0, 0, 0];
        let bytes = [&[0x80, 0x01, 0x04, 0x08, 0x0e, 0x03, 2, 0, 0, 0][..], &packed].concat();
        assert_eq!(numbers(&mut &bytes[..]), Some(vec![7, 5, 3, 1, 2, 3, 4, 5]));
        for cut in 0..bytes.len() {
            assert_eq!(numbers(&mut &bytes[..cut]), None, "{cut}");
        }
        let bad: [&[u8]; 5] = [
            &[0x80, 0x01, 0x00, 0x05, 0x02],
            &[0x01, 0x01, 0x05, 0x02, 0x02, 0],
            &[0x80, 0x01, 0x04, 0xff, 0xff, 0xff, 0x7f, 0x02],
            &[0x80, 0x01, 0x04, 0x05, 0x01],
            &[0x80, 0x01, 0x04, 0x05, 0x02, 0x02, 33, 0, 0, 0],
        ];
        for bytes in bad {
            assert_eq!(numbers(&mut &bytes[..]), None, "{bytes:?}");
        }
        assert_eq!(numbers(&mut &[0x80, 0x01, 0x04, 0, 0][..]), Some(Vec::new()));
    }

    #[test]
    fn texts_are_none_that_do_not_end_where_their_lengths_say() {
        let whole = [&COUNTING[..], b"abbcccddddeeeee"].concat();
        assert!(Texts::read(&whole, false).is_some_and(|texts| texts.lengths == [1, 2, 3, 4, 5]));
        assert!(Texts::read(&whole[..whole.len() - 1], false).is_none());
        assert!(Texts::read(&[&whole[..], b"x"].concat(), false).is_none());
        let texts = [&COUNTING[..], &whole].concat();
        assert!(Texts::read(&texts, true).is_none(), "the first has none before it");
    }
}

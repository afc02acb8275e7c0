//! The masks of a block, byte by byte: what every other way to make them is held against.

use super::{BLOCK, Masks};

/// Writes the masks of each block into `out`, as many as both have; not `ALL` of them, those that a search reads.
pub(super) fn classify<const ALL: bool>(blocks: &[[u8; BLOCK]], delimiter: u8, out: &mut [Masks]) {
    for (block, masks) in blocks.iter().zip(out) {
        masks.set::<ALL>(of(block, delimiter));
    }
}

fn of(block: &[u8; BLOCK], delimiter: u8) -> Masks {
    let mut masks = Masks::default();
    for (place, byte) in block.iter().enumerate() {
        let bit = |is: bool| u64::from(is) << place;
        masks.quote |= bit(*byte == b'"');
        masks.backslash |= bit(*byte == b'\\');
        masks.bracket |= bit(matches!(byte, b'{' | b'}' | b'[' | b']'));
        masks.comma |= bit(*byte == b',');
        masks.colon |= bit(*byte == b':');
        masks.newline |= bit(*byte == b'\n');
        masks.delimiter |= bit(*byte == delimiter);
        masks.digit |= bit(byte.is_ascii_digit());
        masks.punctuation |= bit(matches!(byte, b'(' | b')' | b'+' | b'-' | b'.'));
        masks.less |= bit(*byte == b'<');
        masks.sign |= bit(*byte == b'@');
        masks.blank |= bit(*byte == b' ');
        masks.high |= bit(!byte.is_ascii());
        masks.letter |= bit(byte.is_ascii_alphabetic());
        masks.veil |= bit(matches!(byte, b'#' | b'%' | b'&' | b'(' | 0xef));
    }
    masks
}

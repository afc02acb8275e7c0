//! UTF-32 (Unicode 16, section 3.10), of which the WHATWG's encodings have none: four bytes a character.

use smallvec::SmallVec;

/// What stands before a text to say how it is written, and is none of it.
const MARK: char = '\u{feff}';

/// Reads one text.
pub(super) struct Utf32 {
    is_big: bool,
    /// The bytes of a character so far; < 4 of them.
    kept: SmallVec<[u8; 4]>,
    is_first: bool,
}

impl Utf32 {
    pub(super) fn new(is_big: bool) -> Self {
        Self {
            is_big,
            kept: SmallVec::new(),
            is_first: true,
        }
    }

    /// Reads from the front of `bytes` into `out`: whether that was all of them, how many were read, how many written.
    pub(super) fn read(&mut self, bytes: &[u8], out: &mut [u8], last: bool) -> (bool, usize, usize) {
        let mut written = 0;
        for (read, byte) in bytes.iter().enumerate() {
            if out.len() - written < 4 {
                return (false, read, written);
            }
            self.kept.push(*byte);
            let Some(unit) = self.kept.first_chunk::<4>().copied() else {
                continue;
            };
            self.kept.clear();
            let number = if self.is_big {
                u32::from_be_bytes(unit)
            } else {
                u32::from_le_bytes(unit)
            };
            let letter = char::from_u32(number).unwrap_or(char::REPLACEMENT_CHARACTER);
            if std::mem::take(&mut self.is_first) && letter == MARK {
                continue;
            }
            written += put(letter, out, written);
        }
        if last && !self.kept.is_empty() {
            if out.len() - written < 4 {
                return (false, bytes.len(), written);
            }
            self.kept.clear();
            written += put(char::REPLACEMENT_CHARACTER, out, written);
        }
        (true, bytes.len(), written)
    }
}

/// Writes a character into `out` at `at`; its length.
fn put(letter: char, out: &mut [u8], at: usize) -> usize {
    out.get_mut(at..)
        .filter(|room| room.len() >= letter.len_utf8())
        .map_or(0, |room| letter.encode_utf8(room).len())
}

/// Whether more of these few bytes may yet tell that zeros stand beside letters.
pub(super) fn may_have_zeros(first: &[u8]) -> bool {
    match first {
        [] | [_] | [_, 0] | [0, _] | [_, 0, _] | [0, _, _] => true,
        [a, 0, 0, 0, rest @ ..] if *a != 0 => rest.len() < 4,
        [0, 0, 0, a, rest @ ..] if *a != 0 => rest.len() < 4,
        _ => false,
    }
}
